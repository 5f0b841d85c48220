/* Batches: header life, columns, selections and projections.  What copies rows is in
 * batch_compact.c, checks and comparison in batch_validate.c and batch_equals.c.
 *
 * The header, its columns and the columns nested in them are one pool buffer, so that a batch costs
 * one pool get and no malloc.  Flink: StreamRecord and RowData, many at a time. */
#include "engine/data/batch.h"

static const char *const ROW_KIND_NAMES[] = {"+I", "-U", "+U", "-D"};

const char *row_kind_name(enum row_kind kind)
{
    return (unsigned)kind < ARRAY_LEN(ROW_KIND_NAMES) ? ROW_KIND_NAMES[kind] : "?";
}

/* ---- header ------------------------------------------------------------------------------------ */

static void column_init_children(struct column *c, struct column **inout_free);

/* Sets up the column for the type, with children taken from *inout_free; all else is zero. */
static inline void column_init(struct column *c, const struct data_type *type,
                               struct column **inout_free)
{
    c->type = type;
    c->data = c->data_inline;
    c->cap_data = BATCH_DATA_INLINE;
    if (type->n_children > 0) {
        column_init_children(c, inout_free);
    }
}

static void column_init_children(struct column *c, struct column **inout_free)
{
    c->n_children = type_child_columns(c->type);
    c->children = *inout_free;
    *inout_free += c->n_children;
    for (uint32_t i = 0; i < c->n_children; i++) {
        column_init(&c->children[i], type_child_column(c->type, i), inout_free);
    }
}

struct batch *batch_new(struct buffer_pool *pool, const struct schema *schema)
{
    uint32_t n = schema->n_fields;
    size_t size = sizeof(struct batch) + (n + schema->n_nested) * sizeof(struct column);
    struct buffer *self = buffer_get(pool, size);
    struct batch *b = (struct batch *)(void *)self->data;
    memset(b, 0, size);
    atomic_init(&b->refs, 1);
    b->self = self;
    b->n_columns = n;
    b->schema = schema_ref(schema);
    struct column *nested = b->columns + n;
    for (uint32_t i = 0; i < n; i++) {
        column_init(&b->columns[i], schema->fields[i].type, &nested);
    }
    return b;
}

/* The references of a column that is not used again. */
static inline void column_drop(struct column *c)
{
    buffer_unref(c->validity);
    buffer_unref(c->values);
    for (uint32_t i = 0; i < c->n_data; i++) {
        buffer_unref(c->data[i]);
    }
    buffer_unref(c->data_array);
}

struct batch *batch_unref(struct batch *b)
{
    if (b == NULL) {
        return NULL;
    }
    /* A sole owner needs no read-modify-write. */
    if (!batch_is_unique(b) && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) {
        return NULL;
    }
    /* Nested columns lie behind the top ones. */
    uint32_t n = b->n_columns + b->schema->n_nested;
    for (uint32_t i = 0; i < n; i++) {
        column_drop(&b->columns[i]);
    }
    buffer_unref(b->sel);
    buffer_unref(b->row_kinds);
    buffer_unref(b->timestamps);
    buffer_unref(b->hashes);
    schema_unref(b->schema);
    buffer_unref(b->self);
    return NULL;
}

static struct buffer *buffer_ref_or_null(struct buffer *b)
{
    return b != NULL ? buffer_ref(b) : NULL;
}

/* Rows, selection, kinds, timestamps and hashes of `src` for the fresh header `dst`. */
static void batch_share_rows(struct batch *dst, const struct batch *src)
{
    dst->n_rows = src->n_rows;
    dst->n_sel = src->n_sel;
    dst->sel = buffer_ref_or_null(src->sel);
    dst->row_kinds = buffer_ref_or_null(src->row_kinds);
    dst->timestamps = buffer_ref_or_null(src->timestamps);
    dst->hashes = buffer_ref_or_null(src->hashes);
}

struct batch *batch_make_unique(struct buffer_pool *pool, struct batch *take_b)
{
    if (batch_is_unique(take_b)) {
        return take_b;
    }
    struct batch *copy = batch_new(pool, take_b->schema);
    batch_share_rows(copy, take_b);
    for (uint32_t i = 0; i < copy->n_columns; i++) {
        column_share(pool, &copy->columns[i], &take_b->columns[i]);
    }
    batch_unref(take_b);
    return copy;
}

struct batch *batch_project(struct buffer_pool *pool, struct batch *b, const struct schema *schema,
                            const int32_t *column_map)
{
    struct batch *out = batch_new(pool, schema);
    batch_share_rows(out, b);
    for (uint32_t i = 0; i < out->n_columns; i++) {
        if (column_map[i] >= 0) {
            ASSERT((uint32_t)column_map[i] < b->n_columns);
            column_share(pool, &out->columns[i], &b->columns[column_map[i]]);
        }
    }
    return out;
}

void batch_set_selection(struct batch *b, struct buffer *take_sel, uint32_t n)
{
    ASSERT(n <= b->n_rows);
    buffer_unref(b->sel);
    b->sel = take_sel;
    b->n_sel = n;
}

/* ---- columns ----------------------------------------------------------------------------------- */

void column_set_values(struct column *c, struct buffer *take_values)
{
    buffer_unref(c->values);
    c->values = take_values;
}

void column_set_validity(struct column *c, struct buffer *take_validity)
{
    buffer_unref(c->validity);
    c->validity = take_validity;
}

/* Room for `n` data buffers. */
static void column_reserve_data(struct buffer_pool *pool, struct column *c, uint32_t n)
{
    if (n <= c->cap_data) {
        return;
    }
    struct buffer *array = buffer_get(pool, MAX(n, c->cap_data * 2) * sizeof(struct buffer *));
    memcpy(array->data, c->data, c->n_data * sizeof(struct buffer *));
    buffer_unref(c->data_array);
    c->data_array = array;
    c->data = (struct buffer **)(void *)array->data;
    c->cap_data = (uint32_t)(array->capacity / sizeof(struct buffer *));
}

void column_add_data(struct buffer_pool *pool, struct column *c, struct buffer *take_data)
{
    column_reserve_data(pool, c, c->n_data + 1);
    c->data[c->n_data++] = take_data;
}

void column_share(struct buffer_pool *pool, struct column *dst, const struct column *src)
{
    ASSERT(dst->type->layout == src->type->layout && dst->n_children == src->n_children);
    if (dst == src) {
        return;
    }
    column_clear(dst);
    dst->validity = buffer_ref_or_null(src->validity);
    dst->values = buffer_ref_or_null(src->values);
    dst->child_rows = src->child_rows;
    column_reserve_data(pool, dst, src->n_data);
    for (uint32_t i = 0; i < src->n_data; i++) {
        dst->data[dst->n_data++] = buffer_ref(src->data[i]);
    }
    for (uint32_t i = 0; i < src->n_children; i++) {
        column_share(pool, &dst->children[i], &src->children[i]);
    }
}

void column_clear(struct column *c)
{
    c->validity = buffer_unref(c->validity);
    c->values = buffer_unref(c->values);
    for (uint32_t i = 0; i < c->n_data; i++) {
        buffer_unref(c->data[i]);
    }
    c->n_data = 0;
    if (c->data_array != NULL) {
        c->data_array = buffer_unref(c->data_array);
        c->data = c->data_inline;
        c->cap_data = BATCH_DATA_INLINE;
    }
    c->child_rows = 0;
    for (uint32_t i = 0; i < c->n_children; i++) {
        column_clear(&c->children[i]);
    }
}

void column_fill_nulls(struct buffer_pool *pool, struct column *c, uint32_t n)
{
    column_clear(c);
    if (n == 0) {
        return;
    }
    uint64_t bytes = column_values_bytes(c->type, n);
    if (bytes > 0) {
        c->values = buffer_get(pool, bytes);
        memset(c->values->data, 0, bytes);
        c->values->size = bytes;
    }
    c->validity = buffer_get(pool, (n + 7) / 8);
    c->validity->size = (n + 7) / 8;
    memset(c->validity->data, 0, c->validity->size);
    if (c->type->layout == LAYOUT_STRUCT) {
        for (uint32_t i = 0; i < c->n_children; i++) {
            column_fill_nulls(pool, &c->children[i], n);
        }
    }
}
