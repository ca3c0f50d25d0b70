#include "deliver/tlspolicy.h"

enum { NAMES_MAX = 64 * 1024 };

struct slice tls_host_name(const char *host)
{
	struct slice s = slice_cstr(host);

	if (s.len >= 2 && s.p[0] == '[' && s.p[s.len - 1] == ']') {
		s = slice_sub(s, 1, s.len - 2);
		return slice_istarts(s, "IPv6:") ? slice_sub(s, 5, SIZE_MAX) : s;
	}
	if (s.len > 1 && s.p[s.len - 1] == '.')
		s.len--;
	return s;
}

/* The words of names, one space between two: equal lists are equal texts. */
static void add_names(struct buf *b, struct slice names)
{
	bool word = false;

	for (size_t i = 0; i < names.len; i++) {
		bool wsp = is_class(names.p[i], CC_WSP);

		if (!wsp && !word && buf_len(b) != 0)
			buf_add_byte(b, ' ');
		word = !wsp;
		if (word)
			buf_add_byte(b, ascii_lower(names.p[i]));
	}
}

int tls_want_make(struct tls_want *w, const struct conf *conf, struct slice destination, const char *host)
{
	struct conf_tls_policy p = conf_tls_policy_of(conf, destination);

	*w = (struct tls_want){ .level = p.level, .names = BUF_INIT(NAMES_MAX) };
	if (p.names.len != 0) {
		add_names(&w->names, p.names);
	} else if (host[0] != '[') {
		add_names(&w->names, tls_host_name(host));
		add_names(&w->names, destination);
	}
	return buf_err(&w->names);
}

enum client_tls tls_want_client(enum conf_tls_level level)
{
	return level == CONF_TLS_NONE ? CLIENT_TLS_NEVER : level == CONF_TLS_MAY ? CLIENT_TLS_MAY : CLIENT_TLS_MUST;
}

bool tls_made_serves(const struct tls_made *made, const struct tls_want *want)
{
	switch (want->level) {
	case CONF_TLS_NONE: return !made->secure;
	case CONF_TLS_MAY: return made->secure || made->want.level == CONF_TLS_MAY;
	case CONF_TLS_ENCRYPT: return made->secure;
	case CONF_TLS_VERIFY: break;
	}
	return made->secure && made->verified && slice_eq(buf_slice(&made->want.names), buf_slice(&want->names));
}

/* ---- where TLS is broken ------------------------------------------------------ */

static bool is_addr(const struct tls_broken_addr *b, const struct route_addr *a)
{
	return b->family == a->family && memcmp(b->addr, a->addr, a->family == 4 ? 4 : 16) == 0;
}

void tls_broken_add(struct tls_broken *t, const struct route_addr *addr, uint64_t now_ms)
{
	struct tls_broken_addr *to = NULL;

	for (unsigned i = 0; i < t->n && to == NULL; i++)
		if (is_addr(&t->list[i], addr))
			to = &t->list[i];
	if (to == NULL && t->n < TLS_BROKEN_MAX)
		to = &t->list[t->n++];
	if (to == NULL) {
		to = &t->list[0];
		for (unsigned i = 1; i < t->n; i++)
			if (t->list[i].until_ms < to->until_ms)
				to = &t->list[i];
	}
	to->until_ms = now_ms + TLS_BROKEN_MS;
	to->family = addr->family;
	memcpy(to->addr, addr->addr, sizeof(to->addr));
}

bool tls_broken_has(const struct tls_broken *t, const struct route_addr *addr, uint64_t now_ms)
{
	for (unsigned i = 0; i < t->n; i++)
		if (is_addr(&t->list[i], addr))
			return now_ms < t->list[i].until_ms;
	return false;
}
