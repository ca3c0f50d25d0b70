#include "keyd/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

struct retired {
	TAILQ_ENTRY(retired) entry;
	struct cert *cert;
	uint64_t until_ms;
};

struct store {
	int dirfd;
	struct key_files files;
	unsigned files_n;
	bool full;                      /* said once */
	TAILQ_HEAD(, retired) retired;
};

enum { PATH_ROOM = FILE_NAME_MAX + 16 };

static struct slice text_of(const char *s) { return slice_cstr(s); }

/* ---- names ------------------------------------------------------------------------- */

bool store_name_ok(struct slice name)
{
	if (name.len == 0 || name.len > FILE_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!is_class(name.p[i], CC_DIGIT | CC_ALPHA) && name.p[i] != '.' && name.p[i] != '-' && name.p[i] != '_')
			return false;
	return true;
}

int store_name_of(const struct cert *c, char name_r[FILE_NAME_MAX + 1])
{
	bool wild = c->first[0] == '*';
	int n = snprintf(name_r, FILE_NAME_MAX + 1, "%s%s", wild ? "wildcard" : "", c->first + (wild ? 1 : 0));

	return n > 0 && n <= FILE_NAME_MAX && store_name_ok(text_of(name_r)) ? 0 : ERR_LIMIT;
}

static void path_of(const char *name, const char *suffix, char path_r[PATH_ROOM])
{
	(void)snprintf(path_r, PATH_ROOM, "%s%s", name, suffix);
}

/* ---- reading ----------------------------------------------------------------------- */

void store_wipe(struct buf *b)
{
	if (b->p != NULL)
		explicit_bzero(b->p, b->cap);
	buf_free(b);
}

int store_read_fd(int fd, size_t max, struct buf *b, struct buf *why)
{
	struct stat st;
	uint8_t *p;
	off_t at = 0;
	ssize_t n;

	if (fstat(fd, &st) != 0) {
		buf_addf(why, "it cannot be looked at: %s", strerror(errno));
		return ERR_IO;
	}
	if (!S_ISREG(st.st_mode)) {
		buf_add_cstr(why, "it is not a regular file");
		return ERR_SYNTAX;
	}
	if (st.st_size <= 0 || (uint64_t)st.st_size > max) {
		buf_addf(why, st.st_size <= 0 ? "it is empty" : "it has more than %zu bytes", max);
		return st.st_size <= 0 ? ERR_SYNTAX : ERR_LIMIT;
	}
	if ((p = buf_reserve(b, (size_t)st.st_size)) == NULL)
		return ERR_NOMEM;
	while (at < st.st_size && (n = pread(fd, p + at, (size_t)(st.st_size - at), at)) != 0) {
		if (n < 0) {
			buf_addf(why, "it cannot be read: %s", strerror(errno));
			return ERR_IO;
		}
		at += n;
	}
	buf_commit(b, (size_t)at);
	return 0;
}

static void tell_open_error(const struct store *s, const char *path, struct buf *why)
{
	int e = errno;
	struct stat st;

	if (e == ENOENT && fstatat(s->dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		buf_addf(why, "%s is a link to what keyd cannot reach: \"pabal cert install\" copies it here", path);
	else if (e == ENOENT)
		buf_addf(why, "%s is missing", path);
	else if (e == EACCES)
		buf_addf(why, "%s cannot be read: it has to belong to the user of keyd, as key_dir does", path);
	else
		buf_addf(why, "%s cannot be opened: %s", path, strerror(e));
}

static int read_file(struct store *s, const char *name, const char *suffix, size_t max, struct buf *b, struct buf *why)
{
	struct buf what = BUF_INIT(1024);
	char path[PATH_ROOM];
	struct stat st;
	int fd, r;

	path_of(name, suffix, path);
	if ((fd = openat(s->dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0) {
		tell_open_error(s, path, why);
		return ERR_IO;
	}
	if (strcmp(suffix, ".crt") != 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) != 0 && fchmod(fd, 0600) == 0)
		log_info("mode of %s was %04o, is 0600 now", path, (unsigned)(st.st_mode & 07777));
	if ((r = store_read_fd(fd, max, b, &what)) != 0)
		buf_addf(why, "%s: %.*s", path, SLICE_ARG(buf_slice(&what)));
	(void)close(fd);
	buf_free(&what);
	return r;
}

static int read_cert(struct store *s, const struct key_file *f, struct cert **c_r, struct buf *why)
{
	struct buf key = BUF_INIT(CERT_PEM_MAX + CERT_KEY_PEM_MAX), chain = BUF_INIT(CERT_PEM_MAX);
	int r;

	*c_r = NULL;
	if (!f->pair)
		r = read_file(s, f->name, ".pem", key.max, &key, why);
	else if ((r = read_file(s, f->name, ".key", CERT_KEY_PEM_MAX, &key, why)) == 0)
		r = read_file(s, f->name, ".crt", chain.max, &chain, why);
	if (r == 0)
		r = cert_load(buf_slice(&key), buf_slice(f->pair ? &chain : &key), c_r, why);
	store_wipe(&key);
	buf_free(&chain);
	return r;
}

/* ---- what is in use ---------------------------------------------------------------- */

static void retire(struct store *s, struct cert *c, uint64_t now_ms)
{
	struct retired *r = c != NULL ? calloc(1, sizeof(*r)) : NULL;

	if (r == NULL) {
		cert_free(&c);
		return;
	}
	r->cert = c;
	r->until_ms = now_ms + RETIRED_MS;
	TAILQ_INSERT_TAIL(&s->retired, r, entry);
}

static void drop_retired(struct store *s, struct retired *r)
{
	TAILQ_REMOVE(&s->retired, r, entry);
	cert_free(&r->cert);
	free(r);
}

void store_expire(struct store *s, uint64_t now_ms)
{
	struct retired *r;

	while ((r = TAILQ_FIRST(&s->retired)) != NULL && r->until_ms <= now_ms)
		drop_retired(s, r);
}

static bool same_cert(const struct cert *a, const struct cert *b)
{
	return a != NULL && b != NULL && slice_eq(buf_slice(&a->chain), buf_slice(&b->chain));
}

static void set_error(struct key_file *f, const struct buf *why)
{
	struct buf b = BUF_INIT(4096);
	size_t n;

	if (f->cert != NULL)
		buf_add_cstr(&b, "what was there before is still in use, because ");
	buf_add_slice(&b, buf_slice(why));
	n = buf_len(&b) < FILE_ERROR_MAX ? buf_len(&b) : FILE_ERROR_MAX;
	if (n != 0)
		memcpy(f->error, buf_slice(&b).p, n);
	f->error[n] = '\0';
	buf_free(&b);
}

/* Its files are new or have changed. */
static void file_load(struct store *s, struct key_file *f, uint64_t now_ms, bool *changed)
{
	struct buf why = BUF_INIT(4096);
	struct cert *c = NULL;

	f->error[0] = '\0';
	if (f->shadowed) {
		*changed = *changed || f->cert != NULL;
		retire(s, f->cert, now_ms);
		f->cert = NULL;
		buf_addf(&why, "%s.pem is there too, which counts", f->name);
		set_error(f, &why);
	} else if (read_cert(s, f, &c, &why) != 0) {
		set_error(f, &why);
	} else if (same_cert(c, f->cert)) {
		cert_free(&c);
	} else {
		retire(s, f->cert, now_ms);
		f->cert = c;
		*changed = true;
	}
	if (f->error[0] != '\0')
		log_warn("certificate name=%s: %s", f->name, log_esc(text_of(f->error)));
	buf_free(&why);
}

/* ---- the directory ----------------------------------------------------------------- */

static struct key_file *find(const struct store *s, struct slice name, bool pair)
{
	struct key_file *f;

	TAILQ_FOREACH(f, &s->files, entry)
		if (f->pair == pair && slice_eq_cstr(name, f->name))
			return f;
	return NULL;
}

static struct key_file *file_new(struct store *s, struct slice name, bool pair)
{
	struct key_file *f, *other;

	if (s->files_n == STORE_FILES_MAX) {
		if (!s->full)
			log_error("there are more than %d certificates in key_dir: the rest is not used", STORE_FILES_MAX);
		s->full = true;
		return NULL;
	}
	if ((f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	memcpy(f->name, name.p, name.len);
	f->pair = pair;
	s->files_n++;
	TAILQ_FOREACH(other, &s->files, entry)
		if (strcmp(other->name, f->name) > 0) {
			TAILQ_INSERT_BEFORE(other, f, entry);
			return f;
		}
	TAILQ_INSERT_TAIL(&s->files, f, entry);
	return f;
}

static void file_free(struct store *s, struct key_file *f)
{
	TAILQ_REMOVE(&s->files, f, entry);
	s->files_n--;
	cert_free(&f->cert);
	free(f);
}

static bool has_suffix(struct slice s, const char *suffix, struct slice *stem_r)
{
	size_t n = strlen(suffix);

	if (s.len <= n || memcmp(s.p + s.len - n, suffix, n) != 0)
		return false;
	*stem_r = slice_sub(s, 0, s.len - n);
	return store_name_ok(*stem_r);
}

static void see(struct store *s, struct slice entry)
{
	struct key_file *f;
	struct slice stem;
	bool pair;

	if (has_suffix(entry, ".pem", &stem))
		pair = false;
	else if (has_suffix(entry, ".crt", &stem) || has_suffix(entry, ".key", &stem))
		pair = true;
	else
		return;
	if ((f = find(s, stem, pair)) == NULL)
		f = file_new(s, stem, pair);
	if (f != NULL)
		f->seen = true;
}

static DIR *dir_open(const struct store *s)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	if (d == NULL && fd >= 0)
		(void)close(fd);
	return d;
}

static uint64_t nanoseconds(const struct timespec *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

/* True when the file is not what it was. */
static bool mark_changed(const struct store *s, const char *name, const char *suffix, struct file_mark *m)
{
	struct file_mark now = { 0 };
	char path[PATH_ROOM];
	struct stat st;
	bool same;

	path_of(name, suffix, path);
	if (fstatat(s->dirfd, path, &st, 0) == 0)
		now = (struct file_mark){ .there = true, .inode = st.st_ino, .size = (uint64_t)st.st_size,
		    .mtime_ns = nanoseconds(&st.st_mtim), .ctime_ns = nanoseconds(&st.st_ctim) };
	same = m->there == now.there && m->inode == now.inode && m->size == now.size && m->mtime_ns == now.mtime_ns &&
	    m->ctime_ns == now.ctime_ns;
	*m = now;
	return !same;
}

static void file_look(struct store *s, struct key_file *f, bool fresh, uint64_t now_ms, bool *changed)
{
	bool shadowed = f->pair && find(s, text_of(f->name), false) != NULL;
	bool first = mark_changed(s, f->name, f->pair ? ".crt" : ".pem", &f->marks[0]);
	bool second = f->pair && mark_changed(s, f->name, ".key", &f->marks[1]);

	if (!fresh && !first && !second && shadowed == f->shadowed)
		return;
	f->shadowed = shadowed;
	file_load(s, f, now_ms, changed);
}

int store_scan(struct store *s, uint64_t now_ms, bool *changed_r)
{
	struct key_file *f, *next;
	const struct dirent *e;
	DIR *d = dir_open(s);

	*changed_r = false;
	if (d == NULL)
		return ERR_IO;
	TAILQ_FOREACH(f, &s->files, entry)
		f->seen = false;
	while ((e = readdir(d)) != NULL)
		see(s, text_of(e->d_name));
	(void)closedir(d);
	TAILQ_FOREACH_SAFE(f, &s->files, entry, next) {
		if (f->seen)
			continue;
		*changed_r = *changed_r || f->cert != NULL;
		retire(s, f->cert, now_ms);
		f->cert = NULL;
		file_free(s, f);
	}
	TAILQ_FOREACH(f, &s->files, entry)
		file_look(s, f, !f->marks[0].there && !f->marks[1].there, now_ms, changed_r);
	return 0;
}

struct store *store_new(int dirfd)
{
	struct store *s = calloc(1, sizeof(*s));
	const struct dirent *e;
	struct slice stem;
	DIR *d;

	if (s == NULL)
		return NULL;
	s->dirfd = dirfd;
	TAILQ_INIT(&s->files);
	TAILQ_INIT(&s->retired);
	d = dir_open(s);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] == '.' && has_suffix(text_of(e->d_name + 1), ".tmp", &stem))
			(void)unlinkat(dirfd, e->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	return s;
}

void store_free(struct store **sp)
{
	struct store *s = *sp;
	struct key_file *f;
	struct retired *r;

	if (s == NULL)
		return;
	while ((f = TAILQ_FIRST(&s->files)) != NULL)
		file_free(s, f);
	while ((r = TAILQ_FIRST(&s->retired)) != NULL)
		drop_retired(s, r);
	free(s);
	*sp = NULL;
}

const struct key_files *store_files(const struct store *s)
{
	return &s->files;
}

const struct key_file *store_find(const struct store *s, struct slice name)
{
	const struct key_file *f = find(s, name, false);

	return f != NULL ? f : find(s, name, true);
}

const struct cert *store_key(const struct store *s, struct slice id)
{
	const struct key_file *f;
	const struct retired *r;

	TAILQ_FOREACH(f, &s->files, entry)
		if (f->cert != NULL && slice_eq(id, slice_of(f->cert->id, sizeof(f->cert->id))))
			return f->cert;
	TAILQ_FOREACH(r, &s->retired, entry)
		if (slice_eq(id, slice_of(r->cert->id, sizeof(r->cert->id))))
			return r->cert;
	return NULL;
}

/* ---- writing ----------------------------------------------------------------------- */

static int write_all(int fd, struct slice s)
{
	while (s.len != 0) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		s = slice_sub(s, (size_t)n, SIZE_MAX);
	}
	return 0;
}

/* All of it or nothing, and on the disk before anybody is told. */
static int replace(struct store *s, const char *name, struct slice text)
{
	char path[PATH_ROOM], tmp[PATH_ROOM];
	int fd, r;

	path_of(name, ".pem", path);
	(void)snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
	(void)unlinkat(s->dirfd, tmp, 0);
	if ((fd = openat(s->dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) < 0)
		return ERR_IO;
	r = write_all(fd, text) == 0 && fsync(fd) == 0 ? 0 : ERR_IO;
	if (close(fd) != 0 || r != 0 || renameat(s->dirfd, tmp, s->dirfd, path) != 0) {
		int e = errno;

		(void)unlinkat(s->dirfd, tmp, 0);
		errno = e;
		return ERR_IO;
	}
	return fsync(s->dirfd) == 0 ? 0 : ERR_IO;
}

/* ERR_NOTFOUND when there was none. */
static int remove_file(struct store *s, const char *name, const char *suffix)
{
	char path[PATH_ROOM];

	path_of(name, suffix, path);
	if (unlinkat(s->dirfd, path, 0) == 0)
		return 0;
	return errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
}

int store_write(struct store *s, const char *name, const struct cert *c, struct buf *why)
{
	struct buf text = BUF_INIT(2 * CERT_PEM_MAX + CERT_KEY_PEM_MAX);
	int r = cert_write(c, &text);

	if (r == 0 && (r = replace(s, name, buf_slice(&text))) != 0)
		buf_addf(why, "%s.pem cannot be written: %s", name, strerror(errno));
	store_wipe(&text);
	/* The new file counts from here on, whether the old pair goes or not. */
	if (r == 0 && (remove_file(s, name, ".key") == ERR_IO || remove_file(s, name, ".crt") == ERR_IO))
		log_warn("%s.pem takes the place of %s.key and %s.crt, which cannot be removed: %s", name, name, name, strerror(errno));
	return r;
}

int store_delete(struct store *s, const char *name)
{
	static const char *const suffixes[] = { ".pem", ".key", ".crt" };
	int result = ERR_NOTFOUND;

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		int r = remove_file(s, name, suffixes[i]);

		if (r == ERR_IO)
			return ERR_IO;
		if (r == 0)
			result = 0;
	}
	return result == 0 && fsync(s->dirfd) != 0 ? ERR_IO : result;
}
