/* Batch callbacks: faces of batches, and the flinc_batch_ functions of include/flinc/function.h. */
#include "engine/operators/batch_callback.h"

#include <stdio.h>

/* ---- the input --------------------------------------------------------------------------------- */

static const uint32_t kind_of_type[TYPE_COUNT] = {
    [TYPE_CHAR] = FLINC_KIND_STRING,
    [TYPE_VARCHAR] = FLINC_KIND_STRING,
    [TYPE_BOOLEAN] = FLINC_KIND_BOOL,
    [TYPE_BINARY] = FLINC_KIND_BYTES,
    [TYPE_VARBINARY] = FLINC_KIND_BYTES,
    [TYPE_DECIMAL] = FLINC_KIND_INT64, /* up to precision 18: the unscaled value */
    [TYPE_TINYINT] = FLINC_KIND_INT8,
    [TYPE_SMALLINT] = FLINC_KIND_INT16,
    [TYPE_INTEGER] = FLINC_KIND_INT32,
    [TYPE_BIGINT] = FLINC_KIND_INT64,
    [TYPE_FLOAT] = FLINC_KIND_FLOAT,
    [TYPE_DOUBLE] = FLINC_KIND_DOUBLE,
    [TYPE_DATE] = FLINC_KIND_DATE,
    [TYPE_TIME] = FLINC_KIND_TIME,
    [TYPE_TIMESTAMP] = FLINC_KIND_TIMESTAMP,
    [TYPE_TIMESTAMP_LTZ] = FLINC_KIND_TIMESTAMP_LTZ,
    [TYPE_INTERVAL_YEAR_MONTH] = FLINC_KIND_INT32,
    [TYPE_INTERVAL_DAY_TIME] = FLINC_KIND_INT64,
    [TYPE_RAW] = FLINC_KIND_BYTES,
};

static void reserve(struct batch_face *f, const struct batch *b)
{
    uint32_t n_data = 0;
    for (uint32_t i = 0; i < b->n_columns; i++) {
        n_data += b->columns[i].n_data;
    }
    if (f->cap_columns < b->n_columns) {
        f->cap_columns = b->n_columns;
        f->columns = mem_realloc(f->columns, f->cap_columns * sizeof(*f->columns));
    }
    if (f->cap_data < n_data) {
        f->cap_data = n_data * 2;
        f->data = mem_realloc(f->data, f->cap_data * sizeof(*f->data));
    }
}

const flinc_batch *batch_face_show(struct batch_face *f, const struct batch *b)
{
    reserve(f, b);
    const void **data = f->data;
    for (uint32_t i = 0; i < b->n_columns; i++) {
        const struct column *c = &b->columns[i];
        f->columns[i] = (flinc_column){
            .values = c->values != NULL ? c->values->data : NULL,
            .validity = c->validity != NULL ? c->validity->data : NULL,
            .data = data,
            .kind = kind_of_type[c->type->id],
            .n_data = c->n_data,
        };
        for (uint32_t k = 0; k < c->n_data; k++) {
            *data++ = c->data[k]->data;
        }
    }
    f->face = (flinc_batch){
        .struct_size = sizeof(f->face),
        .n_rows = b->n_rows,
        .n_selected = b->n_sel,
        .n_columns = b->n_columns,
        .selection = batch_sel(b),
        .columns = f->columns,
        .owner = f,
    };
    return &f->face;
}

void batch_face_fini(struct batch_face *f)
{
    mem_free(f->columns);
    mem_free(f->data);
    memset(f, 0, sizeof(*f));
}

flinc_string flinc_batch_string(const flinc_batch *b, uint32_t column, uint32_t row)
{
    const flinc_column *c = &b->columns[column];
    const struct view *v = (const struct view *)c->values + row;
    const char *data =
        v->len <= VIEW_INLINE_MAX ? v->inlined : (const char *)c->data[v->buffer] + v->offset;
    return (flinc_string){data, (size_t)v->len};
}

/* ---- batch map --------------------------------------------------------------------------------- */

/* The result under construction, for one call. */
struct flinc_batch_out {
    struct batch *batch; /* Owns */
    const struct batch *in;
    struct buffer_pool *pool;
    char message[256]; /* of the first mistake; empty: none */
};

static struct column *output_column(flinc_batch_out *out, uint32_t to, const char *what)
{
    if (to >= out->batch->n_columns) {
        if (out->message[0] == '\0') {
            snprintf(out->message, sizeof(out->message),
                     "%s: there is no output column %u, the output has %u", what, to,
                     out->batch->n_columns);
        }
        return NULL;
    }
    column_clear(&out->batch->columns[to]);
    return &out->batch->columns[to];
}

static bool same_type(const struct data_type *out, const struct data_type *in,
                      const struct column *c)
{
    if (type_equals(out, in)) {
        return true;
    }
    /* A nullable column without NULLs may become one that is not, and the other way round. */
    struct data_type *t = type_with_nullable(in, out->nullable);
    bool same = type_equals(out, t) && (out->nullable || c->validity == NULL);
    type_unref(t);
    return same;
}

int flinc_batch_out_forward(flinc_batch_out *out, uint32_t to, uint32_t from)
{
    struct column *c = output_column(out, to, "flinc_batch_out_forward");
    if (c == NULL) {
        return ERR_INVALID_ARGUMENT;
    }
    if (from >= out->in->n_columns ||
        !same_type(c->type, out->in->columns[from].type, &out->in->columns[from])) {
        if (out->message[0] == '\0') {
            snprintf(out->message, sizeof(out->message),
                     "flinc_batch_out_forward: input column %u cannot become output column %u "
                     "('%s'): it is missing, has another type or holds a NULL",
                     from, to, out->batch->schema->fields[to].name);
        }
        return ERR_INVALID_ARGUMENT;
    }
    column_share(out->pool, c, &out->in->columns[from]);
    return 0;
}

void *flinc_batch_out_column(flinc_batch_out *out, uint32_t to)
{
    struct column *c = output_column(out, to, "flinc_batch_out_column");
    if (c == NULL) {
        return NULL;
    }
    if (c->type->layout == LAYOUT_VIEW || c->type->layout >= LAYOUT_LIST) {
        if (out->message[0] == '\0') {
            snprintf(out->message, sizeof(out->message),
                     "flinc_batch_out_column: column '%s' has no fixed width; forward it, or use a "
                     "row callback",
                     out->batch->schema->fields[to].name);
        }
        return NULL;
    }
    uint64_t bytes = column_values_bytes(c->type, out->in->n_rows);
    struct buffer *values = buffer_get(out->pool, MAX(bytes, (uint64_t)1));
    values->size = bytes;
    column_set_values(c, values);
    return values->data;
}

/* Everything of the input but its columns. */
static void share_rows(struct batch *to, const struct batch *from)
{
    to->n_rows = from->n_rows;
    to->n_sel = from->n_sel;
    to->sel = from->sel != NULL ? buffer_ref(from->sel) : NULL;
    to->row_kinds = from->row_kinds != NULL ? buffer_ref(from->row_kinds) : NULL;
    to->timestamps = from->timestamps != NULL ? buffer_ref(from->timestamps) : NULL;
}

static bool is_filled(const struct column *c)
{
    if (c->type->layout != LAYOUT_STRUCT) {
        return c->values != NULL || c->type->layout == LAYOUT_NULL;
    }
    return c->n_children == 0 || is_filled(&c->children[0]);
}

static int check_result(const struct user_function *f, const flinc_batch_out *out, int rc,
                        struct error *err)
{
    if (out->message[0] != '\0' && !f->ctx.failed) {
        return error_set(err, ERR_USER_CODE, "function '%s' (%s): %s", f->ref->name,
                         f->ref->location, out->message);
    }
    if (rc < 0 || f->ctx.failed) {
        return user_function_failed(f, rc, err);
    }
    for (uint32_t i = 0; i < out->batch->n_columns; i++) {
        if (!is_filled(&out->batch->columns[i])) {
            return error_set(err, ERR_USER_CODE,
                             "function '%s' (%s): output column %u ('%s') was neither forwarded "
                             "nor filled",
                             f->ref->name, f->ref->location, i, out->batch->schema->fields[i].name);
        }
    }
    return 0;
}

int batch_map_call(const struct user_function *f, struct batch_face *face, struct buffer_pool *pool,
                   struct batch *b, const struct schema *output, struct batch **ret_batch,
                   struct error *err)
{
    int (*call)(flinc_ctx *, const flinc_batch *, flinc_batch_out *) =
        (int (*)(flinc_ctx *, const flinc_batch *, flinc_batch_out *))f->call;
    flinc_batch_out out = {.batch = batch_new(pool, output), .in = b, .pool = pool};
    share_rows(out.batch, b);
    int rc = call((flinc_ctx *)(uintptr_t)&f->ctx, batch_face_show(face, b), &out);
    rc = check_result(f, &out, rc, err);
    if (rc < 0) {
        batch_unref(out.batch);
        return rc;
    }
    *ret_batch = out.batch;
    return 0;
}

/* ---- batch filter ------------------------------------------------------------------------------ */

/* The numbers are increasing and within the batch. */
static bool rows_are_sound(const uint16_t *rows, uint32_t n, const struct batch *b)
{
    uint32_t bad = 0;
    for (uint32_t i = 1; i < n; i++) {
        bad |= rows[i - 1] >= rows[i];
    }
    if (bad != 0 || rows[n - 1] >= b->n_rows) {
        return false;
    }
    const uint16_t *sel = batch_sel(b);
    if (sel == NULL) {
        return true;
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        while (at < b->n_sel && sel[at] < rows[i]) {
            at++;
        }
        if (at == b->n_sel || sel[at] != rows[i]) {
            return false;
        }
    }
    return true;
}

int batch_filter_call(const struct user_function *f, struct batch_face *face,
                      struct buffer_pool *pool, struct batch *take_b, struct batch **ret_batch,
                      struct error *err)
{
    int (*call)(flinc_ctx *, const flinc_batch *, uint16_t *) =
        (int (*)(flinc_ctx *, const flinc_batch *, uint16_t *))f->call;
    struct batch *b = take_b;
    struct buffer *sel = buffer_get(pool, (uint64_t)b->n_sel * sizeof(uint16_t) + 1);
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    int rc = call((flinc_ctx *)(uintptr_t)&f->ctx, batch_face_show(face, b), rows);
    if (rc < 0 || f->ctx.failed) {
        rc = user_function_failed(f, rc, err);
        goto fail;
    }
    uint32_t n = (uint32_t)rc;
    if (n > b->n_sel || (n > 0 && !rows_are_sound(rows, n, b))) {
        rc = error_set(err, ERR_USER_CODE,
                       "function '%s' (%s) kept rows that are not rows of the batch in increasing "
                       "order (%u of %u)",
                       f->ref->name, f->ref->location, n, b->n_sel);
        goto fail;
    }
    if (n == b->n_sel || n == 0) {
        buffer_unref(sel);
        *ret_batch = n > 0 ? b : batch_unref(b);
        return 0;
    }
    sel->size = (uint64_t)n * sizeof(uint16_t);
    b = batch_make_unique(pool, b);
    batch_set_selection(b, sel, n);
    *ret_batch = b;
    return 0;
fail:
    buffer_unref(sel);
    batch_unref(b);
    return rc;
}
