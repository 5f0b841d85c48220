/* The job master's side of its checkpointer (jobmanager/checkpoint): what it needs of tasks, workers and
 * coordinators, and where restored state goes.  Batch jobs have no checkpointer: everything here does
 * nothing for them.
 *
 * Thread: the job master's, but the requests (jobmaster_trigger_checkpoint(), ..._savepoint()): any. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_CHECKPOINTS_H
#define FLINC_JOBMANAGER_JOBMASTER_CHECKPOINTS_H

#include "jobmanager/checkpoint/checkpointer.h"
#include "jobmanager/jobmaster/execution_graph.h"

struct worker_link;

/* Caller's memory. */
struct job_checkpoints {
    struct checkpoint_config config;
    struct checkpointer *checkpointer; /* Owns; NULL: a batch job */
    bool restoring;                    /* what the job starts from is being read */
    bool restored;                     /* it has been read, or there is none */
};

/* ERR_INVALID_CONFIG: see checkpoint_config_read(). */
int checkpoints_init(struct jobmaster *jm, struct error *err) MUST_CHECK;
void checkpoints_fini(struct jobmaster *jm); /* after the component has stopped */
/* True: the job may begin now; false: jobmaster_begin() is called, or a global failure comes, once what it
 * starts from has been read. */
bool checkpoints_prepare(struct jobmaster *jm);
void checkpoints_on_status(struct jobmaster *jm, enum job_status from, enum job_status to);
void checkpoints_on_task(struct jobmaster *jm, const struct execution *e);
/* A restart must wait: a checkpoint is being made durable. */
bool checkpoints_hold_restart(const struct jobmaster *jm);
/* The job has stopped with a savepoint that is good, and must not restart: *ret_why says so. */
bool checkpoints_forbid_restart(const struct jobmaster *jm, const struct error *failure,
                                struct error *ret_why);
bool checkpoints_are_periodic(const struct jobmaster *jm);
/* Begins one as soon as it can, whatever the pause between them; for a rescale. */
void checkpoints_trigger_now(struct jobmaster *jm);
/* A stop with savepoint is under way. */
bool checkpoints_are_stopping(const struct jobmaster *jm);
/* The execution graph has other parallelisms: see checkpointer_rescale(). */
int checkpoints_rescale(struct jobmaster *jm, struct error *err) MUST_CHECK;
struct checkpoint_restore checkpoints_latest(const struct jobmaster *jm);
void checkpoints_count_restore(struct jobmaster *jm);
/* What the subtask restores from; in the arena, or borrowed until the next restart; NULL: nothing. */
Flinc__TaskRestore *checkpoints_describe_restore(struct jobmaster *jm, const struct execution *e,
                                                 struct arena *arena);
/* Key groups: the vertex's own, or those of the snapshot that the job started from. */
uint32_t checkpoints_max_parallelism(const struct jobmaster *jm, uint32_t vertex);
/* Counted for the caller; NULL: a batch job. */
const struct checkpoint_stats *checkpoints_stats(struct jobmaster *jm);

/* ---- what workers say; e NULL: of an attempt that is not the current one ------------------------- */

void checkpoints_on_ack(struct jobmaster *jm, const struct execution *e, Flinc__CheckpointAck *ack);
void checkpoints_on_decline(struct jobmaster *jm, const struct execution *e,
                            const Flinc__CheckpointDecline *decline);
void checkpoints_on_end_of_data(struct jobmaster *jm, const struct execution *e);

#endif
