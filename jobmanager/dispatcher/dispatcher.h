/* The dispatcher: accepts jobs, runs a job master for each, keeps what ended, answers for all of them.  A
 * component with one mailbox.  It decides which job ids exist: a submission of an id that is running or
 * has ended here is refused (same graph again: accepted, it is the same job).
 *
 *   submit ─► INITIALIZING (no master yet) ─► its job master's states ─► ended: in the store
 *
 * Flink: Dispatcher, StandaloneDispatcher, ExecutionGraphInfoStore.
 * Lifetime: new, start, ..., stop (cancels nothing: masters are suspended), free. */
#ifndef FLINC_JOBMANAGER_DISPATCHER_DISPATCHER_H
#define FLINC_JOBMANAGER_DISPATCHER_DISPATCHER_H

#include "jobmanager/blob/blob_store.h"
#include "jobmanager/jobmaster/job_details.h"
#include "jobmanager/recovery/recovery.h"
#include "jobmanager/resourcemanager/resourcemanager.h"

struct dispatcher;
enum { DISPATCHER_JOBS_MAX = 4096 }; /* that have not ended; more are refused with ERR_LIMIT */

/* Where ended jobs go for history servers (jobmanager/archive). */
struct dispatcher_history {
    /* Blocks, bounded; called on the executor's threads.  NULL: nowhere. */
    int (*archive)(void *arg, const struct job_details *details, struct error *err);
    void *arg;
    struct executor *executor; /* Borrows; its own */
};

struct dispatcher_options {
    const struct conf *conf;   /* Borrows */
    enum component_mode mode;  /* of it and of its job masters */
    const struct clock *clock; /* Borrows; NULL: clock_system */
    uint64_t seed;
    struct resourcemanager *resourcemanager;     /* Borrows */
    struct blob_store *blobs;                    /* Borrows; NULL: jobs without libraries only */
    struct executor *io_executor;                /* Borrows */
    struct metric_registry *metrics;             /* Borrows; may be NULL */
    struct metric_group *jobmanager_metrics;     /* Borrows; may be NULL */
    const struct coordinator_launcher *launcher; /* Borrows; of job masters; may be NULL */
    /* Borrows for ever; where jobs keep their checkpoints; NULL: in files (checkpoint_files.h). */
    const struct checkpoint_files *checkpoint_files;
    /* Borrows; what outlives this process; NULL: nothing does. */
    struct recovery *recovery;
    struct dispatcher_history history;
    const char *store_dir; /* of finished jobs (jobstore.type File); NULL: in memory only */
    /* A job has ended (application mode waits for it).  Dispatcher's thread.  May be NULL. */
    void (*on_job_ended)(void *owner, const struct flinc_id *job_id, enum job_status status);
    void *owner;
};
int dispatcher_new(const struct dispatcher_options *options, struct dispatcher **ret,
                   struct error *err) MUST_CHECK;
int dispatcher_start(struct dispatcher *d, struct error *err) MUST_CHECK;
/* Suspends and ends all job masters, waits. */
struct dispatcher *dispatcher_free(struct dispatcher *d);
struct component *dispatcher_component(struct dispatcher *d);

/* A graph with the blobs of its libraries: blobs[i] belongs to graph->libraries[i]. */
struct job_submission {
    Flinc__JobGraph *graph; /* Owns */
    struct blob_key *blobs; /* Owns; the references too */
    uint32_t n_blobs;
    /* With recovery: its graph is kept for the next leader; and what a former one has left (NULL: it is new). */
    bool is_kept;
    struct checkpoint_recovery *recovered; /* Owns */
    struct vec
        requirements; /* Owns; of struct job_requirement: bounds that a former one was asked for */
};
void job_submission_fini(struct job_submission *s, struct blob_store *blobs);
/* Takes the submission; calls done once the job exists (or not), on the dispatcher's thread, or on this
 * one when the dispatcher is gone.  Thread: any.
 * ERR_ALREADY_EXISTS: another job of this id is here or has ended here; ERR_INVALID_ARGUMENT: the graph;
 * ERR_LIMIT: too many jobs; ERR_UNAVAILABLE: it shuts down. */
void dispatcher_submit(struct dispatcher *d, struct job_submission *take,
                       void (*done)(void *arg, int rc, const struct error *err), void *arg);

enum dispatcher_failed {
    DISPATCHER_FAILED_FOR_GOOD, /* it becomes history */
    DISPATCHER_FAILED_FOR_NOW,  /* another leader may run it */
};
/* The main of an application has failed before it submitted a job: one of this id and name that has FAILED,
 * for people to look at; on_job_ended follows.  Nothing happens when there is a job of this id. */
void dispatcher_add_failed(struct dispatcher *d, const struct flinc_id *id, const char *name,
                           enum dispatcher_failed kind, const struct error *why);

/* ---- thread: any but the dispatcher's and its masters'; bounded waits ----------------------------- */

/* With recovery, the job is kept for the next leader before it is accepted. */
int dispatcher_submit_sync(struct dispatcher *d, struct job_submission *take, int64_t timeout_ms,
                           struct error *err) MUST_CHECK;
/* Runs all jobs that former leaders have left, each from its newest checkpoint, and removes what ended ones have left.  A job
 * that cannot be recovered is shown as FAILED, and stays where it is for the next leader.  Before anybody else submits. */
int dispatcher_recover(struct dispatcher *d, struct error *err) MUST_CHECK;
/* What lists show of a job; cheap: no mailbox is asked. */
struct job_overview {
    struct flinc_id id;
    char name[256]; /* cut */
    Flinc__RuntimeMode runtime_mode;
    enum job_status status;
    bool is_adaptive; /* under the adaptive scheduler */
    int64_t start_ms, end_ms, last_modification_ms;
    uint32_t tasks_total, tasks_by_state[16];
};
/* All jobs, running ones first in the order of their start, then ended ones, newest first.  `version`
 * changes when anything in it may have. */
struct job_overviews {
    struct job_overview *items; /* Owns */
    uint32_t n, cap;
};
void dispatcher_get_overviews(struct dispatcher *d, struct job_overviews *overviews); /* refills */
void job_overviews_fini(struct job_overviews *overviews);
bool dispatcher_get_overview(struct dispatcher *d, const struct flinc_id *job_id,
                             struct job_overview *ret);
uint64_t dispatcher_version(
    const struct dispatcher *d); /* changes with every change of any job's overview */
struct job_counts {
    uint32_t running, finished, cancelled, failed; /* as /overview counts them */
};
void dispatcher_get_counts(struct dispatcher *d, struct job_counts *ret);
/* ERR_NOT_FOUND: "Job <id> not found". */
int dispatcher_get_details(struct dispatcher *d, const struct flinc_id *job_id, int64_t timeout_ms,
                           const struct job_details **ret, struct error *err) MUST_CHECK;
/* 0: being cancelled, or CANCELED already; ERR_NOT_FOUND; ERR_STATE: ended otherwise (the text says how). */
int dispatcher_cancel(struct dispatcher *d, const struct flinc_id *job_id,
                      struct error *err) MUST_CHECK;
/* As jobmaster_trigger_checkpoint() and ..._savepoint().  ERR_NOT_FOUND; ERR_CLOSED: it has ended. */
int dispatcher_trigger_checkpoint(struct dispatcher *d, const struct flinc_id *job_id,
                                  enum checkpoint_type type, checkpoint_done_fn done, void *arg,
                                  struct error *err) MUST_CHECK;
int dispatcher_trigger_savepoint(struct dispatcher *d, const struct flinc_id *job_id,
                                 const struct savepoint_request *request, checkpoint_done_fn done,
                                 void *arg, struct error *err) MUST_CHECK;
/* As jobmaster_set_requirements(); with recovery they are kept for the next leader first, which blocks.  ERR_NOT_FOUND; ERR_CLOSED:
 * it has ended; outcomes of common/ha/ha.h: the job goes on with the bounds that it had, unless another leader finds these
 * (ERR_TIMEOUT). */
int dispatcher_set_requirements(struct dispatcher *d, const struct flinc_id *job_id,
                                const struct job_requirement *requirements, size_t n,
                                struct error *err) MUST_CHECK;
/* A client's request to the coordinator of an operator. */
struct coordination_ask {
    const char *operator_uid; /* or its id in hex */
    struct slice request;
    int64_t timeout_ms;
};
/* As jobmaster_ask_coordinator(), also of a job that has ended: what it left.  ERR_NOT_FOUND: no such job or operator. */
int dispatcher_ask_coordinator(struct dispatcher *d, const struct flinc_id *job_id,
                               const struct coordination_ask *ask, struct str *ret_answer,
                               struct error *err) MUST_CHECK;
/* The client that waits for the job says that it lives: once expires_ms (wall clock) is over without another
 * word of it, the job is cancelled.  ERR_NOT_FOUND.  Flink: receiveHeartbeat, client.heartbeat.timeout. */
int dispatcher_client_heartbeat(struct dispatcher *d, const struct flinc_id *job_id,
                                int64_t expires_ms, struct error *err) MUST_CHECK;
/* Waits until the job has left INITIALIZING / reached a globally terminal state; ERR_TIMEOUT. */
int dispatcher_wait_ended(struct dispatcher *d, const struct flinc_id *job_id, int64_t timeout_ms,
                          enum job_status *ret_status, struct error *err) MUST_CHECK;

#endif
