/*
 * Whole SASL exchanges: the first byte says the mechanism and what is offered, then lines follow. A line beginning with
 * ">" is sent as it is, any other in base64; how accountd answers is taken from the line's length. Whatever comes, the
 * exchange ends, nobody is logged in whom accountd did not let in, and no secret stays behind.
 */
#include <stdlib.h>

#include "common/mail/base64.h"
#include "common/sasl/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct account_scram scram = { .salt = { (const uint8_t *)"0123456789abcdef", 16 }, .iterations = 4096,
	.nonce = { (const uint8_t *)"server", 6 } };
static const struct account_logged_in logged_in = { .account = 1, .user = { (const uint8_t *)"u@x.test", 8 },
	.token = { (const uint8_t *)"token", 5 }, .signature = { (const uint8_t *)"0123456789abcdef0123456789abcdef", 32 } };

static enum sasl_step answer(struct sasl *s, size_t seed, bool *let_in)
{
	const struct account_login *q = sasl_question(s);
	struct slice secret = q->secret;
	enum sasl_step step;

	if (q->user.len > 1024 || q->text.len > 4096 || q->secret.len > 8192 || q->how < LOGIN_PASSWORD || q->how > LOGIN_BEARER)
		abort();
	if (q->how == LOGIN_SCRAM_PROOF && (q->secret.len != 32 || q->text.len == 0))
		abort();
	if (seed % 5 == 0) {
		step = sasl_answer(s, seed % 2 == 0 ? ERR_DENIED : ERR_AGAIN, 0, NULL);
	} else if (q->how == LOGIN_SCRAM_FIRST) {
		step = sasl_answer(s, 0, account_scram_MSG, &scram);
	} else {
		*let_in = true;
		step = sasl_answer(s, 0, account_logged_in_MSG, &logged_in);
	}
	for (size_t i = 0; i < secret.len; i++)
		if (secret.p[i] != 0)
			abort();
	return step;
}

static struct slice next_line(struct cursor *c, struct buf *b)
{
	struct slice rest = cur_rest(c);
	ptrdiff_t end = slice_chr(rest, '\n');
	struct slice line = slice_sub(rest, 0, end < 0 ? rest.len : (size_t)end);

	c->off += line.len + (end >= 0);
	buf_reset(b);
	if (line.len != 0 && line.p[0] == '>')
		return slice_sub(line, 1, SIZE_MAX);
	base64_encode(b, line);
	return buf_slice(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sasl_conf conf = { .service = "imap", .addr = "192.0.2.1", .host = "mail.x.test" };
	struct buf b = BUF_INIT(1 << 17);
	struct cursor c;
	enum sasl_step step;
	struct sasl *s;
	bool let_in = false;
	unsigned rounds = 0;

	if (size < 2 || size > 1 << 15)
		return 0;
	conf.tls = conf.plaintext = conf.oauth = (data[0] & 8) == 0;
	if ((data[0] & 16) == 0)
		conf.exporter = SLICE_LIT("EXPORTER");
	conf.external = SLICE_LIT("u@x.test");
	c = cursor_of(slice_of(data + 1, size - 1));
	if (sasl_start(&s, &conf, slice_cstr(sasl_name((enum sasl_mechanism)((data[0] & 7) % SASL_COUNT))), next_line(&c, &b), &step) != 0)
		goto out;
	while (step == SASL_CHALLENGE || step == SASL_ASK) {
		struct slice line = next_line(&c, &b);

		if (rounds++ > 2 * SASL_ROUNDS_MAX)
			abort();
		if (sasl_challenge(s).len > SASL_LINE_MAX)
			abort();
		step = step == SASL_ASK ? answer(s, line.len, &let_in) : sasl_input(s, line);
	}
	if (step == SASL_OK && (!let_in || sasl_result(s)->account != 1))
		abort();
out:
	sasl_free(&s);
	buf_free(&b);
	return 0;
}
