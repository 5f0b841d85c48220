/* JSON to rows: every type and option, what is malformed, records in pieces, prediction, arrays, limits. */
#include "tests/unit/formats/support.h"

static void types(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT>", "",
         "{\"a\":true,\"b\":-128,\"c\":32767,\"d\":-2147483648,\"e\":9223372036854775807}\n"
         "{\"a\":false,\"b\":127,\"c\":-32768,\"d\":2147483647,\"e\":-9223372036854775808}\n"
         "{\"a\":null,\"b\":null,\"c\":null,\"d\":null,\"e\":null}\n"
         "{}\n",
         "+I[true, -128, 32767, -2147483648, 9223372036854775807]\n"
         "+I[false, 127, -32768, 2147483647, -9223372036854775808]\n"
         "+I[null, null, null, null, null]\n+I[null, null, null, null, null]\n"},
        /* Strings are parsed, too; of INT and BIGINT fractions are cut. */
        {"ROW<a BOOLEAN, b TINYINT, d INT, e BIGINT>", "",
         "{\"a\":\" TRUE \",\"b\":\" 7 \",\"d\":\"-12\",\"e\":\"+5\"}\n"
         "{\"a\":1,\"b\":\"-1\",\"d\":1.9,\"e\":-2.5e3}",
         "+I[true, 7, -12, 5]\n+I[false, -1, 1, -2500]\n"},
        {"ROW<b TINYINT>", "", "{\"b\":128}",
         "!Fail to deserialize at field: b: 128 is no TINYINT"},
        {"ROW<b TINYINT>", "", "{\"b\":1.5}", "!Fail to deserialize at field: b: 1.5"},
        {"ROW<d INT>", "", "{\"d\":2147483648}", "!2147483648 is no INT"},
        {"ROW<d INT>", "", "{\"d\":2147483648.0}", "!is no INT"},
        {"ROW<e BIGINT>", "", "{\"e\":9223372036854775808}", "!is no BIGINT"},
        {"ROW<e BIGINT>", "", "{\"e\":1e400}", "!is no BIGINT"},
        {"ROW<e BIGINT>", "", "{\"e\":\"\"}", "!is no BIGINT"},
        {"ROW<e BIGINT>", "", "{\"e\":true}", "!true is no BIGINT"},
        {"ROW<e BIGINT>", "", "{\"e\":[1]}", "![1] is no BIGINT"},
        {"ROW<f FLOAT, d DOUBLE>", "",
         "{\"f\":1.5,\"d\":0.1}\n{\"f\":-3,\"d\":1e308}\n{\"f\":\"NaN\",\"d\":\"-Infinity\"}\n"
         "{\"f\":NaN,\"d\":Infinity}\n{\"f\":16777217,\"d\":123456789012345678901234567890}\n"
         "{\"f\":0.1,\"d\":-0.0}\n{\"f\":\"1e3f\",\"d\":\" 2.5d \"}\n",
         "+I[1.5, 0.1]\n+I[-3.0, 1.0E308]\n+I[NaN, -Infinity]\n+I[NaN, Infinity]\n"
         "+I[1.6777216E7, 1.2345678901234568E29]\n+I[0.1, -0.0]\n+I[1000.0, 2.5]\n"},
        {"ROW<s STRING, c CHAR(3)>", "",
         "{\"s\":\"a\",\"c\":\"b\"}\n{\"s\":\"a long one, of more than twelve\",\"c\":\"\"}\n"
         "{\"s\":12.50,\"c\":true}\n{\"s\":{\"a\": [1, \"x y\"]},\"c\":[ "
         "]}\n{\"s\":\"null\",\"c\":null}\n",
         "+I[a, b]\n+I[a long one, of more than twelve, ]\n+I[12.50, true]\n"
         "+I[{\"a\":[1,\"x y\"]}, []]\n+I[null, null]\n"},
        {"ROW<b BYTES>", "", "{\"b\":\"AQID\"}\n{\"b\":\"AQ==\"}\n{\"b\":\"\"}\n",
         "+I[[1, 2, 3]]\n+I[[1]]\n+I[[]]\n"},
        {"ROW<b BYTES>", "", "{\"b\":\"AQI\"}", "!is no BYTES"},
        {"ROW<m DECIMAL(10, 2), n DECIMAL(38, 18)>", "",
         "{\"m\":1.005,\"n\":-12345678901234567890.123456789012345678}\n{\"m\":\" 7 "
         "\",\"n\":1e-18}\n"
         "{\"m\":123456789.00,\"n\":0}\n",
         "+I[1.01, -12345678901234567890.123456789012345678]\n+I[7.00, 0.000000000000000001]\n"
         "+I[null, 0.000000000000000000]\n"},
        {"ROW<m DECIMAL(10, 2)>", "", "{\"m\":\"x\"}", "!\"x\" is no DECIMAL(10, 2)"},
        {"ROW<d DATE, t TIME(3)>", "",
         "{\"d\":\"2020-02-29\",\"t\":\"23:59:59.123\"}\n{\"d\":\"0000-01-01\",\"t\":\"00:00\"}",
         "+I[2020-02-29, 23:59:59.123]\n+I[0000-01-01, 00:00]\n"},
        {"ROW<d DATE>", "", "{\"d\":\"2021-02-29\"}", "!\"2021-02-29\" is no DATE"},
        {"ROW<d DATE>", "", "{\"d\":18262}", "!18262 is no DATE"},
        {"ROW<t TIME(0)>", "", "{\"t\":\"24:00:00\"}", "!is no TIME"},
        {"ROW<a TIMESTAMP(3), b TIMESTAMP(6), c TIMESTAMP(9), d TIMESTAMP_LTZ(3)>", "",
         "{\"a\":\"2020-01-02 03:04:05.678999\",\"b\":\"1969-12-31 23:59:59.999999\","
         "\"c\":\"2020-01-02 03:04:05.123456789\",\"d\":\"2020-01-02 03:04:05Z\"}",
         "+I[2020-01-02T03:04:05.678, 1969-12-31T23:59:59.999999, "
         "2020-01-02T03:04:05.123456789, 2020-01-02T03:04:05Z]\n"},
        {"ROW<a TIMESTAMP(7), d TIMESTAMP_LTZ(0)>", "timestamp-format.standard=iso-8601",
         "{\"a\":\"2020-01-02T03:04:05.123456789\",\"d\":\"2020-01-02T03:04Z\"}",
         "+I[2020-01-02T03:04:05.123456700, 2020-01-02T03:04:00Z]\n"},
        {"ROW<a TIMESTAMP(3)>", "", "{\"a\":\"2020-01-02T03:04:05\"}", "!is no TIMESTAMP(3)"},
        {"ROW<d TIMESTAMP_LTZ(3)>", "", "{\"d\":\"2020-01-02 03:04:05\"}",
         "!is no TIMESTAMP_LTZ(3)"},
        {"ROW<i INTERVAL YEAR TO MONTH, j INTERVAL DAY TO SECOND(3)>", "", "{\"i\":14,\"j\":1500}",
         "+I[P1Y2M, PT1.5S]\n"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));
}

static void nested(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a ARRAY<INT>, m MAP<STRING, BIGINT>, r ROW<x INT, y ARRAY<STRING>>>", "",
         "{\"a\":[1,null,3],\"m\":{\"k\":1,\"l\":null},\"r\":{\"y\":[\"p\"],\"x\":5}}\n"
         "{\"a\":[],\"m\":{},\"r\":{}}\n{\"a\":null,\"m\":null,\"r\":null}\n"
         "{ \"a\" : [ 7 , 8 ] , \"m\" : { \"q\" : 9 } , \"r\" : { \"z\" : { } , \"x\" : 1 } }\n",
         "+I[[1, null, 3], {k=1, l=null}, +I[5, [p]]]\n+I[[], {}, +I[null, null]]\n"
         "+I[null, null, null]\n+I[[7, 8], {q=9}, +I[1, null]]\n"},
        {"ROW<s MULTISET<STRING>>", "", "{\"s\":{\"a\":2,\"b\":1}}", "+I[{a=2, b=1}]\n"},
        {"ROW<a ARRAY<ROW<i INT, m MAP<STRING, ARRAY<INT>>>>>", "",
         "{\"a\":[{\"i\":1,\"m\":{\"x\":[1,2],\"y\":[]}},{\"m\":null},null]}",
         "+I[[+I[1, {x=[1, 2], y=[]}], +I[null, null], null]]\n"},
        /* Of equal names the last counts. */
        {"ROW<a INT, s STRING, l ARRAY<INT>, m MAP<STRING, INT>>", "",
         "{\"a\":null,\"a\":1,\"s\":\"x\",\"s\":\"y\",\"l\":[1,2],\"l\":[3],"
         "\"m\":{\"k\":1,\"\\u006b\":2,\"j\":3}}\n{\"a\":1,\"a\":null,\"l\":[1],\"l\":null}",
         "+I[1, y, [3], {k=2, j=3}]\n+I[null, null, null, null]\n"},
        {"ROW<r ARRAY<ROW<i INT>>>", "", "{\"r\":[{\"i\":1,\"i\":2},{\"i\":3}]}",
         "+I[[+I[2], +I[3]]]\n"},
        {"ROW<a ARRAY<INT>>", "", "{\"a\":{}}", "!{} is no ARRAY<INT>"},
        {"ROW<r ROW<x INT>>", "", "{\"r\":[1]}", "![1] is no ROW"},
        {"ROW<m MAP<INT, INT>>", "", "{}", "!doesn't support non-string as key type of map"},
        {"ROW<m RAW('x', '')>", "", "{}", "!"},
        {"ROW<a ARRAY<INT NOT NULL>>", "", "{\"a\":[null]}", "!'a' is NOT NULL"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));
}

static void options(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT, b INT>", "fail-on-missing-field=true", "{\"a\":1,\"b\":2}\n{\"a\":1}",
         "!in, line 2, column 8: Failed to deserialize JSON '{\"a\":1}': Could not find field with "
         "name 'b'"},
        {"ROW<r ROW<x INT>>", "fail-on-missing-field=true", "{\"r\":{}}", "!field with name 'x'"},
        {"ROW<a INT>", "fail-on-missing-field=true\nignore-parse-errors=true", "",
         "!fail-on-missing-field and ignore-parse-errors shouldn't both be true"},
        {"ROW<a INT, b STRING>", "ignore-parse-errors=true",
         "{\"a\":\"x\",\"b\":\"1\"}\nnonsense\n{\"a\":1,\"b\":\n{\"a\":2}\n[1]\n{\"a\":3}}\n{\"a\":"
         "4}",
         "+I[null, 1]\n+I[2, null]\n+I[4, null]\n"},
        {"ROW<l ARRAY<INT>, r ROW<x DATE, y INT>>", "ignore-parse-errors=true",
         "{\"l\":[1,\"q\",3],\"r\":{\"x\":\"no\",\"y\":1}}\n{\"l\":5,\"r\":7}\n{\"l\":[1,2}\n{"
         "\"l\":[9]}",
         "+I[[1, null, 3], +I[null, 1]]\n+I[null, null]\n+I[[9], null]\n"},
        {"ROW<a INT NOT NULL>", "ignore-parse-errors=true", "{\"a\":\"x\"}\n{}\n{\"a\":1}",
         "+I[1]\n"},
        {"ROW<a INT NOT NULL>", "", "{}", "!field 'a' is NOT NULL and missing"},
        {"ROW<a INT>", "decode.json-parser.enabled=false", "{\"a\":1}", "+I[1]\n"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));
}

static void text(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<s STRING>", "",
         "{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}\n{\"s\":\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}\n"
         "{\"s\":\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}\n{\"s\":\"\\ud83d\"}\n{\"s\":"
         "\"\\ude00x\"}\n"
         "{\"\\u0073\":\"by an escaped name, and long enough\"}",
         "+I[\"\\/\b\f\n\r\t]\n+I[A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]\n"
         "+I[\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80]\n+I[?]\n+I[?x]\n"
         "+I[by an escaped name, and long enough]\n"},
        {"ROW<`\xc3\xa9` INT>", "", "{\"\xc3\xa9\":1}\n{\"\\u00E9\":2}", "+I[1]\n+I[2]\n"},
        {"ROW<s STRING>", "", "{\"s\":\"\xff\"}",
         "!column 7: Failed to deserialize JSON '{\"s\":\""},
        {"ROW<s STRING>", "", "{\"s\":\"\xc3\"}", "!no valid UTF-8"},
        {"ROW<s STRING>", "", "{\"s\":\"\xed\xa0\x80\"}", "!no valid UTF-8"},
        {"ROW<s STRING>", "", "{\"x\":\"\xff\"}", "!no valid UTF-8"},
        {"ROW<s STRING>", "", "{\"s\":\"a\\x\"}", "!there is no escape of this kind"},
        {"ROW<s STRING>", "", "{\"s\":\"\\u12g4\"}", "!four hexadecimal digits"},
        {"ROW<s STRING>", "", "{\"s\":\"a\tb\"}", "!a control character in a string"},
        {"ROW<s STRING>", "", "{\"s\":\"abc", "!a string is not closed"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));
}

static void malformed(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT>", "", "{\"a\":1", "!the record ends where"},
        {"ROW<a INT>", "", "{\"a\":}", "!a value should be where '}' is"},
        {"ROW<a INT>", "", "{\"a\" 1}", "!':' should be"},
        {"ROW<a INT>", "", "{a:1}", "!a name in quotes should be"},
        {"ROW<a INT>", "", "{\"a\":1,}", "!a name in quotes should be"},
        {"ROW<a INT>", "", "{,\"a\":1}", "!a name in quotes should be"},
        {"ROW<a INT>", "", "{\"a\":01}", "!a number begins with 0"},
        {"ROW<a INT>", "", "{\"a\":-}", "!a value should be"},
        {"ROW<a INT>", "", "{\"a\":+1}", "!a value should be"},
        {"ROW<a INT>", "", "{\"a\":1.}", "!a digit should be"},
        {"ROW<a INT>", "", "{\"a\":1e}", "!a digit should be"},
        {"ROW<a INT>", "", "{\"a\":12x}", "!',' or '}' should be where 'x}' is"},
        {"ROW<a INT>", "", "{\"a\":nul}", "!a value should be"},
        {"ROW<a BOOLEAN>", "", "{\"a\":tru}", "!a value should be"},
        {"ROW<a INT>", "", "{\"b\":[1,2,{\"c\":[}]}", "!a value should be"},
        {"ROW<a INT>", "", "{\"b\":[1,2}", "!',' or ']' should be"},
        {"ROW<a INT>", "", "{\"b\":{\"c\":1]}", "!',' or '}' should be"},
        {"ROW<a INT>", "", "{\"a\":1} {\"a\":2}", "!the end of the record should be"},
        {"ROW<a INT>", "", "{\"a\":1}\n\"x\"", "!in, line 2, column 1: "},
        {"ROW<a INT>", "", "7", "!an object should be where '7' is"},
        {"ROW<a INT>", "", "{\"a\":1}\r\n\r\n  \n\n{\"a\":2}\r\nnull\n", "+I[1]\n+I[2]\n"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));
}

/* Every prefix of a record is an error, and nothing beyond it is read. */
static void truncated_anywhere(void **state)
{
    static const char record[] =
        "{\"a\": -12.5e1, \"s\": \"x\\u00e9\\n\xc3\xa9 and more than twelve\", \"u\": [1, {\"v\": "
        "[true, null]}], \"m\": {\"k\": 1}, \"l\": [1, 2], \"r\": {\"x\": \"2020-01-01\"}}";
    static const char schema[] =
        "ROW<a DOUBLE, s STRING, m MAP<STRING, INT>, l ARRAY<INT>, r ROW<x DATE>>";

    for (size_t n = 0; n < sizeof(record); n++) {
        for (int ignores = 0; ignores < 2; ignores++) {
            struct error err = ERROR_INIT;
            STR_AUTO rows = STR_INIT;
            struct reading r;
            int rc =
                reading_open(&r, *state, "json", schema, ignores ? "ignore-parse-errors=true" : "",
                             FLINC_FORMAT_STREAM, &err);
            assert_int_equal(rc, 0);
            rc = read_all(&r, slice_make(record, n), n + 1, &rows, &err);
            bool is_whole = n == 0 || n + 1 == sizeof(record);
            if (ignores || is_whole) {
                assert_int_equal(rc, 0);
                assert_int_equal(format_decoder_skipped_records(r.decoder), is_whole ? 0 : 1);
            } else {
                assert_int_equal(rc, ERR_PARSE);
            }
            assert_int_equal(rows.len > 0, n + 1 == sizeof(record));
            reading_close(&r);
        }
    }
}

static void nesting_has_a_limit(void **state)
{
    STR_AUTO data = STR_INIT;
    str_append_cstr(&data, "{\"x\":");
    for (int i = 0; i < 100000; i++) {
        str_append_char(&data, '[');
    }
    const struct format_case deep = {"ROW<a INT>", "", str_cstr(&data), "!levels of nesting"};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &deep, data.len);
    str_clear(&data);
    str_append_cstr(&data, "{\"x\":");
    for (int i = 0; i < 900; i++) {
        str_append_cstr(&data, "[");
    }
    for (int i = 0; i < 900; i++) {
        str_append_cstr(&data, "]");
    }
    str_append_cstr(&data, ",\"a\":1}");
    const struct format_case fine = {"ROW<a INT>", "", str_cstr(&data), "+I[1]\n"};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &fine, data.len);
}

/* Names that change their places, come and go, are long, or begin alike. */
static void members_in_any_order(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT, ab INT, a_name_of_more_than_thirty_two_letters_here INT>", "",
         "{\"a\":1,\"ab\":2,\"a_name_of_more_than_thirty_two_letters_here\":3}\n"
         "{\"ab\":2,\"a\":1,\"x\":{\"a\":9},\"a_name_of_more_than_thirty_two_letters_here\":3}\n"
         "{\"a_name_of_more_than_thirty_two_letters_hera\":4,\"ab\":2}\n"
         "{\"abc\":5,\"a\" "
         ":1}\n{\"a\":1,\"ab\":2,\"a_name_of_more_than_thirty_two_letters_here\":3}",
         "+I[1, 2, 3]\n+I[1, 2, 3]\n+I[null, 2, null]\n+I[1, null, null]\n+I[1, 2, 3]\n"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));

    /* More members than are predicted. */
    STR_AUTO data = STR_INIT;
    for (int row = 0; row < 3; row++) {
        str_append_cstr(&data, "{");
        for (int i = 0; i < 400; i++) {
            str_printf(&data, "\"m%d\":%d,", i, i + row);
        }
        str_append_cstr(&data, "\"z\":0}\n");
    }
    const struct format_case wide = {"ROW<m0 INT, m255 INT, m256 INT, m399 INT>", "",
                                     str_cstr(&data),
                                     "+I[0, 255, 256, 399]\n+I[1, 256, 257, 400]\n+I[2, 257, 258, "
                                     "401]\n"};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &wide, data.len);
}

static void maps_of_many_keys(void **state)
{
    STR_AUTO data = STR_INIT;
    STR_AUTO expected = STR_INIT;
    str_append_cstr(&data, "{\"m\":{");
    str_append_cstr(&expected, "+I[{");
    for (int i = 0; i < 500; i++) {
        str_printf(&data, "%s\"k%d\":{\"i\":%d,\"i\":%d}", i > 0 ? "," : "", i % 400, -1, i);
    }
    for (int i = 100; i < 500; i++) { /* k0 to k99 count where they come last */
        str_printf(&expected, "%sk%d={i=%d}", i > 100 ? ", " : "", i % 400, i);
    }
    str_append_cstr(&data, "}}");
    str_append_cstr(&expected, "}]\n");
    const struct format_case many = {"ROW<m MAP<STRING, MAP<STRING, INT>>>", "", str_cstr(&data),
                                     str_cstr(&expected)};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &many, data.len);
}

/* Arrays at top level are as many rows, over several batches. */
static void arrays_of_rows(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT>", "", "[{\"a\":1},{\"a\":2}]\n[]\n [ {\"a\":3} , null ]",
         "+I[1]\n+I[2]\n+I[3]\n"},
        {"ROW<a INT>", "", "[1]", "!an object should be"},
        {"ROW<a INT>", "", "[{\"a\":1}", "!',' or ']' should be"},
    };
    check_cases(*state, "json", cases, ARRAY_LEN(cases));

    STR_AUTO data = STR_INIT;
    STR_AUTO expected = STR_INIT;
    str_append_char(&data, '[');
    for (int i = 0; i < 10000; i++) {
        str_printf(&data, "%s{\"a\":%d}", i > 0 ? "," : "", i);
        str_printf(&expected, "+I[%d]\n", i);
    }
    str_append_cstr(&data, "]\n{\"a\":-1}");
    str_append_cstr(&expected, "+I[-1]\n");
    const struct format_case many = {"ROW<a INT>", "", str_cstr(&data), str_cstr(&expected)};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &many, data.len);
    check_case(*state, "json", FLINC_FORMAT_STREAM, &many, 5000);
}

/* A batch holds so many rows, and so many bytes; columns grow. */
static void many_rows(void **state)
{
    STR_AUTO data = STR_INIT;
    STR_AUTO expected = STR_INIT;
    for (int i = 0; i < 5000; i++) {
        str_printf(&data, "{\"s\":\"%0*d\",\"l\":[%d,\"%0*d\"]}\n", i % 200 + 1, i, i, i % 300 + 1,
                   i);
        str_printf(&expected, "+I[%0*d, [%d, %0*d]]\n", i % 200 + 1, i, i, i % 300 + 1, i);
    }
    const struct format_case many = {"ROW<s STRING, l ARRAY<STRING>>", "", str_cstr(&data),
                                     str_cstr(&expected)};
    check_case(*state, "json", FLINC_FORMAT_STREAM, &many, data.len);
    check_case(*state, "json", FLINC_FORMAT_STREAM, &many, 4096);
}

static void messages(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a INT>", "", "{\n  \"a\": 1\n}\n", "+I[1]\n"},
        {"ROW<a INT>", "", "", ""},
        {"ROW<a INT>", "", "\n", ""},
        {"ROW<a INT>", "", "[{\"a\":1},\n{\"a\":2}]", "+I[1]\n+I[2]\n"},
        {"ROW<a INT>", "", "{\"a\":1}\n{\"a\":2}", "!in: Failed to deserialize JSON"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_case(*state, "json", FLINC_FORMAT_MESSAGES, &cases[i], 1000);
    }
}

/* A file in two halves, wherever it is cut, has each row once. */
static void splits(void **state)
{
    static const char data[] = "{\"a\":1}\n{\"a\":22}\n\n{\"a\":333}\n{\"a\":4}";
    struct slice all = slice_make(data, sizeof(data) - 1);

    for (size_t cut = 1; cut < all.len; cut++) {
        struct error err = ERROR_INIT;
        STR_AUTO rows = STR_INIT;
        struct reading r;
        uint64_t start = 0;
        struct format_decoded decoded;
        assert_int_equal(
            reading_open(&r, *state, "json", "ROW<a INT>", "", FLINC_FORMAT_STREAM, &err), 0);
        assert_true(format_decoder_is_splittable(r.decoder));
        const struct format_decode_input first = {
            .data = all, .past = cut, .flags = FLINC_FORMAT_AT_END};
        assert_int_equal(format_decode(r.decoder, &first, &r.builder, &decoded, &err), 0);
        uint64_t end = decoded.consumed;
        int rc = format_decoder_find_start(r.decoder, slice_make(data + cut - 1, all.len - cut + 1),
                                           &start, &err);
        assert_int_equal(rc, 0);
        uint64_t begin = start == 0 ? all.len : cut - 1 + start;
        assert_int_equal(begin, end);
        format_decoder_start(r.decoder, "in", (struct format_position){begin, 0},
                             FORMAT_IN_THE_MIDDLE);
        const struct format_decode_input second = {.data =
                                                       slice_make(data + begin, all.len - begin),
                                                   .past = UINT64_MAX,
                                                   .flags = FLINC_FORMAT_AT_END};
        assert_int_equal(format_decode(r.decoder, &second, &r.builder, &decoded, &err), 0);
        take_rows(&r.builder, &rows);
        assert_string_equal(str_cstr(&rows), "+I[1]\n+I[22]\n+I[333]\n+I[4]\n");
        reading_close(&r);
    }
}

/* Some columns, elsewhere, beside one of the caller's. */
static void projection(void **state)
{
    struct error err = ERROR_INIT;
    struct schema *physical = schema_of("ROW<a INT, b STRING, c ARRAY<INT>>");
    struct schema *wanted = schema_of("ROW<c ARRAY<INT>, path STRING, a INT>");
    struct format_options *o = options_of(format_of("json"), "");
    const uint32_t columns[] = {2, FLINC_FORMAT_NO_COLUMN, 0};
    const struct format_decoder_config config = {
        .framing = FLINC_FORMAT_STREAM, .schema = physical, .columns = columns, .options = o};
    struct format_decoder *d = NULL;
    struct format_decoded decoded;
    struct builder b;

    assert_int_equal(format_decoder_new(format_of("json"), &config, &d, &err), 0);
    builder_init(&b, *state, wanted, 0);
    const struct format_decode_input input = {
        .data = SLICE_LIT("{\"a\":1,\"b\":{\"not\":\"a string\"},\"c\":[1,2]}"),
        .past = UINT64_MAX,
        .flags = FLINC_FORMAT_AT_END};
    assert_int_equal(format_decode(d, &input, &b, &decoded, &err), 0);
    assert_int_equal(builder_rows(&b), 1);
    ((struct view *)b.out.columns[1].values)[0] = view_inline("p", 1);
    struct batch *batch = builder_finish(&b);
    check_row(batch, 0, "+I[[1, 2], p, 1]");
    batch_unref(batch);
    builder_fini(&b);
    format_decoder_free(d);
    format_options_free(o);
    schema_unref(physical);
    schema_unref(wanted);
}

static void counts_what_is_left_out(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO rows = STR_INIT;
    struct reading r;
    assert_int_equal(reading_open(&r, *state, "json", "ROW<a INT, b DATE>",
                                  "ignore-parse-errors=true", FLINC_FORMAT_STREAM, &err),
                     0);
    struct slice data = SLICE_LIT("{\"a\":\"x\",\"b\":\"y\"}\nbad\n{\"a\":[]}\n{\n");
    assert_int_equal(read_all(&r, data, data.len, &rows, &err), 0);
    assert_int_equal(format_decoder_skipped_records(r.decoder), 2);
    assert_int_equal(format_decoder_nulled_fields(r.decoder), 3);
    assert_int_equal(format_decoder_position(r.decoder).offset, data.len);
    reading_close(&r);
}

/* No malloc once the decoder has seen a batch. */
static void takes_no_memory_per_record(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO data = STR_INIT;
    struct reading r;
    struct format_decoded decoded;
    for (int i = 0; i < 2000; i++) {
        str_printf(&data,
                   "{\"i\":%d,\"s\":\"text of some length "
                   "%d\",\"e\":\"a\\n\",\"l\":[1,2],\"m\":{\"a\":1}}\n",
                   i, i);
    }
    assert_int_equal(
        reading_open(&r, *state, "json",
                     "ROW<i INT, s STRING, e STRING, l ARRAY<INT>, m MAP<STRING, INT>>", "",
                     FLINC_FORMAT_STREAM, &err),
        0);
    const struct format_decode_input input = {
        .data = str_slice(&data), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    uint64_t before = 0;
    for (int round = 0; round < 6; round++) {
        before = round == 5 ? mem_thread_allocations() : 0;
        assert_int_equal(format_decode(r.decoder, &input, &r.builder, &decoded, &err), 0);
        batch_unref(builder_finish(&r.builder));
    }
    assert_true(mem_thread_allocations() - before < 10);
    reading_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(types),
        POOL_TEST(nested),
        POOL_TEST(options),
        POOL_TEST(text),
        POOL_TEST(malformed),
        POOL_TEST(truncated_anywhere),
        POOL_TEST(nesting_has_a_limit),
        POOL_TEST(members_in_any_order),
        POOL_TEST(maps_of_many_keys),
        POOL_TEST(arrays_of_rows),
        POOL_TEST(many_rows),
        POOL_TEST(messages),
        POOL_TEST(splits),
        POOL_TEST(projection),
        POOL_TEST(counts_what_is_left_out),
        POOL_TEST(takes_no_memory_per_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
