/* Globs: matching names against a table, walking folders, braces, limits. */
#include "fs_fixture.h"

struct match_case {
    const char *pattern, *name;
    bool match;
};

static const struct match_case match_cases[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a", "", false},
    {"", "", true},
    {"", "a", false},
    {"*", "", true},
    {"*", "anything", true},
    {"*.txt", "a.txt", true},
    {"*.txt", "a.txt.gz", false},
    {"a*b*c", "aXXbYYc", true},
    {"a*b*c", "abc", true},
    {"a*b*c", "abbcb", false},
    {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
    {"?", "x", true},
    {"?", "", false},
    {"?", "xy", false},
    {"?", "\xc3\xa4", true}, /* one character of two bytes */
    {"??", "\xc3\xa4", false},
    {"?", "\xff", true}, /* no UTF-8: one byte */
    {"*\xc3\xa4", "x\xc3\xa4", true},
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[a-c]x", "bx", true},
    {"[!a-c]", "d", true},
    {"[^a-c]", "b", false},
    {"[]a]", "]", true},
    {"[!]a]", "]", false},
    {"[a-]", "-", true},
    {"[\\]]", "]", true},
    {"[\xc3\xa4-\xc3\xbc]", "\xc3\xb6", true},
    {"[abc", "[abc", true}, /* not closed: an ordinary character */
    {"\\*", "*", true},
    {"\\*", "x", false},
    {"\\\\", "\\", true},
    {"a\\", "a\\", true},
    {"part-?-*", "part-0-12", true},
    {"*", ".hidden", false},
    {"?hidden", ".hidden", false},
    {"[.]hidden", ".hidden", false},
    {".*", ".hidden", true},
    {"\\.h*", ".hidden", true},
};

static void test_match(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(match_cases); i++) {
        const struct match_case *c = &match_cases[i];
        if (fs_glob_match(c->pattern, c->name) != c->match) {
            fail_msg("'%s' against '%s'", c->pattern, c->name);
        }
    }
}

static void test_is_glob(void **state)
{
    assert_true(fs_is_glob("/a/*.txt"));
    assert_true(fs_is_glob("a{b}"));
    assert_true(fs_is_glob("[x"));
    assert_true(fs_is_glob("?"));
    assert_false(fs_is_glob("/a/b.txt"));
    assert_false(fs_is_glob("\\*\\?"));
}

/* Compares what is found with names separated by blanks. */
static void check(const char *pattern, const char *want)
{
    struct fs_list list;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    if (fs_glob(in_dir(pattern), &list, &err) < 0) {
        fail_msg("%s: %s", pattern, err.message);
    }
    for (size_t i = 0; i < list.n; i++) {
        const char *path = list.entries[i].path;
        assert_true(cstr_starts_with(path, fixture_dir));
        str_printf(&got, "%s%s", i > 0 ? " " : "", path + strlen(fixture_dir) + 1);
        const char *name = strrchr(path, '/') + 1;
        assert_string_equal(list.entries[i].name, name);
    }
    if (strcmp(str_cstr(&got), want) != 0) {
        fail_msg("%s: found '%s', not '%s'", pattern, str_cstr(&got), want);
    }
    fs_list_fini(&list);
}

static void make_tree(void)
{
    put_text(in_dir("a.txt"), "1");
    put_text(in_dir("b.txt"), "2");
    put_text(in_dir("c.log"), "3");
    put_text(in_dir(".hidden.txt"), "4");
    put_text(in_dir("x/d.txt"), "5");
    put_text(in_dir("x/y/e.txt"), "6");
    put_text(in_dir("x/.h/f.txt"), "7");
    put_text(in_dir("z/g.txt"), "8");
}

static void test_walk(void **state)
{
    make_tree();
    check("*.txt", "a.txt b.txt");
    check(".*", ".hidden.txt");
    check("*/*.txt", "x/d.txt z/g.txt");
    check("x/*", "x/d.txt x/y");
    check("?", "x z");
    check("[a-b].*", "a.txt b.txt");
    check("**/*.txt", "a.txt b.txt x/d.txt x/y/e.txt z/g.txt");
    check("**/**/*.txt", "a.txt b.txt x/d.txt x/y/e.txt z/g.txt");
    check("x/**", "x/d.txt x/y x/y/e.txt");
    check("**/y/**", "x/y/e.txt");
    check("x/**/e.txt", "x/y/e.txt");
    check("a.txt", "a.txt");
    check("x", "x");
    check("none", "");
    check("none/*.txt", "");
    check("a.txt/*", "");
    check("*/y/e.txt", "x/y/e.txt");
    check("x/y/../*.txt", "x/d.txt");
}

static void test_braces(void **state)
{
    make_tree();
    check("{a,b,none}.txt", "a.txt b.txt");
    check("{a,c}.{txt,log}", "a.txt c.log");
    check("{*.log,x/{d,y/e}.txt}", "c.log x/d.txt x/y/e.txt");
    check("{a,a,a*}.txt", "a.txt");
    check("a{,b}.txt", "a.txt");
    check("{a}.txt", "a.txt");

    struct fs_list list;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_glob(in_dir("{a,b"), &list, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "not closed"));
    assert_int_equal(
        fs_glob(in_dir("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"), &list, &err),
        ERR_LIMIT);
}

static void test_odd_names(void **state)
{
    put_text(in_dir("a[1].txt"), "x");
    put_text(in_dir("a1.txt"), "x");
    put_text(in_dir("q*"), "x");
    put_text(in_dir("qq"), "x");
    check("a[1].txt", "a[1].txt"); /* named exactly so */
    check("a[1].*", "a1.txt");
    check("a\\[1\\].txt", "a[1].txt");
    check("q\\*", "q*");
    check("q*", "q*");
    check("{q*,none}", "q* qq");
}

/* A link to a folder above: `**` does not run around in it, a star follows it once. */
static void test_links(void **state)
{
    put_text(in_dir("x/f"), "1");
    assert_int_equal(symlink("..", in_dir("x/up")), 0);
    assert_int_equal(symlink("nothing", in_dir("x/dangling")), 0);
    check("**", "x x/dangling x/f x/up");
    check("x/*/x/f", "x/up/x/f");
}

static void test_errors(void **state)
{
    struct fs_list list;
    struct error err = ERROR_INIT;
    put_text(in_dir("d/f"), "x");
    assert_int_equal(failpoint_configure("fs.local.list=error:no disk", NULL), 0);
    assert_true(fs_glob(in_dir("d/*"), &list, &err) < 0);
    assert_non_null(strstr(err.message, "no disk"));
    assert_non_null(strstr(err.frames, "d/*"));
    failpoint_clear_all();
    assert_int_equal(fs_glob("nofs:/a*", &list, &err), ERR_UNSUPPORTED);
    STR_AUTO path = STR_INIT;
    str_append_cstr(&path, in_dir("t"));
    for (int i = 0; i < FS_DEPTH_MAX + 5; i++) {
        str_append_cstr(&path, "/d");
    }
    assert_int_equal(fs_mkdirs(str_cstr(&path), NULL), 0);
    assert_int_equal(fs_glob(in_dir("**/x"), &list, &err), ERR_LIMIT);
    for (int i = 0; i < 20; i++) { /* shorten it, so that the teardown can delete it */
        assert_int_equal(fs_delete(str_cstr(&path), FS_DELETE_ONE, NULL), 0);
        path.data[path.len -= 2] = '\0';
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_match),     FS_TEST(test_is_glob), FS_TEST(test_walk),   FS_TEST(test_braces),
        FS_TEST(test_odd_names), FS_TEST(test_links),   FS_TEST(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
