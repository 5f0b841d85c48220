/* Locations: Flink's ways to write a path, and the ways not to. */
#include "fs_fixture.h"

static void check(const char *uri, const char *path)
{
    struct fs_location at;
    assert_int_equal(fs_location_parse(uri, &at, NULL), 0);
    assert_string_equal(at.path, path);
    assert_string_equal(at.scheme, "file");
    assert_ptr_equal(at.driver, &fs_driver_local);
    fs_location_fini(&at);
}

static void test_paths(void **state)
{
    check("/a/b", "/a/b");
    check("/", "/");
    check("//a", "/a");
    check("/a//b/./c/", "/a/b/c");
    check("/a/../b", "/b");
    check("/../..", "/");
    check("/a/b/..", "/a");
    check("file:///a/b", "/a/b");
    check("file:/a", "/a");
    check("FILE:///a", "/a");
    check("file://localhost/a", "/a");
    check("file:///", "/");
    check("/a:b/c", "/a:b/c");
    check("/with space/%20", "/with space/%20");
}

static void test_relative(void **state)
{
    char cwd[4096], want[4200];
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(want, sizeof(want), "%s/x/y", cwd);
    check("x/y", want);
    check("./x/y", want);
    check("z/../x/y", want);
    snprintf(want, sizeof(want), "%s/a:b", cwd);
    check("./a:b", want);
    check(".", cwd);
}

static void check_refused(const char *uri, int code, const char *part)
{
    struct error err = ERROR_INIT;
    struct fs_location at;
    assert_int_equal(fs_location_parse(uri, &at, &err), code);
    assert_non_null(strstr(err.message, part));
}

static void test_refused(void **state)
{
    check_refused("", ERR_INVALID_ARGUMENT, "empty");
    check_refused(NULL, ERR_INVALID_ARGUMENT, "empty");
    check_refused("nofs://bucket/x", ERR_UNSUPPORTED, "'nofs' (there is: file");
    check_refused("a:b", ERR_UNSUPPORTED, "./a:b");
    check_refused("file://data/x", ERR_INVALID_ARGUMENT, "file:///data/x");
    check_refused("file:x", ERR_INVALID_ARGUMENT, "absolute");
    check_refused("averyveryverylongscheme:/x", ERR_INVALID_ARGUMENT, "scheme");
    char *longest = mem_alloc(6000);
    memset(longest, 'x', 6000);
    longest[0] = '/';
    longest[5999] = '\0';
    check_refused(longest, ERR_INVALID_ARGUMENT, "limit is 4095");
    mem_free(longest);
}

static void test_format(void **state)
{
    struct fs_location at;
    STR_AUTO uri = STR_INIT;
    assert_int_equal(fs_location_parse("/a/b", &at, NULL), 0);
    fs_location_format(&at, &uri);
    assert_string_equal(str_cstr(&uri), "file:/a/b");
    fs_location_fini(&at);
    fs_location_fini(&at);
}

static void test_join(void **state)
{
    STR_AUTO uri = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_join("/a/b//", "c d", &uri, &err), 0);
    assert_string_equal(str_cstr(&uri), "/a/b/c d");
    str_clear(&uri);
    assert_int_equal(fs_join("/", "c", &uri, &err), 0);
    assert_string_equal(str_cstr(&uri), "/c");
    const char *bad[] = {"", ".", "..", "a/b", "../etc"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(fs_join("/a", bad[i], &uri, &err), ERR_INVALID_ARGUMENT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_paths),  FS_TEST(test_relative), FS_TEST(test_refused),
        FS_TEST(test_format), FS_TEST(test_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
