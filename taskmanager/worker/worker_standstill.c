/* The watchdog of running tasks: one that has something to do, and in which nothing moves for task.standstill.timeout,
 * has the stacks of all threads written to the log, once per standstill.  It only tells: a user function may take
 * that long, and a full output may be somebody else's fault, which the stacks of that one then show.
 * Thread: the worker's. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/worker/worker_internal.h"

static const char topic[] = "flinc.taskmanager.worker";

enum { STANDSTILL_LOOKS = 4 }; /* in the time-out */

/* What changes when anything moves. */
static int64_t standstill_sign(const struct task *t)
{
    return metric_counter_get(&t->in.n_records) + metric_counter_get(&t->out.n_records) +
           atomic_load(&t->times.idle_ns);
}

/* Idle ones wait for what others do. */
static bool standstill_is_due(struct task *t, int64_t now_ns)
{
    int64_t sign = standstill_sign(t);
    bool has_work = task_get_state(t) == FLINC__EXECUTION_STATE__EXECUTION_RUNNING &&
                    atomic_load(&t->times.wait) != TASK_WAIT_IDLE;
    if (!has_work || sign != t->standstill.sign) {
        t->standstill = (struct task_standstill){.sign = sign, .since_ns = now_ns};
        return false;
    }
    return !t->standstill.told &&
           now_ns - t->standstill.since_ns >= t->deployment->standstill_ms * 1000000;
}

static void standstill_tell(struct worker *w, struct task *t, int64_t now_ns)
{
    STR_AUTO title = STR_INIT;
    t->standstill.told = true;
    str_printf(&title,
               "task %s of job '%s' is in RUNNING and nothing has moved for %lld ms, in %s (%s)",
               t->name, t->deployment->tasks->job_name,
               (long long)((now_ns - t->standstill.since_ns) / 1000000), task_current_operator(t),
               atomic_load(&t->times.wait) == TASK_WAIT_NONE ? "busy" : "waiting for others");
    LOG_WARN(topic, "%s; stacks of all threads follow", str_cstr(&title));
    if (w->options.on_standstill != NULL) {
        w->options.on_standstill(w->options.owner);
    } else {
        crash_report_dump_thread(t->thread, str_cstr(&title));
    }
}

static void worker_look_for_standstill(void *arg)
{
    struct worker *w = arg;
    int64_t now_ns = clock_monotonic_ns(w->options.clock), period_ms = INT64_MAX;
    struct task *due = NULL;
    MAP_FOREACH (&w->tasks, e) {
        struct task *t = e->value;
        if (t->deployment->standstill_ms > 0) {
            int64_t look_ms = MAX(t->deployment->standstill_ms / STANDSTILL_LOOKS, (int64_t)1);
            period_ms = MIN(period_ms, look_ms);
            due = standstill_is_due(t, now_ns) ? t : due;
        }
    }
    w->standstill_timer = TIMER_NONE;
    if (due != NULL) {
        standstill_tell(w, due, now_ns);
    }
    if (period_ms != INT64_MAX) {
        w->standstill_timer =
            component_schedule(w->component, period_ms, worker_look_for_standstill, w);
    }
}

void worker_watch_standstill(struct worker *w, const struct deployment *d)
{
    if (d->standstill_ms > 0 && w->standstill_timer == TIMER_NONE) {
        w->standstill_timer = component_schedule(w->component, d->standstill_ms / STANDSTILL_LOOKS,
                                                 worker_look_for_standstill, w);
    }
}
