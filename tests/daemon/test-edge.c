#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/daemon/edge.h"

/* What the frame would be. */
struct world {
	struct daemon d;
	struct conf conf;
	struct edge e;
	unsigned accepted, told, done;
	bool leave;             /* clients go when they are told */
};
static bool there[2];           /* spoold, accountd */
static struct world *world;

struct channel *daemon_peer(const struct daemon *d, enum role role)
{
	static max_align_t some;

	(void)d;
	return there[role == ROLE_ACCOUNTD] ? (struct channel *)(void *)&some : NULL;
}

void daemon_done(struct daemon *d)
{
	assert_ptr_equal(d, &world->d);
	world->done++;
}

static void on_accept(void *ctx, enum conf_listen_service svc, int fd)
{
	assert_int_equal(svc, LISTEN_POP3);
	((struct world *)ctx)->accepted++;
	(void)close(fd);
}

static const struct daemon_spec spec = { .role = ROLE_POP3D };

static void start(struct world *w)
{
	memset(w, 0, sizeof(*w));
	there[0] = there[1] = false;
	world = w;
	w->conf.connection_limit = 3;
	w->conf.connection_limit_address = 2;
	w->d.conf = &w->conf;
	w->d.spec = &spec;
	w->d.loop = loop_new();
	assert_non_null(w->d.loop);
	assert_int_equal(edge_init(&w->e, &w->d, on_accept, w), 0);
}

static void end(struct world *w)
{
	edge_end(&w->e);
	loop_free(&w->d.loop);
}

static int listening(struct sockaddr_in *sin_r)
{
	socklen_t len = sizeof(*sin_r);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memset(sin_r, 0, sizeof(*sin_r));
	sin_r->sin_family = AF_INET;
	sin_r->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)sin_r, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)sin_r, &len), 0);
	return fd;
}

static void visit(const struct sockaddr_in *sin)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)sin, sizeof(*sin)), 0);
	(void)close(fd);
}

/* Comes and is gone by a reset before anybody has taken it. */
static void visit_reset(const struct sockaddr_in *sin)
{
	struct linger now = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)sin, sizeof(*sin)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(fd);
}

static void turn(struct world *w)
{
	assert_int_equal(loop_turn(w->d.loop, 0), 0);
}

/* Clients wait in the kernel until both peers are there; a peer that goes later changes nothing. */
static void opens_with_both_peers(void **state)
{
	struct sockaddr_in sin, late;
	struct world w;

	(void)state;
	start(&w);
	edge_listener(&w.e, LISTEN_POP3, listening(&sin));
	visit(&sin);
	turn(&w);
	there[0] = true;
	edge_peers_check(&w.e);
	turn(&w);
	assert_int_equal(w.accepted, 0);
	there[1] = true;
	edge_peers_check(&w.e);
	turn(&w);
	assert_int_equal(w.accepted, 1);
	there[0] = there[1] = false;
	edge_peers_check(&w.e);
	edge_listener(&w.e, LISTEN_POP3, listening(&late));
	visit(&late);
	turn(&w);
	assert_int_equal(w.accepted, 2);
	end(&w);
}

static void opens_without_peers_in_the_end(void **state)
{
	struct sockaddr_in sin;
	struct world w;

	(void)state;
	start(&w);
	edge_listener(&w.e, LISTEN_POP3, listening(&sin));
	visit(&sin);
	for (uint64_t until = clock_mono_ms() + 60 * 1000; w.accepted == 0 && clock_mono_ms() < until;)
		assert_int_equal(loop_turn(w.d.loop, 1000), 0);
	assert_int_equal(w.accepted, 1);
	end(&w);
}

/* Reloads may move the service any number of times; what has been shut down leaves its place, paused or not. */
static void ended_listeners_make_room(void **state)
{
	struct sockaddr_in sin;
	struct world w;

	(void)state;
	start(&w);
	for (unsigned i = 0; i < 3 * EDGE_LISTENERS_MAX; i++) {
		int fd = listening(&sin);

		edge_listener(&w.e, LISTEN_POP3, fd);
		assert_in_range(w.e.listeners_n, 1, 2);
		if (i == EDGE_LISTENERS_MAX)
			edge_open(&w.e);
		if (i >= EDGE_LISTENERS_MAX) {
			visit(&sin);
			turn(&w);
			assert_int_equal(w.accepted, i - EDGE_LISTENERS_MAX + 1);
		}
		assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
		turn(&w);
	}
	end(&w);
}

static void too_many_or_of_others(void **state)
{
	struct sockaddr_in sin;
	struct world w;

	(void)state;
	start(&w);
	edge_listener(&w.e, LISTEN_SMTP, listening(&sin));
	assert_int_equal(w.e.listeners_n, 0);
	for (unsigned i = 0; i < EDGE_LISTENERS_MAX + 2; i++)
		edge_listener(&w.e, LISTEN_POP3, listening(&sin));
	assert_int_equal(w.e.listeners_n, EDGE_LISTENERS_MAX);
	end(&w);
}

/* ---- clients --------------------------------------------------------------------- */

struct visitor {
	struct edge_client at;
	struct world *w;
	bool in;
};

static void on_told(void *ctx)
{
	struct visitor *v = ctx;

	assert_true(v->in);
	v->w->told++;
	if (!v->w->leave)
		return;
	edge_leave(&v->w->e, &v->at);
	v->in = false;
}

static int enter(struct world *w, struct visitor *v, const char *addr)
{
	const char *why;
	int r;

	memset(v, 0, sizeof(*v));
	v->w = w;
	r = edge_enter(&w->e, &v->at, addr, v, &why);
	v->in = r == 0;
	return r;
}

static void limits(void **state)
{
	struct visitor v[4];
	struct world w;

	(void)state;
	start(&w);
	assert_int_equal(enter(&w, &v[0], "192.0.2.1"), 0);
	assert_int_equal(enter(&w, &v[1], "192.0.2.1"), 0);
	assert_int_equal(enter(&w, &v[2], "192.0.2.1"), ERR_LIMIT);
	assert_int_equal(enter(&w, &v[2], "192.0.2.2"), 0);
	assert_int_equal(enter(&w, &v[3], "192.0.2.3"), ERR_LIMIT);
	edge_leave(&w.e, &v[1].at);
	assert_int_equal(enter(&w, &v[3], "192.0.2.3"), 0);
	edge_each(&w.e, on_told);
	assert_int_equal(w.told, 3);
	w.leave = true;
	edge_each(&w.e, on_told);
	assert_int_equal(w.told, 6);
	assert_int_equal(w.e.clients_n, 0);
	assert_int_equal(w.done, 0);
	end(&w);
}

/* Done once: at once without clients, with the last of those that leave when told, or later. */
static void stops(void **state)
{
	static const struct { unsigned n; bool leave; } rows[] = { { 0, false }, { 2, true }, { 2, false } };
	struct sockaddr_in sin;
	struct visitor v[2];
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		start(&w);
		w.leave = rows[i].leave;
		edge_listener(&w.e, LISTEN_POP3, listening(&sin));
		for (unsigned k = 0; k < rows[i].n; k++)
			assert_int_equal(enter(&w, &v[k], "192.0.2.1"), 0);
		edge_stop(&w.e, on_told);
		assert_row(i, w.e.listeners_n == 0 && w.told == rows[i].n);
		edge_listener(&w.e, LISTEN_POP3, listening(&sin));
		assert_row(i, w.e.listeners_n == 0);
		for (unsigned k = 0; k < rows[i].n; k++) {
			if (!v[k].in)
				continue;
			assert_row(i, w.done == 0);
			edge_leave(&w.e, &v[k].at);
		}
		assert_row(i, w.done >= 1);
		end(&w);
	}
}

static void reset_before_taken(void **state)
{
	struct sockaddr_in sin;
	struct world w;

	(void)state;
	start(&w);
	there[0] = there[1] = true;
	edge_peers_check(&w.e);
	edge_listener(&w.e, LISTEN_POP3, listening(&sin));
	visit_reset(&sin);
	visit(&sin);
	visit_reset(&sin);
	turn(&w);
	assert_int_equal(w.accepted, 1);
	end(&w);
}

static void on_timer(void *ctx)
{
	(void)ctx;
}

static void timer_only_nearer(void **state)
{
	struct loop_timer t;
	struct world w;
	uint64_t now = clock_mono_ms(), due;

	(void)state;
	start(&w);
	memset(&t, 0, sizeof(t));
	edge_timer_nearer(&w.e, &t, 0, on_timer, &w);
	assert_false(loop_timer_active(&t));
	edge_timer_nearer(&w.e, &t, now + 600 * 1000, on_timer, &w);
	assert_true(loop_timer_active(&t));
	due = t.due_ms;
	edge_timer_nearer(&w.e, &t, now + 900 * 1000, on_timer, &w);
	edge_timer_nearer(&w.e, &t, 0, on_timer, &w);
	assert_int_equal(t.due_ms, due);
	edge_timer_nearer(&w.e, &t, now + 300 * 1000, on_timer, &w);
	assert_true(t.due_ms < due);
	loop_timer_del(w.d.loop, &t);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_with_both_peers),
		cmocka_unit_test(opens_without_peers_in_the_end),
		cmocka_unit_test(ended_listeners_make_room),
		cmocka_unit_test(too_many_or_of_others),
		cmocka_unit_test(limits),
		cmocka_unit_test(stops),
		cmocka_unit_test(reset_before_taken),
		cmocka_unit_test(timer_only_nearer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
