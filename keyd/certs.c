/* Which certificates are in use, and telling the edges of them. */
#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "keyd/keyd.h"
#include "keyd/selfsign.h"

enum { DAY_S = 86400, OWN_RENEW_S = 30 * DAY_S, MESSAGE_MAX = IPC_MAX_FRAME - 65536 };

static const enum role edges[EDGE_ROLES] = { ROLE_SMTPD, ROLE_POP3D, ROLE_IMAPD };

static void lower_host(const struct keyd *k, char host_r[CERT_NAME_MAX + 1])
{
	const char *host = k->d->conf->hostname;
	size_t n = strlen(host);

	if (n > CERT_NAME_MAX)
		n = CERT_NAME_MAX;
	for (size_t i = 0; i < n; i++)
		host_r[i] = (char)ascii_lower((uint8_t)host[i]);
	host_r[n] = '\0';
}

/* ---- keyd's own certificate ----------------------------------------------------------- */

static bool others_usable(const struct keyd *k)
{
	const struct key_file *f;

	TAILQ_FOREACH(f, store_files(k->store), entry)
		if (f->cert != NULL && strcmp(f->name, STORE_OWN_NAME) != 0)
			return true;
	return false;
}

/* TLS is there from the first minute: without any other certificate keyd makes one itself. */
static void make_own(struct keyd *k)
{
	const struct key_file *f = store_find(k->store, slice_cstr(STORE_OWN_NAME));
	struct buf why = BUF_INIT(1024);
	char host[CERT_NAME_MAX + 1];
	const char *name = host;
	struct cert *c = NULL;
	bool changed;
	int r;

	lower_host(k, host);
	if (!cert_name_ok(host) || host[0] == '*')
		name = "localhost";
	if (others_usable(k) || (f != NULL && f->cert != NULL && f->error[0] == '\0' && cert_covers(f->cert, name) &&
	    f->cert->not_after > clock_wall_s() + OWN_RENEW_S))
		return;
	r = selfsign_make(KEY_ECDSA, &name, 1, SELFSIGN_DAYS, &c, &why);
	if (r == 0)
		r = store_write(k->store, STORE_OWN_NAME, c, &why);
	cert_free(&c);
	if (r == 0)
		r = store_scan(k->store, loop_now(k->d->loop), &changed);
	if (r == 0)
		log_info("made a self-signed certificate for %s, for there is no other; \"pabal cert install\" takes a better one",
		    log_esc(slice_cstr(name)));
	else
		log_error("there is no certificate, and a self-signed one cannot be made: %.*s", SLICE_ARG(buf_slice(&why)));
	buf_free(&why);
}

/* ---- choice --------------------------------------------------------------------------- */

static void forget_choices(struct keyd *k)
{
	choose_free(k->choices, k->choices_n);
	free(k->choices);
	k->choices = NULL;
	k->choices_n = 0;
}

static void note_change(struct keyd *k, uint64_t at, uint64_t now)
{
	if (at > now && at < k->next_change)
		k->next_change = at;
}

static int make_choices(struct keyd *k)
{
	uint64_t now = clock_wall_s();
	char host[CERT_NAME_MAX + 1];
	const struct key_file *f;
	unsigned n = 0;

	forget_choices(k);
	k->next_change = UINT64_MAX;
	TAILQ_FOREACH(f, store_files(k->store), entry)
		n++;
	if (n == 0)
		return 0;
	if ((k->choices = calloc(n, sizeof(*k->choices))) == NULL)
		return ERR_NOMEM;
	TAILQ_FOREACH(f, store_files(k->store), entry) {
		k->choices[k->choices_n++] = (struct choice){ .cert = f->cert, .name = f->name, .own = strcmp(f->name, STORE_OWN_NAME) == 0 };
		if (f->cert != NULL) {
			note_change(k, f->cert->not_before, now);
			note_change(k, f->cert->not_after, now);
		}
	}
	lower_host(k, host);
	return choose(k->choices, k->choices_n, host, now);
}

const struct choice *keyd_choice(const struct keyd *k, const struct key_file *f)
{
	for (unsigned i = 0; i < k->choices_n; i++)
		if (k->choices[i].name == f->name)
			return &k->choices[i];
	return NULL;
}

/* ---- the message ------------------------------------------------------------------------ */

static int fill_cert(struct keyd *k, const struct choice *c, struct key_cert *m)
{
	uint32_t n = 0;

	*m = (struct key_cert){ .key = slice_of(c->cert->id, KEY_ID_SIZE), .chain = buf_slice(&c->cert->chain), .is_default = c->is_default };
	for (unsigned i = 0; i < c->cert->names_n; i++)
		n += c->won[i];
	if ((m->names = arena_calloc(k->arena, n, sizeof(*m->names))) == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < c->cert->names_n; i++)
		if (c->won[i])
			m->names[m->names_n++].name = slice_cstr(c->cert->names[i]);
	return 0;
}

static size_t size_of(const struct key_cert *m)
{
	size_t n = 64 + m->key.len + m->chain.len;

	for (uint32_t i = 0; i < m->names_n; i++)
		n += 4 + m->names[i].name.len;
	return n;
}

static int encode_certs(struct keyd *k)
{
	struct key_certs m = { .certs = arena_calloc(k->arena, k->choices_n, sizeof(*m.certs)) };
	size_t total = 0;
	int r;

	if (m.certs == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < k->choices_n; i++) {
		struct key_cert *c = &m.certs[m.certs_n];

		if (!k->choices[i].in_use)
			continue;
		if ((r = fill_cert(k, &k->choices[i], c)) != 0)
			return r;
		if (total + size_of(c) > MESSAGE_MAX) {
			log_error("the certificates together are too large: %s is not used", k->choices[i].name);
			k->choices[i].in_use = k->choices[i].is_default = false;
			continue;
		}
		total += size_of(c);
		m.certs_n++;
	}
	buf_reset(&k->certs);
	key_certs_encode(&k->certs, &m);
	return buf_err(&k->certs);
}

static void send_certs(struct keyd *k, struct channel *ch)
{
	buf_add_slice(channel_begin(ch), buf_slice(&k->certs));
	channel_end(ch, key_certs_MSG, 0, false, -1);
}

static void tell_all(struct keyd *k)
{
	struct channel *ch;

	for (unsigned e = 0; e < EDGE_ROLES; e++)
		for (unsigned i = 0; (ch = daemon_peer_nth(k->d, edges[e], i)) != NULL; i++)
			send_certs(k, ch);
}

static void log_choices(const struct keyd *k)
{
	for (unsigned i = 0; i < k->choices_n; i++)
		if (k->choices[i].in_use)
			log_info("certificate name=%s first=%s default=%d ends-in=%lldd", k->choices[i].name, log_esc(slice_cstr(k->choices[i].cert->first)),
			    k->choices[i].is_default, ((long long)k->choices[i].cert->not_after - (long long)clock_wall_s()) / DAY_S);
}

void keyd_update(struct keyd *k, bool tell)
{
	bool changed = false;
	int r;

	store_expire(k->store, loop_now(k->d->loop));
	if (store_scan(k->store, loop_now(k->d->loop), &changed) != 0)
		log_error("key_dir cannot be read: %s", strerror(errno));
	if (!changed && !tell && clock_wall_s() < k->next_change)
		return;
	make_own(k);
	if ((r = make_choices(k)) == 0)
		r = encode_certs(k);
	arena_reset(k->arena);
	if (r != 0) {
		log_error("the edges cannot be told of the certificates: %s", err_str(r));
		return;
	}
	tell_all(k);
	log_choices(k);
}

/* ---- tickets, greetings, warnings ---------------------------------------------------------- */

static void send_tickets(const struct keyd *k, struct channel *ch, unsigned e)
{
	struct key_ticket list[TICKET_KEYS];
	struct key_tickets m;

	tickets_message(&k->tickets[e], list, &m);
	IPC_SEND(ch, key_tickets, 0, &m);
}

void keyd_greet(struct keyd *k, struct channel *ch)
{
	send_certs(k, ch);
	for (unsigned e = 0; e < EDGE_ROLES; e++)
		if (channel_peer_role(ch) == (uint8_t)edges[e])
			send_tickets(k, ch, e);
}

void keyd_rotate(struct keyd *k)
{
	struct channel *ch;

	for (unsigned e = 0; e < EDGE_ROLES; e++) {
		tickets_rotate(&k->tickets[e]);
		for (unsigned i = 0; (ch = daemon_peer_nth(k->d, edges[e], i)) != NULL; i++)
			send_tickets(k, ch, e);
	}
}

void keyd_warn(const struct keyd *k)
{
	uint64_t now = clock_wall_s();

	for (unsigned i = 0; i < k->choices_n; i++) {
		const struct choice *c = &k->choices[i];

		if (!c->in_use)
			continue;
		if (now >= c->cert->not_after)
			log_warn("certificate name=%s ended %llu days ago and is still used, for there is no better one", c->name,
			    (unsigned long long)(now - c->cert->not_after) / DAY_S);
		else if (now < c->cert->not_before)
			log_warn("certificate name=%s is not valid yet and is used, for there is no better one", c->name);
		else if (c->cert->not_after - now <= k->d->conf->certificate_warning)
			log_warn("certificate name=%s ends in %llu days: renew it", c->name, (unsigned long long)(c->cert->not_after - now) / DAY_S);
	}
}
