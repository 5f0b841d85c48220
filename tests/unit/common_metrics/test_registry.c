/* Groups and registration: identifiers as Flink's, lifetimes, duplicates, limits, threads. */
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "common/metrics/registry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int n_warnings;

static void count_warnings(void *arg, enum log_level level, const char *line)
{
    n_warnings += level == LOG_LEVEL_WARN;
}

static struct metric_registry *registry(const struct metric_registry_options *options)
{
    struct metric_registry *r;
    assert_int_equal(metric_registry_new(options, &r, NULL), 0);
    return r;
}

static const struct metric_variable tm_variables[] = {{"host", "h1"}, {"tm_id", "tm 7"}};
static const struct metric_variable task_variables[] = {
    {"job_name", "WordCount"}, {"task_name", "Source: text"}, {"subtask_index", "0"}};
static const struct metric_variable operator_variables[] = {{"operator_name", "Map"}};

static void check_identifier(const struct metric_group *g, const char *name, const char *want)
{
    STR_AUTO text = STR_INIT;
    metric_group_identifier(g, name, &text);
    assert_string_equal(str_cstr(&text), want);
}

static void test_identifiers(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){.delimiter = 0});
    struct metric_group *tm = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    struct metric_group *task = metric_group_new(r, tm, METRIC_SCOPE_TASK, task_variables, 3);
    struct metric_group *op =
        metric_group_new(r, task, METRIC_SCOPE_OPERATOR, operator_variables, 1);
    struct metric_group *buffers = metric_group_add(task, "buffers");
    struct metric_group *pair = metric_group_add_pair(op, "topic", "in.put");
    check_identifier(tm, "Status.JVM.CPU.Load", "h1.taskmanager.tm_7.Status.JVM.CPU.Load");
    check_identifier(task, "numRecordsIn",
                     "h1.taskmanager.tm_7.WordCount.Source__text.0.numRecordsIn");
    check_identifier(buffers, "inPoolUsage",
                     "h1.taskmanager.tm_7.WordCount.Source__text.0.buffers.inPoolUsage");
    check_identifier(op, "numRecordsIn", "h1.taskmanager.tm_7.WordCount.Map.0.numRecordsIn");
    check_identifier(pair, "lag", "h1.taskmanager.tm_7.WordCount.Map.0.topic.in_put.lag");
    assert_string_equal(metric_group_variable(pair, "topic"), "in.put");
    assert_string_equal(metric_group_variable(pair, "tm_id"), "tm 7");
    assert_null(metric_group_variable(tm, "job_name"));
    metric_group_free(tm); /* takes those below it along */
    metric_registry_free(r);
}

static void test_formats_and_delimiter(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){
        .formats = {[METRIC_SCOPE_TM] = "tm.<tm_id>", [METRIC_SCOPE_TASK] = "*.<task_name>"},
        .delimiter = '-'});
    struct metric_group *tm = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    struct metric_group *named = metric_group_add(tm, "between");
    struct metric_group *task = metric_group_new(r, named, METRIC_SCOPE_TASK, task_variables, 3);
    check_identifier(task, "x", "tm-tm_7-Source__text-x");
    metric_group_free(tm);
    metric_registry_free(r);

    struct error err = ERROR_INIT;
    struct metric_registry_options bad = {.formats = {[METRIC_SCOPE_TM] = ""}};
    assert_int_equal(metric_registry_new(&bad, &r, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "metrics.scope.tm"));
}

static void test_lifetime(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){.delimiter = 0});
    struct metric_group *g[3];
    for (int i = 0; i < 3; i++) {
        g[i] = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
        metric_group_counter(g[i], "a");
        metric_group_histogram(metric_group_add(g[i], "sub"), "b");
    }
    assert_int_equal(metric_registry_len(r), 6);
    metric_group_free(g[1]);
    assert_int_equal(metric_registry_len(r), 4);
    metric_group_free(g[2]); /* the last one: the end of the list moves back */
    g[1] = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    metric_group_gauge(g[1], "c");
    assert_int_equal(metric_registry_len(r), 3);
    metric_group_free(g[0]);
    metric_group_free(g[1]);
    assert_int_equal(metric_registry_len(r), 0);
    assert_null(metric_group_free(NULL));
    assert_null(metric_registry_free(NULL));
    metric_registry_free(r);
}

static void test_second_registration_is_not_shown(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){.delimiter = 0});
    struct metric_group *g = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    n_warnings = 0;
    log_set_sink(count_warnings, NULL);
    struct metric_counter *first = metric_group_counter(g, "a");
    struct metric_counter *second = metric_group_counter(g, "a");
    log_set_sink(NULL, NULL);
    assert_int_equal(n_warnings, 1);
    assert_ptr_not_equal(first, second);
    metric_counter_add(first, 1);
    metric_counter_add(second, 2);
    assert_int_equal(metric_registry_len(r), 1);
    STR_AUTO text = STR_INIT;
    metric_registry_dump(r, &text);
    assert_string_equal(str_cstr(&text), "h1.taskmanager.tm_7.a\tcounter\t1\n");
    metric_group_free(g);
    metric_registry_free(r);
}

static void test_limit(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){.limit = 2});
    struct metric_group *g = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    n_warnings = 0;
    log_set_sink(count_warnings, NULL);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof(name), "m%d", i);
        metric_counter_add(metric_group_counter(g, name), i);
    }
    log_set_sink(NULL, NULL);
    assert_int_equal(n_warnings, 1);
    assert_int_equal(metric_registry_len(r), 2);
    metric_group_free(g);
    metric_registry_free(r);
}

static void test_meters_are_sampled_every_five_seconds(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct metric_registry *r = registry(&(struct metric_registry_options){.clock = &clock.base});
    struct metric_group *g = metric_group_new(r, NULL, METRIC_SCOPE_TM, tm_variables, 2);
    struct metric_counter *c = metric_group_counter(g, "numRecordsIn");
    struct metric_meter *m =
        metric_group_meter(metric_group_add(g, "x"), "numRecordsInPerSecond", c);
    assert_int_equal(metric_registry_update(r), 0);
    metric_counter_add(c, 600);
    clock_manual_advance_ms(&clock, 4999);
    assert_int_equal(metric_registry_update(r), 0);
    clock_manual_advance_ms(&clock, 1);
    assert_int_equal(metric_registry_update(r), 1);
    assert_true(metric_meter_get_rate(m) == 10.0);
    clock_manual_advance_ms(&clock, 12000);
    assert_int_equal(metric_registry_update(r), 2);
    clock_manual_advance_ms(&clock, 100000000);
    assert_int_equal(metric_registry_update(r), METER_SAMPLES);
    assert_int_equal(metric_registry_update(r), 0);
    assert_true(metric_meter_get_rate(m) == 0);
    metric_group_free(g);
    metric_registry_free(r);
}

/* ---- threads ---------------------------------------------------------------------------------- */

struct task {
    struct metric_registry *registry;
    pthread_t thread;
};

static void *task_main(void *arg)
{
    struct task *t = arg;
    for (int i = 0; i < 200; i++) {
        struct metric_group *g =
            metric_group_new(t->registry, NULL, METRIC_SCOPE_TASK, task_variables, 3);
        struct metric_counter *c = metric_group_counter(g, "numRecordsIn");
        struct metric_histogram *h = metric_group_histogram(g, "latency");
        metric_group_meter(g, "numRecordsInPerSecond", c);
        for (int k = 0; k < 100; k++) {
            metric_counter_add(c, 1);
            metric_histogram_add(h, k);
        }
        metric_group_free(g);
    }
    return NULL;
}

static void sum_counters(void *arg, const struct metric_sample *s)
{
    if (s->kind == METRIC_COUNTER) {
        assert_in_range(s->value.i64, 0, 100);
    }
}

static void test_tasks_come_and_go_while_it_is_read(void **state)
{
    struct metric_registry *r = registry(&(struct metric_registry_options){.delimiter = 0});
    struct task t[3];
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        t[i] = (struct task){.registry = r};
        assert_int_equal(thread_start(&t[i].thread, "task", task_main, &t[i], NULL), 0);
    }
    for (int i = 0; i < 200; i++) {
        metric_registry_visit(r, NULL, sum_counters, NULL);
        metric_registry_update(r);
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        thread_join(t[i].thread);
    }
    assert_int_equal(metric_registry_len(r), 0);
    metric_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identifiers),
        cmocka_unit_test(test_formats_and_delimiter),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_second_registration_is_not_shown),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_meters_are_sampled_every_five_seconds),
        cmocka_unit_test(test_tasks_come_and_go_while_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
