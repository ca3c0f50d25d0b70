#ifndef PABAL_IPC_ROLES_H
#define PABAL_IPC_ROLES_H

/* The processes, and who talks to whom: the arrows of the picture in
 * ARCHITECTURE.md. master makes one socket pair per arrow and instance. */
enum role {
	ROLE_NONE, ROLE_MASTER, ROLE_SPOOLD, ROLE_ACCOUNTD, ROLE_DNSD, ROLE_QMGR,
	ROLE_DELIVER_LOCAL, ROLE_DELIVER_REMOTE, ROLE_SMTPD, ROLE_POP3D, ROLE_IMAPD, ROLE_KEYD,
	ROLE_CONTROL,           /* the pabal command */
	ROLE_COUNT,
};

/* "spoold", "deliver-remote", ...: the program's name and the end of its user's name. */
const char *role_name(enum role r);
/* ROLE_NONE when there is none of that name. */
enum role role_by_name(const char *name);

struct role_arrow {
	enum role client, server;
	const char *proto;
};
extern const struct role_arrow role_arrows[];
extern const unsigned role_arrows_n;

#endif
