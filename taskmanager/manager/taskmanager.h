/* The task manager: registers at the job manager, gives its slots to jobs, keeps their workers, and says how
 * it is.  A component with one mailbox; transport and workers are behind small structs, so that the same
 * component runs over gRPC with processes (main.c), and over memory with fakes (tests, simulation).
 *
 *   DISCONNECTED ──due──► REGISTERING ──Registered──► REGISTERED
 *     ▲ ▲                   │  │  ▲                       │
 *     │ └─closed, refused───┘  │  └─all gone─┐            │
 *     │          other leader  └─► CLEARING ─┘            │
 *     └────────────── stream ended, silence ──────────────┘        any ──stop──► STOPPING ──► STOPPED
 *
 * Workers outlive a stream: they go on until no job manager was heard for heartbeat.timeout, or until one
 * under another leadership answers (its jobs know nothing of them: CLEARING ends them all first).
 *
 * Flink: TaskExecutor, TaskManagerRunner, TaskSlotTableImpl. */
#ifndef FLINC_TASKMANAGER_MANAGER_TASKMANAGER_H
#define FLINC_TASKMANAGER_MANAGER_TASKMANAGER_H

#include "common/metrics/process_metrics.h"
#include "common/metrics/prometheus/prometheus.h"
#include "common/rpc/channel.h"
#include "taskmanager/host/worker_host.h"
#include "taskmanager/manager/memory.h"

enum {
    TASKMANAGER_PROTOCOL_VERSION = 1,
    TASKMANAGER_BACKOFF_MAX_MS = 1000, /* between attempts at a job manager that is not there */
    TASKMANAGER_ANSWER_TIMEOUT_MIN_MS = 2000, /* for the answer to a Register */
    TASKMANAGER_WORKER_START_MAX_MS =
        300000,                       /* slots of a worker that is not ready by then are freed */
    TASKMANAGER_STOP_GRACE_MS = 3000, /* workers end by themselves before they are killed */
    TASKMANAGER_HELD_MESSAGES_MAX = 4096, /* of workers, while there is no job manager */
    TASKMANAGER_HELD_BYTES_MAX = 16 << 20,
    TASKMANAGER_QUERIES_MAX = 64, /* under way at once */
    TASKMANAGER_QUERY_TIMEOUT_MS = 8000,
    TASKMANAGER_SCRAPE_TIMEOUT_MS = 2000, /* workers that have not answered by then are left out */
    TASKMANAGER_FILE_PART_MAX = 1 << 20,
    TASKMANAGER_WORKER_NETWORK_MIN = 8 << 20, /* beside dynamic slots, however small they are */
};

enum taskmanager_state {
    TASKMANAGER_DISCONNECTED, /* waits for the next attempt */
    TASKMANAGER_REGISTERING,  /* a stream is open, Register was sent on it */
    TASKMANAGER_CLEARING,     /* as REGISTERING, but workers of the former leadership end first */
    TASKMANAGER_REGISTERED,
    TASKMANAGER_STOPPING, /* workers are ending */
    TASKMANAGER_STOPPED,
    TASKMANAGER_STATES,
};
const char *taskmanager_state_name(enum taskmanager_state state);

/* How a stream to the job manager is opened. */
struct taskmanager_connector {
    /* As rpc_client_open_stream(). */
    int (*connect)(void *arg, const struct rpc_end_options *end, struct rpc_channel **ret_channel,
                   struct error *err);
    void *arg;
    const char *address; /* Borrows; "host:port", for messages */
};

/* What the task manager asks of worker_host, under the same names and contracts.  Callbacks come as
 * operations of the component's mailbox, never from inside these calls. */
struct taskmanager_worker_ops {
    int (*start_job)(void *host, const struct worker_job *job, struct error *err);
    void (*open_link)(void *host, const struct flinc_id *job_id,
                      const struct flinc_id *master_token);
    void (*send)(void *host, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                 const uint8_t *bytes, size_t size);
    void (*close_link)(void *host, const struct flinc_id *job_id, const char *reason);
    void (*stop_job)(void *host, const struct flinc_id *job_id, const char *reason);
    void (*kill_job)(void *host, const struct flinc_id *job_id, const char *reason);
    void (*each)(const void *host, void (*fn)(void *arg, const Flinc__JobOnTaskManager *job),
                 void *arg);
    void (*query)(void *host, const Flinc__Query *query, int64_t timeout_ms,
                  void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer), void *arg);
    /* Thread: any.  NULL: there are none to show. */
    void (*get_counters)(const void *host, struct worker_host_counters *ret);
};
extern const struct taskmanager_worker_ops taskmanager_worker_host_ops; /* of worker_host */

/* Where this process is reached and what it shows of itself. */
struct taskmanager_identity {
    const char *resource_id, *host, *rpc_address, *data_address; /* Borrows */
    uint32_t data_port;
    const char *log_dir, *log_file, *out_file; /* Borrows; NULL: none */
};

struct taskmanager;
struct taskmanager_options {
    const struct conf *conf; /* Borrows */
    enum component_mode mode;
    const struct clock *clock; /* Borrows; NULL: clock_system */
    uint64_t seed;             /* of the instance id; 0: from the system */
    struct tm_memory memory;
    struct taskmanager_connector connector;
    struct executor *io_executor;       /* Borrows; log files, thread dumps */
    struct local_dirs local_state_dirs; /* Borrows; copies of snapshot files by job; empty: none */
    struct metric_registry *metrics;    /* Borrows; may be NULL: no metrics are shown */
    /* The end, once, on the component's thread: code 0 after taskmanager_shutdown() or when the job manager
     * asked for it; else why the process must not go on. */
    void (*on_end)(void *owner, const struct error *why);
    void *owner;
};
int taskmanager_new(const struct taskmanager_options *options, struct taskmanager **ret,
                    struct error *err) MUST_CHECK;
struct component *taskmanager_component(struct taskmanager *tm);
/* Thread: any. */
void *taskmanager_owner(const struct taskmanager *tm);
/* For the options of the worker host, whose owner (fetch_blob's, too) is the task manager. */
struct worker_host_callbacks taskmanager_worker_callbacks(void);
/* Before the start; both are borrowed until taskmanager_free(). */
void taskmanager_set_workers(struct taskmanager *tm, const struct taskmanager_worker_ops *ops,
                             void *host, const struct taskmanager_identity *identity);
/* Its group, after taskmanager_set_workers(); NULL without a registry. */
struct metric_group *taskmanager_metrics(struct taskmanager *tm);
/* Before the start: those of this process, which get the workers' added.  Borrowed until
 * taskmanager_free(). */
void taskmanager_set_process_metrics(struct taskmanager *tm, struct process_metrics *metrics);
/* The workers' metrics for reporters, asked of them at each scrape.  The reporters end before the task
 * manager is stopped. */
struct prometheus_source taskmanager_metrics_source(struct taskmanager *tm);
int taskmanager_start(struct taskmanager *tm, struct error *err) MUST_CHECK;
/* Thread: any.  The job manager under this token leads now: under another one, the stream is opened anew at once. */
void taskmanager_on_leader(struct taskmanager *tm, const struct flinc_id *token);
/* Thread: any.  Says goodbye, ends the workers, then on_end(). */
void taskmanager_shutdown(struct taskmanager *tm, const char *reason);
/* Stops the component (shut down or not); the worker host is freed between this and free. */
void taskmanager_stop(struct taskmanager *tm);
struct taskmanager *taskmanager_free(struct taskmanager *tm);

/* ---- for tests and metrics; thread: any ----------------------------------------------------------- */

struct taskmanager_stats {
    uint64_t registrations, attempts, streams_lost, silences;
    uint64_t messages_fenced, tm_messages_malformed, messages_unexpected, messages_dropped;
    uint64_t slots_timed_out, slots_reconciled, workers_gone;
};
void taskmanager_get_stats(const struct taskmanager *tm, struct taskmanager_stats *ret);
enum taskmanager_state taskmanager_get_state(const struct taskmanager *tm);

#endif
