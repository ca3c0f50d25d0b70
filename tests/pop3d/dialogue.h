#ifndef PABAL_TESTS_POP3D_DIALOGUE_H
#define PABAL_TESTS_POP3D_DIALOGUE_H

/*
 * A POP3 session with a maildrop in memory around it. accountd knows the user
 * "def" with the password "a b"; "slow" is told to come back, "broken" has no
 * mailbox that can be opened. SCRAM: the server's nonce is "server", the salt 16
 * times "s", and a proof of 32 times "p" is right. A token "good" is def's.
 */
#include "common/base/buf.h"
#include "pop3d/session.h"

enum { DROP_MAX = 16 };

struct drop {
	struct pop3_env env;
	struct pop3_client client;
	struct pop3_session *s;
	struct buf in, out, taken;       /* taken: what DRAIN took from out */
	enum pop3_want want;
	const char *body[DROP_MAX];      /* NULL: expunged by another session */
	size_t body_len[DROP_MAX];
	uint32_t body_n;
	uint32_t part_max;               /* bytes of one answer */
	int body_r, expunge_r;
	struct spool_range removed[DROP_MAX];
	uint32_t removed_n, expunges;
	bool password_left;              /* the password was still there after its use */
	bool line_left;                  /* so was a line of AUTH PLAIN, where it had come in */
	struct edge_tls tls;             /* what a handshake gives */
	bool tls_fails;                  /* it does not */
	unsigned handshakes;
};

extern uint64_t drop_now_ms;

void drop_init(struct drop *d);
/* Other clients or environment: before the first byte. */
void drop_restart(struct drop *d);
void drop_free(struct drop *d);
void drop_send(struct drop *d, struct slice bytes);
void drop_pump(struct drop *d);

#endif
