/* Trees of queries as stream graphs: operators, uids, names, parallelism, partitioners, what is shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "connectors/registry/registry.h"
#include "engine/functions/functions.h"
#include "sql/catalog/execute.h"
#include "sql/exec/exec.h"

struct fixture {
    struct conf conf;
    struct sql_manager *m;
    struct sql_plan *p;
    struct buffer_pool *pool;
    struct stream_graph graph;
    struct arena arena;
    struct error err;
    const char *uid; /* of the collect sink */
};

static void open_fixture(struct fixture *f, bool is_batch)
{
    const struct sql_manager_options o = {.catalog = NULL};
    *f = (struct fixture){.m = NULL};
    connectors_register();
    functions_register_builtin();
    conf_init(&f->conf, NULL);
    assert_int_equal(conf_set(&f->conf, "table.local-time-zone", "Europe/Berlin", NULL), 0);
    arena_init(&f->arena, 0);
    stream_graph_init(&f->graph);
    f->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    assert_int_equal(sql_manager_new(&o, &f->m, &f->err), 0);
    const struct sql_plan_options plan = {
        .manager = f->m, .conf = &f->conf, .is_batch = is_batch, .query_start_ms = 7};
    f->p = sql_plan_new(&plan);
}

static void close_fixture(struct fixture *f)
{
    sql_plan_free(f->p);
    stream_graph_fini(&f->graph);
    sql_manager_free(f->m);
    assert_int_equal(buffer_pool_out_count(f->pool), 0);
    buffer_pool_close(f->pool);
    arena_fini(&f->arena);
    conf_fini(&f->conf);
}

static struct sql_statement *parse(struct fixture *f, const char *text)
{
    struct sql_statement *s = NULL;
    if (sql_parse_statement(slice_cstr(text), &f->arena, &s, NULL, &f->err) < 0) {
        fail_msg("%s: %s", text, f->err.message);
    }
    return s;
}

static void ddl(struct fixture *f, const char *text)
{
    struct sql_result *r = NULL;
    if (sql_catalog_execute(f->m, slice_cstr(text), parse(f, text), &r, NULL, &f->err) < 0) {
        fail_msg("%s: %s", text, f->err.message);
    }
    sql_result_free(r);
}

static const struct rel *plan(struct fixture *f, const char *text)
{
    const struct sql_statement *s = parse(f, text);
    const struct rel *r = NULL;
    struct sql_error_place place;
    int rc = 0;
    if (s->kind == SQL_STATEMENT_INSERT) {
        rc = sql_plan_insert(f->p, s, slice_cstr(text), &r, &place, &f->err);
    } else {
        rc = sql_plan_query(f->p, s->query, slice_cstr(text), &r, &place, &f->err);
        r = rc == 0 ? sql_plan_collect(f->p, r) : NULL;
    }
    if (rc < 0) {
        fail_msg("%s: %s", text, f->err.message);
    }
    return r;
}

static void translate(struct fixture *f, const char *const *texts, uint32_t n)
{
    const struct rel *logical[4], *physical[4] = {NULL};
    for (uint32_t i = 0; i < n; i++) {
        logical[i] = plan(f, texts[i]);
    }
    int rc = sql_plan_optimize(f->p, logical, n, physical, &f->err);
    rc = rc < 0 ? rc : sql_exec_translate(f->p, physical, n, f->pool, &f->graph, &f->uid, &f->err);
    if (rc < 0) {
        fail_msg("%s: %s", texts[0], f->err.message);
    }
}

static void translate_one(struct fixture *f, const char *text)
{
    translate(f, &text, 1);
}

static const struct stream_node *find(const struct fixture *f, const char *kind)
{
    for (uint32_t i = 0; i < f->graph.nodes.len; i++) {
        const struct stream_node *n = stream_graph_node(&f->graph, i);
        if (strcmp(n->kind, kind) == 0) {
            return n;
        }
    }
    fail_msg("there is no %s", kind);
    return NULL;
}

static uint32_t count_edges_to(const struct fixture *f, const struct stream_node *n)
{
    uint32_t count = 0;
    for (size_t i = 0; i < f->graph.edges.len; i++) {
        const struct stream_edge *e = vec_ptr(&f->graph.edges, i);
        count += e->target == n->index;
    }
    return count;
}

static void numbers(struct fixture *f, const char *more)
{
    char *text = arena_printf(&f->arena,
                              "CREATE TABLE numbers (a INT, b BIGINT) WITH ('connector' = "
                              "'datagen', 'number-of-rows' = '10'%s)",
                              more);
    ddl(f, text);
}

/* ---- tests ------------------------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    numbers(&f, "");
    translate_one(&f, "SELECT a + 1 AS x, b FROM numbers WHERE b > 2");
    const struct stream_node *calc = find(&f, "flinc.query.calc");
    assert_string_equal(calc->name, "Calc[2]");
    assert_string_equal(calc->uid, "2_calc");
    assert_non_null(strstr(calc->description, "[2]:Calc(select=["));
    assert_non_null(strstr(calc->description, "where=["));
    const struct stream_node *source = stream_graph_node(&f.graph, 0);
    assert_string_equal(source->name, "Source: numbers[1]");
    assert_string_equal(source->uid, "1_source");
    assert_non_null(strstr(source->description, "default_catalog, default_database, numbers"));
    const struct stream_node *sink = find(&f, "flinc.query.collect");
    assert_string_equal(sink->name, "Sink: Collect table sink");
    assert_string_equal(sink->uid, f.uid);
    assert_string_equal(sink->coordinator, "flinc.query.collect");
    assert_true(sink->is_sink);
    assert_int_equal(sink->parallelism, 1);
    close_fixture(&f);
}

static void test_long_names(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    assert_int_equal(conf_set(&f.conf, "table.exec.simplify-operator-name-enabled", "false", NULL),
                     0);
    numbers(&f, "");
    translate_one(&f, "SELECT a + 1 AS x FROM numbers");
    const struct stream_node *calc = find(&f, "flinc.query.calc");
    assert_string_equal(calc->name, calc->description);
    close_fixture(&f);
}

static void test_configuration(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, true);
    numbers(&f, "");
    translate_one(&f, "SELECT a + 1 AS x FROM numbers WHERE b > 2 AND a < 5");
    const struct stream_node *calc = find(&f, "flinc.query.calc");
    Flinc__CalcConfig *c = flinc__calc_config__unpack(NULL, calc->config_size, calc->config);
    assert_non_null(c);
    assert_string_equal(c->context->time_zone, "Europe/Berlin");
    assert_int_equal(c->context->query_start_ms, 7);
    assert_true(c->context->is_batch);
    assert_true(c->n_conditions >= 1);
    assert_int_equal(c->n_outputs, 1);
    flinc__calc_config__free_unpacked(c, NULL);
    close_fixture(&f);
}

static void test_parallelism(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    assert_int_equal(conf_set(&f.conf, "table.exec.resource.default-parallelism", "5", NULL), 0);
    numbers(&f, "");
    translate_one(&f, "SELECT a + 1 AS x FROM numbers");
    assert_int_equal(stream_graph_node(&f.graph, 0)->parallelism, 5);
    assert_int_equal(find(&f, "flinc.query.calc")->parallelism, 5);
    close_fixture(&f);
}

static void test_values(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    translate_one(&f, "SELECT a, b FROM (VALUES (1, 'x'), (2, CAST(NULL AS STRING))) AS v(a, b)");
    const struct stream_node *values = find(&f, "flinc.source.elements");
    assert_int_equal(values->parallelism, 1);
    assert_true(values->bounded);
    assert_string_equal(values->uid, "1_values");
    close_fixture(&f);
}

/* The branches of UNION ALL are edges into one operator; where names differ a calc stands between. */
static void test_union(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f, false);
    numbers(&f, "");
    translate_one(&f, "SELECT x + 1 AS y FROM (SELECT a AS x FROM numbers UNION ALL SELECT a * 2 "
                      "FROM numbers UNION ALL SELECT 3) AS u");
    const struct stream_node *sink = find(&f, "flinc.query.collect");
    const struct stream_edge *last = vec_ptr(&f.graph.edges, f.graph.edges.len - 1);
    uint32_t widest = count_edges_to(&f, sink);
    for (uint32_t i = 0; i < f.graph.nodes.len; i++) {
        uint32_t edges = count_edges_to(&f, stream_graph_node(&f.graph, i));
        widest = MAX(widest, edges);
    }
    assert_int_equal(widest, 3);
    assert_non_null(last);
    /* The graph is one that can run: schemas of all edges into an input are the same. */
    Flinc__JobGraph *job = NULL;
    const struct translate_options o = {
        .job_name = "u", .default_parallelism = 1, .chaining = true};
    if (stream_graph_translate(&f.graph, &o, &job, &f.err) < 0) {
        fail_msg("%s", f.err.message);
    }
    flinc__job_graph__free_unpacked(job, NULL);
    close_fixture(&f);
}

static void test_several_sinks(void **state)
{
    static const char *const inserts[] = {"INSERT INTO s SELECT a FROM numbers",
                                          "INSERT INTO t SELECT a FROM numbers"};
    struct fixture f;
    uint32_t sinks = 0;
    (void)state;
    open_fixture(&f, false);
    numbers(&f, "");
    ddl(&f, "CREATE TABLE s (a INT) WITH ('connector' = 'blackhole')");
    ddl(&f, "CREATE TABLE t (a INT) WITH ('connector' = 'print', 'sink.parallelism' = '3')");
    translate(&f, inserts, 2);
    assert_null(f.uid);
    for (uint32_t i = 0; i < f.graph.nodes.len; i++) {
        const struct stream_node *n = stream_graph_node(&f.graph, i);
        sinks += n->is_sink;
        if (n->is_sink && strncmp(n->name, "Sink: t[", 8) == 0) {
            assert_int_equal(n->parallelism, 3);
        }
    }
    assert_int_equal(sinks, 2);
    close_fixture(&f);
}

/* The same statement has the same uids, so that a job finds its state again. */
static void test_stable_uids(void **state)
{
    struct fixture a, b;
    (void)state;
    open_fixture(&a, false);
    open_fixture(&b, false);
    numbers(&a, "");
    numbers(&b, "");
    translate_one(&a, "SELECT a + 1 AS x FROM numbers UNION ALL SELECT 1");
    translate_one(&b, "SELECT a + 1 AS x FROM numbers UNION ALL SELECT 1");
    assert_int_equal(a.graph.nodes.len, b.graph.nodes.len);
    for (uint32_t i = 0; i < a.graph.nodes.len; i++) {
        const struct stream_node *n = stream_graph_node(&a.graph, i);
        assert_string_equal(n->uid, stream_graph_node(&b.graph, i)->uid);
        for (uint32_t k = 0; k < i; k++) {
            assert_string_not_equal(n->uid, stream_graph_node(&a.graph, k)->uid);
        }
    }
    close_fixture(&a);
    close_fixture(&b);
}

static void test_sink_that_cannot_read(void **state)
{
    struct fixture f;
    const struct rel *logical, *physical = NULL;
    (void)state;
    open_fixture(&f, false);
    ddl(&f, "CREATE TABLE b (a INT) WITH ('connector' = 'blackhole')");
    const struct sql_statement *s = parse(&f, "SELECT a FROM b");
    struct sql_error_place place;
    int rc = sql_plan_query(f.p, s->query, SLICE_LIT("SELECT a FROM b"), &logical, &place, &f.err);
    if (rc == 0) {
        logical = sql_plan_collect(f.p, logical);
        rc = sql_plan_optimize(f.p, &logical, 1, &physical, &f.err);
    }
    rc = rc < 0 ? rc : sql_exec_translate(f.p, &physical, 1, f.pool, &f.graph, &f.uid, &f.err);
    assert_true(rc < 0);
    assert_non_null(strstr(f.err.message, "can only be used as a sink"));
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_parallelism),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_several_sinks),
        cmocka_unit_test(test_stable_uids),
        cmocka_unit_test(test_sink_that_cannot_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
