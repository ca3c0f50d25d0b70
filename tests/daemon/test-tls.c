#include "tests/lib/unit.h"
#include "tests/lib/tls.h"

/* Handshakes with every type of key, with keyd in all its moods. */
#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

static struct kit k;

static int start(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	kit_start(&k, "smtpd");
	return 0;
}

static int end(void **state)
{
	(void)state;
	kit_end(&k);
	return 0;
}

static void one_cert(const char *type)
{
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = type, .san = "DNS:mail.example.org" });
	kit_tell_certs(&k, 1);
	kit_tell_tickets(&k, 1, 0);
}

static void key_types(void **state)
{
	static const struct { const char *type; int version; const char *sigalgs; uint16_t scheme; } t[] = {
		{ "P-256", TLS1_3_VERSION, NULL, 0x0403 }, { "P-256", TLS1_2_VERSION, NULL, 0x0403 },
		{ "P-384", TLS1_3_VERSION, NULL, 0x0503 }, { "P-384", TLS1_2_VERSION, "ECDSA+SHA384", 0x0503 },
		{ "P-256", TLS1_2_VERSION, "ECDSA+SHA512", 0x0603 },
		{ "RSA", TLS1_3_VERSION, NULL, 0x0804 }, { "RSA", TLS1_2_VERSION, NULL, 0x0804 },
		{ "RSA", TLS1_3_VERSION, "rsa_pss_rsae_sha384", 0x0805 }, { "RSA", TLS1_3_VERSION, "rsa_pss_rsae_sha512", 0x0806 },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA256", 0x0401 }, { "RSA", TLS1_2_VERSION, "RSA+SHA384", 0x0501 },
		{ "RSA", TLS1_2_VERSION, "RSA+SHA512", 0x0601 },
		{ "RSA-PSS", TLS1_3_VERSION, NULL, 0x0809 }, { "RSA-PSS", TLS1_2_VERSION, "rsa_pss_pss_sha384", 0x080a },
		{ "ED25519", TLS1_3_VERSION, NULL, 0x0807 }, { "ED25519", TLS1_2_VERSION, NULL, 0x0807 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct kit_conn o;
		struct kit_peer p;
		char got[6] = "";
		int fd, r;

		(void)start(NULL);
		one_cert(t[i].type);
		fd = kit_conn_open(&k, &o);
		o.echo = true;
		conn_start_tls_server(o.c, k.d.tls);
		kit_peer_open(&p, fd, t[i].version, t[i].version);
		if (t[i].sigalgs != NULL)
			assert_int_equal(SSL_set1_sigalgs_list(p.ssl, t[i].sigalgs), 1);
		r = kit_peer_handshake(&k, &p);
		if (r != 1)
			fail_msg("row %zu: %d %s; %s", i, r, kit_peer_error(), o.error ? conn_tls_error(o.c) : "-");
		assert_row(i, o.tls == 1 && o.error == 0);
		assert_int_equal(k.signs, 1);
		assert_int_equal(k.scheme, t[i].scheme);
		assert_int_equal(kit_peer_write(&k, &p, "hello", 5), 0);
		assert_int_equal(kit_peer_read(&k, &p, got, 5), 0);
		assert_string_equal(got, "hello");
		assert_string_equal(conn_tls_info(o.c)->version, SSL_get_version(p.ssl));
		assert_string_equal(conn_tls_info(o.c)->cipher, SSL_get_cipher_name(p.ssl));
		assert_true(conn_tls_info(o.c)->group[0] != '\0' && conn_tls_info(o.c)->bits >= 128);
		kit_conn_free(&o);
		kit_peer_free(&p);
		(void)end(NULL);
	}
}

/* Our client with our server: what both know of the connection is the same. */
static void own_client(void **state)
{
	struct tls_client *client = tls_client_new("/nonexistent", "1.2");
	struct tls_target target = { .host = "Mail.Example.ORG" };
	struct kit_conn s, c;
	uint8_t a[CONN_BINDING_MAX], b[CONN_BINDING_MAX];
	size_t an, bn;

	(void)state;
	assert_non_null(client);
	one_cert("P-256");
	for (int round = 0; round < 2; round++) {
		kit_conn_open_fd(&k, &c, kit_conn_open(&k, &s));
		s.echo = true;
		conn_start_tls_server(s.c, k.d.tls);
		assert_int_equal(conn_start_tls_client(c.c, client, &target), 0);
		conn_write(c.c, "hello", 5);
		kit_turns(&k, 20);
		assert_int_equal(s.tls, 1);
		assert_int_equal(c.tls, 1);
		assert_slice(0, buf_slice(&c.got), "hello");
		assert_string_equal(conn_tls_info(s.c)->sni, "mail.example.org");
		assert_true(conn_tls_info(s.c)->resumed == (round == 1) && conn_tls_info(c.c)->resumed == (round == 1));
		assert_false(conn_tls_info(c.c)->verified);
		assert_string_equal(conn_tls_info(c.c)->verify_error, "self-signed certificate");
		for (int type = CONN_BINDING_EXPORTER; type <= CONN_BINDING_SERVER_END_POINT; type++) {
			assert_int_equal(conn_tls_binding(s.c, (enum conn_binding)type, a, &an), 0);
			assert_int_equal(conn_tls_binding(c.c, (enum conn_binding)type, b, &bn), 0);
			assert_int_equal(an, 32);
			assert_int_equal(bn, 32);
			assert_memory_equal(a, b, 32);
		}
		conn_finish(&c.c);
		kit_turns(&k, 6);
		assert_int_equal(s.eof, 1);
		kit_conn_free(&s);
		kit_conn_free(&c);
	}
	assert_int_equal(k.signs, 1);
	tls_client_free(&client);
}

/* One client of plain OpenSSL at a server; the result of its handshake. */
struct meeting { struct kit_conn o; struct kit_peer p; };

static void meet(struct meeting *m, int version)
{
	int fd = kit_conn_open(&k, &m->o);

	m->o.echo = true;
	conn_start_tls_server(m->o.c, k.d.tls);
	kit_peer_open(&m->p, fd, version, version);
}

static void part(struct meeting *m)
{
	kit_conn_free(&m->o);
	kit_peer_free(&m->p);
}

static bool echoes(struct meeting *m)
{
	char got[6] = "";

	return kit_peer_write(&k, &m->p, "hello", 5) == 0 && kit_peer_read(&k, &m->p, got, 5) == 0 && strcmp(got, "hello") == 0;
}

/* ---- keyd ---------------------------------------------------------------------------- */

static void slow_keyd_stops_nobody(void **state)
{
	struct meeting open, slow[3];

	(void)state;
	one_cert("RSA");
	meet(&open, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &open.p), 1);
	k.mode = KEYD_HOLD;
	for (int i = 0; i < 3; i++) {
		meet(&slow[i], i == 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		assert_int_equal(kit_peer_handshake(&k, &slow[i].p), -1);
	}
	assert_int_equal(k.held, 3);
	assert_true(echoes(&open));
	kit_release(&k);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kit_peer_handshake(&k, &slow[i].p), 1);
		assert_true(echoes(&slow[i]));
		part(&slow[i]);
	}
	part(&open);
}

static void keyd_in_bad_moods(void **state)
{
	static const struct { enum kit_keyd mode; const char *server, *client; } t[] = {
		{ KEYD_DENY, "keyd has not signed", NULL },
		{ KEYD_NONSENSE, "keyd has not signed", NULL },
		{ KEYD_LONG, "keyd has not signed", NULL },
		{ KEYD_GARBAGE, NULL, "bad signature" },
	};

	(void)state;
	one_cert("P-256");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct meeting m;

		k.mode = t[i].mode;
		meet(&m, TLS1_3_VERSION);
		assert_row(i, kit_peer_handshake(&k, &m.p) == 0);
		if (t[i].client != NULL)
			assert_string_equal(kit_peer_error(), t[i].client);
		kit_turns(&k, 6);
		assert_row(i, m.o.error == 1 && m.o.tls == 0 && conn_tls_error(m.o.c) != NULL);
		if (t[i].server != NULL)
			assert_string_equal(conn_tls_error(m.o.c), t[i].server);
		part(&m);
	}
}

/* Who has asked a keyd that goes, and who would ask while there is none, wait for the next one. */
static void keyd_goes_and_comes(void **state)
{
	struct meeting m[4];

	(void)state;
	one_cert("P-256");
	k.mode = KEYD_HOLD;
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			kit_keyd_close(&k);
		meet(&m[i], i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
		assert_row(i, kit_peer_handshake(&k, &m[i].p) == -1 && m[i].o.error == 0);
	}
	/* its certificates are known still */
	assert_true(tls_server_ready(k.d.tls));
	part(&m[1]);
	k.mode = KEYD_SIGN;
	k.held = 0;
	kit_keyd_open(&k);
	for (int i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		assert_row(i, kit_peer_handshake(&k, &m[i].p) == 1 && m[i].o.error == 0);
		part(&m[i]);
	}
	assert_int_equal(k.signs, 5);
}

/* A request that every keyd dies of is not asked for ever. */
static void keyd_dies_of_it(void **state)
{
	struct meeting m;

	(void)state;
	one_cert("P-256");
	k.mode = KEYD_HOLD;
	meet(&m, TLS1_3_VERSION);
	for (int i = 0; i < 3; i++) {
		assert_row(i, kit_peer_handshake(&k, &m.p) == -1 && m.o.error == 0);
		kit_keyd_close(&k);
		k.held = 0;
		kit_keyd_open(&k);
	}
	assert_int_equal(kit_peer_handshake(&k, &m.p), 0);
	assert_string_equal(conn_tls_error(m.o.c), "keyd has not signed");
	assert_int_equal(k.signs, 3);
	part(&m);
}

/* Whoever ends while keyd still thinks ends well: its answer meets nobody. */
static void closed_while_waiting(void **state)
{
	(void)state;
	one_cert("P-256");
	for (int how = 0; how < 4; how++) {
		struct meeting m;

		k.mode = KEYD_HOLD;
		meet(&m, how % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
		assert_int_equal(kit_peer_handshake(&k, &m.p), -1);
		if (how == 0) {
			conn_close(&m.o.c);
		} else if (how == 1) {
			conn_write(m.o.c, "never", 5);
			conn_finish(&m.o.c);
		} else if (how == 2) {
			(void)shutdown(m.p.fd, SHUT_RDWR);
			kit_turns(&k, 4);
			assert_int_equal(m.o.error, 1);
		} else {
			kit_release(&k);        /* the answer and the end in one turn */
			conn_close(&m.o.c);
		}
		kit_release(&k);
		kit_turns(&k, 6);
		part(&m);
	}
	k.mode = KEYD_SIGN;
}

static uint64_t offset;
static uint64_t later(void) { return 1000000 + offset; }
static uint64_t wall(void) { return 1700000000000000u; }
static void dice(void *p, size_t n) { assert_int_equal(RAND_bytes(p, (int)n), 1); }

static void handshake_timeout(void **state)
{
	static const struct clock_ops ops = { .mono_ms = later, .wall_us = wall, .random = dice };
	struct meeting waits, silent, keyless;

	(void)state;
	clock_set(&ops);
	one_cert("P-256");
	k.mode = KEYD_HOLD;
	meet(&waits, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &waits.p), -1);
	meet(&silent, TLS1_3_VERSION);
	kit_turns(&k, 4);
	offset += 29 * 1000;
	kit_turns(&k, 4);
	assert_int_equal(waits.o.error + silent.o.error, 0);
	offset += 2 * 1000;
	kit_turns(&k, 4);
	assert_int_equal(waits.o.error, 1);
	assert_int_equal(silent.o.error, 1);
	assert_string_equal(conn_tls_error(silent.o.c), "handshake timed out");
	assert_string_equal(conn_tls_error(waits.o.c), "handshake timed out");
	kit_release(&k);
	part(&waits);
	part(&silent);
	kit_keyd_close(&k);
	meet(&keyless, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &keyless.p), -1);
	offset += 31 * 1000;
	kit_turns(&k, 4);
	assert_int_equal(keyless.o.error, 1);
	assert_string_equal(conn_tls_error(keyless.o.c), "keyd is not there");
	part(&keyless);
	clock_set(NULL);
}

/* More handshakes than jobs: the rest waits its turn, nothing is lost. */
static void more_than_jobs(void **state)
{
	enum { N = 300, JOBS = 256 };
	static struct meeting m[N];

	(void)state;
	one_cert("P-256");
	k.mode = KEYD_HOLD;
	for (unsigned i = 0; i < N; i++) {
		meet(&m[i], TLS1_3_VERSION);
		(void)SSL_do_handshake(m[i].p.ssl);
		kit_turns(&k, 2);
	}
	assert_int_equal(k.held, JOBS);
	/* those that end leave their request behind: clients who come and go make keyd's line no longer */
	for (unsigned i = 0; i < 10; i++) {
		part(&m[i]);
		part(&m[N - 1 - i]);
	}
	kit_turns(&k, 10);
	assert_int_equal(k.held, JOBS);
	for (unsigned i = 10; i < JOBS; i++)
		part(&m[i]);
	kit_turns(&k, 10);
	assert_int_equal(k.held, JOBS);
	kit_release(&k);
	for (unsigned i = JOBS; i < N - 10; i++) {
		assert_int_equal(kit_peer_handshake(&k, &m[i].p), 1);
		part(&m[i]);
	}
	assert_int_equal(k.signs, N - 10);
	/* and keyd goes while such requests are left, and comes again */
	k.mode = KEYD_HOLD;
	for (unsigned i = 0; i < N; i++) {
		meet(&m[i], TLS1_3_VERSION);
		(void)SSL_do_handshake(m[i].p.ssl);
		kit_turns(&k, 2);
	}
	for (unsigned i = 0; i < JOBS / 2; i++)
		part(&m[i]);
	kit_keyd_close(&k);
	k.mode = KEYD_SIGN;
	k.held = 0;
	kit_keyd_open(&k);
	for (unsigned i = JOBS / 2; i < N; i++) {
		assert_int_equal(kit_peer_handshake(&k, &m[i].p), 1);
		part(&m[i]);
	}
}

/* ---- names ---------------------------------------------------------------------------- */

static void names(void **state)
{
	static const struct { const char *ask; int cert; } t[] = {
		{ "mail.example.org", 0 }, { "MAIL.Example.ORG", 0 }, { "imap.example.org", 1 }, { "a.b.example.org", 2 },
		{ "example.org", 2 }, { ".example.org", 2 }, { "other.test", 2 }, { NULL, 2 }, { "x", 2 }, { "*.example.org", 1 },
		{ "b.example.net", 2 },
	};

	(void)state;
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:*.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:b.example.net" });
	kit_tell_certs(&k, 4);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct meeting m;
		X509 *x;

		meet(&m, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		if (t[i].ask != NULL)
			assert_int_equal(SSL_set_tlsext_host_name(m.p.ssl, t[i].ask), 1);
		assert_row(i, kit_peer_handshake(&k, &m.p) == 1);
		x = SSL_get1_peer_certificate(m.p.ssl);
		assert_row(i, X509_cmp(x, k.certs[t[i].cert].x) == 0);
		X509_free(x);
		assert_int_equal(strlen(conn_tls_info(m.o.c)->sni), t[i].ask != NULL ? strlen(t[i].ask) : 0);
		part(&m);
	}
}

static void key_types_together(void **state)
{
	static const struct { const char *sigalgs; int version, cert; } t[] = {
		{ "ECDSA+SHA256:rsa_pss_rsae_sha256:ed25519", TLS1_3_VERSION, 0 }, { "rsa_pss_rsae_sha256", TLS1_3_VERSION, 1 },
		{ "ed25519", TLS1_3_VERSION, 2 }, { "RSA+SHA256", TLS1_2_VERSION, 1 }, { "ECDSA+SHA256", TLS1_2_VERSION, 0 },
	};

	(void)state;
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "RSA", .san = "DNS:mail.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "ED25519", .san = "DNS:mail.example.org" });
	/* of the same type and name: the first counts */
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org" });
	kit_tell_certs(&k, 7);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct meeting m;
		X509 *x;

		meet(&m, t[i].version);
		assert_int_equal(SSL_set_tlsext_host_name(m.p.ssl, "mail.example.org"), 1);
		assert_int_equal(SSL_set1_sigalgs_list(m.p.ssl, t[i].sigalgs), 1);
		assert_row(i, kit_peer_handshake(&k, &m.p) == 1);
		x = SSL_get1_peer_certificate(m.p.ssl);
		assert_row(i, X509_cmp(x, k.certs[t[i].cert].x) == 0);
		X509_free(x);
		part(&m);
	}
}

static void certificates_change(void **state)
{
	struct meeting old, new;
	X509 *x;

	(void)state;
	assert_false(tls_server_ready(k.d.tls));
	meet(&old, TLS1_3_VERSION);
	assert_int_not_equal(kit_peer_handshake(&k, &old.p), 1);
	assert_string_equal(conn_tls_error(old.o.c), "there is no certificate");
	part(&old);
	one_cert("P-256");
	meet(&old, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &old.p), 1);
	kit_cert_free(&k.certs[0]);
	k.certs_n = 0;
	one_cert("P-384");
	meet(&new, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &new.p), 1);
	x = SSL_get1_peer_certificate(new.p.ssl);
	assert_int_equal(X509_cmp(x, k.certs[0].x), 0);
	X509_free(x);
	assert_true(echoes(&old) && echoes(&new));
	part(&old);
	part(&new);
	/* of no use: too short a key, the id of another key; those that are of use stay */
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "RSA", .rsa_bits = 1024, .san = "DNS:weak.test" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:false.test" });
	k.certs[2].id[0] ^= 1;
	kit_tell_certs(&k, 7);
	meet(&new, TLS1_3_VERSION);
	assert_int_equal(SSL_set_tlsext_host_name(new.p.ssl, "false.test"), 1);
	assert_int_equal(kit_peer_handshake(&k, &new.p), 1);
	x = SSL_get1_peer_certificate(new.p.ssl);
	assert_int_equal(X509_cmp(x, k.certs[0].x), 0);
	X509_free(x);
	part(&new);
}

/* All that an edge has of certificates, names, versions and tickets changes while keyd thinks. */
static void change_in_a_handshake(void **state)
{
	struct conf newer;

	(void)state;
	one_cert("P-256");
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		struct meeting m, next;
		X509 *x;

		newer = k.conf;
		kit_tell_tickets(&k, 1, 0);
		k.mode = KEYD_HOLD;
		meet(&m, v);
		assert_int_equal(SSL_set_tlsext_host_name(m.p.ssl, "mail.example.org"), 1);
		assert_int_equal(kit_peer_handshake(&k, &m.p), -1);
		kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-384", .san = "DNS:mail.example.org" });
		for (unsigned i = 0; i < 3; i++) {
			kit_tell_certs(&k, 1u << (k.certs_n - 1));
			kit_tell_tickets(&k, (uint8_t)(2 + i), (uint8_t)(1 + i));
		}
		newer.tls_min_version = "1.3";
		tls_server_reload(k.d.tls, &newer);
		kit_release(&k);
		assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
		x = SSL_get1_peer_certificate(m.p.ssl);
		assert_int_equal(X509_cmp(x, k.certs[0].x), 0);
		X509_free(x);
		assert_true(echoes(&m));
		part(&m);
		meet(&next, TLS1_3_VERSION);
		assert_int_equal(kit_peer_handshake(&k, &next.p), 1);
		part(&next);
		kit_cert_free(&k.certs[--k.certs_n]);
		kit_tell_certs(&k, 1);
		tls_server_reload(k.d.tls, &k.conf);
	}
}

/* ---- protocols (RFC 7301) --------------------------------------------------------------- */

static void alpn(void **state)
{
	static const struct { const char *service, *offer, *chosen; int r; } t[] = {
		{ "imapd", "\4imap", "imap", 1 }, { "imapd", "\10http/1.1\4imap", "imap", 1 }, { "imapd", "\10http/1.1", NULL, 0 },
		{ "imapd", "\4pop3", NULL, 0 }, { "imapd", "\7unheard", NULL, 1 }, { "imapd", NULL, NULL, 1 },
		{ "pop3d", "\4pop3", "pop3", 1 }, { "pop3d", "\2h2\10http/1.1", NULL, 0 },
		{ "smtpd", "\4smtp", NULL, 1 }, { "smtpd", "\2h2\10http/1.1", NULL, 0 }, { "smtpd", "\4imap", NULL, 0 },
		{ "smtpd", "\2h2\4smtp", NULL, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const unsigned char *got = NULL;
		struct meeting m;
		unsigned n = 0;

		memset(&k, 0, sizeof(k));
		kit_start(&k, t[i].service);
		one_cert("P-256");
		meet(&m, TLS1_3_VERSION);
		if (t[i].offer != NULL)
			assert_int_equal(SSL_set_alpn_protos(m.p.ssl, (const unsigned char *)t[i].offer, (unsigned)strlen(t[i].offer)), 0);
		assert_row(i, kit_peer_handshake(&k, &m.p) == t[i].r);
		if (t[i].r == 0)
			assert_string_equal(kit_peer_error(), "tlsv1 alert no application protocol");
		SSL_get0_alpn_selected(m.p.ssl, &got, &n);
		assert_row(i, slice_eq(slice_of(got, n), slice_cstr(t[i].chosen)));
		part(&m);
		kit_end(&k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_types),
		cmocka_unit_test_setup_teardown(own_client, start, end),
		cmocka_unit_test_setup_teardown(slow_keyd_stops_nobody, start, end),
		cmocka_unit_test_setup_teardown(keyd_in_bad_moods, start, end),
		cmocka_unit_test_setup_teardown(keyd_goes_and_comes, start, end),
		cmocka_unit_test_setup_teardown(keyd_dies_of_it, start, end),
		cmocka_unit_test_setup_teardown(closed_while_waiting, start, end),
		cmocka_unit_test_setup_teardown(handshake_timeout, start, end),
		cmocka_unit_test_setup_teardown(more_than_jobs, start, end),
		cmocka_unit_test_setup_teardown(names, start, end),
		cmocka_unit_test_setup_teardown(key_types_together, start, end),
		cmocka_unit_test_setup_teardown(certificates_change, start, end),
		cmocka_unit_test_setup_teardown(change_in_a_handshake, start, end),
		cmocka_unit_test(alpn),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
