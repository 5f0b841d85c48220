/* Eviction: cluster by cluster.
 *
 * A cluster is a run of groups without an empty slot, and the group with one behind it.  No probe goes past an end of it,
 * so its keys have their homes within, and can be placed anew without a look at any other group.
 * Thread: one owner. */
#include "engine/state/keyed_table_evict.h"

#include "engine/state/keyed_table_probe.h"

struct cluster {
    uint32_t first, n; /* groups, around the end of the table */
};

static inline uint32_t before(const struct keyed_table *t, uint32_t group)
{
    return (group - 1) & (t->n_slots / KEYED_GROUP_SLOTS - 1);
}

static inline uint32_t behind(const struct keyed_table *t, uint32_t group)
{
    return (group + 1) & (t->n_slots / KEYED_GROUP_SLOTS - 1);
}

static inline bool has_empty(const struct keyed_table *t, uint32_t group)
{
    return keyed_match_empty(t->groups[group].tags) != 0;
}

static struct cluster cluster_of(const struct keyed_table *t, uint32_t group)
{
    struct cluster c = {.first = group, .n = 1};
    while (!has_empty(t, before(t, c.first))) {
        c.first = before(t, c.first);
        c.n++;
    }
    for (; !has_empty(t, group); c.n++) {
        group = behind(t, group);
    }
    return c;
}

static inline uint8_t clean_of(const struct keyed_table *t, struct keyed_group *g)
{
    keyed_group_catch_up(t->track, g);
    return keyed_group_live(g) & (uint8_t) ~(g->dirty | g->unconfirmed | g->frozen);
}

static void free_owned(struct keyed_table *t, char *entry)
{
    keyed_value_drop(t, &t->heap, entry + t->value_offset);
    keyed_key_free(t, &t->heap, entry);
}

/* ---- heat ------------------------------------------------------------------------------------------ */

#define HEAT_ONES 0x5555u /* the low bit of each slot's two */
enum {
    COOLING_BITS =
        4, /* an entry cools down by one when a hand passes, at random once in 2^n times, */
};

void keyed_table_note_use(struct keyed_table *t, const uint32_t *slots, const uint8_t *is_new,
                          uint32_t n)
{
    if (t->heat == NULL) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (slots[i] == KEYED_SLOT_NONE) {
            continue;
        }
        uint16_t *heat = &t->heat[slots[i] / KEYED_GROUP_SLOTS];
        const uint32_t at = slots[i] % KEYED_GROUP_SLOTS * 2;
        const uint32_t old = (uint32_t)*heat >> at & KEYED_HEAT_MAX;
        const uint32_t more = old < KEYED_HEAT_MAX && (is_new == NULL || !is_new[i]);
        *heat = (uint16_t)(*heat + (more << at));
    }
}

uint8_t keyed_table_cold_of(const struct keyed_table *t, uint32_t group)
{
    const uint32_t heat = keyed_heat_of(t, group);
    /* The even bits, gathered. */
    uint32_t cold = ~(heat | heat >> 1) & HEAT_ONES;
    cold = (cold | cold >> 1) & 0x3333u;
    cold = (cold | cold >> 2) & 0x0f0fu;
    return (uint8_t)(cold | cold >> 4);
}

static uint64_t next_random(struct keyed_evict_hand *hand)
{
    uint64_t x = hand->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    hand->random = x;
    return x;
}

/* A hand that comes by more often, since it takes but a part, cools less each time. */
static void cool(struct keyed_table *t, uint32_t group, const struct keyed_evict_hand *hand)
{
    const uint64_t r = hand->random;
    _Static_assert(COOLING_BITS == 4, "a bit that is set in four places of the random number");
    if (t->heat != NULL && (r >> 7 & ((1u << hand->part_bits) - 1)) == 0) {
        uint32_t heat = t->heat[group];
        uint32_t cooling = (uint32_t)(r & r >> 16 & r >> 32 & r >> 48);
        t->heat[group] = (uint16_t)(heat - ((heat | heat >> 1) & HEAT_ONES & cooling));
    }
}

/* ---- which entries go ------------------------------------------------------------------------------ */

/* Which clean entries go: those that a hand takes, or those that a rule names. */
struct choice {
    struct keyed_evict_hand *hand;
    const struct keyed_evict_rule *rule; /* NULL: the hand's */
};

/* At random each has the same chance, whatever its group, and no region loses all of them at
 * once, where they are many: else some groups would be full, and all chains there long, while others are empty. */
static uint8_t taken_by_hand(struct keyed_table *t, uint32_t group, uint8_t clean,
                             struct keyed_evict_hand *hand)
{
    const uint8_t cold = clean & keyed_table_cold_of(t, group);
    const uint64_t r = next_random(hand);
    const uint64_t part[] = {0xff, r >> 16, r >> 16 & r >> 32};
    ASSERT(hand->part_bits < ARRAY_LEN(part));
    cool(t, group, hand);
    hand->n_cold += (uint32_t)__builtin_popcount(cold);
    return (hand->takes_hot ? clean : cold) & (uint8_t)part[hand->part_bits];
}

/* Those of a group that go. */
static uint8_t chosen(struct keyed_table *t, uint32_t group, uint8_t clean,
                      const struct choice *how)
{
    uint8_t go = 0;
    if (how->rule == NULL) {
        return taken_by_hand(t, group, clean, how->hand);
    }
    for (uint8_t m = clean; m != 0; m &= (uint8_t)(m - 1)) {
        uint32_t slot = group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctz(m);
        bool goes = how->rule->may_go(how->rule->arg, keyed_table_entry(t, slot),
                                      keyed_table_hash(t, slot));
        go |= goes ? (uint8_t)(m & -m) : 0;
    }
    return go;
}

/* Frees what the chosen entries of a group own and empties their slots; returns their number. */
static uint32_t drop_clean(struct keyed_table *t, uint32_t group, uint8_t tag,
                           const struct choice *how)
{
    struct keyed_group *g = &t->groups[group];
    uint32_t n = 0;
    for (uint8_t m = chosen(t, group, clean_of(t, g), how); m != 0; m &= (uint8_t)(m - 1), n++) {
        uint32_t at = (uint32_t)__builtin_ctz(m);
        free_owned(t, t->entries + ((size_t)group * KEYED_GROUP_SLOTS + at) * t->stride);
        g->tags = (g->tags & ~(UINT64_C(0xff) << at * 8)) | (uint64_t)tag << at * 8;
        g->known &= (uint8_t) ~(1u << at);
        if (t->heat != NULL) {
            t->heat[group] &= (uint16_t) ~((uint32_t)KEYED_HEAT_MAX << at * 2);
        }
    }
    return n;
}

/* A snapshot that goes through the table looks at these groups again, of which those that it wrote are marked
 * so. */
static void look_again(struct keyed_table *t, const struct cluster *c)
{
    uint32_t n_groups = t->n_slots / KEYED_GROUP_SLOTS;
    if (c->first + c->n > n_groups) {
        t->scan_group = 0;
    } else if (t->scan_group > c->first && t->scan_group < c->first + c->n) {
        t->scan_group = c->first;
    }
}

/* All live entries of a cluster are placed anew, out of a copy of its groups, each with its entries behind it. */
static void place_anew(struct keyed_table *t, const struct cluster *c)
{
    const size_t bytes = (size_t)KEYED_GROUP_SLOTS * t->stride;
    struct str *kept = &t->scratch;
    uint32_t group = c->first;
    str_clear(kept);
    for (uint32_t i = 0; i < c->n; i++, group = behind(t, group)) {
        struct keyed_group *g = &t->groups[group];
        str_append(kept, (const char *)g, sizeof(*g));
        str_append(kept, t->entries + group * bytes, bytes);
        const uint64_t heat = keyed_heat_of(t, group);
        str_append(kept, (const char *)&heat, sizeof(heat));
        if (t->heat != NULL) {
            t->heat[group] = 0;
        }
        t->n_used -= KEYED_GROUP_SLOTS - (uint32_t)__builtin_popcountll(keyed_match_empty(g->tags));
        *g = (struct keyed_group){.version = t->track->version};
    }
    for (uint32_t i = 0; i < c->n; i++) {
        char *from = kept->data + i * (sizeof(struct keyed_group) + bytes + sizeof(uint64_t));
        char *entries = from + sizeof(struct keyed_group);
        keyed_table_move_group(t, (struct keyed_group *)(void *)from,
                               (uint16_t) * (const uint64_t *)(const void *)(entries + bytes),
                               entries, NULL);
    }
}

static uint32_t evict_cluster(struct keyed_table *t, uint32_t *inout_group,
                              const struct choice *how)
{
    uint32_t n_groups = t->n_slots / KEYED_GROUP_SLOTS, n = 0;
    ASSERT(t->moving.n_slots == 0 && n_groups > 0);
    struct cluster c = cluster_of(t, *inout_group & (n_groups - 1));
    uint32_t group = c.first;
    *inout_group = (c.first + c.n) & (n_groups - 1);
    t->numbering++;
    if (c.n == 1) {
        n = drop_clean(t, group, KEYED_TAG_EMPTY, how);
        t->n_used -= n;
        t->n_keys -= n;
        return n;
    }
    uint64_t removed = 0;
    for (uint32_t i = 0; i < c.n; i++, group = behind(t, group)) {
        n += drop_clean(t, group, KEYED_TAG_REMOVED, how);
        removed |= keyed_match_removed(t->groups[group].tags);
    }
    if (removed == 0) {
        return 0;
    }
    t->n_keys -= n;
    look_again(t, &c);
    place_anew(t, &c);
    return n;
}

uint32_t keyed_table_evict(struct keyed_table *t, struct keyed_evict_hand *hand)
{
    return evict_cluster(t, &hand->group, &(struct choice){.hand = hand});
}

uint32_t keyed_table_evict_all(struct keyed_table *t, const struct keyed_evict_rule *rule)
{
    uint32_t n_groups = t->n_slots / KEYED_GROUP_SLOTS, group = 0, seen = 0, n = 0;
    while (seen < n_groups) {
        uint32_t from = group;
        n += evict_cluster(t, &group, &(struct choice){.rule = rule});
        uint32_t went = (group - from) & (n_groups - 1);
        seen += went > 0 ? went : n_groups;
    }
    return n;
}

void keyed_table_drop_unknown(struct keyed_table *t, uint32_t slot)
{
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    keyed_group_catch_up(t->track, g);
    g->known &= (uint8_t) ~(1u << slot % KEYED_GROUP_SLOTS);
    keyed_table_remove(t, slot);
}

void keyed_table_set_known(struct keyed_table *t, uint32_t slot, bool is_clean)
{
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    uint8_t bit = (uint8_t)(1u << slot % KEYED_GROUP_SLOTS);
    keyed_group_catch_up(t->track, g);
    g->known |= bit;
    if (is_clean) {
        t->n_dirty -= MIN(t->n_dirty, (uint32_t)((g->dirty & bit) != 0));
        g->dirty &= (uint8_t)~bit;
    }
}
