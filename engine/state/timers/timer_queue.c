/* Timers in order of time (timer_queue.h).  Thread: one owner. */
#include "engine/state/timers/timer_queue.h"

enum {
    RUNS_FEW = 64,      /* so many runs are never too many */
    RUN_ROWS_MIN = 256, /* rows of a run on average, else small ones are joined */
    RUN_ROWS_SMALL = 512,
};

/* ---- life -------------------------------------------------------------------------------------- */

void timer_queue_init(struct timer_queue *q, struct buffer_pool *pool, const struct schema *schema,
                      uint32_t time_column)
{
    *q = (struct timer_queue){.pool = pool, .time_column = time_column};
    builder_init(&q->builder, pool, schema, BATCH_ROWS_MAX);
    /* Rows are counted, bytes are not: keys were within the limit of a row when they came. */
    q->builder.target_bytes = UINT64_MAX;
    q->builder.max_row_bytes = UINT64_MAX;
    q->sort = MEM_NEW(struct timer_sort);
}

static void run_free(struct timer_run *run)
{
    batch_unref(run->batch);
    mem_free(run);
}

void timer_queue_fini(struct timer_queue *q)
{
    if (q->pool == NULL) {
        return;
    }
    for (uint32_t i = 0; i < q->n_runs; i++) {
        run_free(q->heap[i]);
    }
    builder_fini(&q->builder);
    mem_free(q->heap);
    mem_free(q->touched);
    mem_free(q->sort);
    *q = (struct timer_queue){.pool = NULL};
}

/* ---- the heap ---------------------------------------------------------------------------------- */

static const int64_t *times_of(const struct timer_queue *q, const struct batch *b)
{
    return COLUMN_VALUES(&b->columns[q->time_column], const int64_t);
}

static void sift_down(struct timer_run **heap, uint32_t n, uint32_t at)
{
    struct timer_run *run = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= n) {
            break;
        }
        child += child + 1 < n && heap[child + 1]->head_ms < heap[child]->head_ms;
        if (run->head_ms <= heap[child]->head_ms) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = run;
}

static void heap_push(struct timer_queue *q, struct timer_run *run)
{
    if (q->n_runs == q->cap_runs) {
        q->cap_runs = MAX(q->cap_runs * 2, 64u);
        q->heap = mem_realloc(q->heap, q->cap_runs * sizeof(struct timer_run *));
    }
    uint32_t at = q->n_runs++;
    while (at > 0 && q->heap[(at - 1) / 2]->head_ms > run->head_ms) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = run;
}

static void heapify(struct timer_queue *q)
{
    for (uint32_t i = q->n_runs / 2; i-- > 0;) {
        sift_down(q->heap, q->n_runs, i);
    }
}

/* A run of a batch whose rows are in order of time; taken. */
static struct timer_run *run_new(struct timer_queue *q, struct batch *take_sorted)
{
    struct timer_run *run = MEM_NEW(struct timer_run);
    *run = (struct timer_run){.head_ms = times_of(q, take_sorted)[0],
                              .batch = take_sorted,
                              .end = take_sorted->n_rows,
                              .taken_from = UINT32_MAX};
    return run;
}

/* ---- joining small runs ------------------------------------------------------------------------- */

/* Makes the builder's next batch for this many rows. */
static void builder_expect(struct timer_queue *q, uint32_t n)
{
    q->builder.rows_hint = n;
}

/* The builder's rows as a batch in order of time. */
static struct batch *finish_sorted(struct timer_queue *q)
{
    struct batch *b = builder_finish(&q->builder);
    const int64_t *times = times_of(q, b);
    for (uint32_t i = 1; i < b->n_rows; i++) {
        if (times[i - 1] > times[i]) {
            const uint16_t *rows = timer_sort_rows(q->sort, times, NULL, b->n_rows);
            builder_expect(q, b->n_rows);
            builder_append_rows(&q->builder, b, rows, b->n_rows);
            batch_unref(b);
            return builder_finish(&q->builder);
        }
    }
    return b;
}

static void append_rest(struct timer_queue *q, struct timer_run *run)
{
    builder_append_range(&q->builder, run->batch, run->next, run->end - run->next);
    run_free(run);
}

/* Many small runs make the heap deep and pin buffers for few rows. */
static void join_small_runs(struct timer_queue *q)
{
    uint32_t kept = 0, n_small = 0;
    for (uint32_t i = 0; i < q->n_runs; i++) {
        struct timer_run *run = q->heap[i];
        if (run->end - run->next < RUN_ROWS_SMALL) {
            q->touched[n_small++] = run;
        } else {
            q->heap[kept++] = run;
        }
    }
    for (uint32_t i = 0; i < n_small;) {
        uint32_t n = 0, k = i;
        while (k < n_small && n + q->touched[k]->end - q->touched[k]->next <= BATCH_ROWS_MAX) {
            n += q->touched[k]->end - q->touched[k]->next;
            k++;
        }
        builder_expect(q, n);
        for (; i < k; i++) {
            append_rest(q, q->touched[i]);
        }
        q->heap[kept++] = run_new(q, finish_sorted(q));
    }
    q->n_runs = kept;
    heapify(q);
}

static void reserve_touched(struct timer_queue *q)
{
    if (q->cap_touched < q->n_runs) {
        q->cap_touched = q->cap_runs;
        q->touched = mem_realloc(q->touched, q->cap_touched * sizeof(struct timer_run *));
    }
}

static void add_run(struct timer_queue *q, struct batch *take_sorted)
{
    q->n_rows += take_sorted->n_rows;
    heap_push(q, run_new(q, take_sorted));
    if (q->n_runs > RUNS_FEW + q->n_rows / RUN_ROWS_MIN) {
        reserve_touched(q);
        join_small_runs(q);
    }
}

/* ---- in ---------------------------------------------------------------------------------------- */

static bool is_sorted(const int64_t *times, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if (times[i - 1] > times[i]) {
            return false;
        }
    }
    return true;
}

void timer_queue_push(struct timer_queue *q, struct batch *take_batch)
{
    struct batch *b = take_batch;
    if (b->n_sel == 0) {
        batch_unref(b);
        return;
    }
    if (b->sel == NULL && is_sorted(times_of(q, b), b->n_rows)) {
        add_run(q, b);
        return;
    }
    builder_expect(q, b->n_sel);
    if (b->sel != NULL) {
        builder_append_rows(&q->builder, b, batch_sel(b), b->n_sel);
        batch_unref(b);
        add_run(q, finish_sorted(q));
        return;
    }
    const uint16_t *rows = timer_sort_rows(q->sort, times_of(q, b), NULL, b->n_rows);
    builder_append_rows(&q->builder, b, rows, b->n_rows);
    batch_unref(b);
    add_run(q, builder_finish(&q->builder));
}

void timer_queue_push_sorted(struct timer_queue *q, const struct batch *b, const uint16_t *rows,
                             uint32_t n)
{
    if (n > 0) {
        builder_expect(q, n);
        builder_append_rows(&q->builder, b, rows, n);
        add_run(q, builder_finish(&q->builder));
    }
}

/* ---- out --------------------------------------------------------------------------------------- */

/* Uses up rows of the first run as long as they are not behind those of the others; returns how many. */
static uint32_t take_of_first(struct timer_queue *q, int64_t limit_ms, uint32_t max)
{
    struct timer_run *run = q->heap[0];
    const int64_t *times = times_of(q, run->batch);
    int64_t others_ms = limit_ms;
    if (q->n_runs > 1) {
        others_ms = MIN(others_ms, q->heap[1]->head_ms);
    }
    if (q->n_runs > 2) {
        others_ms = MIN(others_ms, q->heap[2]->head_ms);
    }
    uint32_t from = run->next, end = MIN(run->end, from + max);
    do {
        run->next++;
    } while (run->next < end && times[run->next] <= others_ms);
    if (run->next < run->end) {
        run->head_ms = times[run->next];
    } else {
        q->heap[0] = q->heap[--q->n_runs];
    }
    if (q->n_runs > 0) {
        sift_down(q->heap, q->n_runs, 0);
    }
    return run->next - from;
}

/* The rows that were taken of each run, one after the other, as one batch. */
static struct batch *gather_taken(struct timer_queue *q, uint32_t n_touched, uint32_t n)
{
    builder_expect(q, n);
    uint32_t base = 0;
    for (uint32_t i = 0; i < n_touched; i++) {
        struct timer_run *run = q->touched[i];
        run->base = base;
        base += run->next - run->taken_from;
        builder_append_range(&q->builder, run->batch, run->taken_from, run->next - run->taken_from);
    }
    return builder_finish(&q->builder);
}

struct batch *timer_queue_take(struct timer_queue *q, int64_t limit_ms, uint32_t max,
                               uint16_t *ret_rows, uint32_t *ret_n)
{
    /* Which run a row comes from, and which of its rows; then where that lies in the new batch. */
    struct {
        uint16_t run, row;
    } taken[BATCH_ROWS_MAX];
    uint32_t n = 0, n_touched = 0;
    ASSERT(max <= BATCH_ROWS_MAX);
    reserve_touched(q);
    while (n < max && q->n_runs > 0 && q->heap[0]->head_ms <= limit_ms) {
        struct timer_run *run = q->heap[0];
        if (run->taken_from == UINT32_MAX) {
            run->taken_from = run->next;
            run->base = n_touched;
            q->touched[n_touched++] = run;
        }
        uint32_t row = run->next, number = run->base;
        uint32_t k = take_of_first(q, limit_ms, max - n);
        for (; k > 0; k--) {
            taken[n].run = (uint16_t)number;
            taken[n++].row = (uint16_t)row++;
        }
    }
    *ret_n = n;
    if (n == 0) {
        return NULL;
    }
    struct batch *b = gather_taken(q, n_touched, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct timer_run *run = q->touched[taken[i].run];
        ret_rows[i] = (uint16_t)(run->base + taken[i].row - run->taken_from);
    }
    for (uint32_t i = 0; i < n_touched; i++) {
        struct timer_run *run = q->touched[i];
        run->taken_from = UINT32_MAX;
        if (run->next == run->end) {
            run_free(run);
        }
    }
    q->n_rows -= n;
    return b;
}

struct batch *timer_queue_pop_run(struct timer_queue *q)
{
    if (q->n_runs == 0) {
        return NULL;
    }
    struct timer_run *run = q->heap[--q->n_runs];
    uint32_t n = run->end - run->next;
    q->n_rows -= n;
    builder_expect(q, n);
    builder_append_range(&q->builder, run->batch, run->next, n);
    run_free(run);
    return builder_finish(&q->builder);
}
