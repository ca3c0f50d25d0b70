#ifndef PABAL_DAEMON_CELLPROBE_H
#define PABAL_DAEMON_CELLPROBE_H

#include <sys/types.h>

#include "common/base/err.h"

/*
 * Tries from inside a cell what a cell forbids. Used by tests/daemon/cell-probe
 * and, in builds with --enable-test-hooks, by the daemons themselves.
 */
enum cell_outcome { CELL_ALLOWED, CELL_DENIED, CELL_KILLED };

struct cell_probe {
	const char *name;
	/* 0 if it worked, -1 if it was refused; victim is another process of ours. */
	int (*fn)(pid_t victim);
	unsigned allow;         /* CELL_ bits with which it has to work; 0: never */
};
extern const struct cell_probe cell_probes[];
extern const unsigned cell_probes_n;

/* "allowed", "denied", "killed" */
const char *cell_outcome_name(enum cell_outcome o);
/* Tries one in this process. CELL_KILLED when the kernel sent SIGSYS, which sandbox_enter()
 * asks for instead of the end of the process while PABAL_CELL_PROBE is set. */
enum cell_outcome cell_probe_try(const struct cell_probe *p, pid_t victim);
#ifdef WITH_TEST_HOOKS
/* All of them, one log line each: "cell-probe: NAME=OUTCOME want=OUTCOME"; last "cell-probe: done". */
void cell_probe_log(unsigned allow, pid_t victim);
#endif

#endif
