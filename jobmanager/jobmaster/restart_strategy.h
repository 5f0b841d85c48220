/* Whether and when a failed job runs again: none, fixed-delay, failure-rate, exponential-delay.
 *
 * A failure is told first (restart_strategy_on_failure), then the answer is read.  Failures that
 * come before the restart that an earlier one arranged are part of the same attempt for
 * exponential-delay, as in Flink; the others count each.
 * Time is the caller's monotonic clock, chance the caller's generator, so runs repeat exactly.
 * Flink: RestartBackoffTimeStrategy and its implementations.  Thread: one owner. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_RESTART_STRATEGY_H
#define FLINC_JOBMANAGER_JOBMASTER_RESTART_STRATEGY_H

#include "common/base/clock.h"
#include "common/conf/conf.h"

enum restart_strategy_kind {
    RESTART_STRATEGY_NONE,
    RESTART_STRATEGY_FIXED_DELAY,
    RESTART_STRATEGY_FAILURE_RATE,
    RESTART_STRATEGY_EXPONENTIAL_DELAY,
    RESTART_STRATEGY_COUNT,
};
const char *restart_strategy_name(enum restart_strategy_kind kind);

/* Caller's memory. */
struct restart_strategy {
    enum restart_strategy_kind kind;
    int64_t delay_ms;       /* fixed-delay, failure-rate */
    uint32_t max_attempts;  /* fixed-delay, exponential-delay; failure-rate: per interval */
    uint32_t attempts;      /* restarts that the failures so far asked for */
    int64_t interval_ms;    /* failure-rate */
    int64_t *failures_ms;   /* Owns; failure-rate: ring of the newest max_attempts + 1 */
    uint32_t n_failures;    /* in the ring */
    uint32_t first_failure; /* the oldest of them */
    int64_t now_ms;         /* of the last failure */
    int64_t initial_ms;     /* exponential-delay, as the next four */
    int64_t max_ms;
    int64_t reset_ms;
    double multiplier, jitter;
    int64_t next_restart_ms; /* when the restart of the last attempt is due */
    bool failed_before;      /* next_restart_ms is set */
};

/* Reads restart-strategy.*; without restart-strategy.type it is exponential-delay when checkpoints
 * are on (execution.checkpointing.interval), else none. */
int restart_strategy_init(struct restart_strategy *s, const struct conf *conf,
                          struct error *err) MUST_CHECK;
void restart_strategy_fini(struct restart_strategy *s);
void restart_strategy_on_failure(struct restart_strategy *s, int64_t now_ms, struct rng *rng);
/* Of the last failure: may the job run again, and after how long? */
bool restart_strategy_may_restart(const struct restart_strategy *s);
int64_t restart_strategy_delay_ms(const struct restart_strategy *s);

/* What people read of it: "Restart with fixed delay (1 s). #3 restart attempts." */
void restart_strategy_describe(const struct restart_strategy *s, struct str *out);

#endif
