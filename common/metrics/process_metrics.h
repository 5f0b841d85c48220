/* Metrics of the process itself, under Flink's names: "Status.JVM.CPU.Load", "Status.JVM.Memory.Heap.Used"
 * and so on, with what a native process has in their place (docs/reference/metrics.md says which).
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

#endif
