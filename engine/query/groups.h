/* Groups by key: an open-addressing table over the high half of 64-bit key hashes; keys are kept by column, in the order of the
 * groups' numbers, which start at 0.  NULLs are equal to each other, -0.0 to 0.0, NaN to NaN, CHARs without their padding.
 * Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_GROUPS_H
#define FLINC_ENGINE_QUERY_GROUPS_H

#include "engine/expr/aggregate_kernels.h"

struct group_key {
    const struct data_type *type; /* Owns a ref */
    uint32_t width;               /* bytes in `values`: of bits 1, of bytes those of struct slice */
    struct buffer *values;        /* Owns */
    struct buffer *nulls;         /* Owns: a byte per group, 1 of NULL */
};

struct groups {
    struct buffer_pool *pool; /* Borrows */
    struct group_key *keys;   /* Owns */
    uint32_t n_keys;
    uint32_t n, cap;       /* groups */
    struct buffer *slots;  /* Owns: uint64_t, hash's low half above the number + 1 */
    struct buffer *hashes; /* Owns: uint64_t by group */
    uint32_t mask;
    struct aggregate_heap heap; /* bytes of strings and nested values */
    struct str scratch;
};

void groups_init(struct groups *g, struct buffer_pool *pool, const struct data_type *const *types,
                 uint32_t n_keys);
void groups_fini(struct groups *g);
void groups_clear(struct groups *g);
/* The groups of rows, made where there are none.  `hashes` are by row.  Positions that made a group are listed in ret_new (may
 * be NULL); returns how many.  ERR_LIMIT: 2^31 groups. */
int groups_find(struct groups *g, const struct column *const *keys, const uint64_t *hashes,
                const uint16_t *rows, uint32_t n, uint32_t *ret_groups, uint16_t *ret_new,
                struct error *err) MUST_CHECK;
/* Key k of groups [from, from + n). */
int groups_keys(const struct groups *g, uint32_t k, uint32_t from, uint32_t n,
                struct buffer_pool *pool, struct column *ret, struct error *err) MUST_CHECK;
/* Hashes of rows by these columns, by row. */
void groups_hash(const struct column *const *keys, uint32_t n_keys, const uint16_t *rows,
                 uint32_t n, uint64_t *ret_hashes);
/* Equal as keys are: cells of equal types, NULLs equal. */
bool query_cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b);

#endif
