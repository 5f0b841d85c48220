/* Deleting: one name, trees, links that lead outside, deep trees. */
#include "fs_fixture.h"

static void test_one(void **state)
{
    struct error err = ERROR_INIT;
    put_text(in_dir("f"), "x");
    put_text(in_dir("d/f"), "x");
    assert_int_equal(fs_delete(in_dir("f"), FS_DELETE_ONE, &err), 0);
    assert_int_equal(fs_delete(in_dir("f"), FS_DELETE_ONE, &err), ERR_NOT_FOUND);
    assert_true(fs_delete(in_dir("d"), FS_DELETE_ONE, &err) < 0);
    assert_non_null(strstr(err.message, "not empty"));
    assert_int_equal(fs_mkdirs(in_dir("e"), NULL), 0);
    assert_int_equal(fs_delete(in_dir("e"), FS_DELETE_ONE, &err), 0);
    assert_int_equal(fs_exists(in_dir("e"), &err), 0);
}

static void test_tree(void **state)
{
    struct error err = ERROR_INIT;
    put_text(in_dir("t/a/b/c"), "x");
    put_text(in_dir("t/a/d"), "x");
    put_text(in_dir("t/.hidden"), "x");
    assert_int_equal(fs_mkdirs(in_dir("t/empty"), NULL), 0);
    assert_int_equal(fs_delete(in_dir("t"), FS_DELETE_RECURSIVE, &err), 0);
    assert_int_equal(fs_exists(in_dir("t"), &err), 0);
    assert_int_equal(fs_delete(in_dir("t"), FS_DELETE_RECURSIVE, &err), ERR_NOT_FOUND);
    put_text(in_dir("f"), "x");
    assert_int_equal(fs_delete(in_dir("f"), FS_DELETE_RECURSIVE, &err), 0);
}

static void test_links_are_not_followed(void **state)
{
    put_text(in_dir("keep/precious"), "x");
    put_text(in_dir("t/f"), "x");
    assert_int_equal(symlink(in_dir("keep"), in_dir("t/outside")), 0);
    assert_int_equal(symlink("../keep/precious", in_dir("t/file")), 0);
    assert_int_equal(symlink("nothing", in_dir("t/dangling")), 0);
    assert_int_equal(fs_delete(in_dir("t"), FS_DELETE_RECURSIVE, NULL), 0);
    check_file(in_dir("keep/precious"), "x");
    /* A link at the top goes, what it leads to stays. */
    assert_int_equal(symlink("keep", in_dir("link")), 0);
    assert_int_equal(fs_delete(in_dir("link"), FS_DELETE_RECURSIVE, NULL), 0);
    check_file(in_dir("keep/precious"), "x");
}

static void test_too_deep(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    str_append_cstr(&path, in_dir("t"));
    for (int i = 0; i < FS_DEPTH_MAX + 10; i++) {
        str_append_cstr(&path, "/d");
    }
    assert_int_equal(fs_mkdirs(str_cstr(&path), NULL), 0);
    assert_int_equal(fs_delete(in_dir("t"), FS_DELETE_RECURSIVE, &err), ERR_LIMIT);
    for (int i = 0; i < 20; i++) { /* shorten it, so that the teardown can */
        assert_int_equal(fs_delete(str_cstr(&path), FS_DELETE_ONE, NULL), 0);
        path.data[path.len -= 2] = '\0';
    }
}

static void test_failpoint(void **state)
{
    put_text(in_dir("f"), "x");
    assert_int_equal(failpoint_configure("fs.local.delete=error", NULL), 0);
    assert_true(fs_delete(in_dir("f"), FS_DELETE_ONE, NULL) < 0);
    failpoint_clear_all();
    check_file(in_dir("f"), "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_one),      FS_TEST(test_tree),      FS_TEST(test_links_are_not_followed),
        FS_TEST(test_too_deep), FS_TEST(test_failpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
