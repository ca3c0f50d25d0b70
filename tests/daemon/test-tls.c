#include "tests/lib/unit.h"
#include "tests/lib/tls.h"

/* Handshakes with every type of key, with keyd in all its moods. */
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_types),
		cmocka_unit_test_setup_teardown(own_client, start, end),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
