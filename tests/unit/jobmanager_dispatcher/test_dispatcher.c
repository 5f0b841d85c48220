/* The dispatcher: submissions, duplicates, cancellation, failures, what is kept of jobs, shutdown. */
#include "tests/unit/jobmanager_dispatcher/dispatcher_world.h"

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    world_fini(w);
    mem_free(w);
    return 0;
}

static void submit_ok(struct world *w, uint8_t number, const char *name)
{
    struct error err = ERROR_INIT;
    if (world_submit(w, job_graph(number, name), &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void test_runs_and_finishes(void **state)
{
    struct world *w = *state;
    struct flinc_id id = job_id(1);
    struct job_overviews all = {.items = NULL};
    struct job_counts counts;
    struct error err = ERROR_INIT;
    const struct job_details *details = NULL;
    enum job_status status;
    world_start(w);
    uint64_t version = dispatcher_version(w->d);
    submit_ok(w, 1, "one");
    assert_true(dispatcher_version(w->d) > version);
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    version = dispatcher_version(w->d);
    dispatcher_get_overviews(w->d, &all);
    assert_int_equal(all.n, 1);
    assert_string_equal(all.items[0].name, "one");
    assert_int_equal(all.items[0].status, JOB_STATUS_RUNNING);
    assert_int_equal(all.items[0].tasks_total, 2);
    assert_true(all.items[0].start_ms > 0);
    assert_int_equal(all.items[0].end_ms, 0);
    assert_int_equal(dispatcher_version(w->d), version); /* nothing happens */
    dispatcher_get_counts(w->d, &counts);
    assert_int_equal(counts.running, 1);
    assert_int_equal(dispatcher_get_details(w->d, &id, 10000, &details, &err), 0);
    assert_string_equal(details->name, "one");
    assert_int_equal(details->n_vertices, 2);
    job_details_unref(details);
    assert_int_equal(dispatcher_wait_ended(w->d, &id, 0, &status, &err), ERR_TIMEOUT);
    task_say(world_task(w, 0, 0), FINISHED);
    task_say(world_task(w, 0, 1), FINISHED);
    WORLD_UNTIL(w, world_status(w, 1) == JOB_STATUS_FINISHED);
    assert_int_equal(dispatcher_wait_ended(w->d, &id, 0, &status, &err), 0);
    assert_int_equal(status, JOB_STATUS_FINISHED);
    assert_int_equal(dispatcher_get_details(w->d, &id, 10000, &details, &err), 0);
    assert_int_equal(details->status, JOB_STATUS_FINISHED);
    job_details_unref(details);
    WORLD_UNTIL(w, w->rm.n_removed == 1 && world_in_store(w, 1));
    assert_int_equal(dispatcher_get_details(w->d, &id, 10000, &details, &err), 0);
    assert_int_equal(details->status, JOB_STATUS_FINISHED);
    job_details_unref(details);
    dispatcher_get_overviews(w->d, &all);
    assert_int_equal(all.n, 1);
    assert_true(all.items[0].end_ms >= all.items[0].start_ms);
    dispatcher_get_counts(w->d, &counts);
    assert_int_equal(counts.running, 0);
    assert_int_equal(counts.finished, 1);
    WORLD_UNTIL(w, world_ended_is(w, "FINISHED "));
    assert_int_equal(world_n_files(w), 1);
    job_overviews_fini(&all);
}

static void test_unknown_job(void **state)
{
    struct world *w = *state;
    struct flinc_id id = job_id(9);
    struct job_overview o;
    const struct job_details *details = NULL;
    struct error err = ERROR_INIT;
    enum job_status status;
    world_start(w);
    assert_false(dispatcher_get_overview(w->d, &id, &o));
    assert_int_equal(dispatcher_get_details(w->d, &id, 10, &details, &err), ERR_NOT_FOUND);
    assert_string_equal(err.message, "Job 096a0000000000000000000000000000 not found");
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), ERR_NOT_FOUND);
    assert_int_equal(dispatcher_wait_ended(w->d, &id, 10, &status, &err), ERR_NOT_FOUND);
}

static void test_duplicates(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    world_start(w);
    submit_ok(w, 1, "one");
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    submit_ok(w, 1, "one"); /* the same again */
    assert_int_equal(world_submit(w, job_graph(1, "other"), &err), ERR_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "Job has already been submitted."));
    assert_int_equal(world_status(w, 1), JOB_STATUS_RUNNING); /* the live one is not touched */
    assert_int_equal(world_n_running_tasks(w, 1), 2);
    assert_int_equal(w->rm.n_added, 1);
    task_say(world_task(w, 0, 0), FINISHED);
    task_say(world_task(w, 0, 1), FINISHED);
    WORLD_UNTIL(w, world_in_store(w, 1));
    submit_ok(w, 1, "one");
    assert_int_equal(world_submit(w, job_graph(1, "other"), &err), ERR_ALREADY_EXISTS);
    assert_non_null(strstr(err.message, "Job has already been submitted."));
    assert_non_null(strstr(err.message, "already reached a globally-terminal state (FINISHED)"));
    assert_int_equal(w->rm.n_added, 1);
    assert_int_equal(world_status(w, 1), JOB_STATUS_FINISHED);
}

/* ---- parallel submissions ----------------------------------------------------------------------- */

enum { SUBMITTERS = 8 };

struct submitter {
    struct world *w;
    int number, rc;
    bool same;
    struct error err;
};

static void *submit_from_thread(void *arg)
{
    struct submitter *s = arg;
    char name[16];
    (void)snprintf(name, sizeof(name), "job %d", s->same ? 0 : s->number);
    s->rc = world_submit(s->w, job_graph(1, name), &s->err);
    return NULL;
}

static void submit_in_parallel(struct world *w, struct submitter *submitters, bool same)
{
    pthread_t threads[SUBMITTERS];
    for (int i = 0; i < SUBMITTERS; i++) {
        submitters[i] = (struct submitter){.w = w, .number = i, .same = same};
        assert_int_equal(pthread_create(&threads[i], NULL, submit_from_thread, &submitters[i]), 0);
    }
    for (int i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void test_parallel_submissions_of_one_id(void **state)
{
    struct world *w = *state;
    struct submitter submitters[SUBMITTERS];
    int n_accepted = 0;
    world_start(w);
    submit_in_parallel(w, submitters, false);
    for (int i = 0; i < SUBMITTERS; i++) {
        n_accepted += submitters[i].rc == 0;
        assert_true(submitters[i].rc == 0 || submitters[i].rc == ERR_ALREADY_EXISTS);
    }
    assert_int_equal(n_accepted, 1);
    assert_int_equal(w->rm.n_added, 1);
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
}

static void test_parallel_submissions_of_one_graph(void **state)
{
    struct world *w = *state;
    struct submitter submitters[SUBMITTERS];
    world_start(w);
    submit_in_parallel(w, submitters, true);
    for (int i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(submitters[i].rc, 0);
    }
    assert_int_equal(w->rm.n_added, 1);
}

/* ---- refused ------------------------------------------------------------------------------------ */

static void test_refused(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct job_overviews all = {.items = NULL};
    world_start(w);
    Flinc__JobGraph *g = job_graph(1, "no id");
    g->job_id.len = 5;
    assert_true(world_submit(w, g, &err) < 0);
    g = job_graph(1, "bad option");
    graph_add_config(g, "restart-strategy.type", "sometimes");
    assert_true(world_submit(w, g, &err) < 0);
    g = job_graph(1, "blocking");
    g->edges[0]->mode = FLINC__EXCHANGE_MODE__EXCHANGE_BLOCKING;
    assert_int_equal(world_submit(w, g, &err), ERR_UNSUPPORTED);
    assert_int_equal(failpoint_configure("jobmaster.start=error", &err), 0);
    assert_true(world_submit(w, job_graph(1, "cannot start"), &err) < 0);
    failpoint_clear_all();
    assert_int_equal(failpoint_configure("dispatcher.submit.before_job=error", &err), 0);
    assert_true(world_submit(w, job_graph(1, "struck"), &err) < 0);
    failpoint_clear_all();
    dispatcher_get_overviews(w->d, &all);
    assert_int_equal(all.n, 0);
    assert_int_equal(w->rm.n_added, w->rm.n_removed);
    submit_ok(w, 1, "good at last"); /* nothing of them is left */
    job_overviews_fini(&all);
}

static void test_blobs(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct blob_store *blobs = NULL;
    struct blob_key key;
    uint64_t size = 0;
    STR_AUTO dir = STR_INIT;
    str_printf(&dir, "%s-blobs", w->folder);
    assert_int_equal(
        blob_store_open(&(struct blob_store_options){.dir = str_cstr(&dir)}, &blobs, &err), 0);
    struct dispatcher_options o = {.conf = &w->conf,
                                   .mode = COMPONENT_THREAD,
                                   .resourcemanager = &w->rm,
                                   .blobs = blobs,
                                   .io_executor = w->executor};
    assert_int_equal(dispatcher_new(&o, &w->d, &err), 0);
    assert_int_equal(dispatcher_start(w->d, &err), 0);
    for (int round = 0; round < 3; round++) {
        struct job_submission s = {.graph = job_graph(1, round == 1 ? "other" : "one")};
        s.graph->n_libraries = 1;
        s.graph->libraries = graph_zalloc(sizeof(s.graph->libraries[0]));
        s.graph->libraries[0] = graph_zalloc(sizeof(Flinc__Library));
        flinc__library__init(s.graph->libraries[0]);
        s.graph->libraries[0]->name = strdup("wordcount.so");
        s.graph->libraries[0]->path = strdup(round == 0 ? "/here.so" : "/there.so");
        s.graph->libraries[0]->build_id = strdup("abcd");
        assert_int_equal(blob_store_put_file(blobs, "/proc/self/exe", &key, &size, &err), 0);
        s.blobs = mem_dup(&key, sizeof(key));
        s.n_blobs = 1;
        int rc = dispatcher_submit_sync(w->d, &s, WORLD_PATIENCE_S * 1000, &err);
        /* another job of this id is refused; the same one from another place is the same */
        assert_int_equal(rc, round == 1 ? ERR_ALREADY_EXISTS : 0);
        assert_int_equal(blob_store_n(blobs), 1); /* the refused one did not take the live one's */
    }
    assert_int_equal(w->rm.jobs[0]->n_blobs, 1);
    assert_memory_equal(w->rm.jobs[0]->blob, key.hash, 32);
    struct job_submission s = {.graph = job_graph(2, "without its bundle")};
    s.blobs = mem_dup(&key, sizeof(key));
    s.n_blobs = 1;
    blob_store_ref(blobs, &key);
    assert_int_equal(dispatcher_submit_sync(w->d, &s, WORLD_PATIENCE_S * 1000, &err),
                     ERR_INVALID_ARGUMENT);
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    task_say(world_task(w, 0, 0), FINISHED);
    task_say(world_task(w, 0, 1), FINISHED);
    WORLD_UNTIL(w, world_in_store(w, 1));
    assert_int_equal(blob_store_n(blobs), 0);
    w->d = dispatcher_free(w->d);
    blob_store_close(blobs);
    assert_int_equal(fs_delete(str_cstr(&dir), FS_DELETE_RECURSIVE, &err), 0);
}

/* ---- cancel, fail --------------------------------------------------------------------------------- */

static void test_cancel(void **state)
{
    struct world *w = *state;
    struct flinc_id id = job_id(1);
    struct error err = ERROR_INIT;
    world_start(w);
    submit_ok(w, 1, "one");
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), 0);
    WORLD_UNTIL(w, world_status(w, 1) == JOB_STATUS_CANCELED);
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), 0); /* it is */
    WORLD_UNTIL(w, world_in_store(w, 1));
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), 0);
    submit_ok(w, 2, "two");
    WORLD_UNTIL(w, world_n_running_tasks(w, 2) == 2);
    for (int i = 0; i < WORLD_JOBS_MAX; i++) {
        if (w->rm.jobs[i] != NULL && w->rm.jobs[i]->jm != NULL) {
            task_say(world_task(w, (uint32_t)i, 0), FINISHED);
            task_say(world_task(w, (uint32_t)i, 1), FINISHED);
        }
    }
    WORLD_UNTIL(w, world_status(w, 2) == JOB_STATUS_FINISHED);
    id = job_id(2);
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), ERR_STATE);
    assert_string_equal(err.message, "Job cancellation failed because the job has already reached "
                                     "another terminal state (FINISHED).");
}

static void test_failure(void **state)
{
    struct world *w = *state;
    struct flinc_id id = job_id(1);
    struct error err = ERROR_INIT;
    const struct job_details *details = NULL;
    world_start(w);
    submit_ok(w, 1, "one");
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    struct error why = test_error(ERR_INVALID_ARGUMENT, "the moon is not full enough");
    task_say_error(world_task(w, 0, 0), FAILED, &why);
    WORLD_UNTIL(w, world_in_store(w, 1));
    assert_int_equal(world_status(w, 1), JOB_STATUS_FAILED);
    assert_int_equal(dispatcher_get_details(w->d, &id, 0, &details, &err), 0);
    assert_non_null(strstr(details->cause->message, "moon"));
    assert_int_equal(details->n_failures, 1);
    job_details_unref(details);
}

static void test_failed_before_it_was_a_job(void **state)
{
    struct world *w = *state;
    struct flinc_id id = job_id(1);
    struct error err = ERROR_INIT;
    struct error why = test_error(ERR_USER_CODE, "the main fell over");
    const struct job_details *details = NULL;
    world_start(w);
    dispatcher_add_failed(w->d, &id, "job.so", DISPATCHER_FAILED_FOR_GOOD, &why);
    WORLD_UNTIL(w, world_in_store(w, 1));
    assert_int_equal(dispatcher_get_details(w->d, &id, 0, &details, &err), 0);
    assert_int_equal(details->status, JOB_STATUS_FAILED);
    assert_string_equal(details->cause->message, "the main fell over");
    job_details_unref(details);
    WORLD_UNTIL(w, world_ended_is(w, "FAILED "));
    dispatcher_add_failed(w->d, &id, "job.so", DISPATCHER_FAILED_FOR_GOOD,
                          &why); /* there is one already */
    assert_int_equal(world_submit(w, job_graph(1, "one"), &err), ERR_ALREADY_EXISTS);
    assert_true(world_ended_is(w, "FAILED "));
}

/* ---- order, metrics, shutdown --------------------------------------------------------------------- */

static void find_gauge(void *arg, const struct metric_sample *sample)
{
    if (strcmp(sample->name, "numRunningJobs") == 0) {
        *(int64_t *)arg = sample->value.i64;
    }
}

static void test_order_and_gauge(void **state)
{
    struct world *w = *state;
    struct job_overviews all = {.items = NULL};
    int64_t gauge = -1;
    world_start(w);
    for (uint8_t i = 1; i <= 5; i++) {
        submit_ok(w, i, "job");
    }
    metric_registry_visit(w->registry, NULL, find_gauge, &gauge);
    assert_int_equal(gauge, 5);
    for (uint8_t i = 2; i <= 4; i++) {
        struct flinc_id id = job_id(i);
        struct error err = ERROR_INIT;
        assert_int_equal(dispatcher_cancel(w->d, &id, &err), 0);
        WORLD_UNTIL(w, world_in_store(w, i));
    }
    dispatcher_get_overviews(w->d, &all);
    assert_int_equal(all.n, 5);
    static const uint8_t expected[] = {1, 5, 4, 3, 2};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(all.items[i].id.bytes[0], expected[i]);
    }
    metric_registry_visit(w->registry, NULL, find_gauge, &gauge);
    assert_int_equal(gauge, 2);
    job_overviews_fini(&all);
}

static void test_shutdown_with_running_jobs(void **state)
{
    struct world *w = *state;
    world_start(w);
    for (uint8_t i = 1; i <= 20; i++) {
        submit_ok(w, i, "job");
    }
    WORLD_UNTIL(w, world_n_running_tasks(w, 20) == 2);
    /* teardown frees the dispatcher and looks at what is left */
}

/* Workers that never answer a cancel must not hold the shutdown up. */
static void test_shutdown_with_deaf_workers(void **state)
{
    struct world *w = *state;
    w->rm.flags = FAKE_ACKNOWLEDGES;
    world_start(w);
    submit_ok(w, 1, "job");
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
}

static void test_shutdown_without_slots(void **state)
{
    struct world *w = *state;
    w->rm.keeps_slots = true;
    world_start(w);
    submit_ok(w, 1, "job");
}

static void test_archiving_is_retried_and_written_to_memory(void **state)
{
    struct world *w = *state;
    struct error err = ERROR_INIT;
    struct flinc_id id = job_id(1);
    const struct job_details *details = NULL;
    world_start(w);
    assert_int_equal(failpoint_configure("dispatcher.store.write=error", &err), 0);
    submit_ok(w, 1, "job");
    assert_int_equal(dispatcher_cancel(w->d, &id, &err), 0);
    WORLD_UNTIL(w, world_in_store(w, 1));
    assert_int_equal(world_n_files(w), 0);
    assert_int_equal(dispatcher_get_details(w->d, &id, 0, &details, &err), 0);
    job_details_unref(details);
}

/* ---- readers beside it all ------------------------------------------------------------------------ */

struct reader {
    struct world *w;
    _Atomic bool stop;
    _Atomic uint64_t n_seen;
};

static void *read_all_the_time(void *arg)
{
    struct reader *r = arg;
    struct job_overviews all = {.items = NULL};
    while (!atomic_load(&r->stop)) {
        dispatcher_get_overviews(r->w->d, &all);
        for (uint32_t i = 0; i < all.n; i++) {
            const struct job_details *details = NULL;
            struct error err = ERROR_INIT;
            for (uint32_t k = i + 1; k < all.n; k++) {
                if (id_eq(&all.items[i].id, &all.items[k].id)) {
                    return "twice in the list";
                }
            }
            if (dispatcher_get_details(r->w->d, &all.items[i].id, 10000, &details, &err) == 0) {
                job_details_unref(details);
                r->n_seen++;
            }
        }
    }
    job_overviews_fini(&all);
    return NULL;
}

static uint32_t n_finished(struct world *w)
{
    struct job_counts counts;
    dispatcher_get_counts(w->d, &counts);
    return counts.finished;
}

static void test_readers_while_jobs_come_and_go(void **state)
{
    struct world *w = *state;
    struct reader reader = {.w = w};
    pthread_t threads[2];
    void *failed = NULL;
    w->rm.flags = FAKE_ACKNOWLEDGES | FAKE_CANCELS | FAKE_FINISHES;
    world_set(w, "jobstore.max-capacity", "10");
    world_set(w, "jobstore.cache-size", "10000");
    world_start(w);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &reader), 0);
    }
    for (uint8_t i = 1; i <= 60; i++) {
        submit_ok(w, i, "job");
        world_pump(w);
    }
    /* They end in any order: none of them need be among the ten that are kept. */
    WORLD_UNTIL(w, n_finished(w) == 60 && w->rm.n_removed == 60);
    atomic_store(&reader.stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_true(reader.n_seen > 0);
    WORLD_UNTIL(w, world_n_files(w) == 10);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_runs_and_finishes),
        TEST(test_unknown_job),
        TEST(test_duplicates),
        TEST(test_parallel_submissions_of_one_id),
        TEST(test_parallel_submissions_of_one_graph),
        TEST(test_refused),
        TEST(test_blobs),
        TEST(test_cancel),
        TEST(test_failure),
        TEST(test_failed_before_it_was_a_job),
        TEST(test_order_and_gauge),
        TEST(test_shutdown_with_running_jobs),
        TEST(test_shutdown_with_deaf_workers),
        TEST(test_shutdown_without_slots),
        TEST(test_archiving_is_retried_and_written_to_memory),
        TEST(test_readers_while_jobs_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
