/* Metrics of the process itself, under Flink's names: "Status.JVM.CPU.Load", "Status.JVM.Memory.Heap.Used"
 * and so on, with what a native process has in their place (docs/reference/metrics.md says which); and what it does
 * with S3 and HDFS: "filesystem.s3.bytesRead".
 * Values are taken together when somebody reads one of them, at most once a second.
 * Thread: any (readings are serialised by the registry's lock). */
#ifndef FLINC_COMMON_METRICS_PROCESS_METRICS_H
#define FLINC_COMMON_METRICS_PROCESS_METRICS_H

#include "common/metrics/registry.h"

struct process_metrics;
/* Registers in `group` (of scope jm or tm), which must outlive it.  `clock` NULL: the system's.
 * `memory_max_bytes`: what this process may use, for Heap.Max and NonHeap.Max; 0: what the machine or
 * its container has. */
struct process_metrics *process_metrics_new(struct metric_group *group, const struct clock *clock,
                                            uint64_t memory_max_bytes);
/* NULL is fine; returns NULL. */
struct process_metrics *process_metrics_free(struct process_metrics *p);

/* What other processes add, as the workers of a task manager do: times, memory, threads and descriptors are
 * summed, what has a limit or is the same everywhere (Max, Mapped, ClassLoader) is not. */
enum { PROCESS_METRICS_ROWS_MAX = 64 };
struct process_sums {
    double values[PROCESS_METRICS_ROWS_MAX]; /* by row; zeroed to begin with */
};
/* Adds a value by the name of its metric: "Status.JVM.CPU.Load"; others are ignored. */
void process_sums_add(struct process_sums *sums, const char *name, double value);
/* From the next reading on.  Thread: any. */
void process_metrics_set_others(struct process_metrics *p, const struct process_sums *sums);

#endif
