/* A mailbox: the queue of operations through which threads talk (Flink: TaskMailbox, and the mailbox
 * of a Pekko actor).  Any thread posts; one owner polls and runs.  A post never waits: it succeeds, or
 * says ERR_LIMIT or ERR_CLOSED at once.
 *
 * Two lanes, first in first out each: control operations (cancel, checkpoint triggers, messages of a
 * master) are polled before data operations.
 *
 * A mailbox is counted: the owner and every producer that may outlive the owner hold a reference, so
 * that a late post meets a closed mailbox and never freed memory.  Nodes come from a small pool of its
 * own; posting in steady state allocates nothing. */
#ifndef FLINC_COMMON_LOOP_MAILBOX_H
#define FLINC_COMMON_LOOP_MAILBOX_H

#include "common/base/error.h"
#include "common/base/thread.h"

enum mailbox_lane {
    MAILBOX_LANE_CONTROL,
    MAILBOX_LANE_DATA,
    MAILBOX_LANES,
};
const char *mailbox_lane_name(enum mailbox_lane lane);

/* One operation, copied into the mailbox by a post and out of it by a poll. */
struct mailbox_op {
    int kind; /* of the receiver's own op enum: for traces, metrics and the simulation */
    void (*run)(void *target, void *payload); /* takes the payload */
    void *target;                             /* Borrows: the receiver's object */
    void *payload;                            /* Owns while in the mailbox; may be NULL */
    void (*drop)(void *payload);              /* frees an undelivered payload; may be NULL */
};

enum { MAILBOX_LIMIT_DEFAULT = 16384 };

struct mailbox_options {
    const char *name; /* copied; for errors and metrics */
    uint32_t limit;   /* operations waiting in both lanes before mailbox_post() says ERR_LIMIT;
                         0: MAILBOX_LIMIT_DEFAULT */
    /* What a post wakes.  Share one event count between a mailbox and the queues that the same thread
     * waits for: pass it here, or leave NULL and use mailbox_event().  A given one must outlive the
     * last producer (its own lives as long as the mailbox). */
    struct event_count *event; /* Borrows; NULL: its own */
    /* Called after each post instead of signalling, when the owner sleeps in something else than an
     * event count (an epoll loop). */
    void (*on_post)(void *arg);
    void *on_post_arg;
};

struct mailbox;

struct mailbox *mailbox_new(const struct mailbox_options *options); /* refs 1 */
struct mailbox *mailbox_ref(struct mailbox *m);
/* The last unref closes it, when nobody did, and frees it.  NULL is fine; returns NULL. */
struct mailbox *mailbox_unref(struct mailbox *m);

/* ---- producers; thread: any ------------------------------------------------------------------ */

/* 0, ERR_LIMIT (too many wait) or ERR_CLOSED.  On failure the payload stays with the caller. */
int mailbox_post(struct mailbox *m, enum mailbox_lane lane, const struct mailbox_op *op) MUST_CHECK;
/* The same without the limit, for posts whose number is bounded elsewhere: the owner's to itself,
 * completions of submitted work, control messages of a master.  0 or ERR_CLOSED. */
int mailbox_post_internal(struct mailbox *m, enum mailbox_lane lane,
                          const struct mailbox_op *op) MUST_CHECK;

/* Wakes the owner without an operation: for queues of other rooms that the same thread looks at.  As a post
 * does: by the event count, or by on_post. */
void mailbox_wake(struct mailbox *m);

/* ---- the owner ------------------------------------------------------------------------------- */

/* The next operation: control before data.  False when there is none.  Never waits. */
bool mailbox_poll(struct mailbox *m, struct mailbox_op *ret_op) MUST_CHECK;
/* The next control operation only. */
bool mailbox_poll_control(struct mailbox *m, struct mailbox_op *ret_op) MUST_CHECK;
/* Polls and runs up to `max` operations, returns how many ran. */
size_t mailbox_run(struct mailbox *m, size_t max);
/* Refuses posts from now on and drops what is left.  May be called again. */
void mailbox_close(struct mailbox *m);
/* Whether a poll would find something: what a waiter checks between event_count_prepare() and
 * event_count_wait(). */
bool mailbox_has_ops(const struct mailbox *m);
bool mailbox_has_control(const struct mailbox *m);

/* ---- thread: any ----------------------------------------------------------------------------- */

struct event_count *mailbox_event(struct mailbox *m);
bool mailbox_is_closed(const struct mailbox *m);
const char *mailbox_name(const struct mailbox *m);
uint32_t mailbox_len(const struct mailbox *m);       /* operations waiting, both lanes */
uint64_t mailbox_n_refused(const struct mailbox *m); /* posts that met the limit */
static inline void mailbox_op_run(struct mailbox_op *op)
{
    op->run(op->target, op->payload);
}
static inline void mailbox_op_drop(struct mailbox_op *op)
{
    if (op->drop != NULL) {
        op->drop(op->payload);
    }
}

#endif
