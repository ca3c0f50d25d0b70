#ifndef PABAL_DELIVER_CONTENT_H
#define PABAL_DELIVER_CONTENT_H

#include "common/base/arena.h"
#include "common/ipc/proto_spool.h"

/*
 * A message's content as spoold gave it: bytes, or a descriptor of a file of its
 * own. A file is read by position and never mapped: should it be shorter than
 * it ought to be, reading fails, and nothing else happens.
 */
struct content {
	uint64_t size;
	uint8_t *bytes;         /* NULL: in the file */
	int fd;                 /* -1: in the bytes */
};

#define CONTENT_NONE ((struct content){ .fd = -1 })

/* Takes the reply of spoold, its descriptor too. ERR_SYNTAX: it is none, or says a size that is not there. */
int content_take(struct content *c, struct ipc_msg *m) MUST_CHECK;
static inline bool content_is_there(const struct content *c) { return c->bytes != NULL || c->fd >= 0; }
/* Up to max bytes from off; a shorter part comes only at the end. The slice points into the content or into
 * scratch, which holds max bytes. ERR_IO when the file has less than it should. */
int content_part(const struct content *c, uint64_t off, size_t max, uint8_t *scratch, struct slice *part_r) MUST_CHECK;
void content_free(struct content *c);

#endif
