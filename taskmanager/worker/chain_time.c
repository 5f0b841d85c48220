/* Event time and processing time in a chain: valves in front of operators, watermarks and idleness below
 * them, timers.  Thread: the task's; gauges any.  Flink: AbstractStreamOperator, TimerService. */
#include "taskmanager/worker/chain_host.h"

/* ---- valves ------------------------------------------------------------------------------------- */

void chain_time_make(struct chain_op *op)
{
    for (uint32_t i = 0; i < op->ctx.n_inputs; i++) {
        watermark_valve_init(&op->time.inputs[i], op->n_feeds[i], 0);
    }
    watermark_valve_init(&op->time.both, op->ctx.n_inputs, VALVE_HOLDS);
    op->time.is_made = true;
}

void chain_time_fini(struct chain_op *op)
{
    if (op->time.is_made) {
        for (uint32_t i = 0; i < op->ctx.n_inputs; i++) {
            watermark_valve_fini(&op->time.inputs[i]);
        }
        watermark_valve_fini(&op->time.both);
    }
}

/* ---- to those below ----------------------------------------------------------------------------- */

static void chain_send_control(struct chain_op *op, const struct element *control,
                               enum chain_item_kind kind)
{
    for (uint32_t i = 0; i < op->ctx.n_outputs; i++) {
        for (uint32_t j = 0; j < op->outputs[i].n_targets; j++) {
            const struct chain_target *t = &op->outputs[i].targets[j];
            if (t->partition != NULL) {
                result_partition_send_control(t->partition, control);
            } else if (kind == CHAIN_ITEM_WATERMARK) {
                chain_push_watermark(op->chain, t->feed, control->timestamp_ms);
            } else {
                chain_push_idle(op->chain, t->feed, kind == CHAIN_ITEM_IDLE);
            }
        }
    }
}

void chain_send_watermark(struct chain_op *op, int64_t watermark_ms)
{
    if (watermark_ms <= atomic_load_explicit(&op->time.out_ms, memory_order_relaxed)) {
        return;
    }
    if (op->time.is_idle) { /* whoever is idle has no watermarks */
        chain_send_idle(op, false);
    }
    struct element e = element_of_control(ELEMENT_WATERMARK);
    e.timestamp_ms = watermark_ms;
    atomic_store_explicit(&op->time.out_ms, watermark_ms, memory_order_relaxed);
    chain_send_control(op, &e, CHAIN_ITEM_WATERMARK);
}

void chain_send_idle(struct chain_op *op, bool idle)
{
    if (op->time.is_idle == idle) {
        return;
    }
    struct element e = element_of_control(ELEMENT_WATERMARK_STATUS);
    e.flags = idle ? ELEMENT_FLAG_IDLE : 0;
    op->time.is_idle = idle;
    chain_send_control(op, &e, idle ? CHAIN_ITEM_IDLE : CHAIN_ITEM_ACTIVE);
}

/* ---- at an operator ----------------------------------------------------------------------------- */

/* Whether what comes from above goes on below: not where the operator makes its own; and the end of event
 * time not before what the operator says at the end of its input. */
static bool chain_time_passes(const struct chain_op *op, int64_t watermark_ms)
{
    if (watermark_ms == INT64_MAX) {
        return op->op->desc->end_of_input == NULL;
    }
    return !(op->op->desc->flags & OPERATOR_OWN_WATERMARKS);
}

/* All inputs are idle, or one is active again: for those below, or for the operator that speaks for itself. */
static void chain_time_set_idle(struct chain_op *op, bool idle)
{
    const struct operator_desc *desc = op->op->desc;
    if (!(desc->flags & OPERATOR_OWN_WATERMARKS)) {
        chain_send_idle(op, idle);
    } else if (desc->idle != NULL) {
        desc->idle(op->op, &op->ctx, idle);
    }
}

bool chain_time_goes_on(const struct chain_op *op)
{
    return op->time.forwards_watermark || op->time.forwards_idle;
}

void chain_time_forward(struct chain_op *op)
{
    if (op->time.forwards_watermark) {
        chain_send_watermark(op, op->ctx.watermark_ms);
    }
    if (op->time.forwards_idle) {
        chain_time_set_idle(op, true);
    }
}

/* What a change of an input's valve is for the operator. */
static int chain_time_changed(struct chain_op *op, uint32_t input, uint32_t changes,
                              struct error *err)
{
    struct chain_time *t = &op->time;
    const struct watermark_valve *v = &t->inputs[input];
    uint32_t all = 0;
    if ((changes & VALVE_STATUS) && !v->is_idle) {
        all |= watermark_valve_set_idle(&t->both, input, false);
    }
    if (changes & VALVE_WATERMARK) {
        all |= watermark_valve_advance(&t->both, input, v->watermark_ms);
    }
    if ((changes & VALVE_STATUS) && v->is_idle) {
        all |= watermark_valve_set_idle(&t->both, input, true);
    }
    if ((all & VALVE_STATUS) && !t->both.is_idle) {
        chain_time_set_idle(op, false);
    }
    t->forwards_idle = (all & VALVE_STATUS) && t->both.is_idle;
    t->forwards_watermark = (all & VALVE_WATERMARK) && chain_time_passes(op, t->both.watermark_ms);
    int rc = OP_DONE;
    if (all & VALVE_WATERMARK) {
        chain_time_set_input(op, t->both.watermark_ms);
        if (op->op->desc->watermark != NULL) {
            chain_begin_call(op);
            rc = op->op->desc->watermark(op->op, &op->ctx, t->both.watermark_ms, err);
            rc = chain_end_call(op, rc, err);
        }
    }
    return chain_op_after(op, rc, CHAIN_CALL_TIME, err);
}

int chain_time_take(struct chain_op *op, const struct chain_item *item, struct error *err)
{
    struct watermark_valve *v = &op->time.inputs[item->input];
    uint32_t changes = item->kind == CHAIN_ITEM_WATERMARK
                           ? watermark_valve_advance(v, item->feed, item->watermark_ms)
                           : watermark_valve_set_idle(v, item->feed, item->kind == CHAIN_ITEM_IDLE);
    return chain_time_changed(op, item->input, changes, err);
}

int chain_time_end_feed(struct chain_op *op, uint32_t input, uint32_t feed, struct error *err)
{
    uint32_t changes = watermark_valve_end(&op->time.inputs[input], feed);
    return chain_time_changed(op, input, changes, err);
}

void chain_time_set_input(struct chain_op *op, int64_t watermark_ms)
{
    op->ctx.watermark_ms = watermark_ms;
    atomic_store_explicit(&op->time.in_ms, watermark_ms, memory_order_relaxed);
    if (op->index == 0 && op->chain->options.input_watermark_ms != NULL) {
        atomic_store_explicit(op->chain->options.input_watermark_ms, watermark_ms,
                              memory_order_relaxed);
    }
}

/* ---- processing time ---------------------------------------------------------------------------- */

int chain_fire_timer(struct chain *c, struct error *err)
{
    if (LIKELY(c->next_timer_ms == INT64_MAX)) {
        return 0;
    }
    int64_t now_ms = clock_now_ms(c->options.clock), next_ms = INT64_MAX;
    if (now_ms < c->next_timer_ms) {
        return 0;
    }
    for (uint32_t i = c->n_sealed; i < c->n_ops; i++) {
        struct chain_op *op = &c->ops[i];
        int64_t due_ms = MIN(op->timer_ms, op->latency.next_ms);
        if (due_ms > now_ms || op->finished || op->more) {
            next_ms = op->finished ? next_ms : MIN(next_ms, due_ms);
            continue;
        }
        if (op->latency.next_ms <= now_ms) {
            TRY(chain_latency_mark(op, now_ms, err));
            return 1;
        }
        op->timer_ms = INT64_MAX;
        chain_begin_call(op);
        int rc = op->op->desc->processing_time(op->op, &op->ctx, now_ms, err);
        rc = chain_op_after(op, chain_end_call(op, rc, err), CHAIN_CALL_OTHER, err);
        return rc < 0 ? rc : 1;
    }
    c->next_timer_ms = next_ms;
    return 0;
}
