/* Files of S3 against a server in memory: what the interface promises, and what goes wrong on the way. */
#include "common/fs/remote/input.h"
#include "common/fs/s3/inside.h"
#include "tests/unit/common_fs/whole_files.h"

#include "fake_s3.h"
#include <stdio.h>
#include <stdlib.h>

enum { LARGE = 3 * S3_PART_BYTES_MIN + 12345 };

static struct fake_s3 server;
static struct str large;

static int start(void **state)
{
    fake_s3_start(&server);
    fake_s3_configure(&server, NULL, NULL);
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

static int write_file(const char *uri, struct slice bytes, enum fs_write_mode mode,
                      struct error *err)
{
    return write_file_by(uri, bytes, 700001, mode, err);
}

static void put(const char *uri, struct slice bytes)
{
    struct error err = ERROR_INIT;
    if (write_file(uri, bytes, FS_OVERWRITE, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void test_small_and_large(void **state)
{
    put("s3://b/small", SLICE_LIT("hello"));
    put("s3://b/empty", SLICE_LIT(""));
    put("s3a://b/dir/large", str_slice(&large));
    expect_file("s3p://b/small", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT("hello"));
    expect_file("s3://b/empty", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT(""));
    expect_file("s3://b/dir/large", FS_ACCESS_SEQUENTIAL, 100003, str_slice(&large));
    expect_file("s3://b/dir/large", FS_ACCESS_RANDOM, 3000000, str_slice(&large));
    assert_int_equal(server.n_aborted, 0);
    assert_int_equal(map_next(&server.parts, NULL) == NULL, 1);
}

static void test_create_new(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(write_file("s3://b/new", SLICE_LIT("1"), FS_CREATE_NEW, &err), 0);
    assert_int_equal(write_file("s3://b/new", SLICE_LIT("2"), FS_CREATE_NEW, &err),
                     ERR_ALREADY_EXISTS);
    /* Somebody is quicker after the first look. */
    struct fs_output *out;
    assert_int_equal(fs_create("s3://b/raced", FS_CREATE_NEW, &out, &err), 0);
    put("s3://b/raced", SLICE_LIT("theirs"));
    assert_int_equal(fs_output_write(out, "ours", 4, &err), 0);
    assert_int_equal(fs_output_close(&out, &err), ERR_ALREADY_EXISTS);
    expect_file("s3://b/raced", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("theirs"));
}

/* On a server that takes no conditions it is looked. */
static void test_no_conditions(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out;
    const struct slice sizes[] = {SLICE_LIT("1"), str_slice(&large)};
    pthread_mutex_lock(&server.lock);
    server.has_no_conditions = true;
    pthread_mutex_unlock(&server.lock);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char uri[64];
        snprintf(uri, sizeof(uri), "s3://b/no-conditions-%zu", i);
        fake_s3_configure(&server, NULL, NULL);
        for (int k = 0; k < 2; k++) { /* it learns, and it knows */
            assert_int_equal(write_file(uri, sizes[i], FS_CREATE_NEW, &err), 0);
            expect_file(uri, FS_ACCESS_SEQUENTIAL, 1000000, sizes[i]);
            assert_int_equal(write_file(uri, sizes[i], FS_CREATE_NEW, &err), ERR_ALREADY_EXISTS);
            assert_int_equal(fs_delete(uri, FS_DELETE_ONE, &err), 0);
            assert_int_equal(fs_create(uri, FS_CREATE_NEW, &out, &err), 0);
            put(uri, SLICE_LIT("theirs"));
            assert_int_equal(fs_output_write(out, sizes[i].data, sizes[i].len, &err), 0);
            assert_int_equal(fs_output_close(&out, &err), ERR_ALREADY_EXISTS);
            expect_file(uri, FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("theirs"));
            assert_int_equal(fs_delete(uri, FS_DELETE_ONE, &err), 0);
        }
    }
    pthread_mutex_lock(&server.lock);
    server.has_no_conditions = false;
    pthread_mutex_unlock(&server.lock);
    fake_s3_configure(&server, NULL, NULL);
}

static void test_lost_answers(void **state)
{
    struct error err = ERROR_INIT;
    /* It is done, asked for again, and found to be ours. */
    fake_s3_fail(&server, FAKE_LOST, "PUT", 1);
    assert_int_equal(write_file("s3://b/lost", SLICE_LIT("1"), FS_CREATE_NEW, &err), 0);
    expect_file("s3://b/lost", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("1"));
    struct fs_output *out;
    assert_int_equal(fs_create("s3://b/lost-large", FS_CREATE_NEW, &out, &err), 0);
    assert_int_equal(fs_output_write(out, large.data, large.len, &err), 0);
    fake_s3_fail(&server, FAKE_LOST, "POST", 1); /* the completion */
    assert_int_equal(fs_output_close(&out, &err), 0);
    expect_file("s3://b/lost-large", FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
}

static void test_faults(void **state)
{
    static const enum fake_fault faults[] = {FAKE_SLOW_DOWN, FAKE_ERROR, FAKE_RESET, FAKE_CUT,
                                             FAKE_SKEWED};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        fake_s3_fail(&server, faults[i], faults[i] == FAKE_CUT ? "GET" : NULL,
                     faults[i] == FAKE_SKEWED ? 1 : 2);
        put("s3://b/faults", str_slice(&large));
        fake_s3_fail(&server, faults[i], "GET", faults[i] == FAKE_SKEWED ? 1 : 2);
        expect_file("s3://b/faults", FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
    }
    fake_s3_fail(&server, FAKE_ERROR_IN_200, "POST",
                 1); /* the beginning of an upload fails behind its 200 */
    put("s3://b/faults", str_slice(&large));
}

/* The first request of a process whose clock is off is often one whose answer has no words. */
static void test_clock_off(void **state)
{
    struct error err = ERROR_INIT;
    fake_s3_configure(&server, NULL, NULL);
    put("s3://b/clock", SLICE_LIT("1"));
    fake_s3_configure(&server, NULL, NULL);
    fake_s3_fail(&server, FAKE_SKEWED, "HEAD", 1);
    assert_int_equal(fs_exists("s3://b/clock", &err), 1);
    fake_s3_configure(&server, NULL, NULL);
}

static void *look(void *arg)
{
    struct error *err = arg;
    (void)!fs_exists("s3://b/clock", err);
    return NULL;
}

/* Two calls were signed by a clock that is off, and the first answer sets it right: the second call learns it, too. */
static void test_clock_off_of_two(void **state)
{
    struct error errs[2] = {ERROR_INIT, ERROR_INIT};
    pthread_t threads[2];
    fake_s3_configure(&server, NULL, NULL);
    put("s3://b/clock", SLICE_LIT("1"));
    fake_s3_configure(&server, NULL, NULL);
    pthread_mutex_lock(&server.lock);
    server.clock_off_s = -24 * 3600;
    server.n_together = 2;
    pthread_mutex_unlock(&server.lock);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, look, &errs[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_string_equal(errs[i].message, "");
    }
    pthread_mutex_lock(&server.lock);
    server.clock_off_s = 0;
    pthread_mutex_unlock(&server.lock);
    fake_s3_configure(&server, NULL, NULL);
}

static void test_statistics(void **state)
{
    struct remote_statistics before, after;
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    remote_statistics_read(&s3_counters, &before);
    put("s3://b/stat/large", str_slice(&large));
    expect_file("s3://b/stat/large", FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
    assert_int_equal(fs_rename("s3://b/stat/large", "s3://b/stat/moved", &err), 0);
    assert_int_equal(fs_list_dir("s3://b/stat", &list, &err), 0);
    fs_list_fini(&list);
    fake_s3_fail(&server, FAKE_SLOW_DOWN, NULL, 1);
    assert_int_equal(fs_exists("s3://b/stat/nothing", &err), 0);
    fake_s3_fail(&server, FAKE_DENIED, NULL, 1);
    assert_int_equal(fs_exists("s3://b/stat/moved", &err), ERR_PERMISSION);
    remote_statistics_read(&s3_counters, &after);
    assert_int_equal(after.bytes_read - before.bytes_read, LARGE);
    assert_in_range(after.bytes_written - before.bytes_written, LARGE, LARGE + 1000);
    assert_int_equal(after.requests[REMOTE_KIND_READ] - before.requests[REMOTE_KIND_READ],
                     (LARGE + REMOTE_READ_BYTES - 1) / REMOTE_READ_BYTES);
    /* The beginning, four parts, the end. */
    assert_int_equal(after.requests[REMOTE_KIND_WRITE] - before.requests[REMOTE_KIND_WRITE], 6);
    assert_int_equal(after.requests[REMOTE_KIND_COPY] - before.requests[REMOTE_KIND_COPY], 1);
    assert_int_equal(after.requests[REMOTE_KIND_DELETE] - before.requests[REMOTE_KIND_DELETE], 1);
    assert_in_range(after.requests[REMOTE_KIND_LIST] - before.requests[REMOTE_KIND_LIST], 2, 3);
    assert_in_range(after.requests[REMOTE_KIND_STAT] - before.requests[REMOTE_KIND_STAT], 3, 5);
    assert_int_equal(after.retries - before.retries, 1);
    assert_int_equal(after.failures - before.failures, 1);
    assert_int_equal(after.under_way, 0);
}

static void test_progress(void **state)
{
    struct clock_manual now;
    struct remote_progress p = {.begin_ms = 0};
    clock_manual_init(&now);
    for (int i = 0; i < 25; i++) { /* 24 s */
        remote_progress_add(&p, &now.base, "writing", "s3://b/long", 5000000, 0);
        clock_manual_advance_ms(&now, 1000);
    }
    assert_int_equal(p.n_lines, 2);
    assert_int_equal(p.bytes, 125000000);
}

static void test_storm(void **state)
{
    struct error err = ERROR_INIT;
    uint32_t before = server.n_requests;
    fake_s3_fail(&server, FAKE_SLOW_DOWN, NULL, 1000);
    assert_int_equal(write_file("s3://b/storm", SLICE_LIT("x"), FS_OVERWRITE, &err),
                     ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "503 SlowDown"));
    assert_non_null(strstr(err.message, "4 tries"));
    assert_int_equal(server.n_requests - before, 4);
    fake_s3_fail(&server, FAKE_NONE, NULL, 0);
    assert_int_equal(fs_exists("s3://b/storm", &err), 0);
}

static void test_given_up(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out;
    uint32_t before = server.n_aborted;
    assert_int_equal(fs_create("s3://b/abandoned", FS_OVERWRITE, &out, &err), 0);
    assert_int_equal(fs_output_write(out, large.data, large.len, &err), 0);
    fs_output_abandon(out);
    assert_int_equal(server.n_aborted - before, 1);
    assert_int_equal(fs_exists("s3://b/abandoned", &err), 0);
    /* A part that never comes through. */
    assert_int_equal(fs_create("s3://b/broken", FS_OVERWRITE, &out, &err), 0);
    fake_s3_fail(&server, FAKE_DENIED, "PUT", 1000);
    int rc = fs_output_write(out, large.data, large.len, &err);
    int closed = fs_output_close(&out, &err);
    assert_int_equal(closed < 0 || rc < 0, 1);
    fake_s3_fail(&server, FAKE_NONE, NULL, 0);
    assert_int_equal(fs_exists("s3://b/broken", &err), 0);
    assert_int_equal(server.n_aborted - before, 2);
}

static void test_names(void **state)
{
    static const char *const names[] = {"n/a",      "n/b",     "n/c/d", "n/c/e",
                                        "n/f g&<>", "n/h/i/j", "n/k"};
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    struct fs_status status;
    char uri[128];
    for (size_t i = 0; i < ARRAY_LEN(names) - 3; i++) {
        snprintf(uri, sizeof(uri), "s3://b/%s", names[i]);
        put(uri, SLICE_LIT("xy"));
    }
    put("s3://b/n/h/i/j", SLICE_LIT("xyz"));
    put("s3://b/n/k", SLICE_LIT(""));
    assert_int_equal(fs_list_dir("s3://b/n", &list, &err), 0);
    assert_int_equal(list.n, 5);
    assert_string_equal(list.entries[0].path, "s3://b/n/a");
    assert_string_equal(list.entries[2].name, "c");
    assert_int_equal(list.entries[2].status.kind, FS_KIND_DIRECTORY);
    assert_int_equal(list.entries[0].status.modified_ms, INT64_C(1795334400250));
    fs_list_fini(&list);
    assert_int_equal(fs_list_dir("s3://b/nothing", &list, &err), ERR_NOT_FOUND);
    fs_list_fini(&list);
    assert_int_equal(fs_stat("s3://b/n", &status, &err), 0);
    assert_int_equal(status.kind, FS_KIND_DIRECTORY);
    assert_int_equal(fs_stat("s3://b/n/h/i/j", &status, &err), 0);
    assert_int_equal(status.size_bytes, 3);
    assert_int_equal(fs_has_folders("s3://b/n", &err), 0);
    assert_int_equal(fs_hides_unfinished("s3://b/n", &err), 1);
    assert_int_equal(fs_mkdirs("s3://b/n/new", &err), 0);
    assert_int_equal(fs_exists("s3://b/n/new", &err), 0);
    assert_int_equal(fs_mkdirs("s3://b/n/a", &err), ERR_ALREADY_EXISTS);
    assert_int_equal(fs_rename("s3://b/n/a", "s3://b/n/z", &err), 0);
    assert_int_equal(fs_exists("s3://b/n/a", &err), 0);
    expect_file("s3://b/n/z", FS_ACCESS_SEQUENTIAL, 10, SLICE_LIT("xy"));
    assert_int_equal(fs_rename("s3://b/n", "s3://b/n/inside", &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(fs_rename("s3://b/n", "s3://b/moved", &err), 0);
    expect_file("s3://b/moved/h/i/j", FS_ACCESS_SEQUENTIAL, 10, SLICE_LIT("xyz"));
    assert_int_equal(fs_exists("s3://b/n", &err), 0);
    assert_int_equal(fs_delete("s3://b/moved", FS_DELETE_ONE, &err), ERR_STATE);
    assert_int_equal(fs_delete("s3://b/moved/z", FS_DELETE_ONE, &err), 0);
    assert_int_equal(fs_delete("s3://b/moved/z", FS_DELETE_ONE, &err), ERR_NOT_FOUND);
    assert_int_equal(fs_delete("s3://b/moved", FS_DELETE_RECURSIVE, &err), 0);
    assert_int_equal(fs_exists("s3://b/moved", &err), 0);
}

static void test_changed_while_read(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_input *in;
    char byte;
    size_t n;
    put("s3://b/changes", SLICE_LIT("one"));
    assert_int_equal(fs_open("s3://b/changes", FS_ACCESS_SEQUENTIAL, &in, &err), 0);
    put("s3://b/changes", SLICE_LIT("two"));
    assert_int_equal(fs_input_read_at(in, 0, &byte, 1, &n, &err), ERR_CORRUPT);
    fs_input_close(in);
}

static void test_messages(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_input *in;
    assert_int_equal(write_file("s3://missing/x", SLICE_LIT("1"), FS_OVERWRITE, &err),
                     ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "s3://missing/x"));
    assert_non_null(strstr(err.message, "NoSuchBucket"));
    assert_non_null(strstr(err.message, "create the bucket"));
    assert_int_equal(fs_open("s3://missing/x", FS_ACCESS_RANDOM, &in, &err), ERR_INVALID_CONFIG);
    assert_int_equal(fs_exists("s3://missing/x", &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "create the bucket"));
    assert_int_equal(fs_open("s3://b/nowhere", FS_ACCESS_RANDOM, &in, &err), ERR_NOT_FOUND);
    fake_s3_fail(&server, FAKE_DENIED, NULL, 1);
    assert_int_equal(fs_exists("s3://b/x", &err), ERR_PERMISSION);
    assert_non_null(strstr(err.message, "check s3.access-key"));
    assert_int_equal(fs_delete("s3://b/", FS_DELETE_RECURSIVE, &err), ERR_INVALID_ARGUMENT);
    /* A clock that is off although the server's was taken; HEAD has no words, listings have. */
    fake_s3_fail(&server, FAKE_SKEWED, NULL, 1000);
    assert_int_equal(fs_exists("s3://b/x", &err), ERR_PERMISSION);
    assert_non_null(strstr(err.message, "set the clock"));
    struct fs_list list = FS_LIST_INIT;
    assert_int_equal(fs_list_dir("s3://b/x", &list, &err), ERR_PERMISSION);
    assert_non_null(strstr(err.message, "RequestTimeTooSkewed"));
    assert_non_null(strstr(err.message, "set the clock"));
    fs_list_fini(&list);
    fake_s3_fail(&server, FAKE_NONE, NULL, 0);
    fake_s3_configure(&server, "s3.endpoint", "http://s3.nowhere.invalid:9000");
    assert_int_equal(fs_exists("s3://b/x", &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "s3.nowhere.invalid"));
    assert_non_null(strstr(err.message, "esolve"));
    assert_non_null(strstr(err.message, "s3.endpoint"));
    fake_s3_configure(&server, "s3.endpoint", "http://127.0.0.1:1");
    assert_int_equal(fs_exists("s3://b/x", &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "127.0.0.1:1"));
    assert_non_null(strstr(err.message, "s3.endpoint"));
    fake_s3_configure(&server, NULL, NULL);
}

static void test_configuration(void **state)
{
    static const char *const bad[][2] = {
        {"s3.upload.min.part.size", "1000"},
        {"s3.upload.max.concurrent.uploads", "0"},
        {"s3.retry.max-num-retries", "-1"},
        {"s3.entropy.length", "0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf conf;
        struct error err = ERROR_INIT;
        conf_init(&conf, NULL);
        assert_int_equal(conf_set(&conf, bad[i][0], bad[i][1], &err), 0);
        assert_int_equal(s3_register(&conf, &err), ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, bad[i][0]));
        conf_fini(&conf);
    }
}

static void test_region_and_entropy(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    fake_s3_fail(&server, FAKE_OTHER_REGION, NULL, 1);
    put("s3://b/region", SLICE_LIT("1"));
    assert_string_equal(server.last_region, "eu-test-9");
    fake_s3_configure(&server, NULL, NULL);
    put("s3://b/e/_entropy_/file", SLICE_LIT("1"));
    assert_int_equal(fs_list_dir("s3://b/e", &list, &err), 0);
    assert_int_equal(list.n, 1);
    assert_int_equal(strlen(list.entries[0].name), 4);
    fs_list_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_and_large),
        cmocka_unit_test(test_create_new),
        cmocka_unit_test(test_no_conditions),
        cmocka_unit_test(test_lost_answers),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_clock_off),
        cmocka_unit_test(test_clock_off_of_two),
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_changed_while_read),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_region_and_entropy),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
