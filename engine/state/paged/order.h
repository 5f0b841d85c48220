/* Paged states whose entries sort by a number within their key group: timers, by their time.
 *
 * What is at hand of such a state is not what was used last, but what comes first.  Each key group has a horizon, a place in
 * the order of the store: what the store has before it is at hand, too.  What it has from there on comes a stretch at a
 * time (paged_order_load()), which moves the horizon on; nothing else is read.  What is added is at hand, whatever its
 * number; when there is no room, all of it is written, and what lies behind a number goes (paged_order_cut()), which
 * moves horizons back.
 *
 * So an entry is in one of three places: at hand alone; at hand and in the store; in the store alone, from the horizon of its key group
 * on.  Who wants them in order keeps the numbers of those at hand (timers/timer_queue.h), and loads when the least
 * horizon is before the least of these.
 *
 * Adding and removing read nothing.  From the horizon on the store may have a key that is not at hand: there the store is told of every
 * removal.
 *
 * An owner makes room by itself: such a table is changed by the calls here, and by keyed_state_remove_many().
 * Thread: one owner (the task).  Flink: RocksDBCachingPriorityQueueSet. */
#ifndef FLINC_ENGINE_STATE_PAGED_ORDER_H
#define FLINC_ENGINE_STATE_PAGED_ORDER_H

#include "engine/state/paged/paged.h"

struct paged_order;

/* Lives no longer than the state, which is one of KEYED_KIND_TIMERS and paged; NULL when it is not. */
struct paged_order *paged_order_new(struct keyed_state *s);
struct paged_order *paged_order_free(struct paged_order *o); /* NULL is fine; returns NULL */

/* The least number that may be in the store and not at hand; false: there is none. */
bool paged_order_horizon(const struct paged_order *o, int64_t *ret_number);

/* Entries that are at hand now; borrowed until the next call. */
struct paged_order_entries {
    uint32_t n;
    const int64_t *numbers; /* ascending */
    const uint64_t *hashes; /* of the whole key */
};
/* The next stretch of a key group with the least horizon; it may be empty. */
int paged_order_load(struct paged_order *o, struct paged_order_entries *ret,
                     struct error *err) MUST_CHECK;

/* Whether `n_rows` more may be at hand: keys and the owner's marks, of which `mark_bytes` each are counted. */
bool paged_order_has_room(const struct paged_order *o, uint32_t n_rows);
/* So many may be at hand in all. */
uint32_t paged_order_keys_max(const struct paged_order *o);
/* All that is at hand is in the store, too; waits for it. */
int paged_order_flush(struct paged_order *o, struct error *err) MUST_CHECK;
/* Behind a flush: what has a number above `number` is not at hand any more, and what has this number in key groups from
 * `end_group` on. */
void paged_order_cut(struct paged_order *o, int64_t number, uint32_t end_group);

/* Slots of the keys of a batch, which are at hand then; ret_is_new: they were not (but may be in the store). */
int paged_order_upsert(struct paged_order *o, const struct batch *b, const uint32_t *columns,
                       uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err) MUST_CHECK;
/* Slots of keys that are to be removed next: of those at hand, and of those that the store may have.  KEYED_SLOT_NONE: it is
 * not set. */
int paged_order_claim(struct paged_order *o, struct batch *b, const uint32_t *columns,
                      uint32_t *ret_slots, struct error *err) MUST_CHECK;
/* Goes on with writing, without waiting as a rule; once per batch. */
int paged_order_tend(struct paged_order *o, struct error *err) MUST_CHECK;

#endif
