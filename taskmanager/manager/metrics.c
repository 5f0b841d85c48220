/* Metrics of the task manager itself: the rows of one table, read by their readers.
 *
 * What of managed and network memory is used is what the slots in use are worth: a worker's budget is
 * its own from the start. */
#include "taskmanager/manager/taskmanager_internal.h"

enum metric_row {
    ROW_MANAGED_USED,
    ROW_MANAGED_TOTAL,
    ROW_NETWORK_USED,
    ROW_NETWORK_AVAILABLE,
    ROW_NETWORK_TOTAL,
    ROW_SEGMENTS_USED,
    ROW_SEGMENTS_AVAILABLE,
    ROW_SEGMENTS_TOTAL,
    ROW_NETWORK_PERCENT,
};

static int64_t metric_row_value(const struct taskmanager *tm, enum metric_row row)
{
    const struct tm_memory *m = &tm->options.memory;
    uint64_t segment = MAX(conf_memory(tm->options.conf, "taskmanager.memory.segment-size"), 1u);
    uint64_t network_used = atomic_load_explicit(&tm->shown.network_used, memory_order_relaxed);
    switch (row) {
    case ROW_MANAGED_USED:
        return (int64_t)atomic_load_explicit(&tm->shown.managed_used, memory_order_relaxed);
    case ROW_MANAGED_TOTAL:
        return (int64_t)m->managed;
    case ROW_NETWORK_USED:
        return (int64_t)network_used;
    case ROW_NETWORK_AVAILABLE:
        return (int64_t)(m->network - network_used);
    case ROW_NETWORK_TOTAL:
        return (int64_t)m->network;
    case ROW_SEGMENTS_USED:
        return (int64_t)(network_used / segment);
    case ROW_SEGMENTS_AVAILABLE:
        return (int64_t)(m->network / segment - network_used / segment);
    case ROW_SEGMENTS_TOTAL:
        return (int64_t)(m->network / segment);
    case ROW_NETWORK_PERCENT:
        return m->network > 0 ? (int64_t)(network_used * 100 / m->network) : 0;
    }
    return 0;
}

/* One reader per row: a gauge has one argument. */
#define ROW_READER(name, row)                                          \
    static void name(void *arg, struct metric_value *ret_value)        \
    {                                                                  \
        metric_value_set_i64(ret_value, metric_row_value(arg, (row))); \
    }
ROW_READER(read_managed_used, ROW_MANAGED_USED)
ROW_READER(read_managed_total, ROW_MANAGED_TOTAL)
ROW_READER(read_network_used, ROW_NETWORK_USED)
ROW_READER(read_network_available, ROW_NETWORK_AVAILABLE)
ROW_READER(read_network_total, ROW_NETWORK_TOTAL)
ROW_READER(read_segments_used, ROW_SEGMENTS_USED)
ROW_READER(read_segments_available, ROW_SEGMENTS_AVAILABLE)
ROW_READER(read_segments_total, ROW_SEGMENTS_TOTAL)
ROW_READER(read_network_percent, ROW_NETWORK_PERCENT)

/* Counts of the worker host; every thread that reads metrics has ended before it is freed. */
#define HOST_READER(name, field)                                \
    static void name(void *arg, struct metric_value *ret_value) \
    {                                                           \
        const struct taskmanager *tm = arg;                     \
        struct worker_host_counters c = {0};                    \
        if (tm->ops->get_counters != NULL) {                    \
            tm->ops->get_counters(tm->host, &c);                \
        }                                                       \
        metric_value_set_i64(ret_value, (int64_t)c.field);      \
    }
HOST_READER(read_workers_started, n_started)
HOST_READER(read_workers_crashed, n_crashed)
HOST_READER(read_data_connections, n_data_connections)
HOST_READER(read_data_refused, n_data_refused)
HOST_READER(read_data_waiting, n_data_waiting)
HOST_READER(read_blobs_fetched, n_blobs_fetched)
HOST_READER(read_blobs_failed, n_blobs_failed)

static const struct {
    const char *name;
    metric_gauge_fn read;
} rows[] = {
    {"Status.Flink.Memory.Managed.Used", read_managed_used},
    {"Status.Flink.Memory.Managed.Total", read_managed_total},
    {"Status.Shuffle.Netty.UsedMemory", read_network_used},
    {"Status.Shuffle.Netty.AvailableMemory", read_network_available},
    {"Status.Shuffle.Netty.TotalMemory", read_network_total},
    {"Status.Shuffle.Netty.UsedMemorySegments", read_segments_used},
    {"Status.Shuffle.Netty.AvailableMemorySegments", read_segments_available},
    {"Status.Shuffle.Netty.TotalMemorySegments", read_segments_total},
    {"Status.Shuffle.Netty.RequestedMemoryUsage", read_network_percent},
    {"Status.Network.AvailableMemorySegments", read_segments_available},
    {"Status.Network.TotalMemorySegments", read_segments_total},
    {"Status.Workers.Started", read_workers_started},
    {"Status.Workers.Crashed", read_workers_crashed},
    {"Status.DataPort.Connections", read_data_connections},
    {"Status.DataPort.Refused", read_data_refused},
    {"Status.DataPort.Waiting", read_data_waiting},
    {"Status.Blobs.Fetched", read_blobs_fetched},
    {"Status.Blobs.Failed", read_blobs_failed},
};

void tm_metrics_start(struct taskmanager *tm)
{
    if (tm->options.metrics == NULL) {
        return;
    }
    const struct metric_variable variables[] = {{"host", tm->identity.host},
                                                {"tm_id", tm->identity.resource_id}};
    tm->metrics = metric_group_new(tm->options.metrics, NULL, METRIC_SCOPE_TM, variables,
                                   ARRAY_LEN(variables));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        metric_group_gauge_fn(tm->metrics, rows[i].name, rows[i].read, tm);
    }
}

void tm_metrics_end(struct taskmanager *tm)
{
    tm->metrics = metric_group_free(tm->metrics);
}

void tm_metrics_slots_changed(struct taskmanager *tm)
{
    struct resource_profile left;
    tm_slot_table_get_free(&tm->slots, &left);
    atomic_store_explicit(&tm->shown.used_slots, tm->slots.n - tm_slot_table_n_free(&tm->slots),
                          memory_order_relaxed);
    atomic_store_explicit(&tm->shown.managed_used,
                          tm->slots.total.managed_bytes - left.managed_bytes, memory_order_relaxed);
    atomic_store_explicit(&tm->shown.network_used,
                          tm->slots.total.network_bytes - left.network_bytes, memory_order_relaxed);
}

/* ---- the answer to a query ---------------------------------------------------------------------- */

static void add_sample(void *arg, const struct metric_sample *sample)
{
    struct vec *samples = arg;
    Flinc__MetricSample *s = MEM_NEW(Flinc__MetricSample);
    flinc__metric_sample__init(s);
    s->name = mem_strdup(sample->name);
    s->kind = (uint32_t)sample->kind;
    switch (sample->value.type) {
    case METRIC_VALUE_INT64:
        s->value_case = FLINC__METRIC_SAMPLE__VALUE_INTEGER;
        s->integer = sample->value.i64;
        break;
    case METRIC_VALUE_DOUBLE:
        s->value_case = FLINC__METRIC_SAMPLE__VALUE_REAL;
        s->real = sample->value.f64;
        break;
    case METRIC_VALUE_TEXT:
        s->value_case = FLINC__METRIC_SAMPLE__VALUE_TEXT;
        s->text = mem_strdup(sample->value.text);
        break;
    }
    vec_push_ptr(samples, s);
}

void tm_metrics_append_dump(struct taskmanager *tm, Flinc__MetricDump *dump)
{
    if (tm->metrics == NULL) {
        return;
    }
    struct vec samples = VEC_INIT(Flinc__MetricSample *);
    metric_registry_visit(tm->options.metrics, tm->metrics, add_sample, &samples);
    Flinc__MetricGroupDump *group = MEM_NEW(Flinc__MetricGroupDump);
    flinc__metric_group_dump__init(group);
    group->scope = FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER;
    group->n_samples = samples.len;
    group->samples = samples.data; /* heap memory, taken over */
    dump->groups = mem_realloc(dump->groups, (dump->n_groups + 1) * sizeof(*dump->groups));
    dump->groups[dump->n_groups++] = group;
}
