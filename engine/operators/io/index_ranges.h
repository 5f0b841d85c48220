/* Numbers that a source has yet to make, as arithmetic progressions: what is left of them is list state,
 * so that every number is made once whatever becomes of the parallelism.
 *
 * A subtask begins with its share.  A checkpoint cuts what is left into up to INDEX_PIECES pieces (each
 * range into a power of two), of which a larger number of subtasks finds enough; pieces that come back together are joined again.
 * Numbers are made in ascending order, but for runs of INDEX_RUN where progressions interleave (behind a
 * change of the parallelism).
 *
 * Thread: the task's.  Flink: NumberSequenceSource, IteratorSourceReader. */
#ifndef FLINC_ENGINE_OPERATORS_IO_INDEX_RANGES_H
#define FLINC_ENGINE_OPERATORS_IO_INDEX_RANGES_H

#include "common/base/vec.h"
#include "engine/operators/operator.h"

enum {
    INDEX_PIECES = 16, /* of one subtask in a checkpoint, when it has no more ranges than that */
    INDEX_RUN = 128,   /* numbers of one range in a row while there are others */
};

/* next, next + stride, ... up to last.  INT64_MAX as the last stands for no end. */
struct index_range {
    int64_t next, last;
    uint64_t stride;
};

struct operator_list;

struct index_ranges {
    struct vec heap;               /* struct index_range; the one with the lowest `next` is first */
    struct operator_list *left;    /* Borrows; the checkpointed ranges; NULL: no state */
    struct operator_list *started; /* Borrows; not empty: the operator was in the checkpoint */
};

/* With what the checkpoint has for this subtask; without one with `share` (NULL: nothing). */
int index_ranges_open(struct index_ranges *r, struct op_context *ctx,
                      const struct index_range *share, struct error *err) MUST_CHECK;
void index_ranges_fini(struct index_ranges *r); /* safe on a zeroed struct */

/* Up to `max` (> 0) numbers to make now: the first of them, and their distance.  0: all are made. */
uint32_t index_ranges_take(struct index_ranges *r, uint32_t max, int64_t *ret_from,
                           uint64_t *ret_stride);
bool index_ranges_is_empty(const struct index_ranges *r);
int64_t index_ranges_left(const struct index_ranges *r); /* numbers; INT64_MAX: so many, or more */
/* Brings the operator's state up to date. */
int index_ranges_snapshot(struct index_ranges *r, struct error *err) MUST_CHECK;

/* For tests: what a checkpoint would hold, and joining. */
void index_ranges_add(struct index_ranges *r, struct index_range range);
void index_ranges_pieces(const struct index_ranges *r, struct vec *ret_pieces);
void index_ranges_join(struct vec *inout_ranges);

#endif
