#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "tests/imapd/fake.h"

/* STARTTLS and AUTHENTICATE. What is sent is base64 of the messages in tests/sasl. */
static struct fake f;
static struct player p[1];

#define PLAIN "AGJvYgBzZWNyZXQ="
#define WRONG "AGJvYgB4"
#define SLOW "AHNsb3cAc2VjcmV0"
#define FAULT "AGZhdWx0AHNlY3JldA=="
#define CLIENT_FIRST "biwsbj1ib2Iscj1jbGllbnQ="
#define SERVER_FIRST "cj1jbGllbnRzZXJ2ZXIscz1jM056YzNOemMzTnpjM056YzNOemN3PT0saT00MDk2"
#define CLIENT_FINAL "Yz1iaXdzLHI9Y2xpZW50c2VydmVyLHA9Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQT0="
#define CLIENT_FINAL_WRONG "Yz1iaXdzLHI9Y2xpZW50c2VydmVyLHA9Y1hGeGNYRnhjWEZ4Y1hGeGNYRnhjWEZ4Y1hGeGNYRnhjWEZ4Y1hGeGNYRT0="
#define SERVER_FINAL "dj1VMU5UVTFOVFUxTlRVMU5UVTFOVFUxTlRVMU5UVTFOVFUxTlRVMU5UVTFNPQ=="
#define SERVER_ERROR "ZT1pbnZhbGlkLXByb29m"
#define PLUS_FIRST "cD10bHMtZXhwb3J0ZXIsLG49Ym9iLHI9Y2xpZW50"
#define PLUS_FINAL "Yz1jRDEwYkhNdFpYaHdiM0owWlhJc0xFVllVRTlTVkVWUyxyPWNsaWVudHNlcnZlcixwPWNIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEE9"
#define PLUS_ERROR "ZT1jaGFubmVsLWJpbmRpbmdzLWRvbnQtbWF0Y2g="
#define DOWNGRADED "eSwsbj1ib2Iscj1jbGllbnQ="
#define BEARER "bixhPWJvYiwBYXV0aD1CZWFyZXIgc2VjcmV0AQE="
#define BEARER_WRONG "bixhPWJvYiwBYXV0aD1CZWFyZXIgYmFkAQE="
#define BEARER_ERROR "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0="
#define IN " OK [CAPABILITY IMAP4rev1...\n"

static char last_log[1024];

static void keep_log(enum log_level level, const char *text)
{
	(void)level;
	(void)snprintf(last_log, sizeof(last_log), "%s", text);
}

/* A session, its greeting heard, that plays the script. */
static void session(const char *script)
{
	log_capture(keep_log);
	fake_init(&f);
	player_start(&p[0], &f);
	play(p, 1, "1< * OK...\n");
	play(p, 1, script);
}

static void end(void)
{
	play_end(&f, p, 1);
	player_env.starttls = player_env.oauth = false;
	player_env.allow_plaintext_login = true;
}

static void test_mechanisms(void **state)
{
	(void)state;
	session("1> a CAPABILITY\n1< * CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT "
	    "CHILDREN SPECIAL-USE CREATE-SPECIAL-USE MOVE SASL-IR AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN\n1< a OK...\n"
	    "1> b AUTHENTICATE PLAIN " PLAIN "\n1< b" IN "1> c AUTHENTICATE PLAIN " PLAIN "\n1< c BAD There was a login already\n"
	    "1> d STARTTLS\n1< d BAD There...\n");
	assert_string_equal(last_log, "client=127.0.0.1, user=bob, login, method=PLAIN, tls=no");
	end();
	session("1> a authenticate plain\n1< + \n1> " PLAIN "\n1< a" IN);
	end();
	session("1> a AUTHENTICATE LOGIN\n1< + VXNlcm5hbWU6\n1> Ym9i\n1< + UGFzc3dvcmQ6\n1> c2VjcmV0\n1< a" IN);
	end();
	session("1> a AUTHENTICATE SCRAM-SHA-256 " CLIENT_FIRST "\n1< + " SERVER_FIRST "\n1> " CLIENT_FINAL "\n1< + " SERVER_FINAL "\n1>\n1< a" IN);
	assert_string_equal(last_log, "client=127.0.0.1, user=bob, login, method=SCRAM-SHA-256, tls=no");
	end();
	player_env.oauth = true;
	session("1> a AUTHENTICATE OAUTHBEARER " BEARER_WRONG "\n1< + " BEARER_ERROR "\n1> AQ==\n1< a NO [AUTHENTICATIONFAILED]...\n"
	    "1> b AUTHENTICATE OAUTHBEARER " BEARER "\n1< b" IN);
	end();
}

/* All of an exchange and the command after it in one packet, and in single bytes. */
static void test_pipelined(void **state)
{
	static const char all[] = "a AUTHENTICATE SCRAM-SHA-256\r\n" CLIENT_FIRST "\r\n" CLIENT_FINAL "\r\n\r\nb NOOP\r\n";

	(void)state;
	for (size_t step = 1; step <= sizeof(all); step += step == 1 ? 6 : sizeof(all)) {
		session("");
		for (size_t i = 0; i < sizeof(all) - 1; i += step)
			player_send(&p[0], slice_sub(slice_of(all, sizeof(all) - 1), i, step));
		play(p, 1, "1< + \n1< + " SERVER_FIRST "\n1< + " SERVER_FINAL "\n1< a" IN "1< b OK Done\n1.\n");
		end();
	}
}

static void test_refused(void **state)
{
	(void)state;
	session("1> a AUTHENTICATE PLAIN " WRONG "\n1< a NO [AUTHENTICATIONFAILED] The name or the password is wrong\n"
	    "1> b AUTHENTICATE SCRAM-SHA-256 " CLIENT_FIRST "\n1< + " SERVER_FIRST "\n1> " CLIENT_FINAL_WRONG "\n1< + " SERVER_ERROR "\n1> *\n"
	    "1< b NO [AUTHENTICATIONFAILED]...\n1> c AUTHENTICATE PLAIN " SLOW "\n1< c NO [UNAVAILABLE]...\n"
	    "1> d AUTHENTICATE PLAIN " FAULT "\n1< d NO [UNAVAILABLE]...\n1> e LOGIN bob x\n1< e NO [AUTHENTICATIONFAILED]...\n"
	    "1> f SELECT INBOX\n1< f BAD Log in first\n1> g AUTHENTICATE PLAIN " WRONG "\n1< * BYE Too many refused logins\n1!\n");
	end();
	/* somebody else's mailbox: accountd is not even asked */
	session("1> a AUTHENTICATE PLAIN YWxpY2UAYm9iAHNlY3JldA==\n1< a NO [AUTHENTICATIONFAILED]...\n");
	assert_int_equal(f.logins, 0);
	assert_string_equal(last_log, "client=127.0.0.1, user=bob, login refused, method=PLAIN, tls=no");
	end();
}

static void test_malformed(void **state)
{
	(void)state;
	session("1> a AUTHENTICATE PLAIN\n1< + \n1> *\n1< a BAD The login was cancelled\n1> b AUTHENTICATE PLAIN x\n1< b BAD That is no base64\n"
	    "1> c AUTHENTICATE PLAIN =\n1< c BAD That is no message...\n1> d AUTHENTICATE NTLM\n1< d NO [CANNOT]...\n"
	    "1> e AUTHENTICATE EXTERNAL =\n1< e NO [CANNOT]...\n1> f AUTHENTICATE\n1< f BAD...\n1> g AUTHENTICATE PLAIN \n1< g BAD...\n"
	    "1> h NOOP\n1< h OK Done\n1> i AUTHENTICATE PLAIN\n1< + \n1> a {3}\n1< i BAD That is no base64\n1> j AUTHENTICATE PLAIN\n1< + \n"
	    "1>| AAAA\\n\n1< j BAD That is no base64\n1> k NOOP\n1< k OK Done\n1> l AUTHENTICATE PLAIN\n1< + \n1> k NOOP\n1< l BAD That is no base64\n"
	    "1> m AUTHENTICATE PLAIN " PLAIN " x\n1< m BAD...\n1> n AUTHENTICATE {5}\n1< + Ready for literal\n1> PLAIN\n1< n BAD...\n"
	    "1> o AUTHENTICATE PLAIN {12}\n1< + Ready for literal\n1> " PLAIN "\n1< o BAD...\n1> p AUTHENTICATE PLAIN\n1< + \n1>\n1< p BAD That is no mess...\n"
	    "1< * BYE Too many bad commands\n1!\n");
	end();
}

static void test_too_long(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);

	(void)state;
	for (unsigned i = 0; i < 3200; i++)
		buf_add_cstr(&b, "AAAA");
	buf_add_cstr(&b, "\r\n");
	session("1> a AUTHENTICATE PLAIN\n1< + \n");
	player_send(&p[0], buf_slice(&b));
	play(p, 1, "1< a BAD A part of the message is too long\n");
	end();
	buf_reset(&b);
	for (unsigned i = 0; i < 20000; i++)
		buf_add_cstr(&b, "A");
	session("1> a AUTHENTICATE PLAIN\n1< + \n");
	player_send(&p[0], buf_slice(&b));
	play(p, 1, "1< * BYE A line is too long\n1!\n");
	end();
	buf_free(&b);
}

/* The end of a session in the middle of an exchange, wherever it stands. */
static void test_broken_off(void **state)
{
	(void)state;
	session("1> a AUTHENTICATE SCRAM-SHA-256 " CLIENT_FIRST "\n1< + " SERVER_FIRST "\n");
	imap_session_eof(p[0].s);
	play(p, 1, "1!\n");
	end();
	session("1> a AUTHENTICATE PLAIN\n1< + \n");
	imap_session_stop(p[0].s);
	play(p, 1, "1< * BYE The server is being stopped...\n1!\n");
	end();
	session("");
	buf_add_cstr(&p[0].in, "a AUTHENTICATE PLAIN " PLAIN "\r\n");
	imap_session_run(p[0].s);       /* accountd has not answered yet */
	end();
}

/* Nothing that shows the password stays in the input. */
static void test_wiped(void **state)
{
	(void)state;
	session("1> a AUTHENTICATE PLAIN " PLAIN "\n1< a" IN);
	assert_null(memmem(p[0].in.p, p[0].in.cap < 256 ? p[0].in.cap : 256, PLAIN, sizeof(PLAIN) - 1));
	end();
	session("1> a AUTHENTICATE PLAIN\n1< + \n1> " PLAIN "\n1< a" IN);
	assert_null(memmem(p[0].in.p, p[0].in.cap < 256 ? p[0].in.cap : 256, PLAIN, sizeof(PLAIN) - 1));
	end();
	session("1> a LOGIN bob secret\n1< a" IN);
	assert_null(memmem(p[0].in.p, p[0].in.cap < 256 ? p[0].in.cap : 256, "secret", 6));
	end();
}

/* ---- TLS ---------------------------------------------------------------------- */

#define TLS_LIST " AUTH=EXTERNAL AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN\n"
#define CAPABILITY "* CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE MOVE SASL-IR"

static void before_tls(const char *script)
{
	player_env.starttls = true;
	player_env.allow_plaintext_login = false;
	session(script);
}

static void after_tls(const char *script)
{
	before_tls("1> t STARTTLS\n1< t OK Begin TLS now\n1.\n");
	assert_int_equal(p[0].handshakes, 1);
	player_handshake(&p[0]);
	play(p, 1, script);
}

static void test_starttls(void **state)
{
	(void)state;
	before_tls("1> a CAPABILITY\n1< " CAPABILITY " STARTTLS LOGINDISABLED\n1< a OK...\n1> b LOGIN bob secret\n1< b NO [PRIVACYREQUIRED]...\n"
	    "1> c AUTHENTICATE SCRAM-SHA-256\n1< c NO [PRIVACYREQUIRED]...\n1> d STARTTLS x\n1< d BAD...\n");
	assert_int_equal(p[0].handshakes, 0);
	assert_int_equal(f.logins, 0);
	end();
	after_tls("1> a CAPABILITY\n1< " CAPABILITY TLS_LIST "1< a OK...\n1> b STARTTLS\n1< b BAD TLS is on already\n1> c LOGIN bob secret\n1< c" IN
	    "1> d STARTTLS\n1< d BAD There...\n");
	assert_string_equal(last_log, "client=127.0.0.1, user=bob, login, method=LOGIN, tls=TLSv1.3");
	end();
	after_tls("1> a AUTHENTICATE SCRAM-SHA-256-PLUS " PLUS_FIRST "\n1< + " SERVER_FIRST "\n1> " PLUS_FINAL "\n1< + " SERVER_FINAL "\n1>\n1< a" IN);
	assert_string_equal(last_log, "client=127.0.0.1, user=bob, login, method=SCRAM-SHA-256-PLUS, tls=TLSv1.3");
	end();
	after_tls("1> a AUTHENTICATE SCRAM-SHA-256-PLUS " PLUS_FIRST "\n1< + " SERVER_FIRST "\n1> " CLIENT_FINAL "\n1< + " PLUS_ERROR "\n1>\n"
	    "1< a NO [AUTHENTICATIONFAILED]...\n1> b AUTHENTICATE SCRAM-SHA-256 " DOWNGRADED "\n1< b NO [AUTHENTICATIONFAILED]...\n"
	    "1> c AUTHENTICATE EXTERNAL YWxpY2U=\n1< c NO [AUTHENTICATIONFAILED]...\n1> d AUTHENTICATE EXTERNAL =\n1< d" IN);
	end();
}

/* What stands behind STARTTLS in the same packet, and what comes before the handshake is done. */
static void test_injection(void **state)
{
	(void)state;
	before_tls("1> a STARTTLS\\r\\nb LOGIN bob secret\\r\\nc NOOP\n1< a OK Begin TLS now\n1.\n");
	assert_int_equal(p[0].handshakes, 1);
	assert_int_equal(buf_len(&p[0].in), 0);
	play(p, 1, "1> d NOOP\n1.\n1>| e NO\n1.\n");
	assert_false(imap_session_reading(p[0].s));
	player_handshake(&p[0]);
	play(p, 1, "1.\n1> f NOOP\n1< f OK Done\n1> g SELECT INBOX\n1< g BAD Log in first\n");
	assert_int_equal(f.logins, 0);
	end();
}

static void test_handshake_ends(void **state)
{
	(void)state;
	before_tls("1> a STARTTLS\n1< a OK...\n");
	imap_session_stop(p[0].s);
	play(p, 1, "1.\n1!\n");
	assert_true(p[0].abort);
	end();
	before_tls("1> a STARTTLS\n1< a OK...\n");
	imap_session_eof(p[0].s);
	play(p, 1, "1.\n1!\n");
	end();
}

static void test_implicit(void **state)
{
	(void)state;
	player_env.starttls = true;
	player_env.allow_plaintext_login = false;
	log_capture(keep_log);
	fake_init(&f);
	player_start_tls(&p[0], &f);
	play(p, 1, "1< * OK [CAPABILITY IMAP4rev1...\n1> a CAPABILITY\n1< " CAPABILITY TLS_LIST "1< a OK...\n1> b STARTTLS\n1< b BAD TLS is on already\n"
	    "1> c AUTHENTICATE PLAIN " PLAIN "\n1< c" IN);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mechanisms),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_handshake_ends),
		cmocka_unit_test(test_implicit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
