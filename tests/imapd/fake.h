#ifndef PABAL_TESTS_IMAPD_FAKE_H
#define PABAL_TESTS_IMAPD_FAKE_H

/*
 * A mail store in memory that answers imapd's requests, and players: sessions
 * without sockets whose dialogue is a text. Every user's password and token is
 * "secret", SCRAM's proof 32 times "p"; "slow" is told to come back, "fault" meets one. Nothing is answered before
 * fake_pump(), so every command really waits.
 */
#include "imapd/session.h"

enum { FAKE_BOXES = 64, FAKE_SESSIONS = 16, FAKE_CLIENTS = 4 };

struct fake_msg {
	uint32_t uid, flags;
	uint64_t keywords, modseq, size, date;
	uint64_t body;          /* index + 1 in fake.bodies */
};

struct fake_box {
	char name[1024], special_use[33];
	bool exists, subscribed;
	uint64_t id;
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	struct fake_msg *v;
	uint32_t n;
	char keywords[64][128];
	uint32_t keywords_n;
};

struct fake_body { struct buf bytes, cached; };

struct fake_session {
	uint32_t number;
	struct player *who;
	struct fake_box *box;   /* selected */
};

struct fake;
struct imap_request {
	struct fake *f;
	struct imap_request *next;
	uint16_t type;          /* 0: login */
	struct buf msg;
	imap_reply_fn *fn;
	void *ctx;
	bool cancelled;
};

struct fake {
	struct fake_box boxes[FAKE_BOXES];
	unsigned boxes_n;
	struct fake_body *bodies;
	size_t bodies_n;
	struct fake_session sessions[FAKE_SESSIONS];
	uint32_t next_session;
	uint64_t next_id;
	uint32_t next_validity;
	struct imap_request *first, **last;
	/* faults */
	bool down;              /* requests fail with ERR_CLOSED */
	bool no_cached;         /* there are no summaries */
	bool all_rows;          /* SELECT brings the rows at once */
	bool no_bodies;         /* bodies never come along with summaries */
	bool memfd;             /* snapshots come as a file */
	uint64_t fail_body_at;  /* body reads from this offset on fail, 0: never */
	unsigned files, files_open;
	unsigned requests, logins;
	bool tls;               /* logins have to come over TLS, or must not */
};

extern const struct imap_backend_ops fake_ops;

void fake_init(struct fake *f);
void fake_free(struct fake *f);
struct fake_box *fake_box_add(struct fake *f, const char *name);
struct fake_box *fake_box_find(struct fake *f, struct slice name);
/* As a delivery: the sessions that watch are told. Returns the uid. */
uint32_t fake_deliver(struct fake *f, const char *box, const char *message);
/* The next answer; false when nothing waits. */
bool fake_answer(struct fake *f);
/* All open requests fail, all sessions are forgotten. */
void fake_crash(struct fake *f);

/* fake_store.c */
uint32_t fake_add(struct fake *f, struct fake_box *b, struct slice bytes, uint32_t flags, uint64_t date);
/* Room for one more than the n that are there. */
void *fake_room(void *v, size_t n, size_t size);
int fake_body_new(struct fake *f, struct slice bytes, uint64_t *id_r) MUST_CHECK;
uint64_t fake_keyword_bit(struct fake_box *b, struct slice name);
/* Tells rows [from, to) of b, or those with a modseq of at least since. */
struct fake_told { const struct spool_range *vanished; uint32_t vanished_n; uint64_t since; bool keywords; uint32_t self; };
void fake_tell(struct fake *f, struct fake_box *b, const struct fake_told *t);
void fake_row(const struct fake_msg *m, uint8_t row[SPOOL_ROW_SIZE]);

/* ---- players ---------------------------------------------------------------- */
struct player {
	struct fake *f;
	struct imap_session *s; /* NULL: it is put away, see player_session() */
	struct imap_sleeper *asleep;
	struct buf in, out;
	bool over, abort, again;
	unsigned handshakes;    /* that the session asked for; player_handshake() is one */
	uint64_t timer_ms;
};

extern struct imap_env player_env;
/* Every session is put away whenever it can be, and how often one was. */
extern bool players_sleep;
extern unsigned players_slept;

void player_start(struct player *p, struct fake *f);
/* The same, under TLS from the first byte. */
void player_start_tls(struct player *p, struct fake *f);
/* What every handshake gives: TLSv1.3, a tls-exporter binding "EXPORTER", and bob's certificate. */
extern const struct edge_tls player_tls;
/* As conn_start_tls_server(): what is in the input is not heard. */
void player_handshake(struct player *p);
void player_end(struct player *p);
/* Its session, awake. */
struct imap_session *player_session(struct player *p);
/* Runs all that can be run. */
void player_settle(struct player *p, unsigned n);
void player_send(struct player *p, struct slice bytes);
/*
 * Plays a script: lines "1> text" are sent by player 1 with CRLF, "1>| text" without; "1< text" must
 * be the next line from the server, "1< text..." only begin so; "1." nothing more may wait; "1! ended".
 * "\r\n" in a text is a line end, "\\" a backslash is itself. Fails the test with the script's line.
 */
void play(struct player *p, unsigned n, const char *script);
/* fake_init, INBOX with n messages, and players that have logged in. */
void play_begin(struct fake *f, struct player *p, unsigned n, unsigned messages);
void play_end(struct fake *f, struct player *p, unsigned n);

#endif
