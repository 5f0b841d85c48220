/* flinc.source.datagen: records of functions and random ones, how many, and how fast. */
#include "engine/operators/user_function.h"
#include "proto/operators.pb-c.h"
#include "struct_fixture.h"

FLINC_STRUCT(number, FLINC_INT64(v));
FLINC_STRUCT(wide, FLINC_STRING(a), FLINC_STRING(b));
FLINC_STRUCT(every, FLINC_BOOL(b), FLINC_INT8(i8), FLINC_INT16(i16), FLINC_INT32(i32),
             FLINC_NULLABLE(FLINC_INT64(i64)), FLINC_FLOAT(f), FLINC_DOUBLE(d), FLINC_STRING(s),
             FLINC_BYTES(y), FLINC_DATE(date), FLINC_TIME(time), FLINC_TIMESTAMP(ts),
             FLINC_TIMESTAMP_LTZ(ltz));

struct generator {
    const flinc_struct *type;
    struct harness_function function; /* kind 0: random records */
    int64_t count;
    double rate;
    uint64_t seed;
    uint32_t subtask, parallelism;
    const struct clock *clock;
};

static struct harness *datagen_new(const struct generator *g)
{
    struct harness *h;
    struct arena arena;
    Flinc__DatagenSourceConfig c = FLINC__DATAGEN_SOURCE_CONFIG__INIT;
    arena_init(&arena, 0);
    c.record = struct_desc_of(g->type, &arena);
    c.count = g->count;
    c.rows_per_second = g->rate;
    c.seed = g->seed;
    must(harness_new(&(struct harness_options){.kind = "flinc.source.datagen",
                                               .config = &c.base,
                                               .outputs = {g->type},
                                               .functions = {g->function},
                                               .subtask = g->subtask,
                                               .parallelism = g->parallelism,
                                               .clock = g->clock},
                     &h, &err));
    arena_fini(&arena);
    return h;
}

static struct harness *datagen(const struct generator *g)
{
    struct harness *h = datagen_new(g);
    must(harness_open(h, &err));
    return h;
}

/* Polls until the source has nothing more; what the last poll said. */
static int drain(struct harness *h)
{
    int rc;
    while ((rc = harness_poll(h, NULL)) == OP_DONE) {
    }
    return rc;
}

/* ---- records ----------------------------------------------------------------------------------- */

static int ten_times(flinc_ctx *ctx, int64_t index, number *out)
{
    out->v = index * 10;
    return index == 1000 ? flinc_ctx_fail(ctx, "a thousand") : 0;
}

static struct harness *cancelling;

static int cancel_at_five(flinc_ctx *ctx, int64_t index, number *out)
{
    assert_true(index <= 5 + USER_CANCEL_ROWS);
    if (index == 5) {
        harness_cancel(cancelling);
    }
    return 0;
}

static void test_cancelled_in_a_batch(void **state)
{
    cancelling = datagen(&(struct generator){.type = FLINC_TYPE(number),
                                             .function = FN(FLINC_FN_GENERATE, cancel_at_five),
                                             .count = -1});
    must_fail(harness_poll(cancelling, &err), ERR_CANCELLED, "were cancelled");
    harness_free(cancelling);
}

static void test_function(void **state)
{
    struct generator g = {
        .type = FLINC_TYPE(number), .function = FN(FLINC_FN_GENERATE, ten_times), .count = 5};
    struct harness *h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[0]\n+I[10]\n+I[20]\n+I[30]\n+I[40]");
    harness_free(h);
    /* The indices are dealt out in turn. */
    g.parallelism = 3;
    g.subtask = 1;
    h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    assert_string_equal(harness_rows(h, 0), "+I[10]\n+I[40]");
    harness_free(h);
    g.subtask = 2;
    g.count = 2;
    h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    assert_int_equal(harness_row_count(h, 0), 0);
    harness_free(h);
    g = (struct generator){
        .type = FLINC_TYPE(number), .function = FN(FLINC_FN_GENERATE, ten_times), .count = -1};
    h = datagen(&g);
    must_fail(harness_poll(h, &err), ERR_USER_CODE, "function 'ten_times' (test.c:1) failed");
    harness_free(h);
}

static void check_count(uint32_t parallelism, int64_t count)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < parallelism; i++) {
        struct harness *h = datagen(&(struct generator){
            .type = FLINC_TYPE(every), .count = count, .subtask = i, .parallelism = parallelism});
        assert_int_equal(drain(h), OP_END);
        total += harness_row_count(h, 0);
        harness_free(h);
    }
    assert_int_equal(total, count);
}

static void test_count(void **state)
{
    check_count(1, 0);
    check_count(1, 1);
    check_count(3, 10000);
    check_count(7, 6);
}

/* Equal seeds give equal records, others others; every string of a record is its own. */
static void test_random(void **state)
{
    char first[4096];
    struct generator g = {.type = FLINC_TYPE(every), .count = 10, .seed = 42};
    struct harness *h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    snprintf(first, sizeof(first), "%s", harness_rows(h, 0));
    harness_free(h);
    h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    assert_string_equal(harness_rows(h, 0), first);
    harness_free(h);
    g.seed = 43;
    h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    assert_string_not_equal(harness_rows(h, 0), first);
    harness_free(h);
    g = (struct generator){.type = FLINC_TYPE(wide), .count = 1};
    h = datagen(&g);
    assert_int_equal(drain(h), OP_END);
    const char *row = harness_rows(h, 0);
    assert_int_equal(strlen(row), strlen("+I[, ]") + 32);
    assert_true(memcmp(row + 3, row + 3 + 18, 16) != 0);
    harness_free(h);
}

static int big(flinc_ctx *ctx, int64_t index, wide *out)
{
    static char text[100 * 1000];
    out->a = out->b = (flinc_string){text, sizeof(text)};
    return 0;
}

/* Wide records fill many batches: they leave in several polls. */
static void test_wide_records(void **state)
{
    struct harness *h = datagen(&(struct generator){
        .type = FLINC_TYPE(wide), .function = FN(FLINC_FN_GENERATE, big), .count = 300});
    assert_int_equal(drain(h), OP_END);
    assert_int_equal(harness_row_count(h, 0), 300);
    assert_true(harness_batch_count(h, 0) >= 100);
    assert_true(harness_max_emitted(h) <= 5);
    harness_free(h);
}

/* ---- the rate ---------------------------------------------------------------------------------- */

static void test_rate(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness *h = datagen(&(struct generator){.type = FLINC_TYPE(number),
                                                    .count = -1,
                                                    .rate = 2000,
                                                    .parallelism = 2,
                                                    .clock = &clock.base});
    assert_int_equal(drain(h), OP_IDLE);
    assert_int_equal(harness_row_count(h, 0), 0);
    assert_int_equal(harness_take_wake_delay(h), 5);
    for (int i = 1; i <= 100; i++) { /* 1000 per second in this subtask: ten every 10 ms */
        clock_manual_advance_ms(&clock, 10);
        assert_int_equal(drain(h), OP_IDLE);
        assert_in_range(harness_row_count(h, 0), i * 10 - 1, i * 10);
        assert_int_equal(harness_take_wake_delay(h), 5);
    }
    /* Held up for long, it does not make up for all of it. */
    uint64_t before = harness_row_count(h, 0);
    clock_manual_advance_ms(&clock, 3600 * 1000);
    assert_int_equal(drain(h), OP_IDLE);
    assert_in_range(harness_row_count(h, 0) - before, 999, 1001);
    harness_free(h);
}

static void test_slow_rate(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct harness *h = datagen(&(struct generator){
        .type = FLINC_TYPE(number), .count = 2, .rate = 0.5, .clock = &clock.base});
    assert_int_equal(drain(h), OP_IDLE);
    assert_int_equal(harness_take_wake_delay(h), 2000); /* not every 5 ms */
    clock_manual_advance_ms(&clock, 1999);
    assert_int_equal(drain(h), OP_IDLE);
    assert_in_range(harness_take_wake_delay(h), 1, 5);
    clock_manual_advance_ms(&clock, 2);
    assert_int_equal(drain(h), OP_IDLE);
    assert_int_equal(harness_row_count(h, 0), 1);
    clock_manual_advance_ms(&clock, 2000);
    assert_int_equal(drain(h), OP_END);
    assert_int_equal(harness_row_count(h, 0), 2);
    harness_free(h);
}

static void test_bad_configuration(void **state)
{
    struct generator g = {.type = FLINC_TYPE(number), .count = 1, .rate = -1};
    struct harness *h = datagen_new(&g);
    must_fail(harness_open(h, &err), ERR_PARSE, "data generator is damaged");
    harness_free(h);
    g.rate = 0.0 / 0.0;
    h = datagen_new(&g);
    must_fail(harness_open(h, &err), ERR_PARSE, "data generator is damaged");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_function),     cmocka_unit_test(test_cancelled_in_a_batch),
        cmocka_unit_test(test_count),        cmocka_unit_test(test_random),
        cmocka_unit_test(test_wide_records), cmocka_unit_test(test_rate),
        cmocka_unit_test(test_slow_rate),    cmocka_unit_test(test_bad_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
