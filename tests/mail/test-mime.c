#include "tests/lib/unit.h"

#include "common/mail/mime.h"

#define CT "Content-Type: "
#define MP CT "multipart/mixed; boundary="

/* The tree as text: "type/subtype[body]" of leaves, "mixed(...)", "msg(...)". */
static void show(struct buf *b, struct slice in, const struct mime_part *p)
{
	if (p->kind == MIME_LEAF) {
		buf_add_slice(b, p->type.subtype);
		buf_add_byte(b, '[');
		buf_add_slice(b, slice_sub(in, p->body_off, p->body_len));
		buf_add_byte(b, ']');
		return;
	}
	if (p->kind == MIME_MESSAGE)
		buf_add_cstr(b, "msg");
	else
		buf_add_slice(b, p->type.subtype);
	buf_add_byte(b, '(');
	for (p = p->child; p != NULL; p = p->next)
		show(b, in, p);
	buf_add_byte(b, ')');
}

static void trees(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "plain[]" },
		{ "hello", "plain[hello]" },
		{ "A: b\r\n\r\nhello\r\n", "plain[hello\r\n]" },
		{ CT "text/html\r\n\r\n<p>", "html[<p>]" },
		{ CT "garbage\r\n\r\nx", "plain[x]" },
		{ CT "text\r\n\r\nx", "plain[x]" },
		{ CT "\r\n\r\nx", "plain[x]" },
		{ CT "(a) text (b) / (c) html (d) ; x=y\r\n\r\nx", "html[x]" },
		{ MP "x\r\n\r\npre\r\n--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\npost\r\n", "mixed(plain[a]plain[b])" },
		{ MP "\"a b\"\r\n\r\n--a b \t\r\n\r\na\r\n--a b-- \r\n", "mixed(plain[a])" },
		/* no final boundary */
		{ MP "x\r\n\r\n--x\r\n\r\na\r\n--x\r\n\r\nb\r\n", "mixed(plain[a]plain[b\r\n])" },
		/* the line end before a delimiter is its own, only one of them */
		{ MP "x\r\n\r\n--x\r\n\r\na\r\n\r\n--x--", "mixed(plain[a\r\n])" },
		{ MP "x\n\n--x\n\na\n--x--\n", "mixed(plain[a])" },
		/* empty bodies, parts without header or blank line */
		{ MP "x\r\n\r\n--x\r\n--x\r\n\r\n--x\r\nA: b\r\n--x--\r\n", "mixed(plain[]plain[]plain[])" },
		{ MP "x\r\n\r\n--x\r\nno header\r\n--x--\r\n", "mixed(plain[no header])" },
		/* no parts: one; no boundary: text */
		{ MP "x\r\n\r\nnothing\r\n", "mixed(plain[])" },
		{ MP "x\r\n\r\n--x--\r\n", "mixed(plain[])" },
		{ MP "\"\"\r\n\r\nx", "plain[x]" },
		{ CT "multipart/mixed\r\n\r\n--x\r\n", "plain[--x\r\n]" },
		/* prefixes, in both orders */
		{ MP "x\r\n\r\n--x\r\n" MP "xx\r\n\r\n--xx\r\n\r\na\r\n--xx--\r\n--x\r\n\r\nb\r\n--x--\r\n", "mixed(mixed(plain[a])plain[b])" },
		{ MP "xx\r\n\r\n--xx\r\n" MP "x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n--xx\r\n\r\nb\r\n--xx--\r\n", "mixed(mixed(plain[a])plain[b])" },
		{ MP "x\r\n\r\n--x\r\n\r\n--xy\r\n--x -\r\n--x--y\r\n--x--\r\n", "mixed(plain[--xy\r\n--x -\r\n--x--y])" },
		/* equal ones: the inner is meant until it is closed */
		{ MP "x\r\n\r\n--x\r\n" MP "x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n--x\r\n\r\nb\r\n--x--\r\n", "mixed(mixed(plain[a])plain[b])" },
		/* an outer delimiter closes what is inside */
		{ MP "x\r\n\r\n--x\r\n" MP "y\r\n\r\n--y\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n--y\r\nc", "mixed(mixed(plain[a])plain[b])" },
		/* a closed multipart has no more delimiters */
		{ MP "x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n--x\r\n\r\nb", "mixed(plain[a])" },
		/* messages */
		{ CT "message/rfc822\r\n\r\nSubject: x\r\n\r\nin\r\n", "msg(plain[in\r\n])" },
		{ CT "message/rfc822\r\n\r\n" CT "message/rfc822\r\n\r\n\r\nin", "msg(msg(plain[in]))" },
		{ CT "message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\neA==", "octet-stream[eA==]" },
		{ CT "message/rfc822\r\n\r\n", "msg(plain[])" },
		{ CT "message/delivery-status\r\n\r\nx", "delivery-status[x]" },
		{ CT "multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: a\r\n\r\none\r\n--x\r\n" CT "text/plain\r\n\r\ntwo\r\n--x--",
		    "digest(msg(plain[one])plain[two])" },
		{ MP "x\r\n\r\n--x\r\n" CT "message/rfc822\r\n\r\n" MP "y\r\n\r\n--y\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--", "mixed(msg(mixed(plain[a]))plain[b])" },
		/* a boundary that looks like a field */
		{ MP "\"=_a:b\"\r\n\r\n--=_a:b\r\nA: b\r\n--=_a:b\r\n\r\nx\r\n--=_a:b--", "mixed(plain[]plain[x])" },
		/* the first Content-Type counts */
		{ CT "text/html\r\n" CT "text/plain\r\n\r\nx", "html[x]" },
		{ MP "x; boundary=y\r\n\r\n--x\r\n\r\na\r\n--y\r\n", "mixed(plain[a\r\n--y\r\n])" },
		{ MP "x;\r\n\tboundary=y\r\n\r\n--x\r\n\r\na", "mixed(plain[a])" },
		{ CT "multipart/mixed;boundary*0=a;boundary*1=b\r\n\r\n--ab\r\n\r\na\r\n--ab--", "mixed(plain[a])" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct buf b = BUF_INIT(10000);
		struct mime_part *root;

		assert_row(i, mime_parse(slice_cstr(t[i].in), NULL, a, &root) == 0);
		show(&b, slice_cstr(t[i].in), root);
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_free(&b);
		arena_free(&a);
	}
}

static void limits(void **state)
{
	static const struct mime_limits deep = { 2, 100 }, few = { 100, 3 }, one = { 0, 1 };
	static const struct { const struct mime_limits *l; const char *in, *want; } t[] = {
		{ &deep, MP "x\r\n\r\n--x\r\n" MP "y\r\n\r\n--y\r\n" MP "z\r\n\r\n--z\r\n\r\na\r\n--y\r\n\r\nb", "mixed(mixed(plain[--z\r\n\r\na]plain[b]))" },
		{ &deep, MP "x\r\n\r\n--x\r\n" MP "y\r\n\r\n--y\r\n" CT "message/rfc822\r\n\r\nA: b\r\n--y--", "mixed(mixed(octet-stream[A: b]))" },
		{ &few, MP "x\r\n\r\n--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x\r\n\r\nc\r\n--x--\r\n", "mixed(plain[a]plain[b\r\n--x\r\n\r\nc\r\n--x--\r\n])" },
		{ &one, MP "x\r\n\r\n--x\r\n\r\na", "plain[--x\r\n\r\na]" },
		{ &one, CT "message/rfc822\r\n\r\nA: b", "octet-stream[A: b]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct buf b = BUF_INIT(10000);
		struct mime_part *root;

		assert_row(i, mime_parse(slice_cstr(t[i].in), t[i].l, a, &root) == 0);
		show(&b, slice_cstr(t[i].in), root);
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_free(&b);
		arena_free(&a);
	}
}

/* 5,000 messages in messages: bounded, without recursion in the parser. */
static void depth(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct buf b = BUF_INIT(1 << 20);
	struct mime_part *root, *m;
	unsigned max = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++)
		buf_add_cstr(&b, CT "message/rfc822\r\n\r\n");
	assert_int_equal(mime_parse(buf_slice(&b), NULL, a, &root), 0);
	for (m = root; m != NULL; m = mime_next(m))
		max = m->depth > max ? m->depth : max;
	assert_int_equal(max, MIME_DEPTH_MAX);
	buf_free(&b);
	arena_free(&a);
}

static void facts(void **state)
{
	static const char in[] = MP "x\r\n\r\n--x\r\nContent-ID: <i>\r\nContent-Description: d\r\n e\r\nContent-MD5: m\r\n"
	    "Content-Location: l\r\nContent-Language: en\r\nContent-Disposition: attachment; filename=\"f\"\r\n"
	    "Content-Transfer-Encoding: BASE64 (x)\r\n\r\nYQ==\r\nYQ==\r\n--x--\r\n";
	struct arena *a = arena_new(1 << 20);
	struct buf b = BUF_INIT(100);
	struct mime_part *root, *p;

	(void)state;
	assert_int_equal(mime_parse(slice_cstr(in), NULL, a, &root), 0);
	p = root->child;
	assert_slice(0, p->id, "<i>");
	assert_slice(1, p->description, "d e");
	assert_slice(2, p->md5, "m");
	assert_slice(3, p->location, "l");
	assert_slice(4, p->language, "en");
	assert_slice(5, p->disposition.type, "attachment");
	assert_slice(6, mime_param_find(&p->disposition, "FILENAME"), "f");
	assert_slice(7, p->encoding_name, "BASE64");
	assert_int_equal(p->encoding, MIME_BASE64);
	assert_int_equal(p->lines, 2);
	assert_int_equal(root->lines, 13);
	assert_slice(8, mime_param_find(&p->type, "charset"), "us-ascii");
	mime_decode(p->encoding, slice_sub(slice_cstr(in), p->body_off, p->body_len), &b);
	assert_slice(9, buf_slice(&b), "aa");
	buf_free(&b);
	arena_free(&a);
}

static void params(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "a/b", "a/b" },
		{ "a/b; c=d", "a/b c=d" },
		{ "a/b;c=d;e=\"f\\\"g\"", "a/b c=d e=f\"g" },
		{ "a/b; c=", "a/b c=" },
		{ "a/b; c", "a/b" },
		{ "a/b; ; ;c=d;", "a/b c=d" },
		{ "a/b c=d; e=f", "a/b e=f" },
		{ "a/b; c=d (comment); e=f", "a/b c=d e=f" },
		{ "a/b; name=two words.txt ; e=f", "a/b name=two words.txt e=f" },
		{ "a/b; c=\"unclosed; d=e", "a/b c=unclosed; d=e" },
		{ "a/b; c=d; C=e", "a/b c=d" },
		{ "a/b; n*=utf-8''%c3%a4", "a/b n*=utf-8''%c3%a4" },
		{ "a/b; n*0=x; n*1=y; n*2=z", "a/b n=xyz" },
		{ "a/b; n*1=y; n*0=x", "a/b n=xy" },
		{ "a/b; n*0*=utf-8''%c3; n*1*=%a4; n*2=\" x\"", "a/b n*=utf-8''%c3%a4%20x" },
		{ "a/b; n*0=a; n*1*=%a4", "a/b n*=''a%a4" },
		{ "a/b; n*0=a; n*2=c", "a/b n=a" },
		{ "a/b; n*1=b", "a/b n*1=b" },
		{ "a/b; n*99999999999=b", "a/b n*99999999999=b" },
		{ "a/b; *=b", "a/b *=b" },
		{ "a/b; n*=x; n=y", "a/b n*=x n=y" },
		{ "", "/" }, { "/", "/" }, { "a/", "/" }, { "/b", "/" }, { "(", "/" }, { "a /b", "a/b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new(1 << 20);
		struct buf b = BUF_INIT(1000);
		struct mime_value v;

		assert_row(i, mime_type_parse(slice_cstr(t[i].in), a, &v) == 0);
		buf_add_slice(&b, v.type);
		buf_add_byte(&b, '/');
		buf_add_slice(&b, v.subtype);
		for (unsigned k = 0; k < v.params_n; k++) {
			buf_addf(&b, " %.*s%s=", SLICE_ARG(v.params[k].name), v.params[k].extended ? "*" : "");
			buf_add_slice(&b, v.params[k].value);
		}
		assert_slice(i, buf_slice(&b), t[i].want);
		buf_free(&b);
		arena_free(&a);
	}
}

static void many_params(void **state)
{
	struct arena *a = arena_new(1 << 20);
	struct buf b = BUF_INIT(1 << 20);
	struct mime_value v;

	(void)state;
	buf_add_cstr(&b, "a/b");
	for (unsigned i = 0; i < 5000; i++)
		buf_addf(&b, "; n*%u=x", i);
	assert_int_equal(mime_type_parse(buf_slice(&b), a, &v), 0);
	assert_int_equal(v.params_n, 1);
	assert_int_equal(v.params[0].value.len, MIME_PARAMS_MAX);
	buf_free(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),
		cmocka_unit_test(limits),
		cmocka_unit_test(depth),
		cmocka_unit_test(facts),
		cmocka_unit_test(params),
		cmocka_unit_test(many_params),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
