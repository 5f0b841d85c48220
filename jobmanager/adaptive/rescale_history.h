/* The rescales of a job, for people to look at: why each began, what it led to, how long it was in which state of
 * the scheduler.  The newest web.adaptive-scheduler.rescale-history.size are kept; with 0 nothing is written down.
 *
 * Thread: the owner's.  Flink: RescaleTimeline (FLIP-495). */
#ifndef FLINC_JOBMANAGER_ADAPTIVE_RESCALE_HISTORY_H
#define FLINC_JOBMANAGER_ADAPTIVE_RESCALE_HISTORY_H

#include "common/base/clock.h"
#include "common/base/vec.h"
#include "jobmanager/adaptive/parallelism.h"
#include "proto/elastic.pb-c.h"

/* Caller's memory. */
struct rescale_history {
    uint32_t max;
    struct vec rescales; /* Owns; of Flinc__Rescale *; oldest first, the last may be in progress */
    struct rng *rng;     /* Borrows; of the ids */
    struct flinc_id requirements_id;
    uint64_t n_attempts; /* under these requirements */
};
void rescale_history_init(struct rescale_history *h, uint32_t max, struct rng *rng);
void rescale_history_fini(struct rescale_history *h);
/* The bounds are others: what is in progress was for the old ones. */
void rescale_history_new_requirements(struct rescale_history *h, int64_t now_ms);
/* A state of the scheduler in which a rescale begins. */
struct rescale_start {
    Flinc__RescaleCause cause;
    const struct parallelism_problem *problem; /* Borrows */
    const uint32_t *parallelism; /* Borrows; as the job runs, by vertex; NULL: it does not yet */
    const char *state;
    int64_t now_ms;
};
/* Nothing happens while one is in progress. */
void rescale_history_begin(struct rescale_history *h, const struct rescale_start *start);
/* The scheduler comes into this state; why: what led out of the one before; may be NULL. */
void rescale_history_enter(struct rescale_history *h, const char *state, const struct error *why,
                           int64_t now_ms);
/* The one in progress, if any, has ended so; parallelism: as the job runs now, or NULL. */
void rescale_history_end(struct rescale_history *h, Flinc__RescaleEnd end,
                         Flinc__RescaleReason reason, const uint32_t *parallelism, int64_t now_ms);

#endif
