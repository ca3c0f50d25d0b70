/* The files of key_dir: what is read, when it is read anew, and what an interruption leaves. */
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "tests/keyd/pki.h"
#include "keyd/store.h"
#include "tests/lib/tempdir.h"

static char dir[TEMPDIR_MAX];
static int dirfd_;
static struct store *s;
static struct pki a, b;         /* two of the same name */
static unsigned warnings;

static void count(enum log_level level, const char *text)
{
	(void)text;
	warnings += level <= LOG_LEVEL_WARN;
}

static int set_up(void **state)
{
	(void)state;
	tempdir_make(dir);
	dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s = store_new(dirfd_);
	assert_non_null(s);
	pki_make(&a, &(struct pki_spec){ .type = PKI_EC256, .cn = "a", .alt = "DNS:mx.a.test,DNS:a.test" }, NULL);
	pki_make(&b, &(struct pki_spec){ .type = PKI_EC256, .cn = "b", .alt = "DNS:mx.a.test" }, NULL);
	warnings = 0;
	log_capture(count);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	log_capture(NULL);
	store_free(&s);
	(void)close(dirfd_);
	tempdir_remove(dir);
	pki_free(&a);
	pki_free(&b);
	return 0;
}

/* parts: c certificate, k key of p; a rename, as whoever is careful would do it, or in place. */
static void put(const char *name, const char *parts, const struct pki *p, size_t cut)
{
	struct buf text = BUF_INIT(1 << 20);
	struct slice t;
	int fd;

	for (; *parts != '\0'; parts++)
		if (*parts == 'c')
			pki_add_cert(&text, p);
		else
			pki_add_key(&text, p, PKI_PKCS8);
	t = slice_sub(buf_slice(&text), 0, cut != 0 ? cut : SIZE_MAX);
	fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, t.p, t.len), (ssize_t)t.len);
	assert_int_equal(close(fd), 0);
	buf_free(&text);
}

static bool scan(void)
{
	bool changed;

	assert_int_equal(store_scan(s, 1000, &changed), 0);
	return changed;
}

/* The certificate of the file is p's; NULL: none. */
static bool holds(const char *name, const struct pki *p)
{
	const struct key_file *f = store_find(s, slice_cstr(name));

	if (f == NULL || f->cert == NULL)
		return p == NULL;
	return p != NULL && EVP_PKEY_eq(f->cert->pkey, p->key) == 1;
}

static bool error_has(const char *name, const char *what)
{
	const struct key_file *f = store_find(s, slice_cstr(name));

	assert_non_null(f);
	if (what[0] == '\0')
		return f->error[0] == '\0';
	if (strstr(f->error, what) == NULL)
		fail_msg("%s: \"%s\" want \"%s\"", name, f->error, what);
	return true;
}

static void one_file(void **state)
{
	struct stat st;

	(void)state;
	assert_false(scan());
	put("a.pem", "kc", &a, 0);
	assert_true(scan());
	assert_true(holds("a", &a) && error_has("a", ""));
	assert_int_equal(fstatat(dirfd_, "a.pem", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	(void)scan();
	assert_false(scan());
	/* half of another one, then all of it */
	put("a.pem", "kc", &b, 300);
	assert_false(scan());
	assert_true(holds("a", &a) && error_has("a", "still in use, because"));
	assert_int_equal(warnings, 1);
	for (int i = 0; i < 5; i++)
		assert_false(scan());
	assert_int_equal(warnings, 1);
	put("a.pem", "kc", &b, 0);
	assert_true(scan());
	assert_true(holds("a", &b) && error_has("a", ""));
	/* empty, then gone */
	put("a.pem", "", &a, 0);
	assert_false(scan());
	assert_true(holds("a", &b) && error_has("a", "empty"));
	assert_int_equal(unlinkat(dirfd_, "a.pem", 0), 0);
	assert_true(scan());
	assert_null(store_find(s, SLICE_LIT("a")));
}

static void pair(void **state)
{
	(void)state;
	put("x.crt", "c", &a, 0);
	assert_false(scan());
	assert_true(holds("x", NULL) && error_has("x", "x.key is missing"));
	put("x.key", "k", &a, 0);
	assert_true(scan());
	assert_true(holds("x", &a) && error_has("x", ""));
	/* a renewal, one file after the other */
	put("x.crt", "c", &b, 0);
	assert_false(scan());
	assert_true(holds("x", &a) && error_has("x", "does not belong"));
	put("x.key", "k", &b, 0);
	assert_true(scan());
	assert_true(holds("x", &b) && error_has("x", ""));
	/* moved away and put back */
	assert_int_equal(renameat(dirfd_, "x.key", dirfd_, "x.old"), 0);
	assert_false(scan());
	assert_true(holds("x", &b) && error_has("x", "x.key is missing"));
	assert_int_equal(unlinkat(dirfd_, "x.crt", 0), 0);
	assert_true(scan());
	assert_null(store_find(s, SLICE_LIT("x")));
}

static void one_beside_pair(void **state)
{
	(void)state;
	put("x.crt", "c", &a, 0);
	put("x.key", "k", &a, 0);
	assert_true(scan());
	put("x.pem", "kc", &b, 0);
	assert_true(scan());
	assert_true(holds("x", &b));
	assert_int_equal(unlinkat(dirfd_, "x.pem", 0), 0);
	assert_true(scan());
	assert_true(holds("x", &a) && error_has("x", ""));
}

static void strange_files(void **state)
{
	static const char *const names[] = { ".pem", "-x.pem", "a b.pem", "x.PEM", "README", "x.pem.bak", ".x.pem.swp",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.pem" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(names[i], "kc", &a, 0);
	assert_false(scan());
	assert_true(TAILQ_EMPTY(store_files(s)));
	assert_int_equal(symlinkat("/nonexistent/x", dirfd_, "link.pem"), 0);
	assert_int_equal(mkdirat(dirfd_, "dir.pem", 0700), 0);
	assert_int_equal(mkfifoat(dirfd_, "fifo.pem", 0600), 0);
	assert_false(scan());
	assert_true(error_has("link", "link to what keyd cannot reach") && error_has("dir", "not a regular file") && error_has("fifo", "not a regular file"));
	assert_int_equal(unlinkat(dirfd_, "dir.pem", AT_REMOVEDIR), 0);
}

static struct cert *cert_of(const struct pki *p)
{
	struct buf text = BUF_INIT(1 << 20), why = BUF_INIT(1000);
	struct cert *c;

	pki_add_key(&text, p, PKI_PKCS8);
	pki_add_cert(&text, p);
	assert_int_equal(cert_load(buf_slice(&text), buf_slice(&text), &c, &why), 0);
	buf_free(&text);
	buf_free(&why);
	return c;
}

static void written(void **state)
{
	struct cert *c = cert_of(&a), *d = cert_of(&b);
	struct buf why = BUF_INIT(1000);
	char name[FILE_NAME_MAX + 1];

	(void)state;
	put("mx.a.test.crt", "c", &b, 0);
	put("mx.a.test.key", "k", &b, 0);
	assert_true(scan() && holds("mx.a.test", &b));
	assert_int_equal(store_name_of(c, name), 0);
	assert_string_equal(name, "mx.a.test");
	assert_int_equal(store_write(s, name, c, &why), 0);
	assert_true(scan() && holds("mx.a.test", &a));
	assert_int_equal(faccessat(dirfd_, "mx.a.test.key", F_OK, 0), -1);
	assert_int_equal(faccessat(dirfd_, ".mx.a.test.tmp", F_OK, 0), -1);
	/* what was replaced still signs for a minute */
	assert_non_null(store_key(s, slice_of(d->id, sizeof(d->id))));
	assert_non_null(store_key(s, slice_of(c->id, sizeof(c->id))));
	store_expire(s, 1000 + RETIRED_MS - 1);
	assert_non_null(store_key(s, slice_of(d->id, sizeof(d->id))));
	store_expire(s, 1000 + RETIRED_MS);
	assert_null(store_key(s, slice_of(d->id, sizeof(d->id))));
	assert_int_equal(store_delete(s, name), 0);
	assert_int_equal(store_delete(s, name), ERR_NOTFOUND);
	assert_true(scan());
	assert_null(store_find(s, SLICE_LIT("mx.a.test")));
	buf_free(&why);
	cert_free(&c);
	cert_free(&d);
}

/* At each point where a write can be interrupted the next start finds a pair that fits. */
static void interrupted(void **state)
{
	struct cert *c = cert_of(&b);
	struct buf why = BUF_INIT(1000), text = BUF_INIT(1 << 20);

	(void)state;
	put("a.pem", "kc", &a, 0);
	assert_int_equal(cert_write(c, &text), 0);
	/* killed while the new file was written: each length of it, the last one being before the rename */
	for (size_t n = 0; n <= buf_len(&text); n += n + 97 < buf_len(&text) ? 97 : n == buf_len(&text) ? 1 : buf_len(&text) - n) {
		int fd = openat(dirfd_, ".a.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

		assert_int_equal(write(fd, text.p, n), (ssize_t)n);
		(void)close(fd);
		store_free(&s);
		s = store_new(dirfd_);
		assert_true(scan());
		assert_true(holds("a", &a) && error_has("a", ""));
		assert_int_equal(faccessat(dirfd_, ".a.tmp", F_OK, 0), -1);
	}
	/* killed between the rename and the removal of the old pair */
	put("x.crt", "c", &a, 0);
	put("x.key", "k", &a, 0);
	put("x.pem", "kc", &b, 0);
	store_free(&s);
	s = store_new(dirfd_);
	assert_true(scan() && holds("x", &b));
	/* or after half of that */
	assert_int_equal(unlinkat(dirfd_, "x.key", 0), 0);
	store_free(&s);
	s = store_new(dirfd_);
	assert_true(scan() && holds("x", &b));
	/* what a stopped write left is in nobody's way */
	put(".a.tmp", "kc", &a, 10);
	assert_int_equal(store_write(s, "a", c, &why), 0);
	assert_true(scan() && holds("a", &b));
	store_wipe(&text);
	buf_free(&why);
	cert_free(&c);
}

static void names(void **state)
{
	static const struct { const char *name; bool ok; } t[] = {
		{ "a", true }, { "mx.example.org", true }, { "A_b-3", true }, { "_x", true }, { "", false }, { ".a", false }, { "-a", false },
		{ "a/b", false }, { "a b", false }, { "../x", false }, { "a\xc3\xa4", false }, { "a\n", false },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, store_name_ok(slice_cstr(t[i].name)) == t[i].ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_file, set_up, tear_down), cmocka_unit_test_setup_teardown(pair, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_beside_pair, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strange_files, set_up, tear_down), cmocka_unit_test_setup_teardown(written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(interrupted, set_up, tear_down), cmocka_unit_test(names),
	};

	crypto_init();
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
