/* What a mailbox costs: post + poll + run on one thread, bursts, two producers against an owner, and
 * one message through an in-memory channel (packed, delivered, unpacked, freed).
 *
 *   build/release/bench/bench_loop_mailbox        (a release build, idle cores) */
#include "bench/report.h"
#include "common/base/thread.h"
#include "common/loop/mailbox.h"
#include "common/rpc/transport.h"
#include "proto/control.pb-c.h"

#include <sched.h>

enum { N_OPS = 10000000, BURST = 500, N_SHARED = 2000000, N_MESSAGES = 1000000, BAR_NS = 100 };

static void count(void *target, void *payload)
{
    (*(uint64_t *)target)++;
}

static void post(struct mailbox *m, uint64_t *n)
{
    struct mailbox_op op = {.run = count, .target = n};
    while (mailbox_post(m, MAILBOX_LANE_DATA, &op) == ERR_LIMIT) {
        sched_yield();
    }
}

static void bench_alone(struct bench_report *r)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "bench"});
    uint64_t n = 0;
    double began = bench_cpu_seconds();
    for (int i = 0; i < N_OPS; i++) {
        post(m, &n);
        mailbox_run(m, 1);
    }
    bench_report_add(r, "post + poll + run", (bench_cpu_seconds() - began) * 1e9 / N_OPS, "ns",
                     BAR_NS, 0, BENCH_LESS_IS_BETTER);
    began = bench_cpu_seconds();
    for (int i = 0; i < N_OPS / BURST; i++) {
        for (int j = 0; j < BURST; j++) {
            post(m, &n);
        }
        mailbox_run(m, BURST);
    }
    bench_report_add(r, "the same in bursts of 500", (bench_cpu_seconds() - began) * 1e9 / N_OPS,
                     "ns", BAR_NS, 0, BENCH_LESS_IS_BETTER);
    mailbox_unref(m);
}

struct producer {
    struct mailbox *mailbox;
    uint64_t *n;
    pthread_t thread;
};

static void *producer_main(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < N_SHARED; i++) {
        post(p->mailbox, p->n);
    }
    return NULL;
}

static void bench_shared(struct bench_report *r)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "bench"});
    struct event_count *event = mailbox_event(m);
    uint64_t n = 0;
    struct producer p[2];
    int64_t began_ns = clock_process_cpu_ns();
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        p[i] = (struct producer){.mailbox = m, .n = &n};
        ASSERT(thread_start(&p[i].thread, "producer", producer_main, &p[i], NULL) == 0);
    }
    while (n < 2 * N_SHARED) {
        uint32_t ticket = event_count_prepare(event);
        if (mailbox_has_ops(m)) {
            event_count_cancel(event);
        } else {
            event_count_wait(event, ticket, -1);
        }
        mailbox_run(m, SIZE_MAX);
    }
    for (size_t i = 0; i < ARRAY_LEN(p); i++) {
        thread_join(p[i].thread);
    }
    bench_report_add(r, "two producers, one owner, CPU of all",
                     (double)(clock_process_cpu_ns() - began_ns) / (2.0 * N_SHARED), "ns", 0, 0,
                     BENCH_LESS_IS_BETTER);
    mailbox_unref(m);
}

static void on_message(void *target, ProtobufCMessage *message)
{
    (*(uint64_t *)target)++;
    rpc_message_free(message);
}

static void bench_channel(struct bench_report *r)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "bench"});
    uint64_t n = 0;
    struct rpc_end_options a = {.name = "a",
                                .sends = &flinc__master_to_worker__descriptor,
                                .receives = &flinc__worker_to_master__descriptor,
                                .mailbox = m,
                                .on_message = on_message,
                                .target = &n};
    struct rpc_end_options b = a;
    b.sends = a.receives;
    b.receives = a.sends;
    struct rpc_channel *ca, *cb;
    ASSERT(rpc_memory_pair(&a, &b, NULL, &ca, &cb, NULL) == 0);
    Flinc__Shutdown shutdown = FLINC__SHUTDOWN__INIT;
    shutdown.reason = (char *)"the job was cancelled by its user";
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN;
    message.shutdown = &shutdown;
    double began = bench_cpu_seconds();
    for (int i = 0; i < N_MESSAGES; i++) {
        ASSERT(rpc_channel_send(ca, &message.base, NULL) == 0);
        mailbox_run(m, 1);
    }
    bench_report_add(r, "a small message through a channel",
                     (bench_cpu_seconds() - began) * 1e9 / N_MESSAGES, "ns", 0, 0,
                     BENCH_LESS_IS_BETTER);
    rpc_channel_free(ca);
    rpc_channel_free(cb);
    mailbox_close(m);
    mailbox_unref(m);
}

int main(void)
{
    struct bench_report report = {.n = 0};
    bench_alone(&report);
    bench_shared(&report);
    bench_channel(&report);
    bench_report_print(&report);
    return 0;
}
