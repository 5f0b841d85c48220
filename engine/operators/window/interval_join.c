/* flinc.interval_join: pairs of records of two keyed streams whose timestamps are within an interval of each
 * other: lower <= time of the second - time of the first <= upper.
 *
 * Either side's records are kept by time in a sorted map; a record that comes looks up its interval in the
 * other's.  A record is of no use once the watermark has reached its time plus its reach, how far behind it
 * a partner may be: it is paired no more from then on, and removed by a timer, of which a key has a few per
 * interval, not one per record.  A record behind the watermark is late: it is paired with nothing and goes
 * to its side's output of late records.  Results carry the later of both timestamps.
 *
 * A batch is finished before the next input (OP_MORE), so that nothing but the maps, the timers and the
 * progress (window_base.h) is state.
 * Flink: IntervalJoinOperator.  Thread: the task's. */
#include "engine/operators/flat_output.h"
#include "engine/operators/registry.h"
#include "engine/operators/window/window_base.h"
#include "engine/state/sorted_map.h"
#include "engine/state/timers/timers.h"

enum {
    PAIR_ROWS = 256,         /* looked up together */
    TIMERS_PER_INTERVAL = 8, /* of a key, at most */
};
static const int64_t bound_max = INT64_MAX / 4; /* their sums and differences do not overflow */

typedef int (*join_fn)(flinc_ctx *ctx, const void *first, const void *second, flinc_out *out);

struct join_side {
    struct record_layout record; /* of its rows */
    struct sorted_map *rows;     /* the backend's */
    const uint32_t *key_columns; /* in the task's arena */
    int64_t low, high;           /* partners of a record at t are in [t + low, t + high] */
    int64_t reach;               /* a record at t is of use until the watermark is t + reach */
    uint32_t late_output;        /* 0: none */
    char *tile;                  /* Owns: records at hand */
    struct str nested;           /* their nested values */
};

struct interval_join {
    struct window_base base;
    struct row_operator rows; /* functions and queue */
    struct flat_outputs outputs;
    struct join_side sides[2];
    struct timer_service *timers; /* Owns */
    int64_t grain_ms;             /* between timers of a key */
    /* The batch at hand. */
    uint32_t side;
    struct batch *batch; /* Owns a ref; NULL: none */
    struct sorted_map_reader reader;
    bool block_left; /* reader.rows has pairs from next_row on */
    uint32_t next_row;
    uint32_t tile_from, tile_n; /* selected rows of the batch that are in the tile */
    int64_t lows[BATCH_ROWS_MAX], highs[BATCH_ROWS_MAX], times[BATCH_ROWS_MAX];
    /* Firing. */
    bool is_firing;
    int64_t fire_now;
};

/* ---- life -------------------------------------------------------------------------------------- */

static int check_config(const struct interval_join *j, const struct op_context *ctx,
                        struct error *err)
{
    const Flinc__WindowConfig *c = j->base.config;
    if (c->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_INTERVAL_JOIN || c->input == NULL ||
        c->input_second == NULL || c->output == NULL || j->base.processing_time ||
        c->late_output_second >= ctx->n_outputs ||
        (c->late_output > 0 && c->late_output == c->late_output_second)) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': an interval join is one of event time, with the structs of "
            "both inputs and of the output, and an output of late records for each",
            ctx->spec->name);
    }
    if (c->lower_ms > c->upper_ms || c->lower_ms < -bound_max || c->upper_ms > bound_max) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': the lower bound of an interval join, %lld ms, is above the "
            "upper one, %lld ms (exclusive bounds taken off), or they are too far apart",
            ctx->spec->name, (long long)c->lower_ms, (long long)c->upper_ms);
    }
    return 0;
}

static int open_side(struct interval_join *j, struct op_context *ctx, uint32_t i, struct error *err)
{
    static const char *const names[] = {"interval-join-first", "interval-join-second"};
    const Flinc__WindowConfig *c = j->base.config;
    struct join_side *s = &j->sides[i];
    TRY_CTX(err,
            struct_layout_init(&s->record, i == 0 ? c->input : c->input_second,
                               ctx->input_schemas[i], "the records of an interval join", err),
            "opening operator '%s'", ctx->spec->name);
    s->key_columns = i == 0 ? j->base.key_columns : j->base.second_columns;
    s->low = i == 0 ? c->lower_ms : -c->upper_ms;
    s->high = i == 0 ? c->upper_ms : -c->lower_ms;
    s->reach = MAX(s->high, INT64_C(0));
    s->late_output = i == 0 ? c->late_output : c->late_output_second;
    s->tile = mem_alloc_aligned(16, (size_t)RECORD_TILE_ROWS * s->record.size);
    struct sorted_map_desc desc = {
        .name = names[i], .key_schema = j->base.key_schema, .record = &s->record};
    TRY_CTX(err, sorted_map_open(j->base.backend, &desc, &s->rows, err), "opening operator '%s'",
            ctx->spec->name);
    return 0;
}

static int open_outputs(struct interval_join *j, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = j->base.config;
    Flinc__FunctionOperatorConfig outputs = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *structs[3] = {c->output, c->input, c->input_second};
    if (c->late_output == 2) {
        structs[2] = c->input;
    }
    if (c->late_output_second == 1) {
        structs[1] = c->input_second;
    }
    outputs.outputs = structs;
    outputs.n_outputs = MIN(ctx->n_outputs, (uint32_t)ARRAY_LEN(structs));
    TRY(flat_outputs_open(&j->outputs, &j->rows, ctx, &outputs, err));
    j->outputs.stamped = true;
    return 0;
}

static int join_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct interval_join *j = (struct interval_join *)op;
    TRY(window_base_open(&j->base, ctx, err));
    TRY(check_config(j, ctx, err));
    TRY(open_side(j, ctx, 0, err));
    TRY(open_side(j, ctx, 1, err));
    const Flinc__WindowConfig *c = j->base.config;
    j->grain_ms = MAX((c->upper_ms - c->lower_ms) / TIMERS_PER_INTERVAL, INT64_C(1));
    TRY(user_functions_resolve(&j->rows.functions, ctx, (const uint32_t[]){FLINC_FN_JOIN}, 1, err));
    TRY(open_outputs(j, ctx, err));
    struct timer_service_options timers = {.name = "interval-join",
                                           .key_schema = j->base.key_schema};
    TRY(timer_service_new(j->base.backend, &timers, &j->timers, err));
    return user_functions_start(&j->rows.functions, err);
}

static void join_close(struct operator* op, struct op_context *ctx)
{
    struct interval_join *j = (struct interval_join *)op;
    user_functions_close(&j->rows.functions);
    sorted_map_reader_fini(&j->reader);
    j->batch = batch_unref(j->batch);
    flat_outputs_close(&j->outputs);
    emit_queue_fini(&j->rows.queue);
    j->timers = timer_service_free(j->timers);
    for (uint32_t i = 0; i < ARRAY_LEN(j->sides); i++) {
        if (j->sides[i].record.schema != NULL) {
            record_layout_fini(&j->sides[i].record);
        }
        mem_free(j->sides[i].tile);
        str_fini(&j->sides[i].nested);
    }
    window_base_close(&j->base);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* Sorts the late rows of a batch out: the others, with time and interval of each by its number among them;
 * NULL: there are none. */
static struct batch *rows_in_time(struct interval_join *j, struct op_context *ctx, struct batch *b)
{
    const struct join_side *s = &j->sides[j->side], *other = &j->sides[1 - j->side];
    const int64_t *times = (const int64_t *)(const void *)b->timestamps->data;
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    int64_t now = window_now(&j->base, ctx);
    struct buffer *sel = buffer_get(ctx->pool, b->n_sel * sizeof(uint16_t));
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        int64_t key_now = window_key_now(&j->base, ctx, hashes[row], now);
        if (times[row] < key_now) {
            window_mark_late(&j->base, row);
            continue;
        }
        /* What is of no use any more may still be there. */
        int64_t useful = key_now == INT64_MIN ? INT64_MIN : time_add(key_now, 1 - other->reach);
        j->times[n] = times[row];
        j->lows[n] = MAX(time_add(times[row], s->low), useful);
        j->highs[n] = time_add(times[row], s->high);
        ((uint16_t *)(void *)sel->data)[n++] = (uint16_t)row;
    }
    if (n == 0) {
        buffer_unref(sel);
        return NULL;
    }
    struct batch *rows = window_select(ctx, b, sel, n);
    rows->row_kinds = buffer_unref(rows->row_kinds);
    return rows;
}

/* A timer for each row; rows of a key that are close to each other share one. */
static int set_timers(struct interval_join *j, struct error *err)
{
    const struct join_side *s = &j->sides[j->side];
    int64_t due[BATCH_ROWS_MAX], sides[BATCH_ROWS_MAX];
    uint16_t rows[BATCH_ROWS_MAX];
    for (uint32_t i = 0; i < j->batch->n_sel; i++) {
        int64_t start = window_start(time_add(j->times[i], s->reach), 0, j->grain_ms);
        rows[i] = (uint16_t)batch_row(j->batch, i);
        due[i] = time_add(start, j->grain_ms - 1);
        sides[i] = j->side;
    }
    TRY(timer_service_begin(j->timers, j->batch, s->key_columns, err));
    TRY(timer_service_add_rows(j->timers, TIMER_EVENT, rows, sides, due, j->batch->n_sel, err));
    return timer_service_settle(j->timers, err);
}

/* The record that selected row `i` of the batch is; rows are asked for in order. */
static int own_record(struct interval_join *j, uint32_t i, const char **ret_record,
                      struct error *err)
{
    struct join_side *s = &j->sides[j->side];
    if (i < j->tile_from || i >= j->tile_from + j->tile_n) {
        j->tile_from = i;
        j->tile_n = MIN(j->batch->n_sel - i, (uint32_t)RECORD_TILE_ROWS);
        TRY(record_read(&s->record, j->batch, i, j->tile_n, s->tile, &s->nested, err));
    }
    *ret_record = s->tile + (size_t)(i - j->tile_from) * s->record.size;
    return 0;
}

static int call_join(struct interval_join *j, const char *own, int64_t own_ms, const char *other,
                     int64_t other_ms, struct error *err)
{
    struct user_function *f = &j->rows.functions.items[0];
    struct user_scope *scope = &j->rows.functions.scope;
    scope->first_ms = j->side == 0 ? own_ms : other_ms;
    scope->second_ms = j->side == 0 ? other_ms : own_ms;
    flat_outputs_begin(&j->outputs, MAX(own_ms, other_ms), ROW_KIND_INSERT);
    int rc = ((join_fn)f->call)(&f->ctx, j->side == 0 ? own : other, j->side == 0 ? other : own,
                                flat_outputs_main(&j->outputs));
    if (UNLIKELY(rc < 0)) {
        return flat_outputs_failed(&j->outputs, f, rc, err);
    }
    flat_outputs_end(&j->outputs);
    return 0;
}

/* The pairs of the block at hand, until enough is emitted. */
static int pair_block(struct interval_join *j, struct error *err)
{
    struct user_function *f = &j->rows.functions.items[0];
    const struct state_rows *found = &j->reader.rows;
    TRY(user_function_check_cancelled(f, err));
    while (j->next_row < found->n && emit_queue_len(&j->rows.queue) < EMIT_QUEUE_STOP) {
        uint32_t owner = found->owners[j->next_row];
        const char *own = NULL;
        TRY(own_record(j, owner, &own, err));
        TRY(call_join(j, own, j->times[owner], found->records[j->next_row],
                      found->sorts[j->next_row], err));
        j->next_row++;
    }
    j->block_left = j->next_row < found->n;
    TRY(user_function_check(f, err));
    return flat_outputs_check(&j->outputs, f, err);
}

/* Emits what is queued and what is half built. */
static int drain(struct interval_join *j, struct op_context *ctx)
{
    if (emit_queue_drain(&j->rows.queue, ctx)) {
        return OP_MORE;
    }
    flat_outputs_flush(&j->outputs, ctx);
    return OP_DONE;
}

static int pair_rows(struct interval_join *j, struct op_context *ctx, struct error *err)
{
    while (emit_queue_len(&j->rows.queue) < EMIT_QUEUE_STOP) {
        if (!j->block_left) {
            int more = sorted_map_reader_next(&j->reader, PAIR_ROWS, err);
            TRY(more);
            if (more == 0) {
                sorted_map_reader_fini(&j->reader);
                j->batch = batch_unref(j->batch);
                return drain(j, ctx);
            }
            j->next_row = 0;
        }
        TRY(pair_block(j, err));
    }
    (void)emit_queue_drain(&j->rows.queue, ctx);
    return OP_MORE;
}

static int join_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct interval_join *j = (struct interval_join *)op;
    struct batch *b = take_batch;
    int rc = window_base_admit(&j->base, ctx, input, &b, err);
    if (rc < 0 || b->n_sel == 0) {
        batch_unref(b);
        return rc;
    }
    j->side = input;
    j->base.late_output = j->sides[input].late_output;
    j->batch = rows_in_time(j, ctx, b);
    window_emit_late(&j->base, ctx, b);
    batch_unref(b);
    if (j->batch == NULL) {
        return OP_DONE;
    }
    j->block_left = false;
    j->tile_n = 0;
    struct state_keys keys = {.name_space = NAMESPACE_VOID,
                              .batch = j->batch,
                              .key_columns = j->sides[input].key_columns};
    TRY(sorted_map_insert(j->sides[input].rows, &keys, j->times, err));
    TRY(set_timers(j, err));
    struct sorted_ranges ranges = {.low = j->lows, .high = j->highs};
    TRY(sorted_map_reader_start(&j->reader, j->sides[1 - input].rows, &keys, &ranges, err));
    return pair_rows(j, ctx, err);
}

/* ---- removal ----------------------------------------------------------------------------------- */

/* Removes what is of no use of one side, for those keys of a batch of timers that are about it. */
static int remove_side(struct interval_join *j, struct op_context *ctx,
                       const struct timer_batch *due, uint32_t side, struct error *err)
{
    uint8_t is_due[BATCH_ROWS_MAX] = {0};
    struct buffer *sel = buffer_get(ctx->pool, due->n * sizeof(uint16_t));
    uint32_t n = 0;
    for (uint32_t i = 0; i < due->n; i++) {
        is_due[due->rows[i]] = due->name_spaces[due->rows[i]] == (int64_t)side;
    }
    for (uint32_t row = 0; row < due->batch->n_rows; row++) {
        if (is_due[row]) {
            j->highs[n] = time_add(j->fire_now, -j->sides[side].reach);
            ((uint16_t *)(void *)sel->data)[n++] = (uint16_t)row;
        }
    }
    if (n == 0) {
        buffer_unref(sel);
        return 0;
    }
    struct batch *part = window_select(ctx, due->batch, sel, n);
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = part, .key_columns = j->base.plain_columns};
    struct sorted_ranges ranges = {.high = j->highs};
    int rc = sorted_map_remove_ranges(j->sides[side].rows, &keys, &ranges, NULL, err);
    batch_unref(part);
    return rc;
}

/* A batch of timers per call. */
static int fire(struct interval_join *j, struct op_context *ctx, struct error *err)
{
    struct timer_batch due;
    TRY(timer_service_take(j->timers, TIMER_EVENT, j->fire_now, &due, err));
    if (due.batch == NULL) {
        j->is_firing = false;
        j->base.time_ms = MAX(j->base.time_ms, j->fire_now);
        return OP_DONE;
    }
    int rc = remove_side(j, ctx, &due, 0, err);
    if (rc >= 0) {
        rc = remove_side(j, ctx, &due, 1, err);
    }
    batch_unref(due.batch);
    TRY(rc);
    return OP_MORE;
}

static int join_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                          struct error *err)
{
    struct interval_join *j = (struct interval_join *)op;
    j->is_firing = true;
    j->fire_now = watermark_ms;
    return fire(j, ctx, err);
}

static int join_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct interval_join *j = (struct interval_join *)op;
    if (j->is_firing) {
        return fire(j, ctx, err);
    }
    return j->batch != NULL ? pair_rows(j, ctx, err) : drain(j, ctx);
}

static int join_snapshot(struct operator* op, struct op_context *ctx,
                         const struct op_checkpoint *checkpoint, struct error *err)
{
    struct interval_join *j = (struct interval_join *)op;
    TRY(user_functions_snapshot(&j->rows.functions, err));
    return window_progress_snapshot(&j->base, err);
}

const struct operator_desc operator_interval_join = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.interval_join",
    .summary = "Pairs of records of two keyed streams that are close in time (IntervalJoin)",
    .instance_size = sizeof(struct interval_join),
    .n_inputs = 2,
    .open = join_open,
    .process = join_process,
    .resume = join_resume,
    .close = join_close,
    .watermark = join_watermark,
    .snapshot = join_snapshot,
};
