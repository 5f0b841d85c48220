/* See network_fixture.h. */
#include "tests/unit/taskmanager_network/network_fixture.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static bool read_hello(int fd, struct data_hello *ret)
{
    size_t have = 0;
    while (have < sizeof(*ret)) {
        ssize_t got = recv(fd, (char *)ret + have, sizeof(*ret) - have, 0);
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
    }
    return data_hello_check(ret, NULL) == 0;
}

static void *port_main(void *arg)
{
    struct test_port *p = arg;
    int fd;
    while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
        struct data_hello hello;
        atomic_fetch_add(&p->n_accepted, 1);
        struct network *network = atomic_load(&p->network);
        if (p->on_socket != NULL) {
            p->on_socket(p->arg, fd);
        } else if (network != NULL && read_hello(fd, &hello)) {
            network_accept(network, fd, "a test");
        } else {
            close(fd);
        }
    }
    return NULL;
}

void test_port_start(struct test_port *p, struct network *network)
{
    *p = (struct test_port){.fd = -1};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(p->fd, 64), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&address, &len), 0);
    p->port = ntohs(address.sin_port);
    atomic_store(&p->network, network);
    assert_int_equal(thread_start(&p->thread, "port", port_main, p, NULL), 0);
}

void worker_start(struct worker *w, uint8_t id, const char *const *settings)
{
    struct error err = ERROR_INIT;
    *w = (struct worker){.incarnation = {{id}}};
    conf_init(&w->conf, NULL);
    for (; settings != NULL && *settings != NULL; settings++) {
        if (conf_set_dynamic(&w->conf, *settings, &err) < 0) {
            fail_msg("%s", err.message);
        }
    }
    w->registry = partition_registry_new(&clock_system);
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &w->metrics, NULL),
                     0);
    w->group = metric_group_new(w->metrics, NULL, METRIC_SCOPE_TM_JOB, NULL, 0);
    const struct network_options options = {
        .conf = &w->conf,
        .registry = w->registry,
        .job_id = {{1}},
        .incarnation = w->incarnation,
        .name = id % 2 == 0 ? "net-even" : "net-odd",
        .metrics = w->group,
    };
    if (network_new(&options, &w->network, &err) < 0) {
        fail_msg("%s", err.message);
    }
    test_port_start(&w->port, w->network);
}

void test_port_stop(struct test_port *p)
{
    shutdown(p->fd, SHUT_RDWR);
    thread_join(p->thread);
    close(p->fd);
}

void worker_stop(struct worker *w)
{
    test_port_stop(&w->port);
    network_free(w->network);
    metric_group_free(w->group);
    metric_registry_free(w->metrics);
    partition_registry_free(w->registry);
    conf_fini(&w->conf);
}

struct metric_query {
    const char *name;
    int64_t value;
};

static void find_metric(void *arg, const struct metric_sample *sample)
{
    struct metric_query *q = arg;
    if (cstr_ends_with(sample->identifier, q->name)) {
        q->value = sample->value.i64;
    }
}

int64_t worker_metric(const struct worker *w, const char *name)
{
    struct metric_query q = {.name = name, .value = -1};
    metric_registry_visit(w->metrics, NULL, find_metric, &q);
    return q.value;
}

struct data_location worker_location(const struct worker *w)
{
    return (struct data_location){
        .host = "127.0.0.1", .port = w->port.port, .incarnation = w->incarnation};
}

static void watch_broken(void *arg, const struct error *why)
{
    struct input_watch *w = arg;
    snprintf(w->text, sizeof(w->text), "%s", why->message);
    atomic_store(&w->code, why->code);
    atomic_fetch_add(&w->n_broken, 1);
    if (w->mailbox != NULL) {
        mailbox_wake(w->mailbox);
    }
}

static void watch_released(void *arg)
{
    struct input_watch *w = arg;
    atomic_fetch_add(&w->n_released, 1);
}

void test_input_watch(struct remote_input *input, struct input_watch *watch)
{
    input->on_broken = watch_broken;
    input->on_released = watch_released;
    input->arg = watch;
}

struct subpartition_id test_subpartition(uint32_t producer, uint32_t subpartition)
{
    struct subpartition_id id = {.edge = 3, .subpartition = subpartition};
    memcpy(id.producer_attempt.bytes, &producer, sizeof(producer));
    return id;
}

struct channel *remote_channel(struct worker *consumer, const struct worker *producer,
                               struct subpartition_id id, const struct schema *schema,
                               const struct channel_options *bounds, struct input_watch *watch)
{
    struct error err = ERROR_INIT;
    struct channel *c = NULL;
    struct remote_input input = {
        .location = worker_location(producer),
        .id = id,
        .consumer_attempt = {{9}},
        .schema = schema,
    };
    test_input_watch(&input, watch);
    if (bounds != NULL) {
        input.channel = *bounds;
    }
    if (network_open_input(consumer->network, &input, &c, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return c;
}

struct channel *local_channel(struct worker *w, struct subpartition_id id)
{
    struct error err = ERROR_INIT;
    struct channel *c = NULL;
    if (partition_registry_connect(w->registry, &id, CHANNEL_SIDE_PRODUCER, &c, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return c;
}

void line_open(struct line *l, struct worker *producer, struct worker *consumer, uint32_t number,
               const struct channel_options *bounds)
{
    struct error err = ERROR_INIT;
    *l = (struct line){.pool = test_pool("line"), .schema = numbers_schema()};
    l->mailbox = mailbox_new(&(struct mailbox_options){.name = "line"});
    l->watch.mailbox = l->mailbox;
    struct subpartition_id id = test_subpartition(number, 0);
    struct channel *in = remote_channel(consumer, producer, id, l->schema, bounds, &l->watch);
    struct channel *out = local_channel(producer, id);
    const struct result_partition_options partition = {
        .pool = l->pool,
        .schema = l->schema,
        .kind = FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
        .channels = &out,
        .n_channels = 1,
        .mailbox = l->mailbox,
        .channel = bounds != NULL ? *bounds : (struct channel_options){0},
    };
    const struct gate_options gate = {
        .pool = l->pool,
        .schema = l->schema,
        .mailbox = l->mailbox,
        .channels = &in,
        .n_channels = 1,
    };
    if (result_partition_open(&partition, &l->partition, &err) < 0) {
        fail_msg("%s", err.message);
    }
    l->gate = gate_new(&gate);
}

void line_close(struct line *l)
{
    gate_free(l->gate);
    result_partition_close(l->partition);
    schema_unref(l->schema);
    mailbox_unref(l->mailbox);
    buffer_pool_close(l->pool);
}

void line_write(struct line *l, int64_t first, uint32_t n)
{
    line_wait_writable(l);
    struct batch *b = numbers_batch(l->pool, l->schema, first, n);
    assert_int_equal(result_partition_write(l->partition, b, NULL), 0);
}

void line_send(struct line *l, enum element_kind kind, uint64_t value)
{
    struct element e = element_of_control(kind);
    e.timestamp_ms = value;
    result_partition_send_control(l->partition, &e);
}

void wait_until(struct mailbox *m, bool (*ready)(void *arg), void *arg)
{
    int64_t until_ms = clock_monotonic_ms(&clock_system) + TEST_TIMEOUT_MS;
    while (!ready(arg)) {
        if (clock_monotonic_ms(&clock_system) > until_ms) {
            fail_msg("what was waited for did not come");
        }
        uint32_t ticket = event_count_prepare(mailbox_event(m));
        if (ready(arg)) {
            event_count_cancel(mailbox_event(m));
            return;
        }
        event_count_wait(mailbox_event(m), ticket, 1000000);
    }
}

static bool gate_has(void *arg)
{
    return gate_is_ready(arg);
}

struct element line_take(struct line *l)
{
    struct element e;
    while (!gate_poll(l->gate, &e)) {
        wait_until(l->mailbox, gate_has, l->gate);
    }
    return e;
}

static bool partition_is_writable(void *arg)
{
    return result_partition_arm_writable(arg);
}

void line_wait_writable(struct line *l)
{
    wait_until(l->mailbox, partition_is_writable, l->partition);
}
