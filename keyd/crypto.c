#include "keyd/crypto.h"

#include <stdlib.h>

/* In front of each piece of memory stands its size; the rest keeps the alignment. */
union head {
	size_t size;
	max_align_t align;
};

static void *wiped_malloc(size_t n, const char *file, int line)
{
	union head *h = n != 0 && n <= SIZE_MAX - sizeof(*h) ? malloc(sizeof(*h) + n) : NULL;

	(void)file;
	(void)line;
	if (h == NULL)
		return NULL;
	h->size = n;
	return h + 1;
}

static void wiped_free(void *p, const char *file, int line)
{
	union head *h = p;

	(void)file;
	(void)line;
	if (h == NULL)
		return;
	h--;
	explicit_bzero(h + 1, h->size);
	free(h);
}

static void *wiped_realloc(void *p, size_t n, const char *file, int line)
{
	size_t old = p != NULL ? ((union head *)p - 1)->size : 0;
	void *q;

	if (n == 0) {
		wiped_free(p, file, line);
		return NULL;
	}
	q = wiped_malloc(n, file, line);
	if (q != NULL && p != NULL) {
		memcpy(q, p, old < n ? old : n);
		wiped_free(p, file, line);
	}
	return q;
}

void crypto_init(void)
{
	(void)CRYPTO_set_mem_functions(wiped_malloc, wiped_realloc, wiped_free);
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
}

void crypto_add_why(struct buf *b)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());

	buf_add_cstr(b, text != NULL ? text : "OpenSSL does not say why");
	ERR_clear_error();
}
