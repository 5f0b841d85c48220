/* Finished part files of a text sink between their last byte and their appearance.
 *
 *   part is closed ─► pending (hidden) ─► in the snapshot of checkpoint n ─► n is complete: renamed
 *   restored from n: what n holds is renamed, or was; hidden files that are left go once that is safe
 *
 * A pending part of checkpoint n is committed by COMPLETE(m) for any m >= n, or by whoever restores it, and
 * doing it again changes nothing.  Whether n becomes complete is not known to an attempt that ends, so
 * that its parts stay.  Hidden files that an earlier attempt of this run left are listed when the
 * attempt begins, and removed when the first checkpoint that it took part in is complete: it is the living
 * one then, none of its successors can have made them, and all that was restored is committed.  A savepoint may refer to hidden files for
 * ever: its mark (`.PREFIX-RUN-SUBTASK.savepoint`) keeps them.
 *
 * List state "parts" (TextSinkCommittable), union state "counters" (TextSinkCounter).
 * Thread: the task's.  Flink: FileCommittable, FileCommitter, CommitterOperator. */
#ifndef FLINC_ENGINE_OPERATORS_IO_TEXT_COMMITS_H
#define FLINC_ENGINE_OPERATORS_IO_TEXT_COMMITS_H

#include "common/base/vec.h"
#include "engine/operators/operator.h"
#include "proto/operators.pb-c.h"

struct operator_list;

struct text_commits {
    struct op_context *ctx;              /* Borrows */
    const Flinc__TextSinkConfig *config; /* Borrows */
    struct operator_list *parts;         /* Borrows; NULL: no state */
    struct operator_list *counters;      /* Borrows; NULL: no state */
    struct vec pending;                  /* struct pending_part */
    struct vec leftovers;                /* char *, Owns: hidden files of dead attempts */
    uint64_t next_part;                  /* number of the next part of this subtask */
    uint64_t first_checkpoint;           /* that this attempt took part in; 0: none yet */
};

void text_commits_init(struct text_commits *c, struct op_context *ctx,
                       const Flinc__TextSinkConfig *config);
/* Restores, and commits what was restored. */
int text_commits_open(struct text_commits *c, struct error *err) MUST_CHECK;
/* Parts that no checkpoint has are removed. */
void text_commits_fini(struct text_commits *c); /* safe on a zeroed struct */

/* A closed part waits. */
void text_commits_add(struct text_commits *c, struct str take_handle);
/* All that wait appear: the job does without checkpoints. */
int text_commits_all(struct text_commits *c, struct error *err) MUST_CHECK;
int text_commits_snapshot(struct text_commits *c, const struct op_checkpoint *checkpoint,
                          struct error *err) MUST_CHECK;
/* Those of this checkpoint and of all before it appear. */
int text_commits_complete(struct text_commits *c, uint64_t checkpoint_id,
                          struct error *err) MUST_CHECK;

#endif
