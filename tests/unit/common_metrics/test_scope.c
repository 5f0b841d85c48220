/* Scope formats: the defaults, odd formats, and filtered characters. */
#include "common/metrics/scope.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *lookup(const void *arg, const char *name)
{
    if (strcmp(name, "host") == 0) {
        return "worker-1";
    }
    if (strcmp(name, "task_name") == 0) {
        return "Source: words, 2";
    }
    return NULL;
}

static void check(const char *format, const char *parent, char delimiter, const char *want)
{
    STR_AUTO out = STR_INIT;
    scope_format_fill(
        format, &(struct scope_fill){.parent = parent, .delimiter = delimiter, .lookup = lookup},
        &out);
    assert_string_equal(str_cstr(&out), want);
}

static void test_fill(void **state)
{
    check("<host>.taskmanager", "", '.', "worker-1.taskmanager");
    check("<host>.<task_name>.x", "", '.', "worker-1.Source__words__2.x");
    check("a.<host>", "", '_', "a_worker-1");
    check("<nobody>.<host>", "", '.', "<nobody>.worker-1");
    check("<host", "", '.', "<host");
    check("<>.a<b", "", '.', "<>.a<b");
    check("constant", "", '.', "constant");
}

static void test_parent(void **state)
{
    check("*.<host>", "up.per", '.', "up.per.worker-1");
    check("*.<host>", "", '.', "worker-1");
    check("*", "up.per", '.', "up.per");
    check("*a", "up.per", '.', "*a");
}

static void test_filter(void **state)
{
    STR_AUTO out = STR_INIT;
    scope_append_filtered(&out, "a b.c:d,e\"f'g\th/i|j-k(l)", '|');
    assert_string_equal(str_cstr(&out), "a_b_c_d_e_f_g_h/i_j-k(l)");
}

static void test_table(void **state)
{
    assert_string_equal(metric_scope_name(METRIC_SCOPE_TM_JOB), "tm-job");
    assert_string_equal(metric_scope_option(METRIC_SCOPE_OPERATOR), "metrics.scope.operator");
    assert_string_equal(metric_scope_default_format(METRIC_SCOPE_JM), "<host>.jobmanager");
    assert_string_equal(metric_scope_name((enum metric_scope)50), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_parent),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
