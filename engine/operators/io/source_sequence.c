/* flinc.source.sequence: the numbers of a range, split evenly over the subtasks, in order within each.
 * What is left of them is list state (index_ranges.h).  Flink: NumberSequenceSource. */
#include "engine/operators/io/index_ranges.h"
#include "engine/operators/io/io_pending.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

struct sequence_source {
    struct operator op;
    struct index_ranges ranges;
    struct metric_gauge *pending; /* Borrows */
};

/* Subtask i of p has [i * n / p, (i + 1) * n / p) of the n numbers; n may be 2^64.  False: nothing. */
static bool share_of(const struct op_context *ctx, int64_t from, int64_t to,
                     struct index_range *ret)
{
    unsigned __int128 n = (unsigned __int128)((uint64_t)to - (uint64_t)from) + 1;
    unsigned __int128 start = n * ctx->subtask / ctx->parallelism;
    unsigned __int128 end = n * (ctx->subtask + 1) / ctx->parallelism;

    ret->next = (int64_t)((uint64_t)from + (uint64_t)start);
    ret->last = (int64_t)((uint64_t)from + (uint64_t)end - 1);
    ret->stride = 1;
    return start < end;
}

static int sequence_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sequence_source *s = (struct sequence_source *)op;
    struct index_range share;
    Flinc__SequenceSourceConfig *c =
        flinc__sequence_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    if (c == NULL || c->from > c->to) {
        if (c != NULL) {
            flinc__sequence_source_config__free_unpacked(c, NULL);
        }
        return error_set(err, ERR_PARSE, "the range of the sequence source is damaged");
    }
    bool some = share_of(ctx, c->from, c->to, &share);
    flinc__sequence_source_config__free_unpacked(c, NULL);
    TRY(index_ranges_open(&s->ranges, ctx, some ? &share : NULL, err));
    s->pending = io_pending_gauge(ctx, "pendingRecords");
    metric_gauge_set(s->pending, index_ranges_left(&s->ranges));
    return 0;
}

static void fill(int64_t *restrict to, int64_t from, uint64_t stride, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = (int64_t)((uint64_t)from + i * stride);
    }
}

static int sequence_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sequence_source *s = (struct sequence_source *)op;
    int64_t from;
    uint64_t stride;
    uint32_t n = index_ranges_take(&s->ranges, op_batch_rows(ctx), &from, &stride);

    (void)err;
    if (n == 0) {
        return OP_END;
    }
    struct batch *b = batch_new(ctx->pool, ctx->output_schemas[0]);
    struct buffer *values = buffer_get(ctx->pool, BATCH_ROWS_TARGET * sizeof(int64_t));
    fill((int64_t *)(void *)values->data, from, stride, n);
    values->size = n * sizeof(int64_t);
    b->n_rows = b->n_sel = n;
    column_set_values(&b->columns[0], values);
    metric_gauge_set(s->pending, index_ranges_left(&s->ranges));
    op_emit(ctx, 0, b);
    return OP_DONE;
}

static int sequence_snapshot(struct operator* op, struct op_context *ctx,
                             const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)ctx;
    (void)checkpoint;
    return index_ranges_snapshot(&((struct sequence_source *)op)->ranges, err);
}

static void sequence_close(struct operator* op, struct op_context *ctx)
{
    (void)ctx;
    index_ranges_fini(&((struct sequence_source *)op)->ranges);
}

const struct operator_desc operator_source_sequence = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.source.sequence",
    .summary = "the numbers of a range",
    .instance_size = sizeof(struct sequence_source),
    .n_inputs = 0,
    .open = sequence_open,
    .poll = sequence_poll,
    .snapshot = sequence_snapshot,
    .close = sequence_close,
};
