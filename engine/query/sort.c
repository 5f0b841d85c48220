/* flinc.query.sort: all rows of a bounded input in order; with a fetch only the first of them.
 *
 * With a fetch no more than a small multiple of the rows wanted is held: when there are many, they are sorted and cut, and from
 * then on rows behind the last one kept are dropped when they come.  Flink: BatchExecSort, BatchExecSortLimit.
 * Thread: the task's. */
#include "engine/query/order.h"
#include "engine/query/query.h"

enum { TOP_ROWS_MIN = 16 * 1024 }; /* held before a cut */

struct sort_operator {
    struct operator base;
    Flinc__SortConfig *config; /* Owns */
    struct query_order order;
    struct buffer_pool *memory; /* Owns */
    struct query_rows rows;
    uint64_t limit;         /* rows that count: offset and fetch; UINT64_MAX: all */
    struct batch *worst;    /* Owns: one row: the last one kept; NULL: none yet */
    struct buffer *numbers; /* Owns: the rows in order, once the input has ended */
    uint64_t next, end;
};

static int sort_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sort_operator *s = (struct sort_operator *)op;
    s->config = query_config_read(ctx, &flinc__sort_config__descriptor, err);
    if (s->config == NULL) {
        return ERR_CORRUPT;
    }
    const Flinc__SortConfig *c = s->config;
    if (c->offset < 0 || (c->has_fetch && c->fetch < 0)) {
        return query_config_damaged(ctx, "a negative offset or fetch", err);
    }
    s->order = (struct query_order){c->keys, (uint32_t)c->n_keys};
    s->limit = c->has_fetch ? (uint64_t)c->offset + (uint64_t)c->fetch : UINT64_MAX;
    TRY(query_order_check(ctx, &s->order, ctx->input_schemas[0], err));
    s->memory = query_memory_open(ctx);
    query_rows_init(&s->rows, s->memory, ctx->input_schemas[0]);
    return 0;
}

/* ---- the first rows --------------------------------------------------------------------------------- */

/* Leaves out the rows that are not before the last one kept; takes the batch; NULL: none is. */
static struct batch *before_worst(struct sort_operator *s, struct op_context *ctx,
                                  struct batch *take_batch)
{
    struct batch *b = take_batch;
    struct buffer *sel = buffer_get(ctx->pool, ((uint64_t)b->n_sel + 1) * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        const uint32_t row = batch_row(b, i);
        rows[n] = (uint16_t)row;
        n += query_order_compare(&s->order, 0, b, row, s->worst, 0) < 0;
    }
    if (n == b->n_sel || n == 0) {
        buffer_unref(sel);
        return n == 0 ? batch_unref(b) : b;
    }
    sel->size = n * sizeof(uint16_t);
    b = batch_make_unique(ctx->pool, b);
    batch_set_selection(b, sel, n);
    return b;
}

/* Rows [from, to) of the order as a batch. */
static int make_batch(struct sort_operator *s, struct buffer_pool *pool,
                      const struct schema *schema, const struct buffer *numbers, uint64_t from,
                      uint32_t n, struct batch **ret, struct error *err)
{
    struct batch *b = batch_new(pool, schema);
    b->n_rows = b->n_sel = n;
    const uint32_t *rows = (const uint32_t *)(const void *)numbers->data + from;
    const int rc = query_rows_gather_all(&s->rows, rows, n, pool, b, 0, err);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    *ret = b;
    return 0;
}

static int keep_first(struct sort_operator *s, const struct buffer *numbers,
                      struct query_rows *kept, struct error *err)
{
    const struct schema *schema = s->rows.builder.schema;
    for (uint64_t at = 0; at < s->limit;) {
        const uint32_t n = (uint32_t)MIN(s->limit - at, (uint64_t)BATCH_ROWS_MAX);
        struct batch *b = NULL;
        TRY(make_batch(s, s->memory, schema, numbers, at, n, &b, err));
        const int rc = query_rows_add(kept, b, err);
        batch_unref(b);
        TRY(rc);
        at += n;
    }
    struct batch *worst = NULL;
    TRY(make_batch(s, s->memory, schema, numbers, s->limit - 1, 1, &worst, err));
    batch_unref(s->worst);
    s->worst = worst;
    return 0;
}

/* Sorts what there is and keeps the rows wanted; they come before later ones that are equal. */
static int cut(struct sort_operator *s, struct op_context *ctx, struct error *err)
{
    struct buffer *numbers = NULL;
    struct query_rows kept;
    query_rows_seal(&s->rows);
    TRY(query_order_sort(&s->order, &s->rows, ctx, s->memory, &numbers, err));
    query_rows_init(&kept, s->memory, ctx->input_schemas[0]);
    const int rc = keep_first(s, numbers, &kept, err);
    buffer_unref(numbers);
    query_rows_fini(&s->rows);
    s->rows = kept;
    s->rows.builder.on_full_arg = &s->rows; /* it has moved */
    s->rows.builder.out.owner = &s->rows.builder;
    return rc;
}

/* ---- the operator ----------------------------------------------------------------------------------- */

static int add(struct sort_operator *s, struct op_context *ctx, struct batch *b, struct error *err)
{
    TRY(query_rows_add(&s->rows, b, err));
    const uint64_t most = s->limit > UINT64_MAX / 4 ? UINT64_MAX : s->limit * 2;
    if (s->rows.n >= MAX(most, (uint64_t)TOP_ROWS_MIN) && s->limit < UINT64_MAX) {
        TRY(cut(s, ctx, err));
    }
    return query_memory_check(ctx, "rows of its input", s->rows.n, err);
}

static int sort_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct sort_operator *s = (struct sort_operator *)op;
    struct batch *b = take_batch;
    int rc = query_check_inserts(ctx, b, err);
    if (rc == 0 && s->limit == 0) {
        b = batch_unref(b);
    } else if (rc == 0 && s->worst != NULL) {
        b = before_worst(s, ctx, b);
    }
    if (rc == 0 && b != NULL) {
        rc = add(s, ctx, b, err);
    }
    batch_unref(b);
    return rc;
}

static int sort_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sort_operator *s = (struct sort_operator *)op;
    if (s->next < s->end) {
        const uint32_t n = (uint32_t)MIN(s->end - s->next, (uint64_t)BATCH_ROWS_TARGET);
        struct batch *out = NULL;
        TRY(query_check_cancelled(ctx, err));
        TRY(make_batch(s, ctx->pool, ctx->output_schemas[0], s->numbers, s->next, n, &out, err));
        s->next += n;
        op_emit(ctx, 0, out);
    }
    return s->next < s->end ? OP_MORE : OP_DONE;
}

static int sort_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    struct sort_operator *s = (struct sort_operator *)op;
    query_rows_seal(&s->rows);
    TRY(query_order_sort(&s->order, &s->rows, ctx, s->memory, &s->numbers, err));
    s->next = (uint64_t)s->config->offset;
    s->end = MIN(s->limit, s->rows.n);
    return sort_resume(op, ctx, err);
}

static void sort_close(struct operator* op, struct op_context *ctx)
{
    struct sort_operator *s = (struct sort_operator *)op;
    query_rows_fini(&s->rows);
    s->worst = batch_unref(s->worst);
    s->numbers = buffer_unref(s->numbers);
    query_config_free(s->config);
    s->memory = query_memory_close(s->memory);
}

const struct operator_desc query_sort = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.sort",
    .summary = "The rows of a bounded input in order, all or the first of them (ORDER BY)",
    .instance_size = sizeof(struct sort_operator),
    .n_inputs = 1,
    .open = sort_open,
    .process = sort_process,
    .resume = sort_resume,
    .end_of_input = sort_end,
    .close = sort_close,
};
