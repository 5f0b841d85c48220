/* Keyed tables as caches of what lies elsewhere, too: entries that may go, without a trace, and the room of
 * those that went.  Inside the room only.
 *
 * An entry is clean when the place elsewhere has it as it is: neither dirty, nor unconfirmed, nor frozen.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_EVICT_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_EVICT_H

#include "engine/state/keyed_table.h"

/* Drops about a quarter of the clean entries of a cluster of groups, the one around *inout_group, which goes behind it;
 * what is left gets new slots close to its home, so that no removed slots gather.  *inout_random: not 0; which ones.
 * The table does not grow (asserted).  Returns the number of entries dropped.  The NULL key stays. */
uint32_t keyed_table_evict(struct keyed_table *t, uint32_t *inout_group, uint64_t *inout_random);
/* Drops all clean entries that the rule names, of a table that does not grow. */
struct keyed_evict_rule {
    bool (*may_go)(const void *arg, const char *entry, uint64_t hash);
    const void *arg; /* Borrows */
};
uint32_t keyed_table_evict_all(struct keyed_table *t, const struct keyed_evict_rule *rule);
/* An entry goes that came for nothing: no snapshot hears of it. */
void keyed_table_drop_unknown(struct keyed_table *t, uint32_t slot);
/* The entry is now as it is elsewhere, which has it. */
void keyed_table_set_known(struct keyed_table *t, uint32_t slot, bool is_clean);

/* The slot of an entry of another table of the same keys; KEYED_SLOT_NONE. */
uint32_t keyed_table_find_entry(const struct keyed_table *t, const char *key, uint64_t hash,
                                bool is_null);
/* The same, adding it with a value of zeros. */
int keyed_table_add_entry(struct keyed_table *t, const char *key, uint64_t hash, bool is_null,
                          uint32_t *ret_slot, struct error *err) MUST_CHECK;

#endif
