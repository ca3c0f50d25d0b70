#include "common/base/strnum.h"

int slice_to_u64(struct slice s, uint64_t max, uint64_t *v_r)
{
	uint64_t v = 0;

	if (s.len == 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++)
		if (!is_class(s.p[i], CC_DIGIT))
			return ERR_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t d = (uint64_t)(s.p[i] - '0');

		if (v > (UINT64_MAX - d) / 10)
			return ERR_LIMIT;
		v = v * 10 + d;
	}
	if (v > max)
		return ERR_LIMIT;
	*v_r = v;
	return 0;
}

int slice_to_u32(struct slice s, uint32_t max, uint32_t *v_r)
{
	uint64_t v;
	int r = slice_to_u64(s, max, &v);

	if (r == 0)
		*v_r = (uint32_t)v;
	return r;
}

int cur_take_u64(struct cursor *c, uint64_t max, uint64_t *v_r)
{
	struct slice s;
	int r = cur_take_class(c, CC_DIGIT, 64, &s);

	return r != 0 ? r : slice_to_u64(s, max, v_r);
}

int cur_take_u32(struct cursor *c, uint32_t max, uint32_t *v_r)
{
	struct slice s;
	int r = cur_take_class(c, CC_DIGIT, 64, &s);

	return r != 0 ? r : slice_to_u32(s, max, v_r);
}
