/* Gauges of what a source has yet to give; see io_pending.h. */
#include "engine/operators/io/io_pending.h"

#include "common/base/clock.h"

static void read_pending(void *arg, struct metric_value *ret_value)
{
    metric_value_set_i64(ret_value, io_pending_get(arg));
}

void io_pending_open(struct io_pending *p, struct op_context *ctx)
{
    if (ctx->metrics != NULL) {
        metric_group_gauge_fn(ctx->metrics, "pendingRecords", read_pending, p);
    }
}

void io_pending_set(struct io_pending *p, int64_t left, int64_t behind_ns)
{
    atomic_store_explicit(&p->left, left, memory_order_relaxed);
    atomic_store_explicit(&p->behind_ns, behind_ns, memory_order_relaxed);
}

int64_t io_pending_get(const struct io_pending *p)
{
    int64_t left = atomic_load_explicit(&p->left, memory_order_relaxed);
    if (p->rows_per_ns > 0) {
        int64_t behind_ns = atomic_load_explicit(&p->behind_ns, memory_order_relaxed);
        int64_t since_ns = MAX(clock_monotonic_ns(p->clock) - behind_ns, (int64_t)0);
        double due = MIN((double)since_ns * p->rows_per_ns, p->rows_max);
        left = MIN(left, (int64_t)due);
    }
    return left;
}

struct metric_gauge *io_pending_gauge(struct op_context *ctx, const char *name)
{
    return ctx->metrics != NULL ? metric_group_gauge(ctx->metrics, name)
                                : arena_zalloc(ctx->arena, sizeof(struct metric_gauge));
}
