/* Targets: what is split, decoded and refused. */
#include "web.h"

#include "common/net/http/target.h"

static const struct {
    const char *raw;
    int rc;
    const char *path;
    uint32_t n_segments;
    const char *last, *q;
} rows[] = {
    {"/", 0, "/", 0, NULL, NULL},
    {"/v1", 0, "/", 0, NULL, NULL},
    {"/v1/", 0, "/", 0, NULL, NULL},
    {"/v1/jobs", 0, "/jobs", 1, "jobs", NULL},
    {"/v1jobs", 0, "/v1jobs", 1, "v1jobs", NULL},
    {"/v1/v1/jobs", 0, "/v1/jobs", 2, "jobs", NULL},
    {"/jobs//x", 0, "/jobs//x", 3, "x", NULL},
    {"//jobs//", 0, "//jobs//", 1, "jobs", NULL},
    {"/a%2Fb", 0, "/a/b", 1, "a/b", NULL},
    {"/%41%e2%82%ac", 0, "/A\xe2\x82\xac", 1, "A\xe2\x82\xac", NULL},
    {"/a+b", 0, "/a+b", 1, "a+b", NULL},
    {"/a?q=1&q=2", 0, "/a", 1, "a", "1"},
    {"/a?q=a+b%2b", 0, "/a", 1, "a", "a b+"},
    {"/a?q", 0, "/a", 1, "a", ""},
    {"/a?&&q=x=y&", 0, "/a", 1, "a", "x=y"},
    {"/a?%71=1", 0, "/a", 1, "a", "1"},
    {"http://h:1/a?q=1", 0, "/a", 1, "a", "1"},
    {"https://h", 0, "/", 0, NULL, NULL},
    {"", ERR_PARSE, NULL, 0, NULL, NULL},
    {"*", ERR_PARSE, NULL, 0, NULL, NULL},
    {"a/b", ERR_PARSE, NULL, 0, NULL, NULL},
    {"?q=1", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/%", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/%4", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/%4g", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/%00", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/%c3%28", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/\xff", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/a\x01", ERR_PARSE, NULL, 0, NULL, NULL},
    {"/a?%ed%a0%80=1", ERR_PARSE, NULL, 0, NULL, NULL},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct http_target t;
        struct error err = ERROR_INIT;
        arena_init(&arena, 0);
        assert_int_equal(http_target_parse(&arena, slice_cstr(rows[i].raw), &t, &err), rows[i].rc);
        if (rows[i].rc == 0) {
            assert_string_equal(t.path, rows[i].path);
            assert_int_equal(t.n_segments, rows[i].n_segments);
            if (rows[i].last != NULL) {
                assert_string_equal(t.segments[t.n_segments - 1], rows[i].last);
            }
            if (rows[i].q != NULL) {
                assert_string_equal(t.query[0].name, "q");
                assert_string_equal(t.query[0].value, rows[i].q);
            }
        }
        arena_fini(&arena);
    }
}

static void test_limits(void **state)
{
    struct arena arena;
    struct http_target t;
    struct error err = ERROR_INIT;
    STR_AUTO many = STR_INIT;
    arena_init(&arena, 0);
    for (int i = 0; i < HTTP_SEGMENTS_MAX; i++) {
        str_append_cstr(&many, "/a");
    }
    assert_int_equal(http_target_parse(&arena, str_slice(&many), &t, &err), 0);
    assert_true(t.routable);
    str_append_cstr(&many, "/a");
    assert_int_equal(http_target_parse(&arena, str_slice(&many), &t, &err), 0);
    assert_false(t.routable);
    str_append_cstr(&many, "?a");
    for (int i = 1; i < HTTP_QUERY_MAX; i++) {
        str_append_cstr(&many, "&a");
    }
    assert_int_equal(http_target_parse(&arena, str_slice(&many), &t, &err), 0);
    assert_int_equal(t.n_query, HTTP_QUERY_MAX);
    str_append_cstr(&many, "&a");
    assert_int_equal(http_target_parse(&arena, str_slice(&many), &t, &err), ERR_PARSE);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
