/* What is remembered of attempts: where they ran, why they failed, and of ended ones what they were.
 *
 * Places and failures are counted, since many attempts share one: a worker that is lost takes hundreds
 * of tasks with it for one reason.  Thread: the job master's.
 * Flink: TaskManagerLocation, ErrorInfo, ExecutionHistory. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_ATTEMPTS_H
#define FLINC_JOBMANAGER_JOBMASTER_ATTEMPTS_H

#include "jobmanager/jobmaster/jobmaster.h"

/* A copy in the details of a job that are being made; see details.c. */
struct copied {
    uint64_t round; /* the making that it belongs to */
    void *copy;
};

struct place {
    uint32_t refs;
    char *tm_id, *host, *endpoint, *data_location; /* Owns; may be NULL */
    struct copied tm_id_copy, host_copy, endpoint_copy;
};
struct place *place_new(const struct worker_place *place); /* NULL: none */
struct place *place_ref(struct place *p);
void place_unref(struct place *p); /* NULL is fine, here and above */

struct attempt_failure {
    uint32_t refs;
    struct error error;
    struct copied copy;
};
struct attempt_failure *attempt_failure_new(const struct error *why);
struct attempt_failure *attempt_failure_ref(struct attempt_failure *f);
void attempt_failure_unref(struct attempt_failure *f);

struct snapshot;
struct subtask;

/* Before the attempt of a subtask is replaced: moves what is known of it to its prior ones, of which
 * the newest `max` are kept. */
void attempts_remember(struct snapshot *s, struct subtask *subtask, uint32_t max);
void attempts_forget(struct subtask *subtask);

#endif
