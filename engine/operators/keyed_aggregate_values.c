/* Aggregates by value: kernels over (slots, column), one per aggregate and primitive type.
 *
 * Sums of integers wrap around in the column's own width, as Java's do.  NULL counts for nothing: the
 * result is NULL until the first value.  (Flink's DataStream cannot sum NULL at all.)
 * Thread: the task's. */
#include "engine/operators/keyed_aggregate.h"

static inline uint32_t row_at(const uint16_t *sel, uint32_t i)
{
    return sel != NULL ? sel[i] : i;
}

/* ---- kernels ----------------------------------------------------------------------------------- */

enum { IS_NULL_OFFSET = 8 }; /* in the state of a column that may be NULL */

#define ADD(ctype, utype, acc, v) ((ctype)((utype)(acc) + (utype)(v)))
#define LESS_INT(a, b) ((a) < (b))
#define LESS_F64(a, b) (order_of_f64(a) < order_of_f64(b))
#define LESS_F32(a, b) (order_of_f32(a) < order_of_f32(b))

/* `combine` is an expression over acc and v.  A new state is zero, so a sum needs no look at is_new. */
#define KERNEL_BODY(ctype, start_anew, combine)                               \
    const ctype *in = run->in;                                                \
    ctype *out = run->out;                                                    \
    const uint32_t *slots = run->slots;                                       \
    const uint8_t *is_new = run->is_new;                                      \
    const uint16_t *sel = run->sel;                                           \
    char *values = run->values;                                               \
    const uint32_t stride = run->stride, n = run->n;                          \
    for (uint32_t i = 0; i < n; i++) {                                        \
        uint32_t row = row_at(sel, i);                                        \
        ctype *state = (ctype *)(void *)(values + (size_t)slots[i] * stride); \
        ctype acc = *state, v = in[row];                                      \
        acc = (start_anew) && is_new[i] ? v : (combine);                      \
        *state = acc;                                                         \
        if (out != NULL) {                                                    \
            out[row] = acc;                                                   \
        }                                                                     \
    }

#define KERNEL_NULLABLE_BODY(ctype, combine)                                        \
    const ctype *in = run->in;                                                      \
    ctype *out = run->out;                                                          \
    for (uint32_t i = 0; i < run->n; i++) {                                         \
        uint32_t row = row_at(run->sel, i);                                         \
        char *at = run->values + (size_t)run->slots[i] * run->stride;               \
        ctype *state = (ctype *)(void *)at;                                         \
        uint8_t *is_null = (uint8_t *)at + IS_NULL_OFFSET;                          \
        bool valid = run->valid == NULL || (run->valid[row >> 3] >> (row & 7)) & 1; \
        ctype acc = *state, v = in[row];                                            \
        *is_null |= run->is_new[i];                                                 \
        if (valid) {                                                                \
            *state = *is_null ? v : (combine);                                      \
            *is_null = 0;                                                           \
        }                                                                           \
        if (out != NULL) {                                                          \
            out[row] = *state;                                                      \
            if (*is_null) {                                                         \
                run->out_valid[row >> 3] &= (uint8_t) ~(1u << (row & 7));           \
            }                                                                       \
        }                                                                           \
    }

#define KERNELS(name, ctype, sum, less)                          \
    static void sum_##name(const struct value_run *run)          \
    {                                                            \
        KERNEL_BODY(ctype, false, sum)                           \
    }                                                            \
    static void min_##name(const struct value_run *run)          \
    {                                                            \
        KERNEL_BODY(ctype, true, less(v, acc) ? v : acc)         \
    }                                                            \
    static void max_##name(const struct value_run *run)          \
    {                                                            \
        KERNEL_BODY(ctype, true, less(acc, v) ? v : acc)         \
    }                                                            \
    static void sum_nullable_##name(const struct value_run *run) \
    {                                                            \
        KERNEL_NULLABLE_BODY(ctype, sum)                         \
    }                                                            \
    static void min_nullable_##name(const struct value_run *run) \
    {                                                            \
        KERNEL_NULLABLE_BODY(ctype, less(v, acc) ? v : acc)      \
    }                                                            \
    static void max_nullable_##name(const struct value_run *run) \
    {                                                            \
        KERNEL_NULLABLE_BODY(ctype, less(acc, v) ? v : acc)      \
    }

KERNELS(i8, int8_t, ADD(int8_t, uint8_t, acc, v), LESS_INT)
KERNELS(i16, int16_t, ADD(int16_t, uint16_t, acc, v), LESS_INT)
KERNELS(i32, int32_t, ADD(int32_t, uint32_t, acc, v), LESS_INT)
KERNELS(i64, int64_t, ADD(int64_t, uint64_t, acc, v), LESS_INT)
KERNELS(f32, float, acc + v, LESS_F32)
KERNELS(f64, double, acc + v, LESS_F64)

#define KERNEL_ROW(layout, name)                      \
    [layout] = {{sum_##name, min_##name, max_##name}, \
                {sum_nullable_##name, min_nullable_##name, max_nullable_##name}}

/* By layout, nullability and aggregate. */
static const value_kernel kernels[LAYOUT_STRUCT + 1][2][3] = {
    KERNEL_ROW(LAYOUT_I8, i8),   KERNEL_ROW(LAYOUT_I16, i16), KERNEL_ROW(LAYOUT_I32, i32),
    KERNEL_ROW(LAYOUT_I64, i64), KERNEL_ROW(LAYOUT_F32, f32), KERNEL_ROW(LAYOUT_F64, f64),
};

value_kernel value_kernel_find(Flinc__AggregateKind kind, const struct data_type *type)
{
    return kind <= FLINC__AGGREGATE_KIND__AGGREGATE_MAX
               ? kernels[type->layout][type->nullable][kind]
               : NULL;
}

uint32_t value_state_bytes(const struct data_type *type)
{
    return type->nullable ? IS_NULL_OFFSET + 8 : 8;
}

void value_layout_init(struct record_layout *l, const struct schema *schema, uint32_t column)
{
    const struct data_type *type = schema->fields[column].type;
    struct record_field field = {
        .column = column,
        .null_offset = type->nullable ? (uint32_t)IS_NULL_OFFSET : RECORD_NEVER_NULL,
        .width = type->width,
        .layout = type->layout,
    };
    record_layout_init_fields(l, schema, value_state_bytes(type), &field, 1);
}

/* ---- batches ----------------------------------------------------------------------------------- */

/* Where the running values go: the column's own buffer when nobody else looks at it. */
static struct buffer *output_values(struct op_context *ctx, const struct batch *b,
                                    const struct column *c, uint32_t width)
{
    if (batch_is_unique(b) && buffer_is_unique(c->values) && c->values->pool != NULL) {
        return c->values;
    }
    struct buffer *out = buffer_get(ctx->pool, (uint64_t)b->n_rows * width);
    out->size = (uint64_t)b->n_rows * width;
    return out;
}

static struct buffer *all_valid(struct op_context *ctx, uint32_t n_rows)
{
    uint64_t bytes = ((uint64_t)n_rows + 7) / 8;
    struct buffer *b = buffer_get(ctx->pool, bytes);
    memset(b->data, 0xff, bytes);
    b->size = bytes;
    return b;
}

int aggregate_values(struct keyed_aggregate *a, struct op_context *ctx, struct batch *take_batch,
                     struct error *err)
{
    struct batch *b = take_batch;
    struct column *c = &b->columns[a->column];
    struct value_run run = {
        .slots = a->slots,
        .is_new = a->is_new,
        .sel = batch_sel(b),
        .n = b->n_sel,
        .in = c->values->data,
        .valid = c->validity != NULL ? c->validity->data : NULL,
    };
    run.values = keyed_state_values(a->state, &run.stride);
    if (a->final_only) {
        a->kernel(&run);
        batch_unref(b);
        return OP_DONE;
    }
    struct buffer *values = output_values(ctx, b, c, a->value_width);
    struct buffer *valid = c->type->nullable ? all_valid(ctx, b->n_rows) : NULL;
    run.out = values->data;
    run.out_valid = valid != NULL ? valid->data : NULL;
    a->kernel(&run);
    if (values != c->values) {
        b = batch_make_unique(ctx->pool, b);
        column_set_values(&b->columns[a->column], values);
    }
    column_set_validity(&b->columns[a->column], valid);
    op_emit(ctx, 0, batch_without_hashes(ctx->pool, b));
    return OP_DONE;
}

/* ---- final results ----------------------------------------------------------------------------- */

/* The aggregated column of the results. */
static void read_values(const struct keyed_aggregate *a, struct op_context *ctx, uint32_t n,
                        struct column *c)
{
    uint32_t stride, width = a->value_width;
    const char *state = keyed_state_values(a->state, &stride);
    struct buffer *values = buffer_get(ctx->pool, (uint64_t)n * width);
    values->size = (uint64_t)n * width;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(values->data + (size_t)i * width, state + (size_t)a->slots[i] * stride, width);
    }
    column_set_values(c, values);
    if (!c->type->nullable) {
        return;
    }
    struct buffer *valid = all_valid(ctx, n);
    for (uint32_t i = 0; i < n; i++) {
        if (state[(size_t)a->slots[i] * stride + IS_NULL_OFFSET]) {
            valid->data[i >> 3] &= (uint8_t) ~(1u << (i & 7));
        }
    }
    column_set_validity(c, valid);
}

int aggregate_values_emit(struct keyed_aggregate *a, struct op_context *ctx, struct error *err)
{
    int walked = keyed_walk_next(a->walk, BATCH_ROWS_TARGET, a->slots, err);
    uint32_t n = walked > 0 ? (uint32_t)walked : 0;
    if (walked < 0) {
        return walked;
    }
    if (n > 0) {
        struct batch *keys = NULL;
        TRY(keyed_state_read_keys(a->state, a->slots, n, &keys, err));
        struct batch *b = batch_new(ctx->pool, ctx->output_schemas[0]);
        b->n_rows = n;
        b->n_sel = n;
        for (uint32_t k = 0; k < a->n_keys; k++) {
            column_share(ctx->pool, &b->columns[a->key_columns[k]], &keys->columns[k]);
        }
        read_values(a, ctx, n, &b->columns[a->column]);
        batch_unref(keys);
        op_emit(ctx, 0, b);
    }
    return n == 0 ? OP_DONE : OP_MORE;
}
