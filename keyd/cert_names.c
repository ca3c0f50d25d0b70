#include "keyd/cert.h"

#include <stdlib.h>
#include <time.h>

bool cert_name_ok(const char *name)
{
	size_t n = strlen(name), label = 0;

	if (strncmp(name, "*.", 2) == 0) {
		name += 2;
		n -= 2;
	}
	if (n == 0 || n > CERT_NAME_MAX - 2)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)name[i];

		if (c == '.') {
			if (label == 0)
				return false;
			label = 0;
			continue;
		}
		if (!is_class(c, CC_DIGIT) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
			return false;
		if (++label > 63)
			return false;
	}
	return label != 0;
}

static int add_name(struct cert *c, struct slice s)
{
	char *copy;

	/* A NUL or anything else that no host name has: this name serves nobody. */
	if (s.len == 0 || s.len > CERT_NAME_MAX || slice_chr(s, '\0') >= 0)
		return 0;
	if (c->names_n == CERT_NAMES_MAX)
		return ERR_LIMIT;
	if ((copy = malloc(s.len + 1)) == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < s.len; i++)
		copy[i] = (char)ascii_lower(s.p[i]);
	copy[s.len] = '\0';
	if (!cert_name_ok(copy)) {
		free(copy);
		return 0;
	}
	if (c->names_n == 0)
		memcpy(c->first, copy, s.len + 1);
	c->names[c->names_n++] = copy;
	return 0;
}

static struct slice asn1_text(const ASN1_STRING *s)
{
	return slice_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static int add_alt_names(struct cert *c, const GENERAL_NAMES *alt)
{
	int r = 0;

	for (int i = 0; r == 0 && i < sk_GENERAL_NAME_num(alt); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(alt, i);

		if (g->type == GEN_DNS)
			r = add_name(c, asn1_text(g->d.dNSName));
	}
	return r;
}

static int add_common_name(struct cert *c, X509 *x)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int i = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	return i < 0 ? 0 : add_name(c, asn1_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i))));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The subjectAltName; where it has no DNS name, the CN, as long ago. */
int cert_read_names(struct cert *c, X509 *x, struct buf *why)
{
	GENERAL_NAMES *alt = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	unsigned n = 0;
	int r = 0;

	if ((c->names = calloc(CERT_NAMES_MAX, sizeof(*c->names))) == NULL)
		r = ERR_NOMEM;
	if (r == 0 && alt != NULL)
		r = add_alt_names(c, alt);
	if (r == 0 && c->names_n == 0)
		r = add_common_name(c, x);
	GENERAL_NAMES_free(alt);
	if (r == ERR_LIMIT)
		buf_addf(why, "the certificate has more than %d names", CERT_NAMES_MAX);
	if (r == 0 && c->names_n == 0) {
		buf_add_cstr(why, "the certificate has no host name, neither as subjectAltName nor as CN");
		r = ERR_SYNTAX;
	}
	if (r != 0)
		return r;
	qsort(c->names, c->names_n, sizeof(*c->names), by_name);
	for (unsigned i = 0; i < c->names_n; i++) {
		if (n != 0 && strcmp(c->names[n - 1], c->names[i]) == 0)
			free(c->names[i]);
		else
			c->names[n++] = c->names[i];
	}
	c->names_n = n;
	return 0;
}

static int seconds_of(const ASN1_TIME *t, uint64_t *s_r)
{
	struct tm tm;
	time_t s;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return ERR_SYNTAX;
	s = timegm(&tm);
	*s_r = s > 0 ? (uint64_t)s : 0;
	return 0;
}

int cert_read_dates(struct cert *c, const X509 *x, struct buf *why)
{
	if (seconds_of(X509_get0_notBefore(x), &c->not_before) != 0 || seconds_of(X509_get0_notAfter(x), &c->not_after) != 0 ||
	    c->not_after < c->not_before) {
		ERR_clear_error();
		buf_add_cstr(why, "the certificate's dates make no sense");
		return ERR_SYNTAX;
	}
	return 0;
}

/* "CN, O", as far as they are there. */
void cert_read_issuer(struct cert *c, X509 *x)
{
	static const int nids[] = { NID_commonName, NID_organizationName };
	const X509_NAME *issuer = X509_get_issuer_name(x);
	struct buf b = BUF_INIT(65536);
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(nids); i++) {
		int at = X509_NAME_get_index_by_NID(issuer, nids[i], -1);
		unsigned char *text = NULL;
		int len = at < 0 ? -1 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(issuer, at)));

		if (len > 0) {
			buf_add_cstr(&b, buf_len(&b) != 0 ? ", " : "");
			for (int k = 0; k < len; k++)
				buf_add_byte(&b, text[k] != '\0' ? text[k] : '?');
		}
		OPENSSL_free(text);
	}
	ERR_clear_error();
	n = buf_len(&b) < CERT_ISSUER_MAX ? buf_len(&b) : CERT_ISSUER_MAX;
	if (n != 0)
		memcpy(c->issuer, buf_slice(&b).p, n);
	c->issuer[n] = '\0';
	buf_free(&b);
}
