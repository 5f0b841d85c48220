/* The keyed table's hot loops: a batch of keys to slots.
 *
 * A block of rows is probed in passes.  While the table fits a core's cache: keys, then probes.  Beyond
 * that, two more passes in between ask for the tags, then for the entries that fit them, so that the
 * misses of a block overlap.
 * Thread: one owner. */
#include "engine/state/keyed_table_probe.h"
#include "engine/state/keyed_table_evict.h"

enum {
    CACHED_BYTES = 512 * 1024, /* tables up to this size are probed without prefetching */
};

static inline bool views_equal(const char *stored_words, const uint64_t *words)
{
    struct probe_key stored, key;
    memcpy(&stored, stored_words, sizeof(stored));
    memcpy(&key, words, sizeof(key));
    if (stored.w0 != key.w0) {
        return false;
    }
    if (LIKELY(stored.w1 == key.w1)) {
        return true;
    }
    uint32_t len = probe_key_len(&key);
    return len > VIEW_INLINE_MAX &&
           memcmp((const void *)(uintptr_t)stored.w1, (const void *)(uintptr_t)key.w1, len) == 0;
}

/* How keys are compared. */
enum probe_kind {
    PROBE_WORD,  /* one word */
    PROBE_WORDS, /* several */
    PROBE_VIEW,  /* a view, and the words behind it */
};

static inline enum probe_kind probe_kind_of(const struct keyed_table *t)
{
    return t->key_has_view ? PROBE_VIEW : t->key_words > 1 ? PROBE_WORDS : PROBE_WORD;
}

static inline bool words_equal(const char *stored, const uint64_t *key, uint32_t from, uint32_t n)
{
    uint64_t differ = 0;
    for (uint32_t i = from; i < n; i++) {
        uint64_t w;
        memcpy(&w, stored + i * sizeof(w), sizeof(w));
        differ |= w ^ key[i];
    }
    return differ == 0;
}

/* `kind`: a constant of each caller. */
static ALWAYS_INLINE bool keys_equal(const char *stored, const uint64_t *key, uint32_t n_words,
                                     const enum probe_kind kind)
{
    if (kind == PROBE_VIEW) {
        return views_equal(stored, key) && words_equal(stored, key, 2, n_words);
    }
    return words_equal(stored, key, 0, kind == PROBE_WORD ? 1 : n_words);
}

/* What a probe needs of the table, in registers: stores to slots could change the table itself, as far
 * as the compiler knows. */
struct probe_table {
    const struct keyed_group *groups;
    const char *entries;
    uint64_t seed;
    uint32_t group_mask, group_shift, stride, key_words;
    uint32_t version; /* of the track */
    struct keyed_moving moving;
};

static inline struct probe_table probe_table_of(const struct keyed_table *t)
{
    return (struct probe_table){.groups = t->groups,
                                .entries = t->entries,
                                .seed = t->seed,
                                .group_mask = t->n_slots / KEYED_GROUP_SLOTS - 1,
                                .group_shift = t->group_shift,
                                .stride = t->stride,
                                .key_words = t->key_words,
                                .version = t->track->version,
                                .moving = t->moving};
}

/* The slot of a key, or KEYED_SLOT_NONE.  `kind`, `growing`: constants of each caller. */
static ALWAYS_INLINE uint32_t probe(const struct probe_table *t, uint64_t hash, const uint64_t *key,
                                    const enum probe_kind kind, const bool growing)
{
    const uint64_t mixed = hash * t->seed;
    uint32_t base = 0, mask = t->group_mask, shift = t->group_shift;
    if (growing && keyed_home_waits(&t->moving, mixed)) {
        base = t->group_mask + 1;
        mask = t->moving.n_slots / KEYED_GROUP_SLOTS - 1;
        shift = t->moving.group_shift;
    }
    const uint64_t tag = keyed_tag_of(mixed, shift);
    uint32_t group = (uint32_t)(mixed >> shift);
    for (;;) {
        uint64_t tags = t->groups[base + group].tags;
        for (uint64_t m = keyed_match_tag(tags, tag); m != 0; m &= m - 1) {
            uint32_t slot = (base + group) * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctzll(m) / 8;
            const char *entry = t->entries + (size_t)slot * t->stride;
            if (LIKELY(keys_equal(entry, key, t->key_words, kind))) {
                return slot;
            }
        }
        if (LIKELY(keyed_match_empty(tags) != 0)) {
            return KEYED_SLOT_NONE;
        }
        group = (group + 1) & mask;
    }
}

static ALWAYS_INLINE uint32_t probe_as(const struct probe_table *t, uint64_t hash,
                                       const uint64_t *key, enum probe_kind kind,
                                       const bool growing)
{
    return kind == PROBE_WORD    ? probe(t, hash, key, PROBE_WORD, growing)
           : kind == PROBE_WORDS ? probe(t, hash, key, PROBE_WORDS, growing)
                                 : probe(t, hash, key, PROBE_VIEW, growing);
}

/* Asks for the cache lines that the block's probes will touch.  Inlined, because gcc takes a function
 * that only prefetches for one without effect and drops its calls. */
static ALWAYS_INLINE void prefetch_if_large(const struct keyed_table *t,
                                            const struct probe_block *p, uint32_t n)
{
    if (t->held_bytes <= CACHED_BYTES || n == 1) {
        return;
    }
    if (UNLIKELY(t->moving.n_slots > 0)) {
        for (uint32_t i = 0; i < n; i++) {
            uint64_t mixed = keyed_mix(t, p->hashes[i]);
            struct keyed_region r = keyed_region_of(t, mixed);
            __builtin_prefetch(&t->groups[r.base + (uint32_t)(mixed >> r.shift)]);
        }
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
        m = m != 0 ? m : ~tags & KEYED_MSBS;
        uint32_t at = m != 0 ? (uint32_t)__builtin_ctzll(m) / 8 : 0;
        const char *entry = t->entries + (size_t)(group * KEYED_GROUP_SLOTS + at) * t->stride;
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->stride - sizeof(uint64_t), 1); /* it may cross a line */
    }
}

/* ---- adding ------------------------------------------------------------------------------------ */

/* Of an entry that has its key. */
static inline void put_hash(const struct keyed_table *t, char *entry, uint64_t hash, bool is_null)
{
    if (!t->key_is_hash) {
        memcpy(entry + t->hash_offset, &hash, sizeof(hash));
    }
    ASSERT(keyed_entry_hash(t, entry, is_null) == hash);
}

static void add_null(struct keyed_table *t, uint64_t hash)
{
    char *entry = t->entries + (size_t)t->null_slot * t->stride;
    struct keyed_group *g = &t->groups[t->null_slot / KEYED_GROUP_SLOTS];
    keyed_group_catch_up(t->track, g);
    g->tags |= KEYED_TAG_LIVE;
    memset(entry, 0, t->stride);
    put_hash(t, entry, hash, true);
    t->has_null = true;
    t->n_keys++;
}

/* Adds a key that is not there; `n` slots of this batch have been given before. */
static __attribute__((noinline)) int add_key(struct keyed_table *t, const uint64_t *key,
                                             uint64_t hash, uint32_t *slots, uint32_t n,
                                             struct error *err)
{
    uint64_t stored[KEYED_KEY_WORDS_MAX];
    for (uint32_t i = 0; i < t->key_words; i++) {
        stored[i] = key[i];
    }
    if (t->n_used >= keyed_full(t)) {
        ASSERT(t->moving.n_slots == 0);
        TRY(keyed_table_grow(t, slots, n, err));
    }
    if (t->key_has_view && !keyed_key_own(t, &t->heap, (char *)stored)) {
        return keyed_over_budget(t, (uint32_t)stored[0], err);
    }
    uint64_t mixed = keyed_mix(t, hash);
    struct keyed_region region = keyed_region_of(t, mixed);
    uint32_t slot =
        keyed_claim_in(t, region, mixed, region.base == 0 ? &t->n_used : &t->moving.n_used);
    char *entry = t->entries + (size_t)slot * t->stride;
    for (uint32_t i = 0; i < t->key_words; i++) {
        memcpy(entry + i * sizeof(uint64_t), &stored[i], sizeof(uint64_t));
    }
    put_hash(t, entry, hash, false);
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
    slots[n] = t->null_slot;
    if (!t->has_null) {
        add_null(t, hash);
    }
    keyed_table_touch(t, t->null_slot);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* Rows [from, from + n) of the batch, loaded in `p`. */
static ALWAYS_INLINE int upsert_block(struct keyed_table *t, const struct probe_block *p,
                                      uint32_t *slots, uint8_t *is_new, uint32_t from, uint32_t n,
                                      const enum probe_kind kind, const bool growing,
                                      struct error *err)
{
    struct probe_table table = probe_table_of(t);
    const bool has_nulls = p->has_nulls;
    const uint32_t n_words = kind == PROBE_WORD ? 1 : t->key_words;
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t *key = p->keys + (size_t)i * n_words;
        if (UNLIKELY(has_nulls) && p->is_null[i]) {
            upsert_null(t, p->hashes[i], slots, from + i, &is_new[from + i]);
            continue;
        }
        uint32_t slot = probe(&table, p->hashes[i], key, kind, growing);
        slots[from + i] = slot;
        is_new[from + i] = slot == KEYED_SLOT_NONE;
        if (UNLIKELY(slot == KEYED_SLOT_NONE)) {
            TRY(add_key(t, key, p->hashes[i], slots, from + i, err));
            table = probe_table_of(t);
        } else if (UNLIKELY(!keyed_group_is_marked(&table.groups[slot / KEYED_GROUP_SLOTS],
                                                   table.version, slot % KEYED_GROUP_SLOTS))) {
            keyed_table_mark(t, slot);
        }
    }
    return 0;
}

static int upsert_word(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                       uint8_t *is_new, uint32_t from, uint32_t n, struct error *err)
{
    /* Growth begins and ends between batches. */
    return UNLIKELY(t->moving.n_slots > 0)
               ? upsert_block(t, p, slots, is_new, from, n, PROBE_WORD, true, err)
               : upsert_block(t, p, slots, is_new, from, n, PROBE_WORD, false, err);
}

static int upsert_words(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                        uint8_t *is_new, uint32_t from, uint32_t n, struct error *err)
{
    /* Growth begins and ends between batches. */
    return UNLIKELY(t->moving.n_slots > 0)
               ? upsert_block(t, p, slots, is_new, from, n, PROBE_WORDS, true, err)
               : upsert_block(t, p, slots, is_new, from, n, PROBE_WORDS, false, err);
}

static int upsert_views(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                        uint8_t *is_new, uint32_t from, uint32_t n, struct error *err)
{
    /* Growth begins and ends between batches. */
    return UNLIKELY(t->moving.n_slots > 0)
               ? upsert_block(t, p, slots, is_new, from, n, PROBE_VIEW, true, err)
               : upsert_block(t, p, slots, is_new, from, n, PROBE_VIEW, false, err);
}

int keyed_table_upsert(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                       uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err)
{
    struct probe_block p;
    const enum probe_kind kind = probe_kind_of(t);
    ASSERT(b->hashes != NULL);
    if (t->n_slots == 0) {
        TRY(keyed_table_grow(t, NULL, 0, err));
    }
    if (UNLIKELY(t->moving.n_slots > 0 || t->n_used >= keyed_limit(t))) {
        keyed_table_make_room(t, b->n_sel);
    }
    for (uint32_t from = 0; from < b->n_sel; from += KEYED_BLOCK_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)KEYED_BLOCK_ROWS);
        TRY(probe_block_load(t, &p, b, key_columns, from, n, err));
        prefetch_if_large(t, &p, n);
        if (kind == PROBE_WORD) {
            TRY(upsert_word(t, &p, ret_slots, ret_is_new, from, n, err));
        } else if (kind == PROBE_WORDS) {
            TRY(upsert_words(t, &p, ret_slots, ret_is_new, from, n, err));
        } else {
            TRY(upsert_views(t, &p, ret_slots, ret_is_new, from, n, err));
        }
    }
    return 0;
}

/* ---- keys that are not there --------------------------------------------------------------------- */

/* Gives long keys of a block bytes in the heap. */
static int own_keys(struct keyed_table *t, struct probe_block *p, uint32_t n, struct error *err)
{
    for (uint32_t i = 0; t->key_has_view && i < n; i++) {
        char *key = (char *)(p->keys + (size_t)i * t->key_words);
        bool is_null = p->has_nulls && p->is_null[i];
        if (!is_null && !keyed_key_own(t, &t->heap, key)) {
            /* What those before it have goes with the heap. */
            return keyed_over_budget(t, probe_key_len((const struct probe_key *)(void *)key), err);
        }
    }
    return 0;
}

/* The keys of a block get slots, whose entries are asked for. */
static void claim_block(struct keyed_table *t, const struct probe_block *p, uint32_t *slots,
                        uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        __builtin_prefetch(&t->groups[keyed_group(t, keyed_mix(t, p->hashes[i]))], 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (UNLIKELY(p->has_nulls) && p->is_null[i]) {
            slots[i] = t->null_slot;
            continue;
        }
        slots[i] = keyed_claim_slot(t, keyed_mix(t, p->hashes[i]));
        const char *entry = t->entries + (size_t)slots[i] * t->stride;
        __builtin_prefetch(entry, 1);
        __builtin_prefetch(entry + t->stride - sizeof(uint64_t), 1);
    }
}

/* Writes the keys of a block to their slots.  `n_words`: of a key; a constant of most callers. */
static ALWAYS_INLINE void write_block(struct keyed_table *t, const struct probe_block *p,
                                      uint32_t *slots, uint32_t n, const uint32_t n_words)
{
    const uint32_t value_words = t->value_bytes / (uint32_t)sizeof(uint64_t);
    for (uint32_t i = 0; i < n; i++) {
        if (UNLIKELY(p->has_nulls) && p->is_null[i]) {
            uint8_t is_new;
            upsert_null(t, p->hashes[i], slots, i, &is_new);
            continue;
        }
        char *entry = t->entries + (size_t)slots[i] * t->stride;
        memcpy(entry, p->keys + (size_t)i * n_words, n_words * sizeof(uint64_t));
        put_hash(t, entry, p->hashes[i], false);
        for (uint32_t k = 0; k < value_words; k++) {
            memset(entry + t->value_offset + k * sizeof(uint64_t), 0, sizeof(uint64_t));
        }
        t->n_keys++;
        keyed_table_touch(t, slots[i]);
    }
}

int keyed_table_add(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                    uint32_t *ret_slots, struct error *err)
{
    struct probe_block p;
    ASSERT(b->hashes != NULL);
    keyed_table_finish_growth(t);
    TRY(keyed_table_reserve(t, (uint64_t)keyed_table_len(t) + b->n_sel, err));
    for (uint32_t from = 0; from < b->n_sel; from += KEYED_BLOCK_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)KEYED_BLOCK_ROWS);
        TRY(probe_block_load(t, &p, b, key_columns, from, n, err));
        if (t->n_used + n > keyed_limit(t)) {
            TRY(keyed_table_grow(t, ret_slots, from, err)); /* many were removed */
        }
        TRY(own_keys(t, &p, n, err));
        claim_block(t, &p, ret_slots + from, n);
        if (t->key_words == 1) {
            write_block(t, &p, ret_slots + from, n, 1);
        } else {
            write_block(t, &p, ret_slots + from, n, t->key_words);
        }
    }
    return 0;
}

int keyed_table_find(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                     uint32_t *ret_slots, struct error *err)
{
    struct probe_block p;
    const struct probe_table table = probe_table_of(t);
    const enum probe_kind kind = probe_kind_of(t);
    const bool growing = t->moving.n_slots > 0;
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
                slots[i] = t->has_null ? t->null_slot : KEYED_SLOT_NONE;
                continue;
            }
            const uint64_t *key = p.keys + (size_t)i * t->key_words;
            slots[i] = growing ? probe_as(&table, p.hashes[i], key, kind, true)
                               : probe_as(&table, p.hashes[i], key, kind, false);
        }
    }
    return 0;
}

/* ---- by hash and a number ------------------------------------------------------------------------ */

/* The first slot on the way of `wanted` that has it, from behind `after` on. */
static inline uint32_t probe_hashed(const struct keyed_table *t, const struct keyed_number *where,
                                    const struct keyed_hashed *wanted, uint32_t after)
{
    const uint64_t mixed = keyed_mix(t, wanted->hash);
    const struct keyed_region r = keyed_region_of(t, mixed);
    const uint64_t tag = keyed_tag_of(mixed, r.shift);
    for (uint32_t at = (uint32_t)(mixed >> r.shift);; at = (at + 1) & r.mask) {
        const uint32_t group = r.base + at;
        uint64_t tags = t->groups[group].tags;
        for (uint64_t m = keyed_match_tag(tags, tag); m != 0; m &= m - 1) {
            uint32_t slot = group * KEYED_GROUP_SLOTS + (uint32_t)__builtin_ctzll(m) / 8;
            const char *entry = t->entries + (size_t)slot * t->stride;
            if (keyed_entry_hash(t, entry, false) != wanted->hash ||
                keyed_key_number(where, entry) != wanted->number) {
                continue;
            }
            if (after == KEYED_SLOT_NONE) {
                return slot;
            }
            after = slot == after ? KEYED_SLOT_NONE : after;
        }
        if (keyed_match_empty(tags) != 0) {
            return KEYED_SLOT_NONE;
        }
    }
}

void keyed_table_find_hashed(const struct keyed_table *t, uint32_t column,
                             const struct keyed_hashed *wanted, uint32_t n, uint32_t *ret_slots)
{
    const struct keyed_number where = keyed_key_find_number(t, column);
    struct probe_block p;
    if (t->n_slots == 0) {
        memset(ret_slots, 0xff, n * sizeof(*ret_slots));
        return;
    }
    for (uint32_t from = 0; from < n; from += KEYED_BLOCK_ROWS) {
        uint32_t rows = MIN(n - from, (uint32_t)KEYED_BLOCK_ROWS);
        for (uint32_t i = 0; i < rows; i++) {
            p.hashes[i] = wanted[from + i].hash;
        }
        prefetch_if_large(t, &p, rows);
        for (uint32_t i = from; i < from + rows; i++) {
            ret_slots[i] = probe_hashed(t, &where, &wanted[i], KEYED_SLOT_NONE);
        }
    }
}

uint32_t keyed_table_next_hashed(const struct keyed_table *t, uint32_t column,
                                 const struct keyed_hashed *wanted, uint32_t after)
{
    const struct keyed_number where = keyed_key_find_number(t, column);
    return probe_hashed(t, &where, wanted, after);
}

/* ---- entries of other tables ----------------------------------------------------------------------- */

uint32_t keyed_table_find_entry(const struct keyed_table *t, const char *key, uint64_t hash,
                                bool is_null)
{
    const struct probe_table table = probe_table_of(t);
    uint64_t words[KEYED_KEY_WORDS_MAX];
    if (t->n_slots == 0) {
        return KEYED_SLOT_NONE;
    }
    if (is_null) {
        return t->has_null ? t->null_slot : KEYED_SLOT_NONE;
    }
    memcpy(words, key, t->key_words * sizeof(uint64_t));
    return probe_as(&table, hash, words, probe_kind_of(t), t->moving.n_slots > 0);
}

int keyed_table_add_entry(struct keyed_table *t, const char *key, uint64_t hash, bool is_null,
                          uint32_t *ret_slot, struct error *err)
{
    uint64_t words[KEYED_KEY_WORDS_MAX];
    uint8_t is_new;
    *ret_slot = keyed_table_find_entry(t, key, hash, is_null);
    if (*ret_slot != KEYED_SLOT_NONE) {
        return 0;
    }
    if (t->n_slots == 0) {
        TRY(keyed_table_grow(t, NULL, 0, err));
    }
    if (is_null) {
        upsert_null(t, hash, ret_slot, 0, &is_new);
        return 0;
    }
    memcpy(words, key, t->key_words * sizeof(uint64_t));
    return add_key(t, words, hash, ret_slot, 0, err);
}
