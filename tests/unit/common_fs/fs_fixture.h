/* A folder of its own for each test, removed afterwards, and short ways to make and check files in
 * it. */
#ifndef FLINC_TESTS_FS_FIXTURE_H
#define FLINC_TESTS_FS_FIXTURE_H

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/fs/driver.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char fixture_dir[256];

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(fixture_dir, sizeof(fixture_dir), "%s/flinc-fs-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(fixture_dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    failpoint_clear_all();
    return fs_delete(fixture_dir, FS_DELETE_RECURSIVE, NULL);
}

/* A path in the folder; valid until the eighth call after it. */
static inline const char *in_dir(const char *name)
{
    static char paths[8][1024];
    static unsigned next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof(paths[0]), "%s/%s", fixture_dir, name);
    return p;
}

static inline void put_file(const char *path, const void *data, size_t size)
{
    struct fs_output *out;
    assert_int_equal(fs_create(path, FS_OVERWRITE, &out, NULL), 0);
    assert_int_equal(fs_output_write(out, data, size, NULL), 0);
    assert_int_equal(fs_output_close(&out, NULL), 0);
    assert_null(out);
}

static inline void put_text(const char *path, const char *text)
{
    put_file(path, text, strlen(text));
}

static inline void check_file(const char *path, const char *want)
{
    struct fs_input *in;
    char buf[4096];
    size_t n;
    assert_int_equal(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    assert_int_equal(fs_input_read_at(in, 0, buf, sizeof(buf), &n, NULL), 0);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(buf, want, n);
    fs_input_close(in);
}

static inline void check_error(const struct error *err, int code, const char *part,
                               const char *part2)
{
    assert_int_equal(err->code, code);
    assert_non_null(strstr(err->message, part));
    assert_non_null(strstr(err->message, part2));
}

static inline bool is_root(void)
{
    if (geteuid() == 0) {
        print_message("skipped: root may read everything\n");
        return true;
    }
    return false;
}

#define FS_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

#endif
