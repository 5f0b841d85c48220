/* What control messages cost: a unary call over loopback (p50, p99), messages of a stream one way and to and
 * fro, what a connected runtime adds to a process's memory, and its CPU time when idle.
 *
 *   build/release/bench/bench_rpc_call        (a release build, idle cores) */
#include "bench/report.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/grpc.h"
#include "proto/cluster.pb-c.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_WARM = 1000, N_CALLS = 20000, N_MESSAGES = 300000, N_TURNS = 20000, IDLE_SECONDS = 3 };

/* ---- the process at the other end ---------------------------------------------------------------- */

struct server {
    struct mailbox *mailbox;
    struct rpc_channel *channel;
    bool done;
};

static void on_ping(void *target, struct rpc_server_call *call, ProtobufCMessage *request)
{
    Flinc__PingAnswer answer = FLINC__PING_ANSWER__INIT;
    answer.payload = ((Flinc__PingRequest *)request)->payload;
    rpc_server_call_reply(call, &answer.base);
    rpc_message_free(request);
}

/* Answers the heartbeats that have a number. */
static void on_message(void *target, ProtobufCMessage *message)
{
    struct server *s = target;
    Flinc__TaskManagerToMaster *m = (Flinc__TaskManagerToMaster *)message;
    if (m->heartbeat->number != 0) {
        Flinc__HeartbeatFromMaster heartbeat = FLINC__HEARTBEAT_FROM_MASTER__INIT;
        Flinc__MasterToTaskManager back = FLINC__MASTER_TO_TASK_MANAGER__INIT;
        heartbeat.number = m->heartbeat->number;
        back.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT;
        back.heartbeat = &heartbeat;
        int rc = rpc_channel_send(s->channel, &back.base, NULL);
        ASSERT(rc == 0);
    }
    rpc_message_free(message);
}

static void on_server_closed(void *target, const struct error *why)
{
    ((struct server *)target)->done = true;
}

static bool on_open(void *target, const char *peer, struct rpc_end_options *ret_end)
{
    struct server *s = target;
    *ret_end = (struct rpc_end_options){.name = "bench",
                                        .sends = &flinc__master_to_task_manager__descriptor,
                                        .receives = &flinc__task_manager_to_master__descriptor,
                                        .mailbox = s->mailbox,
                                        .on_message = on_message,
                                        .on_closed = on_server_closed,
                                        .target = s};
    return true;
}

static void on_channel(void *target, const char *peer, struct rpc_channel *channel)
{
    ((struct server *)target)->channel = channel;
}

static void wait_and_run(struct mailbox *m)
{
    uint32_t ticket = event_count_prepare(mailbox_event(m));
    if (mailbox_has_ops(m)) {
        event_count_cancel(mailbox_event(m));
        mailbox_run(m, SIZE_MAX);
    } else {
        event_count_wait(mailbox_event(m), ticket, -1);
    }
}

static int serve(int port_fd)
{
    struct server s = {.mailbox = mailbox_new(&(struct mailbox_options){.name = "server"})};
    const struct rpc_call_method ping = {.name = "/flinc.Cluster/Ping",
                                         .request = &flinc__ping_request__descriptor,
                                         .answer = &flinc__ping_answer__descriptor,
                                         .mailbox = s.mailbox,
                                         .on_call = on_ping};
    const struct rpc_stream_method connect = {.name = "/flinc.Cluster/Connect",
                                              .mailbox = s.mailbox,
                                              .on_open = on_open,
                                              .on_channel = on_channel,
                                              .target = &s};
    struct rpc_runtime *runtime;
    struct rpc_server *server;
    struct rpc_runtime_options runtime_options = {.n_threads = 0};
    if (rpc_runtime_new(&runtime_options, &runtime, NULL) < 0) {
        return 1;
    }
    struct rpc_server_options options = {.runtime = runtime,
                                         .bind_host = "127.0.0.1",
                                         .calls = &ping,
                                         .n_calls = 1,
                                         .streams = &connect,
                                         .n_streams = 1};
    if (rpc_server_new(&options, &server, NULL) < 0) {
        return 1;
    }
    uint32_t port = rpc_server_port(server);
    if (write(port_fd, &port, sizeof(port)) != sizeof(port)) {
        return 1;
    }
    while (!s.done) {
        wait_and_run(s.mailbox);
    }
    rpc_channel_free(s.channel);
    rpc_server_free(server);
    rpc_runtime_free(runtime);
    mailbox_close(s.mailbox);
    mailbox_unref(s.mailbox);
    return 0;
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static double pss_mb(void)
{
    char line[128];
    long kb = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "Pss: %ld kB", &kb) == 1) {
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return (double)kb / 1024;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void report_times(struct bench_report *r, const char *what, int64_t *times, int n)
{
    char name[64];
    qsort(times, (size_t)n, sizeof(times[0]), by_value);
    snprintf(name, sizeof(name), "%s, p50", what);
    bench_report_add(r, name, (double)times[n / 2] / 1000, "us", 250, 0, BENCH_LESS_IS_BETTER);
    snprintf(name, sizeof(name), "%s, p99", what);
    bench_report_add(r, name, (double)times[n / 100 * 99] / 1000, "us", 0, 0, BENCH_LESS_IS_BETTER);
}

static void bench_calls(struct bench_report *r, struct rpc_client *client)
{
    static int64_t times[N_CALLS];
    uint8_t payload[64] = {0};
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    request.payload = (ProtobufCBinaryData){sizeof(payload), payload};
    for (int i = -N_WARM; i < N_CALLS; i++) {
        ProtobufCMessage *answer;
        int64_t began_ns = clock_monotonic_ns(&clock_system);
        int rc = rpc_client_call_sync(client, "/flinc.Cluster/Ping", &request.base,
                                      &flinc__ping_answer__descriptor, 10000, &answer, NULL);
        ASSERT(rc == 0);
        rpc_message_free(answer);
        if (i >= 0) {
            times[i] = clock_monotonic_ns(&clock_system) - began_ns;
        }
    }
    report_times(r, "unary call on loopback", times, N_CALLS);
}

struct client_end {
    struct mailbox *mailbox;
    struct rpc_channel *channel;
    uint64_t last;
};

static void on_answer(void *target, ProtobufCMessage *message)
{
    struct client_end *e = target;
    e->last = ((Flinc__MasterToTaskManager *)message)->heartbeat->number;
    rpc_message_free(message);
}

static void send_number(struct client_end *e, uint64_t number)
{
    Flinc__HeartbeatToMaster heartbeat = FLINC__HEARTBEAT_TO_MASTER__INIT;
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    uint8_t leader[16] = {0};
    heartbeat.number = number;
    m.leader = (ProtobufCBinaryData){sizeof(leader), leader};
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_HEARTBEAT;
    m.heartbeat = &heartbeat;
    int rc;
    while ((rc = rpc_channel_send(e->channel, &m.base, NULL)) == ERR_LIMIT) {
        usleep(100);
    }
    ASSERT(rc == 0);
}

static void bench_stream(struct bench_report *r, struct client_end *e)
{
    static int64_t times[N_TURNS];
    for (int i = 0; i < N_TURNS; i++) {
        int64_t began_ns = clock_monotonic_ns(&clock_system);
        send_number(e, (uint64_t)i + 1);
        while (e->last != (uint64_t)i + 1) {
            wait_and_run(e->mailbox);
        }
        times[i] = clock_monotonic_ns(&clock_system) - began_ns;
    }
    report_times(r, "stream, a message and its answer", times, N_TURNS);
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    for (int i = 0; i < N_MESSAGES; i++) {
        send_number(e, 0);
    }
    send_number(e, N_TURNS + 1); /* its answer comes when all are received */
    while (e->last != N_TURNS + 1) {
        wait_and_run(e->mailbox);
    }
    double seconds = (double)(clock_monotonic_ns(&clock_system) - began_ns) * 1e-9;
    bench_report_add(r, "stream, messages one way", N_MESSAGES / seconds, "1/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
}

static void bench_idle(struct bench_report *r)
{
    int64_t cpu_ns = clock_process_cpu_ns();
    sleep(IDLE_SECONDS);
    bench_report_add(r, "CPU of an idle, connected process",
                     (double)(clock_process_cpu_ns() - cpu_ns) / 1e6 / IDLE_SECONDS, "ms/s", 1, 0,
                     BENCH_LESS_IS_BETTER);
}

static int measure(uint32_t port)
{
    struct bench_report r = {.n = 0};
    struct rpc_runtime *runtime;
    struct rpc_client *client;
    struct client_end e = {.mailbox = mailbox_new(&(struct mailbox_options){.name = "client"})};
    double before = pss_mb();
    struct rpc_runtime_options runtime_options = {.n_threads = 0};
    if (rpc_runtime_new(&runtime_options, &runtime, NULL) < 0) {
        return 1;
    }
    double runtime_mb = pss_mb() - before;
    struct rpc_client_options options = {.runtime = runtime, .host = "127.0.0.1", .port = port};
    if (rpc_client_new(&options, &client, NULL) < 0) {
        return 1;
    }
    struct rpc_end_options end = {.name = "bench",
                                  .sends = &flinc__task_manager_to_master__descriptor,
                                  .receives = &flinc__master_to_task_manager__descriptor,
                                  .mailbox = e.mailbox,
                                  .on_message = on_answer,
                                  .target = &e};
    if (rpc_client_open_stream(client, "/flinc.Cluster/Connect", 10000, &end, &e.channel, NULL) <
        0) {
        return 1;
    }
    send_number(&e, N_TURNS + 2);
    while (e.last == 0) {
        wait_and_run(e.mailbox);
    }
    bench_report_add(&r, "memory of a runtime (PSS)", runtime_mb, "MB", 0, 0, BENCH_LESS_IS_BETTER);
    bench_report_add(&r, "memory of it, connected (PSS)", pss_mb() - before, "MB", 0, 0,
                     BENCH_LESS_IS_BETTER);
    bench_report_add(&r, "memory of the whole process (PSS)", pss_mb(), "MB", 0, 0,
                     BENCH_LESS_IS_BETTER);
    bench_idle(&r);
    bench_calls(&r, client);
    bench_stream(&r, &e);
    rpc_channel_free(e.channel);
    rpc_client_free(client);
    rpc_runtime_free(runtime);
    mailbox_close(e.mailbox);
    mailbox_unref(e.mailbox);
    bench_report_print(&r);
    return 0;
}

int main(void)
{
    int pipe_fds[2];
    uint32_t port;
    ASSERT(pipe(pipe_fds) == 0);
    pid_t pid = fork(); /* before gRPC begins, which forbids it afterwards */
    ASSERT(pid >= 0);
    if (pid == 0) {
        close(pipe_fds[0]);
        _exit(serve(pipe_fds[1]));
    }
    close(pipe_fds[1]);
    if (read(pipe_fds[0], &port, sizeof(port)) != sizeof(port)) {
        fputs("bench_rpc_call: the server did not start\n", stderr);
        return 1;
    }
    int rc = measure(port), status;
    return waitpid(pid, &status, 0) == pid && status == 0 ? rc : 1;
}
