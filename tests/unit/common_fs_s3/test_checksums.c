/* Bytes that change on the way to S3 are noticed, whether they are signed or have check sums. */
#include "common/fs/s3/inside.h"
#include "tests/unit/common_fs/whole_files.h"

#include "fake_s3.h"
#include <stdio.h>

enum { LARGE = 2 * S3_PART_BYTES_MIN + 4321 };
static const char key[] = "s3.payload-signing.enabled";

static struct fake_s3 server;
static struct str large;

static int start(void **state)
{
    fake_s3_start(&server);
    fill_bytes(&large, LARGE);
    return 0;
}

static int stop(void **state)
{
    s3_shut_down();
    fake_s3_stop(&server);
    str_fini(&large);
    return 0;
}

/* A client that knows nothing of the server yet. */
static void begin(const char *signs, enum fake_checksums checksums)
{
    fake_s3_configure(&server, key, signs);
    pthread_mutex_lock(&server.lock);
    server.checksums = checksums;
    server.n_signed = server.n_unsigned = server.n_checked = 0;
    pthread_mutex_unlock(&server.lock);
}

static void put(const char *uri, struct slice bytes, enum fs_write_mode mode)
{
    struct error err = ERROR_INIT;
    if (write_file_by(uri, bytes, 700001, mode, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void put_both(void)
{
    put("s3://b/small", SLICE_LIT("hello"), FS_OVERWRITE);
    put("s3://b/large", str_slice(&large), FS_OVERWRITE);
    expect_file("s3://b/small", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT("hello"));
    expect_file("s3://b/large", FS_ACCESS_SEQUENTIAL, 100003, str_slice(&large));
}

static void test_signed(void **state)
{
    begin("true", FAKE_CHECKS);
    put_both();
    assert_int_equal(server.n_signed, 4);
    assert_int_equal(server.n_unsigned + server.n_checked, 0);
}

static void test_not_signed(void **state)
{
    begin("false", FAKE_CHECKS);
    put_both();
    assert_int_equal(server.n_signed, 0);
    assert_int_equal(server.n_unsigned, 4);
    assert_int_equal(server.n_checked, 4);
}

static void test_flipped(void **state)
{
    static const char *const ways[][2] = {{"true", "XAmzContentSHA256Mismatch"},
                                          {"false", "BadDigest"}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        const struct slice files[] = {SLICE_LIT("hello"), str_slice(&large)};
        begin(ways[i][0], FAKE_CHECKS);
        for (size_t k = 0; k < ARRAY_LEN(files); k++) {
            struct error err = ERROR_INIT;
            char uri[64];
            snprintf(uri, sizeof(uri), "s3://b/flipped-%zu-%zu", i, k);
            fake_s3_fail(&server, FAKE_FLIPPED, "PUT", 100);
            assert_true(write_file_by(uri, files[k], 700001, FS_OVERWRITE, &err) < 0);
            assert_non_null(strstr(err.message, ways[i][1]));
            assert_non_null(strstr(err.message, "bytes were changed on the way"));
            assert_null(fake_s3_find(&server, uri + 5));
            fake_s3_fail(&server, FAKE_FLIPPED, "PUT", 1); /* once: it is sent again */
            put(uri, files[k], FS_OVERWRITE);
            expect_file(uri, FS_ACCESS_SEQUENTIAL, 1000000, files[k]);
        }
    }
}

/* Who does not answer with what it found gets signed bytes from then on. */
static void test_ignored(void **state)
{
    begin("false", FAKE_IGNORES_CHECKSUMS);
    put("s3://b/first", SLICE_LIT("1"), FS_OVERWRITE);
    assert_int_equal(server.n_unsigned, 1);
    put_both();
    assert_int_equal(server.n_unsigned, 1);
    assert_int_equal(server.n_signed, 4);
    begin("false", FAKE_IGNORES_CHECKSUMS); /* of a large one it is known before the first byte */
    put("s3://b/large", str_slice(&large), FS_OVERWRITE);
    assert_int_equal(server.n_unsigned, 0);
    assert_int_equal(server.n_signed, 3);
}

static void test_refused(void **state)
{
    for (int i = 0; i < 2; i++) { /* a small file is the first, or a large one */
        begin("false", FAKE_REFUSES_CHECKSUMS);
        put(i == 0 ? "s3://b/small" : "s3://b/large",
            i == 0 ? SLICE_LIT("hello") : str_slice(&large), FS_OVERWRITE);
        server.n_signed = server.n_unsigned = 0;
        put_both();
        assert_int_equal(server.n_signed, 4);
        assert_int_equal(server.n_unsigned, 0);
    }
    begin("false", FAKE_REFUSES_CHECKSUMS);
    put("s3://b/new", SLICE_LIT("hello"), FS_CREATE_NEW);
    expect_file("s3://b/new", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT("hello"));
}

/* A file that waits for its commit keeps to how it was begun, whatever the configuration says by then. */
static void test_recoverable(void **state)
{
    static const char *const ways[][2] = {
        {"false", "false"}, {"true", "false"}, {"false", "true"}, {"true", "true"}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct error err = ERROR_INIT;
        struct recoverable *f = NULL;
        STR_AUTO handle = STR_INIT;
        char uri[64];
        const size_t cut = S3_PART_BYTES_MIN + 1000;
        snprintf(uri, sizeof(uri), "s3://b/waits-%zu", i);
        begin(ways[i][0], FAKE_CHECKS);
        assert_int_equal(recoverable_open(uri, &f, &err), 0);
        assert_int_equal(recoverable_write(f, large.data, cut, &err), 0);
        assert_int_equal(recoverable_persist(f, &handle, &err), 0);
        f = recoverable_close(f);
        begin(ways[i][1], FAKE_CHECKS);
        assert_int_equal(recoverable_recover(str_slice(&handle), &f, &err), 0);
        assert_int_equal(recoverable_write(f, large.data + cut, large.len - cut, &err), 0);
        str_clear(&handle);
        assert_int_equal(recoverable_close_for_commit(&f, &handle, &err), 0);
        if (recoverable_commit(str_slice(&handle), &err) < 0) {
            fail_msg("%s then %s: %s", ways[i][0], ways[i][1], err.message);
        }
        expect_file(uri, FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
    }
}

static void test_part_sizes(void **state)
{
    struct s3_fs fs = {.part_bytes = S3_PART_BYTES_MIN};
    uint64_t all = 0;
    for (uint32_t i = 1; i <= S3_PARTS_MAX; i++) {
        all += s3_part_bytes(&fs, i);
    }
    assert_int_equal(s3_part_bytes(&fs, S3_PARTS_ALIKE), S3_PART_BYTES_MIN);
    assert_int_equal(s3_part_bytes(&fs, S3_PARTS_ALIKE + 1), 2 * S3_PART_BYTES_MIN);
    assert_true(s3_part_bytes(&fs, S3_PARTS_MAX) <= S3_PART_BYTES_MAX);
    assert_true(all > UINT64_C(500) << 30);
    fs.part_bytes = UINT64_C(5) << 30; /* larger ones are never asked for */
    assert_int_equal(s3_part_bytes(&fs, S3_PARTS_MAX), UINT64_C(5) << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signed),     cmocka_unit_test(test_not_signed),
        cmocka_unit_test(test_flipped),    cmocka_unit_test(test_ignored),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_recoverable),
        cmocka_unit_test(test_part_sizes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
