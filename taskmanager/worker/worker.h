/* A worker: runs the tasks of one job on one task manager.  A component that gets MasterToWorker
 * messages by a channel and answers with WorkerToMaster; each subtask that it deploys is one thread.
 *
 * Everything that it takes for a task (thread, buffers, descriptors, metrics, channels) is back when
 * the task's terminal state is reported.  Repeated messages change nothing; messages with another
 * fencing token are dropped.
 *
 * The watchdog: a task that is being cancelled (in whatever state it was) is woken and warned about
 * every task.cancellation.interval; after task.cancellation.timeout the owner's on_stuck_task is
 * called, which ends the process with a report.
 *
 * Lifetime: worker_new, worker_get_end + rpc pair, worker_start, then messages; worker_stop cancels
 * what runs and waits; worker_free.  Thread: the component's, unless said otherwise.
 * Flink: TaskExecutor for one job, Task, TaskManagerJobMasterConnection. */
#ifndef FLINC_TASKMANAGER_WORKER_WORKER_H
#define FLINC_TASKMANAGER_WORKER_WORKER_H

#include "common/conf/conf.h"
#include "common/loop/component.h"
#include "common/loop/executor.h"
#include "common/metrics/registry.h"
#include "common/rpc/channel.h"
#include "engine/operators/operator.h"
#include "engine/snapshot/local_dirs.h"
#include "proto/control.pb-c.h"
#include "taskmanager/exchange/partition_registry.h"
#include "taskmanager/network/network.h"

struct worker;

/* How user code gets into the worker; given by the owner (sdk, minicluster), which keeps it as long as
 * the worker lives. */
struct code_resolver {
    /* Loads the libraries of a deployment (again: nothing to do).  Thread: the worker's.  An error
     * refuses the deployment. */
    int (*load)(struct code_resolver *resolver, Flinc__Library *const *libraries,
                size_t n_libraries, struct error *err);
    /* The address of a function; thread: a task's. */
    int (*resolve)(struct code_resolver *resolver, const Flinc__FunctionRef *ref, void **ret_fn,
                   struct error *err);
};

/* How an input that another worker produces is made: by the network of the process. */
struct remote_inputs {
    /* `input` lacks its location, which is the text "host:port/<incarnation>". */
    int (*open)(void *arg, const char *location, const struct remote_input *input,
                struct channel **ret_channel, struct error *err);
    void *arg; /* Borrows */
};

/* What is known about a task that does not end; for logs and the report of the process. */
struct stuck_task {
    const char *job_name;
    const char *task_name;     /* "Flat Map (2/4)" */
    const char *operator_name; /* the operator that was running last */
    struct flinc_id attempt_id;
    int64_t cancelling_ms; /* since the cancellation */
};

struct worker_options {
    const char *name;            /* Borrows; in thread names and logs */
    const char *host, *tm_id;    /* Borrows; scope variables of metrics; NULL: "localhost", name */
    struct flinc_id job_id;      /* deployments of other jobs are refused */
    struct flinc_id incarnation; /* locations that name it are in this worker; zero: it has none */
    struct remote_inputs remote; /* open NULL: every producer is in this worker */
    const struct conf *conf;  /* Borrows; the cluster's; NULL: defaults.  The job's lies over it. */
    enum component_mode mode; /* COMPONENT_MANUAL: the owner steps worker_component() */
    const struct clock *clock;       /* Borrows; NULL: clock_system */
    struct code_resolver *code;      /* Borrows; NULL: graphs without functions only */
    struct metric_registry *metrics; /* Borrows; NULL: none */
    struct executor *io_executor;    /* Borrows; for operators that block; may be NULL */
    /* Borrows; of all buffer pools; may be NULL.  At its limit tasks that would add to it wait; one that
     * waits in vain, or holds most of what is far over it, fails. */
    struct mem_budget *budget;
    struct local_dirs
        local_state_dirs; /* Borrows; of the job: copies of snapshot files; empty: none */
    struct mem_budget *state_budget; /* Borrows; of keyed state; may be NULL */
    _Atomic uint32_t *n_slots;       /* Borrows; that the worker has; NULL: one */
    const char
        *state_dir; /* Borrows; for state on disk, deleted at the end; NULL: in io.tmp.dirs */
    const struct operator_desc *(*find_operator)(const char *kind); /* NULL: table_operator_find */
    /* Periodic TaskReport, left out when one was asked for in the last half of it; 0: only on request. */
    int64_t report_interval_ms;
    /* A task did not end within task.cancellation.timeout.  NULL: the process ends with a report. */
    void (*on_stuck_task)(void *owner, const struct stuck_task *task);
    /* A task stands still for task.standstill.timeout: all stacks are to be written to the log.  NULL: only that of
     * the task is, as far as crash_report.h is installed. */
    void (*on_standstill)(void *owner);
    /* The number of tasks has changed; thread: the worker's.  May be NULL. */
    void (*on_n_tasks)(void *owner, uint32_t n_tasks);
    void *owner; /* Borrows */
};

struct worker *worker_new(const struct worker_options *options);
/* Fills the worker's end of its channel to the job master. */
void worker_get_end(struct worker *w, struct rpc_end_options *ret_end);
/* Takes the channel. */
int worker_start(struct worker *w, struct rpc_channel *take_master, struct error *err) MUST_CHECK;
/* A new channel to the job master of this fencing token, from now on.  When that is another one than
 * before, the tasks of the one before are cancelled and nobody hears of them any more.  Thread: any. */
void worker_replace_master(struct worker *w, const struct flinc_id *token,
                           struct rpc_channel *take_master);
/* Asks the tasks to give what their pools keep for reuse back to the system.  Thread: any. */
void worker_trim(struct worker *w);
/* Cancels all tasks, waits until they have ended, then stops.  Thread: any but the worker's.  In
 * manual mode it steps the component itself. */
void worker_stop(struct worker *w);
/* Stops it when it runs.  NULL is fine; returns NULL. */
struct worker *worker_free(struct worker *w);

struct component *worker_component(struct worker *w);
/* Where the producers and consumers of this worker meet; its network serves from there. */
struct partition_registry *worker_partitions(struct worker *w);
/* Tasks that have not ended; thread: any. */
uint32_t worker_n_tasks(const struct worker *w);

#endif
