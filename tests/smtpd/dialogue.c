#include "tests/smtpd/dialogue.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"

uint64_t fake_now_ms = 1000;

static uint64_t mono(void)
{
	return fake_now_ms;
}

static uint64_t wall(void)
{
	return 1795545600000000u + fake_now_ms * 1000;    /* Tue, 24 Nov 2026 */
}

static void dice(void *p, size_t n)
{
	memset(p, 0x5a, n);
}

void fake_clock(void)
{
	static const struct clock_ops ops = { mono, wall, dice };

	fake_now_ms = 1000;
	clock_set(&ops);
}

void fake_init(struct fake *f)
{
	fake_clock();
	memset(f, 0, sizeof(*f));
	f->env = (struct smtp_env){
		.hostname = "mx.here.test", .size_limit = 10000, .rcpt_limit = 3, .error_limit = 6, .junk_limit = 8,
		.hop_limit = 5, .timeout_ms = 300000, .data_timeout_ms = 600000, .inline_limit = 1000,
		.login_timeout_ms = 60000, .spool = SMTP_SPOOL_OPEN,
	};
	f->tls = (struct edge_tls){ .version = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256, .sni = "", .external = "" };
	f->client = (struct smtp_client){ .addr = "192.0.2.9" };
	f->in = BUF_INIT(64 * 1024);
	f->out = BUF_INIT(1024 * 1024);
	f->file = BUF_INIT(1024 * 1024);
	f->body = BUF_INIT(1024 * 1024);
	f->s = smtp_session_new(&f->env, &f->client, &f->out);
	if (f->s == NULL)
		abort();
}

void fake_client(struct fake *f)
{
	smtp_session_free(&f->s);
	f->s = smtp_session_new(&f->env, &f->client, &f->out);
	if (f->s == NULL)
		abort();
}

void fake_submission(struct fake *f)
{
	f->env.starttls = true;
	f->client.submission = true;
	fake_client(f);
}

void fake_submissions(struct fake *f)
{
	f->client.implicit_tls = true;
	fake_submission(f);
}

void fake_free(struct fake *f)
{
	smtp_session_free(&f->s);
	buf_free(&f->in);
	buf_free(&f->out);
	buf_free(&f->file);
	buf_free(&f->body);
	clock_set(NULL);
}

enum smtp_lookup fake_lookup(struct slice addr)
{
	ptrdiff_t at = slice_chr(addr, '@');
	struct slice local = slice_sub(addr, 0, at < 0 ? addr.len : (size_t)at);
	struct slice domain = slice_sub(addr, at < 0 ? addr.len : (size_t)at + 1, SIZE_MAX);

	if (slice_eq_cstr(local, "down"))
		return SMTP_LOOKUP_TEMPFAIL;
	if (domain.len == 0)
		return SMTP_LOOKUP_LOCAL;
	if (!slice_eq_cstr(domain, "here.test"))
		return SMTP_LOOKUP_REMOTE;
	return slice_eq_cstr(local, "nobody") ? SMTP_LOOKUP_UNKNOWN : SMTP_LOOKUP_LOCAL;
}

static struct slice local_part(struct slice addr)
{
	ptrdiff_t at = slice_chr(addr, '@');

	return slice_sub(addr, 0, at < 0 ? addr.len : (size_t)at);
}

enum smtp_sender fake_sender(const struct account_sender *q)
{
	struct slice local = local_part(q->address);

	if (slice_eq_cstr(local, "down"))
		return SMTP_SENDER_TEMPFAIL;
	if (q->account != 7 || !slice_eq_cstr(slice_sub(q->address, local.len, SIZE_MAX), "@here.test"))
		return SMTP_SENDER_FOREIGN;
	return slice_eq_cstr(local, "u") || slice_eq_cstr(local, "alias") || slice_istarts(local, "u+") ? SMTP_SENDER_OWN :
	    SMTP_SENDER_FOREIGN;
}

int fake_login(const struct account_login *q, struct account_logged_in *in_r)
{
	*in_r = (struct account_logged_in){ .account = 7, .user = SLICE_LIT("u@here.test") };
	if (!slice_eq_cstr(q->service, "smtp"))
		return ERR_SYNTAX;
	if (slice_eq_cstr(q->user, "down@here.test"))
		return ERR_CLOSED;
	if (slice_eq_cstr(q->user, "slow@here.test"))
		return ERR_AGAIN;
	if (!slice_eq_cstr(q->user, "u@here.test"))
		return ERR_DENIED;
	if ((q->how == LOGIN_PASSWORD && slice_eq_cstr(q->secret, "secret")) ||
	    (q->how == LOGIN_BEARER && slice_eq_cstr(q->secret, "token")) || q->how == LOGIN_EXTERNAL)
		return 0;
	return ERR_DENIED;
}

/* SCRAM's first answer is always the same. Its proof never holds: the mechanism has tests of its own. */
static void answer_login(struct fake *f)
{
	const struct account_login *q = smtp_session_login(f->s);
	struct account_scram scram = { .salt = SLICE_LIT("saltsalt"), .iterations = 4096, .nonce = SLICE_LIT("servernonce") };
	struct account_logged_in in;
	int r;

	f->logins++;
	if (q->how == LOGIN_SCRAM_FIRST) {
		smtp_session_login_done(f->s, 0, account_scram_MSG, &scram);
		return;
	}
	r = fake_login(q, &in);
	smtp_session_login_done(f->s, r, r == 0 ? account_logged_in_MSG : 0, r == 0 ? &in : NULL);
}

static void answer_sender(struct fake *f)
{
	struct account_sender q = smtp_session_sender(f->s);

	f->senders++;
	smtp_session_sender_done(f->s, fake_sender(&q));
}

/* As conn_start_tls_server(): what is there before the handshake is nothing. */
static void handshake(struct fake *f)
{
	f->handshakes++;
	buf_consume(&f->in, buf_len(&f->in));
	if (smtp_session_tls_started(f->s, &f->tls) != 0)
		abort();
}

static void copy_text(char *dst, size_t size, struct slice s)
{
	if (slice_to_cstr(s, dst, size) != 0)
		dst[0] = '\0';
}

static void take_message(struct fake *f, const struct spool_accept *m)
{
	struct buf e = BUF_INIT(sizeof(f->envelope) - 1);

	buf_add_slice(&e, m->sender);
	buf_add_cstr(&e, " >");
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		buf_add_byte(&e, ' ');
		buf_add_slice(&e, m->rcpts[i].addr);
	}
	copy_text(f->envelope, sizeof(f->envelope), buf_slice(&e));
	buf_free(&e);
	copy_text(f->message_id, sizeof(f->message_id), m->message_id);
	copy_text(f->origin, sizeof(f->origin), m->origin);
	buf_reset(&f->body);
	buf_add_slice(&f->body, m->body.file != 0 ? buf_slice(&f->file) : m->body.bytes);
	f->facts = m->body;
	f->facts.bytes = slice_of(NULL, 0);
	if (m->body.size != buf_len(&f->body) || (m->body.file != 0 && m->body.file != f->file_no))
		abort();
}

static void answer_accept(struct fake *f)
{
	struct spool_accept m;
	int r = f->accept_r;

	if (f->dies_at_end)
		smtp_session_file_lost(f->s);
	if (r == 0)
		r = smtp_session_submission(f->s, &m);
	if (r == 0) {
		take_message(f, &m);
		f->accepted++;
	}
	smtp_session_accept_done(f->s, r, 0xabc0000000u + f->accepted);
}

static void check_file(struct fake *f, uint64_t *held)
{
	if (*held != 0 && smtp_session_file(f->s) != *held) {
		f->dropped++;
		*held = 0;
	}
}

void fake_pump(struct fake *f)
{
	uint64_t held = smtp_session_file(f->s);

	for (;;) {
		f->want = smtp_session_run(f->s, &f->in);
		check_file(f, &held);
		if (f->want == SMTP_WANT_LOOKUP && !f->hold_lookup) {
			smtp_session_lookup_done(f->s, fake_lookup(smtp_session_lookup_addr(f->s)));
		} else if (f->want == SMTP_WANT_TLS && !f->hold_tls) {
			handshake(f);
		} else if (f->want == SMTP_WANT_LOGIN && !f->hold_login) {
			answer_login(f);
		} else if (f->want == SMTP_WANT_SENDER) {
			answer_sender(f);
		} else if (f->want == SMTP_WANT_FILE) {
			if (f->file_r == 0)
				held = ++f->file_no;
			buf_reset(&f->file);
			smtp_session_file_done(f->s, f->file_r, f->file_no);
		} else if (f->want == SMTP_WANT_WRITE) {
			if (f->write_r == 0)
				buf_add_slice(&f->file, smtp_session_unwritten(f->s));
			smtp_session_write_done(f->s, f->write_r);
		} else if (f->want == SMTP_WANT_ACCEPT) {
			answer_accept(f);
		} else {
			break;
		}
		check_file(f, &held);
	}
	if (f->want == SMTP_WANT_CLOSE)
		buf_consume(&f->in, buf_len(&f->in));
}

void fake_start(struct fake *f, bool early)
{
	struct buf none = BUF_INIT(0);

	if (smtp_session_run(f->s, &none) == SMTP_WANT_TLS)
		handshake(f);
	f->want = smtp_session_greet(f->s, early);
}

void fake_send(struct fake *f, struct slice bytes)
{
	while (bytes.len != 0 && f->want != SMTP_WANT_CLOSE) {
		struct slice part = slice_sub(bytes, 0, 16 * 1024);

		buf_add_slice(&f->in, part);
		if (buf_err(&f->in) != 0)
			return;
		bytes = slice_sub(bytes, part.len, SIZE_MAX);
		fake_pump(f);
	}
}
