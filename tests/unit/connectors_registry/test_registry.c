/* All connectors: registered, sound, their operators found. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/registry/registry.h"

static void test_all(void **state)
{
    struct error err = ERROR_INIT;
    const struct table_connector *c;

    connectors_register();
    connectors_register();
    assert_non_null(table_connector_find("print"));
    assert_non_null(table_connector_find("nexmark"));
    for (size_t i = 0; (c = table_connector_at(i)) != NULL; i++) {
        assert_true(c->source != NULL || c->sink != NULL);
        expect_ok(conf_schema_check(c->options, &err), &err);
        for (size_t g = 0; g < c->options->n_groups; g++) {
            for (size_t k = 0; k < c->options->groups[g]->n_options; k++) {
                assert_non_null(c->options->groups[g]->options[k].description);
            }
        }
        for (size_t k = 0; k < c->n_operators; k++) {
            assert_ptr_equal(table_operator_find(c->operators[k]->kind), c->operators[k]);
            assert_null(operator_find(c->operators[k]->kind));
        }
        for (size_t k = 0; k < c->n_metadata; k++) {
            struct data_type *type = NULL;
            expect_ok(type_parse(slice_cstr(c->metadata[k].type), &type, &err), &err);
            type_unref(type);
        }
        conf_schema_fini(c->options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
