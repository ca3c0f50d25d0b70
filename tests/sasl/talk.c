#include "tests/lib/unit.h"

#include "tests/sasl/talk.h"

#include "common/mail/base64.h"

static const uint8_t salt[] = { 0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81 };
static const uint8_t signature[] = { 0xea, 0xba, 0xe2, 0x4d, 0x10, 0x62, 0xdb, 0x75, 0xa9, 0x45, 0x1f, 0xf0, 0xb6, 0xea,
	0x7e, 0x98, 0xc8, 0x54, 0x65, 0x49, 0xff, 0x74, 0x1e, 0x67, 0x2d, 0x32, 0x51, 0xb2, 0x39, 0x7d, 0xe4, 0x6e };
const struct account_scram talk_scram = { .salt = { salt, sizeof(salt) }, .iterations = 4096,
	.nonce = { (const uint8_t *)"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", 30 } };
const struct account_logged_in talk_ok = { .account = 7, .user = { (const uint8_t *)"user@x.test", 11 },
	.token = { (const uint8_t *)"token", 5 }, .signature = { signature, sizeof(signature) } };

static const char *const failures[] = { [SASL_CANCELLED] = "CANCELLED", [SASL_BAD_BASE64] = "BASE64",
	[SASL_BAD_SYNTAX] = "SYNTAX", [SASL_TOO_LONG] = "LONG", [SASL_TOO_MANY] = "MANY", [SASL_DENIED] = "DENIED",
	[SASL_SLOWED] = "SLOWED", [SASL_FAULT] = "FAULT" };

static void add_text(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		buf_add_byte(b, *text == '|' ? 0 : *text == '^' ? 1 : (uint8_t)*text);
}

static struct slice client_line(struct buf *b, const char *line)
{
	struct buf plain = BUF_INIT(1 << 16);

	buf_reset(b);
	if (line[0] == 'C') {
		add_text(&plain, line + 2);
		base64_encode(b, buf_slice(&plain));
	} else {
		buf_add_cstr(b, line + 2);
	}
	buf_free(&plain);
	return buf_slice(b);
}

static void expect_challenge(size_t row, const struct sasl *s, const char *want)
{
	struct buf b = BUF_INIT(SASL_LINE_MAX);

	assert_row(row, base64_decode_strict(sasl_challenge(s), &b) == 0);
	assert_slice(row, buf_slice(&b), want);
	buf_free(&b);
}

static void expect_question(size_t row, const struct sasl *s, const char *want)
{
	static const char *const hows[] = { "?", "password", "first", "proof", "external", "bearer" };
	const struct account_login *q = sasl_question(s);
	struct buf b = BUF_INIT(1 << 16), w = BUF_INIT(1 << 16);

	buf_addf(&b, "%s %.*s ", hows[q->how], SLICE_ARG(q->user.len != 0 ? q->user : SLICE_LIT("-")));
	if (q->how == LOGIN_SCRAM_PROOF)
		buf_addf(&b, "%zu %.*s", q->secret.len, SLICE_ARG(q->text));
	else
		buf_add_slice(&b, q->secret.len != 0 ? q->secret : SLICE_LIT("-"));
	add_text(&w, want);
	buf_add_byte(&w, 0);
	assert_slice(row, buf_slice(&b), (const char *)buf_slice(&w).p);
	buf_free(&b);
	buf_free(&w);
}

/* After the answer nothing of the secret is where it was. */
static enum sasl_step answer(size_t row, struct sasl *s, const char *what)
{
	struct slice secret = sasl_question(s)->secret;
	enum sasl_step step;

	if (strcmp(what, "ok") == 0)
		step = sasl_answer(s, 0, account_logged_in_MSG, &talk_ok);
	else if (strcmp(what, "scram") == 0)
		step = sasl_answer(s, 0, account_scram_MSG, &talk_scram);
	else
		step = sasl_answer(s, strcmp(what, "denied") == 0 ? ERR_DENIED : strcmp(what, "again") == 0 ? ERR_AGAIN :
		    strcmp(what, "odd") == 0 ? 0 : ERR_CLOSED, account_ok_MSG, NULL);
	for (size_t i = 0; i < secret.len; i++)
		assert_row(row, secret.p[i] == 0);
	assert_row(row, sasl_question(s)->secret.len == 0);
	return step;
}

void talk(size_t row, const struct sasl_conf *conf, const char *mechanism, const char *const lines[TALK_LINES])
{
	struct buf b = BUF_INIT(1 << 17);
	enum sasl_step step;
	struct sasl *s;
	struct slice initial = client_line(&b, lines[0]);

	assert_row(row, sasl_start(&s, conf, slice_cstr(mechanism), initial, &step) == 0);
	for (size_t i = 1; i < TALK_LINES && lines[i] != NULL; i++) {
		const char *line = lines[i];

		if (line[0] == 'S' && line[1] == ':') {
			assert_row(row, step == SASL_CHALLENGE);
			expect_challenge(row, s, line + 2);
		} else if (line[0] == 'Q' && line[1] == ':') {
			assert_row(row, step == SASL_ASK);
			expect_question(row, s, line + 2);
		} else if (line[0] == 'A' && line[1] == ':') {
			assert_row(row, step == SASL_ASK);
			step = answer(row, s, line + 2);
		} else if (line[1] == ':') {
			assert_row(row, step == SASL_CHALLENGE);
			step = sasl_input(s, client_line(&b, line));
		} else if (strncmp(line, "OK", 2) == 0) {
			assert_row(row, step == SASL_OK);
			assert_int_equal(sasl_result(s)->account, 7);
			assert_slice(row, sasl_result(s)->token, "token");
			assert_slice(row, sasl_user(s), line + 3);
			assert_slice(row, slice_cstr(sasl_mechanism_name(s)), mechanism);
		} else {
			assert_row(row, step == SASL_FAILED);
			assert_slice(row, slice_cstr(failures[sasl_failure(s)]), line);
		}
	}
	assert_row(row, step == SASL_OK || step == SASL_FAILED);
	sasl_free(&s);
	assert_null(s);
	buf_free(&b);
}
