#ifndef PABAL_CONTROL_SECRET_H
#define PABAL_CONTROL_SECRET_H

#include <stdio.h>

#include "common/base/slice.h"

enum { SECRET_MAX = 511 };

/*
 * A password for the user `who`: the first line of the file, "-" being standard input; without a
 * file, asked for twice on the terminal without echo. Never from the command line, which others
 * can see. Complains on failure. The caller wipes it.
 */
int secret_read(const char *file, const char *who, char out_r[SECRET_MAX + 1]) MUST_CHECK;
/* The first line of f without its line end: ERR_NOTFOUND nothing there, ERR_LIMIT too long, ERR_SYNTAX a NUL in it. */
int secret_read_line(FILE *f, char out_r[SECRET_MAX + 1]) MUST_CHECK;

#endif
