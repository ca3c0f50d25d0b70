/*
 * Stands in for libFuzzer where there is none: replays every seed of
 * tests/fuzz/seeds/NAME, then runs mutations of them from a fixed seed, and
 * speaks TAP. FUZZ_RUNS sets how many mutations (default 20,000).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEEDS_MAX = 256, INPUT_MAX = 65536 };

struct seed {
	uint8_t *p;
	size_t len;
};

static struct seed seeds[SEEDS_MAX];
static size_t seeds_n;
static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint32_t rng(uint32_t below)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (uint32_t)((rng_state * 0x2545f4914f6cdd1du) >> 33) % below;
}

static void seed_add(const uint8_t *p, size_t len)
{
	struct seed *s = &seeds[seeds_n];

	if (seeds_n == SEEDS_MAX || (s->p = malloc(len + 1)) == NULL)
		return;
	memcpy(s->p, p, len);
	s->len = len;
	seeds_n++;
}

static void seeds_load(const char *name)
{
	static uint8_t data[INPUT_MAX];
	const char *top = getenv("abs_top_srcdir");
	char dir[4096], path[4400];
	struct dirent *e;
	DIR *d;

	(void)snprintf(dir, sizeof(dir), "%s/tests/fuzz/seeds/%s", top != NULL ? top : ".", name);
	if ((d = opendir(dir)) == NULL)
		return;
	while ((e = readdir(d)) != NULL) {
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if ((f = fopen(path, "rb")) == NULL)
			continue;
		seed_add(data, fread(data, 1, sizeof(data), f));
		(void)fclose(f);
	}
	(void)closedir(d);
}

static size_t mutate(uint8_t *d, size_t len)
{
	static const uint8_t odd[] = { 0, '\r', '\n', '"', '\\', '{', '}', '(', ')', '<', '>', ' ',
	    '.', '*', 0x7f, 0x80, 0xff, '9', '&', '=' };

	for (uint32_t n = 1 + rng(6); n != 0; n--) {
		size_t at = len != 0 ? rng((uint32_t)len) : 0, k = 1 + rng(16);
		const struct seed *o;

		switch (rng(7)) {
		case 0:
			if (len != 0)
				d[at] = (uint8_t)rng(256);
			break;
		case 1:
			if (len != 0)
				d[at] = odd[rng(sizeof(odd))];
			break;
		case 2:
			if (len + 1 < INPUT_MAX) {
				memmove(d + at + 1, d + at, len - at);
				d[at] = odd[rng(sizeof(odd))];
				len++;
			}
			break;
		case 3:
			if (k > len - at)
				k = len - at;
			memmove(d + at, d + at + k, len - at - k);
			len -= k;
			break;
		case 4:
			o = &seeds[rng((uint32_t)seeds_n)];
			if (o->len != 0 && len + 64 < INPUT_MAX) {
				size_t from = rng((uint32_t)o->len), m = o->len - from < 64 ? o->len - from : 64;

				memmove(d + at + m, d + at, len - at);
				memcpy(d + at, o->p + from, m);
				len += m;
			}
			break;
		case 5:
			if (len != 0)
				d[at] = (uint8_t)rng(4);
			break;
		default:
			len = rng((uint32_t)len + 1);
			break;
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/'), *runs = getenv("FUZZ_RUNS");
	unsigned long n = runs != NULL ? strtoul(runs, NULL, 10) : 20000;
	static uint8_t d[INPUT_MAX];

	(void)argc;
	if (runs == NULL)       /* a hang ends as an error; FUZZ_RUNS may want longer */
		(void)alarm(1200);
	base = base != NULL ? base + 1 : argv[0];
	/* for binary formats: zeros, which decode as values with nothing in them */
	for (size_t len = 0; len <= 128; len++)
		seed_add(d, len);
	seeds_load(strncmp(base, "fuzz-", 5) == 0 ? base + 5 : base);
	for (size_t i = 0; i < seeds_n; i++)
		(void)LLVMFuzzerTestOneInput(seeds[i].p, seeds[i].len);
	(void)printf("1..2\nok 1 - %s: %zu seeds\n", base, seeds_n);
	for (unsigned long i = 0; i < n; i++) {
		const struct seed *s = &seeds[rng((uint32_t)seeds_n)];
		uint8_t *exact;
		size_t len;

		memcpy(d, s->p, s->len);
		len = mutate(d, s->len);
		if ((exact = malloc(len + (len == 0))) == NULL)
			return 1;
		memcpy(exact, d, len);
		(void)LLVMFuzzerTestOneInput(exact, len);
		free(exact);
	}
	(void)printf("ok 2 - %s: %lu mutations\n", base, n);
	for (size_t i = 0; i < seeds_n; i++)
		free(seeds[i].p);
	return 0;
}
