/*
 * seccomp: the system calls of each kind of process. What is not in the lists
 * fails with EPERM, so that an oversight costs one operation and not the
 * service; what only an attacker would call ends the process.
 *
 * Where a kind may do only part of what a call can do, the arguments are in the
 * filter too: sockets of which family, signals to whom, memory that is never
 * executable, threads but no processes.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/sandbox_linux.h"

/* Names: not every architecture has all of them; those it lacks are passed over. */
static const char *const everyone[] = {
	/* open descriptors */
	"read", "readv", "write", "writev", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
	"lseek", "_llseek", "close", "close_range", "dup", "dup2", "dup3", "fstat", "fstat64", "fstatfs",
	"ftruncate", "ftruncate64", "fallocate", "fsync", "fdatasync", "sendfile", "sendfile64", "fadvise64",
	"poll", "ppoll", "select", "_newselect", "pselect6",
	"epoll_create1", "epoll_create", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	"eventfd2", "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_gettime",
	/* sockets it was handed */
	"accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "recv", "sendto", "sendmsg", "sendmmsg", "send",
	"getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown",
	/* memory */
	"brk", "munmap", "mremap", "madvise", "mincore", "membarrier",
	/* waiting, time, threads' locks */
	"futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "sched_yield", "sched_getaffinity",
	"getcpu", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_gettime64", "clock_getres", "gettimeofday",
	"time", "times", "getrusage",
	/* itself */
	"getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid",
	"getuid32", "geteuid32", "getgid32", "getegid32", "getrlimit", "ugetrlimit", "uname", "sysinfo", "getrandom",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait", "rt_sigpending",
	"rt_sigsuspend", "sigaltstack", "restart_syscall", "exit", "exit_group", "set_tid_address",
#ifdef WITH_SANITIZERS
	"pipe", "pipe2", "readlink", "readlinkat", "personality",
#endif
};

static const char *const net_out[] = { "connect", "bind" };

static const char *const files[] = {
	"open", "openat", "creat", "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx",
	"access", "faccessat", "faccessat2", "readlink", "readlinkat", "getdents", "getdents64", "getcwd",
	"rename", "renameat", "renameat2", "unlink", "unlinkat", "link", "linkat", "mkdir", "mkdirat", "rmdir",
	"truncate", "truncate64", "statfs", "statfs64", "flock", "umask", "chmod", "fchmod", "fchmodat",
	"utimensat", "chdir", "fchdir", "sync_file_range", "copy_file_range", "msync", "memfd_create",
	"mlock", "munlock", "pipe2", "readahead",
};

static const char *const threads[] = { "sched_setaffinity", "sched_getparam", "sched_getscheduler", "tkill", "pipe", "pipe2" };

/* Nothing here ever calls these; who does is not us. */
static const char *const hostile[] = {
	"execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd",
	"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsmount", "pivot_root", "chroot", "setns", "unshare",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "perf_event_open",
	"userfaultfd", "io_uring_setup", "add_key", "request_key", "keyctl", "open_by_handle_at", "name_to_handle_at",
	"swapon", "swapoff", "reboot", "iopl", "ioperm", "modify_ldt", "acct", "settimeofday", "clock_settime",
	"setdomainname", "sethostname", "quotactl", "mknod", "mknodat",
};

static const int fcntl_ok[] = {
	F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_GETLK, F_SETLK, F_SETLKW,
	F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS,
};
static const unsigned long ioctl_ok[] = { FIONREAD, FIONBIO, TCGETS };
static const int prctl_ok[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_SECCOMP, PR_GET_NO_NEW_PRIVS,
	0x53564d41 /* PR_SET_VMA: names of mappings */ };

static int add_names(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int nr = seccomp_syscall_resolve_name(names[i]);

		if (nr >= 0 && seccomp_rule_add(f, action, nr, 0) != 0)
			return ERR_IO;
	}
	return 0;
}

static int add_cmp(scmp_filter_ctx f, int nr, unsigned arg, scmp_datum_t v)
{
	struct scmp_arg_cmp c = { .arg = arg, .op = SCMP_CMP_EQ, .datum_a = v };

	return nr < 0 || seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &c) == 0 ? 0 : ERR_IO;
}

/* Only with every bit of mask as in v. */
static int add_masked(scmp_filter_ctx f, int nr, unsigned arg, scmp_datum_t mask, scmp_datum_t v)
{
	struct scmp_arg_cmp c = { .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = v };

	return nr < 0 || seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &c) == 0 ? 0 : ERR_IO;
}

static int add_arguments(scmp_filter_ctx f, unsigned allow)
{
	const struct scmp_arg_cmp limit_get[] = {
		{ .arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0 }, { .arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0 },
	};
	scmp_datum_t self = (scmp_datum_t)getpid();
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fcntl_ok); i++) {
		r = add_cmp(f, SCMP_SYS(fcntl), 1, (scmp_datum_t)fcntl_ok[i]);
		if (r == 0)
			r = add_cmp(f, SCMP_SYS(fcntl64), 1, (scmp_datum_t)fcntl_ok[i]);
	}
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(ioctl_ok); i++)
		r = add_cmp(f, SCMP_SYS(ioctl), 1, ioctl_ok[i]);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(prctl_ok); i++)
		r = add_cmp(f, SCMP_SYS(prctl), 0, (scmp_datum_t)prctl_ok[i]);
	if (r != 0 || (r = add_masked(f, SCMP_SYS(mmap), 2, PROT_EXEC, 0)) != 0 ||
	    (r = add_masked(f, SCMP_SYS(mmap2), 2, PROT_EXEC, 0)) != 0 ||
	    (r = add_masked(f, SCMP_SYS(mprotect), 2, PROT_EXEC, 0)) != 0 ||
	    (r = add_cmp(f, SCMP_SYS(kill), 0, self)) != 0 || (r = add_cmp(f, SCMP_SYS(tgkill), 0, self)) != 0)
		return r;
	if (seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, limit_get) != 0)
		return ERR_IO;
	/* fstat() of newer C libraries; a path is looked at by owners of files only. */
	if ((allow & CELL_FILES) == 0)
		r = add_masked(f, SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH);
	return r;
}

static int add_sockets(scmp_filter_ctx f)
{
	static const int families[] = { AF_INET, AF_INET6 }, types[] = { SOCK_STREAM, SOCK_DGRAM };

	for (size_t i = 0; i < 4; i++) {
		const struct scmp_arg_cmp c[] = {
			{ .arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)families[i / 2] },
			{ .arg = 1, .op = SCMP_CMP_MASKED_EQ,
			    .datum_a = ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC) & 0xffffffffu,
			    .datum_b = (scmp_datum_t)types[i % 2] },
		};

		if (seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), ARRAY_LEN(c), c) != 0)
			return ERR_IO;
	}
	return 0;
}

/* clone() for threads of this process only; clone3() hides its flags in memory, so the C
 * library is told that there is none and takes clone(). */
static int add_threads(scmp_filter_ctx f)
{
	const scmp_datum_t want = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	int r = add_masked(f, SCMP_SYS(clone), 0, want, want);

	/* Threads of libraries talk to each other through pairs of sockets that lead nowhere else. */
	if (r == 0)
		r = add_cmp(f, SCMP_SYS(socketpair), 0, AF_UNIX);
	return r == 0 ? add_names(f, SCMP_ACT_ALLOW, threads, ARRAY_LEN(threads)) : r;
}

static bool entered;

#ifdef WITH_SANITIZERS
/* The leak check at the end traces its own process, which a cell forbids. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
	return entered;
}
#endif

int sandbox_seccomp(const struct sandbox_conf *conf)
{
	uint32_t kill_action = SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = ERR_NOMEM, e;

	if (f == NULL)
		return r;
#ifdef WITH_TEST_HOOKS
	/* The probe takes the signal; without its handler this ends the process just as well. */
	if (getenv("PABAL_CELL_PROBE") != NULL)
		kill_action = SCMP_ACT_TRAP;
#endif
	if (seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
	    seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1) != 0)
		r = ERR_IO;
	else
		r = add_names(f, SCMP_ACT_ALLOW, everyone, ARRAY_LEN(everyone));
	(void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_names(f, kill_action, hostile, ARRAY_LEN(hostile));
	if (r == 0)
		r = add_arguments(f, conf->allow);
	if (r == 0 && seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0)
		r = ERR_IO;
	if (r == 0 && (conf->allow & CELL_NET_OUT) != 0) {
		r = add_names(f, SCMP_ACT_ALLOW, net_out, ARRAY_LEN(net_out));
		if (r == 0)
			r = add_sockets(f);
	}
	if (r == 0 && (conf->allow & CELL_FILES) != 0)
		r = add_names(f, SCMP_ACT_ALLOW, files, ARRAY_LEN(files));
	if (r == 0 && (conf->allow & CELL_THREADS) != 0)
		r = add_threads(f);
	e = 0;
	if (r == 0 && (e = seccomp_load(f)) != 0) {
		errno = -e;
		r = ERR_IO;
	}
	e = errno;
	seccomp_release(f);
	errno = e;
	if (r == 0 && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2)
		r = ERR_DENIED;
	entered = r == 0;
	return r;
}
