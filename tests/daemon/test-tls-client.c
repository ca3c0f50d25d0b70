#include "tests/lib/unit.h"
#include "tests/lib/tls.h"

/* Certificates that are verified or not, on both sides, and sessions that are resumed or not. */
#include <malloc.h>
#include <openssl/rand.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

static struct kit k;
static struct kit_cert root, stranger;
static char ca_file[64];

static void write_ca(const struct kit_cert *c)
{
	int fd;
	FILE *f;

	(void)snprintf(ca_file, sizeof(ca_file), "/tmp/pabal-test-ca.XXXXXX");
	fd = mkstemp(ca_file);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, c->x), 1);
	assert_int_equal(fclose(f), 0);
}

static int group_start(void **state)
{
	(void)state;
	kit_cert_make(&root, &(struct kit_cert_spec){ .type = "P-256", .ca = true });
	kit_cert_make(&stranger, &(struct kit_cert_spec){ .type = "P-256", .ca = true });
	write_ca(&root);
	return 0;
}

static int group_end(void **state)
{
	(void)state;
	(void)unlink(ca_file);
	kit_cert_free(&root);
	kit_cert_free(&stranger);
	return 0;
}

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

static void one_cert(void)
{
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &root });
	kit_tell_certs(&k, 1);
	kit_tell_tickets(&k, 1, 0);
}

/* ---- our client --------------------------------------------------------------------- */

struct meeting { struct kit_conn s, c; };

static int meet(struct meeting *m, struct tls_client *client, const struct tls_target *target)
{
	int r;

	kit_conn_open_fd(&k, &m->c, kit_conn_open(&k, &m->s));
	m->s.echo = true;
	r = conn_start_tls_client(m->c.c, client, target);
	if (r != 0)
		return r;
	conn_start_tls_server(m->s.c, k.d.tls);
	kit_turns(&k, 20);
	return 0;
}

static void part(struct meeting *m)
{
	if (m->c.c != NULL)
		conn_finish(&m->c.c);
	kit_turns(&k, 4);
	kit_conn_free(&m->s);
	kit_conn_free(&m->c);
}

static void verification(void **state)
{
	const struct { int cert; const char *host, *names, *error; } t[] = {
		{ 0, "mail.example.org", "", NULL },
		{ 0, "MAIL.example.org.", "", NULL },
		{ 0, "mx.example.org", "", "hostname mismatch" },
		{ 0, "mx.example.org", " other.test\tmail.example.org ", NULL },
		{ 0, "mail.example.org", "other.test", "hostname mismatch" },
		{ 0, "192.0.2.1", "", "IP address mismatch" },
		{ 0, "192.0.2.1", "mail.example.org", NULL },
		{ 1, "mail.example.org", "", "certificate has expired" },
		{ 2, "mail.example.org", "", "self-signed certificate" },
		{ 3, "mail.example.org", "", "self-signed certificate in certificate chain" },
		{ 4, "a.example.org", "", NULL },
		{ 4, "example.org", "", "hostname mismatch" },
		{ 4, "a.b.example.org", "", "hostname mismatch" },
		{ 5, "192.0.2.1", "", NULL }, { 5, "2001:db8::1", "", NULL }, { 5, "192.0.2.2", "", "IP address mismatch" },
		{ 6, "mail.example.org", "", "hostname mismatch" },
		{ 7, "mail.example.org", "", X509_verify_cert_error_string(X509_V_ERR_INVALID_PURPOSE) },
	};
	struct tls_client *client = tls_client_new(ca_file, "1.2");

	(void)state;
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &root });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &root, .expired = true });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &stranger });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:*.example.org", .issuer = &root });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "IP:192.0.2.1,IP:2001:db8::1", .issuer = &root });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .issuer = &root });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &root, .eku = "clientAuth" });
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (int verify = 0; verify < 2; verify++) {
			struct tls_target target = { .host = t[i].host, .verify = verify != 0, .names = slice_cstr(t[i].names) };
			struct kit_cert all[KIT_CERTS];
			unsigned n = k.certs_n;
			struct meeting m;

			/* only this certificate, for any name */
			memcpy(all, k.certs, sizeof(all));
			k.certs[0] = all[t[i].cert];
			k.certs_n = 1;
			kit_tell_certs(&k, 1);
			assert_row(i, meet(&m, client, &target) == 0);
			if (t[i].error == NULL || verify == 0) {
				assert_row(i, m.c.tls == 1 && m.c.error == 0 && m.s.tls == 1);
				assert_row(i, conn_tls_info(m.c.c)->verified == (t[i].error == NULL));
				assert_string_equal(conn_tls_info(m.c.c)->verify_error, t[i].error != NULL ? t[i].error : "");
			} else {
				assert_row(i, m.c.tls == 0 && m.c.error == 1);
				assert_string_equal(conn_tls_error(m.c.c), t[i].error);
			}
			part(&m);
			memcpy(k.certs, all, sizeof(all));
			k.certs_n = n;
		}
	}
	tls_client_free(&client);
}

/* A chain of certificates costs a verification each: long ones are not followed. */
static void long_chains(void **state)
{
	static const unsigned lengths[] = { 9, 10, 11, 30 };
	enum { MOST = 30, ALLOWED = 10 };
	struct tls_target target = { .host = "mail.example.org", .verify = true };
	struct tls_client *client = tls_client_new(ca_file, "1.2");
	struct kit_cert between[MOST];
	struct meeting m;

	(void)state;
	for (unsigned i = 0; i < MOST; i++)
		kit_cert_make(&between[i], &(struct kit_cert_spec){ .type = "P-256", .ca = true, .issuer = i == 0 ? &root : &between[i - 1] });
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &between[lengths[i] - 1] });
		kit_tell_certs(&k, 1);
		assert_row(i, meet(&m, client, &target) == 0 && m.c.tls == (lengths[i] <= ALLOWED));
		if (lengths[i] > ALLOWED)
			assert_string_equal(conn_tls_error(m.c.c), "certificate chain too long");
		part(&m);
		kit_cert_free(&k.certs[--k.certs_n]);
	}
	for (unsigned i = 0; i < MOST; i++)
		kit_cert_free(&between[i]);
	tls_client_free(&client);
}

static void names_that_are_none(void **state)
{
	static const char *const hosts[] = { "", ".", "a..b", "a b", "a\nb", "-\x80.test", "a/b", ".a", NULL };
	struct tls_client *client = tls_client_new(ca_file, "1.2");
	struct tls_target bad_names = { .host = "a.test", .names = SLICE_LIT("b.test c\0d") };
	struct meeting m;

	(void)state;
	one_cert();
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct tls_target target = { .host = hosts[i] };

		assert_row(i, meet(&m, client, &target) == ERR_SYNTAX && !conn_has_tls(m.c.c));
		part(&m);
	}
	assert_int_equal(meet(&m, client, &bad_names), ERR_SYNTAX);
	part(&m);
	tls_client_free(&client);
	/* no authorities: nothing is verified */
	client = tls_client_new("/nonexistent", "1.2");
	bad_names = (struct tls_target){ .host = "mail.example.org", .verify = true };
	assert_int_equal(meet(&m, client, &bad_names), 0);
	assert_int_equal(m.c.error, 1);
	assert_string_equal(conn_tls_error(m.c.c), "self-signed certificate in certificate chain");
	part(&m);
	tls_client_free(&client);
}

/* A session is resumed for the same demand only. */
static void sessions_of_the_client(void **state)
{
	static const struct { bool verify; const char *host, *names; bool resumed; } t[] = {
		{ false, "mail.example.org", "", false }, { false, "mail.example.org", "", true }, { false, "MAIL.example.org", "", true },
		{ true, "mail.example.org", "", false }, { true, "mail.example.org", "", true },
		{ true, "mail.example.org", "mail.example.org", false }, { false, "mx.example.org", "", false },
		{ false, "mail.example.org", "", true },
	};

	(void)state;
	for (int version = 2; version <= 3; version++) {
		struct tls_client *client = tls_client_new(ca_file, version == 3 ? "1.3" : "1.2");
		unsigned full = 0;

		memset(&k, 0, sizeof(k));
		kit_start(&k, "smtpd");
		one_cert();
		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			struct tls_target target = { .host = t[i].host, .verify = t[i].verify, .names = slice_cstr(t[i].names) };
			struct meeting m;

			assert_row(i, meet(&m, client, &target) == 0 && m.c.tls == 1 && m.s.tls == 1);
			assert_row(i, conn_tls_info(m.c.c)->resumed == t[i].resumed && conn_tls_info(m.s.c)->resumed == t[i].resumed);
			assert_row(i, conn_tls_info(m.c.c)->verified == (strcmp(t[i].host, "mx.example.org") != 0));
			full += !t[i].resumed;
			assert_int_equal(k.signs, full);
			part(&m);
		}
		tls_client_free(&client);
		kit_end(&k);
	}
}

/* ---- tickets of the server --------------------------------------------------------------- */

static SSL_SESSION *saved;

static int save(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	SSL_SESSION_free(saved);
	saved = s;
	return 1;
}

/* A handshake of plain OpenSSL with the session that was saved; was it resumed? */
static bool visit(int version, bool with_session)
{
	struct kit_conn o;
	struct kit_peer p;
	int fd = kit_conn_open(&k, &o);
	uint8_t b[CONN_BINDING_MAX];
	size_t n;
	bool resumed;

	conn_start_tls_server(o.c, k.d.tls);
	o.echo = true;
	kit_peer_open(&p, fd, version, version);
	(void)SSL_CTX_set_session_cache_mode(p.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(p.ctx, save);
	if (with_session && saved != NULL)
		assert_int_equal(SSL_set_session(p.ssl, saved), 1);
	assert_int_equal(kit_peer_handshake(&k, &p), 1);
	assert_int_equal(kit_peer_write(&k, &p, "x", 1), 0);
	assert_int_equal(kit_peer_read(&k, &p, b, 1), 0);
	resumed = SSL_session_reused(p.ssl) == 1;
	assert_int_equal(o.tls, 1);
	assert_int_equal(conn_tls_info(o.c)->resumed, resumed);
	/* the binding is that of the certificate of the first handshake */
	assert_int_equal(conn_tls_binding(o.c, CONN_BINDING_SERVER_END_POINT, b, &n), 0);
	assert_int_equal(n, 32);
	/* OpenSSL does not tell of a ticket that renews one of TLS 1.2 */
	if (version == TLS1_2_VERSION)
		(void)save(p.ssl, SSL_get1_session(p.ssl));
	(void)SSL_shutdown(p.ssl);
	kit_conn_free(&o);
	kit_peer_free(&p);
	return resumed;
}

static uint64_t wall_offset;
static uint64_t one_time(void) { return 1000; }
static void dice(void *p, size_t n) { assert_int_equal(RAND_bytes(p, (int)n), 1); }
static uint64_t later_us(void) { return (1700000000u + wall_offset) * 1000000u; }

static void tickets(void **state)
{
	static const struct clock_ops ops = { .mono_ms = one_time, .wall_us = later_us, .random = dice };

	(void)state;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		memset(&k, 0, sizeof(k));
		kit_start(&k, "smtpd");
		kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org", .issuer = &root });
		kit_tell_certs(&k, 1);
		/* no keys for tickets: none are made */
		assert_false(visit(v, false));
		assert_false(visit(v, true));
		kit_tell_tickets(&k, 1, 0);
		assert_false(visit(v, false));
		assert_true(visit(v, true));
		assert_int_equal(k.signs, 3);
		/* the keys turn: the old one opens, the new one seals; then the old one is gone */
		kit_tell_tickets(&k, 2, 1);
		assert_true(visit(v, true));
		kit_tell_tickets(&k, 3, 2);
		assert_true(visit(v, true));
		kit_tell_tickets(&k, 4, 0);
		assert_false(visit(v, true));
		assert_true(visit(v, true));
		/* another certificate: sessions go on */
		kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-384", .san = "DNS:mail.example.org", .issuer = &root });
		kit_tell_certs(&k, 2);
		assert_true(visit(v, true));
		/* without end they do not go on */
		wall_offset = 0;
		clock_set(&ops);
		assert_false(visit(v, false));
		for (int i = 0; i < 12; i++) {
			wall_offset += 7100;
			assert_true(visit(v, true));
		}
		wall_offset += 7100;
		assert_false(visit(v, true));
		clock_set(NULL);
		SSL_SESSION_free(saved);
		saved = NULL;
		kit_end(&k);
	}
}

static void ticket_of_another_service(void **state)
{
	(void)state;
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		memset(&k, 0, sizeof(k));
		kit_start(&k, "imapd");
		one_cert();
		assert_false(visit(v, false));
		assert_true(visit(v, true));
		kit_end(&k);
		/* the same keys even: a full handshake */
		memset(&k, 0, sizeof(k));
		kit_start(&k, "smtpd");
		one_cert();
		assert_false(visit(v, true));
		assert_true(visit(v, true));
		SSL_SESSION_free(saved);
		saved = NULL;
		kit_end(&k);
	}
}

/* Every two hours the certificate is looked at anew, however often the session was resumed and renewed meanwhile. */
static void old_sessions(void **state)
{
	static const struct clock_ops ops = { .mono_ms = one_time, .wall_us = later_us, .random = dice };
	static const struct { int step; bool resumed; } t[] = {
		{ 0, false }, { 3000, true }, { 3000, true }, { 1200, true }, { 1, false }, { 7200, true }, { 1, false }, { -8000, false }, { 1, true },
	};
	struct tls_target target = { .host = "mail.example.org", .verify = true };

	(void)state;
	clock_set(&ops);
	for (int version = 2; version <= 3; version++) {
		struct tls_client *client = tls_client_new(ca_file, version == 3 ? "1.3" : "1.2");

		wall_offset = 10000;
		memset(&k, 0, sizeof(k));
		kit_start(&k, "smtpd");
		one_cert();
		for (size_t i = 0; i < ARRAY_LEN(t); i++) {
			struct meeting m;

			wall_offset += (uint64_t)(int64_t)t[i].step;
			assert_row(i, meet(&m, client, &target) == 0 && m.c.tls == 1);
			assert_row(i, conn_tls_info(m.c.c)->resumed == t[i].resumed && conn_tls_info(m.c.c)->verified);
			part(&m);
		}
		tls_client_free(&client);
		kit_end(&k);
	}
	clock_set(NULL);
}

/* ---- certificates of clients ---------------------------------------------------------------- */

static void client_certificates(void **state)
{
	const char *purpose = X509_verify_cert_error_string(X509_V_ERR_INVALID_PURPOSE);
	const struct { const char *san; int issuer; bool expired, verified; const char *mail, *error, *eku; } t[] = {
		{ "email:kim@example.org", 1, false, true, "kim@example.org", "", NULL },
		{ "DNS:a.test,email:kim@example.org,email:lee@example.org", 1, false, true, "kim@example.org", "", NULL },
		{ "DNS:a.test", 1, false, true, "", "", NULL },
		{ "email:kim@example.org", 1, true, false, "", "certificate has expired", NULL },
		{ "email:kim@example.org", 2, false, false, "", "self-signed certificate in certificate chain", NULL },
		{ "email:kim@example.org", 0, false, false, "", "self-signed certificate", NULL },
		{ NULL, -1, false, false, "", "", NULL },
		{ "email:kim@example.org", 1, false, true, "kim@example.org", "", "clientAuth" },
		{ "email:kim@example.org", 1, false, false, "", purpose, "serverAuth" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
			const struct kit_cert *issuer = t[i].issuer == 1 ? &root : t[i].issuer == 2 ? &stranger : NULL;
			struct kit_cert own = { .key = NULL };
			struct kit_conn o;
			struct kit_peer p;
			int fd;

			memset(&k, 0, sizeof(k));
			k.conf.tls_client_ca = ca_file;
			kit_start(&k, "smtpd");
			one_cert();
			for (int again = 0; again < 2; again++) {
				fd = kit_conn_open(&k, &o);
				conn_start_tls_server(o.c, k.d.tls);
				kit_peer_open(&p, fd, v, v);
				(void)SSL_CTX_set_session_cache_mode(p.ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
				SSL_CTX_sess_set_new_cb(p.ctx, save);
				if (t[i].issuer >= 0) {
					if (own.key == NULL)
						kit_cert_make(&own, &(struct kit_cert_spec){ .type = "P-256", .san = t[i].san, .issuer = issuer,
						    .expired = t[i].expired, .eku = t[i].eku });
					assert_int_equal(SSL_use_certificate(p.ssl, own.x), 1);
					assert_int_equal(SSL_use_PrivateKey(p.ssl, own.key), 1);
					if (issuer != NULL)
						assert_int_equal(SSL_add1_chain_cert(p.ssl, issuer->x), 1);
				}
				if (again && saved != NULL)
					assert_int_equal(SSL_set_session(p.ssl, saved), 1);
				assert_row(i, kit_peer_handshake(&k, &p) == 1);
				kit_turns(&k, 4);
				(void)SSL_read(p.ssl, (char[2]){ 0 }, 1);
				assert_row(i, o.tls == 1 && conn_tls_info(o.c)->verified == t[i].verified);
				assert_string_equal(conn_tls_info(o.c)->verify_error, t[i].error);
				assert_string_equal(conn_tls_info(o.c)->mail, t[i].mail);
				/* who came with a certificate comes anew */
				assert_row(i, (SSL_session_reused(p.ssl) == 1) == (again && t[i].issuer < 0));
				(void)SSL_shutdown(p.ssl);
				kit_conn_free(&o);
				kit_peer_free(&p);
			}
			kit_cert_free(&own);
			SSL_SESSION_free(saved);
			saved = NULL;
			kit_end(&k);
		}
	}
}

/* ---- memory ------------------------------------------------------------------------------------ */

#if !defined(WITH_SANITIZERS) && defined(__GLIBC__)
/* What a connection costs that is open and says nothing; half of it is OpenSSL's SSL object. */
static void idle_memory(void **state)
{
	enum { N = 200 };
	static struct kit_conn o[N];
	static struct kit_peer p[N];
	size_t full, each;

	(void)state;
	one_cert();
	for (int v = TLS1_2_VERSION; v <= TLS1_3_VERSION; v++) {
		for (int i = 0; i < N; i++) {
			int fd = kit_conn_open(&k, &o[i]);

			conn_start_tls_server(o[i].c, k.d.tls);
			kit_peer_open(&p[i], fd, v, v);
			assert_int_equal(kit_peer_handshake(&k, &p[i]), 1);
			assert_int_equal(kit_peer_write(&k, &p[i], "x", 1), 0);
		}
		kit_turns(&k, 4);
		full = mallinfo2().uordblks;
		for (int i = 0; i < N; i++)
			kit_conn_free(&o[i]);
		each = (full - mallinfo2().uordblks) / N;
		print_message("# memory of an idle connection, %s: %zu bytes\n", v == TLS1_2_VERSION ? "TLS 1.2" : "TLS 1.3", each);
		assert_true(each < 16 * 1024);
		for (int i = 0; i < N; i++)
			kit_peer_free(&p[i]);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(verification, start, end),
		cmocka_unit_test_setup_teardown(long_chains, start, end),
		cmocka_unit_test_setup_teardown(names_that_are_none, start, end),
		cmocka_unit_test(sessions_of_the_client),
		cmocka_unit_test(tickets),
		cmocka_unit_test(ticket_of_another_service),
		cmocka_unit_test(old_sessions),
		cmocka_unit_test(client_certificates),
#if !defined(WITH_SANITIZERS) && defined(__GLIBC__)
		cmocka_unit_test_setup_teardown(idle_memory, start, end),
#endif
	};

	return cmocka_run_group_tests_name("tls-client", tests, group_start, group_end);
}
