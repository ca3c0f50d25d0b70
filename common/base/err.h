#ifndef PABAL_BASE_ERR_H
#define PABAL_BASE_ERR_H

/*
 * One vocabulary of errors for the whole suite. A function that can fail
 * returns 0 or one of these (always negative) and is marked MUST_CHECK.
 */
enum err {
	ERR_NOMEM = -1,     /* memory, or the arena's byte cap, is used up */
	ERR_IO = -2,        /* a system call failed; errno says why */
	ERR_SYNTAX = -3,    /* the input is not what the grammar says */
	ERR_LIMIT = -4,     /* well formed, but over a configured limit */
	ERR_STATE = -5,     /* not allowed now */
	ERR_AGAIN = -6,     /* nothing to do yet; come back */
	ERR_NOTFOUND = -7,
	ERR_EXISTS = -8,
	ERR_DENIED = -9,    /* no right to do that */
	ERR_FULL = -10,     /* disk, quota or table is full */
	ERR_CORRUPT = -11,  /* a checksum or an invariant on disk does not hold */
	ERR_CLOSED = -12,   /* the peer is gone */
	ERR_TIMEOUT = -13,
	ERR_VERSION = -14,  /* a format or protocol of another version */
};

/* A short lower-case text for r: "out of memory", "syntax", ... Never NULL. */
const char *err_str(int r);

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
