/* The file sink as its two operators share it: flinc.sink.file, and flinc.sink.text, which is a file sink of lines with
 * one bucket and numbered names.  Inside the folder only. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_SINK_FILE_H
#define FLINC_ENGINE_OPERATORS_FILES_SINK_FILE_H

#include "common/metrics/registry.h"
#include "engine/operators/files/bucket.h"
#include "engine/operators/files/commits.h"
#include "engine/operators/files/compact.h"
#include "engine/operators/files/hand_over.h"

enum {
    FILE_OPEN_MAX_DEFAULT = 128,
    FILE_CHECK_INTERVAL_MS_DEFAULT = 60 * 1000,
};

struct file_sink {
    struct operator op;
    Flinc__FileSinkConfig *config;       /* Borrows */
    struct metric_counter *bytes_send;   /* Borrows */
    struct metric_counter *records_send; /* Borrows */
    struct user_functions functions;
    struct part_format format;
    struct file_buckets buckets;
    struct file_commits commits;     /* files that wait */
    struct file_compactor compactor; /* hidden files */
    struct file_hand_over hand_over; /* to a committer; off: the sink commits by itself */
    uint32_t n_open;                 /* files that are begun */
    bool bounded, checkpointed;
    int64_t next_check_ms; /* of the wall clock; 0: no timer is set */
    char uid[64];          /* of the names of this attempt */
};

/* `config` lives as long as the sink.  Close is due afterwards, also when it failed. */
int file_sink_start(struct file_sink *s, struct op_context *ctx, Flinc__FileSinkConfig *config,
                    struct error *err) MUST_CHECK;

/* The other callbacks of both. */
int file_sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                      struct batch *take_batch, struct error *err);
int file_sink_resume(struct operator* op, struct op_context *ctx, struct error *err);
int file_sink_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err);
int file_sink_flush(struct operator* op, struct op_context *ctx, struct error *err);
int file_sink_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                              struct error *err);
int file_sink_prepare_barrier(struct operator* op, struct op_context *ctx,
                              const struct op_checkpoint *checkpoint, struct error *err);
int file_sink_snapshot(struct operator* op, struct op_context *ctx,
                       const struct op_checkpoint *checkpoint, struct error *err);
int file_sink_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                     uint64_t checkpoint_id, struct error *err);
void file_sink_stop(struct file_sink *s);

#endif
