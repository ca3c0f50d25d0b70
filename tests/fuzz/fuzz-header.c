/* The header walker and the date readers: fields tile the header, and nothing is read outside. */
#include <stdlib.h>

#include "common/mail/date.h"
#include "common/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void dates(struct slice s)
{
	struct buf b = BUF_INIT(200);
	int64_t sec, again;
	int zone, zone2;

	if (mail_date_parse(s, &sec, &zone) == 0) {
		mail_date_format(&b, sec, zone);
		if (mail_date_parse(buf_slice(&b), &again, &zone2) != 0 || again != sec || zone2 != zone)
			abort();
	}
	buf_reset(&b);
	if (mail_imap_datetime_parse(s, &sec, &zone) == 0) {
		mail_imap_datetime_format(&b, sec, zone);
		if (mail_imap_datetime_parse(buf_slice(&b), &again, &zone2) != 0 || again != sec || zone2 != zone)
			abort();
	}
	(void)(mail_imap_date_parse(s, &sec) == 0);
	buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct header_walker w;
	struct mail_field f;
	size_t at = 0;
	bool first = true;

	header_walk(&w, in);
	while (header_next(&w, &f)) {
		struct buf b = BUF_INIT(1 << 20);

		if ((!first && f.off != at) || f.name.len == 0 || f.raw.len == 0)
			abort();
		first = false;
		at = f.off + f.raw.len;
		header_unfold(f.body, &b);
		if (slice_chr(buf_slice(&b), '\n') >= 0 || buf_len(&b) > f.body.len)
			abort();
		dates(buf_slice(&b));
		buf_free(&b);
	}
	if (w.off > size || w.off != header_size(in))
		abort();
	dates(in);
	return 0;
}
