/* flinc.query.watermark: watermarks from an expression of each row, told behind each batch in which they rise.
 *
 * NULL says nothing; a row without a time attribute fails the job.  Watermarks from above end here but for the last one.  Without rows for
 * as long as the time-out says the stream is idle.  Flink: WatermarkAssignerOperator.  Thread: the task's. */
#include "engine/query/inside.h"
#include "engine/query/query.h"

struct watermark_operator {
    struct operator base;
    struct query_program program;
    uint32_t rowtime;
    int64_t idle_timeout_ms;
    int64_t last_ms;        /* watermark that was told */
    int64_t last_record_ms; /* by the clock */
    bool is_idle;
};

static int64_t millis_at(const struct column *c, uint32_t row)
{
    if (c->type->layout == LAYOUT_TS_NANO) {
        return COLUMN_VALUES(c, const struct ts_nano)[row].millis;
    }
    const int64_t v = COLUMN_VALUES(c, const int64_t)[row];
    if (c->type->id == TYPE_BIGINT || c->type->precision <= 3) {
        return v;
    }
    return v >= 0 ? v / 1000 : -((999 - v) / 1000); /* from microseconds */
}

static bool is_time(const struct data_type *t)
{
    return t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_LTZ;
}

static int open_program(struct watermark_operator *w, struct op_context *ctx,
                        const Flinc__QueryWatermarkConfig *c, struct error *err)
{
    const Flinc__ExprList *list = c->exprs;
    const char *name = "watermark";
    struct data_type *type = NULL;
    if (list == NULL || c->watermark >= list->n_nodes ||
        list->nodes[c->watermark]->type >= list->n_types) {
        return query_config_damaged(ctx, "it has no expression", err);
    }
    TRY(type_parse(slice_cstr(list->types[list->nodes[c->watermark]->type]), &type, err));
    const bool is_right = is_time(type);
    struct schema *schema = schema_new(&name, &type, 1);
    const struct query_program_spec spec = {
        .context = c->context,
        .exprs = list,
        .outputs = &c->watermark,
        .n_outputs = 1,
        .input = ctx->input_schemas[0],
        .output = schema,
    };
    const int rc =
        is_right ? query_program_open(&w->program, ctx, &spec, err)
                 : query_config_damaged(ctx, "a watermark is TIMESTAMP or TIMESTAMP_LTZ", err);
    schema_unref(schema);
    return rc;
}

static void arm(struct watermark_operator *w, struct op_context *ctx)
{
    if (w->idle_timeout_ms > 0 && !w->is_idle) {
        op_timer_at(ctx, w->last_record_ms + w->idle_timeout_ms);
    }
}

static int watermark_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    Flinc__QueryWatermarkConfig *c =
        query_config_read(ctx, &flinc__query_watermark_config__descriptor, err);
    if (c == NULL) {
        return ERR_CORRUPT;
    }
    w->rowtime = c->rowtime;
    w->idle_timeout_ms = c->idle_timeout_ms;
    w->last_ms = INT64_MIN;
    w->last_record_ms = clock_now_ms(ctx->clock);
    int rc = query_check_columns(ctx, ctx->input_schemas[0], &w->rowtime, 1, err);
    if (rc == 0) {
        rc = open_program(w, ctx, c, err);
    }
    query_config_free(c);
    arm(w, ctx);
    return rc;
}

static int check_rowtime(const struct watermark_operator *w, const struct op_context *ctx,
                         const struct batch *b, struct error *err)
{
    const struct column *c = &b->columns[w->rowtime];
    for (uint32_t i = 0; c->validity != NULL && i < b->n_sel; i++) {
        if (column_is_null(c, batch_row(b, i))) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "operator '%s': RowTime field should not be null, please convert it to a "
                "non-null long value: column '%s'",
                ctx->spec->name, b->schema->fields[w->rowtime].name);
        }
    }
    return 0;
}

static int greatest(struct watermark_operator *w, struct op_context *ctx, struct batch *b,
                    int64_t *ret, struct error *err)
{
    struct batch *values = NULL;
    TRY(check_rowtime(w, ctx, b, err));
    TRY(query_program_run(&w->program, ctx, b, &values, err));
    for (uint32_t i = 0; values != NULL && i < values->n_sel; i++) {
        const uint32_t row = batch_row(values, i);
        if (!column_is_null(&values->columns[0], row)) {
            const int64_t v = millis_at(&values->columns[0], row);
            *ret = MAX(*ret, v);
        }
    }
    batch_unref(values);
    return 0;
}

static int watermark_process(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct batch *take_batch, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    int64_t highest = w->last_ms;
    const int rc = greatest(w, ctx, take_batch, &highest, err);
    if (rc < 0) {
        batch_unref(take_batch);
        return rc;
    }
    if (w->is_idle) {
        w->is_idle = false;
        op_emit_idle(ctx, false);
    }
    op_emit(ctx, 0, take_batch);
    w->last_record_ms = clock_now_ms(ctx->clock);
    arm(w, ctx);
    if (highest > w->last_ms) {
        w->last_ms = highest;
        op_emit_watermark(ctx, highest);
    }
    return OP_DONE;
}

static int watermark_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                     struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    if (w->idle_timeout_ms > 0 && !w->is_idle && now_ms >= w->last_record_ms + w->idle_timeout_ms) {
        w->is_idle = true;
        op_emit_idle(ctx, true);
    }
    arm(w, ctx);
    return OP_DONE;
}

static int watermark_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                               struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    if (watermark_ms == INT64_MAX && w->last_ms < INT64_MAX) {
        w->last_ms = INT64_MAX;
        op_emit_watermark(ctx, INT64_MAX);
    }
    return OP_DONE;
}

static void watermark_close(struct operator* op, struct op_context *ctx)
{
    query_program_close(&((struct watermark_operator *)op)->program);
}

const struct operator_desc query_watermark = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.watermark",
    .summary = "Watermarks from an expression of each row (WATERMARK FOR)",
    .instance_size = sizeof(struct watermark_operator),
    .n_inputs = 1,
    .open = watermark_open,
    .process = watermark_process,
    .close = watermark_close,
    .flags = OPERATOR_OWN_WATERMARKS,
    .watermark = watermark_watermark,
    .processing_time = watermark_processing_time,
};
