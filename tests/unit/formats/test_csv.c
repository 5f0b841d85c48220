/* CSV to rows and back: types, quotes, options, short and long rows, pieces, splits. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/formats/support.h"
#include "tests/unit/seeds.h"

static void types(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT>", "",
         "true,-128,32767,-2147483648,9223372036854775807\n"
         " TRUE , 127 , -1 , 0 , -9223372036854775808 \r\nno,+5,7,\"8\",9",
         "+I[true, -128, 32767, -2147483648, 9223372036854775807]\n"
         "+I[true, 127, -1, 0, -9223372036854775808]\n+I[false, 5, 7, 8, 9]\n"},
        {"ROW<a INT>", "", "2147483648\n",
         "!Fail to deserialize at field: a: '2147483648' is no INT"},
        {"ROW<a INT>", "", "1.5\n", "!'1.5' is no INT"},
        {"ROW<a INT, b INT>", "", ",1\n", "!'' is no INT"},
        {"ROW<a FLOAT, b DOUBLE>", "", "1.5,-0.1\nNaN,-Infinity\n1e3, 2d \n",
         "+I[1.5, -0.1]\n+I[NaN, -Infinity]\n+I[1000.0, 2.0]\n"},
        {"ROW<s STRING, t VARCHAR(3), n INT>", "",
         "a,,1\na text of more than twelve letters,\xc3\xa9,2\n",
         "+I[a, , 1]\n+I[a text of more than twelve letters, \xc3\xa9, 2]\n"},
        {"ROW<s STRING, n INT>", "", "\xff,1\n", "!field 's' is no valid UTF-8"},
        {"ROW<m DECIMAL(10, 2), n INT>", "", "1.005,1\n1E+3,2\n123456789012,3\n",
         "+I[1.01, 1]\n+I[1000.00, 2]\n+I[null, 3]\n"},
        {"ROW<d DATE, t TIME(2), p TIMESTAMP(3), q TIMESTAMP_LTZ(9)>", "",
         "2020-02-29,23:59:59.129,2020-01-02 03:04:05.6789,2020-01-02 03:04:05.123456789Z\n"
         "2020-1-5,01:02,1969-12-31 23:59,2020-01-02 03:04:05Z\n",
         "+I[2020-02-29, 23:59:59.120, 2020-01-02T03:04:05.678, 2020-01-02T03:04:05.123456789Z]\n"
         "+I[2020-01-05, 01:02, 1969-12-31T23:59, 2020-01-02T03:04:05Z]\n"},
        {"ROW<d DATE>", "", "20-1-1\n", "!is no DATE"},
        {"ROW<t TIME(6)>", "", "", "!Csv does not support TIME type with precision: 6"},
        {"ROW<b BYTES, n INT>", "", "AQID,1\n,2\n", "+I[[1, 2, 3], 1]\n+I[[], 2]\n"},
        {"ROW<a ARRAY<INT>, r ROW<x STRING, y INT>>", "", "1;2;3,p;7\n,\n",
         "+I[[1, 2, 3], +I[p, 7]]\n+I[[], null]\n"},
        {"ROW<r ROW<x STRING, y INT>>", "", "p;7;8\n",
         "!Row length mismatch. 2 fields expected but was 3"},
        {"ROW<m MAP<STRING, INT>>", "", "", "!Unsupported type: MAP"},
        {"ROW<a ARRAY<ARRAY<INT>>>", "", "", "!Unsupported type: ARRAY"},
    };
    check_cases(*state, "csv", cases, ARRAY_LEN(cases));
}

static void quotes(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a STRING, b STRING>", "",
         "\"x,y\",\"line\nend\r\n\"\n\"he said \"\"no\"\"\",\"\"\na\"b,c\"\n\"q\" \t,\"r\"  \r\n "
         "\"s\",t\n",
         "+I[x,y, line\nend\r\n]\n+I[he said \"no\", ]\n+I[a\"b, c\"]\n+I[q, r]\n+I[ \"s\", t]\n"},
        {"ROW<a STRING, b INT>", "quote-character='", "'x,''y',1\n\"z\",2\n",
         "+I[x,'y, 1]\n+I[\"z\", 2]\n"},
        {"ROW<a STRING, b INT>", "disable-quote-character=true", "\"x,1\n", "+I[\"x, 1]\n"},
        {"ROW<a STRING, b INT>", "", "\"x\"y,1\n", "!Expected column separator character (',')"},
        {"ROW<a STRING, b INT>", "", "\"x\" \"y\",1\n", "!Expected column separator"},
        {"ROW<a STRING, b INT>", "", "1,2\n\"x\ny",
         "!in, line 2, column 1: Failed to deserialize CSV row '\"x': "
         "Missing closing quote for value"},
        {"ROW<a STRING, b INT>", "", "\"x\ny\",1\nz,q\n", "!in, line 3, column 3: "},
        {"ROW<a STRING, b STRING>", "escape-character=\\",
         "a\\,b,\"c\\\"d\"\n\\n\\t\\\\,\"e\\\nf\"\n", "+I[a,b, c\"d]\n+I[\n\t\\, e\nf]\n"},
    };
    check_cases(*state, "csv", cases, ARRAY_LEN(cases));
}

static void options(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a STRING, b INT>", "field-delimiter=\\t", "x,y\t1\n\t2\n", "+I[x,y, 1]\n+I[, 2]\n"},
        {"ROW<a STRING, b INT>", "field-delimiter=;", "x;1\n", "+I[x, 1]\n"},
        {"ROW<a STRING, b INT>", "field-delimiter=;;", "", "!"},
        {"ROW<a STRING>", "field-delimiter=\"", "", "!must be three different characters"},
        {"ROW<a STRING>", "field-delimiter=\xc3\xa9", "", "!one ASCII character"},
        {"ROW<a STRING, b INT>", "null-literal=NULL", "NULL,NULL\n\"NULL\",1\nnull,2\n",
         "+I[null, null]\n+I[null, 1]\n+I[null, 2]\n"},
        {"ROW<a STRING, b INT>", "null-literal=", ",\n", "+I[null, null]\n"},
        {"ROW<a STRING, b INT>", "empty-string-as-null=true", ",\n\"\",1\n",
         "+I[null, null]\n+I[null, 1]\n"},
        {"ROW<a ARRAY<STRING>>", "null-literal=n/a\narray-element-delimiter=|", "x|n/a|\n",
         "+I[[x, null, ]]\n"},
        {"ROW<a STRING, b INT>", "allow-comments=true", "# head\nx,1\n#,2\n y#,3",
         "+I[x, 1]\n+I[ y#, 3]\n"},
        {"ROW<a STRING, b INT>", "", "#x,1\n", "+I[#x, 1]\n"},
        {"ROW<a STRING, b STRING>", "trim-spaces=true", "  x y ,\t\" z \" \n", "+I[x y,  z ]\n"},
        {"ROW<a INT, b INT>", "", "1,2,\n3,4\n", "+I[1, 2]\n+I[3, 4]\n"},
        {"ROW<a INT, b INT>", "allow-trailing-comma=false", "1,2,\n",
         "!Too many entries: expected at most 2 (value #2)"},
        {"ROW<a INT, b INT>", "", "1,2,3\n", "!Too many entries"},
        {"ROW<a INT, b INT>", "ignore-trailing-unmappable=true", "1,2,3,4\n", "+I[1, 2]\n"},
        {"ROW<a INT, b INT, c INT>", "", "1,2\n",
         "!Row length mismatch. 3 fields expected but was 2"},
        {"ROW<a INT, b INT, c INT>", "ignore-parse-errors=true",
         "1,2\n1,2,3,4\nx,5,6\n\"7\"8,9,9\n7,8,9", "+I[1, 2, null]\n+I[null, 5, 6]\n+I[7, 8, 9]\n"},
        {"ROW<a INT NOT NULL, b INT>", "ignore-parse-errors=true", "x,1\n2,y\n", "+I[2, null]\n"},
        {"ROW<a INT, b INT, c INT>", "ignore-parse-errors=true\nfail-on-missing-columns=true",
         "1,2\n1,2,3\n", "+I[1, 2, 3]\n"},
        {"ROW<a STRING>", "", "x\n\ny\r\rz", "+I[x]\n+I[]\n+I[y]\n+I[]\n+I[z]\n"},
    };
    /* A character of two is refused when options are read. */
    struct text_map pairs = TEXT_MAP_INIT;
    struct format_options *o = NULL;
    struct error err = ERROR_INIT;
    text_map_put(&pairs, SLICE_LIT("field-delimiter"), SLICE_LIT(";;"));
    check_error(format_options_new(format_of("csv"), &pairs, "csv.", &o, &err), ERR_INVALID_CONFIG,
                &err,
                "Invalid value for option 'csv.field-delimiter': ';;' is no single character");
    text_map_fini(&pairs);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (strcmp(cases[i].expected, "!") != 0) {
            check_cases(*state, "csv", &cases[i], 1);
        }
    }
}

/* Nothing beyond the data is read, wherever it ends. */
static void truncated_anywhere(void **state)
{
    static const char record[] = "12,\"x \"\"y\"\"\n\xc3\xa9\",1.25,2020-01-02,1;2;3,true\r\n";

    for (size_t n = 0; n < sizeof(record); n++) {
        struct error err = ERROR_INIT;
        STR_AUTO rows = STR_INIT;
        struct reading r;
        assert_int_equal(
            reading_open(&r, *state, "csv",
                         "ROW<a INT, s STRING, d DOUBLE, t DATE, l ARRAY<INT>, b BOOLEAN>",
                         "ignore-parse-errors=true", FLINC_FORMAT_STREAM, &err),
            0);
        assert_int_equal(read_all(&r, slice_make(record, n), n + 1, &rows, &err), 0);
        if (n + 1 == sizeof(record)) {
            assert_string_equal(str_cstr(&rows),
                                "+I[12, x \"y\"\n\xc3\xa9, 1.25, 2020-01-02, [1, 2, 3], true]\n");
        }
        reading_close(&r);
    }
}

static void many_rows(void **state)
{
    STR_AUTO data = STR_INIT;
    STR_AUTO expected = STR_INIT;
    for (int i = 0; i < 6000; i++) {
        str_printf(&data, "%d,\"%0*d\n\",%0*d\n", i, i % 150 + 1, i, i % 90 + 1, i);
        str_printf(&expected, "+I[%d, %0*d\n, %0*d]\n", i, i % 150 + 1, i, i % 90 + 1, i);
    }
    const struct format_case many = {"ROW<n INT, s STRING, t STRING>", "", str_cstr(&data),
                                     str_cstr(&expected)};
    check_case(*state, "csv", FLINC_FORMAT_STREAM, &many, data.len);
    check_case(*state, "csv", FLINC_FORMAT_STREAM, &many, 3000);
}

static void messages(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT, s STRING>", "", "1,x", "+I[1, x]\n"},
        {"ROW<a INT, s STRING>", "", "1,x\n", "+I[1, x]\n"},
        {"ROW<a INT, s STRING>", "", "", ""},
        {"ROW<a INT, s STRING>", "allow-comments=true", "#x", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_case(*state, "csv", FLINC_FORMAT_MESSAGES, &cases[i], 1000);
    }
}

static void splits_only_without_quotes(void **state)
{
    struct error err = ERROR_INIT;
    struct reading r;
    uint64_t start = 0;
    assert_int_equal(reading_open(&r, *state, "csv", "ROW<a INT>", "", FLINC_FORMAT_STREAM, &err),
                     0);
    assert_false(format_decoder_is_splittable(r.decoder));
    check_error(format_decoder_find_start(r.decoder, SLICE_LIT("x\ny"), &start, &err),
                ERR_UNSUPPORTED, &err, "read from their beginning");
    reading_close(&r);
    assert_int_equal(reading_open(&r, *state, "csv", "ROW<a INT>", "disable-quote-character=true",
                                  FLINC_FORMAT_STREAM, &err),
                     0);
    assert_true(format_decoder_is_splittable(r.decoder));
    assert_int_equal(format_decoder_find_start(r.decoder, SLICE_LIT("x\ny"), &start, &err), 0);
    assert_int_equal(start, 2);
    reading_close(&r);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void check_written(struct buffer_pool *pool, const char *schema, const char *options,
                          const char *data, const char *expected)
{
    struct error err = ERROR_INIT;
    STR_AUTO out = STR_INIT;
    struct reading r;
    struct format_decoded decoded;

    assert_int_equal(reading_open(&r, pool, "json", schema, "", FLINC_FORMAT_STREAM, &err), 0);
    const struct format_decode_input input = {
        .data = slice_cstr(data), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    assert_int_equal(format_decode(r.decoder, &input, &r.builder, &decoded, &err), 0);
    struct batch *b = builder_finish(&r.builder);
    assert_int_equal(write_batch("csv", options, FLINC_FORMAT_STREAM, b, &out, &err), 0);
    assert_string_equal(str_cstr(&out), expected);
    batch_unref(b);
    reading_close(&r);
}

static void writing(void **state)
{
    static const char schema[] =
        "ROW<s STRING, n INT, m DECIMAL(20, 2), l ARRAY<STRING>, r ROW<x INT, y STRING>>";
    static const char data[] =
        "{\"s\":\"a,\\\"b\\\"\",\"n\":1,\"m\":100000,\"l\":[\"x\",null,\"z\"],\"r\":{\"x\":1,\"y\":"
        "\"q\"}}\n"
        "{\"s\":\"\",\"m\":12.50,\"l\":[]}\n{\"s\":\"two\\nlines, and more than sixteen\"}\n";

    check_written(*state, schema, "", data,
                  "\"a,\"\"b\"\"\",1,1E+5,x;;z,1;q\n\"\",,12.5,\"\",\n\"two\nlines, and more than "
                  "sixteen\",,,,\n");
    check_written(
        *state, schema,
        "null-literal=NULL\nwrite-bigdecimal-in-scientific-notation=false\nfield-delimiter=;\n"
        "array-element-delimiter=,\nescape-character=\\",
        data,
        "\"a,\\\"b\\\"\";1;100000;x,NULL,z;1,q\n\"\";NULL;12.5;\"\";NULL\n"
        "\"two\nlines, and more than sixteen\";NULL;NULL;NULL;NULL\n");
    check_written(*state, "ROW<s STRING, t STRING>", "disable-quote-character=true",
                  "{\"s\":\"a,b\",\"t\":\" c\"}", "a,b, c\n");
}

/* Strings of odd letters come back, quoted or not. */
static void random_text_comes_back(void **state)
{
    struct seeds seeds = seeds_from(1, UNDER_SANITIZER ? 20 : 200);
    static const char letters[] = "ab,\"\n\r ;\\'#x";

    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct schema *s = schema_of("ROW<a STRING, n INT, b STRING>");
        struct error err = ERROR_INIT;
        STR_AUTO out = STR_INIT;
        struct builder b;
        struct rng rng;
        rng_init(&rng, seed);
        builder_init(&b, *state, s, 0);
        for (int i = 0; i < 40; i++) {
            for (uint32_t c = 0; c < 3; c += 2) {
                char text[100];
                size_t len = rng_below(&rng, sizeof(text));
                for (size_t k = 0; k < len; k++) {
                    text[k] =
                        letters[rng_below(&rng, rng_below(&rng, 2) ? 2 : sizeof(letters) - 1)];
                }
                assert_int_equal(builder_put_bytes(&b, c, text, len, NULL), 0);
            }
            builder_put_i64(&b, 1, i);
            builder_end_row(&b);
        }
        struct batch *written = builder_finish(&b);
        const char *options = seed % 2 ? "" : "escape-character=\\";
        assert_int_equal(write_batch("csv", options, FLINC_FORMAT_STREAM, written, &out, &err), 0);
        struct reading r;
        assert_int_equal(reading_open(&r, *state, "csv", "ROW<a STRING, n INT, b STRING>", options,
                                      FLINC_FORMAT_STREAM, &err),
                         0);
        const struct format_decode_input input = {
            .data = str_slice(&out), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
        struct format_decoded decoded;
        int rc = format_decode(r.decoder, &input, &r.builder, &decoded, &err);
        if (rc < 0) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.message);
        }
        struct batch *read = builder_finish(&r.builder);
        if (!batch_equals(written, read)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, str_cstr(&out));
        }
        batch_unref(read);
        batch_unref(written);
        reading_close(&r);
        builder_fini(&b);
        schema_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(types),
        POOL_TEST(quotes),
        POOL_TEST(options),
        POOL_TEST(truncated_anywhere),
        POOL_TEST(many_rows),
        POOL_TEST(messages),
        POOL_TEST(splits_only_without_quotes),
        POOL_TEST(writing),
        POOL_TEST(random_text_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
