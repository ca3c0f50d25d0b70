#include "keyd/choose.h"

#include <stdlib.h>

/* One name of one certificate. */
struct entry {
	const char *name;
	struct choice *of;
	unsigned n;             /* among the certificate's names */
};

static int grade(const struct choice *c, uint64_t now)
{
	return (cert_valid(c->cert, now) ? 2 : 0) + (c->cert->self_signed ? 0 : 1);
}

/* Of the same grade. */
static bool lasts_longer(const struct choice *a, const struct choice *b)
{
	if (a->cert->not_after != b->cert->not_after)
		return a->cert->not_after > b->cert->not_after;
	return strcmp(a->name, b->name) < 0;
}

static int by_name(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int r = strcmp(a->name, b->name);

	return r != 0 ? r : strcmp(a->of->name, b->of->name);
}

static int best_grade(const struct entry *e, size_t n, uint64_t now)
{
	int best = -1;

	for (size_t i = 0; i < n; i++)
		if (grade(e[i].of, now) > best)
			best = grade(e[i].of, now);
	return best;
}

/* The grade of the wildcard that stands for name, or -1. */
static int wildcard_grade(const struct entry *all, size_t n, const char *name, uint64_t now)
{
	const char *dot = strchr(name, '.');
	size_t low = 0, high = n, end;

	if (dot == NULL || name[0] == '*')
		return -1;
	/* the first entry that is not below "*" and what follows the first label */
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const char *s = all[mid].name;

		if (s[0] < '*' || (s[0] == '*' && strcmp(s + 1, dot) < 0))
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < n && all[end].name[0] == '*' && strcmp(all[end].name + 1, dot) == 0; end++)
		;
	return best_grade(all + low, end - low, now);
}

static void settle(const struct entry *group, size_t n, int best, uint64_t now)
{
	const struct entry *winner[KEY_TYPES] = { NULL };

	for (size_t i = 0; i < n; i++) {
		const struct entry **w = &winner[group[i].of->cert->type];

		if (grade(group[i].of, now) == best && (*w == NULL || lasts_longer(group[i].of, (*w)->of)))
			*w = &group[i];
	}
	for (size_t t = 0; t < KEY_TYPES; t++)
		if (winner[t] != NULL) {
			winner[t]->of->won[winner[t]->n] = true;
			winner[t]->of->in_use = true;
		}
}

static bool plays(const struct choice *c, bool others)
{
	return c->cert != NULL && !(c->own && others);
}

/* The best of each type among those that have host, marked as default; false if none has it. */
static bool defaults_for(struct choice *v, unsigned n, bool others, const char *host, uint64_t now)
{
	struct choice *best[KEY_TYPES] = { NULL };
	int top = -1;

	for (unsigned i = 0; i < n; i++)
		if (plays(&v[i], others) && cert_covers(v[i].cert, host) && grade(&v[i], now) > top)
			top = grade(&v[i], now);
	for (unsigned i = 0; i < n; i++) {
		struct choice **b;

		if (!plays(&v[i], others) || !cert_covers(v[i].cert, host) || grade(&v[i], now) != top)
			continue;
		b = &best[v[i].cert->type];
		if (*b == NULL || lasts_longer(&v[i], *b))
			*b = &v[i];
	}
	for (size_t t = 0; t < KEY_TYPES; t++)
		if (best[t] != NULL)
			best[t]->is_default = best[t]->in_use = true;
	return top >= 0;
}

/* Nobody has the host's name: the first that is good, and its like of other types. */
static void defaults_else(struct choice *v, unsigned n, bool others, uint64_t now)
{
	struct choice *first = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (!plays(&v[i], others))
			continue;
		if (first == NULL || grade(&v[i], now) > grade(first, now) ||
		    (grade(&v[i], now) == grade(first, now) && strcmp(v[i].name, first->name) < 0))
			first = &v[i];
	}
	if (first != NULL)
		(void)defaults_for(v, n, others, first->cert->names[0], now);
}

int choose(struct choice *v, unsigned n, const char *hostname, uint64_t now)
{
	struct entry *all;
	size_t total = 0, at = 0;
	bool others = false;

	for (unsigned i = 0; i < n; i++)
		others = others || (v[i].cert != NULL && !v[i].own);
	for (unsigned i = 0; i < n; i++) {
		v[i].in_use = v[i].is_default = false;
		v[i].won = NULL;
		if (plays(&v[i], others))
			total += v[i].cert->names_n;
	}
	if (total == 0)
		return 0;
	if ((all = calloc(total, sizeof(*all))) == NULL)
		return ERR_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		if (!plays(&v[i], others))
			continue;
		if ((v[i].won = calloc(v[i].cert->names_n, sizeof(bool))) == NULL) {
			free(all);
			return ERR_NOMEM;
		}
		for (unsigned k = 0; k < v[i].cert->names_n; k++)
			all[at++] = (struct entry){ v[i].cert->names[k], &v[i], k };
	}
	qsort(all, total, sizeof(*all), by_name);
	for (size_t from = 0, to; from < total; from = to) {
		int best;

		for (to = from + 1; to < total && strcmp(all[to].name, all[from].name) == 0; to++)
			;
		best = best_grade(all + from, to - from, now);
		if (best >= 2 || wildcard_grade(all, total, all[from].name, now) < 2)
			settle(all + from, to - from, best, now);
	}
	free(all);
	if (!defaults_for(v, n, others, hostname, now))
		defaults_else(v, n, others, now);
	return 0;
}

void choose_free(struct choice *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		free(v[i].won);
		v[i].won = NULL;
	}
}
