#ifndef PABAL_IMAPD_SEARCH_H
#define PABAL_IMAPD_SEARCH_H

#include "common/mail/summary.h"
#include "imapd/window.h"

/*
 * SEARCH in parts: search_parse.c makes a tree of keys, search_eval.c judges a
 * message by as much of it as is known, search_text.c compares text,
 * search_load.c brings what is not known yet, cmd_search.c walks the mailbox.
 *
 * A message is judged by its row alone first, for all of the mailbox. Only where
 * that does not decide is its summary asked for, then its header, then one text
 * part after the other until it is decided.
 */
enum search_kind {
	KEY_ALL, KEY_FLAGS, KEY_KEYWORD, KEY_LARGER, KEY_SMALLER, KEY_DATE, KEY_SET,
	KEY_SENT,                       /* wants the summary */
	KEY_ENVELOPE,                   /* wants the summary, the header where that was cut */
	KEY_HEADER,                     /* wants the header, or the summary if that has the field */
	KEY_TEXT, KEY_BODY,             /* want all of it */
	KEY_NOT, KEY_OR, KEY_AND,
};

enum search_level { LEVEL_ROW, LEVEL_SUMMARY, LEVEL_HEADER, LEVEL_BODY };
enum search_result { SEARCH_NO, SEARCH_YES, SEARCH_MAYBE };
enum search_date { DATE_BEFORE, DATE_ON, DATE_SINCE };

struct search_key {
	enum search_kind kind;
	struct search_key *next;        /* of the same list */
	struct search_key *child;       /* NOT: one, OR: two, AND: some */
	uint32_t mask, want;            /* FLAGS: (flags & mask) == want */
	bool negated;                   /* KEYWORD: UNKEYWORD */
	enum search_date date;
	int64_t day;
	uint64_t size;
	struct slice name;              /* of a header field, or a keyword */
	struct slice text;              /* folded */
	struct slice probe, word;       /* of it, where raw bytes can tell: see search_raw.c */
	struct imap_set set;
	bool uid;
	struct spool_range *ranges;     /* of indexes */
	uint32_t ranges_n;
	bool hit;                       /* TEXT, BODY: found in this message */
};

enum { SEARCH_KEYS_MAX = 1000, SEARCH_DEPTH_MAX = 20, SEARCH_TEXT_MAX = 8 * 1024,
	SEARCH_PART_MAX = 4 * 1024 * 1024, SEARCH_HEADER_MAX = 1024 * 1024, SEARCH_CHUNK = 128 * 1024,
	/* what comes with the summaries: larger messages, and larger headers, are loaded each for itself */
	SEARCH_BODY_WINDOW = 128 * 1024, SEARCH_HEADER_WINDOW = 6 * 1024,
	/* after so many headers that were needed though the summaries should have done, headers come along */
	SEARCH_HEADERS_FEW = 8 };

struct search_ranges { struct spool_range *v; uint32_t n, cap; };

struct search_args {
	struct search_key *root;        /* an AND */
	unsigned keys;
	bool bad_charset;
	bool want_body, want_header;    /* some key wants text parts, the header */
	unsigned headers;               /* that were loaded each for itself */
	/* the walk */
	struct search_ranges hits, maybe;
	uint32_t at;                    /* LEVEL_ROW: the next index; else the place in maybe */
	uint32_t index;
	enum { SEARCH_ROWS, SEARCH_BEGIN, SEARCH_SUMMARY, SEARCH_HEADER, SEARCH_PARTS, SEARCH_WHOLE, SEARCH_PRINT } phase;
	bool started, line, failed;
	/* this message's */
	struct imap_window window;
	struct arena *arena;
	struct mail_summary summary;
	bool have_summary;
	enum search_level level;
	struct slice body;              /* the whole message or the front of it, if it came with the summary */
	struct slice head;              /* its header, once it is there */
	struct buf header, part;
	uint32_t part_at;               /* of summary.parts */
	uint64_t off, left;             /* what is being loaded */
	uint64_t loaded;                /* bytes this turn */
};

int search_parse(struct imap_session *s, struct imap_parse *p, struct search_args *a) MUST_CHECK;
/* Sets of messages and keywords into this view's terms. ERR_SYNTAX: a number that does not exist. */
int search_bind(struct imap_session *s, struct search_key *k) MUST_CHECK;

enum search_result search_eval(const struct search_key *k, struct imap_session *s, const struct search_args *a,
    enum search_level level);
/* Forgets hits of the message before. */
void search_reset(struct search_key *k);
/* Marks the TEXT (and BODY) keys that are found in folded text. */
void search_mark(struct search_key *k, struct slice folded, bool header);

/*
 * search_raw.c: what can be told without decoding anything. A text of ASCII alone is in UTF-8 text exactly where its
 * bytes are, and neither conversion from the charsets that hold ASCII nor folding makes ASCII of anything else.
 */
void search_probe_set(struct search_key *k);
/* Is any text that is still sought perhaps in this header? False: it need not be decoded. */
bool search_header_may(const struct search_key *k, struct slice header);
/* The same as search_part_text() with search_mark() without a copy, where the part's encoding and charset allow. */
bool search_part_raw(struct search_key *k, struct slice raw, const struct mail_part *part);

/* Lower case for comparing: ASCII, Latin, Greek, Cyrillic, full width; in and out are UTF-8. */
void search_fold(struct slice in, struct buf *out);
bool search_contains(struct slice folded, struct slice needle);
/* Does a field of the header with that name hold the text? An empty text: is there such a field? */
bool search_in_header(struct slice header, struct slice name, struct slice needle);
/* The same in an ENVELOPE's text for Subject, From, To, Cc, Bcc. ERR_NOTFOUND: not there, but it may have been cut. */
enum search_result search_in_envelope(struct slice envelope, struct slice name, struct slice needle);
/* What search_in_header() says of the message's header, told by its summary; SEARCH_MAYBE: that cannot tell. */
enum search_result search_in_summary(const struct mail_summary *sum, struct slice name, struct slice needle, struct arena *arena);
/* Is it one of the fields that search_in_summary() may tell of? */
bool search_is_text_field(struct slice name);
/* The whole header as folded text. */
void search_header_text(struct slice header, struct buf *out);
/* The decoded, folded text of a part. */
void search_part_text(struct slice raw, const struct mail_part *part, struct buf *out);

/* One step of loading the next thing that may decide the current message: RUN_DONE when it was
 * decided, with the answer in *yes_r. */
enum imap_run search_load_step(struct imap_session *s, bool *yes_r);

#endif
