/* pabal.conf: any text gives a configuration or errors; one that is good prints to text that reads back as the same. */
#include <stdlib.h>

#include "common/daemon/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf errors = BUF_INIT(1 << 20), one = BUF_INIT(4 << 20), two = BUF_INIT(4 << 20);
	struct conf *c, *again;

	if (conf_parse(&c, "fuzz", slice_of(data, size), &errors) == 0) {
		conf_print(&one, c);
		if (conf_parse(&again, "again", buf_slice(&one), &errors) != 0)
			abort();
		conf_print(&two, again);
		if (!slice_eq(buf_slice(&one), buf_slice(&two)))
			abort();
		conf_free(&again);
		(void)conf_network_match(&c->relay_from, "192.0.2.1");
	} else if (buf_len(&errors) == 0) {
		abort();
	}
	conf_free(&c);
	buf_free(&errors);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
