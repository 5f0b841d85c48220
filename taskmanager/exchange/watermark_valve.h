/* The minimum of the watermarks of several feeds: the channels of a gate, the edges into an input of an
 * operator, the two inputs of an operator.
 *
 * A feed is active, idle or ended.  The minimum goes over the active feeds that are aligned; it never goes
 * back.  A feed that becomes active again behind the minimum is not aligned until it has caught up: what it
 * brings is late, but it holds nobody back.  (VALVE_HOLDS: it counts at once, and holds the others, as the
 * inputs of a two-input operator do.)  When all are idle the valve is; the last one to become idle lets the
 * greatest watermark of all feeds through, since none of them says anything more.  Feeds that have ended
 * do not count; when all have, the valve keeps its watermark.
 *
 * Thread: one owner.  Flink: StatusWatermarkValve, CombinedWatermarkStatus. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_WATERMARK_VALVE_H
#define FLINC_TASKMANAGER_EXCHANGE_WATERMARK_VALVE_H

#include "common/base/mem.h"
#include <stdbool.h>
#include <stdint.h>

enum watermark_valve_flags {
    VALVE_HOLDS = 1u << 0,
};

struct valve_feed {
    int64_t watermark_ms; /* INT64_MIN: none yet */
    uint32_t place;       /* in the heap; VALVE_NO_PLACE: not aligned */
    uint8_t state;
};

struct watermark_valve {
    int64_t watermark_ms; /* of all; INT64_MIN: none yet */
    bool is_idle;
    uint32_t flags;           /* enum watermark_valve_flags */
    struct valve_feed *feeds; /* Owns */
    uint32_t *heap;           /* Owns: the aligned feeds, the lowest watermark first */
    uint32_t n_feeds, n_heap, n_active, n_ended;
};

/* What a call has changed: a set of these.  The watermark goes out before idleness, and behind
 * activity. */
enum valve_change {
    VALVE_WATERMARK = 1u << 0,
    VALVE_STATUS = 1u << 1,
};

void watermark_valve_init(struct watermark_valve *v, uint32_t n_feeds, uint32_t flags);
/* Another one that knows as much. */
void watermark_valve_copy(const struct watermark_valve *v, struct watermark_valve *ret_copy);
void watermark_valve_fini(struct watermark_valve *v); /* again: nothing */
/* Ignored when it is not above the feed's last one, or the feed is not active. */
uint32_t watermark_valve_advance(struct watermark_valve *v, uint32_t feed, int64_t watermark_ms);
uint32_t watermark_valve_set_idle(struct watermark_valve *v, uint32_t feed, bool idle);
/* What is not above it is not let through. */
void watermark_valve_set_floor(struct watermark_valve *v, int64_t watermark_ms);
/* May be called again. */
uint32_t watermark_valve_end(struct watermark_valve *v, uint32_t feed);

#endif
