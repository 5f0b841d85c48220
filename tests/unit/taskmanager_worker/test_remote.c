/* Inputs that another worker produces: who is asked for them, how they end, what is counted; and job masters
 * that follow each other. */
#include "tests/unit/taskmanager_worker/test_job.h"

static const struct flinc_id own_incarnation = {{7, 7}};

/* The network of the test. */
struct remote_net {
    struct mailbox *mailbox; /* the producing side's */
    struct channel *channel; /* Owns a ref; as its producer */
    struct remote_input input;
    char location[128];
    uint32_t n_opened;
    int fail_with;
};

static int net_open(void *arg, const char *location, const struct remote_input *input,
                    struct channel **ret_channel, struct error *err)
{
    struct remote_net *n = arg;
    if (n->fail_with != 0) {
        return error_set(err, n->fail_with, "no such host");
    }
    n->n_opened++;
    n->input = *input;
    snprintf(n->location, sizeof(n->location), "%s", location);
    n->channel = channel_new();
    channel_attach_producer(n->channel, n->mailbox, &input->channel);
    *ret_channel = channel_ref(n->channel);
    return 0;
}

static void net_close(struct remote_net *n)
{
    if (n->channel != NULL) {
        channel_close_producer(n->channel);
        n->channel = channel_unref(n->channel);
    }
    mailbox_close(n->mailbox);
    mailbox_unref(n->mailbox);
}

static void open_with_net(struct test_cluster *c, struct remote_net *n)
{
    *n = (struct remote_net){.mailbox = mailbox_new(&(struct mailbox_options){.name = "net"})};
    const struct worker_options options = {
        .mode = COMPONENT_MANUAL, .incarnation = own_incarnation, .remote = {net_open, n}};
    cluster_open(c, &options);
}

/* Only the sink is deployed here; its producer is elsewhere. */
static void deploy_sink(struct test_cluster *c, struct test_counts *counts, const char *location)
{
    const struct test_config source = {.rows = 10, .batch_rows = 10};
    const struct test_config sink = {.counts = counts};
    struct job job = job_pipeline(PARTITION(FORWARD), 1, 1, &source, &sink);
    job.edges[0].location = location;
    cluster_deploy_vertex(c, &job, 1);
}

static bool sink_runs(struct test_cluster *c)
{
    return job_task_state(cluster_task(c, 1, 0)) == STATE(RUNNING);
}

static void test_input_of_another_worker(void **state)
{
    struct test_cluster c;
    struct remote_net n;
    struct test_counts counts = {0};
    uint8_t attempt[16];
    (void)state;
    open_with_net(&c, &n);
    deploy_sink(&c, &counts, "10.0.0.1:4000/0102030405060708090a0b0c0d0e0f10");
    cluster_run_until(&c, sink_runs);
    assert_int_equal(n.n_opened, 1);
    assert_string_equal(n.location, "10.0.0.1:4000/0102030405060708090a0b0c0d0e0f10");
    job_attempt_id(&(struct job_task){.vertex = 0, .subtask = 0, .attempt = c.attempt}, attempt);
    assert_memory_equal(n.input.id.producer_attempt.bytes, attempt, sizeof(attempt));
    job_attempt_id(cluster_task(&c, 1, 0), attempt);
    assert_memory_equal(n.input.consumer_attempt.bytes, attempt, sizeof(attempt));
    const struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
    channel_push(n.channel, &end);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    cluster_close(&c);
    net_close(&n);
}

static void test_own_incarnation_is_here(void **state)
{
    struct test_cluster c;
    struct remote_net n;
    struct test_counts counts = {0};
    const struct test_config source = {.rows = 10, .batch_rows = 10};
    const struct test_config sink = {.counts = &counts};
    (void)state;
    open_with_net(&c, &n);
    struct job job = job_pipeline(PARTITION(REBALANCE), 2, 2, &source, &sink);
    job.edges[0].location = "10.0.0.1:4000/07070000000000000000000000000000";
    cluster_deploy(&c, &job, JOB_SINKS_FIRST);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(FINISHED));
    assert_int_equal(n.n_opened, 0);
    assert_int_equal(counts.rows, 20);
    cluster_close(&c);
    net_close(&n);
}

static void test_connection_breaks(void **state)
{
    struct test_cluster c;
    struct remote_net n;
    struct test_counts counts = {0};
    struct error why = ERROR_INIT;
    (void)state;
    open_with_net(&c, &n);
    deploy_sink(&c, &counts, "10.0.0.1:4000/0102030405060708090a0b0c0d0e0f10");
    cluster_run_until(&c, sink_runs);
    error_set(&why, ERR_CLOSED, "reset by peer");
    n.input.on_broken(n.input.arg, &why);
    cluster_run_to_end(&c);
    const struct job_task *t = cluster_task(&c, 1, 0);
    assert_int_equal(job_task_state(t), STATE(FAILED));
    assert_int_equal(t->error.code, ERR_UNAVAILABLE);
    assert_string_equal(
        t->error.message,
        "Connection unexpectedly closed by remote task manager "
        "'10.0.0.1:4000/0102030405060708090a0b0c0d0e0f10'. This might indicate that the remote "
        "task manager was lost. (reset by peer)");
    n.input.on_broken(n.input.arg, &why); /* too late: nobody is there */
    cluster_close(&c);
    n.input.on_broken(n.input.arg, &why);
    net_close(&n);
}

static void test_cannot_open(void **state)
{
    struct test_cluster c;
    struct remote_net n;
    struct test_counts counts = {0};
    (void)state;
    open_with_net(&c, &n);
    n.fail_with = ERR_UNAVAILABLE;
    deploy_sink(&c, &counts, "10.0.0.1:4000/0102030405060708090a0b0c0d0e0f10");
    cluster_run_to_end(&c);
    const struct job_task *t = cluster_task(&c, 1, 0);
    assert_int_equal(job_task_state(t), STATE(FAILED));
    assert_string_equal(t->error.message, "no such host");
    assert_non_null(strstr(t->error.frames, "connecting to the producer at 10.0.0.1:4000/"));
    cluster_close(&c);
    net_close(&n);
}

/* ---- masters --------------------------------------------------------------------------------------- */

static bool all_run(struct test_cluster *c)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (!job_task_is_terminal(&c->tasks[i]) && job_task_state(&c->tasks[i]) != STATE(RUNNING)) {
            return false;
        }
    }
    return true;
}

static bool worker_is_idle(struct test_cluster *c)
{
    return worker_n_tasks(c->worker) == 0;
}

static void test_masters_follow_each_other(void **state)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    const struct test_config source = {.rows = -1, .batch_rows = 10};
    const struct test_config sink = {.counts = &counts};
    struct job job = job_pipeline(PARTITION(REBALANCE), 1, 1, &source, &sink);
    const struct flinc_id one = {{1}}, two = {{2}};
    (void)state;
    cluster_open(&c, NULL);
    cluster_replace_master(&c, &one);
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_until(&c, all_run);

    /* The same one by a new channel: nothing happens to its tasks. */
    cluster_replace_master(&c, &one);
    cluster_step(&c);
    assert_int_equal(worker_n_tasks(c.worker), 2);
    assert_int_equal(job_task_state(cluster_task(&c, 0, 0)), STATE(RUNNING));

    /* Another one: they end, and nobody hears of them. */
    uint32_t n_states = cluster_task(&c, 0, 0)->n_states;
    cluster_replace_master(&c, &two);
    cluster_run_until(&c, worker_is_idle);
    assert_int_equal(cluster_task(&c, 0, 0)->n_states, n_states);
    c.attempt++;
    c.n_tasks = 0;
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_until(&c, all_run);
    cluster_cancel_all(&c);
    cluster_run_to_end(&c);
    cluster_assert_all(&c, STATE(CANCELED));
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input_of_another_worker),
        cmocka_unit_test(test_own_incarnation_is_here),
        cmocka_unit_test(test_connection_breaks),
        cmocka_unit_test(test_cannot_open),
        cmocka_unit_test(test_masters_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
