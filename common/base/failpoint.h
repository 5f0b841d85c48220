/* Failpoints: named places in the code at which a test makes something go wrong.
 *
 *   TRY(FAILPOINT(err, "jobmaster.deploy.before_send"));
 *
 * Off (the normal case) it is one relaxed load of a static flag.  Actions, set by
 * failpoint_configure("name=action[,nth=N][,one_in=K][;...]") or the variable FLINC_FAILPOINTS:
 *   off, error[:text] (ERR_IO), delay:MS, kill (SIGKILL self), stop (SIGSTOP self), abort.
 * nth=N: at the Nth hit only; one_in=K: at random once in K hits.  A faulty specification is refused
 * as a whole.
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

/* True when a test asks the place to be wrong: the simulation proves with it that it would notice the bug. */
#define PLANTED(point_name) (FAILPOINT(NULL, "planted." point_name) < 0)

/* Memory as of one batch that nobody gives back: a planted leak, with which the checks of leaks prove themselves. */
void failpoint_leak(void) COLD;
#define PLANTED_LEAK(point_name) (PLANTED(point_name) ? failpoint_leak() : (void)0)

#endif
