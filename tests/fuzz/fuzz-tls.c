/*
 * What an edge takes from keyd and from a client before it knows either: certificates, ticket keys, a ClientHello. The
 * input is a list of changes (three bytes: where, and what is turned over) of something that is good; its first byte
 * chooses of what.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/conn.h"
#include "common/daemon/tls_private.h"

enum { CHAIN_MAX = 2048, HELLO_MAX = 4096 };

static struct daemon d;
static struct conf conf = { .tls_min_version = "1.2", .tls_client_ca = "", .tls_handshake_timeout = 30 };
static struct buf certs = { .max = 65536 }, tickets = { .max = 4096 }, hello = { .max = HELLO_MAX };

static void quiet(enum log_level level, const char *text) { (void)level; (void)text; }
static void on_event(void *ctx, struct conn *c, enum conn_event ev) { (void)ctx; (void)c; (void)ev; }

/* Always the same certificate: Ed25519 signs without dice. */
static void certs_make(void)
{
	static const uint8_t secret[32] = { 7 };
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	struct key_name names[] = { { SLICE_LIT("mail.example.org") }, { SLICE_LIT("*.example.org") } };
	struct key_cert list = { .names = names, .names_n = 2, .is_default = 1 };
	struct key_certs m = { .certs = &list, .certs_n = 1 };
	uint8_t *der = NULL, *spki = NULL, id[32];
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	int n;

	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)ASN1_TIME_set(X509_getm_notBefore(x), 1700000000);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), 4000000000);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"fuzz", -1, -1, 0);
	(void)X509_set_issuer_name(x, name);
	(void)X509_set_pubkey(x, key);
	if (X509_sign(x, key, NULL) == 0 || (n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki)) <= 0 ||
	    EVP_Digest(spki, (size_t)n, id, NULL, EVP_sha256(), NULL) != 1 || (n = i2d_X509(x, &der)) <= 0)
		abort();
	list.key = slice_of(id, sizeof(id));
	list.chain = slice_of(der, (size_t)n);
	key_certs_encode(&certs, &m);
	OPENSSL_free(der);
	OPENSSL_free(spki);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void tickets_make(void)
{
	static const uint8_t bytes[32] = { 1 };
	struct key_ticket k = { slice_of(bytes, 16), slice_of(bytes, 32), slice_of(bytes, 32) };
	struct key_tickets m = { .keys = &k, .keys_n = 1 };

	key_tickets_encode(&tickets, &m);
}

static void hello_make(void)
{
	SSL_CTX *ctx = tls_ctx_new(false, "1.2");
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	uint8_t b[HELLO_MAX];
	int n;

	(void)SSL_set_tlsext_host_name(ssl, "mail.example.org");
	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	if ((n = BIO_read(out, b, sizeof(b))) <= 0)
		abort();
	buf_add(&hello, b, (size_t)n);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
}

static void told(uint16_t type, struct slice payload)
{
	struct ipc_msg m = { .type = type, .payload = payload, .fd = -1 };

	for (const struct ipc_handler *h = tls_server_handlers; h->fn != NULL; h++)
		if (h->type == type)
			(void)h->fn(NULL, &m, &d);
}

static void visited(struct slice bytes)
{
	struct conn_ops ops = { on_event, NULL };
	struct conn *c;
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) != 0 || (c = conn_accept(d.loop, sv[0], &ops)) == NULL)
		abort();
	conn_start_tls_server(c, d.tls);
	if (write(sv[1], bytes.p, bytes.len) != (ssize_t)bytes.len)
		abort();
	for (int i = 0; i < 3; i++)
		if (loop_turn(d.loop, 0) != 0)
			abort();
	conn_close(&c);
	(void)close(sv[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf b = BUF_INIT(65536);
	unsigned mode = size != 0 ? data[0] % 3 : 0;
	static bool changed;

	if (d.loop == NULL) {
		log_capture(quiet);
		d.loop = loop_new();
		d.conf = &conf;
		if (d.loop == NULL || (d.tls = tls_server_new(&d, "smtpd")) == NULL)
			abort();
		certs_make();
		tickets_make();
		hello_make();
		told(key_certs_MSG, buf_slice(&certs));
		if (!tls_server_ready(d.tls))
			abort();
	}
	buf_add_slice(&b, buf_slice(mode == 0 ? &certs : mode == 1 ? &tickets : &hello));
	for (size_t i = 1; i + 2 < size; i += 3)
		b.p[((size_t)data[i] << 8 | data[i + 1]) % b.len] ^= data[i + 2];
	if (mode == 2) {
		if (changed)
			told(key_certs_MSG, buf_slice(&certs));
		changed = false;
		visited(buf_slice(&b));
	} else {
		changed = changed || mode == 0;
		told(mode == 0 ? key_certs_MSG : key_tickets_MSG, buf_slice(&b));
	}
	buf_free(&b);
	return 0;
}
