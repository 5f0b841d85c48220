/* Reading objects: by ranges, ahead when they are read from end to end.  Bytes of another version than the one that
 * was opened are never given.  Thread: any, one at a time inside. */
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"

#include <pthread.h>
#include <stdio.h>

/* A stretch that was asked for. */
struct chunk {
    bool is_used;
    uint64_t offset;
    size_t size;
    uint8_t *bytes; /* Owns; S3_READ_BYTES */
    char range[64];
    struct s3_call call;
    int rc; /* of the call, once it has ended */
    bool has_ended;
};

struct s3_input {
    struct fs_input base;
    struct s3_fs *fs;   /* Borrows */
    char *bucket, *key; /* Own */
    char etag[128];
    enum fs_access access;
    pthread_mutex_t lock; /* of all below */
    struct chunk chunks[S3_READS_AHEAD];
    struct s3_progress progress;
};

static struct s3_input *input_of(struct fs_input *in)
{
    return (struct s3_input *)in;
}

static void ask(const struct s3_input *in, uint64_t offset, size_t size, uint8_t *sink,
                char ret_range[64], struct s3_call *call)
{
    snprintf(ret_range, 64, "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + size - 1));
    call->method = "GET";
    call->bucket = in->bucket;
    call->key = in->key;
    call->n_query = call->n_headers = 0;
    call->sink = sink;
    call->sink_size = size;
    call->doing = "reading";
    s3_call_add_header(call, "range", ret_range);
    if (in->etag[0] != '\0') {
        s3_call_add_header(call, "if-match", in->etag);
    }
}

static int take_answer(const struct s3_input *in, struct s3_call *call, size_t size,
                       struct error *err)
{
    int rc = s3_call_wait(call, err);
    if (rc == ERR_ALREADY_EXISTS) {
        return error_set(err, ERR_CORRUPT, "reading %s: it was changed since it was opened",
                         in->base.path);
    }
    if (rc == 0 && call->x.sink_used != size) {
        return error_set(err, ERR_IO, "reading %s: %zu bytes came of %zu", in->base.path,
                         call->x.sink_used, size);
    }
    return rc;
}

/* ---- ahead ------------------------------------------------------------------------------------------------- */

static struct chunk *chunk_with(struct s3_input *in, uint64_t offset)
{
    for (uint32_t i = 0; i < S3_READS_AHEAD; i++) {
        struct chunk *c = &in->chunks[i];
        if (c->is_used && offset >= c->offset && offset < c->offset + c->size) {
            return c;
        }
    }
    return NULL;
}

static void drop(struct chunk *c)
{
    if (c->is_used) {
        if (!c->has_ended) {
            int rc = s3_call_wait(&c->call, NULL);
            (void)rc; /* nobody wants it any more */
        }
        c->is_used = false;
    }
}

static int start(struct s3_input *in, struct chunk *c, uint64_t offset, struct error *err)
{
    c->offset = offset;
    c->size = (size_t)MIN(in->base.size_bytes - offset, (uint64_t)S3_READ_BYTES);
    c->bytes = c->bytes != NULL ? c->bytes : mem_alloc(S3_READ_BYTES);
    c->has_ended = false;
    ask(in, offset, c->size, c->bytes, c->range, &c->call);
    TRY(s3_call_start(in->fs->client, &c->call, err));
    c->is_used = true;
    return 0;
}

/* The chunk with these bytes and those behind it are on their way; others are not needed any more. */
static int go_ahead(struct s3_input *in, uint64_t offset, struct error *err)
{
    uint64_t from = offset / S3_READ_BYTES * S3_READ_BYTES;
    uint64_t until = MIN(from + (uint64_t)S3_READS_AHEAD * S3_READ_BYTES, in->base.size_bytes);
    for (uint32_t i = 0; i < S3_READS_AHEAD; i++) {
        struct chunk *c = &in->chunks[i];
        if (c->is_used && (c->offset < from || c->offset >= until)) {
            drop(c);
        }
    }
    for (uint64_t at = from; at < until; at += S3_READ_BYTES) {
        if (chunk_with(in, at) != NULL) {
            continue;
        }
        for (uint32_t i = 0; i < S3_READS_AHEAD; i++) {
            if (!in->chunks[i].is_used) {
                TRY(start(in, &in->chunks[i], at, err));
                break;
            }
        }
    }
    return 0;
}

static int read_ahead(struct s3_input *in, uint64_t offset, uint8_t *buf, size_t size,
                      struct error *err)
{
    while (size > 0) {
        TRY(go_ahead(in, offset, err));
        struct chunk *c = chunk_with(in, offset);
        if (!c->has_ended) {
            c->rc = take_answer(in, &c->call, c->size, err);
            c->has_ended = true;
            s3_progress_add(&in->progress, &clock_system, "reading", in->base.path,
                            c->rc == 0 ? c->size : 0, in->base.size_bytes);
        }
        if (c->rc < 0) {
            int rc = c->rc;
            c->is_used = false; /* the next read asks again */
            return rc;
        }
        size_t n = (size_t)MIN(c->offset + c->size - offset, (uint64_t)size);
        memcpy(buf, c->bytes + (offset - c->offset), n);
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
    struct s3_input *in = input_of(base);
    TRY_CTX(err, FAILPOINT(err, "fs.s3.read"), "reading %s", base->path);
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
    struct s3_call call = {.method = NULL};
    char range[64];
    ask(in, offset, size, buf, range, &call);
    int rc = s3_call_start(in->fs->client, &call, err);
    rc = rc == 0 ? take_answer(in, &call, size, err) : rc;
    s3_call_fini(&call);
    return rc;
}

static void advise(struct fs_input *base, uint64_t offset, uint64_t size)
{
    struct s3_input *in = input_of(base);
    if (in->access == FS_ACCESS_SEQUENTIAL && offset < base->size_bytes && size > 0) {
        pthread_mutex_lock(&in->lock);
        int rc = go_ahead(in, offset, NULL);
        (void)rc; /* the read says why */
        pthread_mutex_unlock(&in->lock);
    }
}

static void input_close(struct fs_input *base)
{
    struct s3_input *in = input_of(base);
    for (uint32_t i = 0; i < S3_READS_AHEAD; i++) {
        drop(&in->chunks[i]);
        s3_call_fini(&in->chunks[i].call);
        mem_free(in->chunks[i].bytes);
    }
    pthread_mutex_destroy(&in->lock);
    mem_free(in->bucket);
    mem_free(in->key);
    mem_free(base->path);
    mem_free(in);
}

static const struct fs_input_ops input_ops = {
    .read_at = read_at,
    .advise = advise,
    .close = input_close,
};

int s3_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
            struct error *err)
{
    struct s3_fs *fs;
    struct s3_object object;
    STR_AUTO uri = STR_INIT;
    TRY(s3_fs_get(&fs, err));
    TRY(FAILPOINT(err, "fs.s3.open"));
    int rc = s3_head(fs, at->authority, s3_key_of(at), &object, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? s3_explain_missing(fs, at->authority, s3_key_of(at), err) : rc;
    }
    struct s3_input *in = MEM_NEW(struct s3_input);
    fs_location_format(at, &uri);
    in->base =
        (struct fs_input){.ops = &input_ops, .path = str_take(&uri), .size_bytes = object.size};
    in->fs = fs;
    in->bucket = mem_strdup(at->authority);
    in->key = mem_strdup(s3_key_of(at));
    memcpy(in->etag, object.etag, sizeof(in->etag));
    in->access = access;
    pthread_mutex_init(&in->lock, NULL);
    *ret_input = &in->base;
    return 0;
}
