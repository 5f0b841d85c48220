/* What the memory of a task manager is divided into, from taskmanager.memory.*: by Flink's rules, with
 * Flink's messages, so that a configuration means here what it means there.
 *
 * Nothing of a C process is a heap or a metaspace.  What is enforced are the parts that a slot is worth
 * (task, managed, network); framework, metaspace and overhead are what the task manager and the
 * processes of its workers have besides.
 * Thread: any.  Flink: TaskExecutorProcessUtils, ProcessMemoryUtils, TaskExecutorFlinkMemoryUtils. */
#ifndef FLINC_TASKMANAGER_MANAGER_MEMORY_H
#define FLINC_TASKMANAGER_MANAGER_MEMORY_H

#include "common/conf/conf.h"
#include "engine/graph/resource_profile.h"
#include "proto/cluster.pb-c.h"

/* Bytes. */
struct tm_memory {
    uint64_t framework_heap, task_heap, framework_off_heap, task_off_heap, network, managed;
    uint64_t total_flink; /* the sum of those */
    uint64_t jvm_metaspace, jvm_overhead;
    uint64_t total_process; /* the sum of all */
};

/* taskmanager.memory.process.size when no total is configured: what Flink's config.yaml ships. */
#define TM_MEMORY_PROCESS_DEFAULT (UINT64_C(1728) << 20)

/* ERR_INVALID_CONFIG when it does not add up. */
int tm_memory_derive(const struct conf *conf, struct tm_memory *ret, struct error *err) MUST_CHECK;

/* Filled in; nothing in them is owned. */
void tm_memory_fill_configuration(const struct tm_memory *m, Flinc__MemoryConfiguration *ret);
/* What the slots are worth together: CPU (taskmanager.cpu.cores, else one core per slot), memory, and
 * external-resources.  ERR_INVALID_CONFIG. */
int tm_memory_total_profile(const struct tm_memory *m, const struct conf *conf, uint32_t n_slots,
                            struct resource_profile *ret, struct error *err) MUST_CHECK;

/* One line per part, as Flink logs them at the start. */
void tm_memory_append_text(const struct tm_memory *m, struct str *out);

#endif
