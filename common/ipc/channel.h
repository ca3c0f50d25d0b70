#ifndef PABAL_IPC_CHANNEL_H
#define PABAL_IPC_CHANNEL_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/loop.h"

/*
 * A channel carries typed messages and descriptors between two processes over
 * a Unix stream socket. A frame is
 *	u32 length of what follows, u16 type, u16 flags, u32 request id, payload.
 * Both sides first send HELLO (protocol, version, role, capabilities); nothing
 * else is taken before the peer's HELLO has come and fits, and the kernel's word
 * on the sender's uid is checked against the one expected.
 *
 * What is sent during one turn of the loop goes out in one system call at its
 * end. A malformed, unknown or unexpected message closes the channel, and
 * nothing else. When a channel closes, each open request is answered once with
 * ERR_CLOSED, then on_close runs; the channel frees itself afterwards.
 */
struct channel;

struct ipc_msg {
	uint16_t type;
	uint32_t id;            /* the request it belongs to; 0 for an event */
	bool reply;
	struct slice payload;   /* good during the callback */
	int fd;                 /* -1, or a descriptor: the handler sets it to -1 to keep it */
};

/* A message this side takes. fn returns 0, or a negative enum err: the channel is closed. */
struct ipc_handler {
	uint16_t type;
	int (*fn)(struct channel *ch, struct ipc_msg *m, void *ctx);
};

struct channel_conf {
	const char *proto;              /* "spool", "account", ... */
	uint16_t major, minor;          /* majors must be equal */
	uint8_t role, peer_role;        /* enum role; peer_role is what HELLO must say; 0: any */
	uid_t peer_uid;                 /* (uid_t)-1: any */
	uint32_t max_frame;             /* bytes taken in one frame; 0: IPC_MAX_FRAME */
	size_t max_out;                 /* bytes waiting to be sent before the peer counts as dead; 0: 64 MiB */
	bool secret;                    /* passwords pass: bytes are wiped when they are sent, or handled */
	/* A server's side: while so many bytes wait to be sent nothing more is read from this peer, so
	 * that many large answers asked for at once do not pile up; 0: never. For one side of a pair only. */
	size_t hold_out;
	const struct ipc_handler *handlers;     /* requests and events; ends with fn == NULL */
	void (*on_open)(struct channel *ch, void *ctx);         /* HELLO has come; may be NULL */
	void (*on_close)(struct channel *ch, int why, void *ctx);/* may be NULL */
	void *ctx;
	void *handler_ctx;              /* for the handlers; NULL: ctx */
};

enum { IPC_MAX_FRAME = 4 * 1024 * 1024 };

/* Takes over fd (made non-blocking, close-on-exec). NULL: no memory, fd is closed. */
struct channel *channel_new(struct loop *l, int fd, const struct channel_conf *conf);
/* Closes at the end of the turn, what has been sent before is still tried. Safe in every callback. */
void channel_close(struct channel *ch);
bool channel_is_open(const struct channel *ch);
uint8_t channel_peer_role(const struct channel *ch);
/* The uid and pid of the peer as the kernel told it with HELLO. */
uid_t channel_peer_uid(const struct channel *ch);
pid_t channel_peer_pid(const struct channel *ch);
void *channel_ctx(const struct channel *ch);
/* A place for the owner to hang its state of this peer on. */
void channel_set_data(struct channel *ch, void *data);
void *channel_data(const struct channel *ch);
/* Bytes waiting to be sent: for back-pressure. */
size_t channel_backlog(const struct channel *ch);
/* Sending: begin gives the buffer to encode into, end completes the frame. fd is
 * duplicated by the kernel when it is sent: the channel closes it afterwards (it takes
 * it over); -1 for none. Errors (closed, over max_out) close the channel; the sender
 * learns of them by on_close. */
struct buf *channel_begin(struct channel *ch);
void channel_end(struct channel *ch, uint16_t type, uint32_t id, bool reply, int fd);

/* A reply's callback: r is 0 and m the reply, or r is negative and m NULL: ERR_CLOSED, ERR_TIMEOUT, or
 * ERR_NOMEM when it came with a descriptor that this process has no room for. */
typedef void ipc_reply_fn(void *ctx, int r, struct ipc_msg *m);
/* After channel_begin() and the encoder: sends as a request; fn is called exactly once
 * unless channel_cancel() comes before. timeout_ms 0: none. Returns the request's id,
 * never 0. On a channel that is closed already fn runs at the end of this turn. */
uint32_t channel_end_request(struct channel *ch, uint16_t type, int fd, uint64_t timeout_ms,
    ipc_reply_fn *fn, void *ctx);
/* The reply will be dropped when it comes; fn is not called. id 0 is ignored. */
void channel_cancel(struct channel *ch, uint32_t id);

/*
 * Typed messages. A protocol's header makes, from one line per message,
 *	IPC_MESSAGE(spool_accept, 3, SPOOL_ACCEPT_FIELDS)
 * an enum constant spool_accept_MSG = 3 and the WIRE struct and functions.
 */
#define IPC_SEND(ch, T, id, m) (T##_encode(channel_begin(ch), (m)), channel_end((ch), T##_MSG, (id), false, -1))
#define IPC_REPLY(ch, T, id, m) (T##_encode(channel_begin(ch), (m)), channel_end((ch), T##_MSG, (id), true, -1))
#define IPC_REPLY_FD(ch, T, id, m, fd) (T##_encode(channel_begin(ch), (m)), channel_end((ch), T##_MSG, (id), true, (fd)))
#define IPC_REQUEST(ch, T, m, timeout_ms, fn, ctx) \
	(T##_encode(channel_begin(ch), (m)), channel_end_request((ch), T##_MSG, -1, (timeout_ms), (fn), (ctx)))
/* 0 when m is a T, decoded into *out_r down to its last byte; ERR_STATE when it is another message. */
#define IPC_DECODE(m, T, a, out_r) T##_take((m), (a), (out_r))

#define IPC_MESSAGE(T, number, FIELDS) \
	enum { T##_MSG = (number) }; \
	WIRE_DECLARE(T, FIELDS) \
	static inline MUST_CHECK int T##_take(const struct ipc_msg *m, struct arena *a, struct T *out_r) \
	{ \
		struct cursor c = cursor_of(m->payload); \
		int r = m->type == T##_MSG ? T##_decode(&c, a, out_r) : ERR_STATE; \
		return r != 0 ? r : cur_end(&c); \
	}

#endif
