#include "common/ipc/roles.h"

#include <string.h>

static const char *const names[ROLE_COUNT] = {
	[ROLE_NONE] = "none", [ROLE_MASTER] = "master", [ROLE_SPOOLD] = "spoold",
	[ROLE_ACCOUNTD] = "accountd", [ROLE_DNSD] = "dnsd", [ROLE_QMGR] = "qmgr",
	[ROLE_DELIVER_LOCAL] = "deliver-local", [ROLE_DELIVER_REMOTE] = "deliver-remote",
	[ROLE_SMTPD] = "smtpd", [ROLE_POP3D] = "pop3d", [ROLE_IMAPD] = "imapd", [ROLE_KEYD] = "keyd",
	[ROLE_CONTROL] = "pabal",
};

const struct role_arrow role_arrows[] = {
	{ ROLE_SMTPD, ROLE_SPOOLD, "spool" },
	{ ROLE_SMTPD, ROLE_ACCOUNTD, "account" },
	{ ROLE_QMGR, ROLE_SPOOLD, "spool" },
	{ ROLE_QMGR, ROLE_ACCOUNTD, "account" },
	{ ROLE_DELIVER_LOCAL, ROLE_QMGR, "job" },
	{ ROLE_DELIVER_LOCAL, ROLE_SPOOLD, "spool" },
	{ ROLE_DELIVER_LOCAL, ROLE_ACCOUNTD, "account" },
	{ ROLE_DELIVER_REMOTE, ROLE_QMGR, "job" },
	{ ROLE_DELIVER_REMOTE, ROLE_SPOOLD, "spool" },
	{ ROLE_DELIVER_REMOTE, ROLE_DNSD, "dns" },
	{ ROLE_POP3D, ROLE_SPOOLD, "spool" },
	{ ROLE_POP3D, ROLE_ACCOUNTD, "account" },
	{ ROLE_IMAPD, ROLE_SPOOLD, "spool" },
	{ ROLE_IMAPD, ROLE_ACCOUNTD, "account" },
	{ ROLE_SMTPD, ROLE_KEYD, "key" },
	{ ROLE_POP3D, ROLE_KEYD, "key" },
	{ ROLE_IMAPD, ROLE_KEYD, "key" },
};
const unsigned role_arrows_n = sizeof(role_arrows) / sizeof(role_arrows[0]);

const char *role_name(enum role r)
{
	return (unsigned)r < ROLE_COUNT ? names[r] : "unknown";
}

enum role role_by_name(const char *name)
{
	for (unsigned r = 1; r < ROLE_COUNT; r++)
		if (strcmp(names[r], name) == 0)
			return (enum role)r;
	return ROLE_NONE;
}
