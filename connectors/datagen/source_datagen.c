/* flinc.table.datagen: rows of a table, column by column, at a rate.
 *
 * Row i of n belongs to subtask i mod parallelism at first; what is left of the rows is list state (index_ranges.h).  A
 * row depends on the seed in the configuration and on its number alone, but for times, which are those at which it is
 * made.  Flink: DataGeneratorSource of the table connector. */
#include "connectors/datagen/fill.h"
#include "engine/operators/io/index_ranges.h"
#include "engine/operators/io/row_rate.h"

struct table_datagen {
    struct operator op;
    Flinc__TableDatagenConfig *config; /* Owns */
    struct maker *makers;              /* by column; in the task's arena */
    uint32_t n_makers;
    uint32_t rows_max; /* of a batch: fewer when they are wide */
    struct index_ranges ranges;
    struct row_rate rate;
    struct io_pending pending;
    int64_t limit; /* rows that may still be made; INT64_MAX: no limit */
    int64_t index[BATCH_ROWS_MAX];
    uint64_t keys[BATCH_ROWS_MAX];
};

static int open_makers(struct table_datagen *s, struct op_context *ctx, struct error *err)
{
    const struct schema *schema = ctx->output_schemas[0];
    uint64_t row_bytes = 1;

    if (s->config->n_fields != schema->n_fields || !(s->config->rows_per_second >= 0)) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "the configuration of the datagen source is damaged");
    }
    s->makers = arena_zalloc(ctx->arena, sizeof(*s->makers) * (schema->n_fields + 1));
    for (; s->n_makers < schema->n_fields; s->n_makers++) {
        uint32_t i = s->n_makers;
        TRY(maker_init(&s->makers[i], s->config->fields[i], schema->fields[i].type, s->config->seed,
                       ctx->arena, err));
        row_bytes += datagen_cell_bytes(schema->fields[i].type, s->config->fields[i]);
    }
    uint64_t rows = MAX(2 * BATCH_BYTES_TARGET / row_bytes, UINT64_C(1));
    s->rows_max = (uint32_t)MIN(rows, (uint64_t)op_batch_rows(ctx));
    return 0;
}

static int table_datagen_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct table_datagen *s = (struct table_datagen *)op;
    struct index_range share = {ctx->subtask, INT64_MAX, ctx->parallelism};

    s->config =
        flinc__table_datagen_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (s->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the datagen source is damaged");
    }
    TRY(open_makers(s, ctx, err));
    if (s->config->has_count) {
        share.last = s->config->count - 1;
    }
    s->limit = s->config->has_limit ? s->config->limit : INT64_MAX;
    row_rate_init(&s->rate, s->config->rows_per_second, ctx);
    TRY(index_ranges_open(&s->ranges, ctx, share.next <= share.last ? &share : NULL, err));
    row_rate_open_pending(&s->rate, &s->pending, ctx, s->config->has_count);
    row_rate_tell_pending(&s->rate, &s->pending, index_ranges_left(&s->ranges));
    return 0;
}

/* Numbers of up to n rows. */
static uint32_t take_rows(struct table_datagen *s, uint32_t n)
{
    uint32_t taken = 0;

    while (taken < n) {
        int64_t next;
        uint64_t stride;
        uint32_t some = index_ranges_take(&s->ranges, n - taken, &next, &stride);
        if (some == 0) {
            break;
        }
        for (uint32_t i = 0; i < some; i++) {
            s->index[taken + i] = (int64_t)((uint64_t)next + i * stride);
            s->keys[taken + i] = (uint64_t)next + i * stride;
        }
        taken += some;
    }
    return taken;
}

static struct batch *make_batch(struct table_datagen *s, struct op_context *ctx, uint32_t n)
{
    struct batch *b = batch_new(ctx->pool, ctx->output_schemas[0]);
    const struct maker_rows rows = {s->index, clock_now_ms(ctx->clock)};

    b->n_rows = b->n_sel = n;
    for (uint32_t i = 0; i < s->n_makers; i++) {
        maker_begin(&s->makers[i], ctx->pool, &b->columns[i], n);
        maker_fill(&s->makers[i], ctx->pool, 0, s->keys, n, &rows);
        maker_end(&s->makers[i], n);
    }
    return b;
}

static int table_datagen_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct table_datagen *s = (struct table_datagen *)op;

    (void)err;
    if (index_ranges_is_empty(&s->ranges) || s->limit <= 0) {
        return OP_END;
    }
    uint32_t n = row_rate_allowance(&s->rate, s->rows_max);
    if (n == 0) {
        op_wake_after(ctx, row_rate_wake_ms(&s->rate));
        return OP_IDLE;
    }
    n = take_rows(s, (uint32_t)MIN((int64_t)n, s->limit));
    s->limit -= s->limit == INT64_MAX ? 0 : n;
    row_rate_take(&s->rate, n);
    row_rate_tell_pending(&s->rate, &s->pending, index_ranges_left(&s->ranges));
    op_emit(ctx, 0, make_batch(s, ctx, n));
    return OP_DONE;
}

static int table_datagen_snapshot(struct operator* op, struct op_context *ctx,
                                  const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)ctx;
    (void)checkpoint;
    return index_ranges_snapshot(&((struct table_datagen *)op)->ranges, err);
}

static void table_datagen_close(struct operator* op, struct op_context *ctx)
{
    struct table_datagen *s = (struct table_datagen *)op;

    (void)ctx;
    for (uint32_t i = 0; i < s->n_makers; i++) {
        maker_fini(&s->makers[i]);
    }
    index_ranges_fini(&s->ranges);
    if (s->config != NULL) {
        flinc__table_datagen_config__free_unpacked(s->config, NULL);
    }
}

const struct operator_desc operator_table_datagen = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.datagen",
    .summary = "generated rows of a table, at a rate",
    .instance_size = sizeof(struct table_datagen),
    .n_inputs = 0,
    .open = table_datagen_open,
    .poll = table_datagen_poll,
    .snapshot = table_datagen_snapshot,
    .close = table_datagen_close,
};
