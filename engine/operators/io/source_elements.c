/* flinc.source.elements: records that the job's main gave, as batches encoded into the graph.
 * Parallelism 1.  Flink: fromData. */
#include "engine/data/codec.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

struct elements_source {
    struct operator op;
    Flinc__ElementsSourceConfig *config; /* Owns */
    size_t next;
};

static int elements_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct elements_source *s = (struct elements_source *)op;

    s->config =
        flinc__elements_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    return s->config != NULL
               ? 0
               : error_set(err, ERR_PARSE, "the configuration of the elements source is damaged");
}

static int elements_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct elements_source *s = (struct elements_source *)op;
    struct batch *b = NULL;

    if (s->next == s->config->n_batches || ctx->subtask > 0) {
        return OP_END;
    }
    const ProtobufCBinaryData *bytes = &s->config->batches[s->next++];
    struct batch_source from = {.data = bytes->data, .size = bytes->len};
    TRY_CTX(err, batch_decode(ctx->pool, ctx->output_schemas[0], &from, &b, err),
            "reading the elements in the job graph");
    op_emit(ctx, 0, b);
    return OP_DONE;
}

static void elements_close(struct operator* op, struct op_context *ctx)
{
    struct elements_source *s = (struct elements_source *)op;

    (void)ctx;
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
    .close = elements_close,
};
