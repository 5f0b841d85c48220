/* The workers of a task manager: one process per job.  Starts them by the spawner, gets their blobs there
 * first, passes messages between masters and workers, hands over data connections, collects the report of
 * one that dies (signal, native stack, last log lines), and leaves no process behind.
 *
 *   FETCHING ─► STARTING ─► READY ─► STOPPING ─► gone        any ─► FAILED ─► gone
 *
 * Thread: the owner's component; all callbacks come there.  Flink: parts of TaskExecutor. */
#ifndef FLINC_TASKMANAGER_HOST_WORKER_HOST_H
#define FLINC_TASKMANAGER_HOST_WORKER_HOST_H

#include "common/conf/conf.h"
#include "common/loop/component.h"
#include "common/loop/executor.h"
#include "common/loop/loop.h"
#include "common/spawner/spawner.h"
#include "engine/snapshot/local_dirs.h"
#include "proto/cluster.pb-c.h"
#include "proto/worker.pb-c.h"

struct worker_host;

struct worker_host_callbacks {
    /* The worker of the job is ready under this incarnation. */
    void (*on_ready)(void *owner, const struct flinc_id *job_id,
                     const struct flinc_id *incarnation);
    /* A packed WorkerToMaster. */
    void (*on_message)(void *owner, const struct flinc_id *job_id,
                       const struct flinc_id *incarnation, const uint8_t *bytes, size_t size);
    /* The process has ended, or could not be started; `why` is what a person reads in the exception
     * history (ERR_CLOSED: it was asked to).  Unless another incarnation was started meanwhile, the job
     * is no longer known here; worker_host_start_job() starts another one. */
    void (*on_gone)(void *owner, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                    const struct error *why);
};

/* Of a job's folder in each of local_dirs; its id in hex follows. */
#define LOCAL_STATE_JOB_PREFIX "jid_"

struct worker_host_options {
    const struct conf *conf;     /* Borrows; the task manager's */
    struct component *component; /* Borrows; the owner's */
    struct loop *loop; /* Borrows; an I/O loop that runs on a thread of its own: worker sockets,
                                data port */
    struct executor *io_executor; /* Borrows; blob downloads */
    struct spawner *spawner;      /* Borrows */
    const char *tm_id, *host;     /* Borrows */
    const char *work_dir;         /* Borrows; of this process: blobs/, removed at the end */
    struct local_dirs local_dirs; /* Borrows; copies of snapshot files, by job; empty: none */
    const char *log_dir;  /* Borrows; of workers; NULL: they write to this process's output */
    const char *log_file; /* Borrows; this process's own, names workers' files; may be NULL */
    const char *taskworker_path;              /* Borrows; libexec/flinc-taskworker */
    uint32_t data_port_first, data_port_last; /* 0, 0: any */
    const char *bind_host;
    /* Fetches a piece of a blob from the job manager; on an executor thread. */
    int (*fetch_blob)(void *owner, const uint8_t hash[32], uint64_t offset, struct str *ret_data,
                      uint64_t *ret_total, struct cancel_token *cancel, struct error *err);
    struct worker_host_callbacks callbacks;
    void *owner;
};
int worker_host_new(const struct worker_host_options *options, struct worker_host **ret,
                    struct error *err) MUST_CHECK;
uint32_t worker_host_data_port(const struct worker_host *h);
/* "host:port" under which other task managers reach it; lives with the host. */
const char *worker_host_data_address(const struct worker_host *h);
/* Kills what runs, waits for the reaping, removes files; no callback comes any more.  Thread: the
 * component's; the loop runs.  NULL is fine; returns NULL. */
struct worker_host *worker_host_free(struct worker_host *h);

struct worker_budget { /* what the job's slots here are worth together */
    uint32_t n_slots;
    uint64_t task_bytes, managed_bytes, network_bytes;
};
struct worker_job {
    struct flinc_id job_id, master_token;
    const char *name;
    Flinc__BlobRef *const *blobs;
    size_t n_blobs;
    Flinc__KeyValue *const *config;
    size_t n_config;
    struct worker_budget budget;
};
/* Starts the worker of a job; again for a job that has one: its budget changes.  A job whose worker is being
 * stopped gets a new one at once.  What goes wrong later is told by on_gone. */
int worker_host_start_job(struct worker_host *h, const struct worker_job *job,
                          struct error *err) MUST_CHECK;
/* Opens (or replaces) the link between a master and the job's worker: what another master's link sent
 * before is over. */
void worker_host_open_link(struct worker_host *h, const struct flinc_id *job_id,
                           const struct flinc_id *master_token);
/* Passes a packed MasterToWorker on; to another incarnation than the present one it is dropped. */
void worker_host_send(struct worker_host *h, const struct flinc_id *job_id,
                      const struct flinc_id *incarnation, const uint8_t *bytes, size_t size);
void worker_host_close_link(struct worker_host *h, const struct flinc_id *job_id,
                            const char *reason);
/* Ends the worker: asks, and kills after task.cancellation.timeout at most (kill_now: at once). */
void worker_host_stop_job(struct worker_host *h, const struct flinc_id *job_id, const char *reason);
void worker_host_kill_job(struct worker_host *h, const struct flinc_id *job_id, const char *reason);

/* For metrics.  Thread: any, while the host lives. */
struct worker_host_counters {
    uint64_t n_started, n_crashed;               /* processes */
    uint64_t n_data_connections, n_data_refused; /* handed over; closed by the data port */
    uint32_t n_data_waiting;                     /* for their worker to be ready, now */
    uint64_t n_blobs_fetched, n_blobs_failed;    /* downloads */
};
void worker_host_get_counters(const struct worker_host *h,
                              struct worker_host_counters *ret_counters);

/* For heartbeats. */
uint32_t worker_host_n_jobs(const struct worker_host *h);
void worker_host_each(const struct worker_host *h,
                      void (*fn)(void *arg, const Flinc__JobOnTaskManager *job), void *arg);
/* Asks all workers (thread dump, metrics); answers of those that do not answer in time are left out.
 * on_done gets the merged answer (owned by the callee). */
void worker_host_query(struct worker_host *h, const Flinc__Query *query, int64_t timeout_ms,
                       void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer), void *arg);

#endif
