#ifndef PABAL_IMAPD_FETCH_H
#define PABAL_IMAPD_FETCH_H

#include "common/mail/summary.h"
#include "imapd/window.h"

/* FETCH, in parts: fetch_parse.c reads the items, fetch_print.c writes what needs no asking,
 * cmd_fetch.c walks the messages, fetch_body.c streams sections. */
enum fetch_kind {
	FETCH_FLAGS, FETCH_UID, FETCH_DATE, FETCH_SIZE, FETCH_ENVELOPE, FETCH_BODY, FETCH_BODYSTRUCTURE,
	FETCH_SECTION,
};

enum { FETCH_ITEMS_MAX = 100, FETCH_FIELDS_MAX = 200, FETCH_SECTION_DEPTH = 100, FETCH_PLAIN_MAX = 8,
	FETCH_CHUNK = 128 * 1024, FETCH_HEADER_MAX = 1024 * 1024 };

struct fetch_item {
	enum fetch_kind kind;
	const char *label;              /* "RFC822.TEXT" for the old names, NULL: BODY[...] */
	/* FETCH_SECTION: */
	bool peek;
	struct slice section;           /* "1.2" */
	enum section_text what;
	bool fields, fields_not;        /* HEADER.FIELDS, HEADER.FIELDS.NOT */
	struct slice *names;
	uint32_t names_n;
	bool partial;
	uint32_t off, len;
};

enum fetch_phase { FETCH_NEXT, FETCH_SEEN, FETCH_SUMMARY, FETCH_LOAD, FETCH_ITEMS };

struct fetch_args {
	/* what is asked */
	struct imap_set set;
	struct fetch_item *items;
	unsigned items_n;
	bool want_summary, want_seen, want_uid, want_flags;
	unsigned rows_n;                /* items that are FLAGS, UID or RFC822.SIZE */
	bool plain;                     /* all are, and they are few */
	/* where we are */
	struct spool_range *ranges;     /* of indexes */
	uint32_t ranges_n, range, index;
	bool begun;
	enum fetch_phase phase;
	unsigned item;
	bool failed;                    /* something could not be read */
	struct imap_window window;
	/* this message's */
	struct arena *arena;
	struct mail_summary summary;
	bool have_summary;
	struct buf load;                /* a header, or a whole message without a summary */
	/* the literal being sent */
	uint64_t off, left, total;
	bool cut, open;
};

int fetch_items_parse(struct imap_session *s, struct imap_parse *p, struct fetch_args *a) MUST_CHECK;

/* "BODY[1.HEADER.FIELDS (A B)]<0>" */
void fetch_print_label(struct buf *b, const struct fetch_item *it);
/* An item that needs only the row and the summary. */
void fetch_print_item(struct imap_session *s, struct fetch_args *a, const struct fetch_item *it);
/* All of the message's line, in one piece, if it is plain and nothing else has to be told. */
bool fetch_print_plain(struct imap_session *s, const struct fetch_args *a);
/* The fields asked for out of a header, with an empty line. */
void fetch_filter_header(struct buf *out, struct slice header, const struct fetch_item *it);

/* One step of a FETCH_SECTION item: RUN_DONE when it is through. */
enum imap_run fetch_section_step(struct imap_session *s);
/* Loads the whole message and makes the summary that the spool did not have: RUN_DONE when through. */
enum imap_run fetch_load_step(struct imap_session *s);
/* Asks for len bytes of the current message from off. */
enum imap_run fetch_ask_bytes(struct imap_session *s, uint64_t off, uint64_t len, imap_handler_fn *handler);

#endif
