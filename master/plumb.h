#ifndef PABAL_MASTER_PLUMB_H
#define PABAL_MASTER_PLUMB_H

#include <stdbool.h>

#include "common/ipc/roles.h"

/* One end of one socket pair, from the arrows of roles.h and the number of workers. */
struct plumb_link {
	enum role peer;
	unsigned instance;      /* of the peer */
	bool serves;            /* this end is the server's */
	const char *proto;
};

/* The links of one process to all it talks with; counts holds the number of processes of each
 * role. At most max go into links; the number there are is returned. */
unsigned plumb_links(enum role role, const unsigned counts[ROLE_COUNT], struct plumb_link *links, unsigned max);

#endif
