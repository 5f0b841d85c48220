/* The memory of the process against its budget: pools and keyed state charge it themselves; what user code
 * allocates shows in the resident memory only, and is looked at every second.
 *
 * Over the budget the process first gives back what it keeps for reuse; when that does not help it ends
 * itself with a reason, before the kernel ends it, or something else, without one. */
#include "common/base/log.h"
#include "taskmanager/taskworker/taskworker.h"
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

static const char topic[] = "flinc.taskworker";

void taskworker_set_budget(struct taskworker *tw, const Flinc__WorkerBudget *budget)
{
    atomic_store(&tw->n_slots, budget->n_slots);
    mem_budget_set_limit(&tw->managed, budget->managed_bytes);
    /* Batches may use what state leaves. */
    mem_budget_set_limit(&tw->pools, budget->network_bytes + budget->managed_bytes);
    mem_budget_set_limit(&tw->total,
                         budget->task_bytes + budget->managed_bytes + budget->network_bytes);
}

/* Resident bytes that are not files; 0: unknown. */
static uint64_t anonymous_bytes(void)
{
    char text[128];
    unsigned long long size, resident, shared;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[MAX(n, (ssize_t)0)] = '\0';
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident) {
        return 0;
    }
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void check_memory(struct taskworker *tw)
{
    uint64_t budget = atomic_load(&tw->total.limit_bytes);
    if (budget == 0) {
        return;
    }
    uint64_t limit = budget + TASKWORKER_OVERHEAD_BYTES;
    uint64_t used = anonymous_bytes();
    if (used > limit / 8 * 7) {
        worker_trim(tw->worker);
        (void)malloc_trim(0);
        used = anonymous_bytes();
    }
    if (used <= limit) {
        return;
    }
    struct error err = ERROR_INIT;
    uint64_t batches = atomic_load(&tw->pools.used_bytes),
             state = atomic_load(&tw->managed.used_bytes);
    error_set(
        &err, ERR_OUT_OF_MEMORY,
        "The worker process of job '%s' uses %llu MB of memory, its budget is %llu MB (%llu MB of "
        "them used by batches, %llu MB by keyed state; the rest is what functions of the job "
        "allocate). Raise taskmanager.memory.task.heap.size or taskmanager.memory.process.size, "
        "or make the functions use less",
        tw->job_name, (unsigned long long)(used >> 20), (unsigned long long)(budget >> 20),
        (unsigned long long)(batches >> 20), (unsigned long long)(state >> 20));
    LOG_ERROR(topic, "%s", err.message);
    taskworker_die(tw, &err, TASKWORKER_EXIT_MEMORY);
}

static void on_memory_timer(void *arg)
{
    struct taskworker *tw = arg;
    if (tw->state == TASKWORKER_READY) {
        check_memory(tw);
    }
    taskworker_watch_memory(tw);
}

void taskworker_watch_memory(struct taskworker *tw)
{
    (void)loop_schedule(tw->loop, TASKWORKER_MEMORY_MS, on_memory_timer, tw);
}
