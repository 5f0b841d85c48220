/* Records in flight; see async_queue.h. */
#include "engine/operators/async/async_queue.h"

void async_queue_init(struct async_queue *q, bool unordered)
{
    *q = (struct async_queue){.unordered = unordered};
}

static void free_entries(struct async_entry *e)
{
    while (e != NULL) {
        struct async_entry *next = e->next;
        str_fini(&e->row);
        mem_free(e);
        e = next;
    }
}

void async_queue_fini(struct async_queue *q)
{
    free_entries(q->first);
    free_entries(q->free);
    *q = (struct async_queue){.first = NULL};
}

static struct async_entry *push(struct async_queue *q)
{
    struct async_entry *e = q->free;
    struct str row = STR_INIT;

    if (e != NULL) {
        q->free = e->next;
        row = e->row; /* its memory is used again */
        str_clear(&row);
    } else {
        e = MEM_NEW(struct async_entry);
    }
    *e = (struct async_entry){.row = row, .segment = q->segment, .before = q->last};
    *(q->last != NULL ? &q->last->next : &q->first) = e;
    q->last = e;
    return e;
}

struct async_entry *async_queue_push(struct async_queue *q)
{
    struct async_entry *e = push(q);

    e->state = ASYNC_CALLED;
    e->deadline_ms = INT64_MAX;
    q->n_records++;
    return e;
}

static struct async_entry *push_mark(struct async_queue *q, enum async_state state)
{
    struct async_entry *e = push(q);

    e->state = state;
    q->segment++;
    return e;
}

void async_queue_push_watermark(struct async_queue *q, int64_t watermark_ms)
{
    struct async_entry *e = q->last;

    if (e == NULL || e->state != ASYNC_WATERMARK) {
        e = push_mark(q, ASYNC_WATERMARK);
    }
    e->timestamp_ms = watermark_ms;
}

void async_queue_push_status(struct async_queue *q, bool idle)
{
    push_mark(q, ASYNC_STATUS)->is_idle = idle;
}

static bool is_ready(const struct async_entry *e)
{
    return e->state == ASYNC_DONE || async_entry_is_mark(e);
}

struct async_entry *async_queue_ready(const struct async_queue *q)
{
    struct async_entry *e = q->first;

    if (e == NULL || is_ready(e)) {
        return e;
    }
    /* As many as the capacity at most; those that are done leave at once and are not passed again. */
    while (q->unordered && e != NULL && e->segment == q->first->segment) {
        if (e->state == ASYNC_DONE) {
            return e;
        }
        e = e->next;
    }
    return NULL;
}

void async_queue_remove(struct async_queue *q, struct async_entry *e)
{
    *(e->before != NULL ? &e->before->next : &q->first) = e->next;
    *(e->next != NULL ? &e->next->before : &q->last) = e->before;
    q->n_records -= !async_entry_is_mark(e);
    e->next = q->free;
    q->free = e;
}
