#include "tests/imapd/fake.h"

#include <stdlib.h>

#include "common/mail/summary.h"

#define MUST(e) do { if (!(e)) abort(); } while (0)

void fake_row(const struct fake_msg *m, uint8_t row[SPOOL_ROW_SIZE])
{
	put_le32(row, m->uid);
	put_le32(row + 4, m->flags);
	put_le64(row + 8, m->keywords);
	put_le64(row + 16, m->modseq);
	put_le64(row + 24, m->size);
	put_le64(row + 32, m->date);
	put_le64(row + 40, m->body);
}

struct fake_box *fake_box_find(struct fake *f, struct slice name)
{
	for (unsigned i = 0; i < f->boxes_n; i++)
		if (slice_eq_cstr(name, f->boxes[i].name))
			return &f->boxes[i];
	return NULL;
}

struct fake_box *fake_box_add(struct fake *f, const char *name)
{
	struct fake_box *b = fake_box_find(f, slice_cstr(name));

	if (b == NULL) {
		MUST(f->boxes_n < FAKE_BOXES);
		b = &f->boxes[f->boxes_n++];
		memset(b, 0, sizeof(*b));
		MUST(slice_to_cstr(slice_cstr(name), b->name, sizeof(b->name)) == 0);
	}
	if (!b->exists) {
		b->exists = true;
		b->id = ++f->next_id;
		b->uidvalidity = ++f->next_validity;
		b->uidnext = 1;
		b->modseq = 1;
	}
	return b;
}

void *fake_room(void *v, size_t n, size_t size)
{
	if ((n & (n - 1)) == 0)
		MUST((v = realloc(v, (n == 0 ? 1 : 2 * n) * size)) != NULL);
	return v;
}

int fake_body_new(struct fake *f, struct slice bytes, uint64_t *id_r)
{
	struct fake_body *b;

	f->bodies = fake_room(f->bodies, f->bodies_n, sizeof(*f->bodies));
	b = &f->bodies[f->bodies_n++];
	b->bytes = BUF_INIT(SIZE_MAX / 2);
	b->cached = BUF_INIT(MAIL_SUMMARY_MAX);
	buf_add_slice(&b->bytes, bytes);
	*id_r = f->bodies_n;
	return mail_summary_build(bytes, &b->cached);
}

static uint32_t add_row(struct fake_box *b, struct fake_msg m)
{
	b->v = fake_room(b->v, b->n, sizeof(*b->v));
	m.uid = b->uidnext++;
	m.modseq = ++b->modseq;
	b->v[b->n++] = m;
	return m.uid;
}

uint32_t fake_add(struct fake *f, struct fake_box *b, struct slice bytes, uint32_t flags, uint64_t date)
{
	struct fake_msg m = { .flags = flags | FLAG_RECENT, .size = bytes.len, .date = date };

	MUST(fake_body_new(f, bytes, &m.body) == 0);
	return add_row(b, m);
}

uint64_t fake_keyword_bit(struct fake_box *b, struct slice name)
{
	for (uint32_t i = 0; i < b->keywords_n; i++)
		if (slice_ieq_cstr(name, b->keywords[i]))
			return (uint64_t)1 << i;
	MUST(b->keywords_n < 64 && slice_to_cstr(name, b->keywords[b->keywords_n], 128) == 0);
	return (uint64_t)1 << b->keywords_n++;
}

void fake_tell(struct fake *f, struct fake_box *b, const struct fake_told *t)
{
	struct buf rows = BUF_INIT(SIZE_MAX / 2);
	struct spool_keyword kw[64];
	struct spool_change ch = { .mailbox = b->id, .modseq = b->modseq, .uidnext = b->uidnext,
		.vanished = (struct spool_range *)(uintptr_t)t->vanished, .vanished_n = t->vanished_n, .keywords = kw };

	for (uint32_t i = 0; i < b->n; i++) {
		uint8_t row[SPOOL_ROW_SIZE];

		if (t->since == 0 || b->v[i].modseq < t->since)
			continue;
		fake_row(&b->v[i], row);
		buf_add(&rows, row, sizeof(row));
	}
	ch.rows = buf_slice(&rows);
	for (uint32_t i = 0; t->keywords && i < b->keywords_n; i++)
		kw[ch.keywords_n++].name = slice_cstr(b->keywords[i]);
	ch.gone_mailbox = !b->exists;
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		struct fake_session *fs = &f->sessions[i];

		if (fs->number == 0 || fs->box != b || fs->who == NULL)
			continue;
		ch.session = fs->number;
		ch.by_self = fs->number == t->self;
		imap_session_change(player_session(fs->who), &ch);
	}
	/* the first who is told of a recent message has it */
	buf_free(&rows);
}

uint32_t fake_deliver(struct fake *f, const char *box, const char *message)
{
	struct fake_box *b = fake_box_add(f, box);
	uint32_t uid = fake_add(f, b, slice_cstr(message), 0, 1764000000);

	fake_tell(f, b, &(struct fake_told){ .since = b->modseq });
	return uid;
}

void fake_init(struct fake *f)
{
	memset(f, 0, sizeof(*f));
	f->last = &f->first;
	f->next_validity = 100;
	fake_box_add(f, "INBOX")->subscribed = true;
}

void fake_free(struct fake *f)
{
	while (fake_answer(f))
		;
	for (unsigned i = 0; i < f->boxes_n; i++)
		free(f->boxes[i].v);
	for (size_t i = 0; i < f->bodies_n; i++) {
		buf_free(&f->bodies[i].bytes);
		buf_free(&f->bodies[i].cached);
	}
	free(f->bodies);
}
