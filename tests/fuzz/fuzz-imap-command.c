/*
 * Whole IMAP sessions from arbitrary bytes: the first byte chooses the state
 * they begin in and how the rest is cut into pieces. The store behind them
 * answers just enough for every parser and printer to be reached.
 */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/mail/summary.h"
#include "imapd/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char letter[] = "From: a@b.test\r\nTo: c@d.test\r\nSubject: =?utf-8?q?x=C3=A4?=\r\nDate: Tue, 24 Nov 2026 18:26:40 +0900\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\n"
    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner\r\n--b--\r\n";
enum { ROWS = 5, MAX_TURNS = 10000 };

struct imap_request {
	struct imap_request *next;
	uint16_t type;
	uint64_t off;
	uint32_t len;
	imap_reply_fn *fn;
	void *ctx;
	bool cancelled;
};

static struct imap_request *first;
static struct buf cached = { .max = MAIL_SUMMARY_MAX };
static bool over, again, handshake;
static const struct edge_tls tls = { .version = "TLSv1.3", .sni = "", .external = "u", .exporter = "EXPORTER", .exporter_len = 8 };

static struct imap_request *add(uint16_t type, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = calloc(1, sizeof(*rq));

	if (rq == NULL || first != NULL)        /* a session asks one thing at a time */
		abort();
	*rq = (struct imap_request){ .type = type, .fn = fn, .ctx = ctx };
	first = rq;
	return rq;
}

static struct imap_request *op_request(void *be, uint16_t type, const void *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = add(type, fn, ctx);

	(void)be;
	if (type == spool_body_get_MSG) {
		rq->off = ((const struct spool_body_get *)m)->off;
		rq->len = ((const struct spool_body_get *)m)->len;
	}
	return rq;
}

static struct imap_request *op_login(void *be, const struct account_login *m, imap_reply_fn *fn, void *ctx)
{
	struct imap_request *rq = add(0, fn, ctx);

	(void)be;
	rq->len = m->how;
	return rq;
}

static void op_cancel(void *be, struct imap_request *rq)
{
	(void)be;
	rq->cancelled = true;
}

static void op_event(void *be, uint16_t type, const void *m)
{
	(void)be;
	(void)type;
	(void)m;
}

static void op_bind(void *be, uint32_t number, void *host)
{
	(void)be;
	(void)number;
	(void)host;
}

static void rows_make(uint8_t *rows)
{
	memset(rows, 0, (size_t)ROWS * SPOOL_ROW_SIZE);
	for (uint32_t i = 0; i < ROWS; i++) {
		put_le32(rows + (size_t)i * SPOOL_ROW_SIZE, i * 2 + 1);
		put_le64(rows + (size_t)i * SPOOL_ROW_SIZE + 24, sizeof(letter) - 1);
		put_le64(rows + (size_t)i * SPOOL_ROW_SIZE + 40, i + 1);
	}
}

static bool answer(void)
{
	struct imap_request *rq = first;
	uint8_t rows[ROWS * SPOOL_ROW_SIZE];
	struct spool_range one = { 1, 1 };
	struct spool_cached_item items[ROWS];
	struct spool_mailbox boxes[2] = { { .id = 1, .name = SLICE_LIT("INBOX"), .flags = MBOX_EXISTS | MBOX_SUBSCRIBED },
		{ .id = 2, .name = SLICE_LIT("a/\xc3\xa4"), .flags = MBOX_EXISTS } };
	union {
		struct account_logged_in login;
		struct account_scram scram;
		struct spool_ok ok;
		struct spool_mailboxes list;
		struct spool_snapshot snap;
		struct spool_stored stored;
		struct spool_copied copied;
		struct spool_appended appended;
		struct spool_cached_reply cached;
		struct spool_body_got body;
	} u;
	struct imap_reply rep = { .m = &u, .fd = &(int){ -1 } };

	if (rq == NULL)
		return false;
	first = NULL;
	memset(&u, 0, sizeof(u));
	switch (rq->type) {
	case 0:
		rep.type = rq->len == LOGIN_SCRAM_FIRST ? account_scram_MSG : account_logged_in_MSG;
		if (rep.type == account_scram_MSG)
			u.scram = (struct account_scram){ .salt = SLICE_LIT("salt"), .iterations = 4096, .nonce = SLICE_LIT("server") };
		else
			u.login = (struct account_logged_in){ .account = 1, .user = SLICE_LIT("u"), .token = SLICE_LIT("u"),
				.signature = SLICE_LIT("0123456789abcdef0123456789abcdef") };
		break;
	case spool_mailbox_list_MSG:
		u.list.mailboxes = boxes;
		u.list.mailboxes_n = 2;
		break;
	case spool_select_MSG:
		rows_make(rows);
		u.snap = (struct spool_snapshot){ .mailbox = 1, .uidvalidity = 1, .uidnext = 100, .count = ROWS,
			.rows = slice_of(rows, sizeof(rows)) };
		break;
	case spool_copy_MSG:
		u.copied = (struct spool_copied){ 1, 0, &one, 1, &one, 1 };
		break;
	case spool_cached_MSG:
		for (uint32_t i = 0; i < ROWS; i++)
			items[i] = (struct spool_cached_item){ .uid = i * 2 + 1, .cached = i == 2 ? slice_of(NULL, 0) : buf_slice(&cached) };
		u.cached = (struct spool_cached_reply){ .items = items, .items_n = ROWS };
		break;
	case spool_body_get_MSG:
		u.body.size = sizeof(letter) - 1;
		u.body.bytes = slice_sub(slice_cstr(letter), (size_t)rq->off, rq->len);
		break;
	case spool_body_file_MSG:
		rep.r = ERR_FULL;
		break;
	default:
		u.ok.value = 1;
		break;
	}
	if (!rq->cancelled)
		rq->fn(rq->ctx, &rep);
	free(rq);
	return true;
}

static void on_again(void *ctx) { (void)ctx; again = true; }
static void on_timer(void *ctx, uint64_t ms) { (void)ctx; (void)ms; }
static void on_ran(void *ctx) { (void)ctx; }
static void on_over(void *ctx, bool abort_) { (void)ctx; (void)abort_; over = true; }
static void on_start_tls(void *ctx) { (void)ctx; handshake = true; }
static void no_log(enum log_level level, const char *text) { (void)level; (void)text; }

static const struct imap_backend_ops ops = { op_request, op_login, op_cancel, op_event, op_bind };
static const struct imap_env env = { .ops = &ops, .allow_plaintext_login = true, .starttls = true, .oauth = true, .login_timeout_ms = 60000,
	.literal_max = 100000, .inline_max = 500 };

static void feed(struct imap_session *s, struct buf *in, struct buf *out, struct slice bytes)
{
	buf_add_slice(in, bytes);
	imap_session_run(s);
	for (unsigned turn = 0; turn < MAX_TURNS && !over; turn++) {
		bool more = answer();

		if (handshake) {
			handshake = false;
			if (buf_len(in) != 0)
				abort();        /* what stood behind STARTTLS */
			imap_session_tls_started(s, &tls);
			more = true;
		}
		if (again || buf_len(out) > IMAP_OUT_HIGH) {
			more = true;
			again = false;
			buf_reset(out);
			if (!over)
				imap_session_run(s);
		}
		if (!more)
			break;
	}
	buf_reset(out);
}

/* Put away and woken, where it may be. */
static struct imap_session *nap(struct imap_session *s, const struct imap_host *host)
{
	struct imap_sleeper *z = imap_session_sleep(&s);

	if ((z == NULL) != (s != NULL) || (z != NULL && (s = imap_session_wake(&z, &env, host)) == NULL))
		abort();
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = BUF_INIT(256 * 1024), out = BUF_INIT(16 * 1024 * 1024);
	static const struct imap_host_ops host_ops = { on_start_tls, on_again, on_timer, on_ran, on_over };
	struct imap_host host = { .ops = &host_ops, .in = &in, .out = &out, .peer = "127.0.0.1", .loopback = true };
	struct imap_session *s;
	struct slice rest;
	size_t step;

	if (size == 0 || size > 64 * 1024)
		return 0;
	log_capture(no_log);
	if (buf_len(&cached) == 0 && mail_summary_build(slice_cstr(letter), &cached) != 0)
		abort();
	over = again = handshake = false;
	s = imap_session_new(&env, &host);
	if ((data[0] & 3) != 0)
		feed(s, &in, &out, SLICE_LIT("x LOGIN a b\r\n"));
	if ((data[0] & 3) > 1)
		feed(s, &in, &out, (data[0] & 3) == 2 ? SLICE_LIT("x SELECT INBOX\r\n") : SLICE_LIT("x EXAMINE INBOX\r\n"));
	step = (size_t)1 << ((data[0] >> 2 & 7) * 2);
	rest = slice_of(data + 1, size - 1);
	while (rest.len != 0 && !over) {
		feed(s, &in, &out, slice_sub(rest, 0, step));
		s = nap(s, &host);
		rest = slice_sub(rest, step, SIZE_MAX);
	}
	imap_session_free(&s);
	(void)answer();
	buf_free(&in);
	buf_free(&out);
	return 0;
}
