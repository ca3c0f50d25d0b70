#include "spool/watch.h"

#include <stdlib.h>

#include "common/base/err.h"
#include "common/base/log.h"

struct ghost {
	RB_ENTRY(ghost) entry;          /* by body, mailbox, uid */
	TAILQ_ENTRY(ghost) link;        /* of its mailbox, oldest first */
	uint64_t bodyid, mailbox, at;   /* at: count of selections when it went */
	uint32_t uid;
};
RB_HEAD(ghost_tree, ghost);

struct watch_box {
	RB_ENTRY(watch_box) entry;
	uint64_t mailbox;
	struct selection_list selections;       /* oldest first */
	TAILQ_HEAD(, ghost) ghosts;
};
RB_HEAD(box_tree, watch_box);

struct watches {
	struct box_tree boxes;
	struct ghost_tree ghosts;
	uint64_t count;
};

static int ghost_cmp(const struct ghost *a, const struct ghost *b)
{
	if (a->bodyid != b->bodyid)
		return a->bodyid < b->bodyid ? -1 : 1;
	if (a->mailbox != b->mailbox)
		return a->mailbox < b->mailbox ? -1 : 1;
	return (a->uid > b->uid) - (a->uid < b->uid);
}

static int box_cmp(const struct watch_box *a, const struct watch_box *b)
{
	return (a->mailbox > b->mailbox) - (a->mailbox < b->mailbox);
}

RB_GENERATE_INTERNAL(ghost_tree, ghost, entry, ghost_cmp, static UNUSED)
RB_GENERATE_INTERNAL(box_tree, watch_box, entry, box_cmp, static UNUSED)

struct watches *watches_new(void)
{
	return calloc(1, sizeof(struct watches));
}

void watches_free(struct watches **w)
{
	if (*w != NULL && !RB_EMPTY(&(*w)->boxes))
		panic("watches_free: something is still selected");
	free(*w);
	*w = NULL;
}

static struct watch_box *box_find(struct watches *w, uint64_t mailbox)
{
	struct watch_box key = { .mailbox = mailbox };

	return RB_FIND(box_tree, &w->boxes, &key);
}

int watch_select(struct watches *w, struct selection *s, uint64_t mailbox, bool events)
{
	struct watch_box *b = box_find(w, mailbox);

	if (b == NULL) {
		if ((b = calloc(1, sizeof(*b))) == NULL)
			return ERR_NOMEM;
		b->mailbox = mailbox;
		TAILQ_INIT(&b->selections);
		TAILQ_INIT(&b->ghosts);
		RB_INSERT(box_tree, &w->boxes, b);
	}
	/* Before the old one goes: it may be of the same mailbox, whose box must not be freed. */
	if (s->box == b)
		TAILQ_REMOVE(&b->selections, s, link);
	else
		watch_unselect(w, s);
	s->box = b;
	s->events = events;
	s->since = ++w->count;
	TAILQ_INSERT_TAIL(&b->selections, s, link);
	return 0;
}

static void ghost_drop(struct watches *w, struct watch_box *b, struct ghost *g)
{
	RB_REMOVE(ghost_tree, &w->ghosts, g);
	TAILQ_REMOVE(&b->ghosts, g, link);
	free(g);
}

void watch_unselect(struct watches *w, struct selection *s)
{
	struct watch_box *b = s->box;
	struct selection *oldest;
	struct ghost *g;

	if (b == NULL)
		return;
	TAILQ_REMOVE(&b->selections, s, link);
	s->box = NULL;
	oldest = TAILQ_FIRST(&b->selections);
	/* Who selected after a message went never saw it. */
	while ((g = TAILQ_FIRST(&b->ghosts)) != NULL && (oldest == NULL || g->at < oldest->since))
		ghost_drop(w, b, g);
	if (oldest == NULL) {
		RB_REMOVE(box_tree, &w->boxes, b);
		free(b);
	}
}

uint64_t watch_mailbox(const struct selection *s)
{
	return s->box != NULL ? s->box->mailbox : 0;
}

struct selection_list *watch_list(struct watches *w, uint64_t mailbox)
{
	struct watch_box *b = box_find(w, mailbox);

	return b != NULL ? &b->selections : NULL;
}

void watch_expunged(struct watches *w, uint64_t mailbox, uint32_t uid, uint64_t bodyid)
{
	struct watch_box *b = box_find(w, mailbox);
	struct ghost *g;

	/* Without memory for it the message is just gone a little early. */
	if (b == NULL || (g = calloc(1, sizeof(*g))) == NULL)
		return;
	*g = (struct ghost){ .bodyid = bodyid, .mailbox = mailbox, .uid = uid, .at = w->count };
	if (RB_INSERT(ghost_tree, &w->ghosts, g) != NULL)
		free(g);
	else
		TAILQ_INSERT_TAIL(&b->ghosts, g, link);
}

bool watch_may_read(struct watches *w, const struct selection *s, uint32_t uid, uint64_t bodyid)
{
	struct ghost key = { .bodyid = bodyid, .mailbox = watch_mailbox(s), .uid = uid }, *g;

	g = key.mailbox != 0 ? RB_FIND(ghost_tree, &w->ghosts, &key) : NULL;
	return g != NULL && g->at >= s->since;
}

bool watch_pinned(struct watches *w, uint64_t bodyid)
{
	struct ghost key = { .bodyid = bodyid }, *g = RB_NFIND(ghost_tree, &w->ghosts, &key);

	return g != NULL && g->bodyid == bodyid;
}
