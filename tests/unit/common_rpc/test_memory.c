/* The in-memory transport: interceptors, and both ends in their own threads. */
#include "rpc_fixture.h"

#include "common/loop/component.h"

struct script {
    const enum rpc_verdict *verdicts;
    size_t n, next;
};

static enum rpc_verdict script_decide(void *arg, const char *channel_name, const uint8_t *bytes,
                                      size_t size)
{
    struct script *s = arg;
    assert_string_equal(channel_name, "master");
    assert_true(size > 0 && bytes != NULL);
    return s->next < s->n ? s->verdicts[s->next++] : RPC_PASS;
}

static void connect_scripted(struct fixture *f, struct script *s)
{
    fixture_init(f, 3);
    fixture_connect(f, &(struct rpc_interceptor){.decide = script_decide, .arg = s});
}

static void test_drop_and_duplicate(void **state)
{
    const enum rpc_verdict verdicts[] = {RPC_PASS, RPC_DROP, RPC_DUPLICATE};
    struct script s = {verdicts, ARRAY_LEN(verdicts), 0};
    struct fixture f;
    connect_scripted(&f, &s);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(send_shutdown(&f, i, "x", NULL), 0);
    }
    expect_log(&f.worker, "1 x;3 x;3 x;");
    fixture_fini(&f);
}

static void test_hold_keeps_the_order(void **state)
{
    const enum rpc_verdict verdicts[] = {RPC_PASS, RPC_HOLD, RPC_PASS, RPC_PASS};
    struct script s = {verdicts, ARRAY_LEN(verdicts), 0};
    struct fixture f;
    connect_scripted(&f, &s);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(send_shutdown(&f, i, "x", NULL), 0);
    }
    expect_log(&f.worker, "1 x;");
    assert_int_equal(rpc_memory_release(f.master.channel, 1), 1);
    expect_log(&f.worker, "2 x;");
    rpc_channel_close(f.master.channel);
    expect_log(&f.worker, ""); /* the close waits behind what is held */
    assert_int_equal(rpc_memory_release(f.master.channel, 0), 2);
    expect_log(&f.worker, "3 x;4 x;closed CLOSED;");
    assert_int_equal(rpc_memory_release(f.master.channel, 0), 0);
    fixture_fini(&f);
}

static void test_release_stops_at_a_full_mailbox(void **state)
{
    const enum rpc_verdict verdicts[] = {RPC_HOLD};
    struct script s = {verdicts, ARRAY_LEN(verdicts), 0};
    struct fixture f;
    connect_scripted(&f, &s);
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(send_shutdown(&f, i, "x", NULL), 0);
    }
    assert_int_equal(rpc_memory_release(f.master.channel, 0), 3);
    expect_log(&f.worker, "1 x;2 x;3 x;");
    assert_int_equal(rpc_memory_release(f.master.channel, 0), 2);
    expect_log(&f.worker, "4 x;5 x;");
    fixture_fini(&f);
}

static void test_free_loses_what_is_held(void **state)
{
    const enum rpc_verdict verdicts[] = {RPC_HOLD};
    struct script s = {verdicts, ARRAY_LEN(verdicts), 0};
    struct fixture f;
    connect_scripted(&f, &s);
    assert_int_equal(send_shutdown(&f, 1, "x", NULL), 0);
    f.master.channel = rpc_channel_free(f.master.channel);
    expect_log(&f.worker, "closed CLOSED;");
    fixture_fini(&f);
}

static void test_verdict_names(void **state)
{
    assert_string_equal(rpc_verdict_name(RPC_HOLD), "hold");
    assert_string_equal(rpc_verdict_name((enum rpc_verdict)50), "unknown");
}

/* ---- threads ---------------------------------------------------------------------------------- */

enum { ROUNDS = 2000 };

/* A master and a worker component; each shutdown is answered by a done. */
struct party {
    struct component *component;
    struct rpc_channel *channel;
    int received;
    bool saw_close;
    struct event_count finished_event;
    _Atomic bool finished;
};

static void party_send(struct party *p, uint32_t version)
{
    Flinc__Shutdown shutdown = FLINC__SHUTDOWN__INIT;
    Flinc__MasterToWorker m = FLINC__MASTER_TO_WORKER__INIT;
    m.version = version;
    m.body_case = FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN;
    m.shutdown = &shutdown;
    assert_int_equal(rpc_channel_send(p->channel, &m.base, NULL), 0);
}

static void party_begin(void *owner, void *payload)
{
    party_send(owner, 1);
}

static void party_finish(struct party *p)
{
    atomic_store(&p->finished, true);
    event_count_signal(&p->finished_event);
}

static void party_master_on_message(void *target, ProtobufCMessage *message)
{
    struct party *p = target;
    rpc_message_free(message);
    p->received++;
    if (p->received < ROUNDS) {
        party_send(p, (uint32_t)p->received + 1);
    } else {
        rpc_channel_close(p->channel);
        party_finish(p);
    }
}

static void party_worker_on_message(void *target, ProtobufCMessage *message)
{
    struct party *p = target;
    p->received++;
    assert_int_equal(((Flinc__MasterToWorker *)message)->version, p->received);
    rpc_message_free(message);
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    assert_int_equal(rpc_channel_send(p->channel, &m.base, NULL), 0);
}

static void party_on_closed(void *target, const struct error *why)
{
    struct party *p = target;
    p->saw_close = true;
    party_finish(p);
}

static void party_wait(struct party *p)
{
    while (!atomic_load(&p->finished)) {
        uint32_t ticket = event_count_prepare(&p->finished_event);
        if (atomic_load(&p->finished)) {
            event_count_cancel(&p->finished_event);
            break;
        }
        event_count_wait(&p->finished_event, ticket, -1);
    }
}

static void test_two_components(void **state)
{
    struct party master = {.received = 0}, worker = {.received = 0};
    master.component =
        component_new(&(struct component_options){.name = "master", .owner = &master});
    worker.component =
        component_new(&(struct component_options){.name = "worker", .owner = &worker});
    struct rpc_end_options m = {.name = "master",
                                .sends = &flinc__master_to_worker__descriptor,
                                .receives = &flinc__worker_to_master__descriptor,
                                .mailbox = component_mailbox(master.component),
                                .on_message = party_master_on_message,
                                .on_closed = party_on_closed,
                                .target = &master};
    struct rpc_end_options w = {.name = "worker",
                                .sends = &flinc__worker_to_master__descriptor,
                                .receives = &flinc__master_to_worker__descriptor,
                                .mailbox = component_mailbox(worker.component),
                                .on_message = party_worker_on_message,
                                .on_closed = party_on_closed,
                                .target = &worker};
    assert_int_equal(rpc_memory_pair(&m, &w, NULL, &master.channel, &worker.channel, NULL), 0);
    assert_int_equal(component_start(master.component, NULL), 0);
    assert_int_equal(component_start(worker.component, NULL), 0);
    assert_int_equal(
        component_post(master.component, MAILBOX_LANE_DATA, 0, party_begin, NULL, NULL), 0);
    party_wait(&master);
    party_wait(&worker);
    component_stop(master.component);
    component_stop(worker.component);
    assert_int_equal(master.received, ROUNDS);
    assert_int_equal(worker.received, ROUNDS);
    assert_false(master.saw_close);
    assert_true(worker.saw_close);
    rpc_channel_free(master.channel);
    rpc_channel_free(worker.channel);
    component_free(master.component);
    component_free(worker.component);
}

/* Both sides close at the same time, over and over, with messages on the way. */
static void *close_main(void *arg)
{
    rpc_channel_free(arg);
    return NULL;
}

static void test_both_close_at_once(void **state)
{
    for (int i = 0; i < 300; i++) {
        struct fixture f;
        fixture_init(&f, 0);
        fixture_connect(&f, NULL);
        assert_int_equal(send_shutdown(&f, 1, "x", NULL), 0);
        pthread_t t;
        assert_int_equal(thread_start(&t, "closer", close_main, STEAL(f.worker.channel), NULL), 0);
        struct error err = ERROR_INIT;
        int rc = send_shutdown(&f, 2, "y", &err);
        assert_true(rc == 0 || rc == ERR_CLOSED);
        f.master.channel = rpc_channel_free(f.master.channel);
        thread_join(t);
        mailbox_run(f.worker.mailbox, SIZE_MAX);
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_and_duplicate),
        cmocka_unit_test(test_hold_keeps_the_order),
        cmocka_unit_test(test_release_stops_at_a_full_mailbox),
        cmocka_unit_test(test_free_loses_what_is_held),
        cmocka_unit_test(test_verdict_names),
        cmocka_unit_test(test_two_components),
        cmocka_unit_test(test_both_close_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
