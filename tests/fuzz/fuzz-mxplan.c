/*
 * Whatever name servers answer, a plan holds only host names of harmless characters, in order of
 * preference, and addresses that mail may be sent to. Input: lines of a letter and record data.
 *	M raw rdata of an MX    m two bytes of preference and a name as text    4 / 6 raw rdata of A / AAAA
 */
#include <stdlib.h>

#include "dnsd/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 100, RDATA_MAX = 300 };

static struct { uint8_t bytes[RDATA_MAX]; } store[RECORDS_MAX];

/* "a.b" as labels; too long ones get a length byte that is wrong, as a broken server would send. */
static size_t put_name(uint8_t *out, size_t room, struct slice s)
{
	size_t n = 0;

	while (s.len != 0) {
		ptrdiff_t dot = slice_chr(s, '.');
		size_t label = dot < 0 ? s.len : (size_t)dot;

		if (n + label + 2 > room)
			break;
		out[n++] = (uint8_t)label;
		if (label != 0)
			memcpy(out + n, s.p, label);
		n += label;
		s = slice_sub(s, label + 1, SIZE_MAX);
	}
	out[n++] = 0;
	return n;
}

static size_t put_rdata(uint8_t *out, uint8_t type, struct slice s)
{
	size_t n = s.len < RDATA_MAX ? s.len : RDATA_MAX;

	if (type == 'm') {
		if (n < 2)
			return 0;
		memcpy(out, s.p, 2);
		return 2 + put_name(out + 2, RDATA_MAX - 2, slice_sub(s, 2, SIZE_MAX));
	}
	if (n != 0)
		memcpy(out, s.p, n);
	return n;
}

static void check_host(const struct dns_host *h, const struct dns_host *before)
{
	struct slice name = h->name;

	if (name.len == 0 || name.len > PLAN_NAME_MAX || h->addrs_n == 0 || h->addrs_n > 2 * PLAN_ADDRS_MAX)
		abort();
	for (size_t i = 0; i < name.len; i++)
		if (!is_class(name.p[i], CC_ALPHA | CC_DIGIT) && name.p[i] != '-' && name.p[i] != '_' && name.p[i] != '.')
			abort();
	if (before != NULL && (before->preference > h->preference || slice_eq(before->name, h->name)))
		abort();
	for (uint32_t i = 0; i < h->addrs_n; i++) {
		const struct dns_addr *a = &h->addrs[i];

		if (a->addr.len != (a->family == 4 ? 4u : 16u))
			abort();
		if (a->family == 4 && (a->addr.p[0] == 127 || a->addr.p[0] == 0 || a->addr.p[0] >= 224))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct plan p;
	struct plan_rdata mx[RECORDS_MAX], v4[RECORDS_MAX], v6[RECORDS_MAX];
	unsigned n = 0, mx_n = 0, v4_n = 0, v6_n = 0;
	struct slice rest = slice_of(data, size);
	struct arena *a = arena_new(1 << 20);
	struct dns_mx_reply reply;

	memset(&p, 0, sizeof(p));
	memcpy(p.domain, "naver.test", sizeof("naver.test"));
	while (rest.len != 0 && n < RECORDS_MAX) {
		ptrdiff_t lf = slice_chr(rest, '\n');
		struct slice line = slice_sub(rest, 0, lf < 0 ? rest.len : (size_t)lf);
		uint8_t *out = store[n++].bytes;

		rest = slice_sub(rest, line.len + 1, SIZE_MAX);
		if (line.len == 0)
			continue;
		if (line.p[0] == '4')
			v4[v4_n++] = (struct plan_rdata){ out, put_rdata(out, '4', slice_sub(line, 1, SIZE_MAX)) };
		else if (line.p[0] == '6')
			v6[v6_n++] = (struct plan_rdata){ out, put_rdata(out, '6', slice_sub(line, 1, SIZE_MAX)) };
		else
			mx[mx_n++] = (struct plan_rdata){ out, put_rdata(out, line.p[0], slice_sub(line, 1, SIZE_MAX)) };
	}
	plan_take_mx(&p, mx_n != 0 ? ANSWER_DATA : ANSWER_NODATA, mx, mx_n, "me.test");
	for (unsigned i = 0; i < p.hosts_n; i++) {
		plan_take_addrs(&p, &p.hosts[i], 4, ANSWER_DATA, v4, v4_n, false);
		plan_take_addrs(&p, &p.hosts[i], 6, ANSWER_DATA, v6, v6_n, false);
	}
	if (a == NULL || plan_finish(&p, a, &reply) != 0 || reply.hosts_n > PLAN_HOSTS_MAX)
		abort();
	for (uint32_t i = 0; i < reply.hosts_n; i++)
		check_host(&reply.hosts[i], i != 0 ? &reply.hosts[i - 1] : NULL);
	arena_free(&a);
	return 0;
}
