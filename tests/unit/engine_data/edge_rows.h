/* Rows of values that are often equal or neighbours: limits of types, strings of few different bytes,
 * every kind of floating-point number.  For tests of order and equality; no maps. */
#ifndef FLINC_TESTS_ENGINE_DATA_EDGE_ROWS_H
#define FLINC_TESTS_ENGINE_DATA_EDGE_ROWS_H

#include "tests/unit/engine_data/codec_test.h"

#include <math.h>

static const double EDGE_DOUBLES[] = {0.0,  -0.0,     1.0,       -1.0,   0.5,  NAN,     -NAN,
                                      1e30, INFINITY, -INFINITY, -1e-30, 1.25, 1.0e-40, -2.0};

static inline void put_edge_null(struct cell_target t)
{
    if (t.child != NULL) {
        builder_add_null(t.b, t.child);
    } else {
        builder_put_null(t.b, t.column);
    }
}

static inline void put_edge_string(struct cell_target t, struct rng *r)
{
    static const char ALPHABET[] = {'\0', '\1', ' ', 'a', '\x7f', '\x80', '\xfe', '\xff'};
    char bytes[40];
    size_t len = rng_below(r, 8) == 0 ? 20 + (size_t)rng_below(r, 20) : (size_t)rng_below(r, 5);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = len >= 20 && i < 18 ? 'p' : ALPHABET[rng_below(r, sizeof(ALPHABET))];
    }
    int rc = t.child != NULL ? builder_add_bytes(t.b, t.child, bytes, len, NULL)
                             : builder_put_bytes(t.b, t.column, bytes, len, NULL);
    assert_int_equal(rc, 0);
}

static inline int64_t edge_integer(struct rng *r)
{
    static const int64_t BASES[] = {0, 127, -128, 32767, -32768, INT32_MAX, INT32_MIN, INT64_MAX};
    return BASES[rng_below(r, ARRAY_LEN(BASES))] - (int64_t)rng_below(r, 3);
}

static inline void put_edge(struct cell_target t, const struct data_type *type, struct rng *r);

static inline void put_edge_children(struct cell_target t, const struct data_type *type,
                                     struct rng *r)
{
    struct builder_column *c = t.child != NULL ? t.child : builder_column_of(t.b, t.column);
    uint64_t times = type->layout == LAYOUT_STRUCT ? 1 : rng_below(r, 3);
    for (uint64_t k = 0; k < times; k++) {
        for (uint32_t i = 0; i < type->n_children; i++) {
            put_edge((struct cell_target){t.b, t.column, builder_child_of(c, i)}, type->children[i],
                     r);
        }
    }
    if (t.child != NULL) {
        builder_add_nested(t.b, t.child);
    } else {
        builder_put_nested(t.b, t.column);
    }
}

static inline void put_edge(struct cell_target t, const struct data_type *type, struct rng *r)
{
    if (type->layout == LAYOUT_NULL || (type->nullable && rng_below(r, 5) == 0)) {
        put_edge_null(t);
        return;
    }
    double f = EDGE_DOUBLES[rng_below(r, ARRAY_LEN(EDGE_DOUBLES))];
    int64_t v = edge_integer(r);
    __int128 wide = (__int128)v * (rng_below(r, 2) == 0 ? 1 : (__int128)1 << 62);
    struct ts_nano ts = {v >> 8, (int32_t)rng_below(r, 2) * 999999, 0};
    switch (type->layout) {
    case LAYOUT_BIT:
        t.child != NULL ? builder_add_bool(t.b, t.child, v & 1)
                        : builder_put_bool(t.b, t.column, v & 1);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        t.child != NULL ? builder_add_f64(t.b, t.child, f) : builder_put_f64(t.b, t.column, f);
        break;
    case LAYOUT_I128:
        t.child != NULL ? builder_add_i128(t.b, t.child, wide)
                        : builder_put_i128(t.b, t.column, wide);
        break;
    case LAYOUT_TS_NANO:
        t.child != NULL ? builder_add_ts_nano(t.b, t.child, ts)
                        : builder_put_ts_nano(t.b, t.column, ts);
        break;
    case LAYOUT_VIEW:
        put_edge_string(t, r);
        break;
    case LAYOUT_LIST:
    case LAYOUT_STRUCT:
        put_edge_children(t, type, r);
        break;
    default:
        t.child != NULL ? builder_add_i64(t.b, t.child, v) : builder_put_i64(t.b, t.column, v);
        break;
    }
}

static inline struct batch *edge_batch(struct buffer_pool *pool, const struct schema *s,
                                       struct rng *r, uint32_t n)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t c = 0; c < s->n_fields; c++) {
            put_edge((struct cell_target){&b, c, NULL}, s->fields[c].type, r);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

#endif
