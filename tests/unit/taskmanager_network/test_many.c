/* Many channels on one connection: a slow one holds up nobody and holds its bound only, nothing allocates in
 * the steady state, what is in flight is charged to the budget. */
#include "common/base/crc32c.h"
#include "taskmanager/network/network_internal.h"
#include "tests/unit/taskmanager_network/network_fixture.h"
#include <sys/socket.h>
#include <unistd.h>

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

static int64_t take_rows(struct line *l)
{
    int64_t rows = 0;
    struct element e;
    while (gate_poll(l->gate, &e)) {
        rows += e.kind == ELEMENT_BATCH ? e.batch->n_rows : 0;
        element_drop(&e);
    }
    return rows;
}

static bool gate_has(void *arg)
{
    return gate_is_ready(arg);
}

/* 50 MB through one channel beside another whose consumer sleeps. */
static void test_slow_channel_holds_up_nobody(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 128 * 1024};
    struct line slow, fast;
    line_open(&slow, &a, &b, 1, &BOUNDS);
    line_open(&fast, &a, &b, 2, &BOUNDS);
    int64_t slow_rows = 0, fast_out = 0, fast_in = 0;
    while (fast_out < 1000 * 1000) {
        if (result_partition_is_writable(slow.partition)) {
            line_write(&slow, slow_rows, 2000);
            slow_rows += 2000;
        }
        if (result_partition_arm_writable(fast.partition)) {
            line_write(&fast, fast_out, 2000);
            fast_out += 2000;
        } else {
            wait_until(fast.mailbox, gate_has, fast.gate);
        }
        fast_in += take_rows(&fast);
    }
    while (fast_in < fast_out) {
        wait_until(fast.mailbox, gate_has, fast.gate);
        fast_in += take_rows(&fast);
    }
    /* Both channels' bounds, what one call overdraws, and what the socket's queue holds. */
    assert_true(slow_rows * 30 < 1200 * 1024);
    assert_true(gate_queue_len(slow.gate) <= 64);
    int64_t slow_in = 0;
    while (slow_in < slow_rows) {
        wait_until(slow.mailbox, gate_has, slow.gate);
        slow_in += take_rows(&slow);
    }
    assert_int_equal(slow_in, slow_rows);
    line_close(&slow);
    line_close(&fast);
}

/* Control elements alone are bounded as well. */
static void test_watermarks_are_bounded(void **state)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 8 * 1024};
    struct line l;
    line_open(&l, &a, &b, 1, &BOUNDS);
    uint32_t n = 0;
    while (n < 100000 && result_partition_is_writable(l.partition)) {
        line_send(&l, ELEMENT_WATERMARK, n++);
    }
    assert_true(n < 100000);
    for (uint32_t i = 0; i < n; i++) {
        struct element e = line_take(&l);
        assert_int_equal(e.kind, ELEMENT_WATERMARK);
        assert_int_equal(e.timestamp_ms, i);
    }
    line_close(&l);
}

static void test_two_hundred_channels(void **state)
{
    enum { N = 200, BATCHES = 8 };
    static struct line lines[N];
    static int64_t in[N];
    for (uint32_t i = 0; i < N; i++) {
        line_open(&lines[i], &a, &b, i, NULL);
        in[i] = 0;
    }
    for (uint32_t k = 0; k < BATCHES; k++) {
        for (uint32_t i = 0; i < N; i++) {
            line_write(&lines[i], k * 100, 100);
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        line_send(&lines[i], ELEMENT_END_OF_PARTITION, 0);
    }
    for (uint32_t i = 0; i < N; i++) {
        while (!gate_has_ended(lines[i].gate)) {
            wait_until(lines[i].mailbox, gate_has, lines[i].gate);
            in[i] += take_rows(&lines[i]);
        }
        assert_int_equal(in[i], BATCHES * 100);
        line_close(&lines[i]);
    }
    assert_int_equal(a.port.n_accepted, 1);
}

/* ---- two networks stepped on the test's thread ------------------------------------------------------- */

struct stepped {
    struct conf conf;
    struct partition_registry *registry;
    struct mem_budget budget;
    struct network *network;
};

static void stepped_start(struct stepped *s, uint8_t id)
{
    conf_init(&s->conf, NULL);
    s->registry = partition_registry_new(&clock_system);
    mem_budget_init(&s->budget, "network", 0, NULL);
    const struct network_options options = {.conf = &s->conf,
                                            .registry = s->registry,
                                            .budget = &s->budget,
                                            .incarnation = {{id}},
                                            .name = "stepped"};
    assert_int_equal(network_new_stepped(&options, &s->network, NULL), 0);
}

static void stepped_stop(struct stepped *s)
{
    network_free(s->network);
    assert_int_equal(s->budget.used_bytes, 0);
    partition_registry_free(s->registry);
    conf_fini(&s->conf);
}

static void step_both(struct stepped *x, struct stepped *y)
{
    int busy = 1;
    while (busy) {
        busy = network_step(x->network, 0, NULL) + network_step(y->network, 0, NULL);
    }
}

static void test_steady_state_allocates_nothing(void **state)
{
    enum { WARM_UP = 200, ROUNDS = 2000 };
    struct stepped x, y;
    struct test_port port;
    struct input_watch watch = {.mailbox = NULL};
    struct schema *schema = numbers_schema();
    struct buffer_pool *pool = test_pool("t");
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    stepped_start(&x, 1);
    stepped_start(&y, 2);
    test_port_start(&port, x.network);
    struct subpartition_id id = test_subpartition(1, 0);
    struct remote_input input = {
        .location = {.host = "127.0.0.1", .port = port.port, .incarnation = {{1}}},
        .id = id,
        .schema = schema,
    };
    struct channel *in = NULL, *out = NULL;
    test_input_watch(&input, &watch);
    assert_int_equal(network_open_input(y.network, &input, &in, NULL), 0);
    assert_int_equal(partition_registry_connect(x.registry, &id, CHANNEL_SIDE_PRODUCER, &out, NULL),
                     0);
    channel_attach_producer(out, mailbox, NULL);
    struct ready_queue *q = ready_queue_new(mailbox);
    channel_attach_consumer(in, q, 0);
    struct batch *sizes[] = {numbers_batch(pool, schema, 0, 1), numbers_batch(pool, schema, 0, 400),
                             numbers_batch(pool, schema, 0, 3000)};
    uint64_t before = 0;
    uint32_t n_in = 0;
    for (uint32_t i = 0; i < WARM_UP + ROUNDS; i++) {
        struct element e = element_of_batch(batch_ref(sizes[i % ARRAY_LEN(sizes)]));
        if (i == WARM_UP) {
            before = mem_thread_allocations();
        }
        channel_push(out, &e);
        while (n_in <= i) {
            step_both(&x, &y);
            while (channel_poll(in, CHANNEL_LANE_DATA, &e)) {
                n_in++;
                element_drop(&e);
            }
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    assert_true(y.budget.used_bytes > 0 && y.budget.used_bytes < 8 * 1024 * 1024);
    channel_close_consumer(in);
    channel_unref(in);
    while (watch.n_released == 0) {
        step_both(&x, &y);
    }
    channel_close_producer(out);
    channel_unref(out);
    ready_queue_unref(q);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        batch_unref(sizes[i]);
    }
    test_port_stop(&port);
    stepped_stop(&y);
    stepped_stop(&x);
    schema_unref(schema);
    mailbox_unref(mailbox);
    test_pool_close(pool);
}

static void receive_stepping(struct stepped *s, int fd, void *to, uint64_t want)
{
    for (uint64_t have = 0; have < want;) {
        assert_true(network_step(s->network, 0, NULL) >= 0);
        ssize_t n = recv(fd, (uint8_t *)to + have, want - have, MSG_DONTWAIT);
        have += n > 0 ? (uint64_t)n : 0;
    }
}

/* A socket that takes nothing any more: barriers still go ahead of all data that is not in the kernel yet,
 * those of other channels, too. */
static void test_barrier_overtakes_a_full_socket(void **state)
{
    enum { N = 8, BARRIER = N - 1 };
    struct stepped x;
    int pair[2], small = 4096;
    struct buffer_pool *pool = test_pool("t");
    struct schema *schema = numbers_schema();
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    struct channel *out[N];
    stepped_start(&x, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    network_accept(x.network, pair[0], "t");
    for (uint32_t i = 0; i < N; i++) {
        struct subpartition_id id = test_subpartition(1, i);
        struct frame_header h = {
            .kind = FRAME_OPEN, .channel = i, .payload_bytes = sizeof(struct open_request)};
        struct open_request r = {
            .edge = id.edge, .subpartition = i, .credit_bytes = 1 << 20, .batch_charge_min = 64};
        memcpy(r.producer_attempt, id.producer_attempt.bytes, sizeof(r.producer_attempt));
        frame_seal(&h, crc32c(0, &r, sizeof(r)));
        assert_int_equal(send(pair[1], &h, sizeof(h), 0), sizeof(h));
        assert_int_equal(send(pair[1], &r, sizeof(r), 0), sizeof(r));
        assert_int_equal(
            partition_registry_connect(x.registry, &id, CHANNEL_SIDE_PRODUCER, &out[i], NULL), 0);
        channel_attach_producer(out[i], mailbox, NULL);
        for (int k = 0; k < 5; k++) {
            struct element e = element_of_batch(numbers_batch(pool, schema, 0, 4000));
            channel_push(out[i], &e);
        }
    }
    for (int i = 0; i < 20; i++) {
        assert_true(network_step(x.network, 0, NULL) >= 0);
    }
    struct element barrier = element_of_control(ELEMENT_WATERMARK);
    channel_push_priority(out[BARRIER], &barrier);
    uint64_t before = 0;
    struct frame_header h = {0};
    while (h.kind != FRAME_CONTROL) {
        static uint8_t payload[FRAME_PAYLOAD_MAX];
        before += h.kind == FRAME_DATA ? h.payload_bytes : 0;
        receive_stepping(&x, pair[1], &h, sizeof(h));
        receive_stepping(&x, pair[1], payload, h.payload_bytes);
    }
    assert_true(before < 200 * 1024); /* the batch that was half sent, and what the kernel had */
    close(pair[1]);
    for (uint32_t i = 0; i < N; i++) {
        channel_close_producer(out[i]);
        channel_unref(out[i]);
    }
    stepped_stop(&x);
    schema_unref(schema);
    mailbox_unref(mailbox);
    test_pool_close(pool);
}

static void test_data_location(void **state)
{
    struct data_location l;
    assert_int_equal(
        data_location_parse("host.example:6121/000102030405060708090a0b0c0d0e0f", &l, NULL), 0);
    assert_string_equal(l.host, "host.example");
    assert_int_equal(l.port, 6121);
    assert_int_equal(l.incarnation.bytes[15], 15);
    assert_int_equal(data_location_parse("[::1]:1/000102030405060708090a0b0c0d0e0f", &l, NULL), 0);
    assert_string_equal(l.host, "::1");
    static const char *const BAD[] = {
        "",
        "host",
        "host:1",
        "host:1/",
        "host:1/00",
        ":1/000102030405060708090a0b0c0d0e0f",
        "host:/000102030405060708090a0b0c0d0e0f",
        "host:0/000102030405060708090a0b0c0d0e0f",
        "host:65536/000102030405060708090a0b0c0d0e0f",
        "host:1x/000102030405060708090a0b0c0d0e0f",
        "host/000102030405060708090a0b0c0d0e0f",
        "host:1/000102030405060708090a0b0c0d0e0g",
        "host:1/000102030405060708090a0b0c0d0e0f0",
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(data_location_parse(BAD[i], &l, &err), ERR_PARSE);
        assert_non_null(strstr(err.message, BAD[i]));
    }
}

static void test_hello(void **state)
{
    struct data_hello h = {.version = DATA_HELLO_VERSION};
    memcpy(h.magic, DATA_HELLO_MAGIC, sizeof(h.magic));
    assert_int_equal(data_hello_check(&h, NULL), 0);
    h.version = 2;
    assert_int_equal(data_hello_check(&h, NULL), ERR_UNSUPPORTED);
    h.version = 1;
    h.reserved = 1;
    assert_int_equal(data_hello_check(&h, NULL), ERR_CORRUPT);
    memcpy(h.magic, "GET / HT", sizeof(h.magic));
    assert_int_equal(data_hello_check(&h, NULL), ERR_CORRUPT);
}

static void test_unknown_codec(void **state)
{
    struct conf conf;
    struct network *n = NULL;
    struct error err = ERROR_INIT;
    conf_init(&conf, NULL);
    assert_int_equal(conf_set(&conf, "taskmanager.network.compression.codec", "ZSTD", NULL), 0);
    const struct network_options options = {.conf = &conf, .name = "n"};
    assert_int_equal(network_new(&options, &n, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "set LZ4 or NONE"));
    assert_null(network_free(NULL));
    conf_fini(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_slow_channel_holds_up_nobody, start, stop),
        cmocka_unit_test_setup_teardown(test_watermarks_are_bounded, start, stop),
        cmocka_unit_test_setup_teardown(test_two_hundred_channels, start, stop),
        cmocka_unit_test(test_steady_state_allocates_nothing),
        cmocka_unit_test(test_barrier_overtakes_a_full_socket),
        cmocka_unit_test(test_data_location),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_unknown_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
