/* flinc.query.calc: rows for which all conditions are TRUE, as outputs.
 *
 * One program.  Columns that are forwarded are not copied; rows that are left out are left out by a selection; kinds,
 * timestamps and watermarks pass.  Flink: StreamExecCalc, the generated Calc.  Thread: the task's. */
#include "engine/query/inside.h"
#include "engine/query/query.h"

struct calc_operator {
    struct operator base;
    struct query_program program;
};

static int calc_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct calc_operator *c = (struct calc_operator *)op;
    Flinc__CalcConfig *config = query_config_read(ctx, &flinc__calc_config__descriptor, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    const struct query_program_spec spec = {
        .context = config->context,
        .exprs = config->exprs,
        .conditions = config->conditions,
        .n_conditions = config->n_conditions,
        .outputs = config->outputs,
        .n_outputs = config->n_outputs,
        .input = ctx->input_schemas[0],
        .output = ctx->output_schemas[0],
    };
    const int rc = query_program_open(&c->program, ctx, &spec, err);
    query_config_free(config);
    return rc;
}

static int calc_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct calc_operator *c = (struct calc_operator *)op;
    struct batch *out = NULL;
    const int rc = query_program_run(&c->program, ctx, take_batch, &out, err);
    batch_unref(take_batch);
    TRY(rc);
    if (out != NULL) {
        op_emit(ctx, 0, out);
    }
    return OP_DONE;
}

static void calc_close(struct operator* op, struct op_context *ctx)
{
    query_program_close(&((struct calc_operator *)op)->program);
}

const struct operator_desc query_calc = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.calc",
    .summary = "Rows that meet conditions, as expressions of them (SELECT ... WHERE)",
    .instance_size = sizeof(struct calc_operator),
    .n_inputs = 1,
    .open = calc_open,
    .process = calc_process,
    .close = calc_close,
};
