/* What the operator tests share: cmocka, the harness with failures turned into test failures. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_FIXTURE_H

#include "engine/data/builder.h"
#include "engine/operators/harness.h"
#include "flinc/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FN(fn_kind, f)                                                                   \
    {                                                                                    \
        .kind = (fn_kind), .call = (flinc_any_fn)(f), .name = #f, .location = "test.c:1" \
    }

#define must(expr)                                    \
    do {                                              \
        struct error err = ERROR_INIT;                \
        if ((expr) < 0) {                             \
            char text_[4096];                         \
            error_format(&err, text_, sizeof(text_)); \
            fail_msg("%s: %s", #expr, text_);         \
        }                                             \
    } while (0)

/* The expression fails with the code, and its message holds the text. */
#define must_fail(expr, expected_code, expected_text)               \
    do {                                                            \
        struct error err = ERROR_INIT;                              \
        int rc_ = (expr);                                           \
        char text_[4096];                                           \
        assert_int_equal(rc_, (expected_code));                     \
        error_format(&err, text_, sizeof(text_));                   \
        if (strstr(text_, (expected_text)) == NULL) {               \
            fail_msg("'%s' is not in: %s", (expected_text), text_); \
        }                                                           \
    } while (0)

static inline struct harness *opened(const struct harness_options *options)
{
    struct harness *h = NULL;
    must(harness_new(options, &h, &err));
    must(harness_open(h, &err));
    return h;
}

/* Pushes rows and compares what came out of the main output since the last call. */
static inline void check_rows(struct harness *h, uint32_t input, const char *in, const char *out)
{
    harness_clear(h);
    must(harness_push_rows(h, input, in, &err));
    must(harness_flush(h, &err));
    assert_string_equal(harness_rows(h, 0), out);
}

#endif
