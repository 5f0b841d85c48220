/* What is known of a job's checkpoints at one moment: all that REST's /checkpoints, /checkpoints/config,
 * /checkpoints/details/:id and .../subtasks/:vertex show.  Immutable and counted; part of the details of a
 * job (job_details.checkpoints), so that it is there for running and for ended jobs alike.
 *
 * Times are wall-clock milliseconds.  Flink: CheckpointStatsSnapshot, AbstractCheckpointStats,
 * TaskStateStats, SubtaskStateStats.  Thread: any. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_STATS_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_STATS_H

#include "common/base/clock.h"
#include "jobmanager/checkpoint/checkpoint_config.h"
#include "proto/snapshot.pb-c.h"

/* Stands for the path of a checkpoint that lies in the job manager's memory. */
#define CHECKPOINT_NO_PATH "<checkpoint-not-externally-addressable>"

enum checkpoint_status {
    CHECKPOINT_STATUS_IN_PROGRESS,
    CHECKPOINT_STATUS_COMPLETED,
    CHECKPOINT_STATUS_FAILED,
    CHECKPOINT_STATUS_COUNT,
};
const char *checkpoint_status_name(enum checkpoint_status status); /* "IN_PROGRESS" */

/* One subtask; the values are valid once it is acknowledged. */
struct subtask_checkpoint_stats {
    bool acknowledged;
    int64_t ack_ms;
    uint64_t state_bytes;     /* of the whole snapshot; REST: state_size */
    uint64_t written_bytes;   /* new with this checkpoint; REST: checkpointed_size */
    uint64_t processed_bytes; /* during alignment */
    uint64_t persisted_bytes; /* of what was in flight */
    bool unaligned;           /* it was taken without waiting for all barriers */
    int64_t sync_ms, async_ms, alignment_ms, start_delay_ms;
    int64_t pause_us; /* longest time that the task processed nothing because of it */
};

/* The subtasks of one vertex. */
struct vertex_checkpoint_stats {
    struct flinc_id vertex_id;
    uint32_t n_subtasks, n_acknowledged;
    int64_t latest_ack_ms; /* -1: none */
    uint64_t state_bytes, written_bytes, processed_bytes, persisted_bytes;
    struct subtask_checkpoint_stats *subtasks;
};

struct checkpoint_details {
    _Atomic uint32_t refs; /* counted by the statistics that name it */
    uint64_t id;
    enum checkpoint_status status;
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
    int64_t trigger_ms;
    int64_t latest_ack_ms; /* -1: none */
    int64_t ended_ms;      /* completed or failed; 0: neither */
    uint32_t n_subtasks, n_acknowledged;
    uint64_t state_bytes, written_bytes, processed_bytes, persisted_bytes;
    uint64_t metadata_bytes; /* COMPLETED: of the file _metadata */
    bool unaligned;          /* of a subtask at least */
    char *path;              /* COMPLETED: external path or CHECKPOINT_NO_PATH; else NULL */
    bool discarded;          /* COMPLETED: its files are deleted */
    char *failure;           /* FAILED: why; else NULL */
    struct vertex_checkpoint_stats *vertices; /* in the order of the job graph */
    uint32_t n_vertices;
};
bool checkpoint_kind_is_savepoint(Flinc__CheckpointKind kind);
/* REST's checkpoint_type: "CHECKPOINT", "UNALIGNED_CHECKPOINT", "SAVEPOINT", "SYNC_SAVEPOINT". */
const char *checkpoint_details_type(const struct checkpoint_details *d);
/* REST's savepointFormat: "CANONICAL", "NATIVE"; NULL: no savepoint. */
const char *checkpoint_details_format(const struct checkpoint_details *d);
/* From the trigger to the latest acknowledgement (REST: end_to_end_duration); -1: none yet. */
int64_t checkpoint_details_duration_ms(const struct checkpoint_details *d);
/* NULL: no such vertex. */
const struct vertex_checkpoint_stats *
checkpoint_details_find_vertex(const struct checkpoint_details *d,
                               const struct flinc_id *vertex_id);

/* Of a number of values.  n 0: the integers are 0, the quantiles NaN. */
struct checkpoint_summary {
    uint64_t n;
    int64_t min, max, avg;
    double p50, p90, p95, p99, p999;
};
/* Sorts `values`. */
void checkpoint_summarize(int64_t *values, size_t n, struct checkpoint_summary *ret);

struct restored_checkpoint {
    uint64_t id;
    int64_t restore_ms; /* 0: nothing was restored yet */
    bool is_savepoint;
    char *path;
};

struct checkpoint_stats {
    _Atomic uint32_t refs;
    struct checkpoint_config config; /* how they are taken */
    struct checkpoint_counts {
        uint64_t restored, total, in_progress, completed, failed; /* savepoints count, too */
    } counts;
    /* Over the completed ones (the last CHECKPOINT_SUMMARY_MAX of them). */
    struct checkpoint_summary written_bytes, state_bytes, duration_ms, processed_bytes,
        persisted_bytes;
    const struct checkpoint_details *latest_completed; /* no savepoint; NULL: none; as all below */
    const struct checkpoint_details *latest_savepoint;
    const struct checkpoint_details *latest_failed;
    struct restored_checkpoint latest_restored; /* restore_ms 0: none */
    /* Newest first: those in progress and the last web.checkpoints.history that ended. */
    const struct checkpoint_details **history;
    uint32_t n_history;
};
enum { CHECKPOINT_SUMMARY_MAX = 1000 };

/* For those who make them: empty, counted once; all that they point to is on the heap. */
struct checkpoint_stats *checkpoint_stats_new_empty(void);
struct checkpoint_details *checkpoint_details_new_empty(void);

const struct checkpoint_stats *checkpoint_stats_ref(const struct checkpoint_stats *s);
void checkpoint_stats_unref(const struct checkpoint_stats *s); /* NULL is fine */
/* Among the history and the latest ones; NULL: unknown, or forgotten. */
const struct checkpoint_details *checkpoint_stats_find(const struct checkpoint_stats *s,
                                                       uint64_t checkpoint_id);
uint64_t checkpoint_stats_bytes(const struct checkpoint_stats *s); /* what it costs to keep */

#endif
