#include "config.h"

#include "master/dirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/ipc/roles.h"

enum { PATH_ROOM = 4096, LOCK_TRIES = 100 };
static const struct timespec lock_pause = { 0, 50 * 1000000 };

/* The directories above path. */
static int make_above(const char *path, struct buf *why)
{
	char p[PATH_ROOM];

	if (snprintf(p, sizeof(p), "%s", path) >= (int)sizeof(p))
		return ERR_LIMIT;
	for (char *q = p + 1; *q != '\0'; q++) {
		if (*q != '/')
			continue;
		*q = '\0';
		if (mkdir(p, 0755) != 0 && errno != EEXIST) {
			buf_addf(why, "the directory %s cannot be made: %s", p, strerror(errno));
			return ERR_IO;
		}
		*q = '/';
	}
	return 0;
}

struct want {
	const char *option, *path;
	uid_t uid;
	gid_t gid;
	mode_t mode;            /* of a new one */
	mode_t forbidden;       /* bits that must not be set */
	mode_t needed;          /* bits that must be set */
	const char *who;
};

static int check_dir(const struct want *w, int fd, struct buf *why)
{
	struct statvfs fs;
	struct stat st;

	if (fstat(fd, &st) != 0 || fstatvfs(fd, &fs) != 0) {
		buf_addf(why, "%s %s cannot be looked at: %s", w->option, w->path, strerror(errno));
		return ERR_IO;
	}
	if (st.st_uid != w->uid) {
		buf_addf(why, "%s %s belongs to uid %lu, but it has to belong to uid %lu (%s): "
		    "\"chown %lu %s\" if nobody else uses it", w->option, w->path, (unsigned long)st.st_uid,
		    (unsigned long)w->uid, w->who, (unsigned long)w->uid, w->path);
		return ERR_DENIED;
	}
	if ((st.st_mode & w->forbidden) != 0 || (st.st_mode & w->needed) != w->needed) {
		buf_addf(why, "%s %s has mode %04o, which is %s: \"chmod %04o %s\"", w->option, w->path,
		    (unsigned)(st.st_mode & 07777), (st.st_mode & w->forbidden) != 0 ? "open to others" : "too narrow",
		    (unsigned)w->mode, w->path);
		return ERR_DENIED;
	}
	if ((fs.f_flag & ST_RDONLY) != 0) {
		buf_addf(why, "%s %s cannot be written: its file system is mounted read-only", w->option, w->path);
		return ERR_DENIED;
	}
	return 0;
}

static int prepare(const struct want *w, struct buf *why)
{
	bool made = false;
	int fd, r;

	if ((r = make_above(w->path, why)) != 0)
		return r;
	if (mkdir(w->path, w->mode) == 0) {
		made = true;
	} else if (errno != EEXIST) {
		buf_addf(why, "%s %s cannot be made: %s", w->option, w->path, strerror(errno));
		return ERR_IO;
	}
	fd = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		buf_addf(why, "%s %s cannot be opened: %s", w->option, w->path, strerror(errno));
		return ERR_IO;
	}
	if (made && ((geteuid() == 0 && fchown(fd, w->uid, w->gid) != 0) || fchmod(fd, w->mode) != 0)) {
		buf_addf(why, "%s %s cannot be given to uid %lu: %s", w->option, w->path, (unsigned long)w->uid,
		    strerror(errno));
		r = ERR_IO;
	}
	if (r == 0)
		r = check_dir(w, fd, why);
	(void)close(fd);
	return r;
}

static int check_empty(const char *path, struct buf *why)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (d == NULL) {
		buf_addf(why, "%s cannot be opened: %s", path, strerror(errno));
		return ERR_IO;
	}
	while (r == 0 && (e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			buf_addf(why, "%s has to be empty, for it is the root directory of processes that need no files; "
			    "remove %s from it", path, e->d_name);
			r = ERR_DENIED;
		}
	(void)closedir(d);
	return r;
}

int dirs_prepare(const struct conf *c, const struct idents *ids, struct buf *why)
{
	char empty[PATH_ROOM];
	const struct want w[] = {
		{ "run_dir", c->run_dir, geteuid(), getegid(), 0755, 022, 0700, "who starts pabal-master" },
		{ "the directory", empty, geteuid(), getegid(), 0555, 0222, 0555, "who starts pabal-master" },
		{ "spool_dir", c->spool_dir, ids->uid[ROLE_SPOOLD], ids->gid[ROLE_SPOOLD], 0700, 077, 0700, "spoold" },
		{ "state_dir", c->state_dir, ids->uid[ROLE_ACCOUNTD], ids->gid[ROLE_ACCOUNTD], 0700, 077, 0700, "accountd" },
		{ "key_dir", c->key_dir, ids->uid[ROLE_KEYD], ids->gid[ROLE_KEYD], 0700, 077, 0700, "keyd" },
	};
	int r = 0;

	(void)snprintf(empty, sizeof(empty), "%s/empty", c->run_dir);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(w); i++)
		r = prepare(&w[i], why);
	return r == 0 ? check_empty(empty, why) : r;
}

int dirs_lock(const struct conf *c, int *fd_r, struct buf *why)
{
	char path[PATH_ROOM], pid[24] = "";
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/master.pid", c->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0) {
		buf_addf(why, "%s cannot be opened: %s", path, strerror(errno));
		return ERR_IO;
	}
	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			*fd_r = fd;
			return 0;
		}
		n = pread(fd, pid, sizeof(pid) - 1, 0);
		pid[n > 0 ? n : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		/* Without its number it is one that is just ending, or just starting. */
		if (pid[0] != '\0')
			break;
		(void)nanosleep(&lock_pause, NULL);
	}
	buf_addf(why, "Pabal runs already with the run_dir %s (process %s): stop it first, or give this one its own "
	    "run_dir, spool_dir, state_dir and key_dir", c->run_dir, pid[0] != '\0' ? pid : "unknown");
	(void)close(fd);
	return ERR_EXISTS;
}

void dirs_lock_pid(int fd, long pid)
{
	char text[24];
	int n = pid != 0 ? snprintf(text, sizeof(text), "%ld\n", pid) : 0;

	/* For people and init scripts; the lock is what counts. */
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return;
}

int dirs_unused(const struct conf *c, struct buf *why)
{
	const char *const paths[] = { c->spool_dir, c->state_dir, c->key_dir };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		int fd = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = -1;

		if (fd < 0) {
			buf_addf(why, "%s cannot be opened: %s", paths[i], strerror(errno));
			return ERR_IO;
		}
		for (unsigned k = 0; k < LOCK_TRIES && (r = flock(fd, LOCK_EX | LOCK_NB)) != 0; k++)
			(void)nanosleep(&lock_pause, NULL);
		(void)close(fd);
		if (r != 0) {
			buf_addf(why, "%s is in use by another Pabal: each needs its own", paths[i]);
			return ERR_EXISTS;
		}
	}
	return 0;
}

int dirs_log_open(const char *path, int *fd_r, struct buf *why)
{
	int fd = path[0] != '\0' ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640) :
	    fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (fd < 0) {
		buf_addf(why, "log_file %s cannot be opened: %s", path[0] != '\0' ? path : "(standard error)",
		    strerror(errno));
		return ERR_IO;
	}
	*fd_r = fd;
	return 0;
}
