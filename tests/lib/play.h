#ifndef PABAL_TESTS_PLAY_H
#define PABAL_TESTS_PLAY_H

#include "common/base/buf.h"

/*
 * Dialogues in memory, as text:
 *	"C: text"    the client sends text and CRLF
 *	"R: text"    the client sends text as it is, with \r \n \0 and \\ written out
 *	"S: text"    the server's next line; "S: 250*" only has to begin so
 *	"T: 300"     so many seconds pass, and the session's timer runs if it is due
 *	"X"          the server closes
 * A client's line is given in pieces of step bytes.
 */
struct play_ops {
	void *ctx;
	struct buf *out;                                 /* the server's bytes; read away from its front */
	void (*send)(void *ctx, struct slice bytes);
	void (*pass)(void *ctx, uint64_t seconds);
	bool (*closed)(void *ctx);
};

/* Fails the test, naming it, at the first difference; bytes that are left are one too. */
void play_text(const struct play_ops *ops, const char *name, const char *text, size_t step);
/* The server's next line. */
void play_expect(struct buf *out, const char *name, struct slice want);

#endif
