#include "tests/lib/unit.h"

#include "common/mail/header.h"
#include "common/mail/queueid.h"
#include "common/mail/received.h"

/* The fields as "name=unfolded body;" and the size of the header. */
static void walk(void **state)
{
	static const struct { const char *in, *want; size_t size; bool blank; } t[] = {
		{ "", "", 0, false },
		{ "\r\n", "", 2, true },
		{ "\r\nA: b\r\n", "", 2, true },
		{ "A: b\r\n\r\nbody: x\r\n", "A=b;", 8, true },
		{ "A: b\r\nC:d\r\n", "A=b;C=d;", 11, false },
		{ "A: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A=b c\td;E=f;", 22, true },
		{ "A: b\r\n \r\n c\r\n\r\nx", "A=b  c;", 15, true },
		{ "A:\r\n b\r\n\r\n", "A=b;", 10, true },
		{ "A:\r\n\r\n", "A=;", 6, true },
		{ "A : b\r\n\r\n", "A=b;", 9, true },
		{ "A: b\nC: d\n\nx", "A=b;C=d;", 11, true },
		{ "A: b\nC: d\r\n\r\nx", "A=b;C=d;", 13, true },
		{ "A: b", "A=b;", 4, false },
		{ "A: b\r\nno colon here\r\nC: d\r\n\r\n", "A=b;", 6, false },
		{ "A: b\r\nNa me: x\r\n\r\n", "A=b;", 6, false },
		{ "A: b\r\n: x\r\n\r\n", "A=b;", 6, false },
		{ "A: b\r\nN\xc3\xa4: x\r\n\r\n", "A=b;", 6, false },
		{ " A: b\r\nC: d\r\n\r\n", "", 0, false },
		{ "From a@b Tue Nov 24\r\nA: b\r\n\r\n", "A=b;", 29, true },
		{ ">From a@b Tue Nov 24\r\nA: b\r\n\r\n", "A=b;", 30, true },
		{ "From a@b", "", 8, false },
		{ "From : x\r\n\r\n", "", 10 + 2, true },
		{ "A: b\r\n--bound\r\n", "A=b;", 6, false },
		{ "A: \xff\xc3\xa4\r\n\r\n", "A=\xff\xc3\xa4;", 10, true },
		{ "A: b\r\r\n\r\nx", "A=b;", 9, true },
		{ "A: b\r\n\r\r\nx", "A=b;", 6, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct slice in = slice_cstr(t[i].in);
		struct buf b = BUF_INIT(1000);
		struct header_walker w;
		struct mail_field f;

		header_walk(&w, in);
		while (header_next(&w, &f)) {
			buf_add_slice(&b, f.name);
			buf_add_byte(&b, '=');
			header_unfold(f.body, &b);
			buf_add_byte(&b, ';');
			assert_row(i, slice_eq(f.raw, slice_sub(in, f.off, f.raw.len)));
		}
		assert_slice(i, buf_slice(&b), t[i].want);
		if (w.off != t[i].size || w.blank != t[i].blank || w.cut || header_size(in) != t[i].size)
			fail_msg("row %zu: size %zu blank %d", i, w.off, w.blank);
		assert_row(i, !header_next(&w, &f) && w.off == t[i].size);
		buf_free(&b);
	}
}

static void find(void **state)
{
	struct slice in = slice_cstr("Received: a\r\nreceived:\r\n b\r\nX: y\r\nRECEIVED: c\r\n\r\nReceived: d\r\n");
	struct arena *a = arena_new(1000);
	struct mail_field f;
	struct slice s;

	(void)state;
	assert_int_equal(header_count(in, "Received"), 3);
	assert_int_equal(header_count(in, "Subject"), 0);
	assert_true(header_find(in, "x", &f));
	assert_slice(0, f.body, " y");
	assert_int_equal(f.off, 28);
	assert_false(header_find(in, "Subject", &f));
	assert_int_equal(header_unfold_dup(slice_cstr(" a\r\n b\r\n"), a, &s), 0);
	assert_slice(0, s, "a b");
	arena_free(&a);
}

static void many_fields(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	struct header_walker w;
	struct mail_field f;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < HEADER_FIELDS_MAX + 5; i++)
		buf_add_cstr(&b, "A:b\r\n");
	buf_add_cstr(&b, "\r\n");
	header_walk(&w, buf_slice(&b));
	while (header_next(&w, &f))
		n++;
	assert_int_equal(n, HEADER_FIELDS_MAX);
	assert_true(w.cut);
	assert_int_equal(w.off, buf_len(&b));
	buf_free(&b);
}

static void trace(void **state)
{
	struct received r = {
		.helo = SLICE_LIT("client.test"), .client_addr = SLICE_LIT("192.0.2.1"), .client_name = SLICE_LIT("c.test"),
		.host = SLICE_LIT("mx.daum.test"), .protocol = "ESMTP", .id = "00000000FF",
		.recipient = SLICE_LIT("def@daum.test"), .time = 1795544800, .zone = 540,
	};
	struct buf b = BUF_INIT(2000);

	(void)state;
	received_format(&b, &r);
	assert_slice(0, buf_slice(&b), "Received: from client.test (c.test [192.0.2.1])\r\n"
	    "\tby mx.daum.test with ESMTP id 00000000FF\r\n"
	    "\tfor <def@daum.test>; Wed, 25 Nov 2026 03:26:40 +0900\r\n");
	assert_int_equal(header_size(buf_slice(&b)), buf_len(&b));
	buf_reset(&b);
	r.helo = SLICE_LIT("x)\r\nEvil: y;(");
	r.client_addr = SLICE_LIT("2001:db8::1");
	r.client_name = SLICE_LIT("");
	r.user = SLICE_LIT("u\nser");
	r.tls = "using TLSv1.3";
	r.recipient = SLICE_LIT("");
	r.id = NULL;
	received_format(&b, &r);
	assert_slice(1, buf_slice(&b), "Received: from x???Evil:?y?? (unknown [IPv6:2001:db8::1])\r\n"
	    "\t(using TLSv1.3)\r\n\t(Authenticated sender: u?ser)\r\n"
	    "\tby mx.daum.test with ESMTP; Wed, 25 Nov 2026 03:26:40 +0900\r\n");
	buf_reset(&b);
	r = (struct received){ .host = SLICE_LIT("h"), .protocol = "LMTP", .id = "1", .time = 0 };
	received_format(&b, &r);
	return_path_format(&b, SLICE_LIT(""));
	return_path_format(&b, SLICE_LIT("\"a b\"@c"));
	return_path_format(&b, SLICE_LIT("a\r\nX: y"));
	assert_slice(2, buf_slice(&b), "Received: by h with LMTP id 1; Thu, 1 Jan 1970 00:00:00 +0000\r\n"
	    "Return-Path: <>\r\nReturn-Path: <\"a b\"@c>\r\nReturn-Path: <a??X: y>\r\n");
	buf_free(&b);
}

static void queue_ids(void **state)
{
	static const struct { const char *in; int r; uint64_t v; } t[] = {
		{ "00000000FF", 0, 255 }, { "ff", 0, 255 }, { "FFFFFFFFFFFFFFFF", 0, UINT64_MAX },
		{ "0FFFFFFFFFFFFFFFF", ERR_SYNTAX, 0 }, { "", ERR_SYNTAX, 0 }, { "0x1", ERR_SYNTAX, 0 }, { "1 ", ERR_SYNTAX, 0 },
	};

	(void)state;
	assert_string_equal(queue_id(255).s, "00000000FF");
	assert_string_equal(queue_id(UINT64_MAX).s, "FFFFFFFFFFFFFFFF");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		uint64_t v = 0;

		assert_row(i, queue_id_parse(slice_cstr(t[i].in), &v) == t[i].r && v == t[i].v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk),
		cmocka_unit_test(find),
		cmocka_unit_test(many_fields),
		cmocka_unit_test(trace),
		cmocka_unit_test(queue_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
