/* Opening shared objects: what is explained when it fails. */
#include "common/plugin/shared_object.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/common_plugin/sample.h"
#include <stdlib.h>

static int open_sample(const char *variety, struct shared_object *so, struct error *err)
{
    STR_AUTO path = STR_INIT;
    sample_path(variety, &path);
    return shared_object_open(so, str_cstr(&path), err);
}

static void test_opens(void **state)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(open_sample("good", &so, &err), 0);
    void *address = NULL;
    assert_int_equal(shared_object_symbol(&so, "flinc_plugin_entry", "plug-in", &address, &err), 0);
    assert_non_null(address);
    assert_int_equal(shared_object_symbol(&so, "flinc_job", "job bundle", &address, &err),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "plugin_good.so is no job bundle: it does not export "
                                        "flinc_job"));
    shared_object_close(&so);
    shared_object_close(&so);
    assert_null(so.handle);
}

static void test_unresolved_symbol(void **state)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(open_sample("unresolved", &so, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message,
                           "uses the symbol flinc_test_function_that_nobody_has, which "
                           "nothing provides"));
    assert_null(so.handle);
}

static void test_missing_library(void **state)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(open_sample("missing_library", &so, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(
        strstr(err.message, "needs the library libflinc-test-gone.so.9, which is not installed"));
}

static void test_not_even_elf(void **state)
{
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(shared_object_open(&so, "/etc/passwd", &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(shared_object_open(&so, "no-such-file.so", &err), ERR_NOT_FOUND);
}

/* A damaged body is the loader's to find; it must come back as an error with the path. */
static void test_loader_text_is_kept(void **state)
{
    STR_AUTO bytes = STR_INIT;
    sample_read("good", &bytes);
    /* Without program headers there is nothing to load. */
    static const size_t phnum_offset = 56;
    bytes.data[phnum_offset] = 0;
    char path[] = "/tmp/flinc-so-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    sample_write(path, str_slice(&bytes));
    struct shared_object so = SHARED_OBJECT_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(shared_object_open(&so, path, &err), ERR_INVALID_ARGUMENT);
    assert_true(cstr_starts_with(err.message, path));
    assert_non_null(strstr(err.message, "cannot be loaded"));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_unresolved_symbol),
        cmocka_unit_test(test_missing_library),
        cmocka_unit_test(test_not_even_elf),
        cmocka_unit_test(test_loader_text_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
