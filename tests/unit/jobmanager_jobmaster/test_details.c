/* Details of a job: what is in them while it runs, after restarts and at its end; where attempts ran. */
#include "tests/unit/jobmanager_jobmaster/world.h"

#include "jobmanager/jobmaster/job_details.h"
#include "jobmanager/jobmaster/reconcile.h"
#include <stdlib.h>

enum { ALL_FLAGS = FAKE_ACKNOWLEDGES | FAKE_CANCELS };

static const struct worker_place place_a = {"tm-a", "host-a", "host-a:4001", "host-a:4001/aa"};
static const struct worker_place place_b = {"tm-b", "host-b", "host-b:4002", "host-b:4002/bb"};

static const struct job_details *details(struct world *w)
{
    const struct job_details *d = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(jobmaster_get_details(w->jm, 0, &d, &err), 0);
    return d;
}

/* Source has 2 subtasks, Count 3; slots 0 and 1 are on the first worker. */
static void start_on_two(struct world *w)
{
    world_init(w, graph_word_count());
    graph_add_config(w->graph, "my.password", "hidden");
    graph_add_config(w->graph, "my.key", "shown");
    world_set(w, "restart-strategy.type", "fixed-delay");
    world_set(w, "restart-strategy.fixed-delay.attempts", "100");
    world_set(w, "restart-strategy.fixed-delay.delay", "100 ms");
    w->places[0] = &place_a;
    w->places[1] = &place_b;
    world_add_worker(w, 2, ALL_FLAGS);
    world_add_worker(w, 2, ALL_FLAGS);
    world_start(w);
}

static void consumers_are_told_where_producers_are(void **state)
{
    struct world w;
    start_on_two(&w);
    const Flinc__GateDescriptor *g = w.workers[1].last_deploy->gates[0];
    assert_string_equal(w.workers[1].last_deploy->vertex->name, "Count");
    assert_int_equal(g->n_producer_locations, 2);
    assert_string_equal(g->producer_locations[0], "host-a:4001/aa");
    assert_string_equal(g->producer_locations[1], "host-a:4001/aa");
    /* The other has both beside it. */
    assert_string_equal(w.workers[0].last_deploy->vertex->name, "Count");
    assert_int_equal(w.workers[0].last_deploy->gates[0]->n_producer_locations, 0);
    world_fini(&w);
}

static void a_running_job_is_shown_in_full(void **state)
{
    struct world w;
    start_on_two(&w);
    const struct job_details *d = details(&w);
    assert_int_equal(d->status, JOB_STATUS_RUNNING);
    assert_true(d->status_since_ms[JOB_STATUS_INITIALIZING] > 0);
    assert_true(d->status_since_ms[JOB_STATUS_RUNNING] > 0);
    assert_int_equal(d->status_since_ms[JOB_STATUS_FAILED], 0);
    assert_string_equal(d->name, w.graph->name);
    assert_string_equal(d->restart_strategy,
                        "Restart with fixed delay (100 ms). #100 restart attempts.");
    assert_int_equal(d->n_config, 2);
    assert_string_equal(d->config[0].value, "******");
    assert_string_equal(d->config[1].value, "shown");
    assert_int_equal(d->n_vertices, 2);
    const struct vertex_details *count = &d->vertices[1];
    assert_string_equal(count->name, "Count");
    assert_false(count->is_source);
    assert_int_equal(count->n_subtasks, 3);
    assert_true(count->n_operators > 0);
    assert_int_equal(vertex_details_state(count), RUNNING);
    assert_ptr_equal(job_details_find_vertex(d, &count->id), count);
    const struct attempt_details *a = &count->subtasks[2].current;
    assert_true(a->on_worker);
    assert_string_equal(a->tm_id, "tm-b");
    assert_string_equal(a->host, "host-b");
    assert_string_equal(a->endpoint, "host-b:4002");
    assert_int_equal(a->state, RUNNING);
    assert_true(a->since_ms[DEPLOYING] > 0);
    assert_null(a->failure);
    assert_string_equal(count->subtasks[0].current.tm_id, "tm-a");
    assert_true(job_details_bytes(d) > 1000);
    /* Asks within a millisecond share one; a change ends that. */
    const struct job_details *again = details(&w);
    assert_ptr_equal(again, d);
    job_details_unref(again);
    task_say(world_task(&w, "Source", 0), FINISHED);
    world_settle(&w);
    again = details(&w);
    assert_ptr_not_equal(again, d);
    assert_int_equal(vertex_details_state(&again->vertices[0]), RUNNING);
    assert_int_equal(again->vertices[0].subtasks[0].current.state, FINISHED);
    job_details_unref(again);
    world_fini(&w);
    assert_int_equal(d->status, JOB_STATUS_RUNNING); /* it outlives its job */
    assert_string_equal(a->tm_id, "tm-b");
    job_details_unref(d);
}

static void a_lost_worker_is_one_failure(void **state)
{
    struct world w;
    start_on_two(&w);
    w.workers[0].closed = true;
    world_add_slots(&w, 1, 2);
    rpc_channel_close(w.workers[0].channel);
    world_settle(&w);
    world_advance(&w, 100);
    const struct job_details *d = details(&w);
    assert_int_equal(d->status, JOB_STATUS_RUNNING);
    assert_int_equal(d->restarts, 1);
    assert_int_equal(d->n_failures, 1);
    assert_string_equal(d->failures[0].tm_id, "tm-a");
    assert_string_equal(d->failures[0].endpoint, "host-a:4001");
    assert_int_equal(d->failures[0].n_concurrent, 3); /* four tasks were there */
    assert_string_equal(d->failures[0].concurrent_tm_ids[2], "tm-a");
    const struct subtask_details *s = &d->vertices[0].subtasks[0];
    assert_int_equal(s->n_prior, 1);
    assert_int_equal(s->prior[0].state, FAILED);
    assert_int_equal(s->prior[0].number, 0);
    assert_string_equal(s->prior[0].tm_id, "tm-a");
    assert_non_null(s->prior[0].failure);
    assert_string_equal(s->prior[0].failure->message, d->failures[0].root.error.message);
    assert_int_equal(s->current.number, 1);
    assert_string_equal(s->current.tm_id, "tm-b");
    assert_int_equal(d->vertices[1].subtasks[2].prior[0].state, CANCELED);
    job_details_unref(d);
    world_fini(&w);
}

static void prior_attempts_are_bounded(void **state)
{
    struct world w;
    start_on_two(&w);
    for (int i = 0; i < 20; i++) {
        struct error err = test_error(ERR_IO, "it broke");
        task_say_error(world_task(&w, "Source", 0), FAILED, &err);
        world_settle(&w);
        world_advance(&w, 100);
    }
    const struct job_details *d = details(&w);
    assert_int_equal(d->vertices[0].subtasks[0].n_prior, JOB_DETAILS_PRIOR_MAX);
    assert_int_equal(d->vertices[0].subtasks[0].prior[0].number, 4);
    assert_int_equal(d->vertices[0].subtasks[0].prior[15].number, 19);
    assert_int_equal(d->n_failures, 16);
    assert_true(d->failures_truncated);
    job_details_unref(d);
    world_fini(&w);
}

static void a_suspended_job_ends_at_once(void **state)
{
    struct world w;
    start_on_two(&w);
    w.workers[0].flags = w.workers[1].flags = 0; /* they do not answer any more */
    struct error why = test_error(ERR_UNAVAILABLE, "the job manager ends");
    jobmaster_suspend(w.jm, &why);
    jobmaster_suspend(w.jm, &why);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_SUSPENDED);
    assert_string_equal(w.cause.message, "the job manager ends");
    assert_int_equal(world_task(&w, "Count", 2)->n_cancels, 1);
    const struct job_details *d = details(&w);
    assert_int_equal(d->status, JOB_STATUS_SUSPENDED);
    job_details_unref(d);
    world_fini(&w);
}

static void all_workers_are_asked_when_messages_may_be_lost(void **state)
{
    struct world w;
    start_on_two(&w);
    uint32_t before = w.workers[0].n_report_requests;
    jobmaster_reconcile(w.jm);
    world_settle(&w);
    assert_int_equal(w.workers[0].n_report_requests, before + 1);
    assert_int_equal(w.workers[1].n_report_requests, before + 1);
    world_fini(&w);
}

/* At most every RECONCILE_REFRESH_MS, and never twice a worker that has not answered. */
static void readers_make_workers_report(void **state)
{
    struct world w;
    start_on_two(&w);
    uint32_t before = w.workers[0].n_report_requests;
    for (uint32_t round = 1; round <= 3; round++) {
        for (int i = 0; i < 3; i++) {
            job_details_unref(details(&w));
        }
        assert_int_equal(world_n_tasks(&w, RUNNING), 5);
        world_advance(&w, RECONCILE_REFRESH_MS);
        assert_int_equal(w.workers[0].n_report_requests, before + round);
        assert_int_equal(w.workers[1].n_report_requests, before + round);
    }
    before += 3;
    for (int i = 0; i < 3; i++) { /* nobody answers meanwhile */
        job_details_unref(details(&w));
        clock_manual_advance_ms(&w.clock, RECONCILE_REFRESH_MS);
    }
    world_settle(&w);
    assert_int_equal(w.workers[0].n_report_requests, before + 1);
    /* Nothing follows from a task that such a report does not name: that is for the other requests. */
    world_task(&w, "Count", 1)->state = FINISHED;
    job_details_unref(details(&w));
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    jobmaster_reconcile(w.jm);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    world_fini(&w);
}

/* At the end nobody is asked any more. */
static void readers_of_an_ended_job_ask_nobody(void **state)
{
    struct world w;
    start_on_two(&w);
    uint32_t before = w.workers[0].n_report_requests;
    world_all_say(&w, FINISHED);
    job_details_unref(details(&w));
    world_settle(&w);
    assert_int_equal(w.workers[0].n_report_requests, before);
    world_fini(&w);
}

static void vertices_have_the_strongest_state(void **state)
{
    struct subtask_details s[3] = {0};
    struct vertex_details v = {.subtasks = s, .n_subtasks = 3};
    assert_int_equal(vertex_details_state(&v), CREATED);
    s[0].current.state = SCHEDULED;
    assert_int_equal(vertex_details_state(&v), CREATED);
    s[1].current.state = FINISHED;
    assert_int_equal(vertex_details_state(&v), RUNNING);
    s[2].current.state = INITIALIZING;
    assert_int_equal(vertex_details_state(&v), INITIALIZING);
    s[0].current.state = s[2].current.state = FINISHED;
    assert_int_equal(vertex_details_state(&v), FINISHED);
    s[0].current.state = CANCELED;
    assert_int_equal(vertex_details_state(&v), CANCELED);
    s[1].current.state = CANCELING;
    assert_int_equal(vertex_details_state(&v), CANCELING);
    s[2].current.state = FAILED;
    assert_int_equal(vertex_details_state(&v), FAILED);
}

static int64_t gauge(struct metric_registry *r, const char *name)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO needle = STR_INIT;
    metric_registry_dump(r, &text);
    str_printf(&needle, ".%s\tgauge\t", name);
    const char *at = strstr(str_cstr(&text), str_cstr(&needle));
    if (at == NULL) {
        fail_msg("no metric %s in:\n%s", name, str_cstr(&text));
    }
    return atoll(at + needle.len);
}

static void the_job_has_metrics(void **state)
{
    struct metric_registry *r = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &r, &err), 0);
    struct metric_group *jm = metric_group_new(r, NULL, METRIC_SCOPE_JM, NULL, 0);
    struct world w;
    world_init(&w, graph_word_count());
    world_set(&w, "restart-strategy.type", "fixed-delay");
    world_set(&w, "restart-strategy.fixed-delay.delay", "100 ms");
    world_set(&w, "metrics.job.status.enable", "STATE;CURRENT_TIME;TOTAL_TIME");
    struct jobmaster_options o = world_options(&w);
    o.metrics = jm;
    assert_int_equal(jobmaster_new(&o, &w.jm, &err), 0);
    world_add_worker(&w, 3, ALL_FLAGS);
    world_start(&w);
    world_advance(&w, 500);
    assert_int_equal(gauge(r, "uptime"), 500);
    assert_int_equal(gauge(r, "runningState"), 1);
    assert_int_equal(gauge(r, "numRestarts"), 0);
    struct error why = test_error(ERR_IO, "it broke");
    task_say_error(world_task(&w, "Source", 0), FAILED, &why);
    world_settle(&w);
    clock_manual_advance_ms(&w.clock, 60);
    assert_int_equal(gauge(r, "uptime"), 0);
    assert_int_equal(gauge(r, "downtime"), 60);
    assert_int_equal(gauge(r, "restartingTime"), 60);
    assert_int_equal(gauge(r, "runningTimeTotal"), 500);
    world_advance(&w, 40);
    assert_int_equal(gauge(r, "numRestarts"), 1);
    assert_int_equal(gauge(r, "fullRestarts"), 1);
    assert_int_equal(gauge(r, "downtime"), 0);
    assert_int_equal(gauge(r, "deployingTime"), 0);
    world_all_say(&w, FINISHED);
    assert_int_equal(gauge(r, "uptime"), -1);
    world_fini(&w);
    assert_int_equal(metric_registry_len(r), 0);
    metric_group_free(jm);
    metric_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consumers_are_told_where_producers_are),
        cmocka_unit_test(readers_make_workers_report),
        cmocka_unit_test(readers_of_an_ended_job_ask_nobody),
        cmocka_unit_test(a_running_job_is_shown_in_full),
        cmocka_unit_test(a_lost_worker_is_one_failure),
        cmocka_unit_test(prior_attempts_are_bounded),
        cmocka_unit_test(a_suspended_job_ends_at_once),
        cmocka_unit_test(all_workers_are_asked_when_messages_may_be_lost),
        cmocka_unit_test(the_job_has_metrics),
        cmocka_unit_test(vertices_have_the_strongest_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
