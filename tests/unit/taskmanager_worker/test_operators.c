/* See test_operators.h.  Thread: tasks. */
#include "tests/unit/taskmanager_worker/test_operators.h"
#include <stdlib.h>
#include <string.h>

struct test_operator {
    struct operator base;
    struct test_config config;
    int64_t calls[TEST_CALLBACKS];
    int64_t next, batches; /* source */
    bool event_came;
    struct batch *held; /* flat map: what is copied; hold: what waits for a flush.  Owns */
    int64_t copies_left;
    uint64_t allocations;
};

static struct test_operator *test_of(struct operator* op)
{
    return (struct test_operator *)op;
}

static void test_hang(struct test_counts *c)
{
    atomic_store(&c->reached, true);
    event_count_signal(&c->changed);
    for (;;) {
        uint32_t ticket = event_count_prepare(&c->changed);
        if (atomic_load(&c->release)) {
            event_count_cancel(&c->changed);
            return;
        }
        event_count_wait(&c->changed, ticket, -1);
    }
}

/* Counts a call; hangs or fails when it is told to. */
static int test_called(struct operator* op, struct op_context *ctx, enum test_callback callback,
                       struct error *err)
{
    struct test_operator *t = test_of(op);
    t->calls[callback]++;
    if (t->config.hang_in == callback) {
        test_hang(t->config.counts);
    }
    if (t->config.fail_in == callback && t->calls[callback] > t->config.fail_after) {
        return error_set(err, ERR_USER_CODE, "told to fail in callback %d", (int)callback);
    }
    return 0;
}

static void test_changed(struct test_operator *t)
{
    if (t->config.counts != NULL) {
        event_count_signal(&t->config.counts->changed);
    }
}

static int test_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct test_operator *t = test_of(op);
    ASSERT(ctx->spec->config.len == sizeof(t->config));
    memcpy(&t->config, ctx->spec->config.data, sizeof(t->config));
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->opened, 1);
    }
    if (t->config.send_event) {
        op_send_event(ctx, (const uint8_t *)"hello", 5);
        op_send_event(ctx, (const uint8_t *)"again", 5);
    }
    return test_called(op, ctx, TEST_OPEN, err);
}

static void test_close(struct operator* op, struct op_context *ctx)
{
    struct test_operator *t = test_of(op);
    t->held = batch_unref(t->held);
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->closed, 1);
    }
    test_changed(t);
}

static int test_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->ended, 1);
    }
    return test_called(op, ctx, TEST_END_OF_INPUT, err);
}

static int test_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->flushed, 1);
    }
    if (t->held != NULL) {
        op_emit(ctx, 0, STEAL(t->held));
    }
    test_changed(t);
    return test_called(op, ctx, TEST_FLUSH, err);
}

/* ---- source ------------------------------------------------------------------------------------- */

static struct batch *numbers(struct op_context *ctx, int64_t first, int64_t n)
{
    struct batch *b = batch_new(ctx->pool, ctx->output_schemas[0]);
    struct buffer *values = buffer_get(ctx->pool, (uint64_t)n * sizeof(int64_t));
    for (int64_t i = 0; i < n; i++) {
        ((int64_t *)(void *)values->data)[i] = first + i;
    }
    values->size = (uint64_t)n * sizeof(int64_t);
    column_set_values(&b->columns[0], values);
    b->n_rows = (uint32_t)n;
    b->n_sel = (uint32_t)n;
    return b;
}

static int source_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct test_operator *t = test_of(op);
    const struct test_config *c = &t->config;
    int rc = test_called(op, ctx, TEST_POLL, err);
    if (rc < 0) {
        return rc;
    }
    if (c->counts != NULL) {
        atomic_store(&c->counts->reached, true);
        test_changed(t);
    }
    if (c->wait_for_event && !t->event_came) {
        return OP_IDLE;
    }
    if (c->rows >= 0 && t->next >= c->rows) {
        return OP_END;
    }
    int64_t n = c->rows >= 0 ? MIN(c->batch_rows, c->rows - t->next) : c->batch_rows;
    op_emit(ctx, 0, numbers(ctx, t->next, n));
    t->next += n;
    t->batches++;
    if (c->idle_every > 0 && t->batches % c->idle_every == 0) {
        op_wake_after(ctx, 1);
        return OP_IDLE;
    }
    return OP_DONE;
}

static int source_on_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                           size_t size, struct error *err)
{
    struct test_operator *t = test_of(op);
    t->event_came = true;
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->events, 1);
    }
    return test_called(op, ctx, TEST_ON_EVENT, err);
}

/* ---- in the middle ------------------------------------------------------------------------------ */

static int map_process(struct operator* op, struct op_context *ctx, uint32_t input,
                       struct batch *take_batch, struct error *err)
{
    op_emit(ctx, 0, take_batch);
    return test_called(op, ctx, TEST_PROCESS, err);
}

/* Rows whose number is divisible leave by output 1, the others by output 0. */
static int split_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct test_operator *t = test_of(op);
    for (uint32_t output = 0; output < 2; output++) {
        struct buffer *sel = buffer_get(ctx->pool, take_batch->n_sel * sizeof(uint16_t));
        uint32_t n = 0;
        for (uint32_t i = 0; i < take_batch->n_sel; i++) {
            uint32_t row = batch_row(take_batch, i);
            bool divides =
                COLUMN_VALUES(&take_batch->columns[0], int64_t)[row] % t->config.side_modulo == 0;
            if (divides == (output == 1)) {
                ((uint16_t *)(void *)sel->data)[n++] = (uint16_t)row;
            }
        }
        sel->size = n * sizeof(uint16_t);
        struct batch *part = batch_make_unique(ctx->pool, batch_ref(take_batch));
        batch_set_selection(part, sel, n);
        op_emit(ctx, output, part);
    }
    batch_unref(take_batch);
    return test_called(op, ctx, TEST_PROCESS, err);
}

/* One copy per call. */
static int flat_map_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->resumed, 1);
    }
    int rc = test_called(op, ctx, TEST_RESUME, err);
    if (rc < 0) {
        return rc;
    }
    t->copies_left--;
    op_emit(ctx, 0, batch_ref(t->held));
    if (t->copies_left > 0) {
        return OP_MORE;
    }
    t->held = batch_unref(t->held);
    return OP_DONE;
}

static int flat_map_process(struct operator* op, struct op_context *ctx, uint32_t input,
                            struct batch *take_batch, struct error *err)
{
    struct test_operator *t = test_of(op);
    ASSERT(t->held == NULL);
    t->held = take_batch;
    t->copies_left = t->config.batch_rows;
    return OP_MORE;
}

/* Keeps its last batch until it is flushed. */
static int hold_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->held != NULL) {
        op_emit(ctx, 0, t->held);
    }
    t->held = take_batch;
    return test_called(op, ctx, TEST_PROCESS, err);
}

static int co_process(struct operator* op, struct op_context *ctx, uint32_t input,
                      struct batch *take_batch, struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->config.counts != NULL) {
        atomic_fetch_add(&t->config.counts->rows_by_input[input], take_batch->n_sel);
    }
    op_emit(ctx, 0, take_batch);
    return test_called(op, ctx, TEST_PROCESS, err);
}

/* ---- sink --------------------------------------------------------------------------------------- */

/* Wrong on purpose: the sanitizers must not come first. */
__attribute__((no_sanitize("undefined", "address", "thread"), noinline)) static int
test_overflow(volatile int depth)
{
    volatile char frame[4096];
    frame[0] = (char)depth;
    return depth < 0 ? 0 : test_overflow(depth + 1) + frame[0];
}

__attribute__((no_sanitize("undefined", "address", "thread"), noinline)) static void
test_crash(enum test_crash crash)
{
    volatile int *volatile nowhere = NULL;
    switch (crash) {
    case TEST_CRASH_NULL:
        *nowhere = 1;
        break;
    case TEST_CRASH_STACK:
        test_overflow(0);
        break;
    case TEST_CRASH_ABORT:
        abort();
    default:
        break;
    }
}

static void sink_count(struct test_operator *t, struct op_context *ctx, const struct batch *b)
{
    struct test_counts *c = t->config.counts;
    int64_t sum = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        sum += COLUMN_VALUES(&b->columns[0], int64_t)[batch_row(b, i)];
    }
    atomic_fetch_add(&c->rows, b->n_sel);
    atomic_fetch_add(&c->sum, sum);
    atomic_fetch_add(&c->rows_by_subtask[ctx->subtask % 8], b->n_sel);
    if (atomic_fetch_add(&c->batches, 1) + 1 == t->config.warm_batches) {
        t->allocations = mem_thread_allocations();
    }
}

static int sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct test_operator *t = test_of(op);
    uint32_t rows = take_batch->n_sel;
    if (t->config.counts != NULL) {
        sink_count(t, ctx, take_batch);
    }
    batch_unref(take_batch);
    test_crash(t->config.crash);
    if (t->config.accumulate) {
        int rc = ctx->host->accumulate(ctx, "rows", "LongCounter", rows, 0, err);
        if (rc < 0) {
            return rc;
        }
    }
    test_changed(t);
    return test_called(op, ctx, TEST_PROCESS, err);
}

static int sink_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct error *err)
{
    struct test_operator *t = test_of(op);
    if (t->config.warm_batches > 0) {
        atomic_store(&t->config.counts->allocations,
                     (int64_t)(mem_thread_allocations() - t->allocations));
    }
    return test_end_of_input(op, ctx, input, err);
}

/* ---- descriptors -------------------------------------------------------------------------------- */

#define TEST_OPERATOR(kind_text, inputs, ...)                                           \
    {                                                                                   \
        .struct_size = sizeof(struct operator_desc), .version = 1, .kind = (kind_text), \
        .summary = "for tests", .instance_size = sizeof(struct test_operator),          \
        .n_inputs = (inputs), .open = test_open, .close = test_close, __VA_ARGS__       \
    }

static const struct operator_desc OPERATORS[] = {
    TEST_OPERATOR("test.source", 0, .poll = source_poll, .on_event = source_on_event),
    TEST_OPERATOR("test.map", 1, .process = map_process, .end_of_input = test_end_of_input,
                  .flush = test_flush),
    TEST_OPERATOR("test.split", 1, .process = split_process),
    TEST_OPERATOR("test.flat_map", 1, .process = flat_map_process, .resume = flat_map_resume),
    TEST_OPERATOR("test.hold", 1, .process = hold_process, .flush = test_flush),
    TEST_OPERATOR("test.co", 2, .process = co_process, .end_of_input = test_end_of_input),
    TEST_OPERATOR("test.sink", 1, .process = sink_process, .end_of_input = sink_end_of_input),
};

const struct operator_desc *test_operator_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (strcmp(OPERATORS[i].kind, kind) == 0) {
            return &OPERATORS[i];
        }
    }
    return NULL;
}

void test_counts_wait(struct test_counts *counts, bool (*fn)(const struct test_counts *counts))
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&counts->changed);
        if (fn(counts)) {
            event_count_cancel(&counts->changed);
            return;
        }
        event_count_wait(&counts->changed, ticket, -1);
    }
}
