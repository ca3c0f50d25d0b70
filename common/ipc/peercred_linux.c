#include "common/ipc/peercred.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS_PER_RECV = 16 };

int peercred_enable(int fd)
{
	int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

void peercred_room(const int fds[2], int bytes)
{
	for (int i = 0; i < 2; i++)
		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
}

ssize_t peercred_recv(int fd, void *p, size_t n, int *fds, unsigned fds_max, unsigned *fds_n_r,
    struct peercred *cred_r, int *have_cred_r)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int) * FDS_PER_RECV) + CMSG_SPACE(sizeof(struct ucred))];
	} ctl;
	struct iovec iov = { p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl) };
	ssize_t got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);

	*fds_n_r = 0;
	*have_cred_r = 0;
	if (got < 0)
		return got;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

			for (size_t i = 0; i < k; i++) {
				int passed;

				memcpy(&passed, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
				if (*fds_n_r < fds_max)
					fds[(*fds_n_r)++] = passed;
				else
					(void)close(passed);
			}
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;

			memcpy(&u, CMSG_DATA(c), sizeof(u));
			*cred_r = (struct peercred){ u.uid, u.gid, u.pid };
			*have_cred_r = 1;
		}
	}
	/* This process has as many descriptors as it may: the kernel threw it away. */
	if ((m.msg_flags & MSG_CTRUNC) != 0 && *fds_n_r == 0 && fds_max != 0)
		fds[(*fds_n_r)++] = -1;
	return got;
}

ssize_t peercred_send(int sock, const void *p, size_t n, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct iovec iov = { (void *)(uintptr_t)p, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memset(&ctl, 0, sizeof(ctl));
		m.msg_control = &ctl;
		m.msg_controllen = sizeof(ctl);
		ctl.h.cmsg_level = SOL_SOCKET;
		ctl.h.cmsg_type = SCM_RIGHTS;
		ctl.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&ctl.h), &fd, sizeof(int));
	}
	return sendmsg(sock, &m, MSG_NOSIGNAL);
}

int peercred_connected(int fd, struct peercred *cred_r)
{
	struct ucred u;
	socklen_t len = sizeof(u);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) != 0)
		return -1;
	*cred_r = (struct peercred){ u.uid, u.gid, u.pid };
	return 0;
}
