/* Gates: turns, gathering, the order of control elements, priority, and the end. */
#include "taskmanager/exchange/gate.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

enum { CHANNELS = 4 };

struct fixture {
    struct buffer_pool *pool;
    struct schema *schema;
    struct mailbox *producer, *consumer;
    struct channel *channels[CHANNELS]; /* the producers' references */
    struct gate *gate;
};

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    f->pool = test_pool("gate");
    f->schema = numbers_schema();
    f->producer = mailbox_new(&(struct mailbox_options){.name = "producer"});
    f->consumer = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    struct channel *for_gate[CHANNELS];
    for (uint32_t i = 0; i < CHANNELS; i++) {
        f->channels[i] = channel_new();
        channel_attach_producer(f->channels[i], f->producer,
                                &(struct channel_options){.capacity_elements = 1000});
        for_gate[i] = channel_ref(f->channels[i]);
    }
    f->gate = gate_new(&(struct gate_options){.pool = f->pool,
                                              .schema = f->schema,
                                              .mailbox = f->consumer,
                                              .channels = for_gate,
                                              .n_channels = CHANNELS});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    gate_free(f->gate);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        channel_close_producer(f->channels[i]);
        channel_unref(f->channels[i]);
    }
    mailbox_unref(f->producer);
    mailbox_unref(f->consumer);
    schema_unref(f->schema);
    test_pool_close(f->pool);
    mem_free(f);
    return 0;
}

static void push_rows(struct fixture *f, uint32_t channel, int64_t first, uint32_t n)
{
    struct element e = element_of_batch(numbers_batch(f->pool, f->schema, first, n));
    channel_push(f->channels[channel], &e);
}

static void push_control(struct fixture *f, uint32_t channel, enum element_kind kind)
{
    struct element e = element_of_control(kind);
    channel_push(f->channels[channel], &e);
}

static struct element poll(struct fixture *f)
{
    struct element e;
    assert_true(gate_is_ready(f->gate));
    assert_true(gate_poll(f->gate, &e));
    return e;
}

/* A batch with n rows, the first of them with the number `first`. */
static void poll_rows(struct fixture *f, int64_t first, uint32_t n)
{
    struct element e = poll(f);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    assert_int_equal(e.batch->n_sel, n);
    assert_int_equal(numbers_value(e.batch, batch_row(e.batch, 0)), first);
    assert_int_equal(e.payload_bytes, batch_bytes(e.batch));
    for (uint32_t i = 1; i < n; i++) {
        numbers_value(e.batch, batch_row(e.batch, i));
    }
    element_drop(&e);
}

/* The same of a part, whose payload is its share. */
static void poll_rows_of_part(struct fixture *f, int64_t first, uint32_t n)
{
    struct element e = poll(f);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    assert_int_equal(e.batch->n_sel, n);
    assert_int_equal(numbers_value(e.batch, batch_row(e.batch, 0)), first);
    element_drop(&e);
}

static void poll_control(struct fixture *f, enum element_kind kind, uint32_t channel)
{
    struct element e = poll(f);
    assert_string_equal(element_kind_name(e.kind), element_kind_name(kind));
    assert_int_equal(e.channel, channel);
}

static void poll_nothing(struct fixture *f)
{
    struct element e;
    assert_false(gate_poll(f->gate, &e));
    assert_false(gate_is_ready(f->gate));
}

static void test_full_batches_take_turns(void **state)
{
    struct fixture *f = *state;
    poll_nothing(f);
    for (int i = 0; i < 3; i++) {
        push_rows(f, 0, 1000 * i, GATE_SMALL_ROWS);
    }
    push_rows(f, 2, 10000, GATE_SMALL_ROWS);
    push_rows(f, 3, 20000, GATE_SMALL_ROWS);
    poll_rows(f, 0, GATE_SMALL_ROWS);
    poll_rows(f, 10000, GATE_SMALL_ROWS);
    poll_rows(f, 20000, GATE_SMALL_ROWS);
    poll_rows(f, 1000, GATE_SMALL_ROWS);
    poll_rows(f, 2000, GATE_SMALL_ROWS);
    poll_nothing(f);
}

static void test_a_late_channel_gets_its_turn(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 4; i++) {
        push_rows(f, 1, 1000 * i, GATE_SMALL_ROWS);
    }
    poll_rows(f, 0, GATE_SMALL_ROWS);
    push_rows(f, 0, 50000, GATE_SMALL_ROWS);
    poll_rows(f, 1000, GATE_SMALL_ROWS);
    poll_rows(f, 50000, GATE_SMALL_ROWS);
    poll_rows(f, 2000, GATE_SMALL_ROWS);
    poll_rows(f, 3000, GATE_SMALL_ROWS);
    poll_nothing(f);
}

static void test_a_small_batch_alone_goes_by_pointer(void **state)
{
    struct fixture *f = *state;
    struct batch *b = numbers_batch(f->pool, f->schema, 5, 3);
    struct element pushed = element_of_batch(batch_ref(b));
    channel_push(f->channels[1], &pushed);
    struct element e = poll(f);
    assert_ptr_equal(e.batch, b);
    element_drop(&e);
    batch_unref(b);
    poll_nothing(f);
}

static void test_small_batches_are_gathered(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 40; i++) {
        push_rows(f, i % CHANNELS, i * 100, 100);
    }
    uint32_t rows = 0;
    struct element e;
    assert_true(gate_poll(f->gate, &e));
    assert_true(e.batch->n_sel >= BATCH_ROWS_TARGET);
    assert_true(e.batch->n_sel < BATCH_ROWS_TARGET + GATE_SMALL_ROWS);
    assert_int_equal(e.payload_bytes, batch_bytes(e.batch));
    rows += e.batch->n_sel;
    element_drop(&e);
    assert_true(gate_poll(f->gate, &e)); /* what is left, without waiting */
    rows += e.batch->n_sel;
    element_drop(&e);
    assert_int_equal(rows, 4000);
    poll_nothing(f);
}

static void test_selected_rows_are_gathered(void **state)
{
    struct fixture *f = *state;
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 100);
    struct element first = element_of_batch(batch_slice(f->pool, b, 10, 20));
    struct element second = element_of_batch(batch_slice(f->pool, b, 40, 45));
    batch_unref(b);
    channel_push(f->channels[0], &first);
    channel_push(f->channels[1], &second);
    struct element e = poll(f);
    assert_int_equal(e.batch->n_sel, 15);
    assert_int_equal(numbers_value(e.batch, 9), 19);
    assert_int_equal(numbers_value(e.batch, 10), 40);
    element_drop(&e);
}

static void test_large_rows_are_not_copied(void **state)
{
    struct fixture *f = *state;
    struct builder b;
    struct error err = ERROR_INIT;
    char *text = mem_zalloc(BATCH_BYTES_TARGET);
    memset(text, 'x', BATCH_BYTES_TARGET);
    struct batch *large[2];
    builder_init(&b, f->pool, f->schema, 0);
    for (int i = 0; i < 2; i++) {
        builder_put_i64(&b, 0, i);
        assert_int_equal(builder_put_bytes(&b, 1, text, BATCH_BYTES_TARGET, &err), 0);
        builder_end_row(&b);
        large[i] = builder_finish(&b);
        struct element e = element_of_batch(large[i]);
        channel_push(f->channels[i], &e);
    }
    for (int i = 0; i < 2; i++) {
        struct element e = poll(f);
        assert_ptr_equal(e.batch, large[i]);
        element_drop(&e);
    }
    builder_fini(&b);
    mem_free(text);
}

/* Parts of a batch come one after the other; what has priority comes in between, other channels behind. */
static void test_large_batches_come_in_parts(void **state)
{
    struct fixture *f = *state;
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    gate_set_rows(f->gate, 200);
    push_rows(f, 0, 0, GATE_SMALL_ROWS);
    push_control(f, 0, ELEMENT_WATERMARK);
    push_rows(f, 1, 5000, 10);
    uint32_t bytes = 0;
    static const uint32_t parts[] = {200, 200, GATE_SMALL_ROWS - 400};
    struct batch *whole = numbers_batch(f->pool, f->schema, 0, GATE_SMALL_ROWS);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct element e = poll(f);
        assert_int_equal(e.batch->n_sel, parts[i]);
        assert_int_equal(numbers_value(e.batch, batch_row(e.batch, 0)), 200 * i);
        bytes += e.payload_bytes;
        element_drop(&e);
        channel_push_priority(f->channels[3], &barrier);
        poll_control(f, ELEMENT_WATERMARK_STATUS, 3);
    }
    assert_int_equal(bytes, batch_bytes(whole));
    batch_unref(whole);
    poll_rows(f, 5000, 10);
    poll_control(f, ELEMENT_WATERMARK, 0);
    /* No more is gathered than goes out at once. */
    for (int64_t i = 0; i < 5; i++) {
        push_rows(f, 2, 100 * i, 100);
    }
    poll_rows(f, 0, 200);
    poll_rows(f, 200, 200);
    poll_rows(f, 400, 100);
    poll_nothing(f);
    /* It is freed with a part left. */
    push_rows(f, 0, 0, GATE_SMALL_ROWS);
    poll_rows_of_part(f, 0, 200);
}

static void test_gathered_rows_before_control_elements(void **state)
{
    struct fixture *f = *state;
    push_rows(f, 0, 0, 10);
    push_rows(f, 1, 100, 10);
    push_control(f, 0, ELEMENT_WATERMARK_STATUS);
    push_rows(f, 0, 10, 10);
    /* Turns: 0, 1, then the barrier of 0, which hands out what was gathered first. */
    poll_rows(f, 0, 20);
    poll_control(f, ELEMENT_WATERMARK_STATUS, 0);
    poll_rows(f, 10, 10);
    push_control(f, 1, ELEMENT_WATERMARK);
    push_control(f, 2, ELEMENT_WATERMARK_STATUS);
    poll_control(f, ELEMENT_WATERMARK, 1);
    poll_control(f, ELEMENT_WATERMARK_STATUS, 2);
    poll_nothing(f);
}

static void test_gathered_rows_before_full_batches(void **state)
{
    struct fixture *f = *state;
    push_rows(f, 0, 0, 10);
    push_rows(f, 0, 10, GATE_SMALL_ROWS);
    poll_rows(f, 0, 10);
    poll_rows(f, 10, GATE_SMALL_ROWS);
    poll_nothing(f);
}

static void test_priority_overtakes_everything(void **state)
{
    struct fixture *f = *state;
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    poll_nothing(f);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        push_rows(f, i, i * 1000, GATE_SMALL_ROWS);
    }
    push_rows(f, 3, 8, 2);
    channel_push_priority(f->channels[3], &barrier);
    channel_push_priority(f->channels[1], &barrier);
    struct element e = poll(f);
    assert_int_equal(e.kind, ELEMENT_WATERMARK_STATUS);
    assert_int_equal(e.channel, 3);
    assert_int_equal(e.position, 2);
    poll_control(f, ELEMENT_WATERMARK_STATUS, 1);
    for (uint32_t i = 0; i < CHANNELS; i++) {
        poll_rows(f, i * 1000, GATE_SMALL_ROWS);
    }
    /* Also what waits behind gathered rows. */
    push_rows(f, 3, 1, GATE_SMALL_ROWS);
    poll_rows(f, 8, 2);
    channel_push_priority(f->channels[0], &barrier);
    poll_control(f, ELEMENT_WATERMARK_STATUS, 0);
    poll_rows(f, 1, GATE_SMALL_ROWS);
    poll_nothing(f);
}

static void test_ends_when_all_channels_have(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i + 1 < CHANNELS; i++) {
        push_control(f, i, ELEMENT_END_OF_PARTITION);
    }
    struct element e;
    assert_false(gate_poll(f->gate, &e));
    push_rows(f, 3, 1, 5);
    push_control(f, 3, ELEMENT_END_OF_PARTITION);
    poll_rows(f, 1, 5);
    assert_false(gate_has_ended(f->gate));
    poll_control(f, ELEMENT_END_OF_PARTITION, 3);
    assert_true(gate_has_ended(f->gate));
    poll_nothing(f);
}

/* A blocked channel gives nothing and makes the gate not ready; what it has comes in its order
 * afterwards. */
static void test_blocked_channels(void **state)
{
    struct fixture *f = *state;
    poll_nothing(f);
    push_control(f, 1, ELEMENT_WATERMARK_STATUS);
    push_rows(f, 1, 0, GATE_SMALL_ROWS);
    poll_control(f, ELEMENT_WATERMARK_STATUS, 1);
    gate_block(f->gate, 1);
    poll_nothing(f);
    assert_false(gate_is_ready(f->gate));
    push_rows(f, 1, 5000, GATE_SMALL_ROWS);
    poll_nothing(f);
    assert_false(gate_is_ready(f->gate));
    push_rows(f, 0, 100, GATE_SMALL_ROWS);
    poll_rows(f, 100, GATE_SMALL_ROWS);
    gate_block(f->gate, 0);
    gate_block(f->gate, 0);
    poll_nothing(f);
    push_rows(f, 0, 9000, GATE_SMALL_ROWS); /* queued while it is blocked */
    push_rows(f, 2, 200, GATE_SMALL_ROWS);
    poll_rows(f, 200, GATE_SMALL_ROWS);
    poll_nothing(f);
    gate_unblock(f->gate);
    assert_true(gate_is_ready(f->gate));
    poll_rows(f, 0, GATE_SMALL_ROWS);
    poll_rows(f, 9000, GATE_SMALL_ROWS);
    poll_rows(f, 5000, GATE_SMALL_ROWS);
    poll_nothing(f);
    gate_unblock(f->gate);
    push_rows(f, 1, 1, GATE_SMALL_ROWS);
    poll_rows(f, 1, GATE_SMALL_ROWS);
    /* It is freed with a blocked channel that has something. */
    gate_block(f->gate, 1);
    push_rows(f, 1, 1, GATE_SMALL_ROWS);
    poll_nothing(f);
}

static void test_wakes_the_task(void **state)
{
    struct fixture *f = *state;
    poll_nothing(f);
    struct event_count *event = mailbox_event(f->consumer);
    uint32_t ticket = event_count_prepare(event);
    push_rows(f, 2, 0, 1);
    assert_true(event_count_wait(event, ticket, 0));
    poll_rows(f, 0, 1);
    poll_nothing(f);
    ticket = event_count_prepare(event);
    struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
    channel_push_priority(f->channels[2], &barrier);
    assert_true(event_count_wait(event, ticket, 0));
    poll_control(f, ELEMENT_WATERMARK_STATUS, 2);
}

static void test_facts(void **state)
{
    struct fixture *f = *state;
    uint32_t first = 99;
    assert_int_equal(gate_n_channels(f->gate), CHANNELS);
    assert_int_equal(gate_n_unconnected(f->gate, &first), 0);
    push_rows(f, 0, 0, 1);
    push_rows(f, 1, 0, 1);
    assert_int_equal(gate_queue_len(f->gate), 2);
    struct channel *lonely[2] = {channel_new(), channel_new()};
    channel_attach_producer(lonely[0], f->producer, NULL);
    struct gate *g = gate_new(&(struct gate_options){.pool = f->pool,
                                                     .schema = f->schema,
                                                     .mailbox = f->consumer,
                                                     .channels = lonely,
                                                     .n_channels = 2});
    assert_int_equal(gate_n_unconnected(g, &first), 1);
    assert_int_equal(first, 1);
    gate_free(g);
}

static void test_no_allocation_per_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t before = 0;
    struct batch *b = numbers_batch(f->pool, f->schema, 0, 100);
    for (int i = 0; i < 10000; i++) {
        if (i == 500) {
            before = mem_thread_allocations();
        }
        for (uint32_t c = 0; c < CHANNELS; c++) {
            struct element e = element_of_batch(batch_ref(b));
            channel_push(f->channels[c], &e);
        }
        struct element e;
        while (gate_poll(f->gate, &e)) {
            element_drop(&e);
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    batch_unref(b);
}

/* ---- recording ------------------------------------------------------------------------------------ */

struct recorded {
    int64_t next[CHANNELS]; /* rows of channel c are c * 1,000,000 + 0, 1, ... */
    uint32_t n_rows, n_watermarks, n_gathered;
};

static void on_record(void *arg, uint32_t channel, const struct element *e)
{
    struct recorded *r = arg;
    if (e->kind == ELEMENT_WATERMARK) {
        r->n_watermarks++;
        return;
    }
    r->n_rows += e->batch->n_sel;
    r->n_gathered += channel == GATE_CHANNEL_GATHERED ? e->batch->n_sel : 0;
    for (uint32_t i = 0; i < e->batch->n_sel; i++) {
        int64_t value = numbers_value(e->batch, batch_row(e->batch, i));
        assert_int_equal(value % 1000000, r->next[value / 1000000]++);
    }
}

static void push_barrier(struct fixture *f, uint32_t channel, uint64_t id)
{
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    struct barrier *b = NULL;
    m.checkpoint_id = id;
    assert_int_equal(barrier_new(&m, &b, NULL), 0);
    struct element e = element_of_barrier(b);
    channel_push(f->channels[channel], &e);
}

/* Hands out up to n elements; before recording their rows are counted as seen. */
static void hand_out(struct fixture *f, uint32_t n, struct recorded *r)
{
    struct element e;
    while (n-- > 0 && gate_poll(f->gate, &e)) {
        if (r != NULL && e.kind == ELEMENT_BATCH) {
            on_record(r, e.channel, &e);
        }
        element_drop(&e);
    }
}

/* All that lies before the barriers is shown once and in order, whether it was gathered, waits, or comes, and
 * nothing that is behind them. */
static void test_recording(void **state)
{
    static const uint32_t rows[] = {UINT32_MAX, 300, 5};
    struct fixture *f = *state;
    for (uint32_t turn = 0; turn < 12 * ARRAY_LEN(rows); turn++) {
        struct recorded r = {.n_rows = 0};
        int64_t next[CHANNELS] = {0};
        uint64_t id = 10 * turn + 1, newer_id = id + 1;
        uint32_t handed_out = turn % 12;
        gate_set_rows(f->gate, rows[turn / 12]);
        for (uint32_t c = 0; c < CHANNELS; c++) {
            for (int i = 0; i < 5; i++) {
                uint32_t n = i % 2 == 0 ? 7 : GATE_SMALL_ROWS;
                push_rows(f, c, c * 1000000 + next[c], n);
                next[c] += n;
            }
        }
        hand_out(f, handed_out, &r);
        r.n_watermarks = r.n_gathered = 0;
        push_control(f, 0, ELEMENT_WATERMARK);
        push_barrier(f, 0, id);
        push_rows(f, 0, 999, 9); /* behind it */
        push_barrier(f, 0, newer_id);
        const struct gate_recorder to = {on_record, &r};
        gate_record_start(f->gate, id, &to);
        for (uint32_t c = 1; c < CHANNELS; c++) {
            assert_false(gate_record_advance(f->gate));
            hand_out(f, c, NULL); /* which does not matter */
            push_rows(f, c, c * 1000000 + next[c], 3);
            next[c] += 3;
            push_barrier(f, c, c < 3 ? id : newer_id);
            push_rows(f, c, 999, 2);
        }
        assert_true(gate_record_advance(f->gate));
        for (uint32_t c = 0; c < CHANNELS; c++) {
            assert_int_equal(r.next[c], next[c]);
        }
        assert_int_equal(r.n_watermarks, 1);
        gate_record_stop(f->gate);
        hand_out(f, 10000, NULL);
        poll_nothing(f);
    }
}

/* A channel that ends has no barrier; one whose barrier was taken already is not recorded. */
static void test_recording_of_ended_channels(void **state)
{
    struct fixture *f = *state;
    struct recorded r = {.n_rows = 0};
    const struct gate_recorder to = {on_record, &r};
    push_control(f, 0, ELEMENT_END_OF_PARTITION);
    push_barrier(f, 1, 5);
    hand_out(f, 1000, NULL);
    push_rows(f, 1, 999, 4);
    push_rows(f, 2, 2000000, 4);
    push_control(f, 2, ELEMENT_END_OF_PARTITION);
    gate_record_start(f->gate, 5, &to);
    assert_false(gate_record_advance(f->gate));
    push_rows(f, 3, 3000000, 4);
    push_barrier(f, 3, 5);
    hand_out(f, 1000, NULL); /* it is recorded as it is taken */
    assert_true(gate_record_advance(f->gate));
    assert_int_equal(r.n_rows, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_batches_take_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_channel_gets_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_small_batch_alone_goes_by_pointer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_small_batches_are_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_selected_rows_are_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_rows_are_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_batches_come_in_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gathered_rows_before_control_elements, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_gathered_rows_before_full_batches, setup, teardown),
        cmocka_unit_test_setup_teardown(test_priority_overtakes_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_when_all_channels_have, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocked_channels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wakes_the_task, setup, teardown),
        cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_allocation_per_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recording, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recording_of_ended_channels, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
