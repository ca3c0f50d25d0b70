#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *log_name = "pabal";
static int log_fd = 2;
static enum log_level log_max = LOG_LEVEL_INFO;
static void (*log_fn)(enum log_level, const char *);
static long log_pid;

/* Lines that wait for log_drain(); of the thread that asked for it alone. */
enum { LINE_MAX_ = 4096, BATCH_MAX = 64 * 1024 };
static char batch[BATCH_MAX];
static size_t batch_n;
static _Thread_local bool batch_on;

void log_init(const char *name, int fd)
{
	log_name = name;
	log_fd = fd;
}

void log_batch(void)
{
	if (!batch_on)
		(void)atexit(log_drain);
	batch_on = true;
	log_pid = (long)getpid();
}

void log_drain(void)
{
	size_t n = batch_n;

	batch_n = 0;
	if (n != 0 && write(log_fd, batch, n) < 0)
		return;    /* there is nowhere to report it */
}

void log_set_level(enum log_level level)
{
	log_max = level;
}

bool log_debug_on(void)
{
	return log_max >= LOG_LEVEL_DEBUG;
}

static void log_v(enum log_level level, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
/* "2026-01-31T12:00:00", made anew once a second. */
static size_t log_second(char *dst, size_t size, time_t now)
{
	static _Thread_local char text[32];
	static _Thread_local size_t n;
	static _Thread_local time_t of = -1;
	struct tm tm;

	if (now != of) {
		(void)gmtime_r(&now, &tm);
		n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		of = now;
	}
	if (n >= size)
		return 0;
	memcpy(dst, text, n);
	return n;
}

static void log_v(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char own[LINE_MAX_], *line = own;
	struct timespec ts;
	size_t n;
	int k;

	if (level > log_max)
		return;
	if (batch_on && log_fn == NULL) {
		if (sizeof(batch) - batch_n < LINE_MAX_)
			log_drain();
		line = batch + batch_n;
	}
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	n = log_second(line, LINE_MAX_, ts.tv_sec);
	k = snprintf(line + n, LINE_MAX_ - n, ".%03ldZ %s[%ld]: %s: ", ts.tv_nsec / 1000000,
	    log_name, log_pid != 0 ? log_pid : (long)getpid(), names[level]);
	n += k > 0 ? (size_t)k : 0;
	k = vsnprintf(line + n, LINE_MAX_ - n - 1, fmt, ap);
	if (log_fn != NULL) {
		log_fn(level, line + n);
		return;
	}
	n += k > 0 ? (size_t)k : 0;
	if (n > LINE_MAX_ - 2)
		n = LINE_MAX_ - 2;
	line[n++] = '\n';
	if (line == own) {
		if (write(log_fd, line, n) < 0)
			return;    /* there is nowhere to report it */
		return;
	}
	batch_n += n;
	/* What went wrong does not wait: nobody knows what comes after it. */
	if (level <= LOG_LEVEL_WARN)
		log_drain();
}

#define LOG_FN(name, level) \
	void name(const char *fmt, ...) \
	{ \
		va_list ap; \
		va_start(ap, fmt); \
		log_v(level, fmt, ap); \
		va_end(ap); \
	}
LOG_FN(log_error, LOG_LEVEL_ERROR)
LOG_FN(log_warn, LOG_LEVEL_WARN)
LOG_FN(log_info, LOG_LEVEL_INFO)
LOG_FN(log_debug, LOG_LEVEL_DEBUG)

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_LEVEL_ERROR, fmt, ap);
	va_end(ap);
	abort();
}

const char *log_esc(struct slice s)
{
	static char bufs[8][4 * 200 + 8];
	static unsigned turn;
	char *const b = bufs[turn++ % 8], *q = b;
	bool quote = s.len == 0;
	size_t n = s.len < 200 ? s.len : 200;

	for (size_t i = 0; i < n && !quote; i++)
		quote = s.p[i] == ' ';
	if (quote)
		*q++ = '"';
	for (size_t i = 0; i < n; i++) {
		if (is_class(s.p[i], CC_PRINT) && s.p[i] != '\\' && s.p[i] != '"')
			*q++ = (char)s.p[i];
		else
			q += sprintf(q, "\\x%02x", s.p[i]);
	}
	if (n < s.len)
		q += sprintf(q, "...");
	if (quote)
		*q++ = '"';
	*q = '\0';
	return b;
}

void log_capture(void (*fn)(enum log_level, const char *))
{
	log_fn = fn;
}
