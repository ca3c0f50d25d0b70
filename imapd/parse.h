#ifndef PABAL_IMAPD_PARSE_H
#define PABAL_IMAPD_PARSE_H

#include "common/base/arena.h"
#include "common/base/slice.h"
#include "common/ipc/proto_spool.h"

/*
 * The words of the IMAP grammar (RFC 3501 9, RFC 9051 9), taken from one
 * command's text. Slices point into the text, or into the arena where quoting
 * had to be undone. On an error `why` says in a few words what was expected,
 * for the BAD answer, and the position is undefined.
 */
struct imap_parse {
	struct cursor cur;
	struct arena *arena;
	const char *why;        /* static text */
};

enum { IMAP_LIST_MAX = 1000 /* entries of a list */, IMAP_DEPTH_MAX = 20 /* lists in lists */,
	IMAP_KEYWORDS_MAX = 64, IMAP_KEYWORD_LEN_MAX = 128 };

/* Sets why and returns ERR_SYNTAX. */
int imap_why(struct imap_parse *p, const char *why) MUST_CHECK;
int imap_take_sp(struct imap_parse *p) MUST_CHECK;
int imap_take_byte(struct imap_parse *p, uint8_t c, const char *why) MUST_CHECK;
/* ERR_SYNTAX with bytes left. */
int imap_take_end(struct imap_parse *p) MUST_CHECK;
/* tag = 1*<ASTRING-CHAR without "+"> */
int imap_take_tag(struct imap_parse *p, struct slice *tag_r) MUST_CHECK;
int imap_take_atom(struct imap_parse *p, struct slice *s_r) MUST_CHECK;
/* string = quoted / literal */
int imap_take_string(struct imap_parse *p, struct slice *s_r) MUST_CHECK;
int imap_take_astring(struct imap_parse *p, struct slice *s_r) MUST_CHECK;
/* NIL gives .p NULL. */
int imap_take_nstring(struct imap_parse *p, struct slice *s_r) MUST_CHECK;
/* list-mailbox = 1*list-char / string, as written. */
int imap_take_list_mailbox(struct imap_parse *p, struct slice *s_r) MUST_CHECK;
/* A mailbox name in UTF-8, INBOX in capitals. A name that is not good modified UTF-7 sets
 * *bad_r: it exists nowhere. */
int imap_take_mailbox(struct imap_parse *p, struct slice *name_r, bool *bad_r) MUST_CHECK;
int imap_take_u32(struct imap_parse *p, bool nz, uint32_t *v_r) MUST_CHECK;
int imap_take_u64(struct imap_parse *p, uint64_t *v_r) MUST_CHECK;
/* date = date-text / DQUOTE date-text DQUOTE, in days since 1970. */
int imap_take_date(struct imap_parse *p, int64_t *days_r) MUST_CHECK;
/* DQUOTE date-time DQUOTE, in seconds since 1970; before 1970 gives 0. */
int imap_take_datetime(struct imap_parse *p, uint64_t *sec_r) MUST_CHECK;

struct imap_flags {
	uint32_t flags;                 /* FLAG_ */
	struct spool_keyword *keywords; /* each once */
	uint32_t keywords_n;
};
/* flag-list = "(" [flag *(SP flag)] ")"; with bare also flags without the parentheses (STORE). */
int imap_take_flags(struct imap_parse *p, bool bare, struct imap_flags *f_r) MUST_CHECK;
/* FLAG_ bit of "\Seen" ..., or 0. */
uint32_t imap_flag_bit(struct slice name);
/* Reads and drops a parenthesised list of words and lists. */
int imap_skip_list(struct imap_parse *p) MUST_CHECK;

static inline int imap_peek(const struct imap_parse *p) { return cur_peek(&p->cur); }

#endif
