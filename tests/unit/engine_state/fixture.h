/* What the tests of the room share: a pool per test, schemas from text, rows from values. */
#ifndef FLINC_TESTS_ENGINE_STATE_FIXTURE_H
#define FLINC_TESTS_ENGINE_STATE_FIXTURE_H

#include "common/base/clock.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"

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

static inline struct schema *parse_schema(const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    if (schema_parse(slice_cstr(text), &s, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return s;
}

#define assert_ok(expr)                             \
    do {                                            \
        struct error err = ERROR_INIT;              \
        if ((expr) < 0) {                           \
            fail_msg("%s: %s", #expr, err.message); \
        }                                           \
    } while (0)

static inline void put_text(struct builder *b, uint32_t column, const char *text)
{
    if (text == NULL) {
        builder_put_null(b, column);
    } else {
        int rc = builder_put_bytes(b, column, text, strlen(text), NULL);
        assert_int_equal(rc, 0);
    }
}

/* The batch made so far, with the hashes of its first `n_keys` columns. */
static inline struct batch *finish_hashed(struct builder *b, uint32_t n_keys)
{
    static const uint32_t columns[] = {0, 1, 2, 3};
    struct batch *batch = builder_finish(b);
    batch_hash_keys(b->pool, batch, columns, n_keys);
    return batch;
}

#endif
