#ifndef PABAL_TESTS_SPOOL_PEERS_H
#define PABAL_TESTS_SPOOL_PEERS_H

#include "tests/lib/unit.h"

#include "common/daemon/daemon.h"
#include "common/daemon/token.h"
#include "spool/service.h"
#include "tests/spool/disk.h"

/* The service in this process, on the disk of disk.h, and peers that talk to it over real
 * channels in the same loop. */
struct client {
	struct channel *ch;             /* NULL once closed */
	struct channel *server;
	/* The reply that was waited for. */
	bool answered;
	int r;
	uint16_t type;
	uint8_t *payload;
	size_t len;
	int fd;
	/* Events, each as text with its type's name first, in order, until client_events(). */
	struct buf events;
	uint64_t replies, event_rows;
};

extern struct service *svc;
extern struct loop *loop;
extern struct conf *test_conf;
extern bool service_died;
extern uint8_t test_secret[32];

int service_setup(void **state);
int service_teardown(void **state);
void service_restart(bool clean);
void client_open(struct client *c, enum role role);
void client_close(struct client *c);
/* Turns the loop until nothing happens any more. */
void settle(void);
/* "snapshot ..." or NULL-terminated text of the events so far; forgets them. */
const char *client_events(struct client *c);

/* Sends a request and waits for its answer; false when the channel closed instead. */
bool client_ask(struct client *c, uint16_t type, void (*encode)(struct buf *, const void *), const void *m);
#define ASK(c, T, m) client_ask((c), T##_MSG, (void (*)(struct buf *, const void *))(void (*)(void))T##_encode, (m))
/* The same in two steps. */
void client_send(struct client *c, uint16_t type, void (*encode)(struct buf *, const void *), const void *m);
#define SEND(c, T, m) client_send((c), T##_MSG, (void (*)(struct buf *, const void *))(void (*)(void))T##_encode, (m))
bool client_wait(struct client *c);
#define TELL(c, T, m) IPC_SEND((c)->ch, T, 0, (m))
/* The answer, which must be a T. Lists and texts are good until the next of it. */
#define GOT(c, T, out) assert_int_equal(client_decode((c), T##_MSG, (out), \
	(int (*)(struct cursor *, struct arena *, void *))(void (*)(void))T##_decode), 0)
int client_decode(struct client *c, uint16_t type, void *out, int (*decode)(struct cursor *, struct arena *, void *));
/* The code of the spool_fail that came, 0 if another answer came. */
int client_failed(struct client *c);
uint64_t client_value(struct client *c);

struct slice session_token(uint64_t account);
struct slice grant_token(uint64_t msgid, uint64_t account);
uint64_t ask_accept(struct client *c, const char *rcpt, const char *body);
uint32_t ask_open(struct client *c, uint64_t account);

#endif
