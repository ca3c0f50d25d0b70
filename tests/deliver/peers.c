#include "tests/lib/unit.h"

#include "tests/deliver/peers.h"

#include <sys/socket.h>

#include "common/base/clock.h"

struct channel *peer_pair(struct loop *l, const char *proto, enum role agent, enum role peer, struct channel_conf ours,
    const struct ipc_handler *far, void (*far_close)(struct channel *, int, void *), void *ctx)
{
	struct channel_conf theirs = { .proto = proto, .major = 1, .role = (uint8_t)peer, .peer_role = (uint8_t)agent,
	    .peer_uid = (uid_t)-1, .handlers = far, .on_close = far_close, .ctx = ctx };
	struct channel *ch;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ours.proto = proto;
	ours.major = 1;
	ours.role = (uint8_t)agent;
	ours.peer_role = (uint8_t)peer;
	ours.peer_uid = (uid_t)-1;
	ours.ctx = ctx;
	ch = channel_new(l, fds[1], &theirs);
	assert_non_null(ch);
	assert_non_null(channel_new(l, fds[0], &ours));
	return ch;
}

void result_print(struct buf *b, const struct job_result *res)
{
	buf_addf(b, "%u", res->reachable);
	for (uint32_t i = 0; i < res->outcomes_n; i++) {
		const struct job_outcome *o = &res->outcomes[i];

		buf_addf(b, "%s%u:%u%s %.*s %.*s %.*s", i != 0 ? "|" : " ", o->index, o->kind, o->recorded ? "r" : "",
		    SLICE_ARG(o->status), SLICE_ARG(o->relay), SLICE_ARG(o->text));
		if (o->tls.len != 0 && !slice_eq_cstr(o->tls, "none"))
			buf_addf(b, " tls=%.*s", SLICE_ARG(o->tls));
	}
}

void turn_until(struct loop *l, bool (*cond)(void *ctx), void *ctx, const char *what)
{
	uint64_t end = clock_mono_ms() + 300000;

	while (!cond(ctx)) {
		if (clock_mono_ms() > end)
			fail_msg("waited in vain: %s", what);
		assert_int_equal(loop_turn(l, 100), 0);
	}
}

void turn_settle(struct loop *l)
{
	for (int i = 0; i < 30; i++)
		assert_int_equal(loop_turn(l, 0), 0);
}
