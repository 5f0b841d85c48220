/* Files as a whole, through common/fs, for tests of file systems that are not local. */
#ifndef FLINC_TESTS_COMMON_FS_WHOLE_FILES_H
#define FLINC_TESTS_COMMON_FS_WHOLE_FILES_H

#include "common/fs/fs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

/* In pieces of so many bytes. */
static inline int write_file_by(const char *uri, struct slice bytes, size_t piece,
                                enum fs_write_mode mode, struct error *err)
{
    struct fs_output *out;
    TRY(fs_create(uri, mode, &out, err));
    for (size_t at = 0; at < bytes.len; at += piece) {
        int rc = fs_output_write(out, bytes.data + at, MIN(bytes.len - at, piece), err);
        if (rc < 0) {
            fs_output_abandon(out);
            return rc;
        }
    }
    return fs_output_close(&out, err);
}

static inline int read_file(const char *uri, enum fs_access access, size_t piece, struct str *ret,
                            struct error *err)
{
    struct fs_input *in;
    TRY(fs_open(uri, access, &in, err));
    char *bytes = mem_alloc(piece);
    int rc = 0;
    for (uint64_t at = 0; rc == 0 && at < fs_input_size(in);) {
        size_t n = 0;
        rc = fs_input_read_at(in, at, bytes, piece, &n, err);
        str_append(ret, bytes, rc == 0 ? n : 0);
        at += n;
    }
    fs_input_close(in);
    mem_free(bytes);
    return rc;
}

static inline void expect_file(const char *uri, enum fs_access access, size_t piece,
                               struct slice bytes)
{
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    if (read_file(uri, access, piece, &got, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_true(slice_eq(str_slice(&got), bytes));
}

/* Bytes without a short period. */
static inline void fill_bytes(struct str *ret_bytes, size_t n)
{
    str_reserve(ret_bytes, n);
    for (size_t i = 0; i < n; i++) {
        ret_bytes->data[i] = (char)(i * 2654435761u >> 24);
    }
    ret_bytes->len = n;
}

#endif
