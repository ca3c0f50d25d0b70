/* pabal domain, user, alias: requests to accountd. */
#include "common/ipc/proto_account.h"
#include "common/ipc/proto_spool.h"
#include "control/account_client.h"
#include "control/command.h"
#include "control/format.h"
#include "control/secret.h"

enum { TIMEOUT_MS = 60000, PAGE = 1000 };

int account_failure(struct client *c, struct ipc_msg *m)
{
	struct account_fail f;

	if (m->type != account_fail_MSG)
		return client_strange(c);
	if (IPC_DECODE(m, account_fail, client_arena(c), &f) != 0)
		return client_strange(c);
	(void)complain("%.*s", SLICE_ARG(f.text));
	return (int32_t)f.code < 0 ? (int32_t)f.code : ERR_STATE;
}

static int request(struct client *c, const struct account_admin *req, uint64_t *value_r)
{
	struct account_ok ok;
	struct ipc_msg m;
	int r = CLIENT_CALL(c, account_admin, req, TIMEOUT_MS, &m);

	if (r != 0)
		return r;
	if (m.type != account_ok_MSG || IPC_DECODE(&m, account_ok, client_arena(c), &ok) != 0)
		return account_failure(c, &m);
	*value_r = ok.value;
	return 0;
}

/* {"done": verb, "name": name, "account": n} or the sentence. */
static int tell(struct control *ct, const char *done, const char *sentence, const char *name, uint64_t account)
{
	struct buf b = BUF_INIT(10000);

	if (ct->json) {
		json_t *o = json_pack("{s:s, s:o}", "done", done, "name", json_text(slice_cstr(name)));

		if (account != 0)
			(void)json_object_set_new(o, "account", json_integer((json_int_t)account));
		format_json(&b, o);
	} else {
		format_text(&b, slice_cstr(name));
		buf_addf(&b, " %s.\n", sentence);
	}
	return finish_output(&b);
}

static int simple(struct control *ct, uint8_t verb, const char *done, const char *sentence)
{
	struct account_admin req = { .verb = verb, .name = slice_cstr(ct->words[0]),
		.target = slice_cstr(ct->words_n > 1 ? ct->words[1] : "") };
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	uint64_t value;
	int r = c != NULL ? request(c, &req, &value) : ERR_CLOSED;

	client_close(&c);
	return r != 0 ? EXIT_FAILED : tell(ct, done, sentence, ct->words[0], 0);
}

int cmd_domain_add(struct control *ct)
{
	return simple(ct, ADMIN_DOMAIN_ADD, "domain-add", "is a domain of this system now");
}

int cmd_domain_delete(struct control *ct)
{
	return simple(ct, ADMIN_DOMAIN_DELETE, "domain-delete", "is no domain of this system any more");
}

int cmd_alias_add(struct control *ct)
{
	return simple(ct, ADMIN_ALIAS_ADD, "alias-add", "has one more target");
}

int cmd_alias_delete(struct control *ct)
{
	return simple(ct, ADMIN_ALIAS_DELETE, "alias-delete", ct->words_n > 1 ? "has one target less" : "is no alias any more");
}

static int with_password(struct control *ct, uint8_t verb, const char *done, const char *sentence)
{
	struct account_admin req = { .verb = verb, .name = slice_cstr(ct->words[0]) };
	char secret[SECRET_MAX + 1] = "";
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	uint64_t account = 0;
	int r = c != NULL ? secret_read(ct->args->password_file, ct->words[0], secret) : ERR_CLOSED;

	if (r == 0) {
		req.password = slice_cstr(secret);
		r = request(c, &req, &account);
	}
	explicit_bzero(secret, sizeof(secret));
	client_close(&c);
	return r != 0 ? EXIT_FAILED : tell(ct, done, sentence, ct->words[0], account);
}

static bool hashed(const struct control *ct)
{
	return (ct->args->opts & OPT_HASH) != 0;
}

int cmd_user_add(struct control *ct)
{
	return with_password(ct, hashed(ct) ? ADMIN_USER_ADD_HASH : ADMIN_USER_ADD, "user-add", "is a user now");
}

int cmd_user_password(struct control *ct)
{
	return with_password(ct, hashed(ct) ? ADMIN_USER_PASSWORD_HASH : ADMIN_USER_PASSWORD, "user-password", "has a new password");
}

/* First the user, so that no more mail comes, then the mail; spoold is asked whether it is there before either. */
int cmd_user_delete(struct control *ct)
{
	struct account_admin req = { .verb = ADMIN_USER_DELETE, .name = slice_cstr(ct->words[0]) };
	struct spool_account_delete del = { 0 };
	struct client *spool = client_open(ct->conf, ROLE_SPOOLD, false), *c = NULL;
	struct ipc_msg m;
	int r = ERR_CLOSED;

	if (spool != NULL && (c = client_open(ct->conf, ROLE_ACCOUNTD, false)) != NULL)
		r = request(c, &req, &del.account);
	if (r == 0 && (CLIENT_CALL(spool, spool_account_delete, &del, TIMEOUT_MS, &m) != 0 || m.type != spool_ok_MSG))
		r = complain("The user is deleted, but not yet the mail; \"pabal spool purge %llu\" does that.",
		    (unsigned long long)del.account);
	client_close(&c);
	client_close(&spool);
	return r != 0 ? EXIT_FAILED : tell(ct, "user-delete", "is no user any more, the mail is deleted", ct->words[0], del.account);
}

/* ---- lists ------------------------------------------------------------------------ */

struct listing {
	uint8_t what;
	bool json;
	json_t *array;
	struct buf cells;
};

static void add_item(struct listing *l, const struct account_item *i)
{
	struct buf *b = &l->cells;

	if (l->json) {
		json_t *o = json_pack("{s:o}", l->what == ADMIN_LIST_DOMAINS ? "domain" : l->what == ADMIN_LIST_USERS ?
		    "user" : "alias", json_text(i->name));

		if (l->what == ADMIN_LIST_ALIASES)
			(void)json_object_set_new(o, "target", json_text(i->target));
		if (l->what == ADMIN_LIST_USERS)
			(void)json_object_set_new(o, "account", json_integer((json_int_t)i->account));
		(void)json_object_set_new(o, "created", json_integer((json_int_t)i->created));
		(void)json_array_append_new(l->array, o);
		return;
	}
	format_text(b, i->name);
	buf_add_byte(b, '\t');
	if (l->what == ADMIN_LIST_USERS)
		buf_add_u64(b, i->account);
	else if (l->what == ADMIN_LIST_ALIASES)
		format_text(b, i->target);
	if (l->what != ADMIN_LIST_DOMAINS)
		buf_add_byte(b, '\t');
	format_time(b, i->created);
	buf_add_byte(b, '\n');
}

/* What to go on after: the last item's name; of an alias with its target. */
static int set_after(const struct account_item *last, uint8_t what, struct buf *after)
{
	buf_reset(after);
	buf_add_slice(after, last->name);
	if (what == ADMIN_LIST_ALIASES) {
		buf_add_byte(after, '\n');
		buf_add_slice(after, last->target);
	}
	return buf_err(after);
}

static int pages(struct client *c, struct account_list *req, struct listing *l)
{
	struct buf after = BUF_INIT(2200);
	struct account_list_reply page = { .more = 1 };
	struct ipc_msg m;
	int r = 0;

	while (r == 0 && page.more != 0) {
		if ((r = CLIENT_CALL(c, account_list, req, TIMEOUT_MS, &m)) != 0)
			break;
		if (m.type != account_list_reply_MSG || IPC_DECODE(&m, account_list_reply, client_arena(c), &page) != 0) {
			r = account_failure(c, &m);
			break;
		}
		for (uint32_t i = 0; i < page.items_n; i++)
			add_item(l, &page.items[i]);
		if (page.items_n == 0)
			break;
		r = set_after(&page.items[page.items_n - 1], req->what, &after);
		req->after = buf_slice(&after);
		arena_reset(client_arena(c));
	}
	buf_free(&after);
	return r;
}

static int list(struct control *ct, uint8_t what, const char *header)
{
	struct account_list req = { .what = what, .domain = slice_cstr(ct->words_n > 0 ? ct->words[0] : ""), .n = PAGE };
	struct listing l = { .what = what, .json = ct->json, .cells = BUF_INIT(256 * 1024 * 1024) };
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	struct buf out = BUF_INIT(512 * 1024 * 1024);
	int r;

	l.array = ct->json ? json_array() : NULL;
	buf_add_cstr(&l.cells, header);
	r = c != NULL ? pages(c, &req, &l) : ERR_CLOSED;
	if (r == 0 && ct->json)
		format_json(&out, json_incref(l.array));
	else if (r == 0)
		format_table(&out, buf_slice(&l.cells), what == ADMIN_LIST_USERS ? 2 : 0);
	json_decref(l.array);
	buf_free(&l.cells);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}

int cmd_domain_list(struct control *ct)
{
	return list(ct, ADMIN_LIST_DOMAINS, "DOMAIN\tSINCE (UTC)\n");
}

int cmd_user_list(struct control *ct)
{
	return list(ct, ADMIN_LIST_USERS, "USER\tACCOUNT\tSINCE (UTC)\n");
}

int cmd_alias_list(struct control *ct)
{
	return list(ct, ADMIN_LIST_ALIASES, "ALIAS\tTARGET\tSINCE (UTC)\n");
}
