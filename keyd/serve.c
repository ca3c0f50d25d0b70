#include "keyd/keyd.h"

#include <stdarg.h>

#include "common/base/log.h"

enum { DENIALS_A_SECOND = 5 };

void keyd_fail(struct channel *ch, uint32_t id, int code, const char *fmt, ...)
{
	struct buf b = BUF_INIT(1024);
	struct key_fail f = { .code = (uint32_t)code };
	va_list ap;

	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	f.text = buf_err(&b) == 0 ? buf_slice(&b) : slice_cstr(err_str(code));
	IPC_REPLY(ch, key_fail, id, &f);
	buf_free(&b);
}

/* An edge that asks for such a thing is broken or taken over; it shall not fill the log as well. */
static void log_denial(struct keyd *k, const struct channel *ch, const struct key_sign *req, const char *why)
{
	uint64_t now = loop_now(k->d->loop);

	if (now - k->denied_ms >= 1000 || k->denied_ms == 0) {
		k->denied_ms = now;
		k->denied = 0;
	}
	if (k->denied++ < DENIALS_A_SECOND)
		log_warn("sign denied peer=%s pid=%ld scheme=%04x size=%zu: %s", role_name((enum role)channel_peer_role(ch)),
		    (long)channel_peer_pid(ch), (unsigned)req->scheme, req->text.len, why);
}

static int on_sign(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = ((struct daemon *)ctx)->state;
	struct key_signature reply;
	uint8_t sig[SIGNATURE_MAX];
	const struct cert *c;
	struct key_sign req;
	const char *why;
	size_t n;
	int r = IPC_DECODE(m, key_sign, NULL, &req);

	if (r != 0)
		return r;
	if ((c = store_key(k->store, req.key)) == NULL) {
		keyd_fail(ch, m->id, ERR_NOTFOUND, "There is no such key any more.");
		return 0;
	}
	if ((r = sign_text(c, req.scheme, req.text, sig, &n, &why)) != 0) {
		log_denial(k, ch, &req, why);
		keyd_fail(ch, m->id, r, "%s.", why);
		return 0;
	}
	reply.signature = slice_of(sig, n);
	IPC_REPLY(ch, key_signature, m->id, &reply);
	return 0;
}

const struct ipc_handler keyd_edge_handlers[] = { { key_sign_MSG, on_sign }, { 0, NULL } };
const struct ipc_handler keyd_control_handlers[] = {
	{ key_list_MSG, keyd_on_list }, { key_install_MSG, keyd_on_install }, { key_self_sign_MSG, keyd_on_self_sign },
	{ key_delete_MSG, keyd_on_delete }, { key_export_MSG, keyd_on_export }, { 0, NULL },
};
