/* The timer service: timers that are in the store alone (paged/order.h), those that come last.
 * Thread: one owner (the task). */
#include "engine/state/timers/timer_internal.h"

int timer_half_make_room(struct timer_half *h, uint32_t n, struct error *err)
{
    struct paged_order *o = h->order;
    if (LIKELY(paged_order_has_room(o, n)) || h->queue.n == 0) {
        return 0;
    }
    uint32_t max = paged_order_keys_max(o), end_group;
    uint64_t keep = (max - MIN(n, max / 2)) / 2;
    int64_t time_ms;
    TRY(paged_order_flush(o, err));
    timer_queue_cut(&h->queue, MIN(keep, h->queue.n / 2),
                    h->state->backend->options.max_parallelism, &time_ms, &end_group);
    paged_order_cut(o, time_ms, end_group);
    h->n_set = keyed_table_len(h->state->table);
    h->slots_good = false;
    return 0;
}

static int load(struct timer_half *h, struct error *err)
{
    struct paged_order_entries e;
    TRY(timer_half_make_room(h, 1, err));
    TRY(paged_order_load(h->order, &e, err));
    h->n_set = keyed_table_len(h->state->table);
    h->slots_good = false;
    if (e.n > 0) {
        int rc = timer_queue_reserve(&h->queue, e.n, e.numbers[0], err);
        for (uint32_t i = 0; i < e.n; i++) {
            timer_queue_add(&h->queue, e.numbers[i], e.hashes[i]);
        }
        return rc;
    }
    return 0;
}

int timer_half_reach(struct timer_half *h, int64_t limit_ms, int64_t *ret_limit_ms,
                     struct error *err)
{
    int64_t far_ms;
    *ret_limit_ms = limit_ms;
    while (paged_order_horizon(h->order, &far_ms) && far_ms <= limit_ms) {
        if (h->queue.n > 0 && timer_queue_head(&h->queue) <= far_ms) {
            *ret_limit_ms = far_ms;
            return 0;
        }
        TRY(load(h, err));
    }
    return 0;
}
