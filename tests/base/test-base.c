#include "tests/lib/unit.h"

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/log.h"
#include "common/base/strnum.h"

static void numbers(void **state)
{
	static const struct { const char *in; uint64_t max; int r; uint64_t v; } t[] = {
		{ "0", 9, 0, 0 }, { "9", 9, 0, 9 }, { "10", 9, ERR_LIMIT, 0 },
		{ "", 9, ERR_SYNTAX, 0 }, { "-1", 9, ERR_SYNTAX, 0 }, { "1 ", 9, ERR_SYNTAX, 0 },
		{ "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, ERR_LIMIT, 0 },
		{ "99999999999999999999x", UINT64_MAX, ERR_SYNTAX, 0 },
		{ "0009", 9, 0, 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t v = 0;

		assert_row(i, slice_to_u64(slice_cstr(t[i].in), t[i].max, &v) == t[i].r);
		assert_row(i, v == t[i].v);
	}
}

static void classes(void **state)
{
	static const char atext[] = "!#$%&'*+-/=?^_`{|}~";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		uint8_t b = (uint8_t)c;
		bool digit = c >= '0' && c <= '9';
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		assert_row(c, is_class(b, CC_DIGIT) == digit);
		assert_row(c, is_class(b, CC_ALPHA) == alpha);
		assert_row(c, is_class(b, CC_ATEXT) == (digit || alpha || (c != 0 && strchr(atext, (int)c) != NULL)));
		assert_row(c, is_class(b, CC_CTL) == (c < 32 || c == 127));
		assert_row(c, is_class(b, CC_8BIT) == (c > 127));
		assert_row(c, is_class(b, CC_FTEXT) == (c > 32 && c < 127 && c != ':'));
		assert_row(c, is_class(b, CC_IMAP_ATOM) == (c > 32 && c < 127 && strchr("(){%*\"\\]", (int)c) == NULL));
		assert_row(c, is_class(b, CC_IMAP_ASTR) == (is_class(b, CC_IMAP_ATOM) || c == ']'));
	}
}

static void cursors(void **state)
{
	struct cursor c = cursor_of(slice_cstr("mail From:<a>"));
	struct slice s;

	(void)state;
	assert_true(cur_take_icase(&c, "MAIL"));
	cur_skip_wsp(&c);
	assert_false(cur_take_icase(&c, "TO:"));
	assert_true(cur_take_icase(&c, "FROM:"));
	assert_true(cur_take_byte(&c, '<'));
	assert_int_equal(cur_take_class(&c, CC_ATEXT, 64, &s), 0);
	assert_slice(0, s, "a");
	assert_int_equal(cur_end(&c), ERR_SYNTAX);
	assert_int_equal(cur_take_class(&c, CC_ATEXT, 64, &s), ERR_SYNTAX);
	assert_int_equal(cur_take_n(&c, 2, &s), ERR_SYNTAX);
	assert_int_equal(cur_take_n(&c, 1, &s), 0);
	assert_int_equal(cur_end(&c), 0);
	assert_int_equal(cur_peek(&c), -1);
}

static void buffers(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		buf_addf(&b, "%03u", i);
		buf_consume(&b, 1);
		if (buf_len(&b) > 900)
			buf_consume(&b, 500);
	}
	assert_int_equal(buf_err(&b), 0);
	assert_int_equal(b.p[b.len - 1], '9');
	buf_reset(&b);
	buf_add_u64(&b, UINT64_MAX);
	assert_slice(0, buf_slice(&b), "18446744073709551615");
	assert_null(buf_reserve(&b, 1001));
	assert_int_equal(buf_err(&b), ERR_LIMIT);
	buf_add_cstr(&b, "nothing");
	assert_int_equal(buf_len(&b), 20);
	buf_free(&b);
}

static size_t count_of(const struct buf *b, uint8_t c)
{
	size_t n = 0;

	for (size_t i = 0; i < b->cap; i++)
		n += b->p[i] == c;
	return n;
}

/* What is freed cannot be looked at: that is for tests/e2e/passwords.py. */
static void secret_buffers(void **state)
{
	struct buf b = BUF_INIT_SECRET(100 * 1024);
	uint8_t *p;

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		buf_add_byte(&b, 's');
	buf_consume(&b, 150);
	assert_int_equal(count_of(&b, 's'), 50);
	p = buf_reserve(&b, 100);    /* moves what is left to the front */
	assert_ptr_equal(p, b.p + 50);
	assert_int_equal(count_of(&b, 's'), 50);
	assert_non_null(buf_reserve(&b, 4000));
	memset(b.p + b.len, 0, b.cap - b.len);
	assert_int_equal(count_of(&b, 's'), 50);
	buf_consume(&b, 50);
	assert_int_equal(count_of(&b, 's'), 0);
	buf_add_cstr(&b, "sss");
	buf_reset(&b);
	assert_int_equal(count_of(&b, 's'), 0);
	b.secret = false;
	buf_add_cstr(&b, "sss");
	buf_consume(&b, 3);
	assert_int_equal(count_of(&b, 's'), 3);
	b.secret = true;
	buf_free(&b);
	assert_true(b.secret);
}

static void arenas(void **state)
{
	struct arena *a = arena_new(10000);
	unsigned n = 0;

	(void)state;
	while (arena_alloc(a, 100) != NULL)
		n++;
	assert_in_range(n, 80, 100);
	arena_reset(a);
	assert_int_equal(arena_used(a), 0);
	assert_slice(0, arena_dup(a, slice_cstr("x")), "x");
	assert_null(arena_calloc(a, SIZE_MAX / 4, 8));
	assert_null(arena_alloc(a, SIZE_MAX - 3));
	arena_free(&a);
	assert_null(a);
	arena_free(&a);
}

static void secret_arenas(void **state)
{
	struct arena *a = arena_new(10000);
	struct slice s;

	(void)state;
	arena_set_secret(a);
	s = arena_dup(a, slice_cstr("secret"));
	arena_reset(a);
	assert_memory_equal(s.p, "\0\0\0\0\0\0", 6);    /* the first block stays */
	arena_free(&a);
}

static void crc(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

static void escapes(void **state)
{
	(void)state;
	assert_string_equal(log_esc(slice_cstr("a\r\nb")), "a\\x0d\\x0ab");
	assert_string_equal(log_esc(slice_cstr("")), "\"\"");
	assert_string_equal(log_esc(slice_cstr("a b\"c")), "\"a b\\x22c\"");
	assert_string_equal(log_esc(slice_of("\0\xff", 2)), "\\x00\\xff");
}

static uint64_t fixed_ms(void) { return 7; }
static uint64_t fixed_us(void) { return 9000000; }
static void fixed_random(void *p, size_t n) { memset(p, 1, n); }

static void clocks(void **state)
{
	static const struct clock_ops ops = { fixed_ms, fixed_us, fixed_random };

	(void)state;
	clock_set(&ops);
	assert_int_equal(clock_mono_ms(), 7);
	assert_int_equal(clock_wall_s(), 9);
	assert_int_equal(random_below(10), 0x01010101 % 10);
	clock_set(NULL);
	for (int i = 0; i < 100; i++)
		assert_in_range(random_below(3), 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers), cmocka_unit_test(classes), cmocka_unit_test(cursors),
		cmocka_unit_test(buffers), cmocka_unit_test(secret_buffers), cmocka_unit_test(arenas), cmocka_unit_test(secret_arenas), cmocka_unit_test(crc),
		cmocka_unit_test(escapes), cmocka_unit_test(clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
