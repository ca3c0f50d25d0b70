#ifndef PABAL_TESTS_UNIT_H
#define PABAL_TESTS_UNIT_H
/* What every unit test includes first: cmocka with the headers it wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/slice.h"

/* A test that hangs is killed by this, which is told as an error; the daemons it started end with it. */
enum { UNIT_TEST_LIMIT_S = 2400 };
__attribute__((constructor)) static void unit_test_limit(void)
{
	(void)alarm(UNIT_TEST_LIMIT_S);
}

/* got and want as text, with the row of the table that failed. */
#define assert_slice(row, got, want) \
	do { \
		struct slice got_ = (got), want_ = slice_cstr(want); \
		if (!slice_eq(got_, want_)) \
			fail_msg("row %zu: got \"%.*s\" want \"%s\"", (size_t)(row), SLICE_ARG(got_), want); \
	} while (0)
#define assert_row(row, cond) \
	do { \
		if (!(cond)) \
			fail_msg("row %zu: %s", (size_t)(row), #cond); \
	} while (0)
#endif
