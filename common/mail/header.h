#ifndef PABAL_MAIL_HEADER_H
#define PABAL_MAIL_HEADER_H

#include "common/base/arena.h"
#include "common/base/buf.h"

/*
 * The header section of a message or MIME part, RFC 5322 2.2, as real mail
 * demands it:
 * - a line ends at LF, with or without CR before it;
 * - a field is a line "Name:", Name being one or more of 33-126 without ':',
 *   spaces between it and the colon forgiven, and the lines after it that
 *   begin with SP or HTAB (also those with nothing else on them);
 * - the header ends after an empty line (which belongs to it), at the end of
 *   the input, or before a line that is neither: that line is the first of the
 *   body (RFC 5322 has no word for it; an empty line is missing there);
 * - an mbox line ("From " or ">From ") at the very start is passed over.
 * Nothing is copied and nothing is an error.
 */
enum {
	HEADER_FIELDS_MAX = 10000,           /* fields shown; the rest are passed over */
	HEADER_SIZE_MAX = 16 * 1024 * 1024,  /* fields that begin after so many bytes too */
};

struct mail_field {
	struct slice raw;     /* all of it, with its line ends */
	struct slice name;    /* as written */
	struct slice body;    /* after the colon, folding kept, without the last line end */
	size_t off;           /* where raw begins in the input */
};

struct header_walker {
	struct slice in;
	size_t off;           /* the next field; after the last one: the size of the header, where the body begins */
	unsigned fields;
	bool cut;             /* a limit was met */
	bool blank;           /* it ended with an empty line */
};

void header_walk(struct header_walker *w, struct slice in);
/* False at the end of the header; w->off is then its size. */
bool header_next(struct header_walker *w, struct mail_field *f_r);
/* The size of the header, empty line included. */
size_t header_size(struct slice in);

/* The first field of that name (ASCII case ignored). */
bool header_find(struct slice in, const char *name, struct mail_field *f_r);
/* How many there are, for the loop check by "Received". */
unsigned header_count(struct slice in, const char *name);

/* A field body in one line: line ends removed, trimmed; 8-bit and other bytes as they are. */
void header_unfold(struct slice body, struct buf *b);
/* The same into the arena; no copy is made when there is nothing to unfold. */
int header_unfold_dup(struct slice body, struct arena *a, struct slice *text_r) MUST_CHECK;
/* Passes over the bytes of `blanks` and over nested comments, RFC 5322 3.2.2; one without an end ends with the input. */
void header_skip_cfws(struct cursor *c, struct slice blanks);

#endif
