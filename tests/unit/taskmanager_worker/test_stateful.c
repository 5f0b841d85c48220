/* See test_stateful.h.  Thread: tasks. */
#include "tests/unit/taskmanager_worker/test_stateful.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"
#include "tests/unit/taskmanager_worker/test_operators.h"

struct stateful {
    struct operator base;
    struct stateful_config config;
    int64_t next;               /* source: the number of its next row */
    struct operator_list *list; /* source */
    struct batch *held;         /* map; Owns */
    struct keyed_state *state;  /* count */
    struct record_layout layout;
    struct schema *value; /* Owns */
    int64_t watermark_ms;
};

static struct stateful *stateful_of(struct operator* op)
{
    return (struct stateful *)op;
}

static void changed(struct stateful *s)
{
    event_count_signal(&s->config.counts->changed);
}

static int read_config(struct stateful *s, const struct op_context *ctx)
{
    ASSERT(ctx->spec->config.len == sizeof(s->config));
    memcpy(&s->config, ctx->spec->config.data, sizeof(s->config));
    s->watermark_ms = INT64_MIN;
    return 0;
}

static int fail_when(const struct stateful *s, enum stateful_fail where, struct error *err)
{
    return s->config.fail == where ? error_set(err, ERR_USER_CODE, "told to fail") : 0;
}

static int on_prepare(struct operator* op, struct op_context *ctx,
                      const struct op_checkpoint *checkpoint, struct error *err)
{
    atomic_fetch_add(&stateful_of(op)->config.counts->prepared, 1);
    return fail_when(stateful_of(op), STATEFUL_FAIL_PREPARE, err);
}

static int on_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                     uint64_t checkpoint_id, struct error *err)
{
    struct stateful *s = stateful_of(op);
    if (notice == OP_NOTICE_COMPLETE) {
        atomic_fetch_add(&s->config.counts->completes, 1);
        atomic_store(&s->config.counts->last_complete, (int64_t)checkpoint_id);
    } else if (notice == OP_NOTICE_ABORTED) {
        atomic_fetch_add(&s->config.counts->aborts, 1);
    }
    changed(s);
    return fail_when(s, STATEFUL_FAIL_NOTIFY, err);
}

/* ---- source --------------------------------------------------------------------------------------- */

static int source_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct stateful *s = stateful_of(op);
    struct operator_state *state = NULL;
    read_config(s, ctx);
    TRY(op_operator_state(ctx, &state, err));
    TRY(operator_state_list(state, "next", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                            "ROW<n BIGINT>", &s->list, err));
    if (operator_list_len(s->list) > 0) {
        struct slice item = operator_list_get(s->list, 0);
        memcpy(&s->next, item.data, sizeof(s->next));
    }
    ASSERT((ctx->flags & OP_FLAG_RESTORED) || s->next == 0);
    return 0;
}

static struct batch *rows_from(struct op_context *ctx, int64_t first, int64_t n)
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
    struct stateful *s = stateful_of(op);
    const struct stateful_config *c = &s->config;
    if (s->next >= c->rows) {
        return OP_END;
    }
    int64_t limit = c->rows;
    if (c->hold_at > 0 && atomic_load(&c->counts->hold)) {
        limit = MIN(limit, c->hold_at);
    }
    if (s->next >= limit) {
        changed(s);
        op_wake_after(ctx, 1);
        return OP_IDLE;
    }
    int64_t n = MIN(c->batch_rows, limit - s->next);
    op_emit(ctx, 0, rows_from(ctx, s->next, n));
    s->next += n;
    op_emit_watermark(ctx, s->next);
    atomic_fetch_add(&c->counts->rows_out, n);
    changed(s);
    return OP_DONE;
}

static int source_snapshot(struct operator* op, struct op_context *ctx,
                           const struct op_checkpoint *checkpoint, struct error *err)
{
    struct stateful *s = stateful_of(op);
    atomic_fetch_add(&s->config.counts->snapshots, 1);
    TRY(fail_when(s, STATEFUL_FAIL_SNAPSHOT, err));
    operator_list_clear(s->list);
    return operator_list_add(s->list, &s->next, sizeof(s->next), err);
}

/* ---- map: half-built output, as operators of rows have it -------------------------------------------- */

static int map_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    return read_config(stateful_of(op), ctx);
}

static int map_process(struct operator* op, struct op_context *ctx, uint32_t input,
                       struct batch *take_batch, struct error *err)
{
    struct stateful *s = stateful_of(op);
    if (s->held != NULL) {
        op_emit(ctx, 0, s->held);
    }
    s->held = take_batch;
    return OP_DONE;
}

static int map_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct stateful *s = stateful_of(op);
    if (s->held != NULL) {
        op_emit(ctx, 0, STEAL(s->held));
    }
    return OP_DONE;
}

static void map_close(struct operator* op, struct op_context *ctx)
{
    stateful_of(op)->held = batch_unref(stateful_of(op)->held);
}

/* ---- count ------------------------------------------------------------------------------------------ */

static int count_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct stateful *s = stateful_of(op);
    struct keyed_backend *b = NULL;
    read_config(s, ctx);
    TRY(schema_parse(slice_cstr("ROW<count BIGINT NOT NULL>"), &s->value, err));
    TRY(record_layout_init(&s->layout, s->value, err));
    TRY(op_keyed_backend(ctx, &b, err));
    const struct keyed_state_desc desc = {
        .name = "count",
        .key_schema = ctx->input_schemas[0],
        .value_bytes = s->layout.size,
        .value_layout = &s->layout,
    };
    return keyed_backend_state(b, &desc, &s->state, err);
}

static void count_close(struct operator* op, struct op_context *ctx)
{
    struct stateful *s = stateful_of(op);
    if (s->value != NULL) {
        record_layout_fini(&s->layout);
        schema_unref(s->value);
    }
}

/* What comes meanwhile stays in flight. */
static void count_stall(struct stateful *s, uint32_t rows)
{
    struct stateful_counts *counts = s->config.counts;
    atomic_fetch_add(&counts->stalled_rows, rows);
    atomic_fetch_add(&counts->stalled, 1);
    changed(s);
    for (;;) {
        uint32_t ticket = event_count_prepare(&counts->changed);
        if (!atomic_load(&counts->stall)) {
            event_count_cancel(&counts->changed);
            return;
        }
        event_count_wait(&counts->changed, ticket, -1);
    }
}

static int count_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct stateful *s = stateful_of(op);
    static const uint32_t key_column = 0;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
    if (atomic_load(&s->config.counts->stall)) {
        count_stall(s, take_batch->n_sel);
    }
    struct batch *b = batch_make_unique(ctx->pool, take_batch);
    keyed_state_hash(s->state, b, &key_column);
    int rc = keyed_state_upsert(s->state, NAMESPACE_VOID, b, &key_column, slots, is_new, err);
    for (uint32_t i = 0; rc >= 0 && i < b->n_sel; i++) {
        int64_t *count = keyed_state_value(s->state, slots[i]);
        ++*count;
        int64_t n = COLUMN_VALUES(&b->columns[0], int64_t)[batch_row(b, i)];
        if (n < op_watermark(ctx)) {
            atomic_fetch_add(&s->config.counts->late, 1);
        }
    }
    batch_unref(b);
    changed(s);
    return rc < 0 ? rc : OP_DONE;
}

static int count_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                           struct error *err)
{
    struct stateful *s = stateful_of(op);
    ASSERT(watermark_ms > s->watermark_ms && watermark_ms == op_watermark(ctx));
    s->watermark_ms = watermark_ms;
    if (watermark_ms == INT64_MAX) {
        atomic_fetch_add(&s->config.counts->max_watermarks, 1);
    }
    return OP_DONE;
}

/* What is counted, all keys. */
static int count_report(struct stateful *s)
{
    uint32_t slot = keyed_state_next(s->state, NAMESPACE_VOID, 0);
    while (slot != KEYED_SLOT_NONE) {
        int64_t count = *(int64_t *)keyed_state_value(s->state, slot);
        atomic_fetch_add(&s->config.counts->keys, 1);
        atomic_fetch_add(&s->config.counts->wrong, count != s->config.copies);
        slot = keyed_state_next(s->state, NAMESPACE_VOID, slot + 1);
    }
    return OP_DONE;
}

static int count_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    struct stateful *s = stateful_of(op);
    atomic_fetch_add(&s->config.counts->ended, 1);
    changed(s);
    s->next++; /* inputs that have ended */
    return s->next == ctx->n_inputs ? count_report(s) : OP_DONE;
}

static int count_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err)
{
    atomic_fetch_add(&stateful_of(op)->config.counts->snapshots, 1);
    return fail_when(stateful_of(op), STATEFUL_FAIL_SNAPSHOT, err);
}

#define STATEFUL(kind_text, inputs, ...)                                                        \
    {                                                                                           \
        .struct_size = sizeof(struct operator_desc), .version = 1, .kind = (kind_text),         \
        .summary = "for tests", .instance_size = sizeof(struct stateful), .n_inputs = (inputs), \
        .prepare_barrier = on_prepare, .notify = on_notify, __VA_ARGS__                         \
    }

static const struct operator_desc OPERATORS[] = {
    STATEFUL("stateful.source", 0, .open = source_open, .poll = source_poll,
             .snapshot = source_snapshot),
    STATEFUL("stateful.map", 1, .open = map_open, .process = map_process, .flush = map_flush,
             .close = map_close),
    STATEFUL("stateful.count", 1, .open = count_open, .close = count_close,
             .process = count_process, .watermark = count_watermark, .end_of_input = count_end,
             .snapshot = count_snapshot),
    STATEFUL("stateful.co_count", 2, .open = count_open, .close = count_close,
             .process = count_process, .watermark = count_watermark, .end_of_input = count_end,
             .snapshot = count_snapshot),
};

const struct operator_desc *stateful_operator_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (strcmp(OPERATORS[i].kind, kind) == 0) {
            return &OPERATORS[i];
        }
    }
    return NULL;
}
