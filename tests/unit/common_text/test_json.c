/* Reading JSON: exact numbers, limits, errors with line and column, typed members. */
#include "common/text/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/text/json_writer.h"

static struct json_node *parse(const char *text)
{
    struct json_node *root = NULL;
    struct error err = ERROR_INIT;
    if (json_parse(slice_cstr(text), NULL, &root, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return root;
}

static void test_values(void **state)
{
    JSON_AUTO root = parse("{\"i\": 9223372036854775807, \"d\": 1.5, \"e\": 1e2, \"t\": true,"
                           " \"n\": null, \"s\": \"\\u00fc\\ud83d\\ude00\", \"a\": [1, -2]}");
    assert_int_equal(json_node_type(root), JSON_TYPE_OBJECT);
    assert_int_equal(json_node_count(root), 7);
    assert_true(json_node_as_int(json_node_find(root, "i")) == INT64_MAX);
    assert_true(json_node_as_double(json_node_find(root, "d")) == 1.5);
    assert_int_equal(json_node_type(json_node_find(root, "e")), JSON_TYPE_DOUBLE);
    assert_true(json_node_as_bool(json_node_find(root, "t")));
    assert_int_equal(json_node_type(json_node_find(root, "n")), JSON_TYPE_NULL);
    struct slice s = json_node_as_string(json_node_find(root, "s"));
    assert_true(slice_eq_cstr(s, "\xc3\xbc\xf0\x9f\x98\x80"));
    const struct json_node *a = json_node_find(root, "a");
    assert_int_equal(json_node_count(a), 2);
    assert_int_equal(json_node_as_int(json_node_at(a, 1)), -2);
    assert_true(json_node_as_double(json_node_at(a, 0)) == 1);
    assert_null(json_node_find(root, "zzz"));
    static const char keys[] = "idetnsa";
    size_t n = 0;
    for (struct json_member m = {0}; json_node_next(root, &m);) {
        assert_int_equal(m.key[0], keys[n++]); /* in the order of the text */
    }
    assert_int_equal(n, 7);
}

static void test_scalars_are_documents(void **state)
{
    JSON_AUTO number = parse(" 7 ");
    assert_int_equal(json_node_as_int(number), 7);
    JSON_AUTO text = parse("\"x\"");
    assert_int_equal(json_node_type(text), JSON_TYPE_STRING);
    assert_int_equal(json_node_count(text), 0);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", "empty"},
        {"  ", "line 1"},
        {"{\"a\": 1,\n \"b\" 2}", "line 2, column 6"},
        {"[1, 2", "line 1"},
        {"[1] x", "end of file expected"},
        {"{\"a\":1,\"a\":2}", "duplicate"},
        {"[01]", "line 1"},
        {"nul", "line 1"},
        {"[9223372036854775808]", "too big integer"},
        {"[1e999]", "real number overflow"},
        {"\"\\ud800\"", "invalid Unicode"},
        {"\"\xff\"", "line 1"},
        {"\"a\\u0000b\"", "0"},
        {"\"a\nb\"", "line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct json_node *root = NULL;
        struct error err = ERROR_INIT;
        assert_int_equal(json_parse(slice_cstr(rows[i].text), NULL, &root, &err), ERR_PARSE);
        assert_null(root);
        if (strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
    }
}

static void test_limits(void **state)
{
    struct json_node *root = NULL;
    struct error err = ERROR_INIT;
    struct json_limits limits = {.max_bytes = 10};
    assert_int_equal(json_parse(SLICE_LIT("[1,2,3,4,5,6]"), &limits, &root, &err), ERR_TOO_LARGE);
    limits = (struct json_limits){.max_depth = 3};
    assert_int_equal(json_parse(SLICE_LIT("[[\n[[]]]]"), &limits, &root, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "line 2, column 2"));
    assert_int_equal(json_parse(SLICE_LIT("[[[\"[[[[\\\"[[\"]]]"), &limits, &root, &err), 0);
    root = json_node_free(root);

    STR_AUTO deep = STR_INIT;
    for (int i = 0; i < 1000000; i++) {
        str_append_char(&deep, '[');
    }
    assert_int_equal(json_parse(str_slice(&deep), NULL, &root, &err), ERR_TOO_LARGE);
}

static void test_last_duplicate_wins(void **state)
{
    struct json_limits limits = {.duplicates = JSON_DUPLICATES_LAST};
    struct json_node *root = NULL;
    assert_int_equal(json_parse(SLICE_LIT("{\"a\":1,\"a\":2}"), &limits, &root, NULL), 0);
    assert_int_equal(json_node_as_int(json_node_find(root, "a")), 2);
    json_node_free(root);
}

static void test_members(void **state)
{
    JSON_AUTO root = parse("{\"s\":\"x\",\"i\":3,\"d\":0.5,\"b\":true,\"n\":null}");
    struct error err = ERROR_INIT;
    const char *s = "old";
    int64_t i = -1;
    double d = -1;
    bool b = false;
    assert_int_equal(json_member_string(root, "s", JSON_REQUIRED, &s, &err), 0);
    assert_string_equal(s, "x");
    assert_int_equal(json_member_int(root, "i", JSON_REQUIRED, &i, &err), 0);
    assert_int_equal(i, 3);
    assert_int_equal(json_member_double(root, "i", JSON_REQUIRED, &d, &err), 0);
    assert_true(d == 3);
    assert_int_equal(json_member_double(root, "d", JSON_OPTIONAL, &d, &err), 0);
    assert_true(d == 0.5);
    assert_int_equal(json_member_bool(root, "b", JSON_OPTIONAL, &b, &err), 0);
    assert_true(b);
    assert_int_equal(json_member_string(root, "n", JSON_OPTIONAL, &s, &err), 0);
    assert_int_equal(json_member_string(root, "absent", JSON_OPTIONAL, &s, &err), 0);
    assert_string_equal(s, "x"); /* untouched */
    assert_int_equal(json_member_string(root, "n", JSON_REQUIRED, &s, &err), ERR_PARSE);
    assert_string_equal(err.message, "the field \"n\" is missing");
    assert_int_equal(json_member_int(root, "s", JSON_OPTIONAL, &i, &err), ERR_PARSE);
    assert_string_equal(err.message, "the field \"s\" must be a whole number, not string");
    assert_int_equal(json_member_bool(root, "i", JSON_OPTIONAL, &b, &err), ERR_PARSE);
    JSON_AUTO list = parse("[]");
    assert_int_equal(json_member_bool(list, "i", JSON_OPTIONAL, &b, &err), ERR_PARSE);
}

static void test_writes_back(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5,true,false,null,\"x\\n\\u0001\"],\"b\":{\"c\":{}}}";
    JSON_AUTO root = parse(text);
    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_COMPACT);
    json_node_write(root, &w);
    json_writer_finish(&w);
    assert_string_equal(str_cstr(&out), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_scalars_are_documents),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_last_duplicate_wins),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_writes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
