/* flinc.timestamps_and_watermarks: gives records their timestamps, and the stream its watermarks.
 *
 * Timestamps are those of a column (taken over by reference when its numbers are milliseconds), of a
 * function, or the ones that records have.  Periodic watermarks go out every auto-watermark interval, and
 * when the input pauses; a strategy that looks at each record has its watermark right behind the record,
 * for which the batch is split.  Watermarks from above end here, but the end of event time (INT64_MAX)
 * goes on.  The stream is idle when there was no record for the time-out; not while alignment holds it.
 * Flink: TimestampsAndWatermarksOperator, BoundedOutOfOrdernessWatermarks, WatermarksWithIdleness.
 * Thread: the task's. */
#include "engine/operators/registry.h"
#include "engine/operators/row_operator.h"

#include "common/conf/conf.h"
#include "engine/operators/time/alignment.h"
#include "flinc/time.h"

enum {
    INTERVAL_MS_DEFAULT = 200,
    SPLITS_PER_CALL = 16, /* batches that one call cuts off behind their watermarks */
    MS_PER_DAY = 24 * 60 * 60 * 1000,
};

struct watermark_operator {
    struct row_operator rows;
    Flinc__WatermarkKind kind;
    int64_t delay_ms;
    int64_t highest_ms;      /* timestamp so far; INT64_MIN: none */
    int64_t last_ms;         /* watermark that went out; INT64_MIN: none */
    int64_t interval_ms;     /* of periodic watermarks; 0: none */
    int64_t idle_timeout_ms; /* 0: never */
    int64_t last_record_ms;  /* processing time of the last batch */
    int64_t next_periodic_ms;
    bool idle;
    bool has_column;
    uint32_t column;
    int64_t (*timestamp_of)(flinc_ctx *ctx, const void *in, int64_t timestamp);
    int64_t (*on_event)(flinc_ctx *ctx, const void *in, int64_t timestamp);
    int64_t (*on_periodic)(flinc_ctx *ctx);
    struct user_function *timestamp_function, *event_function, *periodic_function;
    uint32_t sent; /* selected rows of the batch at hand that went out (on_event) */
    struct alignment alignment;
};

/* ---- life -------------------------------------------------------------------------------------- */

static void config_free(Flinc__WatermarkConfig **config)
{
    if (*config != NULL) {
        flinc__watermark_config__free_unpacked(*config, NULL);
    }
}

static bool is_time_column(const struct data_type *type)
{
    switch (type->id) {
    case TYPE_INTEGER:
    case TYPE_BIGINT:
    case TYPE_DATE:
        return true;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return type->layout == LAYOUT_I64 || type->layout == LAYOUT_TS_NANO;
    default:
        return false;
    }
}

static int check_column(const struct watermark_operator *w, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *schema = ctx->input_schemas[0];
    if (w->column >= schema->n_fields || !is_time_column(schema->fields[w->column].type)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': timestamps come from a column of type INT, BIGINT "
                         "(milliseconds), DATE, TIMESTAMP or TIMESTAMP_LTZ, not from '%s'",
                         ctx->spec->name,
                         w->column < schema->n_fields ? schema->fields[w->column].name : "?");
    }
    return 0;
}

static int open_functions(struct watermark_operator *w, struct op_context *ctx,
                          const Flinc__WatermarkConfig *c, struct error *err)
{
    const struct {
        bool there;
        uint32_t kind;
        struct user_function **function;
    } all[] = {
        {c->has_timestamp_function, FLINC_FN_TIMESTAMP, &w->timestamp_function},
        {c->has_on_event, FLINC_FN_WATERMARK_EVENT, &w->event_function},
        {c->has_on_periodic, FLINC_FN_WATERMARK_PERIODIC, &w->periodic_function},
    };
    uint32_t kinds[ARRAY_LEN(all)], n = 0;
    struct user_functions *fs = &w->rows.functions;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (all[i].there) {
            *all[i].function = &fs->items[n];
            kinds[n++] = all[i].kind;
        }
    }
    TRY(user_functions_resolve(fs, ctx, kinds, n, err));
    if (w->timestamp_function != NULL) {
        w->timestamp_of =
            (int64_t(*)(flinc_ctx *, const void *, int64_t))w->timestamp_function->call;
    }
    if (w->event_function != NULL) {
        w->on_event = (int64_t(*)(flinc_ctx *, const void *, int64_t))w->event_function->call;
    }
    if (w->periodic_function != NULL) {
        w->on_periodic = (int64_t(*)(flinc_ctx *))w->periodic_function->call;
    }
    if (c->has_timestamp_function || c->has_on_event) {
        TRY(row_reader_init(&w->rows.readers[0], c->record, ctx->input_schemas[0],
                            "the input of the watermark strategy", err));
    }
    fs->rows = &w->rows;
    return user_functions_start(fs, err);
}

/* The next time at which there is something to do. */
static void arm(struct watermark_operator *w, struct op_context *ctx)
{
    int64_t at_ms = w->next_periodic_ms;
    if (w->idle_timeout_ms > 0 && !w->idle) {
        at_ms = MIN(at_ms, w->last_record_ms + w->idle_timeout_ms);
    }
    if (w->alignment.is_on && !w->alignment.is_over) {
        at_ms = MIN(at_ms, w->alignment.next_ms);
    }
    if (at_ms < INT64_MAX) {
        op_timer_at(ctx, at_ms);
    }
}

static Flinc__WatermarkConfig *read_config(const struct op_context *ctx, struct error *err)
{
    Flinc__WatermarkConfig *config =
        flinc__watermark_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (config == NULL) {
        (void)error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                        ctx->spec->name, ctx->spec->kind);
    }
    return config;
}

static int watermarks_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    CLEANUP(config_free)
    Flinc__WatermarkConfig *config = read_config(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    w->kind = config->kind;
    w->delay_ms = MAX(config->max_out_of_orderness_ms, 0);
    w->highest_ms = w->last_ms = INT64_MIN;
    w->idle_timeout_ms = config->idle_timeout_ms;
    w->has_column = config->has_column;
    w->column = config->column;
    if (w->has_column) {
        TRY(check_column(w, ctx, err));
    }
    int64_t now_ms = clock_now_ms(ctx->clock);
    w->interval_ms = ctx->conf != NULL
                         ? conf_duration_ms(ctx->conf, "pipeline.auto-watermark-interval")
                         : INTERVAL_MS_DEFAULT;
    w->last_record_ms = now_ms;
    w->next_periodic_ms = w->interval_ms > 0 && w->kind != FLINC__WATERMARK_KIND__WATERMARK_NONE
                              ? now_ms + w->interval_ms
                              : INT64_MAX;
    TRY(open_functions(w, ctx, config, err));
    if (config->has_alignment && !(ctx->flags & OP_FLAG_BATCH_MODE)) {
        TRY(alignment_open(&w->alignment, ctx, config->alignment, err));
    }
    arm(w, ctx);
    return 0;
}

static int watermarks_restored_finished(struct operator* op, struct op_context *ctx,
                                        struct error *err)
{
    CLEANUP(config_free)
    Flinc__WatermarkConfig *config = read_config(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    if (config->has_alignment) {
        alignment_report_finished(ctx);
    }
    return 0;
}

static void watermarks_close(struct operator* op, struct op_context *ctx)
{
    row_operator_close(&((struct watermark_operator *)op)->rows);
}

/* ---- timestamps --------------------------------------------------------------------------------- */

static int64_t *timestamps_of(const struct batch *b)
{
    return (int64_t *)(void *)b->timestamps->data;
}

static int null_timestamp(const struct op_context *ctx, uint32_t column, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "operator '%s': column '%s' is the timestamp of records and is NULL in one; "
                     "filter such records before, or give a timestamp function",
                     ctx->spec->name, ctx->input_schemas[0]->fields[column].name);
}

/* Fills in the timestamps of a column that are not milliseconds already. */
static void convert_column(const struct column *c, uint32_t n_rows, int64_t *restrict to)
{
    switch (c->type->layout) {
    case LAYOUT_TS_NANO: {
        const struct ts_nano *v = COLUMN_VALUES(c, const struct ts_nano);
        for (uint32_t i = 0; i < n_rows; i++) {
            to[i] = v[i].millis;
        }
        break;
    }
    case LAYOUT_I32: {
        const int32_t *v = COLUMN_VALUES(c, const int32_t);
        int64_t factor = c->type->id == TYPE_DATE ? MS_PER_DAY : 1;
        for (uint32_t i = 0; i < n_rows; i++) {
            to[i] = v[i] * factor;
        }
        break;
    }
    default: { /* microseconds */
        const int64_t *v = COLUMN_VALUES(c, const int64_t);
        for (uint32_t i = 0; i < n_rows; i++) {
            to[i] = v[i] / 1000 - (v[i] % 1000 < 0); /* down, also before 1970 */
        }
        break;
    }
    }
}

static bool is_milliseconds(const struct data_type *type)
{
    bool is_timestamp = type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMP_LTZ;
    return type->layout == LAYOUT_I64 && !(is_timestamp && type->precision > 3);
}

static int stamp_by_column(struct watermark_operator *w, struct op_context *ctx, struct batch *b,
                           struct error *err)
{
    const struct column *c = &b->columns[w->column];
    for (uint32_t i = 0; c->validity != NULL && i < b->n_sel; i++) {
        if (UNLIKELY(column_is_null(c, batch_row(b, i)))) {
            return null_timestamp(ctx, w->column, err);
        }
    }
    buffer_unref(b->timestamps);
    if (is_milliseconds(c->type)) {
        b->timestamps = buffer_ref(c->values);
        return 0;
    }
    b->timestamps = buffer_get(ctx->pool, b->n_rows * sizeof(int64_t));
    b->timestamps->size = b->n_rows * sizeof(int64_t);
    convert_column(c, b->n_rows, timestamps_of(b));
    return 0;
}

static int stamp_by_function(struct watermark_operator *w, struct op_context *ctx, struct batch *b,
                             struct error *err)
{
    struct row_reader *reader = &w->rows.readers[0];
    struct user_function *f = w->timestamp_function;
    struct buffer *stamps = buffer_get(ctx->pool, b->n_rows * sizeof(int64_t));
    int64_t *to = (int64_t *)(void *)stamps->data;
    const int64_t *old = b->timestamps != NULL ? timestamps_of(b) : NULL;
    uint32_t n = 0;
    int rc = 0;
    row_reader_start(reader, b);
    stamps->size = b->n_rows * sizeof(int64_t);
    /* Rows that are not selected count for nothing, but are there. */
    memset(to, 0, stamps->size);
    while (rc >= 0 && (rc = row_reader_next(reader, &n, err)) >= 0 && n > 0) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = row_reader_source(reader, i);
            w->rows.row = i;
            to[row] = w->timestamp_of(&f->ctx, row_reader_row(reader, i),
                                      old != NULL ? old[row] : BATCH_NO_TIMESTAMP);
        }
        rc = user_function_check(f, err);
    }
    if (rc < 0) {
        buffer_unref(stamps);
        return rc;
    }
    buffer_unref(b->timestamps);
    b->timestamps = stamps;
    return 0;
}

/* Takes the batch; the one with timestamps is *ret_batch, which is the caller's also after a failure. */
static int stamp(struct watermark_operator *w, struct op_context *ctx, struct batch *take_batch,
                 struct batch **ret_batch, struct error *err)
{
    *ret_batch = take_batch;
    if (!w->has_column && w->timestamp_of == NULL) {
        return 0;
    }
    struct batch *b = *ret_batch = batch_make_unique(ctx->pool, take_batch);
    return w->has_column ? stamp_by_column(w, ctx, b, err) : stamp_by_function(w, ctx, b, err);
}

/* ---- watermarks --------------------------------------------------------------------------------- */

static void emit(struct watermark_operator *w, struct op_context *ctx, int64_t watermark_ms)
{
    if (watermark_ms > w->last_ms) {
        w->last_ms = watermark_ms;
        w->idle = false;
        op_emit_watermark(ctx, watermark_ms);
    }
}

static void note_highest(struct watermark_operator *w, const struct batch *b)
{
    if (b->timestamps == NULL) {
        return;
    }
    const int64_t *t = timestamps_of(b);
    int64_t highest_ms = w->highest_ms;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        highest_ms = MAX(highest_ms, t[batch_row(b, i)]);
    }
    w->highest_ms = highest_ms;
}

/* What timestamps so far say; INT64_MIN: nothing, also when it would be below what an int64_t holds. */
static int64_t by_timestamps(const struct watermark_operator *w)
{
    bool says = w->kind == FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS ||
                w->kind == FLINC__WATERMARK_KIND__WATERMARK_BOUNDED;
    return says && w->highest_ms > INT64_MIN + w->delay_ms + 1 ? w->highest_ms - w->delay_ms - 1
                                                               : INT64_MIN;
}

/* Behind each change of what is known: sources that are too far ahead are held before the next watermark. */
static void align(struct watermark_operator *w, struct op_context *ctx)
{
    if (w->alignment.is_on) {
        alignment_see(&w->alignment, ctx, MAX(w->last_ms, by_timestamps(w)), w->idle);
    }
}

static int emit_periodic(struct watermark_operator *w, struct op_context *ctx, struct error *err)
{
    switch (w->kind) {
    case FLINC__WATERMARK_KIND__WATERMARK_MONOTONOUS:
    case FLINC__WATERMARK_KIND__WATERMARK_BOUNDED:
        emit(w, ctx, by_timestamps(w));
        return 0;
    case FLINC__WATERMARK_KIND__WATERMARK_CUSTOM:
        if (w->on_periodic != NULL) {
            int64_t watermark_ms = w->on_periodic(&w->periodic_function->ctx);
            TRY(user_function_check(w->periodic_function, err));
            emit(w, ctx, watermark_ms);
        }
        return 0;
    default:
        return 0;
    }
}

/* Looks at each record; the batch is cut behind those that have a watermark. */
static int by_event(struct watermark_operator *w, struct op_context *ctx, struct error *err)
{
    struct row_operator *r = &w->rows;
    struct user_function *f = w->event_function;
    struct row_reader *reader = &r->readers[0];
    bool more = true;
    for (uint32_t splits = 0; splits < SPLITS_PER_CALL;) {
        TRY(user_function_check_cancelled(f, err));
        TRY(row_operator_advance(r, &more, err));
        if (!more) {
            return OP_DONE;
        }
        uint32_t at = reader->next - reader->tile_rows + r->row; /* selected row */
        uint32_t row = batch_row(r->batch, at);
        int64_t timestamp =
            r->batch->timestamps != NULL ? timestamps_of(r->batch)[row] : BATCH_NO_TIMESTAMP;
        int64_t watermark_ms = w->on_event(&f->ctx, row_reader_row(reader, r->row), timestamp);
        TRY(user_function_check(f, err));
        r->row++;
        bool last = at + 1 == r->batch->n_sel;
        if (watermark_ms > w->last_ms || last) {
            op_emit(ctx, 0, batch_slice(ctx->pool, r->batch, w->sent, at + 1));
            w->sent = at + 1;
            splits++;
            emit(w, ctx, watermark_ms);
        }
    }
    return OP_MORE;
}

/* ---- calls -------------------------------------------------------------------------------------- */

static int watermarks_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    int rc = by_event(w, ctx, err);
    align(w, ctx);
    return rc;
}

static int watermarks_process(struct operator* op, struct op_context *ctx, uint32_t input,
                              struct batch *take_batch, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    struct batch *b = NULL;
    int rc = stamp(w, ctx, take_batch, &b, err);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    if (w->idle_timeout_ms > 0) {
        w->last_record_ms = clock_now_ms(ctx->clock);
        if (w->idle) {
            w->idle = false;
            op_emit_idle(ctx, false);
            arm(w, ctx);
        }
    }
    note_highest(w, b);
    if (w->on_event == NULL) {
        op_emit(ctx, 0, b);
        align(w, ctx);
        return OP_DONE;
    }
    TRY(row_operator_take(&w->rows, 0, b, err));
    w->sent = 0;
    return watermarks_resume(op, ctx, err);
}

static int watermarks_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    bool half_done = w->rows.batch != NULL;
    if (half_done || w->interval_ms == 0) {
        return OP_DONE;
    }
    TRY(emit_periodic(w, ctx, err));
    align(w, ctx);
    return OP_DONE;
}

static int watermarks_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                      struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    if (now_ms >= w->next_periodic_ms) {
        w->next_periodic_ms = now_ms + w->interval_ms;
        TRY(emit_periodic(w, ctx, err));
    }
    if (w->alignment.is_holding) {
        w->last_record_ms = now_ms; /* it is silent because it has to be */
    }
    if (w->idle_timeout_ms > 0 && !w->idle && now_ms >= w->last_record_ms + w->idle_timeout_ms) {
        w->idle = true;
        op_emit_idle(ctx, true);
    }
    align(w, ctx);
    if (w->alignment.is_on) {
        alignment_turn(&w->alignment, ctx, now_ms);
    }
    arm(w, ctx);
    return OP_DONE;
}

static int watermarks_on_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                               size_t size, struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    bool was_holding = w->alignment.is_holding;
    TRY(alignment_on_event(&w->alignment, ctx, data, size, err));
    if (was_holding && !w->alignment.is_holding) {
        w->last_record_ms = clock_now_ms(ctx->clock); /* it was silent because it had to be */
    }
    return OP_DONE;
}

static int watermarks_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                                struct error *err)
{
    struct watermark_operator *w = (struct watermark_operator *)op;
    if (watermark_ms == INT64_MAX) {
        emit(w, ctx, INT64_MAX);
        if (w->alignment.is_on) {
            alignment_end(&w->alignment, ctx);
        }
    }
    return OP_DONE;
}

const struct operator_desc operator_timestamps_and_watermarks = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.timestamps_and_watermarks",
    .summary = "Timestamps and watermarks (DataStream.assignTimestampsAndWatermarks)",
    .instance_size = sizeof(struct watermark_operator),
    .n_inputs = 1,
    .open = watermarks_open,
    .process = watermarks_process,
    .resume = watermarks_resume,
    .flush = watermarks_flush,
    .close = watermarks_close,
    .flags = OPERATOR_OWN_WATERMARKS,
    .watermark = watermarks_watermark,
    .processing_time = watermarks_processing_time,
    .on_event = watermarks_on_event,
    .restored_finished = watermarks_restored_finished,
};
