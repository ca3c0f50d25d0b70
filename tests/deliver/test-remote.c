/* deliver-remote whole: exchangers that refuse, hang up and are mute; peers that die. */
#include "tests/lib/unit.h"

#include <bsd/stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/proto_dns.h"
#include "tests/deliver/remote_world.h"

#define DONE1 "1 10:1 2.0.0 mx1.b.test[127.0.0.1]:@ 250 2.0.0 Ok: queued"

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_delivery(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->hosts[0].rcpt = "250 2.1.5 ok";
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, DONE1);
	assert_slice(0, buf_slice(&w->hosts[0].content), "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n");
	assert_int_equal(w->hosts[0].txs, 1);
	world_delete(w);
}

/* The next job finds the connection; a connection that died in between says nothing about the host. */
static void test_reuse(void **state)
{
	struct world *w = world_new();

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		give_job(w, 1);
		wait_results(w, i);
		check_result(w, i - 1, DONE1);
	}
	assert_int_equal(w->hosts[0].conns, 1);
	w->hosts[0].close_mail = 4;
	give_job(w, 1);
	wait_results(w, 4);
	check_result(w, 3, DONE1);
	assert_int_equal(w->hosts[0].conns, 2);
	world_delete(w);
}

/* Nobody at the first address, the second refuses, the third takes it. */
static void test_next_address(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->mx_v6_first = true;
	w->mx_name[1] = "mx2.b.test";
	w->hosts[0].greeting = "554 5.3.2 not today";
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "1 10:1 2.0.0 mx2.b.test[127.0.0.2]:@ 250 2.0.0 Ok: queued");
	assert_int_equal(w->hosts[0].conns, 1);
	world_delete(w);
}

/* Who had no final answer at the first exchanger goes on to the next, and from there in a further transaction. */
static void test_lost_in_between(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->mx_name[1] = "mx2.b.test";
	w->hosts[0].data = "!";
	w->hosts[0].ehlo = "250 mx";
	w->hosts[0].max_rcpts = 1;
	w->hosts[1].max_rcpts = 0;
	give_job(w, 2);
	wait_results(w, 1);
	check_result(w, 0, "1 10:1 2.0.0 mx2.b.test[127.0.0.2]:@ 250 2.0.0 Ok: queued|11:1 2.0.0 mx2.b.test[127.0.0.2]:@ 250 2.0.0 Ok: queued");
	world_delete(w);
}

static void test_unreachable(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->hosts[0].greeting = "421 4.3.2 busy";
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "0 10:2 4.3.2 mx1.b.test[127.0.0.1]:@ 421 4.3.2 busy");
	w->hosts[0].greeting = "!";
	give_job(w, 1);
	wait_results(w, 2);
	check_result(w, 1, "0 10:2 4.4.2 mx1.b.test[127.0.0.1]:@ lost connection with mx1.b.test[127.0.0.1] while receiving the initial server greeting");
	world_delete(w);
	/* an address where nobody listens */
	w = world_new();
	listener_free(&w->ln);
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "0 10:2 4.4.1 none connect to mx1.b.test[127.0.0.1]:@: Connection refused");
	world_delete(w);
}

/* After the dot it may have arrived: not at once again. */
static void test_lost_after_dot(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->mx_name[1] = "mx2.b.test";
	w->hosts[0].final = "!";
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "1 10:2 4.4.2 mx1.b.test[127.0.0.1]:@ lost connection with mx1.b.test[127.0.0.1] while sending end of data "
	    "-- message may be sent more than once");
	assert_int_equal(w->hosts[1].conns, 0);
	world_delete(w);
}

/* Too many recipients for one transaction: further ones on the same connection. */
static void test_too_many(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->hosts[0].max_rcpts = 2;
	give_job(w, 5);
	wait_results(w, 1);
	assert_int_equal(w->hosts[0].conns, 1);
	assert_int_equal(w->hosts[0].contents, 3);
	for (unsigned i = 0; i < 5; i++) {
		char want[32];

		(void)snprintf(want, sizeof(want), "%u:1 2.0.0", 10 + i);
		buf_add_byte(&w->results[0], '\0');
		assert_non_null(strstr((const char *)w->results[0].p, want));
	}
	world_delete(w);
}

/* A large content from a file, slower than it is read. */
static void test_file(void **state)
{
	struct world *w = world_new();
	enum { LINES = 100000 };

	(void)state;
	w->file = tmpfile();
	assert_non_null(w->file);
	(void)fputs("RP\r\n", w->file);
	for (int i = 0; i < LINES; i++)
		(void)fputs(".234567890123456789012345678\r\n", w->file);
	(void)fflush(w->file);
	w->file_size = 4 + LINES * 30;
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, DONE1);
	assert_int_equal(w->hosts[0].content_size, LINES * 31 + 3);
	/* shorter than it should be: it does not count, and it is our fault */
	w->file_size += 1000;
	give_job(w, 1);
	wait_results(w, 2);
	check_result(w, 1, "1 10:2 4.3.0 none local fault: the content could not be read");
	assert_int_equal(w->hosts[0].contents, 1);
	world_delete(w);
}

/* The content comes in a file and there is no descriptor left for it: our fault, the next job goes on. */
static void test_no_descriptor(void **state)
{
	struct world *w = world_new();
	struct rlimit old;

	(void)state;
	w->file = tmpfile();
	assert_non_null(w->file);
	(void)fputs("RP\r\nSubject: x\r\n\r\n", w->file);
	(void)fflush(w->file);
	w->file_size = 18;
	w->dns_mute = w->no_room = true;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	give_job(w, 1);
	wait_results(w, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	check_result(w, 0, "1 10:2 4.3.0 none local fault: the content could not be read");
	w->dns_mute = w->no_room = false;
	give_job(w, 1);
	wait_results(w, 2);
	check_result(w, 1, DONE1);
	world_delete(w);
}

struct dns_row { uint8_t status; const char *name; const char *want; };

static void test_dns(void **state)
{
	static const struct dns_row rows[] = {
		{ DNS_NXDOMAIN, NULL, "1 10:3 5.1.2 none domain does not exist: b.test: played" },
		{ DNS_NULLMX, NULL, "1 10:3 5.1.10 none domain does not accept mail (null MX): b.test" },
		{ DNS_TEMPFAIL, NULL, "0 10:2 4.4.3 none name service failed for b.test: played" },
		{ DNS_OK, "us.test", "1 10:3 5.4.6 none mail loops back to myself: this host is the best mail exchanger of b.test" },
	};
	struct world *w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		w = world_new();
		w->dns_status = rows[i].status;
		w->mx_name[0] = rows[i].name;
		give_job(w, 1);
		wait_results(w, 1);
		check_result(w, 0, rows[i].want);
		assert_int_equal(w->hosts[0].conns, 0);
		world_delete(w);
	}
	/* it greets with our name */
	w = world_new();
	w->hosts[0].greeting = "220 us.test ESMTP";
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "1 10:3 5.4.6 mx1.b.test[127.0.0.1]:@ mail loops back to myself: the host greets as us.test");
	world_delete(w);
	/* loopback addresses are nobody's */
	w = world_new();
	w->conf.dns_allow_local = false;
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, "1 10:3 5.4.4 none only local addresses for the mail exchangers of b.test");
	world_delete(w);
}

/* dnsd and spoold die while they are asked: the next ones are asked again. */
static void test_peers_die(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->dns_mute = w->spool_mute = true;
	give_job(w, 1);
	turn_settle(w->loop);
	assert_int_equal(w->mx_asked, 1);
	assert_int_equal(w->content_asked, 1);
	channel_close(w->dnsd);
	channel_close(w->spoold);
	turn_settle(w->loop);
	w->dns_mute = w->spool_mute = false;
	start_dnsd(w);
	start_spoold(w);
	wait_results(w, 1);
	check_result(w, 0, DONE1);
	w->spool_fail = true;
	give_job(w, 1);
	wait_results(w, 2);
	check_result(w, 1, "1 10:2 4.3.0 none local fault: the content could not be read");
	world_delete(w);
}

/* qmgr dies: nobody waits for the result, and the next one gives the job again. */
static void test_qmgr_dies(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->hosts[0].ehlo = "";
	give_job(w, 1);
	turn_settle(w->loop);
	channel_close(w->qmgr);
	turn_settle(w->loop);
	w->hosts[0].ehlo = "250 mx";
	start_qmgr(w);
	turn_settle(w->loop);
	give_job(w, 1);
	wait_results(w, 1);
	check_result(w, 0, DONE1);
	assert_int_equal(w->hosts[0].contents, 1);
	world_delete(w);
}

/* An hour ahead. */
static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return ((uint64_t)ts.tv_sec + 3600) * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t turned_ms(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000000;
}

static uint64_t turned_us(void)
{
	return now_ns(CLOCK_REALTIME) / 1000;
}

static void turned_random(void *p, size_t n)
{
	arc4random_buf(p, n);
}

static void test_timeout(void **state)
{
	const struct clock_ops turned = { .mono_ms = turned_ms, .wall_us = turned_us, .random = turned_random };
	struct world *w = world_new();

	(void)state;
	w->hosts[0].mail = "";
	w->hosts[0].ehlo = "250 mx";
	give_job(w, 1);
	while (w->hosts[0].txs == 0)
		assert_int_equal(loop_turn(w->loop, 100), 0);
	clock_set(&turned);     /* the time for a reply is over */
	wait_results(w, 1);
	clock_set(NULL);
	check_result(w, 0, "1 10:2 4.4.2 mx1.b.test[127.0.0.1]:@ conversation timed out with mx1.b.test[127.0.0.1] while sending MAIL FROM");
	world_delete(w);
}

static void on_stopped(void *ctx)
{
	((struct world *)ctx)->stopped = true;
}

static bool is_stopped(void *ctx)
{
	return ((struct world *)ctx)->stopped;
}

/* A session finishes, a job without one is left to qmgr. */
static void test_stop(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->hosts[0].mail = "";
	w->hosts[0].ehlo = "250 mx";
	give_job(w, 1);
	while (w->hosts[0].txs == 0)
		assert_int_equal(loop_turn(w->loop, 100), 0);
	w->dns_mute = true;
	give_job(w, 1);
	turn_settle(w->loop);
	agent_stop(w->r, on_stopped, w);
	turn_settle(w->loop);
	assert_false(w->stopped);
	for (unsigned i = 0; i < CONNS; i++)
		if (w->visits[i].c != NULL)
			conn_writef(w->visits[i].c, "250 ok\r\n");
	wait_results(w, 1);
	check_result(w, 0, DONE1);
	turn_until(w->loop, is_stopped, w, "the stop");
	assert_int_equal(w->results_n, 1);
	world_delete(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivery),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_next_address),
		cmocka_unit_test(test_lost_in_between),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_lost_after_dot),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_no_descriptor),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_peers_die),
		cmocka_unit_test(test_qmgr_dies),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_stop),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("deliver/remote", tests, NULL, NULL);
}
