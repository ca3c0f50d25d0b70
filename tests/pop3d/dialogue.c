#include "tests/pop3d/dialogue.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "pop3d/internal.h"

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
	if (d->want == POP3_WANT_TLS)
		drop_pump(d);
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
	d->tls = (struct edge_tls){ .version = "TLSv1.3", .sni = "", .external = "def", .exporter = "EXPORTER", .exporter_len = 8 };
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

static int judge(const struct account_login *q)
{
	static const char proof[] = "pppppppppppppppppppppppppppppppp";

	if (slice_eq_cstr(q->user, "slow"))
		return ERR_AGAIN;
	switch (q->how) {
	case LOGIN_PASSWORD:
		if (slice_eq_cstr(q->user, "broken"))
			return 0;
		return slice_eq_cstr(q->user, "def") && slice_eq_cstr(q->secret, "a b") ? 0 : ERR_DENIED;
	case LOGIN_SCRAM_PROOF:
		return slice_eq_cstr(q->user, "def") && slice_eq_cstr(q->secret, proof) ? 0 : ERR_DENIED;
	case LOGIN_EXTERNAL:
		return slice_eq_cstr(q->user, "def") ? 0 : ERR_DENIED;
	case LOGIN_BEARER:
		return slice_eq_cstr(q->secret, "good") ? 0 : ERR_DENIED;
	default:
		return 0;
	}
}

static void answer_login(struct drop *d)
{
	static const struct account_scram scram = { .salt = SLICE_LIT("ssssssssssssssss"), .iterations = 4096, .nonce = SLICE_LIT("server") };
	static const struct account_logged_in in = { .account = 3, .user = SLICE_LIT("def@here.test"), .token = SLICE_LIT("token"),
		.signature = SLICE_LIT("SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS") };
	struct account_logged_in broken = in;
	const struct account_login *q = pop3_session_question(d->s);
	struct slice secret = q->secret;
	bool pass = d->s->sasl == NULL;         /* then the secret lies in the session, and can be looked at afterwards */
	int r = judge(q);

	if (!slice_eq_cstr(q->service, "pop3") || q->tls != (d->handshakes != 0))
		abort();
	if (slice_eq_cstr(q->user, "broken"))
		broken.token = SLICE_LIT("broken");
	if (r == 0 && q->how == LOGIN_SCRAM_FIRST) {
		pop3_session_login_done(d->s, 0, account_scram_MSG, &scram);
		return;
	}
	pop3_session_login_done(d->s, r, account_logged_in_MSG, &broken);
	if (pass && secret.len != 0 && secret.p[0] != 0)
		d->password_left = true;
}

/* Message i has the uid 10 * (i + 1) and the body 100 + i. */
static void answer_open(struct drop *d)
{
	uint8_t rows[DROP_MAX * SPOOL_ROW_SIZE];
	bool good = slice_eq_cstr(pop3_session_token(d->s), "token");

	memset(rows, 0, sizeof(rows));
	for (uint32_t i = 0; i < d->body_n; i++) {
		put_le32(rows + i * SPOOL_ROW_SIZE, 10 * (i + 1));
		put_le64(rows + i * SPOOL_ROW_SIZE + 24, d->body_len[i]);
		put_le64(rows + i * SPOOL_ROW_SIZE + 40, 100 + i);
	}
	pop3_session_open_done(d->s, good ? 0 : ERR_CLOSED, 7, slice_of(rows, d->body_n * (size_t)SPOOL_ROW_SIZE));
}

/* As conn_start_tls_server(): what waits in the input is not heard. */
static bool handshake(struct drop *d)
{
	buf_consume(&d->in, buf_len(&d->in));
	if (d->tls_fails)
		return false;
	d->handshakes++;
	(void)pop3_session_tls_started(d->s, &d->tls);
	return true;
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
		} else if (d->want == POP3_WANT_OPEN) {
			answer_open(d);
		} else if (d->want == POP3_WANT_TLS) {
			if (!handshake(d))
				break;
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
	/* "\0def\0a b" of AUTH PLAIN */
	if (d->in.p != NULL && buf_len(&d->in) == 0 && memmem(d->in.p, d->in.cap < 512 ? d->in.cap : 512, "AGRlZgBhIGI=", 12) != NULL)
		d->line_left = true;
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
