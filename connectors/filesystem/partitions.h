/* Partitions that got files and are not complete yet; what is done when they are.
 *
 * A partition is complete at checkpoint n when its trigger says so by the time and the watermark of n, all files of it that
 * n has are visible, and no writer had more of it to come at n.  What comes later makes it incomplete again: it is told a second time.
 * Rows that never pause would hold it back for ever by process time: a writer closes each file when its delay is over, so that behind
 * twice the delay all rows of the first are visible, and it is told whoever has more.  (Where writers join files it waits for a pause.)
 *
 * Thread: the task's.  Flink: PartitionCommitTrigger, PartitionCommitter, SuccessFileCommitPolicy. */
#ifndef FLINC_CONNECTORS_FILESYSTEM_PARTITIONS_H
#define FLINC_CONNECTORS_FILESYSTEM_PARTITIONS_H

#include "common/base/map.h"
#include "engine/operators/files/partition_trigger.h"
#include "engine/operators/operator.h"
#include "proto/connectors.pb-c.h"

enum {
    PARTITIONS_CHECKPOINTS_MAX = 64
}; /* that are under way at a time; of older ones the next stands in */

struct operator_list;

/* What was known at the barrier of a checkpoint. */
struct partitions_mark {
    uint64_t checkpoint_id;
    int64_t watermark_ms, now_ms; /* wall clock */
    bool is_last;                 /* the input had ended */
};

struct partitions {
    const Flinc__FilesystemCommitConfig *config; /* Borrows */
    struct op_context *ctx;                      /* Borrows */
    struct partition_trigger *trigger;           /* Owns; NULL: nothing is told */
    struct operator_list *state;                 /* Borrows; NULL: no state */
    struct map waiting;                          /* struct waiting_partition, Owns */
    struct partitions_mark marks[PARTITIONS_CHECKPOINTS_MAX];
    uint32_t n_marks;
    struct metric_counter *told; /* Borrows: partitions that became complete */
};

/* Restores. */
int partitions_open(struct partitions *p, struct op_context *ctx,
                    const Flinc__FilesystemCommitConfig *config, struct error *err) MUST_CHECK;
void partitions_fini(struct partitions *p); /* a zeroed one is fine */
/* It has new rows, before the next barrier. */
void partitions_add(struct partitions *p, const char *partition);
/* A writer has rows of it that come with a later checkpoint. */
void partitions_keep_open(struct partitions *p, const char *partition);
int partitions_snapshot(struct partitions *p, uint64_t checkpoint_id, bool ended,
                        struct error *err) MUST_CHECK;
/* Files of the checkpoint are visible: tells those that are complete by it. */
int partitions_complete(struct partitions *p, uint64_t checkpoint_id, struct error *err) MUST_CHECK;
/* All of them: the input has ended, and there are no checkpoints. */
int partitions_complete_all(struct partitions *p, struct error *err) MUST_CHECK;

#endif
