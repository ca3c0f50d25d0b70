#include "qmgr/notice.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mail/dsn.h"
#include "common/mail/queueid.h"

/* What smtpd puts in front of what it takes in: for the mailbox, never to be sent. */
#define RETURN_PATH "Return-Path: <>\r\n"

enum { NOTICE_HEADER_READ = 256 * 1024, NOTICE_MAX = 512 * 1024, NOTICE_RCPTS_MAX = 1000, BOUNDARY_TRIES = 8 };

/* Up to want bytes from off of the file; fewer when it is shorter. */
static void read_file(int fd, uint64_t off, size_t want, struct buf *b)
{
	uint8_t *p = buf_reserve(b, want);
	size_t have = 0;
	ssize_t n;

	while (p != NULL && have < want) {
		n = pread(fd, p + have, want - have, (off_t)(off + have));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += (size_t)n;
	}
	if (p != NULL)
		buf_commit(b, have);
}

/* "1A2B3C": letters and digits that nobody can foresee. */
static struct slice random_word(char out[33])
{
	static const char digits[] = "0123456789ABCDEF";
	uint8_t raw[16];

	random_fill(raw, sizeof(raw));
	for (unsigned i = 0; i < 16; i++) {
		out[2 * i] = digits[raw[i] >> 4];
		out[2 * i + 1] = digits[raw[i] & 15];
	}
	out[32] = '\0';
	return slice_of(out, 32);
}

static struct slice without_brackets(struct slice s)
{
	if (s.len >= 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		return slice_sub(s, 1, s.len - 2);
	return s;
}

/* The host of "host[ip]:port"; empty when it was not a host that answered. */
static struct slice relay_host(struct slice relay)
{
	ptrdiff_t at = slice_chr(relay, '[');

	return at > 0 ? slice_sub(relay, 0, (size_t)at) : slice_of(NULL, 0);
}

static struct dsn_recipient *fill_rcpts(struct record *rec, const struct notice_rcpt *from, uint32_t n,
    enum dsn_action action, uint64_t now_s)
{
	struct dsn_recipient *to = arena_calloc(rec->arena, n, sizeof(*to));

	for (uint32_t i = 0; to != NULL && i < n; i++)
		to[i] = (struct dsn_recipient){ .final = from[i].addr, .original = from[i].orcpt, .action = action,
		    .status = from[i].status, .remote_mta = relay_host(from[i].relay), .diagnostic = from[i].text,
		    .last_attempt = (int64_t)now_s, .will_retry_until = (int64_t)from[i].until_s };
	return to;
}

/* The body as spoold takes it. */
static bool fill_accept(struct record *rec, const struct buf *text, struct slice id, const char *queue, struct spool_accept *to)
{
	struct arena *a = rec->arena;
	struct spool_rcpt_in *rcpt = arena_alloc(a, sizeof(*rcpt));
	struct buf s = BUF_INIT(512);
	struct slice body = arena_dup(a, buf_slice(text));
	struct spool_body_in *b = &to->body;
	size_t line = 0;

	if (rcpt == NULL || body.p == NULL)
		return false;
	rcpt->addr = rec->sender;
	rcpt->notify = NOTIFY_NEVER;    /* of a report none is ever made */
	to->rcpts = rcpt;
	to->rcpts_n = 1;
	buf_addf(&s, "notice of=%s", queue);
	to->origin = arena_dup(a, buf_slice(&s));
	buf_reset(&s);
	buf_addf(&s, "<%.*s>", SLICE_ARG(id));
	to->message_id = arena_dup(a, buf_slice(&s));
	buf_free(&s);
	b->size = body.len;
	b->relay_off = sizeof(RETURN_PATH) - 1;
	b->bytes = body;
	for (size_t i = 0; i < body.len; i++) {
		uint8_t ch = body.p[i];

		b->flags |= (ch >= 128 ? BODY_8BIT : 0) | (ch == '\0' ? BODY_NUL : 0) | (line == 0 && ch == '.' ? BODY_DOT : 0);
		line = ch == '\n' ? 0 : line + 1;
		b->lines += ch == '\n';
		if (line > 999)         /* its CR counts here */
			b->flags |= BODY_LONG_LINE;
	}
	return to->origin.p != NULL && to->message_id.p != NULL;
}

static int make_one(struct record *rec, struct slice hostname, struct slice original, enum dsn_action action, uint64_t now_s)
{
	bool failed = action == DSN_FAILED;
	const struct notice_rcpt *list = failed ? rec->failed : rec->delayed;
	uint32_t n = failed ? rec->failed_n : rec->delayed_n;
	struct queue_id_text queue = queue_id(rec->op.msgid);
	char word[33], bound[33];
	struct buf text = BUF_INIT(SPOOL_BODY_MAX), id = BUF_INIT(512);
	struct dsn d = { .reporting_mta = hostname, .sender = rec->sender, .envid = rec->envid,
	    .queue_id = slice_cstr(queue.s), .original_id = without_brackets(rec->message_id),
	    .arrival = (int64_t)rec->created, .now = (int64_t)now_s, .rcpts_n = n, .original = original,
	    .full = failed && rec->ret != 2, .original_max = NOTICE_RETURN_MAX };
	unsigned tries = BOUNDARY_TRIES;
	int r = ERR_EXISTS;

	if (n == 0)
		return 0;
	if (d.rcpts_n > NOTICE_RCPTS_MAX)
		d.rcpts_n = NOTICE_RCPTS_MAX;
	d.rcpts = fill_rcpts(rec, list, n, action, now_s);
	buf_addf(&id, "%.*s@%.*s", SLICE_ARG(random_word(word)), SLICE_ARG(hostname));
	d.message_id = buf_slice(&id);
	if (d.rcpts == NULL || buf_err(&id) != 0)
		r = ERR_NOMEM;
	while (r == ERR_EXISTS && tries-- != 0) {
		buf_reset(&text);
		buf_add_cstr(&text, RETURN_PATH);
		d.boundary = random_word(bound);
		r = dsn_format(&text, &d);
		if (r != 0 && r != ERR_EXISTS && d.rcpts_n > 1) {
			d.rcpts_n /= 2;         /* too large: fewer of them */
			r = ERR_EXISTS;
			tries++;
		}
	}
	if (r == 0 && d.rcpts_n < n)
		log_warn("%s: a notice names %zu of %u recipients", queue.s, d.rcpts_n, n);
	if (r == 0 && !fill_accept(rec, &text, d.message_id, queue.s, &rec->op.notices[rec->op.notices_n++]))
		r = ERR_NOMEM;
	buf_free(&text);
	buf_free(&id);
	return r;
}

int notice_make(struct record *rec, struct slice hostname, struct slice content, int fd, uint64_t now_s)
{
	struct buf file = BUF_INIT(NOTICE_MAX);
	uint64_t left = rec->size > rec->relay_off ? rec->size - rec->relay_off : 0;
	struct slice original;
	int r = 0;

	if (fd >= 0) {
		/* Whole when it is going to be returned whole, else enough of it to hold the header. */
		read_file(fd, rec->relay_off, left <= NOTICE_RETURN_MAX ? (size_t)left :
		    left < NOTICE_HEADER_READ ? (size_t)left : NOTICE_HEADER_READ, &file);
		original = buf_slice(&file);
	} else {
		original = slice_sub(content, rec->relay_off, SIZE_MAX);
	}
	rec->op.notices_n = 0;
	rec->op.notices = arena_calloc(rec->arena, 2, sizeof(*rec->op.notices));
	if (rec->op.notices == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		r = make_one(rec, hostname, original, DSN_FAILED, now_s);
	if (r == 0)
		r = make_one(rec, hostname, original, DSN_DELAYED, now_s);
	buf_free(&file);
	return r == 0 ? 0 : ERR_NOMEM;
}
