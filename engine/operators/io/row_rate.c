/* Rates of sources; see row_rate.h. */
#include "engine/operators/io/row_rate.h"

#include <math.h>

void row_rate_init(struct row_rate *r, double rows_per_second, const struct op_context *ctx)
{
    *r = (struct row_rate){.clock = ctx->clock,
                           .rows_per_ns = rows_per_second / ctx->parallelism * 1e-9,
                           .last_ns = clock_monotonic_ns(ctx->clock)};
}

/* More than this is not made up for. */
static double most_due(const struct row_rate *r)
{
    return MAX(r->rows_per_ns * ROW_RATE_BURST_MS * 1e6, 1.0);
}

uint32_t row_rate_allowance(struct row_rate *r, uint32_t most)
{
    if (r->rows_per_ns <= 0) {
        return most;
    }
    int64_t now = clock_monotonic_ns(r->clock);
    double due = r->due + (double)(now - r->last_ns) * r->rows_per_ns;
    r->due = MIN(due, most_due(r));
    r->last_ns = now;
    return (uint32_t)MIN(r->due, (double)most);
}

void row_rate_take(struct row_rate *r, uint32_t n)
{
    r->due -= r->rows_per_ns > 0 ? n : 0;
}

int64_t row_rate_wake_ms(const struct row_rate *r)
{
    double delay_ms = ceil((1.0 - r->due) / r->rows_per_ns * 1e-6);

    delay_ms = MAX(delay_ms, (double)ROW_RATE_WAKE_MS);
    return (int64_t)MIN(delay_ms, (double)ROW_RATE_WAKE_MAX_MS);
}

void row_rate_tell_pending(const struct row_rate *r, struct io_pending *p, int64_t left)
{
    double due_ns = r->rows_per_ns > 0 ? r->due / r->rows_per_ns : 0;

    io_pending_set(p, left, r->last_ns - (int64_t)due_ns);
}

void row_rate_open_pending(const struct row_rate *r, struct io_pending *p, struct op_context *ctx,
                           bool has_end)
{
    *p = (struct io_pending){
        .rows_per_ns = r->rows_per_ns, .rows_max = most_due(r), .clock = ctx->clock};
    if (has_end || r->rows_per_ns > 0) {
        io_pending_open(p, ctx);
    }
}
