/* The watchdog of cancellations: a task that does not end is woken and named in the log at every
 * interval, with the stack of its thread; after the time-out the owner decides, which by default ends
 * the process: a thread cannot be ended from outside, a process can. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/worker/worker_internal.h"
#include <stdio.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.worker";

/* The task finds its worker by the environment. */
static struct worker *worker_of(const struct task *t)
{
    return t->env->owner;
}

static void worker_give_up(struct worker *w, struct task *task, int64_t cancelling_ms)
{
    const struct stuck_task stuck = {
        .job_name = task->deployment->tasks->job_name,
        .task_name = task->name,
        .operator_name = task_current_operator(task),
        .attempt_id = task->attempt_id,
        .cancelling_ms = cancelling_ms,
    };
    LOG_ERROR(topic,
              "task %s of job '%s' did not end within %lld ms of its cancellation, in %s: %s",
              stuck.task_name, stuck.job_name, (long long)cancelling_ms, stuck.operator_name,
              w->options.on_stuck_task != NULL ? "its owner is asked" : "the process ends");
    if (w->options.on_stuck_task == NULL) {
        /* The log may be a file: whoever sees the process end shall see why. */
        (void)dprintf(STDERR_FILENO,
                      "\nFlinc ends: task %s of job '%s' did not end within %lld ms of its "
                      "cancellation (task.cancellation.timeout), in operator %s\n",
                      stuck.task_name, stuck.job_name, (long long)cancelling_ms,
                      stuck.operator_name);
        _exit(WORKER_STUCK_EXIT_STATUS);
    }
    struct str title = STR_INIT;
    str_printf(&title, "Stack of task %s of job '%s', which does not end:", task->name,
               stuck.job_name);
    crash_report_dump_thread(task->thread, str_cstr(&title));
    str_fini(&title);
    w->options.on_stuck_task(w->options.owner, &stuck);
}

static void worker_watch_again(void *arg)
{
    struct task *task = arg;
    struct worker *w = worker_of(task);
    const struct deployment *d = task->deployment;
    int64_t now_ns = clock_monotonic_ns(w->options.clock);
    int64_t cancelling_ms = (now_ns - task->cancelling_since_ns) / 1000000;
    task->watchdog = TIMER_NONE;
    if (d->cancellation_timeout_ms > 0 && cancelling_ms >= d->cancellation_timeout_ms) {
        worker_give_up(w, task, cancelling_ms);
        return;
    }
    struct str title = STR_INIT;
    str_printf(&title, "Stack of task %s of job '%s', cancelled %lld ms ago:", task->name,
               d->tasks->job_name, (long long)cancelling_ms);
    LOG_WARN(topic,
             "task %s has not ended %lld ms after its cancellation, in %s; it is woken again",
             task->name, (long long)cancelling_ms, task_current_operator(task));
    (void)task_cancel(task);
    crash_report_dump_thread(task->thread, str_cstr(&title));
    str_fini(&title);
    worker_watch(w, task);
}

void worker_watch(struct worker *w, struct task *task)
{
    if (task->watchdog != TIMER_NONE || PLANTED("cancellations_are_not_watched")) {
        return;
    }
    const struct deployment *d = task->deployment;
    int64_t now_ns = clock_monotonic_ns(w->options.clock);
    if (task->cancelling_since_ns == 0) {
        task->cancelling_since_ns = now_ns;
    }
    int64_t delay_ms = d->cancellation_interval_ms;
    if (d->cancellation_timeout_ms > 0) {
        int64_t left_ms =
            d->cancellation_timeout_ms - (now_ns - task->cancelling_since_ns) / 1000000;
        left_ms = MAX(left_ms, (int64_t)0);
        delay_ms = MIN(delay_ms, left_ms);
    }
    task->watchdog = component_schedule(w->component, delay_ms, worker_watch_again, task);
}

void worker_unwatch(struct worker *w, struct task *task)
{
    component_cancel(w->component, task->watchdog);
    task->watchdog = TIMER_NONE;
}
