/* Connectors by identifier, operators by kind. */
#include "sample_connector.h"
#include <stdio.h>

static void test_find(void **state)
{
    struct error err = ERROR_INIT;
    const struct table_connector *found;

    assert_ptr_equal(table_connector_find("sample"), &sample_connector);
    assert_null(table_connector_find("other"));
    expect_ok(table_connector_require("sample", &found, &err), &err);
    assert_ptr_equal(found, &sample_connector);
    assert_ptr_equal(table_operator_find("sample.source"), &sample_operator);
    assert_ptr_equal(table_operator_find("flinc.map"), operator_find("flinc.map"));
    assert_null(table_operator_find("sample.nothing"));
    assert_ptr_equal(table_coordinator_find("sample.splits"), &sample_coordinator);
    assert_ptr_equal(table_coordinator_find("flinc.source.text"),
                     coordinator_find("flinc.source.text"));
    assert_string_equal(table_metadata_find(&sample_connector, "time")->type, "TIMESTAMP_LTZ(3)");
    assert_null(table_metadata_find(&sample_connector, "nothing"));
}

static void test_register(void **state)
{
    struct error err = ERROR_INIT;
    struct table_connector other = sample_connector;

    expect_ok(table_connector_register(&sample_connector, &err), &err);
    expect_error(table_connector_register(&other, &err), ERR_ALREADY_EXISTS, &err,
                 "a connector 'sample' already");
    other.identifier = "other";
    other.version++;
    expect_error(table_connector_register(&other, &err), ERR_UNSUPPORTED, &err, "of version 2");
    assert_ptr_equal(table_connector_at(0), &sample_connector);
    assert_null(table_connector_at(1));
}

static struct table_connector many[TABLE_CONNECTORS_MAX];

static void test_full(void **state)
{
    struct error err = ERROR_INIT;
    static char names[TABLE_CONNECTORS_MAX][16];
    int rc = 0;

    for (int i = 0; i < TABLE_CONNECTORS_MAX; i++) {
        many[i] = sample_connector;
        snprintf(names[i], sizeof(names[i]), "many-%03d", TABLE_CONNECTORS_MAX - i);
        many[i].identifier = names[i];
        rc = table_connector_register(&many[i], &err);
        assert_true(rc == 0 || i == TABLE_CONNECTORS_MAX - 1);
    }
    expect_error(rc, ERR_LIMIT, &err, "more than 256");
    assert_string_equal(table_connector_at(0)->identifier, "many-002"); /* in order */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_register),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, register_sample, forget_options);
}
