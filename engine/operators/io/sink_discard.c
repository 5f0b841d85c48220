/* flinc.sink.discard: drops every record.  Flink: DiscardingSink. */
#include "engine/operators/registry.h"

static int discard_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    (void)op;
    (void)ctx;
    (void)err;
    return 0;
}

static int discard_process(struct operator* op, struct op_context *ctx, uint32_t input,
                           struct batch *take_batch, struct error *err)
{
    (void)op;
    (void)ctx;
    (void)input;
    (void)err;
    batch_unref(take_batch);
    return OP_DONE;
}

static void discard_close(struct operator* op, struct op_context *ctx)
{
    (void)op;
    (void)ctx;
}

const struct operator_desc operator_sink_discard = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.sink.discard",
    .summary = "drops every record",
    .instance_size = sizeof(struct operator),
    .n_inputs = 1,
    .open = discard_open,
    .process = discard_process,
    .close = discard_close,
};
