#ifndef PABAL_TESTS_SMTPD_ROWS_H
#define PABAL_TESTS_SMTPD_ROWS_H

#include "common/base/log.h"
#include "tests/smtpd/dialogue.h"

/*
 * Dialogues as rows, in the text of tests/lib/play.h. Each is played with every
 * line whole, then a byte at a time, then in pieces of 2 to 7 bytes: the replies
 * must be the same.
 */
struct smtp_row {
	const char *name;
	const char *text;
	bool whole_only;    /* depends on how bytes meet */
	void (*setup)(struct fake *f);
	void (*check)(struct fake *f, size_t row);
};

#define ROW(n, ...) { .name = n, .text = __VA_ARGS__ }

void rows_play(const struct smtp_row *t, size_t n);
/* For log_capture(). */
void rows_quiet(enum log_level level, const char *text);

#endif
