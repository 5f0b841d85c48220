/* What the tests of the room share: a pool per test that must get everything back, schemas by text,
 * and checks that show the message of the error. */
#ifndef FLINC_TESTS_ENGINE_DATA_SUPPORT_H
#define FLINC_TESTS_ENGINE_DATA_SUPPORT_H

#include "engine/data/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static inline int pool_setup(void **state)
{
    *state = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    buffer_pool_adopt(*state);
    return 0;
}

static inline int pool_teardown(void **state)
{
    assert_int_equal(buffer_pool_out_count(*state), 0);
    buffer_pool_close(*state);
    return 0;
}

#define POOL_TEST(fn) cmocka_unit_test_setup_teardown(fn, pool_setup, pool_teardown)

static inline struct schema *schema_of(const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    if (schema_parse(slice_cstr(text), &s, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return s;
}

static inline void check_valid(const struct batch *b)
{
    struct error err = ERROR_INIT;
    if (batch_validate(b, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static inline void check_error(int rc, int code, const struct error *err, const char *part)
{
    assert_int_equal(rc, code);
    if (strstr(err->message, part) == NULL) {
        fail_msg("'%s' does not say '%s'", err->message, part);
    }
}

static inline void check_row(const struct batch *b, uint32_t row, const char *expected)
{
    STR_AUTO text = STR_INIT;
    batch_print_row(b, row, &text);
    assert_string_equal(str_cstr(&text), expected);
}

#endif
