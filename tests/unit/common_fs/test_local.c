/* Local names: status, listing, folders, renaming, and what errors say. */
#include "fs_fixture.h"

static void test_stat(void **state)
{
    struct fs_status st;
    struct error err = ERROR_INIT;
    put_text(in_dir("f"), "12345");
    assert_int_equal(fs_stat(in_dir("f"), &st, &err), 0);
    assert_int_equal(st.kind, FS_KIND_FILE);
    assert_int_equal(st.size_bytes, 5);
    assert_false(st.is_link);
    assert_true(st.modified_ms > 1000000000000);
    assert_int_equal(fs_stat(fixture_dir, &st, &err), 0);
    assert_int_equal(st.kind, FS_KIND_DIRECTORY);
    assert_int_equal(st.size_bytes, 0);
    assert_int_equal(symlink("f", in_dir("link")), 0);
    assert_int_equal(symlink("nothing", in_dir("dangling")), 0);
    assert_int_equal(fs_stat(in_dir("link"), &st, &err), 0);
    assert_int_equal(st.size_bytes, 5);
    assert_true(st.is_link);
    assert_int_equal(fs_stat(in_dir("dangling"), &st, &err), ERR_NOT_FOUND);
    check_error(&err, ERR_NOT_FOUND, "dangling", "link to nothing");
    assert_int_equal(fs_stat(in_dir("f/x"), &st, &err), ERR_NOT_FOUND);
    check_error(&err, ERR_NOT_FOUND, "f/x", "is a file and no folder");
    assert_int_equal(fs_stat(in_dir("g"), &st, &err), ERR_NOT_FOUND);
    check_error(&err, ERR_NOT_FOUND, "/g: No such file", "check the spelling");
}

static void test_list_is_sorted_and_typed(void **state)
{
    struct fs_list list;
    put_text(in_dir("b"), "1");
    put_text(in_dir("a"), "22");
    put_text(in_dir(".hidden"), "");
    assert_int_equal(fs_mkdirs(in_dir("c"), NULL), 0);
    assert_int_equal(symlink("nothing", in_dir("d")), 0);
    assert_int_equal(mkfifo(in_dir("e"), 0600), 0);
    assert_int_equal(symlink("c", in_dir("z")), 0);
    assert_int_equal(fs_list_dir(fixture_dir, &list, NULL), 0);
    const char *names[] = {".hidden", "a", "b", "c", "d", "e", "z"};
    const enum fs_kind kinds[] = {FS_KIND_FILE,      FS_KIND_FILE,    FS_KIND_FILE,
                                  FS_KIND_DIRECTORY, FS_KIND_SYMLINK, FS_KIND_OTHER,
                                  FS_KIND_DIRECTORY};
    assert_int_equal(list.n, ARRAY_LEN(names));
    for (size_t i = 0; i < list.n; i++) {
        assert_string_equal(list.entries[i].name, names[i]);
        assert_string_equal(list.entries[i].path, in_dir(names[i]));
        assert_int_equal(list.entries[i].status.kind, kinds[i]);
        assert_int_equal(list.entries[i].status.is_link, i == 4 || i == 6);
    }
    assert_int_equal(list.entries[1].status.size_bytes, 2);
    fs_list_fini(&list);
}

static void test_list_errors(void **state)
{
    struct fs_list list;
    struct error err = ERROR_INIT;
    put_text(in_dir("f"), "x");
    assert_int_equal(fs_list_dir(in_dir("none"), &list, &err), ERR_NOT_FOUND);
    assert_int_equal(fs_list_dir(in_dir("f"), &list, &err), ERR_NOT_FOUND);
    assert_int_equal(failpoint_configure("fs.local.list=error", NULL), 0);
    assert_true(fs_list_dir(fixture_dir, &list, &err) < 0);
    failpoint_clear_all();
    if (!is_root()) {
        assert_int_equal(mkdir(in_dir("closed"), 0), 0);
        assert_int_equal(fs_list_dir(in_dir("closed"), &list, &err), ERR_PERMISSION);
        check_error(&err, ERR_PERMISSION, "closed", "check the permissions");
    }
}

static void test_mkdirs(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fs_mkdirs(in_dir("a/b/c"), &err), 0);
    assert_int_equal(fs_mkdirs(in_dir("a/b/c"), &err), 0);
    assert_int_equal(fs_mkdirs("/", &err), 0);
    put_text(in_dir("f"), "x");
    assert_int_equal(fs_mkdirs(in_dir("f"), &err), ERR_ALREADY_EXISTS);
    assert_true(fs_mkdirs(in_dir("f/g"), &err) < 0);
    assert_non_null(strstr(err.message, "/f"));
    assert_int_equal(symlink("a", in_dir("link")), 0);
    assert_int_equal(fs_mkdirs(in_dir("link/d"), &err), 0);
    assert_int_equal(fs_exists(in_dir("a/d"), &err), 1);
}

static void test_rename(void **state)
{
    struct error err = ERROR_INIT;
    put_text(in_dir("a"), "new");
    put_text(in_dir("b"), "old");
    assert_int_equal(fs_rename(in_dir("a"), in_dir("b"), &err), 0);
    check_file(in_dir("b"), "new");
    assert_int_equal(fs_exists(in_dir("a"), &err), 0);
    assert_int_equal(fs_rename(in_dir("a"), in_dir("c"), &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/a"));
    assert_non_null(strstr(err.frames, "/c"));
    assert_int_equal(failpoint_configure("fs.local.rename=error", NULL), 0);
    assert_true(fs_rename(in_dir("b"), in_dir("c"), &err) < 0);
    assert_int_equal(fs_exists(in_dir("b"), &err), 1);
}

static void test_sync_folder(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(fs_sync_folder(in_dir("."), &err), 0);
    assert_int_equal(fs_sync_folder(in_dir("missing"), &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/missing"));
    assert_int_equal(failpoint_configure("fs.local.sync_parent=error", NULL), 0);
    assert_true(fs_sync_folder(in_dir("."), &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_stat),        FS_TEST(test_list_is_sorted_and_typed),
        FS_TEST(test_list_errors), FS_TEST(test_mkdirs),
        FS_TEST(test_rename),      FS_TEST(test_sync_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
