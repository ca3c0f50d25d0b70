#include "tests/spool/fixture.h"

#include <errno.h>

static int hex(int c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void fixture_load(const char *name, uint8_t *img, size_t size)
{
	const char *top = getenv("abs_top_srcdir");
	char path[4096], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/tests/spool/fixtures/%s", top != NULL ? top : ".", name);
	f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s: %s", path, strerror(errno));
	memset(img, 0, size);
	while (fgets(line, sizeof(line), f) != NULL) {
		size_t off = 0;
		char *p = line;

		if (*p == '#' || *p == '\n')
			continue;
		for (; hex(*p) >= 0; p++)
			off = off * 16 + (size_t)hex(*p);
		assert_int_equal(*p++, ':');
		for (; *p != '\0' && *p != '\n'; p++) {
			if (*p == ' ')
				continue;
			assert_true(hex(p[0]) >= 0 && hex(p[1]) >= 0 && off < size);
			img[off++] = (uint8_t)(hex(p[0]) * 16 + hex(p[1]));
			p++;
		}
	}
	(void)fclose(f);
}

void fixture_write(const char *path, const char *comment, const uint8_t *img, size_t size)
{
	static const uint8_t zeros[32];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	(void)fprintf(f, "%s", comment);
	for (size_t off = 0; off < size; off += sizeof(zeros)) {
		size_t n = size - off < sizeof(zeros) ? size - off : sizeof(zeros);

		if (memcmp(img + off, zeros, n) == 0)
			continue;
		(void)fprintf(f, "%08zx:", off);
		for (size_t i = 0; i < n; i++)
			(void)fprintf(f, " %02x", img[off + i]);
		(void)fputc('\n', f);
	}
	assert_int_equal(fclose(f), 0);
}
