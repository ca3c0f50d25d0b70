/* Programs of the administrator's, run for one question each. */
#include "tests/lib/unit.h"

#include <errno.h>
#include <signal.h>

#include "common/base/clock.h"
#include "control/program.h"

struct run {
	struct program *p;
	bool done;
	int r;
	char line[PROGRAM_LINE_MAX + 1];
};

static struct loop *lp;
static struct run run;

static void on_done(void *ctx, int r, struct slice line)
{
	struct run *x = ctx;

	x->done = true;
	x->r = r;
	assert_int_equal(slice_to_cstr(line, x->line, sizeof(x->line)), 0);
}

static void on_child(void *ctx, int sig)
{
	(void)ctx;
	(void)sig;
	if (run.p != NULL && program_reap(run.p))
		run.p = NULL;
}

static int begin(const char *script, const char *input, uint64_t timeout_ms)
{
	const char *const argv[] = { "/bin/sh", "-c", script, "sh", "$(an argument)", NULL };
	const char *const env[] = { "PATH=/usr/bin:/bin", "USER=def;`x`", NULL };

	memset(&run, 0, sizeof(run));
	return program_run(&run.p, lp, argv, env, slice_cstr(input), timeout_ms, on_done, &run);
}

static void answers(void **state)
{
	static const struct { const char *script, *input; int r; const char *line; } t[] = {
		{ "cat", "def@daum.test\n", 0, "def@daum.test" }, { "cat", "a\r\nb\n", 0, "a" }, { "cat; exit 1", "a\n", ERR_DENIED, "" },
		{ "printf x", "", 0, "x" }, { "exit 0", "", ERR_DENIED, "" }, { "echo", "", ERR_DENIED, "" },
		{ "echo a; exit 75", "", ERR_AGAIN, "" }, { "echo a; kill -9 $$", "", ERR_AGAIN, "" },
		{ "printf '%s' \"$USER\"", "", 0, "def;`x`" }, { "printf '%s' \"$1\"", "", 0, "$(an argument)" },
		{ "env | grep -c HOME", "", ERR_DENIED, "" }, { "echo first; yes | head -c 1000000", "", 0, "first" },
		{ "head -c 2000 /dev/zero | tr '\\0' x", "", ERR_DENIED, "" },
		{ "exec >&-; exec cat", "a\n", ERR_DENIED, "" },
		{ "no-such-program-at-all 2>/dev/null", "", ERR_DENIED, "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_row(i, begin(t[i].script, t[i].input, 60000) == 0);
		while (!run.done)
			assert_int_equal(loop_turn(lp, 60000), 0);
		assert_row(i, run.r == t[i].r);
		assert_slice(i, slice_cstr(run.line), t[i].line);
	}
}

/* The whole group is killed; one that is not there is told at once; one that nobody waits for any more. */
static void ends(void **state)
{
	const char *const nothing[] = { "/no/such/program", NULL }, *const env[] = { NULL };
	static uint8_t huge[PROGRAM_INPUT_MAX + 1];

	(void)state;
	assert_int_equal(begin("echo a; sleep 1000 & sleep 1000", "", 1), 0);
	while (!run.done)
		assert_int_equal(loop_turn(lp, 60000), 0);
	assert_int_equal(run.r, ERR_TIMEOUT);
	assert_int_equal(program_run(&run.p, lp, nothing, env, slice_of(NULL, 0), 1000, on_done, &run), ERR_IO);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(program_run(&run.p, lp, nothing, env, slice_of(huge, sizeof(huge)), 1000, on_done, &run), ERR_LIMIT);
	assert_int_equal(begin("sleep 1000", "", 60000), 0);
	program_kill(&run.p);
	assert_null(run.p);
	assert_false(run.done);
}

int main(void)
{
	static const int signals[] = { SIGCHLD };
	const struct CMUnitTest tests[] = { cmocka_unit_test(answers), cmocka_unit_test(ends) };
	int r;

	lp = loop_new();
	if (lp == NULL || loop_signals(lp, signals, 1, on_child, NULL) != 0)
		return 99;
	r = cmocka_run_group_tests_name("program", tests, NULL, NULL);
	loop_free(&lp);
	return r;
}
