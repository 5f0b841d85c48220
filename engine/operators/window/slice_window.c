/* flinc.window.slices: tumbling and sliding windows of built-in aggregates, in event and processing time
 * (slice_window.h).  Without allowed lateness: a record is late when its last window has fired.
 *
 * Flink: WindowOperator with TumblingEventTimeWindows, SlidingEventTimeWindows and their processing-time
 * companions; the slices are those of its SliceAssigners.  Thread: the task's. */
#include "engine/operators/window/slice_window.h"
#include "common/base/failpoint.h"

#include "engine/operators/registry.h"

#include <stdlib.h>

/* ---- windows ----------------------------------------------------------------------------------- */

/* End of the last window that holds a slice.  Not above the slice's start when none does. */
static int64_t last_window_end(const struct slice_window *w, int64_t slice_end)
{
    return window_start(slice_end - w->slice, w->offset, w->slide) + w->size;
}

/* The earliest end of a window that is not below `time`. */
static int64_t window_end_from(const struct slice_window *w, int64_t time)
{
    int64_t phase = (w->offset + w->size) % w->slide;
    return time_add(window_start(time_add(time, -1), phase, w->slide), w->slide);
}

/* End of the last window that is over at `now`. */
static int64_t last_end_at(const struct slice_window *w, int64_t now)
{
    return time_add(window_end_from(w, time_add(now, 2)), -w->slide);
}

static size_t end_position(const struct slice_window *w, int64_t end)
{
    size_t at = w->ends.len;
    while (at > 0 && *VEC_AT(&w->ends, int64_t, at - 1) >= end) {
        at--;
    }
    return at;
}

/* Most records belong to the newest slices. */
static void note_slice(struct slice_window *w, int64_t end)
{
    size_t at = end_position(w, end);
    if (at < w->ends.len && *VEC_AT(&w->ends, int64_t, at) == end) {
        return;
    }
    (void)VEC_PUSH(&w->ends, int64_t);
    int64_t *items = VEC_AT(&w->ends, int64_t, 0);
    memmove(items + at + 1, items + at, (w->ends.len - 1 - at) * sizeof(*items));
    items[at] = end;
}

/* The next window to fire; false: there is no slice for any. */
static bool next_window(const struct slice_window *w, int64_t *ret_end)
{
    if (w->ends.len == 0) {
        return false;
    }
    int64_t first = *VEC_AT(&w->ends, int64_t, 0);
    *ret_end = window_end_from(w, MAX(first, time_add(w->fired_end, 1)));
    return true;
}

/* ---- life -------------------------------------------------------------------------------------- */

static int open_shape(struct slice_window *w, const struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    const Flinc__WindowAssigner *a = c->assigner;
    bool sliding = a->kind == FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING;
    if ((!sliding && a->kind != FLINC__WINDOW_ASSIGNER_KIND__WINDOW_TUMBLING) ||
        c->function != FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS || c->allowed_lateness_ms != 0 ||
        c->trigger->kind != FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DEFAULT || c->evictor != NULL) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': windows by slices are tumbling or sliding ones of built-in "
            "aggregates with the default trigger",
            ctx->spec->name);
    }
    w->size = a->size_ms;
    w->slide = sliding ? a->slide_ms : a->size_ms;
    w->slice = gcd64(w->size, w->slide);
    /* Offsets are below the slide; as a start of a slice it counts within one. */
    w->offset = a->offset_ms;
    if (w->size / w->slice > SLICES_PER_WINDOW_MAX) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "operator '%s': windows of %lld ms each %lld ms are made of slices of %lld "
            "ms, more than %d in a window; choose a slide with more in common with the "
            "size",
            ctx->spec->name, (long long)w->size, (long long)w->slide, (long long)w->slice,
            SLICES_PER_WINDOW_MAX);
    }
    return 0;
}

/* Whether a slice has a key. */
static int look_at_slice(struct slice_window *w, int64_t end, struct error *err)
{
    struct keyed_walk *walk = NULL;
    TRY(keyed_walk_start(w->slices, end, &walk, err));
    int n = keyed_walk_next(walk, 1, w->slots, err);
    keyed_walk_free(walk);
    return n;
}

/* What a restore brought back: the slices, and the last window that had fired by then. */
static int find_slices(struct slice_window *w, struct error *err)
{
    int64_t end = INT64_MIN;
    for (; keyed_state_next_namespace(w->slices, end, &end); end++) {
        int n = look_at_slice(w, end, err);
        TRY(n);
        if (n > 0) {
            note_slice(w, end);
        }
    }
    bool fired = w->base.restored_low > INT64_MIN && !PLANTED("window_forgets_what_fired");
    w->fired_end = fired ? last_end_at(w, w->base.restored_low) : INT64_MIN;
    return 0;
}

static int slice_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct slice_window *w = (struct slice_window *)op;
    vec_init(&w->ends, sizeof(int64_t));
    TRY(window_base_open(&w->base, ctx, err));
    TRY(open_shape(w, ctx, err));
    TRY_CTX(err,
            window_columns_init(&w->columns, w->base.config, ctx->input_schemas[0],
                                ctx->output_schemas[0], err),
            "opening operator '%s'", ctx->spec->name);
    w->mode = w->slide == w->size     ? SLICE_TUMBLING
              : w->columns.invertible ? SLICE_RUNNING
                                      : SLICE_TREE;
    struct keyed_state_desc desc = {.name = "window-slices",
                                    .key_schema = w->base.key_schema,
                                    .value_bytes = window_columns_bytes(&w->columns),
                                    .value_layout = &w->columns.layout,
                                    .grows_in_pieces = true,
                                    .kind = "window"};
    TRY_CTX(err, keyed_backend_state(w->base.backend, &desc, &w->slices, err),
            "opening operator '%s'", ctx->spec->name);
    TRY_CTX(err, find_slices(w, err), "opening operator '%s'", ctx->spec->name);
    TRY(slice_merge_open(w, ctx, err));
    int64_t end;
    if (w->base.processing_time && next_window(w, &end)) {
        op_timer_at(ctx, end - 1);
    }
    return 0;
}

static void slice_close(struct operator* op, struct op_context *ctx)
{
    struct slice_window *w = (struct slice_window *)op;
    w->walk = keyed_walk_free(w->walk);
    slice_merge_close(w);
    window_columns_fini(&w->columns);
    vec_fini(&w->ends);
    window_base_close(&w->base);
}

/* ---- firing ------------------------------------------------------------------------------------ */

static int begin_window(struct slice_window *w, struct op_context *ctx, int64_t end,
                        struct error *err)
{
    w->emitting = true;
    w->fire_end = end;
    if (w->mode == SLICE_TUMBLING) {
        w->source = w->slices;
        w->source_name_space = end;
        return 0;
    }
    w->source = w->merged;
    w->source_name_space = NAMESPACE_VOID;
    return slice_merge_window(w, ctx, end, err);
}

static int end_window(struct slice_window *w, struct op_context *ctx, struct error *err)
{
    w->emitting = false;
    w->walk = keyed_walk_free(w->walk);
    w->fired_end = w->fire_end;
    while (w->ends.len > 0) {
        int64_t end = *VEC_AT(&w->ends, int64_t, 0);
        if (last_window_end(w, end) > w->fired_end) {
            break;
        }
        TRY(slice_merge_drop(w, ctx, end, err));
        keyed_state_drop_namespace(w->slices, end);
        vec_remove(&w->ends, 0);
    }
    slice_merge_done(w, time_add(w->fired_end, w->slide - w->size));
    return 0;
}

/* Slots of the next batch of results: keys that have not been here before the restore; their number. */
static int next_results(struct slice_window *w, const struct op_context *ctx, struct error *err)
{
    const int64_t last = w->fire_end - 1;
    const bool filter = window_has_ahead(&w->base, last);
    int found, n = 0;
    if (w->walk == NULL) {
        TRY(keyed_walk_start(w->source, w->source_name_space, &w->walk, err));
    }
    do {
        found = keyed_walk_next(w->walk, BATCH_ROWS_TARGET, w->slots, err);
        TRY(found);
        for (int i = 0; i < found; i++) {
            w->slots[n] = w->slots[i];
            n += !filter ||
                 window_key_now(&w->base, ctx, keyed_table_hash(w->source->table, w->slots[i]),
                                INT64_MIN) < last;
        }
    } while (found > 0 && n == 0);
    return n;
}

static int emit_results(struct slice_window *w, struct op_context *ctx, uint32_t n,
                        struct error *err)
{
    struct window_results r = {
        .accumulators = w->accumulators, .start = w->fire_end - w->size, .end = w->fire_end};
    TRY(keyed_state_read_keys(w->source, w->slots, n, &r.keys, err));
    for (uint32_t i = 0; i < n; i++) {
        w->accumulators[i] = keyed_state_value(w->source, w->slots[i]);
    }
    op_emit(ctx, 0, window_columns_results(&w->columns, ctx->pool, ctx->output_schemas[0], &r));
    batch_unref(r.keys);
    return 0;
}

/* Fires what is due at w->fire_now. */
static int fire(struct slice_window *w, struct op_context *ctx, struct error *err)
{
    for (uint32_t batches = 0;;) {
        int64_t end;
        if (!w->emitting) {
            if (!next_window(w, &end) || end - 1 > w->fire_now) {
                break;
            }
            TRY(begin_window(w, ctx, end, err));
        }
        int n;
        while ((n = next_results(w, ctx, err)) > 0) {
            TRY(emit_results(w, ctx, (uint32_t)n, err));
            if (++batches == WINDOW_EMIT_BATCHES) {
                return OP_MORE;
            }
        }
        TRY(n);
        TRY(end_window(w, ctx, err));
    }
    /* Windows without records are over, too. */
    w->fired_end = MAX(w->fired_end, last_end_at(w, w->fire_now));
    w->base.time_ms = MAX(w->base.time_ms, w->fire_now);
    int64_t end;
    if (w->base.processing_time) {
        op_timer_at(ctx, next_window(w, &end) ? end - 1 : INT64_MAX);
    }
    return OP_DONE;
}

static int slice_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                           struct error *err)
{
    struct slice_window *w = (struct slice_window *)op;
    if (w->base.processing_time) {
        return OP_DONE;
    }
    w->fire_now = watermark_ms;
    return fire(w, ctx, err);
}

static int slice_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                 struct error *err)
{
    struct slice_window *w = (struct slice_window *)op;
    w->fire_now = now_ms;
    return fire(w, ctx, err);
}

static int slice_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return fire((struct slice_window *)op, ctx, err);
}

/* ---- records ----------------------------------------------------------------------------------- */

static void mark_all_late(struct slice_window *w, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        window_mark_late(&w->base, batch_row(b, i));
    }
}

/* The rows of `b` (taken) without those of keys that were further on before the restore, for which the
 * window that ends with `last` has fired; NULL: none. */
static struct batch *without_ahead(struct slice_window *w, struct op_context *ctx, struct batch *b,
                                   int64_t last)
{
    struct batch *keys = window_keys(&w->base, ctx, b);
    struct buffer *rest = buffer_get(ctx->pool, b->n_sel * sizeof(uint16_t));
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        uint64_t hash = ((const uint64_t *)(const void *)keys->hashes->data)[row];
        if (window_key_now(&w->base, ctx, hash, INT64_MIN) >= last) {
            window_mark_late(&w->base, row);
        } else {
            ((uint16_t *)(void *)rest->data)[n++] = (uint16_t)row;
        }
    }
    batch_unref(keys);
    struct batch *left = n > 0 ? window_select(ctx, b, buffer_ref(rest), n) : NULL;
    buffer_unref(rest);
    batch_unref(b);
    return left;
}

static int add_rows(struct slice_window *w, struct op_context *ctx, struct batch *b, int64_t end,
                    struct error *err)
{
    struct batch *keys = window_keys(&w->base, ctx, b);
    struct accumulator_run run = {.slots = w->slots, .is_new = w->is_new, .n = b->n_sel};
    int rc =
        keyed_state_upsert(w->slices, end, keys, w->base.key_columns, w->slots, w->is_new, err);
    if (rc >= 0) {
        run.values = keyed_state_values(w->slices, &run.stride);
        window_columns_add(&w->columns, b, batch_sel(b), &run);
        note_slice(w, end);
        rc = slice_merge_add(w, b, keys, end, err);
    }
    batch_unref(keys);
    return rc;
}

/* Rows of one slice; takes the batch. */
static int take_slice(struct slice_window *w, struct op_context *ctx, struct batch *take_b,
                      int64_t end, struct error *err)
{
    int64_t last_end = last_window_end(w, end), now = window_now(&w->base, ctx);
    struct batch *b = take_b;
    bool is_timed = !w->base.processing_time;
    if (last_end < end) { /* between two windows: late, or nobody's */
        if (is_timed && end - w->slice <= now) {
            mark_all_late(w, b);
        }
        batch_unref(b);
        return 0;
    }
    if (is_timed && last_end - 1 <= now) {
        mark_all_late(w, b);
        batch_unref(b);
        return 0;
    }
    if (UNLIKELY(is_timed && window_has_ahead(&w->base, last_end - 1))) {
        b = without_ahead(w, ctx, b, last_end - 1);
    }
    int rc = b != NULL ? add_rows(w, ctx, b, end, err) : 0;
    batch_unref(b);
    return rc;
}

static int compare_rows(const void *a, const void *b)
{
    const struct slice_row *x = a, *y = b;
    int c = (x->start > y->start) - (x->start < y->start);
    return c != 0 ? c : (x->row > y->row) - (x->row < y->row);
}

/* A batch over several slices: slice by slice, rows in their order. */
static int take_slices(struct slice_window *w, struct op_context *ctx, struct batch *b,
                       const int64_t *times, struct error *err)
{
    bool sorted = true;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        w->order[i] = (struct slice_row){window_start(times[row], w->offset, w->slice), row};
        sorted = sorted && (i == 0 || w->order[i - 1].start <= w->order[i].start);
    }
    if (!sorted) {
        qsort(w->order, b->n_sel, sizeof(w->order[0]), compare_rows);
    }
    for (uint32_t from = 0, to; from < b->n_sel; from = to) {
        int64_t start = w->order[from].start;
        for (to = from + 1; to < b->n_sel && w->order[to].start == start; to++) {
        }
        struct buffer *sel = buffer_get(ctx->pool, (to - from) * sizeof(uint16_t));
        for (uint32_t i = from; i < to; i++) {
            ((uint16_t *)(void *)sel->data)[i - from] = (uint16_t)w->order[i].row;
        }
        TRY(take_slice(w, ctx, window_select(ctx, b, sel, to - from), time_add(start, w->slice),
                       err));
    }
    return 0;
}

static int take_event_time(struct slice_window *w, struct op_context *ctx, struct batch *b,
                           struct error *err)
{
    const int64_t *times = (const int64_t *)(const void *)b->timestamps->data;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t t = times[batch_row(b, i)];
        low = MIN(low, t);
        high = MAX(high, t);
    }
    int64_t start = window_start(low, w->offset, w->slice);
    if (LIKELY(high < time_add(start, w->slice))) {
        return take_slice(w, ctx, batch_ref(b), time_add(start, w->slice), err);
    }
    return take_slices(w, ctx, b, times, err);
}

static int take_processing_time(struct slice_window *w, struct op_context *ctx, struct batch *b,
                                struct error *err)
{
    /* A clock that steps back puts nothing into windows that have fired. */
    int64_t now = MAX(clock_now_ms(ctx->clock), time_add(w->base.time_ms, 1)), end;
    int64_t start = window_start(now, w->offset, w->slice);
    TRY(take_slice(w, ctx, batch_ref(b), start + w->slice, err));
    op_timer_at(ctx, next_window(w, &end) ? end - 1 : INT64_MAX);
    return 0;
}

static int slice_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct slice_window *w = (struct slice_window *)op;
    struct batch *b = take_batch;
    int rc = window_base_admit(&w->base, ctx, input, &b, err);
    if (rc >= 0 && b->n_sel > 0) {
        rc = w->base.processing_time ? take_processing_time(w, ctx, b, err)
                                     : take_event_time(w, ctx, b, err);
        window_emit_late(&w->base, ctx, b);
    }
    batch_unref(b);
    return rc;
}

static int slice_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err)
{
    return window_progress_snapshot(&((struct slice_window *)op)->base, err);
}

const struct operator_desc operator_window_slices = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.window.slices",
    .summary = "Tumbling and sliding windows of built-in aggregates, by shared slices",
    .instance_size = sizeof(struct slice_window),
    .n_inputs = 1,
    .open = slice_open,
    .process = slice_process,
    .resume = slice_resume,
    .close = slice_close,
    .watermark = slice_watermark,
    .processing_time = slice_processing_time,
    .snapshot = slice_snapshot,
};
