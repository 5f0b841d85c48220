/* Samples of a task's inputs and the windows that follow from them (task_debloat.h). */
#include "taskmanager/worker/task_debloat.h"
#include "taskmanager/worker/task.h"

void task_debloat_init(struct task *t, struct task_input *in)
{
    const struct debloat_settings *s = &t->deployment->debloat;
    if (!s->enabled || s->period_ns <= 0) {
        return;
    }
    debloater_init(&in->debloater,
                   &(struct debloater_options){.target_ms = s->target_ms,
                                               .n_samples = s->n_samples,
                                               .threshold_percent = s->threshold_percent,
                                               .n_channels = gate_n_channels(in->gate),
                                               .window_max = in->channel_bytes});
    t->debloat.last_ns = clock_monotonic_ns(t->env->clock);
    t->debloat.next_ns = t->debloat.last_ns + s->period_ns;
    atomic_store(&t->debloat.window_bytes, (int64_t)in->debloater.announced);
}

void task_debloat_turn(struct task *t)
{
    struct task_debloat *d = &t->debloat;
    if (LIKELY(d->next_ns == 0)) {
        return;
    }
    int64_t now_ns = clock_monotonic_ns(t->env->clock);
    if (now_ns < d->next_ns) {
        return;
    }
    int64_t idle_ns = atomic_load(&t->times.idle_ns);
    int64_t busy_ns = now_ns - d->last_ns - (idle_ns - d->last_idle_ns);
    uint64_t window = UINT64_MAX, queued = 0, per_second = 0;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        struct task_input *in = &t->inputs[i];
        uint64_t taken = gate_taken_bytes(in->gate);
        if (debloater_sample(&in->debloater, taken - in->debloat_bytes, busy_ns)) {
            gate_set_window(in->gate, in->debloater.announced);
        }
        in->debloat_bytes = taken;
        window = MIN(window, in->debloater.announced);
        queued += gate_queue_bytes(in->gate);
        per_second += in->debloater.bytes_per_second;
    }
    d->last_ns = now_ns;
    d->last_idle_ns = idle_ns;
    d->next_ns = now_ns + t->deployment->debloat.period_ns;
    atomic_store(&d->window_bytes, (int64_t)window);
    atomic_store(&d->estimate_ms, per_second > 0 ? (int64_t)(queued * 1000 / per_second) : 0);
}
