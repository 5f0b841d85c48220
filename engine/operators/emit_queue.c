/* The queue of batches on their way out of an operator: a plain array with a moving head. */
#include "engine/operators/emit_queue.h"

enum { FIRST_CAP = 16 };

void emit_queue_push(struct emit_queue *q, uint32_t output, struct batch *take_batch)
{
    if (take_batch == NULL) {
        return;
    }
    if (q->head + q->n == q->cap) {
        if (q->head > q->cap / 2) {
            memmove(q->items, q->items + q->head, q->n * sizeof(*q->items));
            q->head = 0;
        } else {
            q->cap = q->cap == 0 ? FIRST_CAP : q->cap * 2;
            q->items = mem_realloc(q->items, q->cap * sizeof(*q->items));
        }
    }
    q->items[q->head + q->n++] = (struct emit_item){.batch = take_batch, .output = output};
}

bool emit_queue_drain(struct emit_queue *q, struct op_context *ctx)
{
    for (uint32_t i = 0; i < EMIT_QUEUE_DRAIN && q->n > 0; i++) {
        struct emit_item item = q->items[q->head++];
        q->n--;
        op_emit(ctx, item.output, item.batch);
    }
    if (q->n == 0) {
        q->head = 0;
    }
    return q->n > 0;
}

void emit_queue_fini(struct emit_queue *q)
{
    for (uint32_t i = 0; i < q->n; i++) {
        batch_unref(q->items[q->head + i].batch);
    }
    mem_free(q->items);
    memset(q, 0, sizeof(*q));
}
