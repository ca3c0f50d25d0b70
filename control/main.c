/*
 * pabal: the one command of the administrator. It is a client of the processes' control
 * sockets and holds no right of its own: who may open the sockets may use it. Only the
 * commands for a stopped spool (cmd_spool.c) read its files, as the user that owns them.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/command.h"

int complain(const char *fmt, ...)
{
	struct buf b = BUF_INIT(100000);
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "pabal: %.*s\n", SLICE_ARG(buf_slice(&b)));
	buf_free(&b);
	return EXIT_FAILED;
}

int finish_output(struct buf *b)
{
	struct slice s = buf_slice(b);
	int r = EXIT_DONE;

	if (buf_err(b) != 0)
		r = complain("The answer does not fit into memory.");
	else if ((s.len != 0 && fwrite(s.p, 1, s.len, stdout) != s.len) || fflush(stdout) != 0)
		r = complain("Standard output cannot be written: %s.", strerror(errno));
	buf_free(b);
	return r;
}

static int load_conf(struct control *ct)
{
	struct buf errors = BUF_INIT(1024 * 1024);
	int r = conf_load(&ct->conf, ct->conf_file, &errors);

	/* Errors in the file must not keep anybody from asking, or stopping, what runs. */
	if (r == ERR_SYNTAX && ct->conf != NULL) {
		(void)complain("There are errors in %s (\"pabal check\" shows them); going on with what it says else.",
		    ct->conf_file);
		r = 0;
	}
	if (r != 0) {
		(void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&errors)));
		if (buf_len(&errors) == 0)
			(void)complain("The configuration %s cannot be read: %s.", ct->conf_file, err_str(r));
	}
	buf_free(&errors);
	return r;
}

static int run(const struct args *args)
{
	struct control ct = { .args = args, .json = (args->opts & OPT_JSON) != 0,
		.conf_file = args->config != NULL ? args->config : SYSCONFDIR "/pabal/pabal.conf" };
	struct buf b = BUF_INIT(100000);
	const struct command *c;
	unsigned used;
	int code;

	if ((args->opts & OPT_HELP) != 0 || (args->words_n == 1 && strcmp(args->words[0], "help") == 0)) {
		command_usage(&b);
		return finish_output(&b);
	}
	if ((args->opts & OPT_VERSION) != 0) {
		buf_add_cstr(&b, PACKAGE_STRING "\n");
		return finish_output(&b);
	}
	c = command_find(args->words, args->words_n, &used, &b);
	if (c == NULL || command_check(c, args, args->words_n - used, &b) != 0) {
		(void)complain("%.*s", SLICE_ARG(buf_slice(&b)));
		buf_free(&b);
		return EXIT_USAGE;
	}
	ct.words = args->words + used;
	ct.words_n = args->words_n - used;
	code = (c->flags & COMMAND_NO_CONF) == 0 && load_conf(&ct) != 0 ? EXIT_USAGE : c->run(&ct);
	conf_free(&ct.conf);
	return code;
}

int main(int argc, char **argv)
{
	struct buf why = BUF_INIT(10000);
	struct args args;
	int code = EXIT_USAGE;

	/* What the libraries log is for the daemons' logs; here the sentences tell. */
	log_init("pabal", STDERR_FILENO);
	log_set_level(LOG_LEVEL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN);
	if (args_parse(argc, (const char *const *)argv, &args, &why) == 0)
		code = run(&args);
	else
		(void)complain("%.*s", SLICE_ARG(buf_slice(&why)));
	args_free(&args);
	buf_free(&why);
	return code;
}
