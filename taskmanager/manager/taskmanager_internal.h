/* Inside the room: what a task manager is made of.  Thread: its component's, unless said otherwise. */
#ifndef FLINC_TASKMANAGER_MANAGER_TASKMANAGER_INTERNAL_H
#define FLINC_TASKMANAGER_MANAGER_TASKMANAGER_INTERNAL_H

#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/rpc/error_info.h"
#include "taskmanager/manager/slot_table.h"
#include "taskmanager/manager/taskmanager.h"
#include <string.h>

#define MANAGER_TOPIC "flinc.taskmanager"

/* mailbox_op.kind; sender -> task manager. */
enum manager_op {
    MANAGER_OP_MESSAGE,       /* job manager's stream */
    MANAGER_OP_STREAM_CLOSED, /* the same */
    MANAGER_OP_SHUTDOWN,      /* owner */
    MANAGER_OP_QUERY_DONE,    /* I/O executor */
    MANAGER_OP_SCRAPE,        /* thread of a reporter */
    MANAGER_OP_LEADER,        /* owner: who leads */
};

enum tm_job_state {
    TM_JOB_STARTING, /* its worker was asked for */
    TM_JOB_READY,
    TM_JOB_STOPPING, /* its worker was told to end; slots may be promised to the job's next worker */
    TM_JOB_STATES,
};

/* A job that has slots here, or whose worker has not ended yet. */
struct tm_job {
    struct taskmanager *tm;
    struct flinc_id id, master_token, incarnation;
    char hex[ID_HEX_LEN + 1];
    enum tm_job_state state;             /* written by tm_job_transition() only */
    bool link_open;                      /* a master's messages pass through */
    bool worker_known;                   /* the worker host has it: on_gone comes */
    Flinc__MasterToTaskManager *request; /* Owns; its newest RequestSlot: name, blobs, config */
    struct worker_budget budget;         /* as the worker host was told */
    uint64_t offer_timer;
    struct error why_stopping; /* what its slots are freed with */
};

/* A message of a worker that waits for a job manager. */
struct held_message {
    struct flinc_id job_id;
    size_t size;
    uint8_t bytes[]; /* a packed TaskManagerToMaster */
};

struct taskmanager {
    struct taskmanager_options options;
    struct taskmanager_identity identity;
    const struct taskmanager_worker_ops *ops; /* Borrows */
    void *host;                               /* Borrows */
    struct component *component;              /* Owns */
    const struct clock *clock;
    struct rng rng;
    struct flinc_id instance_id;
    _Atomic int state; /* written by taskmanager_transition() only */

    /* connection.c */
    struct rpc_channel *channel; /* Owns; NULL: none */
    struct flinc_id leader;      /* that this process was registered under last */
    bool has_leader;
    struct flinc_id next_leader;  /* CLEARING: of the job manager that answered */
    uint64_t attempt_timer;       /* next attempt, or the time-out of the present one */
    uint64_t deadline_timer;      /* taskmanager.registration.timeout */
    uint64_t silence_timer;       /* heartbeat.timeout since the job manager was heard */
    uint64_t stop_timer;          /* STOPPING: kill what has not ended */
    int64_t heard_ns;             /* when the job manager was heard last */
    int64_t delay_ms;             /* of the next attempt */
    int64_t heartbeat_timeout_ms; /* as the job manager said, else as configured */
    uint32_t n_failures;          /* attempts that failed since the last success */
    uint64_t last_heartbeat;      /* number of the last request on this stream */

    /* slots.c, jobs.c */
    struct slot_table slots;
    struct map jobs; /* job id -> struct tm_job; owns */
    uint64_t offers; /* ids given out */

    /* local_state.c */
    struct vec left_jobs; /* of struct left_job *: gone a short time ago; owns */

    /* outbox.c */
    struct vec held; /* of struct held_message *; owns */
    size_t held_bytes;

    /* queries.c */
    uint32_t n_queries;
    struct vec asking; /* of struct query *: workers are being asked; owns */

    struct error end_why;                    /* STOPPING: what on_end() is told */
    struct metric_group *metrics;            /* Owns; NULL: none */
    struct process_metrics *process_metrics; /* Borrows; NULL: none */
    struct tm_metrics {                      /* what gauges read; thread: any */
        _Atomic int64_t used_slots;
        _Atomic uint64_t managed_used, network_used; /* what the slots in use are worth */
        _Atomic uint64_t stats[sizeof(struct taskmanager_stats) / sizeof(uint64_t)];
    } shown;
};

/* Counts in taskmanager_stats: MANAGER_COUNT(tm, messages_fenced). */
#define MANAGER_COUNT(tm, field)                                                             \
    ((void)atomic_fetch_add_explicit(                                                        \
        &(tm)->shown.stats[offsetof(struct taskmanager_stats, field) / sizeof(uint64_t)], 1, \
        memory_order_relaxed))

/* ---- taskmanager.c ------------------------------------------------------------------------------ */

void taskmanager_transition(struct taskmanager *tm, enum taskmanager_state to);
static inline enum taskmanager_state tm_state(const struct taskmanager *tm)
{
    return (enum taskmanager_state)atomic_load_explicit(&tm->state, memory_order_relaxed);
}
/* Ends the process: `why` of code 0: as asked for. */
void taskmanager_begin_stop(struct taskmanager *tm, const struct error *why);
/* Goes on with what waited for workers to end. */
void taskmanager_check_gone(struct taskmanager *tm);
static inline int64_t tm_now_ns(const struct taskmanager *tm)
{
    return clock_monotonic_ns(tm->clock);
}
void tm_cancel_timer(struct taskmanager *tm, uint64_t *timer);

/* 16 bytes, or malformed. */
static inline bool tm_read_id(const ProtobufCBinaryData *bytes, struct flinc_id *ret)
{
    if (bytes->len != sizeof(ret->bytes)) {
        return false;
    }
    memcpy(ret->bytes, bytes->data, sizeof(ret->bytes));
    return true;
}
/* Borrows the id. */
static inline ProtobufCBinaryData tm_id_bytes(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)id->bytes};
}

/* ---- connection.c ------------------------------------------------------------------------------- */

void tm_connection_start(struct taskmanager *tm);
/* Closes the stream, drops timers. */
void tm_connection_end(struct taskmanager *tm);
/* The stream does not serve any more: closes it and connects again soon. */
void tm_connection_lost(struct taskmanager *tm, const struct error *why);
void tm_connection_heard(struct taskmanager *tm);
void tm_connection_on_registered(struct taskmanager *tm, const Flinc__Registered *m);
void tm_connection_on_refused(struct taskmanager *tm, const Flinc__RegistrationRefused *m);
void tm_connection_on_disconnect(struct taskmanager *tm, const Flinc__Disconnect *m);
/* CLEARING and no worker is left. */
void tm_connection_cleared(struct taskmanager *tm);

/* ---- slots.c ------------------------------------------------------------------------------------ */

void tm_slots_on_request(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message);
void tm_slots_on_free(struct taskmanager *tm, const Flinc__FreeSlot *m);
void tm_slots_on_offer_answer(struct taskmanager *tm, const Flinc__OfferAnswer *m);
/* The allocations that masters know: others that are ACTIVE are given up. */
void tm_slots_reconcile(struct taskmanager *tm, const Flinc__HeartbeatFromMaster *m);
/* Gives an allocation up: free at once, or with the end of its job's worker. */
void tm_slots_give_up(struct taskmanager *tm, struct tm_slot *s, const struct error *why);
/* The slot is free now; says so. */
void tm_slots_set_free(struct taskmanager *tm, struct tm_slot *s, const struct error *why);
/* All of them; workers are killed. */
void tm_slots_give_up_all(struct taskmanager *tm, const struct error *why);
/* The time-outs of a job's ALLOCATED slots begin now. */
void tm_slots_arm_timeouts(struct taskmanager *tm, const struct flinc_id *job_id);

/* ---- local_state.c ------------------------------------------------------------------------------ */

/* A job has neither slots nor a worker here any more; it may come back. */
void tm_local_state_on_left(struct taskmanager *tm, const struct flinc_id *job_id);
void tm_local_state_fini(struct taskmanager *tm);

/* ---- jobs.c ------------------------------------------------------------------------------------- */

struct tm_job *tm_jobs_find(const struct taskmanager *tm, const struct flinc_id *id);
struct tm_job *tm_jobs_add(struct taskmanager *tm, const struct flinc_id *id);
void tm_jobs_remove(struct tm_job *job);
/* Takes the message, a RequestSlot, as what the next worker is started by. */
void tm_job_set_request(struct tm_job *job, Flinc__MasterToTaskManager *take_message);
/* Starts its worker, or tells it another budget, as its slots want it. */
int tm_job_update_worker(struct tm_job *job, struct error *err);
void tm_job_stop(struct tm_job *job, const struct error *why);
void tm_job_kill(struct tm_job *job, const struct error *why);
/* Offers its ALLOCATED slots, now and again until they are answered. */
void tm_job_offer(struct tm_job *job);
void tm_job_open_link(struct tm_job *job);
void tm_jobs_offer_all(struct taskmanager *tm);
void tm_jobs_on_to_worker(struct taskmanager *tm, const Flinc__ToWorker *m);
void tm_jobs_on_close_link(struct taskmanager *tm, const Flinc__CloseWorkerLink *m);

/* ---- outbox.c ----------------------------------------------------------------------------------- */

/* Sends under the present leadership; without one it is dropped (what matters is said again). */
void tm_outbox_send(struct taskmanager *tm, Flinc__TaskManagerToMaster *m);
/* The same for messages of workers, which are held while there is no job manager. */
void tm_outbox_send_held(struct taskmanager *tm, const struct flinc_id *job_id,
                         Flinc__TaskManagerToMaster *m);
void tm_outbox_flush(struct taskmanager *tm);
void tm_outbox_drop(struct taskmanager *tm);

/* ---- report.c ----------------------------------------------------------------------------------- */

/* Sends the Register on the present stream; negative: it cannot. */
int tm_report_register(struct taskmanager *tm, struct error *err);
void tm_report_heartbeat(struct taskmanager *tm, uint64_t number);
/* ---- messages.c --------------------------------------------------------------------------------- */

void tm_messages_on_message(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message);
void tm_messages_malformed(struct taskmanager *tm, const char *what);

/* ---- queries.c ---------------------------------------------------------------------------------- */

void tm_queries_on_query(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message);
/* The worker host is gone: those that it was asked are dropped. */
void tm_queries_end(struct taskmanager *tm);

/* ---- worker_metrics.c --------------------------------------------------------------------------- */

/* Takes what workers say of their own processes out of the dump (NULL: none has answered), for the
 * process metrics. */
void tm_worker_metrics_take(struct taskmanager *tm, Flinc__MetricDump *dump);

/* ---- metrics.c ---------------------------------------------------------------------------------- */

void tm_metrics_start(struct taskmanager *tm);
void tm_metrics_end(struct taskmanager *tm);
void tm_metrics_slots_changed(struct taskmanager *tm);
/* Adds the process's own metrics to an answer (heap memory, as unpacked ones). */
void tm_metrics_append_dump(struct taskmanager *tm, Flinc__MetricDump *dump);

#endif
