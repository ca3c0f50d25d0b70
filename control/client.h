#ifndef PABAL_CONTROL_CLIENT_H
#define PABAL_CONTROL_CLIENT_H

#include "common/daemon/conf.h"
#include "common/ipc/channel.h"
#include "common/ipc/roles.h"

/*
 * A connection to the control socket of one process, for a command that waits for each answer.
 * Every failure is told to the user here, with what to do; the caller only ends with EXIT_FAILED.
 */
struct client;

/* Connects and greets. quiet: says nothing when the process is not there (ERR_CLOSED). NULL on failure. */
struct client *client_open(const struct conf *conf, enum role role, bool quiet);
/* The same for a client that is asked, too: handlers are called with ctx while it waits, in loop_turn(). */
struct client *client_open_serving(const struct conf *conf, enum role role, bool quiet, const struct ipc_handler *handlers,
    void *ctx);
void client_close(struct client **c);
struct loop *client_loop(struct client *c);
struct channel *client_channel(struct client *c);
/* Process id of the other side, or -1. */
pid_t client_peer_pid(const struct client *c);
/* Waits until the other side closes; ERR_TIMEOUT. */
int client_wait_closed(struct client *c, uint64_t timeout_ms) MUST_CHECK;

/* After channel_begin() and the encoder: sends and waits. 0: *m_r is the reply, whatever it is; its payload
 * is good until the next call. Use CLIENT_CALL. */
int client_call(struct client *c, uint16_t type, uint64_t timeout_ms, struct ipc_msg *m_r) MUST_CHECK;
/* The same with a descriptor, which it takes over. */
int client_call_fd(struct client *c, uint16_t type, int fd, uint64_t timeout_ms, struct ipc_msg *m_r) MUST_CHECK;
#define CLIENT_CALL(c, T, req, timeout_ms, m_r) \
	(!client_ready(c) ? ERR_CLOSED : \
	    (T##_encode(channel_begin(client_channel(c)), (req)), client_call((c), T##_MSG, (timeout_ms), (m_r))))
/* Is the connection still there? Complains if not. */
bool client_ready(const struct client *c);

/* Says that the answer is not understood; ERR_SYNTAX. */
int client_strange(const struct client *c);
/* Memory for decoded answers; lives as long as the client. */
struct arena *client_arena(struct client *c);

#endif
