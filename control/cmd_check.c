/* pabal check: every error of the configuration and of what it names, without touching anything. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/command.h"
#include "control/format.h"
#include "control/run_master.h"

static void add_error(struct buf *errors, const char *option, const char *path, const char *what)
{
	buf_addf(errors, "%s %s: %s\n", option, path, what);
}

/* A directory that is not there is made at the start; what is above it has to be one. */
static void check_above(const char *option, const char *path, struct buf *errors)
{
	char above[4096];
	struct stat st;
	size_t n = strlen(path);

	if (n >= sizeof(above)) {
		add_error(errors, option, path, "the path is too long");
		return;
	}
	memcpy(above, path, n + 1);
	while (n > 1) {
		while (n > 1 && above[n - 1] != '/')
			n--;
		while (n > 1 && above[n - 1] == '/')
			n--;
		above[n] = '\0';
		if (stat(above, &st) == 0)
			break;
		if (errno != ENOENT) {
			add_error(errors, option, above, strerror(errno));
			return;
		}
	}
	if (!S_ISDIR(st.st_mode))
		add_error(errors, option, above, "is in the way: it is not a directory");
	else if (access(above, W_OK | X_OK) != 0)
		buf_addf(errors, "%s %s: it is not there, and you may not make it in %s; make it, or run this as root\n",
		    option, path, above);
}

static void check_dir(const char *option, const char *path, mode_t forbidden, struct buf *errors)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno == ENOENT)
			check_above(option, path, errors);
		else
			add_error(errors, option, path, strerror(errno));
		return;
	}
	if (!S_ISDIR(st.st_mode))
		add_error(errors, option, path, "it is not a directory");
	else if ((st.st_mode & forbidden) != 0)
		buf_addf(errors, "%s %s: its mode %04o lets others %s it; \"chmod %s %s\"\n", option, path,
		    (unsigned)(st.st_mode & 07777), forbidden == 022 ? "change" : "read", forbidden == 022 ? "755" : "700", path);
}

static void check_log(const char *path, struct buf *errors)
{
	struct stat st;

	if (path[0] == '\0')
		return;
	if (stat(path, &st) != 0) {
		if (errno == ENOENT)
			check_above("log_file", path, errors);
		else
			add_error(errors, "log_file", path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		add_error(errors, "log_file", path, "it is not a file");
	} else if (access(path, W_OK) != 0) {
		add_error(errors, "log_file", path, strerror(errno));
	}
}

/* A file of authorities: who names one that has none gets no edge started, or no mail out. */
static void check_authorities(const char *option, const char *path, struct buf *errors)
{
	static const char begin[] = "-----BEGIN ";
	FILE *f = fopen(path, "r");
	char line[128];
	bool found = false;

	if (f == NULL) {
		add_error(errors, option, path, strerror(errno));
		return;
	}
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strncmp(line, begin, sizeof(begin) - 1) == 0 && strstr(line, "CERTIFICATE-----") != NULL;
	if (ferror(f))
		add_error(errors, option, path, strerror(errno));
	else if (!found)
		add_error(errors, option, path, "there is no certificate in PEM in it");
	(void)fclose(f);
}

static bool verifies(const struct conf *c)
{
	struct conf_tls_policy p;

	for (unsigned i = 0; i < c->tls_policy.n; i++)
		if (conf_tls_policy_parse(slice_cstr(c->tls_policy.v[i]), &p) == 0 && p.level == CONF_TLS_VERIFY)
			return true;
	return false;
}

/* What only pabal-master knows: whether the system's users exist. It tells on standard error itself. */
static bool master_agrees(const char *file)
{
	const char *const options[] = { "-t", "-c", file };
	int status = 0;

	return run_master(options, ARRAY_LEN(options), true, &status) == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int tell_json(const struct buf *errors, const char *file)
{
	struct buf out = BUF_INIT(4 * 1024 * 1024);
	json_t *a = json_array();
	struct slice rest = buf_slice(errors);
	int r;

	while (rest.len != 0) {
		ptrdiff_t lf = slice_chr(rest, '\n');
		size_t n = lf < 0 ? rest.len : (size_t)lf;

		(void)json_array_append_new(a, json_text(slice_sub(rest, 0, n)));
		rest = slice_sub(rest, n + 1, SIZE_MAX);
	}
	format_json(&out, json_pack("{s:s, s:b, s:o}", "file", file, "good", buf_len(errors) == 0, "errors", a));
	r = finish_output(&out);
	return r == EXIT_DONE && buf_len(errors) != 0 ? EXIT_USAGE : r;
}

static int tell(struct control *ct, const struct buf *errors)
{
	struct buf out = BUF_INIT(4 * 1024 * 1024);

	if (buf_len(errors) != 0) {
		(void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(errors)));
		return EXIT_USAGE;
	}
	if (!master_agrees(ct->conf_file))
		return EXIT_USAGE;
	if ((ct->args->opts & OPT_VERBOSE) != 0)
		conf_print(&out, ct->conf);
	else
		buf_addf(&out, "%s is good.\n", ct->conf_file);
	return finish_output(&out);
}

int cmd_check(struct control *ct)
{
	struct buf errors = BUF_INIT(1024 * 1024);
	int r = conf_load(&ct->conf, ct->conf_file, &errors), code;

	if (r != 0 && buf_len(&errors) == 0)
		buf_addf(&errors, "%s: the configuration cannot be read: %s\n", ct->conf_file, r == ERR_IO ? strerror(errno) : err_str(r));
	if (ct->conf != NULL && r == 0) {
		check_dir("spool_dir", ct->conf->spool_dir, 077, &errors);
		check_dir("state_dir", ct->conf->state_dir, 077, &errors);
		check_dir("key_dir", ct->conf->key_dir, 077, &errors);
		check_dir("run_dir", ct->conf->run_dir, 022, &errors);
		check_log(ct->conf->log_file, &errors);
		if (ct->conf->tls_client_ca[0] != '\0')
			check_authorities("tls_client_ca", ct->conf->tls_client_ca, &errors);
		if (verifies(ct->conf))
			check_authorities("tls_ca_file", ct->conf->tls_ca_file, &errors);
	}
	code = ct->json ? tell_json(&errors, ct->conf_file) : tell(ct, &errors);
	buf_free(&errors);
	return code;
}
