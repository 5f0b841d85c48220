/* Panes with a backend that pages: records and the entries of panes go to disk and come back elsewhere, so nothing is noted of where they
 * are, and when a key is due is in timers, which may go to disk as well (pane_window.h).
 *
 * A timer (key, time) says that a key is to be looked at: the window that ends behind this time fires, and the panes go whose time is
 * over then.  What a key has is seen in its records.  A pane that is new sets the timer of its first window that has not fired; a window
 * that fires sets that of the next one when it holds records of that, and, with lateness, that of the panes that it is the last one of.  So each
 * window that has records has a timer when its time comes, and each pane one when it goes.
 *
 * Timers are taken those of one slide at a time: what they set comes behind all of them.
 * Thread: the task's. */
#include "engine/operators/window/pane_window.h"

#include "engine/data/hash.h"

enum {
    PANE_FIRE_KEYS = 256, /* looked at together: what their order takes is at hand at once */
    PANE_NO_KEY = UINT32_MAX,
};

/* Keys that are looked at together. */
struct pane_firing {
    struct batch *keys;   /* Owns a ref: selected rows of w->fired */
    const int64_t *times; /* Borrows: of their timers, by row */
    uint32_t n;
    uint32_t n_done;                                   /* windows of so many have fired */
    uint32_t key;                                      /* whose records are gathered */
    int64_t first, last;                               /* times of these */
    int64_t low[PANE_FIRE_KEYS], high[PANE_FIRE_KEYS]; /* of records */
};

static int64_t time_at(const struct pane_firing *f, uint32_t i)
{
    return f->times[batch_row(f->keys, i)];
}

/* Panes that go. */
struct pane_removal {
    uint32_t n;
    uint16_t rows[BATCH_ROWS_MAX]; /* of the keys */
    int64_t ends[BATCH_ROWS_MAX];
};

static enum timer_kind kind_of(const struct pane_window *w)
{
    return (enum timer_kind)pane_time_kind(&w->general);
}

static int set_timer(struct pane_window *w, uint32_t row, int64_t time_ms, struct error *err)
{
    return time_ms < INT64_MAX
               ? timer_service_add(w->general.timers, kind_of(w), row, NAMESPACE_VOID, time_ms, err)
               : 0;
}

/* A pane of the key of a row waits for its first window, or to go. */
static int wait_for(struct pane_window *w, uint32_t row, int64_t pane_end, int64_t now,
                    struct error *err)
{
    int64_t end = pane_first_window(&w->general, w->pane_ms, pane_end, now);
    return set_timer(
        w, row, end < INT64_MAX ? end - 1 : pane_expiry(&w->general, w->pane_ms, pane_end), err);
}

/* ---- life -------------------------------------------------------------------------------------- */

static int set_again(void *arg, const struct op_context *ctx, const struct batch *keys,
                     uint32_t row, uint32_t slot, struct error *err)
{
    struct pane_window *w = arg;
    const struct general_window *g = &w->general;
    const uint64_t hash = ((const uint64_t *)(const void *)keys->hashes->data)[row];
    const int64_t end = COLUMN_VALUES(&keys->columns[g->base.n_keys], const int64_t)[row];
    return wait_for(w, row, end, pane_now(g, ctx, hash), err);
}

int pane_paged_open(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    struct timer_service_options options = {
        .name = "window-panes", .key_schema = g->base.key_schema, .is_derived = true};
    contents_init_copies(g, &g->sides[0]);
    builder_init(&w->expired, ctx->pool, g->base.key_schema, BATCH_ROWS_MAX);
    w->expired.target_bytes = UINT64_MAX;
    w->expired.max_row_bytes = UINT64_MAX;
    TRY(pane_list_open_state(w, ctx, err));
    TRY(timer_service_new(g->base.backend, &options, &g->timers, err));
    if (w->panes->was_stored && timer_service_was_stored(g->timers, kind_of(w))) {
        return 0;
    }
    const struct window_timers again = {.entries = w->panes,
                                        .timers = g->timers,
                                        .key_columns = g->entry_columns,
                                        .n_keys = g->base.n_keys,
                                        .slots = w->slots,
                                        .set = set_again,
                                        .arg = w};
    return window_timers_set_again(&again, ctx, err);
}

void pane_paged_close(struct pane_window *w)
{
    w->fired.batch = batch_unref(w->fired.batch);
    builder_fini(&w->expired);
}

/* ---- records come ------------------------------------------------------------------------------ */

int pane_paged_note(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    const uint64_t *hashes = (const uint64_t *)(const void *)g->batch->hashes->data;
    for (uint32_t i = 0; i < w->n_rows; i++) {
        if (w->is_new[i]) {
            pane_meta_of(w, w->slots[i])->end = g->ends[w->batch_rows[i]];
        }
    }
    TRY(timer_service_begin(g->timers, g->batch, g->sides[0].row_columns, err));
    for (uint32_t i = 0; i < w->n_rows; i++) {
        const uint16_t row = w->batch_rows[i];
        if (w->is_new[i]) {
            TRY(wait_for(w, row, g->ends[row], pane_now(g, ctx, hashes[row]), err));
        }
    }
    return timer_service_settle(g->timers, err);
}

/* ---- windows ----------------------------------------------------------------------------------- */

static void gather_none(struct pane_window *w)
{
    w->n_gathered = 0;
    w->gathered_in_order = true;
    state_heap_clear(&w->general.sides[0].copies);
}

/* One more record, as a copy: found ones do not stay. */
static int gather_row(struct pane_window *w, const char *record, uint64_t number, struct error *err)
{
    TRY(contents_copy_record(&w->general.sides[0], &record, err));
    pane_rows_reserve(w, w->n_gathered + 1);
    w->gathered_in_order = w->gathered_in_order &&
                           (w->n_gathered == 0 || w->gathered[w->n_gathered - 1].number < number);
    w->gathered[w->n_gathered++] = (struct pane_row){record, number};
    return 0;
}

static int fire_gathered(struct pane_window *w, struct op_context *ctx, int64_t start, int64_t end,
                         struct error *err)
{
    struct window_at_hand at = {.slot = KEYED_SLOT_NONE, .start = start, .end = end};
    pane_rows_show(w, w->gathered_in_order);
    int rc = contents_fire_records(&w->general, ctx, &at, err);
    gather_none(w);
    return rc;
}

int pane_paged_fire_late(struct pane_window *w, struct op_context *ctx, uint16_t row, int64_t end,
                         struct error *err)
{
    struct general_window *g = &w->general;
    struct sorted_map_reader r;
    int64_t low = end - g->size, high = end - 1;
    struct buffer *sel = buffer_get(ctx->pool, sizeof(row));
    memcpy(sel->data, &row, sizeof(row));
    struct batch *one = window_select(ctx, g->batch, sel, 1);
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = one, .key_columns = g->sides[0].row_columns};
    struct sorted_ranges range = {.low = &low, .high = &high};
    memset(&r, 0, sizeof(r));
    gather_none(w);
    int rc = sorted_map_reader_start(&r, w->rows, &keys, &range, err);
    while (rc >= 0 && (rc = sorted_map_reader_next(&r, STATE_ROWS_MAX, err)) == 1) {
        for (uint32_t i = 0; i < r.rows.n && rc >= 0; i++) {
            rc = gather_row(w, r.rows.records[i], r.numbers[i], err);
        }
    }
    sorted_map_reader_fini(&r);
    batch_unref(one);
    return rc < 0 ? rc : fire_gathered(w, ctx, low, end, err);
}

/* The records of the window that fires at the time of each timer. */
static void find_windows(const struct pane_window *w, const struct op_context *ctx,
                         struct pane_firing *f)
{
    const struct general_window *g = &w->general;
    const uint64_t *hashes = (const uint64_t *)(const void *)f->keys->hashes->data;
    for (uint32_t i = 0; i < f->n; i++) {
        const int64_t time_ms = time_at(f, i), end = time_add(time_ms, 1);
        /* Where the clock went back panes may come whose windows have fired all. */
        bool fires =
            pane_window_end_above(g, time_ms) == end &&
            (!g->base.processing_time || time_ms > pane_now(g, ctx, hashes[batch_row(f->keys, i)]));
        f->low[i] = fires ? time_add(end, -g->size) : 0;
        f->high[i] = fires ? time_ms : -1;
    }
}

/* The window of the key whose records are gathered, and what comes behind it. */
static int fire_key(struct pane_window *w, struct op_context *ctx, struct pane_firing *f,
                    struct error *err)
{
    const struct general_window *g = &w->general;
    if (f->key == PANE_NO_KEY) {
        return 0;
    }
    const uint32_t row = batch_row(f->keys, f->key);
    const int64_t start = f->low[f->key], end = f->high[f->key] + 1;
    const int64_t next_start = time_add(start, g->slide);
    f->n_done = f->key + 1;
    f->key = PANE_NO_KEY;
    if (f->first < next_start && g->lateness > 0) {
        TRY(set_timer(w, row, general_cleanup_time(g, end), err));
    }
    if (f->last >= next_start) {
        TRY(set_timer(w, row, time_add(end - 1, g->slide), err));
    }
    return fire_gathered(w, ctx, start, end, err);
}

/* 1: the queue is full. */
static int fire_block(struct pane_window *w, struct op_context *ctx, struct pane_firing *f,
                      const struct sorted_map_reader *r, struct error *err)
{
    for (uint32_t i = 0; i < r->rows.n; i++) {
        if (r->rows.owners[i] != f->key) {
            TRY(fire_key(w, ctx, f, err));
            if (emit_queue_len(&w->general.rows.queue) >= EMIT_QUEUE_STOP) {
                return 1;
            }
            f->key = r->rows.owners[i];
            f->first = r->rows.sorts[i];
        }
        f->last = r->rows.sorts[i];
        TRY(gather_row(w, r->rows.records[i], r->numbers[i], err));
    }
    return 0;
}

/* Fires the windows of the first f->n_done keys. */
static int fire_windows(struct pane_window *w, struct op_context *ctx, struct pane_firing *f,
                        const struct state_keys *keys, struct error *err)
{
    struct sorted_ranges ranges = {.low = f->low, .high = f->high};
    struct sorted_map_reader r;
    memset(&r, 0, sizeof(r));
    gather_none(w);
    f->key = PANE_NO_KEY;
    int full = 0, rc = sorted_map_reader_start(&r, w->rows, keys, &ranges, err);
    while (rc >= 0 && full == 0 && (rc = sorted_map_reader_next(&r, STATE_ROWS_MAX, err)) == 1) {
        rc = full = fire_block(w, ctx, f, &r, err);
    }
    sorted_map_reader_fini(&r);
    TRY(rc);
    if (full == 0) {
        TRY(fire_key(w, ctx, f, err));
        f->n_done = f->n;
    }
    return 0;
}

/* ---- panes go ---------------------------------------------------------------------------------- */

static int remove_panes(struct pane_window *w, struct op_context *ctx, const struct pane_firing *f,
                        struct pane_removal *gone, struct error *err)
{
    const struct general_window *g = &w->general;
    uint32_t slots[BATCH_ROWS_MAX], n = 0;
    int32_t map[KEYED_KEY_COLUMNS_MAX];
    if (gone->n == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < g->base.n_keys; i++) {
        map[i] = (int32_t)i;
    }
    map[g->base.n_keys] = -1;
    struct batch *source = batch_project(ctx->pool, f->keys, g->base.key_schema, map);
    builder_append_rows(&w->expired, source, gone->rows, gone->n);
    batch_unref(source);
    source = builder_finish(&w->expired);
    struct batch *b = batch_project(ctx->pool, source, g->entry_keys, map);
    batch_unref(source);
    struct buffer *ends = buffer_get(ctx->pool, gone->n * sizeof(int64_t));
    ends->size = gone->n * sizeof(int64_t);
    memcpy(ends->data, gone->ends, ends->size);
    column_set_values(&b->columns[g->base.n_keys], ends);
    keyed_state_hash(w->panes, b, g->entry_columns);
    int rc = keyed_state_find(w->panes, NAMESPACE_VOID, b, g->entry_columns, slots, err);
    batch_unref(b);
    TRY(rc);
    for (uint32_t i = 0; i < gone->n; i++) {
        if (slots[i] != KEYED_SLOT_NONE) {
            slots[n++] = slots[i];
        }
    }
    keyed_state_remove_many(w->panes, slots, n);
    gone->n = 0;
    return 0;
}

/* The records of all panes that go at the time of each timer: those of one slide. */
static void find_expired(const struct pane_window *w, struct pane_firing *f)
{
    const struct general_window *g = &w->general;
    for (uint32_t i = 0; i < f->n; i++) {
        int64_t start = time_add(time_add(time_at(f, i), 1 - g->size), -g->lateness);
        bool expires =
            i < f->n_done && start > INT64_MIN && window_start(start, g->offset, g->slide) == start;
        f->low[i] = expires ? start : 0;
        f->high[i] = expires ? time_add(start, g->slide - 1) : -1;
    }
}

/* Notes the panes that a block of records is in. */
static int note_panes(struct pane_window *w, struct op_context *ctx, const struct pane_firing *f,
                      const struct sorted_map_reader *r, struct pane_removal *gone,
                      struct error *err)
{
    for (uint32_t i = 0; i < r->rows.n; i++) {
        const int64_t end = pane_end_of(&w->general, w->pane_ms, r->rows.sorts[i]);
        const uint16_t row = (uint16_t)batch_row(f->keys, r->rows.owners[i]);
        if (gone->n > 0 && gone->rows[gone->n - 1] == row && gone->ends[gone->n - 1] == end) {
            continue;
        }
        if (gone->n == BATCH_ROWS_MAX) {
            TRY(remove_panes(w, ctx, f, gone, err));
        }
        gone->rows[gone->n] = row;
        gone->ends[gone->n++] = end;
    }
    return 0;
}

static int expire_panes(struct pane_window *w, struct op_context *ctx, struct pane_firing *f,
                        const struct state_keys *keys, struct error *err)
{
    struct sorted_ranges ranges = {.low = f->low, .high = f->high};
    struct pane_removal gone = {.n = 0};
    struct sorted_map_reader r;
    bool some = false;
    memset(&r, 0, sizeof(r));
    r.order_only = true;
    find_expired(w, f);
    int rc = sorted_map_reader_start(&r, w->rows, keys, &ranges, err);
    while (rc >= 0 && (rc = sorted_map_reader_next(&r, STATE_ROWS_MAX, err)) == 1) {
        some = true;
        rc = note_panes(w, ctx, f, &r, &gone, err);
    }
    sorted_map_reader_fini(&r);
    TRY(rc);
    if (!some) {
        return 0;
    }
    TRY(remove_panes(w, ctx, f, &gone, err));
    return sorted_map_remove_ranges(w->rows, keys, &ranges, NULL, err);
}

/* ---- firing ------------------------------------------------------------------------------------ */

/* Some of the keys whose timers were taken. */
static int look_at_keys(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    struct general_window *g = &w->general;
    struct pane_firing f = {.n = MIN(w->fired.n - w->next_fired, (uint32_t)PANE_FIRE_KEYS),
                            .times = w->fired.times_ms};
    struct buffer *sel = buffer_get(ctx->pool, f.n * sizeof(uint16_t));
    memcpy(sel->data, w->fired_rows + w->next_fired, f.n * sizeof(uint16_t));
    f.keys = window_select(ctx, w->fired.batch, sel, f.n);
    struct state_keys keys = {
        .name_space = NAMESPACE_VOID, .batch = f.keys, .key_columns = g->entry_columns};
    find_windows(w, ctx, &f);
    int rc = timer_service_begin(g->timers, f.keys, g->entry_columns, err);
    rc = rc < 0 ? rc : fire_windows(w, ctx, &f, &keys, err);
    rc = rc < 0 ? rc : timer_service_settle(g->timers, err);
    rc = rc < 0 ? rc : expire_panes(w, ctx, &f, &keys, err);
    batch_unref(f.keys);
    w->next_fired += f.n_done;
    return rc;
}

/* The next timers that are due, those of one slide at most: 1, or 0 when there are none. */
static int take_timers(struct pane_window *w, struct error *err)
{
    struct general_window *g = &w->general;
    int64_t from = timer_service_next_time(g->timers, kind_of(w));
    w->fired.batch = batch_unref(w->fired.batch);
    w->fired.n = w->next_fired = 0;
    while (from < TIMER_NONE && from <= g->fire_now) {
        int64_t limit = MIN(time_add(from, g->slide - 1), g->fire_now);
        TRY(timer_service_take(g->timers, kind_of(w), limit, &w->fired, err));
        if (w->fired.batch != NULL) {
            memcpy(w->fired_rows, w->fired.rows, w->fired.n * sizeof(*w->fired_rows));
            return 1;
        }
        from = MAX(time_add(limit, 1), timer_service_next_time(g->timers, kind_of(w)));
    }
    return 0;
}

int pane_paged_fire(struct pane_window *w, struct op_context *ctx, struct error *err)
{
    int rc = 1;
    while (rc == 1 && emit_queue_len(&w->general.rows.queue) < EMIT_QUEUE_STOP) {
        rc = w->next_fired < w->fired.n ? 1 : take_timers(w, err);
        if (rc == 1) {
            TRY(look_at_keys(w, ctx, err));
        }
    }
    return rc;
}
