#ifndef PABAL_CONTROL_PROGRAM_H
#define PABAL_CONTROL_PROGRAM_H

#include "common/base/loop.h"
#include "common/base/slice.h"

/*
 * A program of the administrator's that answers one question: the secret on its standard input, the answer as the first
 * line of its standard output. No shell; an environment of what it is given and nothing else; its own process
 * group, which is killed when the time is over. Standard error is ours.
 */
struct program;

enum { PROGRAM_LINE_MAX = 1000, PROGRAM_INPUT_MAX = 16384 };

/* r: 0 and the first line without its line end; ERR_DENIED: it ended with another status than 0 or without a line;
 * ERR_AGAIN: its status was 75 (EX_TEMPFAIL), or a signal ended it; ERR_TIMEOUT. The program is freed afterwards. */
typedef void program_done_fn(void *ctx, int r, struct slice line);

/* argv[0] is looked for in PATH; argv and env end with NULL. ERR_IO (errno), ERR_NOMEM, ERR_LIMIT. */
int program_run(struct program **p_r, struct loop *l, const char *const *argv, const char *const *env, struct slice input,
    uint64_t timeout_ms, program_done_fn *fn, void *ctx) MUST_CHECK;
/* For the owner's SIGCHLD: has it ended? Then fn has been called, and p is free. */
bool program_reap(struct program *p);
/* Kills it and waits for its end; fn is not called. *p may be NULL. */
void program_kill(struct program **p);

#endif
