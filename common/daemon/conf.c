/*
 * pabal.conf: the text into lines, the lines into settings. It never stops at
 * the first error: the administrator is told all of them at once.
 */
#include "common/daemon/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/daemon/conf_internal.h"

enum { CONF_TEXT_MAX = 1048576, CONF_ARENA_MAX = 16 * 1024 * 1024 };

void conf_error(struct conf_parser *p, unsigned line, const char *fmt, ...)
{
	va_list ap;

	p->failed = true;
	buf_addf(p->errors, line != 0 ? "%s:%u: " : "%s: ", p->file, line);
	va_start(ap, fmt);
	buf_addv(p->errors, fmt, ap);
	va_end(ap);
	buf_add_byte(p->errors, '\n');
}

/* The next line without its end; false after the last. */
static bool next_line(struct cursor *c, struct slice *line_r)
{
	struct slice rest = cur_rest(c);
	ptrdiff_t nl;

	if (rest.len == 0)
		return false;
	nl = slice_chr(rest, '\n');
	*line_r = nl >= 0 ? slice_sub(rest, 0, (size_t)nl) : rest;
	c->off += nl >= 0 ? (size_t)nl + 1 : rest.len;
	if (line_r->len != 0 && line_r->p[line_r->len - 1] == '\r')
		line_r->len--;
	return true;
}

/* The line without its comment: '#' at its start or after white space, outside of quotes.
 * *quoted carries over to a line that goes on. */
static struct slice cut_comment(struct slice s, bool *quoted, bool *comment_r)
{
	*comment_r = false;
	for (size_t i = 0; i < s.len; i++) {
		if (*quoted && s.p[i] == '\\' && i + 1 < s.len) {
			i++;
		} else if (s.p[i] == '"') {
			*quoted = !*quoted;
		} else if (!*quoted && s.p[i] == '#' && (i == 0 || is_class(s.p[i - 1], CC_WSP))) {
			*comment_r = true;
			return slice_sub(s, 0, i);
		}
	}
	return s;
}

/* A line with those that it goes on in, put together in b. *line_n counts lines. */
static bool logical_line(struct cursor *c, struct buf *b, unsigned *line_n)
{
	bool quoted = false, comment, more;
	struct slice s;

	buf_reset(b);
	do {
		if (!next_line(c, &s))
			return buf_len(b) != 0;
		++*line_n;
		if (buf_len(b) != 0)
			while (s.len != 0 && is_class(s.p[0], CC_WSP))
				s = slice_sub(s, 1, SIZE_MAX);
		s = cut_comment(s, &quoted, &comment);
		more = !comment && s.len != 0 && s.p[s.len - 1] == '\\';
		if (more)
			s.len--;
		buf_add_slice(b, s);
		/* "a = \" has to be seen as begun. */
		if (more && buf_len(b) == 0)
			buf_add_byte(b, ' ');
	} while (more);
	return true;
}

/* The inside of a "quoted" value, or the value as it is. */
static int unquote(struct slice s, struct buf *out)
{
	if (s.len == 0 || s.p[0] != '"') {
		buf_add_slice(out, s);
		return 0;
	}
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '"')
			return i + 1 == s.len ? 0 : ERR_SYNTAX;
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		buf_add_byte(out, s.p[i]);
	}
	return ERR_SYNTAX;
}

static void unknown_option(struct conf_parser *p, unsigned line, struct slice name)
{
	const char *near = conf_nearest(name);

	if (near != NULL)
		conf_error(p, line, "unknown option %s; did you mean %s?", log_esc(name), near);
	else
		conf_error(p, line, "unknown option %s", log_esc(name));
}

static int setting(struct conf_parser *p, unsigned line, struct slice s, struct buf *value)
{
	ptrdiff_t eq = slice_chr(s, '=');
	struct slice name, text;
	int i;

	for (size_t k = 0; k < s.len; k++)
		if (is_class(s.p[k], CC_CTL) && s.p[k] != '\t') {
			conf_error(p, line, "a control character (byte %u) in this line", s.p[k]);
			return 0;
		}
	if (eq < 0) {
		conf_error(p, line, "no '=' in this line; it should be \"name = value\": %s", log_esc(s));
		return 0;
	}
	name = slice_trim(slice_sub(s, 0, (size_t)eq));
	text = slice_trim(slice_sub(s, (size_t)eq + 1, SIZE_MAX));
	if ((i = conf_find(name)) < 0) {
		unknown_option(p, line, name);
		return 0;
	}
	if (conf_rows[i].type != CONF_LIST && p->seen[i].line != 0) {
		conf_error(p, line, "%s is set a second time; the first was in line %u",
		    conf_options[i].name, p->seen[i].line);
		return 0;
	}
	if (p->seen[i].line == 0)
		p->seen[i].line = line;
	buf_reset(value);
	if (unquote(text, value) != 0) {
		conf_error(p, line, "%s: a quoted value has to end with '\"' and nothing after it",
		    conf_options[i].name);
		return 0;
	}
	return buf_err(value) != 0 ? buf_err(value) : conf_set(p, (unsigned)i, line, buf_slice(value));
}

static int set_defaults(struct conf_parser *p)
{
	int r = 0;

	for (unsigned i = 0; i < conf_options_n && r == 0; i++) {
		p->seen[i].last = &p->seen[i].first;
		if (conf_options[i].def != NULL)
			r = conf_set(p, i, 0, slice_cstr(conf_options[i].def));
	}
	return r;
}

int conf_parse(struct conf **c_r, const char *file, struct slice text, struct buf *errors)
{
	struct conf_parser p = { .file = file, .errors = errors };
	struct arena *a = arena_new(CONF_ARENA_MAX);
	struct buf line = BUF_INIT(CONF_TEXT_MAX + 16), value = BUF_INIT(CONF_TEXT_MAX + 16);
	struct cursor cur;
	unsigned line_n = 0, start;
	int r = 0;

	*c_r = NULL;
	if (a == NULL || (p.c = arena_alloc(a, sizeof(*p.c))) == NULL ||
	    (p.seen = arena_calloc(a, conf_options_n, sizeof(*p.seen))) == NULL) {
		arena_free(&a);
		return ERR_NOMEM;
	}
	p.c->arena = a;
	*c_r = p.c;
	if (text.len > CONF_TEXT_MAX) {
		conf_error(&p, 0, "longer than %u bytes", CONF_TEXT_MAX);
		text.len = 0;
	}
	if ((p.c->text = arena_dup(a, text)).p == NULL)
		r = ERR_NOMEM;
	if (r == 0)
		r = set_defaults(&p);
	cur = cursor_of(p.c->text);
	while (r == 0 && (start = line_n + 1, logical_line(&cur, &line, &line_n))) {
		struct slice s = slice_trim(buf_slice(&line));

		if (s.len != 0)
			r = setting(&p, start, s, &value);
	}
	if (r == 0)
		r = conf_finish(&p);
	if (r != 0)
		conf_error(&p, 0, "%s", err_str(r));
	buf_free(&line);
	buf_free(&value);
	if (r == 0 && buf_err(errors) != 0)
		r = buf_err(errors);
	return r != 0 ? r : p.failed ? ERR_SYNTAX : 0;
}

int conf_load(struct conf **c_r, const char *path, struct buf *errors)
{
	struct conf_parser p = { .file = path, .errors = errors };
	struct buf text = BUF_INIT(CONF_TEXT_MAX + 8192);
	ssize_t n = -1;
	int fd, r;

	*c_r = NULL;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) >= 0) {
		uint8_t *q;

		while ((q = buf_reserve(&text, 4096)) != NULL && buf_len(&text) <= CONF_TEXT_MAX &&
		    ((n = read(fd, q, 4096)) > 0 || (n < 0 && errno == EINTR)))
			buf_commit(&text, n > 0 ? (size_t)n : 0);
	}
	if (fd < 0 || n < 0) {
		conf_error(&p, 0, "cannot be read: %s", strerror(errno));
		r = ERR_IO;
	} else {
		r = conf_parse(c_r, path, buf_slice(&text), errors);
	}
	if (fd >= 0)
		(void)close(fd);
	buf_free(&text);
	return r;
}

void conf_free(struct conf **c)
{
	if (*c != NULL) {
		struct arena *a = (*c)->arena;

		*c = NULL;
		arena_free(&a);
	}
}
