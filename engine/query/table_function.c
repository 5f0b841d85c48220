/* flinc.query.table_function: the rows that a user's table function makes of each row of the input: the input's columns, then the function's.
 *
 * The function gets slices of a batch; what it makes waits in a queue, so that no slice is begun while much is left.
 * Expressions of conditions count columns of the output.  Flink: Correlate of a TableFunction.  Thread: the task's. */
#include "engine/expr/wire.h"
#include "engine/operators/emit_queue.h"
#include "engine/query/correlate.h"
#include "engine/query/inside.h"
#include "engine/query/query.h"
#include "engine/userfunctions/userfunctions.h"

enum { SLICE_ROWS = 256 };

struct table_function {
    struct operator base;
    struct op_context *ctx;             /* Borrows */
    Flinc__TableFunctionConfig *config; /* Owns */
    struct schema *args_schema;         /* Owns a ref; NULL: no arguments */
    struct schema *made_schema;         /* Owns a ref: the function's columns */
    struct query_program args;
    struct query_correlate correlate;
    struct user_call *call; /* Owns */
    struct builder builder; /* rows of the function */
    bool has_builder;
    uint16_t *of; /* Owns: whose they are */
    struct emit_queue queue;

    struct batch *input;  /* Owns: at hand; NULL: none */
    struct batch *values; /* Owns: its arguments; NULL: none */
    uint16_t *rows;       /* Owns: rows of the input that count, n_rows of them */
    uint32_t n_rows, next;
    struct error *err; /* Borrows: of the call that runs */
};

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The call, resolved again: its type must be the one that was planned. */
static int resolve_call(struct table_function *t, const struct op_context *ctx,
                        struct expr_pool *pool, struct arena *arena, const struct expr **ret,
                        struct error *err)
{
    const Flinc__TableFunctionConfig *c = t->config;
    const struct expr_function *f;
    const struct expr **nodes = NULL, **args = arena_alloc(arena, (c->n_args + 1) * sizeof(*args));
    STR_AUTO type = STR_INIT;
    TRY(expr_read(c->exprs, ctx->input_schemas[0], pool, arena, &nodes, err));
    for (size_t i = 0; i < c->n_args; i++) {
        if (c->exprs == NULL || c->args[i] >= c->exprs->n_nodes) {
            return query_config_damaged(ctx, "an argument is not there", err);
        }
        args[i] = nodes[c->args[i]];
    }
    TRY(expr_function_read(c->function, &f, err));
    if (f->kind != EXPR_TABLE_FUNCTION || !user_function_is_own(f)) {
        return query_config_damaged(ctx, "it calls what is no table function", err);
    }
    TRY(expr_call_resolve(pool, f, args, (uint32_t)c->n_args, ret, err));
    type_print((*ret)->type, &type);
    if ((*ret)->n_args != c->n_args || strcmp(str_cstr(&type), c->type) != 0 ||
        (c->n_args > 0 && memcmp((*ret)->args, args, c->n_args * sizeof(*args)) != 0)) {
        return query_config_damaged(ctx, "its function has other types here", err);
    }
    return 0;
}

static struct schema *schema_of_args(const struct expr *call)
{
    const char **names = mem_zalloc_array(call->n_args, sizeof(*names));
    struct data_type **types = mem_zalloc_array(call->n_args, sizeof(*types));
    for (uint32_t i = 0; i < call->n_args; i++) {
        names[i] = "arg";
        types[i] = type_ref(call->args[i]->type);
    }
    struct schema *s = schema_new(names, types, call->n_args);
    mem_free(names);
    mem_free(types);
    return s;
}

/* The output is the input's columns, then those of the function. */
static int check_output(struct table_function *t, const struct op_context *ctx,
                        const struct data_type *made, struct error *err)
{
    const struct schema *in = ctx->input_schemas[0], *out = ctx->output_schemas[0];
    const uint32_t n = made->id == TYPE_ROW ? made->n_children : 1;
    bool fits = out->n_fields == in->n_fields + n;
    for (uint32_t i = 0; fits && i < out->n_fields; i++) {
        const struct data_type *want = i < in->n_fields       ? in->fields[i].type
                                       : made->id == TYPE_ROW ? made->children[i - in->n_fields]
                                                              : made;
        fits = out->fields[i].type->id == want->id && out->fields[i].type->layout == want->layout;
    }
    if (!fits) {
        return query_config_damaged(ctx, "its output has other columns", err);
    }
    const char **names = mem_zalloc_array(n, sizeof(*names));
    struct data_type **types = mem_zalloc_array(n, sizeof(*types));
    for (uint32_t i = 0; i < n; i++) {
        names[i] = out->fields[in->n_fields + i].name;
        types[i] = type_ref(made->id == TYPE_ROW ? made->children[i] : made);
    }
    t->made_schema = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return 0;
}

static int open_programs(struct table_function *t, const struct op_context *ctx, struct error *err)
{
    const Flinc__TableFunctionConfig *c = t->config;
    const struct query_program_spec args = {
        .context = c->context,
        .exprs = c->exprs,
        .outputs = c->args,
        .n_outputs = c->n_args,
        .input = ctx->input_schemas[0],
        .output = t->args_schema,
    };
    const struct query_program_spec conditions = {
        .context = c->context,
        .exprs = c->condition_exprs,
        .conditions = c->conditions,
        .n_conditions = c->n_conditions,
        .input = ctx->output_schemas[0],
    };
    if (c->n_args > 0) {
        TRY(query_program_open(&t->args, ctx, &args, err));
    }
    return query_correlate_open(&t->correlate, ctx, &conditions, err);
}

static int on_full(void *arg, struct builder *b);

static int open_call(struct table_function *t, struct op_context *ctx, struct error *err)
{
    struct expr_pool *pool = expr_pool_new();
    const struct expr *call = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    int rc = resolve_call(t, ctx, pool, &arena, &call, err);
    rc = rc < 0 ? rc : check_output(t, ctx, call->type, err);
    if (rc == 0) {
        t->args_schema = schema_of_args(call);
        rc = user_call_open(call->function, call->args, call->n_args, call->type, &t->call, err);
    }
    arena_fini(&arena);
    expr_pool_free(pool);
    return rc;
}

static int table_function_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct table_function *t = (struct table_function *)op;
    t->ctx = ctx;
    t->config = query_config_read(ctx, &flinc__table_function_config__descriptor, err);
    if (t->config == NULL) {
        return ERR_CORRUPT;
    }
    TRY(open_call(t, ctx, err));
    TRY(open_programs(t, ctx, err));
    builder_init(&t->builder, ctx->pool, t->made_schema, BATCH_ROWS_TARGET);
    t->builder.on_full = on_full;
    t->builder.on_full_arg = t;
    t->has_builder = true;
    t->of = mem_zalloc_array(BATCH_ROWS_MAX, sizeof(*t->of));
    t->rows = mem_zalloc_array(BATCH_ROWS_MAX, sizeof(*t->rows));
    return 0;
}

static void table_function_close(struct operator* op, struct op_context *ctx)
{
    struct table_function *t = (struct table_function *)op;
    (void)ctx;
    t->call = user_call_close(t->call);
    emit_queue_fini(&t->queue);
    batch_unref(t->input);
    batch_unref(t->values);
    query_program_close(&t->args);
    query_correlate_close(&t->correlate);
    if (t->has_builder) {
        builder_fini(&t->builder);
    }
    schema_unref(t->args_schema);
    schema_unref(t->made_schema);
    mem_free(t->of);
    mem_free(t->rows);
    query_config_free(t->config);
}

/* ---- what the function made --------------------------------------------------------------------------- */

static int join_input(struct table_function *t, const struct batch *made, struct batch *out,
                      struct error *err)
{
    const struct batch *in = t->input;
    const uint32_t n = made->n_rows;
    for (uint32_t i = 0; i < n; i++) {
        if (t->of[i] >= in->n_rows) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "the table function of operator '%s' makes a row for row %u of a "
                             "batch that has %u",
                             t->ctx->spec->name, t->of[i], in->n_rows);
        }
    }
    TRY(query_correlate_gather(t->ctx, in, t->of, n, out, err));
    for (uint32_t i = 0; i < made->n_columns; i++) {
        column_share(t->ctx->pool, &out->columns[in->n_columns + i], &made->columns[i]);
    }
    return 0;
}

static int on_full(void *arg, struct builder *b)
{
    struct table_function *t = arg;
    struct batch *made = builder_finish(b);
    if (made == NULL) {
        return 0;
    }
    struct batch *out = batch_new(t->ctx->pool, t->ctx->output_schemas[0]);
    int rc = join_input(t, made, out, t->err);
    batch_unref(made);
    if (rc < 0) {
        batch_unref(out);
        return rc;
    }
    TRY(query_correlate_filter(&t->correlate, t->ctx, t->of, &out, t->err));
    if (out != NULL) {
        emit_queue_push(&t->queue, 0, out);
    }
    return 0;
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static int run_slice(struct table_function *t, struct error *err)
{
    const struct user_rows in = {
        .args = t->values != NULL ? t->values->columns : NULL,
        .rows = t->rows + t->next,
        .n = MIN(t->n_rows - t->next, (uint32_t)SLICE_ROWS),
    };
    flinc_udf_rows to = {.struct_size = sizeof(to), .out = &t->builder.out, .of = t->of};
    t->err = err;
    t->next += in.n;
    int rc = user_call_table(t->call, &in, &to, err);
    if (rc == 0 && t->next == t->n_rows) {
        rc = on_full(t, &t->builder);
    }
    return rc;
}

static void end_batch(struct table_function *t)
{
    if (t->config->left) {
        emit_queue_push(&t->queue, 0, query_correlate_unmet(&t->correlate, t->ctx, t->input));
    }
    t->input = batch_unref(t->input);
    t->values = batch_unref(t->values);
}

static int table_function_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct table_function *t = (struct table_function *)op;
    while (t->input != NULL && emit_queue_len(&t->queue) < EMIT_QUEUE_STOP) {
        TRY(query_check_cancelled(ctx, err));
        if (t->next < t->n_rows) {
            TRY(run_slice(t, err));
        }
        if (t->next == t->n_rows) {
            end_batch(t);
        }
    }
    return emit_queue_drain(&t->queue, ctx) || t->input != NULL ? OP_MORE : OP_DONE;
}

static int table_function_process(struct operator* op, struct op_context *ctx, uint32_t input,
                                  struct batch *take_batch, struct error *err)
{
    struct table_function *t = (struct table_function *)op;
    t->input = take_batch;
    t->n_rows = take_batch->n_sel;
    t->next = 0;
    for (uint32_t i = 0; i < t->n_rows; i++) {
        t->rows[i] = (uint16_t)batch_row(take_batch, i);
    }
    query_correlate_begin(&t->correlate);
    if (t->args.program != NULL) {
        TRY(query_program_run(&t->args, ctx, take_batch, &t->values, err));
    }
    return table_function_resume(op, ctx, err);
}

const struct operator_desc query_table_function = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.table_function",
    .summary = "The rows that a user's table function makes of each row",
    .instance_size = sizeof(struct table_function),
    .n_inputs = 1,
    .open = table_function_open,
    .process = table_function_process,
    .resume = table_function_resume,
    .close = table_function_close,
};
