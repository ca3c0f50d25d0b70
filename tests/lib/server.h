#ifndef PABAL_TESTS_SERVER_H
#define PABAL_TESTS_SERVER_H

/*
 * Runs the real program of a server (accountd, dnsd) in its cell, with this process as its
 * master and as every client. Everything happens in one loop, up to a deadline.
 */
#include <sys/types.h>

#include "common/base/loop.h"
#include "common/ipc/channel.h"
#include "common/ipc/roles.h"

struct server {
	struct loop *loop;
	enum role role;
	const char *proto;
	uint16_t major, minor;
	pid_t pid;
	struct channel *master;
	int control;                    /* a socket to connect to as the pabal command, or -1 */
	char control_path[108];
	bool ready, gone, reloaded;
};

/* What its clients share with it. */
extern const uint8_t server_secret[32];

/* program is below abs_top_builddir; conf is the text of pabal.conf; dir is its own directory or NULL.
 * with_control: it gets a control socket. Fails the test when it does not come up. */
void server_start(struct server *s, const char *program, enum role role, const char *proto, uint16_t major, uint16_t minor,
    const char *conf, const char *dir, bool with_control);
/* Its exit status. */
int server_stop(struct server *s);
/* Gives it a new configuration and waits until it says RELOADED. */
void server_reload(struct server *s, const char *conf);

/* A client of that role; ROLE_CONTROL comes by the control socket. */
struct server_client {
	struct server *s;
	struct channel *ch;             /* NULL when the server has closed it */
	bool answered;
	int result;
	struct buf payload;
	struct ipc_msg reply;           /* good until the next call */
};

void server_connect(struct server *s, enum role role, struct server_client *c);
void server_leave(struct server_client *c);
/* After the encoder; waits for the reply: its type, or 0 when the server closed the channel. */
uint16_t server_call(struct server_client *c, uint16_t type);
#define SERVER_CALL(c, T, req) (T##_encode(channel_begin((c)->ch), (req)), server_call((c), T##_MSG))
/* Sends without waiting; fn as for channel_end_request(). */
#define SERVER_SEND(c, T, req, fn, ctx) IPC_REQUEST((c)->ch, T, (req), 0, (fn), (ctx))
void server_wait(struct server *s, const bool *flag, const char *what);

#endif
