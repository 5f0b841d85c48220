/* Inside of the keyed table: tags, places and claims, shared by the hot loops and by growth. */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_PROBE_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_PROBE_H

#include "engine/state/keyed_table_key.h"
#include "engine/state/record.h"

/* Of a live slot: the high bit, and seven bits of its hash.  Zeroed memory is empty groups. */
enum {
    KEYED_TAG_EMPTY = 0,
    KEYED_TAG_REMOVED = 0x40,
    KEYED_TAG_LIVE = 0x80,
};
enum { KEYED_SLOTS_MAX = 1 << 30 };
#define KEYED_LSBS UINT64_C(0x0101010101010101)
#define KEYED_MSBS UINT64_C(0x8080808080808080)

/* A multiplication by a secret odd number: two hashes share their top k bits with a chance of at most
 * 2 / 2^k.  The top bits are the group, the seven below them the tag. */
static inline uint64_t keyed_mix(const struct keyed_table *t, uint64_t hash)
{
    return hash * t->seed;
}
static inline uint32_t keyed_group(const struct keyed_table *t, uint64_t mixed)
{
    return (uint32_t)(mixed >> t->group_shift);
}
static inline uint64_t keyed_tag_of(uint64_t mixed, uint32_t group_shift)
{
    return ((mixed >> (group_shift - 7)) & 0x7f) | KEYED_TAG_LIVE;
}
static inline uint64_t keyed_tag(const struct keyed_table *t, uint64_t mixed)
{
    return keyed_tag_of(mixed, t->group_shift);
}
/* The high bit of every byte that is `tag`, and now and then of one above it that is not. */
static inline uint64_t keyed_match_tag(uint64_t tags, uint64_t tag)
{
    uint64_t x = tags ^ (tag * KEYED_LSBS);
    return (x - KEYED_LSBS) & ~x & KEYED_MSBS;
}
/* Neither live nor removed. */
static inline uint64_t keyed_match_empty(uint64_t tags)
{
    return ~(tags | tags << 1) & KEYED_MSBS;
}
static inline uint64_t keyed_match_removed(uint64_t tags)
{
    return tags << 1 & ~tags & KEYED_MSBS;
}
/* Used slots above which the table grows: three quarters. */
static inline uint32_t keyed_limit(const struct keyed_table *t)
{
    return t->n_slots / 4 * 3;
}

/* Large tables grow in pieces, from three quarters on, and are filled up to seven eighths until the next
 * batch begins. */
static inline bool keyed_table_grows_gradually(const struct keyed_table *t)
{
    return t->is_mapped && t->grows_in_pieces;
}
static inline uint32_t keyed_full(const struct keyed_table *t)
{
    return keyed_table_grows_gradually(t) ? t->n_slots / 8 * 7 : keyed_limit(t);
}

/* Groups that keys have their homes in: all, or while a table grows the new ones or the old ones. */
struct keyed_region {
    uint32_t base, mask, shift;
};

/* True: the home of a key is among the old groups, and has not moved yet. */
static inline bool keyed_home_waits(const struct keyed_moving *m, uint64_t mixed)
{
    uint32_t home = (uint32_t)(mixed >> m->group_shift);
    return ((home - m->first_group) & (m->n_slots / KEYED_GROUP_SLOTS - 1)) >= m->n_moved;
}

static inline struct keyed_region keyed_region_of(const struct keyed_table *t, uint64_t mixed)
{
    if (t->moving.n_slots > 0 && keyed_home_waits(&t->moving, mixed)) {
        return (struct keyed_region){t->n_slots / KEYED_GROUP_SLOTS,
                                     t->moving.n_slots / KEYED_GROUP_SLOTS - 1,
                                     t->moving.group_shift};
    }
    return (struct keyed_region){0, t->n_slots / KEYED_GROUP_SLOTS - 1, t->group_shift};
}

/* The first free slot on the way of `mixed`, now tagged; its other bits are zero.  There is one. */
static inline uint32_t keyed_claim_in(struct keyed_table *t, struct keyed_region r, uint64_t mixed,
                                      uint32_t *n_used)
{
    uint32_t group = (uint32_t)(mixed >> r.shift), walk = 0;
    uint64_t open;
    while ((open = ~t->groups[r.base + group].tags & KEYED_MSBS) == 0) {
        group = (group + 1) & r.mask;
        walk++;
    }
    t->longest_walk = MAX(t->longest_walk, walk);
    struct keyed_group *g = &t->groups[r.base + group];
    keyed_group_catch_up(t->track, g); /* looks at which slots are live */
    uint32_t shift = (uint32_t)__builtin_ctzll(open) & ~7u;
    uint64_t byte = UINT64_C(0xff) << shift;
    *n_used += (g->tags & byte) >> shift == KEYED_TAG_EMPTY;
    g->tags = (g->tags & ~byte) | keyed_tag_of(mixed, r.shift) << shift;
    return (r.base + group) * KEYED_GROUP_SLOTS + shift / 8;
}
/* The same among the new groups. */
static inline uint32_t keyed_claim_slot(struct keyed_table *t, uint64_t mixed)
{
    return keyed_claim_in(
        t, (struct keyed_region){0, t->n_slots / KEYED_GROUP_SLOTS - 1, t->group_shift}, mixed,
        &t->n_used);
}

/* Frees what a value owns; it is garbage then. */
static inline void keyed_value_drop(const struct keyed_table *t, struct state_heap *heap,
                                    char *value)
{
    if (t->record != NULL) {
        record_drop(t->record, heap, value);
    } else if (t->ops != NULL) {
        t->ops->drop(t->ops->arg, heap, value);
    }
}

/* How often an entry was used lately, and of all of a group: 0 to 3 in two bits per slot. */
enum { KEYED_HEAT_MAX = 3 };
static inline size_t keyed_heat_bytes(uint32_t n_slots)
{
    return ((size_t)n_slots / KEYED_GROUP_SLOTS + 1) * sizeof(uint16_t);
}

/* Of the groups of so many slots, with that of the NULL key. */
static inline size_t keyed_groups_bytes(uint32_t n_slots)
{
    return ((size_t)n_slots / KEYED_GROUP_SLOTS + 1) * sizeof(struct keyed_group);
}
/* Groups in all. */
static inline uint32_t keyed_table_n_groups(const struct keyed_table *t)
{
    return t->n_slots > 0 ? t->null_slot / KEYED_GROUP_SLOTS + 1 : 0;
}
/* The group that a snapshot looks at next: the old ones, which are behind, come first. */
static inline uint32_t keyed_table_scanned_group(const struct keyed_table *t)
{
    uint32_t first = t->moving.n_slots > 0 ? t->n_slots / KEYED_GROUP_SLOTS : 0;
    uint32_t n = keyed_table_n_groups(t), group = first + t->scan_group;
    return group < n ? group : group - n;
}

/* Before the rows of a batch are upserted: goes on with growth, or begins it. */
void keyed_table_make_room(struct keyed_table *t, uint32_t n_rows);
/* All that is left of it, at once. */
void keyed_table_finish_growth(struct keyed_table *t);
/* Moves the entries of a group, which begin at `entries`, to the new ones; ret_slots (may be NULL) gets where
 * they are.  `heat`: the group's.  The group stays as it is. */
void keyed_table_move_group(struct keyed_table *t, struct keyed_group *from, uint16_t heat,
                            const char *entries, uint32_t *ret_slots);
/* Of a group; 0 where none is kept. */
static inline uint16_t keyed_heat_of(const struct keyed_table *t, uint32_t group)
{
    return t->heat != NULL ? t->heat[group] : 0;
}
/* With many removed slots the same size is enough. */
uint32_t keyed_table_next_size(const struct keyed_table *t);
uint64_t keyed_table_slots_bytes(const struct keyed_table *t, uint32_t n_slots);

/* More slots; the `n` slots given so far in this batch are renumbered. */
int keyed_table_grow(struct keyed_table *t, uint32_t *inout_slots, uint32_t n,
                     struct error *err) MUST_CHECK;
int keyed_over_budget(const struct keyed_table *t, uint64_t bytes, struct error *err) COLD;

#endif
