/* zstd by libzstd: frames one after the other, skippable ones too.  Windows above
 * FS_STREAM_ZSTD_WINDOW_LOG_MAX are refused before memory is taken for them.  Thread: the stream's. */
#include "common/fs/stream_filter.h"

#include <zstd.h>
#include <zstd_errors.h>

static int filter_open(struct fs_stream *s, struct error *err)
{
    ZSTD_DCtx *d = ZSTD_createDCtx();
    if (d == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax,
                                                         FS_STREAM_ZSTD_WINDOW_LOG_MAX))) {
        ZSTD_freeDCtx(d);
        return error_set(err, ERR_OUT_OF_MEMORY, "unpacking %s: no memory for zstd",
                         fs_stream_path(s));
    }
    s->state = d;
    return 0;
}

static void filter_close(struct fs_stream *s)
{
    ZSTD_freeDCtx(s->state);
}

static int filter_failed(struct fs_stream *s, size_t zstd_rc, struct error *err)
{
    if (ZSTD_getErrorCode(zstd_rc) == ZSTD_error_frameParameter_windowTooLarge) {
        return error_set(err, ERR_TOO_LARGE,
                         "%s needs a window of more than %d MiB to unpack; pack it again without "
                         "--long or --ultra",
                         fs_stream_path(s), 1 << (FS_STREAM_ZSTD_WINDOW_LOG_MAX - 20));
    }
    return stream_damaged(s, ZSTD_getErrorName(zstd_rc), err);
}

static int filter_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n,
                       struct error *err)
{
    ZSTD_outBuffer out = {.dst = buf, .size = size};
    while (out.pos == 0) {
        TRY(stream_fill(s, err));
        if (s->at_end && s->between && s->offset > 0) {
            break;
        }
        /* Even without input: the decoder may hold bytes for which there was no room before. */
        ZSTD_inBuffer in = {.src = s->buffer + s->at, .size = s->fill - s->at};
        size_t rc = ZSTD_decompressStream(s->state, &out, &in);
        s->at += in.pos;
        if (ZSTD_isError(rc)) {
            return filter_failed(s, rc, err);
        }
        s->between = rc == 0;
        if (s->at_end && out.pos == 0 && !s->between) {
            return stream_truncated(s, err);
        }
    }
    *ret_n = out.pos;
    return 0;
}

const struct stream_filter stream_filter_zstd = {
    .open = filter_open,
    .read = filter_read,
    .close = filter_close,
};
