#ifndef PABAL_MASTER_KINDS_H
#define PABAL_MASTER_KINDS_H

#include <sys/types.h>

#include "common/base/buf.h"
#include "common/daemon/conf.h"
#include "common/ipc/roles.h"

/*
 * The kinds of processes that master starts, in the order of their start. One
 * row says everything that differs between them.
 */
enum kind_stage { STAGE_EDGES, STAGE_AGENTS, STAGE_QMGR, STAGE_CORES, STAGE_END };    /* the order of a stop */

struct kind {
	enum role role;
	const char *folder;     /* of the program in a build tree */
	unsigned uid_n;         /* added to uid_base; never changes, for files belong to it */
	enum kind_stage stage;
	bool core;              /* edges get their listening sockets once all of these are ready */
	bool control;           /* has a control socket for the pabal command */
};
extern const struct kind kinds[];
extern const unsigned kinds_n;

/* NULL when master does not start it. */
const struct kind *kind_of(enum role role);
/* How many processes of the kind the configuration wants. */
unsigned kind_workers(const struct conf *c, enum role role);
/* spoold: spool_dir, accountd: state_dir, keyd: key_dir, others NULL. */
const char *kind_dir(const struct conf *c, enum role role);

/* Who each kind runs as. */
struct idents {
	bool root;              /* master is root: each has its own */
	uid_t uid[ROLE_COUNT];
	gid_t gid[ROLE_COUNT];
	gid_t admin;            /* admin_group, or (gid_t)-1 */
};
/* Looks the users up, or counts from uid_base. Else a sentence in why and ERR_NOTFOUND. */
int idents_resolve(struct idents *ids, const struct conf *c, bool root, struct buf *why) MUST_CHECK;

/* The program's path: $PABAL_LIBEXEC/NAME or $PABAL_LIBEXEC/FOLDER/NAME; without that variable
 * ../FOLDER/NAME of a master that lies in a build tree; else DAEMONDIR/NAME. ERR_NOTFOUND with a
 * sentence in why if it cannot be executed. */
int kind_program(const struct kind *k, char *path, size_t size, struct buf *why) MUST_CHECK;

#endif
