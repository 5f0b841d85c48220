/* Copies of a task's snapshot files on a local disk: what the next attempt on this machine reads instead of
 * the checkpoint folder.
 *
 *   written:   a file of a checkpoint is closed ─► a hard link, or a copy, under the same name in the
 *              task's own folder <local>/jid_<job>/vtx_<vertex>_sti_<subtask>/; of a section in a file with
 *              others (merging.h) a copy of its bytes, <name>-<checkpoint>-<offset>.
 *              Where there are several folders <local>, that of the checkpoint (local_dirs.h)
 *   pruned:    checkpoint n complete: files that neither n nor a later one refers to; n aborted: those of n
 *   restored:  a blob of the TaskRestore whose copy is there with the right size and check sum is read there
 *              (StateBlob.local_path); any other is read where the snapshot has it
 *
 * A file's name is never used again and has its checkpoint in it, so the folder itself is all the memory there
 * is: it survives the worker.  A copy that cannot be made, or is damaged, costs its speed and nothing else.
 *
 * Thread: the task's, but for local_copies_add(), which any may call.  Deletions run on the executor.
 * Flink: TaskLocalStateStoreImpl (execution.checkpointing.local-backup.enabled,
 * execution.state-recovery.from-local). */
#ifndef FLINC_ENGINE_SNAPSHOT_LOCAL_COPIES_H
#define FLINC_ENGINE_SNAPSHOT_LOCAL_COPIES_H

#include "common/base/error.h"
#include "common/loop/executor.h"
#include "engine/snapshot/local_dirs.h"
#include "proto/snapshot.pb-c.h"

enum { LOCAL_COPIES_NOTED_MAX = 32 }; /* checkpoints that are neither complete nor aborted */

struct local_copies; /* counted */
/* `job_directories`: of the job on this machine, one at least; the task's folder in one is made with the first copy.
 * `executor` may be NULL: the caller's thread deletes. */
struct local_copies *local_copies_new(const struct local_dirs *job_directories,
                                      const char *vertex_hex, uint32_t subtask,
                                      struct executor *executor);
struct local_copies *local_copies_ref(struct local_copies *l);
struct local_copies *local_copies_unref(struct local_copies *l); /* returns NULL; deletes nothing */

/* A blob of this checkpoint is complete, at `uri`.  Thread: any. */
void local_copies_add(struct local_copies *l, const Flinc__StateBlob *blob, const char *uri,
                      uint64_t checkpoint_id);
/* The task acknowledges a checkpoint of these files: those of them that are here stay while it may be restored. */
void local_copies_note(struct local_copies *l, uint64_t checkpoint_id,
                       const Flinc__TaskSnapshot *snapshot);
void local_copies_on_complete(struct local_copies *l, uint64_t checkpoint_id);
void local_copies_on_abort(struct local_copies *l, uint64_t checkpoint_id);

struct local_found {
    uint32_t n_local, n_remote, n_damaged; /* files; damaged ones are remote, too */
    uint64_t local_bytes, remote_bytes;
};
/* Sets local_path of the blobs of the restore whose copies are good (they are read for it); those that other
 * subtasks wrote here are found as well.  What the restore does not need goes with the next complete checkpoint,
 * when all tasks have what they need.  `restore` is the caller's own. */
void local_copies_find(struct local_copies *l, Flinc__TaskRestore *restore,
                       struct local_found *ret_found);
/* Before handles go anywhere else. */
void local_copies_forget_paths(Flinc__OperatorSubtaskState *state);

#endif
