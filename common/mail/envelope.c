#include "common/mail/envelope.h"

#include "common/mail/addrlist.h"
#include "common/mail/header.h"
#include "common/mail/imaptext.h"

enum { F_DATE, F_SUBJECT, F_FROM, F_SENDER, F_REPLY_TO, F_TO, F_CC, F_BCC, F_IN_REPLY_TO, F_MESSAGE_ID, F_COUNT };

static const char *const field_names[F_COUNT] = {
	"Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID",
};

static bool is_text(unsigned i)
{
	return i == F_DATE || i == F_SUBJECT || i == F_IN_REPLY_TO || i == F_MESSAGE_ID;
}

static void add_address(struct buf *b, const struct mail_addr *a)
{
	buf_add_byte(b, '(');
	if (a->kind == ADDR_MAILBOX) {
		imap_add_nstring(b, a->name);
		buf_add_byte(b, ' ');
		imap_add_nstring(b, a->route);
		buf_add_byte(b, ' ');
		imap_add_string(b, a->local.len != 0 ? a->local : SLICE_LIT("MISSING_MAILBOX"));
		buf_add_byte(b, ' ');
		imap_add_string(b, a->domain.len != 0 ? a->domain : SLICE_LIT("MISSING_DOMAIN"));
	} else if (a->kind == ADDR_GROUP_START) {
		buf_add_cstr(b, "NIL NIL ");
		imap_add_string(b, a->name);
		buf_add_cstr(b, " NIL");
	} else {
		buf_add_cstr(b, "NIL NIL NIL NIL");
	}
	buf_add_byte(b, ')');
}

/* The addresses of one field, without the outer parentheses. */
static void add_addresses(struct buf *b, struct slice body)
{
	struct buf text = BUF_INIT(SIZE_MAX / 2);
	struct addr_walker w;
	struct mail_addr a;
	bool open = false;

	header_unfold(body, &text);
	addr_walk(&w, buf_slice(&text));
	while (addr_next(&w, &a)) {
		add_address(b, &a);
		open = a.kind == ADDR_GROUP_START || (open && a.kind == ADDR_MAILBOX);
		if (buf_len(b) > ENVELOPE_LIST_MAX)
			break;
	}
	if (open)
		buf_add_cstr(b, "(NIL NIL NIL NIL)");
	addr_walk_end(&w);
	buf_free(&text);
}

static void add_text(struct buf *b, struct slice body)
{
	struct buf text = BUF_INIT(ENVELOPE_TEXT_MAX);

	header_unfold(slice_sub(body, 0, ENVELOPE_TEXT_MAX), &text);
	imap_add_string(b, buf_len(&text) != 0 ? buf_slice(&text) : slice_of("", 0));
	buf_free(&text);
}

/* False: something of a text does not stand in it. */
static bool collect(struct buf *part, bool text, struct slice body)
{
	if (!text && buf_len(part) <= ENVELOPE_LIST_MAX)
		add_addresses(part, body);
	if (!text)
		return true;
	if (buf_len(part) != 0)
		return false;
	add_text(part, body);
	return body.len <= ENVELOPE_TEXT_MAX && slice_chr(body, 0) < 0;
}

static void add_part(struct buf *b, const struct buf *part, bool text)
{
	if (buf_len(part) == 0) {
		buf_add_cstr(b, "NIL");
		return;
	}
	if (!text)
		buf_add_byte(b, '(');
	buf_add_slice(b, buf_slice(part));
	if (!text)
		buf_add_byte(b, ')');
}

bool envelope_format(struct buf *b, struct slice header)
{
	bool whole = true;
	struct buf parts[F_COUNT];
	struct header_walker w;
	struct mail_field f;

	for (unsigned i = 0; i < F_COUNT; i++)
		parts[i] = BUF_INIT(2 * ENVELOPE_LIST_MAX);
	header_walk(&w, header);
	while (header_next(&w, &f))
		for (unsigned i = 0; i < F_COUNT; i++)
			if (slice_ieq_cstr(f.name, field_names[i]) && !collect(&parts[i], is_text(i), f.body))
				whole = false;
	buf_add_byte(b, '(');
	for (unsigned i = 0; i < F_COUNT; i++) {
		bool from = (i == F_SENDER || i == F_REPLY_TO) && buf_len(&parts[i]) == 0;

		if (i != 0)
			buf_add_byte(b, ' ');
		add_part(b, from ? &parts[F_FROM] : &parts[i], is_text(i));
	}
	buf_add_byte(b, ')');
	for (unsigned i = 0; i < F_COUNT; i++) {
		if (buf_err(&parts[i]) == ERR_NOMEM)
			b->err = ERR_NOMEM;
		whole = whole && buf_err(&parts[i]) == 0;
		buf_free(&parts[i]);
	}
	return whole;
}
