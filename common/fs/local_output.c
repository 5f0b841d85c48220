/* Writing local files: the buffered sink that plain and recoverable files share, and the plain
 * output.
 *
 * Thread: one owner.  A sink owns its descriptor from open to close. */
#include "common/fs/local_file.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* ---- the sink --------------------------------------------------------------------------------- */

int local_sink_open(struct local_sink *s, const char *path, int flags, struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "fs.local.create"), "creating %s", path);
    int fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT) != 0) {
        TRY_CTX(err, local_make_parent(path, err), "creating %s", path);
        fd = open(path, flags | O_WRONLY | O_CLOEXEC, 0666);
    }
    if (fd < 0) {
        return local_error(err, errno, flags & O_CREAT ? "creating" : "opening", path);
    }
    *s = (struct local_sink){.fd = fd, .path = mem_strdup(path)};
    return 0;
}

static int sink_write_out(struct local_sink *s, const uint8_t *data, size_t size, struct error *err)
{
    if (s->failed) {
        return error_set(err, ERR_IO, "writing %s: a write before has failed", s->path);
    }
    s->failed = true; /* until all of it is written */
    TRY_CTX(err, FAILPOINT(err, "fs.local.write"), "writing %s", s->path);
    if (fd_write_all(s->fd, data, size) < 0) {
        return local_error(err, errno, "writing", s->path);
    }
    s->failed = false;
    return 0;
}

int local_sink_write(struct local_sink *s, const void *data, size_t size, struct error *err)
{
    if (s->fill + size > FS_OUTPUT_BUFFER_BYTES) {
        TRY(local_sink_flush(s, err));
    }
    if (size >= FS_OUTPUT_BUFFER_BYTES) {
        return sink_write_out(s, data, size, err);
    }
    if (s->buffer == NULL) {
        s->buffer = mem_alloc(FS_OUTPUT_BUFFER_BYTES);
    }
    memcpy(s->buffer + s->fill, data, size);
    s->fill += size;
    return 0;
}

int local_sink_flush(struct local_sink *s, struct error *err)
{
    if (s->fill > 0) {
        TRY(sink_write_out(s, s->buffer, s->fill, err));
        s->fill = 0;
    }
    return 0;
}

int local_sink_sync(struct local_sink *s, struct error *err)
{
    TRY(local_sink_flush(s, err));
    TRY_CTX(err, FAILPOINT(err, "fs.local.sync"), "syncing %s", s->path);
    if (fsync(s->fd) < 0) {
        /* The kernel may have thrown the pages away: a second sync that succeeds would be a lie. */
        s->failed = true;
        return local_error(err, errno, "syncing", s->path);
    }
    if (!s->name_synced) {
        TRY(local_sync_parent(s->path, err));
        s->name_synced = true;
    }
    return 0;
}

int local_sink_close(struct local_sink *s, struct error *err)
{
    int rc = FAILPOINT(err, "fs.local.close");
    /* Network file systems report a full disk here. */
    if (close(s->fd) < 0 && rc == 0) {
        rc = local_error(err, errno, "closing", s->path);
    }
    mem_free(s->path);
    mem_free(s->buffer);
    *s = (struct local_sink){.fd = -1};
    return rc;
}

/* ---- the plain output ------------------------------------------------------------------------- */

struct local_output {
    struct fs_output base;
    struct local_sink sink;
};

static struct local_output *output_of(struct fs_output *out)
{
    return CONTAINER_OF(out, struct local_output, base);
}

static int output_write(struct fs_output *out, const void *data, size_t size, struct error *err)
{
    return local_sink_write(&output_of(out)->sink, data, size, err);
}

static int output_flush(struct fs_output *out, struct error *err)
{
    return local_sink_flush(&output_of(out)->sink, err);
}

static int output_sync(struct fs_output *out, struct error *err)
{
    return local_sink_sync(&output_of(out)->sink, err);
}

static int output_close(struct fs_output *out, struct error *err)
{
    struct local_output *lo = output_of(out);
    int rc = local_sink_flush(&lo->sink, err);
    int close_rc = local_sink_close(&lo->sink, rc < 0 ? NULL : err);
    mem_free(lo->base.path);
    mem_free(lo);
    return rc < 0 ? rc : close_rc;
}

static void output_abandon(struct fs_output *out)
{
    struct local_output *lo = output_of(out);
    local_sink_close(&lo->sink, NULL);
    mem_free(lo->base.path);
    mem_free(lo);
}

static const struct fs_output_ops output_ops = {
    .write = output_write,
    .flush = output_flush,
    .sync = output_sync,
    .close = output_close,
    .abandon = output_abandon,
};

int local_create(const struct fs_location *at, enum fs_write_mode mode,
                 struct fs_output **ret_output, struct error *err)
{
    struct local_sink sink;
    TRY(local_sink_open(&sink, at->path, O_CREAT | (mode == FS_CREATE_NEW ? O_EXCL : O_TRUNC),
                        err));
    struct local_output *lo = MEM_NEW(struct local_output);
    lo->base.ops = &output_ops;
    lo->base.path = mem_strdup(at->path);
    lo->sink = sink;
    *ret_output = &lo->base;
    return 0;
}
