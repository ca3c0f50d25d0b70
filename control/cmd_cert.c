/*
 * pabal cert: requests to keyd. The file of a private key is opened here, with the rights of whoever calls, and its
 * descriptor passed on; pabal never reads it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/strnum.h"
#include "control/client.h"
#include "control/command.h"
#include "control/show.h"

enum { TIMEOUT_MS = 60000, CHAIN_MAX = 262144, HOSTS_MAX = 100, NAME_MAX_LEN = 64, HOST_MAX_LEN = 253 };

/* An answer that is key_fail says the sentence that came with it. */
static int check_failure(struct client *c, const struct ipc_msg *m)
{
	struct key_fail f;

	if (m->type != key_fail_MSG || IPC_DECODE(m, key_fail, client_arena(c), &f) != 0)
		return client_strange(c);
	(void)complain("%.*s", SLICE_ARG(f.text));
	return (int32_t)f.code < 0 ? (int32_t)f.code : ERR_STATE;
}

static bool short_enough(const char *text, size_t max)
{
	if (text == NULL || strlen(text) <= max)
		return true;
	(void)complain("%.40s... has more than %zu characters.", text, max);
	return false;
}

/* What was done to which certificate, from keyd's answer. */
static int tell_ok(struct control *ct, struct client *c, const struct ipc_msg *m, const char *done, const char *sentence)
{
	struct buf b = BUF_INIT(10000);
	struct key_ok ok;

	if (m->type != key_ok_MSG || IPC_DECODE(m, key_ok, client_arena(c), &ok) != 0) {
		(void)check_failure(c, m);
		return EXIT_FAILED;
	}
	if (ct->json) {
		format_json(&b, json_pack("{s:s, s:o}", "done", done, "name", json_text(ok.name)));
	} else {
		format_text(&b, ok.name);
		buf_addf(&b, " %s.\n", sentence);
	}
	return finish_output(&b);
}

/* ---- list, check --------------------------------------------------------------------- */

static int fetch(struct client *c, struct key_list_reply *l_r)
{
	struct key_list req = { 0 };
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, key_list, &req, TIMEOUT_MS, &m) : ERR_CLOSED;

	if (r == 0 && (m.type != key_list_reply_MSG || IPC_DECODE(&m, key_list_reply, client_arena(c), l_r) != 0))
		r = check_failure(c, &m);
	return r;
}

/* One line on standard error for each certificate that needs attention. */
static bool any_attention(const struct key_list_reply *l, uint64_t now, uint64_t warning)
{
	struct buf room = BUF_INIT(4096), name = BUF_INIT(4096);
	bool any = false;

	for (uint32_t i = 0; i < l->items_n; i++) {
		const char *state = show_cert_state(&l->items[i], now, warning, &room);

		if (state == NULL)
			continue;
		buf_reset(&name);
		format_text(&name, l->items[i].name);
		(void)complain("certificate %.*s: %s", SLICE_ARG(buf_slice(&name)), state);
		any = true;
	}
	if (l->items_n == 0)
		(void)complain("There is no certificate at all; keyd's log tells why.");
	buf_free(&room);
	buf_free(&name);
	return any || l->items_n == 0;
}

static int list(struct control *ct, bool show)
{
	struct client *c = client_open(ct->conf, ROLE_KEYD, false);
	uint64_t now = clock_wall_s(), warning = ct->conf->certificate_warning;
	struct buf out = BUF_INIT(64 * 1024 * 1024);
	struct key_list_reply l;
	int r = fetch(c, &l), code = EXIT_FAILED;

	if (r == 0) {
		if (ct->json)
			format_json(&out, show_certs_json(&l, now, warning));
		else if (show)
			show_certs(&out, &l, now, warning);
		code = any_attention(&l, now, warning) ? EXIT_FAILED : EXIT_DONE;
		if (finish_output(&out) != EXIT_DONE)
			code = EXIT_FAILED;
	}
	buf_free(&out);
	client_close(&c);
	return code;
}

int cmd_cert_list(struct control *ct)
{
	return list(ct, true);
}

int cmd_cert_check(struct control *ct)
{
	return list(ct, false);
}

/* ---- install ---------------------------------------------------------------------------- */

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0) {
		(void)complain("%s cannot be opened: %s.", path, strerror(errno));
	} else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)complain("%s is not a regular file.", path);
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

static int read_chain(const char *path, struct buf *b)
{
	int fd = open_file(path), r = 0;
	ssize_t n = 1;

	if (fd < 0)
		return ERR_IO;
	while (r == 0 && n > 0) {
		uint8_t *p = buf_reserve(b, 4096);

		n = p != NULL ? read(fd, p, 4096) : 0;
		if (p == NULL)
			r = complain("%s has more than %d bytes, which no chain of certificates has.", path, CHAIN_MAX);
		else if (n < 0)
			r = complain("%s cannot be read: %s.", path, strerror(errno));
		else
			buf_commit(b, (size_t)n);
	}
	(void)close(fd);
	return r;
}

int cmd_cert_install(struct control *ct)
{
	const char *name = ct->words_n == 3 ? ct->words[0] : "", *const *files = ct->words + (ct->words_n - 2);
	struct buf chain = BUF_INIT(CHAIN_MAX + 4096);
	struct client *c = NULL;
	struct ipc_msg m;
	int r = short_enough(name, NAME_MAX_LEN) ? read_chain(files[0], &chain) : ERR_LIMIT, fd = r == 0 ? open_file(files[1]) : -1;

	if (fd >= 0 && (c = client_open(ct->conf, ROLE_KEYD, false)) != NULL) {
		struct key_install req = { .name = slice_cstr(name), .chain = buf_slice(&chain) };

		key_install_encode(channel_begin(client_channel(c)), &req);
		r = client_call_fd(c, key_install_MSG, fd, TIMEOUT_MS, &m);
		fd = -1;
	} else {
		r = ERR_IO;
	}
	r = r == 0 ? tell_ok(ct, c, &m, "cert-install", "is installed") : EXIT_FAILED;
	if (fd >= 0)
		(void)close(fd);
	client_close(&c);
	buf_free(&chain);
	return r;
}

/* ---- self-sign, delete, export ------------------------------------------------------------ */

int cmd_cert_self_sign(struct control *ct)
{
	struct key_name hosts[HOSTS_MAX];
	struct key_self_sign req = { .name = slice_cstr(ct->args->name), .names = hosts, .names_n = ct->words_n,
		.type = slice_cstr(ct->args->type != NULL ? ct->args->type : "ecdsa") };
	struct client *c;
	struct ipc_msg m;
	uint64_t days = 0;
	int r;

	if (ct->args->days != NULL && (slice_to_u64(slice_cstr(ct->args->days), 36500, &days) != 0 || days == 0)) {
		(void)complain("--days is followed by a number from 1 to 36500.");
		return EXIT_USAGE;
	}
	req.days = (uint32_t)days;
	for (unsigned i = 0; i < ct->words_n; i++)
		if (short_enough(ct->words[i], HOST_MAX_LEN))
			hosts[i].name = slice_cstr(ct->words[i]);
		else
			return EXIT_USAGE;
	c = short_enough(ct->args->name, NAME_MAX_LEN) ? client_open(ct->conf, ROLE_KEYD, false) : NULL;
	r = c != NULL ? CLIENT_CALL(c, key_self_sign, &req, TIMEOUT_MS, &m) : ERR_CLOSED;
	r = r == 0 ? tell_ok(ct, c, &m, "cert-self-sign", "is made; nobody but itself vouches for it") : EXIT_FAILED;
	client_close(&c);
	return r;
}

int cmd_cert_delete(struct control *ct)
{
	struct key_delete req = { .name = slice_cstr(ct->words[0]) };
	struct client *c = short_enough(ct->words[0], NAME_MAX_LEN) ? client_open(ct->conf, ROLE_KEYD, false) : NULL;
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, key_delete, &req, TIMEOUT_MS, &m) : ERR_CLOSED;

	r = r == 0 ? tell_ok(ct, c, &m, "cert-delete", "is deleted") : EXIT_FAILED;
	client_close(&c);
	return r;
}

int cmd_cert_export(struct control *ct)
{
	struct key_export req = { .name = slice_cstr(ct->words[0]) };
	struct client *c = short_enough(ct->words[0], NAME_MAX_LEN) ? client_open(ct->conf, ROLE_KEYD, false) : NULL;
	struct buf out = BUF_INIT(4 * 1024 * 1024);
	struct key_chain chain;
	struct ipc_msg m;
	int r = c != NULL ? CLIENT_CALL(c, key_export, &req, TIMEOUT_MS, &m) : ERR_CLOSED;

	if (r == 0 && (m.type != key_chain_MSG || IPC_DECODE(&m, key_chain, client_arena(c), &chain) != 0))
		r = check_failure(c, &m);
	if (r == 0 && ct->json)
		format_json(&out, json_pack("{s:s, s:o}", "name", ct->words[0], "chain", json_text(chain.pem)));
	else if (r == 0)
		buf_add_slice(&out, chain.pem);
	client_close(&c);
	if (r == 0)
		return finish_output(&out);
	buf_free(&out);
	return EXIT_FAILED;
}
