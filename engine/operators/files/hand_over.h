/* Closed files on their way to the committer behind the writers, as rows of one column of FileSinkEvent.
 *
 * Where something is to be done when the files of all writers are there (a partition's success file, an
 * INSERT OVERWRITE, a batch job that shows all or nothing), a sink keeps no files that wait: they leave before the barrier, are in
 * the committer's part of the checkpoint, and appear by its hand.  Beside files it is told which buckets have more to come.
 *
 * Thread: the task's.  Flink: StreamingFileWriter, PartitionCommitInfo. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_HAND_OVER_H
#define FLINC_ENGINE_OPERATORS_FILES_HAND_OVER_H

#include "common/base/map.h"
#include "engine/data/builder.h"
#include "engine/operators/files/partition_trigger.h"
#include "engine/operators/operator.h"

#define FILE_HAND_OVER_SCHEMA "ROW<event BYTES>"
enum { FILE_HAND_OVER_WAITING = 1024 }; /* files, then they leave before a barrier comes */

struct file_hand_over {
    struct op_context *ctx; /* Borrows; NULL: off */
    struct builder rows;
    struct partition_trigger *trigger; /* Owns; NULL: partitions are not committed */
    struct map told; /* buckets that were told to be open since the last barrier */
};

/* Off when the configuration has none. */
int file_hand_over_open(struct file_hand_over *h, struct op_context *ctx,
                        const Flinc__FileSinkConfig *config, struct error *err) MUST_CHECK;
void file_hand_over_fini(struct file_hand_over *h); /* safe on a zeroed struct */
static inline bool file_hand_over_is_on(const struct file_hand_over *h)
{
    return h->ctx != NULL;
}
/* A file that was closed; NULL: the bucket has new rows, in files that are there. */
int file_hand_over_file(struct file_hand_over *h, const char *bucket,
                        Flinc__FileSinkCommittable *file, struct error *err) MUST_CHECK;
/* Rows of the bucket are still to come, with a later checkpoint.  Once per bucket and barrier. */
int file_hand_over_open_bucket(struct file_hand_over *h, const char *bucket,
                               struct error *err) MUST_CHECK;
/* What there is goes out. */
void file_hand_over_emit(struct file_hand_over *h);

#endif
