/* pabal queue: requests to spoold, which owns the queue. */
#include "common/base/clock.h"
#include "common/mail/queueid.h"
#include "control/command.h"
#include "control/show.h"
#include "control/spool_client.h"

enum { TIMEOUT_MS = 60000, DO_TIMEOUT_MS = 600 * 1000, PAGE = 1000, ID_DIGITS_MIN = 10 };

/* ---- list, show ---------------------------------------------------------------- */

/* Written page by page: a queue may be long. */
struct listing {
	struct control *ct;
	struct buf out;
	uint64_t now, count;
};

/* The elements of a JSON array, of which the page is a part. */
static void page_json(struct listing *l, const struct spool_taken *page)
{
	struct buf text = BUF_INIT(512 * 1024 * 1024);
	json_t *array = json_array();

	for (uint32_t i = 0; i < page->msgs_n; i++)
		(void)json_array_append_new(array, show_msg_json(&page->msgs[i]));
	format_json(&text, array);
	/* Without the "[" before and the "\n]\n" behind. */
	buf_add_byte(&l->out, l->count == 0 ? '[' : ',');
	if (buf_err(&text) == 0 && buf_len(&text) > 4)
		buf_add_slice(&l->out, slice_sub(buf_slice(&text), 1, buf_len(&text) - 4));
	else
		l->out.err = ERR_NOMEM;
	buf_free(&text);
}

static int page_show(struct listing *l, const struct spool_taken *page)
{
	if (page->msgs_n == 0)
		return 0;
	if (l->ct->json)
		page_json(l, page);
	for (uint32_t i = 0; i < page->msgs_n && !l->ct->json; i++)
		show_msg(&l->out, &page->msgs[i], l->now, false);
	l->count += page->msgs_n;
	return finish_output(&l->out) == EXIT_DONE ? 0 : ERR_IO;
}

static int pages(struct client *c, struct listing *l, struct slice match)
{
	struct spool_queue_list req = { .n = PAGE, .match = match };
	struct spool_taken page;
	struct ipc_msg m;
	int r;

	do {
		if ((r = CLIENT_CALL(c, spool_queue_list, &req, TIMEOUT_MS, &m)) != 0)
			return r;
		if (m.type != spool_taken_MSG || IPC_DECODE(&m, spool_taken, client_arena(c), &page) != 0)
			return spool_client_failed(c, &m, "spoold does not list", "the queue");
		if (page.next_due != 0 && page.next_due <= req.after)
			return client_strange(c);
		req.after = page.next_due;
		if ((r = page_show(l, &page)) != 0)
			return r;
		arena_reset(client_arena(c));
	} while (req.after != 0);
	return 0;
}

int cmd_queue_list(struct control *ct)
{
	struct listing l = { .ct = ct, .out = BUF_INIT(512 * 1024 * 1024), .now = clock_wall_s() };
	struct client *c = client_open(ct->conf, ROLE_SPOOLD, false);
	int r = ERR_CLOSED;

	if (c != NULL)
		r = pages(c, &l, slice_cstr(ct->words_n > 0 ? ct->words[0] : ""));
	client_close(&c);
	if (r == 0 && ct->json)
		buf_add_cstr(&l.out, l.count == 0 ? "[]\n" : "\n]\n");
	else if (r == 0 && l.count == 0)
		buf_add_cstr(&l.out, ct->words_n > 0 ? "Nothing in the queue has this in an address.\n" : "The queue is empty.\n");
	else if (r == 0)
		buf_addf(&l.out, "%llu message%s\n", (unsigned long long)l.count, l.count == 1 ? "" : "s");
	if (r == 0)
		return finish_output(&l.out);
	buf_free(&l.out);
	return EXIT_FAILED;
}

int cmd_queue_show(struct control *ct)
{
	struct spool_queue_show req = { 0 };
	struct buf out = BUF_INIT(64 * 1024 * 1024);
	struct spool_taken t;
	struct client *c;
	struct ipc_msg m;
	int r;

	if (spool_client_id(ct->words[0], &req.msgid) != 0 || (c = client_open(ct->conf, ROLE_SPOOLD, false)) == NULL)
		return EXIT_FAILED;
	r = CLIENT_CALL(c, spool_queue_show, &req, TIMEOUT_MS, &m);
	if (r == 0 && (m.type != spool_taken_MSG || IPC_DECODE(&m, spool_taken, client_arena(c), &t) != 0))
		r = spool_client_failed(c, &m, "spoold does not show", ct->words[0]);
	else if (r == 0 && t.msgs_n != 1)
		r = client_strange(c);
	if (r == 0 && ct->json)
		format_json(&out, show_msg_json(&t.msgs[0]));
	else if (r == 0)
		show_msg(&out, &t.msgs[0], clock_wall_s(), true);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}

/* ---- flush, hold, release, delete ------------------------------------------------ */

/* An operand of ten and more hexadecimal digits is a queue id, all else a part of an address. */
static int choose(struct control *ct, bool all_by_default, struct spool_queue_do *req)
{
	bool all = (ct->args->opts & OPT_ALL) != 0;

	if (ct->words_n == 0 && (all || all_by_default))
		return 0;
	if (ct->words_n == 0)
		return complain("Which? Name a queue id or a part of an address, or say --all.");
	if (all)
		return complain("--all and \"%s\" exclude each other.", ct->words[0]);
	if (strlen(ct->words[0]) < ID_DIGITS_MIN || queue_id_parse(slice_cstr(ct->words[0]), &req->msgid) != 0)
		req->match = slice_cstr(ct->words[0]);
	return ct->words[0][0] != '\0' ? 0 : complain("An empty text matches everything; say --all if that is meant.");
}

static int queue_do(struct control *ct, uint8_t verb, const char *done)
{
	struct spool_queue_do req = { .verb = verb };
	struct buf out = BUF_INIT(1000);
	struct client *c;
	struct spool_ok ok;
	struct ipc_msg m;
	int r;

	if (choose(ct, verb == QUEUE_FLUSH, &req) != 0)
		return EXIT_USAGE;
	if ((c = client_open(ct->conf, ROLE_SPOOLD, false)) == NULL)
		return EXIT_FAILED;
	r = CLIENT_CALL(c, spool_queue_do, &req, DO_TIMEOUT_MS, &m);
	if (r == 0 && (m.type != spool_ok_MSG || IPC_DECODE(&m, spool_ok, client_arena(c), &ok) != 0))
		r = spool_client_failed(c, &m, "spoold did not change", ct->words_n > 0 ? ct->words[0] : "the queue");
	client_close(&c);
	if (r != 0)
		return EXIT_FAILED;
	if (ct->json)
		format_json(&out, json_pack("{s:s, s:I}", "done", done, "messages", (json_int_t)ok.value));
	else
		buf_addf(&out, "%llu message%s %s.\n", (unsigned long long)ok.value, ok.value == 1 ? "" : "s", done);
	r = finish_output(&out);
	return r == EXIT_DONE && ok.value == 0 && ct->words_n > 0 ? EXIT_FAILED : r;
}

int cmd_queue_flush(struct control *ct)
{
	return queue_do(ct, QUEUE_FLUSH, "to be tried now");
}

int cmd_queue_hold(struct control *ct)
{
	return queue_do(ct, QUEUE_HOLD, "held");
}

int cmd_queue_release(struct control *ct)
{
	return queue_do(ct, QUEUE_UNHOLD, "released");
}

int cmd_queue_delete(struct control *ct)
{
	return queue_do(ct, QUEUE_DELETE, "deleted");
}
