#ifndef PABAL_BENCH_LOAD_H
#define PABAL_BENCH_LOAD_H
/*
 * The load generator of bench/run: plays many clients against any SMTP, IMAP or POP3 server on a loopback address.
 *
 * One thread, one epoll loop. Each client is a task, a coroutine with a stack of its own, so that a protocol reads from
 * top to bottom: what would block gives the processor back to the loop. A task that fails (the server broke off or said
 * something unexpected) does not return from the failing call; it is counted, told on standard error, and begins anew a
 * few times. All times are CLOCK_MONOTONIC in nanoseconds, so that several generators can be compared.
 *
 * It is a measuring tool: it trusts its caller, ends when memory does, and refuses every address but loopback.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_mode { TLS_OFF, TLS_IMPLICIT, TLS_STARTTLS };

struct load_opt {
	const char *mode, *host;		/* host: ADDRESS:PORT of the server (of ours: mode sink) */
	const char *smtp;			/* mode idle: where the messages that wake are given in */
	const char *proto;			/* mode handshake: smtp, imap, pop3 */
	enum tls_mode tls;
	unsigned timeout;			/* seconds for the whole run */
	unsigned conns, ramp;			/* sessions; how many of them may be logging in at a time */
	unsigned messages;			/* over all connections; mode sink: to wait for */
	unsigned size, rcpts, per_conn, rate;	/* bytes; per message; messages per session, 0 = all; messages a second, 0 = all there are */
	const char *user, *pass, *rcpt, *from;	/* patterns with one %d */
	unsigned users, first_user;
	bool auth;				/* mode smtp: AUTH PLAIN as user */
	bool gate;				/* print READY and wait for a line before the first message */
	const char *drain_imap;			/* count arrivals by STATUS at this server */
	const char *drain_dir[4];		/* or by the files in these directories (globs) */
	unsigned drain_dirs;
	const char *script, *needle;
	unsigned loops, max_body, window;
	const char *dir;			/* mode maildir */
};
extern struct load_opt opt;

/* ---- load.c ---- */

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *xrealloc(void *p, size_t n);
/* Fills the one %d of a pattern. */
void pattern_fill(char *out, size_t cap, const char *pattern, unsigned n);
/* The leading digits of s. */
unsigned number_prefix(const char *s);

/* ---- load_stat.c ---- */

uint64_t now_ns(void);
uint64_t random_next(void);
/* One sample of a named latency. Names that begin with '-' are not kept. */
void sample(const char *name, uint64_t from_ns, uint64_t to_ns);
void samples_print(void);
void samples_pause(bool off);

/* ---- load_loop_linux.c ---- */

struct task;
struct conn;
typedef bool session_fn(unsigned id);		/* true: call me again */

extern uint64_t run_start_ns;
extern unsigned errors_total;
extern bool timed_out;
extern uint64_t bytes_in, bytes_out;

void loop_init(void);
void tasks_add(unsigned n, session_fn *fn);
/* Runs all tasks to their end, or until loop_stop() or the timeout; forgets them. */
void loop_run(void);
void loop_stop(void);
void task_wait(void);				/* until anything happens to this task's connections */
void task_sleep_until(uint64_t ns);
void task_ready(void);				/* set up: the next of --ramp may start */
extern void (*task_failed)(unsigned id);	/* if set, told of each failure */
void tasks_wake_all(void);
unsigned tasks_live(void);
_Noreturn void task_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct conn *conn_open(const char *address);	/* with TLS from the first byte if opt.tls is TLS_IMPLICIT */
struct conn *conn_open_plain(const char *address);
void conn_start_tls(struct conn *c);
void conn_close(struct conn *c);
void conn_write(struct conn *c, const void *data, size_t len);
void conn_printf(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *conn_line(struct conn *c);		/* without its line end; valid until the next read */
char *conn_line_now(struct conn *c);		/* the same, or NULL if none has come */
void conn_skip(struct conn *c, size_t n);
size_t conn_taken(const struct conn *c);	/* bytes handed out so far */
uint64_t conn_event_ns(const struct conn *c);	/* when the input came that the last line was in */
/* Each connection to this address of ours becomes a task that begins with it. */
void listen_on(const char *address, void (*serve)(struct conn *c));
/* fn is called with each line of standard input, and with NULL at its end. */
void stdin_watch(void (*fn)(const char *line));

/* ---- load_message.c ---- */

struct message { char *text; size_t len, cap; };
/* A message of opt.size bytes (and room for 3 more) with a random body, in CRLF lines, without lines that begin with a dot. */
void message_make(struct message *m, unsigned serial, const char *to);
void maildir_fill(void);

/* ---- load_smtp.c ---- */

extern unsigned next_message;			/* the queue of work that all tasks share */
extern unsigned accepted, rejected;
extern uint64_t last_done_ns, last_sent_ns;	/* the last reply that counts; the last byte of the last message */
bool smtp_session(unsigned id);
bool smtp_all_answered(void);			/* accepted, refused or lost; a server that is full may leave clients hanging still */
struct conn *smtp_open(const char *address, bool tls, unsigned user, bool *pipelining);
void smtp_send(struct conn *c, bool pipelining, unsigned serial, unsigned first_rcpt, unsigned rcpts);
void smtp_quit(struct conn *c);
void smtp_sink(struct conn *c);
bool handshake_session(unsigned id);
extern unsigned handshakes;

/* ---- load_imap.c, load_idle.c, load_pop3.c ---- */

struct imap_result { bool ok; unsigned fetches, exists, hits, messages; char text[160]; };
struct conn *imap_open(const char *address, unsigned user);
unsigned imap_next_tag(void);
void imap_reply(struct conn *c, unsigned tag, struct imap_result *r);
void imap_untagged(const char *line, struct imap_result *r);
bool imap_session(unsigned id);
bool append_session(unsigned id);
bool idle_session(unsigned id);
bool idle_master(unsigned id);
void idle_command(const char *line);
extern unsigned idle_ready, idle_failed;
bool pop3_session(unsigned id);
extern unsigned retrieved;
extern uint64_t retrieved_bytes;

/* ---- load_drain.c ---- */

/* Injects by opt.conns sessions of smtp_session() and waits until all has arrived. The one task to begin with. */
bool drain_session(unsigned id);
extern unsigned drain_seen;
extern uint64_t drain_done_ns;
#endif
