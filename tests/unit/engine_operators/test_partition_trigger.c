/* When partitions are complete: the time that their values say, delays, zones, mistakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/operators/files/partition_trigger.h"

#define HOUR INT64_C(3600000)
#define JAN_31 (INT64_C(18292) * 24 * HOUR) /* 2020-01-31 00:00 UTC */

static struct partition_trigger *trigger_of(const char *pattern, const char *formatter,
                                            const char *zone, int64_t delay_ms)
{
    struct error err = ERROR_INIT;
    struct partition_trigger *t = NULL;
    Flinc__PartitionTrigger c = FLINC__PARTITION_TRIGGER__INIT;
    c.kind = FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PARTITION_TIME;
    c.pattern = (char *)(uintptr_t)pattern;
    c.formatter = (char *)(uintptr_t)formatter;
    c.zone = (char *)(uintptr_t)zone;
    c.delay_ms = delay_ms;
    if (partition_trigger_new(&c, &t, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return t;
}

static void expect_time(struct partition_trigger *t, const char *partition, int64_t expected_ms)
{
    struct error err = ERROR_INIT;
    int64_t ms = 0;
    if (partition_trigger_time(t, partition, &ms, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(ms, expected_ms);
    partition_trigger_free(t);
}

static void times(void **state)
{
    (void)state;
    expect_time(trigger_of("", "", "UTC", 0), "dt=2020-01-31/hour=10", JAN_31);
    expect_time(trigger_of("", "", "", 0), "dt=2020-1-31 7%3A5%3A9", JAN_31 + 7 * HOUR + 309000);
    expect_time(trigger_of("$dt $hour:00:00", "", "UTC", 0), "dt=2020-01-31/hour=10",
                JAN_31 + 10 * HOUR);
    expect_time(trigger_of("$d-$m-$y", "dd-MM-yyyy", "UTC", 0), "y=2020/m=01/d=31", JAN_31);
    expect_time(trigger_of("", "yyyyMMdd", "UTC", 0), "dt=20200131", JAN_31);
    expect_time(trigger_of("", "", "Asia/Shanghai", 0), "dt=2020-01-31", JAN_31 - 8 * HOUR);
    expect_time(trigger_of("", "", "UTC", 0), "dt=1969-12-31", -24 * HOUR);
}

static void no_times(void **state)
{
    struct error err = ERROR_INIT;
    int64_t ms = 0;
    (void)state;
    struct partition_trigger *t = trigger_of("$dt $hour:00:00", "", "UTC", 0);
    assert_int_equal(partition_trigger_time(t, "dt=__DEFAULT_PARTITION__/hour=1", &ms, &err),
                     ERR_PARSE);
    assert_non_null(strstr(err.message, "'__DEFAULT_PARTITION__ 1:00:00'"));
    assert_non_null(strstr(err.message, "partition.time-extractor.timestamp-pattern"));
    assert_true(partition_trigger_time(t, "dt=2020-01-31", &ms, &err) < 0); /* there is no $hour */
    partition_trigger_free(t);
}

static bool is_due(const struct partition_trigger *t, struct partition_age age)
{
    struct error err = ERROR_INIT;
    bool due = false;
    if (partition_trigger_is_due(t, "dt=2020-01-31", &age, &due, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return due;
}

static void due_by_watermarks(void **state)
{
    struct partition_trigger *t = trigger_of("", "", "UTC", HOUR);
    (void)state;
    assert_false(is_due(t, (struct partition_age){0, INT64_MAX, INT64_MIN}));
    assert_false(is_due(t, (struct partition_age){0, INT64_MAX, JAN_31 + HOUR}));
    assert_true(is_due(t, (struct partition_age){0, 0, JAN_31 + HOUR + 1}));
    assert_true(is_due(t, (struct partition_age){0, 0, INT64_MAX}));
    partition_trigger_free(t);
}

static void due_by_the_clock(void **state)
{
    struct error err = ERROR_INIT;
    struct partition_trigger *t = NULL;
    Flinc__PartitionTrigger c = FLINC__PARTITION_TRIGGER__INIT;
    (void)state;
    c.delay_ms = 10;
    assert_int_equal(partition_trigger_new(&c, &t, &err), 0);
    assert_false(is_due(t, (struct partition_age){100, 109, INT64_MAX}));
    assert_true(is_due(t, (struct partition_age){100, 110, INT64_MIN}));
    partition_trigger_free(t);
}

static void bad_configurations(void **state)
{
    struct error err = ERROR_INIT;
    struct partition_trigger *t = NULL;
    Flinc__PartitionTrigger c = FLINC__PARTITION_TRIGGER__INIT;
    (void)state;
    c.kind = FLINC__PARTITION_TRIGGER_KIND__PARTITION_TRIGGER_PARTITION_TIME;
    c.zone = (char *)(uintptr_t) "Mars/Phobos";
    assert_true(partition_trigger_new(&c, &t, &err) < 0);
    assert_non_null(strstr(err.message, "Mars/Phobos"));
    c.zone = (char *)(uintptr_t) "UTC";
    c.formatter = (char *)(uintptr_t) "bbb";
    assert_true(partition_trigger_new(&c, &t, &err) < 0);
    assert_null(t);
    assert_null(partition_trigger_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times),
        cmocka_unit_test(no_times),
        cmocka_unit_test(due_by_watermarks),
        cmocka_unit_test(due_by_the_clock),
        cmocka_unit_test(bad_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
