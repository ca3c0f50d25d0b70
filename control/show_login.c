#include "control/show.h"

static const char *const services[] = { "smtp", "pop3", "imap" };

static void add_services(struct buf *b, uint8_t bits)
{
	bool first = true;

	for (unsigned i = 0; i < ARRAY_LEN(services); i++)
		if ((bits & 1u << i) != 0) {
			buf_addf(b, "%s%s", first ? "" : ",", services[i]);
			first = false;
		}
}

void show_apps(struct buf *b, const struct account_user_shown *u)
{
	struct buf cells = BUF_INIT(1 << 20);

	buf_add_cstr(&cells, "ID\tFOR\tSINCE (UTC)\tLAST USED (UTC)\tFROM\tLABEL\n");
	for (uint32_t i = 0; i < u->apps_n; i++) {
		const struct account_app *a = &u->apps[i];

		buf_addf(&cells, "%u\t", a->app);
		add_services(&cells, a->services);
		buf_add_byte(&cells, '\t');
		format_time(&cells, a->created);
		buf_add_byte(&cells, '\t');
		format_time(&cells, a->used);
		buf_add_byte(&cells, '\t');
		format_text(&cells, a->used_from.len != 0 ? a->used_from : slice_cstr("-"));
		buf_add_byte(&cells, '\t');
		format_text(&cells, a->label);
		buf_add_byte(&cells, '\n');
	}
	format_table(b, buf_slice(&cells), 1);
	buf_free(&cells);
}

json_t *show_apps_json(const struct account_user_shown *u)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < u->apps_n; i++) {
		const struct account_app *a = &u->apps[i];
		json_t *o = json_pack("{s:I, s:o, s:[], s:I}", "id", (json_int_t)a->app, "label", json_text(a->label), "services",
		    "created", (json_int_t)a->created);

		for (unsigned k = 0; k < ARRAY_LEN(services); k++)
			if ((a->services & 1u << k) != 0)
				(void)json_array_append_new(json_object_get(o, "services"), json_string(services[k]));
		(void)json_object_set_new(o, "used", a->used != 0 ? json_integer((json_int_t)a->used) : json_null());
		(void)json_object_set_new(o, "used_from", a->used != 0 ? json_text(a->used_from) : json_null());
		(void)json_array_append_new(array, o);
	}
	return array;
}

void show_user(struct buf *b, const struct account_user_shown *u)
{
	format_text(b, u->user);
	buf_addf(b, "\n  account        %llu\n  since          ", (unsigned long long)u->account);
	format_time(b, u->created);
	buf_addf(b, "\n  password       %.*s%s\n", SLICE_ARG(u->kind), u->scram != 0 ? ", SCRAM-SHA-256" :
	    ", no SCRAM keys before the next login that shows the password");
	if (u->iterations != 0)
		buf_addf(b, "  iterations     %u\n", u->iterations);
	buf_addf(b, "  app passwords  %u\n", u->apps_n);
	if (u->apps_n != 0) {
		buf_add_byte(b, '\n');
		show_apps(b, u);
	}
}

json_t *show_user_json(const struct account_user_shown *u)
{
	return json_pack("{s:o, s:I, s:I, s:o, s:b, s:I, s:o}", "user", json_text(u->user), "account", (json_int_t)u->account,
	    "created", (json_int_t)u->created, "hash", json_text(u->kind), "scram", u->scram != 0, "iterations",
	    (json_int_t)u->iterations, "app_passwords", show_apps_json(u));
}

void show_failure(struct buf *cells, const struct account_failure *f)
{
	format_text(cells, f->text.len != 0 ? f->text : slice_cstr("-"));
	buf_addf(cells, "\t%s\t%u\t", f->kind == 0 ? "address" : "name", f->failures);
	format_duration(cells, f->age);
	buf_add_byte(cells, '\t');
	if (f->wait != 0)
		format_duration(cells, f->wait);
	else
		buf_add_byte(cells, '-');
	buf_add_byte(cells, '\n');
}

json_t *show_failure_json(const struct account_failure *f)
{
	return json_pack("{s:o, s:s, s:I, s:I, s:I}", "of", json_text(f->text), "kind", f->kind == 0 ? "address" : "name",
	    "failures", (json_int_t)f->failures, "age", (json_int_t)f->age, "wait", (json_int_t)f->wait);
}
