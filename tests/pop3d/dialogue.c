#include "tests/pop3d/dialogue.h"

#include <stdlib.h>

#include "common/base/clock.h"

uint64_t drop_now_ms;

static uint64_t mono(void)
{
	return drop_now_ms;
}

void drop_restart(struct drop *d)
{
	pop3_session_free(&d->s);
	buf_reset(&d->out);
	d->s = pop3_session_new(&d->env, &d->client, &d->out);
	if (d->s == NULL)
		abort();
	d->want = pop3_session_greet(d->s);
}

void drop_init(struct drop *d)
{
	static const struct clock_ops ops = { mono, NULL, NULL };
	static const char *const bodies[] = {
		"Return-Path: <a@b.test>\r\nSubject: one\r\n\r\nfirst\r\n.second\r\n..\r\n",
		"Subject: two\r\n\r\n",
		"no header end\r\n",
		"\r\n.\r\n.\r\n",
	};

	drop_now_ms = 1000;
	clock_set(&ops);
	memset(d, 0, sizeof(*d));
	d->env = (struct pop3_env){ .hostname = "mx.here.test", .login_ms = 60000, .idle_ms = 600000 };
	d->client = (struct pop3_client){ .addr = "127.0.0.1", .plaintext = true };
	d->in = BUF_INIT(64 * 1024);
	d->out = BUF_INIT(1024 * 1024);
	d->taken = BUF_INIT(64 * 1024 * 1024);
	d->part_max = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		d->body[i] = bodies[i];
		d->body_len[i] = strlen(bodies[i]);
		d->body_n++;
	}
	drop_restart(d);
}

void drop_free(struct drop *d)
{
	pop3_session_free(&d->s);
	buf_free(&d->in);
	buf_free(&d->out);
	buf_free(&d->taken);
	clock_set(NULL);
}

/* Message i has the uid 10 * (i + 1) and the body 100 + i. */
static void answer_login(struct drop *d)
{
	uint8_t rows[DROP_MAX * SPOOL_ROW_SIZE];
	struct slice user = pop3_session_user(d->s), pass = pop3_session_password(d->s);
	enum pop3_login r = POP3_LOGIN_DENIED;

	memset(rows, 0, sizeof(rows));
	for (uint32_t i = 0; i < d->body_n; i++) {
		put_le32(rows + i * SPOOL_ROW_SIZE, 10 * (i + 1));
		put_le64(rows + i * SPOOL_ROW_SIZE + 24, d->body_len[i]);
		put_le64(rows + i * SPOOL_ROW_SIZE + 40, 100 + i);
	}
	if (slice_eq_cstr(user, "def") && slice_eq_cstr(pass, "a b"))
		r = POP3_LOGIN_OK;
	else if (slice_eq_cstr(user, "slow"))
		r = POP3_LOGIN_AGAIN;
	else if (slice_eq_cstr(user, "broken"))
		r = POP3_LOGIN_FAULT;
	pop3_session_login_done(d->s, r, 7, slice_of(rows, d->body_n * (size_t)SPOOL_ROW_SIZE));
	if (pass.len != 0 && pass.p[0] != 0)
		d->password_left = true;
}

static void answer_body(struct drop *d)
{
	struct pop3_part p = pop3_session_part(d->s);
	uint64_t i = p.bodyid - 100;
	struct slice s;

	if (p.len == 0 || i >= d->body_n || p.uid != 10 * (i + 1))
		abort();
	if (d->body_r != 0 || d->body[i] == NULL) {
		pop3_session_body_done(d->s, d->body_r != 0 ? d->body_r : ERR_NOTFOUND, 0, slice_of(NULL, 0));
		return;
	}
	s = slice_sub(slice_of(d->body[i], d->body_len[i]), p.off, p.len < d->part_max ? p.len : d->part_max);
	pop3_session_body_done(d->s, 0, d->body_len[i], s);
}

static void answer_expunge(struct drop *d)
{
	/* two at a time: more than one request */
	struct spool_range ranges[2];
	uint32_t n = pop3_session_expunge(d->s, ranges, 2);

	d->expunges++;
	for (uint32_t i = 0; i < n && d->removed_n < DROP_MAX; i++)
		d->removed[d->removed_n++] = ranges[i];
	pop3_session_expunge_done(d->s, d->expunge_r);
}

void drop_pump(struct drop *d)
{
	for (;;) {
		d->want = pop3_session_run(d->s, &d->in);
		if (d->want == POP3_WANT_LOGIN) {
			answer_login(d);
		} else if (d->want == POP3_WANT_BODY) {
			answer_body(d);
		} else if (d->want == POP3_WANT_EXPUNGE) {
			answer_expunge(d);
		} else if (d->want == POP3_WANT_DRAIN) {
			buf_add_slice(&d->taken, buf_slice(&d->out));
			buf_reset(&d->out);
		} else {
			break;
		}
	}
	if (d->want == POP3_WANT_CLOSE)
		buf_consume(&d->in, buf_len(&d->in));
}

void drop_send(struct drop *d, struct slice bytes)
{
	while (bytes.len != 0 && d->want != POP3_WANT_CLOSE) {
		struct slice part = slice_sub(bytes, 0, 16 * 1024);

		buf_add_slice(&d->in, part);
		if (buf_err(&d->in) != 0)
			return;
		bytes = slice_sub(bytes, part.len, SIZE_MAX);
		drop_pump(d);
	}
}
