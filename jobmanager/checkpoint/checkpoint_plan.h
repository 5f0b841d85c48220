/* Who takes part in a checkpoint: all tasks that run acknowledge it, those without a running task before them
 * are triggered, those that have finished count as done.
 *
 * Thread: the checkpointer's.  Flink: CheckpointPlan, DefaultCheckpointPlanCalculator. */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_PLAN_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINT_PLAN_H

#include "jobmanager/checkpoint/checkpointer.h"

struct planned_task {
    struct checkpoint_task task;
    bool finished; /* before the checkpoint: nothing is to be waited for */
};

/* Caller's memory. */
struct checkpoint_plan {
    struct planned_task *tasks; /* Owns; vertex by vertex */
    uint32_t n_tasks, n_running;
    struct checkpoint_task *triggers; /* Owns */
    uint32_t n_triggers;
};

struct checkpoint_plan_options {
    const Flinc__JobGraph *graph;
    const struct checkpointer_host *host;
    void *host_arg;
    bool after_tasks_finish; /* finished tasks are no obstacle */
};
/* ERR_UNAVAILABLE: a task is not ready, or has finished and must not have.  The text names it. */
int checkpoint_plan_init(struct checkpoint_plan *p, const struct checkpoint_plan_options *options,
                         struct error *err) MUST_CHECK;
void checkpoint_plan_fini(struct checkpoint_plan *p);

#endif
