/* Filters of metrics: their syntax, and what they match. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/metrics/prometheus/text.h"

static const struct {
    const char *filter, *scope, *name;
    enum metric_kind kind;
    bool matches;
} rows[] = {
    {"*:*:*", "jobmanager", "numRunningJobs", METRIC_GAUGE, true},
    {"*", "jobmanager.job", "uptime", METRIC_GAUGE, true},
    {"jobmanager", "jobmanager", "x", METRIC_GAUGE, true},
    {"jobmanager", "jobmanager.job", "x", METRIC_GAUGE, false},
    {"*.job", "jobmanager.job", "x", METRIC_GAUGE, true},
    {"*.job", "taskmanager.job", "x", METRIC_GAUGE, true},
    {"*.job", "taskmanager.job.task", "x", METRIC_GAUGE, false},
    {"*.job.*", "taskmanager.job.task.operator", "x", METRIC_GAUGE, true},
    {"*:num*", "jobmanager", "numRunningJobs", METRIC_GAUGE, true},
    {"*:num*,up*", "jobmanager", "uptime", METRIC_GAUGE, true},
    {"*:num*", "jobmanager", "uptime", METRIC_GAUGE, false},
    {"*:*In*Second", "a", "numRecordsInPerSecond", METRIC_METER, true},
    {"*:*:counter", "a", "b", METRIC_GAUGE, false},
    {"*:*:counter, meter", "a", "b", METRIC_METER, true},
    {"*:*:HISTOGRAM", "a", "b", METRIC_HISTOGRAM, false},
    {"*:*:histogram", "a", "b", METRIC_HISTOGRAM, true},
    {"*:a**b*c", "s", "aXbXbc", METRIC_GAUGE, true},
    {"*:a*b", "s", "ab ", METRIC_GAUGE, false},
};

static void test_matches(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct metric_filter f;
        assert_int_equal(metric_filter_parse(rows[i].filter, &f, NULL), 0);
        if (metric_filter_matches(&f, rows[i].scope, rows[i].name, rows[i].kind) !=
            rows[i].matches) {
            fail_msg("%s against %s %s", rows[i].filter, rows[i].scope, rows[i].name);
        }
        metric_filter_fini(&f);
    }
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {"a:b:c:d", "a:b:timer"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error err = ERROR_INIT;
        struct metric_filter f;
        assert_int_equal(metric_filter_parse(texts[i], &f, &err), ERR_INVALID_CONFIG);
        assert_non_null(strstr(err.message, texts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
