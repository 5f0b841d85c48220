/* Compressed files from hostile bytes: each filter ends, with an error or with at most as many bytes
 * as it said.  The files come from a driver of their own, in memory. */
#include "common/fs/driver.h"
#include "common/fs/stream.h"

enum { OUTPUT_MAX = 1 << 20 }; /* a small input can stand for gigabytes */

static const uint8_t *content;
static size_t content_size;

static int memory_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                          size_t *ret_n, struct error *err)
{
    size_t n = offset < content_size ? MIN(size, content_size - (size_t)offset) : 0;
    memcpy(buf, content + (n > 0 ? offset : 0), n);
    *ret_n = n;
    return 0;
}

static void memory_close(struct fs_input *in)
{
    mem_free(in->path);
    mem_free(in);
}

static const struct fs_input_ops memory_input = {.read_at = memory_read_at, .close = memory_close};

static int memory_open(const struct fs_location *at, enum fs_access access,
                       struct fs_input **ret_input, struct error *err)
{
    struct fs_input *in = MEM_NEW(struct fs_input);
    in->ops = &memory_input;
    in->path = mem_strdup(at->path);
    in->size_bytes = content_size;
    *ret_input = in;
    return 0;
}

static const struct fs_driver memory_driver = {
    .scheme = "fuzz", .description = "the input in memory", .open = memory_open};

static void read_through(enum fs_compression compression)
{
    static uint8_t buf[32 * 1024];
    struct fs_stream *s;
    size_t n = 1;
    if (fs_stream_open_as("fuzz:/input", compression, &s, NULL) < 0) {
        return;
    }
    while (n > 0 && fs_stream_position(s) < OUTPUT_MAX) {
        if (fs_stream_read(s, buf, sizeof(buf), &n, NULL) < 0) {
            break;
        }
        ASSERT(n <= sizeof(buf) && fs_stream_compressed_position(s) <= content_size);
    }
    fs_stream_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fs_driver_find("fuzz") == NULL && fs_driver_register(&memory_driver, NULL) < 0) {
        return 0;
    }
    content = data;
    content_size = size;
    for (int c = FS_COMPRESSION_NONE; c <= FS_COMPRESSION_ZSTD; c++) {
        read_through((enum fs_compression)c);
    }
    return 0;
}
