#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/conn.h"

static struct loop *loop;

/* What happened to a connection, and what its owner does about it. */
struct owner {
	struct conn *c;
	unsigned data, drain, eof, timeout, error, connected;
	bool consume, close_on_data, finish_on_data;
	char got[4096];
	size_t got_n;
};

static void on_event(void *ctx, struct conn *c, enum conn_event ev)
{
	struct owner *o = ctx;
	struct slice s;

	switch (ev) {
	case CONN_DATA:
		o->data++;
		s = buf_slice(conn_in(c));
		if (o->consume) {
			for (size_t i = 0; i < s.len && o->got_n < sizeof(o->got); i++)
				o->got[o->got_n++] = (char)s.p[i];
			buf_consume(conn_in(c), s.len);
		}
		if (o->close_on_data)
			conn_close(&o->c);
		if (o->finish_on_data) {
			conn_write(c, "bye", 3);
			conn_finish(&o->c);
		}
		break;
	case CONN_DRAIN: o->drain++; break;
	case CONN_EOF: o->eof++; break;
	case CONN_TIMEOUT: o->timeout++; break;
	case CONN_ERROR: o->error++; break;
	case CONN_CONNECTED: o->connected++; break;
	case CONN_TLS: break;
	}
}

static int open_pair(struct owner *o)
{
	struct conn_ops ops = { on_event, o };
	int sv[2];

	memset(o, 0, sizeof(*o));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), 0);
	o->c = conn_accept(loop, sv[0], &ops);
	assert_non_null(o->c);
	return sv[1];
}

static void turns(int n)
{
	while (n-- > 0)
		assert_int_equal(loop_turn(loop, 0), 0);
}

static void data_and_eof(void **state)
{
	struct owner o;
	int fd = open_pair(&o);

	(void)state;
	o.consume = true;
	assert_int_equal(write(fd, "hello", 5), 5);
	turns(2);
	assert_int_equal(o.got_n, 5);
	conn_pause(o.c);
	assert_int_equal(write(fd, "more", 4), 4);
	turns(3);
	assert_int_equal(o.got_n, 5);
	conn_resume(o.c);
	turns(3);
	assert_int_equal(o.got_n, 9);
	(void)shutdown(fd, SHUT_WR);
	turns(3);
	assert_int_equal(o.eof, 1);
	conn_close(&o.c);
	(void)close(fd);
}

static void unread_output_stops_reading(void **state)
{
	struct owner o;
	int fd = open_pair(&o);
	static char junk[65536];
	size_t total = 0;

	(void)state;
	o.consume = true;
	for (int i = 0; i < 8; i++)
		conn_write(o.c, junk, sizeof(junk));
	turns(2);
	assert_int_equal(write(fd, "x", 1), 1);
	turns(3);
	assert_int_equal(o.got_n, 0);
	while (total < 8 * sizeof(junk)) {
		ssize_t n = read(fd, junk, sizeof(junk));

		if (n > 0)
			total += (size_t)n;
		turns(1);
	}
	turns(3);
	assert_int_equal(o.got_n, 1);
	assert_int_equal(o.drain, 1);
	conn_close(&o.c);
	(void)close(fd);
}

static void freed_in_callback(void **state)
{
	struct owner o;
	char b[8];
	int fd = open_pair(&o);

	(void)state;
	o.close_on_data = true;
	assert_int_equal(write(fd, "x", 1), 1);
	turns(2);
	assert_null(o.c);
	(void)close(fd);
	fd = open_pair(&o);
	o.finish_on_data = true;
	assert_int_equal(write(fd, "x", 1), 1);
	turns(4);
	assert_null(o.c);
	assert_int_equal(read(fd, b, sizeof(b)), 3);
	assert_int_equal(read(fd, b, sizeof(b)), 0);
	(void)close(fd);
}

/* Peers that go on sending after our last word are waited for, but not in any number: each holds a descriptor. */
static void few_linger(void **state)
{
	enum { N = 300, LINGER_MOST = 256 };
	static struct owner o[N];
	static int fds[N];
	static const char much[40000];
	unsigned left = 0;
	char got[8];

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		fds[i] = open_pair(&o[i]);
		o[i].finish_on_data = true;
		assert_int_equal(write(fds[i], much, sizeof(much)), sizeof(much));
	}
	turns(20);
	for (unsigned i = 0; i < N; i++) {
		assert_null(o[i].c);
		assert_int_equal(read(fds[i], got, sizeof(got)), 3);
		if (send(fds[i], "x", 1, MSG_NOSIGNAL) == 1)
			left++;
		(void)close(fds[i]);
	}
	assert_int_equal(left, LINGER_MOST);
	turns(20);
}

static void on_accept(void *ctx, int fd)
{
	(*(unsigned *)ctx)++;
	(void)close(fd);
}

/* A reload takes an address away: the worker lets go of the socket, whether it is paused or not. */
static void shut_listener(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned accepted = 0;

	(void)state;
	for (int paused = 0; paused < 2; paused++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ours;
		struct listener *ln;

		assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
		assert_int_equal(listen(fd, 8), 0);
		ours = dup(fd);
		ln = listener_new(loop, fd, on_accept, &accepted);
		assert_non_null(ln);
		if (paused)
			listener_pause(ln);
		turns(2);
		assert_false(listener_ended(ln));
		assert_int_equal(shutdown(ours, SHUT_RDWR), 0);
		turns(2);
		assert_true(listener_ended(ln));
		assert_int_equal(fcntl(fd, F_GETFD), -1);
		listener_resume(ln);
		turns(1);
		listener_free(&ln);
		(void)close(ours);
	}
	assert_int_equal(accepted, 0);
}

static void refused(void **state)
{
	struct owner o = { 0 };
	struct conn_ops ops = { on_event, &o };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	uint8_t addr[4] = { 127, 0, 0, 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	/* bound but not listening: the connection is refused */
	o.c = conn_connect(loop, 4, addr, ntohs(in.sin_port), NULL, 5000, &ops);
	for (int i = 0; i < 10 && o.error == 0 && o.c != NULL; i++)
		assert_int_equal(loop_turn(loop, 1000), 0);
	if (o.c != NULL) {
		assert_int_equal(o.error, 1);
		assert_int_equal(conn_errno(o.c), ECONNREFUSED);
		conn_close(&o.c);
	}
	assert_int_equal(listen(fd, 1), 0);
	o.c = conn_connect(loop, 4, addr, ntohs(in.sin_port), "127.0.0.1", 5000, &ops);
	for (int i = 0; i < 10 && o.connected == 0; i++)
		assert_int_equal(loop_turn(loop, 1000), 0);
	assert_int_equal(o.connected, 1);
	assert_string_equal(conn_local_addr(o.c), "127.0.0.1");
	conn_close(&o.c);
	(void)close(fd);
}

static void idle_timeout(void **state)
{
	struct owner o;
	int fd = open_pair(&o);

	(void)state;
	conn_set_timeout(o.c, 1);
	for (int i = 0; i < 10 && o.timeout == 0; i++)
		assert_int_equal(loop_turn(loop, 1000), 0);
	assert_int_equal(o.timeout, 1);
	conn_close(&o.c);
	(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	loop = loop_new();
	return loop == NULL;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(&loop);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_and_eof), cmocka_unit_test(unread_output_stops_reading),
		cmocka_unit_test(freed_in_callback), cmocka_unit_test(few_linger), cmocka_unit_test(shut_listener),
		cmocka_unit_test(refused), cmocka_unit_test(idle_timeout),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
