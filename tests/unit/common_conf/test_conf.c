/* The configuration: setting, typed getters, old names, maps, merging, warnings. */
#include "common/conf/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <string.h>

static void set(struct conf *conf, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    if (conf_set(conf, key, value, &err) < 0) {
        fail_msg("%s: %s", key, err.message);
    }
}

static void test_defaults(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    assert_int_equal(conf_int(&conf, "parallelism.default"), 1);
    assert_true(conf_bool(&conf, "execution.buffer-timeout.enabled"));
    assert_int_equal(conf_duration_ms(&conf, "execution.buffer-timeout.interval"), 5);
    assert_int_equal(conf_memory(&conf, "taskmanager.memory.segment-size"), 32 * 1024);
    assert_true(conf_double(&conf, "taskmanager.memory.network.fraction") == 0.1);
    assert_true(conf_double(&conf, "restart-strategy.exponential-delay.backoff-multiplier") == 1.5);
    assert_int_equal(conf_enum(&conf, "execution.runtime-mode"), 0);
    assert_string_equal(conf_string(&conf, "execution.runtime-mode"), "STREAMING");
    assert_string_equal(conf_string(&conf, "io.tmp.dirs"), "/tmp");
    assert_null(conf_string(&conf, "pipeline.name"));
    assert_int_equal(conf_long(&conf, "execution.async-state.active-buffer-timeout"), 1000);
    assert_false(conf_has(&conf, "parallelism.default"));
    assert_true(conf_has_value(&conf, "parallelism.default"));
    assert_false(conf_has_value(&conf, "pipeline.name"));
    struct text_list list = TEXT_LIST_INIT;
    conf_list(&conf, "pipeline.jars", &list);
    assert_int_equal(list.n, 0);
    struct text_map map = TEXT_MAP_INIT;
    conf_map(&conf, "taskmanager.memory.managed.consumer-weights", &map);
    assert_string_equal(text_map_find(&map, "STATE_BACKEND"), "70");
    text_map_fini(&map);
    conf_fini(&conf);
}

static void test_set_and_get(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    set(&conf, "parallelism.default", "4");
    set(&conf, "parallelism.default", "8");
    set(&conf, "execution.runtime-mode", "batch");
    set(&conf, "pipeline.jars", "a.so;'b;c.so'");
    set(&conf, "pipeline.name", "");
    set(&conf, "metrics.reporter.mine.interval", "3 s");
    assert_int_equal(conf_int(&conf, "parallelism.default"), 8);
    assert_int_equal(conf_enum(&conf, "execution.runtime-mode"), 1);
    assert_string_equal(conf_raw(&conf, "execution.runtime-mode"), "BATCH");
    assert_string_equal(conf_string(&conf, "pipeline.name"), "");
    assert_true(conf_has(&conf, "pipeline.name"));
    assert_int_equal(conf_duration_ms(&conf, "metrics.reporter.mine.interval"), 3000);
    assert_int_equal(conf_duration_ms(&conf, "metrics.reporter.other.interval"), 10000);
    struct text_list list = TEXT_LIST_INIT;
    conf_list(&conf, "pipeline.jars", &list);
    assert_int_equal(list.n, 2);
    assert_string_equal(list.items[1], "b;c.so");
    text_list_fini(&list);
    conf_unset(&conf, "parallelism.default");
    conf_unset(&conf, "parallelism.default");
    assert_int_equal(conf_int(&conf, "parallelism.default"), 1);
    assert_int_equal(conf.warnings.n, 0);
    conf_fini(&conf);
}

static void test_wrong_values_change_nothing(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    set(&conf, "parallelism.default", "4");
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set(&conf, "parallelism.default", "-1", &err), ERR_INVALID_CONFIG);
    assert_string_equal(err.message,
                        "set by the program: parallelism.default cannot be \"-1\": must "
                        "be at least 1; expected int: a whole number of 32 bits, at "
                        "least 1, at most 32768, for example 1");
    assert_int_equal(conf_int(&conf, "parallelism.default"), 4);
    assert_int_equal(conf_set(&conf, "", "x", &err), ERR_INVALID_CONFIG);
    assert_int_equal(conf_set(&conf, "task.cancellation-interval", "soon", &err),
                     ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "task.cancellation.interval cannot be \"soon\""));
    assert_non_null(strstr(err.message, "(set as task.cancellation-interval)"));
    conf_fini(&conf);
}

static void test_old_names(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    set(&conf, "restart-strategy", "fixed-delay");
    assert_string_equal(conf_string(&conf, "restart-strategy.type"), "fixed-delay");
    assert_true(conf_has(&conf, "restart-strategy.type"));
    assert_int_equal(conf.warnings.n, 1);
    assert_string_equal(conf.warnings.items[0], "set by the program: the key restart-strategy is "
                                                "deprecated, use restart-strategy.type");
    /* In one source the name wins over the old one, in whatever order. */
    set(&conf, "restart-strategy.type", "none");
    set(&conf, "restart-strategy", "failure-rate");
    assert_string_equal(conf_string(&conf, "restart-strategy.type"), "none");
    /* A later source wins, whichever name it uses. */
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set_dynamic(&conf, "restart-strategy=exponential-delay", &err), 0);
    assert_string_equal(conf_string(&conf, "restart-strategy.type"), "exponential-delay");
    conf_fini(&conf);
}

static void test_fallback_keys_are_silent(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    set(&conf, "jobmanager.rpc.address", "jm-1");
    assert_string_equal(conf_string(&conf, "rest.address"), "jm-1");
    set(&conf, "rest.address", "front");
    assert_string_equal(conf_string(&conf, "rest.address"), "front");
    assert_int_equal(conf.warnings.n, 0);
    conf_fini(&conf);
}

static void test_maps_in_both_forms(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    static const char name[] = "pipeline.global-job-parameters";
    assert_false(conf_has(&conf, name));
    set(&conf, "pipeline.global-job-parameters.b.c", "3");
    assert_true(conf_has(&conf, name));
    assert_true(conf_has_value(&conf, name));
    set(&conf, name, "a:1,b.c:2");
    struct text_map map = TEXT_MAP_INIT;
    conf_map(&conf, name, &map);
    assert_int_equal(map.keys.n, 2);
    assert_string_equal(text_map_find(&map, "a"), "1");
    assert_string_equal(text_map_find(&map, "b.c"), "3");
    text_map_fini(&map);

    /* Keys below the name replace the default as a whole. */
    set(&conf, "taskmanager.memory.managed.consumer-weights.PYTHON", "10");
    struct text_map weights = TEXT_MAP_INIT;
    conf_map(&conf, "taskmanager.memory.managed.consumer-weights", &weights);
    assert_int_equal(weights.keys.n, 1);
    text_map_fini(&weights);
    conf_fini(&conf);
}

static void test_unknown_keys(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    set(&conf, "paralelism.default", "4");
    set(&conf, "my.own.key", "kept");
    assert_int_equal(conf.warnings.n, 2);
    assert_string_equal(conf.warnings.items[0],
                        "set by the program: unknown key paralelism.default, did you mean "
                        "parallelism.default? It has no effect");
    assert_string_equal(conf.warnings.items[1],
                        "set by the program: unknown key my.own.key; it has no effect");
    assert_string_equal(conf_raw(&conf, "my.own.key"), "kept");
    assert_null(conf_raw(&conf, "parallelism.default"));
    struct text_map map = TEXT_MAP_INIT;
    conf_prefix(&conf, "my.", &map);
    assert_string_equal(text_map_find(&map, "own.key"), "kept");
    text_map_fini(&map);
    conf_fini(&conf);
}

static void test_merge(void **state)
{
    struct conf cluster;
    struct conf job;
    conf_init(&cluster, NULL);
    conf_init(&job, NULL);
    struct error err = ERROR_INIT;
    assert_int_equal(conf_load_yaml_text(&cluster, "config.yaml",
                                         SLICE_LIT("parallelism.default: 2\n"
                                                   "restart-strategy.type: none\n"
                                                   "pipeline.name: one\n"),
                                         &err),
                     0);
    set(&job, "parallelism.default", "6");
    set(&job, "restart-strategy", "fixed-delay");
    conf_merge(&cluster, &job);
    assert_int_equal(conf_int(&cluster, "parallelism.default"), 6);
    assert_string_equal(conf_string(&cluster, "restart-strategy.type"), "fixed-delay");
    assert_string_equal(conf_string(&cluster, "pipeline.name"), "one");
    assert_int_equal(cluster.warnings.n, 1);
    conf_fini(&job);
    assert_string_equal(conf_string(&cluster, "restart-strategy.type"), "fixed-delay");
    conf_fini(&cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_set_and_get),
        cmocka_unit_test(test_wrong_values_change_nothing),
        cmocka_unit_test(test_old_names),
        cmocka_unit_test(test_fallback_keys_are_silent),
        cmocka_unit_test(test_maps_in_both_forms),
        cmocka_unit_test(test_unknown_keys),
        cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
