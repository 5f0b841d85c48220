/* Buffer debloating of a task: once per period each input's share of what the task took says how much its
 * channels should have under way (exchange/debloater.h), and producers are told.
 *
 * Thread: the task's; gauges are read by any.  Flink: StreamTask.debloat. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_DEBLOAT_H
#define FLINC_TASKMANAGER_WORKER_TASK_DEBLOAT_H

#include "taskmanager/exchange/debloater.h"

struct task;
struct task_input;

struct task_debloat {
    int64_t next_ns;               /* when the next sample is due; 0: it is off */
    int64_t last_ns, last_idle_ns; /* of the last sample */
    /* For gauges: of all inputs together, the window of a channel and the time to consume what waits. */
    _Atomic int64_t window_bytes, estimate_ms;
};

void task_debloat_init(struct task *t, struct task_input *in);
/* Takes a sample when it is due. */
void task_debloat_turn(struct task *t);

#endif
