/* What parses prints to text that parses to the same text, within the limits. */
#include <stdlib.h>

#include "common/mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(slice_of(data, size));
	struct arena *a = arena_new(4096);
	struct slice text, again, x, y;
	struct mail_path p, q;

	if (a == NULL)
		return 0;
	if (mail_path_take(&c, MAIL_PATH_NULL | MAIL_PATH_POSTMASTER, &p) == 0) {
		if (c.off > size || p.local.len > MAIL_LOCAL_MAX || p.domain.len > MAIL_DOMAIN_MAX)
			abort();
		if (mail_path_canonical(&p, a, &text) != 0 || text.len > MAIL_ADDR_MAX)
			abort();
		if (mail_mailbox_parse(text, MAIL_PATH_NULL | MAIL_PATH_POSTMASTER, &q) != 0)
			abort();
		if (mail_path_canonical(&q, a, &again) != 0 || !slice_eq(text, again))
			abort();
		mail_addr_split(text, &x, &y);
		if (y.len != p.domain.len || x.len > MAIL_LOCAL_MAX)
			abort();
		(void)mail_local_split(x, '+', &x, &y);
	}
	arena_free(&a);
	return 0;
}
