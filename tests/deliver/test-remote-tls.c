/* deliver-remote and TLS: good and bad certificates, broken handshakes, what falls back and what does not, what is reused. */
#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "common/daemon/tls.h"
#include "common/ipc/proto_dns.h"
#include "deliver/tlspolicy.h"
#include "tests/deliver/remote_world.h"

#define AT1 "mx1.b.test[127.0.0.1]:@ "
#define AT2 "mx2.b.test[127.0.0.2]:@ "
#define SENT "250 2.0.0 Ok: queued"
#define DONE_PLAIN "1 10:1 2.0.0 " AT1 SENT
#define TLS13 " tls=TLSv1.3/TLS_AES_128_GCM_SHA256 "
#define DONE_VERIFIED DONE_PLAIN TLS13 "(verified)"
#define DONE_UNVERIFIED DONE_PLAIN TLS13 "(unverified)"
#define OFFER "250-mx\r\n250-PIPELINING\r\n250 STARTTLS"

static struct world *tls_world(const char *policy)
{
	struct world *w = world_new();
	static char *lines[4];

	for (unsigned i = 0; i < HOSTS; i++)
		w->hosts[i].ehlo = OFFER;
	lines[0] = (char *)(uintptr_t)policy;
	w->conf.tls_policy = (struct conf_list){ .v = lines, .n = policy != NULL };
	return w;
}

static void one_job(struct world *w, const char *want)
{
	unsigned n = w->results_n;

	give_job(w, 1);
	wait_results(w, n + 1);
	check_result(w, n, want);
}

/* How each certificate is judged by each policy. */
struct cert_row { const char *policy; enum tls_cert cert; const char *want; unsigned handshakes; };

static void test_certificates(void **state)
{
	static const struct cert_row rows[] = {
		{ NULL, CERT_GOOD, DONE_VERIFIED, 1 },
		{ "* may", CERT_DOMAIN, DONE_VERIFIED, 1 },
		{ "* may", CERT_WRONG_NAME, DONE_UNVERIFIED, 1 },
		{ "* may", CERT_EXPIRED, DONE_UNVERIFIED, 1 },
		{ "* may", CERT_SELF_SIGNED, DONE_UNVERIFIED, 1 },
		{ "b.test none", CERT_GOOD, DONE_PLAIN, 0 },
		{ "b.test encrypt", CERT_GOOD, DONE_VERIFIED, 1 },
		{ "b.test encrypt", CERT_EXPIRED, DONE_UNVERIFIED, 1 },
		{ "b.test verify", CERT_GOOD, DONE_VERIFIED, 1 },
		{ "b.test verify", CERT_DOMAIN, DONE_VERIFIED, 1 },
		{ "b.test verify other.test", CERT_WRONG_NAME, DONE_VERIFIED, 1 },
		{ "b.test verify mx9.test other.test", CERT_WRONG_NAME, DONE_VERIFIED, 1 },
		{ "b.test verify other.test", CERT_GOOD, NULL, 0 },
		{ "b.test verify", CERT_WRONG_NAME, NULL, 0 },
		{ "b.test verify", CERT_EXPIRED, NULL, 0 },
		{ "b.test verify", CERT_SELF_SIGNED, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = tls_world(rows[i].policy);

		w->hosts[0].cert = rows[i].cert;
		give_job(w, 1);
		wait_results(w, 1);
		if (rows[i].want != NULL) {
			check_result(w, 0, rows[i].want);
			assert_row(i, w->hosts[0].handshakes == rows[i].handshakes);
			assert_row(i, w->hosts[0].handshakes == 0 || strcmp(w->hosts[0].sni, "mx1.b.test") == 0);
			assert_row(i, w->hosts[0].tls_txs == rows[i].handshakes);
			assert_slice(i, buf_slice(&w->hosts[0].content), "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n");
		} else {
			static const char start[] = "0 10:2 4.7.5 mx1.b.test[127.0.0.1]:";

			if (!slice_istarts(buf_slice(&w->results[0]), start))
				fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&w->results[0])));
			assert_row(i, w->hosts[0].txs == 0 && w->hosts[0].contents == 0);
		}
		assert_row(i, w->hosts[0].conns == 1);
		world_delete(w);
	}
}

/* The reason is told. */
static void test_reasons(void **state)
{
	static const struct { enum tls_cert cert; const char *why; } rows[] = {
		{ CERT_EXPIRED, "certificate has expired" },
		{ CERT_WRONG_NAME, "match" },
		{ CERT_SELF_SIGNED, "self" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = tls_world("* verify");

		w->hosts[0].cert = rows[i].cert;
		give_job(w, 1);
		wait_results(w, 1);
		buf_add_byte(&w->results[0], '\0');
		if (strstr((const char *)w->results[0].p, "TLS handshake failed: ") == NULL || strstr((const char *)w->results[0].p, rows[i].why) == NULL)
			fail_msg("row %zu: %s", i, (const char *)w->results[0].p);
		world_delete(w);
	}
}

static void test_tls12(void **state)
{
	struct world *w = tls_world("* verify");

	(void)state;
	w->hosts[0].tls_version = 12;
	one_job(w, DONE_PLAIN " tls=TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256 (verified)");
	/* a reload holds for the next connection */
	agent_set_conf(w->r, &w->conf);
	tls_client_reload(w->tls_client, "1.3");
	give_job(w, 1);
	wait_results(w, 2);
	assert_true(slice_istarts(buf_slice(&w->results[1]), "0 10:2 4.7.5 mx1.b.test[127.0.0.1]:"));
	world_delete(w);
}

/* An old host gets weak encryption rather than none, but not where its certificate counts. */
static void test_old_host(void **state)
{
	static const struct { const char *policy, *want; } rows[] = {
		{ "* may", DONE_PLAIN " tls=TLSv1.2/ECDHE-ECDSA-AES128-SHA256 (verified)" },
		{ "* encrypt", DONE_PLAIN " tls=TLSv1.2/ECDHE-ECDSA-AES128-SHA256 (verified)" },
		{ "* verify", "0 10:2 4.7.5 mx1.b.test[127.0.0.1]:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = tls_world(rows[i].policy);

		w->hosts[0].tls_version = 12;
		w->hosts[0].ciphers = "ECDHE-ECDSA-AES128-SHA256";
		give_job(w, 1);
		wait_results(w, 1);
		if (rows[i].want[0] == '1')
			check_result(w, 0, rows[i].want);
		else
			assert_row(i, slice_istarts(buf_slice(&w->results[0]), rows[i].want));
		world_delete(w);
	}
}

/* Stripped, refused, broken: what comes of it when TLS may be, and when it has to be. */
struct broken_row {
	const char *name, *ehlo, *starttls;
	enum handshake handshake;
	const char *may, *encrypt;
	unsigned may_conns;     /* for two messages */
};

static const struct broken_row broken_rows[] = {
	{ "stripped", "250-mx\r\n250 PIPELINING", "220 go", HS_DONE, DONE_PLAIN,
	  "0 10:2 4.7.4 " AT1 "TLS is required, but was not offered by host", 1 },
	{ "refused", OFFER, "454 4.7.0 not now", HS_DONE, DONE_PLAIN,
	  "0 10:2 4.7.4 " AT1 "TLS is required, but the host refused it: 454 4.7.0 not now", 1 },
	{ "closing", OFFER, "421 4.3.2 bye", HS_DONE, DONE_PLAIN, "0 10:2 4.3.2 " AT1 "421 4.3.2 bye", 2 },
	{ "closes at STARTTLS", OFFER, "!", HS_DONE, DONE_PLAIN,
	  "0 10:2 4.4.2 " AT1 "lost connection with mx1.b.test[127.0.0.1] while sending STARTTLS", 2 },
	{ "closes in the handshake", OFFER, "220 go", HS_CLOSE, DONE_PLAIN, NULL, 2 },
	{ "garbage", OFFER, "220 go", HS_GARBAGE, DONE_PLAIN, NULL, 2 },
	{ "silent", OFFER, "220 go", HS_SILENT, DONE_PLAIN,
	  "0 10:2 4.4.2 " AT1 "conversation timed out with mx1.b.test[127.0.0.1] while performing the TLS handshake", 2 },
	{ "half a handshake, then silence", OFFER, "220 go", HS_HALF, DONE_PLAIN,
	  "0 10:2 4.4.2 " AT1 "conversation timed out with mx1.b.test[127.0.0.1] while performing the TLS handshake", 2 },
	{ "breaks off behind the handshake", OFFER, "220 go", HS_LATE_CLOSE, DONE_PLAIN, NULL, 2 },
	{ "no STARTTLS reply at all", OFFER, "250 what", HS_DONE,
	  "0 10:2 4.5.0 " AT1 "bad reply while sending STARTTLS: unexpected code",
	  "0 10:2 4.5.0 " AT1 "bad reply while sending STARTTLS: unexpected code", 2 },
	{ "injection", OFFER, "220 go\r\n250-injected\r\n250 SIZE 1", HS_DONE,
	  "0 10:2 4.7.0 " AT1 "the host sent bytes behind its reply to STARTTLS, which nobody does who means well",
	  "0 10:2 4.7.0 " AT1 "the host sent bytes behind its reply to STARTTLS, which nobody does who means well", 2 },
};

static struct world *broken_world(const struct broken_row *row, const char *policy)
{
	struct world *w = tls_world(policy);

	w->conf.tls_handshake_timeout = row->handshake == HS_SILENT || row->handshake == HS_HALF ? 1 : 20;
	w->hosts[0].ehlo = row->ehlo;
	w->hosts[0].starttls = row->starttls;
	w->hosts[0].handshake = row->handshake;
	return w;
}

static void test_broken(void **state)
{
	static const char *const strict[] = { "* encrypt", "* verify" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken_rows); i++) {
		const struct broken_row *row = &broken_rows[i];
		struct world *w = broken_world(row, "* may");

		one_job(w, row->may);
		one_job(w, row->may);
		if (w->hosts[0].conns != row->may_conns)
			fail_msg("row %zu: %u connections", i, w->hosts[0].conns);
		assert_row(i, w->hosts[0].tls_txs == 0);
		world_delete(w);
		for (size_t k = 0; k < ARRAY_LEN(strict); k++) {
			w = broken_world(row, strict[k]);
			give_job(w, 1);
			wait_results(w, 1);
			if (row->encrypt != NULL)
				check_result(w, 0, row->encrypt);
			else if (!slice_istarts(buf_slice(&w->results[0]), "0 10:2 4."))
				fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&w->results[0])));
			assert_row(i, w->hosts[0].txs == 0 && w->hosts[0].conns == 1);
			world_delete(w);
		}
	}
}

/* Broken at the first exchanger: where TLS is required the next one is tried. */
static void test_next_exchanger(void **state)
{
	struct world *w = tls_world("* encrypt");

	(void)state;
	w->mx_name[1] = "mx2.b.test";
	w->hosts[0].handshake = HS_GARBAGE;
	one_job(w, "1 10:1 2.0.0 " AT2 SENT TLS13 "(unverified)");
	w->hosts[0].handshake = HS_DONE;
	w->hosts[0].ehlo = "250 mx";
	one_job(w, "1 10:1 2.0.0 " AT2 SENT TLS13 "(unverified)");
	assert_int_equal(w->hosts[0].txs, 0);
	assert_int_equal(w->hosts[1].handshakes, 1);    /* reused */
	world_delete(w);
}

/* Where TLS broke it is not tried again for a while; a change of the configuration forgets that. */
static void test_remembered(void **state)
{
	struct world *w = tls_world(NULL);
	struct conf next;

	(void)state;
	w->hosts[0].handshake = HS_GARBAGE;
	w->hosts[0].close_mail = 2;
	one_job(w, DONE_PLAIN);
	assert_int_equal(w->hosts[0].conns, 2);
	w->hosts[0].handshake = HS_DONE;
	one_job(w, DONE_PLAIN);
	assert_int_equal(w->hosts[0].handshakes, 0);
	next = w->conf;
	agent_set_conf(w->r, &next);
	one_job(w, DONE_VERIFIED);
	agent_set_conf(w->r, &w->conf);
	world_delete(w);
}

/* A connection serves who would have made it so or worse; sessions of TLS do not carry trust where there was none. */
static void test_reuse(void **state)
{
	static const struct { const char *first, *second; enum tls_cert cert; unsigned conns; const char *want; } rows[] = {
		{ "* may", "* may", CERT_GOOD, 1, DONE_VERIFIED },
		{ "* may", "* encrypt", CERT_EXPIRED, 1, DONE_UNVERIFIED },
		{ "* may", "* verify", CERT_GOOD, 1, DONE_VERIFIED },
		{ "* may", "* verify", CERT_EXPIRED, 2, NULL },
		{ "* may", "* verify", CERT_WRONG_NAME, 2, NULL },
		{ "* encrypt", "* verify", CERT_SELF_SIGNED, 2, NULL },
		{ "* verify", "* may", CERT_GOOD, 1, DONE_VERIFIED },
		{ "* verify", "* verify other.test", CERT_GOOD, 2, NULL },
		{ "* verify other.test", "* verify", CERT_WRONG_NAME, 2, NULL },
		{ "* verify mx1.b.test", "* verify mx1.b.test", CERT_GOOD, 1, DONE_VERIFIED },
		{ "* none", "* may", CERT_GOOD, 2, DONE_VERIFIED },
		{ "* none", "* encrypt", CERT_GOOD, 2, DONE_VERIFIED },
		{ "* may", "* none", CERT_GOOD, 2, DONE_PLAIN },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = tls_world(rows[i].first);

		w->hosts[0].cert = rows[i].cert;
		give_job(w, 1);
		wait_results(w, 1);
		assert_row(i, w->hosts[0].txs == 1);
		w->conf.tls_policy.v[0] = (char *)(uintptr_t)rows[i].second;
		give_job(w, 1);
		wait_results(w, 2);
		if (rows[i].want != NULL)
			check_result(w, 1, rows[i].want);
		else if (!slice_istarts(buf_slice(&w->results[1]), "0 10:2 4.7.5 "))
			fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&w->results[1])));
		if (w->hosts[0].conns != rows[i].conns)
			fail_msg("row %zu: %u connections", i, w->hosts[0].conns);
		world_delete(w);
	}
}

/* A further connection to the host takes up the session of the first. */
static void test_resumed(void **state)
{
	struct world *w = tls_world("* verify");
	struct conf next;

	(void)state;
	one_job(w, DONE_VERIFIED);
	next = w->conf;
	agent_set_conf(w->r, &next);            /* idle connections are given up */
	one_job(w, DONE_VERIFIED);
	agent_set_conf(w->r, &w->conf);
	assert_int_equal(w->hosts[0].handshakes, 2);
	assert_int_equal(w->hosts[0].resumed, 1);
	world_delete(w);
}

/* What was verified for one domain is not for another, neither by an open connection nor by a session taken up. */
static void test_other_domain(void **state)
{
	struct world *w = tls_world("* may");
	struct conf next;

	(void)state;
	w->hosts[0].cert = CERT_DOMAIN;
	one_job(w, DONE_VERIFIED);
	next = w->conf;
	agent_set_conf(w->r, &next);            /* idle connections are given up */
	w->domain = "c.test";
	one_job(w, DONE_UNVERIFIED);
	assert_int_equal(w->hosts[0].handshakes, 2);
	w->conf.tls_policy.v[0] = (char *)(uintptr_t)"* verify";
	give_job(w, 1);
	wait_results(w, 3);
	assert_true(slice_istarts(buf_slice(&w->results[2]), "0 10:2 4.7.5 "));
	assert_int_equal(w->hosts[0].txs, 2);
	agent_set_conf(w->r, &w->conf);
	world_delete(w);
}

/* A large content under TLS, slower than it is read. */
static void test_file(void **state)
{
	struct world *w = tls_world("* encrypt");
	enum { LINES = 100000 };

	(void)state;
	w->file = tmpfile();
	assert_non_null(w->file);
	(void)fputs("RP\r\n", w->file);
	for (int i = 0; i < LINES; i++)
		(void)fputs(".234567890123456789012345678\r\n", w->file);
	(void)fflush(w->file);
	w->file_size = 4 + LINES * 30;
	one_job(w, DONE_VERIFIED);
	assert_int_equal(w->hosts[0].content_size, LINES * 31 + 3);
	world_delete(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_tls12),
		cmocka_unit_test(test_old_host),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_next_exchanger),
		cmocka_unit_test(test_remembered),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_other_domain),
		cmocka_unit_test(test_file),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("deliver/remote-tls", tests, NULL, NULL);
}
