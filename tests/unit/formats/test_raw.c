/* The format raw: every type in both byte orders, charsets, messages without a value, lines. */
#include "tests/unit/formats/support.h"

/* A message to a row, and back. */
static void check_bytes(struct buffer_pool *pool, const char *type, const char *options,
                        struct slice bytes, const char *expected)
{
    struct error err = ERROR_INIT;
    STR_AUTO schema = STR_INIT;
    STR_AUTO out = STR_INIT;
    struct reading r;
    struct format_decoded decoded;

    str_printf(&schema, "ROW<v %s>", type);
    assert_int_equal(
        reading_open(&r, pool, "raw", str_cstr(&schema), options, FLINC_FORMAT_MESSAGES, &err), 0);
    const struct format_decode_input input = {
        .data = bytes, .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    int rc = format_decode(r.decoder, &input, &r.builder, &decoded, &err);
    if (expected[0] == '!') {
        check_error(rc, ERR_PARSE, &err, expected + 1);
        reading_close(&r);
        return;
    }
    assert_int_equal(rc, 0);
    struct batch *b = builder_finish(&r.builder);
    check_row(b, 0, expected);
    assert_int_equal(write_batch("raw", options, FLINC_FORMAT_MESSAGES, b, &out, &err), 0);
    if (!slice_eq(slice_make(str_cstr(&out), out.len), bytes)) {
        fail_msg("%s of %s", str_cstr(&out), type);
    }
    batch_unref(b);
    reading_close(&r);
}

static void types(void **state)
{
    check_bytes(*state, "STRING", "", SLICE_LIT("text of some length \xc3\xa9"),
                "+I[text of some length \xc3\xa9]");
    check_bytes(*state, "BYTES", "", SLICE_LIT("\0\xff"), "+I[[0, -1]]");
    check_bytes(*state, "BOOLEAN", "", SLICE_LIT("\1"), "+I[true]");
    check_bytes(*state, "TINYINT", "", SLICE_LIT("\xfe"), "+I[-2]");
    check_bytes(*state, "SMALLINT", "", SLICE_LIT("\1\2"), "+I[258]");
    check_bytes(*state, "SMALLINT", "endianness=little-endian", SLICE_LIT("\1\2"), "+I[513]");
    check_bytes(*state, "INT", "", SLICE_LIT("\xff\xff\xff\xfe"), "+I[-2]");
    check_bytes(*state, "INT", "endianness=LITTLE-ENDIAN", SLICE_LIT("\xfe\xff\xff\xff"), "+I[-2]");
    check_bytes(*state, "BIGINT", "", SLICE_LIT("\0\0\0\1\0\0\0\0"), "+I[4294967296]");
    check_bytes(*state, "FLOAT", "", SLICE_LIT("\x3f\xc0\0\0"), "+I[1.5]");
    check_bytes(*state, "DOUBLE", "endianness=little-endian", SLICE_LIT("\0\0\0\0\0\0\xf8\x3f"),
                "+I[1.5]");
    check_bytes(*state, "STRING", "charset=ISO-8859-1", SLICE_LIT("\xe9\xe8"),
                "+I[\xc3\xa9\xc3\xa8]");
    check_bytes(*state, "STRING", "charset=UTF-16BE", SLICE_LIT("\0a\x20\xac"),
                "+I[a\xe2\x82\xac]");
    check_bytes(*state, "INT", "", SLICE_LIT("\1\2\3"),
                "!Size of data received for deserializing INTEGER type is not 4, but 3");
    check_bytes(*state, "BOOLEAN", "", SLICE_LIT(""), "!is not 1, but 0");
}

static void what_is_refused(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a STRING, b INT>", "", "",
         "!The 'raw' format only supports single physical column. However the "
         "defined schema contains multiple physical columns: [a, b]"},
        {"ROW<a DATE>", "", "", "!The 'raw' format doesn't supports 'DATE' as column type"},
        {"ROW<a STRING>", "charset=KLINGON", "", "!Unsupported 'raw.charset' name: KLINGON"},
    };
    check_cases(*state, "raw", cases, ARRAY_LEN(cases));
}

static void lines(void **state)
{
    static const struct format_case cases[] = {
        {"ROW<a STRING>", "", "one\ntwo\r\n\nthree", "+I[one]\n+I[two]\n+I[]\n+I[three]\n"},
        {"ROW<a STRING>", "", "\xff\n", "+I[\xef\xbf\xbd]\n"},
        {"ROW<a TINYINT>", "", "a\nbc\n", "!in, line 2, column 1: Size of data"},
    };
    check_cases(*state, "raw", cases, ARRAY_LEN(cases));
}

static void no_value_is_null(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO out = STR_INIT;
    struct reading r;
    struct format_decoded decoded;
    struct format_encoder *e = NULL;
    struct format_message ends[2];

    assert_int_equal(
        reading_open(&r, *state, "raw", "ROW<a STRING>", "", FLINC_FORMAT_MESSAGES, &err), 0);
    const struct format_decode_input none = {
        .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END | FLINC_FORMAT_NULL_MESSAGE};
    const struct format_decode_input some = {
        .data = SLICE_LIT("x"), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    assert_int_equal(format_decode(r.decoder, &none, &r.builder, &decoded, &err), 0);
    assert_int_equal(format_decode(r.decoder, &some, &r.builder, &decoded, &err), 0);
    struct batch *b = builder_finish(&r.builder);
    check_row(b, 0, "+I[null]");
    check_row(b, 1, "+I[x]");
    const struct format_encoder_config config = {
        .framing = FLINC_FORMAT_MESSAGES, .schema = r.schema, .options = r.options};
    assert_int_equal(format_encoder_new(format_of("raw"), &config, &e, &err), 0);
    assert_int_equal(format_encode_messages(e, b, &out, ends, &err), 0);
    assert_true(ends[0].is_null && !ends[1].is_null);
    assert_int_equal(ends[1].end, 1);
    format_encoder_free(e);
    batch_unref(b);
    reading_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(types),
        POOL_TEST(what_is_refused),
        POOL_TEST(lines),
        POOL_TEST(no_value_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
