/* Sessions that a client may resume, by a text that names the peer and what was demanded of it. */
#include "common/daemon/tls_private.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>

#include "common/base/clock.h"

enum { LIFE_S = 7200 };         /* from the handshake in which the certificate was looked at */

struct entry {
	RB_ENTRY(entry) node;
	TAILQ_ENTRY(entry) used;        /* the most recently used first */
	SSL_SESSION *sess;
	char key[];
};

RB_HEAD(entry_tree, entry);

struct tls_sessions {
	struct entry_tree tree;
	TAILQ_HEAD(entry_list, entry) used;
	unsigned n, max;
};

static int ex_since = -1;       /* of SSL_SESSION, and of those that resumed it: when that handshake was */

static int entry_cmp(const struct entry *a, const struct entry *b) { return strcmp(a->key, b->key); }

RB_GENERATE_INTERNAL(entry_tree, entry, node, entry_cmp, static UNUSED)

struct tls_sessions *tls_sessions_new(unsigned max)
{
	struct tls_sessions *s = calloc(1, sizeof(*s));

	if (ex_since < 0)
		ex_since = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (s != NULL && ex_since < 0) {
		free(s);
		s = NULL;
	}
	if (s != NULL) {
		RB_INIT(&s->tree);
		TAILQ_INIT(&s->used);
		s->max = max;
	}
	return s;
}

static struct entry *entry_new(const char *key)
{
	size_t n = strlen(key) + 1;
	struct entry *e = calloc(1, sizeof(*e) + n);

	if (e != NULL)
		memcpy(e->key, key, n);
	return e;
}

static void entry_free(struct tls_sessions *s, struct entry *e)
{
	(void)RB_REMOVE(entry_tree, &s->tree, e);
	TAILQ_REMOVE(&s->used, e, used);
	s->n--;
	SSL_SESSION_free(e->sess);
	free(e);
}

void tls_sessions_free(struct tls_sessions **sp)
{
	struct tls_sessions *s = *sp;

	if (s == NULL)
		return;
	while (!TAILQ_EMPTY(&s->used))
		entry_free(s, TAILQ_FIRST(&s->used));
	free(s);
	*sp = NULL;
}

void tls_sessions_put(struct tls_sessions *s, const char *key, SSL_SESSION *sess)
{
	struct entry *e = entry_new(key), *old;

	/* OpenSSL copies it into the session of a handshake that resumed this one. */
	if (e == NULL || (SSL_SESSION_get_ex_data(sess, ex_since) == NULL &&
	    SSL_SESSION_set_ex_data(sess, ex_since, (void *)(uintptr_t)clock_wall_s()) != 1)) {
		free(e);
		SSL_SESSION_free(sess);
		return;
	}
	old = RB_INSERT(entry_tree, &s->tree, e);
	if (old != NULL) {
		free(e);
		SSL_SESSION_free(old->sess);
		TAILQ_REMOVE(&s->used, old, used);
		e = old;
	} else {
		s->n++;
	}
	e->sess = sess;
	TAILQ_INSERT_HEAD(&s->used, e, used);
	while (s->n > s->max)
		entry_free(s, TAILQ_LAST(&s->used, entry_list));
}

static struct entry *find(struct tls_sessions *s, const char *key)
{
	struct entry *e, *want = entry_new(key);

	if (want == NULL)
		return NULL;
	e = RB_FIND(entry_tree, &s->tree, want);
	free(want);
	return e;
}

static bool is_old(const SSL_SESSION *sess)
{
	uint64_t since = (uintptr_t)SSL_SESSION_get_ex_data(sess, ex_since), now = clock_wall_s();

	return since > now || now - since > LIFE_S;
}

SSL_SESSION *tls_sessions_get(struct tls_sessions *s, const char *key)
{
	struct entry *e = find(s, key);
	SSL_SESSION *sess;

	if (e == NULL)
		return NULL;
	if (SSL_SESSION_is_resumable(e->sess) != 1 || is_old(e->sess)) {
		entry_free(s, e);
		return NULL;
	}
	sess = e->sess;
	(void)SSL_SESSION_up_ref(sess);
	if (SSL_SESSION_get_protocol_version(sess) >= TLS1_3_VERSION) {
		entry_free(s, e);
	} else {
		TAILQ_REMOVE(&s->used, e, used);
		TAILQ_INSERT_HEAD(&s->used, e, used);
	}
	return sess;
}

void tls_sessions_del(struct tls_sessions *s, const char *key)
{
	struct entry *e = find(s, key);

	if (e != NULL)
		entry_free(s, e);
}

unsigned tls_sessions_count(const struct tls_sessions *s) { return s->n; }
