#include "tests/lib/unit.h"

#include "tests/imapd/fake.h"

#include "common/base/log.h"

struct imap_env player_env = {
	.ops = &fake_ops, .allow_plaintext_login = true, .login_timeout_ms = 60000,
	.literal_max = 4 * 1024 * 1024, .inline_max = 64 * 1024,
};

bool players_sleep;
unsigned players_slept;

static void on_again(void *ctx) { ((struct player *)ctx)->again = true; }
static void on_timer(void *ctx, uint64_t ms) { ((struct player *)ctx)->timer_ms = ms; }
static void on_ran(void *ctx) { (void)ctx; }
static void on_over(void *ctx, bool abort)
{
	struct player *p = ctx;

	p->over = true;
	p->abort = abort;
}

static void on_start_tls(void *ctx) { ((struct player *)ctx)->handshakes++; }

const struct edge_tls player_tls = { .version = "TLSv1.3", .sni = "", .external = "bob", .exporter = "EXPORTER", .exporter_len = 8 };

static struct imap_host host_of(struct player *p)
{
	static const struct imap_host_ops ops = { on_start_tls, on_again, on_timer, on_ran, on_over };

	return (struct imap_host){ .ops = &ops, .ctx = p, .in = &p->in, .out = &p->out, .peer = "127.0.0.1", .loopback = true };
}

struct imap_session *player_session(struct player *p)
{
	struct imap_host host = host_of(p);

	if (p->asleep != NULL) {
		assert_null(p->s);
		p->s = imap_session_wake(&p->asleep, &player_env, &host);
		assert_null(p->asleep);
	}
	assert_non_null(p->s);
	return p->s;
}

static void player_rest(struct player *p)
{
	if (!players_sleep || p->s == NULL)
		return;
	p->asleep = imap_session_sleep(&p->s);
	players_slept += p->asleep != NULL;
	assert_true((p->asleep != NULL) == (p->s == NULL));
}

static void start(struct player *p, struct fake *f, const struct edge_tls *tls)
{
	struct imap_host host = host_of(p);

	host.tls = tls;
	memset(p, 0, sizeof(*p));
	p->f = f;
	p->in = BUF_INIT(80 * 1024);
	p->out = BUF_INIT(16 * 1024 * 1024);
	player_env.be = f;
	p->s = imap_session_new(&player_env, &host);
	assert_non_null(p->s);
}

void player_start(struct player *p, struct fake *f)
{
	start(p, f, NULL);
}

void player_start_tls(struct player *p, struct fake *f)
{
	f->tls = true;
	start(p, f, &player_tls);
}

void player_handshake(struct player *p)
{
	buf_consume(&p->in, buf_len(&p->in));
	p->f->tls = true;
	imap_session_tls_started(p->s, &player_tls);
}

void player_end(struct player *p)
{
	p->timer_ms = 0;
	imap_session_free(&p->s);
	assert_int_equal(p->timer_ms, 0);       /* nobody would be there for it */
	imap_sleeper_free(&p->asleep, &player_env);
	buf_free(&p->in);
	buf_free(&p->out);
}

void player_settle(struct player *p, unsigned n)
{
	bool more;

	do {
		more = fake_answer(p[0].f);
		for (unsigned i = 0; i < n; i++) {
			if (!p[i].again)
				continue;
			p[i].again = false;
			more = true;
			imap_session_run(player_session(&p[i]));
		}
	} while (more);
	for (unsigned i = 0; i < n; i++)
		player_rest(&p[i]);
}

/* At most as much as a connection would hold at a time. */
void player_send(struct player *p, struct slice bytes)
{
	while (bytes.len != 0) {
		struct slice piece = slice_sub(bytes, 0, 16 * 1024);

		buf_add_slice(&p->in, piece);
		assert_int_equal(buf_err(&p->in), 0);
		bytes = slice_sub(bytes, piece.len, SIZE_MAX);
		imap_session_run(player_session(p));
		player_settle(p, 1);
	}
}

static void unescape(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] == '\\' && i + 1 < in.len && (in.p[i + 1] == 'r' || in.p[i + 1] == 'n')) {
			buf_add_byte(out, in.p[i + 1] == 'r' ? '\r' : '\n');
			i++;
		} else {
			buf_add_byte(out, in.p[i]);
		}
	}
}

static void play_send(struct player *p, unsigned n, unsigned who, struct slice text, bool crlf)
{
	struct buf b = BUF_INIT(1024 * 1024);

	unescape(text, &b);
	if (crlf)
		buf_add_cstr(&b, "\r\n");
	buf_add_slice(&p[who].in, buf_slice(&b));
	buf_free(&b);
	imap_session_run(player_session(&p[who]));
	player_settle(p, n);
}

static void play_hear(struct player *p, unsigned line, struct slice want)
{
	struct slice out = buf_slice(&p->out), got;
	struct buf w = BUF_INIT(1024 * 1024);
	ptrdiff_t lf = slice_chr(out, '\n');
	bool prefix, same;

	if (lf < 1)
		fail_msg("script line %u: nothing was said, want \"%.*s\"", line, SLICE_ARG(want));
	got = slice_sub(out, 0, (size_t)lf - 1);
	unescape(want, &w);
	want = buf_slice(&w);
	prefix = want.len >= 3 && memcmp(want.p + want.len - 3, "...", 3) == 0;
	if (prefix)
		want.len -= 3;
	same = slice_eq(prefix ? slice_sub(got, 0, want.len) : got, want) || (want.len == 0 && prefix);
	if (!same)
		fail_msg("script line %u: got \"%.*s\" want \"%.*s\"", line, SLICE_ARG(got), SLICE_ARG(want));
	buf_free(&w);
	buf_consume(&p->out, (size_t)lf + 1);
}

static void play_line(struct player *p, unsigned n, unsigned line, struct slice s)
{
	unsigned who = s.p[0] - '1';
	struct slice text = slice_sub(s, 3, SIZE_MAX);

	assert_true(who < n && s.len >= 2);
	switch (s.p[1]) {
	case '>':
		play_send(p, n, who, s.len > 2 && s.p[2] == '|' ? slice_sub(s, 4, SIZE_MAX) : text,
		    s.len <= 2 || s.p[2] != '|');
		return;
	case '<':
		play_hear(&p[who], line, text);
		return;
	case '.':
		if (buf_len(&p[who].out) != 0)
			fail_msg("script line %u: more was said: \"%.*s\"", line, SLICE_ARG(buf_slice(&p[who].out)));
		return;
	case '!':
		if (!p[who].over)
			fail_msg("script line %u: the session has not ended", line);
		return;
	default:
		fail_msg("script line %u: what is that?", line);
	}
}

void play(struct player *p, unsigned n, const char *script)
{
	struct slice rest = slice_cstr(script);

	for (unsigned line = 1; rest.len != 0; line++) {
		ptrdiff_t lf = slice_chr(rest, '\n');
		struct slice s = lf < 0 ? rest : slice_sub(rest, 0, (size_t)lf);

		rest = lf < 0 ? slice_of(NULL, 0) : slice_sub(rest, (size_t)lf + 1, SIZE_MAX);
		if (s.len != 0 && s.p[0] != '#')
			play_line(p, n, line, s);
	}
}

static void no_log(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

void play_begin(struct fake *f, struct player *p, unsigned n, unsigned messages)
{
	log_capture(no_log);
	fake_init(f);
	for (unsigned i = 0; i < messages; i++) {
		struct buf b = BUF_INIT(1024);

		buf_addf(&b, "From: Ann <ann@naver.test>\r\nTo: bob@daum.test\r\nSubject: letter %u\r\n"
		    "Date: Tue, 24 Nov 2026 18:26:40 +0900\r\nMessage-ID: <%u@naver.test>\r\n\r\nbody %u\r\n",
		    i + 1, i + 1, i + 1);
		fake_add(f, &f->boxes[0], buf_slice(&b), 0, 1764000000 + i);
		buf_free(&b);
	}
	for (unsigned i = 0; i < n; i++) {
		player_start(&p[i], f);
		buf_consume(&p[i].out, buf_len(&p[i].out));
		player_send(&p[i], SLICE_LIT("x LOGIN bob secret\r\n"));
		assert_true(slice_istarts(buf_slice(&p[i].out), "x OK"));
		buf_consume(&p[i].out, buf_len(&p[i].out));
	}
}

void play_end(struct fake *f, struct player *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		player_end(&p[i]);
	assert_int_equal(f->files_open, 0);
	fake_free(f);
	log_capture(NULL);
}
