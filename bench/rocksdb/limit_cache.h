/* The write-back cache that somebody would put in front of RocksDB: sets of eight entries, the least recently
 * used of a set leaves.  Thread: one owner. */
#ifndef FLINC_BENCH_ROCKSDB_LIMIT_CACHE_H
#define FLINC_BENCH_ROCKSDB_LIMIT_CACHE_H

#include "common/base/mem.h"
#include <string.h>

enum { LIMIT_CACHE_WAYS = 8 };
#define LIMIT_CACHE_FREE UINT64_MAX

/* Keys of a set lie together: a cache line. */
struct limit_cache_set {
    uint64_t keys[LIMIT_CACHE_WAYS];
    int64_t counts[LIMIT_CACHE_WAYS];
    uint64_t used[LIMIT_CACHE_WAYS]; /* by the clock */
};

struct limit_cache {
    struct limit_cache_set *sets; /* Owns */
    uint64_t mask, clock;
};

static inline void limit_cache_init(struct limit_cache *c, uint64_t entries)
{
    uint64_t n = 1;
    while (n * LIMIT_CACHE_WAYS * 2 <= entries) {
        n *= 2;
    }
    *c = (struct limit_cache){.mask = n - 1};
    c->sets = mem_alloc_aligned(64, n * sizeof(*c->sets));
    memset(c->sets, 0, n * sizeof(*c->sets));
    for (uint64_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < LIMIT_CACHE_WAYS; k++) {
            c->sets[i].keys[k] = LIMIT_CACHE_FREE;
        }
    }
}

static inline struct limit_cache_set *limit_cache_set_of(const struct limit_cache *c, uint64_t key)
{
    return &c->sets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & c->mask];
}

/* Adds to a count that is there. */
static inline bool limit_cache_add(struct limit_cache *c, uint64_t key, int64_t by)
{
    struct limit_cache_set *s = limit_cache_set_of(c, key);
    for (uint32_t k = 0; k < LIMIT_CACHE_WAYS; k++) {
        if (s->keys[k] == key) {
            s->counts[k] += by;
            s->used[k] = ++c->clock;
            return true;
        }
    }
    return false;
}

/* Puts a count in; true when another one, which is not written, had to leave. */
static inline bool limit_cache_put(struct limit_cache *c, uint64_t key, int64_t count,
                                   uint64_t *ret_key, int64_t *ret_count)
{
    struct limit_cache_set *s = limit_cache_set_of(c, key);
    uint32_t oldest = 0;
    for (uint32_t k = 1; k < LIMIT_CACHE_WAYS; k++) {
        oldest = s->used[k] < s->used[oldest] ? k : oldest;
    }
    *ret_key = s->keys[oldest];
    *ret_count = s->counts[oldest];
    s->keys[oldest] = key;
    s->counts[oldest] = count;
    s->used[oldest] = ++c->clock;
    return *ret_key != LIMIT_CACHE_FREE;
}

#endif
