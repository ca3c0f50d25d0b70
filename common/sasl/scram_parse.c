#include "common/sasl/scram_parse.h"

#include "common/mail/charset.h"

/* All up to the next comma, which stays. */
static struct slice take_value(struct cursor *c)
{
	struct slice rest = cur_rest(c);
	ptrdiff_t comma = slice_chr(rest, ',');
	struct slice value = slice_sub(rest, 0, comma < 0 ? rest.len : (size_t)comma);

	c->off += value.len;
	return value;
}

/* value = 1*value-char: UTF-8 without NUL and comma */
static bool value_valid(struct slice s)
{
	return s.len != 0 && slice_chr(s, '\0') < 0 && utf8_valid(s);
}

/* "x=" value; the letter is case-sensitive. */
static int take_attr(struct cursor *c, uint8_t letter, struct slice *value_r)
{
	if (!cur_take_byte(c, letter) || !cur_take_byte(c, '='))
		return ERR_SYNTAX;
	*value_r = take_value(c);
	return value_valid(*value_r) ? 0 : ERR_SYNTAX;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool binding_name_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_class(s.p[i], CC_ALPHA | CC_DIGIT) && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return s.len != 0;
}

int gs2_header_take(struct cursor *c, struct gs2_header *h_r)
{
	size_t from = c->off;
	int flag = cur_peek(c), r;

	*h_r = (struct gs2_header){ .binding = SLICE_LIT(""), .authzid = SLICE_LIT("") };
	if (flag != 'n' && flag != 'y' && flag != 'p')
		return ERR_SYNTAX;
	h_r->flag = (uint8_t)flag;
	if (flag == 'p') {
		if ((r = take_attr(c, 'p', &h_r->binding)) != 0)
			return r;
		if (!binding_name_valid(h_r->binding))
			return ERR_SYNTAX;
	} else {
		c->off++;
	}
	if (!cur_take_byte(c, ','))
		return ERR_SYNTAX;
	if (cur_peek(c) != ',' && (r = take_attr(c, 'a', &h_r->authzid)) != 0)
		return r;
	if (!cur_take_byte(c, ','))
		return ERR_SYNTAX;
	h_r->text = slice_sub(c->in, from, c->off - from);
	return 0;
}

/* extensions = attr-val *("," attr-val); attr-val = ALPHA "=" value. None is known; "m=" can only stand in front, and
 * "p=" ends a final message. */
static int take_extensions(struct cursor *c, bool final)
{
	struct slice value;
	int letter, r;

	while (cur_left(c) != 0) {
		struct cursor before = *c;

		if (!cur_take_byte(c, ','))
			return ERR_SYNTAX;
		letter = cur_peek(c);
		if (letter == 'p' && final) {
			*c = before;
			return 0;
		}
		if (letter < 0 || !is_class((uint8_t)letter, CC_ALPHA) || letter == 'm')
			return ERR_SYNTAX;
		if ((r = take_attr(c, (uint8_t)letter, &value)) != 0)
			return r;
	}
	return final ? ERR_SYNTAX : 0;
}

/* c-nonce, s-nonce = 1*printable: %x21-2B / %x2D-7E */
static bool nonce_valid(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.len != 0;
}

/* client-first-message-bare = username "," nonce ["," extensions]; a reserved-mext ("m=") in front is an extension that
 * must be understood, and there is none. */
int scram_first_parse(struct slice in, size_t nonce_max, struct scram_first *f_r)
{
	struct cursor c = cursor_of(in);
	int r;

	if ((r = gs2_header_take(&c, &f_r->gs2)) != 0)
		return r;
	f_r->bare = cur_rest(&c);
	if ((r = take_attr(&c, 'n', &f_r->user)) != 0)
		return r;
	if (!cur_take_byte(&c, ',') || take_attr(&c, 'r', &f_r->nonce) != 0 || !nonce_valid(f_r->nonce))
		return ERR_SYNTAX;
	return f_r->nonce.len > nonce_max ? ERR_LIMIT : take_extensions(&c, false);
}

/* client-final-message = "c=" base64 "," "r=" nonce ["," extensions] "," "p=" base64 */
int scram_final_parse(struct slice in, struct scram_final *f_r)
{
	struct cursor c = cursor_of(in);
	int r;

	if ((r = take_attr(&c, 'c', &f_r->binding)) != 0)
		return r;
	if (!cur_take_byte(&c, ',') || take_attr(&c, 'r', &f_r->nonce) != 0 || !nonce_valid(f_r->nonce))
		return ERR_SYNTAX;
	if ((r = take_extensions(&c, true)) != 0)
		return r;
	f_r->without_proof = slice_sub(in, 0, c.off);
	if (!cur_take_byte(&c, ',') || take_attr(&c, 'p', &f_r->proof) != 0)
		return ERR_SYNTAX;
	return cur_end(&c);
}

int saslname_decode(struct slice in, struct buf *out)
{
	struct cursor c = cursor_of(in);
	int ch;

	while ((ch = cur_peek(&c)) >= 0) {
		struct slice code;

		if (ch != '=') {
			buf_add_byte(out, (uint8_t)ch);
			c.off++;
		} else if (cur_take_n(&c, 3, &code) != 0) {
			return ERR_SYNTAX;
		} else if (slice_eq_cstr(code, "=2C")) {
			buf_add_byte(out, ',');
		} else if (slice_eq_cstr(code, "=3D")) {
			buf_add_byte(out, '=');
		} else {
			return ERR_SYNTAX;
		}
	}
	return buf_err(out);
}
