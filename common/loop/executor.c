/* The I/O executor: a bounded queue of jobs, a few threads, completions by mailbox.
 *
 * Thread: submit any; the queue is under `lock`, a leaf that is never held over a job, a post or a
 * wait for a thread.  A job's record lives from the submit to the end of its completion.  Flink: the
 * I/O executor of a process. */
#include "common/loop/executor.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/loop/cancel.h"

struct executor_task {
    struct executor_task *next;
    struct executor_job job; /* with references to cancel and reply_to */
    int rc;
    struct error err;
};

struct executor {
    char *name; /* Owns */
    uint32_t n_threads, queue_limit;
    pthread_t threads[EXECUTOR_THREADS_MAX];
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under lock: */
    struct executor_task *first, **end; /* Owns: jobs waiting */
    uint32_t queue_len;
    bool closing;
};

/* ---- one job ---------------------------------------------------------------------------------- */

static struct executor_task *task_new(const struct executor_job *job)
{
    struct executor_task *t = MEM_NEW(struct executor_task);
    t->job = *job;
    if (job->cancel != NULL) {
        cancel_token_ref(job->cancel);
    }
    if (job->reply_to != NULL) {
        mailbox_ref(job->reply_to);
    }
    return t;
}

static void task_free(struct executor_task *t)
{
    cancel_token_unref(t->job.cancel);
    mailbox_unref(t->job.reply_to);
    mem_free(t);
}

/* Nobody hears of the completion any more. */
static void task_drop(void *payload)
{
    struct executor_task *t = payload;
    if (t->job.drop != NULL) {
        t->job.drop(t->job.arg);
    }
    task_free(t);
}

/* In the submitter's mailbox. */
static void task_done(void *target, void *payload)
{
    struct executor_task *t = payload;
    t->job.done(target, t->job.arg, t->rc, &t->err);
    task_free(t);
}

static void task_complete(struct executor_task *t)
{
    if (t->job.done == NULL) {
        task_drop(t);
        return;
    }
    struct mailbox_op op = {.kind = t->job.reply_kind,
                            .run = task_done,
                            .target = t->job.target,
                            .payload = t,
                            .drop = task_drop};
    /* Once posted, the receiver may run the completion, and with it drop the task's reference and its own,
     * before the post returns here. */
    struct mailbox *reply_to = mailbox_ref(t->job.reply_to);
    if (mailbox_post_internal(reply_to, t->job.reply_lane, &op) < 0) {
        task_drop(t);
    }
    mailbox_unref(reply_to);
}

static void task_run(struct executor_task *t)
{
    t->rc = cancel_token_check(t->job.cancel, t->job.name, &t->err);
    if (t->rc == 0) {
        t->rc = FAILPOINT(&t->err, "loop.executor.run");
    }
    if (t->rc == 0) {
        t->rc = t->job.run(t->job.arg, t->job.cancel, &t->err);
    }
    task_complete(t);
}

/* ---- the pool --------------------------------------------------------------------------------- */

/* Under lock. */
static struct executor_task *queue_pop(struct executor *x)
{
    struct executor_task *t = x->first;
    if (t != NULL) {
        x->first = t->next;
        x->queue_len--;
        if (x->first == NULL) {
            x->end = &x->first;
        }
    }
    return t;
}

static void *executor_main(void *arg)
{
    struct executor *x = arg;
    for (;;) {
        pthread_mutex_lock(&x->lock);
        while (x->first == NULL && !x->closing) {
            pthread_cond_wait(&x->changed, &x->lock);
        }
        struct executor_task *t = queue_pop(x);
        pthread_mutex_unlock(&x->lock);
        if (t == NULL) {
            return NULL;
        }
        task_run(t);
    }
}

int executor_new(const struct executor_options *options, struct executor **ret_executor,
                 struct error *err)
{
    const char *name = options->name != NULL ? options->name : "executor";
    if (options->n_threads > EXECUTOR_THREADS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT, "executor %s: %u threads, at most %d", name,
                         options->n_threads, EXECUTOR_THREADS_MAX);
    }
    struct executor *x = MEM_NEW(struct executor);
    x->name = mem_strdup(name);
    x->queue_limit =
        options->queue_limit != 0 ? options->queue_limit : EXECUTOR_QUEUE_LIMIT_DEFAULT;
    x->end = &x->first;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->changed, NULL);
    for (uint32_t i = 0; i < options->n_threads; i++) {
        int rc = thread_start(&x->threads[i], x->name, executor_main, x, err);
        if (rc < 0) {
            error_context(err, "starting thread %u of executor %s", i + 1, x->name);
            executor_free(x);
            return rc;
        }
        x->n_threads++;
    }
    *ret_executor = x;
    return 0;
}

struct executor *executor_free(struct executor *x)
{
    if (x == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&x->lock);
    x->closing = true;
    struct executor_task *waiting = x->first;
    x->first = NULL;
    x->end = &x->first;
    x->queue_len = 0;
    pthread_cond_broadcast(&x->changed);
    pthread_mutex_unlock(&x->lock);

    while (waiting != NULL) {
        struct executor_task *t = waiting;
        waiting = t->next;
        t->rc = error_set(&t->err, ERR_CANCELLED, "%s was not started: executor %s is closing",
                          t->job.name != NULL ? t->job.name : "a job", x->name);
        task_complete(t);
    }
    for (uint32_t i = 0; i < x->n_threads; i++) {
        thread_join(x->threads[i]);
    }
    pthread_cond_destroy(&x->changed);
    pthread_mutex_destroy(&x->lock);
    mem_free(x->name);
    mem_free(x);
    return NULL;
}

int executor_submit(struct executor *x, const struct executor_job *job, struct error *err)
{
    ASSERT(job->run != NULL && (job->done == NULL || job->reply_to != NULL));
    struct executor_task *t = task_new(job);
    pthread_mutex_lock(&x->lock);
    bool closing = x->closing, full = x->queue_len >= x->queue_limit;
    if (!closing && !full) {
        *x->end = t;
        x->end = &t->next;
        x->queue_len++;
        pthread_cond_signal(&x->changed);
    }
    pthread_mutex_unlock(&x->lock);
    if (!closing && !full) {
        return 0;
    }
    task_free(t);
    if (closing) {
        return error_set(err, ERR_CLOSED, "executor %s is closing", x->name);
    }
    return error_set(err, ERR_LIMIT, "executor %s: %u jobs wait already (queue_limit)", x->name,
                     x->queue_limit);
}

bool executor_run_once(struct executor *x)
{
    ASSERT(x->n_threads == 0);
    pthread_mutex_lock(&x->lock);
    struct executor_task *t = queue_pop(x);
    pthread_mutex_unlock(&x->lock);
    if (t == NULL) {
        return false;
    }
    task_run(t);
    return true;
}

uint32_t executor_queue_len(struct executor *x)
{
    pthread_mutex_lock(&x->lock);
    uint32_t len = x->queue_len;
    pthread_mutex_unlock(&x->lock);
    return len;
}
