/* Functions as offsets into loaded libraries, and back. */
#include "common/plugin/code_library.h"
#include <string.h>
#include <unistd.h>
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static int some_function(int x)
{
    return x + 1;
}

static void functions_survive_the_trip(void **state)
{
    struct code_library at;
    struct code_library found;
    struct error err = ERROR_INIT;
    void *address = NULL;

    (void)state;
    assert_int_equal(code_library_of_address(&at, (void *)(uintptr_t)some_function, &err), 0);
    assert_non_null(strstr(at.path, "code_library"));
    assert_int_equal(code_library_find(&found, at.path, at.build_id, &err), 0);
    assert_int_equal(found.base, at.base);
    assert_int_equal(
        code_library_address(&found, (uintptr_t)some_function - at.base, &address, &err), 0);
    assert_ptr_equal(address, (void *)(uintptr_t)some_function);
    assert_int_equal(some_function(1), 2);
}

static void other_libraries_are_told_apart(void **state)
{
    struct code_library at;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(code_library_of_address(&at, (void *)(uintptr_t)getppid, &err), 0);
    assert_non_null(strstr(at.path, "libc"));
    assert_int_equal(code_library_find(&at, at.path, "00", &err), ERR_FENCED);
    assert_int_equal(code_library_find(&at, "/no/such/library.so", "", &err), ERR_NOT_FOUND);
}

static void forged_offsets_are_refused(void **state)
{
    static int data;
    struct code_library at;
    struct error err = ERROR_INIT;
    void *address = NULL;

    (void)state;
    assert_int_equal(code_library_of_address(&at, (void *)(uintptr_t)some_function, &err), 0);
    assert_int_equal(code_library_address(&at, (uintptr_t)&data - at.base, &address, &err),
                     ERR_INVALID_ARGUMENT);
    assert_int_equal(code_library_address(&at, UINT64_MAX / 2, &address, &err),
                     ERR_INVALID_ARGUMENT);
    assert_int_equal(code_library_of_address(&at, (void *)16, &err), ERR_NOT_FOUND);
    assert_null(address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_survive_the_trip),
        cmocka_unit_test(other_libraries_are_told_apart),
        cmocka_unit_test(forged_offsets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
