#include "deliver/content.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int content_take(struct content *c, struct ipc_msg *m)
{
	struct spool_content_reply rep;
	int r = IPC_DECODE(m, spool_content_reply, NULL, &rep);

	*c = CONTENT_NONE;
	if (r != 0)
		return r;
	if (m->fd < 0 && rep.bytes.len != rep.size)
		return ERR_SYNTAX;
	c->size = rep.size;
	if (m->fd >= 0) {
		c->fd = m->fd;
		m->fd = -1;
		return 0;
	}
	c->bytes = malloc(rep.bytes.len + 1);
	if (c->bytes == NULL)
		return ERR_NOMEM;
	if (rep.bytes.len != 0)
		memcpy(c->bytes, rep.bytes.p, rep.bytes.len);
	return 0;
}

int content_part(const struct content *c, uint64_t off, size_t max, uint8_t *scratch, struct slice *part_r)
{
	uint64_t left = off < c->size ? c->size - off : 0;
	size_t want = left < max ? (size_t)left : max, have = 0;

	if (c->bytes != NULL) {
		*part_r = slice_of(c->bytes + (want != 0 ? off : 0), want);
		return 0;
	}
	while (have < want) {
		ssize_t n = pread(c->fd, scratch + have, want - have, (off_t)(off + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		have += (size_t)n;
	}
	*part_r = slice_of(scratch, have);
	return 0;
}

void content_free(struct content *c)
{
	free(c->bytes);
	if (c->fd >= 0)
		(void)close(c->fd);
	*c = CONTENT_NONE;
}
