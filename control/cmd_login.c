/* pabal user show, app-password, login-failures: requests to accountd about how people log in. */
#include "common/base/strnum.h"
#include "control/account_client.h"
#include "control/command.h"
#include "control/format.h"
#include "control/show.h"

enum { TIMEOUT_MS = 60000, PAGE = 1000, OUTPUT_MAX = 256 * 1024 * 1024 };

/* ---- a user ------------------------------------------------------------------------- */

static int ask_user(struct client *c, const char *user, struct account_user_shown *u_r)
{
	struct account_user_show req = { .user = slice_cstr(user) };
	struct ipc_msg m;
	int r = CLIENT_CALL(c, account_user_show, &req, TIMEOUT_MS, &m);

	if (r == 0 && (m.type != account_user_shown_MSG || IPC_DECODE(&m, account_user_shown, client_arena(c), u_r) != 0))
		r = account_failure(c, &m);
	return r;
}

static int show(struct control *ct, bool apps_only)
{
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	struct buf b = BUF_INIT(OUTPUT_MAX);
	struct account_user_shown u;
	int r = c != NULL ? ask_user(c, ct->words[0], &u) : ERR_CLOSED;

	if (r == 0 && ct->json)
		format_json(&b, apps_only ? show_apps_json(&u) : show_user_json(&u));
	else if (r == 0 && apps_only)
		show_apps(&b, &u);
	else if (r == 0)
		show_user(&b, &u);
	client_close(&c);
	return r != 0 ? EXIT_FAILED : finish_output(&b);
}

int cmd_user_show(struct control *ct)
{
	return show(ct, false);
}

int cmd_app_list(struct control *ct)
{
	return show(ct, true);
}

/* ---- app passwords ------------------------------------------------------------------ */

static int parse_services(const char *text, uint8_t *bits_r)
{
	static const char *const names[] = { "smtp", "pop3", "imap" };
	struct slice rest = slice_cstr(text);

	*bits_r = 0;
	do {
		ptrdiff_t comma = slice_chr(rest, ',');
		struct slice word = slice_sub(rest, 0, comma < 0 ? rest.len : (size_t)comma);
		unsigned i = 0;

		while (i < ARRAY_LEN(names) && !slice_eq_cstr(word, names[i]))
			i++;
		if (i == ARRAY_LEN(names)) {
			(void)complain("--service takes smtp, pop3 and imap, with commas between them.");
			return ERR_SYNTAX;
		}
		*bits_r |= (uint8_t)(1u << i);
		rest = comma < 0 ? slice_of(NULL, 0) : slice_sub(rest, (size_t)comma + 1, SIZE_MAX);
		if (comma >= 0 && rest.len == 0)
			rest = slice_cstr("?");
	} while (rest.len != 0);
	return 0;
}

static int tell_app(struct control *ct, const struct account_app_added *a)
{
	struct buf b = BUF_INIT(10000);

	if (ct->json) {
		format_json(&b, json_pack("{s:s, s:o, s:I, s:o}", "done", "app-password-add", "name", json_text(slice_cstr(ct->words[0])),
		    "id", (json_int_t)a->app, "password", json_text(a->password)));
	} else {
		buf_add_slice(&b, a->password);
		buf_addf(&b, "\nThis is app password %u of ", a->app);
		format_text(&b, slice_cstr(ct->words[0]));
		buf_add_cstr(&b, "; it is not shown again.\n");
	}
	return finish_output(&b);
}

int cmd_app_add(struct control *ct)
{
	struct account_app_add req = { .user = slice_cstr(ct->words[0]), .label = slice_cstr(ct->args->label), .services = 7 };
	struct account_app_added added;
	struct client *c;
	struct ipc_msg m;
	int r;

	if (ct->args->service != NULL && parse_services(ct->args->service, &req.services) != 0)
		return EXIT_USAGE;
	if (req.label.len > 64) {
		(void)complain("The label is longer than 64 bytes.");
		return EXIT_USAGE;
	}
	c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	r = c != NULL ? CLIENT_CALL(c, account_app_add, &req, TIMEOUT_MS, &m) : ERR_CLOSED;
	if (r == 0 && (m.type != account_app_added_MSG || IPC_DECODE(&m, account_app_added, client_arena(c), &added) != 0))
		r = account_failure(c, &m);
	if (r == 0)
		r = tell_app(ct, &added);
	else
		r = EXIT_FAILED;
	client_close(&c);
	return r;
}

static int done(struct control *ct, const char *verb, const char *sentence)
{
	struct buf b = BUF_INIT(10000);

	if (ct->json) {
		format_json(&b, json_pack("{s:s, s:o}", "done", verb, "name", json_text(slice_cstr(ct->words[0]))));
	} else {
		format_text(&b, slice_cstr(ct->words[0]));
		buf_addf(&b, " %s.\n", sentence);
	}
	return finish_output(&b);
}

static int check_ok(struct client *c, int r, struct ipc_msg *m)
{
	struct account_ok ok;

	if (r == 0 && (m->type != account_ok_MSG || IPC_DECODE(m, account_ok, client_arena(c), &ok) != 0))
		r = account_failure(c, m);
	return r;
}

int cmd_app_delete(struct control *ct)
{
	struct account_app_delete req = { .user = slice_cstr(ct->words[0]) };
	struct client *c;
	struct ipc_msg m;
	int r;

	if (slice_to_u32(slice_cstr(ct->words[1]), UINT32_MAX, &req.app) != 0)
		return complain("%s is not the number of an app password; \"pabal app-password list\" shows them.", ct->words[1]);
	c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	r = c != NULL ? check_ok(c, CLIENT_CALL(c, account_app_delete, &req, TIMEOUT_MS, &m), &m) : ERR_CLOSED;
	client_close(&c);
	return r != 0 ? EXIT_FAILED : done(ct, "app-password-delete", "has one app password less");
}

/* ---- failed logins --------------------------------------------------------------------- */

static int failures(struct client *c, struct buf *cells, json_t *array)
{
	struct account_failures req = { .n = PAGE };
	struct account_failures_reply page = { .more = 1 };
	struct ipc_msg m;
	int r = 0;

	while (r == 0 && page.more != 0) {
		if ((r = CLIENT_CALL(c, account_failures, &req, TIMEOUT_MS, &m)) != 0)
			break;
		if (m.type != account_failures_reply_MSG ||
		    IPC_DECODE(&m, account_failures_reply, client_arena(c), &page) != 0)
			return account_failure(c, &m);
		for (uint32_t i = 0; i < page.items_n; i++)
			if (array != NULL)
				(void)json_array_append_new(array, show_failure_json(&page.items[i]));
			else
				show_failure(cells, &page.items[i]);
		req.skip += page.items_n;
		if (page.items_n == 0)
			break;
		arena_reset(client_arena(c));
	}
	return r;
}

int cmd_failures_list(struct control *ct)
{
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	struct buf cells = BUF_INIT(OUTPUT_MAX), b = BUF_INIT(OUTPUT_MAX);
	json_t *array = ct->json ? json_array() : NULL;
	int r;

	buf_add_cstr(&cells, "ADDRESS OR NAME\tKIND\tFAILURES\tLAST AGO\tWAIT\n");
	r = c != NULL ? failures(c, &cells, array) : ERR_CLOSED;
	if (r == 0 && ct->json)
		format_json(&b, json_incref(array));
	else if (r == 0)
		format_table(&b, buf_slice(&cells), 4);
	json_decref(array);
	buf_free(&cells);
	client_close(&c);
	return r != 0 ? EXIT_FAILED : finish_output(&b);
}

int cmd_failures_clear(struct control *ct)
{
	struct account_failures_clear req = { .text = slice_cstr(ct->words[0]) };
	struct client *c = client_open(ct->conf, ROLE_ACCOUNTD, false);
	struct ipc_msg m;
	int r = c != NULL ? check_ok(c, CLIENT_CALL(c, account_failures_clear, &req, TIMEOUT_MS, &m), &m) : ERR_CLOSED;

	client_close(&c);
	return r != 0 ? EXIT_FAILED : done(ct, "login-failures-clear", "is forgiven");
}
