/* bzip2 by libbz2: streams one after the other, as pbzip2 writes them.  Thread: the stream's. */
#include "common/fs/stream_filter.h"

#include "common/base/mem.h"
#include <bzlib.h>

struct bz2_state {
    bz_stream z;
    bool is_open;    /* a stream is being read */
    bool any_stream; /* one was complete */
};

static int stream_begin(struct fs_stream *s, struct error *err)
{
    struct bz2_state *st = s->state;

    st->z = (bz_stream){.next_out = st->z.next_out, .avail_out = st->z.avail_out};
    if (BZ2_bzDecompressInit(&st->z, 0, 0) != BZ_OK) {
        return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for bzip2",
                         fs_stream_path(s));
    }
    st->is_open = true;
    return 0;
}

static void stream_end(struct bz2_state *st)
{
    if (st->is_open) {
        BZ2_bzDecompressEnd(&st->z);
        st->is_open = false;
    }
}

static int filter_open(struct fs_stream *s, struct error *err)
{
    (void)err;
    s->state = MEM_NEW(struct bz2_state);
    return 0;
}

static void filter_close(struct fs_stream *s)
{
    if (s->state != NULL) {
        stream_end(s->state);
        mem_free(s->state);
    }
}

static int filter_unpack(struct fs_stream *s, struct error *err)
{
    struct bz2_state *st = s->state;

    st->z.next_in = (char *)s->buffer + s->at;
    st->z.avail_in = (unsigned)(s->fill - s->at);
    int rc = BZ2_bzDecompress(&st->z);
    s->at = s->fill - st->z.avail_in;
    switch (rc) {
    case BZ_OK:
        s->between = false;
        return 0;
    case BZ_STREAM_END:
        stream_end(st);
        st->any_stream = s->between = true;
        return 0;
    case BZ_MEM_ERROR:
        return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for bzip2",
                         fs_stream_path(s));
    case BZ_DATA_ERROR_MAGIC:
        return stream_damaged(s, st->any_stream ? "other data follows its end" : "it is no bzip2",
                              err);
    default:
        return stream_damaged(s, "a block does not have its checksum", err);
    }
}

static int filter_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n,
                       struct error *err)
{
    struct bz2_state *st = s->state;
    unsigned room = (unsigned)MIN(size, (size_t)1 << 30);

    st->z.next_out = buf;
    st->z.avail_out = room;
    while (st->z.avail_out == room) {
        TRY(stream_fill(s, err));
        if (s->at_end && s->between && st->any_stream) {
            break;
        }
        if (!st->is_open) {
            TRY(s->at_end ? stream_truncated(s, err) : stream_begin(s, err));
        }
        /* Also without input: it may hold bytes for which there was no room. */
        TRY(filter_unpack(s, err));
        if (s->at_end && st->z.avail_out == room && !s->between) {
            return stream_truncated(s, err);
        }
    }
    *ret_n = room - st->z.avail_out;
    return 0;
}

const struct stream_filter stream_filter_bz2 = {
    .open = filter_open,
    .read = filter_read,
    .close = filter_close,
};
