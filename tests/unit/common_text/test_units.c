/* Durations and memory sizes: every label of Flink, ISO-8601, overflow, and back to text. */
#include "common/text/units.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"
#include <stdio.h>

static struct duration parse(const char *text)
{
    struct duration d = {-1, -1};
    struct error err = ERROR_INIT;
    if (duration_parse(slice_cstr(text), &d, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return d;
}

static void test_every_duration_label(void **state)
{
    static const struct {
        const char *labels;
        int64_t nanos;
    } units[] = {
        {"d,day,days", 86400000000000},
        {"h,hour,hours", 3600000000000},
        {"m,min,minute,minutes", 60000000000},
        {"s,sec,secs,second,seconds", 1000000000},
        {",ms,milli,millis,millisecond,milliseconds", 1000000},
        {"\xc2\xb5s,micro,micros,microsecond,microseconds", 1000},
        {"ns,nano,nanos,nanosecond,nanoseconds", 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct slice rest = slice_cstr(units[i].labels);
        struct slice label;
        while (slice_next(&rest, ',', &label)) {
            static const char *const blanks[][2] = {{"", ""}, {" ", ""}, {"\t ", " "}};
            for (size_t k = 0; k < ARRAY_LEN(blanks); k++) {
                char text[100];
                snprintf(text, sizeof(text), "%s7%s%.*s%s", blanks[k][1], blanks[k][0],
                         (int)label.len, label.data, blanks[k][1]);
                assert_int_equal(duration_to_ns(parse(text)), 7 * units[i].nanos);
            }
        }
    }
    assert_int_equal(duration_to_ms(parse("10 MIN")), 600000);
}

static void test_iso(void **state)
{
    assert_int_equal(duration_to_ms(parse("PT10S")), 10000);
    assert_int_equal(duration_to_ms(parse("pt10s")), 10000);
    assert_int_equal(duration_to_ms(parse("P1DT2H3M4.5S")), 93784500);
    assert_int_equal(duration_to_ms(parse("P2D")), 172800000);
    assert_int_equal(duration_to_ms(parse("PT-0.5S")), -500);
    assert_int_equal(duration_to_ms(parse("-PT1M30S")), -90000);
    assert_int_equal(duration_to_ns(parse("PT0.000000001S")), 1);
    assert_int_equal(parse("-PT0.000000001S").seconds, -1);
    assert_int_equal(parse("-PT0.000000001S").nanos, 999999999);
    static const char *const bad[] = {"P",
                                      "PT",
                                      "P1DT",
                                      "P1H",
                                      "PT1D",
                                      "PT1S1M",
                                      "PT1.5M",
                                      "P1Y",
                                      "PT1",
                                      "PTS",
                                      "P T1S",
                                      "PT1SX",
                                      "PT1.0000000001S",
                                      "-",
                                      "+",
                                      "PT99999999999999999999S",
                                      "P\xff",
                                      "PT1S ,"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct duration d;
        struct error err = ERROR_INIT;
        assert_int_equal(duration_parse(slice_cstr(bad[i]), &d, &err), ERR_PARSE);
        assert_non_null(strstr(err.message, "PT10S")); /* says what would be right */
    }
}

static void test_bad_durations(void **state)
{
    static const char *const bad[] = {"",          "   ",   "ten s", "-5 s",
                                      "5 parsecs", "1.5 s", "5 s s", "5 \xce\xbcs"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct duration d = {1, 2};
        assert_int_equal(duration_parse(slice_cstr(bad[i]), &d, NULL), ERR_PARSE);
        assert_int_equal(d.seconds, 1);
    }
}

static void test_long_durations(void **state)
{
    struct duration d = parse("9223372036854775807 ms");
    assert_true(duration_to_ms(d) == INT64_MAX);
    assert_true(duration_to_ns(d) == INT64_MAX); /* clamped */
    assert_true(parse("9223372036854775807 s").seconds == INT64_MAX);
    struct error err = ERROR_INIT;
    assert_int_equal(duration_parse(SLICE_LIT("9223372036854775808 s"), &d, &err), ERR_TOO_LARGE);
    assert_int_equal(duration_parse(SLICE_LIT("200000000000000000 d"), &d, &err), ERR_TOO_LARGE);
    assert_int_equal(duration_parse(SLICE_LIT("99999999999999999999 ns"), &d, &err), ERR_TOO_LARGE);
    assert_true(duration_to_ms((struct duration){INT64_MIN, 0}) == INT64_MIN);
    assert_int_equal(duration_compare(parse("1 s"), parse("1000 ms")), 0);
    assert_int_equal(duration_compare(parse("1 s"), parse("1001 ms")), -1);
    assert_int_equal(duration_compare(parse("2 s"), parse("1001 ms")), 1);
}

static void test_durations_back_to_text(void **state)
{
    static const char *const rows[][2] = {
        {"0", "0 ms"},
        {"60 s", "1 min"},
        {"1500 ms", "1500 ms"},
        {"24 h", "1 d"},
        {"90 min", "90 min"},
        {"1000 micros", "1 ms"},
        {"5 micros", "5 \xc2\xb5s"},
        {"1000001 ns", "1000001 ns"},
        {"PT-1S", "-1 s"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        STR_AUTO out = STR_INIT;
        duration_format(parse(rows[i][0]), &out);
        assert_string_equal(str_cstr(&out), rows[i][1]);
    }
    STR_AUTO out = STR_INIT;
    duration_format((struct duration){INT64_MAX, 1}, &out);
    assert_string_equal(str_cstr(&out), "9223372036854775807000000001 ns");
}

static void test_random_durations_round_trip(void **state)
{
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(rng_next(&rng) >> (1 + rng_below(&rng, 62)));
        STR_AUTO out = STR_INIT;
        duration_format(duration_from_ns(ns), &out);
        assert_true(duration_to_ns(parse(str_cstr(&out))) == ns);
        assert_true(duration_to_ms(duration_from_ms(ns)) == ns);
        assert_true(duration_to_ms(duration_from_ms(-ns)) == -ns);
    }
}

static void test_every_memory_label(void **state)
{
    static const struct {
        const char *labels;
        uint64_t bytes;
    } units[] = {
        {",b,bytes,B,Bytes", 1},
        {"k,kb,kibibytes,KB", 1 << 10},
        {"m,mb,mebibytes,MB", 1 << 20},
        {"g,gb,gibibytes,G", 1 << 30},
        {"t,tb,tebibytes,TB", (uint64_t)1 << 40},
    };
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct slice rest = slice_cstr(units[i].labels);
        struct slice label;
        while (slice_next(&rest, ',', &label)) {
            char text[100];
            snprintf(text, sizeof(text), " 3 %.*s", (int)label.len, label.data);
            uint64_t bytes = 0;
            assert_int_equal(memory_size_parse(slice_cstr(text), &bytes, NULL), 0);
            assert_int_equal(bytes, 3 * units[i].bytes);
        }
    }
}

static void test_bad_memory_sizes(void **state)
{
    uint64_t bytes = 1;
    static const char *const bad[] = {"", " ", "mb", "-1 mb", "1.5 gb", "1 pb", "1 mb x", "1 kib"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(memory_size_parse(slice_cstr(bad[i]), &bytes, NULL), ERR_PARSE);
    }
    static const char *const large[] = {"9223372036854775808", "8388608 tb", "99999999999999999999",
                                        "18446744073709551615 tb"};
    for (size_t i = 0; i < ARRAY_LEN(large); i++) {
        assert_int_equal(memory_size_parse(slice_cstr(large[i]), &bytes, NULL), ERR_TOO_LARGE);
    }
    assert_int_equal(bytes, 1);
    assert_int_equal(memory_size_parse(SLICE_LIT("9223372036854775807"), &bytes, NULL), 0);
    assert_true(bytes == INT64_MAX);
}

static void test_memory_sizes_back_to_text(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text, *readable;
    } rows[] = {
        {0, "0 bytes", "0 bytes"},
        {1, "1 bytes", "1 bytes"},
        {1024, "1 kb", "1024 bytes"},
        {1536, "1536 bytes", "1.500kb (1536 bytes)"},
        {67108864, "64 mb", "64.000mb (67108864 bytes)"},
        {(uint64_t)3 << 40, "3 tb", "3.000tb (3298534883328 bytes)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        STR_AUTO text = STR_INIT;
        STR_AUTO readable = STR_INIT;
        memory_size_format(rows[i].bytes, &text);
        memory_size_format_readable(rows[i].bytes, &readable);
        assert_string_equal(str_cstr(&text), rows[i].text);
        assert_string_equal(str_cstr(&readable), rows[i].readable);
        uint64_t back = 99;
        assert_int_equal(memory_size_parse(str_slice(&text), &back, NULL), 0);
        assert_int_equal(back, rows[i].bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_duration_label),
        cmocka_unit_test(test_iso),
        cmocka_unit_test(test_bad_durations),
        cmocka_unit_test(test_long_durations),
        cmocka_unit_test(test_durations_back_to_text),
        cmocka_unit_test(test_random_durations_round_trip),
        cmocka_unit_test(test_every_memory_label),
        cmocka_unit_test(test_bad_memory_sizes),
        cmocka_unit_test(test_memory_sizes_back_to_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
