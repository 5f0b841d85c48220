/* Parts of a batch (element_parts.h). */
#include "taskmanager/exchange/element_parts.h"

void element_parts_begin(struct element_parts *p, const struct element *take_element)
{
    ASSERT(!element_parts_has(p) && take_element->kind == ELEMENT_BATCH);
    *p = (struct element_parts){.whole = *take_element};
}

/* Rows [from, from + rows) with their share of the payload. */
static struct element parts_slice(const struct element_parts *p, struct buffer_pool *pool,
                                  uint32_t rows)
{
    struct element e = p->whole;
    uint32_t rows_left = p->whole.batch->n_sel - p->from;
    uint64_t bytes_left = p->whole.payload_bytes - p->bytes;
    e.payload_bytes = (uint32_t)(bytes_left * rows / rows_left);
    e.batch = batch_slice(pool, p->whole.batch, p->from, p->from + rows);
    return e;
}

struct element element_parts_take(struct element_parts *p, struct buffer_pool *pool, uint32_t rows)
{
    uint32_t left = p->whole.batch->n_sel - p->from;
    struct element e;
    if (rows >= left && p->from == 0) {
        e = p->whole;
        p->whole.batch = NULL;
        return e;
    }
    e = parts_slice(p, pool, MIN(rows, left));
    p->from += e.batch->n_sel;
    p->bytes += e.payload_bytes;
    if (rows >= left) {
        element_parts_fini(p);
    }
    return e;
}

struct element element_parts_left(const struct element_parts *p, struct buffer_pool *pool)
{
    return parts_slice(p, pool, p->whole.batch->n_sel - p->from);
}

void element_parts_fini(struct element_parts *p)
{
    p->whole.batch = batch_unref(p->whole.batch);
}
