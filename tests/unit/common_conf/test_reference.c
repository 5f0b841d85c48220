/* The reference page of a schema.  That docs/reference/configuration.md is the cluster's page is checked by
 * tools/check_reference. */
#include "common/conf/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <string.h>

static const struct conf_option rows[] = {
    {"a.list", CONF_TYPE_LIST, "", .aliases = "a.old,a.older", .description = "Some <things>.",
     .flags = CONF_FLAG_EFFECTIVE | CONF_FLAG_OWN},
    {"a.mode", CONF_TYPE_ENUM, "x", .enum_values = "x|y", .fallbacks = "b.mode",
     .description = "A | B.", .flags = CONF_FLAG_EFFECTIVE},
    {"a.n", CONF_TYPE_INT, .min = "1", .max = "9"},
    {"$hidden", CONF_TYPE_INT, .flags = CONF_FLAG_INTERNAL},
};
static const struct conf_group group = CONF_GROUP("Group", rows);
static const struct conf_group *const groups[] = {&group};

static void test_rows(void **state)
{
    static struct conf_schema schema = CONF_SCHEMA_INIT(groups);
    STR_AUTO page = STR_INIT;
    conf_write_reference(&schema, &page);
    assert_non_null(strstr(str_cstr(&page),
                           "## Group\n"
                           "\n"
                           "| Key | Default | Type | Meaning |\n"
                           "|---|---|---|---|\n"
                           "| `a.list` | (empty) | list | Some &lt;things&gt;. Old name: `a.old`, "
                           "`a.older`. Flinc only. |\n"
                           "| `a.mode` | x | enum | A \\| B. One of `x`, `y`. Falls back to "
                           "`b.mode`. |\n"
                           "\n"
                           "# Accepted"));
    assert_non_null(strstr(str_cstr(&page), "| `a.n` | (none) | int |\n"));
    assert_null(strstr(str_cstr(&page), "$hidden"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
