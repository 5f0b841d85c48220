/* Rows to JSON: the text of every type and option; what is written reads back as it was. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/formats/support.h"
#include "tests/unit/seeds.h"

/* What becomes of rows that are given as JSON; they are read with times as in `options`. */
static void check_written(struct buffer_pool *pool, const char *schema, const char *options,
                          const char *data, const char *expected)
{
    struct error err = ERROR_INIT;
    STR_AUTO out = STR_INIT;
    struct reading r;
    struct format_decoded decoded;

    assert_int_equal(reading_open(&r, pool, "json", schema, options, FLINC_FORMAT_STREAM, &err), 0);
    const struct format_decode_input input = {
        .data = slice_cstr(data), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    int rc = format_decode(r.decoder, &input, &r.builder, &decoded, &err);
    if (rc < 0) {
        fail_msg("%s: %s", data, err.message);
    }
    struct batch *b = builder_finish(&r.builder);
    rc = write_batch("json", options, FLINC_FORMAT_STREAM, b, &out, &err);
    if (expected[0] == '!') {
        check_error(rc, rc, &err, expected + 1);
        assert_true(rc < 0);
    } else {
        assert_int_equal(rc, 0);
        assert_string_equal(str_cstr(&out), expected);
    }
    batch_unref(b);
    reading_close(&r);
}

static void types(void **state)
{
    check_written(
        *state, "ROW<a BOOLEAN, b TINYINT, c BIGINT, d FLOAT, e DOUBLE, s STRING, y BYTES>", "",
        "{\"a\":true,\"b\":-1,\"c\":12345678901,\"d\":1.5,\"e\":1e10,\"s\":\"a\\\"\\n\xc3\xa9\","
        "\"y\":\"AQI=\"}\n{\"d\":NaN,\"e\":\"-Infinity\",\"s\":\"\"}\n",
        "{\"a\":true,\"b\":-1,\"c\":12345678901,\"d\":1.5,\"e\":1.0E10,\"s\":\"a\\\"\\n\xc3\xa9\","
        "\"y\":\"AQI=\"}\n{\"a\":null,\"b\":null,\"c\":null,\"d\":\"NaN\",\"e\":\"-Infinity\","
        "\"s\":\"\",\"y\":null}\n");
    check_written(*state, "ROW<d DATE, t TIME(3), p TIMESTAMP(3), q TIMESTAMP_LTZ(9)>", "",
                  "{\"d\":\"2020-01-02\",\"t\":\"01:02:03.5\",\"p\":\"2020-01-02 03:04:05\","
                  "\"q\":\"1969-12-31 23:59:59.123456789Z\"}",
                  "{\"d\":\"2020-01-02\",\"t\":\"01:02:03.5\",\"p\":\"2020-01-02 03:04:05\","
                  "\"q\":\"1969-12-31 23:59:59.123456789Z\"}\n");
    check_written(*state, "ROW<p TIMESTAMP(3), q TIMESTAMP_LTZ(3)>",
                  "timestamp-format.standard=ISO-8601",
                  "{\"p\":\"2020-01-02T03:04:05.1\",\"q\":\"2020-01-02T03:04:05Z\"}",
                  "{\"p\":\"2020-01-02T03:04:05.1\",\"q\":\"2020-01-02T03:04:05Z\"}\n");
    check_written(
        *state, "ROW<a ARRAY<INT>, m MAP<STRING, INT>, s MULTISET<STRING>, r ROW<x INT>, n ROW<>>",
        "",
        "{\"a\":[1,null],\"m\":{\"k\":1},\"s\":{\"e\":2},\"r\":{\"x\":7},\"n\":{}}\n{\"a\":[],"
        "\"m\":{}}",
        "{\"a\":[1,null],\"m\":{\"k\":1},\"s\":{\"e\":2},\"r\":{\"x\":7},\"n\":{}}\n"
        "{\"a\":[],\"m\":{},\"s\":null,\"r\":null,\"n\":null}\n");
}

static void decimals(void **state)
{
    static const char schema[] = "ROW<a DECIMAL(9, 6), b DECIMAL(20, 0), c DECIMAL(18, 9)>";
    static const char data[] =
        "{\"a\":123.456789,\"b\":454621864049246170,\"c\":0.000000027}\n"
        "{\"a\":-10,\"b\":-100000,\"c\":0}\n{\"a\":0.5,\"b\":7,\"c\":0.000001}\n";

    check_written(*state, schema, "", data,
                  "{\"a\":123.456789,\"b\":4.5462186404924617E+17,\"c\":2.7E-8}\n"
                  "{\"a\":-1E+1,\"b\":-1E+5,\"c\":0}\n{\"a\":0.5,\"b\":7,\"c\":0.000001}\n");
    check_written(*state, schema, "encode.decimal-as-plain-number=true", data,
                  "{\"a\":123.456789,\"b\":454621864049246170,\"c\":0.000000027}\n"
                  "{\"a\":-10,\"b\":-100000,\"c\":0}\n{\"a\":0.5,\"b\":7,\"c\":0.000001}\n");
}

static void null_fields(void **state)
{
    check_written(*state, "ROW<a INT, r ROW<x INT, y INT>, b INT>",
                  "encode.ignore-null-fields=true", "{\"b\":1,\"r\":{\"y\":2}}\n{\"a\":1}\n{}\n",
                  "{\"r\":{\"y\":2},\"b\":1}\n{\"a\":1}\n{}\n");
}

static void null_keys(void **state)
{
    static const struct {
        const char *options, *expected;
    } cases[] = {
        {"", "!JSON format doesn't support to serialize map data with null keys"},
        {"map-null-key.mode=drop", "{\"m\":{\"b\":2}}\n"},
        {"map-null-key.mode=LITERAL", "{\"m\":{\"null\":1,\"b\":2}}\n"},
        {"map-null-key.mode=LITERAL\nmap-null-key.literal=no \"key\"",
         "{\"m\":{\"no \\\"key\\\"\":1,\"b\":2}}\n"},
    };
    struct schema *s = schema_of("ROW<m MAP<STRING, INT>>");
    struct builder b;

    builder_init(&b, *state, s, 0);
    struct builder_column *m = builder_column_of(&b, 0);
    builder_add_null(&b, builder_child_of(m, 0));
    builder_add_i64(&b, builder_child_of(m, 1), 1);
    assert_int_equal(builder_add_bytes(&b, builder_child_of(m, 0), "b", 1, NULL), 0);
    builder_add_i64(&b, builder_child_of(m, 1), 2);
    builder_put_nested(&b, 0);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error err = ERROR_INIT;
        STR_AUTO out = STR_INIT;
        int rc = write_batch("json", cases[i].options, FLINC_FORMAT_STREAM, batch, &out, &err);
        if (cases[i].expected[0] == '!') {
            check_error(rc, ERR_UNSUPPORTED, &err, cases[i].expected + 1);
        } else {
            assert_string_equal(str_cstr(&out), cases[i].expected);
        }
    }
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void messages(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO out = STR_INIT;
    struct reading r;
    struct format_decoded decoded;
    struct format_encoder *e = NULL;
    struct format_message ends[2];

    assert_int_equal(reading_open(&r, *state, "json", "ROW<a INT>", "", FLINC_FORMAT_STREAM, &err),
                     0);
    const struct format_decode_input input = {.data = SLICE_LIT("{\"a\":1}\n{\"a\":22}\n"),
                                              .past = UINT64_MAX,
                                              .flags = FLINC_FORMAT_AT_END};
    assert_int_equal(format_decode(r.decoder, &input, &r.builder, &decoded, &err), 0);
    struct batch *b = builder_finish(&r.builder);
    const struct format_encoder_config config = {
        .framing = FLINC_FORMAT_MESSAGES, .schema = r.schema, .options = r.options};
    assert_int_equal(format_encoder_new(format_of("json"), &config, &e, &err), 0);
    assert_int_equal(format_encode_messages(e, b, &out, ends, &err), 0);
    assert_string_equal(str_cstr(&out), "{\"a\":1}{\"a\":22}");
    assert_int_equal(ends[0].end, 7);
    assert_int_equal(ends[1].end, 15);
    assert_false(ends[1].is_null);
    format_encoder_free(e);
    batch_unref(b);
    reading_close(&r);
}

/* ---- there and back ------------------------------------------------------------------------------------------- */

/* Types that JSON has, with keys of maps that differ. */
static bool is_faithful(const struct data_type *t, bool in_map)
{
    bool has_keys = t->id == TYPE_MAP || t->id == TYPE_MULTISET;

    if (t->id == TYPE_RAW || t->id == TYPE_NULL || has_keys || t->id == TYPE_DATE ||
        t->id == TYPE_TIME) {
        return false; /* random ones are no dates that text has */
    }
    if ((t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_LTZ) &&
        (t->precision > 6 || t->precision % 3 != 0)) {
        return false;
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        if (!is_faithful(t->children[i], in_map)) {
            return false;
        }
    }
    return true;
}

/* Random instants lie anywhere: bring them to the years of text. */
static void tame_column(struct column *c, uint32_t rows)
{
    bool is_time = c->type->id == TYPE_TIMESTAMP || c->type->id == TYPE_TIMESTAMP_LTZ;

    for (uint32_t i = 0; is_time && i < rows; i++) {
        int64_t *v = COLUMN_VALUES(c, int64_t) + i;
        int64_t most = c->type->precision <= 3 ? 253370764800000 : 253370764800000000;
        *v %= most;
        *v = *v < 0 ? -*v : *v;
    }
    for (uint32_t i = 0; i < c->n_children; i++) {
        tame_column(&c->children[i], column_child_rows(c, rows));
    }
}

static void random_rows_come_back(void **state)
{
    struct seeds seeds = seeds_from(1, UNDER_SANITIZER ? 30 : 300);

    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng rng;
        struct error err = ERROR_INIT;
        STR_AUTO out = STR_INIT;
        rng_init(&rng, seed);
        struct schema *s = random_schema(&rng, 8, 3);
        bool is_fine = true;
        for (uint32_t i = 0; i < s->n_fields; i++) {
            is_fine &= is_faithful(s->fields[i].type, false);
        }
        if (!is_fine) {
            schema_unref(s);
            continue;
        }
        struct builder from, to;
        builder_init(&from, *state, s, 0);
        builder_init(&to, *state, s, 0);
        for (uint32_t i = 0; i < 50; i++) {
            random_row(&from, &rng);
        }
        struct batch *written = builder_finish(&from);
        for (uint32_t i = 0; i < s->n_fields; i++) {
            tame_column(&written->columns[i], written->n_rows);
        }
        int rc = write_batch("json", "", FLINC_FORMAT_STREAM, written, &out, &err);
        assert_int_equal(rc, 0);
        struct format_options *o = options_of(format_of("json"), "fail-on-missing-field=true");
        struct format_decoder *d = NULL;
        const struct format_decoder_config config = {
            .framing = FLINC_FORMAT_STREAM, .schema = s, .options = o};
        assert_int_equal(format_decoder_new(format_of("json"), &config, &d, &err), 0);
        const struct format_decode_input input = {
            .data = str_slice(&out), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
        for (struct format_decoded decoded = {0}; decoded.consumed < out.len;) {
            rc = format_decode(d, &input, &to, &decoded, &err);
            if (rc < 0) {
                fail_msg("seed %llu: %s", (unsigned long long)seed, err.message);
            }
            assert_false(decoded.batch_full);
        }
        struct batch *read = builder_finish(&to);
        check_valid(read);
        if (!batch_equals(written, read)) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, str_cstr(&out));
        }
        batch_unref(written);
        batch_unref(read);
        format_decoder_free(d);
        format_options_free(o);
        builder_fini(&from);
        builder_fini(&to);
        schema_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(types),     POOL_TEST(decimals), POOL_TEST(null_fields),
        POOL_TEST(null_keys), POOL_TEST(messages), POOL_TEST(random_rows_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
