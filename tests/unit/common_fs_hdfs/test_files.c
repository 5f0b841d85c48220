/* Files of HDFS against a server in memory: what the interface promises, and what goes wrong on the way. */
#include "common/fs/hdfs/inside.h"
#include "common/fs/remote/input.h"
#include "tests/unit/common_fs/whole_files.h"

#include "fake_hdfs.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE = 5 * 1024 * 1024 + 12345 };

static struct fake_hdfs server;
static struct str large;

static int start(void **state)
{
    fake_hdfs_start(&server);
    fake_hdfs_configure(&server, NULL);
    fill_bytes(&large, LARGE);
    return 0;
}

static int stop(void **state)
{
    hdfs_shut_down();
    fake_hdfs_stop(&server);
    str_fini(&large);
    return 0;
}

static int write_file(const char *uri, struct slice bytes, enum fs_write_mode mode,
                      struct error *err)
{
    return write_file_by(uri, bytes, 70001, mode, err);
}

static void put(const char *uri, struct slice bytes)
{
    struct error err = ERROR_INIT;
    if (write_file(uri, bytes, FS_OVERWRITE, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

/* Nothing hidden is left. */
static void expect_names(const char *uri, const char *names)
{
    struct error err = ERROR_INIT;
    struct fs_list list = FS_LIST_INIT;
    STR_AUTO found = STR_INIT;
    if (fs_list_dir(uri, &list, &err) < 0) {
        fail_msg("%s", err.message);
    }
    for (size_t i = 0; i < list.n; i++) {
        str_printf(&found, "%s%s", i > 0 ? " " : "", list.entries[i].name);
    }
    fs_list_fini(&list);
    assert_string_equal(str_cstr(&found), names);
}

static void test_small_and_large(void **state)
{
    char uri[64];
    put("hdfs:///d/small", SLICE_LIT("hello"));
    put("hdfs://fake/d/empty", SLICE_LIT(""));
    put("hdfs:/d/x/large", str_slice(&large));
    expect_file("hdfs://fake/d/small", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT("hello"));
    expect_file("hdfs:///d/empty", FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT(""));
    expect_file("hdfs:///d/x/large", FS_ACCESS_SEQUENTIAL, 100003, str_slice(&large));
    expect_file("hdfs:///d/x/large", FS_ACCESS_RANDOM, 3000000, str_slice(&large));
    snprintf(uri, sizeof(uri), "webhdfs://127.0.0.1:%u/d/small", server.ports[0]);
    expect_file(uri, FS_ACCESS_SEQUENTIAL, 3, SLICE_LIT("hello"));
    assert_non_null(strstr(server.last_query, "user.name=me%20%26%20you"));
    expect_names("hdfs:///d", "empty small x");
    expect_names("hdfs:///d/x", "large");
}

static void test_create_new(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out;
    for (int i = 0; i < 2; i++) { /* a name node, and HttpFS */
        server.is_gateway = i == 1;
        assert_int_equal(write_file("hdfs:///n/new", SLICE_LIT("1"), FS_CREATE_NEW, &err), 0);
        assert_int_equal(write_file("hdfs:///n/new", SLICE_LIT("2"), FS_CREATE_NEW, &err),
                         ERR_ALREADY_EXISTS);
        /* Somebody is quicker after the first look. */
        assert_int_equal(fs_create("hdfs:///n/raced", FS_CREATE_NEW, &out, &err), 0);
        put("hdfs:///n/raced", SLICE_LIT("theirs"));
        assert_int_equal(fs_output_write(out, "ours", 4, &err), 0);
        assert_int_equal(fs_output_close(&out, &err), ERR_ALREADY_EXISTS);
        expect_file("hdfs:///n/raced", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("theirs"));
        put("hdfs:///n/raced", SLICE_LIT("another"));
        expect_file("hdfs:///n/raced", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("another"));
        expect_names("hdfs:///n", "new raced");
        assert_int_equal(fs_delete("hdfs:///n", FS_DELETE_RECURSIVE, &err), 0);
    }
    server.is_gateway = false;
}

/* It is not seen before it is closed, and never when it is given up. */
static void test_unseen(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_output *out;
    const size_t sizes[] = {5, LARGE};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(fs_create("hdfs:///u/file", FS_OVERWRITE, &out, &err), 0);
        assert_int_equal(fs_output_write(out, large.data, sizes[i], &err), 0);
        assert_int_equal(fs_exists("hdfs:///u/file", &err), 0);
        fs_output_abandon(out);
        assert_int_equal(fs_exists("hdfs:///u/file", &err), 0);
    }
    assert_int_equal(fs_hides_unfinished("hdfs:///u", &err), 1);
    assert_int_equal(fs_has_folders("hdfs:///u", &err), 1);
}

static void test_names(void **state)
{
    struct error err = ERROR_INIT;
    struct fs_status status;
    struct fs_list list = FS_LIST_INIT;
    for (int i = 0; i < 2; i++) {
        server.is_gateway = i == 1;
        for (int k = 0; k < 8; k++) { /* pages have three */
            char uri[64];
            snprintf(uri, sizeof(uri), "hdfs:///names/f %d+%%.txt", k);
            put(uri, SLICE_LIT("x"));
        }
        assert_int_equal(fs_mkdirs("hdfs:///names/sub/deep", &err), 0);
        assert_int_equal(fs_glob("hdfs:///names/f*[1-3]+%.txt", &list, &err), 0);
        assert_int_equal(list.n, 3);
        fs_list_fini(&list);
        assert_int_equal(fs_list_dir("hdfs:///names", &list, &err), 0);
        assert_int_equal(list.n, 9);
        assert_string_equal(list.entries[0].path, "hdfs:/names/f 0+%.txt");
        assert_int_equal(list.entries[8].status.kind, FS_KIND_DIRECTORY);
        fs_list_fini(&list);
        assert_int_equal(fs_stat("hdfs:///names/sub", &status, &err), 0);
        assert_int_equal(status.kind, FS_KIND_DIRECTORY);
        assert_int_equal(status.modified_ms, 1795357717958);
        assert_int_equal(fs_rename("hdfs:///names/f 0+%.txt", "hdfs:///names/f 1+%.txt", &err), 0);
        assert_int_equal(fs_exists("hdfs:///names/f 0+%.txt", &err), 0);
        assert_int_equal(fs_rename("hdfs:///names/none", "hdfs:///names/x", &err), ERR_NOT_FOUND);
        assert_int_equal(fs_delete("hdfs:///names/none", FS_DELETE_ONE, &err), ERR_NOT_FOUND);
        assert_int_equal(fs_delete("hdfs:///names", FS_DELETE_ONE, &err), ERR_INVALID_ARGUMENT);
        assert_int_equal(fs_list_dir("hdfs:///none", &list, &err), ERR_NOT_FOUND);
        assert_int_equal(fs_mkdirs("hdfs:///names/f 1+%.txt", &err), ERR_ALREADY_EXISTS);
        assert_int_equal(write_file("hdfs:///names/sub", SLICE_LIT("x"), FS_OVERWRITE, &err),
                         ERR_INVALID_ARGUMENT);
        assert_int_equal(fs_delete("hdfs:///names", FS_DELETE_RECURSIVE, &err), 0);
    }
    server.is_gateway = false;
}

/* Each fault that passes, at each step of writing, showing and reading a file. */
static void test_faults_that_pass(void **state)
{
    static const enum fake_fault faults[] = {FAKE_BUSY,  FAKE_SAFE_MODE, FAKE_RETRIABLE,
                                             FAKE_RESET, FAKE_LOST,      FAKE_CUT};
    static const struct {
        const char *op;
        int stage;
    } steps[] = {{"CREATE", 1},        {"CREATE", 2}, {"RENAME", 0},
                 {"OPEN", 1},          {"OPEN", 2},   {"MKDIRS", 0},
                 {"GETFILESTATUS", 0}, {"DELETE", 0}, {"LISTSTATUS_BATCH", 0}};
    struct error err = ERROR_INIT;
    for (size_t f = 0; f < ARRAY_LEN(faults); f++) {
        for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
            fake_hdfs_fail(&server, faults[f], steps[i].op, steps[i].stage, 1);
            assert_int_equal(fs_mkdirs("hdfs:///f/x", &err), 0);
            if (write_file("hdfs:///f/x/file", SLICE_LIT("all of it"), FS_CREATE_NEW, &err) < 0) {
                fail_msg("%d %s: %s", faults[f], steps[i].op, err.message);
            }
            expect_file("hdfs:///f/x/file", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("all of it"));
            put("hdfs:///f/x/file", SLICE_LIT("another"));
            expect_file("hdfs:///f/x/file", FS_ACCESS_RANDOM, 100, SLICE_LIT("another"));
            assert_int_equal(fs_exists("hdfs:///f/x/file", &err), 1);
            struct fs_list list = FS_LIST_INIT;
            assert_int_equal(fs_list_dir("hdfs:///f/x", &list, &err), 0);
            fs_list_fini(&list);
            if (fs_delete("hdfs:///f", FS_DELETE_RECURSIVE, &err) < 0) {
                fail_msg("%d %s: %s", faults[f], steps[i].op, err.message);
            }
            assert_int_equal(server.n_faults, 0);
        }
    }
}

/* Half a file stays behind under a name that nobody knows. */
static void test_half_a_file(void **state)
{
    struct error err = ERROR_INIT;
    fake_hdfs_fail(&server, FAKE_HALF, "CREATE", 2, 1);
    assert_int_equal(write_file("hdfs:///h/small", SLICE_LIT("all of it"), FS_OVERWRITE, &err), 0);
    expect_file("hdfs:///h/small", FS_ACCESS_SEQUENTIAL, 100, SLICE_LIT("all of it"));
    expect_names("hdfs:///h", "small");
    /* What is sent while it is written is sent once: it fails, and is not seen. */
    fake_hdfs_fail(&server, FAKE_HALF, "CREATE", 2, 1);
    assert_int_equal(write_file("hdfs:///h/large", str_slice(&large), FS_OVERWRITE, &err),
                     ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "hdfs://fake/h/"));
    expect_names("hdfs:///h", "small");
    /* All of it was sent, and only the answer is lost. */
    fake_hdfs_fail(&server, FAKE_LOST, "CREATE", 2, 1);
    assert_int_equal(write_file("hdfs:///h/large", str_slice(&large), FS_CREATE_NEW, &err), 0);
    expect_file("hdfs:///h/large", FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
    expect_names("hdfs:///h", "large small");
}

static void test_lost_forever(void **state)
{
    struct error err = ERROR_INIT;
    static const struct {
        enum fake_fault fault;
        enum error_code code;
        const char *words[3];
    } cases[] = {
        {FAKE_BUSY, ERR_UNAVAILABLE, {"503", "(4 tries)", "as me & you"}},
        {FAKE_SAFE_MODE, ERR_UNAVAILABLE, {"safe mode", "dfsadmin", "(4 tries)"}},
        {FAKE_STANDBY, ERR_UNAVAILABLE, {"StandbyException", "haadmin", "hdfs://fake"}},
        {FAKE_DENIED, ERR_PERMISSION, {"AccessControlException", "fs.hdfs.user", "access=WRITE"}},
        {FAKE_QUOTA, ERR_NO_SPACE, {"quota", "setSpaceQuota", "/q is exceeded"}},
        {FAKE_RESET, ERR_UNAVAILABLE, {"haadmin", "the connection broke", "tries"}},
        {FAKE_LOOP, ERR_INVALID_CONFIG, {"redirection", "leads", "HttpFS"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        error_clear(&err);
        fake_hdfs_fail(&server, cases[i].fault, "CREATE", 0, 1000);
        int rc = write_file("hdfs:///l/x", SLICE_LIT("x"), FS_OVERWRITE, &err);
        fake_hdfs_fail(&server, FAKE_NONE, NULL, 0, 0);
        for (size_t k = 0; k < 3; k++) {
            if (strstr(err.message, cases[i].words[k]) == NULL) {
                fail_msg("%s: %s", cases[i].words[k], err.message);
            }
        }
        assert_int_equal(rc, cases[i].code);
        assert_null(strstr(err.message, "Z.java"));
    }
}

/* Reads that were cut go on with all bytes. */
static void test_large_reads(void **state)
{
    static const enum fake_fault faults[] = {FAKE_CUT, FAKE_RESET, FAKE_BUSY};
    fake_hdfs_put(&server, "/r/large", str_slice(&large));
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        fake_hdfs_fail(&server, faults[i], "OPEN", 2, 2);
        expect_file("hdfs:///r/large", FS_ACCESS_SEQUENTIAL, 1000000, str_slice(&large));
        assert_int_equal(server.n_faults, 0);
    }
}

/* The other one is the active one; it is asked first from then on. */
static void test_pair(void **state)
{
    struct error err = ERROR_INIT;
    server.active = 1;
    put("hdfs:///p/x", SLICE_LIT("x"));
    uint32_t before = server.n_requests;
    assert_int_equal(fs_exists("hdfs:///p/x", &err), 1);
    assert_int_equal(server.n_requests, before + 1);
    server.active = 0;
    assert_int_equal(fs_exists("hdfs:///p/x", &err), 1);
    server.active = 2;
    assert_int_equal(fs_exists("hdfs:///p/x", &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "none of its name nodes is the active one"));
    server.active = 0;
    /* One that is not there at all. */
    char gone[64];
    snprintf(gone, sizeof(gone), "127.0.0.1:%u", 1);
    const char *const more[] = {"flink.hadoop.dfs.namenode.http-address.fake.b", gone,
                                "flink.hadoop.dfs.ha.namenodes.fake", "b,a", NULL};
    fake_hdfs_configure(&server, more);
    put("hdfs:///p/y", SLICE_LIT("y"));
    expect_file("hdfs:///p/y", FS_ACCESS_SEQUENTIAL, 10, SLICE_LIT("y"));
    fake_hdfs_configure(&server, NULL);
}

static void test_who_is_not_there(void **state)
{
    struct error err = ERROR_INIT;
    const char *const fast[] = {"fs.hdfs.retry.max-num-retries", "0", NULL};
    fake_hdfs_configure(&server, fast);
    assert_int_equal(fs_exists("webhdfs://127.0.0.1:1/x", &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "127.0.0.1:1"));
    assert_non_null(strstr(err.message, "Connection refused"));
    assert_non_null(strstr(err.message, "that of the path"));
    assert_int_equal(fs_exists("hdfs://no-such-host.invalid:8020/x", &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "no-such-host.invalid:9870"));
    hdfs_shut_down();
    assert_int_equal(fs_exists("hdfs:///x", &err), ERR_CLOSED);
    fake_hdfs_configure(&server, NULL);
}

static void test_configuration(void **state)
{
    static const char *const wrong[][3] = {
        {"fs.hdfs.write-buffer", "1 kb", "fs.hdfs.write-buffer"},
        {"fs.hdfs.retry.max-num-retries", "101", "fs.hdfs.retry.max-num-retries"},
        {"security.kerberos.login.keytab", "/no/such/keytab", "security.kerberos.login.keytab"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct conf conf;
        struct error err = ERROR_INIT;
        conf_init(&conf, NULL);
        assert_int_equal(conf_set(&conf, wrong[i][0], wrong[i][1], &err), 0);
        assert_int_equal(hdfs_register(&conf, &err), ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, wrong[i][2]));
        conf_fini(&conf);
    }
}

/* A token stands where the user would. */
static void test_token(void **state)
{
    struct error err = ERROR_INIT;
    char path[] = "/tmp/flinc-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "to ken\n", 7) == 7);
    close(fd);
    const char *const more[] = {"fs.hdfs.delegation-token-file", path, NULL};
    fake_hdfs_configure(&server, more);
    assert_int_equal(fs_exists("hdfs:///", &err), 1);
    assert_non_null(strstr(server.last_query, "delegation=to%20ken"));
    assert_null(strstr(server.last_query, "user.name"));
    unlink(path);
    assert_int_equal(fs_exists("hdfs:///", &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "fs.hdfs.delegation-token-file"));
    fake_hdfs_configure(&server, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_and_large),
        cmocka_unit_test(test_create_new),
        cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_faults_that_pass),
        cmocka_unit_test(test_half_a_file),
        cmocka_unit_test(test_lost_forever),
        cmocka_unit_test(test_large_reads),
        cmocka_unit_test(test_pair),
        cmocka_unit_test(test_who_is_not_there),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
