#ifndef PABAL_BASE_LOG_H
#define PABAL_BASE_LOG_H

#include <stdbool.h>

#include "common/base/slice.h"

/*
 * One event, one line: "TIME host program[pid]: LEVEL: text". The text is the
 * event and key=value pairs. Everything that came from a peer goes through
 * log_esc(), so that a line stays one line. Secrets never come here.
 *
 * error    something is lost or refused that should not be; look at it
 * warn     it works, but not as it should
 * info     what happened, one line per event
 * debug    only with log_level = debug
 */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Names the program in the lines and writes to fd (default 2). name is kept, not copied. */
void log_init(const char *name, int fd);
/* From now on lines of this thread wait for log_drain(), which the loop calls at the end of a turn and before each of its
 * tasks; errors and warnings do not wait. Not before a fork. */
void log_batch(void);
void log_drain(void);
void log_set_level(enum log_level level);
bool log_debug_on(void);

void log_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* s with control, 8-bit bytes, backslash and quotes as \xNN and cut at 200 bytes; quoted if it
 * holds a space or is empty. The result lives in one of eight rotating buffers:
 * good for the arguments of one log call. */
const char *log_esc(struct slice s);

/* A broken invariant: logs and aborts. */
void panic(const char *fmt, ...) PRINTF_LIKE(1, 2) NORETURN;

/* For tests: lines go to fn instead; NULL goes back. */
void log_capture(void (*fn)(enum log_level level, const char *text));

#endif
