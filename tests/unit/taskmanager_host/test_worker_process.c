/* The real worker process under its host: a job runs, and every way in which a worker ends is told well. */
#include "common/base/log.h"
#include "tests/unit/taskmanager_host/host_fixture.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>

static const struct worker_budget roomy = {2, 256u << 20, 256u << 20, 64u << 20};

static void assert_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, text);
    }
}

/* Starts the job and waits for its end; the worker is stopped afterwards. */
static void run_job(struct fixture *f, struct job_run *r, const char *mode, const char *n)
{
    run_build(f, r, mode, n);
    r->budget = roomy;
    fixture_start_host(f, NULL);
    run_start(r);
}

static void stop_worker(struct fixture *f, struct job_run *r)
{
    if (worker_host_n_jobs(f->host) > 0) {
        worker_host_stop_job(f->host, &r->job_id, "its last slot was freed");
        fixture_until(f, fixture_is_gone, f);
        assert_int_equal(f->why.code, ERR_CLOSED);
        assert_text(f->why.message, "was stopped: its last slot was freed");
    }
    assert_int_equal(worker_host_n_jobs(f->host), 0);
}

static void test_job_runs(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_job(f, &r, "count", "100000");
    run_wait(&r);
    if (r.status != JOB_STATUS_FINISHED) {
        fail_msg("%s", r.cause.message);
    }
    assert_int_equal(run_accumulator(&r, "rows"), 100000);
    run_free(&r);
    f->run = &r;
    stop_worker(f, &r);
    f->run = NULL;
    struct worker_host_counters c;
    worker_host_get_counters(f->host, &c);
    assert_int_equal(c.n_started, 1);
    assert_int_equal(c.n_crashed, 0);
    assert_int_equal(c.n_blobs_fetched, 1);
    assert_int_equal(c.n_blobs_failed, 0);
}

static bool task_runs(void *arg)
{
    struct job_run *r = arg;
    struct job_progress p;
    jobmaster_get_progress(r->master, &p);
    uint32_t running = p.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING];
    uint32_t finished = p.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_FINISHED];
    return running >= 2 && running + finished == 4; /* the sources may be done */
}

/* Progress is not told to the component: it is asked for. */
static void until_running(struct fixture *f, struct job_run *r)
{
    for (int i = 0; i < 6000 && !task_runs(r); i++) {
        (void)component_run_until_idle(f->component, 0);
        (void)poll(NULL, 0, 10);
    }
    assert_true(task_runs(r));
}

/* Producers and consumers in two processes: the same rows arrive, by way of the data ports. */
static void test_job_over_two_workers(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_build(f, &r, "count", "500000");
    r.budget = roomy;
    fixture_start_host(f, NULL);
    fixture_start_host(f, NULL);
    run_start(&r);
    run_wait(&r);
    if (r.status != JOB_STATUS_FINISHED) {
        fail_msg("%s", r.cause.message);
    }
    assert_int_equal(run_accumulator(&r, "rows"), 500000);
    uint64_t n_connections = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct worker_host_counters c;
        worker_host_get_counters(f->hosts[i].host, &c);
        assert_int_equal(c.n_started, 1);
        assert_int_equal(c.n_data_refused, 0);
        n_connections += c.n_data_connections;
    }
    assert_int_equal(n_connections, 2); /* one from each to the other */
    run_free(&r);
}

/* The other worker dies: the consumers say which one was lost, the job fails. */
static void test_other_worker_is_killed(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_build(f, &r, "slow", "100000000");
    r.budget = roomy;
    fixture_start_host(f, NULL);
    fixture_start_host(f, NULL);
    run_start(&r);
    until_running(f, &r);
    worker_host_kill_job(f->hosts[1].host, &r.job_id, "test");
    run_wait(&r);
    assert_int_equal(r.status, JOB_STATUS_FAILED);
    run_free(&r);
}

/* The job fails (no restart strategy) and names the cause. */
static void run_to_failure(struct fixture *f, struct job_run *r, const char *mode)
{
    run_job(f, r, mode, "1000");
    run_wait(r);
    assert_int_equal(r->status, JOB_STATUS_FAILED);
    fixture_until(f, fixture_is_gone, f);
}

static void test_null_dereference(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_to_failure(f, &r, "segv");
    assert_text(f->why.message, "The worker process of job 'behaviour' (pid ");
#ifndef __SANITIZE_ADDRESS__
    assert_text(f->why.message, "ended by signal SIGSEGV (invalid memory access)");
#endif
    assert_text(f->why.message, "Flinc crashed: SIGSEGV (invalid memory access) at address 0x8");
    assert_text(f->why.message, "operator: Map");
    assert_text(f->why.message, "native stack:");
    assert_text(f->why.message, ".so(");
    assert_text(r.cause.message, "SIGSEGV");
    run_free(&r);
}

static void test_abort(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_to_failure(f, &r, "abort");
    assert_text(f->why.message, "SIGABRT (aborted)");
    run_free(&r);
}

static void test_exit_is_called(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_to_failure(f, &r, "exit");
    assert_text(f->why.message, "ended with exit status 5");
    assert_text(f->why.message, "has called exit()");
    assert_text(f->why.message, "operator: Map");
    run_free(&r);
}

static void test_memory_of_user_code(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_build(f, &r, "eat", "1000");
    r.budget = (struct worker_budget){1, 64u << 20, 64u << 20, 64u << 20};
    fixture_start_host(f, NULL);
    run_start(&r);
    run_wait(&r);
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(r.status, JOB_STATUS_FAILED);
    assert_int_equal(f->why.code, ERR_OUT_OF_MEMORY);
    assert_text(f->why.message, "taskmanager.memory.task.heap.size");
    assert_text(f->why.message, "its budget is 192 MB");
    run_free(&r);
}

static void test_killed_from_outside(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_job(f, &r, "slow", "100000");
    until_running(f, &r);
    pid_t pid = fixture_worker_pid(f);
    assert_true(pid > 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    run_wait(&r);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "was killed (SIGKILL) by something outside of Flinc");
    assert_text(f->why.message, "Lower taskmanager.memory.process.size");
    assert_int_equal(kill(pid, 0), -1);
    run_free(&r);
}

static void test_stopped_worker_is_killed(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_job(f, &r, "slow", "100000");
    until_running(f, &r);
    pid_t pid = fixture_worker_pid(f);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    worker_host_kill_job(f->host, &r.job_id, "its task manager gave it up");
    run_wait(&r);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "its task manager gave it up");
    assert_int_equal(kill(pid, 0), -1);
    run_free(&r);
}

static void test_frozen_and_thawed(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_job(f, &r, "slow", "100000");
    until_running(f, &r);
    pid_t pid = fixture_worker_pid(f);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    jobmaster_cancel(r.master);
    for (int i = 0; i < 20; i++) { /* what is sent meanwhile waits in the socket */
        (void)component_run_until_idle(f->component, 0);
        (void)poll(NULL, 0, 5);
    }
    assert_false(r.ended);
    assert_int_equal(kill(pid, SIGCONT), 0);
    run_wait(&r);
    assert_int_equal(r.status, JOB_STATUS_CANCELED);
    run_free(&r);
    f->run = &r;
    stop_worker(f, &r);
    f->run = NULL;
}

static void test_task_that_stays(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    assert_int_equal(conf_set(&f->conf, "task.cancellation.timeout", "300 ms", NULL), 0);
    assert_int_equal(conf_set(&f->conf, "task.cancellation.interval", "100 ms", NULL), 0);
    run_job(f, &r, "hang", "1000");
    until_running(f, &r);
    jobmaster_cancel(r.master);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "did not end within");
    assert_text(f->why.message, "task.cancellation.timeout");
    run_wait(&r);
    run_free(&r);
}

static void test_stop_with_tasks(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    run_job(f, &r, "slow", "100000");
    until_running(f, &r);
    worker_host_stop_job(f->host, &r.job_id, "test");
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->why.code, ERR_CLOSED);
    run_free(&r);
}

static void test_damaged_blob(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    f->damage_blobs = true;
    run_job(f, &r, "count", "10");
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->why.code, ERR_CORRUPT);
    assert_text(f->why.message, "does not have the hash");
    assert_int_equal(worker_host_n_jobs(f->host), 0);
    run_free(&r);
}

/* The blob arrives whole, but is no library. */
static void test_bundle_does_not_load(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    char path[128];
    run_build(f, &r, "count", "10");
    (void)snprintf(path, sizeof(path), "%s/none.so", f->dir);
    FILE *file = fopen(path, "we");
    (void)fputs("this is no library, though its name says so", file);
    (void)fclose(file);
    (void)snprintf(f->bundle, sizeof(f->bundle), "%s", path);
    run_hash_blob(&r);
    fixture_start_host(f, NULL);
    r.budget = roomy;
    run_start(&r);
    run_wait(&r);
    assert_int_equal(r.status, JOB_STATUS_FAILED);
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    assert_text(r.cause.message, "is not a shared object");
    assert_text(error_format(&r.cause, text, sizeof(text)), "of the job");
    assert_int_equal(f->n_gone, 0); /* the deployment is refused, the worker lives */
    run_free(&r);
}

/* ---- questions ----------------------------------------------------------------------------------- */

struct asked {
    Flinc__QueryAnswer *answer;
};

static void on_answer(void *arg, Flinc__QueryAnswer *take_answer)
{
    ((struct asked *)arg)->answer = take_answer;
}

static bool is_answered(void *arg)
{
    return ((struct asked *)arg)->answer != NULL;
}

static void test_questions(void **state)
{
    struct fixture *f = *state;
    struct job_run r;
    struct asked asked = {NULL};
    run_job(f, &r, "slow", "100000");
    until_running(f, &r);

    Flinc__Query query = FLINC__QUERY__INIT;
    Flinc__ThreadDumpRequest dump = FLINC__THREAD_DUMP_REQUEST__INIT;
    query.query_id = 77;
    query.body_case = FLINC__QUERY__BODY_THREAD_DUMP;
    query.thread_dump = &dump;
    worker_host_query(f->host, &query, 10000, on_answer, &asked);
    fixture_until(f, is_answered, &asked);
    assert_int_equal(asked.answer->query_id, 77);
    bool found = false;
    for (size_t i = 0; i < asked.answer->thread_dump->n_threads; i++) {
        const Flinc__ThreadInfo *t = asked.answer->thread_dump->threads[i];
        found = found || (strstr(t->name, "Map") != NULL && strstr(t->text, "\tat ") != NULL &&
                          strncmp(t->name, "worker ", 7) == 0);
    }
    assert_true(found);
    rpc_message_free(&asked.answer->base);
    asked.answer = NULL;

    Flinc__MetricsRequest metrics = FLINC__METRICS_REQUEST__INIT;
    query.body_case = FLINC__QUERY__BODY_METRICS;
    query.metrics = &metrics;
    worker_host_query(f->host, &query, 10000, on_answer, &asked);
    fixture_until(f, is_answered, &asked);
    size_t n_tasks = 0, n_own = 0;
    for (size_t i = 0; i < asked.answer->metrics->n_groups; i++) {
        const Flinc__MetricGroupDump *g = asked.answer->metrics->groups[i];
        if (g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK) {
            assert_int_equal(g->vertex_id.len, 16);
            assert_memory_equal(g->job_id.data, r.job_id.bytes, 16);
            assert_int_equal(strncmp(g->logical_scope, "taskmanager.job.task", 20), 0);
            assert_string_equal(g->variables[0]->name, "task_id");
            assert_true(g->n_variables >= 9);
            for (size_t k = 0; k < g->n_samples; k++) {
                assert_true(g->name_prefix < strlen(g->samples[k]->name));
                assert_true(g->name_prefix == 0 || g->samples[k]->name[g->name_prefix - 1] == '.');
            }
            n_tasks++;
        }
        n_own += g->scope == FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER;
    }
    assert_true(n_own > 0); /* the process's */
    assert_true(n_tasks >= 4);
    rpc_message_free(&asked.answer->base);
    asked.answer = NULL;

    /* A stopped process does not answer: what there is comes in time. */
    pid_t pid = fixture_worker_pid(f);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    worker_host_query(f->host, &query, 50, on_answer, &asked);
    fixture_until(f, is_answered, &asked);
    assert_int_equal(asked.answer->metrics->n_groups, 0);
    rpc_message_free(&asked.answer->base);
    worker_host_kill_job(f->host, &r.job_id, "test");
    run_wait(&r);
    run_free(&r);
}

#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_job_runs),
        HOST_TEST(test_job_over_two_workers),
        HOST_TEST(test_other_worker_is_killed),
        HOST_TEST(test_null_dereference),
        HOST_TEST(test_abort),
        HOST_TEST(test_exit_is_called),
        HOST_TEST(test_memory_of_user_code),
        HOST_TEST(test_killed_from_outside),
        HOST_TEST(test_stopped_worker_is_killed),
        HOST_TEST(test_frozen_and_thawed),
        HOST_TEST(test_task_that_stays),
        HOST_TEST(test_stop_with_tasks),
        HOST_TEST(test_damaged_blob),
        HOST_TEST(test_bundle_does_not_load),
        HOST_TEST(test_questions),
    };
    log_set_level(LOG_LEVEL_OFF); /* crashes and kills are loud */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
