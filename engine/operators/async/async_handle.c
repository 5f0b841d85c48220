/* Handles of asynchronous calls, and what user code does with them; see async_handle.h and
 * include/flinc/async.h. */
#include "engine/operators/async/async_handle.h"

#include "common/loop/executor.h"
#include "flinc/async.h"

#include <stdio.h>

/* ---- life ------------------------------------------------------------------------------------------- */

struct async_shared *async_shared_new(struct op_context *ctx, const struct record_layout *out)
{
    struct async_shared *s = MEM_NEW(struct async_shared);

    pthread_mutex_init(&s->lock, NULL);
    s->refs = 1;
    s->waker = op_get_waker(ctx);
    s->done_end = &s->done;
    s->io_executor = ctx->io_executor;
    s->record_size = out->size;
    s->n_strings = out->n_strings;
    s->string_offsets = MEM_NEW_ARRAY(uint32_t, out->n_strings + 1);
    for (uint32_t i = 0; i < out->n_strings; i++) {
        s->string_offsets[i] = out->fields[out->strings[i]].offset;
    }
    return s;
}

static void free_list(struct flinc_async *h)
{
    while (h != NULL) {
        struct flinc_async *next = h->next;
        str_fini(&h->records);
        str_fini(&h->texts);
        mem_free(h);
        h = next;
    }
}

/* Under the lock, which it gives up. */
static void unref_and_unlock(struct async_shared *s)
{
    bool last = --s->refs == 0;

    pthread_mutex_unlock(&s->lock);
    if (last) {
        free_list(s->done);
        free_list(s->free);
        pthread_mutex_destroy(&s->lock);
        mem_free(s->string_offsets);
        mem_free(s);
    }
}

struct async_shared *async_shared_close(struct async_shared *s)
{
    if (s != NULL) {
        pthread_mutex_lock(&s->lock);
        s->waker = NULL;
        s->io_executor = NULL;
        for (struct flinc_async *h = s->done; h != NULL; h = h->next) {
            s->refs--; /* it is back, and nobody wants it */
        }
        unref_and_unlock(s);
    }
    return NULL;
}

/* ---- the task's side -------------------------------------------------------------------------------- */

struct flinc_async *async_handle_get(struct async_shared *s, struct async_entry *entry)
{
    pthread_mutex_lock(&s->lock);
    struct flinc_async *h = s->free;
    if (h != NULL) {
        s->free = h->next;
    }
    s->refs++;
    pthread_mutex_unlock(&s->lock);
    if (h == NULL) {
        h = MEM_NEW(struct flinc_async);
        h->shared = s;
    }
    h->entry = entry;
    h->next = NULL;
    h->n_records = 0;
    h->placed = false;
    h->failed = false;
    h->completed = false;
    str_clear(&h->records);
    str_clear(&h->texts);
    return h;
}

void async_handle_recycle(struct flinc_async *h)
{
    struct async_shared *s = h->shared;

    pthread_mutex_lock(&s->lock);
    h->next = s->free;
    s->free = h;
    unref_and_unlock(s);
}

void async_handle_drop(struct flinc_async *h)
{
    pthread_mutex_lock(&h->shared->lock);
    bool completed = h->completed;
    h->entry = NULL;
    pthread_mutex_unlock(&h->shared->lock);
    if (!completed) {
        async_handle_recycle(h);
    }
}

struct flinc_async *async_shared_take_done(struct async_shared *s)
{
    pthread_mutex_lock(&s->lock);
    struct flinc_async *done = s->done;
    s->done = NULL;
    s->done_end = &s->done;
    pthread_mutex_unlock(&s->lock);
    return done;
}

const char *async_handle_records(struct flinc_async *h)
{
    const struct async_shared *s = h->shared;

    for (uint32_t i = 0; i < h->n_records && !h->placed; i++) {
        char *record = h->records.data + (size_t)i * s->record_size;
        for (uint32_t k = 0; k < s->n_strings; k++) {
            flinc_string string;
            memcpy(&string, record + s->string_offsets[k], sizeof(string));
            string.data = string.len > 0 ? h->texts.data + (uintptr_t)string.data : "";
            memcpy(record + s->string_offsets[k], &string, sizeof(string));
        }
    }
    h->placed = true;
    return h->records.data;
}

/* ---- the user's side -------------------------------------------------------------------------------- */

void flinc_async_emit(flinc_async *h, const void *out)
{
    const struct async_shared *s = h->shared;

    str_append(&h->records, out, s->record_size);
    char *record = h->records.data + (size_t)h->n_records * s->record_size;
    for (uint32_t k = 0; k < s->n_strings; k++) {
        flinc_string string;
        memcpy(&string, record + s->string_offsets[k], sizeof(string));
        uintptr_t offset = h->texts.len;
        str_append(&h->texts, string.data, string.len);
        string.data = (const char *)offset; /* the text may move until the handle is complete */
        memcpy(record + s->string_offsets[k], &string, sizeof(string));
    }
    h->n_records++;
}

void flinc_async_complete(flinc_async *h)
{
    struct async_shared *s = h->shared;

    pthread_mutex_lock(&s->lock);
    if (h->completed) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    h->completed = true;
    h->next = NULL;
    *s->done_end = h;
    s->done_end = &h->next;
    if (s->waker != NULL) {
        op_wake(s->waker);
        pthread_mutex_unlock(&s->lock);
        return;
    }
    unref_and_unlock(s); /* the operator is gone: with the last handle all goes */
}

void flinc_async_fail(flinc_async *h, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(h->message, sizeof(h->message), format, ap);
    va_end(ap);
    h->failed = true;
    flinc_async_complete(h);
}

/* ---- blocking work ---------------------------------------------------------------------------------- */

struct async_job {
    flinc_async *handle;
    void (*work)(flinc_async *handle, void *arg);
    bool ran;
    max_align_t arg[];
};

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct async_job *job = arg;

    (void)cancel;
    (void)err;
    job->ran = true;
    job->work(job->handle, job->arg);
    return 0;
}

static void job_drop(void *arg)
{
    struct async_job *job = arg;

    if (!job->ran) {
        flinc_async_fail(job->handle, "the I/O thread is gone");
    }
    mem_free(job);
}

void flinc_async_run(flinc_async *h, void (*work)(flinc_async *handle, void *arg), const void *arg,
                     size_t size)
{
    pthread_mutex_lock(&h->shared->lock);
    struct executor *executor = h->shared->io_executor;
    pthread_mutex_unlock(&h->shared->lock);
    if (size > FLINC_ASYNC_ARG_MAX) {
        flinc_async_fail(h, "the argument of flinc_async_run has %zu bytes; at most %d", size,
                         FLINC_ASYNC_ARG_MAX);
        return;
    }
    struct async_job *job = mem_zalloc(sizeof(*job) + size + 1);
    job->handle = h;
    job->work = work;
    memcpy(job->arg, size > 0 ? arg : "", size);
    struct executor_job order = {.name = "async I/O", .run = job_run, .arg = job, .drop = job_drop};
    if (executor == NULL || executor_submit(executor, &order, NULL) < 0) {
        /* A full queue: the task slows down to what the threads do. */
        (void)job_run(job, NULL, NULL);
        job_drop(job);
    }
}
