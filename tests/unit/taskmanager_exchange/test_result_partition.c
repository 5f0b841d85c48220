/* Result partitions: where each partitioner sends rows, flushing, control elements, space, and bad
 * options. */
#include "common/base/failpoint.h"
#include "taskmanager/exchange/result_partition.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

enum { CHANNELS = 4, MAX_PARALLELISM = 128 };

struct fixture {
    struct buffer_pool *pool;
    struct schema *schema;
    struct mailbox *producer, *consumer;
    struct ready_queue *queue;
    struct channel *channels[CHANNELS]; /* the consumers' references */
    uint32_t n_channels;
    struct result_partition *partition;
    struct exchange_counters counters;
};

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    f->pool = test_pool("partition");
    f->schema = numbers_schema();
    f->producer = mailbox_new(&(struct mailbox_options){.name = "producer"});
    f->consumer = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    f->queue = ready_queue_new(f->consumer);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    result_partition_close(f->partition);
    for (uint32_t i = 0; i < f->n_channels; i++) {
        channel_close_consumer(f->channels[i]);
        channel_unref(f->channels[i]);
    }
    ready_queue_unref(f->queue);
    mailbox_unref(f->producer);
    mailbox_unref(f->consumer);
    schema_unref(f->schema);
    test_pool_close(f->pool);
    mem_free(f);
    return 0;
}

static void open_partition(struct fixture *f, struct result_partition_options options,
                           uint32_t n_channels)
{
    struct channel *for_partition[CHANNELS];
    struct error err = ERROR_INIT;
    f->n_channels = n_channels;
    for (uint32_t i = 0; i < n_channels; i++) {
        f->channels[i] = channel_new();
        channel_attach_consumer(f->channels[i], f->queue, i);
        for_partition[i] = channel_ref(f->channels[i]);
    }
    options.pool = f->pool;
    options.schema = f->schema;
    options.channels = for_partition;
    options.n_channels = n_channels;
    options.mailbox = f->producer;
    options.counters = &f->counters;
    if (result_partition_open(&options, &f->partition, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void open_kind(struct fixture *f, Flinc__PartitionerKind kind, uint32_t n_channels)
{
    static const uint32_t key = 0;
    open_partition(f,
                   (struct result_partition_options){.kind = kind,
                                                     .key_columns = &key,
                                                     .n_keys = 1,
                                                     .max_parallelism = MAX_PARALLELISM,
                                                     .channel = {.capacity_elements = 10000}},
                   n_channels);
}

static void write_batch(struct fixture *f, struct batch *take_batch)
{
    struct error err = ERROR_INIT;
    if (result_partition_write(f->partition, take_batch, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void write_rows(struct fixture *f, int64_t first, uint32_t n)
{
    write_batch(f, numbers_batch(f->pool, f->schema, first, n));
}

/* Rows waiting in a channel; their numbers are added to *sum, and must increase (order is kept). */
static uint32_t take_rows(struct fixture *f, uint32_t channel, int64_t *sum)
{
    struct element e;
    uint32_t rows = 0;
    int64_t last = INT64_MIN;
    while (channel_poll(f->channels[channel], CHANNEL_LANE_DATA, &e)) {
        assert_int_equal(e.kind, ELEMENT_BATCH);
        assert_null(e.batch->sel);
        for (uint32_t i = 0; i < e.batch->n_rows; i++) {
            int64_t value = numbers_value(e.batch, i);
            assert_true(value > last);
            last = value;
            *sum += value;
        }
        rows += e.batch->n_rows;
        element_drop(&e);
    }
    return rows;
}

static int64_t sum_below(int64_t n)
{
    return n * (n - 1) / 2;
}

static void test_single_channel_by_pointer(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, 1);
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 2048);
    write_batch(f, b);
    assert_false(result_partition_has_buffered(f->partition));
    struct element e;
    assert_true(channel_poll(f->channels[0], CHANNEL_LANE_DATA, &e));
    assert_ptr_equal(e.batch, b);
    assert_int_equal(metric_counter_get(&f->counters.n_records), 2048);
    assert_int_equal(metric_counter_get(&f->counters.n_batches), 1);
    assert_int_equal(metric_counter_get(&f->counters.n_bytes), batch_bytes(b));
    element_drop(&e);
}

static void test_selections_are_materialised(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 1);
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 100);
    write_batch(f, batch_slice(f->pool, b, 50, 60));
    write_batch(f, batch_slice(f->pool, b, 0, 0));
    batch_unref(b);
    int64_t sum = 0;
    assert_int_equal(take_rows(f, 0, &sum), 10);
    assert_int_equal(sum, sum_below(60) - sum_below(50));
}

static void test_global_uses_the_first_channel(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_GLOBAL, CHANNELS);
    write_rows(f, 0, 10);
    int64_t sum = 0;
    assert_int_equal(take_rows(f, 0, &sum), 10);
    for (uint32_t i = 1; i < CHANNELS; i++) {
        assert_int_equal(channel_len(f->channels[i]), 0);
    }
}

static void test_broadcast_shares_one_batch(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, CHANNELS);
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 10);
    write_batch(f, b);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        struct element e;
        assert_true(channel_poll(f->channels[i], CHANNEL_LANE_DATA, &e));
        assert_ptr_equal(e.batch, b);
        assert_int_equal(batch_is_unique(e.batch), i == CHANNELS - 1);
        element_drop(&e);
    }
    assert_int_equal(metric_counter_get(&f->counters.n_records), 10);
    assert_int_equal(metric_counter_get(&f->counters.n_batches), CHANNELS);
}

static void test_hash_sends_a_key_to_its_subtask(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, CHANNELS);
    struct key_router router;
    key_router_init(&router, MAX_PARALLELISM, CHANNELS);
    for (int64_t i = 0; i < 20; i++) {
        write_rows(f, i * 1000, 1000);
    }
    assert_true(result_partition_has_buffered(f->partition));
    result_partition_flush(f->partition);
    assert_false(result_partition_has_buffered(f->partition));
    int64_t sum = 0;
    uint32_t rows = 0;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        struct element e;
        while (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
            for (uint32_t i = 0; i < e.batch->n_rows; i++) {
                int64_t value = numbers_value(e.batch, i);
                assert_int_equal(key_owner_of(&router, key_hash_i64(value)), c);
                sum += value;
            }
            assert_true(e.batch->n_rows <= BATCH_ROWS_TARGET);
            rows += e.batch->n_rows;
            element_drop(&e);
        }
    }
    assert_int_equal(rows, 20000);
    assert_int_equal(sum, sum_below(20000));
    key_router_fini(&router);
}

static void test_hash_of_shared_and_selected_batches(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, CHANNELS);
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 2000);
    write_batch(f, batch_ref(b));
    assert_null(b->hashes);
    write_batch(f, batch_slice(f->pool, b, 0, 1));
    batch_unref(b);
    result_partition_flush(f->partition);
    uint32_t rows = 0;
    struct element e;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        while (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
            rows += e.batch->n_rows;
            element_drop(&e);
        }
    }
    assert_int_equal(rows, 2001);
}

static void test_one_key_goes_whole(void **state)
{
    struct fixture *f = *state;
    static const uint32_t key = 0;
    open_partition(
        f,
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                          .key_columns = &key,
                                          .n_keys = 1,
                                          .max_parallelism = MAX_PARALLELISM,
                                          .n_batch_target = 1},
        CHANNELS);
    struct batch *b = numbers_batch(f->pool, f->schema, 7, 1);
    write_batch(f, b);
    uint32_t found = 0;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        struct element e;
        if (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
            assert_ptr_equal(e.batch, b);
            element_drop(&e);
            found++;
        }
    }
    assert_int_equal(found, 1);
}

static void test_rebalance_deals_rows_then_batches(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, CHANNELS);
    write_rows(f, 0, 8);
    result_partition_flush(f->partition);
    int64_t sum = 0;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        assert_int_equal(take_rows(f, c, &sum), 2);
    }
    int64_t next = 8;
    while (next < REBALANCE_ROW_WISE_ROWS) {
        write_rows(f, next, 2048);
        next += 2048;
    }
    for (int i = 0; i < CHANNELS; i++) {
        write_rows(f, next, 2048);
        next += 2048;
    }
    write_rows(f, next, 5); /* small ones still row by row */
    next += 5;
    result_partition_flush(f->partition);
    uint32_t rows[CHANNELS], total = 8;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        rows[c] = take_rows(f, c, &sum);
        total += rows[c];
        assert_true(rows[c] >= rows[0] - 2 && rows[c] <= rows[0] + 2);
    }
    assert_int_equal(total, next);
    assert_int_equal(sum, sum_below(next));
}

static void test_shuffle_uses_all_channels(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE, CHANNELS);
    write_rows(f, 0, 4000);
    result_partition_flush(f->partition);
    int64_t sum = 0;
    uint32_t total = 0;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        uint32_t rows = take_rows(f, c, &sum);
        assert_in_range(rows, 800, 1200);
        total += rows;
    }
    assert_int_equal(total, 4000);
    assert_int_equal(sum, sum_below(4000));
}

/* ---- custom ------------------------------------------------------------------------------------- */

struct custom {
    int32_t offset;
    int rc;
    bool closed;
};

static int route_by_number(void *data, const struct batch *b, uint32_t n_channels,
                           int32_t *ret_channels, struct error *err)
{
    struct custom *c = data;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t value = COLUMN_VALUES(&b->columns[0], int64_t)[batch_row(b, i)];
        ret_channels[i] = (int32_t)(value % n_channels) + c->offset;
    }
    return c->rc < 0 ? error_set(err, c->rc, "the function said no") : 0;
}

static void close_custom(void *data)
{
    ((struct custom *)data)->closed = true;
}

static void test_custom(void **state)
{
    struct fixture *f = *state;
    struct custom custom = {0};
    struct error err = ERROR_INIT;
    open_partition(
        f,
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_CUSTOM,
                                          .custom = {route_by_number, close_custom, &custom}},
        3);
    write_rows(f, 0, 10);
    struct batch *b = numbers_batch(f->pool, f->schema, 10, 10);
    write_batch(f, batch_slice(f->pool, b, 5, 10));
    batch_unref(b);
    result_partition_flush(f->partition);
    struct element e;
    assert_true(channel_poll(f->channels[1], CHANNEL_LANE_DATA, &e));
    static const int64_t EXPECTED[] = {1, 4, 7, 16, 19};
    assert_int_equal(e.batch->n_rows, ARRAY_LEN(EXPECTED));
    for (uint32_t i = 0; i < e.batch->n_rows; i++) {
        assert_int_equal(numbers_value(e.batch, i), EXPECTED[i]);
    }
    element_drop(&e);
    custom.offset = 1;
    assert_int_equal(
        result_partition_write(f->partition, numbers_batch(f->pool, f->schema, 0, 10), &err),
        ERR_USER_CODE);
    assert_string_equal(err.message, "the custom partitioner returned 3; channels are 0 to 2");
    custom.offset = -1;
    error_clear(&err);
    assert_int_equal(
        result_partition_write(f->partition, numbers_batch(f->pool, f->schema, 0, 10), &err),
        ERR_USER_CODE);
    custom.rc = ERR_IO;
    assert_int_equal(
        result_partition_write(f->partition, numbers_batch(f->pool, f->schema, 0, 10), NULL),
        ERR_IO);
    f->partition = result_partition_close(f->partition);
    assert_true(custom.closed);
}

/* ---- control elements, space -------------------------------------------------------------------- */

static void test_control_elements_come_after_built_rows(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, CHANNELS);
    write_rows(f, 0, 40);
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    barrier.timestamp_ms = 3;
    result_partition_send_priority(f->partition, &barrier);
    result_partition_send_control(f->partition, &barrier);
    for (uint32_t c = 0; c < CHANNELS; c++) {
        struct element e;
        assert_true(channel_poll(f->channels[c], CHANNEL_LANE_PRIORITY, &e));
        assert_int_equal(e.position, 0);
        assert_true(channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e));
        assert_int_equal(e.batch->n_rows, 10);
        element_drop(&e);
        assert_true(channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e));
        assert_int_equal(e.timestamp_ms, 3);
        assert_false(channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e));
    }
}

/* A marker comes behind the rows that were written for its channel; it goes to one, each in time. */
static void test_markers_go_to_one_channel(void **state)
{
    static const struct flinc_id SOURCE = {{1}};
    struct fixture *f = *state;
    uint32_t seen[CHANNELS] = {0}, n = 0;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, CHANNELS);
    write_rows(f, 0, CHANNELS * 10);
    for (uint32_t i = 0; i < 100; i++) {
        result_partition_send_marker(f->partition, latency_marker_new(i, &SOURCE, 0));
    }
    for (uint32_t c = 0; c < CHANNELS; c++) {
        struct element e;
        assert_true(channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e));
        assert_int_equal(e.kind, ELEMENT_BATCH);
        assert_int_equal(e.batch->n_rows, 10);
        element_drop(&e);
        while (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
            assert_int_equal(e.kind, ELEMENT_LATENCY_MARKER);
            element_drop(&e);
            seen[c]++;
        }
        assert_true(seen[c] > 0);
        n += seen[c];
    }
    assert_int_equal(n, 100);
}

static void test_writable_when_all_channels_are(void **state)
{
    struct fixture *f = *state;
    open_partition(
        f,
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_BROADCAST,
                                          .channel = {.capacity_elements = 2}},
        CHANNELS);
    write_rows(f, 0, 10);
    assert_true(result_partition_is_writable(f->partition));
    write_rows(f, 0, 10);
    assert_false(result_partition_is_writable(f->partition));
    assert_int_equal(result_partition_queue_len(f->partition), 2 * CHANNELS);
    struct event_count *event = mailbox_event(f->producer);
    uint32_t ticket = event_count_prepare(event);
    assert_false(result_partition_arm_writable(f->partition));
    for (uint32_t c = 0; c < CHANNELS; c++) {
        assert_false(result_partition_is_writable(f->partition));
        struct element e;
        assert_true(channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e));
        element_drop(&e);
    }
    assert_true(event_count_wait(event, ticket, 0));
    assert_true(result_partition_arm_writable(f->partition));
    assert_true(result_partition_is_writable(f->partition));
}

static void test_closing_drops_what_is_half_built(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, CHANNELS);
    write_rows(f, 0, 100);
    f->partition = result_partition_close(f->partition);
    for (uint32_t c = 0; c < CHANNELS; c++) {
        assert_int_equal(channel_len(f->channels[c]), 0);
        assert_true(channel_is_producer_closed(f->channels[c]));
    }
}

static void test_failpoint(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, CHANNELS);
    assert_int_equal(failpoint_configure("exchange.partition.write=error", &err), 0);
    assert_true(
        result_partition_write(f->partition, numbers_batch(f->pool, f->schema, 0, 10), &err) < 0);
    failpoint_clear_all();
}

/* Rows that wait in all channels, none in an element of more than `bytes_max`. */
static uint32_t take_parts(struct fixture *f, uint64_t bytes_max)
{
    uint32_t rows = 0;
    for (uint32_t c = 0; c < f->n_channels; c++) {
        struct element e;
        int64_t last = -1;
        while (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
            assert_true(e.payload_bytes <= bytes_max);
            assert_true(e.pinned_bytes <= 4 * bytes_max);
            for (uint32_t i = 0; i < e.batch->n_sel; i++) {
                int64_t value = COLUMN_VALUES(&e.batch->columns[0], int64_t)[batch_row(e.batch, i)];
                assert_true(value > last);
                last = value;
            }
            rows += e.batch->n_sel;
            element_drop(&e);
        }
    }
    return rows;
}

/* Over small channels a batch goes in parts of their size, each with its own memory; a row is never cut. */
static void check_parts(struct fixture *f, Flinc__PartitionerKind kind, uint32_t n_channels)
{
    static const uint32_t key = 0;
    enum { PART = 4096, LARGE = 100000 };
    uint32_t copies = kind == FLINC__PARTITIONER_KIND__PARTITION_BROADCAST ? n_channels : 1;
    open_partition(f,
                   (struct result_partition_options){.kind = kind,
                                                     .key_columns = &key,
                                                     .n_keys = 1,
                                                     .max_parallelism = MAX_PARALLELISM,
                                                     .channel = {.capacity_bytes = PART},
                                                     .part_bytes = PART},
                   n_channels);
    assert_int_equal(result_partition_part_bytes(f->partition), PART);
    write_rows(f, 0, 2000);
    result_partition_flush(f->partition);
    assert_int_equal(take_parts(f, 2 * PART), 2000 * copies);
    struct builder b;
    char *text = mem_zalloc(LARGE);
    builder_init(&b, f->pool, f->schema, 0);
    builder_put_i64(&b, 0, 7);
    assert_int_equal(builder_put_bytes(&b, 1, text, LARGE, NULL), 0);
    builder_end_row(&b);
    write_batch(f, builder_finish(&b));
    result_partition_flush(f->partition);
    assert_int_equal(take_parts(f, LARGE + 64), copies);
    builder_fini(&b);
    mem_free(text);
}

static void test_parts_of_forwarded_batches(void **state)
{
    check_parts(*state, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 1);
}

static void test_parts_of_broadcast_batches(void **state)
{
    check_parts(*state, FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, 3);
}

static void test_parts_of_dealt_batches(void **state)
{
    check_parts(*state, FLINC__PARTITIONER_KIND__PARTITION_HASH, 3);
}

static void expect_refused(struct result_partition_options options, const char *message)
{
    struct error err = ERROR_INIT;
    struct result_partition *p = NULL;
    struct schema *schema = numbers_schema();
    options.schema = schema;
    assert_int_equal(result_partition_open(&options, &p, &err), ERR_INVALID_ARGUMENT);
    assert_null(p);
    assert_string_equal(err.message, message);
    schema_unref(schema);
}

static void test_bad_options(void **state)
{
    (void)state;
    const uint32_t key = 2;
    expect_refused((struct result_partition_options){.n_channels = 0},
                   "FORWARD edge with 0 consumers; 1 to 32768 are possible");
    expect_refused((struct result_partition_options){.n_channels = 2},
                   "FORWARD edge needs equal parallelisms, this subtask has 2 consumers");
    expect_refused(
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                          .n_channels = 2},
        "HASH edge without key columns");
    expect_refused(
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                          .n_channels = 2,
                                          .key_columns = &key,
                                          .n_keys = 1},
        "HASH edge by column 2 of a stream with 2 columns");
    const uint32_t good_key = 1;
    expect_refused(
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                          .n_channels = 200,
                                          .key_columns = &good_key,
                                          .n_keys = 1,
                                          .max_parallelism = 128},
        "HASH edge to 200 consumers with maximum parallelism 128");
    expect_refused(
        (struct result_partition_options){.kind = FLINC__PARTITIONER_KIND__PARTITION_CUSTOM,
                                          .n_channels = 2},
        "CUSTOM edge without a partitioner");
    expect_refused(
        (struct result_partition_options){.kind = (Flinc__PartitionerKind)77, .n_channels = 2},
        "partitioner 77 is not known");
}

static void test_no_allocation_per_batch(void **state)
{
    struct fixture *f = *state;
    open_kind(f, FLINC__PARTITIONER_KIND__PARTITION_HASH, CHANNELS);
    uint64_t before = 0;
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 200);
    for (int i = 0; i < 10000; i++) {
        if (i == 1000) {
            before = mem_thread_allocations();
        }
        write_batch(f, batch_ref(b));
        if (i % 16 == 0) {
            result_partition_flush(f->partition);
        }
        struct element e;
        for (uint32_t c = 0; c < CHANNELS; c++) {
            while (channel_poll(f->channels[c], CHANNEL_LANE_DATA, &e)) {
                element_drop(&e);
            }
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_single_channel_by_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selections_are_materialised, setup, teardown),
        cmocka_unit_test_setup_teardown(test_global_uses_the_first_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broadcast_shares_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_sends_a_key_to_its_subtask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hash_of_shared_and_selected_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_key_goes_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rebalance_deals_rows_then_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shuffle_uses_all_channels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_custom, setup, teardown),
        cmocka_unit_test_setup_teardown(test_control_elements_come_after_built_rows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_markers_go_to_one_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_writable_when_all_channels_are, setup, teardown),
        cmocka_unit_test_setup_teardown(test_closing_drops_what_is_half_built, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_of_forwarded_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_of_broadcast_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts_of_dealt_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failpoint, setup, teardown),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test_setup_teardown(test_no_allocation_per_batch, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
