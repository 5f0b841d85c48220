/* docs/reference/configuration.md is what the tables say.  With FLINC_WRITE_REFERENCE=1 in the
 * environment the test writes the page instead of comparing. */
#include "common/conf/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From this file to the root of the tree, whichever way the compiler was given its path. */
static void page_path(struct str *out)
{
    static const char here[] = "tests/unit/common_conf/test_reference.c";
    size_t len = strlen(__FILE__);
    assert_true(cstr_ends_with(__FILE__, here));
    str_append(out, __FILE__, len - strlen(here));
    str_append_cstr(out, "docs/reference/configuration.md");
}

static void read_page(const char *path, struct str *out)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fail_msg("cannot read %s", path);
    }
    char buf[4096];
    for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;) {
        str_append(out, buf, n);
    }
    fclose(f);
}

static void test_page_is_up_to_date(void **state)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO page = STR_INIT;
    STR_AUTO committed = STR_INIT;
    page_path(&path);
    conf_write_reference(conf_schema_cluster(), &page);
    if (getenv("FLINC_WRITE_REFERENCE") != NULL) {
        FILE *f = fopen(str_cstr(&path), "w");
        assert_non_null(f);
        assert_int_equal(fwrite(page.data, 1, page.len, f), page.len);
        assert_int_equal(fclose(f), 0);
    }
    read_page(str_cstr(&path), &committed);
    if (!slice_eq(str_slice(&page), str_slice(&committed))) {
        fail_msg("%s is out of date: run this test with FLINC_WRITE_REFERENCE=1", str_cstr(&path));
    }
}

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
        cmocka_unit_test(test_page_is_up_to_date),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
