/* Completed checkpoints that are kept, oldest first: the newest is what a restart restores from.
 *
 * Thread: the checkpointer's.  Flink: CompletedCheckpointStore, CompletedCheckpoint. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_COMPLETED_H
#define FLINC_JOBMANAGER_CHECKPOINT_COMPLETED_H

#include "common/base/vec.h"
#include "engine/snapshot/metadata.h"

/* A job graph that work on I/O threads may use after the job master is gone.  Counted. */
struct graph_ref;
struct graph_ref *graph_ref_new(const Flinc__JobGraph *graph); /* a copy */
struct graph_ref *graph_ref_ref(struct graph_ref *g);
void graph_ref_unref(struct graph_ref *g); /* NULL is fine */
const Flinc__JobGraph *graph_ref_get(const struct graph_ref *g);
/* For changing, while no work on another thread has it. */
Flinc__JobGraph *graph_ref_get_own(struct graph_ref *g);

struct completed_checkpoint {
    uint64_t id;
    Flinc__CheckpointMetadata *metadata; /* Owns */
    struct graph_ref *graph;             /* counted; of the assignment */
    struct state_assignment *assignment; /* Owns */
    char *directory;                     /* Owns; NULL: in memory only */
    bool foreign;                        /* restored by NO_CLAIM: nothing of it is deleted */
};
struct completed_checkpoint *completed_free(struct completed_checkpoint *k); /* returns NULL */

/* Caller's memory. */
struct completed_store {
    struct vec kept; /* Owns; of struct completed_checkpoint *, by id */
};
void completed_store_init(struct completed_store *s);
void completed_store_fini(struct completed_store *s); /* files stay */
void completed_store_add(struct completed_store *s, struct completed_checkpoint *take);
struct completed_checkpoint *completed_store_latest(const struct completed_store *s); /* or NULL */
/* The oldest, when there are more than `n`; else NULL.  It is the caller's. */
struct completed_checkpoint *completed_store_take_above(struct completed_store *s, size_t n);
uint64_t completed_store_lowest_id(const struct completed_store *s); /* UINT64_MAX: there is none */

#endif
