#include "common/mail/queueid.h"

#include <inttypes.h>
#include <stdio.h>

struct queue_id_text queue_id(uint64_t msgid)
{
	struct queue_id_text t;

	(void)snprintf(t.s, sizeof(t.s), "%010" PRIX64, msgid);
	return t;
}

int queue_id_parse(struct slice s, uint64_t *msgid_r)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > 16)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = ascii_upper(s.p[i]);

		if (!is_class(c, CC_HEX))
			return ERR_SYNTAX;
		v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'A' + 10);
	}
	*msgid_r = v;
	return 0;
}
