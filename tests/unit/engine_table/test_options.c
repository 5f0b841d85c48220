/* Options of tables: what is missing, bad, unknown; and what is read. */
#include "sample_connector.h"

#define ROW "ROW<a INT>"

static void test_good(void **state)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;

    expect_ok(
        table_fixture_open(&f, ROW,
                           PAIRS("connector", "sample", "path", "/x", "format", "form", "form.url",
                                 "u", "form.lines", "7", "rate", "5", "mode", "slow", "names",
                                 "a;b", "fields.x.y.kind", "sequence", "property-version", "2"),
                           &err),
        &err);
    const struct conf *c = &f.options.conf;
    assert_int_equal(conf_long(c, "rows-per-second"), 5);
    assert_int_equal(conf_enum(c, "mode"), 1);
    assert_int_equal(conf_enum(c, "fields.x.y.kind"), 1);
    assert_false(conf_has_value(c, "fields.x.kind"));
    const struct conf *form = table_options_part(&f.options, "form.");
    assert_int_equal(conf_int(form, "lines"), 7);
    assert_string_equal(conf_string(form, "delimiter"), ",");
    assert_null(table_options_part(&f.options, "other."));
    assert_true(table_option_is_forwarded(&f.options, "rows-per-second"));
    assert_true(table_option_is_forwarded(&f.options, "form.lines"));
    assert_false(table_option_is_forwarded(&f.options, "path"));
    assert_false(table_option_is_forwarded(&f.options, "form.url"));
    assert_false(table_option_is_forwarded(&f.options, "nothing"));
    table_fixture_fini(&f);
}

static void test_unsupported(void **state)
{
    expect_bad_table(
        ROW,
        PAIRS("connector", "sample", "path", "/x", "format", "plain", "zz", "1", "rows-per-secnd",
              "1"),
        ERR_INVALID_CONFIG,
        "Unsupported options found for 'sample'.\n\nUnsupported options:\n\n"
        "rows-per-secnd (did you mean rows-per-second?)\nzz\n\nSupported options:\n\n"
        "connector\nfields.<field+>.kind\nformat\ninterval\nmode\nnames\npassword\npath\n"
        "property-version\nrate (deprecated)\nrows-per-second\nscan.parallelism\n"
        "sink.parallelism\nsize");
    /* Those of the format belong to it when it is named only. */
    expect_bad_table(
        ROW, PAIRS("connector", "sample", "path", "/x", "format", "plain", "form.lines", "1"),
        ERR_INVALID_CONFIG, "Unsupported options:\n\nform.lines\n");
    expect_bad_table(ROW,
                     PAIRS("connector", "sample", "path", "/x", "format", "form", "form.url", "u",
                           "form.lynes", "1"),
                     ERR_INVALID_CONFIG, "form.lynes (did you mean form.lines?)");
    expect_bad_table(ROW, PAIRS("connector", "sample", "path", "/x", "format", "other"),
                     ERR_NOT_FOUND, "no format 'other'");
}

static void test_missing(void **state)
{
    expect_bad_table(ROW, PAIRS("connector", "sample", "zz", "1"), ERR_INVALID_CONFIG,
                     "One or more required options are missing.\n\nMissing required options "
                     "are:\n\nformat\npath");
    expect_bad_table(ROW, PAIRS("connector", "sample", "path", "/x", "format", "form"),
                     ERR_INVALID_CONFIG, "are:\n\nform.url");
    expect_bad_table(ROW, PAIRS("path", "/x"), ERR_INVALID_CONFIG,
                     "do not contain an option key 'connector'");
    expect_bad_table(ROW, PAIRS("connector", "sampel"), ERR_NOT_FOUND,
                     "Cannot discover a connector using option: 'connector'='sampel'. Could not "
                     "find any factory for identifier 'sampel' (did you mean 'sample'?).\n\n"
                     "Available factory identifiers are:\n\nsample");
}

static void test_values(void **state)
{
    static const struct {
        const char *key, *value, *part;
    } bad[] = {
        {"rows-per-second", "many",
         "Invalid value for option 'rows-per-second': rows-per-second "
         "cannot be \"many\": not a whole number"},
        {"rows-per-second", "0", "at least 1"},
        {"rate", "0", "Invalid value for option 'rate'"},
        {"mode", "quick", "one of FAST, SLOW"},
        {"interval", "-1 s", "'interval'"},
        {"size", "12 cows", "12 cows"},
        {"fields.x.kind", "rnd", "one of random, sequence"},
        {"scan.parallelism", "0", "at least 1"},
        {"scan.parallelism", "99999999999", "32 bits"},
        {"password", "secret", "\"******\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        expect_bad_table(
            ROW,
            PAIRS("connector", "sample", "path", "/x", "format", "plain", bad[i].key, bad[i].value),
            ERR_INVALID_CONFIG, bad[i].part);
    }
    expect_bad_table(ROW,
                     PAIRS("connector", "sample", "path", "/x", "format", "form", "form.url", "u",
                           "form.lines", "x"),
                     ERR_INVALID_CONFIG, "Invalid value for option 'form.lines': lines cannot be");
    expect_bad_table(ROW, PAIRS("connector", "sample", "path", "/", "format", "plain"),
                     ERR_INVALID_CONFIG,
                     "Invalid value for option 'path' of table 'c.d.t', '/': not the root");
    expect_bad_table(ROW, PAIRS("connector", "sample", "rate", "0"), ERR_INVALID_CONFIG,
                     "reading the options of table 'c.d.t'");
}

static void test_check(void **state)
{
    struct error err = ERROR_INIT;
    struct text_map m = pairs_of(PAIRS("connector", "sample", "path", "/", "format", "plain"));

    expect_ok(table_options_check("t", &m, &err), &err);
    text_map_put(&m, SLICE_LIT("nothing"), SLICE_LIT("1"));
    expect_error(table_options_check("t", &m, &err), ERR_INVALID_CONFIG, &err, "nothing");
    text_map_fini(&m);
}

static void test_tables_are_sound(void **state)
{
    static const struct conf_group *const groups[] = {&table_options_common,
                                                      &table_options_watermark};
    static struct conf_schema schema = CONF_SCHEMA_INIT(groups);
    struct error err = ERROR_INIT;

    expect_ok(conf_schema_check(&schema, &err), &err);
    conf_schema_fini(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_unsupported),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_values),
        cmocka_unit_test(test_check),   cmocka_unit_test(test_tables_are_sound),
    };
    return cmocka_run_group_tests(tests, register_sample, forget_options);
}
