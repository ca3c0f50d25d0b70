#include "tests/lib/unit.h"
#include "tests/lib/tls.h"

/* What comes over the wire: plaintext where TLS should be, garbage, floods, and very much data. */
#include <sys/socket.h>
#include <unistd.h>

static struct kit k;

static int start(void **state)
{
	(void)state;
	memset(&k, 0, sizeof(k));
	kit_start(&k, "smtpd");
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "P-256", .san = "DNS:mail.example.org" });
	kit_cert_add(&k, &(struct kit_cert_spec){ .type = "RSA", .san = "DNS:mail.example.org" });
	kit_tell_certs(&k, 3);
	kit_tell_tickets(&k, 1, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	kit_end(&k);
	return 0;
}

/* A ClientHello as OpenSSL makes it. */
static size_t hello(uint8_t *out, size_t size)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *to = BIO_new(BIO_s_mem());
	int n;

	SSL_set_bio(ssl, in, to);
	SSL_set_connect_state(ssl);
	(void)SSL_do_handshake(ssl);
	n = BIO_read(to, out, (int)size);
	assert_true(n > 9);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return (size_t)n;
}

/* Sends bytes to a server that waits for a ClientHello; want: part of conn_tls_error(), NULL: it goes on waiting. */
static void first_bytes(size_t row, const void *p, size_t n, bool close_after, bool slowly, const char *want)
{
	struct kit_conn o;
	int fd = kit_conn_open(&k, &o);

	conn_start_tls_server(o.c, k.d.tls);
	for (size_t i = 0; i < n && slowly && o.error == 0; i++) {
		assert_int_equal(write(fd, (const uint8_t *)p + i, 1), 1);
		kit_turns(&k, 1);
	}
	if (!slowly && n != 0)
		assert_int_equal(write(fd, p, n), n);
	kit_turns(&k, 6);
	if (close_after) {
		(void)shutdown(fd, SHUT_WR);
		kit_turns(&k, 6);
	}
	if (want == NULL) {
		assert_row(row, o.error == 0);
	} else {
		const char *got = conn_tls_error(o.c);

		if (o.error != 1 || got == NULL || strstr(got, want) == NULL)
			fail_msg("row %zu: error=%u %s, want %s", row, o.error, got != NULL ? got : "-", want);
	}
	assert_row(row, o.tls == 0 && o.data == 0 && o.eof == 0);
	kit_conn_free(&o);
	(void)close(fd);
}

static void not_a_client_hello(void **state)
{
	static const uint8_t large[] = { 22, 3, 1, 0x40, 0, 1, 2, 0, 0 }, tiny_record[] = { 22, 3, 1, 0, 1, 1 };
	static const uint8_t finished[] = { 22, 3, 3, 0, 16, 20, 0, 0, 12 }, empty[] = { 22, 3, 1, 0, 0, 22, 3, 1, 0 };
	static const uint8_t sslv2[] = { 0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10 }, ssl4[] = { 22, 4, 0, 0, 5 };
	static const uint8_t too_long[] = { 22, 3, 1, 0xff, 0xff, 1, 0, 0x40, 0 }, alert[] = { 21, 3, 1, 0, 2, 2, 40 };
	uint8_t h[4096], bad[4096];
	size_t n = hello(h, sizeof(h));

	(void)state;
	first_bytes(1, "EHLO client.test\r\n", 18, false, false, "speaks plaintext");
	first_bytes(2, "A", 1, false, false, "speaks plaintext");
	first_bytes(3, "\0\0\0", 3, false, false, "speaks plaintext");
	first_bytes(4, "GET / HTTP/1.1\r\n\r\n", 18, false, false, "speaks plaintext");
	first_bytes(5, sslv2, sizeof(sslv2), false, false, "speaks plaintext");
	first_bytes(6, alert, sizeof(alert), false, false, "speaks plaintext");
	first_bytes(7, ssl4, sizeof(ssl4), false, false, "wrong version");
	first_bytes(8, large, sizeof(large), false, false, "too large");
	first_bytes(9, tiny_record, sizeof(tiny_record), true, false, "closed during");
	first_bytes(10, finished, sizeof(finished), false, false, "there is no ClientHello");
	first_bytes(11, empty, sizeof(empty), false, false, "there is no ClientHello");
	first_bytes(12, too_long, sizeof(too_long), false, false, "packet length too long");
	first_bytes(13, h, n, true, false, "closed during");
	first_bytes(14, h, n / 2, true, false, "closed during");
	first_bytes(15, h, n / 2, false, false, NULL);
	first_bytes(16, h, n, false, true, NULL);
	first_bytes(17, NULL, 0, true, false, "closed before");
	first_bytes(18, NULL, 0, false, false, NULL);
	/* every byte of it wrong in turn: an answer of some kind, nothing worse */
	for (size_t i = 0; i < n; i++) {
		struct kit_conn o;
		int fd = kit_conn_open(&k, &o);

		memcpy(bad, h, n);
		bad[i] ^= 0xff;
		conn_start_tls_server(o.c, k.d.tls);
		assert_int_equal(write(fd, bad, n), n);
		kit_turns(&k, 4);
		assert_int_equal(o.tls, 0);
		kit_conn_free(&o);
		(void)close(fd);
	}
}

/* A client that sends a good ClientHello and then nonsense. */
static void nonsense_in_the_middle(void **state)
{
	uint8_t h[4096], junk[600];
	size_t n = hello(h, sizeof(h));

	(void)state;
	for (unsigned type = 20; type <= 24; type++) {
		struct kit_conn o;
		int fd = kit_conn_open(&k, &o);

		memset(junk, (int)type, sizeof(junk));
		junk[0] = (uint8_t)type, junk[1] = 3, junk[2] = 3, junk[3] = 2, junk[4] = 0;
		conn_start_tls_server(o.c, k.d.tls);
		assert_int_equal(write(fd, h, n), n);
		kit_turns(&k, 8);
		assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
		kit_turns(&k, 8);
		assert_int_equal(o.error, 1);
		assert_non_null(conn_tls_error(o.c));
		kit_conn_free(&o);
		(void)close(fd);
	}
}

/* Very many that never come to an end keep nobody out. */
static void half_open(void **state)
{
	enum { N = 300 };
	static struct kit_conn o[N];
	static int fd[N];
	struct kit_conn good;
	struct kit_peer p;
	uint8_t h[4096];
	size_t n = hello(h, sizeof(h));

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		size_t part = i % 3 == 0 ? 0 : i % 3 == 1 ? n / 2 : n;

		fd[i] = kit_conn_open(&k, &o[i]);
		conn_start_tls_server(o[i].c, k.d.tls);
		assert_int_equal(write(fd[i], h, part), part);
	}
	kit_turns(&k, 10);
	kit_peer_open(&p, kit_conn_open(&k, &good), TLS1_3_VERSION, TLS1_3_VERSION);
	conn_start_tls_server(good.c, k.d.tls);
	assert_int_equal(kit_peer_handshake(&k, &p), 1);
	kit_conn_free(&good);
	kit_peer_free(&p);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(o[i].error + o[i].tls, 0);
		kit_conn_free(&o[i]);
		(void)close(fd[i]);
	}
}

struct meeting { struct kit_conn o; struct kit_peer p; };

static void meet(struct meeting *m, int version)
{
	int fd = kit_conn_open(&k, &m->o);

	conn_start_tls_server(m->o.c, k.d.tls);
	kit_peer_open(&m->p, fd, version, version);
}

static void part(struct meeting *m)
{
	kit_conn_free(&m->o);
	kit_peer_free(&m->p);
}

/* ---- STARTTLS ---------------------------------------------------------------------------- */

/* The client sends more behind its STARTTLS: a server that kept it would take it for said under TLS. */
static void injected_into_the_server(void **state)
{
	char b[64] = "";
	struct meeting m;
	int fd = kit_conn_open(&k, &m.o);

	(void)state;
	m.o.keep = true;
	assert_int_equal(write(fd, "STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n", 40), 40);
	kit_turns(&k, 3);
	assert_int_equal(m.o.data, 1);
	conn_writef(m.o.c, "220 go\r\n");
	conn_start_tls_server(m.o.c, k.d.tls);
	assert_int_equal(buf_len(conn_in(m.o.c)), 0);
	/* this goes out under TLS only */
	conn_writef(m.o.c, "250 secret\r\n");
	kit_turns(&k, 3);
	assert_int_equal(read(fd, b, sizeof(b)), 8);
	assert_string_equal(b, "220 go\r\n");
	kit_peer_open(&m.p, fd, TLS1_3_VERSION, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	assert_int_equal(kit_peer_read(&k, &m.p, b, 12), 0);
	assert_memory_equal(b, "250 secret\r\n", 12);
	assert_int_equal(kit_peer_write(&k, &m.p, "EHLO x\r\n", 8), 0);
	kit_turns(&k, 4);
	assert_slice(0, buf_slice(conn_in(m.o.c)), "EHLO x\r\n");
	part(&m);
	/* plaintext that comes later is no handshake */
	fd = kit_conn_open(&k, &m.o);
	conn_writef(m.o.c, "220 go\r\n");
	conn_start_tls_server(m.o.c, k.d.tls);
	kit_turns(&k, 3);
	assert_int_equal(write(fd, "RCPT TO:<evil@example.org>\r\n", 28), 28);
	kit_turns(&k, 3);
	assert_int_equal(m.o.error, 1);
	assert_int_equal(m.o.data, 0);
	kit_conn_free(&m.o);
	(void)close(fd);
}

static void injected_into_the_client(void **state)
{
	struct tls_client *client = tls_client_new("", "1.2");
	struct tls_target target = { .host = "mail.example.org" };
	struct kit_conn s, c;
	int fd = kit_conn_open(&k, &s);

	(void)state;
	kit_conn_open_fd(&k, &c, fd);
	c.keep = true;
	/* the server's answer to STARTTLS and a forged one to EHLO */
	conn_writef(s.c, "220 go\r\n250-mail.example.org\r\n250 AUTH PLAIN\r\n");
	kit_turns(&k, 3);
	assert_int_equal(c.data, 1);
	conn_start_tls_server(s.c, k.d.tls);
	assert_int_equal(conn_start_tls_client(c.c, client, &target), 0);
	assert_int_equal(buf_len(conn_in(c.c)), 0);
	kit_turns(&k, 20);
	assert_int_equal(c.tls, 1);
	assert_int_equal(c.data, 1);
	conn_writef(s.c, "250 true\r\n");
	kit_turns(&k, 4);
	assert_slice(0, buf_slice(conn_in(c.c)), "250 true\r\n");
	kit_conn_free(&s);
	kit_conn_free(&c);
	/* a server that goes on in plaintext */
	fd = kit_conn_open(&k, &c);
	assert_int_equal(conn_start_tls_client(c.c, client, &target), 0);
	assert_int_equal(write(fd, "250 AUTH PLAIN\r\n", 16), 16);
	kit_turns(&k, 6);
	assert_int_equal(c.error, 1);
	assert_string_equal(conn_tls_error(c.c), "wrong version number");
	assert_int_equal(c.data, 0);
	kit_conn_free(&c);
	(void)close(fd);
	tls_client_free(&client);
}

/* ---- versions and ciphers ------------------------------------------------------------------- */

static void refused(void **state)
{
	static const struct { const char *what; int min, max; const char *ciphers, *groups; bool good; } t[] = {
		{ "TLS 1.0", TLS1_VERSION, TLS1_VERSION, "ALL:@SECLEVEL=0", NULL, false },
		{ "TLS 1.1", TLS1_1_VERSION, TLS1_1_VERSION, "ALL:@SECLEVEL=0", NULL, false },
		{ "CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA", NULL, false },
		{ "kRSA", TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA", NULL, false },
		{ "DHE", TLS1_2_VERSION, TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384", NULL, false },
		{ "NULL", TLS1_2_VERSION, TLS1_2_VERSION, "eNULL:@SECLEVEL=0", NULL, false },
		{ "anonymous", TLS1_2_VERSION, TLS1_2_VERSION, "aNULL:@SECLEVEL=0", NULL, false },
		{ "PSK", TLS1_2_VERSION, TLS1_2_VERSION, "kPSK:@SECLEVEL=0", NULL, false },
		{ "CCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-CCM8", NULL, false },
		{ "CAMELLIA, ARIA", TLS1_2_VERSION, TLS1_2_VERSION, "CAMELLIA:ARIAGCM", NULL, false },
		{ "AES128-GCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, true },
		{ "AES256-GCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", NULL, true },
		{ "CHACHA20", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", NULL, true },
		{ "secp521r1", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "P-521", false },
		{ "X448", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "X448", false },
		{ "ffdhe2048", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "ffdhe2048", false },
		{ "X25519", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "X25519", true },
		{ "P-256", TLS1_2_VERSION, TLS1_2_VERSION, NULL, "P-256", true },
		{ "P-384", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "P-384", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct meeting m;
		int fd = kit_conn_open(&k, &m.o);

		conn_start_tls_server(m.o.c, k.d.tls);
		kit_peer_open(&m.p, fd, t[i].min, t[i].max);
		if (t[i].ciphers != NULL)
			assert_row(i, SSL_set_cipher_list(m.p.ssl, t[i].ciphers) == 1);
		if (t[i].groups != NULL)
			assert_row(i, SSL_set1_groups_list(m.p.ssl, t[i].groups) == 1);
		if ((kit_peer_handshake(&k, &m.p) == 1) != t[i].good)
			fail_msg("%s: %s %s", t[i].what, kit_peer_error(), m.o.error ? conn_tls_error(m.o.c) : "-");
		assert_row(i, m.o.tls == t[i].good);
		part(&m);
	}
}

static void oldest_version(void **state)
{
	struct meeting m;
	struct conf newer;

	(void)state;
	meet(&m, TLS1_2_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	newer = k.conf;
	newer.tls_min_version = "1.3";
	tls_server_reload(k.d.tls, &newer);
	/* the open one goes on */
	assert_int_equal(kit_peer_write(&k, &m.p, "x", 1), 0);
	kit_turns(&k, 3);
	assert_slice(0, buf_slice(&m.o.got), "x");
	part(&m);
	meet(&m, TLS1_2_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &m.p), 0);
	assert_string_equal(kit_peer_error(), "tlsv1 alert protocol version");
	part(&m);
	meet(&m, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	part(&m);
}

/* ---- after the handshake ------------------------------------------------------------------- */

static void key_update_flood(void **state)
{
	struct meeting m;
	int i;

	(void)state;
	meet(&m, TLS1_3_VERSION);
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	/* a few with data between are nothing bad */
	for (i = 0; i < 80; i++) {
		assert_int_equal(SSL_key_update(m.p.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(kit_peer_write(&k, &m.p, "x", 1), 0);
		kit_turns(&k, 1);
	}
	kit_turns(&k, 4);
	assert_int_equal(buf_len(&m.o.got), 80);
	assert_int_equal(m.o.error, 0);
	for (i = 0; i < 200 && m.o.error == 0; i++) {
		(void)SSL_key_update(m.p.ssl, i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
		(void)SSL_do_handshake(m.p.ssl);
		kit_turns(&k, 2);
	}
	assert_int_equal(m.o.error, 1);
	assert_string_equal(conn_tls_error(m.o.c), "too many messages after the handshake");
	assert_true(i < 40);
	part(&m);
}

static void renegotiation(void **state)
{
	struct meeting m;
	char b[2];

	(void)state;
	meet(&m, TLS1_2_VERSION);
	m.o.echo = true;
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	assert_int_equal(SSL_renegotiate(m.p.ssl), 1);
	for (int i = 0; i < 10 && SSL_do_handshake(m.p.ssl) != 1; i++)
		kit_turns(&k, 2);
	/* it is told no, and whether it goes on is its affair: here it does not */
	assert_true(SSL_renegotiate_pending(m.p.ssl) || SSL_read(m.p.ssl, b, 1) <= 0);
	assert_int_equal(m.o.tls, 1);
	part(&m);
}

static void end_of_data(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct meeting m;
		char b[8];

		meet(&m, how % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
		assert_int_equal(kit_peer_write(&k, &m.p, "QUIT\r\n", 6), 0);
		if (how < 2)
			(void)SSL_shutdown(m.p.ssl);
		else
			(void)shutdown(m.p.fd, SHUT_WR);
		kit_turns(&k, 4);
		assert_slice(how, buf_slice(&m.o.got), "QUIT\r\n");
		assert_row(how, m.o.eof == 1 && m.o.error == 0);
		/* half closed: the answer comes all the same */
		conn_writef(m.o.c, "221 bye\r\n");
		conn_finish(&m.o.c);
		kit_turns(&k, 4);
		assert_row(how, kit_peer_read(&k, &m.p, b, 8) == 0);
		assert_memory_equal(b, "221 bye\r", 8);
		assert_row(how, SSL_read(m.p.ssl, b, 8) == 1 && SSL_read(m.p.ssl, b, 8) == 0);
		assert_row(how, SSL_get_error(m.p.ssl, 0) == SSL_ERROR_ZERO_RETURN);
		part(&m);
	}
}

enum { TOTAL = 10 * 1024 * 1024, PIECE = 50000 };

static size_t piece_left(size_t at)
{
	size_t n = PIECE - at % PIECE;

	return n < TOTAL - at ? n : TOTAL - at;
}

static void much_data_both_ways(void **state)
{
	static uint8_t piece[PIECE], back[PIECE];
	struct meeting m;
	size_t sent = 0, got = 0, n, most = 0;

	(void)state;
	for (size_t i = 0; i < PIECE; i++)
		piece[i] = (uint8_t)(i * 7 + i / 251);
	meet(&m, TLS1_3_VERSION);
	m.o.echo = true;
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	(void)SSL_set_mode(m.p.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* first it only sends: the server stops reading instead of gathering */
	for (int idle = 0; idle < 20; ) {
		idle++;
		while (sent < TOTAL && SSL_write_ex(m.p.ssl, piece + sent % PIECE, piece_left(sent), &n) == 1)
			sent += n, idle = 0;
		kit_turns(&k, 1);
		most = conn_out_len(m.o.c) > most ? conn_out_len(m.o.c) : most;
	}
	assert_true(sent < TOTAL / 2);
	assert_true(most < CONN_OUT_HIGH + 2 * CONN_IN_MAX);
	for (unsigned i = 0; i < 100000 && got < TOTAL; i++) {
		while (got < TOTAL && SSL_read_ex(m.p.ssl, back, PIECE - got % PIECE, &n) == 1) {
			assert_memory_equal(back, piece + got % PIECE, n);
			got += n;
		}
		while (sent < TOTAL && SSL_write_ex(m.p.ssl, piece + sent % PIECE, piece_left(sent), &n) == 1)
			sent += n;
		kit_turns(&k, 1);
	}
	assert_int_equal(got, TOTAL);
	part(&m);
}

/* A reader that stops: no more than CONN_IN_MAX and a record is taken, and all of it comes in the end. */
static void reader_pauses(void **state)
{
	static uint8_t junk[300000];
	struct meeting m;
	size_t n, sent = 0, got = 0;

	(void)state;
	meet(&m, TLS1_3_VERSION);
	m.o.keep = true;
	assert_int_equal(kit_peer_handshake(&k, &m.p), 1);
	(void)SSL_set_mode(m.p.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE);
	for (int i = 0; i < 2000 && got < sizeof(junk); i++) {
		while (sent < sizeof(junk) && SSL_write_ex(m.p.ssl, junk + sent, sizeof(junk) - sent, &n) == 1)
			sent += n;
		kit_turns(&k, 2);
		n = buf_len(conn_in(m.o.c));
		assert_true(n <= CONN_IN_MAX + 16384);
		if (i % 3 == 0) {
			conn_pause(m.o.c);
		} else if (n != 0) {
			buf_consume(conn_in(m.o.c), n);
			got += n;
			conn_resume(m.o.c);
		} else {
			conn_resume(m.o.c);
		}
	}
	assert_int_equal(got, sizeof(junk));
	part(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(not_a_client_hello, start, end),
		cmocka_unit_test_setup_teardown(nonsense_in_the_middle, start, end),
		cmocka_unit_test_setup_teardown(half_open, start, end),
		cmocka_unit_test_setup_teardown(injected_into_the_server, start, end),
		cmocka_unit_test_setup_teardown(injected_into_the_client, start, end),
		cmocka_unit_test_setup_teardown(refused, start, end),
		cmocka_unit_test_setup_teardown(oldest_version, start, end),
		cmocka_unit_test_setup_teardown(key_update_flood, start, end),
		cmocka_unit_test_setup_teardown(renegotiation, start, end),
		cmocka_unit_test_setup_teardown(end_of_data, start, end),
		cmocka_unit_test_setup_teardown(much_data_both_ways, start, end),
		cmocka_unit_test_setup_teardown(reader_pauses, start, end),
	};

	return cmocka_run_group_tests_name("tls-wire", tests, NULL, NULL);
}
