/* Inside of the keyed table: tags, places and claims, shared by the hot loops and by growth. */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_PROBE_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_PROBE_H

#include "engine/state/keyed_table_key.h"

enum {
    KEYED_TAG_EMPTY = 0x80,
    KEYED_TAG_REMOVED = 0xfe,
};
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
static inline uint64_t keyed_tag(const struct keyed_table *t, uint64_t mixed)
{
    return (mixed >> (t->group_shift - 7)) & 0x7f;
}
/* The high bit of every byte that is `tag`, and now and then of one above it that is not. */
static inline uint64_t keyed_match_tag(uint64_t tags, uint64_t tag)
{
    uint64_t x = tags ^ (tag * KEYED_LSBS);
    return (x - KEYED_LSBS) & ~x & KEYED_MSBS;
}
/* 0x80 has bit 7 without bit 1; 0xfe has both. */
static inline uint64_t keyed_match_empty(uint64_t tags)
{
    return tags & ~(tags << 6) & KEYED_MSBS;
}
/* Used slots above which the table grows: three quarters. */
static inline uint32_t keyed_limit(const struct keyed_table *t)
{
    return t->n_slots / 4 * 3;
}

/* The first free slot on the way of `mixed`, now tagged; its other bits are zero.  There is one. */
static inline uint32_t keyed_claim_slot(struct keyed_table *t, uint64_t mixed)
{
    uint32_t mask = t->n_slots / KEYED_GROUP_SLOTS - 1;
    uint32_t group = keyed_group(t, mixed), walk = 0;
    uint64_t open;
    while ((open = t->groups[group].tags & KEYED_MSBS) == 0) {
        group = (group + 1) & mask;
        walk++;
    }
    t->longest_walk = MAX(t->longest_walk, walk);
    struct keyed_group *g = &t->groups[group];
    keyed_group_catch_up(t->track, g); /* looks at which slots are live */
    uint32_t shift = (uint32_t)__builtin_ctzll(open) & ~7u;
    uint64_t byte = UINT64_C(0xff) << shift;
    t->n_used += (g->tags & byte) >> shift == KEYED_TAG_EMPTY;
    g->tags = (g->tags & ~byte) | keyed_tag(t, mixed) << shift;
    return group * KEYED_GROUP_SLOTS + shift / 8;
}

/* More slots; the `n` slots given so far in this batch are renumbered. */
int keyed_table_grow(struct keyed_table *t, uint32_t *inout_slots, uint32_t n,
                     struct error *err) MUST_CHECK;
int keyed_over_budget(const struct keyed_table *t, uint64_t bytes, struct error *err) COLD;

#endif
