/* One checkpoint that is being taken: who has acknowledged, and the metadata made of it.
 *
 * Thread: the checkpointer's.  Lifetime: from its trigger to its completion or abort.
 * Flink: PendingCheckpoint. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_PENDING_H
#define FLINC_JOBMANAGER_CHECKPOINT_PENDING_H

#include "jobmanager/checkpoint/checkpoint_plan.h"

struct trigger_request;

enum pending_state {
    PENDING_LOCATING,
    PENDING_COORDINATORS,
    PENDING_GATHERING,
    PENDING_COMPLETING,
    PENDING_STATES,
};
const char *pending_state_name(enum pending_state state);

enum pending_task_state {
    PENDING_TASK_WAITED_FOR,
    PENDING_TASK_ACKNOWLEDGED,
    PENDING_TASK_FINISHED, /* before the checkpoint */
};
struct pending_task {
    struct flinc_id attempt_id;
    enum pending_task_state state;
    Flinc__TaskSnapshot *snapshot; /* Owns; ACKNOWLEDGED, may be NULL: nothing */
};

struct pending_checkpoint {
    struct checkpointer *c; /* Borrows; for its timer */
    uint64_t id;
    enum pending_state state;
    bool given_up; /* COMPLETING: its outcome does not matter any more */
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
    int64_t trigger_ms;
    uint64_t lowest_base_id; /* it may build on this checkpoint and newer ones: their files stay */
    struct trigger_request *request; /* Owns */
    uint64_t timer;
    char *directory;            /* Owns; NULL: none (storage jobmanager) */
    char *shared_directory;     /* Owns; NULL: as above */
    struct pending_task *tasks; /* Owns; by number, from GATHERING on */
    uint32_t n_tasks, n_waited_for;
    struct vec coordinators;             /* of struct coordinator_snapshot */
    Flinc__CheckpointMetadata *metadata; /* Owns; COMPLETING, until the executor has it */
};

struct pending_checkpoint *pending_new(struct checkpointer *c, uint64_t id);
void pending_free(struct pending_checkpoint *p); /* NULL is fine */
void pending_transition(struct pending_checkpoint *p, enum pending_state to);
void pending_set_tasks(struct pending_checkpoint *p, const struct checkpoint_plan *plan);

enum pending_ack {
    PENDING_ACK_TAKEN,
    PENDING_ACK_DUPLICATE,
    PENDING_ACK_UNKNOWN, /* of another attempt, or a task that takes no part */
};
/* TAKEN: takes the snapshot; else it stays with the caller. */
enum pending_ack pending_acknowledge(struct pending_checkpoint *p, uint32_t task,
                                     const struct flinc_id *attempt_id,
                                     Flinc__TaskSnapshot *take_snapshot);

/* Of a checkpoint that all have acknowledged: ERR_UNAVAILABLE when an operator has state that needs all of its subtasks, and only
 * some have come to their end.  Flink: VertexFinishedStateChecker. */
int pending_check_ends(const struct pending_checkpoint *p, const Flinc__JobGraph *graph,
                       struct error *err) MUST_CHECK;
/* Of a checkpoint that all have acknowledged; takes the snapshots and coordinator states out of it.
 * ERR_INTERNAL: a task sent state of an operator that it does not have. */
int pending_make_metadata(struct pending_checkpoint *p, const Flinc__JobGraph *graph,
                          Flinc__CheckpointMetadata **ret, struct error *err) MUST_CHECK;

#endif
