/* Slices, growing strings, edit distance and near-miss hints. */
#include "common/base/str.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_slices(void **state)
{
    struct slice abc = SLICE_LIT("abc"), empty = slice_cstr(""), none = slice_cstr(NULL);
    assert_true(slice_eq(abc, slice_cstr("abc")));
    assert_false(slice_eq(abc, slice_cstr("abd")));
    assert_true(slice_eq(empty, none));
    assert_true(slice_eq_cstr(slice_make("abcdef", 3), "abc"));
    assert_true(slice_starts_with(abc, "ab"));
    assert_true(slice_starts_with(none, ""));
    assert_false(slice_starts_with(abc, "abcd"));
    assert_true(slice_ends_with(abc, "bc"));
    assert_false(slice_ends_with(abc, "ab"));

    assert_int_equal(slice_compare(abc, slice_cstr("abd")), -1);
    assert_int_equal(slice_compare(abc, slice_cstr("ab")), 1);
    assert_int_equal(slice_compare(abc, abc), 0);
    assert_int_equal(slice_compare(none, abc), -1);
    assert_int_equal(slice_compare(slice_cstr("\xff"), slice_cstr("a")), 1); /* bytes, not chars */

    assert_true(slice_eq_cstr(slice_trim(SLICE_LIT(" \t\r\n a b \v\f")), "a b"));
    assert_int_equal(slice_trim(SLICE_LIT("  ")).len, 0);
}

static void check_pieces(const char *text, const char *const *pieces, size_t n)
{
    struct slice rest = slice_cstr(text), head;
    for (size_t i = 0; i < n; i++) {
        assert_true(slice_next(&rest, ',', &head));
        assert_true(slice_eq_cstr(head, pieces[i]));
    }
    assert_false(slice_next(&rest, ',', &head));
    assert_false(slice_next(&rest, ',', &head));
}

static void test_split(void **state)
{
    check_pieces("a,bc,d", (const char *[]){"a", "bc", "d"}, 3);
    check_pieces(",a,,", (const char *[]){"", "a", "", ""}, 4);
    check_pieces("a", (const char *[]){"a"}, 1);
    check_pieces("", (const char *[]){""}, 1);
    check_pieces(NULL, NULL, 0);
}

static void test_building(void **state)
{
    STR_AUTO s = STR_INIT;
    assert_string_equal(str_cstr(&s), "");
    str_clear(&s);
    str_append(&s, NULL, 0);
    assert_string_equal(str_cstr(&s), "");
    str_append_cstr(&s, "ab");
    str_append_char(&s, 'c');
    str_append_slice(&s, SLICE_LIT("de"));
    str_printf(&s, "-%d-%s", 42, "x");
    assert_string_equal(str_cstr(&s), "abcde-42-x");
    assert_int_equal(s.len, 10);
    assert_true(slice_eq_cstr(str_slice(&s), "abcde-42-x"));

    str_clear(&s);
    for (int i = 0; i < 1000; i++) {
        str_printf(&s, "%d,", i);
        assert_int_equal(strlen(s.data), s.len);
    }
    assert_int_equal(s.len, 10 * 2 + 90 * 3 + 900 * 4);
    str_append(&s, "a\0b", 3);
    assert_memory_equal(s.data + s.len - 3, "a\0b", 4);

    str_clear(&s);
    str_printf(&s, "%0*d", 5000, 7); /* far over the room that there is */
    assert_int_equal(s.len, 5000);
    assert_int_equal(s.data[4999], '7');

    str_clear(&s);
    str_append_hex(&s, "", 0);
    assert_string_equal(str_cstr(&s), "");
    str_append_hex(&s, "\x00\x7f\xa5", 3);
    str_append_hex(&s, "\xff", 1);
    assert_string_equal(str_cstr(&s), "007fa5ff");
    str_printf(&s, "%0*d", 4992, 7);

    char *taken = str_take(&s);
    assert_int_equal(strlen(taken), 5000);
    mem_free(taken);
    assert_int_equal(s.len, 0);
    taken = str_take(&s);
    assert_string_equal(taken, "");
    mem_free(taken);
}

static void test_prefix_suffix(void **state)
{
    assert_true(cstr_starts_with("taskmanager.memory", "taskmanager."));
    assert_false(cstr_starts_with("task", "taskmanager"));
    assert_true(cstr_ends_with("a.yaml", ".yaml"));
    assert_false(cstr_ends_with("yaml", ".yaml"));
}

/* The textbook recursion, without a table. */
static int naive_distance(const char *a, const char *b)
{
    if (*a == '\0' || *b == '\0') {
        return (int)(strlen(a) + strlen(b));
    }
    if (*a == *b) {
        return naive_distance(a + 1, b + 1);
    }
    int remove = naive_distance(a + 1, b), insert = naive_distance(a, b + 1);
    int best = MIN(remove, insert), replace = naive_distance(a + 1, b + 1);
    best = MIN(best, replace);
    if (a[1] != '\0' && a[0] == b[1] && a[1] == b[0]) {
        int swap = naive_distance(a + 2, b + 2);
        best = MIN(best, swap);
    }
    return 1 + best;
}

static void test_distance(void **state)
{
    assert_int_equal(cstr_distance("", "", 5), 0);
    assert_int_equal(cstr_distance("kitten", "sitting", 10), 3);
    assert_int_equal(cstr_distance("kitten", "sitting", 3), 3);
    assert_int_equal(cstr_distance("kitten", "sitting", 2), 3); /* capped at max + 1 */
    assert_int_equal(cstr_distance("kitten", "sitting", 0), 1);
    assert_int_equal(cstr_distance("", "abc", 5), 3);
    assert_int_equal(cstr_distance("a", "abcdefgh", 2), 3);

    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 2000; i++) {
        char a[7] = "", b[7] = "";
        size_t na = rng_below(&r, 7), nb = rng_below(&r, 7);
        for (size_t j = 0; j < na; j++) {
            a[j] = (char)('a' + rng_below(&r, 3));
        }
        for (size_t j = 0; j < nb; j++) {
            b[j] = (char)('a' + rng_below(&r, 3));
        }
        int want = naive_distance(a, b), max = (int)rng_below(&r, 8);
        assert_int_equal(cstr_distance(a, b, max), MIN(want, max + 1));
        assert_int_equal(cstr_distance(b, a, max), MIN(want, max + 1));
    }
}

static void test_nearest(void **state)
{
    static const char *const names[] = {
        "parallelism.default",   "pipeline.max-parallelism", "state.backend.type",
        "state.checkpoints.dir", "state.savepoints.dir",     "x",
    };
    size_t n = ARRAY_LEN(names);
    assert_string_equal(cstr_nearest("paralelism.default", names, n), "parallelism.default");
    assert_string_equal(cstr_nearest("state.checkpoint.dir", names, n), "state.checkpoints.dir");
    assert_string_equal(cstr_nearest("state.savepoint.dir", names, n), "state.savepoints.dir");
    assert_string_equal(cstr_nearest("state.backend.type", names, n), "state.backend.type");
    assert_null(cstr_nearest("rest.port", names, n));
    assert_null(cstr_nearest("y", names, n)); /* nothing of it would be left */
    assert_null(cstr_nearest("", names, n));
    assert_null(cstr_nearest("anything", NULL, 0));
    /* Two letters the wrong way round are one mistake. */
    assert_string_equal(cstr_nearest("rnu", (const char *[]){"info", "run"}, 2), "run");
    assert_string_equal(cstr_nearest("inptu", (const char *[]){"output", "input"}, 2), "input");
    /* Of equals the first. */
    assert_string_equal(cstr_nearest("abcd", (const char *[]){"abce", "abcf"}, 2), "abce");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),   cmocka_unit_test(test_split),
        cmocka_unit_test(test_building), cmocka_unit_test(test_prefix_suffix),
        cmocka_unit_test(test_distance), cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
