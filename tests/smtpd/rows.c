#include "tests/lib/unit.h"

#include "tests/lib/play.h"
#include "tests/smtpd/rows.h"

void rows_quiet(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

static void play_send(void *ctx, struct slice bytes)
{
	fake_send(ctx, bytes);
}

static void play_pass(void *ctx, uint64_t seconds)
{
	struct fake *f = ctx;
	uint64_t due;

	fake_now_ms += seconds * 1000;
	due = smtp_session_deadline(f->s);
	if (due != 0 && due <= fake_now_ms)
		f->want = smtp_session_timeout(f->s);
}

static bool play_closed(void *ctx)
{
	return ((struct fake *)ctx)->want == SMTP_WANT_CLOSE;
}

static void play(const struct smtp_row *t, size_t row, size_t step)
{
	struct fake f;
	struct play_ops ops = { &f, &f.out, play_send, play_pass, play_closed };

	fake_init(&f);
	if (t->setup != NULL)
		t->setup(&f);
	fake_start(&f, false);
	play_text(&ops, t->name, t->text, step);
	if (t->check != NULL)
		t->check(&f, row);
	fake_free(&f);
}

void rows_play(const struct smtp_row *t, size_t n)
{
	log_capture(rows_quiet);
	for (size_t i = 0; i < n; i++) {
		play(&t[i], i, SIZE_MAX / 2);
		for (size_t step = 1; step <= 7 && !t[i].whole_only; step++)
			play(&t[i], i, step);
	}
	log_capture(NULL);
}
