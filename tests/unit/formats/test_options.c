/* Formats by name, their options, and formats of third parties. */
#include "tests/unit/formats/support.h"

#include <stdlib.h>

static void check_options(const char *format, const char *key, const char *value, const char *part)
{
    struct text_map table = TEXT_MAP_INIT;
    struct format_options *o = NULL;
    struct error err = ERROR_INIT;

    text_map_put(&table, SLICE_LIT("connector"), SLICE_LIT("filesystem"));
    text_map_put(&table, slice_cstr(key), slice_cstr(value));
    int rc = format_options_of_table(format_of(format), &table, "json.", &o, &err);
    if (part == NULL) {
        assert_int_equal(rc, 0);
    } else {
        check_error(rc, ERR_INVALID_CONFIG, &err, part);
        assert_null(o);
    }
    format_options_free(o);
    text_map_fini(&table);
}

static void options_are_checked(void **state)
{
    (void)state;
    check_options("json", "json.ignore-parse-errors", "TRUE", NULL);
    check_options("json", "json.timestamp-format.standard", "iso-8601", NULL);
    check_options("json", "path", "/x", NULL);
    check_options("json", "json.ignore-parse-errors", "yes",
                  "Invalid value for option 'json.ignore-parse-errors': 'yes' is no boolean");
    check_options("json", "json.timestamp-format.standard", "RFC",
                  "Unsupported value 'RFC' for option json.timestamp-format.standard. Supported "
                  "values are [SQL, ISO-8601].");
    check_options("json", "json.ignore-parse-error", "true",
                  "Unsupported options found for 'json'.\n\nUnsupported options:\n\n"
                  "json.ignore-parse-error\n\nSupported options:\n\njson.fail-on-missing-field\n");
    check_options("json", "json.ignore-parse-error", "true",
                  "Did you mean 'json.ignore-parse-errors'?");
}

static void defaults_count(void **state)
{
    struct format_options *o = options_of(format_of("json"), "ignore-parse-errors=True");
    (void)state;
    assert_string_equal(format_option(o, "ignore-parse-errors"), "true");
    assert_string_equal(format_option(o, "map-null-key.literal"), "null");
    assert_string_equal(format_option(o, "timestamp-format.standard"), "SQL");
    format_options_free(o);

    struct text_list keys = TEXT_LIST_INIT;
    format_option_keys(format_of("json"), "value.json.", &keys);
    assert_true(text_list_has(&keys, "value.json.encode.ignore-null-fields"));
    text_list_fini(&keys);
}

static void unknown_formats(void **state)
{
    const flinc_format *f = NULL;
    struct error err = ERROR_INIT;
    STR_AUTO page = STR_INIT;

    (void)state;
    check_error(format_require("jsn", &f, &err), ERR_NOT_FOUND, &err,
                "Could not find any format factory for identifier 'jsn', did you mean 'json'?");
    assert_int_equal(format_require("json", &f, &err), 0);
    format_write_reference(&page);
    assert_non_null(strstr(str_cstr(&page), "| `json.ignore-parse-errors` | boolean | `false` |"));
}

/* ---- a format of a third party: lines of "number word" --------------------------------------------------------- */

struct pairs {
    const flinc_format_host *host;
    uint32_t number, word;
};

static int pairs_open(const flinc_format_decode_config *config, void **ret,
                      flinc_format_error *error)
{
    struct pairs *p = calloc(1, sizeof(*p));
    (void)error;
    assert_int_equal(config->schema->types[0]->kind, FLINC_TYPE_BIGINT);
    assert_string_equal(config->schema->types[1]->text, "ARRAY<STRING>");
    p->host = config->host;
    p->number = config->columns[0];
    p->word = config->columns[1];
    *ret = p;
    return 0;
}

static int pairs_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
                        flinc_format_progress *ret, flinc_format_error *error)
{
    const struct pairs *p = decoder;
    const char *at = input->data, *end = at + input->size, *lf;

    while (at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        if (p->host->begin_row(out) != 0) {
            ret->batch_full = 1;
            break;
        }
        if (*at < '0' || *at > '9') {
            return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, (uint64_t)(at - input->data),
                                     "no digit");
        }
        flinc_out_put_int64(out, p->number, *at - '0');
        flinc_format_cell *word = p->host->child(p->host->column(out, p->word), 0);
        flinc_string s = {at + 2, (size_t)(lf - at - 2)};
        (void)p->host->add_string(out, word, s);
        p->host->close_column(out, p->word);
        p->host->set_kind(out, 2);
        out->n++;
        at = lf + 1;
        ret->lines++;
    }
    ret->consumed = (uint64_t)(at - input->data);
    return 0;
}

static int pairs_encoder_open(const flinc_format_encode_config *config, void **ret,
                              flinc_format_error *error)
{
    (void)config;
    (void)error;
    *ret = calloc(1, 1);
    return 0;
}

static int pairs_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                        flinc_format_error *error)
{
    (void)encoder;
    (void)error;
    const int64_t *numbers = rows->array->children[0]->buffers[1];
    for (uint32_t i = 0; i < rows->n; i++) {
        char text[32];
        int n = snprintf(text, sizeof(text), "%lld %d\n", (long long)numbers[i],
                         rows->kinds != NULL ? rows->kinds[i] : 0);
        flinc_format_append(sink, text, (size_t)n);
    }
    return 0;
}

static int pairs_trailer(void *encoder, flinc_format_sink *sink, flinc_format_error *error)
{
    (void)encoder;
    (void)error;
    flinc_format_append(sink, "end\n", 4);
    return 0;
}

static const flinc_format format_pairs = {.struct_size = sizeof(format_pairs),
                                          .abi_version = FLINC_FORMAT_ABI_VERSION,
                                          .name = "pairs",
                                          .description = "A number and a word",
                                          .framing = FLINC_FORMAT_STREAM,
                                          .reads = FLINC_FORMAT_INSERT | FLINC_FORMAT_UPDATE_AFTER,
                                          .writes = FLINC_FORMAT_INSERT,
                                          .decoder_open = pairs_open,
                                          .decode = pairs_decode,
                                          .decoder_close = free,
                                          .encoder_open = pairs_encoder_open,
                                          .encode = pairs_encode,
                                          .trailer = pairs_trailer,
                                          .encoder_close = free};

static void third_parties(void **state)
{
    struct error err = ERROR_INIT;
    flinc_format bad = format_pairs;

    bad.abi_version = 99;
    check_error(format_register(&bad, "x.so", &err), ERR_UNSUPPORTED, &err,
                "x.so was built for version 99");
    bad = format_pairs;
    bad.flags = FLINC_FORMAT_ENGINE;
    check_error(format_register(&bad, "x.so", &err), ERR_INVALID_ARGUMENT, &err, "Flinc's own");
    bad = format_pairs;
    bad.decode = NULL;
    check_error(format_register(&bad, "x.so", &err), ERR_INVALID_ARGUMENT, &err, "must have");
    assert_int_equal(format_register(&format_pairs, "x.so", &err), 0);
    check_error(format_register(&format_pairs, "y.so", &err), ERR_ALREADY_EXISTS, &err,
                "'pairs' already");

    static const struct format_case cases[] = {
        {"ROW<n BIGINT, w ARRAY<STRING>>", "", "1 one\n2 and a long word\n",
         "+U[1, [one]]\n+U[2, [and a long word]]\n"},
        {"ROW<n BIGINT, w ARRAY<STRING>>", "", "1 a\n2 b\nx\n", "!in, line 3, column 1: no digit"},
    };
    check_cases(*state, "pairs", cases, ARRAY_LEN(cases));

    struct reading r;
    struct format_decoded decoded;
    STR_AUTO out = STR_INIT;
    assert_int_equal(
        reading_open(&r, *state, "pairs", cases[0].schema, "", FLINC_FORMAT_STREAM, &err), 0);
    const struct format_decode_input input = {
        .data = slice_cstr(cases[0].data), .past = UINT64_MAX, .flags = FLINC_FORMAT_AT_END};
    assert_int_equal(format_decode(r.decoder, &input, &r.builder, &decoded, &err), 0);
    struct batch *b = builder_finish(&r.builder);
    struct format_encoder *e = NULL;
    const struct format_encoder_config config = {
        .framing = FLINC_FORMAT_STREAM, .schema = r.schema, .options = r.options};
    assert_int_equal(format_encoder_new(&format_pairs, &config, &e, &err), 0);
    assert_int_equal(format_encode(e, b, &out, &err), 0);
    assert_int_equal(format_encode_trailer(e, &out, &err), 0);
    assert_string_equal(str_cstr(&out), "1 2\n2 2\nend\n");
    batch_unref(b);
    format_encoder_free(e);
    reading_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(defaults_count),
        cmocka_unit_test(unknown_formats),
        POOL_TEST(third_parties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
