/* Channels: packing, limits, closing, and bytes that are no message. */
#include "rpc_fixture.h"

static void test_both_directions(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    assert_string_equal(rpc_channel_name(f.master.channel), "master");
    char reason[] = "leader changed";
    assert_int_equal(send_shutdown(&f, 1, reason, NULL), 0);
    memset(reason, 'x', sizeof(reason) - 1); /* what was sent are bytes, not this string */
    assert_int_equal(send_shutdown(&f, 2, "again", NULL), 0);
    assert_int_equal(send_done(&f, NULL), 0);
    expect_log(&f.worker, "1 leader changed;2 again;");
    expect_log(&f.master, "done;");
    struct rpc_channel_stats s, w;
    rpc_channel_get_stats(f.master.channel, &s);
    rpc_channel_get_stats(f.worker.channel, &w);
    assert_int_equal(s.messages_sent, 2);
    assert_int_equal(s.messages_received, 1);
    assert_int_equal(s.bytes_sent, w.bytes_received);
    assert_true(w.bytes_sent > 0);
    fixture_fini(&f);
}

static void test_deliveries_carry_lane_and_kind(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    assert_int_equal(send_shutdown(&f, 1, "x", NULL), 0);
    rpc_channel_close(f.master.channel);
    struct mailbox_op op;
    assert_true(mailbox_poll_control(f.worker.mailbox, &op));
    assert_int_equal(op.kind, 3);
    mailbox_op_drop(&op);
    assert_true(mailbox_poll_control(f.worker.mailbox, &op));
    assert_int_equal(op.kind, 4);
    mailbox_op_drop(&op);
    fixture_fini(&f);
}

static void test_wrong_envelope(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    assert_int_equal(rpc_channel_send(f.master.channel, &m.base, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "flinc.WorkerToMaster"));
    fixture_fini(&f);
}

static void test_too_large_to_send(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    struct rpc_end_options m = master_options(&f), w = worker_options(&f);
    m.max_message_bytes = 100;
    assert_int_equal(rpc_memory_pair(&m, &w, NULL, &f.master.channel, &f.worker.channel, NULL), 0);
    char reason[200];
    memset(reason, 'r', sizeof(reason));
    reason[sizeof(reason) - 1] = '\0';
    assert_int_equal(send_shutdown(&f, 1, reason, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "limit of 100"));
    assert_int_equal(send_shutdown(&f, 1, "short", &err), 0); /* the channel goes on */
    expect_log(&f.worker, "1 short;");
    fixture_fini(&f);
}

static void test_too_large_to_receive_ends_the_connection(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    struct rpc_end_options m = master_options(&f), w = worker_options(&f);
    w.max_message_bytes = 10;
    assert_int_equal(rpc_memory_pair(&m, &w, NULL, &f.master.channel, &f.worker.channel, NULL), 0);
    assert_int_equal(send_shutdown(&f, 1, "longer than ten bytes", &err), ERR_TOO_LARGE);
    expect_log(&f.worker, "closed TOO_LARGE;");
    expect_log(&f.master, "closed TOO_LARGE;");
    assert_int_equal(send_shutdown(&f, 1, "x", &err), ERR_CLOSED);
    assert_int_equal(send_done(&f, &err), ERR_CLOSED);
    fixture_fini(&f);
}

static void test_bytes_that_are_no_message(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    const uint8_t bytes[] = {0x1a, 0x7f, 1, 2};
    assert_int_equal(rpc_channel_deliver(f.worker.channel, bytes, sizeof(bytes), &err),
                     ERR_CORRUPT);
    assert_non_null(strstr(err.message, "flinc.MasterToWorker"));
    expect_log(&f.worker, "closed CORRUPT;");
    fixture_fini(&f);
}

static void test_close_comes_after_what_was_sent(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    assert_int_equal(send_shutdown(&f, 1, "bye", NULL), 0);
    rpc_channel_close(f.master.channel);
    rpc_channel_close(f.master.channel);
    assert_true(rpc_channel_is_closed(f.master.channel));
    assert_true(rpc_channel_is_closed(f.worker.channel));
    assert_int_equal(send_shutdown(&f, 1, "late", &err), ERR_CLOSED);
    assert_int_equal(send_done(&f, &err), ERR_CLOSED);
    expect_log(&f.worker, "1 bye;closed CLOSED;");
    expect_log(&f.master, "");
    fixture_fini(&f);
}

static void test_nothing_comes_to_a_closed_end(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    assert_int_equal(send_shutdown(&f, 1, "waits in the mailbox", NULL), 0);
    f.worker.channel = rpc_channel_free(f.worker.channel);
    expect_log(&f.worker, "");
    expect_log(&f.master, "closed CLOSED;");
    fixture_fini(&f);
}

static void test_receiver_does_not_keep_up(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 2);
    fixture_connect(&f, NULL);
    assert_int_equal(send_shutdown(&f, 1, "a", &err), 0);
    assert_int_equal(send_shutdown(&f, 2, "b", &err), 0);
    assert_int_equal(send_shutdown(&f, 3, "c", &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "mailbox worker"));
    expect_log(&f.worker, "1 a;2 b;");
    assert_int_equal(send_shutdown(&f, 4, "d", &err), 0); /* the connection still stands */
    expect_log(&f.worker, "4 d;");
    fixture_fini(&f);
}

static void test_receiver_is_gone(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    mailbox_close(f.worker.mailbox);
    assert_int_equal(send_shutdown(&f, 1, "a", &err), ERR_CLOSED);
    expect_log(&f.master, "closed CLOSED;");
    fixture_fini(&f);
}

static void test_failpoints(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    fixture_connect(&f, NULL);
    assert_int_equal(failpoint_configure("rpc.send=error:wire cut", NULL), 0);
    assert_true(send_shutdown(&f, 1, "a", &err) < 0);
    failpoint_clear_all();
    assert_int_equal(send_shutdown(&f, 1, "a", &err), 0);
    assert_int_equal(failpoint_configure("rpc.deliver=error:wire cut", NULL), 0);
    assert_true(send_shutdown(&f, 2, "b", &err) < 0);
    failpoint_clear_all();
    mailbox_run(f.worker.mailbox, 1);
    assert_true(cstr_starts_with(str_cstr(&f.worker.log), "1 a;"));
    mailbox_run(f.worker.mailbox, 9);
    assert_non_null(strstr(str_cstr(&f.worker.log), "closed"));
    fixture_fini(&f);
}

static void test_ends_must_match(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, 0);
    struct rpc_end_options m = master_options(&f), w = worker_options(&f);
    w.receives = &flinc__worker_to_master__descriptor;
    assert_int_equal(rpc_memory_pair(&m, &w, NULL, &f.master.channel, &f.worker.channel, &err),
                     ERR_INVALID_ARGUMENT);
    m.sends = w.receives = NULL;
    assert_int_equal(rpc_memory_pair(&m, &w, NULL, &f.master.channel, &f.worker.channel, &err),
                     ERR_INVALID_ARGUMENT);
    assert_null(f.master.channel);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions),
        cmocka_unit_test(test_deliveries_carry_lane_and_kind),
        cmocka_unit_test(test_wrong_envelope),
        cmocka_unit_test(test_too_large_to_send),
        cmocka_unit_test(test_too_large_to_receive_ends_the_connection),
        cmocka_unit_test(test_bytes_that_are_no_message),
        cmocka_unit_test(test_close_comes_after_what_was_sent),
        cmocka_unit_test(test_nothing_comes_to_a_closed_end),
        cmocka_unit_test(test_receiver_does_not_keep_up),
        cmocka_unit_test(test_receiver_is_gone),
        cmocka_unit_test(test_failpoints),
        cmocka_unit_test(test_ends_must_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
