#ifndef PABAL_IMAPD_APPENDBODY_H
#define PABAL_IMAPD_APPENDBODY_H

#include "common/base/buf.h"

/*
 * A message that comes as a literal, made canonical on its way: a bare LF
 * becomes CRLF, a bare CR a space; NUL is an error. Kept in memory up to
 * inline_max, beyond that in a body file which the owner has to bring.
 */
struct append_body {
	struct buf mem;         /* what is not in the file yet */
	size_t inline_max;
	int fd;                 /* -1: no file yet */
	int err;                /* the first error; later bytes are dropped */
	uint64_t size;          /* canonical bytes, final after append_body_end() */
	uint32_t lines, flags;  /* BODY_ of proto_spool.h */
	/* private */
	bool cr;                /* a CR that is not judged yet */
	uint64_t line_len;
};

void append_body_init(struct append_body *a, size_t inline_max);
/* True: too large for the memory, a file is needed before more is added. */
bool append_body_wants_file(const struct append_body *a);
/* fd is taken over. */
void append_body_file(struct append_body *a, int fd);
void append_body_add(struct append_body *a, struct slice s);
void append_body_end(struct append_body *a);
/* The encoded summary of the whole message; nothing when it cannot be made here. */
void append_body_summary(struct append_body *a, struct buf *out);
void append_body_free(struct append_body *a);

#endif
