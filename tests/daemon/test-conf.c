#include "tests/lib/unit.h"

#include <unistd.h>

#include "common/daemon/conf.h"

/* What the text gives: the errors, exactly. */
static void errors(void **state)
{
	static const struct { const char *in, *want; } t[] = {
		{ "", "" },
		{ "# only a comment\n\n   \t\n", "" },
		{ "hostname = mail.naver.test\n", "" },
		{ "hostname = mail.naver.test # name\r\n", "" },
		{ "hostname = \"mail.naver.test\" # name", "" },
		{ "hostnme = x\n", "f:1: unknown option hostnme; did you mean hostname?\n" },
		{ "HOSTNAME = x\n", "f:1: unknown option HOSTNAME; did you mean hostname?\n" },
		{ "completely_different_thing = x\n", "f:1: unknown option completely_different_thing\n" },
		{ " = x\n", "f:1: unknown option \"\"\n" },
		{ "\n\nsmtpd_workers 3\n", "f:3: no '=' in this line; it should be \"name = value\": \"smtpd_workers 3\"\n" },
		{ "smtpd_workers = 0\n", "f:1: smtpd_workers = 0: must be between 1 and 64\n" },
		{ "smtpd_workers = 65\n", "f:1: smtpd_workers = 65: must be between 1 and 64\n" },
		{ "smtpd_workers = -1\n", "f:1: smtpd_workers = -1: must be a number\n" },
		{ "smtpd_workers = 99999999999999999999999\n",
		    "f:1: smtpd_workers = 99999999999999999999999: must be between 1 and 64\n" },
		{ "smtpd_workers =\n", "f:1: smtpd_workers = \"\": must be a number\n" },
		{ "smtp_timeout = 2w\n", "f:1: smtp_timeout = 2w: must be between 1s and 1d\n" },
		{ "smtp_timeout = 5x\n", "f:1: smtp_timeout = 5x: must be a time: a number of seconds, or with s, m, h, d or w\n" },
		{ "smtp_timeout = 5mm\n", "f:1: smtp_timeout = 5mm: must be a time: a number of seconds, or with s, m, h, d or w\n" },
		{ "message_size_limit = 5d\n",
		    "f:1: message_size_limit = 5d: must be a size: a number of bytes, or with k, m or g\n" },
		{ "message_size_limit = 18446744073709551615g\n",
		    "f:1: message_size_limit = 18446744073709551615g: must be between 1k and 2g\n" },
		{ "allow_plaintext_login = maybe\n", "f:1: allow_plaintext_login = maybe: must be yes or no\n" },
		{ "spool_dir = relative\n", "f:1: spool_dir = relative: must be an absolute path\n" },
		{ "spool_dir =\n", "f:1: spool_dir: must be a directory of its own\n" },
		{ "spool_dir = /x\nstate_dir = /x\n", "f:2: spool_dir and state_dir are the same directory; each needs its own\n" },
		{ "hop_limit = 10\nhop_limit = 11\n", "f:2: hop_limit is set a second time; the first was in line 1\n" },
		{ "hop_limit = 10\\\n0\nnonsense\n", "f:3: no '=' in this line; it should be \"name = value\": nonsense\n" },
		{ "hop_limit = \\\n  1\\\n000000\n", "f:1: hop_limit = 1000000: must be between 5 and 1000\n" },
		{ "listen = smtp 127.0.0.1:25\nlisten = imap [::1]:143\nlisten = pop3 0.0.0.0:110\n", "" },
		{ "tls_policy = daum.test encrypt\ntls_policy = * verify\ntls_policy = a.test verify mx.a.test b.test\n", "" },
		{ "tls_policy = daum.test always\n", "f:1: tls_policy = \"daum.test always\": must be DOMAIN or *, and none, may, encrypt or "
		    "verify, and after verify the names that the certificate may have\n" },
		{ "tls_policy = daum.test may mx.daum.test\n", "f:1: tls_policy = \"daum.test may mx.daum.test\": must be DOMAIN or *, and none, "
		    "may, encrypt or verify, and after verify the names that the certificate may have\n" },
		{ "listen = smtp 127.0.0.1:25\nlisten = imap 127.0.0.1:25\n",
		    "f:2: listen = \"imap 127.0.0.1:25\": the same address and port as in line 1\n" },
		{ "listen = smtp 127.0.0.1:0\nlisten = imap 127.0.0.1:0\n", "" },
		{ "listen = http 127.0.0.1:80\n", "f:1: listen = \"http 127.0.0.1:80\": must be smtp, submission, submissions, pop3, pop3s, imap or imaps and a numeric "
		    "ADDRESS:PORT, like \"smtp 0.0.0.0:25\" or \"imap [::1]:143\"\n" },
		{ "relay_from = 127.0.0.0/8\nrelay_from = ::1\n", "" },
		{ "relay_from = 192.0.2.1/24\n", "f:1: relay_from = 192.0.2.1/24: bits behind the network part are set\n" },
		{ "relay_from = 192.0.2.0/33\n", "f:1: relay_from = 192.0.2.0/33: must be a network ADDRESS/BITS, "
		    "like 192.0.2.0/24 or 2001:db8::/32\n" },
		{ "relay_from = all\n", "f:1: relay_from = all: must be a network ADDRESS/BITS, "
		    "like 192.0.2.0/24 or 2001:db8::/32\n" },
		{ "dns_forwarder = 192.0.2.53\ndns_forwarder = ::1@5353\n", "" },
		{ "dns_forwarder = ns.example\n", "f:1: dns_forwarder = ns.example: must be a numeric ADDRESS or ADDRESS@PORT\n" },
		{ "dns_forwarder = 192.0.2.53@0\n", "f:1: dns_forwarder = 192.0.2.53@0: must be a numeric ADDRESS or ADDRESS@PORT\n" },
		{ "dns_stub = naver.test. 127.0.0.1@5300\n", "" },
		{ "dns_stub = naver.test\n", "f:1: dns_stub = naver.test: must be DOMAIN ADDRESS@PORT\n" },
		{ "dns_record = naver.test. IN TXT \"a # b\"\n", "" },
		{ "log_level = loud\n", "f:1: log_level = loud: must be error, warn, info or debug\n" },
		{ "hostname = -x.test\n", "f:1: hostname = -x.test: must be a domain name\n" },
		{ "hostname = a..b\n", "f:1: hostname = a..b: must be a domain name\n" },
		{ "smtp_bind_address = eth0\n", "f:1: smtp_bind_address = eth0: must be a numeric address\n" },
		{ "recipient_delimiter = +x\n", "f:1: recipient_delimiter = +x: must be of !#$%&'*+-/=?^_`{|}~ only\n" },
		{ "recipient_delimiter = +-+-+\n", "f:1: recipient_delimiter: longer than 4 bytes\n" },
		{ "queue_backoff_min = 2h\n", "f:1: queue_backoff_min is more than queue_backoff_max\n" },
		{ "connection_limit = 10\n", "" },
		{ "connection_limit_address = 200\nconnection_limit = 10\n", "f:2: connection_limit_address is more than connection_limit\n" },
		{ "uid_base = 5\n", "f:1: uid_base = 5: must be 0 or at least 1000\n" },
		{ "hostname = \"a.test\n", "f:1: hostname: a quoted value has to end with '\"' and nothing after it\n" },
		{ "hostname = \"a.test\" x\n", "f:1: hostname: a quoted value has to end with '\"' and nothing after it\n" },
		{ "hostname = a\001b\n", "f:1: a control character (byte 1) in this line\n" },
		{ "\xff\xfe = 1\n", "f:1: unknown option \\xff\\xfe\n" },
		/* all of them are told, not only the first */
		{ "x_y_z_x_y_z = 1\nhop_limit = 1\nlog_level = 7\n",
		    "f:1: unknown option x_y_z_x_y_z\nf:2: hop_limit = 1: must be between 5 and 1000\n"
		    "f:3: log_level = 7: must be error, warn, info or debug\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf e = BUF_INIT(65536);
		struct conf *c;
		int r = conf_parse(&c, "f", slice_cstr(t[i].in), &e);

		assert_row(i, c != NULL);
		assert_slice(i, buf_slice(&e), t[i].want);
		assert_row(i, (r == 0) == (t[i].want[0] == '\0'));
		conf_free(&c);
		assert_row(i, c == NULL);
		buf_free(&e);
	}
}

static void values(void **state)
{
	static const char text[] =
	    "hostname = mail.naver.test\n"
	    "listen = smtp 127.0.0.1:2525\n"
	    "listen = \"imap [::1]:1143\"   # in quotes\n"
	    "smtp_timeout = 90 s\nqueue_lifetime=2d\nmessage_size_limit = 10M\n"
	    "allow_plaintext_login = YES\n"
	    "dns_record = naver.test. IN TXT \"v=spf1 # -all\" # comment\n"
	    "dns_record = \"a. TXT \\\"x\\\"\"\n"
	    "spool_dir = /srv/mail \\\nspool\n"
	    "recipient_delimiter =\n"
	    "connection_limit = 50\n";
	struct buf e = BUF_INIT(65536);
	struct conf *c;

	(void)state;
	assert_int_equal(conf_parse(&c, "f", slice_cstr(text), &e), 0);
	assert_string_equal(c->hostname, "mail.naver.test");
	assert_int_equal(c->listen.n, 2);
	assert_string_equal(c->listen.v[1], "imap [::1]:1143");
	assert_int_equal(c->smtp_timeout, 90);
	assert_int_equal(c->queue_lifetime, 172800);
	assert_int_equal(c->message_size_limit, 10485760);
	assert_true(c->allow_plaintext_login);
	assert_int_equal(c->dns_record.n, 2);
	assert_string_equal(c->dns_record.v[0], "naver.test. IN TXT \"v=spf1 # -all\"");
	assert_string_equal(c->dns_record.v[1], "a. TXT \"x\"");
	assert_string_equal(c->spool_dir, "/srv/mail spool");
	assert_string_equal(c->recipient_delimiter, "");
	assert_int_equal(c->connection_limit_address, 50);
	/* defaults */
	assert_int_equal(c->segment_size, 64u << 20);
	assert_string_equal(c->log_level, "info");
	assert_string_equal(c->log_file, "");
	assert_non_null(strstr(c->state_dir, "/lib/pabal"));
	assert_int_equal(c->relay_from.n, 0);
	conf_free(&c);
	buf_free(&e);
}

/* What is printed reads back as the same. */
static void printing(void **state)
{
	static const char text[] = "dns_record = \"  x # y\\\\\"\nhostname=a.test\nspool_cache = 65537k\nhistory_keep = 3601\n"
	    "log_file = \"/a #b\"\n";
	struct buf e = BUF_INIT(65536), one = BUF_INIT(65536), two = BUF_INIT(65536);
	struct conf *c;

	(void)state;
	assert_int_equal(conf_parse(&c, "f", slice_cstr(text), &e), 0);
	conf_print(&one, c);
	conf_free(&c);
	assert_int_equal(conf_parse(&c, "f", buf_slice(&one), &e), 0);
	conf_print(&two, c);
	assert_true(slice_eq(buf_slice(&one), buf_slice(&two)));
	assert_string_equal(c->dns_record.v[0], "  x # y\\");
	assert_string_equal(c->log_file, "/a #b");
	buf_add_byte(&one, '\0');
	assert_non_null(strstr((const char *)one.p, "spool_cache = 65537k\n"));
	assert_non_null(strstr((const char *)one.p, "history_keep = 3601s\n"));
	assert_non_null(strstr((const char *)one.p, "message_size_limit = 50m\n"));
	conf_free(&c);
	buf_free(&e);
	buf_free(&one);
	buf_free(&two);
}

static void listens(void **state)
{
	static const struct { const char *in; int svc; const char *host; unsigned port; } t[] = {
		{ "smtp 127.0.0.1:25", LISTEN_SMTP, "127.0.0.1", 25 },
		{ "submission 127.0.0.1:587", LISTEN_SUBMISSION, "127.0.0.1", 587 },
		{ "submissions [::1]:465", LISTEN_SUBMISSIONS, "::1", 465 },
		{ "pop3s 127.0.0.1:995", LISTEN_POP3S, "127.0.0.1", 995 },
		{ "imaps 127.0.0.1:993", LISTEN_IMAPS, "127.0.0.1", 993 },
		{ "pop3 0.0.0.0:110", LISTEN_POP3, "0.0.0.0", 110 },
		{ "imap [::1]:143", LISTEN_IMAP, "::1", 143 },
		{ "  imap\t [2001:db8::1]:65535 ", LISTEN_IMAP, "2001:db8::1", 65535 },
		{ "imap 127.0.0.1:0", LISTEN_IMAP, "127.0.0.1", 0 },
		{ "imap", -1, "", 0 }, { "", -1, "", 0 }, { "imap ", -1, "", 0 }, { "imap 127.0.0.1", -1, "", 0 },
		{ "imap 127.0.0.1:", -1, "", 0 }, { "imap 127.0.0.1:65536", -1, "", 0 }, { "imap 127.0.0.1:25x", -1, "", 0 },
		{ "imap ::1:143", -1, "", 0 }, { "imap [::1:143", -1, "", 0 }, { "imap [::1]143", -1, "", 0 },
		{ "imap [127.0.0.1]:143", -1, "", 0 }, { "imap localhost:143", -1, "", 0 }, { "imap []:143", -1, "", 0 },
		{ "imap [0000000000000000000000000000000000000000000000000000000000000000000000000000::1]:143", -1, "", 0 },
		{ "IMAP 127.0.0.1:143", -1, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		enum conf_listen_service svc = LISTEN_COUNT;
		char host[64] = "";
		uint16_t port = 0;
		int r = conf_listen_parse(t[i].in, &svc, host, &port);

		assert_row(i, r == (t[i].svc < 0 ? ERR_SYNTAX : 0));
		if (r != 0)
			continue;
		assert_row(i, (int)svc == t[i].svc && strcmp(host, t[i].host) == 0 && port == t[i].port);
	}
}

static void networks(void **state)
{
	static char v4[] = "192.0.2.128/25", v6[] = "2001:db8::/33", one[] = "::1", all4[] = "10.0.0.0/8";
	char *v[] = { v4, v6, one, all4 };
	const struct conf_list l = { v, ARRAY_LEN(v) };
	static const struct { const char *addr; bool want; } t[] = {
		{ "192.0.2.128", true }, { "192.0.2.255", true }, { "192.0.2.127", false },
		{ "::ffff:192.0.2.200", true }, { "::ffff:192.0.2.1", false },
		{ "2001:db8:7fff::1", true }, { "2001:db8:8000::1", false },
		{ "::1", true }, { "::2", false }, { "10.255.0.1", true }, { "11.0.0.1", false },
		{ "", false }, { "x", false }, { "10.0.0", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_row(i, conf_network_match(&l, t[i].addr) == t[i].want);
	assert_false(conf_network_match(&(struct conf_list){ NULL, 0 }, "10.0.0.1"));
}

static void files(void **state)
{
	char path[] = "/tmp/pabal-test-conf.XXXXXX";
	struct buf e = BUF_INIT(65536);
	static char big[70000];
	struct conf *c;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "hop_limit = 7\n", 14), 14);
	assert_int_equal(conf_load(&c, path, &e), 0);
	assert_int_equal(c->hop_limit, 7);
	conf_free(&c);
	memset(big, '#', sizeof(big));
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(write(fd, big, sizeof(big)), (ssize_t)sizeof(big));
	assert_int_equal(conf_load(&c, path, &e), ERR_SYNTAX);
	buf_add_byte(&e, '\0');
	assert_non_null(strstr((const char *)e.p, ": longer than 1048576 bytes\n"));
	conf_free(&c);
	(void)close(fd);
	(void)unlink(path);
	buf_reset(&e);
	assert_int_equal(conf_load(&c, path, &e), ERR_IO);
	assert_null(c);
	buf_add_byte(&e, '\0');
	assert_non_null(strstr((const char *)e.p, ": cannot be read: No such file or directory\n"));
	conf_free(&c);
	buf_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors), cmocka_unit_test(values), cmocka_unit_test(printing),
		cmocka_unit_test(listens), cmocka_unit_test(networks), cmocka_unit_test(files),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
