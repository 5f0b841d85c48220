/* Executors: completions, limits, cancelling, closing; with threads and stepped by hand. */
#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/loop/executor.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct work {
    int input, output;
    struct event_count *gate; /* waits here until *open */
    _Atomic bool *open;
    _Atomic int *running;
};

struct results {
    int n, n_failed, n_cancelled;
    int64_t sum;
    char last_message[200];
};

static _Atomic int n_freed;

static void work_free(void *arg)
{
    atomic_fetch_add(&n_freed, 1);
    mem_free(arg);
}

static int work_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct work *w = arg;
    if (w->running != NULL) {
        atomic_fetch_add(w->running, 1);
        event_count_signal(w->gate);
    }
    while (w->open != NULL && !atomic_load(w->open)) {
        uint32_t ticket = event_count_prepare(w->gate);
        if (atomic_load(w->open)) {
            event_count_cancel(w->gate);
            break;
        }
        event_count_wait(w->gate, ticket, -1);
    }
    if (w->input < 0) {
        return error_set(err, ERR_IO, "input %d is negative", w->input);
    }
    w->output = w->input * 2;
    return 0;
}

static void work_done(void *target, void *arg, int rc, const struct error *err)
{
    struct results *r = target;
    struct work *w = arg;
    r->n++;
    if (rc == ERR_CANCELLED) {
        r->n_cancelled++;
    } else if (rc < 0) {
        r->n_failed++;
    } else {
        r->sum += w->output;
    }
    if (rc < 0) {
        snprintf(r->last_message, sizeof(r->last_message), "%.*s", (int)sizeof(r->last_message) - 1,
                 err->message);
    }
    work_free(w);
}

static struct executor_job work_job(struct results *r, struct mailbox *m, int input)
{
    struct work *w = MEM_NEW(struct work);
    w->input = input;
    return (struct executor_job){.name = "doubling",
                                 .run = work_run,
                                 .done = work_done,
                                 .target = r,
                                 .arg = w,
                                 .drop = work_free,
                                 .reply_to = m,
                                 .reply_lane = MAILBOX_LANE_DATA,
                                 .reply_kind = 4};
}

static void wait_results(struct mailbox *m, struct results *r, int n)
{
    while (r->n < n) {
        uint32_t ticket = event_count_prepare(mailbox_event(m));
        if (mailbox_has_ops(m)) {
            event_count_cancel(mailbox_event(m));
        } else {
            event_count_wait(mailbox_event(m), ticket, -1);
        }
        mailbox_run(m, SIZE_MAX);
    }
}

static void test_completes_every_job(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "io", .n_threads = 3}, &x, NULL), 0);
    for (int i = 1; i <= 200; i++) {
        struct executor_job job = work_job(&r, m, i);
        assert_int_equal(executor_submit(x, &job, NULL), 0);
    }
    struct executor_job bad = work_job(&r, m, -7);
    assert_int_equal(executor_submit(x, &bad, NULL), 0);
    wait_results(m, &r, 201);
    assert_int_equal(r.sum, 200 * 201);
    assert_int_equal(r.n_failed, 1);
    assert_string_equal(r.last_message, "input -7 is negative");
    executor_free(x);
    mailbox_unref(m);
    assert_int_equal(thread_count(), 0);
}

static void test_stepped(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    struct error err = ERROR_INIT;
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "io", .queue_limit = 2}, &x, NULL), 0);
    assert_false(executor_run_once(x));
    for (int i = 0; i < 2; i++) {
        struct executor_job job = work_job(&r, m, 10);
        assert_int_equal(executor_submit(x, &job, &err), 0);
    }
    assert_int_equal(executor_queue_len(x), 2);
    struct executor_job job = work_job(&r, m, 10);
    assert_int_equal(executor_submit(x, &job, &err), ERR_LIMIT);
    assert_non_null(strstr(err.message, "queue_limit"));
    work_free(job.arg);
    assert_true(executor_run_once(x));
    struct mailbox_op op;
    assert_true(mailbox_poll(m, &op));
    assert_int_equal(op.kind, 4);
    mailbox_op_run(&op);
    assert_int_equal(r.sum, 20);
    assert_true(executor_run_once(x));
    assert_false(executor_run_once(x));
    assert_int_equal(mailbox_run(m, 9), 1);
    executor_free(x);
    mailbox_unref(m);
}

static void test_cancelled_before_it_starts(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    assert_int_equal(executor_new(&(struct executor_options){.name = "io"}, &x, NULL), 0);
    struct cancel_token *cancel = cancel_token_new();
    struct executor_job job = work_job(&r, m, 1);
    job.cancel = cancel;
    assert_int_equal(executor_submit(x, &job, NULL), 0);
    cancel_token_cancel(cancel);
    cancel_token_unref(cancel);
    assert_true(executor_run_once(x));
    assert_int_equal(mailbox_run(m, 9), 1);
    assert_int_equal(r.n_cancelled, 1);
    assert_string_equal(r.last_message, "doubling was cancelled");
    executor_free(x);
    mailbox_unref(m);
}

static void test_failpoint(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    assert_int_equal(executor_new(&(struct executor_options){.name = "io"}, &x, NULL), 0);
    assert_int_equal(failpoint_configure("loop.executor.run=error:disk on fire", NULL), 0);
    struct executor_job job = work_job(&r, m, 1);
    assert_int_equal(executor_submit(x, &job, NULL), 0);
    assert_true(executor_run_once(x));
    failpoint_clear_all();
    assert_int_equal(mailbox_run(m, 9), 1);
    assert_int_equal(r.n_failed, 1);
    assert_non_null(strstr(r.last_message, "disk on fire"));
    executor_free(x);
    mailbox_unref(m);
}

static void test_arguments_are_dropped_when_nobody_listens(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    assert_int_equal(executor_new(&(struct executor_options){.name = "io"}, &x, NULL), 0);
    atomic_store(&n_freed, 0);
    for (int i = 0; i < 3; i++) {
        struct executor_job job = work_job(&r, m, i);
        if (i == 2) {
            job.done = NULL;
            job.reply_to = NULL;
        }
        assert_int_equal(executor_submit(x, &job, NULL), 0);
    }
    assert_true(executor_run_once(x)); /* its completion waits in the mailbox when that closes */
    mailbox_close(m);
    assert_int_equal(atomic_load(&n_freed), 1);
    assert_true(executor_run_once(x)); /* the mailbox is closed already */
    assert_int_equal(atomic_load(&n_freed), 2);
    assert_true(executor_run_once(x)); /* nobody asked to hear of it */
    assert_int_equal(atomic_load(&n_freed), 3);
    assert_int_equal(r.n, 0);
    executor_free(x);
    mailbox_unref(m);
}

static void *free_main(void *arg)
{
    executor_free(arg);
    return NULL;
}

/* One job runs, two wait: the close completes the two as cancelled and waits for the first. */
static void test_close_waits_for_the_running(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "submitter"});
    struct executor *x;
    struct results r = {.n = 0};
    struct event_count gate = {0};
    _Atomic bool open = false;
    _Atomic int running = 0;
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "io", .n_threads = 1}, &x, NULL), 0);
    for (int i = 0; i < 3; i++) {
        struct executor_job job = work_job(&r, m, 21);
        struct work *w = job.arg;
        w->gate = &gate;
        w->open = &open;
        w->running = &running;
        assert_int_equal(executor_submit(x, &job, NULL), 0);
    }
    while (atomic_load(&running) == 0) {
        uint32_t ticket = event_count_prepare(&gate);
        if (atomic_load(&running) != 0) {
            event_count_cancel(&gate);
            break;
        }
        event_count_wait(&gate, ticket, -1);
    }
    pthread_t closer;
    assert_int_equal(thread_start(&closer, "closer", free_main, x, NULL), 0);
    wait_results(m, &r, 2);
    assert_int_equal(r.n_cancelled, 2);
    assert_non_null(strstr(r.last_message, "io"));
    struct error err = ERROR_INIT;
    struct executor_job late = work_job(&r, m, 1);
    assert_int_equal(executor_submit(x, &late, &err), ERR_CLOSED);
    work_free(late.arg);
    atomic_store(&open, true);
    event_count_signal(&gate);
    thread_join(closer);
    wait_results(m, &r, 3);
    assert_int_equal(r.sum, 42);
    mailbox_unref(m);
    assert_int_equal(thread_count(), 0);
}

static int quick_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)arg;
    (void)cancel;
    (void)err;
    return 0;
}

static void quick_done(void *target, void *arg, int rc, const struct error *err)
{
    (void)arg;
    (void)rc;
    (void)err;
    *(bool *)target = true;
}

/* The owner gives its mailbox up as soon as the completion has run, while the thread that posted it may
 * still be on its way out of the post.  A sanitizer tells when that thread touches what is gone. */
static void test_mailbox_goes_with_the_completion(void **state)
{
    enum { ROUNDS = 3000 };
    struct executor *x = NULL;
    struct executor_options o = {.name = "quick", .n_threads = 2};

    (void)state;
    assert_int_equal(executor_new(&o, &x, NULL), 0);
    for (int i = 0; i < ROUNDS; i++) {
        bool done = false;
        struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "short-lived"});
        struct executor_job job = {
            .name = "quick", .run = quick_run, .done = quick_done, .target = &done, .reply_to = m};
        assert_int_equal(executor_submit(x, &job, NULL), 0);
        while (!done) {
            (void)mailbox_run(m, 1);
        }
        mailbox_close(m);
        mailbox_unref(m);
    }
    executor_free(x);
}

static void test_too_many_threads(void **state)
{
    struct executor *x = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "io", .n_threads = 1000}, &x, &err),
        ERR_INVALID_ARGUMENT);
    assert_null(x);
    assert_null(executor_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_completes_every_job),
        cmocka_unit_test(test_stepped),
        cmocka_unit_test(test_cancelled_before_it_starts),
        cmocka_unit_test(test_failpoint),
        cmocka_unit_test(test_arguments_are_dropped_when_nobody_listens),
        cmocka_unit_test(test_close_waits_for_the_running),
        cmocka_unit_test(test_mailbox_goes_with_the_completion),
        cmocka_unit_test(test_too_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
