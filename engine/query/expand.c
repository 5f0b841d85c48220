/* flinc.query.expand: each row once per grouping set, columns that are not in the set NULL, the set's number behind.
 *
 * A batch goes out once per set: columns that are kept are shared, not copied.  Flink: BatchExecExpand.  Thread: the task's. */
#include "engine/query/inside.h"
#include "engine/query/query.h"

#include "engine/expr/expr.h"

struct expand_operator {
    struct operator base;
    Flinc__ExpandConfig *config; /* Owns */
    struct batch *batch;         /* Owns: that is being repeated */
    size_t next;                 /* set */
};

static int check_config(const struct expand_operator *e, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *in = ctx->input_schemas[0], *out = ctx->output_schemas[0];
    bool fits =
        out->n_fields == in->n_fields + 1 && out->fields[in->n_fields].type->layout == LAYOUT_I64;
    for (uint32_t i = 0; fits && i < in->n_fields; i++) {
        fits = out->fields[i].type->id == in->fields[i].type->id &&
               out->fields[i].type->layout == in->fields[i].type->layout;
    }
    for (size_t i = 0; fits && i < e->config->n_sets; i++) {
        fits = e->config->sets[i]->n_keep == in->n_fields;
    }
    return fits ? 0 : query_config_damaged(ctx, "its sets do not fit its columns", err);
}

static int expand_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct expand_operator *e = (struct expand_operator *)op;
    e->config = query_config_read(ctx, &flinc__expand_config__descriptor, err);
    return e->config == NULL ? ERR_CORRUPT : check_config(e, ctx, err);
}

static struct batch *expanded(const struct expand_operator *e, struct op_context *ctx,
                              const Flinc__ExpandConfig__Set *set)
{
    const uint32_t n = ctx->input_schemas[0]->n_fields;
    int32_t *map = mem_alloc((n + 1) * sizeof(*map));
    for (uint32_t i = 0; i < n; i++) {
        map[i] = set->keep[i] ? (int32_t)i : -1;
    }
    map[n] = -1;
    struct batch *out = batch_project(ctx->pool, e->batch, ctx->output_schemas[0], map);
    for (uint32_t i = 0; i < n; i++) {
        if (!set->keep[i]) {
            column_fill_nulls(ctx->pool, &out->columns[i], out->n_rows);
        }
    }
    const struct expr_value id = {.integer = set->id};
    expr_value_fill(ctx->pool, out->columns[n].type, &id, out->n_rows, &out->columns[n]);
    mem_free(map);
    return out;
}

static int expand_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct expand_operator *e = (struct expand_operator *)op;
    if (e->batch != NULL && e->next < e->config->n_sets) {
        op_emit(ctx, 0, expanded(e, ctx, e->config->sets[e->next++]));
    }
    if (e->batch != NULL && e->next < e->config->n_sets) {
        return OP_MORE;
    }
    e->batch = batch_unref(e->batch);
    return OP_DONE;
}

static int expand_process(struct operator* op, struct op_context *ctx, uint32_t input,
                          struct batch *take_batch, struct error *err)
{
    struct expand_operator *e = (struct expand_operator *)op;
    e->batch = take_batch;
    e->next = 0;
    return expand_resume(op, ctx, err);
}

static void expand_close(struct operator* op, struct op_context *ctx)
{
    struct expand_operator *e = (struct expand_operator *)op;
    e->batch = batch_unref(e->batch);
    query_config_free(e->config);
}

const struct operator_desc query_expand = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.expand",
    .summary = "Each row once per grouping set (GROUPING SETS, CUBE, ROLLUP)",
    .instance_size = sizeof(struct expand_operator),
    .n_inputs = 1,
    .open = expand_open,
    .process = expand_process,
    .resume = expand_resume,
    .close = expand_close,
};
