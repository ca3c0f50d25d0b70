#include "config.h"

#include "master/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/control_path.h"
#include "common/ipc/peercred.h"

enum { BACKLOG = 4096, CONTROL_BACKLOG = 64 };

const char *listen_service_name(enum conf_listen_service svc)
{
	return conf_services[svc].name;
}

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t address_make(union address *a, const char *host, uint16_t port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->in.sin_addr) == 1) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		return sizeof(a->in);
	}
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) != 1)
		return 0;
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	return sizeof(a->in6);
}

static void why_not(struct buf *why, const struct listen_sock *s, uint16_t port, int error)
{
	char owner[128];

	buf_addf(why, "%s cannot listen at %s: ", listen_service_name(s->service), s->address);
	switch (error) {
	case EADDRINUSE:
		listen_port_owner(port, owner, sizeof(owner));
		if (owner[0] != '\0')
			buf_addf(why, "the port is taken by %s; stop that or choose another port", owner);
		else
			buf_addf(why, "the port is taken by another program, perhaps another mail server; "
			    "\"ss -ltnp sport = :%u\" as root names it", port);
		break;
	case EACCES:
		buf_addf(why, "ports below 1024 need root; start pabal-master as root or choose a higher port");
		break;
	case EADDRNOTAVAIL:
		buf_addf(why, "this host has no such address");
		break;
	default:
		buf_add_cstr(why, strerror(error));
		break;
	}
}

static void address_tell(struct listen_sock *s, const char *host, uint16_t port)
{
	union address a;
	socklen_t len = sizeof(a);

	if (port == 0 && s->fd >= 0 && getsockname(s->fd, &a.sa, &len) == 0)
		port = ntohs(a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
	(void)snprintf(s->address, sizeof(s->address), slice_chr(slice_cstr(host), ':') >= 0 ? "[%s]:%u" : "%s:%u",
	    host, port);
}

static int sock_open(struct listen_sock *s, const char *host, uint16_t port, struct buf *why)
{
	union address a;
	socklen_t len = address_make(&a, host, port);
	const int on = 1;

	s->fd = -1;
	address_tell(s, host, port);
	s->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0 || len == 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (a.sa.sa_family == AF_INET6 && setsockopt(s->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0) ||
	    bind(s->fd, &a.sa, len) != 0 || listen(s->fd, BACKLOG) != 0) {
		why_not(why, s, port, errno);
		if (s->fd >= 0)
			(void)close(s->fd);
		return ERR_IO;
	}
	address_tell(s, host, port);
	return 0;
}

static struct listen_sock *find(const struct listen_set *set, const char *text)
{
	struct listen_sock *s;

	STAILQ_FOREACH(s, set, entry)
		if (strcmp(s->text, text) == 0)
			return s;
	return NULL;
}

static int open_one(struct listen_set *set, const char *text, struct buf *why)
{
	struct listen_sock *s = calloc(1, sizeof(*s));
	char host[64];
	uint16_t port;
	int r;

	if (s == NULL)
		return ERR_NOMEM;
	r = conf_listen_parse(text, &s->service, host, &port);
	if (r == 0 && snprintf(s->text, sizeof(s->text), "%s", text) >= (int)sizeof(s->text))
		r = ERR_LIMIT;
	if (r == 0)
		r = sock_open(s, host, port, why);
	if (r != 0) {
		free(s);
		return r;
	}
	s->fresh = true;
	STAILQ_INSERT_TAIL(set, s, entry);
	return 0;
}

static void sock_drop(struct listen_set *set, struct listen_sock *s)
{
	STAILQ_REMOVE(set, s, listen_sock, entry);
	(void)close(s->fd);
	free(s);
}

int listen_open(struct listen_set *set, const struct conf *c, struct buf *why)
{
	struct listen_sock *s, *next;
	int r = 0;

	STAILQ_FOREACH(s, set, entry)
		s->fresh = false;
	for (unsigned i = 0; r == 0 && i < c->listen.n; i++)
		if (find(set, c->listen.v[i]) == NULL)
			r = open_one(set, c->listen.v[i], why);
	if (r != 0)
		STAILQ_FOREACH_SAFE(s, set, entry, next)
			if (s->fresh)
				sock_drop(set, s);
	return r;
}

void listen_prune(struct listen_set *set, const struct conf *c)
{
	struct listen_sock *s, *next;

	STAILQ_FOREACH_SAFE(s, set, entry, next) {
		bool named = false;

		for (unsigned i = 0; !named && i < c->listen.n; i++)
			named = strcmp(s->text, c->listen.v[i]) == 0;
		if (named)
			continue;
		log_info("listening ends: service=%s address=%s", listen_service_name(s->service), s->address);
		/* Ends it for the workers that have it open, too. */
		(void)shutdown(s->fd, SHUT_RDWR);
		sock_drop(set, s);
	}
}

void listen_close(struct listen_set *set)
{
	struct listen_sock *s;

	while ((s = STAILQ_FIRST(set)) != NULL)
		sock_drop(set, s);
}

/* ---- control sockets --------------------------------------------------------- */

/* run_dir opened, and the socket's name in it; -1 and errno. */
static int control_dir(const char *run_dir, enum role role, char name_r[32])
{
	if (control_socket_name(role, name_r) != 0) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int group_set(int dirfd, const char *name, gid_t group)
{
	if (fchownat(dirfd, name, (uid_t)-1, group != (gid_t)-1 ? group : getegid(), AT_SYMLINK_NOFOLLOW) != 0 ||
	    fchmodat(dirfd, name, group != (gid_t)-1 ? 0660 : 0600, 0) != 0)
		return ERR_IO;
	return 0;
}

int listen_control_group(const char *run_dir, enum role role, gid_t group)
{
	char name[32];
	int dirfd = control_dir(run_dir, role, name), r;

	if (dirfd < 0)
		return ERR_IO;
	r = group_set(dirfd, name, group);
	(void)close(dirfd);
	return r;
}

/* A Unix address is short; the directory's descriptor makes any path fit. */
static int control_bind(int dirfd, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177);
	int r;

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	r = fd >= 0 && peercred_enable(fd) == 0 ? bind(fd, (struct sockaddr *)(void *)&sa, sizeof(sa)) : -1;
	(void)umask(mask);
	if (r != 0 && fd >= 0) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

int listen_control(const char *run_dir, enum role role, gid_t group, int *fd_r, struct buf *why)
{
	char name[32] = "";
	int dirfd = control_dir(run_dir, role, name), fd = -1, r = ERR_IO;

	if (dirfd >= 0 && (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT) &&
	    (fd = control_bind(dirfd, name)) >= 0 && (r = group_set(dirfd, name, group)) == 0 &&
	    listen(fd, CONTROL_BACKLOG) != 0)
		r = ERR_IO;
	if (r != 0) {
		buf_addf(why, "the control socket %s/%s cannot be made: %s", run_dir, name, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
	} else {
		*fd_r = fd;
	}
	if (dirfd >= 0)
		(void)close(dirfd);
	return r;
}

void listen_control_remove(const char *run_dir, enum role role)
{
	char name[32];
	int dirfd = control_dir(run_dir, role, name);

	if (dirfd < 0)
		return;
	(void)unlinkat(dirfd, name, 0);
	(void)close(dirfd);
}
