#include "tests/lib/unit.h"

#include "common/base/clock.h"
#include "dnsd/plan.h"

/* The dice: how often each order came does not matter, a fixed one does. */
static void no_random(void *p, size_t n)
{
	memset(p, 0, n);
}

/* "a.b" as wire format; "" is the root. */
static size_t wire_name(uint8_t *out, const char *text)
{
	size_t n = 0, label;

	while (*text != '\0') {
		label = strcspn(text, ".");
		out[n++] = (uint8_t)label;
		memcpy(out + n, text, label);
		n += label;
		text += label + (text[label] == '.');
	}
	out[n++] = 0;
	return n;
}

static void names(void **state)
{
	static const struct { const char *in; size_t len; int r; const char *want; } t[] = {
		{ "\0", 1, 0, "" }, { "\1a\0", 3, 0, "a" }, { "\2Mx\5Naver\4TEST\0", 15, 0, "mx.naver.test" },
		{ "\3_25\1b\0", 7, 0, "_25.b" }, { "", 0, ERR_SYNTAX, "" }, { "\1a", 2, ERR_SYNTAX, "" },
		{ "\2a\0", 3, ERR_SYNTAX, "" }, { "\1a\0x", 4, ERR_SYNTAX, "" }, { "\1.\0", 3, ERR_SYNTAX, "" },
		{ "\1 \0", 3, ERR_SYNTAX, "" }, { "\1\n\0", 3, ERR_SYNTAX, "" }, { "\1\0\0", 3, ERR_SYNTAX, "" },
		{ "\1\xff\0", 3, ERR_SYNTAX, "" }, { "\xc0\x0c", 2, ERR_SYNTAX, "" }, { "\100a\0", 3, ERR_SYNTAX, "" },
	};
	uint8_t longest[400];
	char out[PLAN_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, plan_name((const uint8_t *)t[i].in, t[i].len, out) == t[i].r);
		if (t[i].r == 0)
			assert_string_equal(out, t[i].want);
	}
	memset(longest, 1, sizeof(longest));
	for (size_t i = 1; i < sizeof(longest); i += 2)
		longest[i] = 'a';
	for (size_t n = 1; n < sizeof(longest) - 1; n += 2) {
		uint8_t keep = longest[n - 1];

		longest[n - 1] = 0;
		assert_row(n, (plan_name(longest, n, out) == 0) == (n <= PLAN_NAME_MAX));
		longest[n - 1] = keep;
	}
}

/* ---- scripts: what the name servers say, and the plan that comes of it --------------- */

struct mx_rr { uint16_t pref; const char *name; };
struct addrs { enum answer kind; const char *v[4]; };
struct script {
	const char *what;
	enum answer mx_kind;
	struct mx_rr mx[6];
	struct { const char *host; struct addrs a, aaaa; } hosts[6];
	bool allow_local;
	uint8_t status;
	const char *want;       /* "host/pref addr addr; host ..." */
	const char *text;       /* part of the text */
};

static unsigned read_mx(const struct script *s, uint8_t data[6][300], struct plan_rdata rdata[6])
{
	unsigned n = 0;

	for (; n < 6 && s->mx[n].name != NULL; n++) {
		data[n][0] = (uint8_t)(s->mx[n].pref >> 8);
		data[n][1] = (uint8_t)s->mx[n].pref;
		rdata[n] = (struct plan_rdata){ data[n], 2 + wire_name(data[n] + 2, s->mx[n].name) };
	}
	return n;
}

static void answer_addrs(struct plan *p, struct plan_host *h, const struct addrs *a, uint8_t family, bool allow_local)
{
	uint8_t data[4][16];
	struct plan_rdata rdata[4];
	unsigned n = 0;

	for (; n < 4 && a->v[n] != NULL; n++) {
		char literal[64];
		int af;

		(void)snprintf(literal, sizeof(literal), family == 4 ? "[%s]" : "[IPv6:%s]", a->v[n]);
		assert_int_equal(mail_literal_addr(slice_cstr(literal), &af, data[n]), 0);
		rdata[n] = (struct plan_rdata){ data[n], family == 4 ? 4 : 16 };
	}
	plan_take_addrs(p, h, family, a->kind, rdata, n, allow_local);
}

static void print_plan(struct buf *b, const struct dns_mx_reply *r)
{
	for (uint32_t i = 0; i < r->hosts_n; i++) {
		const struct dns_host *h = &r->hosts[i];

		buf_addf(b, "%s%.*s/%u", i != 0 ? "; " : "", SLICE_ARG(h->name), h->preference);
		for (uint32_t k = 0; k < h->addrs_n; k++)
			buf_addf(b, " %s%u", h->addrs[k].family == 4 ? "" : "6:", h->addrs[k].addr.p[h->addrs[k].addr.len - 1]);
	}
}

static void play(size_t row, const struct script *s)
{
	struct plan p = { .domain = "naver.test", .ttl = 60 };
	uint8_t data[6][300];
	struct plan_rdata rdata[6];
	struct arena *a = arena_new(65536);
	struct buf b = BUF_INIT(10000);
	struct dns_mx_reply reply;

	plan_take_mx(&p, s->mx_kind, rdata, read_mx(s, data, rdata), "me.test");
	for (unsigned i = 0; i < p.hosts_n; i++)
		for (unsigned k = 0; k < 6 && s->hosts[k].host != NULL; k++)
			if (strcmp(s->hosts[k].host, p.hosts[i].name) == 0) {
				answer_addrs(&p, &p.hosts[i], &s->hosts[k].a, 4, s->allow_local);
				answer_addrs(&p, &p.hosts[i], &s->hosts[k].aaaa, 6, s->allow_local);
			}
	assert_int_equal(plan_finish(&p, a, &reply), 0);
	print_plan(&b, &reply);
	if (reply.status != s->status)
		fail_msg("row %zu (%s): status %u, want %u", row, s->what, reply.status, s->status);
	assert_slice(row, buf_slice(&b), s->want);
	buf_reset(&b);
	buf_add_slice(&b, reply.text);
	buf_add_byte(&b, '\0');
	assert_row(row, strstr((const char *)b.p, s->text) != NULL);
	buf_free(&b);
	arena_free(&a);
}

#define A1 { ANSWER_DATA, { "192.0.2.1" } }
#define A2 { ANSWER_DATA, { "192.0.2.2" } }
#define NONE { ANSWER_NODATA, { NULL } }

static void plans(void **state)
{
	static const struct script t[] = {
		{ "one exchanger", ANSWER_DATA, { { 10, "mx.naver.test" } }, { { "mx.naver.test", A1, NONE } }, false,
			DNS_OK, "mx.naver.test/10 1", "" },
		{ "both families in turn", ANSWER_DATA, { { 10, "mx.naver.test" } },
			{ { "mx.naver.test", { ANSWER_DATA, { "192.0.2.1" } }, { ANSWER_DATA, { "2001:db8::9" } } } }, false,
			DNS_OK, "mx.naver.test/10 6:9 1", "" },
		{ "by preference", ANSWER_DATA, { { 20, "b.test" }, { 10, "a.test" }, { 65535, "c.test" } },
			{ { "a.test", A1, NONE }, { "b.test", A2, NONE }, { "c.test", A1, NONE } }, false,
			DNS_OK, "a.test/10 1; b.test/20 2; c.test/65535 1", "" },
		{ "a name twice counts once, at its best", ANSWER_DATA, { { 20, "a.test" }, { 10, "A.test" } },
			{ { "a.test", A1, NONE } }, false, DNS_OK, "a.test/10 1", "" },
		{ "no MX: the domain itself", ANSWER_NODATA, { { 0, NULL } }, { { "naver.test", A1, NONE } }, false,
			DNS_OK, "naver.test/0 1", "" },
		{ "no MX and no address", ANSWER_NODATA, { { 0, NULL } }, { { "naver.test", NONE, NONE } }, false,
			DNS_NODATA, "", "no mail exchanger and no address" },
		{ "no such domain", ANSWER_NXDOMAIN, { { 0, NULL } }, { { NULL, NONE, NONE } }, false,
			DNS_NXDOMAIN, "", "no such domain" },
		{ "null MX", ANSWER_DATA, { { 0, "" } }, { { NULL, NONE, NONE } }, false, DNS_NULLMX, "", "null MX" },
		{ "null MX with another preference", ANSWER_DATA, { { 10, "" } }, { { NULL, NONE, NONE } }, false, DNS_NULLMX, "", "" },
		{ "a dot among others is passed over", ANSWER_DATA, { { 0, "" }, { 10, "a.test" } }, { { "a.test", A1, NONE } }, false,
			DNS_OK, "a.test/10 1", "" },
		{ "only names that are none", ANSWER_DATA, { { 0, "a b" }, { 1, "x\n" } }, { { NULL, NONE, NONE } }, false,
			DNS_NODATA, "", "no mail exchanger of the domain is usable" },
		{ "server failure", ANSWER_FAILED, { { 0, NULL } }, { { NULL, NONE, NONE } }, false, DNS_TEMPFAIL, "", "could not" },
		{ "bogus", ANSWER_BOGUS, { { 0, NULL } }, { { NULL, NONE, NONE } }, false, DNS_BOGUS, "", "DNSSEC" },
		{ "a host without address is left out", ANSWER_DATA, { { 1, "a.test" }, { 2, "b.test" } },
			{ { "a.test", { ANSWER_NXDOMAIN, { NULL } }, { ANSWER_NXDOMAIN, { NULL } } }, { "b.test", A2, NONE } }, false,
			DNS_OK, "b.test/2 2", "" },
		{ "no host has one", ANSWER_DATA, { { 1, "a.test" } }, { { "a.test", NONE, NONE } }, false,
			DNS_NODATA, "", "has an address" },
		{ "perhaps one has", ANSWER_DATA, { { 1, "a.test" }, { 2, "b.test" } },
			{ { "a.test", { ANSWER_FAILED, { NULL } }, NONE }, { "b.test", NONE, NONE } }, false, DNS_TEMPFAIL, "", "addresses" },
		{ "one failed, another is there", ANSWER_DATA, { { 1, "a.test" }, { 2, "b.test" } },
			{ { "a.test", { ANSWER_FAILED, { NULL } }, NONE }, { "b.test", A2, NONE } }, false, DNS_OK, "b.test/2 2", "" },
		{ "bogus addresses", ANSWER_DATA, { { 1, "a.test" } }, { { "a.test", { ANSWER_BOGUS, { NULL } }, NONE } }, false,
			DNS_BOGUS, "", "DNSSEC" },
		{ "we are the only exchanger", ANSWER_DATA, { { 1, "Me.Test" } }, { { NULL, NONE, NONE } }, false,
			DNS_NODATA, "", "comes back to this host" },
		{ "those before us", ANSWER_DATA, { { 20, "me.test" }, { 10, "a.test" }, { 20, "b.test" }, { 30, "c.test" } },
			{ { "a.test", A1, NONE }, { "b.test", A2, NONE }, { "c.test", A2, NONE } }, false, DNS_OK, "a.test/10 1", "" },
		{ "local addresses are left out", ANSWER_DATA, { { 1, "a.test" } },
			{ { "a.test", { ANSWER_DATA, { "127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255" } },
			    { ANSWER_DATA, { "::1", "::", "::ffff:127.0.0.1", "ff02::1" } } } }, false,
			DNS_NODATA, "", "usable" },
		{ "or taken where it is configured", ANSWER_DATA, { { 1, "a.test" } },
			{ { "a.test", { ANSWER_DATA, { "127.0.0.3", "224.0.0.9" } }, { ANSWER_DATA, { "::1" } } } }, true,
			DNS_OK, "a.test/1 6:1 3", "" },
	};
	const struct clock_ops ops = { clock_mono_ms, clock_wall_us, no_random };

	(void)state;
	clock_set(&ops);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		play(i, &t[i]);
	clock_set(NULL);
}

/* Equal preferences: each comes first about as often as the others. */
static void chance(void **state)
{
	unsigned first[3] = { 0 };

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		static const struct script s = { .mx = { { 10, "a" }, { 10, "b" }, { 10, "c" }, { 20, "d" } } };
		struct plan p = { .domain = "naver.test" };
		uint8_t data[6][300];
		struct plan_rdata rdata[6];

		plan_take_mx(&p, ANSWER_DATA, rdata, read_mx(&s, data, rdata), NULL);
		assert_int_equal(p.hosts_n, 4);
		assert_string_equal(p.hosts[3].name, "d");
		first[p.hosts[0].name[0] - 'a']++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(first[i], 800, 1200);
}

static void limits(void **state)
{
	static uint8_t data[100][300];
	static struct plan p = { .domain = "naver.test" };
	struct plan_rdata rdata[100];
	struct arena *a = arena_new(1 << 20);
	struct dns_mx_reply reply;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "h%u.test", i);
		data[i][1] = (uint8_t)(100 - i);
		rdata[i] = (struct plan_rdata){ data[i], 2 + wire_name(data[i] + 2, name) };
	}
	plan_take_mx(&p, ANSWER_DATA, rdata, 100, NULL);
	assert_int_equal(p.hosts_n, PLAN_HOSTS_MAX);
	assert_string_equal(p.hosts[0].name, "h99.test");
	for (unsigned i = 0; i < 100; i++) {
		data[i][0] = 192;
		rdata[i] = (struct plan_rdata){ data[i], i % 10 == 0 ? 3 : 4 };
	}
	for (unsigned i = 0; i < p.hosts_n; i++) {
		plan_take_addrs(&p, &p.hosts[i], 4, ANSWER_DATA, rdata, 100, false);
		assert_int_equal(p.hosts[i].v4_n, PLAN_ADDRS_MAX);
	}
	assert_int_equal(plan_finish(&p, a, &reply), 0);
	assert_int_equal(reply.hosts_n, PLAN_HOSTS_MAX);
	/* Rdata too short for anything. */
	memset(&p, 0, sizeof(p));
	for (unsigned i = 0; i < 3; i++)
		rdata[i] = (struct plan_rdata){ data[i], i };
	plan_take_mx(&p, ANSWER_DATA, rdata, 3, NULL);
	assert_int_equal(p.hosts_n, 0);
	arena_free(&a);
}

static void literals(void **state)
{
	static const struct { const char *in; bool allow; bool is; uint8_t status; uint32_t addrs; } t[] = {
		{ "naver.test", false, false, 0, 0 }, { "", false, false, 0, 0 },
		{ "[192.0.2.1]", false, true, DNS_OK, 1 }, { "[IPv6:2001:db8::1]", false, true, DNS_OK, 1 },
		{ "[127.0.0.1]", false, true, DNS_NODATA, 0 }, { "[127.0.0.1]", true, true, DNS_OK, 1 },
		{ "[IPv6:::1]", false, true, DNS_NODATA, 0 }, { "[1.2.3]", false, true, DNS_NXDOMAIN, 0 },
		{ "[", false, true, DNS_NXDOMAIN, 0 }, { "[x-tag:y]", false, true, DNS_NXDOMAIN, 0 },
	};
	struct arena *a = arena_new(65536);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct dns_mx_reply r = { 0 };

		assert_row(i, plan_literal(slice_cstr(t[i].in), t[i].allow, a, &r) == t[i].is);
		if (!t[i].is)
			continue;
		assert_row(i, r.status == t[i].status);
		assert_row(i, (r.hosts_n == 0 ? 0 : r.hosts[0].addrs_n) == t[i].addrs);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(plans),
		cmocka_unit_test(chance),
		cmocka_unit_test(limits),
		cmocka_unit_test(literals),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
