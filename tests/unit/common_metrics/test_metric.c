/* Counters, meters and histograms: values against plain computations. */
#include "common/base/mem.h"
#include "common/metrics/metric.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_counter_and_gauge(void **state)
{
    struct metric_counter c = {0};
    metric_counter_add(&c, 5);
    metric_counter_add_shared(&c, -2);
    assert_int_equal(metric_counter_get(&c), 3);
    struct metric_gauge g = {0};
    metric_gauge_set(&g, -9);
    assert_int_equal(atomic_load(&g.value), -9);
    assert_string_equal(metric_kind_name(METRIC_HISTOGRAM), "histogram");
    assert_string_equal(metric_kind_name((enum metric_kind)99), "unknown");
}

static void test_text_values_are_cut(void **state)
{
    struct metric_value v;
    char text[300];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    metric_value_set_text(&v, text);
    assert_int_equal(v.type, METRIC_VALUE_TEXT);
    assert_int_equal(strlen(v.text), METRIC_TEXT_MAX - 1);
}

/* Ten a second: the rate grows as the window fills, then stays, then falls. */
static void test_meter(void **state)
{
    struct metric_counter c = {0};
    struct metric_meter m;
    metric_counter_add(&c, 1000000); /* before the meter: not part of its rate */
    metric_meter_init(&m, &c);
    assert_true(metric_meter_get_rate(&m) == 0);
    for (int i = 1; i <= 30; i++) {
        metric_counter_add(&c, 10 * METER_UPDATE_S);
        metric_meter_update(&m);
        double want = 10.0 * MIN(i * METER_UPDATE_S, 60) / 60;
        assert_true(fabs(metric_meter_get_rate(&m) - want) < 1e-9);
    }
    for (int i = 0; i < METER_WINDOW_S / METER_UPDATE_S; i++) {
        metric_meter_update(&m);
    }
    assert_true(metric_meter_get_rate(&m) == 0);
}

static void test_histogram_empty_and_one(void **state)
{
    struct metric_histogram h;
    struct metric_histogram_stats s;
    metric_histogram_init(&h);
    metric_histogram_get(&h, &s);
    assert_int_equal(s.count, 0);
    assert_true(s.p99 == 0 && s.mean == 0 && s.stddev == 0);
    metric_histogram_add(&h, 1000003);
    metric_histogram_get(&h, &s);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.min, 1000003);
    assert_int_equal(s.max, 1000003);
    assert_true(s.p50 == 1000003 && s.p999 == 1000003 && s.mean == 1000003 && s.stddev == 0);
    metric_histogram_fini(&h);
}

static int compare_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void check_quantile(const int64_t *sorted, size_t n, double q, double got)
{
    size_t rank = (size_t)ceil(q * (double)n);
    double want = (double)sorted[rank > 0 ? rank - 1 : 0];
    assert_true(fabs(got - want) <= want / 64 + 1e-9);
}

static void test_histogram_against_sorted(void **state)
{
    enum { N = 20000 };
    int64_t *values = MEM_NEW_ARRAY(int64_t, N);
    struct rng r;
    rng_init(&r, 7);
    struct metric_histogram h;
    metric_histogram_init(&h);
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        values[i] = (int64_t)(rng_next(&r) >> (2 + rng_below(&r, 60))); /* all magnitudes */
        metric_histogram_add(&h, values[i]);
        sum += (double)values[i];
    }
    double mean = sum / N, squares = 0;
    for (size_t i = 0; i < N; i++) {
        squares += ((double)values[i] - mean) * ((double)values[i] - mean);
    }
    double stddev = sqrt(squares / (N - 1));
    qsort(values, N, sizeof(values[0]), compare_i64);
    struct metric_histogram_stats s;
    metric_histogram_get(&h, &s);
    assert_int_equal(s.count, N);
    assert_int_equal(s.min, values[0]);
    assert_int_equal(s.max, values[N - 1]);
    assert_true(fabs(s.mean - mean) <= mean * 1e-9);
    assert_true(fabs(s.stddev - stddev) <= stddev * 1e-6);
    check_quantile(values, N, 0.5, s.p50);
    check_quantile(values, N, 0.75, s.p75);
    check_quantile(values, N, 0.95, s.p95);
    check_quantile(values, N, 0.98, s.p98);
    check_quantile(values, N, 0.99, s.p99);
    check_quantile(values, N, 0.999, s.p999);
    assert_true(metric_histogram_quantile(&h, 0) >= (double)s.min);
    assert_true(metric_histogram_quantile(&h, 1) <= (double)s.max);
    metric_histogram_fini(&h);
    mem_free(values);
}

static void test_histogram_extremes_and_reset(void **state)
{
    struct metric_histogram h;
    struct metric_histogram_stats s;
    metric_histogram_init(&h);
    metric_histogram_add(&h, INT64_MAX);
    metric_histogram_add(&h, -5);
    metric_histogram_add(&h, 0);
    metric_histogram_get(&h, &s);
    assert_int_equal(s.min, 0);
    assert_int_equal(s.max, INT64_MAX);
    assert_true(s.p50 == 0 && s.p999 > 0.98 * (double)INT64_MAX);
    metric_histogram_reset(&h);
    metric_histogram_get(&h, &s);
    assert_int_equal(s.count, 0);
    assert_true(s.p999 == 0);
    metric_histogram_add(&h, 3);
    metric_histogram_get(&h, &s);
    assert_int_equal(s.min, 3);
    assert_true(s.p50 == 3);
    metric_histogram_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_and_gauge),
        cmocka_unit_test(test_text_values_are_cut),
        cmocka_unit_test(test_meter),
        cmocka_unit_test(test_histogram_empty_and_one),
        cmocka_unit_test(test_histogram_against_sorted),
        cmocka_unit_test(test_histogram_extremes_and_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
