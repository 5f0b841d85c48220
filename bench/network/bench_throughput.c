/* Batches between two worker processes over loopback TCP: bytes per CPU second of each side, and the time
 * that one row takes there and back.
 *
 * The sender is a child process, so that each side's CPU is the process's own: its task, its network thread
 * and what the kernel does for them.  The limit is a plain program that writes 48 KB at a time.
 *
 *   build/release/bench/bench_network_throughput        (a release build, two idle cores)
 *   ... --tls FOLDER     with TLS, by node.pem and ca.pem of tests/services/certificates.sh FOLDER */
#include "bench/report.h"
#include "common/base/crc32c.h"
#include "taskmanager/exchange/gate.h"
#include "taskmanager/exchange/result_partition.h"
#include "taskmanager/network/network.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNELS_MAX = 1000, N_PINGS = 5000, PLAIN_WRITE_BYTES = 48 * 1024, ROUNDS = 3 };
#define STREAM_BYTES ((uint64_t)2 << 30)
#define PLAIN_BYTES ((uint64_t)4 << 30)
#define BAR_GB_PER_CPU_S 2.0

static const char SCHEMA[] = "ROW<id BIGINT NOT NULL, price DOUBLE NOT NULL, n BIGINT NOT NULL, "
                             "kind BIGINT NOT NULL, name STRING NOT NULL>";

/* ---- workers ------------------------------------------------------------------------------------ */

struct side {
    struct conf conf;
    struct partition_registry *registry;
    struct network *network;
    struct flinc_id incarnation;
    struct buffer_pool *pool;
    struct schema *schema;
    struct mailbox *mailbox;
};

static const char *tls_folder; /* NULL: plain */

static void set_tls(struct conf *conf)
{
    static const struct {
        const char *key, *file;
    } files[] = {{"security.ssl.internal.keystore", "node.pem"},
                 {"security.ssl.internal.truststore", "ca.pem"}};
    char path[4096];
    ASSERT(conf_set(conf, "security.ssl.internal.enabled", "true", NULL) == 0);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", tls_folder, files[i].file);
        ASSERT(conf_set(conf, files[i].key, path, NULL) == 0);
    }
}

static void side_start(struct side *s, uint8_t id, const char *codec)
{
    *s = (struct side){.incarnation = {{id}}};
    conf_init(&s->conf, NULL);
    if (tls_folder != NULL) {
        set_tls(&s->conf);
    }
    if (codec != NULL) {
        ASSERT(conf_set(&s->conf, "taskmanager.network.compression.codec", codec, NULL) == 0);
    }
    s->registry = partition_registry_new(&clock_system);
    const struct network_options options = {
        .conf = &s->conf,
        .registry = s->registry,
        .incarnation = s->incarnation,
        .name = "network",
    };
    ASSERT(network_new(&options, &s->network, NULL) == 0);
    s->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    ASSERT(schema_parse(slice_cstr(SCHEMA), &s->schema, NULL) == 0);
    s->mailbox = mailbox_new(&(struct mailbox_options){.name = "task"});
}

static void side_stop(struct side *s)
{
    network_free(s->network);
    partition_registry_free(s->registry);
    conf_fini(&s->conf);
    schema_unref(s->schema);
    mailbox_unref(s->mailbox);
    buffer_pool_close(s->pool);
}

static int listen_loopback(uint32_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 4) == 0);
    ASSERT(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void side_accept(struct side *s, int listen_fd)
{
    struct data_hello hello;
    int fd = accept(listen_fd, NULL, NULL);
    ASSERT(recv(fd, &hello, sizeof(hello), MSG_WAITALL) == (ssize_t)sizeof(hello));
    ASSERT(data_hello_check(&hello, NULL) == 0);
    network_accept(s->network, fd, "bench");
}

static struct subpartition_id subpartition(uint8_t producer, uint32_t number)
{
    return (struct subpartition_id){.producer_attempt = {{producer}}, .subpartition = number};
}

static void on_broken(void *arg, const struct error *why)
{
    fprintf(stderr, "broken: %s\n", why->message);
    abort();
}

static struct gate *remote_gate(struct side *s, uint8_t producer, uint32_t port, uint32_t n)
{
    struct channel *channels[CHANNELS_MAX];
    struct remote_input input = {
        .location = {.host = "127.0.0.1", .port = port, .incarnation = {{producer}}},
        .schema = s->schema,
        .on_broken = on_broken,
    };
    for (uint32_t i = 0; i < n; i++) {
        input.id = subpartition(producer, i);
        ASSERT(network_open_input(s->network, &input, &channels[i], NULL) == 0);
    }
    return gate_new(&(struct gate_options){.pool = s->pool,
                                           .schema = s->schema,
                                           .mailbox = s->mailbox,
                                           .channels = channels,
                                           .n_channels = n});
}

/* One partition per channel, so that a full one does not hold up the others. */
static struct result_partition *partition(struct side *s, uint8_t producer, uint32_t number)
{
    struct channel *c = NULL;
    struct result_partition *p = NULL;
    struct subpartition_id id = subpartition(producer, number);
    ASSERT(partition_registry_connect(s->registry, &id, CHANNEL_SIDE_PRODUCER, &c, NULL) == 0);
    const struct result_partition_options options = {
        .pool = s->pool,
        .schema = s->schema,
        .kind = FLINC__PARTITIONER_KIND__PARTITION_FORWARD,
        .channels = &c,
        .n_channels = 1,
        .mailbox = s->mailbox,
    };
    ASSERT(result_partition_open(&options, &p, NULL) == 0);
    return p;
}

static struct batch *rows(struct side *s, uint32_t n)
{
    struct builder b;
    builder_init(&b, s->pool, s->schema, BATCH_ROWS_TARGET);
    for (uint32_t i = 0; i < n; i++) {
        builder_put_i64(&b, 0, i);
        builder_put_f64(&b, 1, i);
        builder_put_i64(&b, 2, i);
        builder_put_i64(&b, 3, i);
        ASSERT(builder_put_bytes(&b, 4, "a name of some 30 characters..", 30, NULL) == 0);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static double process_cpu_s(void)
{
    return (double)clock_process_cpu_ns() * 1e-9;
}

/* ---- streaming ------------------------------------------------------------------------------------ */

static struct element take(struct side *s, struct gate *g)
{
    struct event_count *event = mailbox_event(s->mailbox);
    struct element e;
    while (!gate_poll(g, &e)) {
        uint32_t ticket = event_count_prepare(event);
        if (gate_is_ready(g)) {
            event_count_cancel(event);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
    return e;
}

/* Writes `each` batches to every channel in turns; sleeps when none takes any. */
static void produce(struct side *s, struct result_partition **parts, uint32_t n, struct batch *b,
                    uint64_t each)
{
    uint64_t *left = calloc(n, sizeof(*left));
    struct event_count *event = mailbox_event(s->mailbox);
    for (uint32_t i = 0; i < n; i++) {
        left[i] = each;
    }
    for (uint32_t n_left = n; n_left > 0;) {
        bool any = false;
        for (uint32_t i = 0; i < n; i++) {
            if (left[i] == 0 || !result_partition_is_writable(parts[i])) {
                continue;
            }
            any = true;
            ASSERT(result_partition_write(parts[i], batch_ref(b), NULL) == 0);
            if (--left[i] == 0) {
                struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
                result_partition_send_control(parts[i], &end);
                n_left--;
            }
        }
        if (any || n_left == 0) {
            continue;
        }
        uint32_t ticket = event_count_prepare(event);
        for (uint32_t i = 0; i < n && !any; i++) {
            any = left[i] > 0 && result_partition_arm_writable(parts[i]);
        }
        if (any) {
            event_count_cancel(event);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
    free(left);
}

struct stream {
    uint32_t n_channels, n_rows;
    uint64_t n_batches; /* of each channel */
    const char *codec;
};

static void stream_child(const struct stream *st, int listen_fd, int report_fd)
{
    struct side s;
    struct result_partition *parts[CHANNELS_MAX];
    side_start(&s, 1, st->codec);
    side_accept(&s, listen_fd);
    struct batch *b = rows(&s, st->n_rows);
    for (uint32_t i = 0; i < st->n_channels; i++) {
        parts[i] = partition(&s, 1, i);
    }
    double began = process_cpu_s();
    produce(&s, parts, st->n_channels, b, st->n_batches);
    char done;
    ASSERT(read(report_fd, &done, 1) == 1); /* everything has arrived */
    double cpu_s = process_cpu_s() - began;
    ASSERT(write(report_fd, &cpu_s, sizeof(cpu_s)) == (ssize_t)sizeof(cpu_s));
    for (uint32_t i = 0; i < st->n_channels; i++) {
        result_partition_close(parts[i]);
    }
    batch_unref(b);
    side_stop(&s);
    _exit(0);
}

struct stream_result {
    double send_cpu_s, receive_cpu_s, wall_s;
};

static struct stream_result stream_run(const struct stream *st)
{
    struct stream_result r;
    struct side s;
    int report[2];
    uint32_t port;
    int listen_fd = listen_loopback(&port);
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, report) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(report[0]);
        stream_child(st, listen_fd, report[1]);
    }
    close(listen_fd);
    close(report[1]);
    side_start(&s, 2, NULL);
    struct gate *g = remote_gate(&s, 1, port, st->n_channels);
    double began = process_cpu_s();
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    uint64_t n_rows = 0;
    while (!gate_has_ended(g)) {
        struct element e = take(&s, g);
        n_rows += e.kind == ELEMENT_BATCH ? e.batch->n_rows : 0;
        element_drop(&e);
    }
    r.wall_s = (double)(clock_monotonic_ns(&clock_system) - began_ns) * 1e-9;
    r.receive_cpu_s = process_cpu_s() - began;
    ASSERT(n_rows == st->n_batches * st->n_channels * st->n_rows);
    ASSERT(write(report[0], "x", 1) == 1);
    ASSERT(read(report[0], &r.send_cpu_s, sizeof(r.send_cpu_s)) == (ssize_t)sizeof(r.send_cpu_s));
    gate_free(g);
    side_stop(&s);
    close(report[0]);
    int status;
    ASSERT(waitpid(child, &status, 0) == child && status == 0);
    return r;
}

/* Bytes of an encoded batch, so that rates are of what goes over the wire. */
static uint64_t encoded_bytes(uint32_t n_rows)
{
    return (uint64_t)n_rows * (4 * 8 + 4 + 30);
}

static void bench_stream(struct bench_report *report, uint32_t n_channels, uint32_t n_rows,
                         const char *codec, double limit, bool has_bar)
{
    struct stream st = {.n_channels = n_channels, .n_rows = n_rows, .codec = codec};
    uint64_t total = n_rows >= BATCH_ROWS_TARGET ? STREAM_BYTES : STREAM_BYTES / 64;
    st.n_batches = total / encoded_bytes(n_rows) / n_channels + 1;
    struct stream_result best = {1e9, 1e9, 1e9};
    for (int i = 0; i < ROUNDS; i++) {
        struct stream_result r = stream_run(&st);
        best.send_cpu_s = MIN(best.send_cpu_s, r.send_cpu_s);
        best.receive_cpu_s = MIN(best.receive_cpu_s, r.receive_cpu_s);
        best.wall_s = MIN(best.wall_s, r.wall_s);
    }
    double gb = (double)(st.n_batches * n_channels * encoded_bytes(n_rows)) * 1e-9;
    char name[80], what[48];
    snprintf(what, sizeof(what), "%u channels, %u rows%s", n_channels, n_rows,
             codec != NULL ? ", LZ4" : "");
    snprintf(name, sizeof(name), "%s: sender", what);
    bench_report_add(report, name, gb / best.send_cpu_s, "GB/CPU s", has_bar ? BAR_GB_PER_CPU_S : 0,
                     limit, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "%s: receiver", what);
    bench_report_add(report, name, gb / best.receive_cpu_s, "GB/CPU s", 0, 0, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "%s: wall", what);
    bench_report_add(report, name, gb / best.wall_s, "GB/s", 0, 0, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "%s: sender per batch", what);
    bench_report_add(report, name, best.send_cpu_s * 1e9 / (double)(st.n_batches * n_channels),
                     "ns CPU", 0, 0, BENCH_LESS_IS_BETTER);
}

/* ---- latency -------------------------------------------------------------------------------------- */

static void echo_child(int listen_fd, uint32_t parent_port, int done_fd)
{
    struct side s;
    side_start(&s, 1, NULL);
    struct result_partition *out = partition(&s, 1, 0);
    struct gate *in = remote_gate(&s, 2, parent_port, 1);
    side_accept(&s, listen_fd);
    for (uint32_t i = 0; i < N_PINGS; i++) {
        struct element e = take(&s, in);
        ASSERT(result_partition_write(out, e.batch, NULL) == 0);
    }
    struct element end = take(&s, in);
    char done;
    ASSERT(end.kind == ELEMENT_END_OF_PARTITION);
    result_partition_send_control(out, &end);
    ASSERT(read(done_fd, &done, 1) == 0); /* the end has arrived */
    gate_free(in);
    result_partition_close(out);
    side_stop(&s);
    _exit(0);
}

static int compare_i64(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void bench_latency(struct bench_report *report)
{
    static int64_t ns[N_PINGS];
    struct side s;
    uint32_t port, child_port;
    int listen_fd = listen_loopback(&port), child_fd = listen_loopback(&child_port);
    int done[2];
    ASSERT(pipe(done) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(listen_fd);
        close(done[1]);
        echo_child(child_fd, port, done[0]);
    }
    close(child_fd);
    close(done[0]);
    side_start(&s, 2, NULL);
    struct gate *in = remote_gate(&s, 1, child_port, 1);
    side_accept(&s, listen_fd);
    struct result_partition *out = partition(&s, 2, 0);
    struct batch *b = rows(&s, 1);
    for (uint32_t i = 0; i < N_PINGS; i++) {
        int64_t began = clock_monotonic_ns(&clock_system);
        ASSERT(result_partition_write(out, batch_ref(b), NULL) == 0);
        struct element e = take(&s, in);
        ns[i] = clock_monotonic_ns(&clock_system) - began;
        element_drop(&e);
    }
    struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
    result_partition_send_control(out, &end);
    end = take(&s, in);
    ASSERT(end.kind == ELEMENT_END_OF_PARTITION);
    close(done[1]);
    int status;
    ASSERT(waitpid(child, &status, 0) == child && status == 0);
    qsort(ns, N_PINGS, sizeof(ns[0]), compare_i64);
    bench_report_add(report, "one row there and back, p50", (double)ns[N_PINGS / 2] * 1e-3, "us", 0,
                     0, BENCH_LESS_IS_BETTER);
    bench_report_add(report, "one row there and back, p99",
                     (double)ns[N_PINGS - N_PINGS / 100] * 1e-3, "us", 0, 0, BENCH_LESS_IS_BETTER);
    batch_unref(b);
    gate_free(in);
    result_partition_close(out);
    side_stop(&s);
    close(listen_fd);
}

/* ---- the limit ------------------------------------------------------------------------------------ */

static double plain_gb_per_cpu_s(void)
{
    uint32_t port;
    int listen_fd = listen_loopback(&port);
    static char data[PLAIN_WRITE_BYTES];
    pid_t child = fork();
    if (child == 0) {
        int fd = accept(listen_fd, NULL, NULL);
        static char to[256 * 1024];
        while (recv(fd, to, sizeof(to), 0) > 0) {
        }
        _exit(0);
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    double began = bench_cpu_seconds();
    uint64_t sent = 0;
    while (sent < PLAIN_BYTES) {
        ssize_t n = send(fd, data, sizeof(data), 0);
        ASSERT(n > 0);
        sent += (uint64_t)n;
    }
    double cpu_s = bench_cpu_seconds() - began;
    close(fd);
    close(listen_fd);
    ASSERT(waitpid(child, NULL, 0) == child);
    return (double)sent * 1e-9 / cpu_s;
}

static double crc_gb_per_s(void)
{
    enum { BYTES = 128 * 1024, N = 20000 };
    uint8_t *data = calloc(1, BYTES);
    uint32_t crc = 0;
    double began = bench_cpu_seconds();
    for (int i = 0; i < N; i++) {
        crc = crc32c(crc, data, BYTES);
    }
    double s = bench_cpu_seconds() - began;
    ASSERT(crc != 1);
    free(data);
    return (double)BYTES * N * 1e-9 / s;
}

int main(int argc, char **argv)
{
    tls_folder = argc == 3 && strcmp(argv[1], "--tls") == 0 ? argv[2] : NULL;
    struct bench_report report = {.n = 0};
    double plain = plain_gb_per_cpu_s();
    bench_report_add(&report, "plain TCP, 48 KB writes: sender", plain, "GB/CPU s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "crc32c of 128 KB", crc_gb_per_s(), "GB/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    bench_stream(&report, 1, BATCH_ROWS_TARGET, NULL, plain, true);
    bench_stream(&report, 10, BATCH_ROWS_TARGET, NULL, plain, true);
    bench_stream(&report, 100, BATCH_ROWS_TARGET, NULL, plain, true);
    bench_stream(&report, CHANNELS_MAX, BATCH_ROWS_TARGET, NULL, plain, true);
    bench_stream(&report, 10, 100, NULL, 0, false);
    bench_stream(&report, 10, 1, NULL, 0, false);
    bench_stream(&report, 10, BATCH_ROWS_TARGET, "LZ4", 0, false);
    bench_latency(&report);
    bench_report_print(&report);
    return 0;
}
