#include "config.h"

#include "master/kinds.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef DAEMONDIR
#define DAEMONDIR "/usr/local/libexec/pabal"
#endif

const struct kind kinds[] = {
	{ ROLE_SPOOLD, "spool", 1, STAGE_CORES, true, true },
	{ ROLE_ACCOUNTD, "accountd", 2, STAGE_CORES, true, true },
	{ ROLE_KEYD, "keyd", 10, STAGE_CORES, true, true },
	{ ROLE_DNSD, "dnsd", 3, STAGE_CORES, false, false },
	{ ROLE_QMGR, "qmgr", 4, STAGE_QMGR, false, true },
	{ ROLE_DELIVER_LOCAL, "deliver", 5, STAGE_AGENTS, false, false },
	{ ROLE_DELIVER_REMOTE, "deliver", 6, STAGE_AGENTS, false, false },
	{ ROLE_SMTPD, "smtpd", 7, STAGE_EDGES, false, false },
	{ ROLE_POP3D, "pop3d", 8, STAGE_EDGES, false, false },
	{ ROLE_IMAPD, "imapd", 9, STAGE_EDGES, false, false },
};
const unsigned kinds_n = ARRAY_LEN(kinds);

const struct kind *kind_of(enum role role)
{
	for (unsigned i = 0; i < kinds_n; i++)
		if (kinds[i].role == role)
			return &kinds[i];
	return NULL;
}

unsigned kind_workers(const struct conf *c, enum role role)
{
	switch (role) {
	case ROLE_SPOOLD:
	case ROLE_ACCOUNTD:
	case ROLE_DNSD:
	case ROLE_QMGR:
	case ROLE_KEYD:
		return 1;
	case ROLE_DELIVER_LOCAL:
		return (unsigned)c->deliver_local_workers;
	case ROLE_DELIVER_REMOTE:
		return (unsigned)c->deliver_remote_workers;
	case ROLE_SMTPD:
		return (unsigned)c->smtpd_workers;
	case ROLE_POP3D:
		return (unsigned)c->pop3d_workers;
	case ROLE_IMAPD:
		return (unsigned)c->imapd_workers;
	case ROLE_NONE:
	case ROLE_MASTER:
	case ROLE_CONTROL:
	case ROLE_COUNT:
		break;
	}
	return 0;
}

const char *kind_dir(const struct conf *c, enum role role)
{
	return role == ROLE_SPOOLD ? c->spool_dir : role == ROLE_ACCOUNTD ? c->state_dir : role == ROLE_KEYD ? c->key_dir : NULL;
}

static int user_of(struct idents *ids, enum role role, struct buf *why)
{
	char name[64];
	const struct passwd *pw;

	(void)snprintf(name, sizeof(name), "%s%s", USER_PREFIX, role_name(role));
	pw = getpwnam(name);
	if (pw == NULL) {
		buf_addf(why, "there is no user %s: make the users with \"%s/setup create-users\", or set uid_base",
		    name, DAEMONDIR);
		return ERR_NOTFOUND;
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		buf_addf(why, "the user %s is root or in root's group; it has to be a user without rights", name);
		return ERR_DENIED;
	}
	ids->uid[role] = pw->pw_uid;
	ids->gid[role] = pw->pw_gid;
	return 0;
}

int idents_resolve(struct idents *ids, const struct conf *c, bool root, struct buf *why)
{
	const struct group *gr;
	int r = 0;

	ids->root = root;
	ids->admin = (gid_t)-1;
	for (unsigned i = 0; r == 0 && i < kinds_n; i++) {
		enum role role = kinds[i].role;

		if (!root) {
			ids->uid[role] = geteuid();
			ids->gid[role] = getegid();
		} else if (c->uid_base != 0) {
			ids->uid[role] = (uid_t)(c->uid_base + kinds[i].uid_n);
			ids->gid[role] = (gid_t)(c->uid_base + kinds[i].uid_n);
		} else {
			r = user_of(ids, role, why);
		}
	}
	if (r != 0 || c->admin_group[0] == '\0')
		return r;
	gr = getgrnam(c->admin_group);
	if (gr == NULL) {
		buf_addf(why, "there is no group %s, which admin_group names", c->admin_group);
		return ERR_NOTFOUND;
	}
	ids->admin = gr->gr_gid;
	return 0;
}

/* The build tree's top when this program lies in its master/, else false. */
static bool build_tree(char *top, size_t size)
{
	static const char tail[] = "/master/pabal-master";
	ssize_t n = readlink("/proc/self/exe", top, size - 1);

	if (n < (ssize_t)sizeof(tail) || (size_t)n >= size - 1)
		return false;
	top[n] = '\0';
	n -= (ssize_t)sizeof(tail) - 1;
	if (strcmp(top + n, tail) != 0)
		return false;
	top[n] = '\0';
	return true;
}

static bool try_path(char *path, size_t size, const char *dir, const char *folder, const char *name)
{
	int n = snprintf(path, size, "%s%s%s/%s", dir, folder != NULL ? "/" : "", folder != NULL ? folder : "", name);

	return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
}

int kind_program(const struct kind *k, char *path, size_t size, struct buf *why)
{
	const char *name = role_name(k->role), *env = getenv("PABAL_LIBEXEC"), *dir = DAEMONDIR;
	char top[4096];

	if (env != NULL && env[0] != '\0') {
		dir = env;
		if (try_path(path, size, env, NULL, name) || try_path(path, size, env, k->folder, name))
			return 0;
	} else if ((build_tree(top, sizeof(top)) && try_path(path, size, top, k->folder, name)) ||
	    try_path(path, size, dir, NULL, name)) {
		return 0;
	}
	buf_addf(why, "the program %s/%s cannot be executed: %s", dir, name, strerror(errno));
	return ERR_NOTFOUND;
}
