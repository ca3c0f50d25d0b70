#ifndef PABAL_IMAPD_READER_H
#define PABAL_IMAPD_READER_H

#include "common/base/buf.h"
#include "common/mail/framing.h"

/*
 * The framing of commands: a line, or several lines with counted literals
 * between them (RFC 3501 4.3, RFC 7888). Nothing but CRLF ends a line; a
 * literal's bytes are counted and never looked at. Whether a literal is taken
 * at all is asked before a byte of it is kept, so that one over the limit is
 * refused before the "+" and nothing of it is ever buffered.
 */
enum imap_read {
	IMAP_READ_MORE,         /* no whole command yet */
	IMAP_READ_COMMAND,      /* r->cmd is a command, literals inline as "{n}" CRLF bytes; imap_reader_done() after use */
	IMAP_READ_LITERAL,      /* a literal is announced: r->cmd is the text so far with its "{n}" CRLF, r->lit_size
	                         * and r->lit_sync say the rest; answer with _accept, _stream or _refuse */
	IMAP_READ_DATA,         /* after _stream: r->data is the next piece; imap_reader_consume() what was used.
	                         * r->data is empty once when the literal is empty or through */
	IMAP_READ_BAD,          /* a bad line was dropped: r->why; r->cmd is the text of the command before it */
	IMAP_READ_TOO_LONG,     /* the command passes its limits: there is no way back into step, close */
};

enum imap_reader_state { IMAP_RS_LINE, IMAP_RS_ASKED, IMAP_RS_LITERAL, IMAP_RS_STREAM, IMAP_RS_SKIP };

struct imap_reader {
	/* limits, to be changed only between commands */
	struct line_reader line;
	size_t text_max;        /* bytes of a command with all its literals but a streamed one */
	unsigned literals_max;  /* literals in one command */
	/* what was found */
	struct slice cmd;
	uint64_t lit_size;
	bool lit_sync;
	struct slice data;
	const char *why;
	/* private */
	enum imap_reader_state state;
	struct buf text;        /* but whether it is secret */
	uint64_t left;
	unsigned literals;
	bool in_line;           /* cmd points into the input */
	bool refused;           /* the rest of the command is dropped */
};

void imap_reader_init(struct imap_reader *r, size_t line_max, size_t text_max, unsigned literals_max);
void imap_reader_free(struct imap_reader *r);
/* in's own max must be over the line limit. */
enum imap_read imap_reader_next(struct imap_reader *r, struct buf *in) MUST_CHECK;
/* The command is through; the text goes. */
void imap_reader_done(struct imap_reader *r, struct buf *in);
/* May the announced literal be kept with the command's text? */
bool imap_reader_fits(const struct imap_reader *r);
/* Keeps the literal with the command's text. */
void imap_reader_accept(struct imap_reader *r);
/* Hands the literal on in pieces; the text shows its "{n}" CRLF and then what follows it. */
void imap_reader_stream(struct imap_reader *r);
/* Takes nothing more of this command: after a synchronising literal the command is over, else
 * the literal and the rest of the command are read and dropped. */
void imap_reader_refuse(struct imap_reader *r);
void imap_reader_consume(struct imap_reader *r, struct buf *in, size_t n);
/* True between commands: not a byte of one has been kept. */
bool imap_reader_idle(const struct imap_reader *r);

/* "{123}" or "{123+}" at the end of a line: true, with the size (UINT64_MAX when it is out of
 * all bounds), where the brace stands, and whether the client waits for a "+". */
bool imap_literal_at_end(struct slice line, size_t *brace_r, uint64_t *size_r, bool *sync_r);

#endif
