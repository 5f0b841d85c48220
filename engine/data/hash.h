/* The key hash and key groups: fixed, versioned, seedless; golden values in tests.
 *
 * A key's hash is over a canonical encoding of its values: -0.0 counts as 0.0 and every NaN as one,
 * DECIMAL by unscaled value, CHAR without trailing pad, NULL by a constant of its own.  Stored state is
 * addressed by it, so it never changes within KEY_HASH_VERSION.
 *   one column: h = type-wise hash; several: combined in order; none: KEY_HASH_NO_COLUMNS.
 *   integers, DATE, TIME, intervals, BOOLEAN (0, 1), DECIMAL (unscaled): key_hash_i64, which gives
 *   different values for different integers; 128-bit decimals that do not fit: both halves combined
 *   FLOAT as DOUBLE; DOUBLE: key_hash_i64 of its canonical bits
 *   TIMESTAMP(7..9): milliseconds and nanoseconds combined; below: the stored int64
 *   strings: key_hash_bytes; ARRAY, MAP, MULTISET: length, then elements in order (ARRAY) or the sum
 *   over the entries (MAP, MULTISET); ROW: fields in order
 *   key group  = (uint32_t)hash % max_parallelism
 *   subtask    = key_group * parallelism / max_parallelism      (Flink's formulas)
 * State tables use the high half, remixed with a per-process seed. */
#ifndef FLINC_ENGINE_DATA_HASH_H
#define FLINC_ENGINE_DATA_HASH_H

#include "engine/data/batch.h"

enum { KEY_HASH_VERSION = 1, MAX_PARALLELISM_LIMIT = 32768, MAX_PARALLELISM_MIN_DEFAULT = 128 };

#define KEY_HASH_NULL 0x2d358dccaa6c78a5u       /* of a NULL cell */
#define KEY_HASH_NO_COLUMNS 0x8bb84b93962eacc9u /* of the key without columns */

uint64_t key_hash_i64(int64_t v); /* all integer layouts hash as int64 */
/* The same inline: a bijection that spreads every input bit over all output bits (the finaliser of
 * SplitMix64). */
static inline uint64_t key_hash_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
static inline uint64_t key_hash_word(uint64_t v)
{
    return key_hash_mix(v + 0x9e3779b97f4a7c15u);
}
uint64_t key_hash_f64(double v);
uint64_t key_hash_i128(__int128 v);
uint64_t key_hash_bytes(const void *data, size_t len);
uint64_t key_hash_combine(uint64_t a, uint64_t b);

/* One cell, as batch_hash_keys hashes it. */
uint64_t key_hash_cell(const struct column *c, uint32_t row);

/* Hashes the key columns of all selected rows and sets b->hashes (b must be unique). */
void batch_hash_keys(struct buffer_pool *pool, struct batch *b, const uint32_t *key_columns,
                     uint32_t n_keys);
/* Longer keys whose first columns alone decide the key group (entries of a key's list or map): b->hashes,
 * which are those of the first columns, are made to depend on `columns` too.  The low half, which says the
 * key group, stays; the high half changes.  `b` must be unique. */
void batch_extend_hashes(struct buffer_pool *pool, struct batch *b, const uint32_t *columns,
                         uint32_t n_columns);

/* hash -> subtask for one (max_parallelism, parallelism), without a division per row. */
struct key_router {
    uint32_t max_parallelism, parallelism;
    uint64_t fastmod; /* ceil(2^64 / max_parallelism) */
    uint16_t *owner;  /* Owns: subtask by key group */
};
void key_router_init(struct key_router *r, uint32_t max_parallelism, uint32_t parallelism);
void key_router_fini(struct key_router *r);
static inline uint32_t key_group_of(const struct key_router *r, uint64_t hash)
{
    uint64_t low = r->fastmod * (uint32_t)hash;
    return (uint32_t)(((unsigned __int128)low * r->max_parallelism) >> 64);
}
static inline uint32_t key_owner_of(const struct key_router *r, uint64_t hash)
{
    return r->owner[key_group_of(r, hash)];
}
uint32_t key_group_subtask(uint32_t key_group, uint32_t max_parallelism, uint32_t parallelism);
/* The contiguous key groups [*ret_first, *ret_last] of a subtask. */
void key_group_range(uint32_t subtask, uint32_t max_parallelism, uint32_t parallelism,
                     uint32_t *ret_first, uint32_t *ret_last);
/* Flink's default: clamp(next power of two of 1.5 * parallelism, 128, 32768). */
uint32_t max_parallelism_default(uint32_t parallelism);

#endif
