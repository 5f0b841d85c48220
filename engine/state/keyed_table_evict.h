/* Keyed tables as caches of what lies elsewhere, too: entries that may go, without a trace, and the room of
 * those that went.  Inside the room only.
 *
 * An entry is clean when the place elsewhere has it as it is: neither dirty, nor unconfirmed, nor frozen.
 *
 * Heat: two bits per slot, beside the groups, that count up with each use, and down now and then when a hand passes.
 * An entry is cold when they are 0, as those of a new one are: it goes when it is not used again before a hand comes,
 * while one that was used often stays for many rounds.  (About GCLOCK with a slow clock; a Zipf trace in
 * test_keyed_evict.c shows what it is worth.)
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_EVICT_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_EVICT_H

#include "engine/state/keyed_table.h"

/* These slots were used: `is_new[i]` (NULL: none is) says of which the key has only come with it.  Some may be
 * KEYED_SLOT_NONE. */
void keyed_table_note_use(struct keyed_table *t, const uint32_t *slots, const uint8_t *is_new,
                          uint32_t n);
/* Of the slots of a group those that are cold; all without heat. */
uint8_t keyed_table_cold_of(const struct keyed_table *t, uint32_t group);

enum { KEYED_PART_BITS_MAX = 2 };

/* A hand that goes around a table. */
struct keyed_evict_hand {
    uint32_t group;
    uint64_t random;    /* not 0; which ones go */
    uint32_t part_bits; /* of the clean and cold entries one in 2^n goes */
    bool takes_hot;     /* clean entries go, cold or not */
    uint32_t n_cold;    /* counts clean and cold ones that it came by */
};
/* Drops some entries of a cluster of groups, the one around hand->group, which goes behind it;
 * what is left gets new slots close to its home, so that no removed slots gather.
 * The table does not grow (asserted).  Returns the number of entries dropped.  The NULL key stays. */
uint32_t keyed_table_evict(struct keyed_table *t, struct keyed_evict_hand *hand);
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
