/*
 * Landlock: what the process may reach by name, even where the root directory
 * is the whole system because it was started without privileges. The constants
 * are the kernel's interface, written down here so that the build does not
 * depend on the age of its headers.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/sandbox_linux.h"

enum { NR_CREATE_RULESET = 444, NR_ADD_RULE = 445, NR_RESTRICT_SELF = 446 };
enum { GET_VERSION = 1, RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2 };
enum {
	FS_WRITE_FILE = 1 << 1, FS_READ_FILE = 1 << 2, FS_READ_DIR = 1 << 3, FS_REMOVE_DIR = 1 << 4,
	FS_REMOVE_FILE = 1 << 5, FS_MAKE_DIR = 1 << 7, FS_MAKE_REG = 1 << 8,
	FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14,
	FS_ALL_1 = (1 << 13) - 1,       /* what the first version knows */
};
enum { NET_BIND_TCP = 1, NET_CONNECT_TCP = 2 };
enum { SCOPE_ABSTRACT_UNIX = 1, SCOPE_SIGNAL = 2 };

struct ruleset_attr { uint64_t fs, net, scoped; };
struct path_attr { uint64_t access; int32_t fd; } __attribute__((packed));
struct port_attr { uint64_t access, port; };

static struct ruleset_attr handled(long abi, unsigned allow)
{
	struct ruleset_attr a = { .fs = FS_ALL_1 };

	if (abi >= 2)
		a.fs |= FS_REFER;
	if (abi >= 3)
		a.fs |= FS_TRUNCATE;
	if (abi >= 4)
		a.net = NET_BIND_TCP | ((allow & CELL_NET_OUT) != 0 ? 0 : NET_CONNECT_TCP);
	if (abi >= 6)
		a.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
	return a;
}

static size_t attr_size(long abi)
{
	return abi >= 6 ? sizeof(struct ruleset_attr) : abi >= 4 ? 16 : 8;
}

/* The owner of an asset does with regular files and directories below root what it likes. */
static int allow_files(int rs, const char *root, uint64_t handled_fs)
{
	struct path_attr p = { .access = handled_fs & (FS_WRITE_FILE | FS_READ_FILE | FS_READ_DIR | FS_REMOVE_DIR |
	    FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER | FS_TRUNCATE) };
	int fd = root != NULL ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	long r;

	if (fd < 0)
		return ERR_IO;
	p.fd = fd;
	r = syscall(NR_ADD_RULE, rs, RULE_PATH_BENEATH, &p, 0);
	(void)close(fd);
	return r == 0 ? 0 : ERR_IO;
}

int sandbox_landlock(const struct sandbox_conf *conf, const char *root)
{
	long abi = syscall(NR_CREATE_RULESET, NULL, 0, GET_VERSION), rs;
	struct ruleset_attr a;
	int r = 0;

	if (abi < 1) {
		log_info("sandbox: process=%s: this kernel has no Landlock, which is left out", conf->name);
		return 0;
	}
	a = handled(abi, conf->allow);
	if ((rs = syscall(NR_CREATE_RULESET, &a, attr_size(abi), 0)) < 0)
		return ERR_IO;
	if ((conf->allow & CELL_FILES) != 0)
		r = allow_files((int)rs, root, a.fs);
	/* A local address for outgoing connections is bound with port 0. */
	if (r == 0 && abi >= 4 && (conf->allow & CELL_NET_OUT) != 0) {
		struct port_attr p = { .access = NET_BIND_TCP, .port = 0 };

		if (syscall(NR_ADD_RULE, (int)rs, RULE_NET_PORT, &p, 0) != 0)
			r = ERR_IO;
	}
	if (r == 0 && syscall(NR_RESTRICT_SELF, (int)rs, 0) != 0)
		r = ERR_IO;
	(void)close((int)rs);
	return r;
}

int sandbox_privs_lock(void)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ERR_IO;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : ERR_IO;
}
