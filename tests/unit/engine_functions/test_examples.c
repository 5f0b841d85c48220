/* The examples of the function table: each says what it prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "engine/functions/functions.h"
#include "evaluate.h"

static void test_each(void **state)
{
    uint32_t n_lines = 0, n_wrong = 0;
    functions_register_builtin();
    for (uint32_t i = 0; i < expr_function_count(); i++) {
        const struct expr_function *f = expr_function_at(i);
        struct slice rest = slice_cstr(f->example), line;
        if (f->kind != EXPR_SCALAR || f->example == NULL) {
            continue;
        }
        while (slice_next(&rest, '\n', &line)) {
            char *problem = evaluate_line(line);
            n_lines++;
            if (problem != NULL) {
                print_error("%s: %.*s: %s\n", f->name, (int)line.len, line.data, problem);
                n_wrong++;
            }
            mem_free(problem);
        }
    }
    print_message("%u examples\n", n_lines);
    assert_int_equal(n_wrong, 0);
}

/* What the page of functions and messages need. */
static void test_rows(void **state)
{
    for (uint32_t i = 0; i < expr_function_count(); i++) {
        const struct expr_function *f = expr_function_at(i);
        if ((f->flags & EXPR_FN_HIDDEN) == 0 &&
            (f->text == NULL || f->category == NULL || f->example == NULL)) {
            fail_msg("%s has no text, no category or no example", f->name);
        }
        if (f->result == NULL && f->infer == NULL) {
            fail_msg("%s has no result", f->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
