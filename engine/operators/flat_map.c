/* flinc.flat_map, flinc.process and their co- variants: any number of records for each record, on the
 * main output and, for process functions, on side outputs.
 *
 * The function writes straight into the columns of the output batches (flinc_out is the face of a
 * builder).  Full batches queue; what is half built waits for the next input batch or for flush().
 * Records carry timestamp and kind of the record that they were made from.
 * Flink: StreamFlatMap, ProcessOperator, CoStreamFlatMap, CoProcessOperator.  Thread: the task's. */
#include "engine/operators/registry.h"
#include "engine/operators/row_operator.h"

struct flat_output {
    struct builder builder;
    struct flat_map_operator *op;
    uint32_t number;
    uint32_t mark; /* rows before it are stamped */
};

struct flat_map_operator {
    struct row_operator rows;
    struct flat_output outputs[1 + USER_SIDES_MAX];
    uint32_t n_outputs;
    bool stamped; /* the batch at hand has timestamps or kinds, those of the row at hand being: */
    int64_t timestamp;
    enum row_kind kind;
};

/* ---- life -------------------------------------------------------------------------------------- */

static void stamp(struct flat_output *o)
{
    struct flat_map_operator *m = o->op;
    builder_fill_timestamps(&o->builder, o->mark, m->timestamp);
    builder_fill_kinds(&o->builder, o->mark, m->kind);
    o->mark = builder_rows(&o->builder);
}

static int flat_on_full(void *arg, struct builder *b)
{
    struct flat_output *o = arg;
    if (o->op->stamped) {
        stamp(o);
    }
    o->mark = 0;
    emit_queue_push(&o->op->rows.queue, o->number, builder_finish(b));
    return 0;
}

/* FLINC_EMIT writes field i into column i: the struct must be the schema, in order. */
static int check_struct(const Flinc__StructDesc *desc, const struct schema *schema,
                        const char *what, struct error *err)
{
    struct record_layout l;
    TRY(struct_layout_init(&l, desc, schema, what, err));
    bool fits = l.n_fields == schema->n_fields;
    for (uint32_t i = 0; fits && i < l.n_fields; i++) {
        fits = l.fields[i].column == i;
    }
    record_layout_fini(&l);
    return fits ? 0
                : error_set(err, ERR_INVALID_ARGUMENT,
                            "%s: the struct's fields are not the stream's columns in their order",
                            what);
}

static int open_outputs(struct flat_map_operator *m, struct op_context *ctx,
                        const Flinc__FunctionOperatorConfig *config, struct error *err)
{
    struct user_functions *fs = &m->rows.functions;
    if (ctx->n_outputs > ARRAY_LEN(m->outputs) || config->n_outputs < ctx->n_outputs ||
        ctx->spec->n_outputs < ctx->n_outputs) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' has %u outputs and %zu structs for them; at most %d side "
                         "outputs",
                         ctx->spec->name, ctx->n_outputs, config->n_outputs, USER_SIDES_MAX);
    }
    for (uint32_t i = 0; i < ctx->n_outputs; i++) {
        struct flat_output *o = &m->outputs[i];
        const char *tag = ctx->spec->outputs[i]->tag;
        STR_AUTO what = STR_INIT;
        str_printf(&what, "%s '%s' of operator '%s'", i == 0 ? "output" : "side output",
                   i == 0 ? "main" : tag, ctx->spec->name);
        TRY(check_struct(config->outputs[i], ctx->output_schemas[i], str_cstr(&what), err));
        builder_init(&o->builder, ctx->pool, ctx->output_schemas[i], BATCH_ROWS_TARGET);
        o->builder.on_full = flat_on_full;
        o->builder.on_full_arg = o;
        o->op = m;
        o->number = i;
        m->n_outputs = i + 1;
        if (i > 0) {
            fs->sides[fs->n_sides++] = (struct user_side){.tag = tag, .out = &o->builder.out};
        }
    }
    return 0;
}

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
    TRY(open_outputs(m, ctx, config, err));
    return user_functions_start(&m->rows.functions, err);
}

static void flat_close(struct operator* op, struct op_context *ctx)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    row_operator_close(&m->rows);
    for (uint32_t i = 0; i < m->n_outputs; i++) {
        builder_fini(&m->outputs[i].builder);
    }
    m->n_outputs = 0;
}

/* ---- records ----------------------------------------------------------------------------------- */

static void stamp_begin(struct flat_map_operator *m, uint32_t row)
{
    const struct batch *b = m->rows.batch;
    m->timestamp = b->timestamps != NULL ? ((const int64_t *)(const void *)b->timestamps->data)[row]
                                         : BATCH_NO_TIMESTAMP;
    m->kind = b->row_kinds != NULL ? (enum row_kind)b->row_kinds->data[row] : ROW_KIND_INSERT;
    for (uint32_t i = 0; i < m->n_outputs; i++) {
        m->outputs[i].mark = builder_rows(&m->outputs[i].builder);
    }
}

static void stamp_end(struct flat_map_operator *m)
{
    for (uint32_t i = 0; i < m->n_outputs; i++) {
        stamp(&m->outputs[i]);
    }
}

/* What an output refused (a string that is too long) explains a code that the function returned. */
static int check_outputs(const struct flat_map_operator *m, struct error *err)
{
    for (uint32_t i = 0; i < m->n_outputs; i++) {
        int rc = builder_check(&m->outputs[i].builder, err);
        if (UNLIKELY(rc < 0)) {
            const Flinc__FunctionRef *ref = m->rows.functions.items[m->rows.input].ref;
            error_context(err, "function '%s' (%s) emits a record", ref->name, ref->location);
            return rc;
        }
    }
    return 0;
}

static COLD int failed(const struct flat_map_operator *m, const struct user_function *f, int rc,
                       struct error *err)
{
    if (!f->ctx.failed) {
        TRY(check_outputs(m, err));
    }
    return user_function_failed(f, rc, err);
}

static int flat_tile(struct flat_map_operator *m, struct error *err)
{
    struct row_operator *r = &m->rows;
    struct user_function *f = &r->functions.items[r->input];
    const struct row_reader *reader = &r->readers[r->input];
    flinc_out *out = &m->outputs[0].builder.out;
    int (*call)(flinc_ctx *, const void *, flinc_out *) =
        (int (*)(flinc_ctx *, const void *, flinc_out *))f->call;
    while (r->row < r->tile_rows && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        TRY(user_function_check_cancelled(f, err));
        uint32_t end = MIN(r->row + USER_CANCEL_ROWS, r->tile_rows);
        while (r->row < end && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
            if (UNLIKELY(m->stamped)) {
                stamp_begin(m, row_reader_source(reader, r->row));
            }
            int rc = call(&f->ctx, row_reader_row(reader, r->row), out);
            if (UNLIKELY(rc < 0)) {
                return failed(m, f, rc, err);
            }
            if (UNLIKELY(m->stamped)) {
                stamp_end(m);
            }
            r->row++;
        }
    }
    TRY(user_function_check(f, err));
    return check_outputs(m, err);
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
    row_operator_take(&m->rows, input, take_batch);
    m->stamped = row_operator_is_stamped(&m->rows);
    return flat_run(m, ctx, err);
}

static int flat_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return flat_run((struct flat_map_operator *)op, ctx, err);
}

static int flat_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct flat_map_operator *m = (struct flat_map_operator *)op;
    if (m->rows.batch != NULL || emit_queue_len(&m->rows.queue) > 0) {
        return 0; /* full batches come first: they leave by resume() */
    }
    for (uint32_t i = 0; i < m->n_outputs; i++) {
        struct batch *b = builder_finish(&m->outputs[i].builder);
        if (b != NULL) {
            op_emit(ctx, i, b);
        }
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
    }

FLAT_OPERATOR(flat_map, "flinc.flat_map", 1,
              "Any number of records for each record (DataStream.flatMap)");
FLAT_OPERATOR(process, "flinc.process", 1,
              "Any number of records for each, with side outputs (DataStream.process)");
FLAT_OPERATOR(co_flat_map, "flinc.co_flat_map", 2,
              "Any number of records for each of two streams (ConnectedStreams.flatMap)");
FLAT_OPERATOR(co_process, "flinc.co_process", 2,
              "Two streams with side outputs (ConnectedStreams.process)");
