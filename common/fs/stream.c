/* Streams: the choice of the filter, the buffer of compressed bytes, positions.
 *
 * Thread: one at a time.  Flink: the decompressors of FileInputFormat. */
#include "common/fs/stream.h"

#include "common/base/failpoint.h"
#include "common/fs/stream_filter.h"
#include <strings.h>

struct compression_row {
    const char *name;
    const struct stream_filter *filter;
};

static const struct compression_row compressions[] = {
    [FS_COMPRESSION_NONE] = {"none", NULL},
    [FS_COMPRESSION_GZIP] = {"gzip", &stream_filter_zlib},
    [FS_COMPRESSION_DEFLATE] = {"deflate", &stream_filter_zlib},
    [FS_COMPRESSION_ZSTD] = {"zstd", &stream_filter_zstd},
    [FS_COMPRESSION_BZIP2] = {"bzip2", &stream_filter_bz2},
    [FS_COMPRESSION_XZ] = {"xz", &stream_filter_xz},
};

static const struct {
    const char *extension;
    enum fs_compression compression;
} extensions[] = {
    {".gz", FS_COMPRESSION_GZIP},         {".gzip", FS_COMPRESSION_GZIP},
    {".deflate", FS_COMPRESSION_DEFLATE}, {".zst", FS_COMPRESSION_ZSTD},
    {".zstd", FS_COMPRESSION_ZSTD},       {".bz2", FS_COMPRESSION_BZIP2},
    {".xz", FS_COMPRESSION_XZ},
};

const char *fs_compression_name(enum fs_compression compression)
{
    return (unsigned)compression < ARRAY_LEN(compressions) ? compressions[compression].name
                                                           : "unknown";
}

enum fs_compression fs_compression_of(const char *path)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name != NULL ? name : path, '.');
    for (size_t i = 0; dot != NULL && i < ARRAY_LEN(extensions); i++) {
        if (strcasecmp(dot, extensions[i].extension) == 0) {
            return extensions[i].compression;
        }
    }
    return FS_COMPRESSION_NONE;
}

int fs_stream_open(const char *uri, struct fs_stream **ret_stream, struct error *err)
{
    return fs_stream_open_as(uri, fs_compression_of(uri), ret_stream, err);
}

int fs_stream_open_as(const char *uri, enum fs_compression compression,
                      struct fs_stream **ret_stream, struct error *err)
{
    struct fs_input *input;
    TRY(fs_open(uri, FS_ACCESS_SEQUENTIAL, &input, err));
    struct fs_stream *s = MEM_NEW(struct fs_stream);
    s->compression = compression;
    s->filter = compressions[compression].filter;
    s->input = input;
    s->between = true;
    if (s->filter != NULL) {
        s->buffer = mem_alloc(FS_STREAM_BUFFER_BYTES);
        int rc = s->filter->open(s, err);
        if (rc < 0) {
            fs_stream_close(s);
            return rc;
        }
    }
    *ret_stream = s;
    return 0;
}

struct fs_stream *fs_stream_close(struct fs_stream *s)
{
    if (s == NULL) {
        return NULL;
    }
    if (s->filter != NULL) {
        s->filter->close(s);
    }
    fs_input_close(s->input);
    mem_free(s->buffer);
    mem_free(s);
    return NULL;
}

int fs_stream_read(struct fs_stream *s, void *buf, size_t size, size_t *ret_n, struct error *err)
{
    size_t n = 0;
    if (size > 0 && s->filter != NULL) {
        TRY(s->filter->read(s, buf, size, &n, err));
    } else if (size > 0) {
        TRY(fs_input_read_at(s->input, s->offset, buf, size, &n, err));
        s->offset += n;
    }
    s->position += n;
    *ret_n = n;
    return 0;
}

static int skip_short(const struct fs_stream *s, uint64_t wanted, struct error *err)
{
    return error_set(err, ERR_CORRUPT,
                     "%s ends at byte %llu, but was read up to %llu before: somebody changed it",
                     fs_stream_path(s), (unsigned long long)s->position,
                     (unsigned long long)wanted);
}

int fs_stream_skip(struct fs_stream *s, uint64_t size, struct error *err)
{
    uint64_t wanted = s->position + size;
    if (s->filter == NULL) {
        uint64_t end = fs_input_size(s->input);
        bool is_short = wanted > end;
        s->position = s->offset = MIN(wanted, end);
        return is_short ? skip_short(s, wanted, err) : 0;
    }
    uint8_t *scratch = mem_alloc(FS_STREAM_BUFFER_BYTES);
    int rc = 0;
    while (s->position < wanted && rc == 0) {
        size_t n;
        rc = fs_stream_read(s, scratch,
                            (size_t)MIN(wanted - s->position, (uint64_t)FS_STREAM_BUFFER_BYTES), &n,
                            err);
        if (rc == 0 && n == 0) {
            rc = skip_short(s, wanted, err);
        }
    }
    mem_free(scratch);
    return rc;
}

uint64_t fs_stream_position(const struct fs_stream *s)
{
    return s->position;
}

uint64_t fs_stream_compressed_position(const struct fs_stream *s)
{
    return s->offset - (s->fill - s->at);
}

const char *fs_stream_path(const struct fs_stream *s)
{
    return fs_input_path(s->input);
}

/* ---- for the filters -------------------------------------------------------------------------- */

int stream_fill(struct fs_stream *s, struct error *err)
{
    if (s->at < s->fill || s->at_end) {
        return 0;
    }
    s->at = s->fill = 0;
    TRY_CTX(err, FAILPOINT(err, "fs.stream.fill"), "reading %s", fs_stream_path(s));
    TRY(fs_input_read_at(s->input, s->offset, s->buffer, FS_STREAM_BUFFER_BYTES, &s->fill, err));
    s->offset += s->fill;
    s->at_end = s->fill == 0;
    return 0;
}

int stream_truncated(const struct fs_stream *s, struct error *err)
{
    return error_set(err, ERR_CORRUPT,
                     "%s ends in the middle of its %s data, at byte %llu: it was not completely "
                     "written or copied; after %llu good bytes unpacked",
                     fs_stream_path(s), fs_compression_name(s->compression),
                     (unsigned long long)fs_stream_compressed_position(s),
                     (unsigned long long)s->position);
}

int stream_damaged(const struct fs_stream *s, const char *why, struct error *err)
{
    return error_set(err, ERR_CORRUPT,
                     "%s is damaged %s data near byte %llu (%s), after %llu good bytes "
                     "unpacked",
                     fs_stream_path(s), fs_compression_name(s->compression),
                     (unsigned long long)fs_stream_compressed_position(s), why,
                     (unsigned long long)s->position);
}
