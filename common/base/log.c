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

void log_init(const char *name, int fd)
{
	log_name = name;
	log_fd = fd;
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
static void log_v(enum log_level level, const char *fmt, va_list ap)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	char line[4096];
	struct timespec ts;
	struct tm tm;
	size_t n;
	int k;

	if (level > log_max)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	k = snprintf(line + n, sizeof(line) - n, ".%03ldZ %s[%ld]: %s: ", ts.tv_nsec / 1000000,
	    log_name, (long)getpid(), names[level]);
	n += k > 0 ? (size_t)k : 0;
	k = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (log_fn != NULL) {
		log_fn(level, line + n);
		return;
	}
	n += k > 0 ? (size_t)k : 0;
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(log_fd, line, n) < 0)
		return;    /* there is nowhere to report it */
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
