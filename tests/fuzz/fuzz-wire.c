/* The table-made decoder: never reads past its input, and what it accepts prints and encodes to the same bytes. */
#include <stdlib.h>

#include "common/ipc/wire.h"

#define WT_ITEM_FIELDS(X) X##_U16(k) X##_STR(name, 16)
#define WT_MSG_FIELDS(X) X##_U8(a) X##_U64(b) X##_BYTES(body, 1000) X##_LIST(wt_item, items, 50) X##_STRUCT(wt_item, one)
WIRE_DECLARE(wt_item, WT_ITEM_FIELDS)
WIRE_DECLARE(wt_msg, WT_MSG_FIELDS)
WIRE_IMPLEMENT(wt_item, WT_ITEM_FIELDS)
WIRE_IMPLEMENT(wt_msg, WT_MSG_FIELDS)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(slice_of(data, size));
	struct arena *a = arena_new(65536);
	struct buf b = BUF_INIT(1 << 20);
	struct wt_msg m;

	if (a == NULL)
		return 0;
	if (wt_msg_decode(&c, a, &m) == 0) {
		wt_msg_encode(&b, &m);
		if (buf_err(&b) != 0 || buf_len(&b) != c.off || memcmp(b.p, data, c.off) != 0)
			abort();
		buf_reset(&b);
		wt_msg_print(&b, &m);
	}
	buf_free(&b);
	arena_free(&a);
	return 0;
}
