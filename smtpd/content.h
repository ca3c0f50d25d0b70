#ifndef PABAL_SMTPD_CONTENT_H
#define PABAL_SMTPD_CONTENT_H

#include "common/base/arena.h"
#include "common/mail/framing.h"

/*
 * The content of one transaction while it comes in: our trace header in front,
 * then what the client sends after 354, judged by the dot reader. It gathers in
 * memory; over inline_limit it asks for a file, and from then on only what is
 * not yet written is kept. Content that is going to be refused is read to its
 * true end and kept nowhere.
 */
enum {
	SMTP_CONTENT_CHUNK = 64 * 1024,
	SMTP_HEADER_HOLD = 128 * 1024,   /* of a header that is held: longer ones are refused */
	SMTP_HEADER_ADD = 2048,          /* added to it */
};

enum smtp_content_state {
	SMTP_CONTENT_MORE,       /* wants input */
	SMTP_CONTENT_FILE,       /* grew over the limit: wants a file */
	SMTP_CONTENT_WRITE,      /* has enough to write to the file, or the rest of it */
	SMTP_CONTENT_END,        /* the end has come and nothing is left to write */
	SMTP_CONTENT_FLOOD,      /* far over the size limit and still going on: give up on the client */
};

/* Why it is refused, in the order in which it is told. */
enum smtp_content_fault {
	SMTP_FAULT_NONE, SMTP_FAULT_BARE, SMTP_FAULT_SIZE, SMTP_FAULT_NUL, SMTP_FAULT_HOPS, SMTP_FAULT_HEADER, SMTP_FAULT_FULL,
	SMTP_FAULT_TEMP,
};

struct smtp_content;
/* Looks at a header that was held: it begins at prefix_len of bytes. May insert, and set refused. */
typedef void smtp_header_fn(void *ctx, struct smtp_content *c);

struct smtp_content {
	struct dot_reader dots;
	struct buf bytes;            /* what is not in the file */
	size_t inline_limit;
	uint64_t total;              /* prefix and content so far */
	uint32_t relay_off;          /* length of the Return-Path line */
	uint32_t prefix_lines;
	size_t prefix_len;
	uint32_t hop_limit;
	uint64_t file;               /* spoold's number, 0: none */
	int local_fault;             /* 0, ERR_FULL, or another error of ours */
	bool ended;
	/* header scan */
	bool in_header, line_start;
	uint32_t received;           /* Received fields seen */
	struct slice message_id;     /* with its brackets; in the arena given at init */
	struct arena *arena;
	smtp_header_fn *header_fn;   /* NULL: the header is not held */
	void *header_ctx;
	bool header_seen;
	const char *refused;         /* a literal: why the header is not taken */
	size_t field_len;
	uint8_t field[1024];         /* the field that is being read, unfolded, cut */
};

/* The prefix goes into bytes afterwards, see smtp_content_prefix_done(). */
void smtp_content_init(struct smtp_content *c, struct arena *a, uint64_t size_limit, size_t inline_limit,
    uint32_t hop_limit);
/* All that is in bytes is the prefix; relay_off of it is the Return-Path line. */
void smtp_content_prefix_done(struct smtp_content *c, size_t relay_off);
/* Right after init: no file is asked for before fn has seen the header. */
void smtp_content_hold_header(struct smtp_content *c, smtp_header_fn *fn, void *ctx);
/* Puts text, whole lines of it, at off of bytes; while nothing is in a file. */
void smtp_content_insert(struct smtp_content *c, size_t off, struct slice text);
void smtp_content_free(struct smtp_content *c);

/* Takes from in until something is wanted. */
enum smtp_content_state smtp_content_step(struct smtp_content *c, struct buf *in);
/* r negative: no file. */
void smtp_content_file(struct smtp_content *c, int r, uint64_t file);
/* All of bytes is written, or r says why not. */
void smtp_content_written(struct smtp_content *c, int r);
/* A fault of ours: what is kept is let go. */
void smtp_content_fail(struct smtp_content *c, int r);
enum smtp_content_fault smtp_content_fault(const struct smtp_content *c);

#endif
