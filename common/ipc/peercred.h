#ifndef PABAL_IPC_PEERCRED_H
#define PABAL_IPC_PEERCRED_H

#include <sys/types.h>

/* Who really sends on a Unix stream socket, by the kernel's word. peercred_linux.c: SO_PASSCRED. */
struct peercred { uid_t uid; gid_t gid; pid_t pid; };

/* Must be set on the receiving socket before the sender sends. 0 or -1 and errno. */
int peercred_enable(int fd);
/* Lets more bytes wait between the two of a pair than the system grants everybody, in both directions; for root. */
void peercred_room(const int fds[2], int bytes);
/* recvmsg() of up to n bytes; up to fds_max descriptors are put into fds (close-on-exec) and counted
 * in *fds_n_r (-1 for one that this process had no room for); *cred_r is set (and *have_cred_r) when
 * the kernel told the sender. Result like recv(). */
ssize_t peercred_recv(int fd, void *p, size_t n, int *fds, unsigned fds_max, unsigned *fds_n_r,
    struct peercred *cred_r, int *have_cred_r);
/* send() with a descriptor attached (-1: none); never raises SIGPIPE. */
ssize_t peercred_send(int sock, const void *p, size_t n, int fd);
/* Of a connected socket from a listening one: who connected. */
int peercred_connected(int fd, struct peercred *cred_r);

#endif
