/* Times to live of user state: when an entry's time is over, and what happens then.
 *
 * The time at which an entry was written (or read) last is a hidden column behind its value, "$ttl".  What
 * outlived its time is removed when it is met, and a few entries are looked at for every access (the sweep),
 * between batches, so that nothing moves while a batch is worked on.
 *
 * A state may get a time to live, or lose it, between a snapshot and its restore: entries without a time count
 * as written at the restore; without a time to live all that the snapshot has stays, whatever its age.
 *
 * Thread: one owner (the task).  Flink: StateTtlConfig, TtlUtils, TtlIncrementalCleanup. */
#ifndef FLINC_ENGINE_STATE_USER_TTL_H
#define FLINC_ENGINE_STATE_USER_TTL_H

#include "engine/state/state.h"

enum { TTL_SWEEP_DEFAULT = 5, TTL_SWEEP_ROWS = 256 };

struct state_ttl {
    uint64_t ms;          /* 0: for ever */
    bool on_read;         /* reading makes young again, too */
    bool returns_expired; /* an entry that is met after its time is returned that once */
    bool full_snapshots;  /* without entries whose time is over */
    uint32_t sweep;       /* entries looked at per access */
};

static inline bool ttl_is_over(const struct state_ttl *t, int64_t stamp_ms, int64_t now_ms)
{
    return t->ms > 0 && keyed_stamp_is_over(stamp_ms, t->ms, now_ms);
}

/* What the state's description says about time stamps. */
static inline struct keyed_expiry ttl_expiry(const struct state_ttl *t, const struct clock *clock,
                                             uint32_t stamp_offset)
{
    return (struct keyed_expiry){.clock = t->ms > 0 ? clock : NULL,
                                 .offset = stamp_offset,
                                 .ttl_ms = t->ms,
                                 .is_left_out = t->full_snapshots};
}

/* Where the sweep of a state is. */
struct ttl_sweep {
    uint32_t at;
    uint64_t accesses; /* since the last sweep */
};
/* Slots of the next entries whose time is over, at most TTL_SWEEP_ROWS, among those that are due to be looked
 * at; the caller removes them and calls again while *ret_more. */
uint32_t ttl_sweep_next(struct ttl_sweep *sweep, const struct state_ttl *ttl, struct keyed_state *s,
                        uint32_t stamp_offset, int64_t now_ms, uint32_t *ret_slots, bool *ret_more);

#endif
