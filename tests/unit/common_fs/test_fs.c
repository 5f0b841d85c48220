/* The drivers by scheme, and what the functions of fs.h check before they call one. */
#include "fs_fixture.h"

static int none_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err)
{
    assert_string_equal(at->authority, "bucket");
    assert_string_equal(at->path, "/k/ey");
    *ret_status = (struct fs_status){.kind = FS_KIND_FILE, .size_bytes = 42};
    return 0;
}

static const struct fs_driver test_driver = {
    .scheme = "test", .description = "a test's files", .stat = none_stat};

static void test_drivers(void **state)
{
    struct error err = ERROR_INIT;
    assert_ptr_equal(fs_driver_find("file"), &fs_driver_local);
    assert_null(fs_driver_find("test"));
    assert_int_equal(fs_driver_register(&test_driver, &err), 0);
    assert_int_equal(fs_driver_register(&test_driver, &err), ERR_ALREADY_EXISTS);
    struct fs_status status;
    assert_int_equal(fs_stat("test://bucket/k/ey", &status, NULL), 0);
    assert_int_equal(status.size_bytes, 42);
    STR_AUTO known = STR_INIT;
    fs_driver_schemes(&known);
    assert_string_equal(str_cstr(&known), "file, test");

    assert_int_equal(fs_rename("test://bucket/a", "/b", &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(fs_rename("test://b1/a", "test://b2/a", &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(fs_delete("test://bucket/", FS_DELETE_RECURSIVE, &err), ERR_INVALID_ARGUMENT);
    struct recoverable *file;
    assert_int_equal(recoverable_open("test://bucket/k", &file, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "a test's files"));
}

static struct fs_driver more_drivers[FS_DRIVERS_MAX];
static char more_schemes[FS_DRIVERS_MAX][8];

static void test_too_many_drivers(void **state)
{
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(more_drivers) && rc == 0; i++) {
        (void)snprintf(more_schemes[i], sizeof(more_schemes[i]), "m%zu", i);
        more_drivers[i].scheme = more_schemes[i];
        rc = fs_driver_register(&more_drivers[i], NULL);
    }
    assert_int_equal(rc, ERR_LIMIT);
}

static void test_root_is_never_deleted(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fs_delete("/", FS_DELETE_RECURSIVE, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(fs_delete("/tmp/..", FS_DELETE_RECURSIVE, &err), ERR_INVALID_ARGUMENT);
}

static void test_closing_nothing(void **state)
{
    struct fs_output *out = NULL;
    assert_int_equal(fs_output_close(&out, NULL), 0);
    assert_null(fs_output_abandon(NULL));
    assert_null(fs_input_close(NULL));
}

static void test_exists(void **state)
{
    struct error err = ERROR_INIT;
    put_text(in_dir("f"), "x");
    assert_int_equal(fs_exists(in_dir("f"), &err), 1);
    assert_int_equal(fs_exists(in_dir("g"), &err), 0);
    assert_int_equal(fs_exists("nofs:/x", &err), ERR_UNSUPPORTED);
    assert_int_equal(failpoint_configure("fs.local.stat=error", NULL), 0);
    assert_true(fs_exists(in_dir("f"), &err) < 0);
}

static void test_names(void **state)
{
    assert_string_equal(fs_kind_name(FS_KIND_DIRECTORY), "directory");
    assert_string_equal(fs_kind_name((enum fs_kind)33), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_drivers),
        FS_TEST(test_too_many_drivers),
        FS_TEST(test_root_is_never_deleted),
        FS_TEST(test_closing_nothing),
        FS_TEST(test_exists),
        FS_TEST(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
