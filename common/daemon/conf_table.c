/* The table of options as data, and the search in it. */
#include "common/daemon/conf_internal.h"

#define ROW_OPTION(type, name, def, min, max, help) { #name, #type, def, help, min, max },
#define ROW_FIELD(type, name, def, min, max, help) { CONF_##type, offsetof(struct conf, name) },

const struct conf_option conf_options[] = { CONF_OPTIONS(ROW_OPTION) };
const unsigned conf_options_n = ARRAY_LEN(conf_options);
const struct conf_row conf_rows[] = { CONF_OPTIONS(ROW_FIELD) };

int conf_find(struct slice name)
{
	for (unsigned i = 0; i < conf_options_n; i++)
		if (slice_eq_cstr(name, conf_options[i].name))
			return (int)i;
	return -1;
}

enum { NAME_MAX_LEN = 64 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* The number of bytes to insert, delete or change; a is at most NAME_MAX_LEN long. */
static unsigned edit_distance(struct slice a, struct slice b)
{
	unsigned row[NAME_MAX_LEN + 1], diagonal, above;

	for (unsigned i = 0; i <= a.len; i++)
		row[i] = i;
	for (unsigned j = 1; j <= b.len; j++) {
		diagonal = row[0];
		row[0] = j;
		for (unsigned i = 1; i <= a.len; i++) {
			above = row[i];
			row[i] = min3(above + 1, row[i - 1] + 1,
			    diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1])));
			diagonal = above;
		}
	}
	return row[a.len];
}

const char *conf_nearest(struct slice name)
{
	const char *best = NULL;
	unsigned best_d = name.len / 3 > 2 ? (unsigned)(name.len / 3) : 2;

	if (name.len > NAME_MAX_LEN)
		return NULL;
	for (unsigned i = 0; i < conf_options_n; i++) {
		unsigned d = edit_distance(name, slice_cstr(conf_options[i].name));

		if (d < best_d || (d == best_d && best == NULL)) {
			best_d = d;
			best = conf_options[i].name;
		}
	}
	return best;
}
