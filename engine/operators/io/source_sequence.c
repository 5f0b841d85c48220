/* flinc.source.sequence: the numbers of a range, split evenly over the subtasks, in order within each.
 * Flink: NumberSequenceSource. */
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

struct sequence_source {
    struct operator op;
    int64_t next, last; /* numbers still to come, both included */
    bool ended;
};

static int sequence_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sequence_source *s = (struct sequence_source *)op;
    Flinc__SequenceSourceConfig *c =
        flinc__sequence_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    if (c == NULL || c->from > c->to) {
        if (c != NULL) {
            flinc__sequence_source_config__free_unpacked(c, NULL);
        }
        return error_set(err, ERR_PARSE, "the range of the sequence source is damaged");
    }
    /* Subtask i of p has [i * n / p, (i + 1) * n / p) of the n numbers; n may be 2^64. */
    unsigned __int128 n = (unsigned __int128)((uint64_t)c->to - (uint64_t)c->from) + 1;
    unsigned __int128 start = n * ctx->subtask / ctx->parallelism;
    unsigned __int128 end = n * (ctx->subtask + 1) / ctx->parallelism;
    s->next = (int64_t)((uint64_t)c->from + (uint64_t)start);
    s->last = (int64_t)((uint64_t)c->from + (uint64_t)end - 1);
    s->ended = start == end;
    flinc__sequence_source_config__free_unpacked(c, NULL);
    return 0;
}

static void fill(int64_t *restrict to, int64_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = (int64_t)((uint64_t)from + i);
    }
}

static int sequence_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct sequence_source *s = (struct sequence_source *)op;

    (void)err;
    if (s->ended) {
        return OP_END;
    }
    /* All of int64 is one number more than a uint64_t counts: the distance to the last fits. */
    uint64_t left_after_next = (uint64_t)s->last - (uint64_t)s->next;
    uint32_t n = (uint32_t)MIN(left_after_next, (uint64_t)BATCH_ROWS_TARGET - 1) + 1;
    struct batch *b = batch_new(ctx->pool, ctx->output_schemas[0]);
    struct buffer *values = buffer_get(ctx->pool, BATCH_ROWS_TARGET * sizeof(int64_t));
    fill((int64_t *)(void *)values->data, s->next, n);
    values->size = n * sizeof(int64_t);
    b->n_rows = b->n_sel = n;
    column_set_values(&b->columns[0], values);
    s->ended = left_after_next < n;
    s->next = (int64_t)((uint64_t)s->next + n);
    op_emit(ctx, 0, b);
    return OP_DONE;
}

static void sequence_close(struct operator* op, struct op_context *ctx)
{
    (void)op;
    (void)ctx;
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
    .close = sequence_close,
};
