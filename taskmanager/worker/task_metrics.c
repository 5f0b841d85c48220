/* Counters with their meters, queue lengths, and the three shares of a task's time.
 *
 * A share is what a counter of milliseconds grew by since the sample before, per second; a reader takes
 * a new sample when the last one is a second old.  Readers come one at a time (registry's lock). */
#include "taskmanager/worker/task_metrics.h"
#include <stdio.h>

enum { SHARE_SAMPLE_MS = 1000 };

enum time_share_kind {
    SHARE_BUSY,
    SHARE_IDLE,
    SHARE_BACKPRESSURED,
    SHARES,
};

struct time_share {
    struct task *task; /* Borrows */
    enum time_share_kind kind;
    int64_t at_ms, total_ms; /* the last sample; readers only */
    int64_t per_second;
};

struct task_metrics {
    struct task *task; /* Borrows */
    struct metric_group *group;
    struct metric_group *buffers;
    struct time_share shares[SHARES];
};

static const struct {
    const char *per_second, *total;
} share_names[] = {
    [SHARE_BUSY] = {"busyTimeMsPerSecond", "accumulateBusyTimeMs"},
    [SHARE_IDLE] = {"idleTimeMsPerSecond", "accumulateIdleTimeMs"},
    [SHARE_BACKPRESSURED] = {"backPressuredTimeMsPerSecond", "accumulateBackPressuredTimeMs"},
};
_Static_assert(ARRAY_LEN(share_names) == SHARES, "names of each share");

/* ---- gauges ------------------------------------------------------------------------------------- */

static int64_t time_share_total(const struct time_share *s)
{
    struct task_times_sample sample;
    task_times_get(s->task, &sample);
    switch (s->kind) {
    case SHARE_BUSY:
        return sample.busy_ms;
    case SHARE_IDLE:
        return sample.idle_ms;
    default:
        return sample.backpressured_ms;
    }
}

static void gauge_time_total(void *arg, struct metric_value *ret_value)
{
    metric_value_set_i64(ret_value, time_share_total(arg));
}

static void gauge_time_share(void *arg, struct metric_value *ret_value)
{
    struct time_share *s = arg;
    int64_t now_ms = clock_monotonic_ms(s->task->env->clock);
    if (now_ms - s->at_ms >= SHARE_SAMPLE_MS) {
        int64_t total_ms = time_share_total(s);
        int64_t share = (total_ms - s->total_ms) * 1000 / (now_ms - s->at_ms);
        s->per_second = share < 0 ? 0 : MIN(share, (int64_t)1000);
        s->at_ms = now_ms;
        s->total_ms = total_ms;
    }
    metric_value_set_i64(ret_value, s->per_second);
}

static void gauge_is_backpressured(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_text(
        ret_value, atomic_load(&t->times.wait) == TASK_WAIT_BACKPRESSURED ? "true" : "false");
}

static void gauge_mailbox(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, mailbox_len(t->mailbox));
}

static void gauge_input_watermark(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, atomic_load(&t->watermark_ms));
}

static void gauge_alignment(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, atomic_load(&t->checkpoints.last_alignment_ns));
}

static void gauge_start_delay(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, atomic_load(&t->checkpoints.last_start_delay_ns));
}

static void gauge_input_queue(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    int64_t len = 0;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        len += gate_queue_len(t->inputs[i].gate);
    }
    metric_value_set_i64(ret_value, len);
}

static void gauge_output_queue(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    int64_t len = 0;
    for (uint32_t i = 0; i < t->n_results; i++) {
        len += result_partition_queue_len(t->results[i]);
    }
    metric_value_set_i64(ret_value, len);
}

static void gauge_debloated(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, atomic_load(&t->debloat.window_bytes));
}

static void gauge_time_to_consume(void *arg, struct metric_value *ret_value)
{
    const struct task *t = arg;
    metric_value_set_i64(ret_value, atomic_load(&t->debloat.estimate_ms));
}

/* ---- registering -------------------------------------------------------------------------------- */

static struct metric_group *task_group_new(struct task *t)
{
    const Flinc__DeployTasks *d = t->deployment->tasks;
    char vertex_id[ID_HEX_LEN + 1] = "", attempt_id[ID_HEX_LEN + 1], subtask[16], attempt[16];
    if (d->vertex->id.len == sizeof(struct flinc_id)) {
        struct flinc_id id = id_of_bytes(&d->vertex->id);
        id_format(&id, vertex_id);
    }
    id_format(&t->attempt_id, attempt_id);
    snprintf(subtask, sizeof(subtask), "%u", t->spec->subtask);
    snprintf(attempt, sizeof(attempt), "%u", t->spec->attempt_number);
    const struct metric_variable variables[] = {
        {"task_id", vertex_id},          {"task_name", d->vertex->name}, {"subtask_index", subtask},
        {"task_attempt_id", attempt_id}, {"task_attempt_num", attempt},
    };
    return metric_group_new(t->env->registry, t->env->job_metrics, METRIC_SCOPE_TASK, variables,
                            ARRAY_LEN(variables));
}

struct task_metrics *task_metrics_new(struct task *t)
{
    if (t->env->registry == NULL) {
        return NULL;
    }
    struct task_metrics *m = MEM_NEW(struct task_metrics);
    struct metric_group *g = task_group_new(t);
    const struct {
        const char *name, *per_second;
        const struct metric_counter *counter;
    } counters[] = {
        {"numRecordsIn", "numRecordsInPerSecond", &t->in.n_records},
        {"numRecordsOut", "numRecordsOutPerSecond", &t->out.n_records},
        {"numBytesIn", "numBytesInPerSecond", &t->in.n_bytes},
        {"numBytesOut", "numBytesOutPerSecond", &t->out.n_bytes},
        {"numBytesInLocal", "numBytesInLocalPerSecond", &t->in_local.n_bytes},
        {"numBytesInRemote", "numBytesInRemotePerSecond", &t->in_remote.n_bytes},
        {"numBuffersInLocal", "numBuffersInLocalPerSecond", &t->in_local.n_batches},
        {"numBuffersInRemote", "numBuffersInRemotePerSecond", &t->in_remote.n_batches},
        {"numBuffersOut", "numBuffersOutPerSecond", &t->out.n_batches},
    };
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        metric_group_add_counter(g, counters[i].name, counters[i].counter);
        metric_group_meter(g, counters[i].per_second, counters[i].counter);
    }
    m->task = t;
    m->group = g;
    int64_t now_ms = clock_monotonic_ms(t->env->clock);
    for (size_t i = 0; i < SHARES; i++) {
        m->shares[i] =
            (struct time_share){.task = t, .kind = (enum time_share_kind)i, .at_ms = now_ms};
        metric_group_gauge_fn(g, share_names[i].per_second, gauge_time_share, &m->shares[i]);
        metric_group_gauge_fn(g, share_names[i].total, gauge_time_total, &m->shares[i]);
    }
    metric_group_gauge_fn(g, "isBackPressured", gauge_is_backpressured, t);
    metric_group_gauge_fn(g, "mailboxQueueSize", gauge_mailbox, t);
    metric_group_gauge_fn(g, "currentInputWatermark", gauge_input_watermark, t);
    metric_group_gauge_fn(g, "checkpointAlignmentTime", gauge_alignment, t);
    metric_group_gauge_fn(g, "checkpointStartDelayNanos", gauge_start_delay, t);
    return m;
}

struct metric_group *task_metrics_group(const struct task_metrics *m)
{
    return m != NULL ? m->group : NULL;
}

void task_metrics_add_queues(struct task_metrics *m)
{
    if (m != NULL && m->task->debloat.next_ns != 0) {
        metric_group_gauge_fn(m->group, "debloatedBufferSize", gauge_debloated, m->task);
        metric_group_gauge_fn(m->group, "estimatedTimeToConsumeBuffersMs", gauge_time_to_consume,
                              m->task);
    }
    if (m != NULL) {
        m->buffers = metric_group_add(m->group, "buffers");
        metric_group_gauge_fn(m->buffers, "inputQueueLength", gauge_input_queue, m->task);
        metric_group_gauge_fn(m->buffers, "outputQueueLength", gauge_output_queue, m->task);
    }
}

void task_metrics_remove_queues(struct task_metrics *m)
{
    if (m != NULL) {
        m->buffers = metric_group_free(m->buffers);
    }
}

struct task_metrics *task_metrics_free(struct task_metrics *m)
{
    if (m != NULL) {
        ASSERT(m->buffers == NULL);
        metric_group_free(m->group);
        mem_free(m);
    }
    return NULL;
}
