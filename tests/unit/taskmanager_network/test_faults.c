/* A connection between two workers through a proxy that the test controls: cut at every kind of place, every
 * byte of it damaged, garbage and forged frames in its stead. */
#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "taskmanager/network/frame.h"
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_network/network_fixture.h"
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum direction { TO_PRODUCER, TO_CONSUMER };

/* What happens to the byte at `at` of a direction (counted behind the hello). */
struct fault {
    enum direction direction;
    uint64_t at;  /* UINT64_MAX: nothing */
    uint8_t flip; /* 0: the connection is cut before this byte */
};

struct proxy {
    struct worker *producer;
    struct fault fault;
    pthread_t thread;
    _Atomic bool running;
    int consumer_fd, producer_fd;
    _Atomic uint64_t n_bytes[2]; /* that went through */
};

static struct worker a, b;
static struct proxy proxy;

/* ---- the proxy ------------------------------------------------------------------------------------ */

/* False: cut. */
static bool proxy_pass(struct proxy *p, int from, int to, enum direction direction)
{
    uint8_t bytes[4096];
    ssize_t got = recv(from, bytes, sizeof(bytes), 0);
    if (got <= 0) {
        return false;
    }
    uint64_t before = p->n_bytes[direction], n = (uint64_t)got;
    bool cut = false;
    if (p->fault.direction == direction && p->fault.at >= before && p->fault.at - before < n) {
        if (p->fault.flip != 0) {
            bytes[p->fault.at - before] ^= p->fault.flip;
        } else {
            n = p->fault.at - before;
            cut = true;
        }
    }
    p->n_bytes[direction] = before + n;
    for (uint64_t at = 0; at < n;) {
        ssize_t sent = send(to, bytes + at, n - at, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += (uint64_t)sent;
    }
    return !cut;
}

static void *proxy_main(void *arg)
{
    struct proxy *p = arg;
    struct pollfd fds[2] = {{.fd = p->consumer_fd, .events = POLLIN},
                            {.fd = p->producer_fd, .events = POLLIN}};
    bool open = true;
    while (open && poll(fds, 2, TEST_TIMEOUT_MS) > 0) {
        if (fds[0].revents != 0) {
            open = proxy_pass(p, p->consumer_fd, p->producer_fd, TO_PRODUCER);
        }
        if (open && fds[1].revents != 0) {
            open = proxy_pass(p, p->producer_fd, p->consumer_fd, TO_CONSUMER);
        }
    }
    close(p->consumer_fd);
    close(p->producer_fd);
    return NULL;
}

static void proxy_on_socket(void *arg, int fd)
{
    struct proxy *p = arg;
    struct data_hello hello;
    int pair[2];
    if (p->running || recv(fd, &hello, sizeof(hello), MSG_WAITALL) != (ssize_t)sizeof(hello) ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0) {
        close(fd);
        return;
    }
    p->consumer_fd = fd;
    p->producer_fd = pair[0];
    network_accept(p->producer->network, pair[1], "the proxy");
    if (thread_start(&p->thread, "proxy", proxy_main, p, NULL) < 0) {
        abort();
    }
    atomic_store(&p->running, true);
}

/* ---- a run ----------------------------------------------------------------------------------------- */

static bool has_news(void *arg)
{
    struct line *l = arg;
    return gate_is_ready(l->gate) || atomic_load(&l->watch.n_broken) > 0;
}

static bool is_released(void *arg)
{
    return atomic_load(&((struct input_watch *)arg)->n_released) > 0;
}

static bool is_running(void *arg)
{
    return atomic_load(&((struct proxy *)arg)->running);
}

struct outcome {
    uint32_t n_batches;
    bool ended, broken;
    int code;
};

enum { N_BATCHES = 3 };
static const uint32_t BATCH_ROWS[N_BATCHES] = {5, 700, 2};

/* A few batches and controls, over the proxy if there is one.  What arrives is right and in order, whatever
 * goes wrong. */
static struct outcome exchange_over(struct proxy *p)
{
    static const struct channel_options BOUNDS = {.capacity_bytes = 16 * 1024};
    struct outcome r = {0};
    struct line l;
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, NULL);
    if (p != NULL) {
        a.port.arg = p;
        a.port.on_socket = proxy_on_socket;
    }
    line_open(&l, &a, &b, 1, &BOUNDS);
    int64_t number = 0;
    for (uint32_t i = 0; i < N_BATCHES; i++) {
        struct batch *batch = numbers_batch(l.pool, l.schema, number, BATCH_ROWS[i]);
        assert_int_equal(result_partition_write(l.partition, batch, NULL), 0);
        line_send(&l, ELEMENT_WATERMARK, i);
        number += BATCH_ROWS[i];
    }
    line_send(&l, ELEMENT_END_OF_PARTITION, 0);
    int64_t want = 0;
    while (!gate_has_ended(l.gate) && l.watch.n_broken == 0) {
        struct element e;
        wait_until(l.mailbox, has_news, &l);
        while (gate_poll(l.gate, &e)) {
            if (e.kind == ELEMENT_BATCH) {
                for (uint32_t i = 0; i < e.batch->n_rows; i++) {
                    assert_int_equal(numbers_value(e.batch, i), want++);
                }
                r.n_batches++;
            } else if (e.kind == ELEMENT_WATERMARK) {
                assert_true(e.timestamp_ms < N_BATCHES);
            }
            element_drop(&e);
        }
    }
    r.ended = gate_has_ended(l.gate);
    if (!r.ended) {
        wait_until(l.mailbox, is_released, &l.watch);
    }
    if (p != NULL) {
        wait_until(l.mailbox, is_running, p);
    }
    line_close(&l);
    worker_stop(&b);
    worker_stop(&a);
    if (p != NULL) {
        thread_join(p->thread);
    }
    r.broken = l.watch.n_broken > 0;
    r.code = l.watch.code;
    assert_true(l.watch.n_broken <= 1);
    assert_int_equal(l.watch.n_released, 1);
    assert_int_equal(thread_count(), 0);
    return r;
}

static struct outcome exchange(struct fault fault)
{
    proxy = (struct proxy){.producer = &a, .fault = fault};
    return exchange_over(&proxy);
}

static struct outcome exchange_directly(void)
{
    return exchange_over(NULL);
}

static const struct fault NO_FAULT = {.at = UINT64_MAX};

static void test_through_the_proxy(void **state)
{
    struct outcome r = exchange(NO_FAULT);
    assert_true(r.ended && !r.broken);
    assert_true(proxy.n_bytes[TO_CONSUMER] > 707 * 10);
}

/* Every byte that goes either way: a flip ends the connection with an error that says so, or hits bytes that
 * nobody needs any more (credit behind the end). */
static void test_every_byte_flipped(void **state)
{
    exchange(NO_FAULT);
    uint64_t n_there = proxy.n_bytes[TO_CONSUMER];
    uint32_t n_seen = 0;
    uint64_t step = seeds_variable("FLINC_TEST_ROUNDS", 1) > 1 ? 1 : 29;
    for (uint64_t at = 0; at < n_there; at += at < 400 ? 1 : step) {
        struct fault f = {TO_CONSUMER, at, (uint8_t)(1u << (at % 8))};
        struct outcome r = exchange(f);
        bool behind_the_end = r.ended && at + 64 >= n_there; /* the CLOSED frame */
        if (!behind_the_end) {
            assert_true(r.broken && !r.ended);
            assert_true(r.code == ERR_CORRUPT || r.code == ERR_UNAVAILABLE);
        }
        n_seen += r.broken;
    }
    assert_true(n_seen > 400);
    /* The OPEN of the consumer. */
    for (uint64_t at = 0; at < 96; at++) {
        struct fault f = {TO_PRODUCER, at, (uint8_t)(1u << (at % 8))};
        struct outcome r = exchange(f);
        assert_true(r.broken && r.n_batches == 0);
    }
}

static void test_cut_anywhere(void **state)
{
    exchange(NO_FAULT);
    uint64_t n[2] = {proxy.n_bytes[0], proxy.n_bytes[1]};
    struct seeds seeds = seeds_from(1, 60);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct fault f = {.direction = rng_below(&rng, 4) == 0 ? TO_PRODUCER : TO_CONSUMER};
        f.at = rng_below(&rng, n[f.direction]);
        struct outcome r = exchange(f);
        assert_true(r.broken != r.ended);
    }
}

/* ---- forged peers ---------------------------------------------------------------------------------- */

/* A producer that answers with these bytes. */
struct forger {
    const void *bytes;
    size_t size;
    int fd;
};

static void forger_on_socket(void *arg, int fd)
{
    struct forger *f = arg;
    if (send(fd, f->bytes, f->size, MSG_NOSIGNAL) != (ssize_t)f->size) {
        abort();
    }
    f->fd = fd;
}

static void expect_broken_by(const void *bytes, size_t size, const char *text)
{
    struct line l;
    struct forger forger = {.bytes = bytes, .size = size, .fd = -1};
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, NULL);
    a.port.arg = &forger;
    a.port.on_socket = forger_on_socket;
    line_open(&l, &a, &b, 1, NULL);
    wait_until(l.mailbox, is_released, &l.watch);
    assert_int_equal(l.watch.n_broken, 1);
    if (strstr(l.watch.text, text) == NULL) {
        fail_msg("'%s' does not say '%s'", l.watch.text, text);
    }
    line_close(&l);
    worker_stop(&a);
    worker_stop(&b);
    close(forger.fd);
}

struct forged {
    struct frame_header welcome;
    uint8_t incarnation[16];
    struct frame_header header;
    uint8_t payload[64];
};

static void forge(struct forged *f, const struct frame_header *header)
{
    *f = (struct forged){
        .welcome = {.kind = FRAME_WELCOME, .info = FRAME_VERSION, .payload_bytes = 16},
        .incarnation = {1},
        .header = *header,
    };
    frame_seal(&f->welcome, crc32c(0, f->incarnation, sizeof(f->incarnation)));
    frame_seal(&f->header, crc32c(0, f->payload, MIN(header->payload_bytes, 64u)));
}

static void test_forged_frames(void **state)
{
    static const struct {
        struct frame_header header;
        const char *text;
    } cases[] = {
        {{.kind = FRAME_DATA, .channel = 7, .flags = 3, .payload_bytes = 16, .value = 16},
         "channel 7, which is not open"},
        {{.kind = FRAME_DATA, .flags = 3, .payload_bytes = 16, .value = 16}, "version 0"},
        {{.kind = FRAME_DATA, .flags = 2, .payload_bytes = 16, .value = 32}, "does not continue"},
        {{.kind = FRAME_DATA, .flags = 3, .payload_bytes = 16, .value = 32}, "another size"},
        {{.kind = FRAME_DATA, .flags = 3, .payload_bytes = 16, .value = 1ull << 40},
         "no batch has"},
        {{.kind = FRAME_DATA, .flags = 1, .payload_bytes = 16, .value = 16}, "does not end there"},
        {{.kind = FRAME_DATA, .flags = 7, .payload_bytes = 16, .value = 1 << 20}, "credit"},
        {{.kind = FRAME_DATA, .flags = 7, .payload_bytes = 16, .value = 1 << 10}, "LZ4"},
        {{.kind = FRAME_DATA, .flags = 8, .payload_bytes = 16, .value = 16}, "unknown bits"},
        {{.kind = FRAME_DATA, .flags = 3, .payload_bytes = 1u << 30, .value = 1 << 20}, "a size"},
        {{.kind = FRAME_CONTROL, .info = ELEMENT_BATCH, .payload_bytes = 16}, "unknown element"},
        {{.kind = FRAME_CONTROL, .info = 99, .payload_bytes = 16}, "unknown element"},
        {{.kind = FRAME_CLOSED, .info = 99}, "unknown reason"},
        {{.kind = FRAME_CLOSED, .info = CLOSE_REASON_END}, "without END_OF_PARTITION"},
        {{.kind = FRAME_REFUSED, .info = CLOSE_REASON_LIMIT}, "refused subpartition 0 of edge 3"},
        {{.kind = FRAME_OPEN, .payload_bytes = 64}, "no place in this direction"},
        {{.kind = 200}, "no place in this direction"},
        {{.kind = FRAME_WELCOME, .info = 1, .payload_bytes = 16}, "second WELCOME"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct forged f;
        forge(&f, &cases[i].header);
        uint64_t payload = MIN(cases[i].header.payload_bytes, 64u);
        expect_broken_by(&f, offsetof(struct forged, payload) + payload, cases[i].text);
    }
}

static void test_garbage(void **state)
{
    uint8_t bytes[200];
    memset(bytes, 'x', sizeof(bytes));
    expect_broken_by(bytes, sizeof(bytes), "damaged under way");
    struct forged f;
    forge(&f, &(struct frame_header){.kind = FRAME_CLOSED, .info = 1});
    f.incarnation[0] = 9; /* another worker */
    frame_seal(&f.welcome, crc32c(0, f.incarnation, sizeof(f.incarnation)));
    expect_broken_by(&f, sizeof(f.welcome) + sizeof(f.incarnation), "another worker answered");
}

/* The consumer's side forged: the producer's worker drops the connection and serves others. */
static void test_forged_requests(void **state)
{
    static const struct frame_header cases[] = {
        {.kind = FRAME_OPEN, .channel = 5, .payload_bytes = 64},
        {.kind = FRAME_OPEN, .payload_bytes = 64}, /* no credit */
        {.kind = FRAME_CREDIT, .value = 0},
        {.kind = FRAME_DATA, .flags = 3, .payload_bytes = 16, .value = 16},
        {.kind = FRAME_OPEN, .payload_bytes = 48},
    };
    worker_start(&a, 1, NULL);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct {
            struct frame_header header;
            struct open_request request;
        } f = {.header = cases[i]};
        if (i == 0) {
            f.request.credit_bytes = 1 << 20;
            f.request.batch_charge_min = 64;
        }
        int pair[2];
        frame_seal(&f.header, crc32c(0, &f.request, MIN(f.header.payload_bytes, 64u)));
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(send(pair[1], &f, sizeof(f), 0), sizeof(f));
        network_accept(a.network, pair[0], "a forger");
        uint8_t answer[256];
        ssize_t got, n = 0;
        while ((got = recv(pair[1], answer, sizeof(answer), 0)) > 0) {
            n += got; /* WELCOME, then the end */
        }
        assert_int_equal(n, 48);
        close(pair[1]);
    }
    assert_int_equal(worker_metric(&a, "Output.numChannels"), 0);
    worker_stop(&a);
}

/* ---- connecting ------------------------------------------------------------------------------------ */

static void test_nobody_there(void **state)
{
    static const char *const SETTINGS[] = {"taskmanager.network.retries=3",
                                           "taskmanager.network.request-backoff.initial=1",
                                           "taskmanager.network.request-backoff.max=2", NULL};
    struct line l;
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, SETTINGS);
    atomic_store(&a.port.network, NULL); /* accepted, and closed */
    line_open(&l, &a, &b, 1, NULL);
    wait_until(l.mailbox, is_released, &l.watch);
    assert_int_equal(l.watch.n_broken, 1);
    assert_int_equal(l.watch.code, ERR_UNAVAILABLE);
    assert_int_equal(a.port.n_accepted, 4);
    assert_int_equal(worker_metric(&b, "Input.numConnectRetries"), 3);
    line_close(&l);
    /* Nothing listens. */
    uint32_t port = a.port.port;
    worker_stop(&a);
    worker_start(&a, 1, NULL);
    uint32_t other = a.port.port;
    a.port.port = port;
    line_open(&l, &a, &b, 2, NULL);
    wait_until(l.mailbox, is_released, &l.watch);
    assert_int_equal(l.watch.n_broken, 1);
    assert_non_null(strstr(l.watch.text, "Connection refused"));
    line_close(&l);
    a.port.port = other;
    worker_stop(&a);
    worker_stop(&b);
}

/* The first attempts fail, then the worker is there: nothing is lost. */
static void refuse_twice(void *arg, int fd)
{
    struct worker *w = arg;
    struct data_hello hello;
    if (w->port.n_accepted <= 2) {
        close(fd);
    } else if (recv(fd, &hello, sizeof(hello), MSG_WAITALL) == (ssize_t)sizeof(hello)) {
        network_accept(w->network, fd, "late");
    }
}

static void test_worker_comes_late(void **state)
{
    static const char *const SETTINGS[] = {"taskmanager.network.retries=5",
                                           "taskmanager.network.request-backoff.initial=1", NULL};
    struct line l;
    worker_start(&a, 1, NULL);
    worker_start(&b, 2, SETTINGS);
    a.port.arg = &a;
    a.port.on_socket = refuse_twice;
    line_open(&l, &a, &b, 1, NULL);
    line_write(&l, 0, 600);
    struct element e = line_take(&l);
    assert_int_equal(e.kind, ELEMENT_BATCH);
    element_drop(&e);
    assert_int_equal(l.watch.n_broken, 0);
    line_close(&l);
    worker_stop(&a);
    worker_stop(&b);
}

static void test_host_without_address(void **state)
{
    struct input_watch watch = {.mailbox = NULL};
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "t"});
    struct schema *schema = numbers_schema();
    struct channel *c = NULL;
    worker_start(&b, 2, NULL);
    a.port.port = 1;
    struct remote_input input = {
        .location = {.host = "no-such-host.invalid", .port = 1},
        .id = test_subpartition(1, 0),
        .schema = schema,
    };
    test_input_watch(&input, &watch);
    assert_int_equal(network_open_input(b.network, &input, &c, NULL), 0);
    wait_until(mailbox, is_released, &watch);
    assert_non_null(strstr(watch.text, "no-such-host.invalid"));
    channel_unref(c);
    schema_unref(schema);
    mailbox_unref(mailbox);
    worker_stop(&b);
}

/* Each place of the protocol fails once: the input breaks with that reason, or the attempt is made again. */
static void test_failpoints(void **state)
{
    static const struct {
        const char *spec;
        bool breaks;
    } cases[] = {
        {"network.dialed.connect=error:no route,nth=1", true},
        {"network.dialed.hello=error:no route,nth=1", true},
        {"network.served.open=error:no route,nth=1", true},
        {"network.outbound.encode=error:no route,nth=2", true},
        {"network.connection.send=error:no route,nth=1", true},
        {"network.connection.receive=error:no route,nth=1", true},
        {"network.connection.send=error:no route,nth=1000", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(failpoint_configure(cases[i].spec, NULL), 0);
        struct outcome r = exchange_directly();
        failpoint_clear_all();
        if (r.broken != cases[i].breaks || r.ended == cases[i].breaks) {
            fail_msg("%s: broken %d, ended %d", cases[i].spec, r.broken, r.ended);
        }
    }
    assert_int_equal(failpoint_configure("network.open_input=error,nth=1", NULL), 0);
    struct remote_input input = {.on_broken = NULL};
    struct channel *c = NULL;
    worker_start(&b, 2, NULL);
    assert_int_equal(network_open_input(b.network, &input, &c, NULL), ERR_IO);
    assert_null(c);
    failpoint_clear_all();
    worker_stop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_through_the_proxy),
        cmocka_unit_test(test_every_byte_flipped),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_forged_frames),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_forged_requests),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_worker_comes_late),
        cmocka_unit_test(test_host_without_address),
        cmocka_unit_test(test_failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
