/* Failpoints: named places in the code at which a test makes something go wrong.
 *
 *   TRY(FAILPOINT(err, "jobmaster.deploy.before_send"));
 *
 * Off (the normal case) it is one relaxed load of a static flag.  Actions, set by
 * failpoint_configure("name=action[,nth=N][,one_in=K][;...]") or the variable FLINC_FAILPOINTS:
 *   off, error[:text] (ERR_IO), delay:MS, kill (SIGKILL self), stop (SIGSTOP self), abort.
 * nth=N: at the Nth hit only; one_in=K: at random once in K hits.  A faulty specification is refused
 * as a whole.  FLINC_FAILPOINTS=@FILE: the specification is the first line of a file, read when the process starts.
 *
 * FLINC_FAILPOINT_REPORT=FOLDER: each process writes there, to PROGRAM-PID.hits, a line `reached NAME` when it comes to a
 * place for the first time, and `fired NAME` before each action; what is killed has written what it reached
 * (tests/faults/failpoints.py adds it up).
 *
 * Every place has a row in the table (failpoint_table.c): `flinc-jobmanager --list-failpoints` prints it.
 * Thread: any. */
#ifndef FLINC_COMMON_BASE_FAILPOINT_H
#define FLINC_COMMON_BASE_FAILPOINT_H

#include "common/base/error.h"
#include <stdatomic.h>

struct failpoint {
    const char *name;
    _Atomic int armed; /* -1: not registered yet, 0: off, 1: has an action */
    struct failpoint *next;
    _Atomic uint64_t hits;
};

int failpoint_hit(struct failpoint *fp, struct error *err) COLD;
int failpoint_configure(const char *spec, struct error *err) MUST_CHECK;
void failpoint_clear_all(void);
/* How often places of this name were reached since a rule was set for it. */
uint64_t failpoint_hits(const char *name);
/* Seeds one_in=K choices. */
void failpoint_seed(uint64_t seed);

/* An expression: 0, or the error that the action asks for. */
#define FAILPOINT(err, point_name)                                                                \
    ({                                                                                            \
        static struct failpoint fp_ = {.name = (point_name), .armed = -1};                        \
        atomic_load_explicit(&fp_.armed, memory_order_relaxed) == 0 ? 0                           \
                                                                    : failpoint_hit(&fp_, (err)); \
    })

/* Whose process comes to a place. */
enum failpoint_role {
    FAILPOINT_JOB_MANAGER,
    FAILPOINT_TASK_MANAGER,
    FAILPOINT_WORKER,
    FAILPOINT_CLIENT,
    FAILPOINT_HISTORY_SERVER,
    FAILPOINT_ANY,
};

/* One place of the product. */
struct failpoint_row {
    const char *name;
    enum failpoint_role role;
    const char *protocol; /* whose step it is */
    const char *text;     /* what has happened there, and what has not */
};

const struct failpoint_row *failpoint_rows(size_t *ret_n);
const char *failpoint_role_name(enum failpoint_role role);
/* One line per row, to standard output. */
void failpoint_print_rows(void);

/* True when a test asks the place to be wrong: the simulation proves with it that it would notice the bug. */
#define PLANTED(point_name) (FAILPOINT(NULL, "planted." point_name) < 0)

/* Memory as of one batch that nobody gives back: a planted leak, with which the checks of leaks prove themselves. */
void failpoint_leak(void) COLD;
#define PLANTED_LEAK(point_name) (PLANTED(point_name) ? failpoint_leak() : (void)0)

#endif
