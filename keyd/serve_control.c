/* The requests of the pabal command, on the control socket. */
#include "keyd/keyd.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "keyd/selfsign.h"

enum { DAYS_MAX = 36500, SELF_NAMES_MAX = 100 };

static struct keyd *keyd_of(void *ctx)
{
	return ((struct daemon *)ctx)->state;
}

static void log_admin(const struct channel *ch, const char *verb, const char *name, int r)
{
	log_info("admin verb=%s name=%s by-uid=%lu result=%s", verb, log_esc(slice_cstr(name)), (unsigned long)channel_peer_uid(ch), err_str(r));
}

/* The end of a request that changed something, or failed to. */
static void finish(struct keyd *k, struct channel *ch, uint32_t id, const char *verb, const char *name, int r, struct buf *why)
{
	struct key_ok ok = { .name = slice_cstr(name) };

	log_admin(ch, verb, name, r);
	if (r == 0) {
		keyd_update(k, true);
		IPC_REPLY(ch, key_ok, id, &ok);
	} else if (buf_len(why) != 0) {
		keyd_fail(ch, id, r, "Nothing was changed: %.*s.", SLICE_ARG(buf_slice(why)));
	} else {
		keyd_fail(ch, id, r, "Nothing was changed: %s.", err_str(r));
	}
	buf_free(why);
}

/* The name that was given, or one that the certificate gives; keyd's own is not for others. */
static int take_name(struct slice given, const struct cert *c, char name_r[FILE_NAME_MAX + 1], struct buf *why)
{
	int r;

	name_r[0] = '\0';
	if (given.len == 0) {
		if ((r = store_name_of(c, name_r)) != 0)
			buf_add_cstr(why, "a name for it has to be given, for the certificate's own is too long");
		return r;
	}
	if (!store_name_ok(given)) {
		buf_addf(why, "%s cannot be its name: letters, digits, '-', '_' and '.' make one, at most %d", log_esc(given), FILE_NAME_MAX);
		return ERR_SYNTAX;
	}
	if (slice_eq_cstr(given, STORE_OWN_NAME)) {
		buf_addf(why, "%s is the name of what keyd makes for itself; take another", STORE_OWN_NAME);
		return ERR_DENIED;
	}
	return slice_to_cstr(given, name_r, FILE_NAME_MAX + 1);
}

/* ---- list ------------------------------------------------------------------------------ */

static int fill_names(struct keyd *k, const struct cert *c, struct key_item *i)
{
	if ((i->names = arena_calloc(k->arena, c->names_n, sizeof(*i->names))) == NULL)
		return ERR_NOMEM;
	i->names_n = c->names_n;
	for (unsigned n = 0; n < c->names_n; n++)
		i->names[n].name = slice_cstr(c->names[n]);
	return 0;
}

static int fill_item(struct keyd *k, const struct key_file *f, struct key_item *i)
{
	const struct choice *choice = keyd_choice(k, f);
	const struct cert *c = f->cert;
	struct buf type = BUF_INIT(64);
	int r;

	i->name = slice_cstr(f->name);
	i->error = slice_cstr(f->error);
	if (c == NULL)
		return 0;
	cert_add_type(&type, c);
	i->type = arena_dup(k->arena, buf_slice(&type));
	buf_free(&type);
	i->not_before = c->not_before;
	i->not_after = c->not_after;
	i->issuer = slice_cstr(c->issuer);
	i->self_signed = c->self_signed;
	i->in_use = choice != NULL && choice->in_use;
	i->is_default = choice != NULL && choice->is_default;
	i->certificates = (uint8_t)c->certificates;
	i->key = slice_of(c->id, sizeof(c->id));
	i->fingerprint = slice_of(c->fingerprint, sizeof(c->fingerprint));
	r = fill_names(k, c, i);
	return i->type.p == NULL ? ERR_NOMEM : r;
}

int keyd_on_list(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = keyd_of(ctx);
	struct key_list_reply reply = { 0 };
	const struct key_file *f;
	struct key_list req;
	int r = IPC_DECODE(m, key_list, NULL, &req);

	if (r != 0)
		return r;
	keyd_update(k, false);
	if ((reply.items = arena_calloc(k->arena, STORE_FILES_MAX, sizeof(*reply.items))) == NULL)
		r = ERR_NOMEM;
	TAILQ_FOREACH(f, store_files(k->store), entry)
		if (r == 0)
			r = fill_item(k, f, &reply.items[reply.items_n++]);
	if (r == 0)
		IPC_REPLY(ch, key_list_reply, m->id, &reply);
	else
		keyd_fail(ch, m->id, r, "The list does not fit into memory.");
	arena_reset(k->arena);
	return 0;
}

/* ---- install, self-sign -------------------------------------------------------------------- */

static int take_pair(const struct key_install *req, int fd, struct cert **c_r, struct buf *why)
{
	struct buf key = BUF_INIT(CERT_KEY_PEM_MAX), what = BUF_INIT(1024);
	int r = ERR_SYNTAX;

	if (fd < 0)
		buf_add_cstr(&what, "it did not come");
	else
		r = store_read_fd(fd, CERT_KEY_PEM_MAX, &key, &what);
	if (r != 0)
		buf_addf(why, "the file of the private key: %.*s", SLICE_ARG(buf_slice(&what)));
	else
		r = cert_load(buf_slice(&key), req->chain, c_r, why);
	if (r == 0 && (*c_r)->not_after <= clock_wall_s()) {
		buf_add_cstr(why, "the certificate has ended already");
		r = ERR_DENIED;
	}
	store_wipe(&key);
	buf_free(&what);
	return r;
}

int keyd_on_install(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = keyd_of(ctx);
	struct buf why = BUF_INIT(1024);
	char name[FILE_NAME_MAX + 1] = "";
	struct cert *c = NULL;
	struct key_install req;
	int r = IPC_DECODE(m, key_install, NULL, &req);

	if (r != 0)
		return r;
	if ((r = take_pair(&req, m->fd, &c, &why)) == 0 && (r = take_name(req.name, c, name, &why)) == 0)
		r = store_write(k->store, name, c, &why);
	cert_free(&c);
	finish(k, ch, m->id, "install", name, r, &why);
	return 0;
}

static int type_of(struct slice s, enum key_type *t_r)
{
	static const struct { const char *name; enum key_type type; } types[] = {
		{ "ecdsa", KEY_ECDSA }, { "rsa", KEY_RSA }, { "ed25519", KEY_ED25519 },
	};

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (slice_ieq_cstr(s, types[i].name)) {
			*t_r = types[i].type;
			return 0;
		}
	return ERR_SYNTAX;
}

static int take_names(const struct key_self_sign *req, char (*room)[CERT_NAME_MAX + 1], const char **names, struct buf *why)
{
	if (req->names_n == 0) {
		buf_add_cstr(why, "there has to be a host name");
		return ERR_SYNTAX;
	}
	for (uint32_t i = 0; i < req->names_n; i++) {
		struct slice s = req->names[i].name;

		if (slice_to_cstr(s, room[i], sizeof(room[i])) == 0) {
			for (size_t n = 0; n < s.len; n++)
				room[i][n] = (char)ascii_lower((uint8_t)room[i][n]);
			names[i] = room[i];
			if (cert_name_ok(room[i]))
				continue;
		}
		buf_addf(why, "%s is no host name", log_esc(s));
		return ERR_SYNTAX;
	}
	return 0;
}

static int self_sign(struct keyd *k, const struct key_self_sign *req, char name_r[FILE_NAME_MAX + 1], struct buf *why)
{
	static char room[SELF_NAMES_MAX][CERT_NAME_MAX + 1];
	const char *names[SELF_NAMES_MAX];
	struct cert *c = NULL;
	enum key_type type;
	int r;

	if (type_of(req->type, &type) != 0) {
		buf_add_cstr(why, "the type of a key is ecdsa, rsa or ed25519");
		return ERR_SYNTAX;
	}
	if (req->days > DAYS_MAX) {
		buf_addf(why, "a certificate may last %d days at most", DAYS_MAX);
		return ERR_LIMIT;
	}
	if ((r = take_names(req, room, names, why)) == 0 &&
	    (r = selfsign_make(type, names, req->names_n, req->days != 0 ? req->days : SELFSIGN_DAYS, &c, why)) == 0 &&
	    (r = take_name(req->name, c, name_r, why)) == 0)
		r = store_write(k->store, name_r, c, why);
	cert_free(&c);
	return r;
}

int keyd_on_self_sign(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = keyd_of(ctx);
	struct buf why = BUF_INIT(1024);
	char name[FILE_NAME_MAX + 1] = "";
	struct key_self_sign req;
	int r = IPC_DECODE(m, key_self_sign, k->arena, &req);

	if (r == 0) {
		int done = self_sign(k, &req, name, &why);

		finish(k, ch, m->id, "self-sign", name, done, &why);
	}
	arena_reset(k->arena);
	return r;
}

/* ---- delete, export -------------------------------------------------------------------------- */

int keyd_on_delete(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = keyd_of(ctx);
	struct buf why = BUF_INIT(1024);
	char name[FILE_NAME_MAX + 1] = "";
	struct key_delete req;
	int r = IPC_DECODE(m, key_delete, NULL, &req);

	if (r != 0)
		return r;
	r = !store_name_ok(req.name) ? ERR_NOTFOUND : slice_to_cstr(req.name, name, sizeof(name));
	if (r == 0)
		r = store_delete(k->store, name);
	if (r == ERR_NOTFOUND)
		buf_addf(&why, "there is no certificate %s; \"pabal cert list\" shows all", log_esc(req.name));
	else if (r == ERR_IO)
		buf_addf(&why, "its files cannot be removed: %s", strerror(errno));
	finish(k, ch, m->id, "delete", name, r, &why);
	return 0;
}

int keyd_on_export(struct channel *ch, struct ipc_msg *m, void *ctx)
{
	struct keyd *k = keyd_of(ctx);
	const struct key_file *f;
	struct key_export req;
	int r = IPC_DECODE(m, key_export, NULL, &req);

	if (r != 0)
		return r;
	f = store_find(k->store, req.name);
	if (f != NULL && f->cert != NULL) {
		struct key_chain reply = { .pem = buf_slice(&f->cert->pem) };

		IPC_REPLY(ch, key_chain, m->id, &reply);
	} else if (f != NULL) {
		keyd_fail(ch, m->id, ERR_STATE, "The certificate cannot be used: %s.", f->error);
	} else {
		keyd_fail(ch, m->id, ERR_NOTFOUND, "There is no certificate %s; \"pabal cert list\" shows all.", log_esc(req.name));
	}
	return 0;
}
