/* Which certificate serves which name. Certificates here are only what choose() looks at. */
#include "tests/lib/unit.h"

#include "keyd/choose.h"

enum { NOW = 1000000, MAX = 8 };

/* In a row: file, type (r, e, d), s if self-signed, not before, not after, names. Wanted for each: u in use, d default,
 * and the names it got. */
struct row {
	const char *file;
	char type;
	bool self;
	uint64_t from, to;
	const char *names[4];
	const char *want;
};

static void check(size_t n, const char *hostname, const struct row *rows)
{
	struct choice v[MAX];
	struct cert certs[MAX];
	unsigned k = 0;

	memset(certs, 0, sizeof(certs));
	for (; k < MAX && rows[k].file != NULL; k++) {
		certs[k] = (struct cert){ .type = rows[k].type == 'r' ? KEY_RSA : rows[k].type == 'e' ? KEY_ECDSA : KEY_ED25519,
		    .self_signed = rows[k].self, .not_before = rows[k].from, .not_after = rows[k].to,
		    .names = (char **)(uintptr_t)rows[k].names };
		while (certs[k].names_n < 4 && rows[k].names[certs[k].names_n] != NULL)
			certs[k].names_n++;
		v[k] = (struct choice){ .cert = certs[k].names_n != 0 ? &certs[k] : NULL, .name = rows[k].file,
		    .own = strcmp(rows[k].file, "self-signed") == 0 };
	}
	assert_int_equal(choose(v, k, hostname, NOW), 0);
	for (unsigned i = 0; i < k; i++) {
		struct buf got = BUF_INIT(1000);

		buf_addf(&got, "%s%s", v[i].in_use ? "u" : "", v[i].is_default ? "d" : "");
		for (unsigned j = 0; v[i].won != NULL && j < certs[i].names_n; j++)
			if (v[i].won[j])
				buf_addf(&got, " %s", certs[i].names[j]);
		if (!slice_eq_cstr(buf_slice(&got), rows[i].want))
			fail_msg("case %zu file %s: got \"%.*s\" want \"%s\"", n, rows[i].file, SLICE_ARG(buf_slice(&got)), rows[i].want);
		buf_free(&got);
	}
	choose_free(v, k);
}

static void choices(void **state)
{
	static const struct { const char *host; struct row rows[MAX]; } t[] = {
		{ "mx.a", { { .file = NULL } } },
		{ "mx.a", { { "broken", 'r', 0, 0, 0, { NULL }, "" } } },
		{ "mx.a", { { "a", 'r', 0, 1, 2000000, { "mx.a" }, "ud mx.a" } } },
		/* of one name and type the one that lasts longer; of equals the first by file name */
		{ "mx.a", { { "a", 'r', 0, 1, 2000000, { "mx.a" }, "" }, { "b", 'r', 0, 1, 2000001, { "mx.a" }, "ud mx.a" } } },
		{ "mx.a", { { "b", 'r', 0, 1, 2000000, { "mx.a" }, "" }, { "a", 'r', 0, 1, 2000000, { "mx.a" }, "ud mx.a" } } },
		/* types stand side by side */
		{ "mx.a", { { "a", 'r', 0, 1, 2000000, { "mx.a" }, "ud mx.a" }, { "b", 'e', 0, 1, 2000001, { "mx.a" }, "ud mx.a" },
			{ "c", 'd', 0, 1, 2000001, { "mx.a" }, "ud mx.a" } } },
		/* each name by itself */
		{ "mx.a", { { "a", 'r', 0, 1, 2000000, { "a", "mx.a" }, "u a" }, { "b", 'r', 0, 1, 2000001, { "b", "mx.a" }, "ud b mx.a" } } },
		/* expired: only without a better one, of whatever type */
		{ "mx.a", { { "a", 'r', 0, 1, 999999, { "mx.a" }, "ud mx.a" } } },
		{ "mx.a", { { "a", 'r', 0, 1, NOW, { "mx.a" }, "" }, { "b", 'e', 0, 1, NOW + 1, { "mx.a" }, "ud mx.a" } } },
		{ "mx.a", { { "a", 'r', 0, NOW + 1, 3000000, { "mx.a" }, "" }, { "b", 'r', 0, NOW, NOW + 1, { "mx.a" }, "ud mx.a" } } },
		/* self-signed ones of the administrator give way, but not to expired ones */
		{ "mx.a", { { "a", 'r', 1, 1, 9000000, { "mx.a" }, "" }, { "b", 'e', 0, 1, 2000000, { "mx.a" }, "ud mx.a" } } },
		{ "mx.a", { { "a", 'r', 1, 1, 9000000, { "mx.a" }, "ud mx.a" }, { "b", 'e', 0, 1, 900000, { "mx.a" }, "" } } },
		/* keyd's own gives way to anything */
		{ "mx.a", { { "self-signed", 'e', 1, 1, 9000000, { "mx.a" }, "ud mx.a" } } },
		{ "mx.a", { { "self-signed", 'e', 1, 1, 9000000, { "mx.a" }, "" }, { "x", 'r', 0, 1, 5, { "other" }, "ud other" } } },
		{ "mx.a", { { "self-signed", 'e', 1, 1, 9000000, { "mx.a" }, "ud mx.a" }, { "x", 'r', 0, 1, 5, { NULL }, "" } } },
		/* wildcards: the default may have the name by one; they take over what is exact and expired */
		{ "mx.a", { { "w", 'r', 0, 1, 2000000, { "*.a" }, "ud *.a" }, { "x", 'r', 0, 1, 2000000, { "mx.b" }, "u mx.b" } } },
		{ "mx.b", { { "w", 'r', 0, 1, 2000000, { "*.a" }, "u *.a" }, { "x", 'e', 0, 1, 900000, { "mx.a" }, "" },
			{ "y", 'r', 0, 1, 2000000, { "mx.b" }, "ud mx.b" } } },
		{ "mx.b", { { "w", 'r', 0, 1, 900000, { "*.a" }, "u *.a" }, { "x", 'e', 0, 1, 900000, { "mx.a" }, "u mx.a" },
			{ "y", 'r', 0, 1, 2000000, { "mx.b" }, "ud mx.b" } } },
		{ "mx.b", { { "w", 'r', 0, 1, 2000000, { "*.a" }, "u *.a" }, { "x", 'e', 0, 1, 900000, { "mx.aa" }, "u mx.aa" },
			{ "y", 'r', 0, 1, 2000000, { "mx.b" }, "ud mx.b" } } },
		/* nobody has the host's name: the first that is good, and its like of other types */
		{ "none", { { "b", 'r', 0, 1, 2000000, { "b" }, "u b" }, { "a", 'r', 0, 1, 2000000, { "a" }, "ud a" },
			{ "c", 'e', 0, 1, 2000000, { "a" }, "ud a" }, { "d", 'd', 0, 1, 2000000, { "d" }, "u d" } } },
		{ "none", { { "b", 'r', 0, 1, 2000000, { "b" }, "ud b" }, { "a", 'r', 0, 1, 900000, { "a" }, "u a" } } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		check(i, t[i].host, t[i].rows);
}

/* Whatever there is, each name has at most one certificate of each type, and each type one default. */
static void many(void **state)
{
	enum { N = 300 };
	static struct choice v[N];
	static struct cert certs[N];
	static char texts[N][8], *names[N][3];
	uint32_t seed = 7;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "%s%u", i % 7 == 0 ? "*.n" : "x.n", i % 40);
		for (unsigned k = 0; k < 3; k++)
			names[i][k] = texts[(i * 17 + k * 5) % (i + 1)];
		seed = seed * 1103515245u + 12345u;
		certs[i] = (struct cert){ .type = (enum key_type)(seed >> 8) % KEY_TYPES, .self_signed = (seed >> 12) % 5 == 0,
		    .not_before = 1, .not_after = NOW - 500 + (seed >> 16) % 1000, .names = names[i], .names_n = 1 + i % 3 };
		v[i] = (struct choice){ .cert = &certs[i], .name = texts[i] };
	}
	assert_int_equal(choose(v, N, "x.n3", NOW), 0);
	for (unsigned i = 0; i < N; i++)
		for (unsigned j = i + 1; j < N; j++) {
			if (certs[i].type != certs[j].type)
				continue;
			assert_false(v[i].is_default && v[j].is_default);
			for (unsigned a = 0; a < certs[i].names_n; a++)
				for (unsigned b = 0; b < certs[j].names_n; b++)
					assert_false(v[i].won[a] && v[j].won[b] && strcmp(certs[i].names[a], certs[j].names[b]) == 0);
		}
	choose_free(v, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(choices), cmocka_unit_test(many) };

	return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
