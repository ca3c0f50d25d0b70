#include "tests/lib/unit.h"

#include "tests/lib/edge_keyd.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/ipc/proto_master.h"

static int on_sign(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct edge_keyd *t = ctx;
	struct key_sign q;
	uint8_t sig[256];
	size_t n = sizeof(sig);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	struct key_signature reply;

	t->signs++;
	assert_int_equal(IPC_DECODE(m, key_sign, NULL, &q), 0);
	assert_non_null(md);
	assert_int_equal(EVP_DigestSignInit_ex(md, NULL, "SHA256", NULL, NULL, t->cert.key, NULL), 1);
	assert_int_equal(EVP_DigestSign(md, sig, &n, q.text.p, q.text.len), 1);
	EVP_MD_CTX_free(md);
	reply.signature = slice_of(sig, n);
	IPC_REPLY(ch, key_signature, m->id, &reply);
	return 0;
}

static const struct ipc_handler handlers[] = {
	{ key_sign_MSG, on_sign },
	{ 0, NULL },
};

static void on_open(struct channel *ch, void *ctx)
{
	struct edge_keyd *t = ctx;
	struct key_name name = { .name = SLICE_LIT("mx.here.test") };
	struct key_cert cert = { .key = slice_of(t->cert.id, sizeof(t->cert.id)), .is_default = 1, .names = &name, .names_n = 1 };
	struct key_certs m = { .certs = &cert, .certs_n = 1 };
	uint8_t *der = NULL;
	int n = i2d_X509(t->cert.x, &der);

	assert_true(n > 0);
	cert.chain = slice_of(der, (size_t)n);
	IPC_SEND(ch, key_certs, 0, &m);
	OPENSSL_free(der);
}

static void on_close(struct channel *ch, int why, void *ctx)
{
	(void)ch;
	(void)why;
	((struct edge_keyd *)ctx)->ch = NULL;
}

void edge_keyd_start(struct edge_keyd *t, struct edge *e)
{
	struct kit_cert_spec spec = { .type = "P-256", .san = "DNS:mx.here.test" };
	struct channel_conf c = { .proto = "key", .major = PROTO_KEY_MAJOR, .minor = PROTO_KEY_MINOR, .role = ROLE_KEYD,
	    .peer_role = (uint8_t)e->role, .peer_uid = (uid_t)-1, .handlers = handlers, .on_open = on_open, .on_close = on_close, .ctx = t };
	struct master_peer m = { .role = ROLE_KEYD, .uid = (uint32_t)getuid(), .proto = SLICE_LIT("key") };
	int sv[2];

	memset(t, 0, sizeof(*t));
	t->e = e;
	kit_cert_make(&t->cert, &spec);
	t->client = tls_client_new("", "1.2");
	assert_non_null(t->client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	t->ch = channel_new(e->loop, sv[0], &c);
	assert_non_null(t->ch);
	master_peer_encode(channel_begin(e->master), &m);
	channel_end(e->master, master_peer_MSG, 0, false, sv[1]);
}

void edge_keyd_end(struct edge_keyd *t)
{
	if (t->ch != NULL)
		channel_close(t->ch);
	tls_client_free(&t->client);
	kit_cert_free(&t->cert);
}

bool edge_keyd_try(struct edge_keyd *t, struct edge_client *c)
{
	struct tls_target target = { .host = "mx.here.test" };
	bool done = false;

	assert_int_equal(conn_start_tls_client(c->c, t->client, &target), 0);
	for (unsigned i = 0; !done && i < 300; i++) {
		assert_int_equal(loop_turn(t->e->loop, 1000), 0);
		done = c->tls || c->closed;
	}
	return c->tls && !c->closed;
}

void edge_keyd_handshake(struct edge_keyd *t, struct edge_client *c)
{
	if (!edge_keyd_try(t, c))
		fail_msg("the handshake failed: %s", conn_tls_error(c->c) != NULL ? conn_tls_error(c->c) : "closed, or too late");
}
