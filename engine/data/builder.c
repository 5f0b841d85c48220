/* Builders: life, growth and handing out.  Cells are in builder_put.c, whole rows in
 * builder_append.c, the columns in builder_column.c.
 *
 * out.cap is where the inline writers stop: the room there is, or less once the bytes reached their
 * target, so that the row under construction is the last one. */
#include "engine/data/builder_column.h"

enum {
    ROWS_FIRST = 64, /* room at the start of the first batch */
};

/* ---- life -------------------------------------------------------------------------------------- */

static void column_setup(struct builder_column *c, const struct data_type *type,
                         struct flinc_out_column *face, struct builder_column **inout_free)
{
    c->type = type;
    c->face = face;
    c->n_children = type_child_columns(type);
    c->children = *inout_free;
    *inout_free += c->n_children;
    for (uint32_t i = 0; i < c->n_children; i++) {
        struct builder_column *child = &c->children[i];
        column_setup(child, type_child_column(type, i), &child->own_face, inout_free);
    }
}

void builder_init(struct builder *b, struct buffer_pool *pool, const struct schema *schema,
                  uint32_t target_rows)
{
    uint32_t n = schema->n_fields;
    *b = (struct builder){
        .out = {.struct_size = sizeof(b->out), .n_columns = n},
        .pool = pool,
        .schema = schema_ref(schema),
        .target_rows = target_rows > 0 ? target_rows : BATCH_ROWS_TARGET,
        .target_bytes = BATCH_BYTES_TARGET,
        .max_row_bytes = BATCH_ROW_BYTES_MAX_DEFAULT,
        .rows_hint = ROWS_FIRST,
    };
    ASSERT(b->target_rows <= BATCH_ROWS_MAX);
    b->out.owner = b;
    b->out.columns = MEM_NEW_ARRAY(struct flinc_out_column, n + 1);
    b->columns = MEM_NEW_ARRAY(struct builder_column, n + schema->n_nested + 1);
    struct builder_column *nested = b->columns + n;
    for (uint32_t i = 0; i < n; i++) {
        column_setup(&b->columns[i], schema->fields[i].type, &b->out.columns[i], &nested);
    }
}

void builder_fini(struct builder *b)
{
    b->batch = batch_unref(b->batch);
    mem_free(b->out.columns);
    mem_free(b->columns);
    schema_unref(b->schema);
    memset(b, 0, sizeof(*b));
}

/* ---- room -------------------------------------------------------------------------------------- */

static uint32_t round_rows(uint32_t rows)
{
    uint32_t cap = ROWS_FIRST;
    while (cap < rows) {
        cap *= 2;
    }
    return MIN(cap, (uint32_t)BATCH_ROWS_MAX);
}

static void builder_start(struct builder *b, uint32_t rows)
{
    uint32_t hint = MIN(b->rows_hint, b->target_rows);
    uint32_t cap = round_rows(MAX(rows, hint));
    b->batch = batch_new(b->pool, b->schema);
    for (uint32_t i = 0; i < b->out.n_columns; i++) {
        builder_column_start(b->pool, &b->columns[i], &b->batch->columns[i], cap);
    }
    b->cap_rows = cap;
    b->hash_rows = 0;
    b->long_row = UINT32_MAX;
}

/* Kinds and timestamps of the rows [from, to) that nobody sets. */
static void default_kinds(struct batch *batch, uint32_t from, uint32_t to)
{
    memset(batch->row_kinds->data + from, ROW_KIND_INSERT, to - from);
}

static void default_timestamps(struct batch *batch, uint32_t from, uint32_t to)
{
    int64_t *timestamps = (int64_t *)(void *)batch->timestamps->data;
    for (uint32_t i = from; i < to; i++) {
        timestamps[i] = BATCH_NO_TIMESTAMP;
    }
}

uint8_t *builder_need_kinds(struct builder *b)
{
    struct batch *batch = b->batch;
    if (batch->row_kinds == NULL) {
        batch->row_kinds = buffer_get(b->pool, b->cap_rows);
        default_kinds(batch, 0, b->cap_rows);
    }
    return batch->row_kinds->data;
}

int64_t *builder_need_timestamps(struct builder *b)
{
    struct batch *batch = b->batch;
    if (batch->timestamps == NULL) {
        batch->timestamps = buffer_get(b->pool, b->cap_rows * sizeof(int64_t));
        default_timestamps(batch, 0, b->cap_rows);
    }
    return (int64_t *)(void *)batch->timestamps->data;
}

static void grow_plain(struct builder *b, struct buffer **inout, uint64_t used, uint64_t capacity)
{
    if (*inout != NULL) {
        (*inout)->size = used;
        *inout = buffer_grow(b->pool, *inout, capacity);
    }
}

static void builder_grow(struct builder *b, uint32_t cap)
{
    struct batch *batch = b->batch;
    uint32_t old_cap = b->cap_rows;
    for (uint32_t i = 0; i < b->out.n_columns; i++) {
        builder_column_reserve(b->pool, &b->columns[i], b->out.n, cap);
    }
    grow_plain(b, &batch->hashes, b->hash_rows * sizeof(uint64_t), cap * sizeof(uint64_t));
    grow_plain(b, &batch->row_kinds, old_cap, cap);
    if (batch->row_kinds != NULL) {
        default_kinds(batch, old_cap, cap);
    }
    grow_plain(b, &batch->timestamps, old_cap * sizeof(int64_t), cap * sizeof(int64_t));
    if (batch->timestamps != NULL) {
        default_timestamps(batch, old_cap, cap);
    }
    b->cap_rows = cap;
}

void builder_reserve_rows(struct builder *b, uint32_t n)
{
    uint32_t rows = b->out.n + n;
    ASSERT(rows <= BATCH_ROWS_MAX);
    if (b->batch == NULL) {
        builder_start(b, rows);
    } else if (rows > b->cap_rows) {
        uint32_t twice = b->cap_rows * 2;
        builder_grow(b, round_rows(MAX(rows, twice)));
    }
    uint32_t stop = MIN(b->cap_rows, b->target_rows);
    b->out.cap = MAX(stop, rows);
}

void builder_begin(struct builder *b)
{
    builder_reserve_rows(b, 1);
}

uint64_t builder_bytes(const struct builder *b)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < b->out.n_columns; i++) {
        bytes += builder_column_bytes(&b->columns[i], b->out.n);
    }
    return bytes;
}

bool builder_is_full(const struct builder *b)
{
    return b->out.n > 0 && (b->out.n >= b->target_rows || builder_bytes(b) >= b->target_bytes);
}

/* ---- handing out ------------------------------------------------------------------------------- */

struct batch *builder_finish(struct builder *b)
{
    uint32_t n = b->out.n;
    if (n == 0) {
        return NULL;
    }
    struct batch *batch = STEAL(b->batch);
    for (uint32_t i = 0; i < b->out.n_columns; i++) {
        builder_column_finish(&b->columns[i], n);
        b->out.columns[i] = (struct flinc_out_column){.layout = b->out.columns[i].layout};
    }
    if (batch->row_kinds != NULL) {
        batch->row_kinds->size = n;
    }
    if (batch->timestamps != NULL) {
        batch->timestamps->size = (uint64_t)n * sizeof(int64_t);
    }
    if (batch->hashes != NULL) {
        if (b->hash_rows == n) {
            batch->hashes->size = (uint64_t)n * sizeof(uint64_t);
        } else {
            batch->hashes = buffer_unref(batch->hashes);
        }
    }
    batch->n_rows = n;
    batch->n_sel = n;
    b->rows_hint = n;
    b->cap_rows = 0;
    b->out.n = 0;
    b->out.cap = 0;
    return batch;
}

void builder_init_column(struct builder *b, struct buffer_pool *pool, const struct data_type *type,
                         bool nullable)
{
    const char *name = "v";
    struct data_type *own = type_with_nullable(type, nullable || type->nullable);
    struct schema *schema = schema_new(&name, &own, 1);
    builder_init(b, pool, schema, BATCH_ROWS_MAX);
    b->target_bytes = UINT64_MAX;
    schema_unref(schema);
}

int builder_fini_column(struct builder *b, int rc, struct column *ret)
{
    struct batch *made = builder_finish(b);
    if (rc >= 0 && made != NULL) {
        column_share(b->pool, ret, &made->columns[0]);
    }
    batch_unref(made);
    builder_fini(b);
    return rc;
}

static void builder_drop(struct builder *b)
{
    b->batch = batch_unref(b->batch);
    b->cap_rows = 0;
    b->out.n = 0;
    b->out.cap = 0;
}

static int builder_flush(struct builder *b)
{
    if (b->on_full == NULL) {
        return b->out.status = ERR_STATE;
    }
    int rc = b->on_full(b->on_full_arg, b);
    if (rc < 0) {
        b->out.status = rc;
    } else {
        ASSERT(b->out.n == 0);
    }
    return b->out.status;
}

int builder_hand_on(struct builder *b)
{
    return builder_is_full(b) ? builder_flush(b) : b->out.status;
}

int flinc_out_flush(flinc_out *out)
{
    struct builder *b = (struct builder *)out->owner;
    if (out->status >= 0 && builder_is_full(b)) {
        (void)builder_flush(b);
    }
    if (out->status < 0) {
        builder_drop(b); /* the writer goes on until its function returns: its rows go nowhere */
    }
    builder_begin(b);
    return out->status;
}
