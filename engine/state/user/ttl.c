/* The sweep.  Thread: one owner (the task). */
#include "engine/state/user/ttl.h"

uint32_t ttl_sweep_next(struct ttl_sweep *sweep, const struct state_ttl *ttl, struct keyed_state *s,
                        uint32_t stamp_offset, int64_t now_ms, uint32_t *ret_slots, bool *ret_more)
{
    /* An access is worth `sweep` entries, of which no round needs more than there are. */
    uint64_t left = sweep->accesses * ttl->sweep;
    uint32_t n = 0, at = sweep->at;
    while (left > 0 && n < TTL_SWEEP_ROWS) {
        at = keyed_state_next(s, NAMESPACE_VOID, at);
        if (at == KEYED_SLOT_NONE) {
            at = 0;
            left = 0;
            break;
        }
        int64_t stamp;
        memcpy(&stamp, (const char *)keyed_state_value(s, at) + stamp_offset, sizeof(stamp));
        if (ttl_is_over(ttl, stamp, now_ms)) {
            ret_slots[n++] = at;
        }
        at++;
        left--;
    }
    sweep->at = at;
    sweep->accesses = ttl->sweep > 0 ? left / ttl->sweep : 0;
    *ret_more = sweep->accesses > 0;
    return n;
}
