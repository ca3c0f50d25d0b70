#ifndef PABAL_MASTER_LISTEN_H
#define PABAL_MASTER_LISTEN_H

#include <bsd/sys/queue.h>

#include "master/kinds.h"

/* The listening sockets: TCP ones of the edges, Unix ones of the pabal command. */

struct listen_sock {
	STAILQ_ENTRY(listen_sock) entry;
	enum conf_listen_service service;
	char text[128];         /* as in the configuration: what it is known by */
	char address[80];       /* where it really is, with the port that the kernel chose */
	int fd;
	bool fresh;             /* opened by the last listen_change() */
};
STAILQ_HEAD(listen_set, listen_sock);

/* "smtp", ... */
const char *listen_service_name(enum conf_listen_service svc);
/* Opens what c names and set lacks (marked fresh). On an error nothing changed, and why has one
 * sentence with service, address and, if the port is taken, who has it. */
int listen_open(struct listen_set *set, const struct conf *c, struct buf *why) MUST_CHECK;
/* Ends and closes what c does not name: nobody can connect to it any more, whoever has it open. */
void listen_prune(struct listen_set *set, const struct conf *c);
/* Closes our copies. */
void listen_close(struct listen_set *set);

/* The role's control socket in run_dir, connectable for us and the group (if not -1). */
int listen_control(const char *run_dir, enum role role, gid_t group, int *fd_r, struct buf *why) MUST_CHECK;
/* Changes the group of an existing one. */
int listen_control_group(const char *run_dir, enum role role, gid_t group) MUST_CHECK;
void listen_control_remove(const char *run_dir, enum role role);

/* Who has the TCP port: "NAME (process PID)", or "" when it cannot be found. */
void listen_port_owner(unsigned port, char *text, size_t size);

#endif
