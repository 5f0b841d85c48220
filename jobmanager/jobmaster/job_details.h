/* What is known of a job at one moment: everything that REST shows, the store of finished jobs keeps, and
 * the command line prints.  Immutable and counted; made by the job master on its thread.
 *
 * Times are wall-clock milliseconds; 0: not reached.  Texts are owned.
 * Flink: ArchivedExecutionGraph, ExecutionGraphInfo.  Thread: any. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_JOB_DETAILS_H
#define FLINC_JOBMANAGER_JOBMASTER_JOB_DETAILS_H

#include "jobmanager/checkpoint/checkpoint_stats.h"
#include "jobmanager/jobmaster/execution_graph.h"
#include "proto/elastic.pb-c.h"

/* One attempt of one subtask. */
struct attempt_details {
    struct flinc_id attempt_id, allocation_id;
    uint32_t number;
    Flinc__ExecutionState state;
    int64_t since_ms[EXECUTION_STATES];
    bool on_worker;                /* the following are set */
    char *tm_id, *host, *endpoint; /* resource id; host; "host:dataport" */
    struct task_counters io;
    bool io_complete; /* final values */
    struct task_accumulator *accumulators;
    uint32_t n_accumulators;
    struct error *failure; /* NULL: none */
};

struct subtask_details {
    struct attempt_details current;
    struct attempt_details *prior; /* oldest first; the last JOB_DETAILS_PRIOR_MAX */
    uint32_t n_prior;
};
enum { JOB_DETAILS_PRIOR_MAX = 16 }; /* jobmanager.execution.attempts-history-size */

struct operator_details {
    struct flinc_id id;
    char *name;
    bool has_coordinator;
};

struct vertex_details {
    struct flinc_id id;
    char *name;
    char *slot_sharing_group; /* name */
    struct flinc_id slot_sharing_group_id;
    uint32_t parallelism, max_parallelism;
    bool is_source;
    struct subtask_details *subtasks;
    uint32_t n_subtasks;
    struct operator_details *operators;
    uint32_t n_operators;
};

struct failure_details {
    struct job_failure root;
    char *tm_id, *endpoint; /* NULL: global, or not deployed */
    struct job_failure *concurrent;
    char **concurrent_tm_ids, **concurrent_endpoints;
    uint32_t n_concurrent;
};

/* What a coordinator left for clients that ask after the job. */
struct coordinator_result {
    char *operator_uid; /* Owns */
    struct flinc_id operator_id;
    uint8_t *data; /* Owns */
    uint32_t size;
};

struct job_details {
    _Atomic uint32_t refs;
    struct flinc_id id;
    char *name;
    enum job_status status;
    int64_t status_since_ms[JOB_STATUS_COUNT];
    int64_t taken_ms;                      /* when this was taken */
    uint32_t parallelism, max_parallelism; /* of the job; max 0: not set */
    uint32_t restarts;
    Flinc__RuntimeMode runtime_mode;
    char *plan_json;
    char *restart_strategy; /* as /jobs/:id/config shows it */
    struct conf_pair {
        char *key, *value;
    } * config; /* the job's own entries; values masked by key */
    uint32_t n_config;
    struct vertex_details *vertices; /* sources first */
    uint32_t n_vertices;
    struct failure_details *failures; /* oldest first */
    uint32_t n_failures;
    bool failures_truncated;
    struct error *cause;                   /* FAILED: why; else NULL */
    struct task_accumulator *accumulators; /* sums over subtasks */
    uint32_t n_accumulators;
    struct coordinator_result *results; /* what coordinators left of a job that has finished */
    uint32_t n_results;
    const struct checkpoint_stats *checkpoints; /* counted; NULL: a batch job, which takes none */
    const Flinc__ElasticJob *elastic;           /* NULL: not under the adaptive scheduler */
};
/* For those who make one: empty, counted once; all that it points to lies in its arena. */
struct job_details *job_details_new(struct arena **ret_arena);
const struct job_details *job_details_ref(const struct job_details *d);
void job_details_unref(const struct job_details *d); /* NULL is fine */
const struct vertex_details *job_details_find_vertex(const struct job_details *d,
                                                     const struct flinc_id *id);
/* The state of a vertex from those of its subtasks, by Flink's rule. */
Flinc__ExecutionState vertex_details_state(const struct vertex_details *v);
uint64_t job_details_bytes(const struct job_details *d); /* what it costs to keep */

/* To a client that asks a coordinator of a job that has ended: appends a packed CoordinationAnswer.  ERR_NOT_FOUND: no operator
 * of this uid (or id in hex), or none with a coordinator. */
int job_details_answer(const struct job_details *d, const char *operator_uid,
                       struct str *ret_answer, struct error *err) MUST_CHECK;

/* ---- for stores: a packed form, versioned and checked (CRC32C) ---------------------------------- */
void job_details_pack(const struct job_details *d, struct str *ret_bytes);
int job_details_unpack(const uint8_t *bytes, size_t size, const struct job_details **ret,
                       struct error *err) MUST_CHECK;

struct jobmaster;
/* Asks the job master; waits on the calling thread (another component's should not), bounded by the
 * time-out.  On the job master's own thread (on_terminal, manual mode) it is made at once.
 * ERR_TIMEOUT; ERR_CLOSED when the job master is being freed.  Several asks within a millisecond share
 * one snapshot unless something has changed.  Counters and accumulators are those of the workers' last
 * reports: asking makes the workers report anew (RECONCILE_REFRESH_MS), so that who polls sees values of
 * the time of the poll before, and who asks once those of the last TASKWORKER_REPORT_MS. */
int jobmaster_get_details(struct jobmaster *jm, int64_t timeout_ms, const struct job_details **ret,
                          struct error *err) MUST_CHECK;

#endif
