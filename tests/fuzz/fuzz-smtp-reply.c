/*
 * The SMTP client against a hostile server: whatever it answers, the client ends
 * in a defined state, every recipient has at most one outcome of a known kind,
 * and no line but those of its own commands is sent; where TLS is required nothing is
 * sent without, and after the handshake nothing is known from before. First byte: size of
 * the pieces and whether TLS is wanted; '!' behind the reply to STARTTLS: the handshake fails.
 */
#include <stdint.h>
#include <stdlib.h>

#include "deliver/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct client_tx *tx, bool all)
{
	for (uint32_t i = 0; i < tx->rcpts_n; i++) {
		const struct client_rcpt *r = &tx->rcpts[i];

		if (r->kind > OUTCOME_BOUNCED || (all && r->kind == 0))
			abort();
		if (r->kind != 0 && (r->status[0] < '2' || r->status[0] > '5' || r->status[1] != '.'))
			abort();
		if (r->kind == OUTCOME_DONE && !r->accepted)
			abort();
		for (size_t k = 0; k < r->text.len; k++)
			if (!is_class(r->text.p[k], CC_PRINT))
				abort();
	}
}

static enum client_event handshake(struct client *c, struct slice *rest, struct buf *in, struct buf *out)
{
	if (buf_len(in) != 0 || c->secure)
		abort();
	if (rest->len != 0 && rest->p[0] == '!') {
		client_tls_failed(c, "played");
		if (c->fail != CLIENT_FAIL_TLS || client_step(c, in, out) != CLIENT_FAILED)
			abort();
		return CLIENT_FAILED;
	}
	client_tls_started(c, out);
	if (!c->secure || c->caps != 0 || c->size_limit != 0)
		abort();
	return CLIENT_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum client_tls tls = size != 0 ? (enum client_tls)(data[0] / 32u % 3) : CLIENT_TLS_NEVER;
	struct slice rest = slice_of(data + 1, size != 0 ? size - 1 : 0);
	size_t step = size != 0 ? 1 + data[0] % 64u : 1, txs = 0;
	struct arena *a = arena_new(1024 * 1024);
	struct client_rcpt rcpts[3] = { { .addr = SLICE_LIT("a@b.test") }, { .addr = SLICE_LIT("c@b.test") }, { .addr = SLICE_LIT("d@b.test") } };
	struct client_tx tx = { .sender = SLICE_LIT("s@x.test"), .size = 100, .rcpts = rcpts, .rcpts_n = 3, .arena = a };
	struct buf in = BUF_INIT(1024 * 1024), out = BUF_INIT(1024 * 1024);
	enum client_event ev = CLIENT_MORE;
	struct client c;

	client_start(&c, SLICE_LIT("us.test"), tls);
	for (;;) {
		if (ev == CLIENT_MORE)
			ev = client_step(&c, &in, &out);
		if (ev == CLIENT_MORE) {
			if (rest.len == 0)
				break;
			buf_add_slice(&in, slice_sub(rest, 0, step));
			rest = slice_sub(rest, step, SIZE_MAX);
		} else if (ev == CLIENT_BODY) {
			client_body(&c, SLICE_LIT("x\r\n.\r\ny"), &out);
			client_body_end(&c, &out);
			ev = CLIENT_MORE;
		} else if (ev == CLIENT_TLS) {
			ev = handshake(&c, &rest, &in, &out);
		} else if (ev == CLIENT_READY || (ev == CLIENT_TX_DONE && ++txs < 3)) {
			if (ev == CLIENT_TX_DONE)
				check(&tx, true);
			if (c.secure ? tls == CLIENT_TLS_NEVER : tls == CLIENT_TLS_MUST)
				abort();
			for (unsigned i = 0; i < 3; i++)
				rcpts[i] = (struct client_rcpt){ .addr = rcpts[i].addr };
			ev = client_begin(&c, &tx, &out);
		} else if (ev == CLIENT_TX_DONE) {
			client_quit(&c, &out);
			ev = CLIENT_MORE;
		} else {
			break;
		}
	}
	if (ev == CLIENT_MORE)
		client_lost(&c, "4.4.2", "lost connection");
	check(&tx, false);
	client_free(&c);
	buf_free(&in);
	buf_free(&out);
	arena_free(&a);
	return 0;
}
