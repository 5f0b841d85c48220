/* The job master on its own thread, fake workers on theirs, and others who look, cancel and free: what
 * thread sanitizers and the end of a job have to say about it. */
#include "common/base/thread.h"
#include "tests/unit/jobmanager_jobmaster/world.h"

enum { ROUNDS = 40, ALL_FLAGS = FAKE_ACKNOWLEDGES | FAKE_CANCELS };

struct threads {
    struct world w;
    pthread_t workers[WORLD_WORKERS_MAX], watcher;
    _Atomic bool stopping;
    struct event_count ended;
    _Atomic bool has_ended;
};

static void *worker_main(void *arg)
{
    struct fake_worker *fw = arg;
    struct event_count *event = mailbox_event(fw->mailbox);
    struct mailbox_op op;
    while (!mailbox_is_closed(fw->mailbox)) {
        uint32_t ticket = event_count_prepare(event);
        if (mailbox_poll(fw->mailbox, &op)) {
            event_count_cancel(event);
            mailbox_op_run(&op);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
    return NULL;
}

static void stop_worker(void *target, void *payload)
{
    mailbox_close(((struct fake_worker *)target)->mailbox);
}

static void look_at_sum(void *arg, const Flinc__Accumulator *sum)
{
}

/* Looks at everything all the time. */
static void *watcher_main(void *arg)
{
    struct threads *t = arg;
    struct job_failure failures[4];
    struct jobmaster_stats stats;
    struct job_progress p;
    while (!atomic_load(&t->stopping)) {
        jobmaster_get_progress(t->w.jm, &p);
        assert_in_range(p.status, 0, JOB_STATUS_COUNT - 1);
        jobmaster_get_failures(t->w.jm, failures, 4);
        jobmaster_get_concurrent_failures(t->w.jm, 1, failures, 4);
        jobmaster_get_stats(t->w.jm, &stats);
        jobmaster_each_accumulator(t->w.jm, look_at_sum, NULL);
    }
    return NULL;
}

static void on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct threads *t = CONTAINER_OF((struct world *)owner, struct threads, w);
    world_on_terminal(owner, status, cause);
    atomic_store(&t->has_ended, true);
    event_count_signal(&t->ended);
}

static void wait_for_end(struct threads *t)
{
    while (!atomic_load(&t->has_ended)) {
        uint32_t ticket = event_count_prepare(&t->ended);
        if (atomic_load(&t->has_ended)) {
            event_count_cancel(&t->ended);
        } else {
            event_count_wait(&t->ended, ticket, -1);
        }
    }
}

static void open_threads(struct threads *t, unsigned flags)
{
    struct error err = ERROR_INIT;
    *t = (struct threads){.stopping = false};
    world_init(&t->w, graph_word_count());
    struct jobmaster_options o = world_options(&t->w);
    o.mode = COMPONENT_THREAD;
    o.clock = NULL;
    o.on_terminal = on_terminal;
    assert_int_equal(jobmaster_new(&o, &t->w.jm, &err), 0);
    world_add_worker(&t->w, 2, flags);
    world_add_worker(&t->w, 1, flags);
    for (uint32_t i = 0; i < t->w.n_workers; i++) {
        assert_int_equal(
            thread_start(&t->workers[i], "worker", worker_main, &t->w.workers[i], &err), 0);
    }
    assert_int_equal(thread_start(&t->watcher, "watcher", watcher_main, t, &err), 0);
    assert_int_equal(jobmaster_start(t->w.jm, &err), 0);
}

static void close_threads(struct threads *t, enum job_status expected)
{
    atomic_store(&t->stopping, true);
    thread_join(t->watcher);
    t->w.jm = jobmaster_free(t->w.jm); /* cancels what runs */
    for (uint32_t i = 0; i < t->w.n_workers; i++) {
        struct fake_worker *fw = &t->w.workers[i];
        struct mailbox_op stop = {.run = stop_worker, .target = fw};
        assert_int_equal(mailbox_post_internal(fw->mailbox, MAILBOX_LANE_DATA, &stop), 0);
        thread_join(t->workers[i]);
    }
    if (expected != JOB_STATUS_COUNT) {
        world_assert_ended(&t->w, expected);
    }
    world_fini(&t->w);
    assert_int_equal(thread_count(), 0);
}

static void jobs_finish(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct threads t;
        open_threads(&t, ALL_FLAGS | FAKE_FINISHES);
        wait_for_end(&t);
        close_threads(&t, JOB_STATUS_FINISHED);
    }
}

static void jobs_are_cancelled_by_several(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct threads t;
        open_threads(&t, ALL_FLAGS);
        jobmaster_cancel(t.w.jm);
        jobmaster_cancel(t.w.jm);
        wait_for_end(&t);
        jobmaster_cancel(t.w.jm);
        close_threads(&t, JOB_STATUS_CANCELED);
    }
}

/* Freed at any moment: it has been cancelled, or had just finished. */
static void jobs_are_freed_while_they_run(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct threads t;
        open_threads(&t, i % 2 == 0 ? ALL_FLAGS : ALL_FLAGS | FAKE_FINISHES);
        close_threads(&t, i % 2 == 0 ? JOB_STATUS_CANCELED : JOB_STATUS_COUNT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_finish),
        cmocka_unit_test(jobs_are_cancelled_by_several),
        cmocka_unit_test(jobs_are_freed_while_they_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
