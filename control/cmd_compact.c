/* The commands about the spool that a running spoold does. */
#include "common/base/strnum.h"
#include "common/mail/queueid.h"
#include "control/command.h"
#include "control/show.h"
#include "control/spool_client.h"

enum { TIMEOUT_MS = 60000, NO_TIMEOUT = 0 };

int spool_client_failed(struct client *c, struct ipc_msg *m, const char *what, const char *object)
{
	struct spool_fail f;

	if (m->type != spool_fail_MSG || IPC_DECODE(m, spool_fail, client_arena(c), &f) != 0)
		return client_strange(c);
	if ((int32_t)f.code == ERR_NOTFOUND)
		(void)complain("%s %s: there is no such message, or no longer.", what, object);
	else if (f.text.len != 0)
		(void)complain("%s %s: %.*s.", what, object, SLICE_ARG(f.text));
	else
		(void)complain("%s %s: %s.", what, object, err_str((int32_t)f.code));
	return (int32_t)f.code < 0 ? (int32_t)f.code : ERR_STATE;
}

int spool_client_id(const char *word, uint64_t *msgid_r)
{
	int r = queue_id_parse(slice_cstr(word), msgid_r);

	if (r != 0)
		(void)complain("\"%s\" is not a queue id, which are hexadecimal digits.", word);
	return r;
}

int spool_client_stats(struct client *c, struct spool_stats_reply *s_r)
{
	struct spool_stats req = { 0 };
	struct ipc_msg m;
	int r = CLIENT_CALL(c, spool_stats, &req, TIMEOUT_MS, &m);

	if (r == 0 && (m.type != spool_stats_reply_MSG || IPC_DECODE(&m, spool_stats_reply, client_arena(c), s_r) != 0))
		r = spool_client_failed(c, &m, "spoold does not tell", "its numbers");
	return r;
}

int cmd_spool_stats(struct control *ct)
{
	struct buf out = BUF_INIT(1024 * 1024);
	struct client *c = client_open(ct->conf, ROLE_SPOOLD, false);
	struct spool_stats_reply s;
	int r = c != NULL ? spool_client_stats(c, &s) : ERR_CLOSED;

	if (r == 0 && ct->json)
		format_json(&out, show_stats_json(&s));
	else if (r == 0)
		show_stats(&out, &s);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}

int cmd_spool_compact(struct control *ct)
{
	struct spool_compact req = { .all = (ct->args->opts & OPT_ALL) != 0 };
	struct buf out = BUF_INIT(1000);
	struct client *c = client_open(ct->conf, ROLE_SPOOLD, false);
	struct spool_ok ok;
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, spool_compact, &req, NO_TIMEOUT, &m) : ERR_CLOSED;

	if (r == 0 && (m.type != spool_ok_MSG || IPC_DECODE(&m, spool_ok, client_arena(c), &ok) != 0))
		r = spool_client_failed(c, &m, "spoold did not compact", "the spool");
	client_close(&c);
	if (r != 0)
		return EXIT_FAILED;
	if (ct->json) {
		format_json(&out, json_pack("{s:s, s:I}", "done", "spool-compact", "bytes", (json_int_t)ok.value));
	} else {
		format_size(&out, ok.value);
		buf_add_cstr(&out, " bytes were given back.\n");
	}
	return finish_output(&out);
}

int cmd_spool_purge(struct control *ct)
{
	struct spool_account_delete req = { 0 };
	struct buf out = BUF_INIT(1000);
	struct client *c;
	struct ipc_msg m;
	int r;

	if (slice_to_u64(slice_cstr(ct->words[0]), INT64_MAX, &req.account) != 0 || req.account == 0)
		return complain("\"%s\" is not the number of an account; \"pabal user list\" shows those of the users.", ct->words[0]);
	if ((c = client_open(ct->conf, ROLE_SPOOLD, false)) == NULL)
		return EXIT_FAILED;
	r = CLIENT_CALL(c, spool_account_delete, &req, TIMEOUT_MS, &m);
	if (r == 0 && m.type != spool_ok_MSG)
		r = spool_client_failed(c, &m, "spoold did not delete the mail of account", ct->words[0]);
	client_close(&c);
	if (r != 0)
		return EXIT_FAILED;
	if (ct->json)
		format_json(&out, json_pack("{s:s, s:I}", "done", "spool-purge", "account", (json_int_t)req.account));
	else
		buf_addf(&out, "The mail of account %s is deleted.\n", ct->words[0]);
	return finish_output(&out);
}
