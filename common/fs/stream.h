/* Reading a file from front to back, decompressed on the way: plain files, gzip (several members too),
 * deflate (zlib), zstd (several frames too), bzip2 and xz (several streams too), chosen by the name's
 * extension as Flink does (.gz .gzip .deflate .zst .zstd .bz2 .xz).
 * A compressed file that ends early or is damaged is ERR_CORRUPT with its name and offset, never a
 * silent end.
 *
 * Thread: one at a time. */
#ifndef FLINC_COMMON_FS_STREAM_H
#define FLINC_COMMON_FS_STREAM_H

#include "common/fs/fs.h"

enum fs_compression {
    FS_COMPRESSION_NONE,
    FS_COMPRESSION_GZIP,
    FS_COMPRESSION_DEFLATE,
    FS_COMPRESSION_ZSTD,
    FS_COMPRESSION_BZIP2,
    FS_COMPRESSION_XZ,
};
const char *fs_compression_name(enum fs_compression compression);
enum fs_compression fs_compression_of(const char *path); /* by extension, case ignored */

enum {
    FS_STREAM_BUFFER_BYTES = 128 * 1024, /* compressed bytes read at once */
    FS_STREAM_ZSTD_WINDOW_LOG_MAX = 27,  /* 128 MiB: larger windows are refused, not allocated */
    FS_STREAM_XZ_MEMORY = 128 << 20,     /* to unpack a file; what needs more is refused */
};

struct fs_stream;
/* Opens with the compression of its name. */
int fs_stream_open(const char *uri, struct fs_stream **ret_stream, struct error *err) MUST_CHECK;
int fs_stream_open_as(const char *uri, enum fs_compression compression,
                      struct fs_stream **ret_stream, struct error *err) MUST_CHECK;
/* Reads up to `size` decompressed bytes; *ret_n = 0 only at the end. */
int fs_stream_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n,
                   struct error *err) MUST_CHECK;
/* Reads and forgets so many decompressed bytes (a compressed file resumes so).  ERR_CORRUPT when it
 * is shorter. */
int fs_stream_skip(struct fs_stream *s, uint64_t size, struct error *err) MUST_CHECK;
uint64_t fs_stream_position(const struct fs_stream *s);            /* decompressed bytes read */
uint64_t fs_stream_compressed_position(const struct fs_stream *s); /* bytes taken from the file */
const char *fs_stream_path(const struct fs_stream *s);
struct fs_stream *fs_stream_close(struct fs_stream *s); /* NULL is fine; returns NULL */

#endif
