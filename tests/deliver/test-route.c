#include "tests/lib/unit.h"

#include <arpa/inet.h>

#include "common/ipc/proto_job.h"
#include "deliver/route.h"

struct host { const char *name; uint16_t pref; const char *addrs[3]; };

struct row {
	uint8_t status;
	bool allow_local;
	struct host hosts[4];
	const char *want;       /* "host[ip] ..." or "kind status" */
};


static const struct row rows[] = {
	{ DNS_OK, false, { { "mx1.b", 10, { "192.0.2.1", "2001:db8::1" } }, { "mx2.b", 20, { "192.0.2.2" } } },
	  "mx1.b[192.0.2.1] mx1.b[2001:db8::1] mx2.b[192.0.2.2]" },
	/* five addresses are enough */
	{ DNS_OK, false, { { "a", 1, { "192.0.2.1", "192.0.2.2", "192.0.2.3" } }, { "b", 2, { "192.0.2.4", "192.0.2.5", "192.0.2.6" } } },
	  "a[192.0.2.1] a[192.0.2.2] a[192.0.2.3] b[192.0.2.4] b[192.0.2.5]" },
	/* of our own preference and worse: dropped */
	{ DNS_OK, false, { { "mx1.b", 10, { "192.0.2.1" } }, { "US.test.", 20, { "192.0.2.9" } }, { "mx3.b", 20, { "192.0.2.3" } },
	    { "mx4.b", 30, { "192.0.2.4" } } }, "mx1.b[192.0.2.1]" },
	{ DNS_OK, false, { { "us.test", 10, { "192.0.2.9" } }, { "mx2.b", 20, { "192.0.2.2" } } }, "3 5.4.6" },
	/* local addresses */
	{ DNS_OK, false, { { "mx1.b", 10, { "127.0.0.1", "::1", "0.0.0.0" } }, { "mx2.b", 20, { "192.0.2.2" } } }, "mx2.b[192.0.2.2]" },
	{ DNS_OK, false, { { "mx1.b", 10, { "127.0.0.1", "::ffff:127.0.0.1", "::" } } }, "3 5.4.4" },
	{ DNS_OK, false, { { "mx1.b", 10, { "224.0.0.1", "255.255.255.255", "ff02::1" } } }, "3 5.4.4" },
	{ DNS_OK, true, { { "mx1.b", 10, { "127.0.0.1", "::1" } } }, "mx1.b[127.0.0.1] mx1.b[::1]" },
	{ DNS_OK, false, { { NULL, 0, { NULL } } }, "2 4.4.3" },
	{ DNS_OK, false, { { "mx1.b", 0, { NULL } } }, "2 4.4.3" },
	/* a name is only ever a name in the log */
	{ DNS_OK, false, { { "evil\nname", 0, { "192.0.2.1" } } }, "evil\\x0aname[192.0.2.1]" },
	{ DNS_NXDOMAIN, false, { { NULL, 0, { NULL } } }, "3 5.1.2" },
	{ DNS_NODATA, false, { { NULL, 0, { NULL } } }, "3 5.4.4" },
	{ DNS_NULLMX, false, { { NULL, 0, { NULL } } }, "3 5.1.10" },
	{ DNS_TEMPFAIL, false, { { NULL, 0, { NULL } } }, "2 4.4.3" },
	{ DNS_BOGUS, false, { { NULL, 0, { NULL } } }, "2 4.4.3" },
	{ 99, false, { { NULL, 0, { NULL } } }, "2 4.4.3" },
};


static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct dns_addr addrs[4][3] = { { { 0 } } };
		struct dns_host hosts[4] = { { .preference = 0 } };
		uint8_t raw[4][3][16];
		struct dns_mx_reply m = { .status = rows[i].status, .hosts = hosts };
		struct buf got = BUF_INIT(4096);
		struct route r;

		for (unsigned h = 0; h < 4 && rows[i].hosts[h].name != NULL; h++, m.hosts_n++) {
			hosts[h] = (struct dns_host){ .name = slice_cstr(rows[i].hosts[h].name),
			    .preference = rows[i].hosts[h].pref, .addrs = addrs[h] };
			for (unsigned k = 0; k < 3 && rows[i].hosts[h].addrs[k] != NULL; k++, hosts[h].addrs_n++) {
				const char *text = rows[i].hosts[h].addrs[k];
				bool six = strchr(text, ':') != NULL;

				assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, text, raw[h][k]), 1);
				addrs[h][k] = (struct dns_addr){ .family = six ? 6 : 4, .addr = slice_of(raw[h][k], six ? 16 : 4) };
			}
		}
		route_make(&m, SLICE_LIT("b.test"), SLICE_LIT("us.test"), rows[i].allow_local, &r);
		for (unsigned k = 0; k < r.n; k++) {
			char ip[64];

			route_addr_text(r.addrs[k].family, r.addrs[k].addr, ip);
			buf_addf(&got, "%s%s[%s]", k != 0 ? " " : "", r.addrs[k].host, ip);
		}
		if (r.n == 0)
			buf_addf(&got, "%u %s", r.kind, r.status);
		assert_slice(i, buf_slice(&got), rows[i].want);
		buf_free(&got);
	}
}

/* An address of a wrong length or family is passed over. */
static void test_bad_addr(void **state)
{
	struct dns_addr addrs[] = { { 4, SLICE_LIT("abc") }, { 6, SLICE_LIT("abcd") }, { 5, SLICE_LIT("abcd") }, { 4, SLICE_LIT("\xc0\x00\x02\x01") } };
	struct dns_host host = { .name = SLICE_LIT("mx"), .addrs = addrs, .addrs_n = 4 };
	struct dns_mx_reply m = { .status = DNS_OK, .hosts = &host, .hosts_n = 1 };
	struct route r;

	(void)state;
	route_make(&m, SLICE_LIT("b.test"), SLICE_LIT("us.test"), false, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.addrs[0].addr[0], 0xc0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bad_addr),
	};

	return cmocka_run_group_tests_name("deliver/route", tests, NULL, NULL);
}
