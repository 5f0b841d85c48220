/* A folder of its own for each test of a source or sink of files, and short ways to make and read files
 * in it. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_FILES_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_FILES_FIXTURE_H

#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "common/fs/fs.h"
#include "fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char files_dir[256];

static inline int files_setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(files_dir, sizeof(files_dir), "%s/flinc-ops-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(files_dir) != NULL ? 0 : -1;
}

static inline int files_teardown(void **state)
{
    failpoint_clear_all();
    return fs_delete(files_dir, FS_DELETE_RECURSIVE, NULL);
}
#define FILES_TEST(f) cmocka_unit_test_setup_teardown(f, files_setup, files_teardown)

/* A path in the folder; valid until the eighth call after it. */
static inline const char *in_dir(const char *name)
{
    static char paths[8][1024];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof(paths[0]), "%s/%s", files_dir, name);
    return p;
}

static inline const char *put_file(const char *name, const void *data, size_t size)
{
    struct fs_output *out;
    const char *path = in_dir(name);
    assert_int_equal(fs_create(path, FS_OVERWRITE, &out, NULL), 0);
    assert_int_equal(fs_output_write(out, data, size, NULL), 0);
    assert_int_equal(fs_output_close(&out, NULL), 0);
    return path;
}

static inline const char *put_text(const char *name, const char *text)
{
    return put_file(name, text, strlen(text));
}

/* The contents of a file, appended. */
static inline void read_file(const char *path, struct str *ret)
{
    struct fs_input *in;
    size_t n;
    assert_int_equal(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    size_t size = fs_input_size(in);
    str_reserve(ret, size + 1);
    assert_int_equal(fs_input_read_at(in, 0, ret->data + ret->len, size, &n, NULL), 0);
    ret->len += n;
    ret->data[ret->len] = '\0';
    fs_input_close(in);
}

/* ---- packed files ------------------------------------------------------------------------------ */

#include <zlib.h>
#include <zstd.h>

static inline void pack_gzip(const void *data, size_t size, struct str *ret)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&z, size) + 64;
    str_reserve(ret, bound);
    z.next_out = (Bytef *)ret->data + ret->len;
    z.avail_out = (uInt)bound;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    ret->len += z.total_out;
    deflateEnd(&z);
}

static inline void pack_zstd(const void *data, size_t size, struct str *ret)
{
    size_t bound = ZSTD_compressBound(size);
    str_reserve(ret, bound);
    size_t n = ZSTD_compress(ret->data + ret->len, bound, data, size, 3);
    assert_false(ZSTD_isError(n));
    ret->len += n;
}

#endif
