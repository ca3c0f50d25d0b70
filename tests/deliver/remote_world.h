#ifndef PABAL_TESTS_DELIVER_REMOTE_WORLD_H
#define PABAL_TESTS_DELIVER_REMOTE_WORLD_H

/* A deliver-remote with played qmgr, spoold and dnsd on channels, and played mail exchangers on loopback. */
#include <stdio.h>

#include "common/daemon/conn.h"
#include "deliver/remote.h"
#include "tests/deliver/peers.h"
#include "tests/deliver/tls_peer.h"

enum { HOSTS = 4, CONNS = 64, RESULTS = 16 };

/* What a played host does after its 220 to STARTTLS. */
enum handshake { HS_DONE, HS_GARBAGE, HS_CLOSE, HS_SILENT, HS_HALF, HS_LATE_CLOSE };

/* A mail exchanger at 127.0.0.1, .2, .3 by its place. "!" closes, "" says nothing. */
struct host {
	const char *greeting, *ehlo, *mail, *rcpt, *data, *final;
	unsigned max_rcpts;     /* more in one transaction get 452; 0: no limit */
	unsigned close_mail;    /* closes at this MAIL of a connection; 0: never */
	const char *starttls;           /* the reply; what ehlo says is the test's */
	const char *tls_ehlo;           /* EHLO under TLS */
	enum handshake handshake;
	enum tls_cert cert;
	int tls_version;                /* 12 or 13, the highest */
	const char *ciphers;            /* of TLS 1.2, or NULL */
	unsigned conns, txs, contents;
	unsigned handshakes, tls_txs, resumed;
	char sni[256];                  /* of the last handshake */
	struct buf content;     /* of the last message, as it came, final dot included */
	uint64_t content_size;
};

struct world;

struct visit {
	struct world *w;
	struct host *h;
	struct conn *c;
	struct tls_peer *tls;
	struct buf plain;               /* read under TLS, not used yet */
	bool in_content, counted;
	unsigned mails, rcpts;
	uint8_t tail[5];
};

struct world {
	struct loop *loop;
	struct conf conf;
	struct agent *r;
	struct tls_peers *tls;
	struct tls_client *tls_client;
	struct listener *ln;
	struct host hosts[HOSTS];
	struct visit visits[CONNS];
	/* what the played peers answer */
	uint8_t dns_status;
	const char *mx_name[HOSTS];     /* hosts at preference 10, 20, ...; address 127.0.0.(1 + place) */
	bool mx_v6_first;               /* the first host has ::1 too, where nobody listens */
	bool dns_mute, spool_mute, spool_fail;
	bool no_room;                   /* the content's descriptor finds no room in this process, which has no more from then on */
	FILE *file;                     /* content in a file */
	uint64_t file_size;
	const char *domain;             /* of the jobs: the destination; the recipients are at b.test all the same */
	struct channel *qmgr, *spoold, *dnsd;
	unsigned mx_asked, content_asked;
	struct buf results[RESULTS];
	unsigned results_n, want_results;
	bool stopped;
};

/* All exchangers take everything, there is one, and all peers answer. */
struct world *world_new(void);
void world_delete(struct world *w);
void start_qmgr(struct world *w);
void start_spoold(struct world *w);
void start_dnsd(struct world *w);
/* A job with n recipients, indexes from 10 on. */
void give_job(struct world *w, uint32_t n);
void wait_results(struct world *w, unsigned n);
/* want with each '@' for the port */
void check_result(struct world *w, unsigned i, const char *want);

#endif
