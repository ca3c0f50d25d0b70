#ifndef PABAL_IMAPD_VIEW_H
#define PABAL_IMAPD_VIEW_H

#include "common/base/buf.h"
#include "common/ipc/proto_spool.h"
#include "imapd/seqset.h"

/*
 * What one session sees of its selected mailbox: message numbers over the
 * snapshot's packed rows, and the changes that came since, told to the client
 * only when the RFC allows (RFC 3501 7.4.1, 5.5; RFC 2180).
 *
 * Numbers are indexes + 1. A message that another session expunged stays in
 * its place, marked as gone, until EXPUNGE may be sent, so that no number ever
 * means a neighbour. New messages stand behind `exists`, the count the client
 * knows, until EXISTS is sent. Between view_sync() calls an index is stable.
 *
 * A view may be bare: the counts are known, and the rows are brought when somebody wants them (view_load()). What came
 * in between is kept as far as it has to be told: the client cannot see whether a view was bare.
 *
 * Rows are kept as they came: 48 bytes each, in a private mapping of the
 * snapshot's memfd when it was large; what is not written to costs no memory
 * of our own.
 */
#define VIEW_GONE (UINT32_C(1) << 31)          /* marks of our own in a row's flags */
#define VIEW_DIRTY (UINT32_C(1) << 30)
#define VIEW_TOLD (~(VIEW_GONE | VIEW_DIRTY))

struct view {
	uint64_t mailbox;
	struct slice name;              /* owned */
	uint32_t uidvalidity, uidnext;
	uint64_t modseq;
	bool read_only;
	bool mailbox_gone;
	bool bare;                      /* there are no rows yet: only counts */
	uint32_t exists;                /* messages announced */
	/* private */
	struct view_news *news;         /* bare: what can be told only with rows; NULL: nothing */
	uint32_t fresh, fresh_recent;   /* bare: messages that are not announced */
	uint32_t first_recent, recent_end;      /* uids from first_recent to below recent_end are \Recent here */
	uint8_t *base, *tail;
	uint32_t base_n, tail_n, tail_cap;
	size_t map_len;                 /* not 0: base is a mapping */
	char **keywords;
	uint32_t keywords_n;
	bool keywords_new;
	uint32_t recent;                /* of the rows below exists */
	uint32_t gone_n, dirty_n, dirty_at;
};

/* From SELECT's answer; bare when that brought no rows. fd: the memfd of the rows or -1 (not taken over). ERR_SYNTAX when
 * the rows do not fit the count or are not ascending. */
int view_open(struct view *v, const struct spool_snapshot *snap, int fd, struct slice name, bool read_only) MUST_CHECK;
/* The rows of a bare view. ERR_SYNTAX as above; ERR_STATE: they are of another mailbox. */
int view_load(struct view *v, const struct spool_snapshot *snap, int fd) MUST_CHECK;
/* Is there something to be told for which a bare view needs its rows? */
static inline bool view_wants_rows(const struct view *v) { return v->bare && v->news != NULL; }
/* Frees what view_open() made; the view is all zero then. */
void view_close(struct view *v);
static inline bool view_is_open(const struct view *v) { return v->mailbox != 0; }

/* All rows, announced or not. */
static inline uint32_t view_total(const struct view *v)
{
	return v->bare ? v->exists + v->fresh : v->base_n + v->tail_n;
}
static inline uint8_t *view_row(const struct view *v, uint32_t i)
{
	return i < v->base_n ? v->base + (size_t)i * SPOOL_ROW_SIZE : v->tail + (size_t)(i - v->base_n) * SPOOL_ROW_SIZE;
}
static inline uint32_t view_uid(const struct view *v, uint32_t i) { return get_le32(view_row(v, i)); }
static inline uint32_t view_flags(const struct view *v, uint32_t i) { return get_le32(view_row(v, i) + 4); }
static inline uint64_t view_keywords(const struct view *v, uint32_t i) { return get_le64(view_row(v, i) + 8); }
static inline uint64_t view_size(const struct view *v, uint32_t i) { return get_le64(view_row(v, i) + 24); }
static inline uint64_t view_date(const struct view *v, uint32_t i) { return get_le64(view_row(v, i) + 32); }
static inline uint64_t view_bodyid(const struct view *v, uint32_t i) { return get_le64(view_row(v, i) + 40); }
static inline bool view_gone(const struct view *v, uint32_t i) { return (view_flags(v, i) & VIEW_GONE) != 0; }
/* It went while the view was bare: nothing is known of it but its place and UID (RFC 2180 4.1.3). */
static inline bool view_is_blank(const struct view *v, uint32_t i) { return view_gone(v, i) && view_bodyid(v, i) == 0; }
/* Takes the mark that the flags are to be told: the caller is telling them now. */
void view_flags_told(struct view *v, uint32_t i);
static inline bool view_is_dirty(const struct view *v, uint32_t i) { return (view_flags(v, i) & VIEW_DIRTY) != 0; }

/* The first row with a uid >= uid; view_total() when there is none. */
uint32_t view_lower_bound(const struct view *v, uint32_t uid);
/* The bit of a keyword (ASCII case ignored), 0 when the mailbox does not have it. */
uint64_t view_keyword_bit(const struct view *v, struct slice name);

/* A set of message numbers or UIDs as sorted ranges of indexes [first, last] of announced
 * messages, in the arena. With numbers: ERR_SYNTAX for one that does not exist (RFC 9051 9,
 * seq-number), also for '*' in an empty mailbox. Unknown UIDs are passed over; '*' is the last. */
int view_resolve(const struct view *v, const struct imap_set *set, bool uid, struct arena *a,
    struct spool_range **ranges_r, uint32_t *n_r) MUST_CHECK;
/* The UIDs of ranges of indexes, gone messages left out at the ends; may change order of nothing. */
uint32_t view_uid_ranges(const struct view *v, const struct spool_range *in, uint32_t n, struct spool_range *out);

/* A change from spoold. quiet: the flags of these rows are told by the command that made the change.
 * ERR_SYNTAX: it makes no sense. */
int view_apply(struct view *v, const struct spool_change *ch, bool quiet) MUST_CHECK;
/* After spoold was started anew: what differs becomes changes. ERR_STATE: another uidvalidity, or of a bare view what
 * went cannot be told. view_is_current(): the bare view has missed nothing, snap needs no rows. */
bool view_is_current(const struct view *v, const struct spool_snapshot *snap);
int view_resync(struct view *v, const struct spool_snapshot *snap, int fd) MUST_CHECK;

/*
 * A bare view of which everything is told is plain: these numbers, its name and its keywords are all of it.
 * view_to_plain(): false, it is not. view_from_plain() gives v all but the name and the keywords, which v owns already.
 */
struct view_plain {
	uint64_t mailbox, modseq;
	uint32_t uidvalidity, uidnext, exists, recent, first_recent, recent_end;
	bool read_only, bare;
};
bool view_to_plain(const struct view *v, struct view_plain *p_r) MUST_CHECK;
void view_from_plain(struct view *v, const struct view_plain *p);

/* Tells what is due: EXPUNGE if allowed, EXISTS, RECENT, FLAGS, FETCH with flags; at most about 8,000
 * lines. True: there is more, call again when the output has room. */
bool view_sync(struct view *v, struct buf *out, bool expunge, bool uid);
/* Is there anything that view_sync() would tell? */
bool view_has_news(const struct view *v, bool expunge);

/* "(\Seen \Draft" of flags, whatever their marks; tells how long that is. */
enum { VIEW_FLAGS_TEXT = 64 };
size_t view_flags_text(uint32_t flags, char text[VIEW_FLAGS_TEXT]);
/* Of a row, those that have a name. */
uint64_t view_known_keywords(const struct view *v, uint32_t i);
/* "(\Seen foo)" of a row, without VIEW_ marks. */
void view_print_flags(const struct view *v, struct buf *b, uint32_t i);
/* "* FLAGS (...)" and, with permanent, "* OK [PERMANENTFLAGS (... \*)]". */
void view_print_flag_list(const struct view *v, struct buf *b);
uint32_t view_recent(const struct view *v);
/* The number of the first unseen message, 0 when there is none. */
uint32_t view_first_unseen(const struct view *v);

#endif
