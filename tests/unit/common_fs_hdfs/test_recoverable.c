/* Recoverable files of HDFS: commits that break off and are done again, restores, and writers of before that go on. */
#include "common/fs/hdfs/inside.h"
#include "tests/unit/common_fs/whole_files.h"

#include "common/base/failpoint.h"
#include "fake_hdfs.h"
#include <stdio.h>

enum { PART = 64 * 1024 };

static struct fake_hdfs server;
static struct str bytes; /* 4 parts and a bit */

static int start(void **state)
{
    fake_hdfs_start(&server);
    fake_hdfs_configure(&server, NULL);
    fill_bytes(&bytes, 4 * PART + 777);
    return 0;
}

static int stop(void **state)
{
    hdfs_shut_down();
    fake_hdfs_stop(&server);
    str_fini(&bytes);
    return 0;
}

static void must(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s", err->message);
    }
}

static void write_more(struct recoverable *f, size_t until)
{
    struct error err = ERROR_INIT;
    while (recoverable_position(f) < until) {
        size_t at = recoverable_position(f), n = MIN(until - at, (size_t)10007);
        must(recoverable_write(f, bytes.data + at, n, &err), &err);
    }
}

/* The target is there with so many bytes, and nothing else. */
static void expect(const char *path, size_t n)
{
    const struct str *found = fake_hdfs_find(&server, path);
    assert_non_null(found);
    assert_int_equal(found->len, n);
    assert_true(n == 0 || memcmp(found->data, bytes.data, n) == 0);
    if (fake_hdfs_count(&server) != 1) {
        struct fs_list list = FS_LIST_INIT;
        must(fs_list_dir("hdfs:///r", &list, NULL), NULL);
        fail_msg("%zu files, %s", list.n, list.entries[0].name);
    }
}

static void clean(void)
{
    struct error err = ERROR_INIT;
    must(fs_delete("hdfs:///r", FS_DELETE_RECURSIVE, &err), &err);
    assert_int_equal(fake_hdfs_count(&server), 0);
}

static const size_t sizes[] = {0, 1, PART - 1, PART, PART + 1, 2 * PART, 4 * PART + 777};

static void test_sizes(void **state)
{
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct recoverable *f = NULL;
        STR_AUTO handle = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        write_more(f, sizes[i]);
        must(recoverable_close_for_commit(&f, &handle, &err), &err);
        assert_null(fake_hdfs_find(&server, "/r/file"));
        must(recoverable_commit(str_slice(&handle), &err), &err);
        expect("/r/file", sizes[i]);
        must(recoverable_commit_after_recovery(str_slice(&handle), &err), &err);
        expect("/r/file", sizes[i]);
        clean();
    }
}

static void test_persist_and_recover(void **state)
{
    struct error err = ERROR_INIT;
    for (size_t i = 0; i + 1 < ARRAY_LEN(sizes); i++) {
        struct recoverable *f = NULL, *again = NULL;
        STR_AUTO first = STR_INIT;
        STR_AUTO second = STR_INIT;
        STR_AUTO commit = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        write_more(f, sizes[i]);
        must(recoverable_persist(f, &first, &err), &err);
        write_more(f, sizes[i + 1]);
        must(recoverable_persist(f, &second, &err), &err);
        /* From the first persist, twice, while the one of before goes on. */
        must(recoverable_recover(str_slice(&first), &again, &err), &err);
        assert_int_equal(recoverable_position(again), sizes[i]);
        write_more(again, 3 * PART);
        recoverable_close(again);
        must(recoverable_recover(str_slice(&first), &again, &err), &err);
        write_more(f, 4 * PART + 700);
        write_more(again, 4 * PART + 777);
        must(recoverable_persist(f, &second, &err), &err); /* whoever is frozen wakes up */
        must(recoverable_close_for_commit(&again, &commit, &err), &err);
        must(recoverable_commit(str_slice(&commit), &err), &err);
        assert_int_equal(fake_hdfs_find(&server, "/r/file")->len, 4 * PART + 777);
        /* What it writes now is nobody's. */
        must(recoverable_write(f, bytes.data, 77, &err), &err);
        recoverable_abort(f);
        must(recoverable_commit_after_recovery(str_slice(&commit), &err), &err);
        assert_true(slice_eq(str_slice(fake_hdfs_find(&server, "/r/file")), str_slice(&bytes)));
        clean();
    }
}

static void test_commit_persisted(void **state)
{
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct recoverable *f = NULL;
        STR_AUTO handle = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        write_more(f, sizes[i]);
        must(recoverable_persist(f, &handle, &err), &err);
        must(recoverable_commit_persisted(str_slice(&handle), &err), &err);
        /* The frozen one: none of what it does touches what is seen. */
        must(recoverable_write(f, bytes.data, 5, &err), &err);
        (void)!recoverable_persist(f, &handle, &err);
        recoverable_abort(f);
        expect("/r/file", sizes[i]);
        clean();
    }
}

/* Each step of a commit breaks off, before it is done and after; it is done again by somebody else. */
static void test_broken_commits(void **state)
{
    static const char *const points[] = {
        "fs.hdfs.recoverable.before_commit", "fs.hdfs.recoverable.concat",
        "fs.hdfs.recoverable.before_rename", "fs.hdfs.recoverable.after_commit"};
    static const enum fake_fault faults[] = {FAKE_RESET, FAKE_LOST, FAKE_BUSY};
    static const char *const ops[] = {"CONCAT", "RENAME", "GETFILESTATUS", "DELETE",
                                      "LISTSTATUS_BATCH"};
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(points) + ARRAY_LEN(faults) * ARRAY_LEN(ops) * 2; i++) {
        struct recoverable *f = NULL;
        STR_AUTO handle = STR_INIT;
        STR_AUTO spec = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        write_more(f, bytes.len);
        must(recoverable_close_for_commit(&f, &handle, &err), &err);
        if (i < ARRAY_LEN(points)) {
            str_printf(&spec, "%s=error,nth=1", points[i]);
            must(failpoint_configure(str_cstr(&spec), &err), &err);
            assert_true(recoverable_commit(str_slice(&handle), &err) < 0);
            failpoint_clear_all();
        } else { /* once it passes by itself, the other time only the next commit does it */
            size_t k = i - ARRAY_LEN(points);
            bool passes = k % 2 == 0;
            k /= 2;
            fake_hdfs_fail(&server, faults[k / ARRAY_LEN(ops)], ops[k % ARRAY_LEN(ops)], 0,
                           passes ? 1 : 4);
            int rc = recoverable_commit(str_slice(&handle), &err);
            assert_true(rc == 0 || !passes);
            fake_hdfs_fail(&server, FAKE_NONE, NULL, 0, 0);
        }
        must(recoverable_commit_after_recovery(str_slice(&handle), &err), &err);
        expect("/r/file", bytes.len);
        clean();
    }
}

/* Uploads of parts and tails that break off are tried under other names. */
static void test_broken_uploads(void **state)
{
    static const enum fake_fault faults[] = {FAKE_RESET, FAKE_LOST, FAKE_HALF, FAKE_BUSY};
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        struct recoverable *f = NULL;
        STR_AUTO handle = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        fake_hdfs_fail(&server, faults[i], "CREATE", 2, 2);
        write_more(f, 2 * PART + 5);
        fake_hdfs_fail(&server, faults[i], "CREATE", 2, 1);
        must(recoverable_persist(f, &handle, &err), &err);
        write_more(f, bytes.len);
        must(recoverable_close_for_commit(&f, &handle, &err), &err);
        must(recoverable_commit(str_slice(&handle), &err), &err);
        expect("/r/file", bytes.len);
        clean();
    }
}

/* Where the server puts no files together, we do. */
static void test_no_concat(void **state)
{
    struct error err = ERROR_INIT;
    struct recoverable *f = NULL;
    STR_AUTO handle = STR_INIT;
    must(recoverable_open("hdfs:///r/file", &f, &err), &err);
    write_more(f, bytes.len);
    must(recoverable_close_for_commit(&f, &handle, &err), &err);
    fake_hdfs_fail(&server, FAKE_NO_CONCAT, "CONCAT", 0, 1);
    must(recoverable_commit(str_slice(&handle), &err), &err);
    expect("/r/file", bytes.len);
    must(recoverable_commit_after_recovery(str_slice(&handle), &err), &err);
    expect("/r/file", bytes.len);
    clean();
}

/* Handles of earlier checkpoints, after the file was put together, or committed, for a later one. */
static void test_earlier_handles(void **state)
{
    struct error err = ERROR_INIT;
    for (int i = 0; i < 4; i++) {
        struct recoverable *f = NULL;
        STR_AUTO early = STR_INIT;
        STR_AUTO late = STR_INIT;
        must(recoverable_open("hdfs:///r/file", &f, &err), &err);
        write_more(f, 2 * PART + 99);
        must(recoverable_persist(f, &early, &err), &err);
        write_more(f, bytes.len);
        must(recoverable_close_for_commit(&f, &late, &err), &err);
        if (i % 2 == 0) {
            must(failpoint_configure("fs.hdfs.recoverable.before_rename=error,nth=1", &err), &err);
            assert_true(recoverable_commit(str_slice(&late), &err) < 0);
            failpoint_clear_all();
        } else {
            must(recoverable_commit(str_slice(&late), &err), &err);
        }
        if (i < 2) { /* it is gone on with */
            must(recoverable_recover(str_slice(&early), &f, &err), &err);
            assert_int_equal(recoverable_position(f), 2 * PART + 99);
            write_more(f, bytes.len);
            must(recoverable_close_for_commit(&f, &late, &err), &err);
            must(recoverable_commit(str_slice(&late), &err), &err);
        } else {
            must(recoverable_commit_persisted(str_slice(&early), &err), &err);
        }
        const struct str *found = fake_hdfs_find(&server, "/r/file");
        assert_non_null(found);
        assert_int_equal(found->len, i == 2 ? 2 * PART + 99 : bytes.len);
        assert_true(memcmp(found->data, bytes.data, found->len) == 0);
        clean();
    }
}

/* More failures than a handle has writers for. */
static void test_many_writers(void **state)
{
    struct error err = ERROR_INIT;
    struct recoverable *f = NULL;
    STR_AUTO handle = STR_INIT;
    must(recoverable_open("hdfs:///r/file", &f, &err), &err);
    for (size_t i = 1; i <= 200; i++) {
        write_more(f, i * bytes.len / 200);
        must(recoverable_persist(f, &handle, &err), &err);
        assert_true(handle.len < RECOVERABLE_HANDLE_MAX);
        recoverable_close(f);
        must(recoverable_recover(str_slice(&handle), &f, &err), &err);
    }
    must(recoverable_close_for_commit(&f, &handle, &err), &err);
    must(recoverable_commit(str_slice(&handle), &err), &err);
    const struct str *found = fake_hdfs_find(&server, "/r/file");
    assert_true(slice_eq(str_slice(found), str_slice(&bytes)));
    clean();
}

static void test_bad_handles(void **state)
{
    static const char *const wrong[] = {
        "",
        "x",
        "2 65536 0 0 00000000000000000000000000000001:1",
        "1 65536 0 0",
        "1 65536 0 0 ",
        "1 65536 0 0 short:1",
        "1 65536 0 0 00000000000000000000000000000001:x",
        "1 0 0 0 00000000000000000000000000000001:1",
        "1 65536 1 0 00000000000000000000000000000001:1",
        "1 65536 1 70000 00000000000000000000000000000001:0",
        "1 65536 0 0 ../../../../../../../../etc/pass:1",
        "1 65536 0 0 00000000000000000000000000000001:2",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct error err = ERROR_INIT;
        STR_AUTO handle = STR_INIT;
        const struct recoverable_handle h = {.kind = RECOVERABLE_COMMIT,
                                             .length_bytes = 65536,
                                             .target_uri = (char *)(uintptr_t) "hdfs:///r/file",
                                             .inprogress = (char *)(uintptr_t)wrong[i]};
        recoverable_handle_encode(&h, &handle);
        assert_int_equal(recoverable_commit(str_slice(&handle), &err), ERR_CORRUPT);
    }
}

/* Bytes that somebody took away are not made up for. */
static void test_damage(void **state)
{
    struct error err = ERROR_INIT;
    struct recoverable *f = NULL;
    STR_AUTO handle = STR_INIT;
    must(recoverable_open("hdfs:///r/file", &f, &err), &err);
    write_more(f, 2 * PART);
    must(recoverable_close_for_commit(&f, &handle, &err), &err);
    must(fs_delete("hdfs:///r", FS_DELETE_RECURSIVE, &err), &err);
    assert_int_equal(recoverable_commit(str_slice(&handle), &err), ERR_NOT_FOUND);
    fake_hdfs_put(&server, "/r/file", SLICE_LIT("short"));
    assert_int_equal(recoverable_commit_after_recovery(str_slice(&handle), &err), ERR_CORRUPT);
    clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_persist_and_recover),
        cmocka_unit_test(test_commit_persisted),
        cmocka_unit_test(test_broken_commits),
        cmocka_unit_test(test_broken_uploads),
        cmocka_unit_test(test_no_concat),
        cmocka_unit_test(test_earlier_handles),
        cmocka_unit_test(test_many_writers),
        cmocka_unit_test(test_bad_handles),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
