/* The keyed table's hot loops: a batch of keys to slots.
 *
 * A block of rows is probed in passes.  While the table fits a core's cache: keys, then probes.  Beyond
 * that, two more passes in between ask for the tags, then for the entries that fit them, so that the
 * misses of a block overlap.
 * Thread: one owner. */
#include "engine/state/keyed_table_probe.h"

enum {
    CACHED_BYTES = 512 * 1024, /* tables up to this size are probed without prefetching */
};

static inline bool bytes_equal(const struct probe_key *stored, const struct probe_key *key)
{
    if (stored->w0 != key->w0) {
        return false;
    }
    if (LIKELY(stored->w1 == key->w1)) {
        return true;
    }
    uint32_t len = probe_key_len(key);
    return len > VIEW_INLINE_MAX &&
           memcmp((const void *)(uintptr_t)stored->w1, (const void *)(uintptr_t)key->w1, len) == 0;
}

/* What a probe needs of the table, in registers: stores to slots could change the table itself, as far
 * as the compiler knows. */
struct probe_table {
    const struct keyed_group *groups;
    const char *entries;
    uint64_t seed;
    uint32_t group_mask, group_shift, stride;
    uint32_t version; /* of the track */
};

static inline struct probe_table probe_table_of(const struct keyed_table *t)
{
    return (struct probe_table){.groups = t->groups,
                                .entries = t->entries,
                                .seed = t->seed,
                                .group_mask = t->n_slots / KEYED_GROUP_SLOTS - 1,
                                .group_shift = t->group_shift,
                                .stride = t->stride,
                                .version = t->track->version};
}

/* The slot of a key, or KEYED_SLOT_NONE.  `wide`: a constant of each caller. */
static ALWAYS_INLINE uint32_t probe(const struct probe_table *t, uint64_t hash,
                                    const struct probe_key *key, const bool wide)
{
    const uint64_t mixed = hash * t->seed;
    const uint64_t tag = (mixed >> (t->group_shift - 7)) & 0x7f;
    uint32_t group = (uint32_t)(mixed >> t->group_shift);
    for (;;) {
        uint64_t tags = t->groups[group].tags;
        for (uint64_t m = keyed_match_tag(tags, tag); m != 0; m &= m - 1) {
            uint32_t slot = group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctzll(m) / 8;
            const char *entry = t->entries + (size_t)slot * t->stride;
            struct probe_key stored;
            memcpy(&stored, entry, wide ? sizeof(stored) : sizeof(stored.w0));
            if (LIKELY(wide ? bytes_equal(&stored, key) : stored.w0 == key->w0)) {
                return slot;
            }
        }
        if (LIKELY(keyed_match_empty(tags) != 0)) {
            return KEYED_SLOT_NONE;
        }
        group = (group + 1) & t->group_mask;
    }
}

/* Asks for the cache lines that the block's probes will touch.  Inlined, because gcc takes a function
 * that only prefetches for one without effect and drops its calls. */
static ALWAYS_INLINE void prefetch_if_large(const struct keyed_table *t,
                                            const struct probe_block *p, uint32_t n)
{
    if (t->held_bytes <= CACHED_BYTES) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(&t->groups[keyed_group(t, keyed_mix(t, p->hashes[i]))]);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint64_t mixed = keyed_mix(t, p->hashes[i]);
        uint32_t group = keyed_group(t, mixed);
        uint64_t tags = t->groups[group].tags;
        uint64_t m = keyed_match_tag(tags, keyed_tag(t, mixed));
        /* Without a match: the place where a new key would go. */
        m = m != 0 ? m : tags & KEYED_MSBS;
        uint32_t at = m != 0 ? (uint32_t)__builtin_ctzll(m) / 8 : 0;
        const char *entry = t->entries + (size_t)(group * KEYED_GROUP_SLOTS + at) * t->stride;
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->value_offset, 1);
    }
}

/* ---- adding ------------------------------------------------------------------------------------ */

static void add_null(struct keyed_table *t, uint64_t hash)
{
    char *entry = t->entries + (size_t)t->n_slots * t->stride;
    struct keyed_group *g = &t->groups[t->n_slots / KEYED_GROUP_SLOTS];
    keyed_group_catch_up(t->track, g);
    g->tags &= ~UINT64_C(0xff); /* live */
    memset(entry, 0, t->stride);
    memcpy(entry + t->hash_offset, &hash, sizeof(hash));
    t->has_null = true;
    t->n_keys++;
}

/* Adds a key that is not there; `n` slots of this batch have been given before. */
static COLD int add_key(struct keyed_table *t, const struct probe_key *key, uint64_t hash,
                        uint32_t *slots, uint32_t n, struct error *err)
{
    struct probe_key stored = *key;
    if (t->n_used >= keyed_limit(t)) {
        TRY(keyed_table_grow(t, slots, n, err));
    }
    if (t->key_kind != KEYED_KEY_FIXED && probe_key_len(key) > VIEW_INLINE_MAX) {
        uint32_t len = probe_key_len(key);
        char *bytes = state_heap_alloc(&t->heap, len);
        if (bytes == NULL) {
            return keyed_over_budget(t, len, err);
        }
        memcpy(bytes, (const void *)(uintptr_t)key->w1, len);
        stored.w1 = (uint64_t)(uintptr_t)bytes;
    }
    uint32_t slot = keyed_claim_slot(t, keyed_mix(t, hash));
    char *entry = t->entries + (size_t)slot * t->stride;
    memcpy(entry, &stored, t->hash_offset);
    memcpy(entry + t->hash_offset, &hash, sizeof(hash));
    memset(entry + t->value_offset, 0, t->value_bytes);
    t->n_keys++;
    slots[n] = slot;
    keyed_table_touch(t, slot);
    return 0;
}

static void upsert_null(struct keyed_table *t, uint64_t hash, uint32_t *slots, uint32_t n,
                        uint8_t *ret_is_new)
{
    *ret_is_new = !t->has_null;
    slots[n] = t->n_slots;
    if (!t->has_null) {
        add_null(t, hash);
    }
    keyed_table_touch(t, t->n_slots);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* Rows [from, from + n) of the batch, loaded in `p`. */
static ALWAYS_INLINE int upsert_block(struct keyed_table *t, const struct probe_block *p,
                                      uint32_t *slots, uint8_t *is_new, uint32_t from, uint32_t n,
                                      const bool wide, struct error *err)
{
    struct probe_table table = probe_table_of(t);
    const bool has_nulls = p->has_nulls;
    for (uint32_t i = 0; i < n; i++) {
        if (UNLIKELY(has_nulls) && p->is_null[i]) {
            upsert_null(t, p->hashes[i], slots, from + i, &is_new[from + i]);
            continue;
        }
        uint32_t slot = probe(&table, p->hashes[i], &p->keys[i], wide);
        slots[from + i] = slot;
        is_new[from + i] = slot == KEYED_SLOT_NONE;
        if (UNLIKELY(slot == KEYED_SLOT_NONE)) {
            TRY(add_key(t, &p->keys[i], p->hashes[i], slots, from + i, err));
            table = probe_table_of(t);
        } else if (UNLIKELY(!keyed_group_is_marked(&table.groups[slot / KEYED_GROUP_SLOTS],
                                                   table.version, slot % KEYED_GROUP_SLOTS))) {
            keyed_table_mark(t, slot);
        }
    }
    return 0;
}

static int upsert_narrow(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                         uint8_t *is_new, uint32_t from, uint32_t n, struct error *err)
{
    return upsert_block(t, p, slots, is_new, from, n, false, err);
}

static int upsert_wide(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                       uint8_t *is_new, uint32_t from, uint32_t n, struct error *err)
{
    return upsert_block(t, p, slots, is_new, from, n, true, err);
}

int keyed_table_upsert(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                       uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err)
{
    struct probe_block p;
    ASSERT(b->hashes != NULL);
    if (t->n_slots == 0) {
        TRY(keyed_table_grow(t, NULL, 0, err));
    }
    for (uint32_t from = 0; from < b->n_sel; from += KEYED_BLOCK_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)KEYED_BLOCK_ROWS);
        TRY(probe_block_load(t, &p, b, key_columns, from, n, err));
        prefetch_if_large(t, &p, n);
        if (t->key_kind == KEYED_KEY_FIXED) {
            TRY(upsert_narrow(t, &p, ret_slots, ret_is_new, from, n, err));
        } else {
            TRY(upsert_wide(t, &p, ret_slots, ret_is_new, from, n, err));
        }
    }
    return 0;
}

int keyed_table_find(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                     uint32_t *ret_slots, struct error *err)
{
    struct probe_block p;
    const struct probe_table table = probe_table_of(t);
    ASSERT(b->hashes != NULL);
    for (uint32_t from = 0; from < b->n_sel; from += KEYED_BLOCK_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)KEYED_BLOCK_ROWS);
        uint32_t *slots = ret_slots + from;
        if (t->n_slots == 0) {
            memset(slots, 0xff, n * sizeof(*slots));
            continue;
        }
        TRY(probe_block_load(t, &p, b, key_columns, from, n, err));
        prefetch_if_large(t, &p, n);
        for (uint32_t i = 0; i < n; i++) {
            if (UNLIKELY(p.has_nulls && p.is_null[i])) {
                slots[i] = t->has_null ? t->n_slots : KEYED_SLOT_NONE;
                continue;
            }
            slots[i] = t->key_kind == KEYED_KEY_FIXED
                           ? probe(&table, p.hashes[i], &p.keys[i], false)
                           : probe(&table, p.hashes[i], &p.keys[i], true);
        }
    }
    return 0;
}
