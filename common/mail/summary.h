#ifndef PABAL_MAIL_SUMMARY_H
#define PABAL_MAIL_SUMMARY_H

#include "common/ipc/wire.h"

/*
 * What is computed once, at delivery, from a message and kept beside it, so that
 * no reader parses mail again: ENVELOPE, BODY and BODYSTRUCTURE as ready IMAP
 * text, a preview, and where each part is. This is also a format on disk:
 * a change of the fields is a new version.
 *
 * Sections are numbered as FETCH BODY[...] wants it (RFC 9051 6.4.5): "" is the
 * message, "1" the body of a message that is no multipart or the first part,
 * "2.1" a part of the multipart 2, or of the message in the message/rfc822 part 2.
 */
enum { MAIL_SUMMARY_VERSION = 1, MAIL_SUMMARY_MAX = 960 * 1024 };

enum {
	PART_MULTIPART = 1,
	PART_RFC822 = 2,         /* a message inside: header_off and header_len are its header */
	PART_TEXT = 4,
	PART_ATTACHMENT = 8,     /* Content-Disposition: attachment */
	PART_HTML = 16,          /* text/html */
	PART_WHOLE = 32,         /* of parts[0]: ENVELOPE tells all of the message's Date, Subject, In-Reply-To and Message-ID
	                          * fields. Not set in summaries of before it was known */
};

/* encoding is an enum mime_encoding. Offsets count from the start of the message.
 * header: of the message, for "" and for PART_RFC822; mime: of the part ("1" of a simple message: the message's header). */
#define MAIL_PART_FIELDS(X) X##_STR(section, 1024) X##_U32(header_off) X##_U32(header_len) X##_U32(mime_off) X##_U32(mime_len) \
	X##_U32(body_off) X##_U32(body_len) X##_U8(encoding) X##_U8(flags) X##_STR(charset, 128)
WIRE_DECLARE(mail_part, MAIL_PART_FIELDS)

/* lines: of the whole message. sent_date: seconds of the Date: field, sent_day: the day it names, in its
 * own zone, since 1970 (for SENTSINCE); 0 without a date. parts[0] is "". message_id: without brackets. */
#define MAIL_SUMMARY_FIELDS(X) X##_U8(version) X##_U64(sent_date) X##_U32(sent_day) X##_U32(header_len) X##_U32(lines) \
	X##_STR(message_id, 1024) X##_STR(preview, 1024) X##_STR(envelope, MAIL_SUMMARY_MAX) X##_STR(body, MAIL_SUMMARY_MAX) \
	X##_STR(bodystructure, MAIL_SUMMARY_MAX) X##_LIST(mail_part, parts, 20001)
WIRE_DECLARE(mail_summary, MAIL_SUMMARY_FIELDS)

/*
 * Appends the encoded summary of any message (canonical CRLF is expected, nothing is
 * required) to out, at most MAIL_SUMMARY_MAX bytes: a message of too many parts is
 * described with fewer. Fails only with ERR_NOMEM, or with ERR_LIMIT when out is too small.
 */
int mail_summary_build(struct slice message, struct buf *out) MUST_CHECK;
/* The same as a struct; its texts live in the arena. */
int mail_summary_make(struct slice message, struct arena *a, struct mail_summary *s_r) MUST_CHECK;
/* Reads what was built; texts point into bytes. ERR_VERSION: build it anew; ERR_SYNTAX, ERR_LIMIT: not a summary. */
int mail_summary_load(struct slice bytes, struct arena *a, struct mail_summary *s_r) MUST_CHECK;

/* The part with that section number ("", "1", "1.2"), or NULL. */
const struct mail_part *mail_summary_find(const struct mail_summary *s, struct slice section);

enum section_text { SECTION_BODY, SECTION_HEADER, SECTION_TEXT, SECTION_MIME };
/*
 * Where BODY[section], BODY[section.HEADER], .TEXT or .MIME is; BODY[] (section "" and
 * SECTION_BODY) is the message up to message_size. ERR_NOTFOUND: there is no such thing.
 */
int mail_summary_cut(const struct mail_summary *s, struct slice section, enum section_text what, uint64_t message_size,
    uint64_t *off_r, uint64_t *len_r) MUST_CHECK;

#endif
