/*
 * A whole session from the client's bytes, cut in several ways; the fakes answer
 * as tests/smtpd/dialogue.c says. The first byte says which service (its last two
 * bits: port 25, 587, 465 with every mechanism, 587 from loopback in the clear) and
 * how the bytes are cut. Checked: each command has one reply, no
 * transaction is left after the end, a body is what its size says, and nothing
 * with a bare CR, bare LF or NUL is accepted.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "tests/smtpd/dialogue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

/* Final lines ("250 ", not "250-") in out. */
static uint64_t count_replies(struct slice out)
{
	uint64_t n = 0;

	while (out.len != 0) {
		ptrdiff_t lf = slice_chr(out, '\n');

		if (lf < 5 || out.p[lf - 1] != '\r' || !is_class(out.p[0], CC_DIGIT))
			abort();
		if (slice_istarts(out, "334 ")) {
			out = slice_sub(out, (size_t)lf + 1, SIZE_MAX);
			continue;
		}
		if (lf > 511)
			abort();
		if (out.p[3] != '-' && !slice_istarts(out, "354 "))
			n++;
		out = slice_sub(out, (size_t)lf + 1, SIZE_MAX);
	}
	return n;
}

static void check_body(const struct fake *f)
{
	struct slice b = buf_slice(&f->body);

	for (size_t i = 0; i < b.len; i++)
		if ((b.p[i] == '\n' && (i == 0 || b.p[i - 1] != '\r')) || (b.p[i] == '\r' && (i + 1 == b.len || b.p[i + 1] != '\n')) ||
		    b.p[i] == 0)
			abort();
}

/* What was accepted of somebody who has to log in: in his name, and whole. */
static void check_submitted(const struct fake *f)
{
	struct slice b = buf_slice(&f->body);

	if (f->client.submission && (f->logins == 0 || f->facts.size != b.len ||
	    (!slice_istarts(slice_cstr(f->envelope), "u@here.test ") && !slice_istarts(slice_cstr(f->envelope), "alias@here.test ") &&
	    !slice_istarts(slice_cstr(f->envelope), "u+") && f->envelope[0] != ' ')))
		abort();
}

static void run(struct fake *f, struct slice in, size_t step, unsigned service)
{
	uint64_t replies;

	fake_init(f);
	f->env.junk_limit = 1000;
	if (service == 1) {
		fake_submission(f);
	} else if (service == 2) {
		f->env.oauth = true;
		f->tls.exporter_len = 32;
		f->tls.external = "u@here.test";
		fake_submissions(f);
	} else if (service == 3) {
		f->env.plaintext_login = true;
		f->client.loopback = true;
		fake_submission(f);
	}
	fake_start(f, false);
	for (size_t off = 0; off < in.len && f->want != SMTP_WANT_CLOSE; off += step) {
		unsigned before = f->accepted;

		fake_send(f, slice_sub(in, off, step));
		if (f->accepted != before) {
			check_body(f);
			check_submitted(f);
		}
	}
	replies = count_replies(buf_slice(&f->out));
	/* besides the answers: the banner, and at most one farewell */
	if (replies < smtp_session_commands(f->s) + 1 || replies > smtp_session_commands(f->s) + 2)
		abort();
	if (f->want == SMTP_WANT_CLOSE && smtp_session_in_transaction(f->s))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake a, b;
	struct slice in;
	unsigned service = size != 0 ? data[0] & 3u : 0;

	if (size < 2 || size > 1 << 16)
		return 0;
	log_capture(quiet);
	in = slice_of(data + 1, size - 1);
	/* a byte at a time, and in small pieces that never hold more than a client's turn could */
	run(&a, in, 1, service);
	run(&b, in, 1 + data[0] % 97, service);
	fake_free(&b);
	run(&b, in, in.len + 1, service);
	if (a.accepted < b.accepted)
		abort();    /* cutting finer only ever forgives pipelining */
	fake_free(&a);
	fake_free(&b);
	return 0;
}
