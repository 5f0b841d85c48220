/* flinc.map and flinc.co_map: one record for each record, by a row or a batch callback.
 *
 * A row callback fills a struct of a tile; strings are copied right after its call, the other fields a
 * tile at a time.  Each input batch makes one output batch, or several when its strings are long.
 * Flink: StreamMap, CoStreamMap.  Thread: the task's. */
#include "engine/operators/registry.h"
#include "engine/operators/row_operator.h"

struct map_operator {
    struct row_operator rows;
    struct row_writer writer; /* row callbacks */
};

static int map_on_full(void *arg, struct builder *b)
{
    struct map_operator *m = arg;
    emit_queue_push(&m->rows.queue, 0, builder_finish(b));
    return 0;
}

static int map_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct map_operator *m = (struct map_operator *)op;
    CLEANUP(row_config_free)
    Flinc__FunctionOperatorConfig *config = row_config_parse(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    uint32_t batch_kind = op->desc->n_inputs == 1 ? FLINC_FN_BATCH_MAP : 0;
    TRY(row_operator_open(&m->rows, ctx, config, FLINC_FN_MAP, batch_kind, err));
    if (!m->rows.by_batch) {
        STR_AUTO what = STR_INIT;
        str_printf(&what, "the result of function '%s'", m->rows.functions.items[0].ref->name);
        TRY(row_writer_init(&m->writer, config->n_outputs > 0 ? config->outputs[0] : NULL,
                            ctx->output_schemas[0], str_cstr(&what), ctx->pool, BATCH_ROWS_MAX,
                            err));
        row_writer_on_full(&m->writer, map_on_full, m);
    }
    return user_functions_start(&m->rows.functions, err);
}

/* Rows of the tile before `end`, up to the first after which too much is queued.  Of its own, so that the
 * loop keeps its registers. */
__attribute__((noinline)) static int map_rows(struct map_operator *m, uint32_t end,
                                              struct error *err)
{
    struct row_operator *r = &m->rows;
    struct user_function *f = &r->functions.items[r->input];
    const struct row_reader *reader = &r->readers[r->input];
    int (*call)(flinc_ctx *, const void *, void *) =
        (int (*)(flinc_ctx *, const void *, void *))f->call;
    const bool stamped = row_operator_is_stamped(r);
    struct user_states *states = r->functions.states;
    const uint32_t start = row_operator_tile_start(r);
    while (r->row < end && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        void *record = row_writer_record(&m->writer);
        user_states_set_row(states, start + r->row);
        int rc = call(&f->ctx, row_reader_row(reader, r->row), record);
        if (UNLIKELY(rc < 0)) {
            return user_function_failed(f, rc, err);
        }
        if (UNLIKELY(stamped)) {
            row_writer_stamp(&m->writer, r->batch, row_reader_source(reader, r->row));
        }
        row_writer_add(&m->writer);
        r->row++;
    }
    return 0;
}

static int map_tile(struct map_operator *m, struct error *err)
{
    struct row_operator *r = &m->rows;
    const struct user_function *f = &r->functions.items[r->input];
    while (r->row < r->tile_rows && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        TRY(user_function_check_cancelled(f, err));
        TRY(map_rows(m, MIN(r->row + USER_CANCEL_ROWS, r->tile_rows), err));
    }
    TRY(user_function_check(f, err));
    return row_writer_check(&m->writer, err);
}

static int map_run(struct map_operator *m, struct op_context *ctx, struct error *err)
{
    bool more = m->rows.batch != NULL;
    while (more && emit_queue_len(&m->rows.queue) < EMIT_QUEUE_STOP) {
        TRY(row_operator_advance(&m->rows, &more, err));
        if (more) {
            TRY(map_tile(m, err));
        } else {
            emit_queue_push(&m->rows.queue, 0, row_writer_finish(&m->writer));
        }
    }
    return emit_queue_drain(&m->rows.queue, ctx) || more ? OP_MORE : OP_DONE;
}

static int map_process(struct operator* op, struct op_context *ctx, uint32_t input,
                       struct batch *take_batch, struct error *err)
{
    struct map_operator *m = (struct map_operator *)op;
    if (m->rows.by_batch) {
        struct batch *result = NULL;
        int rc = batch_map_call(&m->rows.functions.items[input], &m->rows.face, ctx->pool,
                                take_batch, ctx->output_schemas[0], &result, err);
        batch_unref(take_batch);
        TRY(rc);
        op_emit(ctx, 0, result);
        return OP_DONE;
    }
    TRY(row_operator_take(&m->rows, input, take_batch, err));
    return map_run(m, ctx, err);
}

static int map_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return map_run((struct map_operator *)op, ctx, err);
}

static void map_close(struct operator* op, struct op_context *ctx)
{
    struct map_operator *m = (struct map_operator *)op;
    row_operator_close(&m->rows);
    row_writer_fini(&m->writer);
}

const struct operator_desc operator_map = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.map",
    .summary = "One record for each record (DataStream.map)",
    .instance_size = sizeof(struct map_operator),
    .n_inputs = 1,
    .open = map_open,
    .process = map_process,
    .resume = map_resume,
    .close = map_close,
    .snapshot = row_operator_snapshot,
};

const struct operator_desc operator_co_map = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.co_map",
    .summary = "One record for each record of two streams (ConnectedStreams.map)",
    .instance_size = sizeof(struct map_operator),
    .n_inputs = 2,
    .open = map_open,
    .process = map_process,
    .resume = map_resume,
    .close = map_close,
    .snapshot = row_operator_snapshot,
};
