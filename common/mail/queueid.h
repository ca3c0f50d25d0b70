#ifndef PABAL_MAIL_QUEUEID_H
#define PABAL_MAIL_QUEUEID_H

#include "common/base/slice.h"

/*
 * The text of a message's number: what clients, logs and `pabal queue` show.
 * Upper-case hexadecimal, at least ten digits, as the tools that read mail
 * logs expect it.
 */
enum { QUEUE_ID_SIZE = 17 };    /* with the NUL */

struct queue_id_text {
	char s[QUEUE_ID_SIZE];
};

/* By value, so that log_info("%s", queue_id(id).s) needs no buffer. */
struct queue_id_text queue_id(uint64_t msgid);
/* Any case, 1 to 16 digits, the whole slice; ERR_SYNTAX otherwise. */
int queue_id_parse(struct slice s, uint64_t *msgid_r) MUST_CHECK;

#endif
