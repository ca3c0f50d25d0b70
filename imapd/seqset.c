#include "imapd/seqset.h"

#include <stdlib.h>

static int take_number(struct imap_parse *p, uint32_t *v_r, bool *star_r)
{
	*star_r = cur_take_byte(&p->cur, '*');
	if (*star_r) {
		*v_r = UINT32_MAX;
		return 0;
	}
	if (imap_take_u32(p, true, v_r) != 0)
		return imap_why(p, "a set of message numbers is missing or wrong");
	return 0;
}

static uint32_t count_parts(const struct imap_parse *p)
{
	struct slice rest = cur_rest(&p->cur);
	uint32_t n = 1;

	for (size_t i = 0; i < rest.len; i++) {
		uint8_t c = rest.p[i];

		if (c == ',')
			n++;
		else if (c != ':' && c != '*' && !is_class(c, CC_DIGIT))
			break;
	}
	return n;
}

/* sequence-set = (seq-number / seq-range) *("," sequence-set) */
int imap_take_set(struct imap_parse *p, struct imap_set *set_r)
{
	uint32_t parts = count_parts(p);
	int r;

	set_r->n = 0;
	if (parts > IMAP_SET_MAX)
		return imap_why(p, "the set of message numbers is too long");
	if ((set_r->v = arena_calloc(p->arena, parts, sizeof(*set_r->v))) == NULL) {
		p->why = "the command is too large";
		return ERR_NOMEM;
	}
	do {
		struct imap_range *g = &set_r->v[set_r->n];

		if ((r = take_number(p, &g->first, &g->first_star)) != 0)
			return r;
		g->last = g->first;
		g->last_star = g->first_star;
		if (cur_take_byte(&p->cur, ':') && (r = take_number(p, &g->last, &g->last_star)) != 0)
			return r;
		set_r->n++;
	} while (set_r->n < parts && cur_take_byte(&p->cur, ','));
	return 0;
}

static int range_cmp(const void *a, const void *b)
{
	const struct spool_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

uint32_t imap_ranges_normalise(struct spool_range *v, uint32_t n)
{
	uint32_t k = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), range_cmp);
	for (uint32_t i = 1; i < n; i++) {
		if (v[k].last == UINT32_MAX || v[i].first <= v[k].last + 1) {
			if (v[i].last > v[k].last)
				v[k].last = v[i].last;
		} else {
			v[++k] = v[i];
		}
	}
	return k + 1;
}

void imap_ranges_print(struct buf *b, const struct spool_range *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (i != 0)
			buf_add_byte(b, ',');
		buf_add_u64(b, v[i].first);
		if (v[i].last == v[i].first)
			continue;
		buf_add_byte(b, ':');
		buf_add_u64(b, v[i].last);
	}
}
