/* How a job takes checkpoints: execution.checkpointing.* and execution.state-recovery.*, read once and
 * checked, so that a mistake is told at the submission and not at the first checkpoint.
 *
 * Streaming jobs always have one (savepoints need no interval); batch jobs take no checkpoints.
 * Thread: immutable once read; any.  Flink: CheckpointConfig, CheckpointCoordinatorConfiguration. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_CONFIG_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_CONFIG_H

#include "common/conf/conf.h"

enum checkpoint_mode {
    CHECKPOINT_MODE_EXACTLY_ONCE,
    CHECKPOINT_MODE_AT_LEAST_ONCE,
};
const char *checkpoint_mode_name(enum checkpoint_mode mode); /* "exactly_once", as REST shows it */

enum checkpoint_storage {
    CHECKPOINT_STORAGE_JOBMANAGER, /* all state in the memory of the job manager */
    CHECKPOINT_STORAGE_FILESYSTEM,
};
/* "JobManagerCheckpointStorage", "FileSystemCheckpointStorage", as REST shows it. */
const char *checkpoint_storage_name(enum checkpoint_storage storage);

/* What happens to the checkpoints of a job that ends; one that FINISHED keeps none. */
enum checkpoint_retention {
    CHECKPOINT_RETENTION_DELETE,                 /* NO_EXTERNALIZED_CHECKPOINTS: always deleted */
    CHECKPOINT_RETENTION_DELETE_ON_CANCELLATION, /* kept when the job fails */
    CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION, /* kept when it fails or is cancelled */
};

enum checkpoint_claim {
    CHECKPOINT_CLAIM_CLAIM, /* the restored snapshot becomes the job's own: deleted when subsumed */
    CHECKPOINT_CLAIM_NO_CLAIM, /* never touched; the first checkpoint refers to none of its files */
};

#define CHECKPOINT_INTERVAL_OFF INT64_MAX
enum { CHECKPOINT_RETAINED_MAX = 1000, CHECKPOINT_CONCURRENT_MAX = 100 };

struct checkpoint_config {
    enum checkpoint_mode mode;
    enum checkpoint_storage storage;
    enum checkpoint_retention retention;
    int64_t interval_ms; /* CHECKPOINT_INTERVAL_OFF: on request only */
    int64_t min_pause_ms, timeout_ms;
    uint32_t max_concurrent, tolerable_failures, num_retained;
    uint64_t inline_threshold_bytes;
    bool unaligned;             /* barriers may overtake what is in flight; exactly once only */
    int64_t aligned_timeout_ms; /* and do so when it is over; 0: at once */
    bool incremental, after_tasks_finish, create_subdir;
    char *directory;           /* Owns; NULL: none */
    char *savepoint_directory; /* Owns; NULL: none */
    char *state_backend;       /* Owns; "hashmap" */
    char *restore_path;        /* Owns; NULL: starts with empty state */
    enum checkpoint_claim claim;
    bool allow_non_restored_state;
    uint32_t history; /* web.checkpoints.history */
};

/* ERR_INVALID_CONFIG names the keys that do not go together and says what to do. */
int checkpoint_config_read(const struct conf *conf, struct checkpoint_config *ret,
                           struct error *err) MUST_CHECK;
void checkpoint_config_copy(struct checkpoint_config *dst, const struct checkpoint_config *src);
void checkpoint_config_fini(struct checkpoint_config *c);

#endif
