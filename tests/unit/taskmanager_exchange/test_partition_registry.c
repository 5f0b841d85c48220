/* The registry: who comes first does not matter, who comes twice is refused, who comes too late finds a
 * closed channel, and what nobody fetches is swept. */
#include "taskmanager/exchange/partition_registry.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

static struct subpartition_id subpartition(uint8_t attempt, uint32_t edge, uint32_t number)
{
    return (struct subpartition_id){{{attempt}}, edge, number};
}

static struct channel *connect(struct partition_registry *r, struct subpartition_id id,
                               enum channel_side side)
{
    struct channel *c = NULL;
    struct error err = ERROR_INIT;
    if (partition_registry_connect(r, &id, side, &c, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return c;
}

static void test_sides_meet_in_any_order(void **state)
{
    (void)state;
    struct partition_registry *r = partition_registry_new(&clock_system);
    for (int first = 0; first < 2; first++) {
        struct subpartition_id id = subpartition(1, 2, 3);
        struct channel *a = connect(r, id, (enum channel_side)first);
        assert_int_equal(partition_registry_len(r), 1);
        struct channel *b = connect(r, id, (enum channel_side)(1 - first));
        assert_ptr_equal(a, b);
        assert_int_equal(partition_registry_len(r), 0);
        channel_unref(a);
        channel_unref(b);
    }
    partition_registry_free(r);
}

static void test_names_are_attempt_edge_and_number(void **state)
{
    (void)state;
    struct partition_registry *r = partition_registry_new(&clock_system);
    struct channel *a = connect(r, subpartition(1, 0, 0), CHANNEL_SIDE_PRODUCER);
    struct channel *b = connect(r, subpartition(2, 0, 0), CHANNEL_SIDE_CONSUMER);
    struct channel *c = connect(r, subpartition(1, 1, 0), CHANNEL_SIDE_CONSUMER);
    struct channel *d = connect(r, subpartition(1, 0, 1), CHANNEL_SIDE_CONSUMER);
    assert_int_equal(partition_registry_len(r), 4);
    assert_true(a != b && a != c && a != d);
    channel_unref(a);
    channel_unref(b);
    channel_unref(c);
    channel_unref(d);
    partition_registry_free(r);
}

static void test_one_side_twice_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct partition_registry *r = partition_registry_new(&clock_system);
    struct subpartition_id id = subpartition(9, 0, 4);
    struct channel *a = connect(r, id, CHANNEL_SIDE_PRODUCER), *b = NULL;
    assert_int_equal(partition_registry_connect(r, &id, CHANNEL_SIDE_PRODUCER, &b, &err),
                     ERR_ALREADY_EXISTS);
    assert_null(b);
    assert_non_null(strstr(err.message, "/0/4 has a producer already"));
    channel_unref(a);
    partition_registry_free(r);
}

static void test_sweep_drops_what_waited_too_long(void **state)
{
    (void)state;
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct buffer_pool *pool = test_pool("registry");
    struct schema *schema = numbers_schema();
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "producer"});
    struct partition_registry *r = partition_registry_new(&clock.base);
    /* A producer that finished before its consumer came, and then the consumer never comes. */
    struct channel *old = connect(r, subpartition(1, 0, 0), CHANNEL_SIDE_PRODUCER);
    channel_attach_producer(old, m, NULL);
    struct element e = element_of_batch(numbers_batch(pool, schema, 0, 10));
    channel_push(old, &e);
    channel_close_producer(old);
    channel_unref(old);
    clock_manual_advance_ms(&clock, 600);
    struct channel *young = connect(r, subpartition(2, 0, 0), CHANNEL_SIDE_CONSUMER);
    clock_manual_advance_ms(&clock, 500);
    assert_true(buffer_pool_out_count(pool) > 0);
    assert_int_equal(partition_registry_sweep(r, 1000), 1);
    assert_int_equal(partition_registry_len(r), 1);
    channel_unref(young);
    partition_registry_free(r);
    mailbox_unref(m);
    schema_unref(schema);
    test_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sides_meet_in_any_order),
        cmocka_unit_test(test_names_are_attempt_edge_and_number),
        cmocka_unit_test(test_one_side_twice_is_refused),
        cmocka_unit_test(test_sweep_drops_what_waited_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
