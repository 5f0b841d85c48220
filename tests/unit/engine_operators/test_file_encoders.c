/* The formats of files: every type, quoting, NULLs, what cannot be written; compression. */
#include "common/fs/stream.h"
#include "engine/data/value_print.h"
#include "engine/operators/files/date_pattern.h"
#include "engine/operators/files/encoder.h"
#include "engine/operators/files/packer.h"
#include "files_fixture.h"
#include "proto/operators.pb-c.h"

#include <time.h>

/* The bytes that rows of a schema become; in place of a pool of its own, that of a harness. */
static const char *encode(const char *format, const char *schema, const char *rows,
                          const Flinc__CsvFormat *csv)
{
    static char text[65536];
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    struct harness *h;
    struct batch *b;
    struct file_encoder *e;
    STR_AUTO out = STR_INIT;
    c.format = (char *)(uintptr_t)format;
    c.csv = (Flinc__CsvFormat *)(uintptr_t)csv;
    must(harness_new(
        &(struct harness_options){.kind = "flinc.sink.discard", .input_schemas = {schema}}, &h,
        &err));
    const struct schema *s = harness_input_schema(h, 0);
    must(harness_parse_rows(harness_pool(h), s, rows, &b, &err));
    must(file_encoder_new(&(struct file_encoder_context){.schema = s, .config = &c}, &e, &err));
    str_append_slice(&out, e->header);
    must(e->desc->encode(e, NULL, b, &out, &err));
    assert_int_equal(out.data[out.len], '\0');
    file_encoder_free(e);
    batch_unref(b);
    harness_free(h);
    assert_in_range(out.len, 0, sizeof(text) - 1);
    memcpy(text, str_cstr(&out), out.len + 1);
    return text;
}

static void refuses(const char *format, const char *schema, const char *why)
{
    Flinc__FileSinkConfig c = FLINC__FILE_SINK_CONFIG__INIT;
    struct schema *s;
    c.format = (char *)(uintptr_t)format;
    must(schema_parse(slice_cstr(schema), &s, &err));
    must_fail(file_encoder_check(&c, s, &err), ERR_UNSUPPORTED, why);
    schema_unref(s);
}

/* ---- CSV -------------------------------------------------------------------------------------------- */

static void test_csv(void **state)
{
    assert_string_equal(
        encode("csv", "ROW<a INT, b STRING>",
               "1, plain\n-2147483648, 'with, comma'\nNULL, NULL\n3, ''\n4, ' blank'", NULL),
        "1,plain\n-2147483648,\"with, comma\"\n,\n3,\"\"\n4,\" blank\"\n");
    assert_string_equal(encode("csv", "ROW<a STRING>", "'say \"hi\"'", NULL),
                        "\"say \"\"hi\"\"\"\n");
    Flinc__CsvFormat f = FLINC__CSV_FORMAT__INIT;
    f.delimiter = ';';
    f.quote = '\'';
    f.null_literal = (char *)(uintptr_t) "null";
    f.header = true;
    assert_string_equal(encode("csv", "ROW<a STRING, `b;c` INT>", "'x;y', NULL\n'null', 7", &f),
                        "a;'b;c'\n'x;y';null\n'null';7\n");
    f.delimiter = '-';
    assert_string_equal(encode("csv", "ROW<a INT, b DATE>", "-5, 0", &f),
                        "a-b\n'-5'-'1970-01-01'\n");
}

static void test_csv_types(void **state)
{
    assert_string_equal(
        encode(
            "csv",
            "ROW<a BOOLEAN, b TINYINT, c SMALLINT, d BIGINT, e FLOAT, f DOUBLE, g DATE, h TIME, i "
            "TIMESTAMP(3), j TIMESTAMP_LTZ(3)>",
            "true, -128, 32767, -9223372036854775808, 1.5, 0.1, 18262, 45296789, 1577880000123, "
            "-1\nfalse, 0, 0, 9223372036854775807, 0, -2.5, -1, 0, 0, 0",
            NULL),
        "true,-128,32767,-9223372036854775808,1.5,0.1,2020-01-01,12:34:56.789,2020-01-01 "
        "12:00:00.123,1969-12-31 23:59:59.999Z\n"
        "false,0,0,9223372036854775807,0.0,-2.5,1969-12-31,00:00:00,1970-01-01 "
        "00:00:00,1970-01-01 00:00:00Z\n");
}

static void test_csv_refuses(void **state)
{
    refuses("csv", "ROW<a INT, m MAP<STRING, INT>>",
            "CSV cannot write the column 'm' of type MAP<STRING, INT>");
    refuses("csv", "ROW<a MULTISET<STRING>>", "column 'a'");
    refuses("csv", "ROW<a ARRAY<ARRAY<INT>>>", "column 'a'");
    refuses("csv", "ROW<a ROW<b ROW<c INT>>>", "column 'a'");
    refuses("json", "ROW<m MAP<INT, INT>>", "JSON cannot write the column 'm'");
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void test_json(void **state)
{
    assert_string_equal(
        encode("json", "ROW<a INT, `b\"c` STRING, d DOUBLE, e BOOLEAN>",
               "1, 'say \"hi\"\\ there', 1.5, true\nNULL, NULL, NULL, NULL\n2, '\xc3\xa4\x01\xff', "
               "NaN, "
               "false",
               NULL),
        "{\"a\":1,\"b\\\"c\":\"say \\\"hi\\\"\\\\ there\",\"d\":1.5,\"e\":true}\n"
        "{\"a\":null,\"b\\\"c\":null,\"d\":null,\"e\":null}\n"
        "{\"a\":2,\"b\\\"c\":\"\xc3\xa4\\u0001\xef\xbf\xbd\",\"d\":\"NaN\",\"e\":false}\n");
    assert_string_equal(
        encode("json", "ROW<t TIMESTAMP(3), d DATE, h TIME>", "0, 0, 0", NULL),
        "{\"t\":\"1970-01-01 00:00:00\",\"d\":\"1970-01-01\",\"h\":\"00:00:00\"}\n");
}

/* ---- doubles ---------------------------------------------------------------------------------------- */

/* What CSV writes reads back as the same number, and is no longer than what Java writes. */
static void test_doubles(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 20000; i++) {
        char row[64];
        double v;
        if (i % 2 == 0) {
            v = (double)(int64_t)rng_below(&rng, 100000000) / (double)(1 + rng_below(&rng, 1000));
        } else {
            static const double powers[] = {1, 10, 100, 1000, 1e4, 1e5, 1e6, 1e7};
            v = (double)(int64_t)rng_below(&rng, 1000000) / powers[rng_below(&rng, 8)];
        }
        v = i % 3 == 0 ? -v : v;
        snprintf(row, sizeof(row), "%.17g", v);
        const char *text = encode("csv", "ROW<a DOUBLE>", row, NULL);
        assert_true(strtod(text, NULL) == v);
        STR_AUTO java = STR_INIT;
        value_print_f64(v, &java);
        str_append_char(&java, '\n');
        assert_string_equal(text, str_cstr(&java));
        i += 40; /* a harness each is slow */
    }
}

/* ---- dates ------------------------------------------------------------------------------------------ */

static const char *date(const char *pattern, const char *zone, int64_t ms)
{
    static char text[256];
    struct date_pattern p;
    STR_AUTO out = STR_INIT;
    must(date_pattern_init(&p, pattern, zone, &err));
    date_pattern_append(&p, date_pattern_unit(&p, ms), &out);
    date_pattern_fini(&p);
    snprintf(text, sizeof(text), "%s", str_cstr(&out));
    return text;
}

static void test_date_patterns(void **state)
{
    assert_string_equal(date("yyyy-MM-dd--HH", "UTC", 0), "1970-01-01--00");
    assert_string_equal(date("'year='yyyy/'month='M/d", "UTC", 951782400000),
                        "year=2000/month=2/29");
    assert_string_equal(date("yy DDD HH:mm:ss.SSS", "UTC", 1230768000000 - 1),
                        "08 366 23:59:59.999");
    assert_string_equal(date("H'o''clock' ''", "+05:30", 0), "5o'clock '");
    assert_string_equal(date("yyyy", "-18:00", 0), "1969");
    assert_string_equal(date("DDD", "UTC", 1583020800000), "061"); /* 2020-03-01 */
    assert_string_equal(date("yyyyMMdd", "UTC", INT64_MAX), "2757600913");
    must_fail(date_pattern_check("yyyy-'MM", &err), ERR_INVALID_ARGUMENT, "not closed");
    must_fail(date_pattern_check("EEE", &err), ERR_INVALID_ARGUMENT, "the letter 'E'");
    must_fail(date_pattern_check("", &err), ERR_INVALID_ARGUMENT, "1 to 255");
}

/* Against the C library, over changes of daylight saving time. */
static void test_zones(void **state)
{
    static const char *const zones[] = {"Europe/Berlin", "America/New_York",  "Australia/Lord_Howe",
                                        "Asia/Kolkata",  "America/Sao_Paulo", "Africa/Casablanca"};
    if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
        print_message("skipped: there is no tzdata\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        struct date_pattern p;
        setenv("TZ", zones[i], 1);
        tzset();
        must(date_pattern_init(&p, "yyyy-MM-dd HH:mm", zones[i], &err));
        for (int64_t s = 0; s < INT64_C(4102444800); s += 3600 * 7 * 13 + 1800) { /* to 2100 */
            char expected[64];
            struct tm tm;
            time_t t = (time_t)s;
            STR_AUTO out = STR_INIT;
            localtime_r(&t, &tm);
            strftime(expected, sizeof(expected), "%Y-%m-%d %H:%M", &tm);
            date_pattern_append(&p, date_pattern_unit(&p, s * 1000), &out);
            if (strcmp(str_cstr(&out), expected) != 0) {
                fail_msg("%s at %lld: %s, not %s", zones[i], (long long)s, str_cstr(&out),
                         expected);
            }
        }
        date_pattern_fini(&p);
    }
    unsetenv("TZ");
    tzset();
}

/* ---- compression ------------------------------------------------------------------------------------ */

static void test_packers(void **state)
{
    static const char *const names[] = {"gzip", "zstd"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct file_packer *p;
        STR_AUTO packed = STR_INIT;
        STR_AUTO text = STR_INIT;
        char path[64];
        must(file_packer_new(names[i], &p, &err));
        for (int k = 0; k < 300000; k++) {
            str_printf(&text, "%lld\n", (long long)k * 7919);
            if (k % 1000 == 0) {
                size_t from = text.len / 2;
                must(file_packer_add(p, slice_make(text.data, from), &packed, &err));
                must(file_packer_add(p, slice_make(text.data + from, text.len - from), &packed,
                                     &err));
                str_clear(&text);
            }
        }
        must(file_packer_finish(p, &packed, &err));
        file_packer_free(p);
        snprintf(path, sizeof(path), "x%s", file_packer_suffix(names[i]));
        struct fs_stream *in;
        char first[8];
        size_t n;
        must(fs_stream_open(put_file(path, packed.data, packed.len), &in, &err));
        must(fs_stream_read(in, first, sizeof(first), &n, &err));
        assert_memory_equal(first, "0\n7919\n1", 8);
        while (n > 0) {
            char rest[4096];
            must(fs_stream_read(in, rest, sizeof(rest), &n, &err));
        }
        assert_in_range(fs_stream_position(in), 2 * 1024 * 1024, 4 * 1024 * 1024);
        fs_stream_close(in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_csv),   FILES_TEST(test_csv_types), FILES_TEST(test_csv_refuses),
        FILES_TEST(test_json),  FILES_TEST(test_doubles),   FILES_TEST(test_date_patterns),
        FILES_TEST(test_zones), FILES_TEST(test_packers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
