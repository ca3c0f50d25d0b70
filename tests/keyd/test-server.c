/* The real keyd process in its cell: what it tells the edges, what each may ask, and what pabal may. */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/ipc/proto_key.h"
#include "common/ipc/proto_master.h"
#include "tests/lib/tempdir.h"
#include "tests/keyd/pki.h"
#include "tests/keyd/texts.h"
#include "tests/lib/server.h"

static struct server s;
static char dir[TEMPDIR_MAX];

/* An edge: what it was told. */
struct edge {
	struct server_client c;
	struct channel *ch;
	struct arena *arena;
	struct buf certs_text, tickets_text;
	struct key_certs certs;
	struct key_tickets tickets;
	unsigned certs_n, tickets_n;
	bool told, answered, closed;
	int result;
	uint16_t type;
	struct buf reply;
};

static void start(void)
{
	server_start(&s, "keyd/keyd", ROLE_KEYD, "key", PROTO_KEY_MAJOR, PROTO_KEY_MINOR, "", dir, true);
}

static int set_up(void **state)
{
	(void)state;
	tempdir_make(dir);
	start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(server_stop(&s), 0);
	tempdir_remove(dir);
	return 0;
}

static int on_certs(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct edge *e = ctx;
	struct cursor c;

	(void)ch;
	buf_reset(&e->certs_text);
	buf_add_slice(&e->certs_text, m->payload);
	c = cursor_of(buf_slice(&e->certs_text));
	assert_int_equal(key_certs_decode(&c, e->arena, &e->certs), 0);
	e->certs_n++;
	e->told = true;
	return 0;
}

static int on_tickets(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct edge *e = ctx;
	struct cursor c;

	(void)ch;
	buf_reset(&e->tickets_text);
	buf_add_slice(&e->tickets_text, m->payload);
	c = cursor_of(buf_slice(&e->tickets_text));
	assert_int_equal(key_tickets_decode(&c, e->arena, &e->tickets), 0);
	e->tickets_n++;
	return 0;
}

static const struct ipc_handler edge_handlers[] = { { key_certs_MSG, on_certs }, { key_tickets_MSG, on_tickets }, { 0, NULL } };

static void edge_closed(struct channel *ch, int why, void *ctx)
{
	struct edge *e = ctx;

	(void)ch;
	(void)why;
	e->ch = NULL;
	e->closed = e->answered = e->told = true;
}

/* server_connect() gives a client without handlers; an edge is told things. */
static void edge_open(struct edge *e, enum role role)
{
	struct channel_conf conf = { .proto = "key", .role = (uint8_t)role, .peer_role = ROLE_KEYD, .major = PROTO_KEY_MAJOR,
	    .minor = PROTO_KEY_MINOR, .peer_uid = (uid_t)-1, .handlers = edge_handlers, .on_close = edge_closed, .ctx = e };
	struct master_peer peer = { .role = (uint8_t)role, .uid = (uint32_t)getuid(), .is_server = 1, .proto = SLICE_LIT("key") };
	int sv[2];

	memset(e, 0, sizeof(*e));
	e->arena = arena_new(1 << 24);
	e->certs_text = e->tickets_text = e->reply = BUF_INIT(IPC_MAX_FRAME);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	master_peer_encode(channel_begin(s.master), &peer);
	channel_end(s.master, master_peer_MSG, 0, false, sv[1]);
	e->ch = channel_new(s.loop, sv[0], &conf);
	assert_non_null(e->ch);
	server_wait(&s, &e->told, "certificates");
	while (e->tickets_n == 0)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
}

static void edge_leave(struct edge *e)
{
	if (e->ch != NULL)
		channel_close(e->ch);
	while (e->ch != NULL)
		assert_int_equal(loop_turn(s.loop, 0), 0);
	arena_free(&e->arena);
	buf_free(&e->certs_text);
	buf_free(&e->tickets_text);
	buf_free(&e->reply);
}

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct edge *e = ctx;

	e->result = r;
	e->type = r == 0 ? m->type : 0;
	buf_reset(&e->reply);
	if (r == 0)
		buf_add_slice(&e->reply, m->payload);
	e->answered = true;
}

/* 0 and the signature, or the code of the refusal; ERR_CLOSED. */
static int ask_sign(struct edge *e, struct slice key, uint16_t scheme, struct slice text, struct slice *sig_r)
{
	struct key_sign req = { .key = key, .scheme = scheme, .text = text };
	struct cursor c;

	e->answered = false;
	(void)IPC_REQUEST(e->ch, key_sign, &req, 0, on_reply, e);
	server_wait(&s, &e->answered, "a signature");
	if (e->type == 0)
		return ERR_CLOSED;
	c = cursor_of(buf_slice(&e->reply));
	if (e->type == key_fail_MSG) {
		struct key_fail f;

		assert_int_equal(key_fail_decode(&c, NULL, &f), 0);
		assert_true(f.text.len != 0 && f.text.p[f.text.len - 1] == '.');
		return (int32_t)f.code;
	}
	{
		struct key_signature sig;

		assert_int_equal(key_signature_decode(&c, NULL, &sig), 0);
		*sig_r = sig.signature;
	}
	return 0;
}

static EVP_PKEY *public_of(struct slice chain)
{
	const unsigned char *p = chain.p;
	X509 *x = d2i_X509(NULL, &p, (long)chain.len);
	EVP_PKEY *k = X509_get_pubkey(x);

	X509_free(x);
	return k;
}

static bool verifies(struct slice chain, struct slice text, struct slice sig)
{
	EVP_PKEY *k = public_of(chain);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k) == 1 && EVP_DigestVerify(ctx, sig.p, sig.len, text.p, text.len) == 1;

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(k);
	return ok;
}

/* From the first minute there is a certificate for the host, and it signs. */
static void first_start(void **state)
{
	struct edge smtpd, smtpd2, imapd;
	uint8_t text[TEXT_ROOM];
	struct slice sig = { 0 }, t = text_tls13(text, 32), key, doc = SLICE_LIT("a document");
	struct stat st;
	char path[TEMPDIR_MAX + 128];

	(void)state;
	edge_open(&smtpd, ROLE_SMTPD);
	edge_open(&smtpd2, ROLE_SMTPD);
	edge_open(&imapd, ROLE_IMAPD);
	assert_int_equal(smtpd.certs.certs_n, 1);
	assert_true(smtpd.certs.certs[0].is_default);
	assert_int_equal(smtpd.certs.certs[0].names_n, 1);
	assert_slice(0, smtpd.certs.certs[0].names[0].name, "mx.here.test");
	key = smtpd.certs.certs[0].key;
	assert_int_equal(ask_sign(&smtpd, key, 0x0403, t, &sig), 0);
	assert_true(verifies(smtpd.certs.certs[0].chain, t, sig));
	assert_int_equal(ask_sign(&imapd, key, 0x0403, t, &sig), 0);
	assert_int_equal(ask_sign(&imapd, key, 0x0403, doc, &sig), ERR_DENIED);
	assert_int_equal(ask_sign(&imapd, key, 0x0804, t, &sig), ERR_DENIED);
	assert_int_equal(ask_sign(&imapd, slice_of(text, 32), 0x0403, t, &sig), ERR_NOTFOUND);
	assert_int_equal(ask_sign(&imapd, slice_of(text, 0), 0x0403, t, &sig), ERR_NOTFOUND);
	/* ticket keys: the same for workers of one kind, others for the next */
	assert_int_equal(smtpd.tickets.keys_n, 1);
	assert_true(slice_eq(buf_slice(&smtpd.tickets_text), buf_slice(&smtpd2.tickets_text)));
	assert_false(slice_eq(smtpd.tickets.keys[0].aes, imapd.tickets.keys[0].aes));
	assert_false(slice_eq(smtpd.tickets.keys[0].name, imapd.tickets.keys[0].name));
	assert_int_equal(smtpd.tickets.keys[0].mac.len, 32);
	(void)snprintf(path, sizeof(path), "%s/self-signed.pem", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	edge_leave(&smtpd);
	edge_leave(&smtpd2);
	edge_leave(&imapd);
	/* a restart keeps the certificate */
	assert_int_equal(server_stop(&s), 0);
	start();
	edge_open(&smtpd, ROLE_SMTPD);
	assert_int_equal(smtpd.certs.certs_n, 1);
	edge_leave(&smtpd);
}

/* Files and control requests. */
static int make_file(const char *name, const struct pki *p, bool key)
{
	struct buf text = BUF_INIT(1 << 20);
	char path[TEMPDIR_MAX + 128];
	int fd;

	if (key)
		pki_add_key(&text, p, PKI_PKCS8);
	else
		pki_add_cert(&text, p);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, buf_len(&text)), (ssize_t)buf_len(&text));
	buf_free(&text);
	return fd;
}

static void on_client_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct server_client *c = ctx;

	c->answered = true;
	c->result = r;
	if (r != 0)
		return;
	buf_reset(&c->payload);
	buf_add_slice(&c->payload, m->payload);
	c->reply = *m;
	c->reply.payload = buf_slice(&c->payload);
}

/* 0, or the code; text_r: the name or the sentence, good until the next call. */
static int install(struct server_client *c, const char *name, const struct pki *cert, int fd, struct slice *text_r)
{
	struct buf chain = BUF_INIT(1 << 20);
	struct key_install req = { .name = slice_cstr(name) };
	struct key_fail f;
	struct key_ok ok;

	pki_add_cert(&chain, cert);
	req.chain = buf_slice(&chain);
	c->answered = false;
	key_install_encode(channel_begin(c->ch), &req);
	(void)channel_end_request(c->ch, key_install_MSG, fd, 0, on_client_reply, c);
	server_wait(&s, &c->answered, "a reply");
	buf_free(&chain);
	assert_int_equal(c->result, 0);
	if (IPC_DECODE(&c->reply, key_ok, NULL, &ok) == 0) {
		*text_r = ok.name;
		return 0;
	}
	assert_int_equal(IPC_DECODE(&c->reply, key_fail, NULL, &f), 0);
	*text_r = f.text;
	return (int32_t)f.code;
}

static bool has(struct slice s_, const char *what)
{
	char text[2000];

	return slice_to_cstr(s_, text, sizeof(text)) == 0 && strstr(text, what) != NULL;
}

static void wait_told(struct edge *e)
{
	e->told = false;
	server_wait(&s, &e->told, "new certificates");
}

static void installs(void **state)
{
	struct pki a, b, old;
	struct server_client pabal;
	struct edge imapd;
	struct slice text, sig = { 0 };
	uint8_t room[TEXT_ROOM], id[32];
	struct slice t;
	int fd, p[2];

	(void)state;
	pki_make(&a, &(struct pki_spec){ .type = PKI_EC256, .cn = "a", .alt = "DNS:imap.here.test" }, NULL);
	pki_make(&b, &(struct pki_spec){ .type = PKI_RSA2048, .cn = "b", .alt = "DNS:imap.here.test" }, NULL);
	pki_make(&old, &(struct pki_spec){ .type = PKI_EC256, .cn = "o", .alt = "DNS:old.test", .days_from = -9, .days_to = -1 }, NULL);
	edge_open(&imapd, ROLE_IMAPD);
	memcpy(id, imapd.certs.certs[0].key.p, 32);
	server_connect(&s, ROLE_CONTROL, &pabal);
	/* what does not fit changes nothing */
	assert_int_equal(install(&pabal, "", &a, make_file("k1", &b, true), &text), ERR_SYNTAX);
	assert_true(has(text, "Nothing was changed: the private key does not belong"));
	assert_int_equal(install(&pabal, "", &a, -1, &text), ERR_SYNTAX);
	assert_int_equal(pipe(p), 0);
	(void)close(p[1]);
	assert_int_equal(install(&pabal, "", &a, p[0], &text), ERR_SYNTAX);
	assert_true(has(text, "not a regular file"));
	assert_int_equal(install(&pabal, "a/b", &a, make_file("k1", &a, true), &text), ERR_SYNTAX);
	assert_int_equal(install(&pabal, "self-signed", &a, make_file("k1", &a, true), &text), ERR_DENIED);
	assert_int_equal(install(&pabal, "", &old, make_file("k1", &old, true), &text), ERR_DENIED);
	assert_true(has(text, "has ended"));
	assert_int_equal(imapd.certs_n, 1);
	/* what does is told before pabal gets its answer */
	fd = make_file("k1", &a, true);
	assert_int_equal(install(&pabal, "", &a, fd, &text), 0);
	assert_slice(0, text, "imap.here.test");
	while (imapd.certs_n < 2)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
	assert_int_equal(imapd.certs.certs_n, 1);
	assert_true(imapd.certs.certs[0].is_default);
	assert_memory_not_equal(imapd.certs.certs[0].key.p, id, 32);
	t = text_tls13(room, 48);
	assert_int_equal(ask_sign(&imapd, imapd.certs.certs[0].key, 0x0403, t, &sig), 0);
	assert_true(verifies(imapd.certs.certs[0].chain, t, sig));
	/* handshakes that began with the old one end well */
	assert_int_equal(ask_sign(&imapd, slice_of(id, 32), 0x0403, t, &sig), 0);
	/* another type beside it */
	assert_int_equal(install(&pabal, "rsa", &b, make_file("k1", &b, true), &text), 0);
	while (imapd.certs_n < 3)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
	assert_int_equal(imapd.certs.certs_n, 2);
	server_leave(&pabal);
	edge_leave(&imapd);
	pki_free(&a);
	pki_free(&b);
	pki_free(&old);
}

static void put_pem(const char *name, const struct pki *p, size_t cut)
{
	struct buf text = BUF_INIT(1 << 20);
	char path[TEMPDIR_MAX + 128], tmp[TEMPDIR_MAX + 128];
	size_t n;
	int fd;

	pki_add_key(&text, p, PKI_PKCS8);
	pki_add_cert(&text, p);
	n = cut != 0 ? cut : buf_len(&text);
	(void)snprintf(path, sizeof(path), "%s/%s.pem", dir, name);
	(void)snprintf(tmp, sizeof(tmp), "%s/t", dir);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, text.p, n), (ssize_t)n);
	(void)close(fd);
	assert_int_equal(rename(tmp, path), 0);
	buf_free(&text);
}

/* Files that change are taken up by themselves and by a reload. */
static void changes(void **state)
{
	struct key_list list = { 0 };
	struct key_list_reply reply;
	struct server_client pabal;
	struct edge pop3d;
	struct pki a, b;

	(void)state;
	pki_make(&a, &(struct pki_spec){ .type = PKI_EC256, .cn = "a", .alt = "DNS:pop.here.test" }, NULL);
	pki_make(&b, &(struct pki_spec){ .type = PKI_ED25519, .cn = "b", .alt = "DNS:pop.here.test" }, NULL);
	edge_open(&pop3d, ROLE_POP3D);
	put_pem("pop", &a, 0);
	wait_told(&pop3d);
	assert_int_equal(pop3d.certs.certs_n, 1);
	assert_slice(0, pop3d.certs.certs[0].names[0].name, "pop.here.test");
	put_pem("pop2", &b, 0);
	server_reload(&s, "");
	while (pop3d.certs.certs_n != 2)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
	put_pem("pop2", &b, 100);
	server_connect(&s, ROLE_CONTROL, &pabal);
	assert_int_equal(SERVER_CALL(&pabal, key_list, &list), key_list_reply_MSG);
	assert_int_equal(IPC_DECODE(&pabal.reply, key_list_reply, pop3d.arena, &reply), 0);
	assert_int_equal(reply.items_n, 3);
	assert_slice(0, reply.items[0].name, "pop");
	assert_slice(0, reply.items[0].error, "");
	assert_true(reply.items[0].in_use && reply.items[0].is_default && reply.items[0].self_signed);
	assert_slice(0, reply.items[1].type, "Ed25519");
	assert_true(reply.items[1].in_use && has(reply.items[1].error, "still in use, because"));
	assert_slice(0, reply.items[2].name, "self-signed");
	assert_true(!reply.items[2].in_use && reply.items[2].error.len == 0);
	server_leave(&pabal);
	edge_leave(&pop3d);
	pki_free(&a);
	pki_free(&b);
}

static void control(void **state)
{
	struct key_name hosts[] = { { SLICE_LIT("MX.Other.test") }, { SLICE_LIT("*.other.test") } };
	struct key_self_sign req = { .type = SLICE_LIT("ed25519"), .names = hosts, .names_n = 2, .days = 7 };
	struct key_export get = { .name = SLICE_LIT("mx.other.test") };
	struct key_delete del = { .name = SLICE_LIT("mx.other.test") };
	struct server_client c;
	struct key_fail f;
	struct key_chain chain;

	(void)state;
	server_connect(&s, ROLE_CONTROL, &c);
	assert_int_equal(SERVER_CALL(&c, key_self_sign, &req), key_ok_MSG);
	assert_int_equal(SERVER_CALL(&c, key_export, &get), key_chain_MSG);
	assert_int_equal(IPC_DECODE(&c.reply, key_chain, NULL, &chain), 0);
	assert_true(has(chain.pem, "BEGIN CERTIFICATE") && !has(chain.pem, "PRIVATE"));
	assert_int_equal(SERVER_CALL(&c, key_delete, &del), key_ok_MSG);
	assert_int_equal(SERVER_CALL(&c, key_delete, &del), key_fail_MSG);
	assert_int_equal(IPC_DECODE(&c.reply, key_fail, NULL, &f), 0);
	assert_int_equal((int32_t)f.code, ERR_NOTFOUND);
	assert_int_equal(SERVER_CALL(&c, key_export, &get), key_fail_MSG);
	del.name = SLICE_LIT("../x");
	assert_int_equal(SERVER_CALL(&c, key_delete, &del), key_fail_MSG);
	req.type = SLICE_LIT("dsa");
	assert_int_equal(SERVER_CALL(&c, key_self_sign, &req), key_fail_MSG);
	req.type = SLICE_LIT("rsa");
	hosts[1].name = SLICE_LIT("a b");
	assert_int_equal(SERVER_CALL(&c, key_self_sign, &req), key_fail_MSG);
	assert_int_equal(IPC_DECODE(&c.reply, key_fail, NULL, &f), 0);
	assert_true(has(f.text, "no host name"));
	req.names_n = 0;
	assert_int_equal(SERVER_CALL(&c, key_self_sign, &req), key_fail_MSG);
	req.names_n = 1;
	req.days = 40000;
	assert_int_equal(SERVER_CALL(&c, key_self_sign, &req), key_fail_MSG);
	server_leave(&c);
}

/* Edges may sign and nothing else; pabal may not sign; what is not a message closes its sender. */
static void trespass(void **state)
{
	struct key_list list = { 0 };
	struct key_sign sign = { .key = slice_of(server_secret, 32), .scheme = 0x0403 };
	struct server_client pabal;
	struct edge e, other;

	(void)state;
	edge_open(&other, ROLE_SMTPD);
	edge_open(&e, ROLE_IMAPD);
	IPC_SEND(e.ch, key_list, 1, &list);
	server_wait(&s, &e.closed, "the end of the channel");
	edge_leave(&e);
	server_connect(&s, ROLE_CONTROL, &pabal);
	assert_int_equal(SERVER_CALL(&pabal, key_sign, &sign), 0);
	server_leave(&pabal);
	edge_open(&e, ROLE_POP3D);
	buf_add_cstr(channel_begin(e.ch), "nonsense");
	channel_end(e.ch, key_sign_MSG, 7, false, -1);
	server_wait(&s, &e.closed, "the end of the channel");
	edge_leave(&e);
	assert_false(other.closed);
	edge_leave(&other);
}

static void on_any(void *ctx, int r, struct ipc_msg *m)
{
	unsigned *n = ctx;

	assert_true(r == 0 && m->type == key_signature_MSG);
	++*n;
}

static void freeze(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* One edge asks for thousands of signatures; the others wait for a few of them at most. */
static void fair(void **state)
{
	enum { MANY = 2000 };
	struct key_name host = { SLICE_LIT("rsa.here.test") };
	struct key_self_sign make = { .type = SLICE_LIT("rsa"), .names = &host, .names_n = 1 };
	struct server_client pabal;
	struct edge greedy, modest;
	uint8_t text[TEXT_ROOM];
	struct slice sig, t = text_tls13(text, 32);
	struct key_sign one = { .scheme = 0x0804, .text = t };
	unsigned n = 0, before, signed_n = 0;

	(void)state;
	server_connect(&s, ROLE_CONTROL, &pabal);
	assert_int_equal(SERVER_CALL(&pabal, key_self_sign, &make), key_ok_MSG);
	server_leave(&pabal);
	edge_open(&greedy, ROLE_SMTPD);
	edge_open(&modest, ROLE_IMAPD);
	assert_int_equal(greedy.certs.certs_n, 1);
	/* keyd finds both kinds of requests when it looks, however the two processes get their turns */
	freeze(s.pid);
	for (unsigned i = 0; i < MANY; i++) {
		struct key_sign req = { .key = greedy.certs.certs[0].key, .scheme = 0x0804, .text = t };

		(void)IPC_REQUEST(greedy.ch, key_sign, &req, 0, on_any, &n);
	}
	assert_int_equal(loop_turn(s.loop, 0), 0);
	one.key = modest.certs.certs[0].key;
	(void)IPC_REQUEST(modest.ch, key_sign, &one, 0, on_any, &signed_n);
	assert_int_equal(loop_turn(s.loop, 0), 0);
	assert_int_equal(kill(s.pid, SIGCONT), 0);
	while (signed_n == 0)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
	before = n;
	assert_true(before < MANY / 2);
	while (n < MANY)
		assert_int_equal(loop_turn(s.loop, 1000), 0);
	/* who goes away while its line is long takes it along */
	for (unsigned i = 0; i < MANY; i++) {
		struct key_sign req = { .key = slice_of(text, 5), .scheme = 0x0804, .text = t };

		IPC_SEND(greedy.ch, key_sign, 1, &req);
	}
	edge_leave(&greedy);
	assert_int_equal(ask_sign(&modest, modest.certs.certs[0].key, 0x0804, t, &sig), 0);
	edge_leave(&modest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(first_start, set_up, tear_down), cmocka_unit_test_setup_teardown(installs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(changes, set_up, tear_down), cmocka_unit_test_setup_teardown(control, set_up, tear_down),
		cmocka_unit_test_setup_teardown(trespass, set_up, tear_down), cmocka_unit_test_setup_teardown(fair, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("keyd", tests, NULL, NULL);
}
