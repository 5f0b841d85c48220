/* Two workers, one channel: elements of all kinds in their order, fragments, ends on either side. */
#include "tests/unit/taskmanager_network/network_fixture.h"

static struct worker a, b;

static int start(void **state)
{
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, NULL);
    return 0;
}

static int stop(void **state)
{
    worker_stop(&a);
    worker_stop(&b);
    return 0;
}

static void expect_batch(struct line *l, int64_t first, uint32_t n)
{
    struct element e = line_take(l);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    assert_int_equal(e.batch->n_rows, n);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(numbers_value(e.batch, i), first + i);
    }
    element_drop(&e);
}

static void expect_control(struct line *l, enum element_kind kind, uint64_t value)
{
    struct element e = line_take(l);
    assert_string_equal(element_kind_name(e.kind), element_kind_name(kind));
    assert_int_equal(e.checkpoint_id, value);
}

static void test_elements_in_order(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    line_write(&l, 0, 1000);
    line_send(&l, ELEMENT_WATERMARK, 77);
    line_write(&l, 1000, 3);
    line_send(&l, ELEMENT_BARRIER, 5);
    line_send(&l, ELEMENT_LATENCY_MARKER, 6);
    line_send(&l, ELEMENT_WATERMARK_STATUS, 0);
    line_write(&l, 1003, 4096);
    line_send(&l, ELEMENT_END_OF_DATA, 0);
    expect_batch(&l, 0, 1000);
    expect_control(&l, ELEMENT_WATERMARK, 77);
    expect_batch(&l, 1000, 3);
    expect_control(&l, ELEMENT_BARRIER, 5);
    expect_control(&l, ELEMENT_LATENCY_MARKER, 6);
    expect_control(&l, ELEMENT_WATERMARK_STATUS, 0);
    expect_batch(&l, 1003, 4096);
    expect_control(&l, ELEMENT_END_OF_DATA, 0);
    assert_true(gate_has_ended(l.gate));
    line_close(&l);
    assert_int_equal(l.watch.n_broken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_elements_in_order, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
