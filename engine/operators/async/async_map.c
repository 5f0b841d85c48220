/* flinc.async_map: calls of outside services for each record, many at a time (include/flinc/async.h).
 *
 * Records come from three places, in this order: those of a restored checkpoint, the batch at hand, new
 * batches.  Each is called for while fewer than `capacity` are in flight; then the operator waits
 * (OP_WAIT), and a completion wakes it.  What is in flight, done but not emitted, or not called for yet
 * is list state: barriers do not wait for it.
 *
 *   called ─► done ─► emitted              done and to be retried ─► delayed ─► called
 *   called, delayed ─► time-out ─► called (on_timeout)
 *
 * The operator emits its own watermarks and idleness: they leave behind the records that came before them.
 * Thread: the task's.  Flink: AsyncWaitOperator, RetryableResultHandlerDelegator. */
#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "engine/data/codec.h"
#include "engine/operators/async/async_handle.h"
#include "engine/operators/async/async_queue.h"
#include "engine/operators/emit_queue.h"
#include "engine/operators/io/list_state.h"
#include "engine/operators/registry.h"
#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"
#include "flinc/async.h"
#include "proto/operators.pb-c.h"

#include <math.h>

typedef int (*async_fn)(flinc_ctx *ctx, const void *in, flinc_async *handle);
typedef int (*retry_fn)(flinc_ctx *ctx, const void *results, size_t n, const char *error);

struct async_operator {
    struct operator op;
    struct op_context *ctx;     /* Borrows */
    Flinc__AsyncConfig *config; /* Owns */
    struct user_functions functions;
    struct user_function *call, *on_timeout, *retry_if; /* Borrows; the last two may be NULL */
    struct async_shared *shared;                        /* Owns a reference */
    struct async_queue queue;
    struct row_reader reader;  /* of batches */
    struct row_reader again;   /* of single records that come from the row codec */
    struct builder row;        /* to decode them */
    struct row_writer writer;  /* results */
    struct emit_queue emitted; /* full batches */
    struct batch *batch;       /* Owns: at hand; NULL: none */
    uint32_t tile, tile_rows;  /* place in the tile of its reader */
    struct vec backlog;        /* struct str, Owns: restored records, from `backlog_at` on */
    size_t backlog_at;
    int64_t watermark_ms;        /* to go behind the backlog; INT64_MIN: none */
    int64_t timer_ms;            /* that is set; INT64_MAX: none */
    struct operator_list *state; /* Borrows; NULL: no state */
    bool ending;
};

enum { ROW_PARTS = ROW_ENCODE_KIND | ROW_ENCODE_TIMESTAMP };

static struct async_operator *async_of(struct operator* op)
{
    return (struct async_operator *)op;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static int resolve_functions(struct async_operator *a, struct error *err)
{
    uint32_t kinds[3] = {FLINC_FN_ASYNC};
    uint32_t n = 1;

    if (a->config->has_timeout_function) {
        kinds[n++] = FLINC_FN_ASYNC;
    }
    if (a->config->has_retry_function) {
        kinds[n++] = FLINC_FN_ASYNC_RETRY_IF;
    }
    TRY(user_functions_resolve(&a->functions, a->ctx, kinds, n, err));
    a->call = &a->functions.items[0];
    a->on_timeout = a->config->has_timeout_function ? &a->functions.items[1] : NULL;
    a->retry_if = a->config->has_retry_function ? &a->functions.items[n - 1] : NULL;
    return 0;
}

static int result_full(void *arg, struct builder *b)
{
    emit_queue_push(&((struct async_operator *)arg)->emitted, 0, builder_finish(b));
    return 0;
}

static int open_rows(struct async_operator *a, struct error *err)
{
    const Flinc__AsyncConfig *c = a->config;
    struct schema *in = a->ctx->input_schemas[0];

    TRY(row_reader_init(&a->reader, c->input, in, "the input of the async function", err));
    TRY(row_reader_init(&a->again, c->input, in, "the input of the async function", err));
    TRY(row_writer_init(&a->writer, c->output, a->ctx->output_schemas[0],
                        "the result of the async function", a->ctx->pool, BATCH_ROWS_TARGET, err));
    row_writer_on_full(&a->writer, result_full, a);
    builder_init(&a->row, a->ctx->pool, in, 1);
    return 0;
}

static int restore(struct async_operator *a, struct error *err)
{
    TRY(list_state_open(a->ctx, "in-flight", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &a->state, err));
    for (size_t i = 0; a->state != NULL && i < operator_list_len(a->state); i++) {
        struct slice row = operator_list_get(a->state, i);
        str_append(VEC_PUSH(&a->backlog, struct str), row.data, row.len);
    }
    if (a->backlog.len > 0) {
        op_wake(op_get_waker(a->ctx)); /* they do not wait for the input */
    }
    return 0;
}

static int async_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct async_operator *a = async_of(op);

    a->ctx = ctx;
    a->watermark_ms = INT64_MIN;
    a->timer_ms = INT64_MAX;
    vec_init(&a->backlog, sizeof(struct str));
    a->config = flinc__async_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (a->config == NULL || a->config->capacity == 0 || a->config->input == NULL ||
        a->config->output == NULL) {
        return error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                         ctx->spec->name, ctx->spec->kind);
    }
    async_queue_init(&a->queue, a->config->unordered);
    TRY(resolve_functions(a, err));
    TRY(open_rows(a, err));
    a->shared = async_shared_new(ctx, &a->writer.layout);
    TRY(restore(a, err));
    return user_functions_start(&a->functions, err);
}

static void async_close(struct operator* op, struct op_context *ctx)
{
    struct async_operator *a = async_of(op);

    (void)ctx;
    user_functions_close(&a->functions);
    for (struct async_entry *e = a->queue.first; e != NULL; e = e->next) {
        if (e->state == ASYNC_DONE) {
            async_handle_recycle(e->handle);
        }
    }
    async_queue_fini(&a->queue);
    a->shared = async_shared_close(a->shared);
    row_reader_fini(&a->reader);
    row_reader_fini(&a->again);
    row_writer_fini(&a->writer);
    if (a->row.schema != NULL) {
        builder_fini(&a->row);
    }
    emit_queue_fini(&a->emitted);
    a->batch = batch_unref(a->batch);
    for (size_t i = 0; i < a->backlog.len; i++) {
        str_fini(VEC_AT(&a->backlog, struct str, i));
    }
    vec_fini(&a->backlog);
    if (a->config != NULL) {
        flinc__async_config__free_unpacked(a->config, NULL);
    }
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static int call_with(struct async_operator *a, struct user_function *f, struct async_entry *e,
                     const void *record, struct error *err)
{
    TRY(user_function_check_cancelled(f, err));
    e->handle = async_handle_get(a->shared, e);
    e->state = ASYNC_CALLED;
    int rc = ((async_fn)f->call)(&f->ctx, record, e->handle);
    if (UNLIKELY(rc < 0 || f->ctx.failed)) {
        async_handle_drop(STEAL(e->handle));
        return user_function_failed(f, rc, err);
    }
    return 0;
}

/* From the record's encoding. */
static int call_again(struct async_operator *a, struct user_function *f, struct async_entry *e,
                      struct error *err)
{
    uint32_t n = 0;

    TRY_CTX(err, row_decode((const uint8_t *)e->row.data, e->row.len, &a->row, err),
            "reading a record that was in flight");
    struct batch *b = builder_finish(&a->row);
    row_reader_start(&a->again, b);
    int rc = row_reader_next(&a->again, &n, err);
    if (rc == 0) {
        rc = call_with(a, f, e, row_reader_row(&a->again, 0), err);
    }
    batch_unref(b);
    return rc;
}

static struct async_entry *new_entry(struct async_operator *a)
{
    struct async_entry *e = async_queue_push(&a->queue);

    e->attempts = 1;
    e->timestamp_ms = BATCH_NO_TIMESTAMP;
    if (a->config->timeout_ms > 0) {
        e->deadline_ms = clock_now_ms(a->ctx->clock) + (int64_t)a->config->timeout_ms;
    }
    return e;
}

static void take_stamp(struct async_entry *e, const struct batch *b, uint32_t row)
{
    if (b->timestamps != NULL) {
        e->timestamp_ms = ((const int64_t *)(const void *)b->timestamps->data)[row];
    }
    e->kind = b->row_kinds != NULL ? (enum row_kind)b->row_kinds->data[row] : ROW_KIND_INSERT;
}

static int call_backlog(struct async_operator *a, struct error *err)
{
    struct str *row = VEC_AT(&a->backlog, struct str, a->backlog_at++);
    struct async_entry *e = new_entry(a);

    str_append(&e->row, row->data, row->len);
    str_fini(row);
    TRY_CTX(err, row_decode((const uint8_t *)e->row.data, e->row.len, &a->row, err),
            "reading a record that was in flight at the checkpoint");
    struct batch *b = builder_finish(&a->row);
    take_stamp(e, b, 0);
    batch_unref(b);
    return call_again(a, a->call, e, err);
}

/* The next record of the batch; without one the batch goes. */
static int call_next(struct async_operator *a, struct error *err)
{
    if (a->tile == a->tile_rows) {
        TRY(row_reader_next(&a->reader, &a->tile_rows, err));
        a->tile = 0;
    }
    if (a->tile_rows == 0) {
        a->batch = batch_unref(a->batch);
        return 0;
    }
    struct async_entry *e = new_entry(a);
    uint32_t row = row_reader_source(&a->reader, a->tile);
    take_stamp(e, a->batch, row);
    TRY(row_encode(a->batch, row, &(struct row_encoding){.flags = ROW_PARTS}, &e->row, err));
    return call_with(a, a->call, e, row_reader_row(&a->reader, a->tile++), err);
}

static bool has_room(const struct async_operator *a)
{
    return a->queue.n_records < a->config->capacity;
}

static bool has_backlog(const struct async_operator *a)
{
    return a->backlog_at < a->backlog.len;
}

/* Calls for all that there is room for. */
static int call_for_input(struct async_operator *a, struct error *err)
{
    while (has_backlog(a) && has_room(a)) {
        TRY(call_backlog(a, err));
    }
    if (!has_backlog(a) && a->watermark_ms != INT64_MIN) {
        async_queue_push_watermark(&a->queue, a->watermark_ms);
        a->watermark_ms = INT64_MIN;
    }
    while (!has_backlog(a) && a->batch != NULL && has_room(a)) {
        TRY(call_next(a, err));
    }
    return 0;
}

/* ---- completions ------------------------------------------------------------------------------------ */

static int64_t retry_delay_ms(const struct async_operator *a, uint32_t attempts)
{
    const Flinc__AsyncConfig *c = a->config;
    double multiplier = c->retry_multiplier > 0 ? c->retry_multiplier : 1;
    double most = c->retry_max_delay_ms > 0 ? (double)c->retry_max_delay_ms : 1e12;
    double delay = (double)c->retry_delay_ms * pow(multiplier, attempts - 1);

    return (int64_t)MIN(delay, most);
}

/* 1: the call is to be made again. */
static int wants_retry(struct async_operator *a, const struct async_entry *e, struct error *err)
{
    struct flinc_async *h = e->handle;

    if (e->timed_out || e->attempts >= a->config->max_attempts) {
        return 0;
    }
    if (a->retry_if == NULL) {
        return h->failed;
    }
    struct user_function *f = a->retry_if;
    int rc = ((retry_fn)f->call)(&f->ctx, async_handle_records(h), h->n_records,
                                 h->failed ? h->message : NULL);
    if (rc < 0 || f->ctx.failed) {
        return user_function_failed(f, rc, err);
    }
    return rc > 0;
}

static int completed(struct async_operator *a, struct async_entry *e, struct error *err)
{
    struct flinc_async *h = e->handle;
    int again = wants_retry(a, e, err);

    e->state = ASYNC_DONE;
    TRY(again);
    if (again > 0) {
        e->retry_at_ms = clock_now_ms(a->ctx->clock) + retry_delay_ms(a, e->attempts);
        e->state = ASYNC_DELAYED;
        a->queue.n_delayed++;
        e->handle = NULL;
        async_handle_recycle(h);
        return 0;
    }
    if (h->failed) {
        const Flinc__FunctionRef *ref = a->call->ref;
        return error_set(err, ERR_USER_CODE, "function '%s' (%s) failed after %u call%s: %s",
                         ref->name, ref->location, e->attempts, e->attempts > 1 ? "s" : "",
                         h->message);
    }
    return 0;
}

static int take_completions(struct async_operator *a, struct error *err)
{
    struct flinc_async *h = async_shared_take_done(a->shared);
    int rc = 0;

    while (h != NULL) {
        struct flinc_async *next = h->next;
        if (h->entry == NULL || rc < 0) { /* given up; or the task fails */
            if (h->entry != NULL) {
                h->entry->handle = NULL;
                h->entry->state = ASYNC_CALLED;
            }
            async_handle_recycle(h);
        } else {
            rc = completed(a, h->entry, err);
        }
        h = next;
    }
    return rc;
}

/* ---- results ---------------------------------------------------------------------------------------- */

static int write_results(struct async_operator *a, struct async_entry *e, struct error *err)
{
    const char *records = async_handle_records(e->handle);
    uint32_t size = a->writer.layout.size;

    for (uint32_t i = 0; i < e->handle->n_records; i++) {
        memcpy(row_writer_record(&a->writer), records + (size_t)i * size, size);
        if (e->timestamp_ms != BATCH_NO_TIMESTAMP) {
            builder_set_timestamp(&a->writer.builder, e->timestamp_ms);
        }
        if (e->kind != ROW_KIND_INSERT) {
            builder_set_kind(&a->writer.builder, e->kind);
        }
        row_writer_add(&a->writer);
    }
    async_handle_recycle(STEAL(e->handle));
    return row_writer_check(&a->writer, err);
}

/* A watermark or idleness, behind the results so far.  False: batches are in the way. */
static bool let_go_mark(struct async_operator *a, const struct async_entry *e)
{
    emit_queue_push(&a->emitted, 0, row_writer_finish(&a->writer));
    if (emit_queue_drain(&a->emitted, a->ctx)) {
        return false;
    }
    if (e->state == ASYNC_STATUS) {
        op_emit_idle(a->ctx, e->is_idle);
    } else {
        op_emit_watermark(a->ctx, e->timestamp_ms);
    }
    return true;
}

/* Lets go what may.  True in *ret_more: batches are in the way. */
static int let_go(struct async_operator *a, bool *ret_more, struct error *err)
{
    struct async_entry *e;

    *ret_more = false;
    while ((e = async_queue_ready(&a->queue)) != NULL) {
        if (emit_queue_len(&a->emitted) >= EMIT_QUEUE_STOP) {
            *ret_more = true;
            return 0;
        }
        if (async_entry_is_mark(e)) {
            if (!let_go_mark(a, e)) {
                *ret_more = true;
                return 0;
            }
        } else {
            TRY(write_results(a, e, err));
        }
        async_queue_remove(&a->queue, e);
    }
    return 0;
}

/* ---- time ------------------------------------------------------------------------------------------- */

/* When the operator must be called.  Deadlines come in the order of the records, delays in any. */
static void set_timer(struct async_operator *a)
{
    int64_t next_ms = INT64_MAX;

    for (const struct async_entry *e = a->queue.first; e != NULL; e = e->next) {
        bool open = e->state == ASYNC_CALLED || e->state == ASYNC_DELAYED;
        if (e->state == ASYNC_DELAYED) {
            next_ms = MIN(next_ms, e->retry_at_ms);
        }
        if (open && !e->timed_out) {
            next_ms = MIN(next_ms, e->deadline_ms);
            if (a->queue.n_delayed == 0) {
                break;
            }
        }
    }
    if (next_ms != a->timer_ms) {
        a->timer_ms = next_ms;
        op_timer_at(a->ctx, next_ms);
    }
}

static int time_out(struct async_operator *a, struct async_entry *e, struct error *err)
{
    const Flinc__FunctionRef *ref = a->call->ref;

    if (a->on_timeout == NULL) {
        return error_set(err, ERR_TIMEOUT,
                         "function '%s' (%s) has not answered for %llu ms; raise timeout_ms, or "
                         "give an on_timeout function",
                         ref->name, ref->location, (unsigned long long)a->config->timeout_ms);
    }
    if (e->handle != NULL) {
        e->handle->entry = NULL; /* given up: whatever comes of it is dropped */
    }
    a->queue.n_delayed -= e->state == ASYNC_DELAYED;
    e->timed_out = true;
    return call_again(a, a->on_timeout, e, err);
}

static int async_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                 struct error *err)
{
    struct async_operator *a = async_of(op);

    a->timer_ms = INT64_MAX;
    TRY(take_completions(a, err)); /* what is here in time is */
    for (struct async_entry *e = a->queue.first; e != NULL; e = e->next) {
        bool open = e->state == ASYNC_CALLED || e->state == ASYNC_DELAYED;
        if (open && !e->timed_out && e->deadline_ms <= now_ms) {
            TRY(time_out(a, e, err));
        } else if (e->state == ASYNC_DELAYED && e->retry_at_ms <= now_ms) {
            a->queue.n_delayed--;
            e->attempts++;
            TRY(call_again(a, a->call, e, err));
        }
    }
    set_timer(a);
    op_wake(op_get_waker(ctx)); /* results leave by resume() */
    return OP_DONE;
}

/* ---- the operator ----------------------------------------------------------------------------------- */

static int async_run(struct async_operator *a, struct error *err)
{
    bool more = false;

    do { /* calls may be complete when they return, and make room */
        TRY(call_for_input(a, err));
        TRY(take_completions(a, err));
        TRY(let_go(a, &more, err));
    } while (!more && has_room(a) && (a->batch != NULL || has_backlog(a)));
    set_timer(a);
    if (emit_queue_drain(&a->emitted, a->ctx) || more) {
        return OP_MORE;
    }
    bool input_left = a->batch != NULL || has_backlog(a) || a->watermark_ms != INT64_MIN;
    bool ends = a->ending && a->queue.first != NULL;
    return input_left || ends || !has_room(a) ? OP_WAIT : OP_DONE;
}

static int async_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct async_operator *a = async_of(op);

    (void)ctx;
    (void)input;
    ASSERT(a->batch == NULL);
    a->batch = take_batch;
    a->tile = a->tile_rows = 0;
    row_reader_start(&a->reader, take_batch);
    return async_run(a, err);
}

static int async_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    (void)ctx;
    return async_run(async_of(op), err);
}

static int async_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                           struct error *err)
{
    struct async_operator *a = async_of(op);

    (void)ctx;
    a->watermark_ms = watermark_ms;
    return async_run(a, err);
}

/* Nothing that came before waits to be called for: process() and watermark() have answered OP_DONE. */
static void async_idle(struct operator* op, struct op_context *ctx, bool idle)
{
    struct async_operator *a = async_of(op);

    ASSERT(!has_backlog(a) && a->batch == NULL && a->watermark_ms == INT64_MIN);
    async_queue_push_status(&a->queue, idle);
    op_wake(op_get_waker(ctx)); /* it leaves by resume() */
}

static int async_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                              struct error *err)
{
    struct async_operator *a = async_of(op);

    (void)ctx;
    (void)input;
    a->ending = true;
    return async_run(a, err);
}

static int async_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct async_operator *a = async_of(op);

    (void)err;
    if (emit_queue_len(&a->emitted) == 0) { /* else full batches come first, by resume() */
        struct batch *b = row_writer_finish(&a->writer);
        if (b != NULL) {
            op_emit(ctx, 0, b);
        }
    }
    return OP_DONE;
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

static int async_prepare_barrier(struct operator* op, struct op_context *ctx,
                                 const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)checkpoint;
    return async_flush(op, ctx, err);
}

/* The rows of the batch at hand that nobody was called for. */
static int save_batch(struct async_operator *a, struct error *err)
{
    STR_AUTO bytes = STR_INIT;
    uint32_t from = a->batch != NULL ? a->reader.next - a->tile_rows + a->tile : 0;

    for (uint32_t i = from; a->batch != NULL && i < a->batch->n_sel; i++) {
        struct row_encoding how = {.flags = ROW_PARTS};
        str_clear(&bytes);
        TRY(row_encode(a->batch, batch_row(a->batch, i), &how, &bytes, err));
        TRY(operator_list_add(a->state, bytes.data, bytes.len, err));
    }
    return 0;
}

static int async_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err)
{
    struct async_operator *a = async_of(op);

    (void)ctx;
    (void)checkpoint;
    if (a->state == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "async.snapshot"));
    operator_list_clear(a->state);
    for (const struct async_entry *e = a->queue.first; e != NULL; e = e->next) {
        if (!async_entry_is_mark(e)) {
            TRY(operator_list_add(a->state, e->row.data, e->row.len, err));
        }
    }
    for (size_t i = a->backlog_at; i < a->backlog.len; i++) {
        const struct str *row = VEC_AT(&a->backlog, struct str, i);
        TRY(operator_list_add(a->state, row->data, row->len, err));
    }
    return save_batch(a, err);
}

const struct operator_desc operator_async_map = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.async_map",
    .summary = "Calls of outside services for each record (AsyncDataStream)",
    .instance_size = sizeof(struct async_operator),
    .n_inputs = 1,
    .open = async_open,
    .process = async_process,
    .resume = async_resume,
    .end_of_input = async_end_of_input,
    .flush = async_flush,
    .close = async_close,
    .flags = OPERATOR_OWN_WATERMARKS,
    .watermark = async_watermark,
    .processing_time = async_processing_time,
    .prepare_barrier = async_prepare_barrier,
    .snapshot = async_snapshot,
    .idle = async_idle,
};
