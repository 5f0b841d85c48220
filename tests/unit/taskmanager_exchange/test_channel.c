/* Channels: order, lanes, bounds and wake-ups, every order of attaching and closing, and two threads at
 * once. */
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

struct fixture {
    struct buffer_pool *pool;
    struct schema *schema;
    struct mailbox *producer, *consumer;
    struct ready_queue *queue;
    struct channel *channel;
};

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    f->pool = test_pool("channel");
    f->schema = numbers_schema();
    f->producer = mailbox_new(&(struct mailbox_options){.name = "producer"});
    f->consumer = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    f->queue = ready_queue_new(f->consumer);
    f->channel = channel_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    channel_unref(f->channel);
    ready_queue_unref(f->queue);
    mailbox_unref(f->producer);
    mailbox_unref(f->consumer);
    schema_unref(f->schema);
    test_pool_close(f->pool);
    mem_free(f);
    return 0;
}

static void attach_both(struct fixture *f, uint32_t capacity_elements, uint64_t capacity_bytes)
{
    channel_attach_producer(f->channel, f->producer,
                            &(struct channel_options){capacity_elements, capacity_bytes});
    channel_attach_consumer(f->channel, f->queue, 7);
}

static void push_number(struct fixture *f, int64_t n)
{
    struct element e = element_of_batch(numbers_batch(f->pool, f->schema, n, 1));
    channel_push(f->channel, &e);
}

static void push_control(struct fixture *f, enum element_kind kind)
{
    struct element e = element_of_control(kind);
    channel_push(f->channel, &e);
}

static int64_t poll_number(struct fixture *f)
{
    struct element e;
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_int_equal(e.kind, ELEMENT_BATCH);
    int64_t n = numbers_value(e.batch, 0);
    element_drop(&e);
    return n;
}

static void assert_empty(struct fixture *f, enum channel_lane lane)
{
    struct element e;
    assert_false(channel_poll(f->channel, lane, &e));
}

static bool was_signalled(struct mailbox *m, uint32_t ticket)
{
    return event_count_wait(mailbox_event(m), ticket, 0);
}

static void test_order_over_many_segments(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 1000, 0);
    int64_t pushed = 0, polled = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 37; i++) {
            push_number(f, pushed++);
        }
        for (int i = 0; i < 30; i++) {
            assert_int_equal(poll_number(f), polled++);
        }
        assert_int_equal(channel_len(f->channel), pushed - polled);
    }
    while (polled < pushed) {
        assert_int_equal(poll_number(f), polled++);
    }
    assert_empty(f, CHANNEL_LANE_DATA);
    assert_int_equal(channel_len(f->channel), 0);
    assert_int_equal(channel_bytes(f->channel), 0);
}

static void test_control_elements_keep_their_place(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 0, 0);
    push_number(f, 1);
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    barrier.timestamp_ms = 42;
    channel_push(f->channel, &barrier);
    push_number(f, 2);
    push_control(f, ELEMENT_END_OF_PARTITION);
    struct element e;
    assert_int_equal(poll_number(f), 1);
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_int_equal(e.kind, ELEMENT_WATERMARK_STATUS);
    assert_int_equal(e.timestamp_ms, 42);
    assert_int_equal(poll_number(f), 2);
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_int_equal(e.kind, ELEMENT_END_OF_PARTITION);
}

struct seen {
    int64_t next;
    uint32_t n, at_most;
};

static bool see_number(void *arg, const struct element *e)
{
    struct seen *s = arg;
    assert_int_equal(numbers_value(e->batch, 0), s->next++);
    return ++s->n < s->at_most;
}

/* What waits is shown once, in order, over the ends of segments, and stays. */
static void test_peek(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 1000, 0);
    int64_t pushed = 0, polled = 0;
    uint64_t from = 0;
    struct seen seen = {.at_most = UINT32_MAX};
    assert_int_equal(channel_peek(f->channel, 0, see_number, &seen), 0);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 29; i++) {
            push_number(f, pushed++);
        }
        from = channel_peek(f->channel, from, see_number, &seen);
        assert_int_equal(from, pushed);
        assert_int_equal(channel_pushed(f->channel), pushed);
        for (int i = 0; i < (round % 2 == 0 ? 32 : 24); i++) {
            if (polled < pushed) {
                assert_int_equal(poll_number(f), polled++);
            }
        }
        assert_int_equal(channel_position(f->channel), polled);
    }
    assert_int_equal(seen.next, pushed);
    seen = (struct seen){.next = polled, .at_most = 3}; /* what was taken is not shown again */
    assert_int_equal(channel_peek(f->channel, 0, see_number, &seen), polled + 3);
}

/* What is taken while it is held gives no room before it is released. */
static void test_hold(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 4, 0);
    for (int64_t i = 0; i < 4; i++) {
        push_number(f, i);
    }
    assert_false(channel_is_writable(f->channel));
    uint64_t bytes = channel_bytes(f->channel);
    channel_hold(f->channel);
    for (int64_t i = 0; i < 4; i++) {
        assert_int_equal(poll_number(f), i);
    }
    assert_false(channel_is_writable(f->channel));
    assert_int_equal(channel_len(f->channel), 4);
    assert_int_equal(channel_bytes(f->channel), bytes);
    assert_false(channel_arm_writable(f->channel));
    uint32_t ticket = event_count_prepare(mailbox_event(f->producer));
    channel_release(f->channel);
    assert_true(was_signalled(f->producer, ticket));
    assert_true(channel_is_writable(f->channel));
    assert_int_equal(channel_bytes(f->channel), 0);
    channel_release(f->channel); /* nothing is held */
}

static void test_priority_lane_carries_the_position(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 0, 0);
    push_number(f, 1);
    push_number(f, 2);
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    channel_push_priority(f->channel, &barrier);
    push_number(f, 3);
    struct element e;
    assert_true(channel_has(f->channel, CHANNEL_LANE_PRIORITY));
    assert_true(channel_poll(f->channel, CHANNEL_LANE_PRIORITY, &e));
    assert_int_equal(e.kind, ELEMENT_WATERMARK_STATUS);
    assert_int_equal(e.position, 2);
    assert_empty(f, CHANNEL_LANE_PRIORITY);
    assert_int_equal(channel_len(f->channel), 3);
    for (int64_t i = 1; i <= 3; i++) {
        assert_int_equal(poll_number(f), i);
    }
}

static void test_bounded_by_elements_with_overdraw(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 4, 0);
    for (int i = 0; i < 4; i++) {
        assert_true(channel_is_writable(f->channel));
        push_number(f, i);
    }
    assert_false(channel_is_writable(f->channel));
    push_number(f, 4); /* an operator that had begun */
    assert_int_equal(channel_len(f->channel), 5);
    assert_int_equal(poll_number(f), 0);
    assert_false(channel_is_writable(f->channel));
    assert_int_equal(poll_number(f), 1);
    assert_true(channel_is_writable(f->channel));
}

static void test_bounded_by_bytes(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 100, 1);
    assert_true(channel_is_writable(f->channel));
    push_number(f, 0);
    assert_true(channel_bytes(f->channel) > 1);
    assert_false(channel_is_writable(f->channel));
    poll_number(f);
    assert_true(channel_is_writable(f->channel));
}

static void test_producer_is_woken_at_half(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 4, 0);
    for (int i = 0; i < 5; i++) {
        push_number(f, i);
    }
    uint32_t ticket = event_count_prepare(mailbox_event(f->producer));
    assert_false(channel_arm_writable(f->channel));
    poll_number(f);
    poll_number(f);
    assert_int_equal(channel_len(f->channel), 3);
    assert_false(was_signalled(f->producer, ticket));
    ticket = event_count_prepare(mailbox_event(f->producer));
    poll_number(f);
    assert_true(was_signalled(f->producer, ticket));
    assert_true(channel_arm_writable(f->channel));
    /* Once per wait. */
    ticket = event_count_prepare(mailbox_event(f->producer));
    poll_number(f);
    assert_false(was_signalled(f->producer, ticket));
}

static void test_consumer_is_queued_once(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 0, 0);
    assert_empty(f, CHANNEL_LANE_DATA);
    uint32_t ticket = event_count_prepare(mailbox_event(f->consumer));
    push_number(f, 1);
    push_number(f, 2);
    assert_true(was_signalled(f->consumer, ticket));
    struct channel *c = ready_queue_take(f->queue, CHANNEL_LANE_DATA);
    assert_ptr_equal(c, f->channel);
    assert_int_equal(channel_index(c), 7);
    assert_null(channel_next_ready(c, CHANNEL_LANE_DATA));
    assert_false(ready_queue_has(f->queue, CHANNEL_LANE_DATA));
    poll_number(f);
    poll_number(f);
    push_number(f, 3);
    assert_false(ready_queue_has(f->queue, CHANNEL_LANE_DATA)); /* still counts as queued */
    poll_number(f);
    assert_empty(f, CHANNEL_LANE_DATA);
    push_number(f, 4);
    assert_true(ready_queue_has(f->queue, CHANNEL_LANE_DATA));
    poll_number(f);
}

static void test_producer_before_consumer(void **state)
{
    struct fixture *f = *state;
    channel_attach_producer(f->channel, f->producer, NULL);
    assert_true(channel_has_producer(f->channel));
    assert_false(channel_has_consumer(f->channel));
    push_number(f, 1);
    push_control(f, ELEMENT_END_OF_PARTITION);
    channel_close_producer(f->channel);
    channel_attach_consumer(f->channel, f->queue, 0);
    assert_int_equal(poll_number(f), 1);
    struct element e;
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_true(channel_is_producer_closed(f->channel));
}

static void test_consumer_closes_first(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 1, 0);
    push_number(f, 1);
    uint32_t ticket = event_count_prepare(mailbox_event(f->producer));
    assert_false(channel_arm_writable(f->channel));
    channel_close_consumer(f->channel);
    assert_true(was_signalled(f->producer, ticket));
    assert_int_equal(buffer_pool_out_count(f->pool), 0);
    assert_true(channel_arm_writable(f->channel));
    push_number(f, 2);
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    channel_push_priority(f->channel, &barrier);
    assert_int_equal(buffer_pool_out_count(f->pool), 0);
    assert_true(channel_is_consumer_closed(f->channel));
    channel_close_producer(f->channel);
}

static void test_nobody_consumes(void **state)
{
    struct fixture *f = *state;
    channel_attach_producer(f->channel, f->producer, NULL);
    for (int i = 0; i < 70; i++) {
        push_number(f, i);
    }
    channel_close_producer(f->channel);
    /* The teardown sees that the last reference gave everything back. */
}

static void test_no_allocation_per_batch(void **state)
{
    struct fixture *f = *state;
    attach_both(f, 0, 0);
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 100);
    uint64_t before = 0;
    for (int i = 0; i < 10000; i++) {
        if (i == 100) {
            before = mem_thread_allocations();
        }
        struct element e = element_of_batch(batch_ref(b));
        channel_push(f->channel, &e);
        assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
        element_drop(&e);
    }
    assert_int_equal(mem_thread_allocations(), before);
    batch_unref(b);
}

/* ---- two threads -------------------------------------------------------------------------------- */

struct stress {
    struct channel *channel;
    struct mailbox *producer, *consumer;
    struct ready_queue *queue;
    uint64_t n, close_after; /* the consumer closes after so many; 0: never */
    uint64_t seed;
};

static bool is_writable(void *arg)
{
    return channel_arm_writable(arg);
}

static void *stress_produce(void *arg)
{
    struct stress *s = arg;
    struct buffer_pool *pool = test_pool("producer");
    struct rng rng;
    rng_init(&rng, s->seed);
    struct schema *schema = numbers_schema();
    for (uint64_t i = 0; i < s->n; i++) {
        while (!channel_is_writable(s->channel)) {
            wait_for(s->producer, is_writable, s->channel);
        }
        if (rng_below(&rng, 50) == 0) {
            struct element mark = element_of_control(ELEMENT_WATERMARK);
            mark.timestamp_ms = (int64_t)i;
            channel_push(s->channel, &mark);
        }
        struct element e = element_of_batch(numbers_batch(pool, schema, (int64_t)i, 1));
        channel_push(s->channel, &e);
    }
    struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
    channel_push(s->channel, &end);
    channel_close_producer(s->channel);
    s->channel = channel_unref(s->channel);
    schema_unref(schema);
    buffer_pool_close(pool); /* batches may still be on their way */
    return NULL;
}

static bool is_ready(void *arg)
{
    return ready_queue_has(arg, CHANNEL_LANE_DATA);
}

static void stress_consume(struct stress *s, struct channel *channel)
{
    uint64_t next = 0;
    struct element e;
    for (;;) {
        if (!channel_poll(channel, CHANNEL_LANE_DATA, &e)) {
            while (ready_queue_take(s->queue, CHANNEL_LANE_DATA) == NULL) {
                wait_for(s->consumer, is_ready, s->queue);
            }
            continue;
        }
        if (e.kind == ELEMENT_END_OF_PARTITION) {
            assert_int_equal(next, s->n);
            return;
        }
        if (e.kind == ELEMENT_WATERMARK) {
            assert_int_equal(e.timestamp_ms, next);
            continue;
        }
        assert_int_equal(numbers_value(e.batch, 0), next++);
        element_drop(&e);
        if (s->close_after != 0 && next == s->close_after) {
            return;
        }
    }
}

static void run_stress(struct fixture *f, uint64_t n, uint64_t close_after, uint64_t seed)
{
    struct error err = ERROR_INIT;
    struct channel *channel = channel_new();
    struct stress s = {.channel = channel_ref(channel),
                       .producer = f->producer,
                       .consumer = f->consumer,
                       .queue = ready_queue_new(f->consumer),
                       .n = n,
                       .close_after = close_after,
                       .seed = seed};
    channel_attach_producer(channel, f->producer,
                            &(struct channel_options){1 + (uint32_t)(seed % 9), 0});
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "producer", stress_produce, &s, &err), 0);
    channel_attach_consumer(channel, s.queue, 0);
    stress_consume(&s, channel);
    channel_close_consumer(channel);
    channel_unref(channel);
    thread_join(thread);
    ready_queue_unref(s.queue);
}

static void test_two_threads(void **state)
{
    const struct seeds seeds = seeds_from(0, 10);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_stress(*state, 5000, 0, seed);
    }
}

static void test_two_threads_consumer_gives_up(void **state)
{
    struct rng rng;
    rng_init(&rng, 5);
    const struct seeds seeds = seeds_from(0, 100);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_stress(*state, 300, 1 + rng_below(&rng, 300), seed);
    }
}

/* ---- a producer of many channels ------------------------------------------------------------------- */

static void push_charged(struct fixture *f, uint64_t bytes)
{
    struct element e = element_of_control(ELEMENT_WATERMARK);
    e.flags = ELEMENT_FLAG_CHARGED;
    e.pinned_bytes = bytes;
    channel_push(f->channel, &e);
}

static void test_drain_queue(void **state)
{
    struct fixture *f = *state;
    struct element e;
    struct drain_queue *q = drain_queue_new(f->producer);
    channel_attach_producer_queue(f->channel, q, 42, NULL);
    channel_attach_consumer(f->channel, f->queue, 7);
    assert_int_equal(channel_producer_tag(f->channel), 42);
    for (int i = 0; i < 4; i++) {
        push_charged(f, 100);
    }
    assert_int_equal(channel_bytes(f->channel), 400);
    assert_false(channel_arm_drained(f->channel, 250));
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_null(drain_queue_take(q));
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e));
    assert_true(channel_poll(f->channel, CHANNEL_LANE_DATA, &e)); /* queued once */
    assert_false(channel_disarm_drained(f->channel));
    struct channel *c = drain_queue_take(q);
    assert_ptr_equal(c, f->channel);
    assert_null(channel_next_drained(c));
    assert_int_equal(channel_popped_bytes(c), 400);
    assert_true(channel_arm_drained(c, 400)); /* so it is */
    assert_true(channel_disarm_drained(c));
    assert_false(channel_arm_drained(c, UINT64_MAX));
    channel_close_consumer(c);
    assert_ptr_equal(drain_queue_take(q), c);
    assert_null(channel_next_drained(c));
    assert_true(channel_arm_drained(c, UINT64_MAX));
    channel_close_producer(c);
    drain_queue_unref(q);
}

/* A priority element from another channel keeps the position that it had there. */
static void test_priority_at_a_position(void **state)
{
    struct fixture *f = *state;
    struct element e = element_of_control(ELEMENT_WATERMARK_STATUS);
    attach_both(f, 10, 0);
    e.position = 1000;
    channel_push_priority_at(f->channel, &e);
    assert_true(channel_poll(f->channel, CHANNEL_LANE_PRIORITY, &e));
    assert_int_equal(e.position, 1000);
}

struct drain_run {
    struct fixture *f;
    struct drain_queue *q;
};

enum { DRAIN_ELEMENTS = 20000, DRAIN_WINDOW = 64 };

static void *drain_consume(void *arg)
{
    struct drain_run *r = arg;
    struct element e;
    for (uint32_t n = 0; n < DRAIN_ELEMENTS;) {
        if (channel_poll(r->f->channel, CHANNEL_LANE_DATA, &e)) {
            n++;
            continue;
        }
        /* Not queued any more: it is polled again only when it comes by the ready queue. */
        while (ready_queue_take(r->f->queue, CHANNEL_LANE_DATA) == NULL) {
            wait_for(r->f->consumer, is_ready, r->f->queue);
        }
    }
    channel_close_consumer(r->f->channel);
    return NULL;
}

/* A window of bytes between two threads: no wake-up is lost, the channel is never queued twice. */
static void test_drain_queue_between_threads(void **state)
{
    struct fixture *f = *state;
    struct drain_run r = {.f = f, .q = drain_queue_new(f->producer)};
    pthread_t thread;
    channel_attach_producer_queue(f->channel, r.q, 1, NULL);
    channel_attach_consumer(f->channel, f->queue, 0);
    assert_int_equal(thread_start(&thread, "consumer", drain_consume, &r, NULL), 0);
    uint64_t pushed = 0;
    while (!channel_is_consumer_closed(f->channel)) {
        while (pushed < DRAIN_ELEMENTS &&
               pushed - channel_popped_bytes(f->channel) < DRAIN_WINDOW) {
            push_charged(f, 1);
            pushed++;
        }
        uint64_t target =
            pushed < DRAIN_ELEMENTS ? pushed - DRAIN_WINDOW / (1 + pushed % 7) : UINT64_MAX;
        struct channel *c = NULL;
        if (channel_arm_drained(f->channel, target)) {
            continue;
        }
        while ((c = drain_queue_take(r.q)) == NULL) {
            struct event_count *e = mailbox_event(f->producer);
            uint32_t ticket = event_count_prepare(e);
            c = drain_queue_take(r.q);
            if (c != NULL) {
                event_count_cancel(e);
                break;
            }
            event_count_wait(e, ticket, -1);
        }
        assert_null(channel_next_drained(c));
    }
    thread_join(thread);
    assert_int_equal(pushed, DRAIN_ELEMENTS);
    channel_close_producer(f->channel);
    drain_queue_unref(r.q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_over_many_segments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_elements_keep_their_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_peek, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_priority_lane_carries_the_position, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded_by_elements_with_overdraw, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded_by_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_producer_is_woken_at_half, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consumer_is_queued_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_producer_before_consumer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_consumer_closes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_consumes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_allocation_per_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_priority_at_a_position, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain_queue_between_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_threads_consumer_gives_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
