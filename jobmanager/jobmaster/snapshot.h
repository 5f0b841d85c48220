/* What others may see of a job while it runs: progress, exception history, accumulators.
 *
 * The job master writes, anybody reads; both under one short lock, which is a leaf: no callback, log
 * line or message is made under it.
 * Flink: ArchivedExecutionGraph, RootExceptionHistoryEntry, AccumulatorHelper. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_SNAPSHOT_H
#define FLINC_JOBMANAGER_JOBMASTER_SNAPSHOT_H

#include "jobmanager/jobmaster/execution_graph.h"
#include <pthread.h>

enum {
    SNAPSHOT_HISTORY_LIMIT = 1024,    /* above it web.exception-history-size is cut */
    SNAPSHOT_ACCUMULATORS_MAX = 1024, /* of one task; more are left out */
};

/* A failure and those that came with it before the restart that it led to. */
struct failure_entry {
    struct job_failure root;
    struct job_failure *concurrent; /* Owns; the first JOBMASTER_CONCURRENT_FAILURES_MAX */
    /* Where the tasks ran; counted; NULL: nowhere.  Read by the job master only. */
    struct place *root_place, *concurrent_places[JOBMASTER_CONCURRENT_FAILURES_MAX];
};

struct snapshot {
    pthread_mutex_t lock;
    struct job_progress progress;
    struct failure_entry *failures; /* Owns; ring */
    uint32_t max_failures, n_failures, first_failure;
    uint64_t next_number;    /* of a failure */
    bool failures_forgotten; /* there were more */
    struct jobmaster_stats stats;
    pthread_cond_t ended_changed; /* for jobmaster_free() */
    bool ended;                   /* on_terminal has returned */
    /* After a change of status, tasks or restarts, without the lock; NULL: nobody asks. */
    void (*on_progress)(void *arg);
    void *arg;
};

void snapshot_init(struct snapshot *s, int32_t max_failures);
void snapshot_fini(struct snapshot *s);

/* ---- writing; thread: the job master's -------------------------------------------------------- */

void snapshot_set_status(struct snapshot *s, enum job_status status, int64_t now_ms);
/* All attempts of the graph as they are: at the start. */
void snapshot_count_tasks(struct snapshot *s, const struct execution_graph *g);
/* Around a change of the graph's shape: nobody reads it meanwhile, and all its attempts are new afterwards. */
void snapshot_lock_graph(struct snapshot *s);
void snapshot_unlock_graph(struct snapshot *s, const struct execution_graph *g);
void snapshot_move_task(struct snapshot *s, Flinc__ExecutionState from, Flinc__ExecutionState to);
void snapshot_count_restart(struct snapshot *s);
/* A new attempt of the subtask: what the old one counted is forgotten. */
void snapshot_new_attempt(struct snapshot *s, struct subtask *subtask, Flinc__ExecutionState old);
void snapshot_set_counters(struct snapshot *s, struct subtask *subtask,
                           const Flinc__TaskIoMetrics *metrics);
void snapshot_set_accumulators(struct snapshot *s, struct subtask *subtask,
                               Flinc__Accumulator *const *accumulators, size_t n);
/* e NULL: not of one task. */
void snapshot_add_failure(struct snapshot *s, const struct execution *e, const struct error *why,
                          int64_t now_ms);
/* Joins the newest failure; is one of its own when there is none. */
void snapshot_add_concurrent_failure(struct snapshot *s, const struct execution *e,
                                     const struct error *why, int64_t now_ms);
void snapshot_count(struct snapshot *s, uint64_t *stat); /* one of s->stats, plus 1 */

/* ---- reading; thread: any --------------------------------------------------------------------- */

const struct failure_entry *snapshot_failure(const struct snapshot *s, uint32_t i); /* 0: oldest */
void snapshot_get_progress(struct snapshot *s, struct job_progress *ret);
void snapshot_get_stats(struct snapshot *s, struct jobmaster_stats *ret);
uint32_t snapshot_get_failures(struct snapshot *s, struct job_failure *ret, uint32_t max);
uint32_t snapshot_get_concurrent(struct snapshot *s, uint64_t number, struct job_failure *ret,
                                 uint32_t max);
void snapshot_each_accumulator(struct snapshot *s, const struct execution_graph *g,
                               void (*fn)(void *arg, const Flinc__Accumulator *sum), void *arg);

#endif
