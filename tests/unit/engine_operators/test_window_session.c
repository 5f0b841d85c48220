/* flinc.window.sessions: when records make one session, when sessions join, against the naive evaluator. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_fixture.h"

#define SUM FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM
#define COUNT FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT
#define MIN_OF FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN
#define MAX_OF FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX

static struct harness *sessions(struct window_config *c, int64_t gap, Flinc__WindowColumnKind kind)
{
    window_config_init(c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, gap, 0);
    window_config_columns(c, kind);
    return opened(&(struct harness_options){
        .kind = "flinc.window.sessions",
        .input_schemas = {WINDOW_INPUT},
        .output_schemas = {kind == MIN_OF || kind == MAX_OF
                               ? "ROW<k INT NOT NULL, window_start BIGINT NOT NULL, window_end "
                                 "BIGINT NOT NULL, value INT NOT NULL>"
                               : WINDOW_OUTPUT},
        .config = &c->config.base});
}

static void records_within_the_gap_are_one_session(void **state)
{
    struct window_config c;
    struct harness *h = sessions(&c, 10, SUM);
    push(h, "1, 1 @0\n1, 2 @9\n2, 4 @5\n1, 8 @19\n1, 16 @30");
    check_watermark(h, 13, "");
    check_watermark(h, 14, "+I[2, 5, 15, 4] @14");
    /* 19 touches 9 + 10, 30 is beyond 19 + 10. */
    check_watermark(h, 28, "+I[1, 0, 29, 11] @28");
    push(h, "1, 32 @39");
    check_watermark(h, INT64_MAX, "+I[1, 30, 49, 48] @48");
    harness_free(h);
}

static void a_record_between_joins_sessions(void **state)
{
    static const Flinc__WindowColumnKind kinds[] = {SUM, COUNT, MIN_OF, MAX_OF};
    static const char *const expected[] = {
        "+I[1, 0, 30, 19] @29\n+I[1, 35, 55, 92] @54", "+I[1, 0, 30, 3] @29\n+I[1, 35, 55, 2] @54",
        "+I[1, 0, 30, 1] @29\n+I[1, 35, 55, 2] @54", "+I[1, 0, 30, 10] @29\n+I[1, 35, 55, 90] @54"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct window_config c;
        struct harness *h = sessions(&c, 10, kinds[i]);
        push(h, "1, 10 @0\n1, 2 @45\n1, 1 @20");
        push(h, "1, 90 @35\n1, 8 @10");
        check_watermark(h, 100, expected[i]);
        harness_free(h);
    }
}

static void a_late_record_may_join_what_is_open(void **state)
{
    struct window_config c;
    struct harness *h = sessions(&c, 10, SUM);
    push(h, "1, 1 @20");
    check_watermark(h, 25, "");
    /* Alone it would be over at 22; it meets [20, 30). */
    push(h, "1, 2 @13\n2, 4 @13");
    check_watermark(h, 29, "+I[1, 13, 30, 3] @29");
    push(h, "1, 8 @19\n1, 16 @21");
    check_watermark(h, 40, "+I[1, 21, 31, 16] @30");
    harness_free(h);
}

static void late_records_to_the_side_output(void **state)
{
    struct window_config c;
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, 10, 0);
    c.config.late_output = 1;
    window_config_columns(&c, SUM);
    struct harness *h =
        opened(&(struct harness_options){.kind = "flinc.window.sessions",
                                         .input_schemas = {WINDOW_INPUT},
                                         .output_schemas = {WINDOW_OUTPUT, WINDOW_INPUT},
                                         .tags = {NULL, "late"},
                                         .config = &c.config.base});
    check_watermark(h, 20, "");
    push(h, "1, 7 @11\n1, 8 @12\n2, 9 @3");
    assert_string_equal(harness_rows(h, 1), "+I[1, 7] @11\n+I[2, 9] @3");
    check_watermark(h, 29, "+I[1, 12, 22, 8] @21");
    harness_free(h);
}

static void processing_time_sessions(void **state)
{
    struct clock_manual clock;
    struct window_config c;
    clock_manual_init(&clock);
    window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, 1000, 0);
    c.assigner.processing_time = true;
    window_config_columns(&c, SUM);
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.window.sessions",
                                                         .input_schemas = {WINDOW_INPUT},
                                                         .output_schemas = {WINDOW_OUTPUT},
                                                         .clock = &clock.base,
                                                         .config = &c.config.base});
    push(h, "1, 1");
    clock_manual_advance_ms(&clock, 600);
    push(h, "1, 2\n2, 5");
    clock_manual_advance_ms(&clock, 600);
    must(harness_processing_time(h, &err));
    assert_string_equal(harness_rows(h, 0), "");
    clock_manual_advance_ms(&clock, 400);
    must(harness_processing_time(h, &err));
    check_sorted_rows(harness_rows(h, 0), "+I[1, 1000000000000, 1000000001600, 3] @1000000001599\n"
                                          "+I[2, 1000000000600, 1000000001600, 5] @1000000001599");
    assert_int_equal(harness_timer(h), INT64_MAX);
    harness_free(h);
}

static void check_random(uint64_t seed, int64_t gap, int64_t spread, int64_t step_ms,
                         Flinc__WindowColumnKind kind)
{
    struct window_config c;
    struct harness *h = sessions(&c, gap, kind);
    struct naive naive;
    struct rng rng;
    int64_t now = -200, watermark = INT64_MIN;
    STR_AUTO rows = STR_INIT;
    naive_init(&naive, &c.assigner);
    rng_init(&rng, seed);
    for (int step = 0; step < 200; step++) {
        uint64_t n = rng_below(&rng, 40);
        str_clear(&rows);
        for (uint64_t i = 0; i < n; i++) {
            int64_t ts = now + (int64_t)rng_below(&rng, (uint64_t)spread) - spread / 2;
            int64_t key = (int64_t)rng_below(&rng, 7), v = (int64_t)rng_below(&rng, 1000) - 500;
            str_printf(&rows, "%lld, %lld @%lld\n", (long long)key, (long long)v, (long long)ts);
            naive_add(&naive, key, ts, v);
        }
        push(h, str_cstr(&rows));
        now += (int64_t)rng_below(&rng, (uint64_t)step_ms);
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, (uint64_t)spread));
        STR_AUTO expected = STR_INIT;
        naive_watermark(&naive, watermark, kind, &expected);
        check_watermark(h, watermark, str_cstr(&expected));
    }
    STR_AUTO expected = STR_INIT;
    naive_watermark(&naive, INT64_MAX, kind, &expected);
    check_watermark(h, INT64_MAX, str_cstr(&expected));
    naive_fini(&naive);
    harness_free(h);
}

static void random_input_against_the_naive_evaluator(void **state)
{
    /* gap, how far records are out of order, how fast time goes */
    static const int64_t shapes[][3] = {{10, 30, 20}, {3, 200, 30}, {1, 500, 100},
                                        {50, 20, 90}, {10, 400, 5}, {5, 40, 1000}};
    static const Flinc__WindowColumnKind kinds[] = {COUNT, SUM, MIN_OF, MAX_OF};
    for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            check_random(s * 100 + k, shapes[s][0], shapes[s][1], shapes[s][2], kinds[k]);
        }
    }
}

/* Each record brings the gap in a column of its own. */
static void gaps_of_records_against_the_naive_evaluator(void **state)
{
    static uint32_t gap_column = 2;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct window_config c;
        struct naive naive;
        struct rng rng;
        int64_t now = -200, watermark = INT64_MIN;
        STR_AUTO rows = STR_INIT;
        window_config_init(&c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SESSION, 0, 0);
        window_config_columns(&c, SUM);
        c.assigner.gap_columns = &gap_column;
        c.assigner.n_gap_columns = 1;
        struct harness *h = opened(&(struct harness_options){
            .kind = "flinc.window.sessions",
            .input_schemas = {"ROW<k INT NOT NULL, v INT NOT NULL, gap SMALLINT>"},
            .output_schemas = {WINDOW_OUTPUT},
            .config = &c.config.base});
        naive_init(&naive, &c.assigner);
        rng_init(&rng, seed);
        for (int step = 0; step < 200; step++) {
            str_clear(&rows);
            for (uint64_t n = rng_below(&rng, 40); n > 0; n--) {
                int64_t ts = now + (int64_t)rng_below(&rng, 80) - 40;
                int64_t key = (int64_t)rng_below(&rng, 7), v = (int64_t)rng_below(&rng, 1000);
                int64_t gap = 1 + (int64_t)rng_below(&rng, 25);
                str_printf(&rows, "%lld, %lld, %lld @%lld\n", (long long)key, (long long)v,
                           (long long)gap, (long long)ts);
                naive_put_session(&naive, key, ts, gap, v);
            }
            push(h, str_cstr(&rows));
            now += (int64_t)rng_below(&rng, 20);
            watermark = MAX(watermark, now - (int64_t)rng_below(&rng, 60));
            STR_AUTO expected = STR_INIT;
            naive_watermark(&naive, watermark, SUM, &expected);
            check_watermark(h, watermark, str_cstr(&expected));
        }
        must_fail(harness_push_rows(h, 0, "1, 1, NULL @500", &err), ERR_INVALID_ARGUMENT,
                  "gaps are above 0");
        naive_fini(&naive);
        harness_free(h);
    }
}

static void many_sessions_leave_batch_by_batch(void **state)
{
    struct window_config c;
    struct harness *h = sessions(&c, 10, COUNT);
    STR_AUTO rows = STR_INIT;
    for (int round = 0; round < 20; round++) {
        str_clear(&rows);
        for (int i = 0; i < 2000; i++) {
            str_printf(&rows, "%d, 1 @%d\n", round * 2000 + i, i % 10);
        }
        push(h, str_cstr(&rows));
    }
    /* One key with more sessions than a batch has rows. */
    for (int round = 0; round < 3; round++) {
        str_clear(&rows);
        for (int i = 0; i < 1000; i++) {
            str_printf(&rows, "-1, 1 @%d\n", 100000 - (round * 1000 + i) * 20);
        }
        push(h, str_cstr(&rows));
    }
    harness_clear(h);
    must(harness_watermark(h, 0, 200000, &err));
    assert_int_equal(harness_row_count(h, 0), 43000);
    assert_int_equal(harness_max_emitted(h), 8);
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

/* So that the results of a batch of timers are more than fit one batch. */
static void many_keys_with_several_sessions_each(void **state)
{
    enum { KEYS = 1000, SESSIONS = 12 };
    struct window_config c;
    struct harness *h = sessions(&c, 10, COUNT);
    STR_AUTO rows = STR_INIT;
    for (int key = 0; key < KEYS; key += 100) {
        str_clear(&rows);
        for (int i = key; i < key + 100; i++) {
            for (int session = 0; session < SESSIONS; session++) {
                str_printf(&rows, "%d, 1 @%d\n", i, session * 100 + i % 10);
            }
        }
        push(h, str_cstr(&rows));
    }
    harness_clear(h);
    must(harness_watermark(h, 0, 10000, &err));
    assert_int_equal(harness_row_count(h, 0), KEYS * SESSIONS);
    check_watermark(h, INT64_MAX, "");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_within_the_gap_are_one_session),
        cmocka_unit_test(a_record_between_joins_sessions),
        cmocka_unit_test(a_late_record_may_join_what_is_open),
        cmocka_unit_test(late_records_to_the_side_output),
        cmocka_unit_test(processing_time_sessions),
        cmocka_unit_test(random_input_against_the_naive_evaluator),
        cmocka_unit_test(gaps_of_records_against_the_naive_evaluator),
        cmocka_unit_test(many_sessions_leave_batch_by_batch),
        cmocka_unit_test(many_keys_with_several_sessions_each),
    };
    return RUN_ON_BOTH(tests);
}
