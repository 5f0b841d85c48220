/* Lists and maps inside one option value: quoting, blanks, empty items, YAML flow text. */
#include "common/text/option_text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"

/* The items between bars, so that a table can say them. */
static void expect_items(const struct text_list *list, const char *joined)
{
    STR_AUTO got = STR_INIT;
    for (size_t i = 0; i < list->n; i++) {
        str_printf(&got, "%s%s", i > 0 ? "|" : "", list->items[i]);
    }
    assert_string_equal(str_cstr(&got), joined);
}

static void test_lists(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *joined;
    } rows[] = {
        {"", 0, ""},
        {"a", 1, "a"},
        {"a;b;c", 3, "a|b|c"},
        {"  a ;  b c ; ", 2, "a|b c"},
        {"a;;b", 3, "a||b"},
        {"a; ;b", 3, "a||b"},
        {";a;", 1, "a"}, /* only between two delimiters */
        {"';'", 1, ";"},
        {"'a;b';c", 2, "a;b|c"},
        {"\"a;b\";'c'", 2, "a;b|c"},
        {"'it''s'", 1, "it's"},
        {"\"say \"\"hi\"\"\"", 1, "say \"hi\""},
        {"''", 1, ""},
        {"' a '", 1, " a "},
        {"it's", 1, "it's"}, /* a quote inside of plain text is text */
        {"a:b", 1, "a:b"},
        {"[a, 'b;c', \"d\"]", 3, "a|b;c|d"},
        {"[1, 2]", 2, "1|2"},
        {"[]", 0, ""},
        {"[{a: b}]", 1, "{\"a\":\"b\"}"},
        {"[a", 1, "[a"}, /* no YAML after all */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct text_list list = TEXT_LIST_INIT;
        assert_int_equal(option_text_parse_list(slice_cstr(rows[i].text), &list, NULL), 0);
        assert_int_equal(list.n, rows[i].n);
        expect_items(&list, rows[i].joined);
        text_list_fini(&list);
    }
}

static void test_bad_lists_leave_the_list(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"x;'a", "position 3"},
        {"x;\"a'", "not closed"},
        {"'a'b", "behind the closing quote"},
        {"'a' 'b'", "behind the closing quote"},
    };
    struct text_list list = TEXT_LIST_INIT;
    text_list_add(&list, SLICE_LIT("kept"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(option_text_parse_list(slice_cstr(rows[i].text), &list, &err), ERR_PARSE);
        assert_non_null(strstr(err.message, rows[i].message));
        expect_items(&list, "kept");
    }
    assert_true(text_list_has(&list, "kept"));
    assert_false(text_list_has(&list, "x"));
    text_list_fini(&list);
}

static void test_too_many_items(void **state)
{
    STR_AUTO text = STR_INIT;
    for (int i = 0; i <= OPTION_TEXT_ITEMS_MAX; i++) {
        str_append_cstr(&text, "a;");
    }
    struct text_list list = TEXT_LIST_INIT;
    assert_int_equal(option_text_parse_list(str_slice(&text), &list, NULL), ERR_TOO_LARGE);
    assert_int_equal(list.n, 0);
    text_list_fini(&list);
}

static void test_maps(void **state)
{
    static const char *const same[] = {"a:1,b:2",     " a : 1 , b : 2 ", "{a: 1, b: 2}",
                                       "a:9,b:2,a:1", "'a:1',\"b:2\"",   "{\"a\":\"1\",\"b\":2}"};
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        struct text_map map = TEXT_MAP_INIT;
        assert_int_equal(option_text_parse_map(slice_cstr(same[i]), &map, NULL), 0);
        assert_int_equal(map.keys.n, 2);
        assert_string_equal(text_map_find(&map, "a"), "1");
        assert_string_equal(text_map_find(&map, "b"), "2");
        assert_null(text_map_find(&map, "c"));
        text_map_fini(&map);
    }
    struct text_map map = TEXT_MAP_INIT;
    assert_int_equal(option_text_parse_map(SLICE_LIT("'url:''http://x,y''',k:''"), &map, NULL), 0);
    assert_string_equal(text_map_find(&map, "url"), "http://x,y");
    assert_string_equal(text_map_find(&map, "k"), "");
    assert_int_equal(option_text_parse_map(SLICE_LIT(""), &map, NULL), 0);
    assert_int_equal(map.keys.n, 2);
    text_map_fini(&map);
}

static void test_bad_maps_leave_the_map(void **state)
{
    static const char *const bad[] = {"a", "a:1,b", "a:1:2", "a:1,'b:2", ":", "a:"};
    struct text_map map = TEXT_MAP_INIT;
    text_map_put(&map, SLICE_LIT("a"), SLICE_LIT("old"));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(option_text_parse_map(slice_cstr(bad[i]), &map, &err), ERR_PARSE);
        assert_string_equal(text_map_find(&map, "a"), "old");
        assert_int_equal(map.keys.n, 1);
    }
    text_map_fini(&map);
}

/* Whatever the items are, writing and reading gives them back. */
static void test_round_trips(void **state)
{
    static const char alphabet[] = "ab;:,'\" []{}#\\\t-";
    struct rng rng;
    rng_init(&rng, 11);
    for (int round = 0; round < 20000; round++) {
        struct text_list list = TEXT_LIST_INIT;
        struct text_map map = TEXT_MAP_INIT;
        size_t n = rng_below(&rng, 5);
        for (size_t i = 0; i < n; i++) {
            char item[2][8];
            size_t len[2];
            for (int k = 0; k < 2; k++) {
                len[k] = rng_below(&rng, sizeof(item[k]));
                for (size_t c = 0; c < len[k]; c++) {
                    item[k][c] = alphabet[rng_below(&rng, sizeof(alphabet) - 1)];
                }
            }
            text_list_add(&list, slice_make(item[0], len[0]));
            text_map_put(&map, slice_make(item[0], len[0]), slice_make(item[1], len[1]));
        }
        STR_AUTO text = STR_INIT;
        option_text_format_list(&list, &text);
        struct text_list back = TEXT_LIST_INIT;
        assert_int_equal(option_text_parse_list(str_slice(&text), &back, NULL), 0);
        assert_int_equal(back.n, list.n);
        for (size_t i = 0; i < list.n; i++) {
            assert_string_equal(back.items[i], list.items[i]);
        }
        str_clear(&text);
        option_text_format_map(&map, &text);
        struct text_map map_back = TEXT_MAP_INIT;
        assert_int_equal(option_text_parse_map(str_slice(&text), &map_back, NULL), 0);
        assert_int_equal(map_back.keys.n, map.keys.n);
        for (size_t i = 0; i < map.keys.n; i++) {
            assert_string_equal(map_back.keys.items[i], map.keys.items[i]);
            assert_string_equal(map_back.values.items[i], map.values.items[i]);
        }
        text_list_fini(&list);
        text_list_fini(&back);
        text_map_fini(&map);
        text_map_fini(&map_back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_bad_lists_leave_the_list),
        cmocka_unit_test(test_too_many_items),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_bad_maps_leave_the_map),
        cmocka_unit_test(test_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
