/* Libraries that are loaded on first use: their functions, and what is said of those that are not there. */
#include "common/plugin/library.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <string.h>

struct functions {
    double (*floor)(double x);
    double (*sqrt)(double x);
};
static const struct library_symbol symbols[] = {
    LIBRARY_SYMBOL(struct functions, "", floor),
    LIBRARY_SYMBOL(struct functions, "", sqrt),
};
LIBRARY_HAS_ALL(symbols, struct functions);

static struct functions functions;
static int n_starts, rc_of_start;

static int start(const struct library *library, struct error *err)
{
    n_starts++;
    return rc_of_start < 0 ? error_set(err, ERR_UNAVAILABLE, "%s could not start", library->file)
                           : 0;
}

#define LIBRARY                                                                            \
    {                                                                                      \
        .file = "libm.so.6", .needed_by = "the test", .remedy = "install it",              \
        .no_symbol = "it is too old", .symbols = symbols, .n_symbols = ARRAY_LEN(symbols), \
        .functions = &functions, .start = start, .lock = PTHREAD_MUTEX_INITIALIZER         \
    }

static void test_loads_once(void **state)
{
    struct library library = LIBRARY;
    struct error err = ERROR_INIT;
    n_starts = rc_of_start = 0;
    assert_int_equal(library_load(&library, &err), 0);
    assert_int_equal(library_load(&library, &err), 0);
    assert_int_equal(n_starts, 1);
    assert_true(functions.floor(2.5) == 2 && functions.sqrt(16) == 4);
}

static void test_does_not_start(void **state)
{
    struct library library = LIBRARY;
    struct error err = ERROR_INIT;
    n_starts = 0;
    rc_of_start = -1;
    assert_int_equal(library_load(&library, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message, "libm.so.6 could not start");
    rc_of_start = 0; /* it is tried again */
    assert_int_equal(library_load(&library, &err), 0);
    assert_int_equal(n_starts, 2);
}

static void test_not_there(void **state)
{
    struct library library = LIBRARY;
    struct error err = ERROR_INIT;
    library.file = "libflinc-of-nobody.so.1";
    assert_int_equal(library_load(&library, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "the test needs libflinc-of-nobody.so.1, which could not "
                                        "be loaded: "));
    assert_non_null(strstr(err.message, "; install it"));
}

static void test_no_such_function(void **state)
{
    static const struct library_symbol wrong[] = {{"flinc_of_nobody", 0}};
    struct library library = LIBRARY;
    struct error err = ERROR_INIT;
    library.symbols = wrong;
    library.n_symbols = 1;
    assert_int_equal(library_load(&library, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message, "libm.so.6 has no flinc_of_nobody: it is too old");
    library.no_symbol = NULL;
    assert_int_equal(library_load(&library, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message, "libm.so.6 has no flinc_of_nobody");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_once),
        cmocka_unit_test(test_does_not_start),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_no_such_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
