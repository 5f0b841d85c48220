/* Handles of asynchronous calls: what user code holds while a record is in flight.
 *
 * A handle is given to user code for one call and comes back by its completion, from any thread, into a
 * list that the task reads.  The task may have given the call up by then (time-out), or be gone: the
 * handles that are out share a struct that lives until the last of them is back.
 *
 * Handles are used again, with the memory of their results, so that a steady stream of calls allocates
 * nothing.  Thread: any for the user's calls; the task for all others. */
#ifndef FLINC_ENGINE_OPERATORS_ASYNC_ASYNC_HANDLE_H
#define FLINC_ENGINE_OPERATORS_ASYNC_ASYNC_HANDLE_H

#include "common/base/str.h"
#include "engine/operators/operator.h"
#include "engine/state/record.h"

#include <pthread.h>

struct async_entry;

/* What all handles of an operator share. */
struct async_shared {
    pthread_mutex_t lock;                 /* guards refs, waker, done and free */
    uint32_t refs;                        /* of the operator, and of handles that are out */
    struct op_waker *waker;               /* Borrows; NULL: the operator is closed */
    struct flinc_async *done, **done_end; /* completed, in the order of completion */
    struct flinc_async *free;
    struct executor *io_executor; /* Borrows; may be NULL; while the operator is open */
    uint32_t record_size;         /* of an OUT struct */
    uint32_t n_strings;
    uint32_t *string_offsets; /* Owns: where its strings are */
};

struct flinc_async {
    struct async_shared *shared;
    struct flinc_async *next;  /* in one of the lists */
    struct async_entry *entry; /* Borrows; the task's; NULL: the call was given up */
    struct str records;        /* Owns: OUT structs; strings are offsets into `texts` */
    struct str texts;          /* Owns */
    uint32_t n_records;
    bool placed; /* strings are where they stay, no offsets any more */
    bool failed;
    bool completed;    /* under the lock; a second completion is nothing */
    char message[256]; /* of the failure */
};

struct async_shared *async_shared_new(struct op_context *ctx, const struct record_layout *out);
/* The operator closes: nobody is woken any more. */
struct async_shared *async_shared_close(struct async_shared *s);

struct flinc_async *async_handle_get(struct async_shared *s, struct async_entry *entry);
/* A handle whose results were read. */
void async_handle_recycle(struct flinc_async *h);
/* The handle of a call that failed at once: user code has it only if it was completed before. */
void async_handle_drop(struct flinc_async *h);
/* All that were completed since the last call, oldest first; linked by `next`. */
struct flinc_async *async_shared_take_done(struct async_shared *s);
/* The results as an array of OUT structs; good until the handle is recycled. */
const char *async_handle_records(struct flinc_async *h);

#endif
