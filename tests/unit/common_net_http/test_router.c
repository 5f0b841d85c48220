/* The router: which route a path and method get, and which tables are refused. */
#include "web.h"

#include "common/net/http/router.h"

static const struct http_route routes[] = {
    {HTTP_GET, "/", 0, NULL},
    {HTTP_GET, "/jobs", 0, NULL},
    {HTTP_POST, "/jobs", 0, NULL},
    {HTTP_GET, "/jobs/overview", 0, NULL},
    {HTTP_GET, "/jobs/metrics", 0, NULL},
    {HTTP_GET, "/jobs/:jobid", 0, NULL},
    {HTTP_PATCH, "/jobs/:jobid", 0, NULL},
    {HTTP_GET, "/jobs/:jobid/vertices/:vertexid", 0, NULL},
    {HTTP_GET, "/jobs/:jobid/vertices/:vertexid/subtasks/metrics", 0, NULL},
    {HTTP_GET, "/jobs/:jobid/vertices/:vertexid/subtasks/:index", 0, NULL},
    {HTTP_GET, "/jobs/overview/:other/x", 0, NULL},
};

static const struct {
    enum http_method method;
    const char *path;
    int route; /* -1: none */
    const char *values[2];
} rows[] = {
    {HTTP_GET, "/", 0, {NULL}},
    {HTTP_GET, "/jobs", 1, {NULL}},
    {HTTP_GET, "/jobs/", 1, {NULL}},
    {HTTP_POST, "/jobs", 2, {NULL}},
    {HTTP_DELETE, "/jobs", -1, {NULL}},
    {HTTP_GET, "/jobs/overview", 3, {NULL}},
    {HTTP_GET, "/jobs/metrics", 4, {NULL}},
    {HTTP_GET, "/jobs/metricsx", 5, {"metricsx"}},
    {HTTP_PATCH, "/jobs/overview", 6, {"overview"}}, /* the literal has no PATCH */
    {HTTP_GET, "/jobs/overview/vertices/v", 7, {"overview", "v"}},
    {HTTP_GET, "/jobs/overview/vertices/x", 10, {"vertices"}},
    {HTTP_GET, "/jobs/overview/y/x", 10, {"y"}},
    {HTTP_GET, "/jobs/1/vertices/2/subtasks/metrics", 8, {"1", "2"}},
    {HTTP_GET, "/jobs/1/vertices/2/subtasks/0", 9, {"1", "2"}},
    {HTTP_GET, "/jobs/1/vertices", -1, {NULL}},
    {HTTP_GET, "/jobs//vertices/2", -1, {NULL}},
    {HTTP_GET, "/JOBS", -1, {NULL}},
};

static void test_find(void **state)
{
    struct http_router *r;
    assert_int_equal(http_router_new(routes, ARRAY_LEN(routes), &r, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena arena;
        struct http_target t;
        struct http_match m;
        arena_init(&arena, 0);
        assert_int_equal(http_target_parse(&arena, slice_cstr(rows[i].path), &t, NULL), 0);
        bool found = http_router_find(r, rows[i].method, &t, &m);
        int route = found ? (int)(m.route - routes) : -1;
        if (route != rows[i].route) {
            fail_msg("%s: %d instead of %d", rows[i].path, route, rows[i].route);
        }
        for (uint32_t k = 0; found && k < 2 && rows[i].values[k] != NULL; k++) {
            assert_string_equal(m.values[k], rows[i].values[k]);
        }
        arena_fini(&arena);
    }
    assert_int_equal(http_route_param(&routes[9], "jobid"), 0);
    assert_int_equal(http_route_param(&routes[9], "index"), 2);
    assert_int_equal(http_route_param(&routes[9], "job"), -1);
    http_router_free(r);
}

static void test_refused(void **state)
{
    static const struct http_route tables[][2] = {
        {{HTTP_GET, "/a/:x", 0, NULL}, {HTTP_GET, "/a/:y", 0, NULL}},
        {{HTTP_GET, "/a", 0, NULL}, {HTTP_GET, "/a", 0, NULL}},
        {{HTTP_GET, "/a", 0, NULL}, {HTTP_GET, "b", 0, NULL}},
        {{HTTP_GET, "/a", 0, NULL}, {HTTP_GET, "/a//b", 0, NULL}},
        {{HTTP_GET, "/a", 0, NULL}, {HTTP_GET, "/:1/:2/:3/:4/:5/:6/:7/:8/:9", 0, NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        struct http_router *r = NULL;
        struct error err = ERROR_INIT;
        assert_int_equal(http_router_new(tables[i], 2, &r, &err), ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, "route"));
        assert_null(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
