#ifndef PABAL_BASE_STRNUM_H
#define PABAL_BASE_STRNUM_H

#include "common/base/slice.h"

/* Decimal digits only, the whole slice, no sign, no spaces: 0, ERR_SYNTAX, or
 * ERR_LIMIT when the value is over max. */
int slice_to_u64(struct slice s, uint64_t max, uint64_t *v_r) MUST_CHECK;
int slice_to_u32(struct slice s, uint32_t max, uint32_t *v_r) MUST_CHECK;
/* Digits at the cursor. */
int cur_take_u64(struct cursor *c, uint64_t max, uint64_t *v_r) MUST_CHECK;
int cur_take_u32(struct cursor *c, uint32_t max, uint32_t *v_r) MUST_CHECK;

#endif
