/* Writing local files: modes, buffering, errors that stick, a full disk, a size limit. */
#include "fs_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

static uint64_t size_of(const char *path)
{
    struct fs_status st;
    assert_int_equal(fs_stat(path, &st, NULL), 0);
    return st.size_bytes;
}

static void test_modes(void **state)
{
    struct fs_output *out = NULL;
    struct error err = ERROR_INIT;
    put_text(in_dir("f"), "a longer first text");
    assert_int_equal(fs_create(in_dir("f"), FS_CREATE_NEW, &out, &err), ERR_ALREADY_EXISTS);
    check_error(&err, ERR_ALREADY_EXISTS, "creating", "choose another name");
    put_text(in_dir("f"), "short");
    check_file(in_dir("f"), "short");
    assert_int_equal(fs_create(in_dir("new/folders/f"), FS_CREATE_NEW, &out, &err), 0);
    assert_string_equal(fs_output_path(out), in_dir("new/folders/f"));
    assert_int_equal(fs_output_close(&out, &err), 0);
    check_file(in_dir("new/folders/f"), "");
    assert_true(fs_create(fixture_dir, FS_OVERWRITE, &out, &err) < 0);
    assert_non_null(strstr(err.message, "it is a folder"));
    assert_true(fs_create(in_dir("f/x"), FS_OVERWRITE, &out, &err) < 0);
    assert_null(out);
}

static void test_buffering(void **state)
{
    struct fs_output *out;
    uint8_t *big = MEM_NEW_ARRAY(uint8_t, 3 * FS_OUTPUT_BUFFER_BYTES);
    memset(big, 'b', 3 * FS_OUTPUT_BUFFER_BYTES);
    assert_int_equal(fs_create(in_dir("f"), FS_CREATE_NEW, &out, NULL), 0);
    assert_int_equal(fs_output_write(out, "abc", 3, NULL), 0);
    assert_int_equal(size_of(in_dir("f")), 0);
    assert_int_equal(fs_output_position(out), 3);
    assert_int_equal(fs_output_flush(out, NULL), 0);
    assert_int_equal(size_of(in_dir("f")), 3);
    assert_int_equal(fs_output_write(out, "d", 1, NULL), 0);
    assert_int_equal(fs_output_write(out, big, 3 * FS_OUTPUT_BUFFER_BYTES, NULL), 0);
    assert_int_equal(size_of(in_dir("f")), 4 + 3 * FS_OUTPUT_BUFFER_BYTES);
    assert_int_equal(fs_output_write(out, "e", 1, NULL), 0);
    assert_int_equal(fs_output_sync(out, NULL), 0);
    assert_int_equal(size_of(in_dir("f")), 5 + 3 * FS_OUTPUT_BUFFER_BYTES);
    assert_int_equal(fs_output_write(out, "lost", 4, NULL), 0);
    assert_null(fs_output_abandon(out));
    assert_int_equal(size_of(in_dir("f")), 5 + 3 * FS_OUTPUT_BUFFER_BYTES);
    mem_free(big);
}

/* Pieces of all sizes around the buffer's come out in order. */
static void test_pieces(void **state)
{
    struct fs_output *out;
    struct rng r;
    rng_init(&r, 3);
    struct str want = STR_INIT;
    assert_int_equal(fs_create(in_dir("f"), FS_CREATE_NEW, &out, NULL), 0);
    for (int i = 0; i < 60; i++) {
        size_t n = rng_below(&r, 8) == 0 ? FS_OUTPUT_BUFFER_BYTES - 1 + rng_below(&r, 3)
                                         : rng_below(&r, 5000);
        size_t at = want.len;
        for (size_t k = 0; k < n; k++) {
            str_append_char(&want, (char)('a' + rng_below(&r, 26)));
        }
        assert_int_equal(fs_output_write(out, want.data + at, n, NULL), 0);
    }
    assert_int_equal(fs_output_close(&out, NULL), 0);
    struct fs_input *in;
    const uint8_t *data;
    uint64_t size;
    assert_int_equal(fs_open(in_dir("f"), FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    assert_int_equal(fs_input_map(in, &data, &size, NULL), 0);
    assert_int_equal(size, want.len);
    assert_memory_equal(data, want.data, want.len);
    fs_input_close(in);
    str_fini(&want);
}

static void test_failures_stick(void **state)
{
    const char *points[] = {"fs.local.write", "fs.local.sync"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct fs_output *out;
        struct error err = ERROR_INIT;
        char spec[64];
        snprintf(spec, sizeof(spec), "%s=error:pulled cable", points[i]);
        assert_int_equal(fs_create(in_dir("f"), FS_OVERWRITE, &out, NULL), 0);
        assert_int_equal(fs_output_write(out, "abc", 3, NULL), 0);
        assert_int_equal(failpoint_configure(spec, NULL), 0);
        assert_true(fs_output_sync(out, &err) < 0);
        assert_non_null(strstr(err.message, "pulled cable"));
        failpoint_clear_all();
        if (i == 0) {
            assert_int_equal(fs_output_flush(out, &err), ERR_IO);
            assert_int_equal(fs_output_close(&out, &err), ERR_IO);
        } else {
            assert_int_equal(fs_output_close(&out, &err), 0);
        }
    }
    struct fs_output *out;
    assert_int_equal(fs_create(in_dir("f"), FS_OVERWRITE, &out, NULL), 0);
    assert_int_equal(failpoint_configure("fs.local.close=error", NULL), 0);
    assert_true(fs_output_close(&out, NULL) < 0);
    assert_null(out);
    assert_int_equal(failpoint_configure("fs.local.create=error", NULL), 0);
    assert_true(fs_create(in_dir("f"), FS_OVERWRITE, &out, NULL) < 0);
}

static void fill_until_full(const char *path, struct error *err)
{
    struct fs_output *out;
    uint8_t *block = MEM_NEW_ARRAY(uint8_t, FS_OUTPUT_BUFFER_BYTES);
    assert_int_equal(fs_create(path, FS_CREATE_NEW, &out, NULL), 0);
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++) {
        rc = fs_output_write(out, block, FS_OUTPUT_BUFFER_BYTES, err);
    }
    assert_true(rc < 0);
    fs_output_abandon(out);
    mem_free(block);
}

static void test_full_disk(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fs_mkdirs(in_dir("small"), NULL), 0);
    if (mount("tmpfs", in_dir("small"), "tmpfs", 0, "size=1m") < 0) {
        print_message("skipped: cannot mount a small tmpfs (%s)\n", strerror(errno));
        return;
    }
    fill_until_full(in_dir("small/f"), &err);
    int umounted = umount(in_dir("small"));
    assert_int_equal(umounted, 0);
    check_error(&err, ERR_NO_SPACE, "small/f", "free space");
}

static void test_size_limit(void **state)
{
    struct error err = ERROR_INIT;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = (struct rlimit){.rlim_cur = 200 * 1024, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fill_until_full(in_dir("f"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    check_error(&err, ERR_TOO_LARGE, "/f", "ulimit -f");
    assert_int_equal(size_of(in_dir("f")), 200 * 1024); /* the beginning is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_modes),          FS_TEST(test_buffering), FS_TEST(test_pieces),
        FS_TEST(test_failures_stick), FS_TEST(test_full_disk), FS_TEST(test_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
