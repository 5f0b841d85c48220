/* The host of a chain's operators: emitting, wake-ups, and what the task answers. */
#include "taskmanager/worker/chain_host.h"

/* ---- emitting ----------------------------------------------------------------------------------- */

static void chain_deliver(struct chain *c, const struct chain_target *target,
                          struct batch *take_batch)
{
    if (target->partition == NULL) {
        chain_push(c, target->feed, take_batch);
        return;
    }
    if (UNLIKELY(c->emit_rc < 0)) {
        batch_unref(take_batch); /* the task fails when the call returns */
        return;
    }
    c->emit_rc = result_partition_write(target->partition, take_batch, &c->emit_error);
}

static void host_emit(struct op_context *ctx, uint32_t output, struct batch *take_batch)
{
    struct chain_op *op = ctx->host_data;
    ASSERT(output < ctx->n_outputs);
    ASSERT(op->n_emitted < OPERATOR_EMIT_MAX);
    const struct chain_output *out = &op->outputs[output];
    uint32_t rows = take_batch->n_sel;
    op->n_emitted++;
    if (UNLIKELY(op->time.said_idle) && rows > 0) {
        op->time.said_idle = false;
        chain_send_idle(op, false);
    }
    metric_counter_add(&op->records_out, rows);
    if (ctx->n_inputs == 0) {
        op->chain->source_rows += rows;
    }
    if (rows == 0 || out->n_targets == 0) {
        batch_unref(take_batch);
        return;
    }
    for (uint32_t i = 0; i + 1 < out->n_targets; i++) {
        chain_deliver(op->chain, &out->targets[i], batch_ref(take_batch));
    }
    chain_deliver(op->chain, &out->targets[out->n_targets - 1], take_batch);
}

/* ---- waking ------------------------------------------------------------------------------------- */

static void waker_wake(struct op_waker *base)
{
    struct chain_waker *waker = CONTAINER_OF(base, struct chain_waker, base);
    if (!atomic_exchange(&waker->pending, true)) {
        event_count_signal(mailbox_event(waker->mailbox));
    }
}

void chain_host_init_waker(struct chain_op *op)
{
    op->waker.base.wake = waker_wake;
    op->waker.mailbox = op->chain->options.mailbox;
}

static struct op_waker *host_waker(struct op_context *ctx)
{
    struct chain_op *op = ctx->host_data;
    op->chain->n_wakers += !op->has_waker;
    op->has_waker = true;
    return &op->waker.base;
}

static void host_wake_after(struct op_context *ctx, int64_t delay_ms)
{
    struct chain_op *op = ctx->host_data;
    int64_t delay_ns;
    if (__builtin_mul_overflow(MAX(delay_ms, (int64_t)0), 1000000, &delay_ns) ||
        __builtin_add_overflow(clock_monotonic_ns(ctx->clock), delay_ns, &op->wake_at_ns)) {
        op->wake_at_ns = INT64_MAX;
    }
}

/* ---- what the task answers ---------------------------------------------------------------------- */

static void host_send_event(struct op_context *ctx, const uint8_t *data, size_t size)
{
    struct chain_op *op = ctx->host_data;
    const struct chain_services *s = &op->chain->options.services;
    op->n_events_sent++;
    s->send_event(s->owner, op, data, size);
}

static int host_resolve(struct op_context *ctx, const Flinc__FunctionRef *ref, void **ret_fn,
                        struct error *err)
{
    struct chain_op *op = ctx->host_data;
    const struct chain_services *s = &op->chain->options.services;
    return s->resolve(s->owner, ref, ret_fn, err);
}

static int host_accumulate(struct op_context *ctx, const char *name, const char *type,
                           int64_t delta, double delta_double, struct error *err)
{
    struct chain_op *op = ctx->host_data;
    const struct chain_services *s = &op->chain->options.services;
    return s->accumulate(s->owner, name, type, delta, delta_double, err);
}

/* ---- time and state ------------------------------------------------------------------------------ */

static void host_emit_watermark(struct op_context *ctx, int64_t watermark_ms)
{
    struct chain_op *op = ctx->host_data;
    ASSERT(ctx->n_inputs == 0 || (op->op->desc->flags & OPERATOR_OWN_WATERMARKS));
    if (watermark_ms <= atomic_load_explicit(&op->time.out_ms, memory_order_relaxed)) {
        return;
    }
    if (op->time.said_idle) {
        op->time.said_idle = false;
        chain_send_idle(op, false);
    }
    if (ctx->n_inputs == 0) {
        chain_time_set_input(op, watermark_ms);
    }
    chain_send_watermark(op, watermark_ms);
}

static void host_emit_idle(struct op_context *ctx, bool idle)
{
    struct chain_op *op = ctx->host_data;
    ASSERT(ctx->n_inputs == 0 || (op->op->desc->flags & OPERATOR_OWN_WATERMARKS));
    op->time.said_idle = idle;
    chain_send_idle(op, idle);
}

static int host_keyed_backend(struct op_context *ctx, struct keyed_backend **ret_backend,
                              struct error *err)
{
    return chain_state_keyed(ctx->host_data, ret_backend, err);
}

static int host_operator_state(struct op_context *ctx, struct operator_state **ret_state,
                               struct error *err)
{
    return chain_state_operator(ctx->host_data, ret_state, err);
}

static void host_timer_at(struct op_context *ctx, int64_t time_ms)
{
    struct chain_op *op = ctx->host_data;
    ASSERT(op->op->desc->processing_time != NULL);
    op->timer_ms = time_ms == INT64_MAX ? INT64_MAX : MIN(op->timer_ms, time_ms);
    op->chain->next_timer_ms = MIN(op->chain->next_timer_ms, op->timer_ms);
}

static uint32_t host_hold_sources(struct op_context *ctx, bool hold)
{
    return chain_hold_sources(ctx->host_data, hold);
}

const struct op_host chain_host = {
    .emit = host_emit,
    .send_event = host_send_event,
    .resolve = host_resolve,
    .waker = host_waker,
    .wake_after = host_wake_after,
    .accumulate = host_accumulate,
    .emit_watermark = host_emit_watermark,
    .emit_idle = host_emit_idle,
    .keyed_backend = host_keyed_backend,
    .operator_state = host_operator_state,
    .timer_at = host_timer_at,
    .hold_sources = host_hold_sources,
};
