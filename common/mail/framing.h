#ifndef PABAL_MAIL_FRAMING_H
#define PABAL_MAIL_FRAMING_H

#include "common/base/buf.h"

/*
 * The layer that judges bytes, once, for SMTP, POP3 and IMAP: what is a line,
 * where does the content end. Everything above it sees text without CR, LF
 * and NUL. Two readers of one stream that disagree about line ends are how
 * mail is smuggled (CVE-2023-51764), so only CR LF ends a good line and only
 * CR LF "." CR LF ends content; everything else has one defined answer.
 */

/*
 * Command lines. A line ends at the first LF, and is good only when a CR stands
 * before that LF and there is no other CR and no NUL in it. Of several faults
 * the first of this list is told: TOO_LONG, NUL, BARE_CR, BARE_LF, however the
 * bytes were cut into packets.
 */
enum line_result {
	LINE_OK,          /* line_r is the line without CRLF; call line_done() after use */
	LINE_MORE,        /* no end of line yet */
	LINE_TOO_LONG,    /* over max bytes with its CRLF; it has been consumed through its LF */
	LINE_NUL,         /* the same for the rest: consumed, answer and go on (or close) */
	LINE_BARE_CR,
	LINE_BARE_LF,
};

struct line_reader {
	size_t max;          /* bytes of a line with its CRLF (SMTP 512, more with extensions); at least 2 */
	size_t scanned;      /* the rest is private */
	size_t taken;
	bool skipping;
	uint64_t skipped;    /* bytes of the over-long line so far: a session may give up on it early */
};

#define LINE_READER_INIT(m) ((struct line_reader){ .max = (m) })

/*
 * The next line at the front of b, whose own max must be over r->max. The
 * slice points into b and is good until line_done(), before which b may not
 * be consumed by anybody else; calling line_next() without it is a bug (panic).
 */
enum line_result line_next(struct line_reader *r, struct buf *b, struct slice *line_r) MUST_CHECK;
/* Consumes the line that line_next() gave; harmless when it gave none. */
void line_done(struct line_reader *r, struct buf *b);

/*
 * SMTP content after DATA, RFC 5321 4.1.1.4 and 4.5.2: takes bytes in any
 * pieces, finds the end, removes the dots that the sender added, and hands the
 * content on in runs as large as the input allows. It reads to the true end
 * also when the content is already refused, so that nothing of it is ever
 * taken for a command.
 */
enum dot_bare {
	/* The content with a bare CR or LF is going to be refused: it is only noted. */
	DOT_BARE_REFUSE,
	/* A bare LF becomes CR LF, a bare CR becomes SP. Neither ever takes part in the end of content. */
	DOT_BARE_REPAIR,
};

/* Content bytes, in order. A sink keeps its own error: the reader goes on to the end anyway. */
typedef void dot_sink_fn(void *arg, struct slice run);

struct dot_reader {
	/* set by the caller, the rest zero */
	enum dot_bare bare;
	uint64_t max_size;      /* 0: no limit; past it nothing more goes to the sink */
	dot_sink_fn *sink;
	void *arg;
	/* what was seen; final after DOT_END */
	uint64_t size;          /* content bytes, dots removed, the CRLF of the last line included */
	uint64_t lines;         /* CRLFs in it */
	uint64_t longest_line;  /* bytes without CRLF */
	bool over_size;         /* size > max_size */
	bool has_bare_cr, has_bare_lf;
	bool has_nul, has_8bit; /* of the part that went to the sink */
	bool has_dot_line;      /* some line begins with ".": needs stuffing when sent */
	/* private */
	int state;
	uint64_t line_len;
};

enum dot_result { DOT_MORE, DOT_END };

/* used_r: how many bytes of in belong to the content; all of them with DOT_MORE. After DOT_END the
 * reader must not be fed again. */
enum dot_result dot_reader_feed(struct dot_reader *d, struct slice in, size_t *used_r) MUST_CHECK;

/*
 * The way out (SMTP client DATA, POP3 RETR and TOP): adds the dots, in any
 * pieces, and the end. Content that does not end with CRLF gets one first; an
 * empty content is sent as ".CRLF" alone. With clean set a bare CR or LF is
 * sent as SP (same size), so that no peer can read an end of content into it;
 * without it the bytes go as they are and a line that follows a bare LF is
 * not stuffed.
 */
struct dot_writer {
	bool clean;
	int state;    /* private */
};

void dot_writer_add(struct dot_writer *w, struct buf *out, struct slice in);
/* Ends the content and makes w ready for the next one. */
void dot_writer_end(struct dot_writer *w, struct buf *out);

#endif
