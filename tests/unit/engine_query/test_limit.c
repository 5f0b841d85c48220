/* flinc.query.limit. */
#include "engine/query/query.h"
#include "proto/query.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

static struct harness *limit(int64_t offset, int64_t fetch)
{
    Flinc__LimitConfig config = FLINC__LIMIT_CONFIG__INIT;
    config.offset = offset;
    config.has_fetch = fetch >= 0;
    config.fetch = fetch;
    return opened(&(struct harness_options){
        .desc = &query_limit,
        .input_schemas = {"ROW<a INT>"},
        .output_schemas = {"ROW<a INT>"},
        .config = &config.base,
    });
}

static void rows_are_counted_over_batches(void **state)
{
    struct harness *h = limit(2, 3);
    check_rows(h, 0, "1", "");
    check_rows(h, 0, "2\n3\n4", "+I[3]\n+I[4]");
    check_rows(h, 0, "5\n6\n7", "+I[5]");
    check_rows(h, 0, "8", "");
    harness_free(h);
}

static void without_fetch_all_come_behind_the_offset(void **state)
{
    struct harness *h = limit(1, -1);
    check_rows(h, 0, "1\n2", "+I[2]");
    check_rows(h, 0, "3", "+I[3]");
    harness_free(h);
    h = limit(0, 0);
    check_rows(h, 0, "1\n2", "");
    harness_free(h);
}

static void retractions_are_refused(void **state)
{
    struct harness *h = limit(0, 2);
    must_fail(harness_push_rows(h, 0, "+I 1\n-D 1", &err), ERR_UNSUPPORTED, "-D");
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_counted_over_batches),
        cmocka_unit_test(without_fetch_all_come_behind_the_offset),
        cmocka_unit_test(retractions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
