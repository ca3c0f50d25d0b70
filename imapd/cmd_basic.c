/* CAPABILITY, NOOP, CHECK, LOGOUT, ID, ENABLE, NAMESPACE. */
#include "imapd/commands.h"

#include "common/base/log.h"

void imap_capability_print(const struct imap_session *s, struct buf *b)
{
	struct sasl_conf conf;

	buf_add_cstr(b, "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN "
	    "SPECIAL-USE CREATE-SPECIAL-USE MOVE");
	if (s->state != IMAP_NOAUTH)
		return;
	buf_add_cstr(b, " SASL-IR");
	if (s->env->starttls && s->tls == NULL)
		buf_add_cstr(b, " STARTTLS");
	if (imap_may_log_in(s)) {
		conf = imap_sasl_conf(s);
		sasl_list(&conf, " AUTH=", b);
	} else {
		buf_add_cstr(b, " LOGINDISABLED");
	}
}

enum imap_run imap_run_capability(struct imap_session *s)
{
	buf_add_cstr(s->out, "* CAPABILITY ");
	imap_capability_print(s, s->out);
	buf_add_cstr(s->out, "\r\n");
	return imap_ok(s, "That is all");
}

enum imap_run imap_run_noop(struct imap_session *s)
{
	return imap_ok(s, "Done");
}

enum imap_run imap_run_logout(struct imap_session *s)
{
	buf_add_cstr(s->out, "* BYE Until next time\r\n");
	imap_session_set_state(s, IMAP_LOGOUT);
	return imap_ok(s, "Logged out");
}

/* id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / NIL)    RFC 2971 3.1: at most 30 pairs */
int imap_parse_id(struct imap_session *s, struct imap_parse *p)
{
	struct slice name, value;
	unsigned n = 0;
	int r;

	if ((r = imap_take_sp(p)) != 0)
		return r;
	if (cur_take_icase(&p->cur, "NIL"))
		return imap_take_end(p);
	if ((r = imap_take_byte(p, '(', "a list or NIL is missing")) != 0)
		return r;
	if (cur_take_byte(&p->cur, ')'))
		return imap_take_end(p);
	do {
		if (++n > 30)
			return imap_why(p, "there are too many fields");
		if ((r = imap_take_string(p, &name)) != 0 || (r = imap_take_sp(p)) != 0 ||
		    (r = imap_take_nstring(p, &value)) != 0)
			return r;
		if (name.len > 30 || value.len > 1024)
			return imap_why(p, "a field is too long");
		if (slice_ieq_cstr(name, "name"))
			log_info("client=%s, user=%s, id name=%s", log_esc(slice_cstr(s->peer)),
			    log_esc(s->user), log_esc(value));
	} while (cur_take_byte(&p->cur, ' '));
	if ((r = imap_take_byte(p, ')', "a list has no end")) != 0)
		return r;
	return imap_take_end(p);
}

enum imap_run imap_run_id(struct imap_session *s)
{
	buf_add_cstr(s->out, "* ID (\"name\" \"Pabal\")\r\n");
	return imap_ok(s, "Pleased to meet you");
}

/* enable = "ENABLE" 1*(SP capability)      RFC 5161: what is unknown is passed over */
int imap_parse_enable(struct imap_session *s, struct imap_parse *p)
{
	struct slice name;
	int r;

	(void)s;
	do {
		if ((r = imap_take_sp(p)) != 0 || (r = imap_take_atom(p, &name)) != 0)
			return r;
	} while (cur_left(&p->cur) != 0);
	return 0;
}

enum imap_run imap_run_enable(struct imap_session *s)
{
	buf_add_cstr(s->out, "* ENABLED\r\n");
	return imap_ok(s, "There is nothing to be enabled");
}

enum imap_run imap_run_namespace(struct imap_session *s)
{
	buf_add_cstr(s->out, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	return imap_ok(s, "Done");
}
