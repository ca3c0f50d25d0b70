#ifndef PABAL_MAIL_MIME_H
#define PABAL_MAIL_MIME_H

#include "common/base/buf.h"
#include "common/mail/mimeparam.h"

/*
 * A whole message as a tree of parts with byte offsets, in one pass, without
 * recursion. Any bytes give a tree:
 * - a delimiter is a line of "--", a boundary that is open, maybe "--", and
 *   spaces; nothing less (one boundary may be the beginning of another). The
 *   innermost of equal boundaries is meant. The line end before it belongs to it;
 * - an outer delimiter, or the end, closes all parts inside (no final boundary);
 * - a multipart without a boundary is text/plain; one without parts gets one
 *   empty text/plain part at its end;
 * - a message/rfc822 in base64 or quoted-printable cannot be looked into: it is
 *   application/octet-stream; so is one over a limit; a multipart over the depth
 *   is text/plain; over the number of parts the last one takes all that is left.
 */
enum { MIME_DEPTH_MAX = 100, MIME_PARTS_MAX = 10000 };

struct mime_limits {
	unsigned depth;    /* containers around a part; at most MIME_DEPTH_MAX */
	unsigned parts;    /* at least 1 */
};

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };
enum mime_encoding { MIME_IDENTITY, MIME_BASE64, MIME_QP, MIME_UNKNOWN };

struct mime_part {
	/* a MULTIPART's children; a MESSAGE's only child is the message inside */
	struct mime_part *parent, *child, *last_child, *next;
	unsigned depth;
	unsigned index, children;         /* place among the parent's children, from 1; how many there are */
	enum mime_kind kind;
	size_t header_off, header_len;    /* with the empty line, if there is one */
	size_t body_off, body_len;
	size_t lines;                     /* of the body; a last one without line end counts */
	struct mime_value type;           /* "text" "plain" and a charset when there is none */
	struct mime_value disposition;    /* type empty: none */
	enum mime_encoding encoding;
	struct slice encoding_name;       /* as written; "7bit" when there is none */
	/* as written, unfolded; p NULL when there is none */
	struct slice id, description, language, location, md5;
	struct slice section;             /* for summary.c */
	size_t lines_before;              /* private to the parser */
};

/* Parses with the limits (NULL: the maxima). Slices point into message and the arena. Only ERR_NOMEM. */
int mime_parse(struct slice message, const struct mime_limits *limits, struct arena *a,
    struct mime_part **root_r) MUST_CHECK;

bool mime_is_text(const struct mime_part *p);
/* The next part in the order of the message, or NULL after the last. */
struct mime_part *mime_next(struct mime_part *p);

/* Decodes s (a body or the front of one) by its encoding; an unknown encoding gives the bytes as they are. */
void mime_decode(enum mime_encoding enc, struct slice s, struct buf *out);

#endif
