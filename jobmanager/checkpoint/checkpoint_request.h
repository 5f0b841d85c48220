/* What people ask of a job's checkpoints, and how it ended: checkpoints and savepoints on request, and the
 * operations behind them, which REST answers for by a trigger id until they are forgotten.
 *
 * A request goes to the job master (jobmaster_trigger_checkpoint(), ..._savepoint()), which calls `done`
 * once.  checkpoint_operations keeps what came of it past the end of the job.
 * Flink: CheckpointTriggerRequest, CompletedOperationCache, DispatcherCachedOperationsHandler. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_REQUEST_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_REQUEST_H

#include "common/base/clock.h"
#include "common/base/error.h"
#include "proto/snapshot.pb-c.h"

enum checkpoint_type {
    CHECKPOINT_TYPE_CONFIGURED, /* incremental if execution.checkpointing.incremental */
    CHECKPOINT_TYPE_FULL,
    CHECKPOINT_TYPE_INCREMENTAL,
};

enum savepoint_flags {
    SAVEPOINT_CANCEL_JOB = 1u << 0, /* the job is cancelled once the savepoint is complete */
};

struct savepoint_request {
    const char *directory; /* NULL: execution.checkpointing.savepoint-dir; copied */
    /* CHECKPOINT_SAVEPOINT_CANONICAL or _NATIVE. */
    Flinc__CheckpointKind format;
    /* CHECKPOINT_STOP_NONE; _SUSPEND and _DRAIN end the job: `done` comes when it has FINISHED. */
    Flinc__CheckpointStop stop;
    uint32_t flags; /* enum savepoint_flags */
};

/* How a request ended.  rc 0: checkpoint_id and path are set.  With a failure path may be set, too: the
 * savepoint is good, but the job could not be stopped (the error says what to do). */
struct checkpoint_result {
    int rc;
    struct error error;
    uint64_t checkpoint_id;
    const char *path; /* Borrows; external path or CHECKPOINT_NO_PATH; NULL: none */
};
/* Thread: the job master's, or the asker's when the job has ended; must not block. */
typedef void (*checkpoint_done_fn)(void *arg, const struct checkpoint_result *result);

/* ---- operations by trigger id --------------------------------------------------------------------- */

/* Thread: any (one lock, a leaf). */
struct checkpoint_operations;

enum checkpoint_operation_kind {
    CHECKPOINT_OPERATION_CHECKPOINT,
    CHECKPOINT_OPERATION_SAVEPOINT, /* with or without stopping */
    CHECKPOINT_OPERATION_DISPOSAL,
};
enum { CHECKPOINT_OPERATIONS_MAX = 10000 }; /* the oldest ended ones are forgotten above */

struct checkpoint_operation {
    bool ended;
    int rc; /* as in checkpoint_result */
    struct error error;
    uint64_t checkpoint_id;
    char *path; /* Owns; NULL: none */
};
void checkpoint_operation_fini(struct checkpoint_operation *op);

/* Ended ones are forgotten `keep_ms` after they were first asked for or ended (rest.async.store-duration). */
struct checkpoint_operations *checkpoint_operations_new(const struct clock *clock, int64_t keep_ms);
/* No operation may be under way any more. */
struct checkpoint_operations *checkpoint_operations_free(struct checkpoint_operations *ops);
/* job_id: all zeros for a disposal.  1: begun, and *ret_ticket is what the end is told by; 0: there is one
 * of this id already, nothing is to be started (same id, same operation); ERR_LIMIT: too many under way. */
int checkpoint_operations_begin(struct checkpoint_operations *ops,
                                enum checkpoint_operation_kind kind, const struct flinc_id *job_id,
                                const struct flinc_id *trigger_id, void **ret_ticket,
                                struct error *err) MUST_CHECK;
/* A checkpoint_done_fn: `ticket` is its arg. */
void checkpoint_operations_end(void *ticket, const struct checkpoint_result *result);
/* ERR_NOT_FOUND: unknown or forgotten. */
int checkpoint_operations_get(struct checkpoint_operations *ops,
                              enum checkpoint_operation_kind kind, const struct flinc_id *job_id,
                              const struct flinc_id *trigger_id, struct checkpoint_operation *ret,
                              struct error *err) MUST_CHECK;

/* ---- disposal -------------------------------------------------------------------------------------- */

/* Deletes a savepoint (or a retained checkpoint) and what belongs to it alone.  `path`: the folder or its
 * _metadata.  Blocks: I/O threads.  ERR_NOT_FOUND, ERR_UNSUPPORTED (a savepoint of Flink), ERR_CORRUPT. */
int savepoint_dispose(const char *path, struct error *err) MUST_CHECK;

#endif
