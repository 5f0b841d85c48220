/* The key hash (hash.h), version 1.  Kernels run over a whole column: one loop per layout, NULLs
 * patched afterwards, further columns combined into the first one's result.
 *
 * Nothing here may change a result: stored state is addressed by it (golden values in the tests). */
#include "engine/data/hash.h"
#include "engine/data/gather.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- scalars ----------------------------------------------------------------------------------- */

static inline uint64_t hash_i64(int64_t v)
{
    return key_hash_word((uint64_t)v);
}

static inline uint64_t combine(uint64_t a, uint64_t b)
{
    return key_hash_mix(a * 0x9fb21c651e98df25u + b);
}

static inline uint64_t hash_f64(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v == 0 ? 0 : bits;                   /* -0.0 */
    bits = v != v ? 0x7ff8000000000000u : bits; /* every NaN */
    return hash_i64((int64_t)bits);
}

static inline uint64_t hash_i128(__int128 v)
{
    if (v >= INT64_MIN && v <= INT64_MAX) {
        return hash_i64((int64_t)v);
    }
    return combine(hash_i64((int64_t)(v >> 64)), hash_i64((int64_t)v));
}

static inline uint64_t hash_ts_nano(struct ts_nano v)
{
    return combine(hash_i64(v.millis), hash_i64(v.nanos));
}

/* Both halves of the 128-bit product. */
static inline void multiply(uint64_t *inout_a, uint64_t *inout_b)
{
    unsigned __int128 product = (unsigned __int128)*inout_a * *inout_b;
    *inout_a = (uint64_t)product;
    *inout_b = (uint64_t)(product >> 64);
}

/* Up to 12 bytes, as the words of an inline view. */
static inline uint64_t hash_short(uint32_t len, uint32_t word0, uint64_t word1)
{
    uint64_t a = (word0 | (uint64_t)len << 32) ^ 0xa0761d6478bd642fu;
    uint64_t b = word1 ^ 0xe7037ed1a0b428dbu;
    multiply(&a, &b);
    a ^= 0x8ebc6af09c88c6e3u;
    b ^= 0x589965cc75374cc3u;
    multiply(&a, &b);
    return a ^ b;
}

static inline uint64_t hash_bytes_any(const char *data, size_t len)
{
    if (len <= VIEW_INLINE_MAX) {
        struct view v = view_inline(data, (uint32_t)len);
        return hash_short((uint32_t)len, v.word0, v.word1);
    }
    return XXH3_64bits(data, len);
}

uint64_t key_hash_i64(int64_t v)
{
    return hash_i64(v);
}

uint64_t key_hash_f64(double v)
{
    return hash_f64(v);
}

uint64_t key_hash_i128(__int128 v)
{
    return hash_i128(v);
}

uint64_t key_hash_bytes(const void *data, size_t len)
{
    return hash_bytes_any(data, len);
}

uint64_t key_hash_combine(uint64_t a, uint64_t b)
{
    return combine(a, b);
}

/* ---- cells ------------------------------------------------------------------------------------- */

static uint64_t hash_view(const struct column *c, uint32_t row)
{
    const struct view *v = COLUMN_VALUES(c, const struct view) + row;
    if (view_is_inline(v)) {
        return hash_short((uint32_t)v->len, v->word0, v->word1);
    }
    return XXH3_64bits(c->data[v->buffer]->data + v->offset, (size_t)v->len);
}

static uint64_t hash_char(const struct column *c, uint32_t row)
{
    struct slice bytes = column_get_bytes(c, row);
    while (bytes.len > 0 && bytes.data[bytes.len - 1] == ' ') {
        bytes.len--;
    }
    return hash_bytes_any(bytes.data, bytes.len);
}

static uint64_t hash_entries(const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    uint64_t length = hash_i64(offsets[1] - offsets[0]);
    uint64_t sum = 0;
    uint64_t ordered = length;
    for (int32_t i = offsets[0]; i < offsets[1]; i++) {
        uint64_t h = key_hash_cell(&c->children[0], (uint32_t)i);
        if (c->n_children == 2) {
            sum += combine(h, key_hash_cell(&c->children[1], (uint32_t)i));
        } else {
            ordered = combine(ordered, h);
        }
    }
    return c->n_children == 2 ? combine(length, sum) : ordered;
}

static uint64_t hash_fields(const struct column *c, uint32_t row)
{
    uint64_t h = KEY_HASH_NO_COLUMNS;
    for (uint32_t i = 0; i < c->n_children; i++) {
        h = combine(h, key_hash_cell(&c->children[i], row));
    }
    return h;
}

uint64_t key_hash_cell(const struct column *c, uint32_t row)
{
    if (column_is_null(c, row)) {
        return KEY_HASH_NULL;
    }
    switch (c->type->layout) {
    case LAYOUT_NULL:
        return KEY_HASH_NULL;
    case LAYOUT_BIT:
        return hash_i64(column_get_bool(c, row));
    case LAYOUT_I8:
        return hash_i64(COLUMN_VALUES(c, const int8_t)[row]);
    case LAYOUT_I16:
        return hash_i64(COLUMN_VALUES(c, const int16_t)[row]);
    case LAYOUT_I32:
        return hash_i64(COLUMN_VALUES(c, const int32_t)[row]);
    case LAYOUT_I64:
        return hash_i64(COLUMN_VALUES(c, const int64_t)[row]);
    case LAYOUT_I128:
        return hash_i128(COLUMN_VALUES(c, const __int128)[row]);
    case LAYOUT_F32:
        return hash_f64((double)COLUMN_VALUES(c, const float)[row]);
    case LAYOUT_F64:
        return hash_f64(COLUMN_VALUES(c, const double)[row]);
    case LAYOUT_TS_NANO:
        return hash_ts_nano(COLUMN_VALUES(c, const struct ts_nano)[row]);
    case LAYOUT_VIEW:
        return c->type->id == TYPE_CHAR ? hash_char(c, row) : hash_view(c, row);
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        return hash_entries(c, row);
    case LAYOUT_STRUCT:
        return hash_fields(c, row);
    }
    return KEY_HASH_NULL;
}

/* ---- columns ----------------------------------------------------------------------------------- */

/* `out` is indexed by physical row.  `sel` NULL: all n rows. */
#define HASH_KERNEL(name, ctype, hash_value)                                 \
    static void hash_##name(uint64_t *restrict out, const ctype *restrict v, \
                            const uint16_t *restrict sel, uint32_t n)        \
    {                                                                        \
        if (sel == NULL) {                                                   \
            for (uint32_t i = 0; i < n; i++) {                               \
                out[i] = hash_value(v[i]);                                   \
            }                                                                \
        } else {                                                             \
            for (uint32_t i = 0; i < n; i++) {                               \
                out[sel[i]] = hash_value(v[sel[i]]);                         \
            }                                                                \
        }                                                                    \
    }

HASH_KERNEL(column_i8, int8_t, hash_i64)
HASH_KERNEL(column_i16, int16_t, hash_i64)
HASH_KERNEL(column_i32, int32_t, hash_i64)
HASH_KERNEL(column_i64, int64_t, hash_i64)
HASH_KERNEL(column_f32, float, hash_f64)
HASH_KERNEL(column_f64, double, hash_f64)

static void hash_column_views(uint64_t *restrict out, const struct column *c,
                              const uint16_t *restrict sel, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel != NULL ? sel[i] : i;
        out[row] = hash_view(c, row);
    }
}

static void hash_column_cells(uint64_t *restrict out, const struct column *c,
                              const uint16_t *restrict sel, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel != NULL ? sel[i] : i;
        out[row] = key_hash_cell(c, row);
    }
}

static void patch_nulls(uint64_t *restrict out, const struct column *c,
                        const uint16_t *restrict sel, uint32_t n)
{
    const uint8_t *bits = c->validity->data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel != NULL ? sel[i] : i;
        out[row] = ((bits[row >> 3] >> (row & 7)) & 1) != 0 ? out[row] : KEY_HASH_NULL;
    }
}

static void hash_column(uint64_t *restrict out, const struct column *c, const uint16_t *sel,
                        uint32_t n)
{
    switch (c->type->layout) {
    case LAYOUT_I8:
        hash_column_i8(out, COLUMN_VALUES(c, const int8_t), sel, n);
        break;
    case LAYOUT_I16:
        hash_column_i16(out, COLUMN_VALUES(c, const int16_t), sel, n);
        break;
    case LAYOUT_I32:
        hash_column_i32(out, COLUMN_VALUES(c, const int32_t), sel, n);
        break;
    case LAYOUT_I64:
        hash_column_i64(out, COLUMN_VALUES(c, const int64_t), sel, n);
        break;
    case LAYOUT_F32:
        hash_column_f32(out, COLUMN_VALUES(c, const float), sel, n);
        break;
    case LAYOUT_F64:
        hash_column_f64(out, COLUMN_VALUES(c, const double), sel, n);
        break;
    case LAYOUT_VIEW:
        if (c->type->id != TYPE_CHAR) {
            hash_column_views(out, c, sel, n);
            break;
        }
        hash_column_cells(out, c, sel, n);
        return;
    default:
        hash_column_cells(out, c, sel, n);
        return;
    }
    if (c->validity != NULL) {
        patch_nulls(out, c, sel, n);
    }
}

static void combine_columns(uint64_t *restrict inout, const uint64_t *restrict h,
                            const uint16_t *restrict sel, uint32_t n)
{
    if (sel == NULL) {
        for (uint32_t i = 0; i < n; i++) {
            inout[i] = combine(inout[i], h[i]);
        }
    } else {
        for (uint32_t i = 0; i < n; i++) {
            inout[sel[i]] = combine(inout[sel[i]], h[sel[i]]);
        }
    }
}

void batch_hash_keys(struct buffer_pool *pool, struct batch *b, const uint32_t *key_columns,
                     uint32_t n_keys)
{
    ASSERT(batch_is_unique(b));
    uint32_t n = b->n_sel;
    const uint16_t *sel = batch_sel(b);
    uint64_t bytes = (uint64_t)b->n_rows * sizeof(uint64_t);
    struct buffer *hashes = buffer_get(pool, bytes);
    uint64_t *out = (uint64_t *)(void *)hashes->data;
    hashes->size = bytes;
    if (n_keys == 0) {
        for (uint32_t i = 0; i < b->n_rows; i++) {
            out[i] = KEY_HASH_NO_COLUMNS;
        }
    } else if (n > 0) {
        hash_column(out, &b->columns[key_columns[0]], sel, n);
    }
    if (n_keys > 1 && n > 0) {
        struct buffer *next = buffer_get(pool, bytes);
        for (uint32_t k = 1; k < n_keys; k++) {
            hash_column((uint64_t *)(void *)next->data, &b->columns[key_columns[k]], sel, n);
            combine_columns(out, (const uint64_t *)(void *)next->data, sel, n);
        }
        buffer_unref(next);
    }
    buffer_unref(b->hashes);
    b->hashes = hashes;
}

void batch_extend_hashes(struct buffer_pool *pool, struct batch *b, const uint32_t *columns,
                         uint32_t n_columns)
{
    ASSERT(batch_is_unique(b) && b->hashes != NULL);
    const uint16_t *sel = batch_sel(b);
    const struct buffer *old = b->hashes;
    uint64_t bytes = (uint64_t)b->n_rows * sizeof(uint64_t);
    struct buffer *hashes = buffer_get(pool, bytes);
    struct buffer *next = buffer_get(pool, bytes);
    const uint64_t *group = (const uint64_t *)(const void *)old->data;
    const uint64_t *h = (const uint64_t *)(const void *)next->data;
    uint64_t *out = (uint64_t *)(void *)hashes->data;
    hashes->size = bytes;
    memcpy(out, group, bytes);
    for (uint32_t k = 0; k < n_columns; k++) {
        hash_column((uint64_t *)(void *)next->data, &b->columns[columns[k]], sel, b->n_sel);
        combine_columns(out, h, sel, b->n_sel);
    }
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = sel != NULL ? sel[i] : i;
        out[row] = (out[row] & ~(uint64_t)UINT32_MAX) | (uint32_t)group[row];
    }
    buffer_unref(next);
    buffer_unref(b->hashes);
    b->hashes = hashes;
}
