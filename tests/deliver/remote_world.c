#include "tests/lib/unit.h"

#include "tests/deliver/remote_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon/tls.h"
#include "common/ipc/proto_dns.h"

static const char content[] = "RP\r\nSubject: x\r\n\r\n.dot\r\nend\r\n";

/* ---- the played exchangers ------------------------------------------------------------ */

static struct buf *visit_in(struct visit *v) { return v->tls != NULL ? &v->plain : conn_in(v->c); }

static void visit_end(struct visit *v)
{
	conn_close(&v->c);
	tls_peer_free(&v->tls);
	buf_free(&v->plain);
}

static void visit_write(struct visit *v, const char *s)
{
	if (v->tls != NULL)
		tls_peer_write(v->tls, slice_cstr(s), conn_out(v->c));
	else
		buf_add_cstr(conn_out(v->c), s);
	conn_kick(v->c);
}

static void say(struct visit *v, const char *reply)
{
	if (strcmp(reply, "!") == 0) {
		visit_end(v);
	} else if (reply[0] != '\0') {
		visit_write(v, reply);
		visit_write(v, "\r\n");
	}
}

static void start_tls(struct visit *v)
{
	struct host *h = v->h;

	say(v, h->starttls);
	if (v->c != NULL && h->starttls[0] == '2' && strchr(h->starttls, '\n') == NULL)
		v->tls = tls_peer_new(v->w->tls, h->cert, h->tls_version, h->ciphers);
}

/* The client's bytes are in the wire; false when the visit is over. */
static bool take_wire(struct visit *v)
{
	struct host *h = v->h;
	struct slice s = buf_slice(conn_in(v->c));
	bool ok = true;

	if (h->handshake == HS_GARBAGE) {
		tls_peer_free(&v->tls);
		conn_writef(v->c, "500 what is this?\r\n");
		conn_finish(&v->c);
		return false;
	}
	if (h->handshake == HS_CLOSE) {
		visit_end(v);
		return false;
	}
	if (h->handshake == HS_DONE || h->handshake == HS_LATE_CLOSE) {
		ok = tls_peer_feed(v->tls, s, &v->plain, conn_out(v->c));
	} else if (h->handshake == HS_HALF && s.len > 5) {
		conn_write(v->c, "\x16\x03\x03\x00\x7a\x02\x00", 7);
	}
	buf_consume(conn_in(v->c), s.len);
	conn_kick(v->c);
	if (tls_peer_is_open(v->tls) && !v->counted) {
		v->counted = true;
		h->handshakes++;
		h->resumed += tls_peer_resumed(v->tls);
		(void)snprintf(h->sni, sizeof(h->sni), "%s", tls_peer_sni(v->tls));
	}
	if (!ok || (h->handshake == HS_LATE_CLOSE && v->counted)) {
		visit_end(v);
		return false;
	}
	return true;
}

static void take_content(struct visit *v)
{
	struct buf *in = visit_in(v);
	struct slice s = buf_slice(in);
	bool end;

	if (v->h->content_size == 0)
		buf_reset(&v->h->content);
	if (buf_len(&v->h->content) < 4096)
		buf_add_slice(&v->h->content, slice_sub(s, 0, 4096));
	v->h->content_size += s.len;
	for (size_t i = s.len > 5 ? s.len - 5 : 0; i < s.len; i++) {
		memmove(v->tail, v->tail + 1, 4);
		v->tail[4] = s.p[i];
	}
	buf_consume(in, s.len);
	end = memcmp(v->tail, "\r\n.\r\n", 5) == 0;
	if (!end)
		return;
	v->in_content = false;
	v->h->contents++;
	say(v, v->h->final);
}

static void command(struct visit *v, struct slice line)
{
	struct host *h = v->h;

	if (slice_istarts(line, "EHLO")) {
		say(v, v->tls != NULL ? h->tls_ehlo : h->ehlo);
	} else if (slice_istarts(line, "STARTTLS")) {
		start_tls(v);
	} else if (slice_istarts(line, "MAIL")) {
		v->rcpts = 0;
		h->txs++;
		h->tls_txs += v->tls != NULL;
		say(v, ++v->mails == h->close_mail ? "!" : h->mail);
	} else if (slice_istarts(line, "RCPT")) {
		say(v, h->max_rcpts != 0 && ++v->rcpts > h->max_rcpts ? "452 4.5.3 too many" : h->rcpt);
	} else if (slice_istarts(line, "DATA")) {
		v->in_content = h->data[0] == '3';
		memset(v->tail, 0, sizeof(v->tail));
		h->content_size = 0;
		say(v, h->data);
	} else if (slice_istarts(line, "RSET")) {
		say(v, "250 ok");
	} else if (slice_istarts(line, "QUIT")) {
		say(v, "221 bye");
	} else {
		say(v, "500 what");
	}
}

static void on_visit(void *ctx, struct conn *c, enum conn_event ev)
{
	struct visit *v = ctx;
	ptrdiff_t nl;

	if (ev == CONN_EOF || ev == CONN_ERROR)
		visit_end(v);
	if (ev != CONN_DATA || v->c == NULL || (v->tls != NULL && !take_wire(v)))
		return;
	while (v->c != NULL && buf_len(visit_in(v)) != 0) {
		bool tls = v->tls != NULL;

		if (v->in_content) {
			take_content(v);
			continue;
		}
		nl = slice_chr(buf_slice(visit_in(v)), '\n');
		if (nl < 1)
			return;
		command(v, slice_sub(buf_slice(visit_in(v)), 0, (size_t)nl - 1));
		if (v->c != NULL)
			buf_consume(tls ? &v->plain : conn_in(c), (size_t)nl + 1);
	}
}

static void on_accept(void *ctx, int fd)
{
	struct world *w = ctx;
	struct visit *v = w->visits;
	const char *at;

	while (v->c != NULL)
		v++;
	assert_true(v < w->visits + CONNS);
	*v = (struct visit){ .w = w, .plain = BUF_INIT(1024 * 1024) };
	v->c = conn_accept(w->loop, fd, &(struct conn_ops){ .event = on_visit, .ctx = v });
	assert_non_null(v->c);
	at = conn_local_addr(v->c);
	v->h = &w->hosts[(at[strlen(at) - 1] - '1') % HOSTS];
	v->h->conns++;
	say(v, v->h->greeting);
}

/* ---- the played peers --------------------------------------------------------------------- */

static int d_mx(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	static const uint8_t v6[16] = { [15] = 1 };
	struct world *w = ctx;
	uint8_t ip[HOSTS][4];
	struct dns_addr addrs[HOSTS][2];
	struct dns_host hosts[HOSTS];
	struct dns_mx_reply rep = { .status = w->dns_status, .text = SLICE_LIT("played"), .hosts = hosts };

	w->mx_asked++;
	for (unsigned i = 0; i < HOSTS && w->mx_name[i] != NULL; i++, rep.hosts_n++) {
		struct dns_addr *a = addrs[i];
		uint32_t n = 0;

		memcpy(ip[i], "\x7f\0\0\1", 4);
		ip[i][3] = (uint8_t)(1 + i);
		if (i == 0 && w->mx_v6_first)
			a[n++] = (struct dns_addr){ 6, slice_of(v6, 16) };
		a[n++] = (struct dns_addr){ 4, slice_of(ip[i], 4) };
		hosts[i] = (struct dns_host){ .name = slice_cstr(w->mx_name[i]), .preference = (uint16_t)(10 + 10 * i), .addrs = a, .addrs_n = n };
	}
	if (!w->dns_mute)
		IPC_REPLY(ch, dns_mx_reply, m->id, &rep);
	return 0;
}

static int s_content(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct world *w = ctx;
	struct spool_content_reply rep = { .size = sizeof(content) - 1, .bytes = SLICE_LIT(content) };
	struct spool_fail f = { .code = (uint32_t)ERR_IO, .text = SLICE_LIT("played") };
	struct spool_content req;

	assert_int_equal(IPC_DECODE(m, spool_content, NULL, &req), 0);
	assert_slice(0, req.token, "token");
	w->content_asked++;
	if (w->spool_mute)
		return 0;
	if (w->spool_fail) {
		IPC_REPLY(ch, spool_fail, m->id, &f);
	} else if (w->file != NULL) {
		rep = (struct spool_content_reply){ .size = w->file_size };
		IPC_REPLY_FD(ch, spool_content_reply, m->id, &rep, dup(fileno(w->file)));
		if (w->no_room) {
			struct rlimit none;

			assert_int_equal(getrlimit(RLIMIT_NOFILE, &none), 0);
			none.rlim_cur = 3;
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		}
	} else {
		IPC_REPLY(ch, spool_content_reply, m->id, &rep);
	}
	return 0;
}

static int q_capacity(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct job_capacity cap;

	(void)ch;
	(void)ctx;
	assert_int_equal(IPC_DECODE(m, job_capacity, NULL, &cap), 0);
	assert_int_equal(cap.jobs, REMOTE_JOBS);
	return 0;
}

static const struct ipc_handler d_handlers[] = { { dns_mx_MSG, d_mx }, { 0, NULL } };
static const struct ipc_handler s_handlers[] = { { spool_content_MSG, s_content }, { 0, NULL } };
static const struct ipc_handler q_handlers[] = { { job_capacity_MSG, q_capacity }, { 0, NULL } };

static void peer_open(struct channel *ch, void *ctx)
{
	agent_open(((struct world *)ctx)->r, (enum role)channel_peer_role(ch), ch);
}

static void peer_close(struct channel *ch, int why, void *ctx)
{
	(void)why;
	agent_close(((struct world *)ctx)->r, (enum role)channel_peer_role(ch), ch);
}

static int on_job(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	return agent_on_job(((struct world *)ctx)->r, ch, m);
}

static const struct ipc_handler job_handlers[] = { { job_MSG, on_job }, { 0, NULL } };

void start_qmgr(struct world *w)
{
	w->qmgr = peer_pair(w->loop, "job", ROLE_DELIVER_REMOTE, ROLE_QMGR, (struct channel_conf){ .handlers = job_handlers,
	    .on_open = peer_open, .on_close = peer_close }, q_handlers, NULL, w);
}

void start_spoold(struct world *w)
{
	w->spoold = peer_pair(w->loop, "spool", ROLE_DELIVER_REMOTE, ROLE_SPOOLD, (struct channel_conf){ .on_open = peer_open,
	    .on_close = peer_close }, s_handlers, NULL, w);
}

void start_dnsd(struct world *w)
{
	w->dnsd = peer_pair(w->loop, "dns", ROLE_DELIVER_REMOTE, ROLE_DNSD, (struct channel_conf){ .on_open = peer_open,
	    .on_close = peer_close }, d_handlers, NULL, w);
}

static void on_result(void *ctx, int r, struct ipc_msg *m)
{
	struct world *w = ctx;
	struct arena *a = arena_new(1024 * 1024);
	struct job_result res;

	if (r == 0) {
		assert_int_equal(IPC_DECODE(m, job_result, a, &res), 0);
		assert_true(w->results_n < RESULTS);
		w->results[w->results_n] = BUF_INIT(65536);
		result_print(&w->results[w->results_n++], &res);
	}
	arena_free(&a);
}

void give_job(struct world *w, uint32_t n)
{
	static const char *const names[] = { "a@b.test", "b@b.test", "c@b.test", "d@b.test", "e@b.test" };
	struct job_rcpt rcpts[5];
	struct job job = { .msgid = 1, .token = SLICE_LIT("token"), .destination = slice_cstr(w->domain), .sender = SLICE_LIT("s@a.test"),
	    .relay_off = 4, .rcpts = rcpts, .rcpts_n = n };

	for (uint32_t i = 0; i < n; i++)
		rcpts[i] = (struct job_rcpt){ .index = 10 + i, .addr = slice_cstr(names[i]) };
	(void)IPC_REQUEST(w->qmgr, job, &job, 0, on_result, w);
}

static bool have_results(void *ctx)
{
	struct world *w = ctx;

	return w->results_n >= w->want_results;
}

void wait_results(struct world *w, unsigned n)
{
	w->want_results = n;
	turn_until(w->loop, have_results, w, "results");
}

struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_non_null(w);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	w->loop = loop_new();
	w->ln = listener_new(w->loop, fd, on_accept, w);
	for (unsigned i = 0; i < HOSTS; i++)
		w->hosts[i] = (struct host){ .greeting = "220 mx ESMTP", .ehlo = "250-mx\r\n250 PIPELINING", .mail = "250 ok", .rcpt = "250 ok",
		    .data = "354 go", .final = "250 2.0.0 Ok: queued", .starttls = "220 go",
		    .tls_ehlo = "250-mx\r\n250-PIPELINING\r\n250 STARTTLS", .tls_version = 13, .content = BUF_INIT(65536) };
	w->conf = (struct conf){ .hostname = "us.test", .smtp_port = ntohs(sa.sin_port), .smtp_bind_address = "", .smtp_connect_timeout = 5,
	    .smtp_reply_timeout = 20, .smtp_final_timeout = 20, .tls_handshake_timeout = 20, .dns_allow_local = true };
	w->mx_name[0] = "mx1.b.test";
	w->domain = "b.test";
	w->tls = tls_peers_new();
	w->tls_client = tls_client_new(tls_peers_ca(w->tls), "1.2");
	assert_non_null(w->tls_client);
	w->r = remote_new(w->loop, &w->conf, w->tls_client);
	assert_non_null(w->r);
	start_qmgr(w);
	start_spoold(w);
	start_dnsd(w);
	turn_settle(w->loop);
	return w;
}

void world_delete(struct world *w)
{
	channel_close(w->qmgr);
	channel_close(w->spoold);
	channel_close(w->dnsd);
	turn_settle(w->loop);
	agent_free(&w->r);
	for (unsigned i = 0; i < CONNS; i++)
		if (w->visits[i].c != NULL)
			visit_end(&w->visits[i]);
	tls_client_free(&w->tls_client);
	tls_peers_free(&w->tls);
	listener_free(&w->ln);
	turn_settle(w->loop);
	loop_free(&w->loop);
	for (unsigned i = 0; i < w->results_n; i++)
		buf_free(&w->results[i]);
	for (unsigned i = 0; i < HOSTS; i++)
		buf_free(&w->hosts[i].content);
	if (w->file != NULL)
		(void)fclose(w->file);
	free(w);
}

void check_result(struct world *w, unsigned i, const char *want)
{
	struct buf b = BUF_INIT(4096);

	for (; *want != '\0'; want++)
		if (*want == '@')
			buf_addf(&b, "%u", (unsigned)w->conf.smtp_port);
		else
			buf_add_byte(&b, (uint8_t)*want);
	buf_add_byte(&b, '\0');
	assert_slice(i, buf_slice(&w->results[i]), (const char *)b.p);
	buf_free(&b);
}
