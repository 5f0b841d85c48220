/* The hash map of the control plane: entries in insertion order, and an index of entry numbers with
 * linear probing.  A removed entry stays as a hole (key NULL), which also is the tombstone of its
 * index slot; the next growth squeezes the holes out.  So removing while iterating is safe, and
 * putting while iterating is not.
 *
 * Thread: one owner. */
#include "common/base/map.h"

#include "common/base/clock.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MAP_FIRST_INDEX = 16 };

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(len > 0 ? data : "", len, seed);
}

/* Keys come from people and peers: a seed per process keeps collisions unguessable.  Nothing that
 * can be seen depends on it, since iteration is in insertion order. */
static uint64_t map_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t s = atomic_load_explicit(&seed, memory_order_relaxed);
    if (UNLIKELY(s == 0)) {
        struct rng r;
        rng_init_system(&r);
        uint64_t fresh = rng_next(&r) | 1;
        /* The loser of a race takes the winner's, which a failed exchange leaves in `s`. */
        if (atomic_compare_exchange_strong(&seed, &s, fresh)) {
            s = fresh;
        }
    }
    return s;
}

void map_init(struct map *m, void (*free_value)(void *value))
{
    *m = (struct map){.free_value = free_value};
}

static void drop_value(const struct map *m, void *value)
{
    if (m->free_value != NULL && value != NULL) {
        m->free_value(value);
    }
}

void map_clear(struct map *m)
{
    /* The map is empty before the first destructor runs: a destructor may look at it. */
    struct map old = *m;
    map_init(m, old.free_value);
    for (size_t i = 0; i < old.n_entries; i++) {
        if (old.entries[i].key != NULL) {
            mem_free(old.entries[i].key);
            drop_value(&old, old.entries[i].value);
        }
    }
    mem_free(old.entries);
    mem_free(old.index);
}

void map_fini(struct map *m)
{
    map_clear(m);
}

/* The entry's number, or SIZE_MAX. */
static size_t find_entry(const struct map *m, const void *key, size_t key_len, uint64_t hash)
{
    if (m->len == 0) {
        return SIZE_MAX;
    }
    size_t mask = m->index_cap - 1;
    for (size_t slot = hash & mask; m->index[slot] != 0; slot = (slot + 1) & mask) {
        size_t i = m->index[slot] - 1;
        const struct map_entry *e = &m->entries[i];
        if (e->hash == hash && e->key != NULL && e->key_len == key_len &&
            (key_len == 0 || memcmp(e->key, key, key_len) == 0)) {
            return i;
        }
    }
    return SIZE_MAX;
}

static void index_entry(struct map *m, size_t i)
{
    size_t mask = m->index_cap - 1;
    size_t slot = m->entries[i].hash & mask;
    while (m->index[slot] != 0) {
        slot = (slot + 1) & mask;
    }
    m->index[slot] = (uint32_t)(i + 1);
}

/* Squeezes the holes out and sizes the index so that entries, holes to come included, fill at most
 * half of it. */
static void rebuild(struct map *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_entries; i++) {
        if (m->entries[i].key != NULL) {
            m->entries[n++] = m->entries[i];
        }
    }
    m->n_entries = n;
    size_t index_cap = MAP_FIRST_INDEX;
    while (index_cap < 3 * (n + 1)) {
        index_cap *= 2;
    }
    ASSERT(index_cap <= UINT32_MAX);
    if (index_cap != m->index_cap) {
        mem_free(m->index);
        m->index = mem_alloc(index_cap * sizeof(*m->index));
        m->index_cap = index_cap;
        m->entries_cap = index_cap / 2;
        m->entries = mem_realloc(m->entries, m->entries_cap * sizeof(*m->entries));
    }
    memset(m->index, 0, index_cap * sizeof(*m->index));
    for (size_t i = 0; i < n; i++) {
        index_entry(m, i);
    }
}

bool map_put_bytes(struct map *m, const void *key, size_t key_len, void *value)
{
    uint64_t hash = hash_bytes(key, key_len, map_seed());
    size_t i = find_entry(m, key, key_len, hash);
    if (i != SIZE_MAX) {
        void *old = m->entries[i].value;
        m->entries[i].value = value;
        if (old != value) {
            drop_value(m, old);
        }
        return false;
    }
    if (m->n_entries == m->entries_cap) {
        rebuild(m);
    }
    char *copy = mem_alloc(key_len + 1);
    if (key_len > 0) {
        memcpy(copy, key, key_len);
    }
    copy[key_len] = '\0';
    m->entries[m->n_entries] = (struct map_entry){copy, key_len, value, hash};
    index_entry(m, m->n_entries);
    m->n_entries++;
    m->len++;
    return true;
}

bool map_put(struct map *m, const char *key, void *value)
{
    return map_put_bytes(m, key, strlen(key), value);
}

void *map_find_bytes(const struct map *m, const void *key, size_t key_len)
{
    size_t i = find_entry(m, key, key_len, hash_bytes(key, key_len, map_seed()));
    return i != SIZE_MAX ? m->entries[i].value : NULL;
}

void *map_find(const struct map *m, const char *key)
{
    return map_find_bytes(m, key, strlen(key));
}

bool map_has(const struct map *m, const char *key)
{
    size_t key_len = strlen(key);
    return find_entry(m, key, key_len, hash_bytes(key, key_len, map_seed())) != SIZE_MAX;
}

/* Leaves a hole.  False when the key is absent. */
static bool detach(struct map *m, const void *key, size_t key_len, void **ret_value)
{
    size_t i = find_entry(m, key, key_len, hash_bytes(key, key_len, map_seed()));
    if (i == SIZE_MAX) {
        return false;
    }
    struct map_entry *e = &m->entries[i];
    *ret_value = e->value;
    mem_free(e->key);
    e->key = NULL;
    e->value = NULL;
    m->len--;
    return true;
}

bool map_remove_bytes(struct map *m, const void *key, size_t key_len)
{
    void *value;
    if (!detach(m, key, key_len, &value)) {
        return false;
    }
    drop_value(m, value);
    return true;
}

bool map_remove(struct map *m, const char *key)
{
    return map_remove_bytes(m, key, strlen(key));
}

void *map_take_bytes(struct map *m, const void *key, size_t key_len)
{
    void *value = NULL;
    return detach(m, key, key_len, &value) ? value : NULL;
}

void *map_take(struct map *m, const char *key)
{
    return map_take_bytes(m, key, strlen(key));
}

const struct map_entry *map_next(const struct map *m, const struct map_entry *prev)
{
    size_t i = prev != NULL ? (size_t)(prev - m->entries) + 1 : 0;
    while (i < m->n_entries && m->entries[i].key == NULL) {
        i++;
    }
    return i < m->n_entries ? &m->entries[i] : NULL;
}
