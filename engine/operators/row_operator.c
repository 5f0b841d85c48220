/* The shared part of operators of user functions. */
#include "engine/operators/row_operator.h"

Flinc__FunctionOperatorConfig *row_config_parse(const struct op_context *ctx, struct error *err)
{
    const ProtobufCBinaryData *bytes = &ctx->spec->config;
    Flinc__FunctionOperatorConfig *config =
        flinc__function_operator_config__unpack(NULL, bytes->len, bytes->data);
    if (config == NULL) {
        error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                  ctx->spec->name, ctx->spec->kind);
    }
    return config;
}

void row_config_free(Flinc__FunctionOperatorConfig **config)
{
    if (*config != NULL) {
        flinc__function_operator_config__free_unpacked(*config, NULL);
        *config = NULL;
    }
}

static int open_reader(struct row_operator *op, struct op_context *ctx,
                       const Flinc__FunctionOperatorConfig *config, uint32_t input,
                       struct error *err)
{
    STR_AUTO what = STR_INIT;
    str_printf(&what, "the input of function '%s'", op->functions.items[input].ref->name);
    const Flinc__StructDesc *desc = input < config->n_inputs ? config->inputs[input] : NULL;
    return row_reader_init(&op->readers[input], desc, ctx->input_schemas[input], str_cstr(&what),
                           err);
}

/* State of a keyed stream; `second` columns are those of input 1. */
static int open_keys(struct row_operator *op, struct op_context *ctx,
                     const Flinc__FunctionOperatorConfig *config, struct error *err)
{
    const uint32_t *columns[OPERATOR_INPUTS_MAX] = {config->key_columns,
                                                    config->key_columns_second};
    size_t n[OPERATOR_INPUTS_MAX] = {config->n_key_columns, config->n_key_columns_second};
    for (uint32_t i = 0; i < op->base.desc->n_inputs; i++) {
        if (n[i] > 0) {
            op->key_columns[i] = arena_alloc(ctx->arena, n[i] * sizeof(uint32_t));
            memcpy(op->key_columns[i], columns[i], n[i] * sizeof(uint32_t));
            TRY(user_states_open(&op->functions, ctx, ctx->input_schemas[i], columns[i],
                                 (uint32_t)n[i], err));
        }
    }
    return 0;
}

int row_operator_open(struct row_operator *op, struct op_context *ctx,
                      const Flinc__FunctionOperatorConfig *config, uint32_t kind,
                      uint32_t batch_kind, struct error *err)
{
    uint32_t n = op->base.desc->n_inputs;
    uint32_t kinds[OPERATOR_INPUTS_MAX] = {0};
    if (ctx->n_inputs != n || ctx->n_outputs == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' (%s) has %u inputs and %u outputs", ctx->spec->name,
                         ctx->spec->kind, ctx->n_inputs, ctx->n_outputs);
    }
    if (config->batch_callback && batch_kind == 0) {
        return error_set(err, ERR_UNSUPPORTED, "operator '%s' (%s) has no batch callbacks",
                         ctx->spec->name, ctx->spec->kind);
    }
    op->by_batch = config->batch_callback;
    op->functions.rows = op;
    for (uint32_t i = 0; i < n; i++) {
        kinds[i] = op->by_batch ? batch_kind : kind;
    }
    TRY(user_functions_resolve(&op->functions, ctx, kinds, n, err));
    for (uint32_t i = 0; i < n && !op->by_batch; i++) {
        TRY(open_reader(op, ctx, config, i, err));
    }
    return op->by_batch ? 0 : open_keys(op, ctx, config, err);
}

void row_operator_close(struct row_operator *op)
{
    user_functions_close(&op->functions);
    op->batch = batch_unref(op->batch);
    for (uint32_t i = 0; i < OPERATOR_INPUTS_MAX; i++) {
        row_reader_fini(&op->readers[i]);
    }
    batch_face_fini(&op->face);
    emit_queue_fini(&op->queue);
}

int row_operator_take(struct row_operator *op, uint32_t input, struct batch *take_batch,
                      struct error *err)
{
    ASSERT(op->batch == NULL);
    op->batch = take_batch;
    op->input = input;
    op->row = 0;
    op->tile_rows = 0;
    if (op->key_columns[input] != NULL) {
        TRY(user_states_begin_batch(op->functions.states, &op->batch, op->key_columns[input], err));
    }
    row_reader_start(&op->readers[input], op->batch);
    return 0;
}

int row_operator_advance(struct row_operator *op, bool *ret_more, struct error *err)
{
    if (op->batch != NULL && op->row == op->tile_rows) {
        TRY(row_reader_next(&op->readers[op->input], &op->tile_rows, err));
        op->row = 0;
        if (op->tile_rows == 0) {
            op->batch = batch_unref(op->batch);
            TRY(user_states_end_batch(op->functions.states, err));
        }
    }
    *ret_more = op->batch != NULL;
    return 0;
}

int row_operator_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err)
{
    return user_functions_snapshot(&((struct row_operator *)op)->functions, err);
}

struct batch *batch_without_hashes(struct buffer_pool *pool, struct batch *take_b)
{
    if (take_b->hashes == NULL) {
        return take_b;
    }
    struct batch *b = batch_make_unique(pool, take_b);
    b->hashes = buffer_unref(b->hashes);
    return b;
}
