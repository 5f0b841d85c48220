/* Batches out to Arrow (arrow.h).
 *
 * Like an exported schema: a tree of ArrowArray structs in one arena, with a count of the structs that
 * were not released.  The last one drops the batch and the buffers that had to be made. */
#include "engine/data/arrow/format.h"

enum { NANOS_PER_MS = 1000000 };

/* Thread: any (atomics); the pool is used while exporting only. */
struct array_export {
    _Atomic uint32_t refs;
    struct arena arena;       /* in which this lies, too */
    struct batch *batch;      /* Owns a ref */
    struct buffer_pool *pool; /* Borrows; NULL once exported */
    uint32_t flags;           /* arrow_export_flag */
    struct made_buffer *made; /* Owns */
};

struct made_buffer {
    struct made_buffer *next;
    struct buffer *buffer; /* Owns a ref */
};

static int export_column(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                         uint32_t n, struct error *err);

/* ---- life -------------------------------------------------------------------------------------- */

static struct array_export *array_export_new(struct buffer_pool *pool, struct batch *take_b,
                                             uint32_t flags)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct array_export *x = arena_zalloc(&arena, sizeof(*x));
    atomic_init(&x->refs, 1);
    x->batch = take_b;
    x->pool = pool;
    x->flags = flags;
    x->arena = arena;
    return x;
}

static void array_export_unref(struct array_export *x)
{
    if (atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel) == 1) {
        for (struct made_buffer *m = x->made; m != NULL; m = m->next) {
            buffer_unref(m->buffer);
        }
        batch_unref(x->batch);
        struct arena arena = x->arena;
        arena_fini(&arena);
    }
}

static void array_release(struct ArrowArray *a)
{
    for (int64_t i = 0; i < a->n_children; i++) {
        if (a->children[i]->release != NULL) {
            a->children[i]->release(a->children[i]);
        }
    }
    a->release = NULL;
    array_export_unref(a->private_data);
}

/* Fills what all structs have in common, with room for buffers and children. */
static void array_start(struct array_export *x, struct ArrowArray *a, uint32_t n,
                        uint32_t n_buffers, uint32_t n_children)
{
    atomic_fetch_add_explicit(&x->refs, 1, memory_order_relaxed);
    *a = (struct ArrowArray){
        .length = n,
        .n_buffers = n_buffers,
        .n_children = n_children,
        .buffers = arena_zalloc(&x->arena, (n_buffers + 1) * sizeof(*a->buffers)),
        .release = array_release,
        .private_data = x,
    };
    if (n_children > 0) {
        a->children = arena_zalloc(&x->arena, n_children * sizeof(*a->children));
    }
    for (uint32_t i = 0; i < n_children; i++) {
        a->children[i] = arena_zalloc(&x->arena, sizeof(struct ArrowArray));
    }
}

/* ---- buffers ----------------------------------------------------------------------------------- */

/* Arrow forbids missing buffers even where nothing is in them. */
static const void *buffer_bytes(const struct buffer *b)
{
    static const int64_t NOTHING[2];
    return b != NULL ? (const void *)b->data : NOTHING;
}

static void *make_buffer(struct array_export *x, uint64_t size)
{
    struct made_buffer *m = arena_zalloc(&x->arena, sizeof(*m));
    m->buffer = buffer_get(x->pool, size);
    m->buffer->size = size;
    m->next = x->made;
    x->made = m;
    return m->buffer->data;
}

static uint32_t count_nulls(const struct column *c, uint32_t n)
{
    uint32_t nulls = 0;
    for (uint32_t i = 0; c->validity != NULL && i < n; i++) {
        nulls += column_is_null(c, i);
    }
    return nulls;
}

/* 128-bit decimals of 64-bit ones. */
static const void *widen_decimals(struct array_export *x, const struct column *c, uint32_t n)
{
    __int128 *to = make_buffer(x, (uint64_t)n * sizeof(__int128));
    for (uint32_t i = 0; i < n; i++) {
        to[i] = COLUMN_VALUES(c, const int64_t)[i];
    }
    return to;
}

static int join_nanos(struct array_export *x, const struct column *c, uint32_t n,
                      const void **ret_values, struct error *err)
{
    int64_t *to = make_buffer(x, (uint64_t)n * sizeof(int64_t));
    for (uint32_t i = 0; i < n; i++) {
        struct ts_nano v = COLUMN_VALUES(c, const struct ts_nano)[i];
        /* The earliest instants have a product below the range and a sum inside. */
        __int128 nanos = (__int128)v.millis * NANOS_PER_MS + v.nanos;
        bool null = column_is_null(c, i);
        if (!null && (nanos < INT64_MIN || nanos > INT64_MAX)) {
            return error_set(err, ERR_TOO_LARGE,
                             "a timestamp of %lld ms since 1970 is outside of the years 1677 to "
                             "2262, which Arrow's nanoseconds hold; cast it to TIMESTAMP(6)",
                             (long long)v.millis);
        }
        to[i] = null ? 0 : (int64_t)nanos;
    }
    *ret_values = to;
    return 0;
}

/* Views and their data buffers, as they are. */
static void export_views(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                         uint32_t n)
{
    array_start(x, ret, n, 3 + c->n_data, 0);
    int64_t *sizes = arena_alloc(&x->arena, (c->n_data + 1) * sizeof(*sizes));
    ret->buffers[1] = buffer_bytes(c->values);
    for (uint32_t i = 0; i < c->n_data; i++) {
        ret->buffers[2 + i] = c->data[i]->data;
        sizes[i] = (int64_t)c->data[i]->size;
    }
    ret->buffers[2 + c->n_data] = sizes;
}

/* Offsets and bytes. */
static int export_strings(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                          uint32_t n, struct error *err)
{
    uint64_t total = 0;
    int32_t *offsets = make_buffer(x, ((uint64_t)n + 1) * sizeof(int32_t));
    offsets[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        total += column_is_null(c, i) ? 0 : column_get_bytes(c, i).len;
        if (total > INT32_MAX) {
            return error_set(err, ERR_TOO_LARGE, "strings of 2 GiB and more in one Arrow array");
        }
        offsets[i + 1] = (int32_t)total;
    }
    char *bytes = make_buffer(x, total);
    for (uint32_t i = 0; i < n; i++) {
        if (offsets[i] < offsets[i + 1]) {
            struct slice s = column_get_bytes(c, i);
            memcpy(bytes + offsets[i], s.data, s.len);
        }
    }
    array_start(x, ret, n, 3, 0);
    ret->buffers[1] = offsets;
    ret->buffers[2] = bytes;
    return 0;
}

static int export_fixed(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                        uint32_t n, struct error *err)
{
    const void *values = buffer_bytes(c->values);
    if (c->type->id == TYPE_DECIMAL && c->type->layout == LAYOUT_I64) {
        values = widen_decimals(x, c, n);
    } else if (c->type->layout == LAYOUT_TS_NANO) {
        TRY(join_nanos(x, c, n, &values, err));
    }
    array_start(x, ret, n, 2, 0);
    ret->buffers[1] = values;
    return 0;
}

/* ---- columns ----------------------------------------------------------------------------------- */

static int export_map(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                      uint32_t n, struct error *err)
{
    uint32_t n_entries = n > 0 ? c->child_rows : 0;
    struct ArrowArray *entries = ret->children[0];
    array_start(x, entries, n_entries, 1, 2);
    TRY(export_column(x, entries->children[0], &c->children[0], n_entries, err));
    TRY(export_column(x, entries->children[1], &c->children[1], n_entries, err));
    if (entries->children[0]->null_count > 0) {
        return error_set(err, ERR_UNSUPPORTED, "a map with a NULL key: Arrow has none");
    }
    return 0;
}

static int export_nested(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                         uint32_t n, struct error *err)
{
    if (c->type->layout == LAYOUT_STRUCT) {
        array_start(x, ret, n, 1, c->n_children);
    } else {
        array_start(x, ret, n, 2, 1);
        ret->buffers[1] = buffer_bytes(n > 0 ? c->values : NULL);
    }
    if (c->type->layout == LAYOUT_MAP) {
        return export_map(x, ret, c, n, err);
    }
    uint32_t child_rows = n > 0 ? column_child_rows(c, n) : 0;
    for (uint32_t i = 0; i < c->n_children; i++) {
        TRY(export_column(x, ret->children[i], &c->children[i], child_rows, err));
    }
    return 0;
}

static int export_column(struct array_export *x, struct ArrowArray *ret, const struct column *c,
                         uint32_t n, struct error *err)
{
    switch (c->type->layout) {
    case LAYOUT_NULL:
        array_start(x, ret, n, 0, 0);
        ret->null_count = n;
        return 0;
    case LAYOUT_VIEW:
        if (x->flags & ARROW_EXPORT_PLAIN_STRINGS) {
            TRY(export_strings(x, ret, c, n, err));
        } else {
            export_views(x, ret, c, n);
        }
        break;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        TRY(export_nested(x, ret, c, n, err));
        break;
    default:
        TRY(export_fixed(x, ret, c, n, err));
        break;
    }
    ret->null_count = count_nulls(c, n);
    ret->buffers[0] = ret->null_count > 0 ? c->validity->data : NULL;
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------- */

static int export_columns(struct array_export *x, struct ArrowArray *ret, struct error *err)
{
    const struct batch *b = x->batch;
    array_start(x, ret, b->n_rows, 1, b->n_columns);
    for (uint32_t i = 0; i < b->n_columns; i++) {
        TRY_CTX(err, export_column(x, ret->children[i], &b->columns[i], b->n_rows, err),
                "exporting column '%s'", b->schema->fields[i].name);
    }
    return 0;
}

int batch_export_arrow(struct buffer_pool *pool, struct batch *b, uint32_t flags,
                       struct ArrowSchema *ret_schema, struct ArrowArray *ret_array,
                       struct error *err)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    TRY(schema_export_arrow(b->schema, flags, &schema, err));
    struct array_export *x = array_export_new(pool, batch_materialize(pool, batch_ref(b)), flags);
    int rc = export_columns(x, &array, err);
    x->pool = NULL;
    array_export_unref(x);
    if (rc < 0) {
        array.release(&array);
        schema.release(&schema);
        return rc;
    }
    if (ret_schema != NULL) {
        *ret_schema = schema;
    } else {
        schema.release(&schema);
    }
    *ret_array = array;
    return 0;
}
