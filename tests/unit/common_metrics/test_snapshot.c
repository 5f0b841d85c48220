/* Reading a registry: each kind of metric, parts of the tree, and the dump. */
#include "common/base/mem.h"
#include "common/metrics/registry.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct metric_variable variables[] = {{"host", "h"}, {"tm_id", "t"}};

static void ratio(void *arg, struct metric_value *v)
{
    metric_value_set_f64(v, *(const double *)arg);
}

static void leader(void *arg, struct metric_value *v)
{
    metric_value_set_text(v, arg);
}

static void write_down(void *arg, const struct metric_sample *s)
{
    struct str *out = arg;
    str_printf(out, "%s|%s|%s;", metric_scope_name(s->scope), s->name, metric_kind_name(s->kind));
    assert_non_null(metric_group_variable(s->group, "tm_id"));
}

static void test_visit_and_dump(void **state)
{
    struct metric_registry *r;
    assert_int_equal(
        metric_registry_new(&(struct metric_registry_options){.delimiter = 0}, &r, NULL), 0);
    struct metric_group *tm = metric_group_new(r, NULL, METRIC_SCOPE_TM, variables, 2);
    struct metric_group *net = metric_group_add(tm, "Network");
    double half = 0.5;
    struct metric_counter mine = {.value = 12};
    struct metric_histogram h;
    metric_histogram_init(&h);
    metric_histogram_add(&h, 4);
    metric_histogram_add(&h, 6);
    metric_group_gauge_fn(tm, "ratio", ratio, &half);
    metric_group_gauge_fn(net, "leader", leader, "jm 1");
    metric_gauge_set(metric_group_gauge(net, "queue"), 3);
    metric_group_add_counter(net, "numBytes", &mine);
    metric_group_meter(net, "numBytesPerSecond", &mine);
    metric_group_add_histogram(tm, "latency", &h);

    STR_AUTO seen = STR_INIT;
    metric_registry_visit(r, NULL, write_down, &seen);
    assert_string_equal(str_cstr(&seen),
                        "tm|ratio|gauge;tm|latency|histogram;tm|Network.leader|gauge;"
                        "tm|Network.queue|gauge;tm|Network.numBytes|counter;"
                        "tm|Network.numBytesPerSecond|meter;");
    str_clear(&seen);
    metric_registry_visit(r, net, write_down, &seen);
    assert_true(cstr_starts_with(str_cstr(&seen), "tm|Network.leader|gauge;"));

    STR_AUTO dump = STR_INIT;
    metric_registry_dump(r, &dump);
    assert_string_equal(str_cstr(&dump),
                        "h.taskmanager.t.ratio\tgauge\t0.5\n"
                        "h.taskmanager.t.latency_count\thistogram\t2\n"
                        "h.taskmanager.t.latency_min\thistogram\t4\n"
                        "h.taskmanager.t.latency_max\thistogram\t6\n"
                        "h.taskmanager.t.latency_mean\thistogram\t5\n"
                        "h.taskmanager.t.latency_stddev\thistogram\t1.4142135623731\n"
                        "h.taskmanager.t.latency_median\thistogram\t4\n"
                        "h.taskmanager.t.latency_p75\thistogram\t6\n"
                        "h.taskmanager.t.latency_p95\thistogram\t6\n"
                        "h.taskmanager.t.latency_p98\thistogram\t6\n"
                        "h.taskmanager.t.latency_p99\thistogram\t6\n"
                        "h.taskmanager.t.latency_p999\thistogram\t6\n"
                        "h.taskmanager.t.Network.leader\tgauge\tjm 1\n"
                        "h.taskmanager.t.Network.queue\tgauge\t3\n"
                        "h.taskmanager.t.Network.numBytes\tcounter\t12\n"
                        "h.taskmanager.t.Network.numBytesPerSecond\tmeter\t0\n");
    metric_group_free(tm);
    metric_registry_free(r);
    metric_histogram_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visit_and_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
