/* Who has a TCP port: for the message that it is taken. Reads /proc; says nothing where it cannot. */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/listen.h"

/* The inode of a listening socket with that port in /proc/net/tcp or tcp6; 0: none. */
static unsigned long inode_find(const char *path, unsigned port)
{
	FILE *f = fopen(path, "re");
	unsigned long inode = 0;
	char line[512];

	while (f != NULL && inode == 0 && fgets(line, sizeof(line), f) != NULL) {
		unsigned p, state;
		unsigned long n;

		/* sl local_address rem_address st queues timer retrnsmt uid timeout inode; state 0A listens */
		if (sscanf(line, " %*[0-9]: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x %*s %*s %*s %*s %*s %lu", &p, &state, &n) == 3 &&
		    p == port && state == 0x0a)
			inode = n;
	}
	if (f != NULL)
		(void)fclose(f);
	return inode;
}

static bool has_socket(const char *pid, const char *want)
{
	char path[300], link[400], got[64];
	struct dirent *e;
	bool found = false;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%.200s/fd", pid);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		ssize_t n;

		(void)snprintf(link, sizeof(link), "%s/%.60s", path, e->d_name);
		n = readlink(link, got, sizeof(got) - 1);
		got[n > 0 ? n : 0] = '\0';
		found = strcmp(got, want) == 0;
	}
	if (d != NULL)
		(void)closedir(d);
	return found;
}

static void name_of(const char *pid, char *name, size_t size)
{
	char path[300];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%.200s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL || fgets(name, (int)size, f) == NULL)
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
	for (char *q = name; *q != '\0'; q++)
		if (!is_class((uint8_t)*q, CC_PRINT))
			*q = '?';
}

void listen_port_owner(unsigned port, char *text, size_t size)
{
	unsigned long inode = inode_find("/proc/net/tcp", port);
	char want[64], name[64];
	struct dirent *e;
	DIR *d;

	text[0] = '\0';
	if (inode == 0)
		inode = inode_find("/proc/net/tcp6", port);
	if (inode == 0 || (d = opendir("/proc")) == NULL)
		return;
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	while (text[0] == '\0' && (e = readdir(d)) != NULL)
		if (is_class((uint8_t)e->d_name[0], CC_DIGIT) && has_socket(e->d_name, want)) {
			name_of(e->d_name, name, sizeof(name));
			(void)snprintf(text, size, "%s (process %.20s)", name, e->d_name);
		}
	(void)closedir(d);
}
