/* xz by liblzma: streams one after the other, with padding.  What needs more memory than FS_STREAM_XZ_MEMORY to unpack
 * is refused.  Thread: the stream's. */
#include "common/fs/stream_filter.h"

#include "common/base/mem.h"
#include <lzma.h>

struct xz_state {
    lzma_stream z;
};

static int no_memory(const struct fs_stream *s, struct error *err)
{
    return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for xz", fs_stream_path(s));
}

static int filter_open(struct fs_stream *s, struct error *err)
{
    struct xz_state *st = MEM_NEW(struct xz_state);

    st->z = (lzma_stream)LZMA_STREAM_INIT;
    s->state = st;
    return lzma_stream_decoder(&st->z, FS_STREAM_XZ_MEMORY, LZMA_CONCATENATED) == LZMA_OK
               ? 0
               : no_memory(s, err);
}

static void filter_close(struct fs_stream *s)
{
    struct xz_state *st = s->state;

    if (st != NULL) {
        lzma_end(&st->z);
        mem_free(st);
    }
}

static int filter_failed(struct fs_stream *s, lzma_ret rc, struct error *err)
{
    switch (rc) {
    case LZMA_MEM_ERROR:
        return no_memory(s, err);
    case LZMA_MEMLIMIT_ERROR:
        return error_set(err, ERR_TOO_LARGE,
                         "%s needs more than %d MiB to unpack; pack it again with xz -6",
                         fs_stream_path(s), FS_STREAM_XZ_MEMORY >> 20);
    case LZMA_BUF_ERROR:
        return stream_truncated(s, err);
    case LZMA_FORMAT_ERROR:
        return stream_damaged(s, "it is no xz", err);
    case LZMA_OPTIONS_ERROR:
        return stream_damaged(s, "it has filters that are not known", err);
    default:
        return stream_damaged(s, "its bytes do not have their checksum", err);
    }
}

static int filter_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n,
                       struct error *err)
{
    struct xz_state *st = s->state;

    st->z.next_out = buf;
    st->z.avail_out = size;
    while (st->z.avail_out == size) {
        TRY(stream_fill(s, err));
        st->z.next_in = s->buffer + s->at;
        st->z.avail_in = s->fill - s->at;
        lzma_ret rc = lzma_code(&st->z, s->at_end ? LZMA_FINISH : LZMA_RUN);
        s->at = s->fill - st->z.avail_in;
        if (rc == LZMA_STREAM_END) {
            break;
        }
        if (rc != LZMA_OK) {
            return filter_failed(s, rc, err);
        }
    }
    *ret_n = size - st->z.avail_out;
    return 0;
}

const struct stream_filter stream_filter_xz = {
    .open = filter_open,
    .read = filter_read,
    .close = filter_close,
};
