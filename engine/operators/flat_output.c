/* Outputs of functions that make any number of records (flat_output.h).  Thread: the task's. */
#include "engine/operators/flat_output.h"

static void stamp(struct flat_output *o)
{
    builder_fill_timestamps(&o->builder, o->mark, o->all->timestamp);
    builder_fill_kinds(&o->builder, o->mark, o->all->kind);
    o->mark = builder_rows(&o->builder);
}

void flat_outputs_end(struct flat_outputs *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        stamp(&o->items[i]);
    }
}

static int flat_on_full(void *arg, struct builder *b)
{
    struct flat_output *o = arg;
    if (o->all->stamped) {
        stamp(o);
    }
    o->mark = 0;
    emit_queue_push(o->all->queue, o->number, builder_finish(b));
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------- */

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

int flat_outputs_open(struct flat_outputs *outputs, struct row_operator *rows,
                      struct op_context *ctx, const Flinc__FunctionOperatorConfig *config,
                      struct error *err)
{
    struct user_functions *fs = &rows->functions;
    outputs->queue = &rows->queue;
    if (ctx->n_outputs > ARRAY_LEN(outputs->items) || config->n_outputs < ctx->n_outputs ||
        ctx->spec->n_outputs < ctx->n_outputs) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' has %u outputs and %zu structs for them; at most %d side "
                         "outputs",
                         ctx->spec->name, ctx->n_outputs, config->n_outputs, USER_SIDES_MAX);
    }
    for (uint32_t i = 0; i < ctx->n_outputs; i++) {
        struct flat_output *o = &outputs->items[i];
        const char *tag = ctx->spec->outputs[i]->tag;
        STR_AUTO what = STR_INIT;
        str_printf(&what, "%s '%s' of operator '%s'", i == 0 ? "output" : "side output",
                   i == 0 ? "main" : tag, ctx->spec->name);
        TRY(check_struct(config->outputs[i], ctx->output_schemas[i], str_cstr(&what), err));
        builder_init(&o->builder, ctx->pool, ctx->output_schemas[i], BATCH_ROWS_TARGET);
        o->builder.on_full = flat_on_full;
        o->builder.on_full_arg = o;
        o->all = outputs;
        o->number = i;
        outputs->n = i + 1;
        if (i > 0) {
            fs->sides[fs->n_sides++] = (struct user_side){.tag = tag, .out = &o->builder.out};
        }
    }
    return 0;
}

void flat_outputs_close(struct flat_outputs *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        builder_fini(&o->items[i].builder);
    }
    o->n = 0;
}

/* ---- errors ------------------------------------------------------------------------------------ */

int flat_outputs_check(const struct flat_outputs *o, const struct user_function *f,
                       struct error *err)
{
    for (uint32_t i = 0; i < o->n; i++) {
        int rc = builder_check(&o->items[i].builder, err);
        if (UNLIKELY(rc < 0)) {
            error_context(err, "function '%s' (%s) emits a record", f->ref->name, f->ref->location);
            return rc;
        }
    }
    return 0;
}

int flat_outputs_failed(const struct flat_outputs *o, const struct user_function *f, int rc,
                        struct error *err)
{
    if (!f->ctx.failed) {
        TRY(flat_outputs_check(o, f, err));
    }
    return user_function_failed(f, rc, err);
}

/* ---- out --------------------------------------------------------------------------------------- */

void flat_outputs_flush(struct flat_outputs *o, struct op_context *ctx)
{
    ASSERT(emit_queue_len(o->queue) == 0);
    for (uint32_t i = 0; i < o->n; i++) {
        struct batch *b = builder_finish(&o->items[i].builder);
        if (b != NULL) {
            op_emit(ctx, i, b);
        }
    }
}
