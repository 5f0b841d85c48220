/* Reading by ranges (input.h). */
#include "common/fs/remote/input.h"

#include "common/fs/remote/statistics.h"

#include <pthread.h>

/* A stretch that was asked for. */
struct chunk {
    bool is_used;
    struct remote_stretch at; /* sink Owns; as much as ops->read_bytes */
    void *call;               /* Owns; the driver's */
    int rc;                   /* of the call, once it has ended */
    bool has_ended;
};

struct remote_input {
    struct fs_input base;
    const struct remote_input_ops *ops; /* Borrows */
    void *file;                         /* Owns; the driver's */
    enum fs_access access;
    pthread_mutex_t lock; /* of all below */
    struct chunk chunks[REMOTE_READS_AHEAD];
    struct remote_progress progress;
};

static struct remote_input *input_of(struct fs_input *in)
{
    return (struct remote_input *)in;
}

/* ---- ahead ------------------------------------------------------------------------------------------------- */

static struct chunk *chunk_with(struct remote_input *in, uint64_t offset)
{
    for (uint32_t i = 0; i < REMOTE_READS_AHEAD; i++) {
        struct chunk *c = &in->chunks[i];
        if (c->is_used && offset >= c->at.offset && offset < c->at.offset + c->at.size) {
            return c;
        }
    }
    return NULL;
}

static void drop(struct remote_input *in, struct chunk *c)
{
    if (c->is_used) {
        if (!c->has_ended) {
            int rc = in->ops->wait(in->file, &c->at, c->call, NULL);
            (void)rc; /* nobody wants it any more */
        }
        c->is_used = false;
    }
}

static int start(struct remote_input *in, struct chunk *c, uint64_t offset, struct error *err)
{
    c->at.offset = offset;
    c->at.size = (size_t)MIN(in->base.size_bytes - offset, (uint64_t)in->ops->read_bytes);
    if (c->at.sink == NULL) {
        c->at.sink = mem_alloc((size_t)MIN(in->base.size_bytes, (uint64_t)in->ops->read_bytes));
    }
    c->has_ended = false;
    TRY(in->ops->start(in->file, &c->at, &c->call, err));
    c->is_used = true;
    return 0;
}

/* The chunk with these bytes and those behind it are on their way; others are not needed any more. */
static int go_ahead(struct remote_input *in, uint64_t offset, struct error *err)
{
    uint64_t from = offset / in->ops->read_bytes * in->ops->read_bytes;
    uint64_t until =
        MIN(from + (uint64_t)REMOTE_READS_AHEAD * in->ops->read_bytes, in->base.size_bytes);
    for (uint32_t i = 0; i < REMOTE_READS_AHEAD; i++) {
        struct chunk *c = &in->chunks[i];
        if (c->is_used && (c->at.offset < from || c->at.offset >= until)) {
            drop(in, c);
        }
    }
    for (uint64_t at = from; at < until; at += in->ops->read_bytes) {
        if (chunk_with(in, at) != NULL) {
            continue;
        }
        for (uint32_t i = 0; i < REMOTE_READS_AHEAD; i++) {
            if (!in->chunks[i].is_used) {
                TRY(start(in, &in->chunks[i], at, err));
                break;
            }
        }
    }
    return 0;
}

static int read_ahead(struct remote_input *in, uint64_t offset, uint8_t *buf, size_t size,
                      struct error *err)
{
    while (size > 0) {
        TRY(go_ahead(in, offset, err));
        struct chunk *c = chunk_with(in, offset);
        if (!c->has_ended) {
            c->rc = in->ops->wait(in->file, &c->at, c->call, err);
            c->has_ended = true;
            remote_progress_add(&in->progress, &clock_system, "reading", in->base.path,
                                c->rc == 0 ? c->at.size : 0, in->base.size_bytes);
        }
        if (c->rc < 0) {
            int rc = c->rc;
            c->is_used = false; /* the next read asks again */
            return rc;
        }
        size_t n = (size_t)MIN(c->at.offset + c->at.size - offset, (uint64_t)size);
        memcpy(buf, c->at.sink + (offset - c->at.offset), n);
        buf += n;
        offset += n;
        size -= n;
    }
    return 0;
}

/* ---- the interface ------------------------------------------------------------------------------------------- */

static int read_at(struct fs_input *base, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                   struct error *err)
{
    struct remote_input *in = input_of(base);
    uint64_t left = offset < base->size_bytes ? base->size_bytes - offset : 0;
    size = (size_t)MIN((uint64_t)size, left);
    *ret_n = size;
    if (size == 0) {
        return 0;
    }
    if (in->access == FS_ACCESS_SEQUENTIAL) {
        pthread_mutex_lock(&in->lock);
        int rc = read_ahead(in, offset, buf, size, err);
        pthread_mutex_unlock(&in->lock);
        return rc;
    }
    void *call = NULL;
    const struct remote_stretch stretch = {offset, size, buf};
    int rc = in->ops->start(in->file, &stretch, &call, err);
    rc = rc == 0 ? in->ops->wait(in->file, &stretch, call, err) : rc;
    in->ops->free_call(call);
    return rc;
}

static void advise(struct fs_input *base, uint64_t offset, uint64_t size)
{
    struct remote_input *in = input_of(base);
    if (in->access == FS_ACCESS_SEQUENTIAL && offset < base->size_bytes && size > 0) {
        pthread_mutex_lock(&in->lock);
        int rc = go_ahead(in, offset, NULL);
        (void)rc; /* the read says why */
        pthread_mutex_unlock(&in->lock);
    }
}

static void input_close(struct fs_input *base)
{
    struct remote_input *in = input_of(base);
    for (uint32_t i = 0; i < REMOTE_READS_AHEAD; i++) {
        drop(in, &in->chunks[i]);
        in->ops->free_call(in->chunks[i].call);
        mem_free(in->chunks[i].at.sink);
    }
    pthread_mutex_destroy(&in->lock);
    in->ops->free_file(in->file);
    mem_free(base->path);
    mem_free(in);
}

static const struct fs_input_ops input_ops = {
    .read_at = read_at,
    .advise = advise,
    .close = input_close,
};

struct fs_input *remote_input_new(const char *uri, uint64_t size_bytes, enum fs_access access,
                                  const struct remote_input_ops *ops, void *file)
{
    struct remote_input *in = MEM_NEW(struct remote_input);
    in->base =
        (struct fs_input){.ops = &input_ops, .path = mem_strdup(uri), .size_bytes = size_bytes};
    in->ops = ops;
    in->file = file;
    in->access = access;
    pthread_mutex_init(&in->lock, NULL);
    return &in->base;
}
