/* One value of one option: from text, its range, and back to text. */
#include "common/base/log.h"
#include "common/base/strnum.h"
#include "common/daemon/conf_internal.h"

struct unit {
	char c;
	uint64_t factor;
};
/* Largest first: the printer takes the first that divides. */
static const struct unit size_units[] = { { 'g', 1u << 30 }, { 'm', 1u << 20 }, { 'k', 1u << 10 } };
static const struct unit time_units[] = { { 'w', 604800 }, { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

int conf_bool_parse(struct slice s, bool *v_r)
{
	if (slice_ieq_cstr(s, "yes"))
		*v_r = true;
	else if (slice_ieq_cstr(s, "no"))
		*v_r = false;
	else
		return ERR_SYNTAX;
	return 0;
}

/* number [SP] [unit] */
static int with_unit(struct slice s, const struct unit *units, size_t n, uint64_t *v_r)
{
	struct cursor c = cursor_of(s);
	uint64_t v, factor = 1;
	int r;

	if ((r = cur_take_u64(&c, UINT64_MAX, &v)) != 0)
		return r;
	cur_skip_wsp(&c);
	if (cur_left(&c) == 1) {
		uint8_t u = ascii_lower((uint8_t)cur_peek(&c));
		size_t i = 0;

		while (i < n && units[i].c != (char)u)
			i++;
		if (i == n)
			return ERR_SYNTAX;
		factor = units[i].factor;
	} else if (cur_left(&c) != 0) {
		return ERR_SYNTAX;
	}
	if (v > UINT64_MAX / factor)
		return ERR_LIMIT;
	*v_r = v * factor;
	return 0;
}

int conf_size_parse(struct slice s, uint64_t *v_r)
{
	return with_unit(s, size_units, ARRAY_LEN(size_units), v_r);
}

int conf_time_parse(struct slice s, uint64_t *v_r)
{
	return with_unit(s, time_units, ARRAY_LEN(time_units), v_r);
}

void conf_number_print(struct buf *b, enum conf_type type, uint64_t v)
{
	const struct unit *units = type == CONF_TIME ? time_units : size_units;
	size_t n = type == CONF_TIME ? ARRAY_LEN(time_units) : type == CONF_SIZE ? ARRAY_LEN(size_units) : 0;

	for (size_t i = 0; i < n && v != 0; i++) {
		if (v % units[i].factor == 0) {
			buf_add_u64(b, v / units[i].factor);
			buf_add_byte(b, (uint8_t)units[i].c);
			return;
		}
	}
	buf_add_u64(b, v);
}

static void error_range(struct conf_parser *p, unsigned i, unsigned line, struct slice text)
{
	const struct conf_option *o = &conf_options[i];
	struct buf lo = BUF_INIT(64), hi = BUF_INIT(64);

	conf_number_print(&lo, conf_rows[i].type, o->min);
	conf_number_print(&hi, conf_rows[i].type, o->max);
	conf_error(p, line, "%s = %s: must be between %.*s and %.*s", o->name, log_esc(text),
	    SLICE_ARG(buf_slice(&lo)), SLICE_ARG(buf_slice(&hi)));
	buf_free(&lo);
	buf_free(&hi);
}

static void set_number(struct conf_parser *p, unsigned i, unsigned line, struct slice text)
{
	static const char *const want[] = {
		[CONF_INT] = "a number",
		[CONF_SIZE] = "a size: a number of bytes, or with k, m or g",
		[CONF_TIME] = "a time: a number of seconds, or with s, m, h, d or w",
	};
	enum conf_type type = conf_rows[i].type;
	uint64_t v = 0;
	int r;

	if (type == CONF_INT)
		r = slice_to_u64(text, UINT64_MAX, &v);
	else if (type == CONF_SIZE)
		r = conf_size_parse(text, &v);
	else
		r = conf_time_parse(text, &v);
	if (r == ERR_SYNTAX)
		conf_error(p, line, "%s = %s: must be %s", conf_options[i].name, log_esc(text), want[type]);
	else if (r != 0 || v < conf_options[i].min || v > conf_options[i].max)
		error_range(p, i, line, text);
	else
		*(uint64_t *)(void *)((char *)p->c + conf_rows[i].offset) = v;
}

static int set_text(struct conf_parser *p, unsigned i, unsigned line, struct slice text)
{
	const struct conf_option *o = &conf_options[i];
	const char **field = (const char **)(void *)((char *)p->c + conf_rows[i].offset);

	if (o->max != 0 && text.len > o->max) {
		conf_error(p, line, "%s: longer than %llu bytes", o->name, (unsigned long long)o->max);
		return 0;
	}
	if (conf_rows[i].type == CONF_PATH && text.len != 0 && text.p[0] != '/') {
		conf_error(p, line, "%s = %s: must be an absolute path", o->name, log_esc(text));
		return 0;
	}
	if (conf_rows[i].type == CONF_PATH && text.len > 1000) {
		conf_error(p, line, "%s: a path of more than 1000 bytes", o->name);
		return 0;
	}
	return (*field = arena_cstr(p->c->arena, text)) != NULL ? 0 : ERR_NOMEM;
}

static int add_element(struct conf_parser *p, unsigned i, unsigned line, struct slice text)
{
	struct conf_seen *s = &p->seen[i];
	struct conf_elem *e;

	if (text.len == 0)
		return 0;
	if (s->n == conf_options[i].max) {
		conf_error(p, line, "%s: more than %llu of them", conf_options[i].name,
		    (unsigned long long)conf_options[i].max);
		return 0;
	}
	if ((e = arena_alloc(p->c->arena, sizeof(*e))) == NULL ||
	    (e->v = arena_cstr(p->c->arena, text)) == NULL)
		return ERR_NOMEM;
	e->line = line;
	*s->last = e;
	s->last = &e->next;
	s->n++;
	return 0;
}

int conf_set(struct conf_parser *p, unsigned i, unsigned line, struct slice text)
{
	switch (conf_rows[i].type) {
	case CONF_STR:
	case CONF_PATH:
		return set_text(p, i, line, text);
	case CONF_BOOL:
		if (conf_bool_parse(text, (bool *)((char *)p->c + conf_rows[i].offset)) != 0)
			conf_error(p, line, "%s = %s: must be yes or no", conf_options[i].name, log_esc(text));
		return 0;
	case CONF_LIST:
		return add_element(p, i, line, text);
	case CONF_INT:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	set_number(p, i, line, text);
	return 0;
}

/* A value that the reader would take for something else goes in quotes. */
static void print_text(struct buf *b, const char *v)
{
	struct slice s = slice_cstr(v);
	bool quote = s.len != 0 && (is_class(s.p[0], CC_WSP) || is_class(s.p[s.len - 1], CC_WSP) ||
	    s.p[0] == '"' || s.p[0] == '#' || s.p[s.len - 1] == '\\');

	for (size_t i = 1; i < s.len && !quote; i++)
		quote = s.p[i] == '#' && is_class(s.p[i - 1], CC_WSP);
	if (!quote) {
		buf_add_slice(b, s);
		return;
	}
	buf_add_byte(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_byte(b, '\\');
		buf_add_byte(b, s.p[i]);
	}
	buf_add_byte(b, '"');
}

void conf_print(struct buf *b, const struct conf *c)
{
	for (unsigned i = 0; i < conf_options_n; i++) {
		const void *field = (const char *)c + conf_rows[i].offset;
		const struct conf_list *l = field;

		if (conf_rows[i].type == CONF_LIST && l->n != 0) {
			for (unsigned k = 0; k < l->n; k++) {
				buf_addf(b, "%s = ", conf_options[i].name);
				print_text(b, l->v[k]);
				buf_add_byte(b, '\n');
			}
			continue;
		}
		buf_addf(b, "%s = ", conf_options[i].name);
		switch (conf_rows[i].type) {
		case CONF_STR:
		case CONF_PATH:
			print_text(b, *(const char *const *)field);
			break;
		case CONF_BOOL:
			buf_add_cstr(b, *(const bool *)field ? "yes" : "no");
			break;
		case CONF_INT:
		case CONF_SIZE:
		case CONF_TIME:
			conf_number_print(b, conf_rows[i].type, *(const uint64_t *)field);
			break;
		case CONF_LIST:
			break;
		}
		buf_add_byte(b, '\n');
	}
}
