#include "master/plumb.h"

unsigned plumb_links(enum role role, const unsigned counts[ROLE_COUNT], struct plumb_link *links, unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < role_arrows_n; i++) {
		const struct role_arrow *a = &role_arrows[i];
		bool serves = a->server == role;
		enum role peer = serves ? a->client : a->server;

		if (!serves && a->client != role)
			continue;
		for (unsigned k = 0; k < counts[peer]; k++, n++)
			if (n < max)
				links[n] = (struct plumb_link){ peer, k, serves, a->proto };
	}
	return n;
}
