#include "config.h"

#include "master/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/peercred.h"

enum { BACKLOG = 4096, CONTROL_BACKLOG = 64 };

static const char *const service_names[LISTEN_COUNT] = { "smtp", "pop3", "imap" };

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

	buf_addf(why, "%s cannot listen at %s: ", service_names[s->service], s->address);
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
		log_info("listening ends: service=%s address=%s", service_names[s->service], s->address);
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

static int control_path(struct sockaddr_un *sa, const char *run_dir, const char *name)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	return snprintf(sa->sun_path, sizeof(sa->sun_path), "%s/%s.sock", run_dir, name) < (int)sizeof(sa->sun_path) ?
	    0 : ERR_LIMIT;
}

int listen_control_group(const char *run_dir, const char *name, gid_t group)
{
	struct sockaddr_un sa;

	if (control_path(&sa, run_dir, name) != 0)
		return ERR_LIMIT;
	if (lchown(sa.sun_path, (uid_t)-1, group != (gid_t)-1 ? group : getegid()) != 0 ||
	    chmod(sa.sun_path, group != (gid_t)-1 ? 0660 : 0600) != 0)
		return ERR_IO;
	return 0;
}

int listen_control(const char *run_dir, const char *name, gid_t group, int *fd_r, struct buf *why)
{
	struct sockaddr_un sa;
	mode_t mask;
	int fd, r;

	if (control_path(&sa, run_dir, name) != 0) {
		buf_addf(why, "run_dir %s is too long for a socket's name: at most 90 bytes", run_dir);
		return ERR_LIMIT;
	}
	if (unlink(sa.sun_path) != 0 && errno != ENOENT) {
		buf_addf(why, "%s cannot be removed: %s", sa.sun_path, strerror(errno));
		return ERR_IO;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	r = fd >= 0 && peercred_enable(fd) == 0 &&
	    bind(fd, (struct sockaddr *)(void *)&sa, sizeof(sa)) == 0 ? 0 : ERR_IO;
	(void)umask(mask);
	if (r == 0)
		r = listen_control_group(run_dir, name, group);
	if (r == 0 && listen(fd, CONTROL_BACKLOG) != 0)
		r = ERR_IO;
	if (r != 0) {
		buf_addf(why, "the control socket %s cannot be made: %s", sa.sun_path, strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return r;
	}
	*fd_r = fd;
	return 0;
}

void listen_control_remove(const char *run_dir, const char *name)
{
	struct sockaddr_un sa;

	if (control_path(&sa, run_dir, name) == 0)
		(void)unlink(sa.sun_path);
}
