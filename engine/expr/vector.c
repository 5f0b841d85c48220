/* Results of kernels: cells, bytes, nested values; bits. */
#include "engine/expr/expr.h"
#include "engine/expr/heap.h"

#include "engine/values/decimal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { HEAP_BLOCK_BYTES = 16384 };

struct ts_nano expr_timestamp_cell(const struct column *c, uint32_t row)
{
    if (c->type->layout == LAYOUT_TS_NANO) {
        return COLUMN_VALUES(c, const struct ts_nano)[row];
    }
    const int64_t value = COLUMN_VALUES(c, const int64_t)[row];
    if (c->type->precision <= 3) {
        return (struct ts_nano){.millis = value};
    }
    const int64_t micros = ((value % 1000) + 1000) % 1000;
    return (struct ts_nano){.millis = (value - micros) / 1000, .nanos = (int32_t)(micros * 1000)};
}

struct ts_nano expr_timestamp(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return expr_timestamp_cell(&f->args[k]->column, expr_at(f->args[k], row));
}

uint8_t *expr_need_validity(struct expr_frame *f)
{
    struct column *c = &f->out->column;
    if (c->validity == NULL) {
        const uint64_t bytes = (f->n_rows + 7) / 8;
        struct buffer *bits = buffer_get(f->context->pool, bytes);
        memset(bits->data, 0xff, bytes);
        bits->size = bytes;
        column_set_validity(c, bits);
    }
    return c->validity->data;
}

void expr_put_int(struct expr_frame *f, uint32_t row, int64_t value)
{
    struct expr_vector *v = f->out;
    switch (v->column.type->layout) {
    case LAYOUT_I8:
        EXPR_VALUES(v, int8_t)[row] = (int8_t)value;
        break;
    case LAYOUT_I16:
        EXPR_VALUES(v, int16_t)[row] = (int16_t)value;
        break;
    case LAYOUT_I32:
        EXPR_VALUES(v, int32_t)[row] = (int32_t)value;
        break;
    default:
        EXPR_VALUES(v, int64_t)[row] = value;
        break;
    }
}

void expr_put_wide(struct expr_frame *f, uint32_t row, __int128 value)
{
    if (f->out->column.type->layout == LAYOUT_I128) {
        EXPR_VALUES(f->out, __int128)[row] = value;
    } else {
        EXPR_VALUES(f->out, int64_t)[row] = (int64_t)value;
    }
}

void expr_put_real(struct expr_frame *f, uint32_t row, double value)
{
    if (f->out->column.type->layout == LAYOUT_F32) {
        EXPR_VALUES(f->out, float)[row] = (float)value;
    } else {
        EXPR_VALUES(f->out, double)[row] = value;
    }
}

void expr_put_timestamp(struct expr_frame *f, uint32_t row, struct ts_nano value)
{
    const struct data_type *t = f->out->column.type;
    const int32_t p = t->precision;
    if (t->layout != LAYOUT_TS_NANO) {
        int32_t digit = (int32_t)decimal_power(p <= 3 ? 3 - p : 6 - p);
        int64_t v = p <= 3 ? value.millis : value.millis * 1000 + value.nanos / 1000;
        v -= ((v % digit) + digit) % digit;
        EXPR_VALUES(f->out, int64_t)[row] = v;
        return;
    }
    value.nanos -= value.nanos % (int32_t)decimal_power(9 - p);
    value.pad = 0;
    EXPR_VALUES(f->out, struct ts_nano)[row] = value;
}

/* ---- bytes ------------------------------------------------------------------------------------------ */

/* Up to VIEW_INLINE_MAX bytes as a view: by two copies of a fixed size, which meet or overlap and are cheaper than a call. */
static ALWAYS_INLINE struct view short_view(const char *data, size_t len)
{
    struct view v = {.len = (int32_t)len};
    if (len >= 8) {
        memcpy(v.inlined, data, 8);
        memcpy(v.inlined + len - 4, data + len - 4, 4);
    } else if (len >= 4) {
        memcpy(v.inlined, data, 4);
        memcpy(v.inlined + len - 4, data + len - 4, 4);
    } else if (len > 0) {
        v.inlined[0] = data[0];
        v.inlined[len / 2] = data[len / 2];
        v.inlined[len - 1] = data[len - 1];
    }
    return v;
}

static void open_block(struct expr_frame *f, size_t len)
{
    struct expr_heap *h = f->heap;
    h->block = buffer_get(f->context->pool, MAX(len, (size_t)HEAP_BLOCK_BYTES));
    h->block->size = 0;
    h->number = (int32_t)f->out->column.n_data;
    column_add_data(f->context->pool, &f->out->column, h->block);
}

char *expr_begin_bytes(struct expr_frame *f, uint32_t row, size_t max_len)
{
    struct expr_heap *h = f->heap;
    if (h->block == NULL || h->block->capacity - h->block->size < max_len) {
        open_block(f, max_len);
    }
    return (char *)h->block->data + h->block->size;
}

void expr_end_bytes(struct expr_frame *f, uint32_t row, size_t len)
{
    struct expr_heap *h = f->heap;
    const char *at = (const char *)h->block->data + h->block->size;
    struct view *v = EXPR_VALUES(f->out, struct view) + row;
    if (len <= VIEW_INLINE_MAX) {
        *v = short_view(at, len);
        return;
    }
    *v = (struct view){.len = (int32_t)len, .buffer = h->number, .offset = (int32_t)h->block->size};
    memcpy(v->prefix, at, sizeof(v->prefix));
    h->block->size += len;
}

void expr_open_room(struct expr_frame *f, size_t size, struct expr_room *ret)
{
    char *at = expr_begin_bytes(f, 0, MAX(size, (size_t)1));
    const struct buffer *block = f->heap->block;
    *ret = (struct expr_room){.at = at,
                              .left = block->capacity - block->size,
                              .number = f->heap->number,
                              .offset = (int32_t)block->size};
}

void expr_close_room(struct expr_frame *f, size_t written)
{
    f->heap->block->size += written;
}

void expr_put_bytes(struct expr_frame *f, uint32_t row, struct slice value)
{
    if (value.len == 0) { /* whose data may be NULL */
        EXPR_VALUES(f->out, struct view)[row] = (struct view){0};
        return;
    }
    if (value.len <= VIEW_INLINE_MAX) {
        EXPR_VALUES(f->out, struct view)[row] = short_view(value.data, value.len);
        return;
    }
    memcpy(expr_begin_bytes(f, row, value.len), value.data, value.len);
    expr_end_bytes(f, row, value.len);
}

/* The number in the result of the first data buffer of argument k. */
static int32_t share_buffers(struct expr_frame *f, uint32_t k)
{
    struct expr_heap *h = f->heap;
    if (k >= EXPR_SHARED_ARGS) {
        return -1;
    }
    if (h->shared[k] == 0) {
        const struct column *from = &f->args[k]->column;
        h->shared[k] = (int32_t)f->out->column.n_data + 1;
        for (uint32_t i = 0; i < from->n_data; i++) {
            column_add_data(f->context->pool, &f->out->column, buffer_ref(from->data[i]));
        }
    }
    return h->shared[k] - 1;
}

void expr_put_part(struct expr_frame *f, uint32_t row, uint32_t k, struct slice part)
{
    const struct expr_vector *arg = f->args[k];
    const struct view *whole = EXPR_VALUES(arg, const struct view) + expr_at(arg, row);
    struct view *v = EXPR_VALUES(f->out, struct view) + row;
    int32_t base;
    if (part.len == 0) {
        *v = (struct view){0};
        return;
    }
    if (part.len <= VIEW_INLINE_MAX) {
        *v = short_view(part.data, part.len);
        return;
    }
    if ((base = share_buffers(f, k)) < 0) {
        expr_put_bytes(f, row, part);
        return;
    }
    const char *start = (const char *)arg->column.data[whole->buffer]->data;
    *v = (struct view){
        .len = (int32_t)part.len,
        .buffer = base + whole->buffer,
        .offset = (int32_t)(part.data - start),
    };
    memcpy(v->prefix, part.data, sizeof(v->prefix));
}

/* ---- cells ------------------------------------------------------------------------------------------ */

void expr_put_arg(struct expr_frame *f, uint32_t row, uint32_t k)
{
    const struct expr_vector *arg = f->args[k];
    const uint32_t at = expr_at(arg, row), width = arg->column.type->width;
    if (column_is_null(&arg->column, at)) {
        expr_set_null(f, row);
        return;
    }
    switch (arg->column.type->layout) {
    case LAYOUT_BIT:
        expr_put_bool(f, row, column_get_bool(&arg->column, at));
        break;
    case LAYOUT_VIEW:
        expr_put_part(f, row, k, column_get_bytes(&arg->column, at));
        break;
    case LAYOUT_NULL:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        assert_fail("nested cells go by the builder", __FILE__, __LINE__, __func__);
    default:
        memcpy(f->out->column.values->data + (size_t)row * width,
               arg->column.values->data + (size_t)at * width, width);
        break;
    }
}

/* ---- nested results --------------------------------------------------------------------------------- */

static void fill_to(struct expr_frame *f, uint32_t row)
{
    struct expr_heap *h = f->heap;
    for (; h->filled < row; h->filled++) {
        builder_put_null(&h->builder, 0);
        builder_end_row(&h->builder);
    }
}

struct builder *expr_builder(struct expr_frame *f, uint32_t row)
{
    struct expr_heap *h = f->heap;
    if (!h->has_builder) {
        const char *name = "v";
        struct data_type *type = type_with_nullable(f->out->column.type, true);
        struct schema *schema = schema_new(&name, &type, 1);
        builder_init(&h->builder, f->context->pool, schema, BATCH_ROWS_MAX);
        h->builder.target_bytes = UINT64_MAX;
        schema_unref(schema);
        h->has_builder = true;
        h->filled = 0;
    }
    fill_to(f, row);
    return &h->builder;
}

void expr_finish_nested(struct expr_frame *f)
{
    struct expr_heap *h = f->heap;
    if (h->is_whole) {
        return;
    }
    (void)expr_builder(f, f->n_rows);
    struct batch *made = builder_finish(&h->builder);
    if (made != NULL) { /* no rows: an empty column will do */
        column_share(f->context->pool, &f->out->column, &made->columns[0]);
    }
    batch_unref(made);
    builder_fini(&h->builder);
    h->has_builder = false;
}

void expr_next(struct expr_frame *f, uint32_t row)
{
    builder_end_row(&f->heap->builder);
    f->heap->filled = row + 1;
}

static void spread_nested(struct buffer_pool *pool, const struct column *from, uint32_t n,
                          struct column *to)
{
    struct error err = ERROR_INIT;
    struct builder b;
    int rc = 0;
    builder_init_column(&b, pool, to->type, false);
    for (uint32_t i = 0; i < n; i++) {
        rc = builder_put_cell(&b, 0, from, 0, &err);
        ASSERT(rc == 0); /* it was a cell of a batch */
        builder_end_row(&b);
    }
    rc = builder_fini_column(&b, rc, to);
    ASSERT(rc == 0);
}

void expr_spread(struct buffer_pool *pool, const struct column *from, uint32_t n, struct column *to)
{
    if (column_is_null(from, 0)) {
        column_fill_nulls(pool, to, n);
        return;
    }
    switch (from->type->layout) {
    case LAYOUT_NULL:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        spread_nested(pool, from, n, to);
        return;
    default:
        break;
    }
    struct expr_value value = expr_value_of(from, 0);
    expr_value_fill(pool, to->type, &value, n, to);
}

static void put_column(struct expr_frame *f, struct column *to, uint32_t k)
{
    const struct expr_vector *arg = f->args[k];
    if (arg->is_constant && !f->out->is_constant) {
        expr_spread(f->context->pool, &arg->column, f->n_rows, to);
    } else {
        column_share(f->context->pool, to, &arg->column);
    }
    f->heap->is_whole = true;
}

void expr_put_whole(struct expr_frame *f, uint32_t k)
{
    put_column(f, &f->out->column, k);
}

void expr_put_child(struct expr_frame *f, uint32_t child, uint32_t k)
{
    put_column(f, &f->out->column.children[child], k);
}

/* ---- bits ------------------------------------------------------------------------------------------- */

void expr_pack_bits(uint8_t *restrict bits, const uint8_t *restrict bytes, uint32_t n)
{
    uint32_t i = 0;
#ifdef __SSE2__
    const __m128i zero = _mm_setzero_si128();
    for (; i + 16 <= n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
        uint16_t mask = (uint16_t)~_mm_movemask_epi8(_mm_cmpeq_epi8(v, zero));
        memcpy(bits + i / 8, &mask, sizeof(mask));
    }
#endif
    for (; i < n; i += 8) {
        uint8_t byte = 0;
        for (uint32_t k = 0; k < 8 && i + k < n; k++) {
            byte |= (uint8_t)((bytes[i + k] != 0) << k);
        }
        bits[i / 8] = byte;
    }
}

uint32_t expr_select_bits(const uint8_t *bits, const uint8_t *validity, const uint16_t *rows,
                          uint32_t n, uint16_t *ret)
{
    uint32_t found = 0;
    if (rows != NULL) {
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t row = rows[i];
            uint32_t bit = (bits[row >> 3] >> (row & 7)) & 1u;
            if (validity != NULL) {
                bit &= (uint32_t)(validity[row >> 3] >> (row & 7));
            }
            ret[found] = (uint16_t)row;
            found += bit;
        }
        return found;
    }
    for (uint32_t i = 0; i < n; i += 64) {
        uint64_t word = 0, valid = 0;
        const size_t bytes = (MIN(n - i, 64u) + 7) / 8;
        memcpy(&word, bits + i / 8, bytes);
        if (validity != NULL) {
            memcpy(&valid, validity + i / 8, bytes);
            word &= valid;
        }
        if (n - i < 64) {
            word &= (UINT64_C(1) << (n - i)) - 1;
        }
        for (; word != 0; word &= word - 1) {
            ret[found++] = (uint16_t)(i + (uint32_t)__builtin_ctzll(word));
        }
    }
    return found;
}
