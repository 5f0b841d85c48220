/* Files of a sink between their last byte and their appearance.
 *
 *   closed ─► pending (hidden) ─► in the snapshot of checkpoint n ─► n is complete: renamed
 *   restored from n: what n holds is renamed, or was; what n holds as persisted is cut to that length and renamed
 *
 * A pending file of checkpoint n is committed by COMPLETE(m) for any m >= n, or by whoever restores it, and
 * doing it again changes nothing.  Whether n becomes complete is not known to an attempt that ends, so
 * that its files stay.  A savepoint may refer to hidden files for ever: its mark (`.STEM.savepoint`) keeps them.
 *
 * List state "parts" (FileSinkCommittable), union state "counters" (TextSinkCounter).
 * Thread: the task's.  Flink: FileCommittable, FileCommitter, CommitterOperator. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_COMMITS_H
#define FLINC_ENGINE_OPERATORS_FILES_COMMITS_H

#include "common/base/vec.h"
#include "engine/operators/files/leftovers.h"
#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

struct operator_list;
struct file_compactor;
struct file_hand_over;

struct file_commits {
    struct op_context *ctx;              /* Borrows */
    const Flinc__FileSinkConfig *config; /* Borrows */
    struct file_compactor *compactor;    /* Borrows: gets restored files that have hidden names */
    struct operator_list *parts;         /* Borrows; NULL: no state */
    struct operator_list *counters;      /* Borrows; NULL: no state */
    struct vec pending;                  /* struct pending_file */
    struct map restored;                 /* buckets of files that were open in the checkpoint */
    bool has_handed_over; /* a checkpoint may have files that are not here any more */
    struct leftovers leftovers;
    const char *uid;      /* Borrows: of the names of this attempt */
    uint64_t next_number; /* of the next file of this attempt, with numbered names subtask */
};

void file_commits_init(struct file_commits *c, struct op_context *ctx,
                       const Flinc__FileSinkConfig *config, const char *uid,
                       struct file_compactor *compactor);
/* Appends the name of the next file: FRONT PREFIX-UID-NUMBER.SUFFIX. */
void file_commits_name(struct file_commits *c, const char *front, struct str *out);
/* Restores, and commits what was restored.  After the compactor's. */
int file_commits_open(struct file_commits *c, struct error *err) MUST_CHECK;
/* Files that no checkpoint has are removed. */
void file_commits_fini(struct file_commits *c); /* safe on a zeroed struct */

enum file_commit_flags {
    FILE_COMMIT_PERSISTED = 1u << 0, /* a checkpoint may have it, as it was before it was closed */
};
/* A closed file of a bucket waits.  `take_sources` (char *, Owned; may be NULL) go when it has appeared. */
void file_commits_add(struct file_commits *c, const char *bucket, struct str take_handle,
                      struct vec *take_sources, uint32_t flags);
/* All that wait go to the committer, and what was restored is told. */
int file_commits_hand_over(struct file_commits *c, struct file_hand_over *to,
                           struct error *err) MUST_CHECK;
/* All that wait appear: the job does without checkpoints. */
int file_commits_all(struct file_commits *c, struct error *err) MUST_CHECK;
/* What waits; then file_commits_save_persisted() for each file that is open. */
int file_commits_snapshot(struct file_commits *c, const struct op_checkpoint *checkpoint,
                          struct error *err) MUST_CHECK;
int file_commits_save_persisted(struct file_commits *c, struct slice handle, const char *bucket,
                                uint64_t checkpoint_id, struct error *err) MUST_CHECK;
/* Those of this checkpoint and of all before it appear. */
int file_commits_complete(struct file_commits *c, uint64_t checkpoint_id,
                          struct error *err) MUST_CHECK;
static inline bool file_commits_is_savepoint(const struct op_checkpoint *checkpoint)
{
    return checkpoint->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL ||
           checkpoint->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
}

#endif
