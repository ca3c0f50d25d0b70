/*
 * The commands about a spool that no spoold has open: check, dump, rebuild. They read it
 * themselves, as the user that owns it, and stay away while spoold runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/strnum.h"
#include "control/command.h"
#include "control/format.h"
#include "spool/tool.h"

enum { LINE_MAX_ = 64 * 1024 * 1024 };

/* ---- going there ---- */

/* What root makes there spoold could not open. */
static int become_owner(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return complain("%s cannot be looked at: %s.", path, strerror(errno));
	if (geteuid() != 0 || st.st_uid == 0)
		return EXIT_DONE;
	if (setgroups(0, NULL) != 0 || setresgid(st.st_gid, st.st_gid, st.st_gid) != 0 || setresuid(st.st_uid, st.st_uid, st.st_uid) != 0)
		return complain("It is not possible to become user %lu, to whom %s belongs: %s.", (unsigned long)st.st_uid, path, strerror(errno));
	return EXIT_DONE;
}

static int in_use(void)
{
	return complain("The spool is in use by spoold; stop the system first (\"pabal stop\").");
}

/* Makes the spool the current directory: its descriptor, or -1 after a complaint. */
static int enter(const struct control *ct)
{
	const char *path = ct->conf->spool_dir;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fchdir(fd) != 0) {
		(void)complain("spool_dir %s cannot be opened: %s%s.", path, strerror(errno), errno == EACCES ? "; run this as root" : "");
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	(void)umask(077);
	if (become_owner(path, fd) != EXIT_DONE) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* The lock that spoold holds while it runs: a descriptor, or -1 after a complaint. */
static int lock(const struct control *ct, int dirfd)
{
	int fd, r = tool_lock(dirfd, &fd);

	if (r == 0)
		return fd;
	if (r == ERR_STATE)
		(void)in_use();
	else if (r == ERR_NOTFOUND)
		(void)complain("There is no spool in %s yet.", ct->conf->spool_dir);
	else
		(void)complain("The log in %s cannot be opened: %s.", ct->conf->spool_dir, strerror(errno));
	return -1;
}

static struct spool_conf spool_conf_of(const struct control *ct, int dirfd)
{
	return (struct spool_conf){ .dirfd = dirfd, .index_home = "index", .segment_size = ct->conf->segment_size,
		.reserve = ct->conf->spool_reserve, .cache_bytes = ct->conf->spool_cache };
}

static int failed(const struct control *ct, const char *what, int r)
{
	return complain("The spool in %s could not be %s: %s.", ct->conf->spool_dir, what,
	    r == ERR_IO && errno != 0 ? strerror(errno) : err_str(r));
}

/* ---- check ---- */

struct findings {
	const struct control *ct;
	json_t *faults, *notes;
};

static void found(void *ctx, bool note, const char *text)
{
	struct findings *f = ctx;

	if (f->ct->json)
		(void)json_array_append_new(note ? f->notes : f->faults, json_text(slice_cstr(text)));
	else
		(void)printf("%s%s\n", note ? "note: " : "", text);
}

static int tell_check(struct findings *f, const struct tool_totals *t)
{
	struct buf out = BUF_INIT(LINE_MAX_);
	int r;

	if (f->ct->json) {
		format_json(&out, json_pack("{s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "good", t->faults == 0,
		    "faults", json_incref(f->faults), "notes", json_incref(f->notes), "segments", (json_int_t)t->segments,
		    "records", (json_int_t)t->records, "last_lsn", (json_int_t)t->last_lsn, "snapshots", (json_int_t)t->snapshots,
		    "bodies", (json_int_t)t->bodies, "entries", (json_int_t)t->entries));
	} else {
		buf_addf(&out, "Looked at %llu segments with %llu records up to LSN %llu, %llu snapshots, %llu bodies (%llu of them in files), "
		    "%llu entries of the index.\n", (unsigned long long)t->segments, (unsigned long long)t->records,
		    (unsigned long long)t->last_lsn, (unsigned long long)t->snapshots, (unsigned long long)t->bodies,
		    (unsigned long long)t->body_files, (unsigned long long)t->entries);
		if (t->faults == 0)
			buf_add_cstr(&out, "The spool is in order.\n");
		else
			buf_addf(&out, "%llu faults.\n", (unsigned long long)t->faults);
	}
	r = finish_output(&out);
	return r == EXIT_DONE && t->faults != 0 ? EXIT_FAILED : r;
}

int cmd_spool_check(struct control *ct)
{
	struct findings f = { .ct = ct, .faults = json_array(), .notes = json_array() };
	struct tool_totals t;
	struct spool_conf sc;
	int dirfd, lockfd = -1, code = EXIT_FAILED, r;

	if ((dirfd = enter(ct)) >= 0 && (lockfd = lock(ct, dirfd)) >= 0) {
		sc = spool_conf_of(ct, dirfd);
		errno = 0;
		r = tool_check(&sc, found, &f, &t);
		code = r != 0 ? failed(ct, "checked", r) : tell_check(&f, &t);
	}
	if (lockfd >= 0)
		(void)close(lockfd);
	if (dirfd >= 0)
		(void)close(dirfd);
	json_decref(f.faults);
	json_decref(f.notes);
	return code;
}

/* ---- dump ---- */

struct dump {
	const struct control *ct;
	struct arena *arena;
	struct buf line, text;
	uint64_t n;
};

static void dump_op(struct dump *d, uint8_t type, struct slice payload)
{
	struct spool_op op;
	int r;

	arena_reset(d->arena);
	buf_reset(&d->text);
	if (type != LOG_TYPE_OP)
		buf_addf(&d->text, "a record of type %u, %zu bytes", type, payload.len);
	else if ((r = spool_op_decode(payload, d->arena, &op)) != 0)
		buf_addf(&d->text, "%s, %zu bytes: %s", payload.len > 1 ? spool_op_name(payload.p[1]) : "empty", payload.len, err_str(r));
	else
		spool_op_print(&d->text, &op);
}

static int dump_record(void *ctx, uint64_t lsn, uint8_t type, struct slice payload, const struct log_pos *pos)
{
	struct dump *d = ctx;
	struct slice line;
	char segment[17];

	dump_op(d, type, payload);
	buf_reset(&d->line);
	(void)snprintf(segment, sizeof(segment), "%016llx", (unsigned long long)pos->segment);
	if (d->ct->json) {
		buf_add_cstr(&d->line, d->n == 0 ? "[\n" : ",\n");
		format_json(&d->line, json_pack("{s:I, s:s, s:I, s:I, s:o}", "lsn", (json_int_t)lsn, "segment", segment, "offset",
		    (json_int_t)pos->off, "length", (json_int_t)pos->len, "op", json_text(buf_slice(&d->text))));
	} else {
		buf_addf(&d->line, "%llu ", (unsigned long long)lsn);
		buf_add_slice(&d->line, buf_slice(&d->text));
		buf_add_byte(&d->line, '\n');
	}
	d->n++;
	line = buf_slice(&d->line);
	if (buf_err(&d->line) != 0 || buf_err(&d->text) != 0)
		return ERR_NOMEM;
	return fwrite(line.p, 1, line.len, stdout) == line.len ? 0 : ERR_CLOSED;
}

static void dump_fault(void *ctx, bool note, const char *text)
{
	(void)ctx;
	(void)fprintf(stderr, "pabal: %s%s\n", note ? "note: " : "", text);
}

static int dump(struct control *ct, int dirfd, uint64_t from)
{
	struct dump d = { .ct = ct, .arena = arena_new(LINE_MAX_), .line = BUF_INIT(LINE_MAX_), .text = BUF_INIT(LINE_MAX_) };
	struct tool_totals t = { 0 };
	int r;

	errno = 0;
	r = d.arena != NULL ? tool_walk(dirfd, from, dump_record, dump_fault, &d, &t) : ERR_NOMEM;
	if (ct->json && r == 0)
		(void)fputs(d.n == 0 ? "[]\n" : "]\n", stdout);
	arena_free(&d.arena);
	buf_free(&d.line);
	buf_free(&d.text);
	if (r == ERR_CLOSED || fflush(stdout) != 0)
		return complain("Standard output cannot be written: %s.", strerror(errno));
	if (r != 0)
		return failed(ct, "read", r);
	return t.faults != 0 ? complain("There are faults: \"pabal spool check\" tells more.") : EXIT_DONE;
}

int cmd_spool_dump(struct control *ct)
{
	uint64_t from = 1;
	int dirfd, lockfd = -1, code = EXIT_FAILED;

	if (ct->args->from != NULL && slice_to_u64(slice_cstr(ct->args->from), UINT64_MAX, &from) != 0) {
		(void)complain("--from %s: a log sequence number is a decimal number.", ct->args->from);
		return EXIT_USAGE;
	}
	if ((dirfd = enter(ct)) >= 0 && (lockfd = lock(ct, dirfd)) >= 0)
		code = dump(ct, dirfd, from);
	if (lockfd >= 0)
		(void)close(lockfd);
	if (dirfd >= 0)
		(void)close(dirfd);
	return code;
}

/* ---- rebuild ---- */

static int tell_rebuild(const struct control *ct, const struct ix_counters *n)
{
	struct buf out = BUF_INIT(1000);

	if (ct->json)
		format_json(&out, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "done", "spool-rebuild", "lsn", (json_int_t)n->applied,
		    "queued", (json_int_t)n->queued, "bodies", (json_int_t)n->bodies, "mailboxes", (json_int_t)n->mailboxes,
		    "rows", (json_int_t)n->rows));
	else
		buf_addf(&out, "The index is made anew up to LSN %llu: %llu messages in the queue, %llu in %llu mailboxes. "
		    "What was there before is in index.old.\n", (unsigned long long)n->applied, (unsigned long long)n->queued,
		    (unsigned long long)n->rows, (unsigned long long)n->mailboxes);
	return finish_output(&out);
}

int cmd_spool_rebuild(struct control *ct)
{
	struct spool *s = NULL;
	struct spool_conf sc;
	int dirfd, lockfd, code = EXIT_FAILED, r;

	if ((dirfd = enter(ct)) < 0)
		return EXIT_FAILED;
	/* Only to find out: the spool takes it itself. */
	if ((lockfd = lock(ct, dirfd)) >= 0) {
		(void)close(lockfd);
		sc = spool_conf_of(ct, dirfd);
		sc.anew = true;
		errno = 0;
		if ((r = spool_open(&s, &sc)) == 0)
			code = tell_rebuild(ct, spool_counters(s));
		else
			code = r == ERR_STATE ? in_use() : failed(ct, "given a new index", r);
		spool_close(&s, true);
	}
	(void)close(dirfd);
	return code;
}
