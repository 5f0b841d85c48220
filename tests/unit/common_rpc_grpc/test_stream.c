/* Streams: order, sizes, back pressure, and every way in which they end. */
#include "grpc_fixture.h"

static void test_both_ways_in_order(void **state)
{
    enum { N = 100000, AHEAD = 5000 };
    struct fixture f;
    struct end e;
    fixture_init(&f, 1000000);
    struct end *server = connect_stream(&f, &e);
    assert_true(cstr_starts_with(f.peer, "127.0.0.1:"));
    for (uint64_t i = 1; i <= N; i++) {
        if (i % AHEAD == 0) {
            WAIT_UNTIL(&f, server->received + AHEAD > i && e.received + AHEAD > i);
        }
        assert_int_equal(send_to_master(&e, i, 20, NULL), 0);
        assert_int_equal(send_from_master(server, i, 30, NULL), 0);
    }
    WAIT_UNTIL(&f, server->received == N && e.received == N);
    assert_int_equal(server->disordered + e.disordered, 0);
    assert_int_equal(server->bytes, 20 * N);
    assert_int_equal(e.bytes, 30 * N);
    rpc_channel_free(e.channel);
    WAIT_UNTIL(&f, server->n_closed == 1);
    assert_int_equal(server->why.code, ERR_CLOSED);
    fixture_fini(&f);
}

static void test_large_messages(void **state)
{
    enum { LARGE = 20 * 1024 * 1024 };
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    struct end *server = connect_stream(&f, &e);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(send_to_master(&e, i, LARGE, NULL), 0);
        assert_int_equal(send_from_master(server, i, LARGE, NULL), 0);
    }
    WAIT_UNTIL(&f, server->received == 3 && e.received == 3);
    assert_int_equal(server->bytes, 3ull * LARGE);
    assert_int_equal(server->disordered + e.disordered, 0);
    struct error err = ERROR_INIT;
    assert_int_equal(send_to_master(&e, 4, RPC_MESSAGE_BYTES_DEFAULT, &err), ERR_TOO_LARGE);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

/* What is sent before the connection is there, and before a close, arrives. */
static void test_close_by_the_client(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    open_stream(&f, f.client, &e);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(send_to_master(&e, i, 1000, NULL), 0);
    }
    rpc_channel_close(e.channel);
    struct error err = ERROR_INIT;
    assert_int_equal(send_to_master(&e, 101, 0, &err), ERR_CLOSED);
    rpc_channel_free(e.channel);
    WAIT_UNTIL(&f, f.n_accepted == 1 && f.accepted[0].n_closed == 1);
    assert_int_equal(f.accepted[0].received, 100);
    assert_int_equal(f.accepted[0].disordered, 0);
    assert_int_equal(f.accepted[0].why.code, ERR_CLOSED);
    assert_int_equal(send_from_master(&f.accepted[0], 1, 0, &err), ERR_CLOSED);
    assert_int_equal(e.n_closed, 0);
    fixture_fini(&f);
}

static void test_close_by_the_server(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    struct end *server = connect_stream(&f, &e);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(send_from_master(server, i, 1000, NULL), 0);
    }
    server->channel = rpc_channel_free(server->channel);
    WAIT_UNTIL(&f, e.n_closed == 1);
    assert_int_equal(e.received, 100);
    assert_int_equal(e.disordered, 0);
    assert_int_equal(e.why.code, ERR_CLOSED);
    assert_true(rpc_channel_is_closed(e.channel));
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

static void test_both_close_at_once(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    for (int i = 0; i < 50; i++) {
        struct end *server = connect_stream(&f, &e);
        assert_int_equal(send_to_master(&e, 1, 10, NULL), 0);
        assert_int_equal(send_from_master(server, 1, 10, NULL), 0);
        rpc_channel_free(e.channel);
        server->channel = rpc_channel_free(server->channel);
    }
    fixture_fini(&f);
}

static void test_refused(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    f.n_refuse = 1;
    open_stream(&f, f.client, &e);
    WAIT_UNTIL(&f, e.n_closed == 1);
    assert_int_equal(e.why.code, ERR_UNAVAILABLE);
    rpc_channel_free(e.channel);
    struct rpc_end_options end = client_end(&f, &e);
    memset(&e, 0, sizeof(e));
    assert_int_equal(rpc_client_open_stream(f.client, "/flinc.Cluster/Nowhere", CONNECT_MS, &end,
                                            &e.channel, NULL),
                     0);
    WAIT_UNTIL(&f, e.n_closed == 1);
    assert_int_equal(e.why.code, ERR_UNSUPPORTED);
    rpc_channel_free(e.channel);
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.refused, 2);
    assert_int_equal(stats.streams, 0);
    fixture_fini(&f);
}

static void test_nobody_there(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    rpc_server_free(STEAL(f.server));
    for (int i = 0; i < 3; i++) { /* no growing pauses */
        int64_t began_ns = clock_monotonic_ns(&clock_system);
        open_stream(&f, f.client, &e);
        int rc = send_to_master(&e, 1, 10, NULL);
        assert_true(rc == 0 || rc == ERR_CLOSED); /* it may have been refused by now */
        WAIT_UNTIL(&f, e.n_closed == 1);
        assert_int_equal(e.why.code, ERR_UNAVAILABLE);
        assert_true(clock_monotonic_ns(&clock_system) - began_ns < 5 * INT64_C(1000000000));
        rpc_channel_free(e.channel);
    }
    fixture_fini(&f);
}

/* The server comes back on its port: a new stream of the same client works at once. */
static void test_server_restart(void **state)
{
    struct fixture f;
    struct end e;
    fixture_init(&f, 0);
    for (int i = 0; i < 5; i++) {
        struct end *server = connect_stream(&f, &e);
        assert_int_equal(send_to_master(&e, 1, 10, NULL), 0);
        WAIT_UNTIL(&f, server->received == 1);
        rpc_server_free(STEAL(f.server));
        WAIT_UNTIL(&f, e.n_closed == 1 && server->n_closed == 1);
        assert_true(e.why.code == ERR_CLOSED || e.why.code == ERR_UNAVAILABLE);
        rpc_channel_free(e.channel);
        open_stream(&f, f.client, &e);
        WAIT_UNTIL(&f, e.n_closed == 1);
        assert_int_equal(e.why.code, ERR_UNAVAILABLE);
        rpc_channel_free(e.channel);
        assert_int_equal(fixture_start_server(&f, f.port, f.port, NULL), 0);
    }
    fixture_fini(&f);
}

static void test_receiver_does_not_keep_up(void **state)
{
    enum { N = 3000, BYTES = 1000 };
    struct fixture f;
    struct end e;
    fixture_init(&f, 4);
    struct end *server = connect_stream(&f, &e);
    f.stuck = true;
    for (uint64_t i = 1; i <= N; i++) {
        assert_int_equal(send_to_master(&e, i, BYTES, NULL), 0);
    }
    WAIT_UNTIL(&f, mailbox_len(f.server_mailbox) == 4 && mailbox_n_refused(f.server_mailbox) > 3);
    assert_int_equal(server->received, 0);
    f.stuck = false;
    WAIT_UNTIL(&f, server->received == N);
    assert_int_equal(server->disordered, 0);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

static void test_sender_is_told_of_the_limit(void **state)
{
    enum { LARGE = 8 * 1024 * 1024 };
    struct fixture f;
    struct end e;
    struct error err = ERROR_INIT;
    fixture_init(&f, 1);
    struct end *server = connect_stream(&f, &e);
    f.stuck = true;
    uint64_t n = 0;
    while (n < 100 && send_to_master(&e, n + 1, LARGE, &err) == 0) {
        n++;
    }
    assert_int_equal(err.code, ERR_LIMIT);
    f.stuck = false;
    WAIT_UNTIL(&f, server->received == n);
    assert_int_equal(send_to_master(&e, n + 1, LARGE, NULL), 0); /* the stream still stands */
    WAIT_UNTIL(&f, server->received == n + 1);
    assert_int_equal(server->disordered, 0);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

/* Held messages neither block the end of the server nor of the channel. */
static void test_end_while_messages_are_held(void **state)
{
    for (int way = 0; way < 2; way++) {
        struct fixture f;
        struct end e;
        fixture_init(&f, 1);
        struct end *server = connect_stream(&f, &e);
        f.stuck = true;
        for (uint64_t i = 1; i <= 10; i++) {
            assert_int_equal(send_to_master(&e, i, 10, NULL), 0);
        }
        WAIT_UNTIL(&f, mailbox_n_refused(f.server_mailbox) > 1);
        if (way == 0) {
            server->channel = rpc_channel_free(server->channel);
        } else {
            rpc_server_free(STEAL(f.server));
        }
        WAIT_UNTIL(&f, e.n_closed == 1);
        rpc_channel_free(e.channel);
        fixture_fini(&f);
    }
}

static void test_many_streams(void **state)
{
    enum { STREAMS = 200, EACH = 50 };
    struct fixture f;
    struct end ends[STREAMS];
    fixture_init(&f, 1000000);
    for (int i = 0; i < STREAMS; i++) {
        open_stream(&f, f.client, &ends[i]);
        for (uint64_t n = 1; n <= EACH; n++) {
            assert_int_equal(send_to_master(&ends[i], n, 10, NULL), 0);
        }
    }
    WAIT_UNTIL(&f, f.n_accepted == STREAMS);
    for (int i = 0; i < STREAMS; i++) {
        struct end *server = &f.accepted[i];
        for (uint64_t n = 1; n <= EACH; n++) {
            assert_int_equal(send_from_master(server, n, 10, NULL), 0);
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        WAIT_UNTIL(&f, f.accepted[i].received == EACH && ends[i].received == EACH);
        assert_int_equal(f.accepted[i].disordered + ends[i].disordered, 0);
        rpc_channel_free(ends[i].channel);
    }
    fixture_fini(&f);
}

/* One more than the server takes. */
static void test_too_many_streams(void **state)
{
    struct fixture f;
    static struct end ends[ENDS_MAX + 1];
    fixture_init(&f, 1000000);
    for (int i = 0; i < ENDS_MAX; i++) {
        open_stream(&f, f.client, &ends[i]);
    }
    WAIT_UNTIL(&f, f.n_accepted == ENDS_MAX);
    open_stream(&f, f.client, &ends[ENDS_MAX]);
    WAIT_UNTIL(&f, ends[ENDS_MAX].n_closed == 1);
    assert_int_equal(ends[ENDS_MAX].why.code, ERR_LIMIT);
    for (int i = 0; i <= ENDS_MAX; i++) {
        rpc_channel_free(ends[i].channel);
    }
    fixture_fini(&f);
}

/* A message that does not unpack ends the stream, and the sender hears why. */
static void test_malformed_message(void **state)
{
    struct fixture f;
    struct end e = {.n_closed = 0};
    fixture_init(&f, 0);
    struct rpc_end_options end = client_end(&f, &e);
    end.sends = &flinc__ping_request__descriptor;
    assert_int_equal(rpc_client_open_stream(f.client, "/flinc.Cluster/Connect", CONNECT_MS, &end,
                                            &e.channel, NULL),
                     0);
    Flinc__PingRequest wrong = FLINC__PING_REQUEST__INIT;
    wrong.payload.data = (uint8_t *)"not a number";
    wrong.payload.len = 12;
    assert_int_equal(rpc_channel_send(e.channel, &wrong.base, NULL), 0);
    WAIT_UNTIL(&f, e.n_closed == 1 && f.accepted[0].n_closed == 1);
    assert_int_equal(e.why.code, ERR_CORRUPT);
    assert_int_equal(f.accepted[0].why.code, ERR_CORRUPT);
    struct rpc_server_stats stats;
    rpc_server_get_stats(f.server, &stats);
    assert_int_equal(stats.malformed, 1);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

static void test_failpoints(void **state)
{
    struct fixture f;
    struct end e;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    struct rpc_end_options end = client_end(&f, &e);
    assert_int_equal(failpoint_configure("rpc.grpc.open=error:no", NULL), 0);
    assert_int_equal(rpc_client_open_stream(f.client, "/flinc.Cluster/Connect", CONNECT_MS, &end,
                                            &e.channel, &err),
                     ERR_IO);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("rpc.grpc.accept=error:no,nth=1", NULL), 0);
    open_stream(&f, f.client, &e);
    WAIT_UNTIL(&f, e.n_closed == 1);
    assert_int_equal(e.why.code, ERR_UNAVAILABLE);
    rpc_channel_free(e.channel);
    failpoint_clear_all();
    struct end *server = connect_stream(&f, &e);
    assert_int_equal(failpoint_configure("rpc.grpc.send=error:no,nth=1", NULL), 0);
    assert_int_equal(send_to_master(&e, 1, 1, &err), ERR_IO);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("rpc.grpc.receive=error:cut,nth=1", NULL), 0);
    assert_int_equal(send_to_master(&e, 1, 1, &err), 0);
    WAIT_UNTIL(&f, e.n_closed == 1 && server->n_closed == 1);
    assert_int_equal(server->received, 0);
    assert_int_equal(e.why.code, ERR_IO);
    rpc_channel_free(e.channel);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways_in_order),
        cmocka_unit_test(test_large_messages),
        cmocka_unit_test(test_close_by_the_client),
        cmocka_unit_test(test_close_by_the_server),
        cmocka_unit_test(test_both_close_at_once),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_server_restart),
        cmocka_unit_test(test_receiver_does_not_keep_up),
        cmocka_unit_test(test_sender_is_told_of_the_limit),
        cmocka_unit_test(test_end_while_messages_are_held),
        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_too_many_streams),
        cmocka_unit_test(test_malformed_message),
        cmocka_unit_test(test_failpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
