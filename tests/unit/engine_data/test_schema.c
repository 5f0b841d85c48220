/* Schemas: text, fingerprints, look-up. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"

static void equal_schemas_have_equal_fingerprints(void **state)
{
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 500; i++) {
        struct schema *s = random_schema(&r, 10, 3);
        STR_AUTO text = STR_INIT;
        schema_print(s, &text);
        struct schema *back = schema_of(str_cstr(&text));
        assert_true(schema_equals(s, back));
        assert_true(s->fingerprint == back->fingerprint);
        assert_int_equal(s->n_nested, back->n_nested);
        assert_int_equal(s->row_bytes, back->row_bytes);
        assert_int_equal(schema_validate(s, NULL), 0);
        schema_unref(back);
        schema_unref(s);
    }
}

static void schemas_differ_by_name_and_type(void **state)
{
    struct schema *a = schema_of("ROW<a INT, b STRING>");
    struct schema *b = schema_of("ROW<a INT, c STRING>");
    struct schema *c = schema_of("ROW<a INT, b STRING NOT NULL>");
    struct schema *d = schema_of("ROW<a INT, b STRING, c INT>");
    assert_false(schema_equals(a, b));
    assert_false(schema_equals(a, c));
    assert_false(schema_equals(a, d));
    struct schema *ref = schema_ref(a);
    assert_true(schema_equals(a, ref));
    schema_unref(ref);
    schema_unref(a);
    schema_unref(b);
    schema_unref(c);
    schema_unref(d);
    assert_null(schema_unref(NULL));
}

static void fields_are_found_by_name(void **state)
{
    struct schema *s = schema_of("ROW<id BIGINT, tags ARRAY<ROW<k STRING, v MULTISET<INT>>>>");
    assert_int_equal(schema_find(s, "id"), 0);
    assert_int_equal(schema_find(s, "tags"), 1);
    assert_int_equal(schema_find(s, "k"), -1);
    assert_int_equal(s->n_nested, 5);
    schema_unref(s);
}

static void what_is_no_schema_is_refused(void **state)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    check_error(schema_parse(SLICE_LIT("INT"), &s, &err), ERR_PARSE, &err, "a schema is a ROW");
    check_error(schema_parse(SLICE_LIT("ROW<a"), &s, &err), ERR_PARSE, &err, "column 6");
    check_error(schema_parse(SLICE_LIT("ROW<a INT, a INT>"), &s, &err), ERR_INVALID_ARGUMENT, &err,
                "'a' is twice");
    assert_null(s);
    const char *names[] = {"a", "a"};
    struct data_type *types[] = {type_new(TYPE_INTEGER, true), type_new(TYPE_INTEGER, true)};
    s = schema_new(names, types, 2);
    check_error(schema_validate(s, &err), ERR_INVALID_ARGUMENT, &err, "'a' is twice");
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_schemas_have_equal_fingerprints),
        cmocka_unit_test(schemas_differ_by_name_and_type),
        cmocka_unit_test(fields_are_found_by_name),
        cmocka_unit_test(what_is_no_schema_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
