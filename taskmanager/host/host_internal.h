/* The workers of a task manager from inside.  Inside the room only.
 *
 *   FETCHING ─► STARTING ─► READY ─► STOPPING ─► ENDED
 *      │            │          │         │          ▲
 *      └────────────┴──────────┴─► FAILED ┴─────────┘
 *
 * Thread: the owner's component, but for what runs on the loop and says so.  What comes from other threads
 * (ends of processes, opened channels, data connections) finds its worker by a counted handle of the host
 * and the worker's number, so that late ones find nobody. */
#ifndef FLINC_TASKMANAGER_HOST_HOST_INTERNAL_H
#define FLINC_TASKMANAGER_HOST_HOST_INTERNAL_H

#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/rpc/socket.h"
#include "taskmanager/host/blob_cache.h"
#include "taskmanager/host/data_port.h"
#include "taskmanager/host/exit_report.h"
#include "taskmanager/host/worker_host.h"
#include "taskmanager/host/worker_log.h"

enum {
    HOST_PROTOCOL = 1,           /* version of the envelopes between the two */
    HOST_READY_MS = 30000,       /* from the start of the process to WorkerReady */
    HOST_DRAIN_MS = 1000,        /* after its end, for its last words */
    HOST_CLOSED_GRACE_MS = 2000, /* from the end of its socket to SIGKILL */
    HOST_TERM_MS = 2000,         /* from SIGTERM to SIGKILL */
    HOST_STOP_MAX_MS = 600000,   /* to stop, when task.cancellation.timeout says for ever */
    HOST_STOP_SLACK_MS = 2000,   /* the worker's own watchdog comes first */
    HOST_PENDING_MAX = 16384,    /* messages that wait for a worker to be ready */
    HOST_WAITING_MAX = 1024,     /* data connections that wait for a worker to be ready */
    HOST_WAITING_MS = 30000,
    HOST_QUERIES_MAX = 256,   /* open at once */
    HOST_FREE_MS = 5000,      /* worker_host_free: for killed processes to be reaped */
    HOST_LOGS_KEPT_MAX = 100, /* ended jobs whose log files stay */
    HOST_OOM_SCORE_ADJ = 500, /* workers go before the task manager */
};
#define HOST_PENDING_BYTES ((uint64_t)64 * 1024 * 1024)

enum host_state {
    HOST_FETCHING,
    HOST_STARTING,
    HOST_READY,
    HOST_STOPPING,
    HOST_FAILED,
    HOST_ENDED,
};
const char *host_state_name(enum host_state state);

/* Counted; `host` is looked at and cleared on the component's thread. */
struct host_handle {
    _Atomic uint32_t refs;
    struct worker_host *host; /* NULL: freed */
};
struct host_handle *host_handle_ref(struct host_handle *h);
void host_handle_unref(struct host_handle *h);

struct waiting_connection {
    int fd; /* Owns */
    char peer[DATA_PORT_PEER_MAX];
    int64_t since_ms;
};

struct host_worker {
    struct worker_host *host; /* Borrows */
    uint64_t number;          /* for late answers */
    enum host_state state;    /* host_worker_transition() only */
    struct flinc_id job_id, incarnation, master_token;
    char *name;       /* Owns: the job's */
    struct conf conf; /* the job's over the task manager's */
    struct worker_budget budget;
    struct vec blobs;                     /* struct blob *, counted */
    struct vec libraries;                 /* struct exit_library: what their files are; owns */
    pid_t pid;                            /* 0: not started yet */
    struct rpc_channel *channel;          /* Owns; NULL: not open yet */
    bool channel_closed, exited, leaving; /* leaving: no longer the job's worker */
    struct vec pending;                   /* Owns: Flinc__TaskManagerToWorker * */
    uint64_t pending_bytes;
    struct vec waiting; /* struct waiting_connection */
    uint64_t link;      /* the present one; links are counted from 1 */
    bool link_open;
    uint32_t n_tasks;
    uint64_t timer; /* of the present state */
    /* Why it ends. */
    struct child_exit exit;
    struct str tail;
    struct error ended, dying, closed_why; /* code 0: not */
};

struct host_query {
    struct worker_host *host;
    uint64_t id;
    struct vec waiting;         /* uint64_t: numbers of the workers that have not answered */
    Flinc__QueryAnswer *merged; /* Owns */
    uint64_t timer;
    void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer);
    void *arg;
};

struct worker_host {
    struct worker_host_options options;
    char *tm_id, *host_name, *work_dir, *log_dir, *taskworker_path, *data_address; /* Own */
    struct local_dirs local_dirs;                                                  /* Owns */
    char *log_stem; /* Owns; NULL without a log folder */
    struct log_rolling log_rolling;
    struct host_handle *handle;
    struct blob_cache *blobs;
    struct data_port *data_port;
    struct map jobs;    /* job id -> struct host_worker *: the present ones */
    struct vec workers; /* Owns struct host_worker *: with those that leave */
    struct vec queries; /* Owns struct host_query * */
    struct rng rng;
    uint64_t last_number, last_query;
    _Atomic uint32_t n_waiting; /* data connections, of all workers */
    uint64_t sweep_timer;
    struct host_counters { /* thread: the component's writes, any reads */
        _Atomic uint64_t n_started, n_crashed, n_data_connections, n_data_refused;
    } counters;
};

/* host_worker.c: from start to end. */
struct host_worker *host_worker_new(struct worker_host *h, const struct worker_job *job,
                                    struct error *err);
/* All blobs are there: starts the process. */
void host_worker_check_blobs(struct host_worker *w);
void host_worker_transition(struct host_worker *w, enum host_state to);
/* It did something wrong, or cannot be started: it is ended. */
void host_worker_fail(struct host_worker *w, const struct error *why);
void host_worker_stop(struct host_worker *w, const char *reason, bool at_once);
void host_worker_free(struct host_worker *w);
/* The worker of that number; NULL: no longer. */
struct host_worker *host_find_number(struct worker_host *h, uint64_t number);

/* host_start.c: the process and its channel. */
int host_worker_start(struct host_worker *w, struct error *err) MUST_CHECK;
int host_worker_read_config(struct host_worker *w, const struct worker_job *job,
                            struct error *err) MUST_CHECK;
void host_worker_send_hello(struct host_worker *w);

/* host_messages.c */
void host_worker_on_message(void *target, ProtobufCMessage *take_message);
void host_worker_on_closed(void *target, const struct error *why);
/* Now, or when it is ready. */
void host_worker_send(struct host_worker *w, Flinc__TaskManagerToWorker *message);
void host_worker_send_now(struct host_worker *w, Flinc__TaskManagerToWorker *message);
void host_worker_send_budget(struct host_worker *w);
void host_worker_flush(struct host_worker *w);

/* host_end.c */
void host_worker_on_exit(void *target, void *arg, const struct child_exit *exit);
void host_worker_maybe_ended(struct host_worker *w);
/* Where its keyed state lies that is on disk, if there is any. */
void host_worker_state_dir(const struct host_worker *w, struct str *ret_path);
void host_worker_end(struct host_worker *w);

/* host_data.c */
void host_on_connection(void *owner, const struct data_hello *hello, int take_fd, const char *peer);
void host_worker_flush_waiting(struct host_worker *w);
void host_worker_drop_waiting(struct host_worker *w);
void host_sweep_waiting(void *arg);

/* host_query.c */
void host_on_answer(struct worker_host *h, Flinc__QueryAnswer *answer,
                    const struct host_worker *from);
/* A worker that may have been asked is gone. */
void host_queries_forget(struct worker_host *h, const struct host_worker *w);

#endif
