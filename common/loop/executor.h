/* A small pool of threads for work that blocks: files, uploads, name look-ups (Flink: the I/O
 * executor).  A job runs on one of them; its completion is an operation in the submitter's mailbox, so
 * that the submitter's state is only touched on the submitter's thread.
 *
 * Every accepted job is completed exactly once, unless the mailbox is closed by then (then its
 * argument is dropped).  Jobs start in the order of their submission.  With no threads
 * (n_threads = 0) the owner steps it by executor_run_once(): tests and the simulation. */
#ifndef FLINC_COMMON_LOOP_EXECUTOR_H
#define FLINC_COMMON_LOOP_EXECUTOR_H

#include "common/loop/cancel.h"
#include "common/loop/mailbox.h"

enum { EXECUTOR_QUEUE_LIMIT_DEFAULT = 1024, EXECUTOR_THREADS_MAX = 64 };

struct executor_options {
    const char *name;     /* Borrows; of its threads */
    uint32_t n_threads;   /* 0: stepped by executor_run_once() */
    uint32_t queue_limit; /* jobs waiting before a submit says ERR_LIMIT; 0: the default */
};

struct executor_job {
    const char *name; /* Borrows; for errors */
    /* On a pool thread.  What it produces lies behind arg. */
    int (*run)(void *arg, struct cancel_token *cancel, struct error *err);
    /* On the thread of reply_to: rc and err as run returned them, or ERR_CANCELLED when the job was
     * cancelled (or the pool closed) before it started.  Takes arg.  NULL: arg is dropped. */
    void (*done)(void *target, void *arg, int rc, const struct error *err);
    void *target;                /* Borrows */
    void *arg;                   /* Owns from an accepted submit on */
    void (*drop)(void *arg);     /* frees arg when done cannot be called; may be NULL */
    struct cancel_token *cancel; /* may be NULL; a reference is taken */
    struct mailbox *reply_to;    /* a reference is taken; may be NULL when done is NULL */
    enum mailbox_lane reply_lane;
    int reply_kind; /* of the completion's mailbox_op */
};

struct executor;
int executor_new(const struct executor_options *options, struct executor **ret_executor,
                 struct error *err) MUST_CHECK;
/* Refuses new jobs, completes the waiting ones as cancelled, waits for the running ones, frees.
 * Thread: any but the pool's.  NULL is fine; returns NULL. */
struct executor *executor_free(struct executor *x);
/* Thread: any.  0, ERR_LIMIT or ERR_CLOSED; on failure arg stays with the caller. */
int executor_submit(struct executor *x, const struct executor_job *job,
                    struct error *err) MUST_CHECK;
/* Runs one waiting job on the calling thread; false when there was none.  Only with no threads. */
bool executor_run_once(struct executor *x);
uint32_t executor_queue_len(struct executor *x);

#endif
