/* Two workers, one or a few channels: elements of all kinds in their order, fragments, the priority lane,
 * compression, who comes first, and ends on either side. */
#include "tests/unit/taskmanager_network/network_fixture.h"

static struct worker a, b;

static int start_with(const char *const *settings)
{
    worker_start(&a, 1, settings);
    worker_start(&b, 2, settings);
    return 0;
}

static int start(void **state)
{
    return start_with(NULL);
}

static int start_lz4(void **state)
{
    static const char *const SETTINGS[] = {"taskmanager.network.compression.codec=LZ4", NULL};
    return start_with(SETTINGS);
}

static int start_impatient(void **state)
{
    static const char *const SETTINGS[] = {"taskmanager.network.partition-request-timeout=10 ms",
                                           NULL};
    return start_with(SETTINGS);
}

static int stop(void **state)
{
    worker_stop(&a);
    worker_stop(&b);
    assert_int_equal(thread_count(), 0);
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
    assert_int_equal(e.timestamp_ms, value);
}

static const struct flinc_id SOURCE = {{1, 2, 3, [15] = 4}};

static void expect_marker(struct line *l, int64_t marked_ms, uint32_t source_subtask)
{
    struct element e = line_take(l);
    assert_int_equal(e.kind, ELEMENT_LATENCY_MARKER);
    assert_int_equal(e.marker->marked_ms, marked_ms);
    assert_int_equal(e.marker->source_subtask, source_subtask);
    assert_true(id_eq(&e.marker->source_id, &SOURCE));
    element_drop(&e);
}

static void exchange_all_kinds(struct line *l)
{
    line_write(l, 0, 1000);
    line_send(l, ELEMENT_WATERMARK, 77);
    line_write(l, 1000, 3);
    result_partition_send_marker(l->partition, latency_marker_new(5, &SOURCE, 3));
    line_send(l, ELEMENT_WATERMARK_STATUS, 0);
    line_write(l, 1003, 4096);
    line_send(l, ELEMENT_END_OF_PARTITION, 0);
    expect_batch(l, 0, 1000);
    expect_control(l, ELEMENT_WATERMARK, 77);
    expect_batch(l, 1000, 3);
    expect_marker(l, 5, 3);
    expect_control(l, ELEMENT_WATERMARK_STATUS, 0);
    expect_batch(l, 1003, 4096);
    expect_control(l, ELEMENT_END_OF_PARTITION, 0);
    assert_true(gate_has_ended(l->gate));
}

static void test_elements_in_order(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    exchange_all_kinds(&l);
    line_close(&l);
    assert_int_equal(l.watch.n_broken, 0);
    assert_int_equal(worker_metric(&b, "Input.numBuffersInRemote"), 3);
    assert_int_equal(worker_metric(&a, "Output.numBuffersOutRemote"), 3);
    assert_true(worker_metric(&b, "Input.numBytesInRemote") > 5099 * 16);
}

static void test_compressed(void **state)
{
    struct line l;
    static const struct channel_options BOUNDS = {.capacity_bytes = 64 * 1024};
    line_open(&l, &a, &b, 1, NULL);
    exchange_all_kinds(&l);
    line_close(&l);
    line_open(&l, &a, &b, 2, &BOUNDS); /* and in fragments */
    line_write(&l, 0, 4096);
    expect_batch(&l, 0, 4096);
    line_close(&l);
    assert_true(worker_metric(&a, "Output.numFramesCompressed") >= 3);
    assert_true(worker_metric(&b, "Input.numBytesInRemote") < 2 * 4096 * 30);
}

static void test_idle_status_keeps_its_flag(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    struct element idle = element_of_control(ELEMENT_WATERMARK_STATUS);
    idle.flags = ELEMENT_FLAG_IDLE;
    result_partition_send_control(l.partition, &idle);
    struct element e = line_take(&l);
    assert_int_equal(e.kind, ELEMENT_WATERMARK_STATUS);
    assert_true(e.flags & ELEMENT_FLAG_IDLE);
    line_close(&l);
}

/* Batches of 100 KB and of 3 MB over a credit of 8 KB. */
static void test_fragments(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 8 * 1024};
    struct line l;
    line_open(&l, &a, &b, 1, &BOUNDS);
    for (int64_t i = 0; i < 20; i++) {
        line_write(&l, i * 4096, 4096);
        expect_batch(&l, i * 4096, 4096);
    }
    line_send(&l, ELEMENT_END_OF_PARTITION, 0);
    expect_control(&l, ELEMENT_END_OF_PARTITION, 0);
    line_close(&l);
}

static struct batch *one_large_row(struct line *l, uint32_t bytes, char fill)
{
    struct builder builder;
    struct buffer *text = buffer_get(l->pool, bytes);
    memset(text->data, fill, bytes);
    builder_init(&builder, l->pool, l->schema, 1);
    builder_put_i64(&builder, 0, 1);
    assert_int_equal(builder_put_bytes(&builder, 1, (char *)text->data, bytes, NULL), 0);
    builder_end_row(&builder);
    struct batch *batch = builder_finish(&builder);
    builder_fini(&builder);
    buffer_unref(text);
    return batch;
}

/* A record of the largest legal size over the smallest credit, small ones before and behind it. */
static void test_record_of_64_mb(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 4096};
    const uint32_t size = 60 * 1024 * 1024;
    struct line l;
    line_open(&l, &a, &b, 1, &BOUNDS);
    line_write(&l, 0, 600);
    line_wait_writable(&l);
    assert_int_equal(result_partition_write(l.partition, one_large_row(&l, size, 'x'), NULL), 0);
    expect_batch(&l, 0, 600);
    struct element e = line_take(&l);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    struct slice text = column_get_bytes(&e.batch->columns[1], 0);
    assert_int_equal(text.len, size);
    for (uint32_t i = 0; i < size; i += 4093) {
        assert_int_equal(text.data[i], 'x');
    }
    element_drop(&e);
    line_write(&l, 5, 600);
    expect_batch(&l, 5, 600);
    line_close(&l);
}

/* ---- the priority lane ---------------------------------------------------------------------------- */

static bool is_full(void *arg)
{
    return !result_partition_arm_writable(arg);
}

/* A barrier overtakes what waits for credit and keeps its position. */
static void test_barrier_overtakes(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    uint32_t n = 0;
    while (n < 200 && !is_full(l.partition)) { /* until nothing moves: the consumer takes nothing */
        struct batch *batch = numbers_batch(l.pool, l.schema, n, 1000);
        assert_int_equal(result_partition_write(l.partition, batch, NULL), 0);
        n++;
    }
    struct element barrier = element_of_control(ELEMENT_WATERMARK);
    barrier.timestamp_ms = 42;
    result_partition_send_priority(l.partition, &barrier);
    bool seen = false;
    uint32_t before = 0;
    for (uint32_t i = 0; i < n + 1; i++) {
        struct element e = line_take(&l);
        if (e.kind == ELEMENT_WATERMARK) {
            assert_int_equal(e.timestamp_ms, 42);
            assert_int_equal(e.position, n);
            seen = true;
        } else if (!seen) {
            before++;
        }
        element_drop(&e);
    }
    assert_true(seen);
    assert_true(before < n);
    line_close(&l);
}

static void count_rows(void *arg, uint32_t channel, const struct element *e)
{
    *(uint64_t *)arg += e->kind == ELEMENT_BATCH ? e->batch->n_sel : 0;
}

static bool is_recorded(void *arg)
{
    return gate_record_advance(arg);
}

struct announcement {
    struct gate *gate;
    struct element e;
};

static bool takes_announcement(void *arg)
{
    struct announcement *got = arg;
    return gate_poll_priority(got->gate, &got->e);
}

static struct element announced_barrier(uint64_t id)
{
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    struct barrier *barrier = NULL;
    m.checkpoint_id = id;
    assert_int_equal(barrier_new(&m, &barrier, NULL), 0);
    return element_of_barrier(barrier);
}

/* An announced barrier and what lies before it need no credit: a consumer that takes nothing at all has everything in
 * its hands.  The producer gets no room by that, however often it happens. */
static void test_announced_barrier_needs_no_credit(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 16 * 1024};
    struct line l;
    uint64_t rows = 0, recorded = 0;
    line_open(&l, &a, &b, 1, &BOUNDS);
    for (uint64_t id = 1; id <= 10; id++) {
        for (uint32_t n = 0; n < 200 && !is_full(l.partition); n++) {
            struct batch *batch = numbers_batch(l.pool, l.schema, (int64_t)rows, 100);
            rows += 100;
            assert_int_equal(result_partition_write(l.partition, batch, NULL), 0);
        }
        struct element barrier = announced_barrier(id);
        struct announcement got = {.gate = l.gate};
        result_partition_send_control(l.partition, &barrier);
        result_partition_announce(l.partition, barrier.barrier);
        element_drop(&barrier);
        wait_until(l.mailbox, takes_announcement, &got);
        assert_int_equal(got.e.barrier->checkpoint_id, id);
        assert_true(got.e.flags & ELEMENT_FLAG_ANNOUNCEMENT);
        element_drop(&got.e);
        recorded = 0;
        gate_record_start(l.gate, id, &(struct gate_recorder){count_rows, &recorded});
        wait_until(l.mailbox, is_recorded, l.gate);
        assert_int_equal(recorded, rows);
        /* 16 KB on both sides are some 600 rows each, and what was taken off a full channel one batch. */
        assert_true(rows <= 1600);
    }
    for (uint64_t taken = 0; taken < rows;) {
        struct element e = line_take(&l);
        taken += e.kind == ELEMENT_BATCH ? e.batch->n_sel : 0;
        element_drop(&e);
    }
    line_wait_writable(&l);
    line_close(&l);
}

/* Its message goes with it, whatever its length. */
static void test_barrier_travels(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    for (uint32_t length = 0; length < 4000; length += 333) {
        char directory[4000];
        Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
        Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
        struct barrier *barrier = NULL;
        memset(directory, 'd', sizeof(directory));
        directory[length] = 0;
        location.directory = directory;
        m.checkpoint_id = length + 1;
        m.location = &location;
        assert_int_equal(barrier_new(&m, &barrier, NULL), 0);
        struct element e = element_of_barrier(barrier);
        result_partition_send_control(l.partition, &e);
        element_drop(&e);
        struct element back = line_take(&l);
        assert_int_equal(back.kind, ELEMENT_BARRIER);
        assert_int_equal(back.barrier->checkpoint_id, length + 1);
        assert_string_equal(back.barrier->message->location->directory, directory);
        element_drop(&back);
    }
    line_close(&l);
}

/* ---- who comes first, who leaves first -------------------------------------------------------------- */

static void test_producer_before_open(void **state)
{
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    struct buffer_pool *pool = test_pool("t");
    struct schema *schema = numbers_schema();
    struct channel *out = local_channel(&a, test_subpartition(1, 0));
    channel_attach_producer(out, mailbox, NULL);
    struct element e = element_of_batch(numbers_batch(pool, schema, 7, 10));
    struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
    channel_push(out, &e);
    channel_push(out, &end);
    channel_close_producer(out);
    channel_unref(out);
    struct line l = {.pool = pool, .mailbox = mailbox};
    struct channel *in = remote_channel(&b, &a, test_subpartition(1, 0), schema, NULL, &l.watch);
    l.gate = gate_new(&(struct gate_options){
        .pool = pool, .schema = schema, .mailbox = mailbox, .channels = &in, .n_channels = 1});
    expect_batch(&l, 7, 10);
    expect_control(&l, ELEMENT_END_OF_PARTITION, 0);
    gate_free(l.gate);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
}

static bool is_broken(void *arg)
{
    return atomic_load(&((struct input_watch *)arg)->n_broken) > 0;
}

static bool is_released(void *arg)
{
    return atomic_load(&((struct input_watch *)arg)->n_released) > 0;
}

static void test_no_producer_is_refused(void **state)
{
    struct line l = {.pool = NULL};
    struct schema *schema = numbers_schema();
    l.watch = (struct input_watch){.mailbox = mailbox_new(&(struct mailbox_options){.name = "t"})};
    struct channel *in = remote_channel(&b, &a, test_subpartition(1, 0), schema, NULL, &l.watch);
    wait_until(l.watch.mailbox, is_broken, &l.watch);
    assert_int_equal(l.watch.code, ERR_TIMEOUT);
    assert_non_null(strstr(l.watch.text, "partition-request-timeout"));
    wait_until(l.watch.mailbox, is_released, &l.watch);
    assert_true(channel_is_producer_closed(in));
    assert_int_equal(l.watch.n_broken, 1);
    assert_int_equal(worker_metric(&a, "Output.numRequestsRefused"), 1);
    channel_close_consumer(in);
    channel_unref(in);
    schema_unref(schema);
    mailbox_unref(l.watch.mailbox);
}

static void test_second_open_is_refused(void **state)
{
    struct line l;
    struct input_watch watch = {.mailbox = NULL};
    line_open(&l, &a, &b, 1, NULL);
    line_write(&l, 0, 1000);
    expect_batch(&l, 0, 1000); /* it is open */
    watch.mailbox = l.mailbox;
    struct channel *in = remote_channel(&b, &a, test_subpartition(1, 0), l.schema, NULL, &watch);
    wait_until(l.mailbox, is_broken, &watch);
    assert_non_null(strstr(watch.text, "has a consumer already"));
    line_write(&l, 1000, 600);
    expect_batch(&l, 1000, 600);
    wait_until(l.mailbox, is_released, &watch);
    channel_unref(in);
    line_close(&l);
}

static bool consumer_is_closed(void *arg)
{
    return channel_is_consumer_closed(arg);
}

/* The consumer is cancelled in the middle: the producer is let go, and the connection closes. */
static void test_consumer_leaves(void **state)
{
    struct line l;
    struct schema *schema = numbers_schema();
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    struct buffer_pool *pool = test_pool("t");
    l.watch = (struct input_watch){.mailbox = mailbox};
    struct channel *in = remote_channel(&b, &a, test_subpartition(1, 0), schema, NULL, &l.watch);
    struct channel *out = local_channel(&a, test_subpartition(1, 0));
    channel_attach_producer(out, mailbox, NULL);
    for (int i = 0; i < 50; i++) {
        struct element e = element_of_batch(numbers_batch(pool, schema, 0, 2000));
        channel_push(out, &e);
    }
    struct ready_queue *q = ready_queue_new(mailbox);
    channel_attach_consumer(in, q, 0);
    channel_close_consumer(in);
    channel_unref(in);
    wait_until(mailbox, consumer_is_closed, out);
    wait_until(mailbox, is_released, &l.watch);
    assert_int_equal(l.watch.n_broken, 0);
    channel_close_producer(out);
    channel_unref(out);
    ready_queue_unref(q);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
}

static bool producer_is_closed(void *arg)
{
    return channel_is_producer_closed(arg);
}

/* A producer that fails: what it wrote arrives, then nothing; nobody is told, as inside of a worker. */
static void test_producer_leaves(void **state)
{
    struct line l;
    line_open(&l, &a, &b, 1, NULL);
    line_write(&l, 0, 700);
    expect_batch(&l, 0, 700);
    line_write(&l, 700, 700);
    l.partition = result_partition_close(l.partition);
    expect_batch(&l, 700, 700);
    wait_until(l.mailbox, is_released, &l.watch);
    assert_int_equal(l.watch.n_broken, 0);
    line_close(&l);
}

static void test_closed_before_connected(void **state)
{
    struct schema *schema = numbers_schema();
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    struct input_watch watch = {.mailbox = mailbox};
    struct channel *in = remote_channel(&b, &a, test_subpartition(1, 0), schema, NULL, &watch);
    channel_close_consumer(in);
    wait_until(mailbox, producer_is_closed, in);
    wait_until(mailbox, is_released, &watch);
    assert_int_equal(watch.n_broken, 0);
    channel_unref(in);
    schema_unref(schema);
    mailbox_unref(mailbox);
}

static bool no_connections(void *arg)
{
    return worker_metric(arg, "Netty.numConnections") == 0;
}

/* One connection for all channels, closed with the last one, made again with the next. */
static void test_connection_is_shared_and_closed(void **state)
{
    struct line lines[3];
    for (int round = 1; round <= 2; round++) {
        for (uint32_t i = 0; i < 3; i++) {
            line_open(&lines[i], &a, &b, (uint32_t)round * 10 + i, NULL);
        }
        for (uint32_t i = 0; i < 3; i++) {
            line_write(&lines[i], i, 600);
            expect_batch(&lines[i], i, 600);
        }
        assert_int_equal(worker_metric(&b, "Netty.numConnections"), 1);
        assert_int_equal(a.port.n_accepted, round);
        struct mailbox *mailbox = mailbox_ref(lines[0].mailbox);
        for (uint32_t i = 0; i < 3; i++) {
            line_send(&lines[i], ELEMENT_END_OF_PARTITION, 0);
            expect_control(&lines[i], ELEMENT_END_OF_PARTITION, 0);
            line_close(&lines[i]);
        }
        wait_until(mailbox, no_connections, &b);
        wait_until(mailbox, no_connections, &a);
        mailbox_unref(mailbox);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_elements_in_order, start, stop),
        cmocka_unit_test_setup_teardown(test_barrier_travels, start, stop),
        cmocka_unit_test_setup_teardown(test_compressed, start_lz4, stop),
        cmocka_unit_test_setup_teardown(test_idle_status_keeps_its_flag, start, stop),
        cmocka_unit_test_setup_teardown(test_fragments, start, stop),
        cmocka_unit_test_setup_teardown(test_record_of_64_mb, start, stop),
        cmocka_unit_test_setup_teardown(test_barrier_overtakes, start, stop),
        cmocka_unit_test_setup_teardown(test_announced_barrier_needs_no_credit, start, stop),
        cmocka_unit_test_setup_teardown(test_producer_before_open, start, stop),
        cmocka_unit_test_setup_teardown(test_no_producer_is_refused, start_impatient, stop),
        cmocka_unit_test_setup_teardown(test_second_open_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(test_consumer_leaves, start, stop),
        cmocka_unit_test_setup_teardown(test_producer_leaves, start, stop),
        cmocka_unit_test_setup_teardown(test_closed_before_connected, start, stop),
        cmocka_unit_test_setup_teardown(test_connection_is_shared_and_closed, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
