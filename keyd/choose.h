#ifndef PABAL_KEYD_CHOOSE_H
#define PABAL_KEYD_CHOOSE_H

#include "keyd/cert.h"

/*
 * Which certificate serves which name. Pure.
 *
 * Of those that have the name, the best kind wins: valid and issued by another, valid and self-signed, and only then
 * (for a wrong date is better than no answer) one that is expired or not valid yet; of one kind and type of key, the
 * one that lasts longest. So a name has at most one certificate of each type. An exact name that only an expired
 * certificate has is left to a wildcard that is valid. The certificate that keyd made for itself is used only where
 * there is no other at all.
 */
struct choice {
	const struct cert *cert;
	const char *name;       /* of its file: breaks ties */
	bool own;               /* keyd's self-signed one */
	/* the result */
	bool in_use, is_default;
	bool *won;              /* for each of cert->names; NULL: none */
};

/* hostname: the defaults are those that have this name; where none has it, the first by name. At most one for each
 * type of key. ERR_NOMEM. choose_free() in any case. */
int choose(struct choice *v, unsigned n, const char *hostname, uint64_t now) MUST_CHECK;
void choose_free(struct choice *v, unsigned n);
/* Valid at that time? */
static inline bool cert_valid(const struct cert *c, uint64_t now)
{
	return c->not_before <= now && now < c->not_after;
}

#endif
