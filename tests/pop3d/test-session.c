#include "tests/lib/unit.h"

#include "common/base/log.h"
#include "pop3d/internal.h"
#include "tests/lib/play.h"
#include "tests/pop3d/dialogue.h"

/* Dialogues as in tests/lib/play.h, played whole and in pieces of 1 to 7 bytes, with bodies in parts of every small size. */
struct row {
	const char *name;
	const char *text;
	void (*setup)(struct drop *d);
	void (*check)(struct drop *d, size_t row);
};

static void quiet(enum log_level level, const char *text)
{
	(void)level;
	(void)text;
}

static void play_send(void *ctx, struct slice bytes)
{
	drop_send(ctx, bytes);
}

static void play_pass(void *ctx, uint64_t seconds)
{
	struct drop *d = ctx;
	uint64_t due;

	drop_now_ms += seconds * 1000;
	due = pop3_session_deadline(d->s);
	if (due != 0 && due <= drop_now_ms)
		d->want = pop3_session_timeout(d->s);
}

static bool play_closed(void *ctx)
{
	return ((struct drop *)ctx)->want == POP3_WANT_CLOSE;
}

static void play(const struct row *t, size_t row, size_t step, uint32_t part)
{
	struct drop d;
	struct play_ops ops = { &d, &d.out, play_send, play_pass, play_closed };

	drop_init(&d);
	d.part_max = part;
	if (t->setup != NULL) {
		t->setup(&d);
		drop_restart(&d);
	}
	play_text(&ops, t->name, t->text, step);
	if (t->check != NULL)
		t->check(&d, row);
	drop_free(&d);
}

static void play_all(const struct row *t, size_t n)
{
	log_capture(quiet);
	for (size_t i = 0; i < n; i++) {
		play(&t[i], i, SIZE_MAX / 2, UINT32_MAX);
		for (size_t step = 1; step <= 7; step++)
			play(&t[i], i, step, (uint32_t)step);
	}
	log_capture(NULL);
}

#define ROW(n, ...) { .name = n, .text = __VA_ARGS__ }
#define BANNER "S: +OK mx.here.test POP3\n"
#define LOGIN BANNER "C: USER def\nS: +OK now the password\nC: PASS a b\nS: +OK 4 messages (100 octets)\n"
#define QUIT "C: QUIT\nS: +OK goodbye\nX\n"

static void no_plaintext(struct drop *d) { d->client.plaintext = false; }
static void empty_drop(struct drop *d) { d->body_n = 0; }
static void second_gone(struct drop *d) { d->body[1] = NULL; }
static void body_fault(struct drop *d) { d->body_r = ERR_CLOSED; }
static void expunge_fault(struct drop *d) { d->expunge_r = ERR_IO; }

static void big_drop(struct drop *d)
{
	static const char one[] = "x\r\n";

	/* sizes are only said: nobody reads them */
	d->body_n = 2;
	d->body[0] = d->body[1] = one;
	d->body_len[0] = d->body_len[1] = 3000000000u;
}

static void check_nothing_removed(struct drop *d, size_t row)
{
	assert_row(row, d->removed_n == 0 && d->expunges == 0);
}

static void check_removed_first_two(struct drop *d, size_t row)
{
	assert_row(row, d->removed_n == 1 && d->removed[0].first == 10 && d->removed[0].last == 20);
}

static void check_removed_1_3(struct drop *d, size_t row)
{
	assert_row(row, d->removed_n == 2 && d->removed[0].first == 10 && d->removed[0].last == 10 &&
	    d->removed[1].first == 30 && d->removed[1].last == 30);
}

static void check_wiped(struct drop *d, size_t row)
{
	assert_row(row, !d->password_left && !d->line_left);
}

static void login(void **state)
{
	static const struct row t[] = {
		ROW("login and out", LOGIN QUIT, .check = check_wiped),
		ROW("case and spaces", BANNER "C: user  def \nS: +OK*\nC: pass a b\nS: +OK 4*\nC: quit\nS: +OK*\nX\n"),
		ROW("wrong password", BANNER "C: USER def\nS: +OK*\nC: PASS x\nS: -ERR [AUTH] wrong user name or password\n"
		    "C: PASS a b\nS: -ERR USER first\nC: USER nobody\nS: +OK now the password\nC: PASS a b\nS: -ERR [AUTH]*\n"
		    "C: USER def\nS: +OK*\nC: PASS a b\nS: +OK 4*\n", .check = check_wiped),
		ROW("three wrong", BANNER "C: USER def\nS: +OK*\nC: PASS x\nS: -ERR [AUTH]*\nC: USER def\nS: +OK*\nC: PASS x\nS: -ERR [AUTH]*\n"
		    "C: USER def\nS: +OK*\nC: PASS \nS: -ERR [AUTH]*\nX\n"),
		ROW("slowed", BANNER "C: USER slow\nS: +OK*\nC: PASS x\nS: -ERR [SYS/TEMP]*\nC: USER def\nS: +OK*\nC: PASS a b\nS: +OK 4*\n"),
		ROW("fault", BANNER "C: USER broken\nS: +OK*\nC: PASS x\nS: -ERR [SYS/TEMP]*\nC: QUIT\nS: +OK goodbye\nX\n"),
		ROW("password with spaces counts them", BANNER "C: USER def\nS: +OK*\nC: PASS  a b\nS: -ERR [AUTH]*\n"),
		ROW("clear text refused", BANNER "C: USER def\nS: -ERR [AUTH] logins without encryption*\nC: PASS a b\nS: -ERR [AUTH] logins*\n"
		    "C: CAPA\nS: +OK*\nS: TOP\nS: UIDL\nS: PIPELINING\nS: RESP-CODES\nS: AUTH-RESP-CODE\nS: EXPIRE NEVER\n"
		    "S: IMPLEMENTATION Pabal\nS: .\n" QUIT, .setup = no_plaintext),
		ROW("capa", BANNER "C: CAPA\nS: +OK*\nS: TOP\nS: UIDL\nS: USER\nS: SASL SCRAM-SHA-256 PLAIN LOGIN\nS: PIPELINING\nS: RESP-CODES\nS: AUTH-RESP-CODE\nS: EXPIRE NEVER\n"
		    "S: IMPLEMENTATION Pabal\nS: .\n"),
		ROW("order", BANNER "C: STAT\nS: -ERR log in first\nC: RETR 1\nS: -ERR log in first\nC: PASS x\nS: -ERR USER first\n"
		    "C: USER\nS: -ERR a user name is wanted\n"),
		ROW("order later", LOGIN "C: USER def\nS: -ERR you are logged in already\nC: PASS x\nS: -ERR you*\n"),
		ROW("bad commands", BANNER "C: A\nS: -ERR*\nC: A\nS: -ERR*\nC: A\nS: -ERR*\nC: A\nS: -ERR*\nC: A\nS: -ERR*\nC: A\nS: -ERR*\n"
		    "C: A\nS: -ERR*\nC: A\nS: -ERR*\nC: APOP x y\nS: -ERR unknown command\nC: A\nS: -ERR*\nX\n"),
		ROW("framing", BANNER "R: CAPA\\n\nS: -ERR lines must end with CR LF\nR: NO\\rOP\\r\\n\nS: -ERR lines*\n"
		    "R: NOOP\\0\\r\\n\nS: -ERR NUL*\nC: \nS: -ERR unknown*\n"),
		ROW("not POP3", BANNER "R: \x16\x03\nS: -ERR this is a POP3 server\nX\n"),
		ROW("login timeout", BANNER "T: 59\nC: CAPA\nS: +OK*\nS: TOP\nS: UIDL\nS: USER\nS: SASL*\nS: PIPELINING\nS: RESP-CODES\nS: AUTH-RESP-CODE\n"
		    "S: EXPIRE NEVER\nS: IMPLEMENTATION Pabal\nS: .\nT: 1\nX\n"),
		ROW("idle timeout deletes nothing", LOGIN "C: DELE 1\nS: +OK*\nT: 599\nC: NOOP\nS: +OK*\nT: 599\nT: 1\nX\n", .check = check_nothing_removed),
	};

	(void)state;
	play_all(t, ARRAY_LEN(t));
}

/* ---- AUTH and STLS: what is sent is base64 of the messages in tests/sasl ------------------------------------- */
#define PLAIN "AGRlZgBhIGI="
#define WRONG "AGRlZgB4"
#define CLIENT_FIRST "biwsbj1kZWYscj1jbGllbnQ="
#define SERVER_FIRST "cj1jbGllbnRzZXJ2ZXIscz1jM056YzNOemMzTnpjM056YzNOemN3PT0saT00MDk2"
#define CLIENT_FINAL "Yz1iaXdzLHI9Y2xpZW50c2VydmVyLHA9Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQT0="
#define CLIENT_FINAL_WRONG "Yz1iaXdzLHI9Y2xpZW50c2VydmVyLHA9Y1hGeGNYRnhjWEZ4Y1hGeGNYRnhjWEZ4Y1hGeGNYRnhjWEZ4Y1hGeGNYRT0="
#define SERVER_FINAL "dj1VMU5UVTFOVFUxTlRVMU5UVTFOVFUxTlRVMU5UVTFOVFUxTlRVMU5UVTFNPQ=="
#define SERVER_ERROR "ZT1pbnZhbGlkLXByb29m"
#define PLUS_FIRST "cD10bHMtZXhwb3J0ZXIsLG49ZGVmLHI9Y2xpZW50"
#define PLUS_FINAL "Yz1jRDEwYkhNdFpYaHdiM0owWlhJc0xFVllVRTlTVkVWUyxyPWNsaWVudHNlcnZlcixwPWNIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEJ3Y0hCd2NIQndjSEE9"
#define PLUS_ERROR "ZT1jaGFubmVsLWJpbmRpbmdzLWRvbnQtbWF0Y2g="
#define DOWNGRADED "eSwsbj1kZWYscj1jbGllbnQ="
#define BEARER "bixhPWRlZiwBYXV0aD1CZWFyZXIgZ29vZAEB"
#define BEARER_WRONG "bixhPWRlZiwBYXV0aD1CZWFyZXIgYmFkAQE="
#define BEARER_ERROR "eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0="
#define XOAUTH2 "dXNlcj1kZWYBYXV0aD1CZWFyZXIgZ29vZAEB"
#define STLS "C: STLS\nS: +OK begin TLS\n"
#define TLS_CAPA(more) "C: CAPA\nS: +OK*\nS: TOP\nS: UIDL\n" more "S: PIPELINING\nS: RESP-CODES\nS: AUTH-RESP-CODE\nS: EXPIRE NEVER\n" \
	"S: IMPLEMENTATION Pabal\nS: .\n"

static void starttls(struct drop *d) { d->client.plaintext = false; d->env.starttls = d->env.oauth = true; }
static void starttls_plain(struct drop *d) { starttls(d); d->client.plaintext = true; }
static void implicit(struct drop *d) { starttls(d); d->client.implicit_tls = true; }
static void handshake_fails(struct drop *d) { starttls(d); d->tls_fails = true; }
static void oauth(struct drop *d) { d->env.oauth = true; }

static void check_one_handshake(struct drop *d, size_t row)
{
	assert_row(row, d->handshakes == 1 && !d->password_left);
}

static void check_no_handshake(struct drop *d, size_t row)
{
	assert_row(row, d->handshakes == 0 && d->want == POP3_WANT_TLS);
}

static void auth(void **state)
{
	static const struct row t[] = {
		ROW("the list", BANNER "C: AUTH\nS: +OK*\nS: PLAIN\nS: LOGIN\nS: SCRAM-SHA-256\nS: .\n" QUIT),
		ROW("plain", BANNER "C: AUTH PLAIN " PLAIN "\nS: +OK 4 messages (100 octets)\n" QUIT, .check = check_wiped),
		ROW("plain, asked for", BANNER "C: auth plain\nS: + \nC: " PLAIN "\nS: +OK 4*\n" QUIT, .check = check_wiped),
		ROW("login", BANNER "C: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: ZGVm\nS: + UGFzc3dvcmQ6\nC: YSBi\nS: +OK 4*\n" QUIT),
		ROW("login with the name", BANNER "C: AUTH LOGIN ZGVm\nS: + UGFzc3dvcmQ6\nC: YSBi\nS: +OK 4*\n" QUIT),
		ROW("scram", BANNER "C: AUTH SCRAM-SHA-256 " CLIENT_FIRST "\nS: + " SERVER_FIRST "\nC: " CLIENT_FINAL "\nS: + " SERVER_FINAL
		    "\nC: \nS: +OK 4*\n" QUIT),
		ROW("scram, pipelined", BANNER "R: AUTH SCRAM-SHA-256\\r\\n" CLIENT_FIRST "\\r\\n" CLIENT_FINAL "\\r\\n\\r\\nSTAT\\r\\n\n"
		    "S: + \nS: + " SERVER_FIRST "\nS: + " SERVER_FINAL "\nS: +OK 4*\nS: +OK 4 100\n" QUIT),
		ROW("scram, wrong", BANNER "C: AUTH SCRAM-SHA-256 " CLIENT_FIRST "\nS: + " SERVER_FIRST "\nC: " CLIENT_FINAL_WRONG "\nS: + " SERVER_ERROR
		    "\nC: *\nS: -ERR [AUTH]*\nC: STAT\nS: -ERR log in first\n" QUIT),
		ROW("bearer", BANNER "C: AUTH OAUTHBEARER " BEARER "\nS: +OK 4*\n", .setup = oauth),
		ROW("bearer, wrong", BANNER "C: AUTH OAUTHBEARER " BEARER_WRONG "\nS: + " BEARER_ERROR "\nC: AQ==\nS: -ERR [AUTH]*\n", .setup = oauth),
		ROW("xoauth2", BANNER "C: AUTH XOAUTH2 " XOAUTH2 "\nS: +OK 4*\n", .setup = oauth),
		ROW("bearer not offered", BANNER "C: AUTH OAUTHBEARER " BEARER "\nS: -ERR [AUTH] this mechanism is not offered\n"),
		ROW("cancelled", BANNER "C: AUTH PLAIN\nS: + \nC: *\nS: -ERR the login was cancelled\nC: AUTH LOGIN\nS: + VXNlcm5hbWU6\nC: ZGVm\n"
		    "S: + UGFzc3dvcmQ6\nC: *\nS: -ERR the login was cancelled\nC: USER def\nS: +OK*\nC: PASS a b\nS: +OK 4*\n"),
		ROW("malformed", BANNER "C: AUTH PLAIN x\nS: -ERR that is no base64\nC: AUTH PLAIN =\nS: -ERR that is no message*\nC: AUTH PLAIN AGEA\n"
		    "S: -ERR that is no message*\nC: AUTH NTLM\nS: -ERR [AUTH] this mechanism*\nC: AUTH PLAIN " PLAIN " x\nS: -ERR that is no base64\n"
		    "C: AUTH EXTERNAL =\nS: -ERR [AUTH] this mechanism*\nC: AUTH PLAIN\nS: + \nC: STAT\nS: -ERR that is no message*\n"
		    "R: AUTH PLAIN\\r\\n\nS: + \nR: AA\\0A\\r\\n\nS: -ERR NUL*\nC: CAPA x\nS: -ERR*\nC: AUTH PLAIN\nS: + \nR: " PLAIN "\\n\nS: -ERR lines*\nX\n"),
		ROW("wrong three times", BANNER "C: AUTH PLAIN " WRONG "\nS: -ERR [AUTH] wrong*\nC: USER def\nS: +OK*\nC: PASS x\nS: -ERR [AUTH]*\n"
		    "C: AUTH PLAIN\nS: + \nC: " WRONG "\nS: -ERR [AUTH]*\nX\n", .check = check_wiped),
		ROW("slowed", BANNER "C: AUTH LOGIN c2xvdw==\nS: + UGFzc3dvcmQ6\nC: YSBi\nS: -ERR [SYS/TEMP]*\n" QUIT),
		ROW("no mailbox", BANNER "C: AUTH LOGIN YnJva2Vu\nS: + UGFzc3dvcmQ6\nC: YSBi\nS: -ERR [SYS/TEMP]*\nC: AUTH PLAIN " PLAIN "\nS: +OK 4*\n"),
		ROW("twice", LOGIN "C: AUTH PLAIN " PLAIN "\nS: -ERR you are logged in already\nC: AUTH\nS: -ERR you*\n"),
		ROW("AUTH forgets USER", BANNER "C: USER def\nS: +OK*\nC: AUTH PLAIN\nS: + \nC: *\nS: -ERR*\nC: PASS a b\nS: -ERR USER first\n"),
		ROW("without encryption", BANNER "C: AUTH PLAIN " PLAIN "\nS: -ERR [AUTH] logins*\nC: AUTH SCRAM-SHA-256\nS: -ERR [AUTH] logins*\n"
		    "C: AUTH\nS: +OK*\nS: .\n", .setup = no_plaintext, .check = check_wiped),
		ROW("never finished", BANNER "C: AUTH PLAIN\nS: + \nT: 60\nX\n"),
	};

	(void)state;
	play_all(t, ARRAY_LEN(t));
}

static void stls(void **state)
{
	static const struct row t[] = {
		ROW("before it, nobody logs in", BANNER TLS_CAPA("S: STLS\n") "C: USER def\nS: -ERR [AUTH]*\nC: AUTH PLAIN\nS: -ERR [AUTH]*\n" STLS
		    TLS_CAPA("S: USER\nS: SASL EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER XOAUTH2 PLAIN LOGIN\n")
		    "C: USER def\nS: +OK*\nC: PASS a b\nS: +OK 4*\n" QUIT, .setup = starttls, .check = check_one_handshake),
		ROW("USER is forgotten", BANNER "C: USER def\nS: +OK*\n" STLS "C: PASS a b\nS: -ERR USER first\n", .setup = starttls_plain),
		ROW("twice", BANNER STLS "C: STLS\nS: -ERR TLS is on already\n" QUIT, .setup = starttls, .check = check_one_handshake),
		ROW("with an argument", BANNER "C: STLS x\nS: -ERR this command takes no argument\n", .setup = starttls),
		ROW("no certificates", BANNER "C: STLS\nS: -ERR [SYS/TEMP]*\n" QUIT),
		ROW("after a login", LOGIN "C: STLS\nS: -ERR you are logged in already\n", .setup = starttls_plain),
		ROW("plus", BANNER STLS "C: AUTH SCRAM-SHA-256-PLUS " PLUS_FIRST "\nS: + " SERVER_FIRST "\nC: " PLUS_FINAL "\nS: + " SERVER_FINAL
		    "\nC: \nS: +OK 4*\n" QUIT, .setup = starttls),
		ROW("plus, another channel", BANNER STLS "C: AUTH SCRAM-SHA-256-PLUS " PLUS_FIRST "\nS: + " SERVER_FIRST "\nC: " CLIENT_FINAL "\nS: + " PLUS_ERROR
		    "\nC: \nS: -ERR [AUTH]*\n", .setup = starttls),
		ROW("plus was taken away", BANNER STLS "C: AUTH SCRAM-SHA-256 " DOWNGRADED "\nS: -ERR [AUTH]*\n", .setup = starttls),
		ROW("external", BANNER STLS "C: AUTH EXTERNAL =\nS: +OK 4*\n", .setup = starttls),
		ROW("external, another", BANNER STLS "C: AUTH EXTERNAL YWJj\nS: -ERR [AUTH]*\n", .setup = starttls),
		ROW("port 995", BANNER TLS_CAPA("S: USER\nS: SASL*\n") "C: STLS\nS: -ERR TLS is on already\nC: AUTH PLAIN " PLAIN "\nS: +OK 4*\n" QUIT,
		    .setup = implicit, .check = check_one_handshake),
		ROW("a handshake that never ends", BANNER STLS "T: 60\nX\n", .setup = handshake_fails),
		ROW("a handshake that is waited for", BANNER STLS "C: QUIT\n", .setup = handshake_fails, .check = check_no_handshake),
	};

	(void)state;
	play_all(t, ARRAY_LEN(t));
}

/* In one packet with STLS, that is: only then can it be known. */
static void stls_injection(void **state)
{
	static const struct row t =
		ROW("what is pipelined behind it is not heard", BANNER "R: STLS\\r\\nUSER def\\r\\nPASS a b\\r\\nQUIT\\r\\n\nS: +OK begin TLS\n"
		    "C: STAT\nS: -ERR log in first\nC: PASS a b\nS: -ERR USER first\n", .setup = starttls);

	(void)state;
	log_capture(quiet);
	play(&t, 0, SIZE_MAX / 2, UINT32_MAX);
	log_capture(NULL);
}

static void transaction(void **state)
{
	static const struct row t[] = {
		ROW("stat, list, uidl", LOGIN "C: STAT\nS: +OK 4 100\nC: LIST\nS: +OK 4 messages (100 octets)\nS: 1 61\nS: 2 16\nS: 3 15\nS: 4 8\nS: .\n"
		    "C: UIDL\nS: +OK*\nS: 1 7.10\nS: 2 7.20\nS: 3 7.30\nS: 4 7.40\nS: .\nC: LIST 2\nS: +OK 2 16\nC: UIDL 3\nS: +OK 3 7.30\n" QUIT),
		ROW("an empty maildrop", BANNER "C: USER def\nS: +OK*\nC: PASS a b\nS: +OK 0 messages (0 octets)\nC: LIST\nS: +OK 0*\nS: .\n"
		    "C: UIDL\nS: +OK*\nS: .\nC: STAT\nS: +OK 0 0\nC: RETR 1\nS: -ERR no such message*\n" QUIT, .setup = empty_drop),
		ROW("totals over 4 GiB", BANNER "C: USER def\nS: +OK*\nC: PASS a b\nS: +OK 2 messages (6000000000 octets)\nC: STAT\nS: +OK 2 6000000000\n"
		    "C: DELE 1\nS: +OK*\nC: STAT\nS: +OK 1 3000000000\n", .setup = big_drop),
		ROW("retr", LOGIN "C: RETR 1\nS: +OK 61 octets\nS: Return-Path: <a@b.test>\nS: Subject: one\nS: \nS: first\nS: ..second\nS: ...\nS: .\n"
		    "C: RETR 2\nS: +OK 16 octets\nS: Subject: two\nS: \nS: .\nC: RETR 4\nS: +OK 8 octets\nS: \nS: ..\nS: ..\nS: .\n" QUIT),
		ROW("top", LOGIN "C: TOP 1 0\nS: +OK*\nS: Return-Path: <a@b.test>\nS: Subject: one\nS: \nS: .\n"
		    "C: TOP 1 1\nS: +OK*\nS: Return-Path: <a@b.test>\nS: Subject: one\nS: \nS: first\nS: .\n"
		    "C: TOP 1 2\nS: +OK*\nS: Return-Path: <a@b.test>\nS: Subject: one\nS: \nS: first\nS: ..second\nS: .\n"
		    "C: TOP 1 99999999999999999999999\nS: +OK*\nS: Return-Path: <a@b.test>\nS: Subject: one\nS: \nS: first\nS: ..second\nS: ...\nS: .\n"
		    "C: TOP 2 0\nS: +OK*\nS: Subject: two\nS: \nS: .\nC: TOP 3 0\nS: +OK*\nS: no header end\nS: .\n"
		    "C: TOP 4 1\nS: +OK*\nS: \nS: ..\nS: .\nC: TOP 4 0\nS: +OK*\nS: \nS: .\n"),
		ROW("numbers", LOGIN "C: RETR\nS: -ERR a message number is wanted\nC: RETR x\nS: -ERR a mess*\nC: RETR 0\nS: -ERR no such*\nC: RETR 5\n"
		    "S: -ERR no such message, there are 4\nC: RETR 18446744073709551617\nS: -ERR no such*\nC: RETR -1\nS: -ERR a mess*\n"
		    "C: RETR 1 2\nS: -ERR too many arguments\nC: TOP 1\nS: -ERR a number of lines*\nC: TOP 1 x\nS: -ERR a number*\nC: LIST 1x\nS: -ERR*\n"),
		ROW("deleted are in no list", LOGIN "C: DELE 2\nS: +OK*\nC: STAT\nS: +OK 3 84\nC: LIST\nS: +OK 3 messages (84 octets)\nS: 1 61\nS: 3 15\n"
		    "S: 4 8\nS: .\nC: UIDL\nS: +OK*\nS: 1 7.10\nS: 3 7.30\nS: 4 7.40\nS: .\nC: LIST 2\nS: -ERR message 2 is deleted\nC: RETR 2\n"
		    "S: -ERR message 2 is deleted\nC: DELE 2\nS: -ERR message 2*\nC: TOP 2 0\nS: -ERR message 2*\nC: RSET\nS: +OK 4 messages (100 octets)\n"
		    "C: LIST 2\nS: +OK 2 16\n" QUIT, .check = check_nothing_removed),
		ROW("quit deletes", LOGIN "C: DELE 2\nS: +OK*\nC: DELE 1\nS: +OK*\nC: QUIT\nS: +OK goodbye, 2 messages deleted\nX\n",
		    .check = check_removed_first_two),
		ROW("quit deletes with a hole", LOGIN "C: DELE 1\nS: +OK*\nC: DELE 3\nS: +OK*\nC: QUIT\nS: +OK goodbye, 2*\nX\n", .check = check_removed_1_3),
		ROW("quit that fails", LOGIN "C: DELE 1\nS: +OK*\nC: QUIT\nS: -ERR [SYS/TEMP]*\nX\n", .setup = expunge_fault),
		ROW("expunged by another", LOGIN "C: RETR 2\nS: -ERR message 2 was removed by another session\nC: RETR 3\nS: +OK*\nS: no header end\nS: .\n",
		    .setup = second_gone),
		ROW("spoold is down", LOGIN "C: RETR 2\nS: -ERR [SYS/TEMP]*\nC: STAT\nS: +OK 4 100\n" QUIT, .setup = body_fault),
		ROW("pipelined", BANNER "R: USER def\\r\\nPASS a b\\r\\nSTAT\\r\\nRETR 3\\r\\nDELE 3\\r\\nTOP 2 0\\r\\nLIST 1\\r\\nQUIT\\r\\nNOOP\\r\\n\n"
		    "S: +OK now*\nS: +OK 4*\nS: +OK 4 100\nS: +OK 15*\nS: no header end\nS: .\nS: +OK message 3*\nS: +OK the top*\nS: Subject: two\nS: \nS: .\n"
		    "S: +OK 1 61\nS: +OK goodbye, 1*\nX\n"),
	};

	(void)state;
	play_all(t, ARRAY_LEN(t));
}

/* What does not fit waits for the client to read: never more than a part and the mark in memory. */
static void large_body(void **state)
{
	struct drop d;
	size_t len = 3 * 1024 * 1024;
	char *body = malloc(len);

	(void)state;
	assert_non_null(body);
	log_capture(quiet);
	for (size_t i = 0; i < len; i++)
		body[i] = i % 3 == 0 ? '.' : i % 3 == 1 ? '\r' : '\n';
	drop_init(&d);
	d.body[0] = body;
	d.body_len[0] = len;
	drop_restart(&d);
	drop_send(&d, SLICE_LIT("USER def\r\nPASS a b\r\nRETR 1\r\nQUIT\r\n"));
	assert_int_equal(d.want, POP3_WANT_CLOSE);
	assert_int_equal(buf_err(&d.out), 0);
	assert_true(d.out.cap <= 512 * 1024);
	assert_true(buf_len(&d.taken) + buf_len(&d.out) > len / 3 * 4);
	drop_free(&d);
	free(body);
	log_capture(NULL);
}

/* A fault in the middle of a message cannot be told: the connection ends. */
static void broken_off(void **state)
{
	struct drop d;

	(void)state;
	log_capture(quiet);
	drop_init(&d);
	drop_send(&d, SLICE_LIT("USER def\r\nPASS a b\r\n"));
	buf_add_cstr(&d.in, "RETR 1\r\n");
	assert_int_equal(pop3_session_run(d.s, &d.in), POP3_WANT_BODY);
	pop3_session_body_done(d.s, 0, 61, slice_of(d.body[0], 10));
	assert_int_equal(pop3_session_run(d.s, &d.in), POP3_WANT_BODY);
	assert_int_equal(pop3_session_part(d.s).off, 10);
	pop3_session_body_done(d.s, ERR_CLOSED, 0, slice_of(NULL, 0));
	assert_int_equal(pop3_session_run(d.s, &d.in), POP3_WANT_CLOSE);
	drop_free(&d);
	log_capture(NULL);
}

static void stop(void **state)
{
	struct drop d;

	(void)state;
	log_capture(quiet);
	drop_init(&d);
	drop_send(&d, SLICE_LIT("USER def\r\nPASS a b\r\nDELE 1\r\n"));
	buf_reset(&d.out);
	d.env.stopping = true;
	drop_pump(&d);
	play_expect(&d.out, "stop", SLICE_LIT("-ERR [SYS/TEMP]*"));
	assert_int_equal(d.want, POP3_WANT_CLOSE);
	assert_int_equal(d.removed_n, 0);
	drop_free(&d);
	log_capture(NULL);
}

/* Message i has the uid 10 * i; those in a row are one range, what is between their uids is nobody's. */
static void ahead(void **state)
{
	enum { K = 1024 };
	static const struct {
		uint64_t size[5];
		const char *deleted;            /* '1': is */
		uint32_t msg, in_order, max;
		uint64_t off, bytes;
		const char *want;
	} t[] = {
		{ { K, K, K, K, K }, "00000", 1, 1, 9, 0, 64 * K, "10-50 " },
		{ { K, K, K, K, K }, "00000", 3, 1, 9, 0, 64 * K, "30-50 " },
		{ { K, K, K, K, K }, "00000", 1, 0, 9, 0, 64 * K, "" },
		{ { K, K, K, K, K }, "00000", 1, 1, 9, 1, 64 * K, "" },
		{ { K, K, K, K, K }, "00000", 1, 1, 9, 0, 0, "" },
		{ { K, K, K, K, K }, "00000", 1, 1, 9, 0, K, "" },
		{ { K, K, K, K, K }, "00000", 1, 1, 9, 0, 2 * K, "10-20 " },
		{ { K, K, K, K, K }, "00000", 5, 1, 9, 0, 64 * K, "" },
		{ { K, K, K, K, K }, "01010", 1, 1, 9, 0, 64 * K, "10-10 30-30 50-50 " },
		{ { K, K, K, K, K }, "01010", 1, 1, 2, 0, 64 * K, "10-10 30-30 " },
		{ { K, K, K, K, K }, "01111", 1, 1, 9, 0, 64 * K, "" },
		{ { K, K, K, K, K }, "00110", 1, 1, 9, 0, 64 * K, "10-20 50-50 " },
		{ { 9 * K, 9 * K, K, K, K }, "00000", 1, 1, 9, 0, 64 * K, "" },
		{ { 9 * K, 9 * K, 19 * K, K, K }, "00000", 1, 2, 9, 0, 64 * K, "10-20 " },
		{ { K, K, UINT64_MAX, K, K }, "00000", 1, UINT32_MAX, 9, 0, UINT64_MAX, "10-20 " },
		{ { 0, 0, 0, 0, 0 }, "00000", 1, 1, 9, 0, 64 * K, "10-50 " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct pop3_session s = { .msgs_n = 5, .job = POP3_JOB_RETR, .job_msg = t[i].msg, .in_order = t[i].in_order,
		    .transfer.off = t[i].off };
		struct spool_range r[9];
		struct pop3_msg msgs[5];
		struct buf got = BUF_INIT(1000);
		uint32_t n;

		for (uint32_t k = 0; k < 5; k++)
			msgs[k] = (struct pop3_msg){ .size = t[i].size[k], .uid = 10 * (k + 1), .deleted = t[i].deleted[k] == '1' };
		s.msgs = msgs;
		n = pop3_session_ahead(&s, t[i].bytes, r, t[i].max);
		for (uint32_t k = 0; k < n; k++)
			buf_addf(&got, "%u-%u ", r[k].first, r[k].last);
		assert_slice(i, buf_slice(&got), t[i].want);
		buf_free(&got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login),
		cmocka_unit_test(auth),
		cmocka_unit_test(stls),
		cmocka_unit_test(stls_injection),
		cmocka_unit_test(transaction),
		cmocka_unit_test(large_body),
		cmocka_unit_test(broken_off),
		cmocka_unit_test(ahead),
		cmocka_unit_test(stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
