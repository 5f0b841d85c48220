/* The driver: which operator is called next, and what its answer means. */
#include "taskmanager/worker/chain.h"
#include "common/base/failpoint.h"
#include "taskmanager/worker/chain_host.h"

/* ---- lists and the set of operators with work ---------------------------------------------------- */

static void chain_set_work(struct chain *c, const struct chain_op *op)
{
    uint64_t bit = UINT64_C(1) << (op->index % 64);
    if (op->more || op->woken || (op->items.len > 0 && !op->waiting)) {
        c->work[op->index / 64] |= bit;
    } else {
        c->work[op->index / 64] &= ~bit;
    }
}

/* The deepest operator with work; NULL: none. */
static struct chain_op *chain_deepest(const struct chain *c)
{
    for (uint32_t word = c->n_words; word-- > 0;) {
        if (c->work[word] != 0) {
            return &c->ops[word * 64 + 63 - (uint32_t)__builtin_clzll(c->work[word])];
        }
    }
    return NULL;
}

static COLD void chain_items_grow(struct chain_items *items)
{
    uint32_t cap = items->cap > 0 ? items->cap * 2 : 16;
    struct chain_item *ring = MEM_NEW_ARRAY(struct chain_item, cap);
    for (uint32_t i = 0; i < items->len; i++) {
        ring[i] = items->ring[(items->head + i) % items->cap];
    }
    mem_free(items->ring);
    items->ring = ring;
    items->head = 0;
    items->cap = cap;
}

void chain_enqueue(struct chain *c, uint32_t index, struct chain_item take_item)
{
    struct chain_op *op = &c->ops[index];
    struct chain_items *items = &op->items;
    if (UNLIKELY(items->len == items->cap)) {
        chain_items_grow(items);
    }
    items->ring[(items->head + items->len) % items->cap] = take_item;
    items->len++;
    c->n_items++;
    chain_set_work(c, op);
}

static struct chain_item chain_items_pop(struct chain_items *items)
{
    struct chain_item item = items->ring[items->head];
    items->head = (items->head + 1) % items->cap;
    items->len--;
    return item;
}

void chain_push(struct chain *c, struct chain_feed to, struct batch *take_batch)
{
    chain_enqueue(
        c, to.op,
        (struct chain_item){.batch = take_batch, .feed = to.number, .input = (uint16_t)to.input});
}

static void chain_push_kind(struct chain *c, struct chain_feed to, enum chain_item_kind kind)
{
    chain_enqueue(
        c, to.op,
        (struct chain_item){.feed = to.number, .input = (uint16_t)to.input, .kind = (uint8_t)kind});
}

void chain_push_end(struct chain *c, struct chain_feed to)
{
    chain_push_kind(c, to, CHAIN_ITEM_END);
}

void chain_push_idle(struct chain *c, struct chain_feed to, bool idle)
{
    chain_push_kind(c, to, idle ? CHAIN_ITEM_IDLE : CHAIN_ITEM_ACTIVE);
}

void chain_push_watermark(struct chain *c, struct chain_feed to, int64_t watermark_ms)
{
    chain_enqueue(c, to.op,
                  (struct chain_item){.watermark_ms = watermark_ms,
                                      .feed = to.number,
                                      .input = (uint16_t)to.input,
                                      .kind = CHAIN_ITEM_WATERMARK});
}

void chain_push_marker(struct chain *c, struct chain_feed to, struct latency_marker *take_marker)
{
    chain_enqueue(c, to.op,
                  (struct chain_item){.marker = take_marker,
                                      .feed = to.number,
                                      .input = (uint16_t)to.input,
                                      .kind = CHAIN_ITEM_MARKER});
}

/* Operators that another thread has woken. */
static COLD void chain_collect_woken(struct chain *c)
{
    for (uint32_t i = c->n_sealed; i < c->n_ops; i++) {
        struct chain_op *op = &c->ops[i];
        if (op->has_waker && op->ctx.n_inputs > 0 && !op->finished &&
            op->op->desc->resume != NULL && atomic_load(&op->waker.pending) &&
            atomic_exchange(&op->waker.pending, false)) {
            op->woken = true;
            chain_set_work(c, op);
        }
    }
}

/* The operator whose turn it is; NULL: none.  Above one that waits only those that were woken go on. */
static struct chain_op *chain_next_op(struct chain *c)
{
    if (UNLIKELY(c->n_wakers > 0)) {
        chain_collect_woken(c);
    }
    struct chain_op *op = chain_deepest(c);
    if (LIKELY(c->n_waiting == 0) || op == NULL || op->woken) {
        return op;
    }
    for (uint32_t i = c->n_ops; i-- > 0;) {
        struct chain_op *below = &c->ops[i];
        if (below == op) {
            return op;
        }
        if (below->waiting) {
            break;
        }
    }
    for (uint32_t i = c->n_ops; i-- > 0;) {
        if (c->ops[i].woken) {
            return &c->ops[i];
        }
    }
    return NULL;
}

/* What is left to be done between two inputs, once the lists are empty and nobody is in the middle of
 * something (above one that waits, where it is not its turn). */
static bool chain_has_pass(const struct chain *c)
{
    return (c->flushing || c->barrier_on) && c->n_items == 0 &&
           (c->n_waiting == 0 || chain_deepest(c) == NULL);
}

bool chain_has_work(struct chain *c)
{
    return chain_next_op(c) != NULL || chain_has_pass(c);
}

bool chain_is_waiting(struct chain *c)
{
    return c->n_waiting > 0 && !chain_has_work(c);
}

/* ---- calls -------------------------------------------------------------------------------------- */

void chain_begin_call(struct chain_op *op)
{
    op->n_emitted = 0;
    op->chain->dirty = true;
    crash_slot_set(op->chain->options.slot, &op->site);
}

/* The operator's answer, or the failure of something that it emitted. */
int chain_end_call(struct chain_op *op, int rc, struct error *err)
{
    struct chain *c = op->chain;
    crash_slot_set(c->options.slot, c->options.site);
    if (UNLIKELY(rc >= 0 && c->emit_rc < 0)) {
        rc = c->emit_rc;
        if (err != NULL) {
            error_copy(err, &c->emit_error);
        }
    }
    if (UNLIKELY(rc < 0)) {
        error_context(err, "%s", op->label);
    }
    return rc;
}

int chain_op_flush(struct chain_op *op, enum chain_call during, struct error *err)
{
    int rc = OP_DONE;
    if (op->op->desc->flush != NULL) {
        chain_begin_call(op);
        rc = chain_end_call(op, op->op->desc->flush(op->op, &op->ctx, err), err);
    }
    return chain_op_after(op, rc, during, err);
}

/* All inputs have ended, or the source is exhausted, and the last rows are out: event time is over for
 * those below, and the inputs below it end. */
static void chain_op_finish(struct chain_op *op)
{
    struct chain *c = op->chain;
    op->finished = true;
    c->n_finished++;
    chain_send_watermark(op, INT64_MAX);
    for (uint32_t i = 0; i < op->ctx.n_outputs; i++) {
        for (uint32_t j = 0; j < op->outputs[i].n_targets; j++) {
            const struct chain_target *t = &op->outputs[i].targets[j];
            if (t->partition == NULL) {
                chain_push_end(c, t->feed);
            }
        }
    }
}

/* A call and all its resumes are done. */
static int chain_op_done(struct chain_op *op, enum chain_call during, struct error *err)
{
    switch (during) {
    case CHAIN_CALL_LAST_FLUSH:
        chain_op_finish(op);
        return 0;
    case CHAIN_CALL_END:
        return --op->n_open_inputs == 0 ? chain_op_flush(op, CHAIN_CALL_LAST_FLUSH, err) : 0;
    case CHAIN_CALL_TIME:
        return chain_time_goes_on(op) ? chain_op_flush(op, CHAIN_CALL_TIME_FLUSH, err) : 0;
    case CHAIN_CALL_TIME_FLUSH:
        chain_time_forward(op);
        return 0;
    case CHAIN_CALL_MARKER:
        chain_latency_forward(op);
        return 0;
    default:
        return 0;
    }
}

static void chain_op_wait(struct chain_op *op, enum chain_call during)
{
    op->chain->n_waiting += !op->waiting;
    op->waiting = true;
    op->wait_during = during;
}

/* What the answer to a call leads to. */
int chain_op_after(struct chain_op *op, int rc, enum chain_call during, struct error *err)
{
    if (rc < 0) {
        return rc;
    }
    ASSERT(rc == OP_DONE || ((rc == OP_MORE || rc == OP_WAIT) && op->op->desc->resume != NULL));
    op->more = rc == OP_MORE;
    op->during = during;
    if (rc == OP_WAIT) {
        chain_op_wait(op, during);
    } else if (rc == OP_DONE) {
        TRY(chain_op_done(op, during, err));
    }
    chain_set_work(op->chain, op);
    return 0;
}

static int chain_op_end_input(struct chain_op *op, const struct chain_item *item, struct error *err)
{
    uint32_t input = item->input;
    ASSERT(op->open_feeds[input] > 0);
    if (--op->open_feeds[input] > 0) {
        return chain_time_end_feed(op, input, item->feed, err);
    }
    int rc = FAILPOINT(err, "task.run.end_of_input");
    if (rc == 0 && op->op->desc->end_of_input != NULL) {
        chain_begin_call(op);
        rc = op->op->desc->end_of_input(op->op, &op->ctx, input, err);
        rc = chain_end_call(op, rc, err);
    }
    return chain_op_after(op, rc, CHAIN_CALL_END, err);
}

/* OP_MORE, OP_WAIT and a wake-up go on here. */
static int chain_op_resume(struct chain_op *op, struct error *err)
{
    enum chain_call during = op->during;
    if (!op->more) {
        during = op->waiting ? op->wait_during : CHAIN_CALL_OTHER;
        op->chain->n_waiting -= op->waiting;
        op->waiting = false;
    }
    op->woken = false;
    chain_begin_call(op);
    int rc = op->op->desc->resume(op->op, &op->ctx, err);
    return chain_op_after(op, chain_end_call(op, rc, err), during, err);
}

static int chain_op_process(struct chain_op *op, const struct chain_item *item, struct error *err)
{
    int failed = FAILPOINT(err, "task.run.process");
    if (UNLIKELY(failed < 0)) {
        batch_unref(item->batch);
        return chain_end_call(op, failed, err);
    }
    metric_counter_add(&op->records_in, item->batch->n_sel);
    chain_begin_call(op);
    int rc = op->op->desc->process(op->op, &op->ctx, item->input, item->batch, err);
    return chain_op_after(op, chain_end_call(op, rc, err), CHAIN_CALL_INPUT, err);
}

static int chain_op_run(struct chain_op *op, struct error *err)
{
    if (op->more || op->woken) {
        return chain_op_resume(op, err);
    }
    struct chain_item item = chain_items_pop(&op->items);
    op->chain->n_items--;
    switch (item.kind) {
    case CHAIN_ITEM_BATCH:
        return chain_op_process(op, &item, err);
    case CHAIN_ITEM_END:
        return chain_op_end_input(op, &item, err);
    case CHAIN_ITEM_MARKER:
        return chain_latency_take(op, item.marker, err);
    default:
        return chain_time_take(op, &item, err);
    }
}

/* ---- steps -------------------------------------------------------------------------------------- */

void chain_begin_flush(struct chain *c)
{
    if (c->dirty && !c->flushing) {
        c->flushing = true;
        c->flush_next = 0;
    }
}

static int chain_flush_step(struct chain *c, struct error *err)
{
    if (c->flush_next < c->n_ops) {
        struct chain_op *op = &c->ops[c->flush_next++];
        return op->finished ? 0 : chain_op_flush(op, CHAIN_CALL_FLUSH, err);
    }
    for (uint32_t i = 0; i < c->n_partitions; i++) {
        result_partition_flush(c->partitions[i]);
    }
    c->flushing = false;
    c->dirty = false;
    return 0;
}

/* ---- barriers ----------------------------------------------------------------------------------- */

void chain_begin_barrier(struct chain *c, const struct op_checkpoint *checkpoint)
{
    ASSERT(!c->barrier_on && c->n_sealed == 0);
    c->barrier = *checkpoint;
    c->barrier_on = true;
    c->barrier_is_prepared = false;
    c->barrier_next = 0;
}

/* An operator that has finished has nothing to emit any more. */
static int chain_barrier_step(struct chain *c, struct error *err)
{
    while (c->barrier_next < c->n_ops && c->ops[c->barrier_next].finished) {
        c->barrier_next++;
        c->barrier_is_prepared = false;
    }
    if (c->barrier_next == c->n_ops) {
        c->barrier_on = false;
        return 0;
    }
    struct chain_op *op = &c->ops[c->barrier_next];
    if (!c->barrier_is_prepared) {
        c->barrier_is_prepared = true;
        c->n_sealed = c->barrier_next + 1;
        if (op->op->desc->prepare_barrier != NULL) {
            chain_begin_call(op);
            int rc = op->op->desc->prepare_barrier(op->op, &op->ctx, &c->barrier, err);
            return chain_op_after(op, chain_end_call(op, rc, err), CHAIN_CALL_OTHER, err);
        }
    }
    c->barrier_is_prepared = false;
    c->barrier_next++;
    return chain_op_flush(op, CHAIN_CALL_FLUSH, err);
}

void chain_end_barrier(struct chain *c)
{
    if (c->n_sealed > 0) {
        c->n_sealed = 0;
        c->next_timer_ms = INT64_MIN; /* those that were passed over count again */
    }
}

int chain_step(struct chain *c, struct error *err)
{
    struct chain_op *op = chain_next_op(c);
    if (op != NULL) {
        return chain_op_run(op, err);
    }
    return c->flushing ? chain_flush_step(c, err) : chain_barrier_step(c, err);
}

/* ---- sources ------------------------------------------------------------------------------------ */

/* It waits for no time either, however long that is over. */
static bool source_is_paused(const struct chain_op *op)
{
    return op->chain->sources_paused || op->n_holding > 0;
}

static bool source_is_ready(const struct chain_op *op)
{
    if (op->finished || op->more || op->ctx.n_inputs > 0 || source_is_paused(op)) {
        return false;
    }
    return !op->idle || atomic_load(&op->waker.pending) ||
           (op->wake_at_ns != INT64_MAX && clock_monotonic_ns(op->ctx.clock) >= op->wake_at_ns);
}

bool chain_has_ready_source(const struct chain *c)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        if (source_is_ready(&c->ops[i])) {
            return true;
        }
    }
    return false;
}

int64_t chain_next_wake_ns(const struct chain *c)
{
    int64_t next_ns = INT64_MAX;
    for (uint32_t i = 0; i < c->n_ops; i++) {
        if (!c->ops[i].finished && c->ops[i].idle && !source_is_paused(&c->ops[i])) {
            next_ns = MIN(next_ns, c->ops[i].wake_at_ns);
        }
    }
    return next_ns;
}

static int source_poll(struct chain_op *op, struct error *err)
{
    if (op->idle) {
        op->idle = false;
        op->wake_at_ns = INT64_MAX;
    }
    /* Before the call: a wake-up during it is for the next one. */
    atomic_store(&op->waker.pending, false);
    chain_begin_call(op);
    int rc = chain_end_call(op, op->op->desc->poll(op->op, &op->ctx, err), err);
    if (rc < 0) {
        return rc;
    }
    ASSERT(rc != OP_MORE);
    op->idle = rc == OP_IDLE;
    if (rc == OP_END) {
        TRY(FAILPOINT(err, "task.run.end_of_source"));
        TRY(chain_op_flush(op, CHAIN_CALL_LAST_FLUSH, err));
    }
    return 1;
}

int chain_end_sources(struct chain *c, struct error *err)
{
    ASSERT(!chain_has_work(c));
    for (uint32_t i = 0; i < c->n_ops; i++) {
        if (c->ops[i].ctx.n_inputs == 0 && !c->ops[i].finished) {
            TRY(chain_op_flush(&c->ops[i], CHAIN_CALL_LAST_FLUSH, err));
        }
    }
    return 0;
}

int chain_poll_source(struct chain *c, struct error *err)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        uint32_t index = (c->next_source + i) % c->n_ops;
        if (source_is_ready(&c->ops[index])) {
            c->next_source = index + 1;
            return source_poll(&c->ops[index], err);
        }
    }
    return 0;
}

void chain_set_source_rows(struct chain *c, uint32_t rows)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        c->ops[i].ctx.rows_max = rows;
    }
}

/* Whether the operator feeds one of those in `above`. */
static bool chain_op_feeds(const struct chain_op *op, const uint64_t *above)
{
    for (uint32_t i = 0; i < op->ctx.n_outputs; i++) {
        for (uint32_t j = 0; j < op->outputs[i].n_targets; j++) {
            const struct chain_target *t = &op->outputs[i].targets[j];
            if (t->partition == NULL &&
                (above[t->feed.op / 64] & UINT64_C(1) << (t->feed.op % 64)) != 0) {
                return true;
            }
        }
    }
    return false;
}

uint32_t chain_hold_sources(struct chain_op *op, bool hold)
{
    struct chain *c = op->chain;
    uint32_t n_sources = 0, n_more = (uint32_t)hold - (uint32_t)op->holds_sources;
    memset(c->above, 0, sizeof(*c->above) * c->n_words);
    c->above[op->index / 64] |= UINT64_C(1) << (op->index % 64);
    for (uint32_t i = op->index; i-- > 0;) {
        struct chain_op *up = &c->ops[i];
        if (!chain_op_feeds(up, c->above)) {
            continue;
        }
        c->above[i / 64] |= UINT64_C(1) << (i % 64);
        if (up->ctx.n_inputs == 0) {
            n_sources++;
            up->n_holding += n_more; /* one more, one less, or none */
        }
    }
    op->holds_sources = hold;
    return n_sources;
}

/* ---- events ------------------------------------------------------------------------------------- */

static struct chain_op *chain_find(struct chain *c, const ProtobufCBinaryData *id)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        const ProtobufCBinaryData *own = &c->ops[i].ctx.spec->id;
        if (own->len == id->len && memcmp(own->data, id->data, id->len) == 0) {
            return &c->ops[i];
        }
    }
    return NULL;
}

int chain_on_event(struct chain *c, const Flinc__OperatorEvent *event, struct error *err)
{
    struct chain_op *op = chain_find(c, &event->operator_id);
    if (op == NULL) {
        return error_set(err, ERR_INTERNAL, "an event for an operator that the task does not have");
    }
    if (event->sequence <= op->n_events_received || op->finished) {
        return 0; /* a repeated message; or nobody needs it any more */
    }
    int rc = OP_DONE;
    chain_begin_call(op);
    if (event->sequence != op->n_events_received + 1) {
        rc = error_set(
            err, ERR_INTERNAL, "events of the coordinator got lost: number %llu after %llu",
            (unsigned long long)event->sequence, (unsigned long long)op->n_events_received);
    } else if (op->op->desc->on_event == NULL) {
        rc = error_set(err, ERR_INTERNAL, "the operator does not take events");
    } else {
        op->n_events_received = event->sequence;
        rc = op->op->desc->on_event(op->op, &op->ctx, event->payload.data, event->payload.len, err);
    }
    op->idle = false; /* what came may be what the source waited for */
    rc = chain_end_call(op, rc, err);
    return rc < 0 ? rc : 0;
}
