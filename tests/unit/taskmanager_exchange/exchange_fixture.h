/* What the exchange tests share: a schema of a number and its text, batches of running numbers, and a
 * mailbox per side. */
#ifndef FLINC_TESTS_EXCHANGE_FIXTURE_H
#define FLINC_TESTS_EXCHANGE_FIXTURE_H

#include "common/base/clock.h"
#include "engine/data/builder.h"
#include "taskmanager/exchange/channel.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static inline struct schema *numbers_schema(void)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    if (schema_parse(slice_cstr("ROW<n BIGINT NOT NULL, text STRING NOT NULL>"), &s, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return s;
}

/* Rows first, first + 1, ... */
static inline struct batch *numbers_batch(struct buffer_pool *pool, const struct schema *schema,
                                          int64_t first, uint32_t n)
{
    struct builder b;
    struct error err = ERROR_INIT;
    builder_init(&b, pool, schema, BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        char text[64];
        int64_t value = first + i;
        int len = snprintf(text, sizeof(text), "%s%lld", value % 2 == 0 ? "number-number-" : "",
                           (long long)value);
        builder_put_i64(&b, 0, value);
        if (builder_put_bytes(&b, 1, text, (size_t)len, &err) < 0) {
            fail_msg("%s", err.message);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

/* The number in a row, after checking its text. */
static inline int64_t numbers_value(const struct batch *b, uint32_t row)
{
    char text[64];
    int64_t value = COLUMN_VALUES(&b->columns[0], int64_t)[row];
    snprintf(text, sizeof(text), "%s%lld", value % 2 == 0 ? "number-number-" : "",
             (long long)value);
    if (!slice_eq_cstr(column_get_bytes(&b->columns[1], row), text)) {
        fail_msg("row %u is %lld, its text is another one", row, (long long)value);
    }
    return value;
}

static inline struct buffer_pool *test_pool(const char *name)
{
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = name});
    buffer_pool_adopt(pool);
    return pool;
}

static inline void test_pool_close(struct buffer_pool *pool)
{
    assert_int_equal(buffer_pool_out_count(pool), 0);
    buffer_pool_close(pool);
}

/* Sleeps until something was signalled after the conditions were looked at: `ready` is called between
 * prepare and wait. */
static inline void wait_for(struct mailbox *m, bool (*ready)(void *arg), void *arg)
{
    struct event_count *e = mailbox_event(m);
    uint32_t ticket = event_count_prepare(e);
    if (ready(arg)) {
        event_count_cancel(e);
        return;
    }
    event_count_wait(e, ticket, -1);
}

#endif
