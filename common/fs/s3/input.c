/* Reading objects by ranges.  Bytes of another version than the one that was opened are never given. */
#include "common/fs/remote/input.h"
#include "common/fs/s3/inside.h"

#include "common/base/failpoint.h"

#include <stdio.h>

struct s3_file {
    struct s3_fs *fs;         /* Borrows */
    char *bucket, *key, *uri; /* Own */
    char etag[128];
};

struct s3_stretch {
    struct s3_call call;
    char range[64];
};

static int stretch_start(void *file, const struct remote_stretch *at, void **ret_call,
                         struct error *err)
{
    struct s3_file *f = file;
    TRY_CTX(err, FAILPOINT(err, "fs.s3.read"), "reading %s", f->uri);
    struct s3_stretch *s = *ret_call != NULL ? *ret_call : MEM_NEW(struct s3_stretch);
    *ret_call = s;
    snprintf(s->range, sizeof(s->range), "bytes=%llu-%llu", (unsigned long long)at->offset,
             (unsigned long long)(at->offset + at->size - 1));
    s->call.method = "GET";
    s->call.bucket = f->bucket;
    s->call.key = f->key;
    s->call.n_query = s->call.n_headers = 0;
    s->call.sink = at->sink;
    s->call.sink_size = at->size;
    s->call.doing = "reading";
    s3_call_add_header(&s->call, "range", s->range);
    if (f->etag[0] != '\0') {
        s3_call_add_header(&s->call, "if-match", f->etag);
    }
    return s3_call_start(f->fs->client, &s->call, err);
}

static int stretch_wait(void *file, const struct remote_stretch *at, void *call, struct error *err)
{
    struct s3_file *f = file;
    struct s3_stretch *s = call;
    int rc = s3_call_wait(&s->call, err);
    if (rc == ERR_ALREADY_EXISTS) {
        return error_set(err, ERR_CORRUPT, "reading %s: it was changed since it was opened",
                         f->uri);
    }
    if (rc == 0 && s->call.x.sink_used != at->size) {
        return error_set(err, ERR_IO, "reading %s: %zu bytes came of %zu", f->uri,
                         s->call.x.sink_used, at->size);
    }
    return rc;
}

static void stretch_free(void *call)
{
    if (call != NULL) {
        s3_call_fini(&((struct s3_stretch *)call)->call);
        mem_free(call);
    }
}

static void file_free(void *file)
{
    struct s3_file *f = file;
    mem_free(f->bucket);
    mem_free(f->key);
    mem_free(f->uri);
    mem_free(f);
}

static const struct remote_input_ops input_ops = {
    .read_bytes = REMOTE_READ_BYTES,
    .start = stretch_start,
    .wait = stretch_wait,
    .free_call = stretch_free,
    .free_file = file_free,
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
    struct s3_file *f = MEM_NEW(struct s3_file);
    fs_location_format(at, &uri);
    f->fs = fs;
    f->bucket = mem_strdup(at->authority);
    f->key = mem_strdup(s3_key_of(at));
    f->uri = str_take(&uri);
    memcpy(f->etag, object.etag, sizeof(f->etag));
    *ret_input = remote_input_new(f->uri, object.size, access, &input_ops, f);
    return 0;
}
