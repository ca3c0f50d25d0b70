#ifndef PABAL_DAEMON_CONF_INTERNAL_H
#define PABAL_DAEMON_CONF_INTERNAL_H

#include "common/daemon/conf.h"

/* Shared by the conf*.c files only. */

enum conf_type { CONF_STR, CONF_PATH, CONF_BOOL, CONF_INT, CONF_SIZE, CONF_TIME, CONF_LIST };

/* One row of the table with the place of its field. Same order as conf_options[]. */
struct conf_row {
	enum conf_type type;
	size_t offset;
};
extern const struct conf_row conf_rows[];

/* What is known while a text is parsed: for messages that name the line. */
struct conf_elem {
	struct conf_elem *next;
	char *v;
	unsigned line;
};
struct conf_seen {
	unsigned line;                  /* of the (first) setting, 0: not set */
	struct conf_elem *first, **last;/* of a list */
	unsigned n;
};
struct conf_parser {
	struct conf *c;
	const char *file;
	struct buf *errors;
	struct conf_seen *seen;         /* one per option */
	bool failed;
};

/* Adds "FILE:LINE: text" to the errors; line 0: "FILE: text". */
void conf_error(struct conf_parser *p, unsigned line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Index of the option, or -1. */
int conf_find(struct slice name);
/* The option whose name is nearest, or NULL when none is near. */
const char *conf_nearest(struct slice name);

/* A value of one of the types: ERR_SYNTAX, ERR_LIMIT (does not fit in 64 bits). */
int conf_bool_parse(struct slice s, bool *v_r) MUST_CHECK;
int conf_size_parse(struct slice s, uint64_t *v_r) MUST_CHECK;
int conf_time_parse(struct slice s, uint64_t *v_r) MUST_CHECK;
/* The shortest exact text: "64m", "5d", "1000". */
void conf_number_print(struct buf *b, enum conf_type type, uint64_t v);

/* Sets the option with index i from text and checks type and range. */
int conf_set(struct conf_parser *p, unsigned i, unsigned line, struct slice text) MUST_CHECK;
/* Defaults that are made, lists into their arrays, and what the table alone cannot say. */
int conf_finish(struct conf_parser *p) MUST_CHECK;

/* "192.0.2.0/24", "2001:db8::1": 0, ERR_SYNTAX, or ERR_STATE when bits below the mask are set. */
struct conf_network { uint8_t addr[16]; unsigned len, bits; };
int conf_network_parse(const char *text, struct conf_network *n_r) MUST_CHECK;
/* A numeric address, IPv4 or IPv6, without brackets: its length (4, 16) or 0. */
unsigned conf_address_parse(const char *text, uint8_t addr_r[16]);
/* Letters, digits, '-', '_' and dots in labels of at most 63, 253 in all. */
bool conf_hostname_ok(const char *s);

#endif
