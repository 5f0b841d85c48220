/* A server and a client in one process, over loopback.  Everything is delivered into one mailbox that the
 * test's thread runs while it waits for a condition, so no test sleeps. */
#ifndef FLINC_TESTS_GRPC_FIXTURE_H
#define FLINC_TESTS_GRPC_FIXTURE_H

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/rpc/grpc/grpc.h"
#include "proto/cluster.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 60000, CONNECT_MS = 20000 };

/* One end of a stream, and what it got: numbers in order, closed once. */
struct end {
    struct mailbox *mailbox; /* Borrows */
    struct rpc_channel *channel;
    uint64_t received, bytes, disordered;
    uint64_t last;
    uint32_t n_closed;
    struct error why;
};

enum { ENDS_MAX = 256 };

struct fixture {
    struct rpc_runtime *runtime;
    struct mailbox *mailbox;        /* calls, answers, and the clients' ends */
    struct mailbox *server_mailbox; /* the servers' ends; may be small */
    struct rpc_server *server;
    struct rpc_client *client;
    uint32_t port;
    /* The server's. */
    struct end accepted[ENDS_MAX];
    uint32_t n_accepted, n_refuse;
    bool stuck;                         /* the server's mailbox is not run */
    struct rpc_server_call *waiting[8]; /* calls that nobody answered yet */
    uint32_t n_waiting, n_calls;
    bool answer_later;
    char peer[128];
    /* The last answer. */
    bool answered;
    Flinc__PingAnswer *answer;
    struct error why;
};

/* ---- waiting ----------------------------------------------------------------------------------- */

static inline void fixture_run(struct fixture *f)
{
    mailbox_run(f->mailbox, 64);
    if (!f->stuck) {
        mailbox_run(f->server_mailbox, 64);
    }
}

/* Runs the mailboxes until the condition holds; fails the test when it never does. */
#define WAIT_UNTIL(f, condition)                                                                \
    do {                                                                                        \
        struct event_count *event_ = mailbox_event((f)->mailbox);                               \
        int64_t until_ns_ = clock_monotonic_ns(&clock_system) + PATIENCE_MS * INT64_C(1000000); \
        for (;;) {                                                                              \
            uint32_t ticket_ = event_count_prepare(event_);                                     \
            bool ops_ = mailbox_has_ops((f)->mailbox) ||                                        \
                        (!(f)->stuck && mailbox_has_ops((f)->server_mailbox));                  \
            if ((condition) || ops_) {                                                          \
                event_count_cancel(event_);                                                     \
                if (condition) {                                                                \
                    break;                                                                      \
                }                                                                               \
                fixture_run(f);                                                                 \
                continue;                                                                       \
            }                                                                                   \
            if (clock_monotonic_ns(&clock_system) > until_ns_) {                                \
                fail_msg("never: %s", #condition);                                              \
            }                                                                                   \
            event_count_wait(event_, ticket_, INT64_C(5000000)); /* counters wake nobody */     \
        }                                                                                       \
    } while (0)

/* ---- ends of streams --------------------------------------------------------------------------- */

static inline void end_count(struct end *e, uint64_t number, size_t size)
{
    e->disordered += number != e->last + 1;
    e->last = number;
    e->received++;
    e->bytes += size;
}

static void on_to_master(void *target, ProtobufCMessage *message)
{
    Flinc__TaskManagerToMaster *m = (Flinc__TaskManagerToMaster *)message;
    assert_int_equal(m->body_case, FLINC__TASK_MANAGER_TO_MASTER__BODY_HEARTBEAT);
    end_count(target, m->heartbeat->number, m->leader.len);
    rpc_message_free(message);
}

static void on_from_master(void *target, ProtobufCMessage *message)
{
    Flinc__MasterToTaskManager *m = (Flinc__MasterToTaskManager *)message;
    assert_int_equal(m->body_case, FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT);
    end_count(target, m->heartbeat->number, m->leader.len);
    rpc_message_free(message);
}

static void on_end_closed(void *target, const struct error *why)
{
    struct end *e = target;
    e->n_closed++;
    error_copy(&e->why, why);
}

static inline struct rpc_end_options server_end(struct fixture *f, struct end *e)
{
    return (struct rpc_end_options){.name = "master -> task manager",
                                    .sends = &flinc__master_to_task_manager__descriptor,
                                    .receives = &flinc__task_manager_to_master__descriptor,
                                    .mailbox = f->server_mailbox,
                                    .lane = MAILBOX_LANE_DATA,
                                    .on_message = on_to_master,
                                    .on_closed = on_end_closed,
                                    .target = e};
}

static inline struct rpc_end_options client_end(struct fixture *f, struct end *e)
{
    return (struct rpc_end_options){.name = "task manager -> master",
                                    .sends = &flinc__task_manager_to_master__descriptor,
                                    .receives = &flinc__master_to_task_manager__descriptor,
                                    .mailbox = f->mailbox,
                                    .lane = MAILBOX_LANE_DATA,
                                    .on_message = on_from_master,
                                    .on_closed = on_end_closed,
                                    .target = e};
}

static inline int send_to_master(struct end *e, uint64_t number, size_t padding, struct error *err)
{
    Flinc__HeartbeatToMaster heartbeat = FLINC__HEARTBEAT_TO_MASTER__INIT;
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    heartbeat.number = number;
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_HEARTBEAT;
    m.heartbeat = &heartbeat;
    m.leader.len = padding;
    m.leader.data = padding > 0 ? mem_zalloc(padding) : NULL;
    int rc = rpc_channel_send(e->channel, &m.base, err);
    mem_free(m.leader.data);
    return rc;
}

static inline int send_from_master(struct end *e, uint64_t number, size_t padding,
                                   struct error *err)
{
    Flinc__HeartbeatFromMaster heartbeat = FLINC__HEARTBEAT_FROM_MASTER__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    heartbeat.number = number;
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT;
    m.heartbeat = &heartbeat;
    m.leader.len = padding;
    m.leader.data = padding > 0 ? mem_zalloc(padding) : NULL;
    int rc = rpc_channel_send(e->channel, &m.base, err);
    mem_free(m.leader.data);
    return rc;
}

/* ---- the server -------------------------------------------------------------------------------- */

static bool on_open(void *target, const char *peer, struct rpc_end_options *ret_end)
{
    struct fixture *f = target;
    if (f->n_refuse > 0) {
        f->n_refuse--;
        return false;
    }
    assert_true(f->n_accepted < ENDS_MAX);
    snprintf(f->peer, sizeof(f->peer), "%s", peer);
    *ret_end = server_end(f, &f->accepted[f->n_accepted]);
    return true;
}

static void on_channel(void *target, const char *peer, struct rpc_channel *channel)
{
    struct fixture *f = target;
    f->accepted[f->n_accepted++].channel = channel;
}

static void answer_ping(struct rpc_server_call *call, const Flinc__PingRequest *request)
{
    Flinc__PingAnswer answer = FLINC__PING_ANSWER__INIT;
    answer.payload = request->payload;
    answer.product_version = "1.2";
    rpc_server_call_reply(call, &answer.base);
}

static void on_ping(void *target, struct rpc_server_call *call, ProtobufCMessage *request)
{
    struct fixture *f = target;
    f->n_calls++;
    snprintf(f->peer, sizeof(f->peer), "%s", rpc_server_call_peer(call));
    if (f->answer_later) {
        f->waiting[f->n_waiting++] = call;
    } else {
        answer_ping(call, (Flinc__PingRequest *)request);
    }
    rpc_message_free(request);
}

static void on_failing(void *target, struct rpc_server_call *call, ProtobufCMessage *request)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_FENCED, "the leader is an%cther", 'o');
    error_set_class(&err, ERROR_CLASS_TRANSIENT);
    error_context(&err, "looking at slot %d", 7);
    error_context(&err, "asked by somebody");
    rpc_server_call_fail(call, &err);
    rpc_message_free(request);
}

static inline int fixture_start_server(struct fixture *f, uint32_t first_port, uint32_t last_port,
                                       struct error *err)
{
    const struct rpc_call_method calls[] = {
        {.name = "/flinc.Cluster/Ping",
         .request = &flinc__ping_request__descriptor,
         .answer = &flinc__ping_answer__descriptor,
         .mailbox = f->server_mailbox,
         .on_call = on_ping,
         .target = f},
        {.name = "/flinc.Cluster/Fail",
         .request = &flinc__ping_request__descriptor,
         .answer = &flinc__ping_answer__descriptor,
         .mailbox = f->server_mailbox,
         .on_call = on_failing,
         .target = f},
    };
    const struct rpc_stream_method streams[] = {{.name = "/flinc.Cluster/Connect",
                                                 .mailbox = f->server_mailbox,
                                                 .on_open = on_open,
                                                 .on_channel = on_channel,
                                                 .target = f}};
    struct rpc_server_options options = {.runtime = f->runtime,
                                         .bind_host = "127.0.0.1",
                                         .first_port = first_port,
                                         .last_port = last_port,
                                         .calls = calls,
                                         .n_calls = ARRAY_LEN(calls),
                                         .streams = streams,
                                         .n_streams = ARRAY_LEN(streams),
                                         .max_connections = ENDS_MAX};
    TRY(rpc_server_new(&options, &f->server, err));
    f->port = rpc_server_port(f->server);
    return 0;
}

static inline struct rpc_client *fixture_client(struct fixture *f, uint32_t port)
{
    struct rpc_client *client;
    struct rpc_client_options options = {.runtime = f->runtime, .host = "127.0.0.1", .port = port};
    assert_int_equal(rpc_client_new(&options, &client, NULL), 0);
    return client;
}

/* ---- life -------------------------------------------------------------------------------------- */

static inline void fixture_init(struct fixture *f, uint32_t server_mailbox_limit)
{
    memset(f, 0, sizeof(*f));
    f->mailbox = mailbox_new(&(struct mailbox_options){.name = "test", .limit = 1000000});
    f->server_mailbox = mailbox_new(&(struct mailbox_options){
        .name = "server", .limit = server_mailbox_limit, .event = mailbox_event(f->mailbox)});
    assert_int_equal(
        rpc_runtime_new(&(struct rpc_runtime_options){.n_threads = 2}, &f->runtime, NULL), 0);
    assert_int_equal(fixture_start_server(f, 0, 0, NULL), 0);
    f->client = fixture_client(f, f->port);
}

static inline void fixture_fini(struct fixture *f)
{
    for (uint32_t i = 0; i < f->n_accepted; i++) {
        f->accepted[i].channel = rpc_channel_free(f->accepted[i].channel);
    }
    rpc_client_free(f->client);
    rpc_server_free(f->server);
    rpc_runtime_free(f->runtime);
    mailbox_close(f->server_mailbox);
    mailbox_unref(f->server_mailbox);
    mailbox_close(f->mailbox);
    mailbox_unref(f->mailbox);
    rpc_message_free(f->answer != NULL ? &f->answer->base : NULL);
    failpoint_clear_all();
}

/* ---- the client -------------------------------------------------------------------------------- */

static void on_answer(void *target, void *arg, ProtobufCMessage *answer, const struct error *why)
{
    struct fixture *f = target;
    assert_false(f->answered);
    assert_true((answer == NULL) == (why != NULL));
    f->answered = true;
    rpc_message_free(f->answer != NULL ? &f->answer->base : NULL);
    f->answer = (Flinc__PingAnswer *)answer;
    error_clear(&f->why);
    if (why != NULL) {
        error_copy(&f->why, why);
    }
}

static inline void start_ping(struct fixture *f, const char *method, size_t size,
                              int64_t deadline_ms, struct cancel_token *cancel)
{
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    request.payload.len = size;
    request.payload.data = size > 0 ? mem_zalloc(size) : NULL;
    f->answered = false;
    struct rpc_client_call call = {.method = method,
                                   .request = &request.base,
                                   .answer = &flinc__ping_answer__descriptor,
                                   .deadline_ms = deadline_ms,
                                   .cancel = cancel,
                                   .mailbox = f->mailbox,
                                   .on_answer = on_answer,
                                   .target = f};
    assert_int_equal(rpc_client_start_call(f->client, &call, NULL), 0);
    mem_free(request.payload.data);
}

/* Returns the code of the answer. */
static inline int ping(struct fixture *f, const char *method, size_t size)
{
    start_ping(f, method, size, PATIENCE_MS, NULL);
    WAIT_UNTIL(f, f->answered);
    return f->answer != NULL ? 0 : f->why.code;
}

static inline void open_stream(struct fixture *f, struct rpc_client *client, struct end *e)
{
    memset(e, 0, sizeof(*e));
    struct rpc_end_options end = client_end(f, e);
    assert_int_equal(rpc_client_open_stream(client, "/flinc.Cluster/Connect", CONNECT_MS, &end,
                                            &e->channel, NULL),
                     0);
}

/* A stream with both ends open; returns the server's. */
static inline struct end *connect_stream(struct fixture *f, struct end *e)
{
    uint32_t before = f->n_accepted;
    open_stream(f, f->client, e);
    WAIT_UNTIL(f, f->n_accepted > before || e->n_closed > 0);
    assert_int_equal(e->n_closed, 0);
    return &f->accepted[before];
}

#endif
