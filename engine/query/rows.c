/* See rows.h. */
#include "engine/query/rows.h"

static int take_full(void *arg, struct builder *b)
{
    struct query_rows *r = arg;
    if (r->n_batches == r->cap_batches) {
        r->cap_batches = MAX(r->cap_batches * 2, 16u);
        r->batches = mem_realloc(r->batches, r->cap_batches * sizeof(struct batch *));
    }
    struct batch *full = builder_finish(b);
    if (full != NULL) {
        r->batches[r->n_batches++] = full;
    }
    return 0;
}

void query_rows_init(struct query_rows *r, struct buffer_pool *pool, const struct schema *schema)
{
    *r = (struct query_rows){.is_open = true};
    builder_init(&r->builder, pool, schema, BATCH_ROWS_MAX);
    r->builder.target_bytes = UINT64_MAX;
    r->builder.on_full = take_full;
    r->builder.on_full_arg = r;
}

void query_rows_fini(struct query_rows *r)
{
    for (uint32_t i = 0; i < r->n_batches; i++) {
        batch_unref(r->batches[i]);
    }
    mem_free(r->batches);
    if (r->builder.schema != NULL) {
        builder_fini(&r->builder);
    }
    *r = (struct query_rows){0};
}

int query_rows_add(struct query_rows *r, const struct batch *b, struct error *err)
{
    ASSERT(r->is_open);
    if (r->n + b->n_sel >= QUERY_NO_ROW) {
        return error_set(err, ERR_LIMIT,
                         "more than %u rows in one subtask; run with more "
                         "parallelism",
                         QUERY_NO_ROW - 1);
    }
    if (builder_push_batch(&r->builder, b) < 0) {
        const int rc = builder_check(&r->builder, err);
        return rc < 0 ? rc : error_set(err, ERR_INTERNAL, "rows could not be kept");
    }
    r->n += b->n_sel;
    return 0;
}

void query_rows_seal(struct query_rows *r)
{
    if (r->is_open) {
        (void)take_full(r, &r->builder);
        r->is_open = false;
    }
}

/* ---- taking out ------------------------------------------------------------------------------------- */

/* Where a value comes from; NULL column: there is none. */
struct source {
    const struct query_rows *rows; /* or */
    const struct column *column;
    uint32_t number;
    const uint32_t *picks;
    const uint16_t *picks16;
    bool is_column32; /* `picks` are rows of `column` */
};

static ALWAYS_INLINE const struct column *pick(const struct source *s, uint32_t i,
                                               uint32_t *ret_row)
{
    if (s->is_column32) {
        *ret_row = s->picks[i];
        return s->picks[i] == QUERY_NO_ROW ? NULL : s->column;
    }
    if (s->rows == NULL) {
        *ret_row = s->picks16 != NULL ? s->picks16[i] : i;
        return s->column;
    }
    const uint32_t row = s->picks[i];
    if (row == QUERY_NO_ROW) {
        return NULL;
    }
    *ret_row = query_rows_at(row);
    return query_rows_column(s->rows, s->number, row);
}

#define GATHER_LOOP(ctype)                                                        \
    {                                                                             \
        ctype *restrict out = (ctype *)(void *)values->data;                      \
        for (uint32_t i = 0; i < n; i++) {                                        \
            const struct column *c = pick(s, i, &row);                            \
            out[i] = c != NULL ? COLUMN_VALUES(c, const ctype)[row] : (ctype){0}; \
        }                                                                         \
        break;                                                                    \
    }

static void gather_values(const struct source *s, uint32_t n, struct buffer_pool *pool,
                          struct column *ret)
{
    const uint64_t bytes = column_values_bytes(ret->type, n);
    struct buffer *values = buffer_get(pool, bytes);
    uint32_t row = 0;
    values->size = bytes;
    switch (ret->type->width) {
    case 1:
        GATHER_LOOP(int8_t)
    case 2:
        GATHER_LOOP(int16_t)
    case 4:
        GATHER_LOOP(int32_t)
    case 8:
        GATHER_LOOP(int64_t)
    case 16:
        GATHER_LOOP(__int128)
    default: /* bits */
        memset(values->data, 0, bytes);
        for (uint32_t i = 0; i < n; i++) {
            const struct column *c = pick(s, i, &row);
            values->data[i >> 3] |= (uint8_t)((c != NULL && column_get_bool(c, row)) << (i & 7));
        }
        break;
    }
    column_set_values(ret, values);
}

/* Views are gathered as they are, then long strings copied to one buffer (two passes: the sum first). */
static int gather_strings_of(const struct source *s, uint32_t n, struct buffer_pool *pool,
                             struct column *ret, struct error *err)
{
    uint64_t total = 0, at = 0;
    uint32_t row = 0;
    gather_values(s, n, pool, ret);
    struct view *views = COLUMN_VALUES(ret, struct view);
    for (uint32_t i = 0; i < n; i++) {
        total += view_is_inline(&views[i]) ? 0 : (uint64_t)views[i].len;
    }
    if (total > INT32_MAX) {
        return error_set(err, ERR_TOO_LARGE, "a batch with %llu bytes of strings",
                         (unsigned long long)total);
    }
    if (total == 0) {
        return 0;
    }
    struct buffer *data = buffer_get(pool, total);
    for (uint32_t i = 0; i < n; i++) {
        if (!view_is_inline(&views[i])) {
            const struct column *c = pick(s, i, &row);
            memcpy(data->data + at, c->data[views[i].buffer]->data + views[i].offset,
                   (size_t)views[i].len);
            views[i].buffer = 0;
            views[i].offset = (int32_t)at;
            at += (uint64_t)views[i].len;
        }
    }
    data->size = total;
    column_add_data(pool, ret, data);
    return 0;
}

static int gather_nested(const struct source *s, uint32_t n, struct buffer_pool *pool,
                         struct column *ret, struct error *err)
{
    struct builder b;
    uint32_t row = 0;
    int rc = 0;
    builder_init_column(&b, pool, ret->type, true);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        const struct column *c = pick(s, i, &row);
        builder_begin(&b);
        if (c == NULL || column_is_null(c, row)) {
            builder_put_null(&b, 0);
        } else {
            rc = builder_put_cell(&b, 0, c, row, err);
        }
        builder_end_row(&b);
    }
    return builder_fini_column(&b, rc, ret);
}

static void gather_validity(const struct source *s, uint32_t n, struct buffer_pool *pool,
                            struct column *ret)
{
    const uint64_t bytes = (n + 7) / 8;
    uint32_t row = 0, nulls = 0;
    struct buffer *bits = buffer_get(pool, bytes);
    memset(bits->data, 0, bytes);
    bits->size = bytes;
    for (uint32_t i = 0; i < n; i++) {
        const struct column *c = pick(s, i, &row);
        const bool valid = c != NULL && !column_is_null(c, row);
        bits->data[i >> 3] |= (uint8_t)(valid << (i & 7));
        nulls += !valid;
    }
    if (nulls > 0) {
        column_set_validity(ret, bits);
    } else {
        buffer_unref(bits);
    }
}

static int gather(const struct source *s, uint32_t n, bool may_be_null, struct buffer_pool *pool,
                  struct column *ret, struct error *err)
{
    switch (ret->type->layout) {
    case LAYOUT_NULL:
        column_fill_nulls(pool, ret, n);
        return 0;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return gather_nested(s, n, pool, ret, err);
    case LAYOUT_VIEW:
        TRY(gather_strings_of(s, n, pool, ret, err));
        break;
    default:
        gather_values(s, n, pool, ret);
        break;
    }
    if (may_be_null) {
        gather_validity(s, n, pool, ret);
    }
    return 0;
}

int query_rows_gather(const struct query_rows *r, uint32_t column, const uint32_t *rows, uint32_t n,
                      struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct source s = {.rows = r, .number = column, .picks = rows};
    bool may_be_null = false;
    for (uint32_t i = 0; i < n && !may_be_null; i++) {
        may_be_null =
            rows[i] == QUERY_NO_ROW || query_rows_column(r, column, rows[i])->validity != NULL;
    }
    return gather(&s, n, may_be_null, pool, ret, err);
}

int query_rows_gather_all(const struct query_rows *r, const uint32_t *rows, uint32_t n,
                          struct buffer_pool *pool, struct batch *ret, uint32_t at,
                          struct error *err)
{
    for (uint32_t i = 0; i < r->builder.schema->n_fields; i++) {
        TRY(query_rows_gather(r, i, rows, n, pool, &ret->columns[at + i], err));
    }
    return 0;
}

int query_column_gather(const struct column *c, const uint16_t *rows, uint32_t n,
                        struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct source s = {.column = c, .picks16 = rows};
    return gather(&s, n, c->validity != NULL, pool, ret, err);
}

int query_column_gather32(const struct column *c, const uint32_t *rows, uint32_t n,
                          struct buffer_pool *pool, struct column *ret, struct error *err)
{
    const struct source s = {.column = c, .picks = rows, .is_column32 = true};
    return gather(&s, n, true, pool, ret, err);
}
