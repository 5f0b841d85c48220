/* What user functions see of time: the functions of include/flinc/time.h.  Thread: the task's. */
#include "engine/operators/time/user_time.h"

#include "engine/operators/user_state.h"
#include "flinc/time.h"

/* ---- the row at hand ----------------------------------------------------------------------------- */

struct batch *user_timers_batch(const struct user_timers *t)
{
    return t->firing ? t->timer.batch : t->rows->batch;
}

uint32_t user_timers_row(const struct user_timers *t)
{
    const struct row_operator *r = t->rows;
    return t->firing ? t->timer.row : row_reader_source(&r->readers[r->input], r->row);
}

int64_t flinc_ctx_timestamp(const flinc_ctx *ctx)
{
    const struct user_timers *t = ctx->owner->timers;
    const struct row_operator *r = ctx->owner->rows;
    if (t != NULL && t->firing) {
        return t->kind == TIMER_EVENT ? t->timer.time_ms : FLINC_NO_TIMESTAMP;
    }
    if (r == NULL || r->readers[r->input].batch == NULL) {
        return FLINC_NO_TIMESTAMP;
    }
    const struct row_reader *reader = &r->readers[r->input];
    const struct buffer *timestamps = reader->batch->timestamps;
    return timestamps != NULL ? ((const int64_t *)(const void *)
                                     timestamps->data)[row_reader_source(reader, r->row)]
                              : FLINC_NO_TIMESTAMP;
}

int64_t flinc_ctx_watermark(const flinc_ctx *ctx)
{
    return op_watermark(ctx->op);
}

int64_t flinc_ctx_now(const flinc_ctx *ctx)
{
    return clock_now_ms(ctx->op->clock);
}

/* ---- timers -------------------------------------------------------------------------------------- */

/* The timers, when timers may be set now; else the reason is the function's failure. */
static struct user_timers *usable_timers(flinc_ctx *ctx)
{
    struct user_timers *t = ctx->owner->timers;
    if (t == NULL) {
        flinc_ctx_fail(ctx, "timers need a process function on a keyed stream (flinc_key_by), "
                            "or a function of a window's trigger");
        return NULL;
    }
    if (!t->has_callback) {
        flinc_ctx_fail(ctx, "timers need a callback: name the function by FLINC_FUNCTION(f, "
                            ".on_timer = ...)");
        return NULL;
    }
    if (t->key_columns == NULL) {
        flinc_ctx_fail(ctx, "timers can only be set while a record of a keyed stream or a timer is "
                            "at hand");
        return NULL;
    }
    return t;
}

static int change_key_timer(struct user_timers *t, enum timer_kind kind, int64_t time_ms,
                            enum user_timer_change change, struct error *err)
{
    if (!t->begun && !t->firing) {
        t->begun = true;
        TRY(timer_service_begin(t->service, t->rows->batch, t->key_columns, err));
    }
    uint32_t row = user_timers_row(t);
    return change == USER_TIMER_SET
               ? timer_service_add(t->service, kind, row, NAMESPACE_VOID, time_ms, err)
               : timer_service_delete(t->service, kind, row, NAMESPACE_VOID, time_ms, err);
}

static int change_timer(flinc_ctx *ctx, enum timer_kind kind, int64_t time_ms,
                        enum user_timer_change change)
{
    struct user_window_timers *window = ctx->owner->window_timers;
    struct user_timers *t = window == NULL ? usable_timers(ctx) : NULL;
    struct error err = ERROR_INIT;
    if (window == NULL && t == NULL) {
        return ERR_USER_CODE;
    }
    int rc = window != NULL ? window->change(window, kind, time_ms, change, &err)
                            : change_key_timer(t, kind, time_ms, change, &err);
    return rc < 0 ? flinc_ctx_fail(ctx, "timer: %s", err.message) : 0;
}

int flinc_ctx_timer_event(flinc_ctx *ctx, int64_t time_ms)
{
    return change_timer(ctx, TIMER_EVENT, time_ms, USER_TIMER_SET);
}

int flinc_ctx_timer_processing(flinc_ctx *ctx, int64_t time_ms)
{
    return change_timer(ctx, TIMER_PROCESSING, time_ms, USER_TIMER_SET);
}

int flinc_ctx_timer_delete_event(flinc_ctx *ctx, int64_t time_ms)
{
    return change_timer(ctx, TIMER_EVENT, time_ms, USER_TIMER_DELETE);
}

int flinc_ctx_timer_delete_processing(flinc_ctx *ctx, int64_t time_ms)
{
    return change_timer(ctx, TIMER_PROCESSING, time_ms, USER_TIMER_DELETE);
}

bool flinc_ctx_timer_is_event(const flinc_ctx *ctx)
{
    const struct user_timers *t = ctx->owner->timers;
    return t != NULL && t->firing && t->kind == TIMER_EVENT;
}

/* ---- the key -------------------------------------------------------------------------------------- */

/* The key's column, NULL with the reason as the function's failure; *ret_row in it. */
static const struct column *key_column(flinc_ctx *ctx, uint32_t column, uint32_t *ret_row)
{
    const struct user_timers *t = ctx->owner->timers;
    const struct user_states *states = ctx->owner->states;
    if (t != NULL && t->key_columns == NULL && states != NULL && column < t->n_keys &&
        key_cursor_has_key(&states->cursor)) { /* one of all keys */
        const struct key_cursor *cursor = &states->cursor;
        const struct column *of = &cursor->batch->columns[cursor->columns[column]];
        *ret_row = batch_row(cursor->batch, cursor->row);
        return column_is_null(of, *ret_row) ? NULL : of;
    }
    if (t == NULL || t->key_columns == NULL || column >= t->n_keys) {
        flinc_ctx_fail(ctx, "there is no column %u of a key at hand", column);
        return NULL;
    }
    const struct column *c =
        &user_timers_batch(t)->columns[t->firing ? column : t->key_columns[column]];
    *ret_row = user_timers_row(t);
    return column_is_null(c, *ret_row) ? NULL : c;
}

int64_t flinc_ctx_key_int64(flinc_ctx *ctx, uint32_t column)
{
    uint32_t row = 0;
    const struct column *c = key_column(ctx, column, &row);
    if (c == NULL) {
        return 0;
    }
    switch (c->type->layout) {
    case LAYOUT_BIT:
        return column_get_bool(c, row);
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
        return column_get_int(c, row);
    default:
        return flinc_ctx_fail(ctx, "column %u of the key is no integer", column);
    }
}

double flinc_ctx_key_double(flinc_ctx *ctx, uint32_t column)
{
    uint32_t row = 0;
    const struct column *c = key_column(ctx, column, &row);
    if (c == NULL) {
        return 0;
    }
    switch (c->type->layout) {
    case LAYOUT_F32:
        return COLUMN_VALUES(c, const float)[row];
    case LAYOUT_F64:
        return COLUMN_VALUES(c, const double)[row];
    default:
        return flinc_ctx_fail(ctx, "column %u of the key is no FLOAT or DOUBLE", column);
    }
}

flinc_string flinc_ctx_key_string(flinc_ctx *ctx, uint32_t column)
{
    uint32_t row = 0;
    const struct column *c = key_column(ctx, column, &row);
    if (c == NULL) {
        return (flinc_string){"", 0};
    }
    if (c->type->layout != LAYOUT_VIEW) {
        flinc_ctx_fail(ctx, "column %u of the key is no string", column);
        return (flinc_string){"", 0};
    }
    struct slice s = column_get_bytes(c, row);
    return (flinc_string){s.data, s.len};
}
