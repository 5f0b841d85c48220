/* What a task does when the worker's memory budget is full, before it takes new input.
 *
 * Free memory comes from tasks that consume, so those whose outputs are empty go on; the others wait, as
 * for an output that is full.  Two things end a task: it waited in vain for TASK_MEMORY_WAIT_MS, or the
 * pools are far over the budget and this one holds more than its share. */
#include "common/base/log.h"
#include "taskmanager/worker/task.h"

enum {
    TASK_MEMORY_WAIT_MS = 30000,
    TASK_MEMORY_OVERRUN_PERCENT = 125, /* of the limit, from which on tasks fail */
};

static bool task_outputs_empty(const struct task *t)
{
    for (uint32_t i = 0; i < t->n_results; i++) {
        if (result_partition_queue_len(t->results[i]) > 0) {
            return false;
        }
    }
    return true;
}

static int task_out_of_memory(const struct task *t, const char *what, struct error *err)
{
    const struct mem_budget *b = t->env->budget;
    return error_set(
        err, ERR_OUT_OF_MEMORY,
        "%s: the batches of this job's tasks hold %llu of %llu bytes here, %llu of them this task. "
        "Raise taskmanager.memory.network.max, taskmanager.memory.managed.size or "
        "taskmanager.memory.process.size, or lower the parallelism",
        what, (unsigned long long)atomic_load(&b->used_bytes),
        (unsigned long long)atomic_load(&b->limit_bytes),
        (unsigned long long)(buffer_pool_out_bytes(t->pool) + buffer_pool_free_bytes(t->pool)));
}

/* Far over the limit, and no other task can be blamed for more. */
static bool task_overran(const struct task *t)
{
    const struct mem_budget *b = t->env->budget;
    uint64_t limit = atomic_load(&b->limit_bytes), used = atomic_load(&b->used_bytes);
    uint32_t n_tasks = MAX(atomic_load(t->env->n_tasks), 1u);
    return limit != 0 && used > limit / 100 * TASK_MEMORY_OVERRUN_PERCENT &&
           buffer_pool_out_bytes(t->pool) >= used / n_tasks;
}

int task_wait_for_memory(struct task *t, struct error *err)
{
    buffer_pool_trim(t->pool);
    if (!mem_budget_is_full(t->env->budget)) {
        t->memory.since_ns = 0;
        return 0;
    }
    if (task_overran(t)) {
        return task_out_of_memory(t, "the memory budget is overrun", err);
    }
    if (t->n_inputs > 0 && task_outputs_empty(t)) {
        t->memory.since_ns = 0;
        return 0;
    }
    int64_t now_ns = clock_monotonic_ns(t->env->clock);
    if (t->memory.since_ns == 0) {
        t->memory.since_ns = now_ns;
        LOG_DEBUG("flinc.taskmanager.worker", "task %s waits for memory of the worker", t->name);
    }
    if (now_ns - t->memory.since_ns > (int64_t)TASK_MEMORY_WAIT_MS * 1000000) {
        return task_out_of_memory(t, "no memory became free in 30 s", err);
    }
    return 1;
}
