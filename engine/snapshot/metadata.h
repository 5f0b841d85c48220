/* The file _metadata of a checkpoint or savepoint, the folders around it, and how its state is dealt out
 * to the subtasks of a job that is restored from it.
 *
 * Thread: any, one at a time per object; everything here may read or write files, so it runs on I/O
 * threads or in tools.  Flink: Checkpoints, CheckpointMetadata, StateAssignmentOperation,
 * FsCheckpointStorageAccess. */
#ifndef FLINC_ENGINE_SNAPSHOT_METADATA_H
#define FLINC_ENGINE_SNAPSHOT_METADATA_H

#include "common/base/error.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "proto/graph.pb-c.h"
#include "proto/snapshot.pb-c.h"

enum { CHECKPOINT_METADATA_VERSION = 3 }; /* 1 and 2 are read, too */
#define CHECKPOINT_METADATA_NAME "_metadata"
#define CHECKPOINT_METADATA_BYTES_MAX ((uint64_t)1 << 30)

/* ---- the file ---------------------------------------------------------------------------------- */

/* magic, version, then blocks with CRC32C of the packed message.  Writing and reading files needs memory for
 * a block, and reading for the state of a subtask, beside the message. */
int metadata_encode(const Flinc__CheckpointMetadata *m, struct str *ret_bytes,
                    struct error *err) MUST_CHECK;
/* `name` for messages.  ERR_CORRUPT names the block; ERR_UNSUPPORTED: newer version, or a savepoint of
 * Flink (says what it is and what to do).  Freed by flinc__checkpoint_metadata__free_unpacked(). */
int metadata_decode(const uint8_t *data, size_t size, const char *name,
                    Flinc__CheckpointMetadata **ret, struct error *err) MUST_CHECK;
/* Writes directory/_metadata: temporary name, sync, rename; an existing one is an error. */
int metadata_write(const char *directory, const Flinc__CheckpointMetadata *m,
                   struct error *err) MUST_CHECK;
/* `path`: the folder or the file itself, as users give it to -s.  *ret_directory: the folder. */
int metadata_read(const char *path, Flinc__CheckpointMetadata **ret, struct str *ret_directory,
                  struct error *err) MUST_CHECK;

/* The states of one operator's subtasks, out of directory/_metadata, one at a time: what a task reads that gets
 * the union lists of all the others (OperatorSubtaskState.union_in_metadata).  The message lives for the call;
 * a negative answer ends it. */
typedef int (*metadata_subtask_fn)(void *arg, const Flinc__SubtaskSnapshot *s, struct error *err);
int metadata_scan_operator(const char *directory, ProtobufCBinaryData operator_id,
                           metadata_subtask_fn fn, void *arg, struct error *err) MUST_CHECK;

/* ---- folders ------------------------------------------------------------------------------------ */

/* <root>/<job hex>/chk-<n>, .../shared, .../taskowned; savepoints: <root>/savepoint-<job 6 hex>-<12 hex>. */
int checkpoint_folder_make(const char *root, const uint8_t job_id[16], uint64_t checkpoint_id,
                           bool create_subdir, struct str *ret_exclusive, struct str *ret_shared,
                           struct error *err) MUST_CHECK;
/* Beside the folder of shared files: files whose sections belong to one checkpoint each (merging.h). */
void checkpoint_task_owned_folder(const char *shared_folder, struct str *ret);
int savepoint_folder_make(const char *root, const uint8_t job_id[16], const uint8_t random[6],
                          struct str *ret_folder, struct error *err) MUST_CHECK;
/* Deletes the files of a snapshot: its exclusive folder with all in it, and the shared blobs for which
 * `may_delete` says so (NULL: none).  What is gone already is fine. */
int snapshot_delete(const Flinc__CheckpointMetadata *m, const char *directory,
                    bool (*may_delete)(void *arg, const char *uri), void *arg,
                    struct error *err) MUST_CHECK;
/* Calls fn for every blob of a snapshot that is in a file, with its URI: a file with several sections comes several
 * times. */
void snapshot_each_file(const Flinc__CheckpointMetadata *m, const char *directory,
                        void (*fn)(void *arg, const char *uri, const Flinc__StateBlob *blob),
                        void *arg);

/* ---- dealing out --------------------------------------------------------------------------------- */

enum { ASSIGN_UNION_BYTES_MAX = 16 * 1024 };
enum assign_flags {
    ASSIGN_ALLOW_NON_RESTORED = 1u << 0, /* -n: state of operators that are gone is left out */
};
/* For every vertex and subtask of the graph what it restores from: keyed handles whose segments meet its
 * key groups, list items dealt round robin, union items to all, broadcast state one copy each.
 * Union lists whose handles have more than ASSIGN_UNION_BYTES_MAX bytes are left to the tasks, which read the
 * handles in directory/_metadata (metadata_scan_operator()); not where there is no directory.
 * Operators are found by id (chaining does not matter).  Errors name the operator and say what to do:
 * state without operator (-n), another maximum parallelism, less of it than subtasks.
 * What is dealt out borrows from `m`, which must live as long as the assignment. */
struct state_assignment;
int state_assignment_new(const Flinc__CheckpointMetadata *m, const char *directory,
                         const Flinc__JobGraph *graph, uint32_t flags,
                         struct state_assignment **ret, struct error *err) MUST_CHECK;
/* Memory that it holds beside the snapshot: grows with the tasks and their state's handles, not with the square. */
uint64_t state_assignment_bytes(const struct state_assignment *a);
/* The number of key groups that the vertex must be run with: its own, or the snapshot's where its own was
 * only derived (JobVertex.max_parallelism_derived). */
uint32_t state_assignment_max_parallelism(const struct state_assignment *a, uint32_t vertex);
/* All of its subtasks had finished: TaskRestore.finished. */
bool state_assignment_is_finished(const struct state_assignment *a, uint32_t vertex);
/* NULL: nothing to restore for it (it starts with empty state, restored all the same). */
const Flinc__TaskRestore *state_assignment_get(const struct state_assignment *a, uint32_t vertex,
                                               uint32_t subtask);
/* The state of an operator's coordinator half; false: none. */
bool state_assignment_coordinator(const struct state_assignment *a, const uint8_t operator_id[16],
                                  const uint8_t **ret_data, size_t *ret_size);
struct state_assignment *state_assignment_free(struct state_assignment *a); /* returns NULL */

#endif
