#include "control/show.h"

static void add_since(struct buf *b, uint64_t started, uint64_t now)
{
	if (started == 0)
		buf_add_byte(b, '-');
	else
		format_duration(b, now > started ? now - started : 0);
}

void show_status(struct buf *b, const struct master_status_reply *s, const struct spool_stats_reply *spool,
    uint64_t now, bool verbose)
{
	struct buf cells = BUF_INIT(1024 * 1024);

	buf_add_cstr(b, "Pabal ");
	format_text(b, s->version);
	buf_add_cstr(b, " on ");
	format_text(b, s->hostname);
	buf_add_cstr(b, ": ");
	format_text(b, s->state);
	buf_addf(b, ", process %u, for ", s->pid);
	add_since(b, s->started, now);
	buf_add_byte(b, '\n');
	buf_add_cstr(&cells, "PROCESS\tNUMBER\tPID\tSTATE\tFOR\tRESTARTS\n");
	for (uint32_t i = 0; i < s->procs_n; i++) {
		const struct master_proc *p = &s->procs[i];

		format_text(&cells, p->name);
		buf_addf(&cells, "\t%u\t%u\t", p->instance, p->pid);
		format_text(&cells, p->state);
		buf_add_byte(&cells, '\t');
		add_since(&cells, p->started, now);
		buf_addf(&cells, "\t%u\n", p->restarts);
	}
	format_table(b, buf_slice(&cells), 2 | 4 | 32);
	buf_free(&cells);
	if (verbose && spool != NULL)
		show_stats(b, spool);
}

json_t *show_status_json(const struct master_status_reply *s, const struct spool_stats_reply *spool)
{
	json_t *procs = json_array();

	for (uint32_t i = 0; i < s->procs_n; i++) {
		const struct master_proc *p = &s->procs[i];

		(void)json_array_append_new(procs, json_pack("{s:o, s:I, s:I, s:o, s:I, s:I}", "name", json_text(p->name),
		    "number", (json_int_t)p->instance, "pid", (json_int_t)p->pid, "state", json_text(p->state),
		    "started", (json_int_t)p->started, "restarts", (json_int_t)p->restarts));
	}
	return json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:o}", "state", json_text(s->state),
	    "hostname", json_text(s->hostname), "version", json_text(s->version), "pid", (json_int_t)s->pid,
	    "started", (json_int_t)s->started, "processes", procs,
	    "spool", spool != NULL ? show_stats_json(spool) : json_null());
}

void show_stats(struct buf *b, const struct spool_stats_reply *s)
{
	for (uint32_t i = 0; i < s->stats_n; i++) {
		format_text(b, s->stats[i].name);
		buf_addf(b, "=%llu\n", (unsigned long long)s->stats[i].value);
	}
}

json_t *show_stats_json(const struct spool_stats_reply *s)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < s->stats_n; i++) {
		json_t *name = json_text(s->stats[i].name);

		(void)json_object_set_new(o, json_string_value(name), json_integer((json_int_t)s->stats[i].value));
		json_decref(name);
	}
	return o;
}
