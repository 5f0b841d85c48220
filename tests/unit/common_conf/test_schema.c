/* Schemas: the cluster tables are sound, keys find their rows, patterns and near misses. */
#include "common/conf/option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/thread.h"
#include <string.h>

static void test_cluster_tables_are_sound(void **state)
{
    struct error err = ERROR_INIT;
    struct conf_schema *schema = conf_schema_cluster();
    if (conf_schema_check(schema, &err) < 0) {
        fail_msg("%s (%s)", err.message, err.frames);
    }
    size_t n = 0;
    for (size_t g = 0; g < schema->n_groups; g++) {
        n += schema->groups[g]->n_options;
    }
    assert_true(n > 1090);
}

static void expect_match(const char *key, enum conf_match match, const char *name)
{
    const struct conf_option *option = NULL;
    assert_int_equal(conf_schema_match(conf_schema_cluster(), key, &option), match);
    if (name == NULL) {
        assert_null(option);
    } else {
        assert_non_null(option);
        assert_string_equal(option->name, name);
    }
}

static void test_matches(void **state)
{
    expect_match("parallelism.default", CONF_MATCH_NAME, "parallelism.default");
    expect_match("Parallelism.Default", CONF_MATCH_NONE, NULL);
    expect_match("restart-strategy", CONF_MATCH_ALIAS, "restart-strategy.type");
    expect_match("taskmanager.network.memory.min", CONF_MATCH_ALIAS,
                 "taskmanager.memory.network.min");
    /* A name of its own wins over being the old name of another. */
    expect_match("jobmanager.adaptive-scheduler.scaling-interval.min", CONF_MATCH_NAME,
                 "jobmanager.adaptive-scheduler.scaling-interval.min");
    /* Of two options with one old name, the one that checks it. */
    expect_match("web.port", CONF_MATCH_ALIAS, "rest.port");
    /* The closest pattern. */
    expect_match("metrics.reporter.prom.interval", CONF_MATCH_NAME,
                 "metrics.reporter.<name>.interval");
    expect_match("metrics.reporter.prom.port.range", CONF_MATCH_NAME,
                 "metrics.reporter.<name>.<parameter>");
    expect_match("metrics.reporter.influxdb.port", CONF_MATCH_NAME,
                 "metrics.reporter.influxdb.port");
    expect_match("metrics.reporter.prom", CONF_MATCH_NONE, NULL);
    expect_match("metrics.reporter..interval", CONF_MATCH_NONE, NULL);
    expect_match("partition.fields.12.date-formatter", CONF_MATCH_NAME,
                 "partition.fields.#.date-formatter");
    expect_match("partition.fields.x.date-formatter", CONF_MATCH_NONE, NULL);
    expect_match("fs.s3a.connection.maximum", CONF_MATCH_NAME, "fs.s3a.<key>");
    expect_match("pipeline.global-job-parameters.a.b", CONF_MATCH_MAP_KEY,
                 "pipeline.global-job-parameters");
    expect_match("pipeline.global-job-parameters.", CONF_MATCH_NONE, NULL);
    expect_match("", CONF_MATCH_NONE, NULL);
    assert_null(conf_schema_find(conf_schema_cluster(), "restart-strategy"));
    assert_non_null(conf_schema_find(conf_schema_cluster(), "restart-strategy.type"));
}

static void test_nearest(void **state)
{
    struct conf_schema *schema = conf_schema_cluster();
    assert_string_equal(conf_schema_nearest(schema, "paralelism.default"), "parallelism.default");
    assert_string_equal(conf_schema_nearest(schema, "taskmanager.numberOfTaskSlot"),
                        "taskmanager.numberOfTaskSlots");
    assert_null(conf_schema_nearest(schema, "completely.something-else.entirely"));
}

static const struct conf_option own_rows[] = {
    {"rows-per-second", CONF_TYPE_LONG, "10000", .min = "1", .flags = CONF_FLAG_EFFECTIVE,
     .description = "How fast."},
    {"fields.<f>.kind", CONF_TYPE_ENUM, "random", .enum_values = "random|sequence"},
};
static const struct conf_group own_group = CONF_GROUP("Datagen", own_rows);
static const struct conf_group *const own_groups[] = {&own_group};

static void test_a_schema_of_its_own(void **state)
{
    static struct conf_schema schema = CONF_SCHEMA_INIT(own_groups);
    struct error err = ERROR_INIT;
    assert_int_equal(conf_schema_check(&schema, &err), 0);
    const struct conf_option *option = NULL;
    assert_int_equal(conf_schema_match(&schema, "fields.id.kind", &option), CONF_MATCH_NAME);
    assert_int_equal(conf_schema_match(&schema, "parallelism.default", &option), CONF_MATCH_NONE);
    conf_schema_fini(&schema);
    conf_schema_fini(&schema);
    assert_non_null(conf_schema_find(&schema, "rows-per-second")); /* indexed anew */
    conf_schema_fini(&schema);
}

static void *look_up(void *arg)
{
    const struct conf_option *option = NULL;
    assert_int_equal(conf_schema_match(arg, "fields.id.kind", &option), CONF_MATCH_NAME);
    assert_ptr_equal(option, &own_rows[1]);
    return NULL;
}

/* Many threads may come first; TSan watches the index being built. */
static void test_first_look_up_by_many(void **state)
{
    for (int round = 0; round < 50; round++) {
        struct conf_schema schema = CONF_SCHEMA_INIT(own_groups);
        pthread_t threads[4];
        struct error err = ERROR_INIT;
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            assert_int_equal(thread_start(&threads[i], "look-up", look_up, &schema, &err), 0);
        }
        for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
            thread_join(threads[i]);
        }
        conf_schema_fini(&schema);
    }
}

/* The check finds each kind of mistake in a table. */
static void test_check_finds_mistakes(void **state)
{
    static const struct {
        struct conf_option rows[2];
        const char *message;
    } bad[] = {
        {{{"a", CONF_TYPE_INT}, {"a", CONF_TYPE_INT}}, "two rows"},
        {{{"a", CONF_TYPE_INT, "x"}, {"b", CONF_TYPE_INT}}, "a cannot be \"x\""},
        {{{"a", CONF_TYPE_INT, "0", .min = "1"}, {"b", CONF_TYPE_INT}}, "at least 1"},
        {{{"a", CONF_TYPE_INT, .min = "x"}, {"b", CONF_TYPE_INT}}, "whole number"},
        {{{"a", CONF_TYPE_STRING, .max = "x"}, {"b", CONF_TYPE_INT}}, "no bounds"},
        {{{"a", CONF_TYPE_ENUM}, {"b", CONF_TYPE_INT}}, "without values"},
        {{{"a", CONF_TYPE_INT, .flags = CONF_FLAG_EFFECTIVE}, {"b", CONF_TYPE_INT}},
         "without a description"},
        {{{"a", CONF_TYPE_INT, .aliases = "b"}, {"b", CONF_TYPE_BOOL}}, "different types"},
        {{{"a", CONF_TYPE_INT, .fallbacks = "z,b"}, {"b", CONF_TYPE_BOOL}}, "different types"},
        {{{"", CONF_TYPE_INT}, {"b", CONF_TYPE_INT}}, "without a name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct conf_group group = CONF_GROUP("bad", bad[i].rows);
        const struct conf_group *groups[] = {&group};
        struct conf_schema schema = CONF_SCHEMA_INIT(groups);
        struct error err = ERROR_INIT;
        assert_true(conf_schema_check(&schema, &err) < 0);
        if (strstr(err.message, bad[i].message) == NULL) {
            fail_msg("%s: %s", bad[i].message, err.message);
        }
        conf_schema_fini(&schema);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_tables_are_sound),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_a_schema_of_its_own),
        cmocka_unit_test(test_first_look_up_by_many),
        cmocka_unit_test(test_check_finds_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
