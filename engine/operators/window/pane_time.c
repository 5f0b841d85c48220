/* Which rows panes take, and when (pane_time.h). */
#include "engine/operators/window/pane_time.h"

bool pane_fires_at_the_end(const struct general_window *g)
{
    const Flinc__WindowTrigger *t = g->base.config->trigger;
    return g->base.config->evictor == NULL &&
           (t->kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DEFAULT ||
            t->kind == (g->base.processing_time
                            ? FLINC__WINDOW_TRIGGER_KIND__TRIGGER_PROCESSING_TIME
                            : FLINC__WINDOW_TRIGGER_KIND__TRIGGER_EVENT_TIME)) &&
           (!t->purging || g->lateness == 0); /* what fires once only has nothing left to empty */
}

int64_t pane_first_window(const struct general_window *g, int64_t pane_ms, int64_t pane_end,
                          int64_t now)
{
    int64_t start = pane_end - pane_ms, end = pane_window_end_above(g, start);
    if (end - 1 <= now) {
        end = pane_window_end_above(g, time_add(now, 1));
    }
    return end <= pane_last_window(g, start) ? end : INT64_MAX;
}

int64_t pane_now(const struct general_window *g, const struct op_context *ctx, uint64_t hash)
{
    const struct window_base *base = &g->base;
    int64_t now =
        base->processing_time ? MAX(base->time_ms, base->restored_low) : window_now(base, ctx);
    return window_key_now(base, ctx, hash, now);
}

uint32_t pane_take_rows(struct general_window *g, const struct op_context *ctx, int64_t pane_ms,
                        uint16_t *ret_rows)
{
    const uint64_t *hashes = (const uint64_t *)(const void *)g->batch->hashes->data;
    const int64_t now = window_now(&g->base, ctx);
    int64_t start = 0, last = INT64_MIN, end = INT64_MIN; /* of the pane of the row before */
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->batch->n_sel; i++) {
        uint32_t row = batch_row(g->batch, i);
        int64_t ts = general_time_of(g, row);
        if (ts < start || ts >= end) {
            end = pane_end_of(g, pane_ms, ts);
            start = end - pane_ms;
            last = general_cleanup_time(g, pane_last_window(g, ts));
        }
        if (g->base.processing_time || last > window_key_now(&g->base, ctx, hashes[row], now)) {
            g->in_window[row] = 1;
            g->ends[row] = end;
            ret_rows[n++] = (uint16_t)row;
        }
    }
    return n;
}

bool pane_next_late(const struct general_window *g, const struct op_context *ctx, uint32_t row,
                    int64_t *inout_end)
{
    const uint64_t *hashes = (const uint64_t *)(const void *)g->batch->hashes->data;
    const int64_t ts = general_time_of(g, row), now = pane_now(g, ctx, hashes[row]);
    int64_t end = *inout_end == INT64_MIN ? pane_window_end_above(g, ts) : *inout_end + g->slide;
    while (end <= pane_last_window(g, ts) && end - 1 <= now) {
        if (general_cleanup_time(g, end) > now) {
            *inout_end = end;
            return true;
        }
        end += g->slide;
    }
    return false;
}
