/* Deadlocks that Flink had between buffers and credit, by their numbers (docs/internals/known-bugs.md): each test
 * runs as the product is, and with the guard switched off, when it must notice the bug. */
#include "common/base/failpoint.h"
#include "tests/unit/taskmanager_network/network_fixture.h"

enum { CREDIT_BYTES = 4096, ROW_BYTES = 100 * 1024, OTHERS = 60 };

static struct worker a, b;

static int start(void **state)
{
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, NULL);
    return 0;
}

static int stop(void **state)
{
    failpoint_clear_all();
    worker_stop(&a);
    worker_stop(&b);
    assert_int_equal(thread_count(), 0);
    return 0;
}

static void write_large_row(struct line *l)
{
    struct builder builder;
    struct buffer *text = buffer_get(l->pool, ROW_BYTES);
    memset(text->data, 'x', ROW_BYTES);
    builder_init(&builder, l->pool, l->schema, 1);
    builder_put_i64(&builder, 0, 1);
    assert_int_equal(builder_put_bytes(&builder, 1, (char *)text->data, ROW_BYTES, NULL), 0);
    builder_end_row(&builder);
    assert_int_equal(result_partition_write(l->partition, builder_finish(&builder), NULL), 0);
    builder_fini(&builder);
    buffer_unref(text);
}

static void pass_batch(struct line *l)
{
    line_write(l, 0, 1000);
    struct element e = line_take(l);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    element_drop(&e);
}

static bool credit_is_used_up(void *arg)
{
    return worker_metric(&b, "Input.numBytesInRemote") >= *(int64_t *)arg + CREDIT_BYTES;
}

/* FLINK-16641: the producer waits for more credit, and the consumer for what shall give it some back. */
static void flink_16641_a_batch_beyond_the_credit_passes(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = CREDIT_BYTES};
    struct line l;
    line_open(&l, &a, &b, 1, &BOUNDS);
    write_large_row(&l);
    struct element e = line_take(&l);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    assert_int_equal(column_get_bytes(&e.batch->columns[1], 0).len, ROW_BYTES);
    element_drop(&e);
    line_close(&l);
}

/* What came of the batch holds all of the credit.  Another channel of the connection goes on all the while: credit
 * for the first one would have overtaken what it is given. */
static void flink_16641_guard(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = CREDIT_BYTES};
    struct line l, other; /* the other one has room for whole batches */
    struct error err = ERROR_INIT;
    struct element e;
    line_open(&other, &a, &b, 2, NULL);
    pass_batch(&other);
    line_open(&l, &a, &b, 1, &BOUNDS);
    assert_int_equal(failpoint_configure("planted.network.assembly_keeps_credit=error", &err), 0);
    int64_t before = worker_metric(&b, "Input.numBytesInRemote");
    write_large_row(&l);
    wait_until(l.mailbox, credit_is_used_up, &before);
    for (int i = 0; i < OTHERS; i++) {
        pass_batch(&other);
    }
    assert_false(gate_poll(l.gate, &e));
    assert_int_equal(worker_metric(&b, "Input.numBuffersInRemote"), 1 + OTHERS);
    line_close(&l);
    line_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(flink_16641_a_batch_beyond_the_credit_passes, start, stop),
        cmocka_unit_test_setup_teardown(flink_16641_guard, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
