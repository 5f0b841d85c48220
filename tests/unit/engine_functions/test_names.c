/* Every scalar function of Flink is in the table, or in the list of those that are not, with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/functions/functions.h"

static const struct {
    const char *name;
    const char *absence; /* NULL: it is there */
} flink_names[] = {
#include "flink_names.inc"
};

static void test_all(void **state)
{
    uint32_t n_wrong = 0, n_absent = 0;
    functions_register_builtin();
    for (size_t i = 0; i < ARRAY_LEN(flink_names); i++) {
        const bool is_there = expr_function_find(slice_cstr(flink_names[i].name)) != NULL;
        const bool is_wanted = flink_names[i].absence == NULL;
        const bool is_promised = !is_wanted && strncmp(flink_names[i].absence, "not yet", 7) == 0 &&
                                 strchr(flink_names[i].name, '[') == NULL;
        if (is_promised && functions_absent(slice_cstr(flink_names[i].name)) == NULL) {
            print_error("%s: absent.c does not say what it waits for\n", flink_names[i].name);
            n_wrong++;
        }
        n_absent += !is_wanted;
        if (is_there != is_wanted) {
            print_error("%s is %s\n", flink_names[i].name,
                        is_there ? "there: strike its reason from the list" : "missing");
            n_wrong++;
        }
    }
    print_message("%zu names, %u of them no rows of the table\n", ARRAY_LEN(flink_names), n_absent);
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
