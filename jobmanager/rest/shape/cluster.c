/* Shapes of the cluster: the dashboard's configuration, the overview, task managers. */
#include "common/base/build_info.h"
#include "common/text/number.h"
#include "jobmanager/rest/shape/shape.h"
#include <time.h>

/* ---- configuration and overview ------------------------------------------------------------------- */

void rest_write_config(struct json_writer *w, const struct rest_features *f, int64_t now_ms)
{
    struct tm local = {0};
    time_t seconds = (time_t)(now_ms / 1000);
    localtime_r(&seconds, &local);
    json_writer_object(w);
    json_writer_put_int(w, "refresh-interval", f->refresh_interval_ms);
    json_writer_put_string(w, "timezone-name", local.tm_zone != NULL ? local.tm_zone : "UTC");
    json_writer_put_int(w, "timezone-offset", (int64_t)local.tm_gmtoff * 1000);
    json_writer_put_string(w, "flink-version", REST_FLINK_VERSION);
    json_writer_put_string(w, "flink-revision", build_revision());
    json_writer_key(w, "features");
    json_writer_object(w);
    json_writer_put_bool(w, "web-submit", f->submit);
    json_writer_put_bool(w, "web-cancel", f->cancel);
    json_writer_put_bool(w, "web-rescale", f->rescale);
    json_writer_put_bool(w, "web-history", f->history);
    json_writer_end(w);
    json_writer_end(w);
}

void rest_write_overview(struct json_writer *w, const struct resource_overview *r,
                         const struct job_counts *jobs)
{
    json_writer_object(w);
    json_writer_put_int(w, "taskmanagers", r->n_task_managers);
    json_writer_put_int(w, "slots-total", r->n_slots);
    json_writer_put_int(w, "slots-available", r->n_free);
    json_writer_put_int(w, "jobs-running", jobs->running);
    json_writer_put_int(w, "jobs-finished", jobs->finished);
    json_writer_put_int(w, "jobs-cancelled", jobs->cancelled);
    json_writer_put_int(w, "jobs-failed", jobs->failed);
    json_writer_put_string(w, "flink-version", REST_FLINK_VERSION);
    json_writer_put_string(w, "flink-commit", build_commit());
    json_writer_end(w);
}

/* ---- task managers -------------------------------------------------------------------------------- */

static int64_t mebibytes(uint64_t bytes)
{
    return (int64_t)(bytes >> 20);
}

void rest_write_resource(struct json_writer *w, const Flinc__ResourceProfile *p)
{
    json_writer_object(w);
    json_writer_put_double(w, "cpuCores", p->cpu_cores);
    json_writer_put_int(w, "taskHeapMemory", mebibytes(p->task_heap_bytes));
    json_writer_put_int(w, "taskOffHeapMemory", mebibytes(p->task_off_heap_bytes));
    json_writer_put_int(w, "managedMemory", mebibytes(p->managed_bytes));
    json_writer_put_int(w, "networkMemory", mebibytes(p->network_bytes));
    json_writer_key(w, "extendedResources");
    json_writer_object(w);
    for (size_t i = 0; i < p->n_extended; i++) {
        json_writer_put_double(w, p->extended[i]->name, p->extended[i]->amount);
    }
    json_writer_end(w);
    json_writer_end(w);
}

static void write_memory(struct json_writer *w, const Flinc__MemoryConfiguration *m)
{
    const struct {
        const char *key;
        uint64_t bytes;
    } parts[] = {
        {"frameworkHeap", m->framework_heap},
        {"taskHeap", m->task_heap},
        {"frameworkOffHeap", m->framework_off_heap},
        {"taskOffHeap", m->task_off_heap},
        {"networkMemory", m->network},
        {"managedMemory", m->managed},
        {"jvmMetaspace", m->jvm_metaspace},
        {"jvmOverhead", m->jvm_overhead},
        {"totalFlinkMemory", m->total_flink},
        {"totalProcessMemory", m->total_process},
    };
    json_writer_object(w);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_writer_put_int(w, parts[i].key, (int64_t)parts[i].bytes);
    }
    json_writer_end(w);
}

void rest_put_taskmanager(struct json_writer *w, const struct taskmanager_details *t)
{
    json_writer_put_string(w, "id", t->id);
    json_writer_put_string(w, "path", t->rpc_address);
    json_writer_put_int(w, "dataPort", t->data_port);
    json_writer_put_int(w, "jmxPort", -1);
    json_writer_put_int(w, "timeSinceLastHeartbeat", t->last_heartbeat_ms);
    json_writer_put_int(w, "slotsNumber", t->n_slots);
    json_writer_put_int(w, "freeSlots", t->n_free);
    json_writer_put_int(w, "assignedTasks", t->assigned_tasks);
    json_writer_key(w, "totalResource");
    rest_write_resource(w, &t->total_profile);
    json_writer_key(w, "freeResource");
    rest_write_resource(w, &t->free_profile);
    json_writer_key(w, "hardware");
    json_writer_object(w);
    json_writer_put_int(w, "cpuCores", t->hardware.cpu_cores);
    json_writer_put_int(w, "physicalMemory", (int64_t)t->hardware.physical_memory);
    json_writer_put_int(w, "freeMemory", (int64_t)t->hardware.free_memory);
    json_writer_put_int(w, "managedMemory", (int64_t)t->hardware.managed_memory);
    json_writer_end(w);
    json_writer_key(w, "memoryConfiguration");
    write_memory(w, &t->memory);
}

void rest_write_slots(struct json_writer *w, const struct taskmanager_details *t)
{
    json_writer_array(w);
    for (uint32_t i = 0; i < t->n_usages; i++) {
        const struct slot_usage *u = &t->usages[i];
        for (uint32_t s = 0; s < u->n_slots; s++) { /* the tasks, spread over the job's slots */
            uint32_t n_tasks = u->n_tasks / u->n_slots + (s < u->n_tasks % u->n_slots ? 1 : 0);
            json_writer_object(w);
            rest_put_id(w, "jobId", &u->job_id);
            json_writer_key(w, "resource");
            rest_write_resource(w, s < u->n_dynamic ? &u->dynamic[s] : &t->slot_profile);
            json_writer_put_int(w, "assignedTasks", n_tasks);
            json_writer_end(w);
        }
    }
    json_writer_end(w);
}

/* Fields of the details and the metrics that they show. */
static const struct {
    const char *field, *metric;
} taskmanager_metrics[] = {
    {"heapUsed", "Status.JVM.Memory.Heap.Used"},
    {"heapCommitted", "Status.JVM.Memory.Heap.Committed"},
    {"heapMax", "Status.JVM.Memory.Heap.Max"},
    {"nonHeapUsed", "Status.JVM.Memory.NonHeap.Used"},
    {"nonHeapCommitted", "Status.JVM.Memory.NonHeap.Committed"},
    {"nonHeapMax", "Status.JVM.Memory.NonHeap.Max"},
    {"directCount", "Status.JVM.Memory.Direct.Count"},
    {"directUsed", "Status.JVM.Memory.Direct.MemoryUsed"},
    {"directMax", "Status.JVM.Memory.Direct.TotalCapacity"},
    {"mappedCount", "Status.JVM.Memory.Mapped.Count"},
    {"mappedUsed", "Status.JVM.Memory.Mapped.MemoryUsed"},
    {"mappedMax", "Status.JVM.Memory.Mapped.TotalCapacity"},
    {"memorySegmentsAvailable", "Status.Shuffle.Netty.AvailableMemorySegments"},
    {"memorySegmentsTotal", "Status.Shuffle.Netty.TotalMemorySegments"},
    {"nettyShuffleMemorySegmentsAvailable", "Status.Shuffle.Netty.AvailableMemorySegments"},
    {"nettyShuffleMemorySegmentsUsed", "Status.Shuffle.Netty.UsedMemorySegments"},
    {"nettyShuffleMemorySegmentsTotal", "Status.Shuffle.Netty.TotalMemorySegments"},
    {"nettyShuffleMemoryAvailable", "Status.Shuffle.Netty.AvailableMemory"},
    {"nettyShuffleMemoryUsed", "Status.Shuffle.Netty.UsedMemory"},
    {"nettyShuffleMemoryTotal", "Status.Shuffle.Netty.TotalMemory"},
};

static int64_t metric_or_zero(const char *text)
{
    int64_t value = 0;
    double real = 0;
    if (text == NULL || number_parse_int64(slice_cstr(text), &value) == 0) {
        return value;
    }
    bool fits = number_parse_double(slice_cstr(text), &real) == 0 && real > -9e18 && real < 9e18;
    return fits ? (int64_t)real : 0;
}

void rest_write_taskmanager_metrics(struct json_writer *w,
                                    const char *(*value)(const void *arg, const char *name),
                                    const void *arg)
{
    json_writer_object(w);
    for (size_t i = 0; i < ARRAY_LEN(taskmanager_metrics); i++) {
        json_writer_put_int(w, taskmanager_metrics[i].field,
                            metric_or_zero(value(arg, taskmanager_metrics[i].metric)));
    }
    json_writer_key(w, "garbageCollectors"); /* there is none; the dashboard wants the list */
    json_writer_array(w);
    json_writer_end(w);
    json_writer_end(w);
}
