/* Addresses, networks and host names in values. */
#include <arpa/inet.h>

#include "common/base/strnum.h"
#include "common/daemon/conf_internal.h"

unsigned conf_address_parse(const char *text, uint8_t addr_r[16])
{
	if (inet_pton(AF_INET, text, addr_r) == 1)
		return 4;
	return inet_pton(AF_INET6, text, addr_r) == 1 ? 16 : 0;
}

/* ::ffff:192.0.2.1 is 192.0.2.1. */
static unsigned unmap(uint8_t addr[16], unsigned len)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (len != 16 || memcmp(addr, mapped, sizeof(mapped)) != 0)
		return len;
	memmove(addr, addr + 12, 4);
	return 4;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}

int conf_network_parse(const char *text, struct conf_network *n_r)
{
	static const uint8_t zero[16];
	struct slice s = slice_cstr(text);
	ptrdiff_t slash = slice_chr(s, '/');
	struct conf_network n = { .len = 0 };
	uint8_t tail[16];
	char host[64];
	uint32_t bits = 0;

	if (slice_to_cstr(slash >= 0 ? slice_sub(s, 0, (size_t)slash) : s, host, sizeof(host)) != 0 ||
	    (n.len = conf_address_parse(host, n.addr)) == 0)
		return ERR_SYNTAX;
	n.bits = n.len * 8;
	if (slash >= 0) {
		if (slice_to_u32(slice_sub(s, (size_t)slash + 1, SIZE_MAX), n.bits, &bits) != 0)
			return ERR_SYNTAX;
		n.bits = bits;
	}
	memcpy(tail, n.addr, sizeof(tail));
	for (unsigned i = 0; i < n.bits; i++)
		tail[i / 8] = (uint8_t)(tail[i / 8] & ~(0x80u >> i % 8));
	if (memcmp(tail, zero, n.len) != 0)
		return ERR_STATE;
	*n_r = n;
	return 0;
}

bool conf_network_match(const struct conf_list *nets, const char *addr)
{
	uint8_t a[16];
	unsigned len = conf_address_parse(addr, a);

	if (len == 0)
		return false;
	len = unmap(a, len);
	for (unsigned i = 0; i < nets->n; i++) {
		struct conf_network n;

		if (conf_network_parse(nets->v[i], &n) == 0 && n.len == len && bits_equal(n.addr, a, n.bits))
			return true;
	}
	return false;
}

const struct conf_service conf_services[LISTEN_COUNT] = {
	[LISTEN_SMTP] = { "smtp", "smtpd", false },
	[LISTEN_SUBMISSION] = { "submission", "smtpd", false },
	[LISTEN_SUBMISSIONS] = { "submissions", "smtpd", true },
	[LISTEN_POP3] = { "pop3", "pop3d", false },
	[LISTEN_POP3S] = { "pop3s", "pop3d", true },
	[LISTEN_IMAP] = { "imap", "imapd", false },
	[LISTEN_IMAPS] = { "imaps", "imapd", true },
};

/* service SP ( IPv4 / "[" IPv6 "]" ) ":" port */
int conf_listen_parse(const char *text, enum conf_listen_service *svc_r, char host_r[64], uint16_t *port_r)
{
	struct cursor c = cursor_of(slice_trim(slice_cstr(text)));
	struct slice word, host;
	uint8_t addr[16];
	uint32_t port;
	ptrdiff_t end;
	unsigned svc = 0;
	bool v6;

	if (cur_take_class(&c, CC_ALPHA | CC_DIGIT, 16, &word) != 0 || !is_class((uint8_t)cur_peek(&c), CC_WSP))
		return ERR_SYNTAX;
	while (svc < LISTEN_COUNT && !slice_eq_cstr(word, conf_services[svc].name))
		svc++;
	if (svc == LISTEN_COUNT)
		return ERR_SYNTAX;
	cur_skip_wsp(&c);
	v6 = cur_take_byte(&c, '[');
	if ((end = slice_chr(cur_rest(&c), v6 ? ']' : ':')) <= 0 ||
	    cur_take_n(&c, (size_t)end, &host) != 0 || slice_to_cstr(host, host_r, 64) != 0)
		return ERR_SYNTAX;
	if ((v6 && !cur_take_byte(&c, ']')) || !cur_take_byte(&c, ':') ||
	    slice_to_u32(cur_rest(&c), 65535, &port) != 0 ||
	    conf_address_parse(host_r, addr) != (v6 ? 16u : 4u))
		return ERR_SYNTAX;
	*svc_r = (enum conf_listen_service)svc;
	*port_r = (uint16_t)port;
	return 0;
}

bool conf_hostname_ok(const char *s)
{
	size_t n = strlen(s), label = 0;

	if (n == 0 || n > 253)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t ch = (uint8_t)s[i];

		if (ch == '.') {
			if (label == 0 || s[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!is_class(ch, CC_ALPHA | CC_DIGIT) && ch != '_' && (ch != '-' || label == 0))
			return false;
		if (++label > 63)
			return false;
	}
	return label != 0 && s[n - 1] != '-';
}

static struct slice take_word(struct slice *rest)
{
	struct slice s = slice_trim(*rest);
	size_t n = 0;

	while (n < s.len && !is_class(s.p[n], CC_WSP))
		n++;
	*rest = slice_trim(slice_sub(s, n, SIZE_MAX));
	return slice_sub(s, 0, n);
}

int conf_tls_policy_parse(struct slice text, struct conf_tls_policy *p_r)
{
	static const char *const levels[] = { "none", "may", "encrypt", "verify" };
	struct slice rest = text, word, names;
	char name[256];
	unsigned i = 0;

	p_r->domain = take_word(&rest);
	word = take_word(&rest);
	while (i < ARRAY_LEN(levels) && !slice_eq_cstr(word, levels[i]))
		i++;
	if (i == ARRAY_LEN(levels) || (rest.len != 0 && i != CONF_TLS_VERIFY))
		return ERR_SYNTAX;
	if (!slice_eq_cstr(p_r->domain, "*") &&
	    (slice_to_cstr(p_r->domain, name, sizeof(name)) != 0 || !conf_hostname_ok(name)))
		return ERR_SYNTAX;
	for (names = rest; (word = take_word(&names)).len != 0;)
		if (slice_to_cstr(word, name, sizeof(name)) != 0 || !conf_hostname_ok(name))
			return ERR_SYNTAX;
	p_r->level = (enum conf_tls_level)i;
	p_r->names = rest;
	return 0;
}

struct conf_tls_policy conf_tls_policy_of(const struct conf *c, struct slice domain)
{
	struct conf_tls_policy p, best = { .level = CONF_TLS_MAY };

	for (unsigned i = 0; i < c->tls_policy.n; i++) {
		if (conf_tls_policy_parse(slice_cstr(c->tls_policy.v[i]), &p) != 0)
			continue;
		if (slice_ieq(p.domain, domain))
			return p;
		if (slice_eq_cstr(p.domain, "*"))
			best = p;
	}
	return best;
}
