/* Reading local files: positions, ends, mapping, and what is not a file to read. */
#include "fs_fixture.h"

static void test_read_at(void **state)
{
    struct fs_input *in;
    char buf[16];
    size_t n;
    put_text(in_dir("f"), "0123456789");
    assert_int_equal(fs_open(in_dir("f"), FS_ACCESS_RANDOM, &in, NULL), 0);
    assert_int_equal(fs_input_size(in), 10);
    assert_string_equal(fs_input_path(in), in_dir("f"));
    assert_int_equal(fs_input_read_at(in, 3, buf, 4, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_memory_equal(buf, "3456", 4);
    assert_int_equal(fs_input_read_at(in, 8, buf, 16, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(fs_input_read_at(in, 100, buf, 16, &n, NULL), 0);
    assert_int_equal(n, 0);
    fs_input_advise(in, 0, 10);
    fs_input_drop_behind(in, 0, 10);
    struct error err = ERROR_INIT;
    assert_int_equal(failpoint_configure("fs.local.read=error:bad sector", NULL), 0);
    assert_true(fs_input_read_at(in, 0, buf, 4, &n, &err) < 0);
    assert_non_null(strstr(err.message, "bad sector"));
    fs_input_close(in);
}

/* What was just written is in the page cache, where the file system can say so at all. */
static void test_read_cached(void **state)
{
    struct fs_input *in;
    char buf[16];
    size_t n = 77;
    put_text(in_dir("f"), "0123456789");
    assert_int_equal(fs_open(in_dir("f"), FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    if (fs_input_read_cached(in, 3, buf, 4, &n) == 1) {
        assert_int_equal(n, 4);
        assert_memory_equal(buf, "3456", 4);
        assert_int_equal(fs_input_read_cached(in, 8, buf, 16, &n), 1);
        assert_int_equal(n, 2);
        assert_memory_equal(buf, "89", 2);
        assert_int_equal(fs_input_read_cached(in, 100, buf, 16, &n), 1);
        assert_int_equal(n, 0);
    } else {
        print_message("%s does not support RWF_NOWAIT: misses only\n", fixture_dir);
    }
    n = 77;
    assert_int_equal(failpoint_configure("fs.local.read_cached=error", NULL), 0);
    assert_int_equal(fs_input_read_cached(in, 3, buf, 4, &n), 0);
    assert_int_equal(n, 77);
    fs_input_close(in);
}

/* A driver without it never answers from memory. */
static void test_read_cached_unsupported(void **state)
{
    static const struct fs_input_ops ops = {.close = NULL};
    struct fs_input in = {.ops = &ops};
    char buf[4];
    size_t n;
    assert_int_equal(fs_input_read_cached(&in, 0, buf, sizeof(buf), &n), 0);
}

static void test_map(void **state)
{
    struct fs_input *in;
    const uint8_t *data;
    uint64_t size;
    put_text(in_dir("f"), "mapped");
    assert_int_equal(fs_open(in_dir("f"), FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fs_input_map(in, &data, &size, NULL), 0);
        assert_int_equal(size, 6);
        assert_memory_equal(data, "mapped", 6);
    }
    fs_input_close(in);
    put_text(in_dir("empty"), "");
    assert_int_equal(fs_open(in_dir("empty"), FS_ACCESS_SEQUENTIAL, &in, NULL), 0);
    assert_int_equal(fs_input_map(in, &data, &size, NULL), 0);
    assert_int_equal(size, 0);
    assert_null(data);
    fs_input_close(in);
}

static void test_cannot_open(void **state)
{
    struct fs_input *in = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_open(in_dir("none"), FS_ACCESS_SEQUENTIAL, &in, &err), ERR_NOT_FOUND);
    check_error(&err, ERR_NOT_FOUND, "opening", "check the spelling");
    assert_int_equal(fs_open(fixture_dir, FS_ACCESS_SEQUENTIAL, &in, &err), ERR_INVALID_ARGUMENT);
    check_error(&err, ERR_INVALID_ARGUMENT, "is a folder", "/*");
    assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
    assert_int_equal(fs_open(in_dir("pipe"), FS_ACCESS_SEQUENTIAL, &in, &err), ERR_UNSUPPORTED);
    assert_int_equal(fs_open("/dev/zero", FS_ACCESS_SEQUENTIAL, &in, &err), ERR_UNSUPPORTED);
    assert_int_equal(symlink("loop", in_dir("loop")), 0);
    assert_true(fs_open(in_dir("loop"), FS_ACCESS_SEQUENTIAL, &in, &err) < 0);
    assert_non_null(strstr(err.message, "leads to itself"));
    assert_int_equal(failpoint_configure("fs.local.open=error", NULL), 0);
    put_text(in_dir("f"), "x");
    assert_true(fs_open(in_dir("f"), FS_ACCESS_SEQUENTIAL, &in, &err) < 0);
    failpoint_clear_all();
    if (!is_root()) {
        assert_int_equal(chmod(in_dir("f"), 0), 0);
        assert_int_equal(fs_open(in_dir("f"), FS_ACCESS_SEQUENTIAL, &in, &err), ERR_PERMISSION);
    }
    assert_null(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_read_at), FS_TEST(test_read_cached), FS_TEST(test_read_cached_unsupported),
        FS_TEST(test_map),     FS_TEST(test_cannot_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
