/* Counts and remembers checkpoints for people to look at: filled by the checkpointer, given out as immutable
 * checkpoint_stats.  A checkpoint that somebody looks at is copied before it changes.
 *
 * Thread: the checkpointer's, but the gauges: any.  Flink: CheckpointStatsTracker, CheckpointStatsHistory. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_STATS_TRACKER_H
#define FLINC_JOBMANAGER_CHECKPOINT_STATS_TRACKER_H

#include "common/base/vec.h"
#include "jobmanager/checkpoint/checkpointer.h"

/* One completed checkpoint, for the summaries. */
struct summary_values {
    int64_t written_bytes, state_bytes, duration_ms, processed_bytes, persisted_bytes;
};

/* Caller's memory. */
struct stats_tracker {
    const Flinc__JobGraph *graph;           /* Borrows */
    const struct checkpoint_config *config; /* Borrows */
    struct checkpoint_counts counts;
    struct vec in_progress; /* of struct checkpoint_details *, counted; oldest first */
    struct vec ended;       /* the same, the last config->history */
    struct checkpoint_details *latest_completed, *latest_savepoint, *latest_failed; /* counted */
    struct restored_checkpoint restored;
    struct summary_values *summaries;      /* Owns; ring of the last CHECKPOINT_SUMMARY_MAX */
    uint64_t n_summaries;                  /* in all */
    const struct checkpoint_stats *newest; /* counted; NULL: something has changed */
    struct checkpoint_gauges gauges;
};

void stats_tracker_init(struct stats_tracker *t, const Flinc__JobGraph *graph,
                        const struct checkpoint_config *config);
/* Checkpoints that begin from now on have the tasks of this graph, which is borrowed. */
void stats_tracker_set_graph(struct stats_tracker *t, const Flinc__JobGraph *graph);
void stats_tracker_fini(struct stats_tracker *t);

struct stats_begin {
    uint64_t checkpoint_id;
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
    int64_t trigger_ms;
};
void stats_tracker_begin(struct stats_tracker *t, const struct stats_begin *begin);
/* stats NULL: the subtask had finished before. */
void stats_tracker_ack(struct stats_tracker *t, uint64_t checkpoint_id, uint32_t vertex,
                       uint32_t subtask, const Flinc__CheckpointTaskStats *stats, int64_t now_ms);
struct stats_completed {
    const char *path;
    uint64_t metadata_bytes;
    int64_t now_ms;
};
void stats_tracker_complete(struct stats_tracker *t, uint64_t checkpoint_id,
                            const struct stats_completed *completed);
void stats_tracker_fail(struct stats_tracker *t, uint64_t checkpoint_id, const struct error *why,
                        int64_t now_ms);
void stats_tracker_discarded(struct stats_tracker *t, uint64_t checkpoint_id);
/* path: copied. */
void stats_tracker_restored(struct stats_tracker *t, const struct restored_checkpoint *restored);

/* Counted for the caller. */
const struct checkpoint_stats *stats_tracker_get(struct stats_tracker *t);

/* ---- checkpoint_stats.c ---------------------------------------------------------------------------- */

void checkpoint_details_unref(const struct checkpoint_details *d); /* NULL is fine */
uint64_t checkpoint_details_bytes(const struct checkpoint_details *d);

#endif
