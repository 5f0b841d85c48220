/* Time zones: offsets by name, and TZif files against the C library. */
#include "common/base/error.h"
#include "common/text/time_zone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int32_t offset_of(const char *name, int64_t utc_s)
{
    struct time_zone *z = NULL;
    struct time_zone_span span;
    struct error err = ERROR_INIT;
    if (time_zone_open(name, &z, &err) < 0) {
        fail_msg("%s: %s", name, err.message);
    }
    time_zone_find(z, utc_s, &span);
    assert_true(span.from_s <= utc_s && utc_s < span.to_s);
    time_zone_free(z);
    return span.offset_s;
}

static void test_offsets(void **state)
{
    assert_int_equal(offset_of("UTC", 0), 0);
    assert_int_equal(offset_of("Z", 0), 0);
    assert_int_equal(offset_of("+02:00", 0), 7200);
    assert_int_equal(offset_of("-3", 0), -10800);
    assert_int_equal(offset_of("GMT+8", 0), 28800);
    assert_int_equal(offset_of("UTC-03:30:15", 0), -12615);
}

static void refuses(const char *name, int code)
{
    struct time_zone *z;
    struct error err = ERROR_INIT;
    assert_int_equal(time_zone_open(name, &z, &err), code);
    assert_non_null(strstr(err.message, name));
}

static void test_bad_names(void **state)
{
    refuses("Europe/Nowhere", ERR_NOT_FOUND);
    refuses("../../etc/passwd", ERR_INVALID_ARGUMENT);
    refuses("/etc/localtime", ERR_INVALID_ARGUMENT);
    refuses("+19:00", ERR_INVALID_ARGUMENT);
    refuses("+02:75", ERR_INVALID_ARGUMENT);
}

/* The machine's zone, by name, by a rule, by a path. */
static void test_machine(void **state)
{
    setenv("TZ", "EST5EDT,M3.2.0,M11.1.0", 1);
    assert_int_equal(offset_of("", 1704067200), -18000);
    assert_int_equal(offset_of("", 1719792000), -14400);
    setenv("TZ", "<+0330>-3:30", 1);
    assert_int_equal(offset_of("", 0), 12600);
    unsetenv("TZ");
    (void)offset_of("", 0);
}

static void check_zone(const char *name)
{
    struct time_zone *z = NULL;
    struct time_zone_span span = {0, 0, 0};
    setenv("TZ", name, 1);
    tzset();
    assert_int_equal(time_zone_open(name, &z, NULL), 0);
    for (int64_t s = -2000000000; s < INT64_C(6000000000); s += 3600 * 23) {
        struct tm tm;
        time_t t = (time_t)s;
        localtime_r(&t, &tm);
        if (s < span.from_s || s >= span.to_s) {
            time_zone_find(z, s, &span);
        }
        if (tm.tm_gmtoff != span.offset_s) {
            fail_msg("%s at %lld: %d, not %ld", name, (long long)s, span.offset_s, tm.tm_gmtoff);
        }
    }
    time_zone_free(z);
}

static void test_against_the_library(void **state)
{
    static const char *const names[] = {"Europe/Berlin",       "America/New_York", "Asia/Kolkata",
                                        "Australia/Lord_Howe", "America/Santiago", "Asia/Jerusalem",
                                        "Africa/Casablanca",   "Etc/UTC"};
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
        print_message("skipped: there is no tzdata\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        check_zone(names[i]);
    }
    unsetenv("TZ");
    tzset();
}

static void test_damaged_files(void **state)
{
    static const char short_file[] = "TZif2";
    struct time_zone *z;
    assert_int_equal(time_zone_parse(slice_make(short_file, 5), &z, NULL), ERR_PARSE);
    assert_int_equal(time_zone_parse(slice_make("", 0), &z, NULL), ERR_PARSE);
    assert_int_equal(
        time_zone_parse(slice_make("PK\3\4 and so on, no zone at all it is", 35), &z, NULL),
        ERR_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),       cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_machine),       cmocka_unit_test(test_against_the_library),
        cmocka_unit_test(test_damaged_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
