/* flinc.window.slices, sliding: shared slices against the naive evaluator. */
#include "tests/unit/engine_operators/disk_fixture.h"
#include "tests/unit/engine_operators/window_fixture.h"

#define SUM FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM
#define COUNT FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT
#define MIN_OF FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN
#define MAX_OF FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX

static struct harness *sliding(struct window_config *c, int64_t size, int64_t slide, int64_t offset,
                               Flinc__WindowColumnKind kind)
{
    window_config_init(c, FLINC__WINDOW_ASSIGNER_KIND__WINDOW_SLIDING, size, slide);
    c->assigner.offset_ms = offset;
    window_config_columns(c, kind);
    return opened(&(struct harness_options){
        .kind = "flinc.window.slices",
        .input_schemas = {WINDOW_INPUT},
        .output_schemas = {kind == MIN_OF || kind == MAX_OF
                               ? "ROW<k INT NOT NULL, window_start BIGINT NOT NULL, window_end "
                                 "BIGINT NOT NULL, value INT NOT NULL>"
                               : WINDOW_OUTPUT},
        .config = &c->config.base});
}

static void a_record_is_in_all_windows_over_it(void **state)
{
    struct window_config c;
    struct harness *h = sliding(&c, 10, 5, 0, SUM);
    push(h, "1, 1 @0\n1, 2 @5\n1, 4 @14");
    check_watermark(h, 4, "+I[1, -5, 5, 1] @4");
    check_watermark(h, 14, "+I[1, 0, 10, 3] @9\n+I[1, 5, 15, 6] @14");
    check_watermark(h, 100, "+I[1, 10, 20, 4] @19");
    harness_free(h);
}

static void a_record_that_is_late_for_some_windows_only(void **state)
{
    for (int kind = 0; kind < 2; kind++) {
        struct window_config c;
        struct harness *h = sliding(&c, 20, 5, 0, kind == 0 ? SUM : MAX_OF);
        push(h, "1, 1 @12");
        check_watermark(h, 14, "+I[1, -5, 15, 1] @14");
        push(h, "1, 9 @11");
        const char *expected[] = {"+I[1, 0, 20, 10] @19\n+I[1, 5, 25, 10] @24\n"
                                  "+I[1, 10, 30, 10] @29",
                                  "+I[1, 0, 20, 9] @19\n+I[1, 5, 25, 9] @24\n"
                                  "+I[1, 10, 30, 9] @29"};
        check_watermark(h, 1000, expected[kind]);
        harness_free(h);
    }
}

static void gaps_between_windows(void **state)
{
    struct window_config c;
    struct harness *h = sliding(&c, 4, 10, 0, COUNT);
    push(h, "1, 0 @0\n1, 0 @3\n1, 0 @4\n1, 0 @9\n1, 0 @13\n2, 0 @16");
    check_watermark(h, 100, "+I[1, 0, 4, 2] @3\n+I[1, 10, 14, 1] @13");
    harness_free(h);
}

/* One random run; a snapshot is elsewhere (test_window_restore.c). */
static void check_random(uint64_t seed, int64_t size, int64_t slide, int64_t offset,
                         Flinc__WindowColumnKind kind)
{
    struct window_config c;
    struct harness *h = sliding(&c, size, slide, offset, kind);
    struct naive naive;
    struct rng rng;
    int64_t now = -200, watermark = INT64_MIN;
    STR_AUTO rows = STR_INIT;
    naive_init(&naive, &c.assigner);
    rng_init(&rng, seed);
    for (int step = 0; step < 60 / (int)fixture_stride(2); step++) {
        uint64_t n = rng_below(&rng, 40);
        str_clear(&rows);
        for (uint64_t i = 0; i < n; i++) {
            int64_t ts = now + (int64_t)rng_below(&rng, 30) - 20;
            int64_t key = (int64_t)rng_below(&rng, 5), v = (int64_t)rng_below(&rng, 1000) - 500;
            str_printf(&rows, "%lld, %lld @%lld\n", (long long)key, (long long)v, (long long)ts);
            naive_add(&naive, key, ts, v);
        }
        push(h, str_cstr(&rows));
        now += (int64_t)rng_below(&rng, step % 20 == 19 ? 200 : 12);
        watermark = MAX(watermark, now - (int64_t)rng_below(&rng, 25));
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
    static const int64_t shapes[][3] = {{10, 10, 0}, {10, 5, 0}, {10, 1, 0},   {60, 4, 3},
                                        {9, 6, -2},  {7, 3, 1},  {4, 10, 2},   {128, 1, 0},
                                        {100, 7, 5}, {5, 5, 4},  {33, 32, -7}, {3, 20, -19}};
    static const Flinc__WindowColumnKind kinds[] = {COUNT, SUM, MIN_OF, MAX_OF};
    for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
        for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
            if ((s * ARRAY_LEN(kinds) + k) % fixture_stride(7) != 0) {
                continue;
            }
            check_random(s * 100 + k, shapes[s][0], shapes[s][1], shapes[s][2], kinds[k]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_in_all_windows_over_it),
        cmocka_unit_test(a_record_that_is_late_for_some_windows_only),
        cmocka_unit_test(gaps_between_windows),
        cmocka_unit_test(random_input_against_the_naive_evaluator),
    };
    return RUN_ON_BOTH(tests);
}
