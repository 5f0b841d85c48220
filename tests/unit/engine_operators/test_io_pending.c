/* What a source has yet to give: what is left, and of that what is due by the clock. */
#include "engine/operators/io/io_pending.h"
#include "fixture.h"

static struct clock_manual manual;

static struct io_pending *pending(double rows_per_s, double rows_max)
{
    static struct io_pending p;
    clock_manual_init(&manual);
    p = (struct io_pending){
        .rows_per_ns = rows_per_s * 1e-9, .rows_max = rows_max, .clock = &manual.base};
    return &p;
}

static void test_without_a_rate(void **state)
{
    struct io_pending *p = pending(0, 1);
    assert_int_equal(io_pending_get(p), 0);
    io_pending_set(p, 17, 0);
    clock_manual_advance_ms(&manual, 1000);
    assert_int_equal(io_pending_get(p), 17);
    io_pending_set(p, INT64_MAX, 0);
    assert_true(io_pending_get(p) == INT64_MAX);
}

/* 100 records a second become due while nobody asks for them, up to what is made up for and what is left. */
static void test_with_a_rate(void **state)
{
    struct io_pending *p = pending(100, 100);
    io_pending_set(p, INT64_MAX, clock_monotonic_ns(&manual.base));
    assert_int_equal(io_pending_get(p), 0);
    clock_manual_advance_ms(&manual, 255);
    assert_int_equal(io_pending_get(p), 25);
    io_pending_set(p, 7, clock_monotonic_ns(&manual.base) - 250000000);
    assert_int_equal(io_pending_get(p), 7);
    io_pending_set(p, INT64_MAX, clock_monotonic_ns(&manual.base));
    clock_manual_advance_ms(&manual, 60000);
    assert_int_equal(io_pending_get(p), 100);
    io_pending_set(p, 1000, clock_monotonic_ns(&manual.base) + 5000000); /* ahead of the clock */
    assert_int_equal(io_pending_get(p), 0);
    io_pending_set(p, 0, 0);
    assert_int_equal(io_pending_get(p), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_rate),
        cmocka_unit_test(test_with_a_rate),
    };
    return cmocka_run_group_tests_name("io_pending", tests, NULL, NULL);
}
