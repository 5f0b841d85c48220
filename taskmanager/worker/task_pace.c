/* The cost of a row, and the rows that follow from it (task_pace.h). */
#include "taskmanager/worker/task_pace.h"
#include "taskmanager/worker/task.h"

static void pace_set(struct task *t, uint32_t rows)
{
    if (rows == t->pace.rows) {
        return;
    }
    t->pace.rows = rows;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        gate_set_rows(t->inputs[i].gate, rows);
    }
    chain_set_source_rows(t->chain, rows);
}

static int64_t pace_rows_taken(const struct task *t)
{
    return metric_counter_get(&t->in.n_records) + (int64_t)t->chain->source_rows;
}

static int64_t pace_waited_ns(const struct task *t)
{
    return atomic_load_explicit(&t->times.idle_ns, memory_order_relaxed) +
           atomic_load_explicit(&t->times.backpressured_ns, memory_order_relaxed);
}

void task_pace_init(struct task *t)
{
    struct task_pace *p = &t->pace;
    *p = (struct task_pace){.rows = UINT32_MAX, .last_ns = clock_monotonic_ns(t->env->clock)};
    uint64_t first = t->deployment->batch_time_ns > 0 ? TASK_PACE_FIRST_ROWS : UINT32_MAX;
    for (uint32_t i = 0; i < t->n_results; i++) {
        uint64_t bytes = result_partition_part_bytes(t->results[i]);
        if (bytes > 0) {
            p->channel_bytes = p->channel_bytes > 0 ? MIN(p->channel_bytes, bytes) : bytes;
        }
    }
    if (p->channel_bytes > 0) {
        uint64_t fit = MAX(p->channel_bytes / TASK_PACE_FIRST_BYTES, (uint64_t)1);
        first = MIN(first, fit);
    }
    pace_set(t, (uint32_t)first);
}

/* At once where it grows, so that one slow batch is enough to be on guard; slowly where it falls. */
static double pace_average(double average, double now)
{
    return now >= average ? now : average - (average - now) / 4;
}

static uint32_t rows_within(double limit, double each)
{
    double rows = each > 0 ? limit / each : BATCH_ROWS_MAX;
    return rows >= BATCH_ROWS_MAX ? UINT32_MAX : MAX((uint32_t)rows, 1u);
}

void task_pace_turn(struct task *t)
{
    struct task_pace *p = &t->pace;
    int64_t taken = pace_rows_taken(t), rows = taken - p->last_rows;
    int64_t now_ns = clock_monotonic_ns(t->env->clock), waited_ns = pace_waited_ns(t);
    if (rows > 0) {
        int64_t busy_ns = now_ns - p->last_ns - (waited_ns - p->last_waited_ns);
        int64_t bytes = metric_counter_get(&t->out.n_bytes);
        p->row_ns = pace_average(p->row_ns, (double)MAX(busy_ns, (int64_t)0) / (double)rows);
        int64_t limit_ns = t->deployment->batch_time_ns;
        uint32_t most = limit_ns > 0 ? rows_within((double)limit_ns, p->row_ns) : UINT32_MAX;
        if (p->channel_bytes > 0) {
            p->row_bytes =
                pace_average(p->row_bytes, (double)(bytes - p->last_bytes) / (double)rows);
            uint32_t fit = rows_within((double)p->channel_bytes, p->row_bytes);
            most = MIN(most, fit);
        }
        p->last_bytes = bytes;
        pace_set(t, most);
    }
    p->last_rows = taken;
    p->last_ns = now_ns;
    p->last_waited_ns = waited_ns;
}
