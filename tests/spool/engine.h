#ifndef PABAL_TESTS_SPOOL_ENGINE_H
#define PABAL_TESTS_SPOOL_ENGINE_H

#include "tests/lib/unit.h"

#include "spool/spool.h"
#include "tests/spool/disk.h"

/* A spool in the test's directory, on the disk of disk.h, and short forms of its ops. */
extern struct spool *sp;
extern uint64_t test_now_us;    /* what the clock tells; each look is a microsecond later */
extern bool (*test_pinned)(void *ctx, uint64_t bodyid);
extern bool test_watch;         /* collect changes of all mailboxes */

int engine_setup(void **state);
int engine_teardown(void **state);
int engine_try_open(void);
void engine_open(void);
void engine_close(void);
/* As if the process had been killed: no checkpoint, an open batch is lost. */
void engine_crash(void);
/* Takes a file or folder of the closed spool out of its way. */
void engine_lose(const char *name);

/* A batch of one op, committed. */
int do_op(struct spool_op *op, struct spool_done *done_r);
uint64_t do_accept(const char *sender, const char *rcpts, const char *body);
/* Recipient index is done, in that account's mailbox. */
int do_deliver(uint64_t msgid, uint32_t index, uint64_t account, const char *mailbox);
int do_result(uint64_t msgid, uint32_t index, uint8_t state, uint64_t due);
int do_create(uint64_t account, const char *name);
uint64_t mailbox_id(uint64_t account, const char *name);
struct ix_mailbox mailbox_of(uint64_t id);
/* "1:\Seen 3:" : uids with flags, as text in a rotating buffer. */
const char *rows_text(uint64_t mailbox);
/* The body of a message or row as text in a static buffer. */
const char *body_text(uint64_t bodyid);
/* Everything in the index but traces, as one hash of it. */
uint64_t index_hash(void);

#endif
