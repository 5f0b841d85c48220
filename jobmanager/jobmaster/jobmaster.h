/* The job master: runs one job.  A component with one mailbox: all state of the execution graph changes
 * there, in order.  It asks a slot provider for slots, deploys tasks by messages (proto/control.proto) to
 * workers, follows their states, restarts what failed as the restart strategy says, hosts the coordinator
 * halves of operators, and ends in a globally terminal state.
 *
 * It is the production job master: here it runs with workers in one process over in-memory channels, in
 * a cluster over gRPC.  Nothing in it knows which.
 *
 * Flink: JobMaster, SchedulerBase, ExecutionGraph.
 * Lifetime: jobmaster_new, jobmaster_start, ..., on_terminal, jobmaster_free. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_JOBMASTER_H
#define FLINC_JOBMANAGER_JOBMASTER_JOBMASTER_H

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "common/loop/component.h"
#include "common/loop/executor.h"
#include "common/metrics/registry.h"
#include "common/rpc/channel.h"
#include "engine/graph/resource_profile.h"
#include "engine/operators/operator.h"
#include "jobmanager/adaptive/parallelism.h"
#include "jobmanager/checkpoint/checkpoint_request.h"
#include "proto/control.pb-c.h"

/* Flink's JobStatus, by its names. */
enum job_status {
    JOB_STATUS_INITIALIZING,
    JOB_STATUS_CREATED,
    JOB_STATUS_RUNNING,
    JOB_STATUS_FAILING,
    JOB_STATUS_FAILED,
    JOB_STATUS_CANCELLING,
    JOB_STATUS_CANCELED,
    JOB_STATUS_FINISHED,
    JOB_STATUS_RESTARTING,
    JOB_STATUS_SUSPENDED,
    JOB_STATUS_RECONCILING,
    JOB_STATUS_COUNT
};
const char *job_status_name(enum job_status status);
bool job_status_is_globally_terminal(enum job_status status); /* FAILED, CANCELED, FINISHED */

struct jobmaster;
struct checkpoint_files;
struct checkpoint_pointers;
struct checkpoint_recovery;

/* A slot given by the provider: which worker, under which allocation. */
struct slot {
    struct flinc_id allocation_id;
    uint32_t worker; /* number of the worker at this job master */
    uint32_t kind;   /* the requirement that it is given for */
};

/* How many slots of one kind a job needs.  Flink: ResourceRequirement. */
struct slot_requirement {
    const struct resource_profile *profile; /* Borrows; NULL: any slot of the default profile */
    uint32_t n_slots;
};

/* Where slots come from.  The calls of the job master; answers come back through
 * jobmaster_offer_slots() and jobmaster_slot_lost().  Flink: SlotPool over the ResourceManager. */
struct slot_provider {
    void *arg;
    /* The job needs so many slots of each kind in all from now on (declarative: new numbers replace the old
     * ones, the same numbers say it again after a loss).  A requirement's position is its kind; a job has the
     * same kinds in every call, as long as it lives.  0 of all: none any more; release() of each slot that the
     * job has follows.  Thread: the job master's; must not block. */
    void (*declare)(void *arg, struct jobmaster *jm, const struct slot_requirement *requirements,
                    uint32_t n_kinds);
    /* Gives one slot back.  Thread: the job master's. */
    void (*release)(void *arg, struct jobmaster *jm, const struct slot *slot);
};

/* How parallel a vertex may be.  Flink: JobVertexResourceRequirements. */
struct job_requirement {
    struct flinc_id vertex_id;
    struct parallelism_bounds bounds;
};

/* How a child process for coordinators is started that are not in the tree (jobmanager/jobcoordinator). */
struct coordinator_launcher {
    void *arg;
    /* `end` is the parent's: it sends ToCoordinators and receives FromCoordinators; the child's death is
     * the end of the channel.  Thread: the job master's. */
    int (*start)(void *arg, const struct flinc_id *job_id, const struct rpc_end_options *end,
                 struct rpc_channel **ret_channel, struct error *err);
};

struct jobmaster_options {
    const Flinc__JobGraph *graph; /* Borrows until jobmaster_free */
    const struct conf *conf;      /* Borrows; the cluster's; the job's entries lie over it */
    enum component_mode mode;
    const struct clock *clock;    /* Borrows; NULL: clock_system */
    struct executor *io_executor; /* Borrows; for coordinators; may be NULL in manual mode */
    struct flinc_id fencing_token;
    uint64_t seed;                     /* of attempt ids and jitter; 0: from the system */
    const struct slot_provider *slots; /* Borrows */
    const struct coordinator_desc *(*find_coordinator)(
        const char *kind); /* NULL: table_coordinator_find */
    /* Borrows; for kinds that find_coordinator does not know.  NULL: such a job is refused. */
    const struct coordinator_launcher *launcher;
    /* The job reached a globally terminal state: the last call to the owner, on the job master's
     * thread; jobmaster_free() must come from another one. */
    void (*on_terminal)(void *owner, enum job_status status, const struct error *cause);
    void (*on_status)(void *owner, enum job_status from, enum job_status to); /* may be NULL */
    /* jobmaster_get_progress() would answer something new (status, states of tasks, restarts; counters
     * of records do not count).  On the job master's thread, without a lock.  May be NULL. */
    void (*on_progress)(void *owner);
    void *owner; /* Borrows */
    /* Borrows for ever; where checkpoints are kept; NULL: in files (checkpoint_files.h). */
    const struct checkpoint_files *checkpoint_files;
    /* Borrows for ever; for the next leader; NULL: there is none.  `recovered`: what a former leader has left of this job; borrowed
     * until jobmaster_free; NULL: it is new. */
    const struct checkpoint_pointers *checkpoint_pointers;
    const struct checkpoint_recovery *recovered;
    /* Borrows until jobmaster_new() returns; bounds that a former leader was asked for, of all vertices; n_requirements 0: those of
     * the graph. */
    const struct job_requirement *requirements;
    size_t n_requirements;
    /* Borrows; the job manager's group, below which the job's is made (and gone after jobmaster_free).
     * May be NULL. */
    struct metric_group *metrics;
};

int jobmaster_new(const struct jobmaster_options *options, struct jobmaster **ret,
                  struct error *err) MUST_CHECK;
/* Fills the job master's end of a channel to a worker; `worker` is its number, chosen by the caller.  A
 * number whose channel is over may be given to a new worker.  Thread: any. */
void jobmaster_get_end(struct jobmaster *jm, uint32_t worker, struct rpc_end_options *ret_end);
/* Where a worker is; copied.  All NULL in one process. */
struct worker_place {
    const char *tm_id; /* resource id of its task manager */
    const char *host;
    const char *endpoint; /* "host:dataport", as REST shows it */
    const char
        *data_location; /* "host:port/<incarnation>": what consumers in other workers connect to */
};
/* Takes the channel.  place may be NULL (one process).  Thread: any. */
void jobmaster_add_worker(struct jobmaster *jm, uint32_t worker, const struct worker_place *place,
                          struct rpc_channel *take_channel);
/* Messages may have been lost (a stream was made anew): asks all workers now what they run.  Thread: any. */
void jobmaster_reconcile(struct jobmaster *jm);
/* Leadership is lost or the process ends: the job is SUSPENDED (locally terminal), workers are told to end
 * its tasks, on_terminal follows.  Thread: any. */
void jobmaster_suspend(struct jobmaster *jm, const struct error *why);
int jobmaster_start(struct jobmaster *jm, struct error *err) MUST_CHECK;
/* Thread: any.  Slots for the job; ones that are not needed are released again. */
void jobmaster_offer_slots(struct jobmaster *jm, const struct slot *slots, uint32_t n);
/* Thread: any.  The slot is gone with whatever ran in it. */
void jobmaster_slot_lost(struct jobmaster *jm, const struct slot *slot, const struct error *why);
/* Thread: any.  A slot could not be had, and why: said when the time-out of slots comes. */
void jobmaster_slots_refused(struct jobmaster *jm, const struct error *why);
/* Thread: any.  Cancels the job; in a terminal state nothing happens. */
void jobmaster_cancel(struct jobmaster *jm);
/* Thread: any but the job master's.  Cancels when it runs, waits for the end, frees.  NULL is fine. */
struct jobmaster *jobmaster_free(struct jobmaster *jm);
struct component *jobmaster_component(struct jobmaster *jm);

/* ---- checkpoints on request; thread: any ------------------------------------------------------ */

/* 0: `done` is called once.  ERR_CLOSED: the job has ended (or the job master goes), `done` is never called.
 * Everything else that may be wrong (batch job, no folder, not RUNNING, declined by a task) comes by
 * `done`.  What checkpoints there are, and how they are taken: job_details.checkpoints. */
int jobmaster_trigger_checkpoint(struct jobmaster *jm, enum checkpoint_type type,
                                 checkpoint_done_fn done, void *arg, struct error *err) MUST_CHECK;
int jobmaster_trigger_savepoint(struct jobmaster *jm, const struct savepoint_request *request,
                                checkpoint_done_fn done, void *arg, struct error *err) MUST_CHECK;

/* It has failed before it had read what a former leader had left of it: that must not be removed.  After on_terminal. */
bool jobmaster_is_unrecovered(const struct jobmaster *jm);
/* All its checkpoints go with it, and are being deleted.  After on_terminal. */
bool jobmaster_checkpoints_go(const struct jobmaster *jm);

/* ---- resource requirements; thread: any ---------------------------------------------------------- */

bool jobmaster_is_adaptive(const struct jobmaster *jm); /* under the adaptive scheduler */
/* Bounds of all vertices from now on, under the adaptive scheduler; the same again changes nothing.  The job is
 * rescaled when it comes to rest (see adaptive.h).
 * ERR_INVALID_ARGUMENT: what is wrong with them; ERR_UNSUPPORTED: another scheduler, or reactive mode;
 * ERR_CLOSED: the job has ended. */
int jobmaster_set_requirements(struct jobmaster *jm, const struct job_requirement *requirements,
                               size_t n, struct error *err) MUST_CHECK;
/* The same in two steps, for who writes them down in between: *ret_bounds (mem_free()) are by vertex, and can be applied unless the
 * job has ended (ERR_CLOSED). */
int jobmaster_check_requirements(struct jobmaster *jm, const struct job_requirement *requirements,
                                 size_t n, struct parallelism_bounds **ret_bounds,
                                 struct error *err) MUST_CHECK;
int jobmaster_apply_requirements(struct jobmaster *jm, struct parallelism_bounds *take_bounds,
                                 struct error *err) MUST_CHECK;

/* ---- clients and coordinators; thread: any but the job master's ---------------------------------- */

/* Asks the coordinator of an operator (its uid, or its id in hex); waits, bounded by the time-out.  Appends to *ret_answer a
 * packed CoordinationAnswer (proto/collect.proto).  ERR_NOT_FOUND: there is no such operator; ERR_UNSUPPORTED: it takes no
 * requests; ERR_CLOSED: the job has ended here, job_details_answer() knows the rest; ERR_TIMEOUT; and what the coordinator
 * says. */
int jobmaster_ask_coordinator(struct jobmaster *jm, const char *operator_uid, struct slice request,
                              int64_t timeout_ms, struct str *ret_answer,
                              struct error *err) MUST_CHECK;

/* ---- what others may see; thread: any --------------------------------------------------------- */

/* One failure, as /jobs/:id/exceptions shows it. */
struct job_failure {
    int64_t timestamp_ms;
    struct error error;
    char task_name[256]; /* "Flat Map (2/4)"; empty: global */
    struct flinc_id attempt_id;
    uint32_t attempt_number;
    uint32_t n_concurrent; /* failures that came with it before the restart */
    uint64_t number;       /* of the failure, from 1; concurrent ones have their root's */
};
enum {
    JOBMASTER_EXCEPTION_HISTORY_MAX = 16,  /* default of web.exception-history-size */
    JOBMASTER_CONCURRENT_FAILURES_MAX = 8, /* kept of one failure */
};

struct job_progress {
    enum job_status status;
    int64_t start_ms, end_ms; /* wall clock; end 0 while it runs */
    uint32_t tasks_total;
    uint32_t tasks_by_state[16];           /* by Flinc__ExecutionState */
    uint64_t source_records, source_bytes; /* read by source tasks; where not counted, sent on */
    uint32_t restarts;
};
/* What the job master did not act on, and why; for metrics and tests. */
struct jobmaster_stats {
    uint64_t messages_fenced;    /* with another fencing token */
    uint64_t messages_malformed; /* an id that is none, an unknown state, another version */
    uint64_t updates_stale;      /* of attempts that are unknown or over */
    uint64_t events_stale;       /* of coordinators: repeated, or of such attempts */
    uint64_t events_dropped;     /* to subtasks that do not run */
};
void jobmaster_get_stats(struct jobmaster *jm, struct jobmaster_stats *ret);
/* A snapshot of where the job is; copied under a short lock that the job master fills when something
 * changes. */
void jobmaster_get_progress(struct jobmaster *jm, struct job_progress *ret);
/* The exception history, oldest first (the newest `max`); returns how many were written to ret. */
uint32_t jobmaster_get_failures(struct jobmaster *jm, struct job_failure *ret, uint32_t max);
/* The failures that came with failure `number`, the first JOBMASTER_CONCURRENT_FAILURES_MAX of them. */
uint32_t jobmaster_get_concurrent_failures(struct jobmaster *jm, uint64_t number,
                                           struct job_failure *ret, uint32_t max);
/* Sums of user accumulators of the last (or ended) attempt of every subtask: calls fn for each. */
void jobmaster_each_accumulator(struct jobmaster *jm,
                                void (*fn)(void *arg, const Flinc__Accumulator *sum), void *arg);

#endif
