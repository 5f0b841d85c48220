/* The dispatcher's own structs, and what its files offer each other.
 *
 *   dispatcher.c   start and end, the mailbox's operations
 *   submission.c   a submitted graph becomes a job, or is refused
 *   running.c      what job masters say, the end of a job
 *   reading.c      what others may see and ask
 *   checkpoints.c  checkpoints and savepoints on request
 *   requirements.c bounds of the parallelism on request
 *   coordination.c what clients ask coordinators
 *   failed.c       a job that failed before it was one
 *   history.c      archives of ended jobs
 *   recovering.c   keeping jobs for the next leader, running those of former ones
 *   job_store.c    finished jobs */
#ifndef FLINC_JOBMANAGER_DISPATCHER_DISPATCHER_INTERNAL_H
#define FLINC_JOBMANAGER_DISPATCHER_DISPATCHER_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "jobmanager/dispatcher/dispatcher.h"
#include "jobmanager/dispatcher/job_store.h"

#define DISPATCHER_TOPIC "flinc.dispatcher"

enum {
    DISPATCHER_SWEEP_MS = 60 * 1000,
    DISPATCHER_CLIENTS_MS =
        500, /* how often clients' heartbeats are looked at, while there are some */
    DISPATCHER_RECOVER_TIMEOUT_MS = 60 * 1000, /* until a recovered job is accepted */
    DISPATCHER_END_TRIES = 5,                  /* to write down the end of a job */
    DISPATCHER_END_PAUSE_MS = 500,             /* between them */
    DISPATCHER_RETRY_MS = 100,                 /* until the I/O executor takes the end of a job */
};

/* mailbox_op.kind of the dispatcher's operations; sender -> dispatcher. */
enum dispatcher_op {
    DISPATCHER_OP_SUBMIT,    /* anybody */
    DISPATCHER_OP_FAILED,    /* an application */
    DISPATCHER_OP_JOB_ENDED, /* a job master */
    DISPATCHER_OP_ARCHIVED,  /* the I/O executor */
    DISPATCHER_OP_SHUT_DOWN, /* the owner */
    DISPATCHER_OP_CLIENT,    /* anybody: a job's client lives */
    DISPATCHER_OP_HISTORY,   /* a thread of history's */
};

/*
 *   RUNNING ──on_terminal──► ENDED ──► ARCHIVING (its master is freed, its details stored) ──► gone */
enum dispatched_state {
    DISPATCHED_RUNNING, /* it has a job master */
    DISPATCHED_ENDED,   /* the job master has called on_terminal */
    DISPATCHED_ARCHIVING,
};

/* A job that is not in the store yet. */
struct dispatched_job {
    struct dispatcher *d; /* Borrows */
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    struct job_submission submission; /* Owns */
    struct job_fingerprint fingerprint;
    Flinc__BlobRef *blob_refs;     /* Owns; of the libraries */
    Flinc__BlobRef **blob_list;    /* Owns; pointers to them */
    struct jobmaster *jm;          /* Owns */
    struct job_store_entry *entry; /* Owns; made while it is archived */
    enum job_status ended_as;      /* written before ENDED */

    /* Under dispatcher.lock. */
    enum dispatched_state state;
    struct job_overview overview;
    const struct job_details *details; /* counted; from ENDED on */
    int64_t client_expires_ms;         /* its client counts as gone then; 0: nobody waits for it */
    bool end_is_durable;    /* with recovery: its end was written down, and may be shown */
    bool removes;           /* with recovery: what is kept of it goes */
    uint32_t n_asking;      /* threads that ask the job master: it is not freed meanwhile */
    bool sets_requirements; /* one of them, which others wait for */
};

struct dispatcher {
    struct dispatcher_options options;
    const struct clock *clock;
    struct component *component;          /* Owns */
    struct job_store *store;              /* Owns */
    struct rng rng;                       /* of fencing tokens; the dispatcher's thread */
    bool shutting_down;                   /* the dispatcher's thread */
    bool watches_clients;                 /* the dispatcher's thread: a timer is set */
    struct metric_gauge *n_running_gauge; /* Borrows; may be NULL */
    _Atomic uint64_t version;             /* changes under lock */

    pthread_mutex_t lock;   /* guards the following; store and snapshot locks are taken under it */
    pthread_cond_t changed; /* a status, the number of jobs, of those who ask */
    struct map
        jobs; /* Borrows: id -> struct dispatched_job *; written on the dispatcher's thread */
    struct vec live;    /* Owns: the same, in the order of their start */
    uint32_t n_history; /* archives that are being written, or wait for it */
};

/* ---- submission.c ------------------------------------------------------------------------------- */

/* On the dispatcher's thread. */
int dispatcher_accept(struct dispatcher *d, struct job_submission *submission,
                      const struct job_fingerprint *fingerprint, struct error *err) MUST_CHECK;
void job_fingerprint_of(const Flinc__JobGraph *graph, struct job_fingerprint *ret);

/* ---- running.c ---------------------------------------------------------------------------------- */

/* Makes the job master and starts the job, which is in the table then. */
int dispatched_job_start(struct dispatched_job *j, struct error *err) MUST_CHECK;
/* Of one that is in no table. */
void dispatched_job_free(struct dispatched_job *j);

/* Takes over what its job master says now.  Thread: any. */
void dispatched_job_refresh(struct dispatched_job *j);

/* ---- recovering.c ------------------------------------------------------------------------------- */

/* The job has ended: writes it down, and removes what was kept of it.  True: its end may be shown; false: it goes on
 * under another leader.  Blocks. */
bool dispatched_job_write_end(struct dispatched_job *j, enum job_status status);
/* Removes what is kept of a job that has ended.  Blocks. */
void dispatcher_remove_kept(struct dispatcher *d, const char *job_hex);

/* ---- history.c ---------------------------------------------------------------------------------- */

enum history_flags {
    HISTORY_THEN_REMOVE = 1, /* then what is kept of it goes */
    HISTORY_THEN_TELL = 2,   /* then on_job_ended */
};
bool dispatcher_has_history(const struct dispatcher *d);
/* Writes the archive, later, and does what the flags say, whether it could be written or not. */
void dispatcher_archive(struct dispatcher *d, const struct job_details *details, unsigned flags);
/* Before its end is written down: so that the next leader can archive it.  Blocks. */
void dispatched_job_keep_details(struct dispatched_job *j);
/* A struct recovery_left. */
bool dispatcher_take_left(void *dispatcher, const char *job_hex, struct slice details);

/* ---- dispatcher.c ------------------------------------------------------------------------------- */

/* As dispatcher_submit_sync(), of what is kept, or need not be. */
int dispatcher_submit_and_wait(struct dispatcher *d, struct job_submission *take,
                               int64_t timeout_ms, struct error *err) MUST_CHECK;

/* ---- checkpoints.c ------------------------------------------------------------------------------ */

/* With the lock held when it is found (0); the text of errors is REST's.  ERR_NOT_FOUND; ERR_CLOSED. */
int dispatcher_lock_running(struct dispatcher *d, const struct flinc_id *job_id,
                            struct dispatched_job **ret, struct error *err) MUST_CHECK;

/* ---- clients.c ---------------------------------------------------------------------------------- */

/* There may be a client to look after.  On the dispatcher's thread. */
void dispatcher_watch_clients(struct dispatcher *d);

/* ---- under the lock ----------------------------------------------------------------------------- */

struct dispatched_job *dispatcher_find(const struct dispatcher *d, const struct flinc_id *id);
/* Something that others see has changed. */
void dispatcher_touch(struct dispatcher *d);

#endif
