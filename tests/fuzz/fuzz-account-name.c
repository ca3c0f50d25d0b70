/* A name is its own canonical form, in lower case, within its bounds, and a detail is a part of it. */
#include <stdlib.h>

#include "accountd/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), user, detail, domain;
	char text[MAIL_DOMAIN_MAX + 1];
	struct name n, again, base;

	if (name_parse(in, &n) == 0) {
		if (n.len > MAIL_ADDR_MAX || n.at > n.len || n.text[n.len] != '\0')
			abort();
		if (name_parse(name_text(&n), &again) != 0 || !name_eq(&n, &again) || n.at != again.at)
			abort();
		for (size_t i = 0; i < n.len; i++)
			if (ascii_lower((uint8_t)n.text[i]) != (uint8_t)n.text[i] || n.text[i] == '\n')
				abort();
		if (name_split_detail(name_local(&n), "+-", &user, &detail)) {
			if (user.len == 0 || user.len + 1 + detail.len != n.at)
				abort();
			name_with_local(&n, user, &base);
			if (!slice_eq(name_domain(&base), name_domain(&n)) || !slice_eq(name_local(&base), user))
				abort();
		}
	}
	if (name_domain_parse(in, text, &domain) == 0 && (domain.len != size || slice_chr(domain, '\0') >= 0))
		abort();
	return 0;
}
