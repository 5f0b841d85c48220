/* Windows follow what is consumed: down, up, not for every breath, and never below what a channel needs. */
#include "taskmanager/exchange/debloater.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { PERIOD_MS = 200, MS = 1000000 };

static const struct debloater_options OPTIONS = {.target_ms = 1000,
                                                 .n_samples = 20,
                                                 .threshold_percent = 25,
                                                 .n_channels = 4,
                                                 .window_max = 512 * 1024};

/* So many samples of a throughput; how many changes were announced. */
static int run(struct debloater *d, uint64_t bytes_per_second, int samples)
{
    int changes = 0;
    for (int i = 0; i < samples; i++) {
        changes +=
            debloater_sample(d, bytes_per_second * PERIOD_MS / 1000, (int64_t)PERIOD_MS * MS);
    }
    return changes;
}

static void slow_consumers_get_less(void **state)
{
    struct debloater d;
    debloater_init(&d, &OPTIONS);
    assert_int_equal(d.announced, OPTIONS.window_max);
    assert_int_equal(run(&d, 100 << 20, 100), 0); /* fast enough for all that the bounds allow */
    int changes = run(&d, 400000, 200);
    assert_true(changes > 3 && changes < 15);
    assert_in_range(d.announced, 100000 * 3 / 4,
                    100000 * 4 / 3);           /* a second's worth, over 4 channels */
    assert_int_equal(run(&d, 410000, 200), 0); /* a breath */
    assert_int_equal(debloater_estimate_ms(&d, 410000), 1000);
    assert_true(run(&d, 100 << 20, 200) > 0);
    assert_int_equal(d.announced, OPTIONS.window_max);
}

/* FLINK-33077, FLINK-36555: windows so small that records no longer fit, or that nothing moves. */
static void flink_33077_36555_never_too_small(void **state)
{
    struct debloater d;
    debloater_init(&d, &OPTIONS);
    run(&d, 1000, 500); /* what is less than the threshold away is not told */
    assert_in_range(d.announced, DEBLOATER_WINDOW_MIN, DEBLOATER_WINDOW_MIN * 4 / 3);
    run(&d, 0, 500);
    assert_in_range(d.announced, DEBLOATER_WINDOW_MIN, DEBLOATER_WINDOW_MIN * 4 / 3);
    struct debloater_options tiny = OPTIONS;
    tiny.window_max = 1024;
    debloater_init(&d, &tiny);
    run(&d, 10, 500);
    assert_int_equal(d.announced, 1024);
}

static void nothing_is_learned_from_idleness(void **state)
{
    struct debloater d;
    debloater_init(&d, &OPTIONS);
    assert_int_equal(run(&d, 0, 100), 0); /* nothing came yet */
    assert_false(debloater_sample(&d, 1000, 0));
    assert_false(debloater_sample(&d, 1000, -5));
    assert_int_equal(d.announced, OPTIONS.window_max);
    assert_int_equal(debloater_estimate_ms(&d, 1000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_consumers_get_less),
        cmocka_unit_test(flink_33077_36555_never_too_small),
        cmocka_unit_test(nothing_is_learned_from_idleness),
    };
    return cmocka_run_group_tests_name("debloater", tests, NULL, NULL);
}
