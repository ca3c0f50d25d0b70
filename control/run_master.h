#ifndef PABAL_CONTROL_RUN_MASTER_H
#define PABAL_CONTROL_RUN_MASTER_H

#include <stdbool.h>

#include "common/base/err.h"

/* Runs pabal-master with these options and waits for it; *status_r is as from waitpid(). Complains when it
 * cannot be run at all. quiet: what it says on standard output is dropped. */
int run_master(const char *const *options, unsigned n, bool quiet, int *status_r) MUST_CHECK;

#endif
