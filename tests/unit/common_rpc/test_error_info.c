/* Errors through a message and back. */
#include "common/base/mem.h"
#include "common/rpc/error_info.h"
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_there_and_back(void **state)
{
    struct error err = ERROR_INIT, back = ERROR_INIT;
    char origin[ERROR_INFO_ORIGIN_MAX];
    Flinc__ErrorInfo info;
    error_set(&err, ERR_NO_SPACE, "disk full");
    error_context(&err, "writing a");
    error_context(&err, "closing b");
    error_set_class(&err, ERROR_CLASS_FATAL);
    error_info_fill(&info, &err);
    assert_string_equal(info.origin, "");
    error_info_set_origin(&info, &err, origin);
    assert_non_null(strstr(info.origin, "test_error_info.c:"));

    size_t size = flinc__error_info__get_packed_size(&info);
    uint8_t *packed = mem_alloc(size);
    (void)flinc__error_info__pack(&info, packed);
    Flinc__ErrorInfo *read = flinc__error_info__unpack(NULL, size, packed);
    assert_non_null(read);
    error_info_read(read, "none", &back);
    flinc__error_info__free_unpacked(read, NULL);
    mem_free(packed);
    assert_int_equal(back.code, ERR_NO_SPACE);
    assert_int_equal(back.cls, ERROR_CLASS_FATAL);
    assert_string_equal(back.message, "disk full");
    assert_string_equal(back.frames, err.frames);
}

static void test_what_is_none(void **state)
{
    struct error back = ERROR_INIT;
    Flinc__ErrorInfo info = FLINC__ERROR_INFO__INIT;
    error_info_read(NULL, "nobody said why", &back);
    assert_int_equal(back.code, ERR_UNAVAILABLE);
    assert_string_equal(back.message, "nobody said why");
    info.code = 7;
    error_info_read(&info, "no code", &back);
    assert_int_equal(back.code, ERR_UNAVAILABLE);
    assert_string_equal(back.message, "no code");
    /* A class that there is not: that of the code. */
    info.code = ERR_CORRUPT;
    info.error_class = 99;
    error_info_read(&info, "", &back);
    assert_int_equal(back.cls, error_code_class(ERR_CORRUPT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
