#include "config.h"

#include "tests/spool/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { SECTOR = 512, IMAGES = 512, DIROPS = 64 };

const char *const disk_op_name[DISK_OPS] = {
	"openat", "pread", "pwrite", "pwritev", "fdatasync", "fsync", "ftruncate",
	"renameat", "unlinkat", "mkdirat", "fstat", "fstatvfs", "close",
};
unsigned disk_calls[DISK_OPS];

/* What the disk holds of a file whose cache is the real file. */
struct image {
	ino_t ino;
	int fd;
	uint8_t *disk;
	bool *dirty;            /* per sector */
	size_t size;            /* of disk, in bytes, whole sectors */
	off_t uncut;            /* length before a cut that is not flushed yet, or 0 */
};
static struct image images[IMAGES];
static size_t images_n;

/* A rename or unlink (to_hidden) whose directory is not flushed. */
static struct dirop { int dirfd; char from[64], to[64]; bool to_hidden; } dirops[DIROPS];
static size_t dirops_n;
static unsigned hidden_n;

static struct { enum disk_op op; unsigned at; int err; bool forever, set, struck; unsigned die_at; } fault;
static uint64_t free_bytes, free_inodes;
static uint64_t rng = 1;

void disk_seed(uint64_t seed)
{
	rng = seed * 0x9e3779b97f4a7c15u + 1;
}

uint32_t disk_random(uint32_t below)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (uint32_t)((rng * 0x2545f4914f6cdd1du) >> 33) % below;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

/* Whether this call shall fail; *half: only half of it shall be done. */
static bool strike(enum disk_op op, bool *half)
{
	*half = false;
	disk_calls[op]++;
	if (fault.die_at != 0 && op != DISK_CLOSE) {
		if (fault.die_at > 1) {
			fault.die_at--;
			return false;
		}
		fault.struck = true;
		errno = EIO;
		return true;
	}
	if (!fault.set || fault.op != op || --fault.at != 0)
		return false;
	fault.struck = true;
	if (fault.forever)
		fault.at = 1;
	else
		fault.set = false;
	if (fault.err == 0) {
		*half = true;
		return false;
	}
	errno = fault.err;
	return true;
}

void disk_fail(enum disk_op op, unsigned at, int err, bool forever)
{
	disk_heal();
	fault.op = op, fault.at = at, fault.err = err, fault.forever = forever, fault.set = true;
}

void disk_die(unsigned at)
{
	disk_heal();
	fault.die_at = at;
}

void disk_heal(void)
{
	memset(&fault, 0, sizeof(fault));
}

bool disk_struck(void)
{
	return fault.struck;
}

static struct image *image_of(int fd)
{
	struct image *m;
	struct stat st;

	must(fstat(fd, &st) == 0, "fstat");
	for (size_t i = 0; i < images_n; i++)
		if (images[i].ino == st.st_ino)
			return &images[i];
	must(images_n < IMAGES, "too many files");
	m = &images[images_n++];
	memset(m, 0, sizeof(*m));
	m->ino = st.st_ino;
	must((m->fd = dup(fd)) >= 0, "dup");
	return m;
}

static void image_grow(struct image *m, size_t to)
{
	size_t old = m->size;

	to = (to + SECTOR - 1) / SECTOR * SECTOR;
	if (to <= old)
		return;
	/* By doubling, since files grow in small steps. */
	if (old != 0 && to < old * 2)
		to = old * 2;
	must((m->disk = realloc(m->disk, to)) != NULL, "memory");
	must((m->dirty = realloc(m->dirty, to / SECTOR * sizeof(bool))) != NULL, "memory");
	memset(m->disk + old, 0, to - old);
	memset(m->dirty + old / SECTOR, 0, (to - old) / SECTOR * sizeof(bool));
	/* What was there before the table came into play was on the disk. */
	must(pread(m->fd, m->disk + old, to - old, (off_t)old) >= 0, "pread");
	m->size = to;
}

/* The sector's bytes in the cache, zeros behind the end. */
static void image_take(struct image *m, size_t s)
{
	memset(m->disk + s * SECTOR, 0, SECTOR);
	must(pread(m->fd, m->disk + s * SECTOR, SECTOR, (off_t)(s * SECTOR)) >= 0, "pread");
}

static void image_flush(struct image *m, bool all)
{
	for (size_t s = 0; s < m->size / SECTOR; s++) {
		if (m->dirty[s] && (all || disk_random(2) == 0))
			image_take(m, s);
		m->dirty[s] = false;
	}
	if (all)
		m->uncut = 0;
}

static void dirops_flush(void)
{
	for (size_t i = 0; i < dirops_n; i++) {
		if (dirops[i].to_hidden)
			must(unlinkat(dirops[i].dirfd, dirops[i].to, 0) == 0, "unlinkat");
		(void)close(dirops[i].dirfd);
	}
	dirops_n = 0;
}

void disk_power_cut(void)
{
	size_t keep = dirops_n != 0 ? disk_random((uint32_t)dirops_n + 1) : 0;

	while (dirops_n > keep) {
		struct dirop *o = &dirops[--dirops_n];

		must(renameat(o->dirfd, o->to, o->dirfd, o->from) == 0, "renameat");
		(void)close(o->dirfd);
	}
	dirops_flush();
	for (size_t i = 0; i < images_n; i++) {
		struct image *m = &images[i];
		off_t uncut = m->uncut;
		struct stat st;

		must(fstat(m->fd, &st) == 0, "fstat");
		image_flush(m, false);
		if (uncut != 0 && disk_random(2) == 0) {
			st.st_size = uncut;
			must(ftruncate(m->fd, uncut) == 0, "ftruncate");
		}
		must(pwrite(m->fd, m->disk, (size_t)st.st_size < m->size ? (size_t)st.st_size : m->size, 0) >= 0,
		    "pwrite");
		m->uncut = 0;
	}
}

void disk_reset(void)
{
	dirops_flush();
	for (size_t i = 0; i < images_n; i++) {
		(void)close(images[i].fd);
		free(images[i].disk);
		free(images[i].dirty);
	}
	images_n = 0;
	for (int i = 0; i < DISK_OPS; i++)
		disk_calls[i] = 0;
	disk_heal();
	disk_set_free(0, 0);
}

void disk_set_free(uint64_t bytes, uint64_t inodes)
{
	free_bytes = bytes;
	free_inodes = inodes;
}

static int d_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	bool half;

	return strike(DISK_OPENAT, &half) ? -1 : openat(dirfd, path, flags, mode);
}

static ssize_t d_pread(int fd, void *buf, size_t n, off_t off)
{
	bool half;

	if (strike(DISK_PREAD, &half))
		return -1;
	return pread(fd, buf, half ? (n + 1) / 2 : n, off);
}

static ssize_t d_pwrite(int fd, const void *buf, size_t n, off_t off)
{
	struct image *m;
	bool half;

	if (strike(DISK_PWRITE, &half))
		return -1;
	if (half)
		n = (n + 1) / 2;
	m = image_of(fd);
	image_grow(m, (size_t)off + n);
	for (size_t s = (size_t)off / SECTOR; s * SECTOR < (size_t)off + n; s++)
		m->dirty[s] = true;
	return pwrite(fd, buf, n, off);
}

static ssize_t d_pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	bool half;

	(void)fd, (void)iov, (void)n, (void)off;
	if (strike(DISK_PWRITEV, &half))
		return -1;
	errno = ENOSYS;
	return -1;
}

static int d_sync(enum disk_op op, int fd)
{
	struct stat st;
	bool half, bad = strike(op, &half);
	int e = errno;

	must(fstat(fd, &st) == 0, "fstat");
	if (S_ISDIR(st.st_mode)) {
		if (!bad)
			dirops_flush();
	} else {
		image_flush(image_of(fd), !bad);
	}
	errno = e;
	return bad ? -1 : 0;
}

static int d_fdatasync(int fd)
{
	return d_sync(DISK_FDATASYNC, fd);
}

static int d_write_out(int fd, off_t off, off_t len)
{
	(void)fd;
	(void)off;
	(void)len;
	return 0;
}

static int d_fsync(int fd)
{
	return d_sync(DISK_FSYNC, fd);
}

static int d_ftruncate(int fd, off_t len)
{
	struct stat st;
	struct image *m;
	bool half;

	if (strike(DISK_FTRUNCATE, &half))
		return -1;
	must(fstat(fd, &st) == 0, "fstat");
	m = image_of(fd);
	if (st.st_size > len)
		m->uncut = st.st_size;
	return ftruncate(fd, len);
}

static int dirop_add(int dirfd, const char *from, const char *to, bool to_hidden)
{
	struct dirop *o = &dirops[dirops_n];

	must(dirops_n < DIROPS, "too many directory changes");
	if (renameat(dirfd, from, dirfd, to) != 0)
		return -1;
	/* Not dup(): that would share the log's lock. */
	must((o->dirfd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0, "openat");
	o->to_hidden = to_hidden;
	(void)snprintf(o->from, sizeof(o->from), "%s", from);
	(void)snprintf(o->to, sizeof(o->to), "%s", to);
	dirops_n++;
	return 0;
}

static int d_renameat(int olddir, const char *old, int newdir, const char *new_)
{
	bool half;

	if (strike(DISK_RENAMEAT, &half))
		return -1;
	(void)newdir;
	/* One that replaces cannot be taken back here; nothing of the log does so while it runs. */
	return faccessat(newdir, new_, F_OK, 0) == 0 ? renameat(olddir, old, newdir, new_) :
	    dirop_add(olddir, old, new_, false);
}

static int d_unlinkat(int dirfd, const char *path, int flags)
{
	char hidden[32];
	bool half;

	if (strike(DISK_UNLINKAT, &half))
		return -1;
	if (flags != 0)
		return unlinkat(dirfd, path, flags);
	(void)snprintf(hidden, sizeof(hidden), ".gone-%u", hidden_n++);
	return dirop_add(dirfd, path, hidden, true);
}

static int d_mkdirat(int dirfd, const char *path, mode_t mode)
{
	bool half;

	return strike(DISK_MKDIRAT, &half) ? -1 : mkdirat(dirfd, path, mode);
}

static int d_fstat(int fd, struct stat *st)
{
	bool half;

	return strike(DISK_FSTAT, &half) ? -1 : fstat(fd, st);
}

static int d_fstatvfs(int fd, struct statvfs *st)
{
	bool half;

	if (strike(DISK_FSTATVFS, &half))
		return -1;
	if (fstatvfs(fd, st) != 0)
		return -1;
	if (free_bytes != 0)
		st->f_bavail = free_bytes / st->f_frsize;
	if (free_inodes != 0)
		st->f_files = 1000000, st->f_favail = free_inodes;
	return 0;
}

static int d_close(int fd)
{
	bool half, bad = strike(DISK_CLOSE, &half);
	int r = close(fd);

	if (!bad)
		return r;
	errno = EIO;
	return -1;
}

const struct sysops disk_ops = {
	.openat = d_openat, .pread = d_pread, .pwrite = d_pwrite, .pwritev = d_pwritev,
	.fdatasync = d_fdatasync, .write_out = d_write_out, .fsync = d_fsync, .ftruncate = d_ftruncate,
	.renameat = d_renameat, .unlinkat = d_unlinkat, .mkdirat = d_mkdirat,
	.fstat = d_fstat, .fstatvfs = d_fstatvfs, .close = d_close,
};

static char testdir[256];

/* TMPDIR, or memory when there is room: thousands of files are made, and other tests keep the disk busy. */
static const char *testdir_base(void)
{
	const char *tmp = getenv("TMPDIR");
	struct statvfs st;

	if (tmp != NULL && strlen(tmp) <= 200)
		return tmp;
	if (access("/dev/shm", W_OK | X_OK) == 0 && statvfs("/dev/shm", &st) == 0 && (uint64_t)st.f_bavail * st.f_frsize >= (uint64_t)1 << 30)
		return "/dev/shm";
	return "/tmp";
}

int testdir_open(void)
{
	int fd;

	(void)snprintf(testdir, sizeof(testdir), "%s/pabal-spool-XXXXXX", testdir_base());
	must(mkdtemp(testdir) != NULL, testdir);
	fd = open(testdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(fd >= 0, testdir);
	return fd;
}

const char *testdir_path(void)
{
	return testdir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

void testdir_remove(void)
{
	(void)nftw(testdir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
