#include "config.h"

#include "common/daemon/cellprobe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/sandbox.h"

static int closed(int fd)
{
	return fd >= 0 ? close(fd) : -1;
}

static int probe_open(pid_t victim)
{
	(void)victim;
	return closed(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int probe_list(pid_t victim)
{
	(void)victim;
	return closed(open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int probe_stat(pid_t victim)
{
	struct stat st;

	(void)victim;
	return stat("/etc/passwd", &st);
}

/* The owner's own directory is the root of its cell, or, unprivileged, its working directory. */
static int probe_create(pid_t victim)
{
	const char *name = "cell-probe.tmp";
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	(void)victim;
	if (fd < 0)
		return -1;
	(void)unlink(name);
	return close(fd);
}

static int probe_above(pid_t victim)
{
	(void)victim;
	return closed(open("../../../../../../../etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int probe_proc(pid_t victim)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)victim);
	return closed(open(path, O_RDONLY | O_CLOEXEC));
}

static int probe_symlink(pid_t victim)
{
	(void)victim;
	return symlink("/etc", "cell-probe.link");
}

static int probe_inet(pid_t victim)
{
	(void)victim;
	return closed(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int probe_udp6(pid_t victim)
{
	(void)victim;
	return closed(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int probe_unix(pid_t victim)
{
	(void)victim;
	return closed(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int probe_raw(pid_t victim)
{
	(void)victim;
	return closed(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int probe_netlink(pid_t victim)
{
	(void)victim;
	return closed(socket(AF_NETLINK, SOCK_RAW, 0));
}

/* A refused connection is one that was allowed to be tried. */
static int probe_connect(pid_t victim)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;

	(void)victim;
	if (fd < 0)
		return -1;
	r = connect(fd, (struct sockaddr *)(void *)&sa, sizeof(sa));
	r = r == 0 || errno == ECONNREFUSED || errno == ENETUNREACH ? 0 : -1;
	(void)close(fd);
	return r;
}

/* Nobody opens a port of its own: not even one who may connect out. */
static int probe_serve(pid_t victim)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(48217), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0), r;

	(void)victim;
	if (fd < 0)
		return -1;
	r = bind(fd, (struct sockaddr *)(void *)&sa, sizeof(sa)) == 0 ? listen(fd, 1) : -1;
	(void)close(fd);
	return r;
}

static int probe_fork(pid_t victim)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	(void)victim;
	if (pid == 0)
		_exit(0);
	return pid > 0 ? 0 : -1;
}

static void *nothing(void *arg)
{
	return arg;
}

static int probe_thread(pid_t victim)
{
	pthread_t t;

	(void)victim;
	return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0 : -1;
}

static int probe_exec(pid_t victim)
{
	char name[] = "true";
	char *argv[] = { name, NULL }, *envp[] = { NULL };

	(void)victim;
	return execve("/bin/true", argv, envp);
}

static int probe_ptrace(pid_t victim)
{
	return ptrace(PTRACE_SEIZE, victim, NULL, NULL) == 0 ? 0 : -1;
}

static int probe_kill(pid_t victim)
{
	return kill(victim, 0);
}

static int probe_memory(pid_t victim)
{
	char b[8];
	struct iovec l = { b, sizeof(b) }, r = { (void *)nothing, sizeof(b) };

	return process_vm_readv(victim, &l, 1, &r, 1, 0) > 0 ? 0 : -1;
}

static int probe_setuid(pid_t victim)
{
	(void)victim;
	/* Not by the C library, which would do it in every thread. */
	return syscall(SYS_setuid, 0) == 0 ? 0 : -1;
}

static int probe_chroot(pid_t victim)
{
	(void)victim;
	return chroot("/");
}

static int probe_mount(pid_t victim)
{
	(void)victim;
	return mount("none", "/", "tmpfs", 0, NULL);
}

static int probe_userns(pid_t victim)
{
	(void)victim;
	return unshare(CLONE_NEWUSER);
}

static int probe_code(pid_t victim)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)victim;
	return p != MAP_FAILED ? 0 : -1;
}

static int probe_dumpable(pid_t victim)
{
	(void)victim;
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int probe_limit(pid_t victim)
{
	(void)victim;
	return setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

const struct cell_probe cell_probes[] = {
	{ "open", probe_open, 0 }, { "list", probe_list, 0 }, { "stat", probe_stat, 0 },
	{ "create", probe_create, CELL_FILES }, { "above", probe_above, 0 }, { "proc", probe_proc, 0 },
	{ "symlink", probe_symlink, 0 },
	{ "inet", probe_inet, CELL_NET_OUT }, { "udp6", probe_udp6, CELL_NET_OUT },
	{ "connect", probe_connect, CELL_NET_OUT }, { "serve", probe_serve, 0 },
	{ "unix", probe_unix, 0 }, { "raw", probe_raw, 0 }, { "netlink", probe_netlink, 0 },
	{ "fork", probe_fork, 0 }, { "thread", probe_thread, CELL_THREADS },
	{ "exec", probe_exec, 0 }, { "ptrace", probe_ptrace, 0 }, { "kill", probe_kill, 0 },
	{ "memory", probe_memory, 0 }, { "setuid", probe_setuid, 0 }, { "chroot", probe_chroot, 0 },
	{ "mount", probe_mount, 0 }, { "userns", probe_userns, 0 }, { "code", probe_code, 0 },
	{ "dumpable", probe_dumpable, 0 }, { "limit", probe_limit, 0 },
};
const unsigned cell_probes_n = ARRAY_LEN(cell_probes);

const char *cell_outcome_name(enum cell_outcome o)
{
	static const char *const names[] = { "allowed", "denied", "killed" };

	return names[o];
}

static sigjmp_buf jump;

static void on_sigsys(int sig)
{
	(void)sig;
	siglongjmp(jump, 1);
}

enum cell_outcome cell_probe_try(const struct cell_probe *p, pid_t victim)
{
	struct sigaction sa = { .sa_handler = on_sigsys }, old;
	volatile enum cell_outcome o = CELL_KILLED;

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGSYS, &sa, &old);
	if (sigsetjmp(jump, 1) == 0)
		o = p->fn(victim) == 0 ? CELL_ALLOWED : CELL_DENIED;
	(void)sigaction(SIGSYS, &old, NULL);
	return o;
}

#ifdef WITH_TEST_HOOKS
void cell_probe_log(unsigned allow, pid_t victim)
{
	for (unsigned i = 0; i < cell_probes_n; i++) {
		const struct cell_probe *p = &cell_probes[i];
		enum cell_outcome o = cell_probe_try(p, victim);
		bool want = (p->allow & allow) != 0;

		log_info("cell-probe: %s=%s want=%s", p->name, cell_outcome_name(o), want ? "allowed" : "denied");
	}
	log_info("cell-probe: done");
}
#endif
