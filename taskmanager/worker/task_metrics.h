/* The metrics of a task by Flink's names, in the scope metrics.scope.task.  Made and freed by the task's
 * thread; read by any (the registry's lock keeps the task's gates and partitions alive meanwhile). */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_METRICS_H
#define FLINC_TASKMANAGER_WORKER_TASK_METRICS_H

#include "taskmanager/worker/task.h"

/* The group, for the operators' groups below it; NULL without a registry. */
struct task_metrics *task_metrics_new(struct task *t);
struct metric_group *task_metrics_group(const struct task_metrics *m);
/* While gates and partitions are there. */
void task_metrics_add_queues(struct task_metrics *m);
void task_metrics_remove_queues(struct task_metrics *m);
/* After the operators' groups.  NULL is fine; returns NULL. */
struct task_metrics *task_metrics_free(struct task_metrics *m);

#endif
