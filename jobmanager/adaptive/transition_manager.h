/* When an adaptive job acts on a change of its resources or requirements: not at once, but when things have
 * come to rest.
 *
 *                 cooldown over       sufficient            desired, or still sufficient
 *                                                           when the time is over
 *    COOLDOWN ──────────────────► IDLING ─────► STABILIZING ─────────────────────► STABILIZED
 *        │     a change was seen     ▲               │                                 │ trigger (a checkpoint
 *        └───────────────────────────┼──────────────►│ time is over, not sufficient    │ is complete), or the
 *                                    └───────────────┘                                 ▼ longest delay is over
 *                                                                               TRANSITIONING
 *
 * It knows nothing of jobs: what is desired and sufficient it asks its owner.
 * Thread: the component's.  Lifetime: started and stopped any number of times; caller's memory.
 * Flink: DefaultStateTransitionManager. */
#ifndef FLINC_JOBMANAGER_ADAPTIVE_TRANSITION_MANAGER_H
#define FLINC_JOBMANAGER_ADAPTIVE_TRANSITION_MANAGER_H

#include "common/loop/component.h"

enum transition_phase {
    TRANSITION_OFF, /* not started */
    TRANSITION_COOLDOWN,
    TRANSITION_IDLING,
    TRANSITION_STABILIZING,
    TRANSITION_STABILIZED,
    TRANSITION_TRANSITIONING,
    TRANSITION_PHASES,
};
const char *transition_phase_name(enum transition_phase phase);
bool transition_phase_may_move(enum transition_phase from, enum transition_phase to);

struct transition_owner {
    bool (*has_desired)(void *arg);    /* all that the job can use is there, and it is news */
    bool (*has_sufficient)(void *arg); /* it could run in another way than it does */
    void (*on_idle)(void *arg);        /* what changed led to nothing; may be NULL */
    void (*on_stabilized)(void *arg);  /* it will transit with the next trigger; may be NULL */
    void (*transit)(void *arg);        /* once; the manager is TRANSITIONING */
    void *arg;
};
enum { TRANSITION_NEVER = -1 }; /* a time that is never over */

struct transition_times {
    int64_t cooldown_ms;      /* nothing is done for so long after the start */
    int64_t stabilization_ms; /* sufficient resources are waited on for so long; may be NEVER */
    int64_t max_delay_ms;     /* until a trigger comes; may be NEVER */
};

struct transition_manager {
    struct component *component; /* Borrows */
    struct transition_owner owner;
    struct transition_times times;
    enum transition_phase phase;
    bool changed; /* in the cool-down */
    uint64_t timer;
};
void transition_manager_init(struct transition_manager *m, struct component *component,
                             const struct transition_owner *owner);
void transition_manager_start(struct transition_manager *m, const struct transition_times *times);
/* No call to the owner follows. */
void transition_manager_stop(struct transition_manager *m);
/* Slots came or went, or the requirements are others. */
void transition_manager_on_change(struct transition_manager *m);
/* A good moment: a checkpoint is complete. */
void transition_manager_on_trigger(struct transition_manager *m);

#endif
