/* Merging files; see merge.h. */
#include "engine/operators/files/merge.h"

#include "common/base/log.h"
#include "common/fs/recoverable.h"
#include "common/fs/stream.h"
#include "common/loop/executor.h"
#include "engine/operators/files/compact.h"
#include "engine/operators/files/packer.h"

#include <pthread.h>

struct merge {
    _Atomic uint32_t refs;
    _Atomic bool done, given_up;
    pthread_mutex_t lock;          /* guards waker against the task's end */
    struct op_waker *waker;        /* Borrows; NULL: nobody waits */
    const _Atomic bool *cancelled; /* Borrows; looked at on the task's thread alone */

    char *bucket, *name, *compression; /* Owns */
    struct vec sources;                /* struct merge_source */
    struct str header;
    bool by_records;

    struct recoverable *out;    /* Owns */
    struct file_packer *packer; /* Owns */
    struct str packed;
    char *chunk;       /* Owns */
    struct str handle; /* the result; taken by merge_result() */
    int rc;
    struct error err;
};

void merge_sources_fini(struct vec *sources)
{
    for (size_t i = 0; i < sources->len; i++) {
        mem_free(VEC_AT(sources, struct merge_source, i)->path);
    }
    vec_fini(sources);
}

void merge_paths_fini(struct vec *paths)
{
    for (size_t i = 0; i < paths->len; i++) {
        mem_free(vec_ptr(paths, i));
    }
    vec_fini(paths);
}

struct merge *merge_new(const struct merge_options *o)
{
    struct merge *m = MEM_NEW(struct merge);

    atomic_store(&m->refs, 1);
    pthread_mutex_init(&m->lock, NULL);
    m->bucket = mem_strdup(o->bucket);
    m->name = mem_strdup(o->name);
    m->compression = mem_strdup(o->compression);
    m->sources = *o->take_sources;
    vec_init(o->take_sources, sizeof(struct merge_source));
    m->by_records = o->by_records;
    m->cancelled = o->cancelled;
    str_append_slice(&m->header, o->header);
    return m;
}

static void merge_unref(struct merge *m)
{
    if (atomic_fetch_sub(&m->refs, 1) != 1) {
        return;
    }
    if (m->handle.len > 0) { /* nobody took it */
        (void)!recoverable_cleanup(str_slice(&m->handle), NULL);
    }
    recoverable_abort(m->out);
    file_packer_free(m->packer);
    merge_sources_fini(&m->sources);
    str_fini(&m->packed);
    str_fini(&m->header);
    str_fini(&m->handle);
    mem_free(m->chunk);
    mem_free(m->bucket);
    mem_free(m->name);
    mem_free(m->compression);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
}

struct merge *merge_give_up(struct merge *m)
{
    if (m != NULL) {
        atomic_store(&m->given_up, true);
        pthread_mutex_lock(&m->lock);
        m->waker = NULL;
        pthread_mutex_unlock(&m->lock);
        merge_unref(m);
    }
    return NULL;
}

const char *merge_bucket(const struct merge *m)
{
    return m->bucket;
}

size_t merge_n_sources(const struct merge *m)
{
    return m->sources.len;
}

const struct merge_source *merge_source_at(const struct merge *m, size_t i)
{
    return VEC_AT(&m->sources, struct merge_source, i);
}

/* ---- merging --------------------------------------------------------------------------------------------- */

static int open_output(struct merge *m)
{
    const char *first = merge_source_at(m, 0)->path;
    STR_AUTO path = STR_INIT;

    str_printf(&path, "%.*s%s", (int)(fs_base_name(first) - first), first, m->name);
    TRY(recoverable_open(str_cstr(&path), &m->out, &m->err));
    m->chunk = mem_alloc(COMPACT_CHUNK_BYTES);
    return m->by_records ? file_packer_new(m->compression, &m->packer, &m->err) : 0;
}

static int write_packed(struct merge *m)
{
    TRY(recoverable_write(m->out, m->packed.data, m->packed.len, &m->err));
    str_clear(&m->packed);
    return 0;
}

static int write_bytes(struct merge *m, const char *data, size_t n)
{
    if (m->packer == NULL) {
        return recoverable_write(m->out, data, n, &m->err);
    }
    TRY(file_packer_add(m->packer, slice_make(data, n), &m->packed, &m->err));
    return m->packed.len >= COMPACT_CHUNK_BYTES ? write_packed(m) : 0;
}

static int check_given_up(struct merge *m)
{
    if (atomic_load(&m->given_up) || (m->cancelled != NULL && atomic_load(m->cancelled))) {
        return error_set(&m->err, ERR_CANCELLED, "compacting was given up");
    }
    return 0;
}

/* All of a source, of a restored one that is not packed its first bytes. */
static int copy_source(struct merge *m, const struct merge_source *s, struct fs_stream *in,
                       bool is_first)
{
    bool packed = m->by_records && fs_compression_of(s->path) != FS_COMPRESSION_NONE;
    uint64_t end = s->is_restored && !packed ? s->size_bytes : UINT64_MAX;

    if (m->by_records && !is_first) {
        TRY(fs_stream_skip(in, m->header.len, &m->err));
    }
    while (fs_stream_position(in) < end) {
        size_t n = 0;
        TRY(check_given_up(m));
        TRY(fs_stream_read(in, m->chunk,
                           (size_t)MIN(end - fs_stream_position(in), (uint64_t)COMPACT_CHUNK_BYTES),
                           &n, &m->err));
        if (n == 0) {
            return 0;
        }
        TRY(write_bytes(m, m->chunk, n));
    }
    return 0;
}

/* A source must be as long as it was closed. */
static int check_size(struct merge *m, const struct merge_source *s, const struct fs_stream *in)
{
    uint64_t size = fs_stream_compressed_position(in);

    return size == s->size_bytes
               ? 0
               : error_set(&m->err, ERR_CORRUPT,
                           "%s has %llu bytes, but was closed with %llu: somebody changed it",
                           s->path, (unsigned long long)size, (unsigned long long)s->size_bytes);
}

static int merge_sources(struct merge *m)
{
    bool is_first = true;

    for (size_t i = 0; i < m->sources.len; i++) {
        const struct merge_source *s = merge_source_at(m, i);
        struct fs_stream *in = NULL;
        int rc = fs_stream_open_as(s->path,
                                   m->by_records ? fs_compression_of(s->path) : FS_COMPRESSION_NONE,
                                   &in, &m->err);
        if (rc == ERR_NOT_FOUND && s->is_restored) {
            LOG_WARN("sink", "taken as compacted before the restored checkpoint was: %s",
                     m->err.message);
            error_clear(&m->err);
            continue;
        }
        rc = rc < 0 || m->out != NULL ? rc : open_output(m);
        rc = rc < 0 ? rc : copy_source(m, s, in, is_first);
        rc = rc < 0 ? rc : check_size(m, s, in);
        fs_stream_close(in);
        if (rc < 0) {
            error_context(&m->err, "compacting %s", s->path);
            return rc;
        }
        is_first = false;
    }
    return 0;
}

static int merge_all(struct merge *m)
{
    TRY(merge_sources(m));
    if (m->out == NULL) {
        return 0;
    }
    if (m->packer != NULL) {
        TRY(file_packer_finish(m->packer, &m->packed, &m->err));
        TRY(write_packed(m));
    }
    return recoverable_close_for_commit(&m->out, &m->handle, &m->err);
}

void merge_run(struct merge *m)
{
    m->rc = merge_all(m);
    if (m->rc < 0) {
        m->out = recoverable_abort(m->out);
    }
    atomic_store(&m->done, true);
}

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct merge *m = arg;

    (void)cancel;
    (void)err; /* travels in the merge */
    merge_run(m);
    return 0;
}

/* After the job has run, or in its stead when there are no I/O threads any more. */
static void job_drop(void *arg)
{
    struct merge *m = arg;

    if (!atomic_load(&m->done)) {
        m->rc =
            error_set(&m->err, ERR_UNAVAILABLE, "files were not compacted: the I/O thread is gone");
        atomic_store(&m->done, true);
    }
    pthread_mutex_lock(&m->lock);
    if (m->waker != NULL) {
        op_wake(m->waker);
    }
    pthread_mutex_unlock(&m->lock);
    merge_unref(m);
}

void merge_start(struct merge *m, struct op_context *ctx)
{
    struct executor_job job = {
        .name = "compaction of a file sink", .run = job_run, .arg = m, .drop = job_drop};

    if (ctx->io_executor != NULL) {
        m->waker = op_get_waker(ctx);
        m->cancelled = NULL; /* the task may be gone by then */
        atomic_fetch_add(&m->refs, 1);
        if (executor_submit(ctx->io_executor, &job, NULL) == 0) {
            return;
        }
        merge_unref(m);
    }
    merge_run(m);
}

bool merge_is_done(const struct merge *m)
{
    return atomic_load(&m->done);
}

int merge_result(struct merge *m, struct str *ret_handle, struct vec *ret_sources,
                 struct error *err)
{
    vec_init(ret_sources, sizeof(char *));
    if (m->rc < 0) {
        if (err != NULL) {
            error_copy(err, &m->err);
        }
        return m->rc;
    }
    *ret_handle = m->handle;
    m->handle = (struct str)STR_INIT;
    for (size_t i = 0; i < m->sources.len; i++) {
        struct merge_source *s = VEC_AT(&m->sources, struct merge_source, i);
        vec_push_ptr(ret_sources, STEAL(s->path));
    }
    return 0;
}
