/* Checkpoints of a job as REST shows them: statistics, configuration, one of them, one vertex of one.
 * Flink: CheckpointingStatistics, CheckpointConfigInfo, CheckpointStatistics,
 * TaskCheckpointStatisticsWithSubtaskDetails. */
#include "jobmanager/rest/shape/shape.h"

#include <math.h>

static void put_quantile(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    if (isnan(value)) {
        json_writer_string(w, "NaN");
    } else {
        json_writer_double(w, value);
    }
}

static void put_summary(struct json_writer *w, const char *key, const struct checkpoint_summary *s)
{
    json_writer_key(w, key);
    json_writer_object(w);
    json_writer_put_int(w, "min", s->min);
    json_writer_put_int(w, "max", s->max);
    json_writer_put_int(w, "avg", s->avg);
    put_quantile(w, "p50", s->p50);
    put_quantile(w, "p90", s->p90);
    put_quantile(w, "p95", s->p95);
    put_quantile(w, "p99", s->p99);
    put_quantile(w, "p999", s->p999);
    json_writer_end(w);
}

/* A vertex of a checkpoint, without its subtasks. */
static void put_vertex_fields(struct json_writer *w, const struct checkpoint_details *d,
                              const struct vertex_checkpoint_stats *v)
{
    bool all = v->n_acknowledged == v->n_subtasks;
    enum checkpoint_status status = d->status == CHECKPOINT_STATUS_FAILED && !all ? d->status
                                    : all ? CHECKPOINT_STATUS_COMPLETED
                                          : CHECKPOINT_STATUS_IN_PROGRESS;
    json_writer_put_int(w, "id", (int64_t)d->id);
    json_writer_put_string(w, "status", checkpoint_status_name(status));
    json_writer_put_int(w, "latest_ack_timestamp", v->latest_ack_ms);
    json_writer_put_int(w, "checkpointed_size", (int64_t)v->written_bytes);
    json_writer_put_int(w, "state_size", (int64_t)v->state_bytes);
    json_writer_put_int(w, "end_to_end_duration",
                        v->latest_ack_ms >= 0 ? MAX(v->latest_ack_ms - d->trigger_ms, 0) : -1);
    json_writer_put_int(w, "alignment_buffered", 0);
    json_writer_put_int(w, "processed_data", (int64_t)v->processed_bytes);
    json_writer_put_int(w, "persisted_data", (int64_t)v->persisted_bytes);
    json_writer_put_int(w, "num_subtasks", v->n_subtasks);
    json_writer_put_int(w, "num_acknowledged_subtasks", v->n_acknowledged);
}

static void put_tasks(struct json_writer *w, const struct checkpoint_details *d)
{
    char hex[ID_HEX_LEN + 1];
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        id_format(&d->vertices[i].vertex_id, hex);
        json_writer_key(w, hex);
        json_writer_object(w);
        put_vertex_fields(w, d, &d->vertices[i]);
        json_writer_end(w);
    }
}

static void put_end(struct json_writer *w, const struct checkpoint_details *d)
{
    if (d->status == CHECKPOINT_STATUS_COMPLETED) {
        json_writer_put_string(w, "external_path", d->path);
        json_writer_put_bool(w, "discarded", d->discarded);
    }
    if (d->status == CHECKPOINT_STATUS_FAILED) {
        json_writer_put_int(w, "failure_timestamp", d->ended_ms);
        json_writer_put_string(w, "failure_message", d->failure);
    }
}

enum detail { WITHOUT_TASKS, WITH_TASKS };

static void write_checkpoint(struct json_writer *w, const struct checkpoint_details *d,
                             enum detail detail)
{
    static const char *const classes[] = {
        [CHECKPOINT_STATUS_IN_PROGRESS] = "in_progress",
        [CHECKPOINT_STATUS_COMPLETED] = "completed",
        [CHECKPOINT_STATUS_FAILED] = "failed",
    };
    json_writer_object(w);
    json_writer_put_string(w, "className", classes[d->status]);
    json_writer_put_int(w, "id", (int64_t)d->id);
    json_writer_put_string(w, "status", checkpoint_status_name(d->status));
    json_writer_put_bool(w, "is_savepoint", checkpoint_kind_is_savepoint(d->kind));
    json_writer_put_string(w, "savepointFormat", checkpoint_details_format(d));
    json_writer_put_int(w, "trigger_timestamp", d->trigger_ms);
    json_writer_put_int(w, "latest_ack_timestamp", d->latest_ack_ms);
    json_writer_put_int(w, "checkpointed_size", (int64_t)d->written_bytes);
    json_writer_put_int(w, "state_size", (int64_t)d->state_bytes);
    json_writer_put_int(w, "end_to_end_duration", checkpoint_details_duration_ms(d));
    json_writer_put_int(w, "alignment_buffered", 0);
    json_writer_put_int(w, "processed_data", (int64_t)d->processed_bytes);
    json_writer_put_int(w, "persisted_data", (int64_t)d->persisted_bytes);
    json_writer_put_int(w, "num_subtasks", d->n_subtasks);
    json_writer_put_int(w, "num_acknowledged_subtasks", d->n_acknowledged);
    json_writer_put_string(w, "checkpoint_type", checkpoint_details_type(d));
    json_writer_key(w, "tasks");
    json_writer_object(w);
    if (detail == WITH_TASKS) {
        put_tasks(w, d);
    }
    json_writer_end(w);
    put_end(w, d);
    json_writer_end(w);
}

void rest_write_checkpoint(struct json_writer *w, const struct checkpoint_details *d)
{
    write_checkpoint(w, d, WITH_TASKS);
}

/* ---- statistics of a job --------------------------------------------------------------------------- */

static void put_latest(struct json_writer *w, const char *key, const struct checkpoint_details *d)
{
    json_writer_key(w, key);
    if (d != NULL) {
        write_checkpoint(w, d, WITHOUT_TASKS);
    } else {
        json_writer_null(w);
    }
}

static void put_restored(struct json_writer *w, const struct restored_checkpoint *r)
{
    json_writer_key(w, "restored");
    if (r->restore_ms == 0) {
        json_writer_null(w);
        return;
    }
    json_writer_object(w);
    json_writer_put_int(w, "id", (int64_t)r->id);
    json_writer_put_int(w, "restore_timestamp", r->restore_ms);
    json_writer_put_bool(w, "is_savepoint", r->is_savepoint);
    json_writer_put_string(w, "external_path", r->path);
    json_writer_end(w);
}

void rest_write_checkpoint_statistics(struct json_writer *w, const struct checkpoint_stats *s)
{
    static const struct checkpoint_summary none; /* nothing is buffered by alignment */
    json_writer_object(w);
    json_writer_key(w, "counts");
    json_writer_object(w);
    json_writer_put_int(w, "restored", (int64_t)s->counts.restored);
    json_writer_put_int(w, "total", (int64_t)s->counts.total);
    json_writer_put_int(w, "in_progress", (int64_t)s->counts.in_progress);
    json_writer_put_int(w, "completed", (int64_t)s->counts.completed);
    json_writer_put_int(w, "failed", (int64_t)s->counts.failed);
    json_writer_end(w);
    json_writer_key(w, "summary");
    json_writer_object(w);
    put_summary(w, "checkpointed_size", &s->written_bytes);
    put_summary(w, "state_size", &s->state_bytes);
    put_summary(w, "end_to_end_duration", &s->duration_ms);
    put_summary(w, "alignment_buffered", &none);
    put_summary(w, "processed_data", &s->processed_bytes);
    put_summary(w, "persisted_data", &s->persisted_bytes);
    json_writer_end(w);
    json_writer_key(w, "latest");
    json_writer_object(w);
    put_latest(w, "completed", s->latest_completed);
    put_latest(w, "savepoint", s->latest_savepoint);
    put_latest(w, "failed", s->latest_failed);
    put_restored(w, &s->latest_restored);
    json_writer_end(w);
    json_writer_key(w, "history");
    json_writer_array(w);
    for (uint32_t i = 0; i < s->n_history; i++) {
        write_checkpoint(w, s->history[i], WITHOUT_TASKS);
    }
    json_writer_end(w);
    json_writer_end(w);
}

void rest_write_checkpoint_config(struct json_writer *w, const struct checkpoint_config *c)
{
    json_writer_object(w);
    json_writer_put_string(w, "mode", checkpoint_mode_name(c->mode));
    json_writer_put_int(w, "interval", c->interval_ms);
    json_writer_put_int(w, "timeout", c->timeout_ms);
    json_writer_put_int(w, "min_pause", c->min_pause_ms);
    json_writer_put_int(w, "max_concurrent", c->max_concurrent);
    json_writer_key(w, "externalization");
    json_writer_object(w);
    json_writer_put_bool(w, "enabled", c->retention != CHECKPOINT_RETENTION_DELETE);
    json_writer_put_bool(w, "delete_on_cancellation",
                         c->retention != CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION);
    json_writer_end(w);
    json_writer_put_string(w, "state_backend", c->state_backend);
    json_writer_put_string(w, "checkpoint_storage", checkpoint_storage_name(c->storage));
    json_writer_put_bool(w, "unaligned_checkpoints", c->unaligned);
    json_writer_put_int(w, "tolerable_failed_checkpoints", c->tolerable_failures);
    json_writer_put_int(w, "aligned_checkpoint_timeout", c->aligned_timeout_ms);
    json_writer_put_bool(w, "checkpoints_after_tasks_finish", c->after_tasks_finish);
    json_writer_put_bool(w, "state_changelog_enabled", false);
    json_writer_put_int(w, "changelog_periodic_materialization_interval", 0);
    json_writer_put_string(w, "changelog_storage", "none");
    json_writer_end(w);
}

/* ---- one vertex of a checkpoint ---------------------------------------------------------------------- */

static void put_alignment(struct json_writer *w, const struct subtask_checkpoint_stats *t)
{
    json_writer_key(w, "alignment");
    json_writer_object(w);
    json_writer_put_int(w, "buffered", 0);
    json_writer_put_int(w, "processed", (int64_t)t->processed_bytes);
    json_writer_put_int(w, "persisted", (int64_t)t->persisted_bytes);
    json_writer_put_int(w, "duration", t->alignment_ms);
    json_writer_end(w);
}

static void write_subtask(struct json_writer *w, const struct checkpoint_details *d,
                          const struct subtask_checkpoint_stats *t, uint32_t index)
{
    json_writer_object(w);
    json_writer_put_string(w, "className", t->acknowledged ? "completed" : "pending");
    json_writer_put_int(w, "index", index);
    json_writer_put_string(w, "status", t->acknowledged ? "completed" : "pending_or_failed");
    if (t->acknowledged) {
        json_writer_put_int(w, "ack_timestamp", t->ack_ms);
        json_writer_put_int(w, "end_to_end_duration", MAX(t->ack_ms - d->trigger_ms, 0));
        json_writer_put_int(w, "checkpointed_size", (int64_t)t->written_bytes);
        json_writer_put_int(w, "state_size", (int64_t)t->state_bytes);
        json_writer_key(w, "checkpoint");
        json_writer_object(w);
        json_writer_put_int(w, "sync", t->sync_ms);
        json_writer_put_int(w, "async", t->async_ms);
        json_writer_end(w);
        put_alignment(w, t);
        json_writer_put_int(w, "start_delay", t->start_delay_ms);
        json_writer_put_bool(w, "unaligned_checkpoint", t->unaligned);
        json_writer_put_bool(w, "aborted", d->status == CHECKPOINT_STATUS_FAILED);
    }
    json_writer_end(w);
}

enum subtask_field {
    FIELD_WRITTEN,
    FIELD_STATE,
    FIELD_DURATION,
    FIELD_SYNC,
    FIELD_ASYNC,
    FIELD_PROCESSED,
    FIELD_PERSISTED,
    FIELD_ALIGNMENT,
    FIELD_START_DELAY,
    FIELD_NONE, /* always 0 */
};

static int64_t field_of(const struct subtask_checkpoint_stats *t, enum subtask_field field,
                        int64_t trigger_ms)
{
    switch (field) {
    case FIELD_WRITTEN:
        return (int64_t)t->written_bytes;
    case FIELD_STATE:
        return (int64_t)t->state_bytes;
    case FIELD_DURATION:
        return MAX(t->ack_ms - trigger_ms, 0);
    case FIELD_SYNC:
        return t->sync_ms;
    case FIELD_ASYNC:
        return t->async_ms;
    case FIELD_PROCESSED:
        return (int64_t)t->processed_bytes;
    case FIELD_PERSISTED:
        return (int64_t)t->persisted_bytes;
    case FIELD_ALIGNMENT:
        return t->alignment_ms;
    case FIELD_START_DELAY:
        return t->start_delay_ms;
    case FIELD_NONE:
        break;
    }
    return 0;
}

/* A vertex whose fields are summed up. */
struct summed {
    const struct vertex_checkpoint_stats *vertex;
    int64_t trigger_ms;
};

static void put_field(struct json_writer *w, const char *key, const struct summed *of,
                      enum subtask_field field)
{
    const struct vertex_checkpoint_stats *v = of->vertex;
    struct checkpoint_summary summary;
    int64_t *values = MEM_NEW_ARRAY(int64_t, v->n_subtasks + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        if (v->subtasks[i].acknowledged) {
            values[n++] = field_of(&v->subtasks[i], field, of->trigger_ms);
        }
    }
    checkpoint_summarize(values, n, &summary);
    put_summary(w, key, &summary);
    mem_free(values);
}

void rest_write_vertex_checkpoint(struct json_writer *w, const struct checkpoint_details *d,
                                  const struct vertex_checkpoint_stats *v)
{
    const struct summed of = {v, d->trigger_ms};
    json_writer_object(w);
    put_vertex_fields(w, d, v);
    json_writer_key(w, "summary");
    json_writer_object(w);
    put_field(w, "checkpointed_size", &of, FIELD_WRITTEN);
    put_field(w, "state_size", &of, FIELD_STATE);
    put_field(w, "end_to_end_duration", &of, FIELD_DURATION);
    json_writer_key(w, "checkpoint_duration");
    json_writer_object(w);
    put_field(w, "sync", &of, FIELD_SYNC);
    put_field(w, "async", &of, FIELD_ASYNC);
    json_writer_end(w);
    json_writer_key(w, "alignment");
    json_writer_object(w);
    put_field(w, "buffered", &of, FIELD_NONE);
    put_field(w, "processed", &of, FIELD_PROCESSED);
    put_field(w, "persisted", &of, FIELD_PERSISTED);
    put_field(w, "duration", &of, FIELD_ALIGNMENT);
    json_writer_end(w);
    put_field(w, "start_delay", &of, FIELD_START_DELAY);
    json_writer_end(w);
    json_writer_key(w, "subtasks");
    json_writer_array(w);
    for (uint32_t i = 0; i < v->n_subtasks; i++) {
        write_subtask(w, d, &v->subtasks[i], i);
    }
    json_writer_end(w);
    json_writer_end(w);
}

/* ---- operations ------------------------------------------------------------------------------------ */

void rest_write_operation(struct json_writer *w, enum checkpoint_operation_kind kind,
                          const struct checkpoint_operation *op)
{
    bool checkpoint = kind == CHECKPOINT_OPERATION_CHECKPOINT;
    json_writer_object(w);
    json_writer_key(w, "status");
    json_writer_object(w);
    json_writer_put_string(w, "id", op->ended ? "COMPLETED" : "IN_PROGRESS");
    json_writer_end(w);
    json_writer_key(w, "operation");
    if (!op->ended) {
        json_writer_null(w);
    } else {
        json_writer_object(w);
        if (op->rc < 0) {
            json_writer_key(w, checkpoint ? "failureCause" : "failure-cause");
            rest_write_throwable(w, &op->error);
        } else if (checkpoint) {
            json_writer_put_int(w, "checkpointId", (int64_t)op->checkpoint_id);
        } else if (kind == CHECKPOINT_OPERATION_SAVEPOINT) {
            json_writer_put_string(w, "location", op->path);
        }
        json_writer_end(w);
    }
    json_writer_end(w);
}
