/* Buckets: the folder, below the sink's, of each row; rows of a batch grouped by them; the file that each writes to.
 *
 *   TRY(file_buckets_group(&b, batch, err));
 *   for (i < b.n_groups) write(b.groups[i].bucket, file_buckets_rows(&b, i, batch))
 *
 * A bucket lives while it has an open file, and until file_buckets_sweep() after that.  Ids of functions are checked when
 * a bucket is made.
 *
 * Thread: the task's.  Flink: BucketAssigner, FileWriterBucket. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_BUCKET_H
#define FLINC_ENGINE_OPERATORS_FILES_BUCKET_H

#include "common/base/map.h"
#include "engine/operators/files/date_pattern.h"
#include "engine/operators/files/part.h"
#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"

enum {
    BUCKET_ID_MAX = 1024,       /* bytes */
    BUCKET_COMPONENT_MAX = 255, /* between slashes */
    BUCKET_UNITS = 64,          /* times whose bucket is remembered */
    BUCKETS_KEPT_MAX = 1024,    /* without an open file */
};

struct file_bucket {
    char *id; /* Owns; "" or "2020-01-31--23" */
    struct file_part part;
    uint64_t batch; /* that it had rows of last */
    uint32_t group; /* in that batch */
};

struct bucket_group {
    struct file_bucket *bucket; /* Borrows */
    uint32_t first, n;          /* of file_buckets.rows */
};

struct bucket_unit {
    int64_t unit;
    struct file_bucket *bucket; /* NULL: unused */
};

struct file_buckets {
    struct op_context *ctx;              /* Borrows */
    const Flinc__FileSinkConfig *config; /* Borrows */
    Flinc__FileBucketKind kind;
    struct date_pattern pattern;
    struct bucket_unit units[BUCKET_UNITS];
    struct user_function *function; /* Borrows */
    struct row_reader reader;
    struct flinc_text text; /* that a function writes to */
    struct map by_id;       /* struct file_bucket *, Owns */
    struct file_bucket *last;

    /* Of the batch at hand. */
    uint64_t batch;
    uint32_t n_groups;
    struct bucket_group *groups; /* Owns; BATCH_ROWS_MAX */
    uint16_t *group_of;          /* Owns; by selected row */
    uint16_t *rows; /* Owns; physical rows, group by group, when there are several groups */
};

/* The part of the configuration that can be checked without a record. */
int file_buckets_check(const Flinc__FileSinkConfig *config, struct error *err) MUST_CHECK;
/* `function`: of FILE_BUCKET_FUNCTION, else NULL. */
int file_buckets_open(struct file_buckets *b, struct op_context *ctx,
                      const Flinc__FileSinkConfig *config, struct user_function *function,
                      struct error *err) MUST_CHECK;
/* What is open of parts is the caller's business before.  Safe on a zeroed struct. */
void file_buckets_fini(struct file_buckets *b);
int file_buckets_group(struct file_buckets *b, const struct batch *batch,
                       struct error *err) MUST_CHECK;
/* Forgets buckets without an open file when there are many. */
void file_buckets_sweep(struct file_buckets *b);

#endif
