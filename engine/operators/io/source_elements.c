/* flinc.source.elements: records that the job's main gave, as batches encoded into the graph.
 * Parallelism 1.  Which of the batches are left is list state.  Flink: fromData. */
#include "engine/data/codec.h"
#include "engine/operators/io/index_ranges.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

struct elements_source {
    struct operator op;
    Flinc__ElementsSourceConfig *config; /* Owns */
    struct index_ranges left;            /* of the batches */
};

static int elements_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct elements_source *s = (struct elements_source *)op;

    s->config =
        flinc__elements_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (s->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the elements source is damaged");
    }
    struct index_range all = {0, (int64_t)s->config->n_batches - 1, 1};
    bool some = ctx->subtask == 0 && s->config->n_batches > 0;
    return index_ranges_open(&s->left, ctx, some ? &all : NULL, err);
}

static int elements_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct elements_source *s = (struct elements_source *)op;
    struct batch *b = NULL;
    int64_t next;
    uint64_t stride;

    if (index_ranges_take(&s->left, 1, &next, &stride) == 0) {
        return OP_END;
    }
    if ((uint64_t)next >= s->config->n_batches) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "the checkpoint was made with other elements than the job has now");
    }
    const ProtobufCBinaryData *bytes = &s->config->batches[next];
    struct batch_source from = {.data = bytes->data, .size = bytes->len};
    TRY_CTX(err, batch_decode(ctx->pool, ctx->output_schemas[0], &from, &b, err),
            "reading the elements in the job graph");
    op_emit(ctx, 0, b);
    return OP_DONE;
}

static int elements_snapshot(struct operator* op, struct op_context *ctx,
                             const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)ctx;
    (void)checkpoint;
    return index_ranges_snapshot(&((struct elements_source *)op)->left, err);
}

static void elements_close(struct operator* op, struct op_context *ctx)
{
    struct elements_source *s = (struct elements_source *)op;

    (void)ctx;
    index_ranges_fini(&s->left);
    if (s->config != NULL) {
        flinc__elements_source_config__free_unpacked(s->config, NULL);
    }
}

const struct operator_desc operator_source_elements = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.source.elements",
    .summary = "records given in the job itself",
    .instance_size = sizeof(struct elements_source),
    .n_inputs = 0,
    .open = elements_open,
    .poll = elements_poll,
    .snapshot = elements_snapshot,
    .close = elements_close,
};
