/* A system without Landlock and seccomp: root directory, identity and limits are all there is. */
#include "common/base/log.h"
#include "common/daemon/sandbox_linux.h"

int sandbox_privs_lock(void)
{
	return 0;
}

int sandbox_landlock(const struct sandbox_conf *conf, const char *root)
{
	(void)root;
	log_warn("sandbox: process=%s: this system has no system call filter", conf->name);
	return 0;
}

int sandbox_seccomp(const struct sandbox_conf *conf)
{
	(void)conf;
	return 0;
}
