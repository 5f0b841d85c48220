/* Partitions in paths: escapes, values of types. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/filesystem/partition_path.h"
#include "engine/operators/files/path_escape.h"

static void escapes_come_back(void **state)
{
    static const char *const texts[] = {"plain", "a/b", "50%",       "x=y:z",
                                        "\"q\"", "%2F", "tab\there", "ü"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        STR_AUTO escaped = STR_INIT;
        STR_AUTO back = STR_INIT;
        path_escape(slice_cstr(texts[i]), &escaped);
        assert_null(strchr(str_cstr(&escaped), '/'));
        path_unescape(str_slice(&escaped), &back);
        assert_string_equal(str_cstr(&back), texts[i]);
    }
    STR_AUTO odd = STR_INIT;
    path_unescape(SLICE_LIT("100%"), &odd);
    path_unescape(SLICE_LIT("%zz%4"), &odd);
    assert_string_equal(str_cstr(&odd), "100%%zz%4");
}

static void values_are_found_in_paths(void **state)
{
    STR_AUTO value = STR_INIT;
    (void)state;
    assert_true(partition_path_find("/t/dt=2020-01-31/country=d%2Fe/part-0", "country", &value));
    assert_string_equal(str_cstr(&value), "d/e");
    str_clear(&value);
    assert_false(partition_path_find("/t/dt=1/part-0", "country", &value));
    assert_false(partition_path_find("/t/country=de", "country", &value)); /* is the file */
}

/* What a text is as a value of a type; NULL: no value. */
static const char *shown(const char *type, const char *text, struct str *out)
{
    struct error err = ERROR_INIT;
    struct schema *schema = NULL;
    struct builder b;
    STR_AUTO row = STR_INIT;
    str_printf(&row, "ROW<v %s>", type);
    expect_ok(schema_parse(str_slice(&row), &schema, &err), &err);
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    builder_init(&b, pool, schema, 1);
    builder_begin(&b);
    int rc = partition_value_put(&b, 0, slice_cstr(text), "NONE", &err);
    if (rc == 0) {
        builder_end_row(&b);
        struct batch *batch = builder_finish(&b);
        str_clear(out);
        batch_print_row(batch, 0, out);
        batch_unref(batch);
    }
    builder_fini(&b);
    buffer_pool_close(pool);
    schema_unref(schema);
    return rc == 0 ? str_cstr(out) : NULL;
}

static void values_of_types(void **state)
{
    STR_AUTO out = STR_INIT;
    (void)state;
    assert_string_equal(shown("STRING", "de", &out), "+I[de]");
    assert_string_equal(shown("STRING", "NONE", &out), "+I[null]");
    assert_string_equal(shown("INT", "-7", &out), "+I[-7]");
    assert_string_equal(shown("BIGINT", "9223372036854775807", &out), "+I[9223372036854775807]");
    assert_string_equal(shown("DATE", "2020-01-31", &out), "+I[2020-01-31]");
    assert_string_equal(shown("BOOLEAN", "true", &out), "+I[true]");
    assert_string_equal(shown("DECIMAL(5, 2)", "1.50", &out), "+I[1.50]");
    assert_null(shown("INT", "x", &out));
    assert_null(shown("TINYINT", "128", &out));
    assert_null(shown("INT", "2147483648", &out));
    assert_null(shown("DATE", "yesterday", &out));
    assert_null(shown("BYTES", "x", &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(escapes_come_back),
        cmocka_unit_test(values_are_found_in_paths),
        cmocka_unit_test(values_of_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
