#include "tests/lib/unit.h"
#include "tests/lib/tls.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/ipc/roles.h"

enum { TURNS_MAX = 20000 };

void kit_turns(struct kit *k, unsigned n)
{
	while (n-- > 0)
		assert_int_equal(loop_turn(k->loop, 0), 0);
}

/* ---- keys and certificates ------------------------------------------------------------ */

static EVP_PKEY *make_key(const struct kit_cert_spec *s)
{
	size_t bits = s->rsa_bits != 0 ? s->rsa_bits : 2048;

	if (strncmp(s->type, "P-", 2) == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", s->type);
	if (strcmp(s->type, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, s->type, bits);
	if (strcmp(s->type, "RSA-PSS") == 0) {
		EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, s->type, NULL);
		EVP_PKEY *key = NULL;

		assert_int_equal(EVP_PKEY_keygen_init(c), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, (int)bits), 1);
		assert_int_equal(EVP_PKEY_generate(c, &key), 1);
		EVP_PKEY_CTX_free(c);
		return key;
	}
	return EVP_PKEY_Q_keygen(NULL, NULL, s->type);
}

static void add_ext(X509 *x, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx_nodb(&c);
	X509V3_set_ctx(&c, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

void kit_cert_make(struct kit_cert *c, const struct kit_cert_spec *s)
{
	static long serial = 1;
	EVP_PKEY *signer;
	X509_NAME *name;
	uint8_t *der = NULL;
	char cn[32];
	int n;

	memset(c, 0, sizeof(*c));
	c->key = make_key(s);
	c->x = X509_new();
	c->issuer = s->issuer;
	assert_non_null(c->key);
	assert_non_null(c->x);
	(void)snprintf(cn, sizeof(cn), "test %ld", serial);
	(void)X509_set_version(c->x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(c->x), serial++);
	(void)X509_gmtime_adj(X509_getm_notBefore(c->x), -10 * 86400L);
	(void)X509_gmtime_adj(X509_getm_notAfter(c->x), s->expired ? -86400L : 86400L);
	name = X509_get_subject_name(c->x);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	(void)X509_set_issuer_name(c->x, s->issuer != NULL ? X509_get_subject_name(s->issuer->x) : name);
	assert_int_equal(X509_set_pubkey(c->x, c->key), 1);
	add_ext(c->x, NID_basic_constraints, s->ca ? "critical,CA:TRUE" : "CA:FALSE");
	if (s->san != NULL)
		add_ext(c->x, NID_subject_alt_name, s->san);
	if (s->eku != NULL)
		add_ext(c->x, NID_ext_key_usage, s->eku);
	signer = s->issuer != NULL ? s->issuer->key : c->key;
	assert_int_not_equal(X509_sign(c->x, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256()), 0);
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &der);
	assert_true(n > 0);
	assert_int_equal(EVP_Digest(der, (size_t)n, c->id, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(der);
}

void kit_cert_free(struct kit_cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x);
	memset(c, 0, sizeof(*c));
}

struct kit_cert *kit_cert_add(struct kit *k, const struct kit_cert_spec *spec)
{
	assert_true(k->certs_n < KIT_CERTS);
	kit_cert_make(&k->certs[k->certs_n], spec);
	return &k->certs[k->certs_n++];
}

/* ---- keyd ------------------------------------------------------------------------------- */

static size_t sign(const struct kit *k, const uint8_t *id, uint16_t scheme, const uint8_t *text, size_t n, uint8_t *sig, size_t size)
{
	const EVP_MD *md = scheme == 0x0807 ? NULL : (scheme & 0xff) == 1 || (scheme & 0xff) == 3 ?
	    (scheme >> 8 == 4 ? EVP_sha256() : scheme >> 8 == 5 ? EVP_sha384() : EVP_sha512()) :
	    scheme == 0x0804 || scheme == 0x0809 ? EVP_sha256() : scheme == 0x0805 || scheme == 0x080a ? EVP_sha384() : EVP_sha512();
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p = NULL;

	for (unsigned i = 0; i < k->certs_n; i++) {
		if (memcmp(k->certs[i].id, id, KEY_ID_SIZE) != 0)
			continue;
		assert_int_equal(EVP_DigestSignInit(c, &p, md, NULL, k->certs[i].key), 1);
		if (scheme >> 8 == 8 && scheme != 0x0807) {
			assert_true(EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) > 0);
			assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) > 0);
		}
		assert_int_equal(EVP_DigestSign(c, sig, &size, text, n), 1);
		EVP_MD_CTX_free(c);
		return size;
	}
	EVP_MD_CTX_free(c);
	return 0;
}

static void answer(struct kit *k, struct channel *ch, uint32_t id, const uint8_t *key, uint16_t scheme, const uint8_t *text, size_t n)
{
	uint8_t sig[1024];
	struct key_signature m = { .signature = slice_of(sig, sizeof(sig)) };

	memset(sig, 0xa5, sizeof(sig));
	if (k->mode == KEYD_GARBAGE)
		m.signature.len = 64;
	else if (k->mode != KEYD_LONG)
		m.signature.len = sign(k, key, scheme, text, n, sig, sizeof(sig));
	assert_true(m.signature.len != 0);
	IPC_REPLY(ch, key_signature, id, &m);
}

static int on_sign(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct kit *k = ctx;
	struct key_sign q;
	struct key_fail no = { .code = (uint32_t)ERR_DENIED, .text = SLICE_LIT("not this one") };
	struct key_ok ok = { 0 };

	assert_int_equal(IPC_DECODE(m, key_sign, NULL, &q), 0);
	assert_int_equal(q.key.len, KEY_ID_SIZE);
	k->signs++;
	k->scheme = q.scheme;
	if (k->mode == KEYD_HOLD) {
		unsigned i = k->held++;

		assert_true(i < ARRAY_LEN(k->held_id));
		k->held_id[i] = m->id;
		memcpy(k->held_text[i], q.text.p, k->held_len[i] = q.text.len);
		k->held_scheme[i] = q.scheme;
		memcpy(k->held_key[i], q.key.p, KEY_ID_SIZE);
	} else if (k->mode == KEYD_DENY) {
		IPC_REPLY(ch, key_fail, m->id, &no);
	} else if (k->mode == KEYD_NONSENSE) {
		IPC_REPLY(ch, key_ok, m->id, &ok);
	} else {
		answer(k, ch, m->id, q.key.p, q.scheme, q.text.p, q.text.len);
	}
	return 0;
}

void kit_release(struct kit *k)
{
	k->mode = KEYD_SIGN;
	for (unsigned i = 0; i < k->held; i++)
		answer(k, k->keyd, k->held_id[i], k->held_key[i], k->held_scheme[i], k->held_text[i], k->held_len[i]);
	k->held = 0;
}

static void edge_closed(struct channel *ch, int why, void *ctx)
{
	struct kit *k = ctx;

	tls_server_keyd_close(&k->d, ch, why);
	k->edge = NULL;
}

static void keyd_closed(struct channel *ch, int why, void *ctx)
{
	(void)ch;
	(void)why;
	((struct kit *)ctx)->keyd = NULL;
}

static void edge_opened(struct channel *ch, void *ctx)
{
	tls_server_keyd_open(&((struct kit *)ctx)->d, ch);
}

void kit_keyd_open(struct kit *k)
{
	static const struct ipc_handler keyd_handlers[] = { { key_sign_MSG, on_sign }, { 0, NULL } };
	struct channel_conf a = { .proto = "key", .major = PROTO_KEY_MAJOR, .minor = PROTO_KEY_MINOR, .role = ROLE_SMTPD,
	    .peer_role = ROLE_KEYD, .peer_uid = (uid_t)-1, .handlers = tls_server_handlers, .on_open = edge_opened,
	    .on_close = edge_closed, .ctx = k, .handler_ctx = &k->d };
	struct channel_conf b = { .proto = "key", .major = PROTO_KEY_MAJOR, .minor = PROTO_KEY_MINOR, .role = ROLE_KEYD,
	    .peer_role = ROLE_SMTPD, .peer_uid = (uid_t)-1, .handlers = keyd_handlers, .on_close = keyd_closed, .ctx = k };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_non_null(k->edge = channel_new(k->loop, sv[0], &a));
	assert_non_null(k->keyd = channel_new(k->loop, sv[1], &b));
	kit_turns(k, 4);
}

void kit_keyd_close(struct kit *k)
{
	if (k->keyd != NULL)
		channel_close(k->keyd);
	kit_turns(k, 4);
	assert_null(k->edge);
}

void kit_tell_certs(struct kit *k, unsigned defaults)
{
	struct key_cert list[KIT_CERTS] = { { .is_default = 0 } };
	static struct key_name names[KIT_CERTS][16];
	static char text[KIT_CERTS][16][256];
	struct buf chain[KIT_CERTS];
	struct key_certs m = { .certs = list, .certs_n = k->certs_n };

	for (unsigned i = 0; i < k->certs_n; i++) {
		const struct kit_cert *c = &k->certs[i];
		GENERAL_NAMES *san = X509_get_ext_d2i(c->x, NID_subject_alt_name, NULL, NULL);

		chain[i] = BUF_INIT(65536);
		for (const struct kit_cert *x = c; x != NULL; x = x->issuer) {
			uint8_t *der = NULL;
			int n = i2d_X509(x->x, &der);

			buf_add(&chain[i], der, (size_t)n);
			OPENSSL_free(der);
		}
		list[i].key = slice_of(c->id, sizeof(c->id));
		list[i].chain = buf_slice(&chain[i]);
		list[i].is_default = (uint8_t)(defaults >> i & 1);
		list[i].names = names[i];
		for (int j = 0; j < sk_GENERAL_NAME_num(san) && j < 16; j++) {
			const GENERAL_NAME *g = sk_GENERAL_NAME_value(san, j);

			if (g->type != GEN_DNS)
				continue;
			(void)snprintf(text[i][j], 256, "%.*s", ASN1_STRING_length(g->d.dNSName),
			    (const char *)ASN1_STRING_get0_data(g->d.dNSName));
			names[i][list[i].names_n++].name = slice_cstr(text[i][j]);
		}
		GENERAL_NAMES_free(san);
	}
	IPC_SEND(k->keyd, key_certs, 0, &m);
	for (unsigned i = 0; i < k->certs_n; i++)
		buf_free(&chain[i]);
	kit_turns(k, 4);
}

void kit_tell_tickets(struct kit *k, uint8_t seed, uint8_t older)
{
	uint8_t bytes[2][80];
	struct key_ticket list[2];
	struct key_tickets m = { .keys = list, .keys_n = older != 0 ? 2 : 1 };

	memset(bytes[0], seed, sizeof(bytes[0]));
	memset(bytes[1], older, sizeof(bytes[1]));
	for (unsigned i = 0; i < 2; i++)
		list[i] = (struct key_ticket){ slice_of(bytes[i], 16), slice_of(bytes[i] + 16, 32), slice_of(bytes[i] + 48, 32) };
	IPC_SEND(k->keyd, key_tickets, 0, &m);
	kit_turns(k, 4);
}

void kit_start(struct kit *k, const char *service)
{
	if (k->conf.tls_min_version == NULL)
		k->conf.tls_min_version = "1.2";
	if (k->conf.tls_client_ca == NULL)
		k->conf.tls_client_ca = "";
	if (k->conf.tls_handshake_timeout == 0)
		k->conf.tls_handshake_timeout = 30;
	k->loop = loop_new();
	assert_non_null(k->loop);
	k->d.loop = k->loop;
	k->d.conf = &k->conf;
	k->d.tls = tls_server_new(&k->d, service);
	assert_non_null(k->d.tls);
	kit_keyd_open(k);
}

void kit_end(struct kit *k)
{
	if (k->keyd != NULL)
		kit_keyd_close(k);
	kit_turns(k, 4);
	for (unsigned i = 0; i < k->certs_n; i++)
		kit_cert_free(&k->certs[i]);
	tls_server_free(&k->d.tls);
	loop_free(&k->loop);
}

/* ---- our connections -------------------------------------------------------------------- */

static void on_event(void *ctx, struct conn *c, enum conn_event ev)
{
	struct kit_conn *o = ctx;
	struct slice s;

	switch (ev) {
	case CONN_CONNECTED: break;
	case CONN_TLS: o->tls++; break;
	case CONN_DATA:
		o->data++;
		s = buf_slice(conn_in(c));
		if (o->echo)
			conn_write(c, s.p, s.len);
		else if (!o->keep)
			buf_add_slice(&o->got, s);
		if (!o->keep)
			buf_consume(conn_in(c), s.len);
		break;
	case CONN_EOF: o->eof++; break;
	case CONN_ERROR: o->error++; break;
	case CONN_TIMEOUT: o->timeout++; break;
	case CONN_DRAIN: o->drain++; break;
	}
}

void kit_conn_open_fd(struct kit *k, struct kit_conn *o, int fd)
{
	struct conn_ops ops = { on_event, o };

	memset(o, 0, sizeof(*o));
	o->got = BUF_INIT(64 << 20);
	o->c = conn_accept(k->loop, fd, &ops);
	assert_non_null(o->c);
}

int kit_conn_open(struct kit *k, struct kit_conn *o)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	kit_conn_open_fd(k, o, sv[0]);
	return sv[1];
}

void kit_conn_free(struct kit_conn *o)
{
	conn_close(&o->c);
	buf_free(&o->got);
}

/* ---- a client of plain OpenSSL ------------------------------------------------------------- */

void kit_peer_open(struct kit_peer *p, int fd, int min_version, int max_version)
{
	p->fd = fd;
	p->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(p->ctx);
	SSL_CTX_set_security_level(p->ctx, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(p->ctx, min_version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(p->ctx, max_version), 1);
	p->ssl = SSL_new(p->ctx);
	assert_non_null(p->ssl);
	assert_int_equal(SSL_set_fd(p->ssl, fd), 1);
	SSL_set_connect_state(p->ssl);
}

void kit_peer_free(struct kit_peer *p)
{
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->fd >= 0)
		(void)close(p->fd);
	memset(p, 0, sizeof(*p));
	p->fd = -1;
}

static bool again(const SSL *ssl, int r)
{
	int e = SSL_get_error(ssl, r);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

int kit_peer_handshake(struct kit *k, struct kit_peer *p)
{
	for (unsigned i = 0; i < 200; i++) {
		int r;

		ERR_clear_error();
		r = SSL_do_handshake(p->ssl);
		if (r == 1) {
			kit_turns(k, 6);
			return 1;
		}
		if (!again(p->ssl, r))
			return 0;
		kit_turns(k, 2);
	}
	return -1;
}

int kit_peer_read(struct kit *k, struct kit_peer *p, void *buf, size_t n)
{
	size_t got, total = 0;

	for (unsigned i = 0; i < TURNS_MAX && total < n; i++) {
		ERR_clear_error();
		if (SSL_read_ex(p->ssl, (uint8_t *)buf + total, n - total, &got) == 1)
			total += got;
		else if (!again(p->ssl, 0))
			return -1;
		else
			kit_turns(k, 1);
	}
	return total == n ? 0 : -1;
}

int kit_peer_write(struct kit *k, struct kit_peer *p, const void *buf, size_t n)
{
	size_t put, total = 0;

	(void)SSL_set_mode(p->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	for (unsigned i = 0; i < TURNS_MAX && total < n; i++) {
		ERR_clear_error();
		if (SSL_write_ex(p->ssl, (const uint8_t *)buf + total, n - total, &put) == 1)
			total += put;
		else if (!again(p->ssl, 0))
			return -1;
		else
			kit_turns(k, 1);
	}
	return total == n ? 0 : -1;
}

const char *kit_peer_error(void)
{
	const char *s = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return s != NULL ? s : "";
}
