/* flinc.source.sequence: every number of the range once, in order within a subtask. */
#include "fixture.h"
#include "proto/operators.pb-c.h"

struct numbers {
    int64_t first, last;
    uint64_t n;
    bool in_order;
};

static void take_numbers(void *arg, uint32_t output, struct batch *take_batch)
{
    struct numbers *s = arg;
    const int64_t *values = COLUMN_VALUES(&take_batch->columns[0], int64_t);
    assert_int_equal(output, 0);
    must(batch_validate(take_batch, &err));
    for (uint32_t i = 0; i < take_batch->n_sel; i++) {
        s->in_order = s->n == 0 || (s->in_order && values[i] == s->last + 1);
        s->first = s->n == 0 ? values[i] : s->first;
        s->last = values[i];
        s->n++;
    }
    batch_unref(take_batch);
}

static struct harness *sequence(int64_t from, int64_t to, uint32_t subtask, uint32_t parallelism,
                                struct numbers *numbers)
{
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    *numbers = (struct numbers){.in_order = true};
    c.from = from;
    c.to = to;
    return opened(&(struct harness_options){.kind = "flinc.source.sequence",
                                            .config = &c.base,
                                            .output_schemas = {"ROW<v BIGINT NOT NULL>"},
                                            .subtask = subtask,
                                            .parallelism = parallelism,
                                            .on_batch = take_numbers,
                                            .on_batch_arg = numbers});
}

static void check_range(int64_t from, int64_t to, uint32_t parallelism)
{
    int64_t next = from;
    for (uint32_t i = 0; i < parallelism; i++) {
        struct numbers s;
        struct harness *h = sequence(from, to, i, parallelism, &s);
        int rc;
        while ((rc = harness_poll(h, NULL)) == OP_DONE) {
        }
        assert_int_equal(rc, OP_END);
        assert_true(s.in_order);
        if (s.n > 0) { /* the shares follow each other */
            assert_int_equal(s.first, next);
            next = s.last + 1;
        }
        harness_free(h);
    }
    assert_int_equal(next, to + 1);
}

static void test_ranges(void **state)
{
    check_range(0, 0, 1);
    check_range(1, 10, 1);
    check_range(1, 10, 3);
    check_range(-5, 5, 16);
    check_range(1, 100000, 1);
    check_range(-70000, 70000, 7);
    check_range(INT64_MAX - 5000, INT64_MAX - 1, 2);
}

/* The very ends of int64: counters that overflow would show here. */
static void test_extremes(void **state)
{
    struct numbers s;
    struct harness *h = sequence(INT64_MAX - 2, INT64_MAX, 0, 1, &s);
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    assert_int_equal(harness_poll(h, NULL), OP_END);
    assert_int_equal(s.n, 3);
    assert_true(s.last == INT64_MAX);
    harness_free(h);
    h = sequence(INT64_MIN, INT64_MAX, 0, 1, &s);
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    assert_true(s.first == INT64_MIN);
    assert_int_equal(s.n, BATCH_ROWS_TARGET);
    harness_free(h);
    h = sequence(INT64_MIN, INT64_MAX, 1, 2, &s);
    assert_int_equal(harness_poll(h, NULL), OP_DONE);
    assert_true(s.first == 0);
    harness_free(h);
}

static void test_bad_range(void **state)
{
    Flinc__SequenceSourceConfig c = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    struct harness *h;
    c.from = 1;
    must(harness_new(&(struct harness_options){.kind = "flinc.source.sequence",
                                               .config = &c.base,
                                               .output_schemas = {"ROW<v BIGINT NOT NULL>"}},
                     &h, &err));
    must_fail(harness_open(h, &err), ERR_PARSE, "range");
    harness_free(h);
}

static void test_no_malloc(void **state)
{
    struct numbers s;
    struct harness *h = sequence(0, 10000000, 0, 1, &s);
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        assert_int_equal(harness_poll(h, NULL), OP_DONE);
        before = i == 100 ? mem_thread_allocations() : before;
    }
    assert_int_equal(mem_thread_allocations() - before, 0);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_bad_range),
        cmocka_unit_test(test_no_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
