/* Reading files by ranges. */
#include "common/fs/hdfs/inside.h"

#include "common/base/failpoint.h"
#include "common/fs/remote/input.h"

#include <stdio.h>

/* A data node opens the file anew for each request. */
enum { READ_BYTES = 16 * 1024 * 1024 };

struct hdfs_file {
    struct hdfs_place place;
    char *path, *uri; /* Own */
};

struct hdfs_stretch {
    struct hdfs_call call;
    char offset[24], length[24];
};

static int stretch_start(void *file, const struct remote_stretch *at, void **ret_call,
                         struct error *err)
{
    struct hdfs_file *f = file;
    TRY_CTX(err, FAILPOINT(err, "fs.hdfs.read"), "reading %s", f->uri);
    struct hdfs_stretch *s = *ret_call != NULL ? *ret_call : MEM_NEW(struct hdfs_stretch);
    *ret_call = s;
    snprintf(s->offset, sizeof(s->offset), "%llu", (unsigned long long)at->offset);
    snprintf(s->length, sizeof(s->length), "%llu", (unsigned long long)at->size);
    s->call.site = f->place.site;
    s->call.method = "GET";
    s->call.op = "OPEN";
    s->call.path = f->path;
    s->call.kind = REMOTE_KIND_READ;
    s->call.n_query = 0;
    s->call.sink = at->sink;
    s->call.sink_size = at->size;
    s->call.doing = "reading";
    hdfs_call_add(&s->call, "offset", s->offset);
    hdfs_call_add(&s->call, "length", s->length);
    return hdfs_call_start(f->place.fs->client, &s->call, err);
}

static int stretch_wait(void *file, const struct remote_stretch *at, void *call, struct error *err)
{
    struct hdfs_file *f = file;
    struct hdfs_stretch *s = call;
    TRY(hdfs_call_wait(&s->call, err));
    if (s->call.x.sink_used != at->size) {
        return error_set(
            err, ERR_IO,
            "reading %s: %zu bytes came of %zu; it was changed since it was opened, or "
            "its data node broke off",
            f->uri, s->call.x.sink_used, at->size);
    }
    return 0;
}

static void stretch_free(void *call)
{
    if (call != NULL) {
        hdfs_call_fini(&((struct hdfs_stretch *)call)->call);
        mem_free(call);
    }
}

static void file_free(void *file)
{
    struct hdfs_file *f = file;
    mem_free(f->path);
    mem_free(f->uri);
    mem_free(f);
}

static const struct remote_input_ops input_ops = {
    .read_bytes = READ_BYTES,
    .start = stretch_start,
    .wait = stretch_wait,
    .free_call = stretch_free,
    .free_file = file_free,
};

int hdfs_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
              struct error *err)
{
    struct hdfs_place place;
    struct fs_status status;
    STR_AUTO uri = STR_INIT;
    TRY(hdfs_place_of(at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.open"));
    TRY(hdfs_stat_path(&place, at->path, &status, err));
    fs_location_format(at, &uri);
    if (status.kind != FS_KIND_FILE) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a folder, not a file", str_cstr(&uri));
    }
    struct hdfs_file *f = MEM_NEW(struct hdfs_file);
    f->place = place;
    f->path = mem_strdup(at->path);
    f->uri = str_take(&uri);
    *ret_input = remote_input_new(f->uri, status.size_bytes, access, &input_ops, f);
    return 0;
}
