/* The load generator: options, modes, the line of results. See load.h. */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/load.h"

struct load_opt opt = {
	.timeout = 600, .conns = 1, .ramp = 64, .messages = 100, .size = 4096, .rcpts = 1, .user = "user%d@daum.test", .pass = "pass",
	.rcpt = "user%d@daum.test", .from = "bench@bench.test", .users = 10, .script = "login,select,logout", .needle = "needle-00000017",
	.loops = 1, .max_body = 100, .window = 1, .proto = "imap",
};

_Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)fputs("load: ", stderr);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

void *xrealloc(void *p, size_t n)
{
	if ((p = realloc(p, n)) == NULL)
		die("no memory");
	return p;
}

unsigned number_prefix(const char *s)
{
	unsigned n = 0;

	for (; *s >= '0' && *s <= '9' && n < 400000000; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return n;
}

void pattern_fill(char *out, size_t cap, const char *pattern, unsigned n)
{
	const char *p = strstr(pattern, "%d");

	if (p == NULL)
		(void)snprintf(out, cap, "%s", pattern);
	else
		(void)snprintf(out, cap, "%.*s%u%s", (int)(p - pattern), pattern, n, p + 2);
}

/* ---- options ---- */

static const char usage[] =
	"load MODE --host ADDRESS:PORT [--OPTION VALUE...]    plays clients against a mail server on a loopback address\n"
	"  smtp       gives in --messages of --size to --rcpts each over --conns; --rate a second, --per-conn a session;\n"
	"             --rcpt, --from PATTERN; --auth; --drain-imap ADDRESS:PORT or --drain-dir GLOB: until it has arrived;\n"
	"             --gate: prints READY and waits for a line after it has logged in to look\n"
	"  imap       --script login,select,flags,envelope,body,store,storeone,searchheader,searchunseen,searchtext,\n"
	"             searchbody,status,noop,close,logout, --loops times in --conns sessions; --max-body, --needle\n"
	"  append     --messages of --size by IMAP       pop3  reads up to --messages of each mailbox, --window RETRs ahead\n"
	"  idle       --conns sessions in IDLE; woken through --smtp ADDRESS:PORT (see load_idle.c)\n"
	"  handshake  --messages TLS handshakes; --proto smtp|imap|pop3 for --tls starttls\n"
	"  sink       is the server: takes --messages at --host and ends\n"
	"  maildir    writes --messages of --size into the folder --dir\n"
	"  all: --tls implicit|starttls, --user PATTERN, --pass WORD, --users N, --first-user N, --ramp N, --timeout SECONDS\n"
	"One line of JSON; times in microseconds.\n";

struct text_option { const char *name; const char **value; };
struct number_option { const char *name; unsigned *value; };

static const struct text_option text_options[] = {
	{ "host", &opt.host }, { "smtp", &opt.smtp }, { "proto", &opt.proto }, { "user", &opt.user }, { "pass", &opt.pass },
	{ "rcpt", &opt.rcpt }, { "from", &opt.from }, { "drain-imap", &opt.drain_imap }, { "script", &opt.script },
	{ "needle", &opt.needle }, { "dir", &opt.dir },
};
static const struct number_option number_options[] = {
	{ "timeout", &opt.timeout }, { "conns", &opt.conns }, { "ramp", &opt.ramp }, { "messages", &opt.messages }, { "size", &opt.size },
	{ "rcpts", &opt.rcpts }, { "per-conn", &opt.per_conn }, { "rate", &opt.rate }, { "users", &opt.users },
	{ "first-user", &opt.first_user }, { "loops", &opt.loops }, { "max-body", &opt.max_body }, { "window", &opt.window },
};

static bool option_set(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(text_options) / sizeof(*text_options); i++)
		if (strcmp(name, text_options[i].name) == 0) {
			*text_options[i].value = value;
			return true;
		}
	for (size_t i = 0; i < sizeof(number_options) / sizeof(*number_options); i++)
		if (strcmp(name, number_options[i].name) == 0) {
			if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0')
				die("--%s: '%s' is not a number", name, value);
			*number_options[i].value = number_prefix(value);
			return true;
		}
	if (strcmp(name, "tls") == 0)
		opt.tls = strcmp(value, "implicit") == 0 ? TLS_IMPLICIT : strcmp(value, "starttls") == 0 ? TLS_STARTTLS : TLS_OFF;
	else if (strcmp(name, "drain-dir") == 0 && opt.drain_dirs < sizeof(opt.drain_dir) / sizeof(*opt.drain_dir))
		opt.drain_dir[opt.drain_dirs++] = value;
	else
		return false;
	return true;
}

static void options_parse(int argc, char **argv)
{
	if (argc < 2 || argv[1][0] == '-') {
		(void)fputs(usage, stderr);
		exit(2);
	}
	opt.mode = argv[1];
	for (int i = 2; i < argc; i++) {
		const char *name = argv[i] + 2;

		if (strncmp(argv[i], "--", 2) != 0)
			die("'%s' is not an option", argv[i]);
		if (strcmp(name, "auth") == 0)
			opt.auth = true;
		else if (strcmp(name, "gate") == 0)
			opt.gate = true;
		else if (i + 1 == argc || !option_set(name, argv[++i]))
			die("unknown option --%s, or no value", name);
	}
	if (opt.users == 0 || opt.conns == 0 || opt.ramp == 0 || opt.rcpts == 0)
		die("there has to be a user, a connection and a recipient");
	if (opt.host == NULL && strcmp(opt.mode, "maildir") != 0)
		die("--host is missing");
}

/* ---- modes ---- */

static void play(session_fn *fn, unsigned n)
{
	tasks_add(n, fn);
	loop_run();
}

/* Ends the run when all is answered, and QUITs have had a moment. */
static bool smtp_watch(unsigned id)
{
	(void)id;
	task_ready();
	while (tasks_live() > 1 && !smtp_all_answered())
		task_sleep_until(now_ns() + 1000000);
	task_sleep_until(now_ns() + 100000000);
	loop_stop();
	return false;
}

static void run_smtp(void)
{
	bool drains = opt.drain_imap != NULL || opt.drain_dirs > 0;

	if (!drains) {
		tasks_add(1, smtp_watch);
		play(smtp_session, opt.conns);
		return;
	}
	samples_pause(true);
	play(drain_session, 1);
}

static void run_idle(void)
{
	stdin_watch(idle_command);
	tasks_add(opt.conns, idle_session);
	tasks_add(1, idle_master);
	opt.ramp++;					/* the master is none of them */
	loop_run();
}

static void run_sink(void)
{
	listen_on(opt.host, smtp_sink);
	(void)printf("LISTENING\n");
	(void)fflush(stdout);
	loop_run();
}

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e9 : 0;
}

static void report(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	(void)printf("{\"mode\":\"%s\",\"start_s\":%.6f,\"end_s\":%.6f,\"elapsed_s\":%.6f,\"errors\":%u,\"timed_out\":%s,\"user_cpu_s\":%.3f,"
	    "\"bytes_in\":%llu,\"bytes_out\":%llu,\"accepted\":%u,\"rejected\":%u,\"retrieved\":%u,\"retrieved_bytes\":%llu,"
	    "\"handshakes\":%u,\"idle_ready\":%u,\"idle_failed\":%u,\"delivered\":%u,\"drain_s\":%.6f,",
	    opt.mode, seconds(0, run_start_ns), seconds(0, last_done_ns), seconds(run_start_ns, last_done_ns), errors_total,
	    timed_out ? "true" : "false", (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6, (unsigned long long)bytes_in,
	    (unsigned long long)bytes_out, accepted, rejected, retrieved, (unsigned long long)retrieved_bytes, handshakes, idle_ready,
	    idle_failed, drain_seen, seconds(run_start_ns, drain_done_ns));
	samples_print();
	(void)printf("}\n");
}

int main(int argc, char **argv)
{
	static const struct { const char *name; session_fn *fn; } simple[] = {
		{ "imap", imap_session }, { "append", append_session }, { "pop3", pop3_session }, { "handshake", handshake_session },
	};
	struct rlimit rl;
	bool known = false;

	options_parse(argc, argv);
	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &rl);
	}
	if (strcmp(opt.mode, "maildir") == 0) {
		if (opt.dir == NULL)
			die("--dir is missing");
		maildir_fill();
		return 0;
	}
	loop_init();
	for (size_t i = 0; i < sizeof(simple) / sizeof(*simple); i++)
		if (strcmp(opt.mode, simple[i].name) == 0) {
			play(simple[i].fn, opt.conns);
			known = true;
		}
	if (strcmp(opt.mode, "smtp") == 0)
		run_smtp();
	else if (strcmp(opt.mode, "idle") == 0)
		run_idle();
	else if (strcmp(opt.mode, "sink") == 0)
		run_sink();
	else if (!known)
		die("unknown mode '%s'", opt.mode);
	report();
	return (errors_total > 0 && strcmp(opt.mode, "sink") != 0) || timed_out || rejected > 0 || idle_failed > 0;
}
