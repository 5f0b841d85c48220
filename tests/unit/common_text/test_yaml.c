/* YAML: the tree, where things stand, what is refused, and that alias bombs stay small. */
#include "common/text/yaml.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/text/json_writer.h"

static void expect_json(const char *text, const char *json)
{
    struct yaml_document document;
    struct error err = ERROR_INIT;
    if (yaml_parse(slice_cstr(text), "t.yaml", NULL, &document, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    STR_AUTO out = STR_INIT;
    if (document.root != NULL) {
        struct json_writer w;
        json_writer_init(&w, &out, JSON_STYLE_COMPACT);
        yaml_node_write_json(document.root, &w);
        json_writer_finish(&w);
    }
    assert_string_equal(str_cstr(&out), json);
    yaml_document_fini(&document);
}

static void test_trees(void **state)
{
    expect_json("", "");
    expect_json("# only a comment\n", "");
    expect_json("a: 1\nb: [x, 'y', \"z\"]\n", "{\"a\":\"1\",\"b\":[\"x\",\"y\",\"z\"]}");
    expect_json("a:\n  b:\n    c: d e f # end\n", "{\"a\":{\"b\":{\"c\":\"d e f\"}}}");
    expect_json("- 1\n- - 2\n  - 3\n- {k: v}\n", "[\"1\",[\"2\",\"3\"],{\"k\":\"v\"}]");
    expect_json("a: |\n  two\n  lines\nb: >\n  one\n  line\n",
                "{\"a\":\"two\\nlines\\n\",\"b\":\"one line\\n\"}");
    expect_json("a: ~\nb: null\nc:\nd: 'null'\ne: !!str null\nf: ''\n",
                "{\"a\":null,\"b\":null,\"c\":null,\"d\":\"null\",\"e\":\"null\",\"f\":\"\"}");
    expect_json("---\nplain\n...\n", "\"plain\"");
    expect_json("\xef\xbb\xbf"
                "a: 1\n",
                "{\"a\":\"1\"}");
    expect_json("a: &x {k: v}\nb: *x\nc: [*x, *x]\n",
                "{\"a\":{\"k\":\"v\"},\"b\":{\"k\":\"v\"},\"c\":[{\"k\":\"v\"},{\"k\":\"v\"}]}");
    expect_json("yes: no\n1: 2\n", "{\"yes\":\"no\",\"1\":\"2\"}"); /* 1.2: no Norway problem */
}

static void test_places(void **state)
{
    struct yaml_document document;
    assert_int_equal(yaml_parse(SLICE_LIT("a:\n  b: x\n  cc:   y\n"), "t", NULL, &document, NULL),
                     0);
    const struct yaml_node *a = yaml_node_find(document.root, "a");
    assert_int_equal(a->n, 2);
    assert_int_equal(a->entries[1].line, 3);
    assert_int_equal(a->entries[1].column, 3);
    assert_int_equal(a->entries[1].value->line, 3);
    assert_int_equal(a->entries[1].value->column, 9);
    assert_null(yaml_node_find(a, "d"));
    assert_null(yaml_node_find(a->entries[1].value, "d"));
    yaml_document_fini(&document);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "t.yaml:3:1: the key \"a\" is there already, in line 1"},
        {"a: [1, 2\nb: 3\n", "t.yaml:2:"},
        {"a: b: c\n", "t.yaml:1:5: mapping values are not allowed in this context"},
        {"a:\n\tb: 1\n", "t.yaml:2:1:"},
        {"? [a]\n: b\n", "t.yaml:1:3: a key must be plain text"},
        {"? &k {a: b}\n: c\n", "a key must be plain text"},
        {"x: &k [a]\n*k : c\n", "a key must be plain text"},
        {"a: *x\n", "no \"&x\" before \"*x\""},
        {"a: &x [*x]\n", "inside of what it names"},
        {"a: !foo bar\n", "tag \"!foo\" is not supported"},
        {"a: !!binary aGk=\n", "not supported"},
        {"a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document"},
        {"a: \"x\\0y\"\n", "NUL"},
        {"a: \xff\n", "t.yaml: invalid leading UTF-8 octet at byte 4"},
        {"a: \"b\n", "t.yaml:"},
        {"%YAML 3.0\n---\na: b\n", "t.yaml:1:1:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct yaml_document document;
        struct error err = ERROR_INIT;
        int rc = yaml_parse(slice_cstr(rows[i].text), "t.yaml", NULL, &document, &err);
        if (rc != ERR_PARSE || strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s: %d %s", rows[i].text, rc, err.message);
        }
    }
}

static int parse_limited(const char *text, struct yaml_limits limits, struct error *err)
{
    struct yaml_document document;
    int rc = yaml_parse(slice_cstr(text), "t.yaml", &limits, &document, err);
    if (rc == 0) {
        yaml_document_fini(&document);
    }
    return rc;
}

static void test_limits(void **state)
{
    struct error err = ERROR_INIT;
    struct yaml_limits none = {0};
    assert_int_equal(parse_limited("a: 1", (struct yaml_limits){.max_bytes = 3}, &err),
                     ERR_TOO_LARGE);
    assert_int_equal(parse_limited("[[[1]]]", (struct yaml_limits){.max_depth = 3}, &err), 0);
    assert_int_equal(parse_limited("[[[[]]]]", (struct yaml_limits){.max_depth = 3}, &err),
                     ERR_TOO_LARGE);
    assert_int_equal(parse_limited("[1, 2, 3]", (struct yaml_limits){.max_nodes = 4}, &err), 0);
    assert_int_equal(parse_limited("[1, 2, 3]", (struct yaml_limits){.max_nodes = 3}, &err),
                     ERR_TOO_LARGE);
    STR_AUTO deep = STR_INIT;
    for (int i = 0; i < 100000; i++) {
        str_append_char(&deep, '[');
    }
    assert_int_equal(parse_limited(str_cstr(&deep), none, &err), ERR_TOO_LARGE);
}

/* Nine levels of nine aliases each would be 3 * 10^8 nodes. */
static void test_alias_bombs(void **state)
{
    STR_AUTO text = STR_INIT;
    str_append_cstr(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        str_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++) {
            str_printf(&text, "%s*a%d", k > 0 ? ", " : "", i - 1);
        }
        str_append_cstr(&text, "]\n");
    }
    struct error err = ERROR_INIT;
    assert_int_equal(parse_limited(str_cstr(&text), (struct yaml_limits){0}, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "aliases expanded"));

    /* One long text many times. */
    str_clear(&text);
    str_append_cstr(&text, "a: &a ");
    for (int i = 0; i < 100000; i++) {
        str_append_char(&text, 'x');
    }
    str_append_cstr(&text, "\nb: [*a");
    for (int i = 0; i < 1000; i++) {
        str_append_cstr(&text, ", *a");
    }
    str_append_cstr(&text, "]\n");
    assert_int_equal(parse_limited(str_cstr(&text), (struct yaml_limits){0}, &err), ERR_TOO_LARGE);

    /* Deep by stacking: each level is shallow in the text. */
    str_clear(&text);
    str_append_cstr(&text, "a0: &a0 []\n");
    for (int i = 1; i < 100; i++) {
        str_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    }
    assert_int_equal(parse_limited(str_cstr(&text), (struct yaml_limits){0}, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees),       cmocka_unit_test(test_places),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_alias_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
