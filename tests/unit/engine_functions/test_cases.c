/* Golden files of expressions in tests/sql/functions and tests/sql/casts: one a line, "SQL -- value [:: TYPE]" or "SQL !! error". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "evaluate.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

/* Tests run in the build folder; by hand they may be run from the top. */
static const char *const tops[] = {"../../tests/sql", "tests/sql"};

static void check_file(const char *path, uint32_t *n_lines, uint32_t *n_wrong)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    uint32_t number = 0;
    assert_non_null(f);
    while ((len = getline(&line, &cap, f)) > 0) {
        struct slice text = slice_make(line, (size_t)len - (line[len - 1] == '\n'));
        number++;
        if (text.len == 0 || text.data[0] == '#') {
            continue;
        }
        char *problem = evaluate_line(text);
        (*n_lines)++;
        if (problem != NULL) {
            print_error("%s:%u: %.*s: %s\n", path, number, (int)text.len, text.data, problem);
            (*n_wrong)++;
        }
        mem_free(problem);
    }
    free(line);
    (void)fclose(f);
}

static uint32_t check_folder(const char *top, const char *folder, uint32_t *n_wrong)
{
    uint32_t n_lines = 0;
    char pattern[256];
    glob_t found;
    (void)snprintf(pattern, sizeof(pattern), "%s/%s/*.test", top, folder);
    if (glob(pattern, 0, NULL, &found) != 0) {
        return 0;
    }
    for (size_t k = 0; k < found.gl_pathc; k++) {
        check_file(found.gl_pathv[k], &n_lines, n_wrong);
    }
    globfree(&found);
    return n_lines;
}

static void test_folder(const char *folder)
{
    uint32_t n_lines = 0, n_wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(tops) && n_lines == 0; i++) {
        n_lines = check_folder(tops[i], folder, &n_wrong);
    }
    print_message("%s: %u statements\n", folder, n_lines);
    assert_true(n_lines > 0);
    assert_int_equal(n_wrong, 0);
}

static void test_functions(void **state)
{
    test_folder("functions");
}

static void test_casts(void **state)
{
    test_folder("casts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_functions),
                                       cmocka_unit_test(test_casts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
