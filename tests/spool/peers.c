#include "tests/spool/peers.h"

#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/ipc/roles.h"
#include "spool/index.h"

struct service *svc;
struct loop *loop;
struct conf *test_conf;
bool service_died;
uint8_t test_secret[32];
static struct daemon dmn;
static int dirfd_ = -1;
static struct arena *arena;
static char home[4096];

static void swallow(enum log_level level, const char *text)
{
	(void)level;
	if (getenv("TEST_LOG") != NULL)
		(void)fprintf(stderr, "# %s\n", text);
}

static void on_dead(void *ctx)
{
	(void)ctx;
	service_died = true;
}

static void start(void)
{
	struct service_conf sc = { .loop = loop, .dirfd = dirfd_, .index_home = home, .conf = test_conf,
		.secret = slice_of(test_secret, sizeof(test_secret)), .sys = &disk_ops, .dead = on_dead };

	assert_int_equal(service_new(&svc, &sc), 0);
	dmn.state = svc;
}

static int no_fsync(int fd)
{
	(void)fd;
	return 0;
}

int service_setup(void **state)
{
	struct buf errors = BUF_INIT(65536);

	(void)state;
	log_capture(swallow);
	dirfd_ = testdir_open();
	disk_reset();
	index_set_fsync(no_fsync);
	(void)snprintf(home, sizeof(home), "%s/index", testdir_path());
	assert_int_equal(conf_parse(&test_conf, "test", SLICE_LIT("spool_reserve = 0\nspool_cache = 4m\n"), &errors), 0);
	test_conf->segment_size = 1 << 20;      /* smaller than is allowed, to be filled fast */
	buf_free(&errors);
	memset(test_secret, 7, sizeof(test_secret));
	arena = arena_new(64 << 20);
	loop = loop_new();
	dmn.loop = loop;
	service_died = false;
	start();
	return 0;
}

int service_teardown(void **state)
{
	(void)state;
	settle();
	service_free(&svc);
	loop_free(&loop);
	conf_free(&test_conf);
	arena_free(&arena);
	disk_reset();
	testdir_remove();
	(void)close(dirfd_);
	log_capture(NULL);
	return 0;
}

void service_restart(bool clean)
{
	(void)clean;
	settle();
	service_free(&svc);
	start();
}

/* ---- clients ---- */

static void server_open(struct channel *ch, void *ctx)
{
	(void)ctx;
	service_opened(svc, ch);
}

static void server_close(struct channel *ch, int why, void *ctx)
{
	(void)why;
	service_closed(svc, ch);
	((struct client *)ctx)->server = NULL;
}

static void client_closed(struct channel *ch, int why, void *ctx)
{
	struct client *c = ctx;

	(void)ch;
	(void)why;
	c->ch = NULL;
}

static int on_state(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct spool_state st;
	struct client *c = ctx;

	(void)ch;
	assert_int_equal(IPC_DECODE(m, spool_state, arena, &st), 0);
	buf_addf(&c->events, "state accepting=%u;", st.accepting);
	return 0;
}

static int on_work(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct client *c = ctx;

	(void)ch;
	(void)m;
	buf_add_cstr(&c->events, "work;");
	return 0;
}

static int on_change(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct client *c = ctx;
	struct spool_change ev;

	(void)ch;
	assert_int_equal(IPC_DECODE(m, spool_change, arena, &ev), 0);
	buf_addf(&c->events, "change%s%s rows=", ev.by_self ? " self" : "", ev.gone_mailbox ? " gone" : "");
	c->event_rows += ev.rows.len / SPOOL_ROW_SIZE;
	for (size_t i = 0; i < ev.rows.len && i < 10 * SPOOL_ROW_SIZE; i += SPOOL_ROW_SIZE)
		buf_addf(&c->events, "%u/%u,", get_le32(ev.rows.p + i), get_le32(ev.rows.p + i + 4));
	buf_add_cstr(&c->events, " vanished=");
	for (uint32_t i = 0; i < ev.vanished_n; i++)
		buf_addf(&c->events, "%u:%u,", ev.vanished[i].first, ev.vanished[i].last);
	for (uint32_t i = 0; i < ev.keywords_n; i++)
		buf_addf(&c->events, " %.*s", SLICE_ARG(ev.keywords[i].name));
	buf_add_byte(&c->events, ';');
	return 0;
}

static const struct ipc_handler client_handlers[] = {
	{ spool_state_MSG, on_state }, { spool_work_MSG, on_work }, { spool_change_MSG, on_change }, { 0, NULL },
};

static const struct ipc_handler *handlers_of(enum role role)
{
	switch (role) {
	case ROLE_SMTPD:
		return service_smtpd;
	case ROLE_QMGR:
		return service_qmgr;
	case ROLE_DELIVER_LOCAL:
		return service_deliver_local;
	case ROLE_DELIVER_REMOTE:
		return service_deliver_remote;
	case ROLE_CONTROL:
		return service_control;
	default:
		return service_reader;
	}
}

void client_open(struct client *c, enum role role)
{
	struct channel_conf cc = { .proto = "spool", .major = 1, .role = (uint8_t)role, .peer_role = ROLE_SPOOLD,
		.peer_uid = (uid_t)-1, .handlers = client_handlers, .on_close = client_closed, .ctx = c };
	struct channel_conf sc = { .proto = "spool", .major = 1, .role = ROLE_SPOOLD, .peer_role = (uint8_t)role,
		.peer_uid = (uid_t)-1, .handlers = handlers_of(role), .on_open = server_open, .on_close = server_close,
		.ctx = c, .handler_ctx = &dmn };
	int sv[2];

	memset(c, 0, sizeof(*c));
	c->events = BUF_INIT(1 << 20);
	c->fd = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	c->ch = channel_new(loop, sv[0], &cc);
	c->server = channel_new(loop, sv[1], &sc);
	settle();
	assert_true(channel_is_open(c->ch));
}

void settle(void)
{
	/* A flush of a file runs in another thread: its end is an event that may take a moment. */
	for (int idle = 0; idle < 4; idle++)
		assert_int_equal(loop_turn(loop, 5), 0);
}

void client_close(struct client *c)
{
	if (c->ch != NULL)
		channel_close(c->ch);
	settle();
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c->payload);
	buf_free(&c->events);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

const char *client_events(struct client *c)
{
	static char text[65536];
	struct slice s;

	settle();
	s = buf_slice(&c->events);
	assert_true(s.len < sizeof(text));
	if (s.len != 0)
		memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	buf_reset(&c->events);
	arena_reset(arena);
	return text;
}

static void on_reply(void *ctx, int r, struct ipc_msg *m)
{
	struct client *c = ctx;

	c->answered = true;
	c->r = r;
	c->replies++;
	if (r != 0)
		return;
	c->type = m->type;
	c->fd = m->fd;
	m->fd = -1;
	c->len = m->payload.len;
	c->payload = malloc(c->len + 1);
	if (c->len != 0)
		memcpy(c->payload, m->payload.p, c->len);
}

void client_send(struct client *c, uint16_t type, void (*encode)(struct buf *, const void *), const void *m)
{
	free(c->payload);
	c->payload = NULL;
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	c->answered = false;
	encode(channel_begin(c->ch), m);
	(void)channel_end_request(c->ch, type, -1, 0, on_reply, c);
}

bool client_wait(struct client *c)
{
	for (int i = 0; i < 30000 && !c->answered; i++)         /* a file may be flushed for it by another thread */
		assert_int_equal(loop_turn(loop, 10), 0);
	assert_true(c->answered);
	return c->r == 0;
}

bool client_ask(struct client *c, uint16_t type, void (*encode)(struct buf *, const void *), const void *m)
{
	client_send(c, type, encode, m);
	return client_wait(c);
}

int client_decode(struct client *c, uint16_t type, void *out, int (*decode)(struct cursor *, struct arena *, void *))
{
	struct cursor cur = cursor_of(slice_of(c->payload, c->len));
	int r;

	if (c->type != type)
		return client_failed(c) != 0 ? client_failed(c) : ERR_STATE;
	arena_reset(arena);
	r = decode(&cur, arena, out);
	return r != 0 ? r : cur_end(&cur);
}

int client_failed(struct client *c)
{
	struct cursor cur = cursor_of(slice_of(c->payload, c->len));
	struct spool_fail f;

	if (c->type != spool_fail_MSG || spool_fail_decode(&cur, arena, &f) != 0)
		return 0;
	return (int)f.code;
}

uint64_t client_value(struct client *c)
{
	struct spool_ok ok;

	GOT(c, spool_ok, &ok);
	return ok.value;
}

/* ---- tokens and short forms ---- */

static struct slice mint(struct token t)
{
	static uint8_t text[8][TOKEN_SIZE];
	static unsigned turn;
	uint8_t *p = text[turn++ % 8];

	t.expiry = clock_wall_s() + 60;
	assert_int_equal(token_mint(slice_of(test_secret, sizeof(test_secret)), &t, p), 0);
	return slice_of(p, TOKEN_SIZE);
}

struct slice session_token(uint64_t account)
{
	return mint((struct token){ .kind = TOKEN_SESSION, .account = account });
}

struct slice grant_token(uint64_t msgid, uint64_t account)
{
	return mint((struct token){ .kind = TOKEN_GRANT, .account = account, .msgid = msgid });
}

uint64_t ask_accept(struct client *c, const char *rcpt, const char *body)
{
	struct spool_rcpt_in rc = { .addr = slice_cstr(rcpt) };
	struct spool_accept in = { .sender = SLICE_LIT("s@naver.test"), .rcpts = &rc, .rcpts_n = 1,
		.body = { .size = strlen(body), .bytes = slice_cstr(body) } };
	struct spool_accepted out;

	if (!ASK(c, spool_accept, &in) || client_failed(c) != 0)
		return 0;
	GOT(c, spool_accepted, &out);
	return out.msgid;
}

uint32_t ask_open(struct client *c, uint64_t account)
{
	struct spool_open in = { .token = session_token(account) };

	return ASK(c, spool_open, &in) && client_failed(c) == 0 ? (uint32_t)client_value(c) : 0;
}
