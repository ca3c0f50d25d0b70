/*
 * Entering the cell. The order matters: limits while we may still raise them,
 * root directory and identity while we are root, then the locks, each of which
 * forbids what the ones before it needed.
 */
#include "config.h"

#include "common/daemon/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/sandbox_linux.h"

static int fail(const struct sandbox_conf *conf, const char *what)
{
	log_error("sandbox: process=%s what=%s error=%s: not started without its cell", conf->name, what,
	    log_esc(slice_cstr(strerror(errno))));
	return ERR_IO;
}

static int limit_set(int what, rlim_t n)
{
	return setrlimit((__rlimit_resource_t)what, &(struct rlimit){ .rlim_cur = n, .rlim_max = n });
}

static int limits_set(const struct sandbox_conf *conf)
{
	struct rlimit have;

	if (getrlimit(RLIMIT_NOFILE, &have) != 0)
		return fail(conf, "getrlimit");
	if (conf->nofile > have.rlim_max && limit_set(RLIMIT_NOFILE, conf->nofile) != 0) {
		log_warn("sandbox: process=%s: the system allows %llu descriptors, %u are wanted; raise its hard limit",
		    conf->name, (unsigned long long)have.rlim_max, conf->nofile);
		if (limit_set(RLIMIT_NOFILE, have.rlim_max) != 0)
			return fail(conf, "RLIMIT_NOFILE");
	} else if (limit_set(RLIMIT_NOFILE, conf->nofile) != 0) {
		return fail(conf, "RLIMIT_NOFILE");
	}
	if (limit_set(RLIMIT_CORE, 0) != 0)
		return fail(conf, "RLIMIT_CORE");
	return 0;
}

static int root_enter(const struct sandbox_conf *conf)
{
	if (conf->root == NULL || conf->root[0] != '/') {
		log_error("sandbox: process=%s: no root directory was given", conf->name);
		return ERR_DENIED;
	}
	if (chroot(conf->root) != 0)
		return fail(conf, "chroot");
	return chdir("/") == 0 ? 0 : fail(conf, "chdir");
}

/* Drops to uid and gid and proves that there is no way back. */
static int identity_drop(const struct sandbox_conf *conf)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (conf->uid == 0 || conf->gid == 0) {
		log_error("sandbox: process=%s: it must not run as root", conf->name);
		return ERR_DENIED;
	}
	if (setgroups(0, NULL) != 0)
		return fail(conf, "setgroups");
	if (setresgid(conf->gid, conf->gid, conf->gid) != 0)
		return fail(conf, "setresgid");
	if (setresuid(conf->uid, conf->uid, conf->uid) != 0)
		return fail(conf, "setresuid");
	if (getresuid(&r, &e, &s) != 0 || r != conf->uid || e != conf->uid || s != conf->uid ||
	    getresgid(&rg, &eg, &sg) != 0 || rg != conf->gid || eg != conf->gid || sg != conf->gid ||
	    getgroups(0, NULL) != 0 || setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setegid(0) == 0) {
		log_error("sandbox: process=%s: the change of identity can be undone", conf->name);
		return ERR_DENIED;
	}
	return 0;
}

int sandbox_enter(const struct sandbox_conf *conf)
{
	int r;

	if ((r = limits_set(conf)) != 0)
		return r;
	if (conf->privileged) {
		if ((r = root_enter(conf)) != 0)
			return r;
		if (conf->uid != (uid_t)-1 && (r = identity_drop(conf)) != 0)
			return r;
	}
	/* Of real effect only for users that are not root: no fork. */
	if ((conf->allow & CELL_THREADS) == 0 && limit_set(RLIMIT_NPROC, 0) != 0)
		return fail(conf, "RLIMIT_NPROC");
	if ((r = sandbox_privs_lock()) != 0)
		return fail(conf, "no_new_privs");
	if ((r = sandbox_landlock(conf, conf->privileged ? "/" : conf->root)) != 0)
		return fail(conf, "landlock");
	if ((r = sandbox_seccomp(conf)) != 0)
		return fail(conf, "seccomp");
	return 0;
}
