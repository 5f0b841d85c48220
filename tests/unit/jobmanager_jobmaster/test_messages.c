/* What workers say: late, twice, out of order, of attempts that are gone, with a wrong token, garbage. */
#include "tests/unit/jobmanager_jobmaster/world.h"

static struct jobmaster_stats stats(struct world *w)
{
    struct jobmaster_stats s;
    jobmaster_get_stats(w->jm, &s);
    return s;
}

static void open_world(struct world *w, unsigned flags, const char *delay)
{
    world_init(w, graph_word_count());
    if (delay != NULL) {
        world_set(w, "restart-strategy.type", "fixed-delay");
        world_set(w, "restart-strategy.fixed-delay.attempts", "100");
        world_set(w, "restart-strategy.fixed-delay.delay", delay);
    }
    world_add_worker(w, 3, flags);
    world_start(w);
}

/* ---- states ----------------------------------------------------------------------------------- */

static void states_only_move_forward(void **state)
{
    struct world w;
    open_world(&w, 0, NULL);
    struct fake_task *t = world_task(&w, "Source", 0);
    task_say(t, RUNNING); /* INITIALIZING got lost */
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 1);
    task_say(t, INITIALIZING); /* and comes late */
    task_say(t, DEPLOYING);
    task_say(t, SCHEDULED);
    task_say(t, RUNNING);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 1);
    task_say(world_task(&w, "Source", 1), FINISHED); /* all before got lost */
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, FINISHED), 1);
    world_fini(&w);
}

static void terminal_states_are_final(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES, NULL);
    struct fake_task *t = world_task(&w, "Source", 0);
    struct fake_worker *fw = &w.workers[0];
    struct error err = test_error(ERR_IO, "too late");
    task_say(t, FINISHED);
    task_say(t, FINISHED);
    task_say_error(t, FAILED, &err);
    task_say(t, CANCELED);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, FINISHED), 1);
    assert_int_equal(world_status(&w), JOB_STATUS_RUNNING);
    assert_int_equal(stats(&w).updates_stale, 3);
    assert_int_equal(fw->n_cancels, 0);
    t->state = FINISHED;
    task_say(t, RUNNING); /* runs although it has ended: must not */
    world_settle(&w);
    assert_int_equal(t->n_cancels, 1);
    world_fini(&w);
}

static void old_attempts_change_nothing(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS, "0 ms");
    struct fake_task *old = world_task(&w, "Source", 0);
    task_say(old, FAILED);
    world_settle(&w);
    world_advance(&w, 0);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_ptr_not_equal(world_task(&w, "Source", 0), old);
    task_say(old, FAILED);
    task_say(old, FINISHED);
    task_say(old, CANCELED);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(old->n_cancels, 0); /* it says itself that it is over */
    task_say(old, RUNNING);              /* a zombie */
    world_settle(&w);
    assert_int_equal(old->n_cancels, 1);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

static void unknown_attempts_are_cancelled(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES, NULL);
    struct fake_task stranger = {.worker = &w.workers[0]};
    memset(stranger.id.bytes, 9, sizeof(stranger.id.bytes));
    task_say(&stranger, CANCELED);
    world_settle(&w);
    assert_int_equal(w.workers[0].n_unknown_cancels, 0);
    task_say(&stranger, INITIALIZING);
    world_settle(&w);
    assert_int_equal(w.workers[0].n_unknown_cancels, 1);
    assert_int_equal(stats(&w).updates_stale, 2);
    world_fini(&w);
}

/* An attempt of one worker is none of another's business. */
static void other_workers_cannot_speak_for_it(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_add_worker(&w, 3, FAKE_ACKNOWLEDGES);
    struct fake_worker *other = world_add_worker(&w, 0, 0);
    world_start(&w);
    struct fake_task forged = *world_task(&w, "Source", 0);
    forged.worker = other;
    other->token = w.workers[0].token;
    task_say(&forged, FINISHED);
    task_say(&forged, FAILED);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(stats(&w).updates_stale, 2);
    world_fini(&w);
}

static void unasked_cancellation_is_a_failure(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS, "1 s");
    task_say(world_task(&w, "Count", 0), CANCELED);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "without being asked"));
    world_fini(&w);
}

static void failures_without_a_reason_say_so(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS, NULL);
    task_say_error(world_task(&w, "Count", 0), FAILED, NULL);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_non_null(strstr(w.cause.message, "without saying why"));
    world_fini(&w);
}

static void an_update_that_cannot_be_applied_fails_its_task(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS, "1 s");
    assert_int_equal(failpoint_configure("jobmaster.state_update.before_apply=error,nth=1", &err),
                     0);
    task_say(world_task(&w, "Count", 0), FINISHED);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, FAILED), 1);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    world_fini(&w);
}

/* ---- deployments refused ---------------------------------------------------------------------- */

static void refuse(struct world *w, const char *vertex, uint32_t n, const struct error *err)
{
    Flinc__DeployRefused refused = FLINC__DEPLOY_REFUSED__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__ErrorInfo info;
    ProtobufCBinaryData ids[8];
    for (uint32_t i = 0; i < n; i++) {
        struct fake_task *t = world_task(w, vertex, i);
        ids[i] = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
        t->state = FAILED;
    }
    refused.attempt_ids = ids;
    refused.n_attempt_ids = n;
    if (err != NULL) {
        fill_error(&info, err);
        refused.error = &info;
    }
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_REFUSED;
    m.refused = &refused;
    worker_say(&w->workers[0], &m);
    world_settle(w);
}

static void refused_deployments_fail_their_tasks(void **state)
{
    struct world w;
    open_world(&w, FAKE_CANCELS, "1 s");
    struct error err = test_error(ERR_OUT_OF_MEMORY, "no memory for threads");
    refuse(&w, "Count", 3, &err);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, FAILED), 3);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_int_equal(f.n_concurrent, 2);
    assert_string_equal(f.error.frames, "deploying on worker 0\n");
    world_advance(&w, 1000);
    err = test_error(ERR_UNSUPPORTED, "the bundle has ABI version 9");
    refuse(&w, "Count", 1, &err);
    world_assert_ended(&w, JOB_STATUS_FAILED); /* trying again does not heal that */
    world_fini(&w);
}

/* ---- fencing, garbage ------------------------------------------------------------------------- */

static void wrong_tokens_are_dropped(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES, NULL);
    struct fake_worker *fw = &w.workers[0];
    uint8_t wrong[17] = {0};
    for (size_t len = 0; len < sizeof(wrong); len++) {
        Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
        Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
        struct fake_task *t = world_task(&w, "Count", 0);
        struct error err = ERROR_INIT;
        update.attempt_id = (ProtobufCBinaryData){sizeof(t->id.bytes), t->id.bytes};
        update.state = FAILED;
        m.version = 1;
        m.fencing_token = (ProtobufCBinaryData){len, wrong};
        m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
        m.state = &update;
        assert_int_equal(rpc_channel_send(fw->channel, &m.base, &err), 0);
    }
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(stats(&w).messages_fenced, sizeof(wrong));
    assert_int_equal(stats(&w).updates_stale, 0);
    world_fini(&w);
}

static void garbage_is_counted_and_ignored(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES, NULL);
    struct fake_worker *fw = &w.workers[0];
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    worker_say(fw, &m); /* no body */
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    uint8_t id[16] = {0};
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
    m.state = &update;
    worker_say(fw, &m); /* no attempt id */
    update.attempt_id = (ProtobufCBinaryData){15, id};
    worker_say(fw, &m); /* a short one */
    update.attempt_id = world_task(&w, "Count", 0)->id.bytes[0] == 0
                            ? (ProtobufCBinaryData){16, id}
                            : (ProtobufCBinaryData){16, world_task(&w, "Count", 0)->id.bytes};
    update.state = (Flinc__ExecutionState)99;
    worker_say(fw, &m); /* a state of the future */
    update.state = (Flinc__ExecutionState)-1;
    worker_say(fw, &m);
    world_settle(&w);
    assert_int_equal(stats(&w).messages_malformed, 5);
    m.version = 2;
    update.state = FAILED;
    m.fencing_token = (ProtobufCBinaryData){sizeof(fw->token.bytes), fw->token.bytes};
    struct error err = ERROR_INIT;
    assert_int_equal(rpc_channel_send(fw->channel, &m.base, &err), 0); /* a newer version */
    world_settle(&w);
    assert_int_equal(stats(&w).messages_malformed, 6);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    Flinc__ShutdownDone done = FLINC__SHUTDOWN_DONE__INIT;
    Flinc__WorkerToMaster d = FLINC__WORKER_TO_MASTER__INIT;
    d.body_case = FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE;
    d.shutdown_done = &done;
    worker_say(fw, &d);
    world_settle(&w);
    assert_int_equal(stats(&w).messages_malformed, 6);
    world_fini(&w);
}

/* ---- reports ---------------------------------------------------------------------------------- */

static void say_counts(struct fake_task *t, bool terminal, uint64_t records, int64_t lines)
{
    Flinc__TaskIoMetrics metrics = FLINC__TASK_IO_METRICS__INIT;
    Flinc__Accumulator a = FLINC__ACCUMULATOR__INIT;
    Flinc__Accumulator *as[] = {&a};
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    metrics.records_out = records;
    metrics.bytes_out = records * 10;
    a.name = "lines";
    a.type = "LongCounter";
    a.long_value = lines;
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    Flinc__TaskReport report = FLINC__TASK_REPORT__INIT;
    Flinc__TaskReportEntry entry = FLINC__TASK_REPORT_ENTRY__INIT;
    Flinc__TaskReportEntry *entries[] = {&entry};
    ProtobufCBinaryData id = {sizeof(t->id.bytes), t->id.bytes};
    if (terminal) {
        update.attempt_id = id;
        update.state = t->state = FINISHED;
        update.metrics = &metrics;
        update.accumulators = as;
        update.n_accumulators = 1;
        m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
        m.state = &update;
    } else {
        entry.attempt_id = id;
        entry.state = t->state;
        entry.metrics = &metrics;
        entry.accumulators = as;
        entry.n_accumulators = 1;
        report.tasks = entries;
        report.n_tasks = 1;
        m.body_case = FLINC__WORKER_TO_MASTER__BODY_REPORT;
        m.report = &report;
    }
    worker_say(t->worker, &m);
}

static void take_sum(void *arg, const Flinc__Accumulator *sum)
{
    assert_string_equal(sum->name, "lines");
    *(int64_t *)arg = sum->long_value;
}

static int64_t sum_of_lines(struct world *w)
{
    int64_t sum = -1;
    world_settle(w);
    jobmaster_each_accumulator(w->jm, take_sum, &sum);
    return sum;
}

static uint64_t source_records(struct world *w)
{
    struct job_progress p;
    jobmaster_get_progress(w->jm, &p);
    assert_int_equal(p.source_bytes, p.source_records * 10);
    return p.source_records;
}

static void reports_make_progress(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES | FAKE_CANCELS, "0 ms");
    assert_int_equal(sum_of_lines(&w), -1);
    struct fake_task *s0 = world_task(&w, "Source", 0);
    say_counts(s0, false, 100, 7);
    say_counts(world_task(&w, "Source", 1), false, 50, 3);
    say_counts(world_task(&w, "Count", 1), false, 1000, 0); /* no source */
    assert_int_equal(sum_of_lines(&w), 10);
    assert_int_equal(source_records(&w), 150);
    say_counts(s0, false, 110, 8);
    assert_int_equal(sum_of_lines(&w), 11);
    assert_int_equal(source_records(&w), 160);
    say_counts(s0, true, 200, 20); /* the end of the task is final ... */
    say_counts(s0, false, 111, 9); /* ... whatever was on its way */
    assert_int_equal(sum_of_lines(&w), 23);
    assert_int_equal(source_records(&w), 250);
    task_say(world_task(&w, "Count", 0), FAILED);
    world_settle(&w);
    world_advance(&w, 0); /* new attempts begin at nothing */
    assert_int_equal(source_records(&w), 0);
    assert_int_equal(sum_of_lines(&w), -1);
    say_counts(s0, false, 999, 999); /* the old attempt */
    assert_int_equal(sum_of_lines(&w), -1);
    world_fini(&w);
}

/* ---- lost workers ----------------------------------------------------------------------------- */

static void a_dead_worker_fails_its_tasks(void **state)
{
    struct world w;
    world_init(&w, graph_word_count());
    world_set(&w, "restart-strategy.type", "fixed-delay");
    world_set(&w, "restart-strategy.fixed-delay.delay", "1 s");
    world_add_worker(&w, 2, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_add_worker(&w, 4, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    world_start(&w);
    worker_die(&w.workers[0]);
    world_settle(&w);
    assert_int_equal(world_status(&w), JOB_STATUS_RESTARTING);
    assert_int_equal(world_n_tasks(&w, FAILED), 4);
    assert_int_equal(world_n_tasks(&w, CANCELED), 1);
    assert_int_equal(w.n_released, 2); /* and others asked for instead */
    assert_int_equal(world_slots_with_job(&w), 3);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "connection to worker 0 was lost"));
    assert_int_equal(f.n_concurrent, 3);
    world_advance(&w, 1000);
    assert_int_equal(world_n_tasks(&w, RUNNING), 5);
    assert_int_equal(world_task(&w, "Source", 0)->worker->number, 1);
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    world_fini(&w);
}

static void a_dead_worker_ends_a_cancellation(void **state)
{
    struct world w;
    open_world(&w, FAKE_ACKNOWLEDGES, NULL);
    jobmaster_cancel(w.jm);
    world_settle(&w);
    assert_int_equal(world_n_tasks(&w, CANCELING), 5);
    worker_die(&w.workers[0]);
    world_settle(&w);
    world_assert_ended(&w, JOB_STATUS_CANCELED);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_only_move_forward),
        cmocka_unit_test(terminal_states_are_final),
        cmocka_unit_test(old_attempts_change_nothing),
        cmocka_unit_test(unknown_attempts_are_cancelled),
        cmocka_unit_test(other_workers_cannot_speak_for_it),
        cmocka_unit_test(unasked_cancellation_is_a_failure),
        cmocka_unit_test(failures_without_a_reason_say_so),
        cmocka_unit_test(an_update_that_cannot_be_applied_fails_its_task),
        cmocka_unit_test(refused_deployments_fail_their_tasks),
        cmocka_unit_test(wrong_tokens_are_dropped),
        cmocka_unit_test(garbage_is_counted_and_ignored),
        cmocka_unit_test(reports_make_progress),
        cmocka_unit_test(a_dead_worker_fails_its_tasks),
        cmocka_unit_test(a_dead_worker_ends_a_cancellation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
