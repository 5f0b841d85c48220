/* The checkpoint coordinator of one job: decides when a checkpoint is taken, gathers what coordinators and
 * tasks give, makes it complete, keeps the completed ones and says what a restart restores from.
 *
 *   LOCATING ──► COORDINATORS ──► GATHERING ──► COMPLETING ──► (completed, in the store)
 *       └──────────────┴──────────────┴──────────────┴───────► (aborted)
 *
 * It is a part of the job master and knows nothing of it: what it needs comes through its host.  It runs
 * in the job master's mailbox; files are read, written and deleted on the I/O executor, whose answers
 * come back there and are matched by checkpoint id, so that an answer for what is over changes nothing.
 *
 * Thread: the component's.  Lifetime: the job master's; work on the I/O executor may outlive it.
 * Flink: CheckpointCoordinator, CheckpointRequestDecider, CheckpointFailureManager. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINTER_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINTER_H

#include "common/base/vec.h"
#include "common/loop/component.h"
#include "common/loop/executor.h"
#include "jobmanager/checkpoint/checkpoint_files.h"
#include "jobmanager/checkpoint/checkpoint_pointers.h"
#include "jobmanager/checkpoint/checkpoint_request.h"
#include "jobmanager/checkpoint/checkpoint_stats.h"
#include "proto/control.pb-c.h"
#include <pthread.h>

struct checkpointer;

enum checkpoint_task_state {
    CHECKPOINT_TASK_NOT_READY, /* no checkpoint can be taken now */
    CHECKPOINT_TASK_RUNNING,
    CHECKPOINT_TASK_FINISHED,
};

/* A subtask by its place in the job graph, and its attempt. */
struct checkpoint_task {
    uint32_t vertex, subtask;
    struct flinc_id attempt_id;
};

/* State of a coordinator half at a checkpoint. */
struct coordinator_snapshot {
    struct flinc_id operator_id;
    uint8_t *data; /* Owns */
    size_t size;
};

/* What the job master does for its checkpointer; never called from inside one of these. */
struct checkpointer_host {
    enum checkpoint_task_state (*task_state)(void *arg, uint32_t vertex, uint32_t subtask,
                                             struct flinc_id *ret_attempt_id);
    /* Asks the coordinators that are not in this process for their state: ..._coordinators_ready()
     * follows, perhaps before this returns.  What they send from then on is held until
     * snapshot_coordinators() or drop_coordinators() of this checkpoint. */
    int (*prepare_coordinators)(void *arg, uint64_t checkpoint_id, struct error *err);
    /* States of all coordinators; pushes struct coordinator_snapshot.  The trigger messages leave in the
     * same turn of the mailbox, what was held right behind them (release_coordinators). */
    int (*snapshot_coordinators)(void *arg, uint64_t checkpoint_id, struct vec *ret_snapshots,
                                 struct error *err);
    void (*release_coordinators)(void *arg, uint64_t checkpoint_id);
    int (*send_trigger)(void *arg, const struct checkpoint_task *tasks, size_t n,
                        const Flinc__CheckpointBarrier *barrier, struct error *err);
    /* To all tasks that run, and to the coordinators. */
    void (*notify)(void *arg, Flinc__CheckpointNotice notice, uint64_t checkpoint_id,
                   uint64_t latest_completed);
    /* Global failure.  The job master must not be changed below the caller: it is posted. */
    void (*fail_job)(void *arg, const struct error *why);
    void (*cancel_job)(void *arg);
    /* The initial restore is over: rc 0, or why the job cannot start. */
    void (*on_restored)(void *arg, int rc, const struct error *err);
    /* ..._stats() answers something new. */
    void (*on_changed)(void *arg);
    /* ..._is_completing() is false again. */
    void (*on_settled)(void *arg);
};

struct checkpointer_options {
    const Flinc__JobGraph *graph;           /* Borrows */
    const struct checkpoint_config *config; /* copied */
    struct component *component;            /* Borrows; timers, mailbox */
    const struct clock *clock;              /* Borrows */
    struct executor *io_executor;           /* Borrows; NULL: files on this thread */
    int reply_kind;                         /* mailbox_op.kind of the executor's answers */
    const struct checkpoint_files *files;   /* Borrows for ever; NULL: checkpoint_files_default */
    /* Borrows for ever; NULL: no other process takes the job over. */
    const struct checkpoint_pointers *pointers;
    /* Borrows until ..._restore() has answered; NULL: the job is new. */
    const struct checkpoint_recovery *recovered;
    uint64_t seed;
    const struct checkpointer_host *host; /* Borrows */
    void *host_arg;
};
struct checkpointer *checkpointer_new(const struct checkpointer_options *options);
/* Pending checkpoints are dropped, files stay as they are. */
struct checkpointer *checkpointer_free(struct checkpointer *c); /* NULL is fine; returns NULL */

/* ---- the life of the job ------------------------------------------------------------------------- */

/* Reads what the job starts from (the checkpoints that a former leader has completed, else execution.state-recovery.path), then
 * host.on_restored. */
bool checkpointer_has_restore(const struct checkpointer *c);
void checkpointer_restore(struct checkpointer *c);
/* The job runs (again): periodic checkpoints begin. */
void checkpointer_start(struct checkpointer *c);
/* A task has failed, or the job is restarted: what is pending is aborted; no new ones before ..._start(). */
void checkpointer_suspend(struct checkpointer *c, const struct error *why);
/* The job has ended so: requests are answered, files kept or deleted as configured. */
enum checkpoint_job_end {
    CHECKPOINT_JOB_FINISHED,
    CHECKPOINT_JOB_CANCELED,
    CHECKPOINT_JOB_FAILED,
    CHECKPOINT_JOB_SUSPENDED, /* goes on elsewhere: everything stays */
};
void checkpointer_end(struct checkpointer *c, enum checkpoint_job_end how,
                      const struct error *cause);
/* It has ended, and all completed checkpoints go. */
bool checkpointer_all_go(const struct checkpointer *c);

/* ---- requests; `done` is called once, also by ..._end() and ..._free() ----------------------------- */

void checkpointer_trigger(struct checkpointer *c, enum checkpoint_type type,
                          checkpoint_done_fn done, void *done_arg);
/* Of the configured kind, as soon as it can be taken: neither the pause between checkpoints nor their number
 * counts.  Nobody waits for it but who hears of it by host.notify. */
void checkpointer_trigger_now(struct checkpointer *c);
void checkpointer_savepoint(struct checkpointer *c, const struct savepoint_request *request,
                            checkpoint_done_fn done, void *done_arg);
/* Somebody has asked for a savepoint that ends the job, and it has not failed. */
bool checkpointer_is_stopping(const struct checkpointer *c);
/* Is the job stopping with a savepoint that is complete?  Then a failure must not restart it: *ret_why
 * says that the savepoint is good. */
bool checkpointer_is_stopped(const struct checkpointer *c, const struct error *failure,
                             struct error *ret_why);

/* ---- what tasks and coordinators say --------------------------------------------------------------- */

/* Of the current attempt of this subtask.  Takes ack->snapshot out of the message. */
void checkpointer_on_ack(struct checkpointer *c, uint32_t vertex, uint32_t subtask,
                         Flinc__CheckpointAck *ack);
/* Of an attempt that is not the current one: what it wrote is given up. */
void checkpointer_on_foreign_ack(struct checkpointer *c, Flinc__CheckpointAck *ack);
void checkpointer_on_decline(struct checkpointer *c, uint32_t vertex, uint32_t subtask,
                             uint64_t checkpoint_id, const struct error *reason);
void checkpointer_on_end_of_data(struct checkpointer *c, uint32_t vertex, uint32_t subtask);
/* Its state has become RUNNING or FINISHED. */
void checkpointer_on_task_changed(struct checkpointer *c, uint32_t vertex, uint32_t subtask);
void checkpointer_on_coordinators_ready(struct checkpointer *c, uint64_t checkpoint_id, int rc,
                                        const struct error *err);

/* ---- restarting ------------------------------------------------------------------------------------ */

/* A checkpoint that all have acknowledged is being made durable: a restart waits for on_settled, so that it
 * restores the newest. */
bool checkpointer_is_completing(const struct checkpointer *c);
/* What a restart restores from; NULL: nothing, subtasks start afresh.  Counts as a restore. */
struct checkpoint_restore {
    uint64_t checkpoint_id; /* 0: none */
    const struct state_assignment *assignment;
};
struct checkpoint_restore checkpointer_latest(const struct checkpointer *c);
/* No task runs, nothing is pending (..._suspend() was called, ..._is_completing() is false), and the vertices
 * have other parallelisms from now on: what a restart restores is dealt out anew.  Key groups stay.  An error:
 * the state cannot be dealt out so, and everything is as it was.  The graph is copied. */
int checkpointer_rescale(struct checkpointer *c, const Flinc__JobGraph *graph,
                         struct error *err) MUST_CHECK;
/* The job restarts from checkpointer_latest(): for the statistics. */
void checkpointer_count_restore(struct checkpointer *c);

/* Key groups of a vertex: its own, or those of the snapshot that the job started from. */
uint32_t checkpointer_max_parallelism(const struct checkpointer *c, uint32_t vertex);

/* Counted for the caller. */
const struct checkpoint_stats *checkpointer_stats(struct checkpointer *c);
/* Cheap figures for gauges, kept up to date; thread: any. */
struct checkpoint_gauges {
    _Atomic int64_t n_total, n_in_progress, n_completed, n_failed;
    _Atomic int64_t last_duration_ms, last_size_bytes, last_full_size_bytes, last_metadata_bytes,
        last_id, last_completed_ms, last_restore_ms; /* -1: none */
    pthread_mutex_t lock;                            /* a leaf */
    char *last_path;                                 /* Owns; under the lock; NULL: none */
};
/* Copies the path of the last completed checkpoint, cut to `size`; empty: none.  Thread: any. */
void checkpoint_gauges_get_path(const struct checkpoint_gauges *g, char *ret_path, size_t size);
const struct checkpoint_gauges *checkpointer_gauges(const struct checkpointer *c);

#endif
