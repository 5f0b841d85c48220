/* A snapshot of a chain: taken at once, written out while the operators go on.
 *
 *   chain_snapshot_take() ─► chain_snapshot_step() ... ─► 0: chain_snapshot_fill()
 *
 * Freed at any time, finished or not: what was written and not handed over is deleted.
 * Thread: the task's.  Flink: OperatorSnapshotFutures, AsyncCheckpointRunnable. */
#ifndef FLINC_TASKMANAGER_WORKER_CHAIN_SNAPSHOT_H
#define FLINC_TASKMANAGER_WORKER_CHAIN_SNAPSHOT_H

#include "engine/snapshot/output.h"
#include "taskmanager/worker/chain.h"

/* Entries that one step writes: some ten microseconds. */
enum { CHAIN_SNAPSHOT_STEP_ENTRIES = 2048 };

struct chain_snapshot;

/* snapshot() of all operators, first to last, and their state as it is then.  On failure nothing is
 * left. */
int chain_snapshot_take(struct chain *c, const struct op_checkpoint *checkpoint,
                        struct snapshot_target *target, struct chain_snapshot **ret_snapshot,
                        struct error *err) MUST_CHECK;
/* A slice.  1: more is to be done, 0: all is written. */
int chain_snapshot_step(struct chain_snapshot *s, struct error *err) MUST_CHECK;
/* A step would do something now; else whoever is waited for wakes the task. */
bool chain_snapshot_is_steppable(const struct chain_snapshot *s);
/* Hands the handles over (protobuf-c allocated), those of operators with state; says how many bytes the
 * snapshot has, and how many of them are new. */
void chain_snapshot_fill(struct chain_snapshot *s, Flinc__TaskSnapshot *ret_snapshot,
                         uint64_t *ret_bytes, uint64_t *ret_new_bytes);
/* NULL is fine; returns NULL. */
struct chain_snapshot *chain_snapshot_free(struct chain_snapshot *s);

#endif
