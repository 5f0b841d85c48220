/* Inside the room: a stream and the filters that decompress it. */
#ifndef FLINC_COMMON_FS_STREAM_FILTER_H
#define FLINC_COMMON_FS_STREAM_FILTER_H

#include "common/fs/stream.h"

struct stream_filter {
    int (*open)(struct fs_stream *s, struct error *err);
    /* As fs_stream_read(); size > 0. */
    int (*read)(struct fs_stream *s, void *buf, size_t size, size_t *ret_n, struct error *err);
    void (*close)(struct fs_stream *s);
};
extern const struct stream_filter stream_filter_zlib; /* gzip and deflate */
extern const struct stream_filter stream_filter_zstd;
extern const struct stream_filter stream_filter_bz2;
extern const struct stream_filter stream_filter_xz;

struct fs_stream {
    const struct stream_filter *filter; /* NULL: none */
    enum fs_compression compression;
    struct fs_input *input; /* Owns */
    void *state;            /* Owns: the filter's */
    uint8_t *buffer;        /* Owns; FS_STREAM_BUFFER_BYTES of compressed bytes */
    size_t at, fill;        /* what of it is not used yet */
    uint64_t offset;        /* of the file behind the buffer */
    bool at_end;            /* the file has no more */
    bool between;           /* at the beginning of the file, or behind a complete member or frame */
    uint64_t position;      /* bytes given out */
};

/* Makes sure that there are unused bytes, unless the file is at its end. */
int stream_fill(struct fs_stream *s, struct error *err) MUST_CHECK;
/* The file ended inside a member or frame, or holds none. */
int stream_truncated(const struct fs_stream *s, struct error *err) COLD;
/* The bytes are not what the format says. */
int stream_damaged(const struct fs_stream *s, const char *why, struct error *err) COLD;

#endif
