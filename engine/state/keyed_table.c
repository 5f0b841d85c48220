/* The keyed table: life, memory, iteration, removal.  The hot loops are in keyed_table_probe.c, keys in
 * keyed_table_key.c.
 *
 * Tags: a live slot has seven bits of its hash and the high bit, an empty one 0, a removed one 0x40.  A removed slot
 * in a group that has an empty one becomes empty at once, because no probe went past that group.
 * Thread: one owner. */
#include "engine/state/keyed_table_probe.h"
#include "engine/state/slot_pages.h"

#include "common/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
    SLOTS_MIN = 128,
    MAPPED_FROM = 2 * 1024 * 1024, /* bytes of slots */
    HUGE_BYTES = 2 * 1024 * 1024,  /* from here on huge pages are asked for */
    CACHE_LINE = 64,
};

/* Of tables without snapshots: nothing is ever frozen, and nobody writes it. */
static struct keyed_track no_track;

static uint64_t process_seed;
static atomic_uint_fast64_t tables_made;
static pthread_once_t process_seed_once = PTHREAD_ONCE_INIT;

static void process_seed_make(void)
{
    struct rng rng;
    rng_init_system(&rng);
    process_seed = rng_next(&rng);
}

/* Every table has a seed of its own: keys that come in the order of another table, as from a snapshot or
 * in a merge, would fill the groups of this one from one end, in ever longer chains. */
static uint64_t table_seed(void)
{
    pthread_once(&process_seed_once, process_seed_make);
    struct rng rng;
    rng_init(&rng, process_seed + atomic_fetch_add(&tables_made, 1));
    return rng_next(&rng);
}

static void table_layout(struct keyed_table *t)
{
    keyed_key_layout(t);
    t->hash_offset = t->key_words * (uint32_t)sizeof(uint64_t);
    t->value_offset = t->hash_offset + (t->key_is_hash ? 0 : (uint32_t)sizeof(uint64_t));
    t->stride = t->value_offset + t->value_bytes;
}

int keyed_table_init(struct keyed_table *t, const struct keyed_table_options *options,
                     struct error *err)
{
    const struct schema *keys = options->key_schema;
    ASSERT(keys->n_fields > 0 && options->value_bytes <= KEYED_VALUE_BYTES_MAX);
    for (uint32_t i = 0; i < keys->n_fields; i++) {
        enum type_layout layout = keys->fields[i].type->layout;
        if (layout == LAYOUT_NULL || layout >= LAYOUT_LIST) {
            return error_set(err, ERR_UNSUPPORTED,
                             "column '%s' cannot be a key: its type is %s; keys are numbers, "
                             "booleans, strings, dates and times",
                             keys->fields[i].name, type_id_name(keys->fields[i].type->id));
        }
    }
    uint64_t seed = options->seed != 0 ? options->seed : table_seed();
    *t = (struct keyed_table){
        .seed = seed | 1,
        .value_bytes = (options->value_bytes + 7) & ~7u,
        .key_schema = schema_ref(keys),
        .budget = options->budget,
        .group_shift = 63,
        .track = options->track != NULL ? options->track : &no_track,
        .record = options->record,
        .ops = options->ops,
        .grows_in_pieces = options->grows_in_pieces,
        .mapped_from = options->mapped_from > 0 ? options->mapped_from : MAPPED_FROM,
    };
    t->created = t->track->version;
    state_heap_init(&t->heap, options->budget);
    table_layout(t);
    vec_init(&t->removed, keyed_removed_bytes(t));
    return 0;
}

void keyed_table_fini(struct keyed_table *t)
{
    keyed_table_clear(t);
    vec_fini(&t->removed);
    schema_unref(t->key_schema);
    str_fini(&t->scratch);
    memset(t, 0, sizeof(*t));
}

int keyed_table_new(const struct keyed_table_options *options, struct keyed_table **ret_table,
                    struct error *err)
{
    struct keyed_table *t = mem_alloc(sizeof(*t));
    int rc = keyed_table_init(t, options, err);
    if (rc < 0) {
        mem_free(t);
        return rc;
    }
    *ret_table = t;
    return 0;
}

struct keyed_table *keyed_table_free(struct keyed_table *t)
{
    if (t != NULL) {
        keyed_table_fini(t);
        mem_free(t);
    }
    return NULL;
}

/* ---- memory ------------------------------------------------------------------------------------ */

uint64_t keyed_table_slots_bytes(const struct keyed_table *t, uint32_t n_slots)
{
    return keyed_groups_bytes(n_slots) + ((uint64_t)n_slots + 1) * t->stride +
           (t->keeps_heat ? keyed_heat_bytes(n_slots) : 0);
}

static void *array_new(bool mapped, size_t bytes)
{
    if (mapped) {
        return slot_pages_new(bytes);
    }
    if (bytes < HUGE_BYTES) {
        return mem_alloc_aligned(CACHE_LINE, bytes);
    }
    void *p = mem_alloc_aligned(HUGE_BYTES, bytes);
    /* Advice only: random probes over small pages would miss the TLB each time. */
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static void array_free(bool mapped, void *p, size_t bytes)
{
    if (mapped) {
        slot_pages_free(p, bytes);
    } else {
        mem_free(p);
    }
}

static void free_slots(struct keyed_table *t)
{
    if (t->n_slots > 0) {
        array_free(t->is_mapped, t->groups, keyed_groups_bytes(t->null_slot));
        array_free(t->is_mapped, t->entries, ((size_t)t->null_slot + 1) * t->stride);
    }
    mem_free(t->heat);
    t->groups = NULL;
    t->entries = NULL;
    t->heat = NULL;
    if (t->budget != NULL) {
        mem_budget_give(t->budget, t->held_bytes);
    }
    t->held_bytes = 0;
}

void keyed_table_clear(struct keyed_table *t)
{
    keyed_table_clear_tracked(t);
    free_slots(t);
    state_heap_clear(&t->heap);
    t->n_slots = 0;
    t->null_slot = 0;
    t->moving = (struct keyed_moving){0};
    t->numbering++;
    t->group_shift = 63;
    t->n_keys = 0;
    t->n_used = 0;
    t->has_null = false;
}

uint64_t keyed_table_bytes(const struct keyed_table *t)
{
    return t->held_bytes + t->heap.held_bytes;
}

/* ---- growth ------------------------------------------------------------------------------------ */

/* Moves every live entry of `old` to `t`, which is empty and large enough, with what is known of its
 * changes; `renumber`, when there, gets the new slot of each old one. */
static void move_entries(struct keyed_table *t, const struct keyed_table *old, uint32_t *renumber)
{
    for (uint32_t group = 0; group * KEYED_GROUP_SLOTS < old->n_slots; group++) {
        size_t slot = (size_t)group * KEYED_GROUP_SLOTS;
        keyed_table_move_group(t, &old->groups[group], keyed_heat_of(old, group),
                               old->entries + slot * old->stride,
                               renumber != NULL ? renumber + slot : NULL);
    }
    if (old->n_slots > 0) {
        memcpy(t->entries + (size_t)t->n_slots * t->stride,
               old->entries + (size_t)old->n_slots * t->stride, t->stride);
        t->groups[t->n_slots / KEYED_GROUP_SLOTS] = old->groups[old->n_slots / KEYED_GROUP_SLOTS];
    }
    if (renumber != NULL) {
        renumber[old->n_slots] = t->n_slots;
    }
}

static void alloc_slots(struct keyed_table *t, uint32_t n_slots, uint64_t bytes)
{
    t->is_mapped = t->grows_in_pieces && bytes >= t->mapped_from;
    t->groups = array_new(t->is_mapped, keyed_groups_bytes(n_slots));
    if (!t->is_mapped) {
        memset(t->groups, 0, keyed_groups_bytes(n_slots));
    }
    t->entries = array_new(t->is_mapped, ((size_t)n_slots + 1) * t->stride);
    t->heat = t->keeps_heat ? MEM_NEW_ARRAY(uint16_t, keyed_heat_bytes(n_slots) / 2) : NULL;
    t->n_slots = n_slots;
    t->null_slot = n_slots;
    t->n_used = 0;
    t->group_shift = 64 - (uint32_t)__builtin_ctz(n_slots / KEYED_GROUP_SLOTS);
    t->held_bytes = bytes;
    /* Entries that a snapshot still has to write may now lie anywhere; those it wrote are marked so. */
    t->scan_group = 0;
    t->numbering++;
}

/* Gives the table `n_slots` slots; the `n` slots of this batch are renumbered. */
static int resize(struct keyed_table *t, uint32_t n_slots, uint32_t *inout_slots, uint32_t n,
                  struct error *err)
{
    keyed_table_finish_growth(t);
    struct keyed_table old = *t;
    uint64_t bytes = keyed_table_slots_bytes(t, n_slots);
    if (n_slots > KEYED_SLOTS_MAX) {
        return error_set(err, ERR_LIMIT, "keyed state has %u keys, the limit of one table",
                         t->n_keys);
    }
    if (t->budget != NULL && mem_budget_take(t->budget, bytes) < 0) {
        return keyed_over_budget(t, bytes, err);
    }
    alloc_slots(t, n_slots, bytes);
    uint32_t *renumber = n > 0 ? mem_alloc(((size_t)old.n_slots + 1) * sizeof(uint32_t)) : NULL;
    move_entries(t, &old, renumber);
    for (uint32_t i = 0; i < n; i++) {
        inout_slots[i] = renumber[inout_slots[i]];
    }
    mem_free(renumber);
    free_slots(&old);
    return 0;
}

uint32_t keyed_table_next_size(const struct keyed_table *t)
{
    if (t->n_slots == 0) {
        return SLOTS_MIN;
    }
    uint32_t live = t->n_keys - t->has_null;
    return live >= keyed_limit(t) / 2 ? t->n_slots * 2 : t->n_slots;
}

int keyed_table_grow(struct keyed_table *t, uint32_t *inout_slots, uint32_t n, struct error *err)
{
    return resize(t, keyed_table_next_size(t), inout_slots, n, err);
}

void keyed_table_take_seed(struct keyed_table *t, uint64_t seed)
{
    if (t->n_slots == 0 && seed != 0) {
        t->seed = seed | 1;
    }
}

int keyed_table_reserve(struct keyed_table *t, uint64_t n_keys, struct error *err)
{
    uint64_t n_slots = MAX(t->n_slots, (uint32_t)SLOTS_MIN);
    while (n_slots < KEYED_SLOTS_MAX && n_slots / 4 * 3 < n_keys) {
        n_slots *= 2;
    }
    return n_slots > t->n_slots ? resize(t, (uint32_t)n_slots, NULL, 0, err) : 0;
}

int keyed_over_budget(const struct keyed_table *t, uint64_t bytes, struct error *err)
{
    char what[64];
    snprintf(what, sizeof(what), "a table of %u keys", t->n_keys);
    return state_over_budget(t->budget, bytes, what, err);
}

/* ---- iteration and removal --------------------------------------------------------------------- */

uint32_t keyed_table_next(const struct keyed_table *t, uint32_t from)
{
    while (from < t->null_slot) {
        uint32_t group = from / KEYED_GROUP_SLOTS, at = from % KEYED_GROUP_SLOTS;
        uint64_t live = t->groups[group].tags & KEYED_MSBS & (UINT64_MAX << (at * 8));
        if (live != 0) {
            return group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctzll(live) / 8;
        }
        from = (group + 1) * KEYED_GROUP_SLOTS;
    }
    return from == t->null_slot && t->has_null ? from : KEYED_SLOT_NONE;
}

void keyed_table_remove(struct keyed_table *t, uint32_t slot)
{
    bool key_is_kept = keyed_table_forget(t, slot);
    keyed_value_drop(t, &t->heap, keyed_table_value(t, slot));
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    uint32_t shift = slot % KEYED_GROUP_SLOTS * 8;
    t->n_keys--;
    if (t->heat != NULL) {
        t->heat[slot / KEYED_GROUP_SLOTS] &=
            (uint16_t) ~((uint32_t)KEYED_HEAT_MAX << slot % KEYED_GROUP_SLOTS * 2);
    }
    if (slot == t->null_slot) {
        t->has_null = false;
        g->tags = KEYED_TAG_EMPTY;
        return;
    }
    if (!key_is_kept) {
        keyed_key_free(t, &t->heap, t->entries + (size_t)slot * t->stride);
    }
    bool was_full = keyed_match_empty(g->tags) == 0;
    uint64_t tag = was_full ? KEYED_TAG_REMOVED : KEYED_TAG_EMPTY;
    g->tags = (g->tags & ~(UINT64_C(0xff) << shift)) | tag << shift;
    *(slot < t->n_slots ? &t->n_used : &t->moving.n_used) -= !was_full;
}

void keyed_table_remove_many(struct keyed_table *t, const uint32_t *slots, uint32_t n)
{
    enum { AHEAD = 16 };
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n) {
            __builtin_prefetch(&t->groups[slots[i + AHEAD] / KEYED_GROUP_SLOTS], 1);
        }
        keyed_table_remove(t, slots[i]);
    }
}
