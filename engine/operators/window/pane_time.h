/* Panes: what the windows that share them have in common.  Time is cut into panes of gcd(size, slide), [end -
 * pane_ms, end); a record is in one of them, whatever the number of its windows.
 *
 * Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_PANE_TIME_H
#define FLINC_ENGINE_OPERATORS_WINDOW_PANE_TIME_H

#include "engine/operators/window/general_window.h"

static inline int64_t pane_end_of(const struct general_window *g, int64_t pane_ms, int64_t ts)
{
    return time_add(window_start(ts, g->offset, pane_ms), pane_ms);
}
/* End of the last window that a time belongs to. */
static inline int64_t pane_last_window(const struct general_window *g, int64_t ts)
{
    return time_add(window_start(ts, g->offset, g->slide), g->size);
}
/* The least end of a window that is above `ms`. */
static inline int64_t pane_window_end_above(const struct general_window *g, int64_t ms)
{
    int64_t phase = (g->offset + g->size % g->slide) % g->slide;
    return time_add(window_start(ms, phase, g->slide), g->slide);
}
/* The first window of a pane that fires when time goes on behind `now`; INT64_MAX: all have fired. */
int64_t pane_first_window(const struct general_window *g, int64_t pane_ms, int64_t pane_end,
                          int64_t now);
/* When all windows of a pane are gone. */
static inline int64_t pane_expiry(const struct general_window *g, int64_t pane_ms, int64_t pane_end)
{
    return general_cleanup_time(g, pane_last_window(g, pane_end - pane_ms));
}
static inline enum general_time pane_time_kind(const struct general_window *g)
{
    return g->base.processing_time ? GENERAL_PROCESSING : GENERAL_EVENT;
}

/* Whether windows fire when their time is over, and only what they hold then counts: no other trigger, no
 * evictor. */
bool pane_fires_at_the_end(const struct general_window *g);
/* Up to which time windows of a key have fired. */
int64_t pane_now(const struct general_window *g, const struct op_context *ctx, uint64_t hash);
/* The rows of the batch at hand that some window takes, with the ends of their panes in g->ends; their number. */
uint32_t pane_take_rows(struct general_window *g, const struct op_context *ctx, int64_t pane_ms,
                        uint16_t *ret_rows);

/* The next window that is over and still kept, of those that a late row belongs to; *inout_end is INT64_MIN
 * before the first. */
bool pane_next_late(const struct general_window *g, const struct op_context *ctx, uint32_t row,
                    int64_t *inout_end);

#endif
