/* Inside of the timer service: timers.c fires, timer_pending.c sets and deletes. */
#ifndef FLINC_ENGINE_STATE_TIMERS_TIMER_INTERNAL_H
#define FLINC_ENGINE_STATE_TIMERS_TIMER_INTERNAL_H

#include "engine/state/keyed_table_key.h"
#include "engine/state/paged/order.h"
#include "engine/state/timers/timer_queue.h"
#include "engine/state/timers/timers.h"

enum {
    TIMER_PENDING_ROWS = BATCH_ROWS_MAX, /* asked for and not done yet, of one sort */
    TIMER_DISTURBED_ROWS = 64,           /* of a batch while what fires changes what is due */
    TIMER_SLOT_SET_BITS = 13,            /* twice a batch of slots */
    TIMER_SEEN_BITS = 14,
};
#define TIMER_COLUMN_TIME "<time>"
#define TIMER_COLUMN_NAMESPACE "<namespace>"

/* Timers to be added, or deleted: by row of the batch at hand. */
struct timer_pending {
    int64_t *times_ms, *name_spaces; /* Owns; TIMER_PENDING_ROWS each */
    uint16_t *rows;                  /* Owns */
    uint32_t n;
    int64_t least_ms; /* INT64_MAX: there are none */
};

/* The timers that are to be added, to see whether a deletion is about one of them.  Filled when the first
 * deletion behind them comes. */
struct timer_seen {
    struct timer_seen_entry {
        uint64_t mark;
        uint32_t round;
    } * entries; /* Owns; 1 << TIMER_SEEN_BITS; NULL before the first deletion */
    uint32_t this_round;
    uint32_t n; /* of the pending ones that are in it */
};

/* Timers of one kind. */
struct timer_half {
    struct keyed_state *state; /* Borrows: the backend's */
    struct paged_order *order; /* Owns; NULL: all of the state is in memory */
    struct timer_queue queue;
    uint64_t n_set; /* in the state, at hand; the queue has these, and some that were deleted */
    struct timer_pending adds, deletes;
    struct timer_seen seen;
    /* Firing one by one: a batch of due timers. */
    struct batch *firing;    /* Owns a ref: in order of time; NULL: none */
    uint32_t fire_n;         /* its rows */
    uint32_t fired;          /* of them, so far */
    uint32_t dropped;        /* of those, out of the state */
    uint32_t fire_rows;      /* of the next batch */
    bool slots_good;         /* fire_slots[] are those of the state as it is */
    bool disturbed;          /* a due timer was set or deleted */
    int64_t firing_until_ms; /* INT64_MIN: nothing fires */
    struct timer_mark fire_marks[TIMER_FIRE_ROWS];
    uint32_t fire_slots[TIMER_FIRE_ROWS];
};

/* Slots of one batch that were met. */
struct timer_slot_set {
    uint32_t slots[1 << TIMER_SLOT_SET_BITS];
    uint32_t round[1 << TIMER_SLOT_SET_BITS];
    uint32_t this_round;
};

struct timer_service {
    struct keyed_backend *backend; /* Borrows */
    struct buffer_pool *pool;      /* Borrows */
    uint32_t n_keys;
    struct schema *key_schema;            /* Owns a ref */
    struct schema *schema;                /* Owns a ref: keys, time, namespace */
    const struct record_layout *no_value; /* Borrows: the backend's */
    uint32_t *columns;                    /* Owns: 0, 1, 2, ... */
    int32_t *column_map;                  /* Owns; scratch */
    struct builder keys;                  /* of the keys of pending rows */
    struct batch *batch;                  /* Owns a ref: at hand; NULL: none */
    struct batch *at_keys;                /* Owns a ref: its key columns; made when needed */
    const uint32_t *key_columns;          /* Borrows: in `batch` */
    struct timer_half halves[TIMER_KINDS];
    uint16_t in_order[BATCH_ROWS_MAX]; /* 0, 1, 2, ... */
    struct timer_slot_set slot_set;
};

static inline const int64_t *timer_times(const struct timer_service *t, const struct batch *b)
{
    return COLUMN_VALUES(&b->columns[t->n_keys], const int64_t);
}
static inline const int64_t *timer_name_spaces(const struct timer_service *t, const struct batch *b)
{
    return COLUMN_VALUES(&b->columns[t->n_keys + 1], const int64_t);
}

/* The slots of the rows [from, from + n) of `b`, which has no selection, for those that are removed next; b->hashes stay those of the
 * key. */
int timer_half_find(struct timer_service *t, struct timer_half *h, struct batch *b, uint32_t from,
                    uint32_t n, uint32_t *ret_slots, struct error *err) MUST_CHECK;
/* Removes them from the state. */
void timer_half_remove(struct timer_half *h, const uint32_t *slots, uint32_t n);
/* True the first time that it is asked for a slot since the set was cleared. */
bool timer_slot_set_add(struct timer_slot_set *s, uint32_t slot);
void timer_slot_set_clear(struct timer_slot_set *s);
/* Puts what the state holds in order of time, anew. */
int timer_half_order(struct timer_service *t, struct timer_half *h, struct error *err) MUST_CHECK;
int timer_half_drop_fired(struct timer_service *t, struct timer_half *h,
                          struct error *err) MUST_CHECK;
/* ---- timer_far.c: timers that are in the store alone ------------------------------------------------ */

/* There is room for `n` more at hand: else those that come last go. */
int timer_half_make_room(struct timer_half *h, uint32_t n, struct error *err) MUST_CHECK;
/* All timers that come before the first one at hand, up to `limit_ms`, are at hand; *ret_limit_ms: in the order of the
 * queue up to here. */
int timer_half_reach(struct timer_half *h, int64_t limit_ms, int64_t *ret_limit_ms,
                     struct error *err) MUST_CHECK;

/* ---- timer_pending.c ---------------------------------------------------------------------------------- */

/* Does what was asked for. */
int timer_pending_apply(struct timer_service *t, struct error *err) MUST_CHECK;
void timer_pending_fini(struct timer_pending *p);

#endif
