/* Statistics of checkpoints as others see them; see checkpoint_stats.h. */
#include "jobmanager/checkpoint/checkpoint_stats.h"

#include "common/base/mem.h"
#include "jobmanager/checkpoint/stats_tracker.h"
#include <math.h>
#include <stdlib.h>

static const char *const status_names[] = {
    [CHECKPOINT_STATUS_IN_PROGRESS] = "IN_PROGRESS",
    [CHECKPOINT_STATUS_COMPLETED] = "COMPLETED",
    [CHECKPOINT_STATUS_FAILED] = "FAILED",
};
_Static_assert(ARRAY_LEN(status_names) == CHECKPOINT_STATUS_COUNT, "one name per status");

const char *checkpoint_status_name(enum checkpoint_status status)
{
    return (unsigned)status < CHECKPOINT_STATUS_COUNT ? status_names[status] : "UNKNOWN";
}

/* ---- one checkpoint ------------------------------------------------------------------------------- */

bool checkpoint_kind_is_savepoint(Flinc__CheckpointKind kind)
{
    return kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL ||
           kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
}

const char *checkpoint_details_type(const struct checkpoint_details *d)
{
    if (!checkpoint_kind_is_savepoint(d->kind)) {
        return d->unaligned ? "UNALIGNED_CHECKPOINT" : "CHECKPOINT";
    }
    return d->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE ? "SAVEPOINT" : "SYNC_SAVEPOINT";
}

const char *checkpoint_details_format(const struct checkpoint_details *d)
{
    switch (d->kind) {
    case FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL:
        return "CANONICAL";
    case FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE:
        return "NATIVE";
    default:
        return NULL;
    }
}

int64_t checkpoint_details_duration_ms(const struct checkpoint_details *d)
{
    return d->latest_ack_ms < 0 ? -1 : MAX(d->latest_ack_ms - d->trigger_ms, (int64_t)0);
}

const struct vertex_checkpoint_stats *
checkpoint_details_find_vertex(const struct checkpoint_details *d, const struct flinc_id *vertex_id)
{
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        if (id_eq(&d->vertices[i].vertex_id, vertex_id)) {
            return &d->vertices[i];
        }
    }
    return NULL;
}

uint64_t checkpoint_details_bytes(const struct checkpoint_details *d)
{
    return sizeof(*d) + d->n_vertices * sizeof(d->vertices[0]) +
           d->n_subtasks * sizeof(struct subtask_checkpoint_stats);
}

/* ---- summaries ------------------------------------------------------------------------------------ */

static int compare_values(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Between the two values that the position lies between. */
static double quantile(const int64_t *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t low = (size_t)at;
    size_t high = MIN(low + 1, n - 1);
    return (double)sorted[low] + (at - (double)low) * (double)(sorted[high] - sorted[low]);
}

void checkpoint_summarize(int64_t *values, size_t n, struct checkpoint_summary *ret)
{
    *ret = (struct checkpoint_summary){
        .n = n, .p50 = NAN, .p90 = NAN, .p95 = NAN, .p99 = NAN, .p999 = NAN};
    if (n == 0) {
        return;
    }
    double sum = 0;
    qsort(values, n, sizeof(values[0]), compare_values);
    for (size_t i = 0; i < n; i++) {
        sum += (double)values[i];
    }
    ret->min = values[0];
    ret->max = values[n - 1];
    ret->avg = (int64_t)(sum / (double)n);
    ret->p50 = quantile(values, n, 0.5);
    ret->p90 = quantile(values, n, 0.9);
    ret->p95 = quantile(values, n, 0.95);
    ret->p99 = quantile(values, n, 0.99);
    ret->p999 = quantile(values, n, 0.999);
}

/* ---- all of them ---------------------------------------------------------------------------------- */

struct checkpoint_stats *checkpoint_stats_new_empty(void)
{
    struct checkpoint_stats *s = MEM_NEW(struct checkpoint_stats);
    atomic_init(&s->refs, 1);
    return s;
}

struct checkpoint_details *checkpoint_details_new_empty(void)
{
    struct checkpoint_details *d = MEM_NEW(struct checkpoint_details);
    atomic_init(&d->refs, 1);
    return d;
}

const struct checkpoint_stats *checkpoint_stats_ref(const struct checkpoint_stats *s)
{
    atomic_fetch_add_explicit(&((struct checkpoint_stats *)s)->refs, 1, memory_order_relaxed);
    return s;
}

void checkpoint_stats_unref(const struct checkpoint_stats *stats)
{
    struct checkpoint_stats *s = (struct checkpoint_stats *)stats;
    if (s == NULL || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (uint32_t i = 0; i < s->n_history; i++) {
        checkpoint_details_unref(s->history[i]);
    }
    checkpoint_details_unref(s->latest_completed);
    checkpoint_details_unref(s->latest_savepoint);
    checkpoint_details_unref(s->latest_failed);
    checkpoint_config_fini(&s->config);
    mem_free(s->latest_restored.path);
    mem_free(s->history);
    mem_free(s);
}

const struct checkpoint_details *checkpoint_stats_find(const struct checkpoint_stats *s,
                                                       uint64_t checkpoint_id)
{
    const struct checkpoint_details *latest[] = {s->latest_completed, s->latest_savepoint,
                                                 s->latest_failed};
    for (uint32_t i = 0; i < s->n_history; i++) {
        if (s->history[i]->id == checkpoint_id) {
            return s->history[i];
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(latest); i++) {
        if (latest[i] != NULL && latest[i]->id == checkpoint_id) {
            return latest[i];
        }
    }
    return NULL;
}

uint64_t checkpoint_stats_bytes(const struct checkpoint_stats *s)
{
    uint64_t bytes = sizeof(*s);
    for (uint32_t i = 0; i < s->n_history; i++) {
        bytes += checkpoint_details_bytes(s->history[i]);
    }
    return bytes;
}
