/* gzip and deflate by zlib.  A gzip file is one member after the other; zeros behind the last are
 * padding of tapes and blocks.  Thread: the stream's. */
#include "common/fs/stream_filter.h"

#include "common/base/mem.h"
#include <zlib.h>

enum {
    WINDOW_BITS_GZIP = 15 + 16,
    WINDOW_BITS_ZLIB = 15,
    GZIP_MAGIC_FIRST = 0x1f,
};

struct zlib_state {
    z_stream z;
    bool any_member; /* one was complete */
};

static int filter_open(struct fs_stream *s, struct error *err)
{
    struct zlib_state *st = MEM_NEW(struct zlib_state);
    bool gzip = s->compression == FS_COMPRESSION_GZIP;
    if (inflateInit2(&st->z, gzip ? WINDOW_BITS_GZIP : WINDOW_BITS_ZLIB) != Z_OK) {
        mem_free(st);
        return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for zlib",
                         fs_stream_path(s));
    }
    s->state = st;
    return 0;
}

static void filter_close(struct fs_stream *s)
{
    struct zlib_state *st = s->state;
    if (st != NULL) {
        inflateEnd(&st->z);
        mem_free(st);
    }
}

/* Behind a member: 1 when another one begins, 0 at the end of the file. */
static int filter_next_member(struct fs_stream *s, struct error *err)
{
    struct zlib_state *st = s->state;
    while (!s->at_end && s->buffer[s->at] == 0) {
        s->at++;
        TRY(stream_fill(s, err));
    }
    if (s->at_end) {
        return 0;
    }
    if (s->compression != FS_COMPRESSION_GZIP || s->buffer[s->at] != GZIP_MAGIC_FIRST) {
        return stream_damaged(s, "other data follows its end", err);
    }
    inflateReset(&st->z);
    return 1;
}

/* Unpacks from the buffer into z->next_out. */
static int filter_inflate(struct fs_stream *s, struct error *err)
{
    struct zlib_state *st = s->state;
    st->z.next_in = s->buffer + s->at;
    st->z.avail_in = (uInt)(s->fill - s->at);
    int rc = inflate(&st->z, Z_NO_FLUSH);
    s->at = s->fill - st->z.avail_in;
    switch (rc) {
    case Z_OK:
    case Z_BUF_ERROR: /* no progress without more input */
        s->between = false;
        return 0;
    case Z_STREAM_END:
        s->between = true;
        st->any_member = true;
        return 0;
    case Z_MEM_ERROR:
        return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for zlib",
                         fs_stream_path(s));
    default:
        return stream_damaged(s, st->z.msg != NULL ? st->z.msg : "it needs a dictionary", err);
    }
}

static int filter_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n,
                       struct error *err)
{
    struct zlib_state *st = s->state;
    uInt room = (uInt)MIN(size, (size_t)1 << 30);
    st->z.next_out = buf;
    st->z.avail_out = room;
    while (st->z.avail_out == room) {
        TRY(stream_fill(s, err));
        if (s->between && st->any_member) {
            int more = filter_next_member(s, err);
            TRY(more);
            if (more == 0) {
                break;
            }
        }
        if (s->at_end) {
            return stream_truncated(s, err);
        }
        TRY(filter_inflate(s, err));
    }
    *ret_n = room - st->z.avail_out;
    return 0;
}

const struct stream_filter stream_filter_zlib = {
    .open = filter_open,
    .read = filter_read,
    .close = filter_close,
};
