/* Random schemas and rows for property tests; equal seeds give equal data. */
#ifndef FLINC_TESTS_ENGINE_DATA_RANDOM_ROWS_H
#define FLINC_TESTS_ENGINE_DATA_RANDOM_ROWS_H

#include "common/base/clock.h"
#include "engine/data/builder.h"
#include <stdio.h>

/* A column to write to: a top one (child NULL) or a nested one. */
struct cell_target {
    struct builder *b;
    uint32_t column;
    struct builder_column *child;
};

static inline struct data_type *random_flat_type(struct rng *r, bool nullable)
{
    static const enum type_id SIZED[] = {TYPE_CHAR, TYPE_VARCHAR, TYPE_BINARY, TYPE_VARBINARY};
    static const enum type_id PLAIN[] = {TYPE_BOOLEAN, TYPE_TINYINT, TYPE_SMALLINT, TYPE_INTEGER,
                                         TYPE_BIGINT,  TYPE_FLOAT,   TYPE_DOUBLE,   TYPE_DATE,
                                         TYPE_INTEGER, TYPE_BIGINT,  TYPE_NULL};
    switch (rng_below(r, 8)) {
    case 0:
        return type_new_string(nullable);
    case 1:
        return type_new_sized(SIZED[rng_below(r, 4)], 1 + (int32_t)rng_below(r, 1000), nullable);
    case 2: {
        int32_t precision = 1 + (int32_t)rng_below(r, TYPE_PRECISION_MAX);
        return type_new_precision(TYPE_DECIMAL, precision,
                                  (int32_t)rng_below(r, (uint64_t)precision + 1), nullable);
    }
    case 3:
        return type_new_precision(rng_below(r, 2) == 0 ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_LTZ,
                                  (int32_t)rng_below(r, 10), 0, nullable);
    case 4:
        return type_new_interval((enum interval_resolution)rng_below(r, INTERVAL_RESOLUTION_COUNT),
                                 2, 6, nullable);
    case 5:
        return rng_below(r, 4) == 0
                   ? type_new_raw("com.example.It's", nullable)
                   : type_new_precision(TYPE_TIME, (int32_t)rng_below(r, 10), 0, nullable);
    default:
        return type_new(PLAIN[rng_below(r, ARRAY_LEN(PLAIN))], nullable);
    }
}

static inline struct data_type *random_type(struct rng *r, uint32_t depth)
{
    bool nullable = rng_below(r, 3) > 0;
    if (depth == 0 || rng_below(r, 3) > 0) {
        return random_flat_type(r, nullable);
    }
    switch (rng_below(r, 4)) {
    case 0:
        return type_new_array(random_type(r, depth - 1), nullable);
    case 1: {
        struct data_type *key = random_type(r, depth - 1);
        return type_new_map(key, random_type(r, depth - 1), nullable);
    }
    case 2:
        return type_new_multiset(random_type(r, depth - 1), nullable);
    default: {
        struct data_type *fields[4];
        const char *names[4] = {"a", "b`c", "d e", "\xc3\xa9"};
        uint32_t n = (uint32_t)rng_below(r, 5);
        for (uint32_t i = 0; i < n; i++) {
            fields[i] = random_type(r, depth - 1);
        }
        return type_new_row(fields, names, n, nullable);
    }
    }
}

static inline struct schema *random_schema(struct rng *r, uint32_t max_fields, uint32_t depth)
{
    struct data_type *types[32];
    char names[32][16];
    const char *name_of[32];
    uint32_t n = 1 + (uint32_t)rng_below(r, max_fields);
    for (uint32_t i = 0; i < n; i++) {
        types[i] = random_type(r, depth);
        snprintf(names[i], sizeof(names[i]), "f%u", i);
        name_of[i] = names[i];
    }
    return schema_new(name_of, types, n);
}

/* Unscaled, within the precision. */
static inline __int128 random_decimal(const struct data_type *type, struct rng *r)
{
    __int128 limit = 1;
    for (int32_t i = 0; i < type->precision; i++) {
        limit *= 10;
    }
    __int128 v = (__int128)(int64_t)rng_next(r) * ((__int128)1 << rng_below(r, 60));
    return v % limit;
}

/* Lengths around the limits of the layout more often than others. */
static inline size_t random_length(struct rng *r)
{
    static const uint8_t EDGES[] = {0, 1, 11, 12, 13, 16, 63, 64, 65, 127, 128, 129};
    switch (rng_below(r, 8)) {
    case 0:
        return EDGES[rng_below(r, sizeof(EDGES))];
    case 1:
        return (size_t)rng_below(r, 2000);
    default:
        return (size_t)rng_below(r, 40);
    }
}

static inline void random_cell(struct cell_target t, const struct data_type *type, struct rng *r);

static inline void random_children(struct cell_target t, struct builder_column *c,
                                   const struct data_type *type, struct rng *r)
{
    uint32_t times = type->layout == LAYOUT_STRUCT ? 1 : (uint32_t)rng_below(r, 5);
    for (uint32_t k = 0; k < times; k++) {
        for (uint32_t i = 0; i < type_child_columns(type); i++) {
            random_cell((struct cell_target){t.b, t.column, builder_child_of(c, i)},
                        type_child_column(type, i), r);
        }
    }
}

static inline void random_cell(struct cell_target t, const struct data_type *type, struct rng *r)
{
#define RANDOM_PUT(what, ...)                                          \
    (t.child != NULL ? builder_add_##what(t.b, t.child, ##__VA_ARGS__) \
                     : builder_put_##what(t.b, t.column, ##__VA_ARGS__))
    if (type->layout == LAYOUT_NULL || (type->nullable && rng_below(r, 5) == 0)) {
        if (t.child != NULL) {
            builder_add_null(t.b, t.child);
        } else {
            builder_put_null(t.b, t.column);
        }
        return;
    }
    switch (type->layout) {
    case LAYOUT_BIT:
        RANDOM_PUT(bool, rng_below(r, 2) == 1);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        RANDOM_PUT(f64, rng_below(r, 9) == 0 ? -0.0 : (rng_double(r) - 0.5) * 1e6);
        break;
    case LAYOUT_I128:
        RANDOM_PUT(i128, random_decimal(type, r));
        break;
    case LAYOUT_TS_NANO:
        RANDOM_PUT(ts_nano,
                   (struct ts_nano){(int64_t)rng_next(r) >> 20, (int32_t)rng_below(r, 1000000), 0});
        break;
    case LAYOUT_VIEW: {
        char bytes[2048];
        size_t len = random_length(r);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = (char)('a' + rng_below(r, 26));
        }
        int rc = t.child != NULL ? builder_add_bytes(t.b, t.child, bytes, len, NULL)
                                 : builder_put_bytes(t.b, t.column, bytes, len, NULL);
        ASSERT(rc == 0);
        break;
    }
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        random_children(t, t.child != NULL ? t.child : builder_column_of(t.b, t.column), type, r);
        if (t.child != NULL) {
            builder_add_nested(t.b, t.child);
        } else {
            builder_put_nested(t.b, t.column);
        }
        break;
    default:
        RANDOM_PUT(i64, type->id == TYPE_DECIMAL ? (int64_t)random_decimal(type, r)
                                                 : (int64_t)rng_next(r) >> rng_below(r, 64));
        break;
    }
#undef RANDOM_PUT
}

static inline void random_row(struct builder *b, struct rng *r)
{
    for (uint32_t c = 0; c < b->schema->n_fields; c++) {
        random_cell((struct cell_target){b, c, NULL}, b->schema->fields[c].type, r);
    }
    builder_end_row(b);
}

/* A batch of n rows; half of them with kinds, half with timestamps. */
static inline struct batch *random_batch(struct builder *b, struct rng *r, uint32_t n)
{
    bool kinds = rng_below(r, 2) == 0;
    bool timestamps = rng_below(r, 2) == 0;
    for (uint32_t i = 0; i < n; i++) {
        if (kinds && rng_below(r, 3) == 0) {
            builder_set_kind(b, (enum row_kind)rng_below(r, 4));
        }
        if (timestamps && rng_below(r, 3) > 0) {
            builder_set_timestamp(b, (int64_t)rng_below(r, 1u << 30));
        }
        random_row(b, r);
    }
    return builder_finish(b);
}

/* Rows chosen with probability 1 / one_in as a selection. */
static inline void random_selection(struct buffer_pool *pool, struct batch *b, struct rng *r,
                                    uint32_t one_in)
{
    struct buffer *sel = buffer_get(pool, b->n_rows * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_rows; i++) {
        if (rng_below(r, one_in) == 0) {
            rows[n++] = (uint16_t)i;
        }
    }
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(b, sel, n);
}

#endif
