#include "control/show.h"

enum { DAY_S = 86400 };

/* Nothing is wrong with one that stands back for others: it is only said. */
const char *show_cert_state(const struct key_item *i, uint64_t now, uint64_t warning, struct buf *room)
{
	buf_reset(room);
	if (i->in_use && i->not_after <= now) {
		buf_addf(room, "ended %llu days ago", (unsigned long long)(now - i->not_after) / DAY_S);
	} else if (i->in_use && i->not_before > now) {
		buf_add_cstr(room, "is not valid yet");
	} else if (i->in_use && i->not_after - now <= warning) {
		buf_addf(room, "ends in %llu days", (unsigned long long)(i->not_after - now) / DAY_S);
	}
	if (i->error.len != 0) {
		buf_add_cstr(room, buf_len(room) != 0 ? "; " : "");
		format_text(room, i->error);
	}
	if (buf_len(room) == 0)
		return NULL;
	buf_add_byte(room, '\0');
	return buf_err(room) == 0 ? (const char *)buf_slice(room).p : "?";
}

static void add_names(struct buf *b, const struct key_item *i)
{
	enum { SHOWN = 4 };

	for (uint32_t n = 0; n < i->names_n && n < SHOWN; n++) {
		buf_add_cstr(b, n != 0 ? " " : "");
		format_text(b, i->names[n].name);
	}
	if (i->names_n > SHOWN)
		buf_addf(b, " and %u more", i->names_n - SHOWN);
	if (i->names_n == 0)
		buf_add_byte(b, '-');
}

static void add_row(struct buf *b, const struct key_item *i, uint64_t now, uint64_t warning, struct buf *room)
{
	const char *state = show_cert_state(i, now, warning, room);

	format_text(b, i->name);
	buf_add_byte(b, '\t');
	add_names(b, i);
	buf_add_byte(b, '\t');
	if (i->type.len != 0) {
		format_text(b, i->type);
		buf_add_byte(b, '\t');
		format_text(b, i->self_signed ? SLICE_LIT("itself") : i->issuer);
		buf_add_byte(b, '\t');
		format_time(b, i->not_after);
		buf_addf(b, "\t%lld\t", ((long long)i->not_after - (long long)now) / DAY_S);
	} else {
		buf_add_cstr(b, "-\t-\t-\t-\t");
	}
	buf_add_cstr(b, i->in_use ? (i->is_default ? "in use, default" : "in use") : i->error.len != 0 ? "not in use" : "others are better");
	if (state != NULL)
		buf_addf(b, ": %s", state);
	buf_add_byte(b, '\n');
}

void show_certs(struct buf *b, const struct key_list_reply *l, uint64_t now, uint64_t warning)
{
	struct buf cells = BUF_INIT(64 * 1024 * 1024), room = BUF_INIT(4096);

	buf_add_cstr(&cells, "NAME\tHOSTS\tTYPE\tISSUER\tENDS (UTC)\tDAYS\tSTATE\n");
	for (uint32_t i = 0; i < l->items_n; i++)
		add_row(&cells, &l->items[i], now, warning, &room);
	format_table(b, buf_slice(&cells), 1 << 5);
	buf_free(&cells);
	buf_free(&room);
}

static json_t *json_hex(struct slice s)
{
	struct buf b = BUF_INIT(256);
	json_t *v;

	for (size_t i = 0; i < s.len; i++)
		buf_addf(&b, "%02x", s.p[i]);
	v = json_text(buf_slice(&b));
	buf_free(&b);
	return v;
}

static json_t *item_json(const struct key_item *i, uint64_t now, uint64_t warning, struct buf *room)
{
	const char *state = show_cert_state(i, now, warning, room);
	json_t *hosts = json_array(), *o;

	for (uint32_t n = 0; n < i->names_n; n++)
		(void)json_array_append_new(hosts, json_text(i->names[n].name));
	o = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:i, s:o, s:o, s:o}", "name", json_text(i->name), "hosts", hosts,
	    "type", json_text(i->type), "issuer", json_text(i->issuer), "self_signed", i->self_signed != 0, "in_use", i->in_use != 0,
	    "default", i->is_default != 0, "certificates", (int)i->certificates, "key", json_hex(i->key),
	    "fingerprint", json_hex(i->fingerprint), "error", i->error.len != 0 ? json_text(i->error) : json_null());
	if (i->type.len != 0) {
		(void)json_object_set_new(o, "not_before", json_integer((json_int_t)i->not_before));
		(void)json_object_set_new(o, "not_after", json_integer((json_int_t)i->not_after));
		(void)json_object_set_new(o, "days", json_integer(((json_int_t)i->not_after - (json_int_t)now) / DAY_S));
	}
	(void)json_object_set_new(o, "attention", state != NULL ? json_text(slice_cstr(state)) : json_null());
	return o;
}

json_t *show_certs_json(const struct key_list_reply *l, uint64_t now, uint64_t warning)
{
	struct buf room = BUF_INIT(4096);
	json_t *a = json_array();

	for (uint32_t i = 0; i < l->items_n; i++)
		(void)json_array_append_new(a, item_json(&l->items[i], now, warning, &room));
	buf_free(&room);
	return a;
}
