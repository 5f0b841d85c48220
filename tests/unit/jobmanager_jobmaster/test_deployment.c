/* Deploy messages: what they say, how they are grouped, and what happens when they do not get out. */
#include "tests/unit/jobmanager_jobmaster/world.h"

static const ProtobufCBinaryData *attempt_of(struct world *w, const char *vertex, uint32_t subtask)
{
    static ProtobufCBinaryData data;
    struct fake_task *t = world_task(w, vertex, subtask);
    data = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
    return &data;
}

static void assert_same(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

static void messages_say_what_a_vertex_needs(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    graph_add_config(w.graph, "execution.buffer-timeout.interval", "7 ms");
    struct fake_worker *fw = world_add_worker(&w, 3, 0);
    world_start(&w);
    const Flinc__DeployTasks *d = fw->last_deploy; /* Count */
    assert_string_equal(d->job_name, "wordcount");
    assert_same(&d->job_id, &w.graph->job_id);
    assert_string_equal(d->vertex->name, "Count");
    assert_int_equal(d->n_config, 1);
    assert_string_equal(d->config[0]->value, "7 ms");
    assert_int_equal(d->n_results, 0);
    assert_int_equal(d->n_subtasks, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(d->subtasks[i]->subtask, i);
        assert_int_equal(d->subtasks[i]->attempt_number, 0);
        assert_int_equal(d->subtasks[i]->attempt_id.len, 16);
        assert_memory_equal(d->subtasks[i]->allocation_id.data, w.slots[i].slot.allocation_id.bytes,
                            16);
    }
    assert_int_equal(d->n_gates, 1);
    assert_int_equal(d->gates[0]->edge, 0);
    assert_same(&d->gates[0]->edge_id, &w.graph->edges[0]->id);
    assert_int_equal(d->gates[0]->partitioner->kind, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE);
    assert_int_equal(d->gates[0]->producer_parallelism, 2);
    assert_int_equal(d->gates[0]->n_producer_attempts, 2);
    assert_same(&d->gates[0]->producer_attempts[0], attempt_of(&w, "Source", 0));
    assert_same(&d->gates[0]->producer_attempts[1], attempt_of(&w, "Source", 1));
    assert_int_equal(d->gates[0]->n_producer_locations, 0); /* the consumer's worker */
    assert_string_equal(d->gates[0]->schema, TEST_SCHEMA);
    world_fini(&w);
}

static void results_name_the_consumers(void **state)
{
    static const struct vertex_spec vertices[] = {{"Source", 1, NULL, NULL},
                                                  {"Sink", 4, "s", NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, 0}};
    struct world w;
    world_init(&w, graph_new(vertices, 2, edges, 1));
    struct fake_worker *a = world_add_worker(&w, 1, 0);
    struct fake_worker *b = world_add_worker(&w, 4, 0);
    world_start(&w);
    assert_int_equal(a->n_deploys, 1);
    const Flinc__DeployTasks *d = a->last_deploy;
    assert_string_equal(d->vertex->name, "Source");
    assert_int_equal(d->n_results, 1);
    assert_int_equal(d->results[0]->consumer_parallelism, 4);
    assert_int_equal(d->results[0]->consumer_max_parallelism, 128);
    assert_int_equal(d->results[0]->partitioner->kind,
                     FLINC__PARTITIONER_KIND__PARTITION_BROADCAST);
    assert_int_equal(d->n_gates, 0);
    assert_int_equal(b->n_deploys, 1);
    assert_int_equal(b->last_deploy->n_subtasks, 4);
    world_fini(&w);
}

static void each_worker_gets_one_message_per_vertex(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    struct fake_worker *a = world_add_worker(&w, 2, FAKE_ACKNOWLEDGES);
    struct fake_worker *b = world_add_worker(&w, 1, FAKE_ACKNOWLEDGES);
    world_start(&w);
    assert_int_equal(a->n_deploys, 2);
    assert_int_equal(b->n_deploys, 1);
    assert_int_equal(a->tasks.len, 4);
    assert_int_equal(b->tasks.len, 1);
    assert_int_equal(world_task(&w, "Count", 2)->worker->number, 1);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    /* Both are told all producers, wherever these run. */
    assert_same(&b->last_deploy->gates[0]->producer_attempts[1], attempt_of(&w, "Source", 1));
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

/* A restart names new attempts of both sides. */
static void restarts_name_the_new_attempts(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_set(&w, "restart-strategy.type", "fixed-delay");
    struct fake_worker *fw = world_add_worker(&w, 3, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    task_say(world_task(&w, "Count", 1), FAILED);
    world_settle(&w);
    world_advance(&w, 1000);
    const Flinc__DeployTasks *d = fw->last_deploy;
    assert_int_equal(d->subtasks[2]->attempt_number, 1);
    struct fake_task *source = world_task(&w, "Source", 1);
    assert_int_equal(source->attempt_number, 1);
    assert_same(&d->gates[0]->producer_attempts[1], attempt_of(&w, "Source", 1));
    world_fini(&w);
}

static void fails_before_the_send(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    struct fake_worker *fw = world_add_worker(&w, 3, FAKE_CANCELS);
    assert_int_equal(failpoint_configure("jobmaster.deploy.before_send=error,nth=2", &err), 0);
    world_start(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED); /* Source was cancelled, Count never sent */
    assert_int_equal(fw->n_deploys, 1);
    assert_int_equal(fw->n_unknown_cancels, 0);
    assert_non_null(strstr(w.cause.frames, "deploying 3 subtasks of Count on worker 0"));
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_int_equal(f.n_concurrent, 2); /* the other two of the message */
    world_fini(&w);
}

static void fails_after_the_send(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    world_init(&w, graph_word_count());
    struct fake_worker *fw = world_add_worker(&w, 3, FAKE_CANCELS);
    assert_int_equal(failpoint_configure("jobmaster.deploy.after_send=error,nth=2", &err), 0);
    world_start(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_int_equal(fw->n_deploys, 2);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(world_task(&w, "Count", i)->n_cancels > 0); /* they run there: cancelled */
    }
    world_fini(&w);
}

static void a_worker_that_left_fails_the_deployment(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    w.offers = false;
    world_add_worker(&w, 1, 0);
    struct fake_worker *b = world_add_worker(&w, 2, 0);
    world_start(&w);
    world_offer(&w, 1);
    world_settle(&w);
    /* Its channel is over, but the job master has not heard of it when it deploys. */
    rpc_channel_close(b->channel);
    b->closed = true;
    world_offer(&w, 2);
    world_offer(&w, 0);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_say_what_a_vertex_needs),
        cmocka_unit_test(results_name_the_consumers),
        cmocka_unit_test(each_worker_gets_one_message_per_vertex),
        cmocka_unit_test(restarts_name_the_new_attempts),
        cmocka_unit_test(fails_before_the_send),
        cmocka_unit_test(fails_after_the_send),
        cmocka_unit_test(a_worker_that_left_fails_the_deployment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
