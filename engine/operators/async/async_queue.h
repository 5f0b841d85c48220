/* Records in flight, in the order of their arrival, with the watermarks and the idleness between them.
 *
 * Ordered: only the first may leave.  Unordered: records before the first of these marks may, in any order.
 * A record is kept in the row codec, with row kind and timestamp: that is what a call for it is made from
 * again (retry, time-out, restore) and what a checkpoint holds.
 *
 * Thread: the task's.  Flink: OrderedStreamElementQueue, UnorderedStreamElementQueue. */
#ifndef FLINC_ENGINE_OPERATORS_ASYNC_ASYNC_QUEUE_H
#define FLINC_ENGINE_OPERATORS_ASYNC_ASYNC_QUEUE_H

#include "common/base/str.h"
#include "engine/data/batch.h"

struct flinc_async;

enum async_state {
    ASYNC_WATERMARK, /* no record */
    ASYNC_STATUS,    /* no record: the input became idle, or active again */
    ASYNC_CALLED,    /* its handle is out */
    ASYNC_DELAYED,   /* is called again at retry_at_ms */
    ASYNC_DONE,      /* its handle is back, with the results */
};

struct async_entry {
    struct async_entry *next, *before;
    enum async_state state;
    bool is_idle;               /* of ASYNC_STATUS */
    bool timed_out;             /* on_timeout has it: there is no further limit */
    uint32_t attempts;          /* calls so far */
    uint64_t segment;           /* marks before it */
    int64_t deadline_ms;        /* INT64_MAX: none */
    int64_t retry_at_ms;        /* of ASYNC_DELAYED */
    int64_t timestamp_ms;       /* of the record, BATCH_NO_TIMESTAMP; or of the watermark */
    enum row_kind kind;         /* of the record */
    struct flinc_async *handle; /* Borrows while called, owns when done; NULL else */
    struct str row;             /* Owns: the record */
};

struct async_queue {
    struct async_entry *first, *last;
    struct async_entry *free;
    uint64_t segment;   /* of the next entry */
    uint32_t n_records; /* entries that are no mark */
    uint32_t n_delayed;
    bool unordered;
};

void async_queue_init(struct async_queue *q, bool unordered);
void async_queue_fini(
    struct async_queue *q); /* handles are the operator's; safe on a zeroed struct */
/* A zeroed record at the end, in state ASYNC_CALLED. */
struct async_entry *async_queue_push(struct async_queue *q);
/* Behind all records; joined with a watermark that is last already. */
void async_queue_push_watermark(struct async_queue *q, int64_t watermark_ms);
/* Behind all that came before. */
void async_queue_push_status(struct async_queue *q, bool idle);
static inline bool async_entry_is_mark(const struct async_entry *e)
{
    return e->state == ASYNC_WATERMARK || e->state == ASYNC_STATUS;
}
/* What may leave now: a mark or a record that is done; NULL: nothing. */
struct async_entry *async_queue_ready(const struct async_queue *q);
void async_queue_remove(struct async_queue *q, struct async_entry *e);

#endif
