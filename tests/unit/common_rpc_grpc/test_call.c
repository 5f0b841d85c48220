/* Unary calls: answers, errors that keep their code, deadlines, cancellation, and bad requests. */
#include "grpc_fixture.h"

#include "common/base/thread.h"

static void test_answer(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 3), 0);
    assert_int_equal(f.answer->payload.len, 3);
    assert_string_equal(f.answer->product_version, "1.2");
    assert_true(cstr_starts_with(f.peer, "127.0.0.1:"));
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 0), 0); /* an empty message is one */
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 20 * 1024 * 1024), 0);
    assert_int_equal(f.answer->payload.len, 20 * 1024 * 1024);
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.calls, 3);
    assert_int_equal(stats.refused + stats.malformed, 0);
    fixture_fini(&f);
}

static void test_error_keeps_code_class_and_context(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Fail", 1), ERR_FENCED);
    assert_string_equal(f.why.message, "the leader is another");
    assert_int_equal(f.why.cls, ERROR_CLASS_TRANSIENT);
    assert_string_equal(f.why.frames, "looking at slot 7\nasked by somebody\n");
    fixture_fini(&f);
}

static void test_deadline(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    f.answer_later = true;
    start_ping(&f, "/flinc.Cluster/Ping", 1, 50, NULL);
    WAIT_UNTIL(&f, f.answered && f.n_waiting == 1);
    assert_int_equal(f.why.code, ERR_TIMEOUT);
    assert_non_null(strstr(f.why.message, "/flinc.Cluster/Ping"));
    /* An answer that comes too late meets nobody, and breaks nothing. */
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    answer_ping(f.waiting[0], &request);
    f.answer_later = false;
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    fixture_fini(&f);
}

static void test_cancel(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    struct cancel_token *token = cancel_token_new();
    f.answer_later = true;
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, token);
    WAIT_UNTIL(&f, f.n_waiting == 1);
    cancel_token_cancel(token);
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_CANCELLED);
    struct error err = ERROR_INIT;
    error_set(&err, ERR_INTERNAL, "nobody hears this");
    rpc_server_call_fail(f.waiting[0], &err);
    /* A token that was cancelled before, and one that never is. */
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, token);
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_CANCELLED);
    cancel_token_unref(token);
    token = cancel_token_new();
    f.answer_later = false;
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, token);
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, 0);
    cancel_token_unref(token);
    for (uint32_t i = 1; i < f.n_waiting; i++) {
        rpc_server_call_fail(f.waiting[i], &err);
    }
    fixture_fini(&f);
}

static void test_unknown_method(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Nothing", 1), ERR_UNSUPPORTED);
    assert_non_null(strstr(f.why.message, "/flinc.Cluster/Nothing"));
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(stats.calls, 0);
    fixture_fini(&f);
}

static void test_malformed_request(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    /* Field 1 of the request are bytes; of this message it is a number. */
    Flinc__HeartbeatToMaster wrong = FLINC__HEARTBEAT_TO_MASTER__INIT;
    wrong.number = 5;
    struct rpc_client_call call = {.method = "/flinc.Cluster/Ping",
                                   .request = &wrong.base,
                                   .answer = &flinc__ping_answer__descriptor,
                                   .deadline_ms = PATIENCE_MS,
                                   .mailbox = f.mailbox,
                                   .on_answer = on_answer,
                                   .target = &f};
    assert_int_equal(rpc_client_start_call(f.client, &call, NULL), 0);
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(f.why.message, "PingRequest"));
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.malformed, 1);
    assert_int_equal(f.n_calls, 0);
    fixture_fini(&f);
}

static void test_too_large(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    struct error err = ERROR_INIT;
    ProtobufCMessage *answer = NULL;
    request.payload.len = RPC_MESSAGE_BYTES_DEFAULT + 1;
    request.payload.data = mem_zalloc(request.payload.len);
    assert_int_equal(rpc_client_call_sync(f.client, "/flinc.Cluster/Ping", &request.base,
                                          &flinc__ping_answer__descriptor, PATIENCE_MS, &answer,
                                          &err),
                     ERR_TOO_LARGE);
    /* A client that does not mind is stopped by the server. */
    struct rpc_client *client;
    struct rpc_client_options options = {.runtime = f.runtime,
                                         .host = "127.0.0.1",
                                         .port = f.port,
                                         .max_message_bytes = 2 * RPC_MESSAGE_BYTES_DEFAULT};
    assert_int_equal(rpc_client_new(&options, &client, NULL), 0);
    assert_int_equal(rpc_client_call_sync(client, "/flinc.Cluster/Ping", &request.base,
                                          &flinc__ping_answer__descriptor, PATIENCE_MS, &answer,
                                          &err),
                     ERR_TOO_LARGE);
    assert_int_equal(f.n_calls, 0);
    /* gRPC answers by itself, before the server hears of it. */
    struct rpc_server_stats stats;
    WAIT_UNTIL(&f, (rpc_server_get_stats(f.server, &stats), stats.malformed == 1));
    mem_free(request.payload.data);
    rpc_client_free(client);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    fixture_fini(&f);
}

static void test_nobody_there(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    rpc_server_free(STEAL(f.server));
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_UNAVAILABLE);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_UNAVAILABLE);
    assert_true(clock_monotonic_ns(&clock_system) - began_ns < 10 * INT64_C(1000000000));
    /* The same client finds the server as soon as it is there, without a pause. */
    assert_int_equal(fixture_start_server(&f, f.port, f.port, NULL), 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    fixture_fini(&f);
}

static void do_nothing(void *target, void *payload)
{
}

static void test_mailbox_full_or_closed(void **state)
{
    struct fixture f;
    fixture_init(&f, 1);
    f.stuck = true;
    struct mailbox_op op = {.run = do_nothing};
    assert_int_equal(mailbox_post(f.server_mailbox, MAILBOX_LANE_DATA, &op), 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_LIMIT);
    assert_true(mailbox_poll(f.server_mailbox, &op));
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, NULL);
    WAIT_UNTIL(&f, mailbox_has_ops(f.server_mailbox));
    mailbox_close(f.server_mailbox); /* drops the request */
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_UNAVAILABLE);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_UNAVAILABLE);
    fixture_fini(&f);
}

static void drop_count(void *arg)
{
    ++*(int *)arg;
}

static void test_answer_to_a_closed_mailbox(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    int dropped = 0;
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "gone"});
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    struct rpc_client_call call = {.method = "/flinc.Cluster/Ping",
                                   .request = &request.base,
                                   .answer = &flinc__ping_answer__descriptor,
                                   .deadline_ms = PATIENCE_MS,
                                   .mailbox = m,
                                   .on_answer = on_answer,
                                   .target = &f,
                                   .arg = &dropped,
                                   .drop = drop_count};
    f.answer_later = true;
    assert_int_equal(rpc_client_start_call(f.client, &call, NULL), 0);
    WAIT_UNTIL(&f, f.n_waiting == 1);
    mailbox_close(m);
    mailbox_unref(m);
    answer_ping(f.waiting[0], &request);
    rpc_client_free(STEAL(f.client)); /* waits for it */
    assert_int_equal(dropped, 1);
    assert_false(f.answered);
    fixture_fini(&f);
}

static void test_server_ends_with_calls_open(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    f.answer_later = true;
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, NULL);
    WAIT_UNTIL(&f, f.n_waiting == 1);
    rpc_server_free(STEAL(f.server));
    WAIT_UNTIL(&f, f.answered);
    assert_true(f.why.code == ERR_UNAVAILABLE || f.why.code == ERR_CANCELLED);
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    answer_ping(f.waiting[0], &request); /* the server is gone; this is not */
    fixture_fini(&f);
}

static void test_client_ends_with_calls_open(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    f.answer_later = true;
    start_ping(&f, "/flinc.Cluster/Ping", 1, PATIENCE_MS, NULL);
    WAIT_UNTIL(&f, f.n_waiting == 1);
    rpc_client_free(STEAL(f.client));
    WAIT_UNTIL(&f, f.answered);
    assert_int_equal(f.why.code, ERR_CANCELLED);
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    answer_ping(f.waiting[0], &request);
    fixture_fini(&f);
}

/* ---- from many threads ------------------------------------------------------------------------- */

enum { CALLERS = 4, CALLS_EACH = 200 };

struct caller {
    struct fixture *f;
    pthread_t thread;
    int n_fine;
    _Atomic bool done;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < CALLS_EACH; i++) {
        Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
        ProtobufCMessage *answer = NULL;
        if (rpc_client_call_sync(c->f->client, "/flinc.Cluster/Ping", &request.base,
                                 &flinc__ping_answer__descriptor, PATIENCE_MS, &answer,
                                 NULL) == 0) {
            c->n_fine++;
            rpc_message_free(answer);
        }
    }
    atomic_store(&c->done, true);
    return NULL;
}

static void test_calls_from_many_threads(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.f = &f};
        assert_int_equal(thread_start(&callers[i].thread, "caller", caller_main, &callers[i], NULL),
                         0);
    }
    for (int i = 0; i < CALLERS; i++) {
        WAIT_UNTIL(&f, atomic_load(&callers[i].done));
        thread_join(callers[i].thread);
        assert_int_equal(callers[i].n_fine, CALLS_EACH);
    }
    fixture_fini(&f);
}

static void test_failpoints(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    Flinc__PingRequest request = FLINC__PING_REQUEST__INIT;
    struct rpc_client_call call = {.method = "/flinc.Cluster/Ping",
                                   .request = &request.base,
                                   .answer = &flinc__ping_answer__descriptor,
                                   .deadline_ms = PATIENCE_MS,
                                   .mailbox = f.mailbox,
                                   .on_answer = on_answer,
                                   .target = &f};
    assert_int_equal(failpoint_configure("rpc.grpc.call=error:no", NULL), 0);
    assert_int_equal(rpc_client_start_call(f.client, &call, &err), ERR_IO);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("rpc.grpc.receive=error:cut", NULL), 0);
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), ERR_IO);
    failpoint_clear_all();
    assert_int_equal(ping(&f, "/flinc.Cluster/Ping", 1), 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_error_keeps_code_class_and_context),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_unknown_method),
        cmocka_unit_test(test_malformed_request),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_mailbox_full_or_closed),
        cmocka_unit_test(test_answer_to_a_closed_mailbox),
        cmocka_unit_test(test_server_ends_with_calls_open),
        cmocka_unit_test(test_client_ends_with_calls_open),
        cmocka_unit_test(test_calls_from_many_threads),
        cmocka_unit_test(test_failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
