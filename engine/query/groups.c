/* See groups.h. */
#include "engine/query/groups.h"

#include "engine/data/codec.h"
#include "engine/data/hash.h"
#include "engine/expr/equality.h"

#include <math.h>

enum { GROUPS_FIRST = 1024, SLOTS_FIRST = 4096 };

static bool is_nested(const struct data_type *t)
{
    return t->layout == LAYOUT_LIST || t->layout == LAYOUT_MAP || t->layout == LAYOUT_STRUCT;
}

static uint32_t stored_width(const struct data_type *t)
{
    return t->layout == LAYOUT_VIEW || is_nested(t) ? (uint32_t)sizeof(struct slice)
           : t->layout == LAYOUT_BIT                ? 1
                                                    : t->width;
}

void groups_init(struct groups *g, struct buffer_pool *pool, const struct data_type *const *types,
                 uint32_t n_keys)
{
    *g = (struct groups){.pool = pool, .n_keys = n_keys, .heap = {.pool = pool}};
    g->keys = MEM_NEW_ARRAY(struct group_key, n_keys + 1);
    for (uint32_t k = 0; k < n_keys; k++) {
        g->keys[k].type = type_ref(types[k]);
        g->keys[k].width = stored_width(types[k]);
    }
}

static void drop_heap(struct aggregate_heap *h)
{
    for (uint32_t i = 0; i < h->n_blocks; i++) {
        buffer_unref(h->blocks[i]);
    }
    h->n_blocks = 0;
    h->left = h->bytes = 0;
}

void groups_fini(struct groups *g)
{
    for (uint32_t k = 0; g->keys != NULL && k < g->n_keys; k++) {
        type_unref((struct data_type *)g->keys[k].type);
        buffer_unref(g->keys[k].values);
        buffer_unref(g->keys[k].nulls);
    }
    drop_heap(&g->heap);
    mem_free(g->heap.blocks);
    mem_free(g->keys);
    buffer_unref(g->slots);
    buffer_unref(g->hashes);
    str_fini(&g->scratch);
    *g = (struct groups){0};
}

void groups_clear(struct groups *g)
{
    g->n = 0;
    drop_heap(&g->heap);
    if (g->slots != NULL) {
        memset(g->slots->data, 0, ((size_t)g->mask + 1) * sizeof(uint64_t));
    }
}

/* ---- growth ----------------------------------------------------------------------------------------- */

static struct buffer *grown(struct buffer_pool *pool, struct buffer *b, uint64_t used, uint64_t cap)
{
    if (b == NULL) {
        return buffer_get(pool, cap);
    }
    b->size = used;
    return buffer_grow(pool, b, cap);
}

static void grow_groups(struct groups *g)
{
    const uint32_t cap = g->cap > 0 ? g->cap * 2 : GROUPS_FIRST;
    g->hashes = grown(g->pool, g->hashes, g->n * sizeof(uint64_t), cap * sizeof(uint64_t));
    for (uint32_t k = 0; k < g->n_keys; k++) {
        struct group_key *key = &g->keys[k];
        key->values = grown(g->pool, key->values, (uint64_t)g->n * key->width,
                            (uint64_t)cap * MAX(key->width, 1u));
        key->nulls = grown(g->pool, key->nulls, g->n, cap);
    }
    g->cap = cap;
}

static inline uint64_t slot_of(uint64_t hash, uint32_t group)
{
    return hash << 32 | (group + 1);
}

static void grow_slots(struct groups *g)
{
    const uint64_t n = g->slots == NULL ? SLOTS_FIRST : ((uint64_t)g->mask + 1) * 2;
    struct buffer *slots = buffer_get(g->pool, n * sizeof(uint64_t));
    uint64_t *to = (uint64_t *)(void *)slots->data;
    const uint64_t *hashes = g->hashes != NULL ? (const uint64_t *)(void *)g->hashes->data : NULL;
    memset(to, 0, n * sizeof(uint64_t));
    g->mask = (uint32_t)(n - 1);
    for (uint32_t i = 0; i < g->n; i++) {
        uint32_t at = (uint32_t)(hashes[i] >> 32) & g->mask;
        while (to[at] != 0) {
            at = (at + 1) & g->mask;
        }
        to[at] = slot_of(hashes[i], i);
    }
    buffer_unref(g->slots);
    g->slots = slots;
}

/* ---- keys ------------------------------------------------------------------------------------------- */

static struct slice without_padding(struct slice s)
{
    while (s.len > 0 && s.data[s.len - 1] == ' ') {
        s.len--;
    }
    return s;
}

static inline bool reals_equal(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool nested_equal(struct groups *g, const struct column *c, uint32_t row,
                         struct slice stored)
{
    str_clear(&g->scratch);
    value_encode(c, row, &g->scratch);
    return slice_eq(str_slice(&g->scratch), stored);
}

static inline bool key_equals(struct groups *g, const struct group_key *key, const struct column *c,
                              uint32_t row, uint32_t group)
{
    const uint8_t *at = key->values->data + (size_t)group * key->width;
    if (UNLIKELY(key->nulls->data[group] || column_is_null(c, row))) {
        return key->nulls->data[group] && column_is_null(c, row);
    }
    switch (c->type->layout) {
    case LAYOUT_BIT:
        return *at == column_get_bool(c, row);
    case LAYOUT_I8:
        return *(const int8_t *)at == COLUMN_VALUES(c, const int8_t)[row];
    case LAYOUT_I16:
        return *(const int16_t *)(const void *)at == COLUMN_VALUES(c, const int16_t)[row];
    case LAYOUT_I32:
        return *(const int32_t *)(const void *)at == COLUMN_VALUES(c, const int32_t)[row];
    case LAYOUT_I64:
        return *(const int64_t *)(const void *)at == COLUMN_VALUES(c, const int64_t)[row];
    case LAYOUT_F32:
        return reals_equal((double)*(const float *)(const void *)at,
                           (double)COLUMN_VALUES(c, const float)[row]);
    case LAYOUT_F64:
        return reals_equal(*(const double *)(const void *)at, COLUMN_VALUES(c, const double)[row]);
    case LAYOUT_VIEW: {
        const struct slice a = *(const struct slice *)(const void *)at;
        const struct slice b = column_get_bytes(c, row);
        return c->type->id == TYPE_CHAR ? slice_eq(without_padding(a), without_padding(b))
                                        : slice_eq(a, b);
    }
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return nested_equal(g, c, row, *(const struct slice *)(const void *)at);
    case LAYOUT_NULL:
        return true;
    default: /* 16 bytes */
        return memcmp(at, c->values->data + (size_t)row * key->width, key->width) == 0;
    }
}

static void keep_key(struct groups *g, struct group_key *key, const struct column *c, uint32_t row)
{
    uint8_t *at = key->values->data + (size_t)g->n * key->width;
    key->nulls->data[g->n] = column_is_null(c, row);
    if (key->nulls->data[g->n] || c->type->layout == LAYOUT_NULL) {
        memset(at, 0, key->width);
        return;
    }
    if (c->type->layout == LAYOUT_VIEW || is_nested(c->type)) {
        struct slice bytes;
        if (c->type->layout == LAYOUT_VIEW) {
            bytes = column_get_bytes(c, row);
        } else {
            str_clear(&g->scratch);
            value_encode(c, row, &g->scratch);
            bytes = str_slice(&g->scratch);
        }
        char *copy = aggregate_heap_get(&g->heap, bytes.len);
        memcpy(copy, bytes.data, bytes.len);
        *(struct slice *)(void *)at = slice_make(copy, bytes.len);
    } else if (c->type->layout == LAYOUT_BIT) {
        *at = column_get_bool(c, row);
    } else {
        memcpy(at, c->values->data + (size_t)row * key->width, key->width);
    }
}

/* ---- finding ---------------------------------------------------------------------------------------- */

static uint32_t add_group(struct groups *g, const struct column *const *keys, uint64_t hash,
                          uint32_t row)
{
    if (g->n == g->cap) {
        grow_groups(g);
    }
    for (uint32_t k = 0; k < g->n_keys; k++) {
        keep_key(g, &g->keys[k], keys[k], row);
    }
    ((uint64_t *)(void *)g->hashes->data)[g->n] = hash;
    return g->n++;
}

static inline bool group_matches(struct groups *g, const struct column *const *keys, uint32_t row,
                                 uint32_t group)
{
    for (uint32_t k = 0; k < g->n_keys; k++) {
        if (!key_equals(g, &g->keys[k], keys[k], row, group)) {
            return false;
        }
    }
    return true;
}

int groups_find(struct groups *g, const struct column *const *keys, const uint64_t *hashes,
                const uint16_t *rows, uint32_t n, uint32_t *ret_groups, uint16_t *ret_new,
                struct error *err)
{
    uint32_t n_new = 0;
    if (g->n + (uint64_t)n > INT32_MAX) {
        return error_set(err, ERR_LIMIT,
                         "more than %d groups in one subtask; run with more "
                         "parallelism",
                         INT32_MAX);
    }
    while (g->slots == NULL || (uint64_t)(g->n + n) * 2 > (uint64_t)g->mask + 1) {
        grow_slots(g);
    }
    uint64_t *slots = (uint64_t *)(void *)g->slots->data;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows != NULL ? rows[i] : i;
        const uint64_t hash = hashes[row];
        uint32_t at = (uint32_t)(hash >> 32) & g->mask;
        for (;; at = (at + 1) & g->mask) {
            const uint64_t slot = slots[at];
            if (slot == 0) {
                ret_groups[i] = add_group(g, keys, hash, row);
                slots[at] = slot_of(hash, ret_groups[i]);
                if (ret_new != NULL) {
                    ret_new[n_new] = (uint16_t)i;
                }
                n_new++;
                break;
            }
            const uint32_t group = (uint32_t)slot - 1;
            if (slot >> 32 == (uint32_t)hash && group_matches(g, keys, row, group)) {
                ret_groups[i] = group;
                break;
            }
        }
    }
    return (int)n_new;
}

void groups_hash(const struct column *const *keys, uint32_t n_keys, const uint16_t *rows,
                 uint32_t n, uint64_t *ret_hashes)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t row = rows != NULL ? rows[i] : i;
        uint64_t hash = KEY_HASH_NO_COLUMNS;
        for (uint32_t k = 0; k < n_keys; k++) {
            hash = key_hash_combine(hash, key_hash_cell(keys[k], row));
        }
        ret_hashes[row] = hash;
    }
}

/* ---- keys as columns -------------------------------------------------------------------------------- */

static void put_nulls(const struct group_key *key, uint32_t from, uint32_t n,
                      struct buffer_pool *pool, struct column *ret)
{
    for (uint32_t i = 0; i < n; i++) {
        if (key->nulls->data[from + i]) {
            aggregate_set_null(pool, ret, i, n);
        }
    }
}

struct key_bytes {
    const struct group_key *key;
    uint32_t from;
};

static bool key_cell(const void *arg, uint32_t i, struct slice *ret)
{
    const struct key_bytes *k = arg;
    *ret = ((const struct slice *)(const void *)k->key->values->data)[k->from + i];
    return !k->key->nulls->data[k->from + i];
}

static int put_bytes(const struct group_key *key, uint32_t from, uint32_t n,
                     struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct key_bytes bytes = {key, from};
    return aggregate_put_encoded(pool, ret, n, key_cell, &bytes, err);
}

int groups_keys(const struct groups *g, uint32_t k, uint32_t from, uint32_t n,
                struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct group_key *key = &g->keys[k];
    if (key->type->layout == LAYOUT_NULL) {
        column_fill_nulls(pool, ret, n);
        return 0;
    }
    if (key->type->layout == LAYOUT_VIEW || is_nested(key->type)) {
        return put_bytes(key, from, n, pool, ret, err);
    }
    aggregate_column(pool, ret, n);
    const uint8_t *values = key->values->data + (size_t)from * key->width;
    if (key->type->layout == LAYOUT_BIT) {
        for (uint32_t i = 0; i < n; i++) {
            ret->values->data[i >> 3] |= (uint8_t)(values[i] << (i & 7));
        }
    } else {
        memcpy(ret->values->data, values, (size_t)n * key->width);
    }
    put_nulls(key, from, n, pool, ret);
    return 0;
}

bool query_cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b)
{
    const bool is_null = column_is_null(a, row_a);
    if (is_null || column_is_null(b, row_b)) {
        return is_null && column_is_null(b, row_b);
    }
    switch (a->type->layout) {
    case LAYOUT_F32:
        return reals_equal((double)COLUMN_VALUES(a, const float)[row_a],
                           (double)COLUMN_VALUES(b, const float)[row_b]);
    case LAYOUT_F64:
        return reals_equal(COLUMN_VALUES(a, const double)[row_a],
                           COLUMN_VALUES(b, const double)[row_b]);
    case LAYOUT_VIEW:
        if (a->type->id == TYPE_CHAR) {
            return slice_eq(without_padding(column_get_bytes(a, row_a)),
                            without_padding(column_get_bytes(b, row_b)));
        }
        return slice_eq(column_get_bytes(a, row_a), column_get_bytes(b, row_b));
    default:
        return expr_cells_equal(a, row_a, b, row_b);
    }
}
