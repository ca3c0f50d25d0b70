/*
 * Preloaded, it makes every flush take 2 ms at least, as on a disk with a write cache that has to be emptied. The rest of
 * the time is slept, so that flushes of several processes pass at the same time.
 *   cc -shared -fPIC -o slowflush.so slowflush.c
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

enum { FLUSH_NS = 2000000 };
typedef int flush_fn(int fd);

static int slow(const char *name, int fd)
{
	struct timespec end;
	flush_fn *real;
	int r, saved;

	*(void **)&real = dlsym(RTLD_NEXT, name);
	if (real == NULL) {
		errno = ENOSYS;
		return -1;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += FLUSH_NS;
	if (end.tv_nsec >= 1000000000) {
		end.tv_nsec -= 1000000000;
		end.tv_sec++;
	}
	r = real(fd);
	saved = errno;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	errno = saved;
	return r;
}

int fsync(int fd)
{
	return slow("fsync", fd);
}

int fdatasync(int fd)
{
	return slow("fdatasync", fd);
}

int syncfs(int fd)
{
	return slow("syncfs", fd);
}
