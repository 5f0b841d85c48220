/* Outputs of a snapshot: bytes that stay inline or become a file.
 *
 * The task appends to a chunk of its own.  A full chunk goes into the output's queue, and a job of the
 * executor, at most one per output, so that bytes stay in order, writes the queue empty.  The job also
 * syncs and closes the file, or deletes it when the output was given up.  Without an executor the task
 * does the same at once.
 *
 * Thread: the task's, but for the writer's half: one job at a time.  `lock` is a leaf, held for a few
 * instructions, never over I/O or a callback.  The task holds a reference to the output, a job another.
 * Flink: FsCheckpointStateOutputStream, MemCheckpointStreamFactory. */
#include "engine/snapshot/target.h"

#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/base/thread.h"

enum { CHUNK_BYTES_FIRST = 4096 };

struct chunk {
    struct chunk *next;
    size_t len, cap;
    uint8_t data[];
};

struct snapshot_output {
    _Atomic uint32_t refs;
    struct snapshot_target *target; /* Owns a ref */
    enum snapshot_scope scope;
    /* Of the task: */
    struct chunk *chunk; /* Owns: being filled */
    uint64_t position;
    bool finished;
    bool is_inline; /* of a finished one */
    bool taken;     /* a poll gave the blob away: the file is not ours any more */
    /* Under lock: */
    pthread_mutex_t lock;
    struct chunk *first, **end; /* Owns: filled, not written */
    uint32_t n_waiting;
    uint64_t queued;  /* bytes, in all */
    bool all_queued;  /* no chunk comes any more */
    bool is_begun;    /* a chunk was taken for writing */
    bool job_active;  /* somebody is the writer */
    bool job_started; /* the submitted job has run: else it is dropped unrun */
    bool abandoned;
    bool ended; /* well or badly: rc */
    int rc;
    struct error err;
    /* Of the writer; after `ended` constant: */
    struct target_file file;
    uint32_t crc;
};

static void output_run(struct snapshot_output *o);
static void output_kick(struct snapshot_output *o);

/* ---- life of an output ------------------------------------------------------------------------ */

struct snapshot_output *snapshot_output_open(struct snapshot_target *t, enum snapshot_scope scope)
{
    struct snapshot_output *o = MEM_NEW(struct snapshot_output);
    atomic_init(&o->refs, 1);
    o->target = snapshot_target_ref(t);
    o->scope = scope;
    o->end = &o->first;
    pthread_mutex_init(&o->lock, NULL);
    return o;
}

static void drop_chunks(struct chunk *c)
{
    while (c != NULL) {
        struct chunk *next = c->next;
        mem_free(c);
        c = next;
    }
}

static void output_unref(struct snapshot_output *o)
{
    if (atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    target_file_fini(&o->file);
    drop_chunks(o->first);
    mem_free(o->chunk);
    pthread_mutex_destroy(&o->lock);
    snapshot_target_unref(o->target);
    mem_free(o);
}

struct snapshot_output *snapshot_output_free(struct snapshot_output *o)
{
    if (o == NULL) {
        return NULL;
    }
    if (!o->taken) {
        pthread_mutex_lock(&o->lock);
        o->abandoned = true;
        pthread_mutex_unlock(&o->lock);
        output_kick(o);
    }
    output_unref(o);
    return NULL;
}

/* ---- the task's half -------------------------------------------------------------------------- */

bool snapshot_output_is_writable(const struct snapshot_output *o)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&o->lock;
    pthread_mutex_lock(lock);
    bool writable = o->ended || (!o->all_queued && o->n_waiting < SNAPSHOT_CHUNKS_MAX);
    pthread_mutex_unlock(lock);
    return writable;
}

uint64_t snapshot_output_position(const struct snapshot_output *o)
{
    return o->position;
}

static int output_failure(struct snapshot_output *o, struct error *err)
{
    pthread_mutex_lock(&o->lock);
    int rc = o->rc;
    if (rc < 0) {
        error_copy(err, &o->err);
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

static int over_inline_max(struct snapshot_output *o, size_t size, struct error *err)
{
    pthread_mutex_lock(&o->lock);
    o->ended = true;
    o->rc = snapshot_target_too_large(o->target, o->position + size, &o->err);
    pthread_mutex_unlock(&o->lock);
    return output_failure(o, err);
}

/* Bytes that the chunk at hand may hold before it goes: all that may yet be inline, else a chunk. */
static uint64_t chunk_limit(const struct snapshot_output *o)
{
    const Flinc__CheckpointLocation *l = &o->target->location;
    if (l->inline_only) {
        return UINT64_MAX;
    }
    uint64_t least = l->inline_threshold + 1;
    return o->position < least ? MAX((uint64_t)SNAPSHOT_CHUNK_BYTES, least)
                               : (uint64_t)SNAPSHOT_CHUNK_BYTES;
}

/* Copies what fits; returns how much. */
static size_t chunk_fill(struct snapshot_output *o, const uint8_t *data, size_t size,
                         uint64_t limit)
{
    size_t len = o->chunk != NULL ? o->chunk->len : 0;
    size_t n = (size_t)MIN((uint64_t)size, limit - len);
    if (o->chunk == NULL || o->chunk->cap < len + n) {
        size_t cap = o->chunk != NULL ? o->chunk->cap : CHUNK_BYTES_FIRST;
        while (cap < len + n) {
            cap *= 2;
        }
        o->chunk = mem_realloc(o->chunk, sizeof(struct chunk) + cap);
        o->chunk->cap = cap;
        o->chunk->len = len;
        o->chunk->next = NULL;
    }
    memcpy(o->chunk->data + len, data, n);
    o->chunk->len += n;
    o->position += n;
    return n;
}

static void queue_chunk(struct snapshot_output *o)
{
    struct chunk *c = STEAL(o->chunk);
    pthread_mutex_lock(&o->lock);
    *o->end = c;
    o->end = &c->next;
    o->n_waiting++;
    o->queued += c->len;
    pthread_mutex_unlock(&o->lock);
}

int snapshot_output_append(struct snapshot_output *o, const void *data, size_t size,
                           struct error *err)
{
    ASSERT(!o->finished);
    TRY(output_failure(o, err));
    const Flinc__CheckpointLocation *l = &o->target->location;
    if (l->inline_only && o->position + size > l->inline_max) {
        return over_inline_max(o, size, err);
    }
    const uint8_t *next = data;
    while (size > 0) {
        uint64_t limit = chunk_limit(o);
        size_t n = chunk_fill(o, next, size, limit);
        next += n;
        size -= n;
        if (o->chunk->len >= limit) {
            queue_chunk(o);
            output_kick(o);
        }
    }
    return output_failure(o, err);
}

void snapshot_output_finish(struct snapshot_output *o)
{
    ASSERT(!o->finished);
    o->finished = true;
    o->is_inline = snapshot_target_take_inline(o->target, o->position);
    if (o->is_inline) {
        pthread_mutex_lock(&o->lock);
        o->ended = true;
        pthread_mutex_unlock(&o->lock);
        return;
    }
    if (o->chunk != NULL) {
        queue_chunk(o);
    }
    pthread_mutex_lock(&o->lock);
    o->all_queued = true;
    pthread_mutex_unlock(&o->lock);
    output_kick(o);
}

int snapshot_output_poll(struct snapshot_output *o, Flinc__StateBlob *ret_blob, struct error *err)
{
    ASSERT(!o->taken);
    pthread_mutex_lock(&o->lock);
    bool ended = o->ended;
    pthread_mutex_unlock(&o->lock);
    if (!ended) {
        return 0;
    }
    TRY(output_failure(o, err));
    ASSERT(o->finished);
    flinc__state_blob__init(ret_blob);
    ret_blob->size = o->position;
    if (o->is_inline) {
        size_t len = o->chunk != NULL ? o->chunk->len : 0;
        ret_blob->inline_data.len = len;
        ret_blob->inline_data.data = len > 0 ? mem_dup(o->chunk->data, len) : NULL;
        ret_blob->crc32c = len > 0 ? crc32c(0, o->chunk->data, len) : 0;
    } else {
        target_file_describe(&o->file, o->target, ret_blob);
        ret_blob->crc32c = o->crc;
    }
    o->taken = true;
    return 1;
}

/* ---- the writer's half ------------------------------------------------------------------------ */

static int write_chunk(struct snapshot_output *o, const struct chunk *c, struct error *err)
{
    if (o->file.out == NULL) {
        pthread_mutex_lock(&o->lock);
        int64_t size = o->all_queued ? (int64_t)o->queued : TARGET_SIZE_UNKNOWN;
        pthread_mutex_unlock(&o->lock);
        TRY(target_file_open(&o->file, o->target, o->scope, size, err));
    }
    TRY(FAILPOINT(err, "snapshot.output.write"));
    TRY(fs_output_write(o->file.out, c->data, c->len, err));
    o->crc = crc32c(o->crc, c->data, c->len);
    return 0;
}

static int close_file(struct snapshot_output *o, struct error *err)
{
    TRY(FAILPOINT(err, "snapshot.output.before_sync"));
    TRY(target_file_close(&o->file, o->target, err));
    target_file_keep_copy(&o->file, o->target, o->queued);
    return FAILPOINT(err, "snapshot.output.after_close");
}

/* What the writer does next; decided under lock. */
enum writer_step { WRITER_REST, WRITER_CHUNK, WRITER_CLOSE, WRITER_DISCARD };

static enum writer_step writer_next(struct snapshot_output *o, struct chunk **ret_chunk)
{
    if (o->abandoned || o->rc < 0) {
        drop_chunks(STEAL(o->first));
        o->end = &o->first;
        o->n_waiting = 0;
        return WRITER_DISCARD;
    }
    if (o->first != NULL) {
        *ret_chunk = o->first;
        o->is_begun = true;
        o->first = o->first->next;
        if (o->first == NULL) {
            o->end = &o->first;
        }
        return WRITER_CHUNK;
    }
    return o->all_queued && !o->ended ? WRITER_CLOSE : WRITER_REST;
}

/* Takes the result of a step; true when the task is to hear of it. */
static bool writer_note(struct snapshot_output *o, enum writer_step step, int rc,
                        const struct error *err)
{
    bool was_full = o->n_waiting >= SNAPSHOT_CHUNKS_MAX;
    if (step == WRITER_CHUNK) {
        o->n_waiting--;
    }
    if (rc < 0) {
        o->rc = rc;
        error_copy(&o->err, err);
    }
    o->ended = o->ended || rc < 0 || step == WRITER_CLOSE;
    return (step != WRITER_DISCARD && o->ended) || (was_full && o->n_waiting < SNAPSHOT_CHUNKS_MAX);
}

/* Does what there is to do.  Thread: the writer's. */
static void output_run(struct snapshot_output *o)
{
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        struct chunk *c = NULL;
        enum writer_step step = writer_next(o, &c);
        if (step == WRITER_REST) {
            break;
        }
        pthread_mutex_unlock(&o->lock);
        int rc = 0;
        if (step == WRITER_CHUNK) {
            rc = write_chunk(o, c, &err);
            mem_free(c);
        } else if (step == WRITER_CLOSE) {
            rc = close_file(o, &err);
        } else {
            target_file_discard(&o->file, o->target);
        }
        if (rc < 0) {
            target_file_discard(&o->file, o->target);
        }
        pthread_mutex_lock(&o->lock);
        bool wake = writer_note(o, step, rc, &err) && !o->abandoned;
        if (step == WRITER_DISCARD) {
            break;
        }
        if (wake && o->target->wake != NULL && o->target->executor != NULL) {
            pthread_mutex_unlock(&o->lock);
            o->target->wake(o->target->wake_arg);
            pthread_mutex_lock(&o->lock);
        }
    }
    pthread_mutex_unlock(&o->lock);
}

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct snapshot_output *o = arg;
    (void)cancel;
    (void)err;
    pthread_mutex_lock(&o->lock);
    o->job_started = true;
    pthread_mutex_unlock(&o->lock);
    output_run(o);
    return 0;
}

/* Comes behind every job, also behind one that never ran: then the output has failed. */
static void job_drop(void *arg)
{
    struct snapshot_output *o = arg;
    pthread_mutex_lock(&o->lock);
    bool unrun = !o->job_started;
    if (unrun && !o->ended) {
        o->ended = true;
        o->rc = error_set(&o->err, ERR_CANCELLED,
                          "state of %s was not written: the writing threads are closing",
                          o->target->owner);
    }
    bool wake = unrun && !o->abandoned;
    o->job_started = false;
    o->job_active = false;
    pthread_mutex_unlock(&o->lock);
    output_kick(o); /* for what came since it looked last */
    if (wake && o->target->wake != NULL) {
        o->target->wake(o->target->wake_arg);
    }
    output_unref(o);
}

static bool output_has_work(const struct snapshot_output *o)
{
    if (o->abandoned || o->rc < 0) {
        return o->file.uri.len > 0 || o->first != NULL;
    }
    if (o->target->merging != NULL && !o->is_begun && !o->all_queued &&
        o->n_waiting < SNAPSHOT_CHUNKS_MAX) {
        return false; /* it may yet be a small one */
    }
    return o->first != NULL || (o->all_queued && !o->ended);
}

/* Sees to it that somebody does what there is to do. */
static void output_kick(struct snapshot_output *o)
{
    pthread_mutex_lock(&o->lock);
    bool start = !o->job_active && output_has_work(o);
    o->job_active = o->job_active || start;
    pthread_mutex_unlock(&o->lock);
    if (!start) {
        return;
    }
    if (o->target->executor != NULL) {
        const struct executor_job job = {
            .name = "writing a snapshot", .run = job_run, .arg = o, .drop = job_drop};
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
        if (executor_submit(o->target->executor, &job, NULL) == 0) {
            return;
        }
        atomic_fetch_sub_explicit(&o->refs, 1, memory_order_relaxed);
    }
    /* No executor, or it is full or closing: rather by the task than not at all. */
    output_run(o);
    pthread_mutex_lock(&o->lock);
    o->job_active = false;
    pthread_mutex_unlock(&o->lock);
}
