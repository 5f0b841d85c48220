/* Where the completed checkpoints of a job are written down for the next leader, as a table: high availability, or tests.
 *
 * A checkpoint is complete once its pointer is durable, and its files may be deleted once its pointer is gone.  All calls block,
 * may be repeated, and are of the outcomes of common/ha/ha.h: after ERR_TIMEOUT nobody knows whether it happened, after ERR_FENCED this
 * process leads no more; files stay then.
 *
 * Thread: I/O threads.  Lifetime: longer than the executor's jobs.  Flink: CompletedCheckpointStore, CheckpointIDCounter. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_POINTERS_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_POINTERS_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/vec.h"

struct checkpoint_pointers {
    void *arg;
    /* Nobody gives an id below next_id again. */
    int (*reserve)(void *arg, const char *job_hex, uint64_t next_id, struct error *err);
    int (*add)(void *arg, const char *job_hex, uint64_t id, struct slice value, struct error *err);
    /* What is gone already is fine. */
    int (*remove)(void *arg, const char *job_hex, uint64_t id, struct error *err);
    /* The job has ended for good, so (JobStatus by Flink's name), and will not be run again, whoever leads; files are deleted
     * next: those of all its checkpoints, or (checkpoints_go is false) those that none of the retained ones needs. */
    int (*end_job)(void *arg, const char *job_hex, const char *status, bool checkpoints_go,
                   struct error *err);
    /* Once per end_job that succeeded: those files are deleted, or stay for good.  Until then what is written down of the end
     * is not removed, so that the next leader finishes what this one has begun.  NULL: nobody waits. */
    void (*files_are_gone)(void *arg, const char *job_hex);
};

/* One that was found: "D" and the folder of the checkpoint, or "M" and its packed metadata. */
struct checkpoint_pointer {
    uint64_t id;
    struct str value; /* Owns */
};
/* What a new leader has found of a job. */
struct checkpoint_recovery {
    uint64_t next_id;    /* 0: no number was given yet */
    struct vec pointers; /* Owns; of struct checkpoint_pointer, by id */
};
#define CHECKPOINT_RECOVERY_INIT               \
    {                                          \
        0, VEC_INIT(struct checkpoint_pointer) \
    }
void checkpoint_recovery_fini(struct checkpoint_recovery *r);

#endif
