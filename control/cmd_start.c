/* pabal start: runs pabal-master, which goes into the background when all is ready. */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/client.h"
#include "control/command.h"
#include "control/format.h"
#include "control/run_master.h"

/* Where pabal-master is: beside this program in the build tree, or installed. */
static int find_master(char *path, size_t size)
{
	static const char built[] = "/control/pabal", installed[] = "/bin/pabal";
	ssize_t n = readlink("/proc/self/exe", path, size - 64);

	if (n > 0) {
		struct slice self = slice_of(path, (size_t)n);
		size_t tail = 0;
		const char *instead = NULL;

		path[n] = '\0';
		if (self.len > sizeof(built) && strcmp(path + self.len - (sizeof(built) - 1), built) == 0) {
			tail = sizeof(built) - 1;
			instead = "/master/pabal-master";
		} else if (self.len > sizeof(installed) && strcmp(path + self.len - (sizeof(installed) - 1), installed) == 0) {
			tail = sizeof(installed) - 1;
			instead = "/sbin/pabal-master";
		}
		if (instead != NULL) {
			memcpy(path + self.len - tail, instead, strlen(instead) + 1);
			if (access(path, X_OK) == 0)
				return 0;
		}
	}
	(void)snprintf(path, size, "%s", SBINDIR "/pabal-master");
	return access(path, X_OK) == 0 ? 0 : ERR_NOTFOUND;
}

int run_master(const char *const *options, unsigned n, bool quiet, int *status_r)
{
	char path[4096];
	char *argv[8] = { path };
	pid_t pid;

	if (find_master(path, sizeof(path)) != 0) {
		(void)complain("The program %s cannot be executed: %s; is Pabal installed whole?", path, strerror(errno));
		return ERR_NOTFOUND;
	}
	for (unsigned i = 0; i < n && i < ARRAY_LEN(argv) - 2; i++)
		argv[i + 1] = (char *)(uintptr_t)options[i];
	pid = fork();
	if (pid == 0) {
		if (quiet && freopen("/dev/null", "w", stdout) == NULL)
			_exit(127);
		(void)execv(path, argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, status_r, 0) < 0)
		if (errno != EINTR)
			return ERR_IO;
	if (pid < 0)
		(void)complain("No process can be made for %s: %s.", path, strerror(errno));
	return pid > 0 ? 0 : ERR_IO;
}

int cmd_start(struct control *ct)
{
	const char *const options[] = { "-c", ct->conf_file };
	struct buf b = BUF_INIT(1000);
	struct client *c = client_open(ct->conf, ROLE_MASTER, true);
	int status = 0;

	if (c != NULL) {
		client_close(&c);
		return complain("Pabal is running already with the run_dir %s; \"pabal status\" tells more.", ct->conf->run_dir);
	}
	if (run_master(options, ARRAY_LEN(options), false, &status) != 0)
		return EXIT_FAILED;
	/* pabal-master has said why on standard error. */
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return complain("Pabal was not started%s%s%s.", ct->conf->log_file[0] != '\0' ? "; more may be in " : "",
		    ct->conf->log_file, WIFSIGNALED(status) ? " (pabal-master was killed)" : "");
	if (ct->json)
		format_json(&b, json_pack("{s:s}", "done", "start"));
	else
		buf_addf(&b, "Pabal runs as %s.\n", ct->conf->hostname);
	return finish_output(&b);
}
