#ifndef PABAL_TESTS_SPOOL_MODEL_H
#define PABAL_TESTS_SPOOL_MODEL_H

#include "tests/spool/engine.h"

/*
 * The spool as a plain struct in memory, small enough to be copied: what the engine has to
 * be equal to, whatever the history of ops, crashes, failed flushes and lost indexes.
 */
enum { M_ACCOUNTS = 3, M_NAMES = 6, M_ROWS = 48, M_MSGS = 24, M_RCPTS = 3, M_KEYWORDS = 3, M_BODIES = 4096 };
extern const char *const model_names[M_NAMES];
extern const char *const model_keywords[M_KEYWORDS];

struct m_row {
	uint32_t uid, flags, keywords, body;    /* keywords: bits of model_keywords; body: number of its text */
	uint64_t modseq;
};
struct m_box {
	bool exists;
	uint64_t id, modseq;
	uint32_t uidvalidity, uidnext, first_recent, rows_n;
	struct m_row rows[M_ROWS];
};
struct m_msg {
	uint64_t id;                            /* 0: free */
	uint32_t body, pending, held;
	uint8_t state[M_RCPTS];
	uint64_t due[M_RCPTS];
};
struct model {
	struct m_box box[M_ACCOUNTS][M_NAMES];
	bool subscribed[M_ACCOUNTS][M_NAMES];
	struct m_msg msg[M_MSGS];
	uint32_t bodies;                        /* texts used so far */
};
extern struct model model;

/* The text of a body, of 1 to some thousand bytes. */
const char *model_body(uint32_t n);
/* One random op, done in the engine's open batch and, when it is taken, in the model. A result that
 * the model does not expect fails the test. ERR_IO and its like are returned: the batch is spoiled. */
int model_step(void);
/* The engine is what the model is. */
void model_check(const char *when);
uint32_t roll(uint32_t below);
void roll_seed(uint64_t seed);

#endif
