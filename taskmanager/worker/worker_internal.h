/* The inside of a worker, shared by its files.  Thread: the component's, unless a field says otherwise. */
#ifndef FLINC_TASKMANAGER_WORKER_WORKER_INTERNAL_H
#define FLINC_TASKMANAGER_WORKER_WORKER_INTERNAL_H

#include "taskmanager/worker/task.h"

enum {
    WORKER_TASKS_MAX = 16384,    /* running at once */
    WORKER_ATTEMPTS_MAX = 65536, /* attempt ids remembered, to know repeated deployments */
    WORKER_OUTBOX_MAX = 65536,   /* messages waiting for a master that does not keep up */
    WORKER_OUTBOX_RETRY_MS = 10,
    WORKER_SWEEP_INTERVAL_MS = 10000, /* of channels whose other side never came */
    WORKER_RATES_INTERVAL_MS = 2000,  /* between two looks at meters */
    WORKER_STUCK_EXIT_STATUS = 17,    /* of a process whose task did not end */
};

/* mailbox_op.kind of the worker's mailbox: who sends it. */
enum worker_op {
    WORKER_OP_MESSAGE,       /* job master -> worker */
    WORKER_OP_MASTER_CLOSED, /* transport -> worker */
    WORKER_OP_TASK_STATE,    /* task -> worker */
    WORKER_OP_TASK_EVENT,    /* task -> worker: to the coordinator half */
    WORKER_OP_TASK_MESSAGE,  /* task -> worker: to the job master */
    WORKER_OP_TASK_ENDED,    /* task -> worker: its thread is about to end */
    WORKER_OP_STOP,          /* owner -> worker */
    WORKER_OP_MASTER,        /* owner -> worker: another job master */
    WORKER_OP_TRIM,          /* owner -> worker */
};

struct worker {
    struct worker_options options;
    char *name; /* Owns */
    struct task_environment env;
    struct component *component;      /* Owns */
    struct rpc_channel *master;       /* Owns; NULL: none yet */
    uint32_t master_epoch;            /* counts job masters; tasks remember theirs */
    struct map tasks;                 /* attempt id -> struct task; owned until ended */
    struct map attempts;              /* attempt ids ever deployed, oldest first; no values */
    struct metric_group *job_metrics; /* Owns; made by the first deployment */
    bool has_token;
    uint8_t *token; /* Owns: the fencing token of the master, from its first message */
    size_t token_len;
    bool shutting_down, shutdown_answered;
    int64_t partition_timeout_ms;   /* the longest of the deployments */
    struct vec outbox;              /* Owns: Flinc__WorkerToMaster *, the oldest first */
    uint64_t outbox_timer;          /* timer */
    uint64_t standstill_timer;      /* likewise */
    int64_t last_report_ns;         /* monotonic time of the last TaskReport */
    _Atomic bool stopping;          /* worker_stop() was heard; thread: any reads */
    _Atomic uint32_t n_tasks;       /* thread: any reads */
    struct event_count tasks_ended; /* thread: any */
};

/* One task more or less. */
void worker_count_tasks(struct worker *w, int32_t change);

/* worker_merging.c: when the job wants it; before its first task. */
void worker_start_merging(struct worker *w, const struct deployment *d);

/* worker_send.c: to the job master. */
void worker_send(struct worker *w, Flinc__WorkerToMaster *message);
void worker_send_state(struct worker *w, struct task *task, task_state state);
void worker_send_refused(struct worker *w, const ProtobufCBinaryData *attempts, size_t n_attempts,
                         const struct error *why);
/* A checkpoint that cannot be taken, for want of a task. */
void worker_send_decline(struct worker *w, const ProtobufCBinaryData *attempt,
                         uint64_t checkpoint_id, const struct error *why);
void worker_send_report(struct worker *w, uint64_t request_id);
void worker_outbox_clear(struct worker *w);

/* worker_messages.c: from the job master. */
void worker_on_message(void *target, ProtobufCMessage *take_message);
void worker_on_master_closed(void *target, const struct error *why);
void worker_cancel_all(struct worker *w);
/* Answers a shutdown when the last task has ended. */
void worker_check_shutdown(struct worker *w);

/* worker_watchdog.c: starts at a cancellation. */
void worker_watch(struct worker *w, struct task *task);
void worker_unwatch(struct worker *w, struct task *task);

/* worker_standstill.c: of tasks that run; when the job wants it. */
void worker_watch_standstill(struct worker *w, const struct deployment *d);

#endif
