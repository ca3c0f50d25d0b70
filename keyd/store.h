#ifndef PABAL_KEYD_STORE_H
#define PABAL_KEYD_STORE_H

#include <bsd/sys/queue.h>

#include "keyd/cert.h"

/*
 * The files of key_dir. keyd writes NAME.pem: the private key, then the chain. One file, because it is replaced by one
 * rename: whatever happens at any instant, a key never stands beside a certificate that it does not fit. NAME.crt and
 * NAME.key, as people and programs put them there, are read as well; while only one of the two has been replaced they
 * do not fit, and what was read before serves on.
 *
 * What was read stays in use until something better was read: a file that became unreadable or half of one changes
 * nothing but the error that is told. Only when its files are gone a certificate is no more.
 */
enum { FILE_NAME_MAX = 64, FILE_ERROR_MAX = 256, STORE_FILES_MAX = 1000, RETIRED_MS = 60 * 1000 };
#define STORE_OWN_NAME "self-signed"    /* what keyd makes for itself */

struct file_mark {
	bool there;
	uint64_t inode, size, mtime_ns, ctime_ns;
};

struct key_file {
	TAILQ_ENTRY(key_file) entry;
	char name[FILE_NAME_MAX + 1];
	bool pair;                      /* NAME.crt and NAME.key */
	bool seen, shadowed;
	struct file_mark marks[2];
	struct cert *cert;              /* what is in use, or NULL */
	char error[FILE_ERROR_MAX + 1]; /* what is wrong with the files as they are, or "" */
};
TAILQ_HEAD(key_files, key_file);

struct store;

/* dirfd is borrowed. Removes what an interrupted write left behind. Scan it next. NULL: no memory. */
struct store *store_new(int dirfd);
void store_free(struct store **s);
/* Looks at all files, reads those that changed. *changed_r: something is in use now that was not, or the reverse.
 * ERR_IO: the directory cannot be read; ERR_NOMEM. */
int store_scan(struct store *s, uint64_t now_ms, bool *changed_r) MUST_CHECK;
/* In the order of their names. */
const struct key_files *store_files(const struct store *s);
/* NULL when there is none. */
const struct key_file *store_find(const struct store *s, struct slice name);
/* The certificate of that key (KEY_ID_SIZE bytes); also one that was replaced within the last minute, since
 * handshakes that began with it are still on their way. NULL: none. */
const struct cert *store_key(const struct store *s, struct slice id);
/* Forgets what was replaced RETIRED_MS ago. */
void store_expire(struct store *s, uint64_t now_ms);

/* Writes NAME.pem and removes a pair of that name; scan afterwards. ERR_IO with a sentence's end in why. */
int store_write(struct store *s, const char *name, const struct cert *c, struct buf *why) MUST_CHECK;
/* Removes the files of that name. ERR_NOTFOUND, ERR_IO. */
int store_delete(struct store *s, const char *name) MUST_CHECK;
/* May files have that name? Letters, digits, '.', '-', '_', not first '.' or '-'. */
bool store_name_ok(struct slice name);
/* The name that a certificate gets when nobody gives it one; ERR_LIMIT when that is too long. */
int store_name_of(const struct cert *c, char name_r[FILE_NAME_MAX + 1]) MUST_CHECK;
/* A whole regular file, at most max bytes, appended to b; why says what is wrong with it. */
int store_read_fd(int fd, size_t max, struct buf *b, struct buf *why) MUST_CHECK;
/* Wipes and frees. */
void store_wipe(struct buf *b);

#endif
