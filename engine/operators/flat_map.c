/* flinc.flat_map, flinc.process and their co- variants: any number of records for each record, on the
 * main output and, for process functions, on side outputs (flat_output.h).
 *
 * Records carry timestamp and kind of the record that they were made from.
 * Flink: StreamFlatMap, ProcessOperator, CoStreamFlatMap, CoProcessOperator.  Thread: the task's. */
#include "engine/operators/flat_output.h"
#include "engine/operators/registry.h"

struct flat_map_operator {
    struct row_operator rows;
    struct flat_outputs outputs;
};

/* ---- life -------------------------------------------------------------------------------------- */

static int flat_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    CLEANUP(row_config_free)
    Flinc__FunctionOperatorConfig *config = row_config_parse(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    bool is_process = op->desc == &operator_process || op->desc == &operator_co_process;
    uint32_t kind = is_process ? FLINC_FN_PROCESS : FLINC_FN_FLAT_MAP;
    TRY(row_operator_open(&m->rows, ctx, config, kind, 0, err));
    TRY(flat_outputs_open(&m->outputs, &m->rows, ctx, config, err));
    return user_functions_start(&m->rows.functions, err);
}

static void flat_close(struct operator* op, struct op_context *ctx)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    row_operator_close(&m->rows);
    flat_outputs_close(&m->outputs);
}

/* ---- records ----------------------------------------------------------------------------------- */

static int flat_tile(struct flat_map_operator *m, struct error *err)
{
    struct row_operator *r = &m->rows;
    struct user_function *f = &r->functions.items[r->input];
    const struct row_reader *reader = &r->readers[r->input];
    flinc_out *out = flat_outputs_main(&m->outputs);
    int (*call)(flinc_ctx *, const void *, flinc_out *) =
        (int (*)(flinc_ctx *, const void *, flinc_out *))f->call;
    struct user_states *states = r->functions.states;
    const uint32_t start = row_operator_tile_start(r);
    while (r->row < r->tile_rows && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        TRY(user_function_check_cancelled(f, err));
        uint32_t end = MIN(r->row + USER_CANCEL_ROWS, r->tile_rows);
        while (r->row < end && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
            if (UNLIKELY(m->outputs.stamped)) {
                flat_outputs_begin_row(&m->outputs, r->batch, row_reader_source(reader, r->row));
            }
            user_states_set_row(states, start + r->row);
            int rc = call(&f->ctx, row_reader_row(reader, r->row), out);
            if (UNLIKELY(rc < 0)) {
                return flat_outputs_failed(&m->outputs, f, rc, err);
            }
            if (UNLIKELY(m->outputs.stamped)) {
                flat_outputs_end(&m->outputs);
            }
            r->row++;
        }
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&m->outputs, f, err);
}

static int flat_run(struct flat_map_operator *m, struct op_context *ctx, struct error *err)
{
    bool more = m->rows.batch != NULL;
    while (more && emit_queue_len(&m->rows.queue) < EMIT_QUEUE_STOP) {
        TRY(row_operator_advance(&m->rows, &more, err));
        if (more) {
            TRY(flat_tile(m, err));
        }
    }
    return emit_queue_drain(&m->rows.queue, ctx) || more ? OP_MORE : OP_DONE;
}

static int flat_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    TRY(row_operator_take(&m->rows, input, take_batch, err));
    m->outputs.stamped = row_operator_is_stamped(&m->rows);
    return flat_run(m, ctx, err);
}

static int flat_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return flat_run((struct flat_map_operator *)op, ctx, err);
}

static int flat_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    if (m->rows.batch == NULL && emit_queue_len(&m->rows.queue) == 0) {
        flat_outputs_flush(&m->outputs, ctx); /* else full batches come first, by resume() */
    }
    return 0;
}

static int flat_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct error *err)
{
    return flat_flush(op, ctx, err);
}

#define FLAT_OPERATOR(name, kind_text, inputs, summary_text) \
    const struct operator_desc operator_##name = {           \
        .struct_size = sizeof(struct operator_desc),         \
        .version = 1,                                        \
        .kind = kind_text,                                   \
        .summary = summary_text,                             \
        .instance_size = sizeof(struct flat_map_operator),   \
        .n_inputs = inputs,                                  \
        .open = flat_open,                                   \
        .process = flat_process,                             \
        .resume = flat_resume,                               \
        .end_of_input = flat_end_of_input,                   \
        .flush = flat_flush,                                 \
        .close = flat_close,                                 \
        .snapshot = row_operator_snapshot,                   \
    }

FLAT_OPERATOR(flat_map, "flinc.flat_map", 1,
              "Any number of records for each record (DataStream.flatMap)");
FLAT_OPERATOR(process, "flinc.process", 1,
              "Any number of records for each, with side outputs (DataStream.process)");
FLAT_OPERATOR(co_flat_map, "flinc.co_flat_map", 2,
              "Any number of records for each of two streams (ConnectedStreams.flatMap)");
FLAT_OPERATOR(co_process, "flinc.co_process", 2,
              "Two streams with side outputs (ConnectedStreams.process)");
