/* Crash reports: each runs in a child process, whose standard error the test reads. */
#include "taskmanager/worker/crash_report.h"
#include "tests/unit/taskmanager_worker/test_job.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    int status;       /* of waitpid */
    char text[32768]; /* of standard error */
};

static void run_child(struct child *child, void (*fn)(void))
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        fn();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fds[0], child->text + len, sizeof(child->text) - 1 - len);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        len += n > 0 ? (size_t)n : 0;
    }
    child->text[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &child->status, 0), pid);
}

static void expect_text(const struct child *child, const char *text)
{
    if (strstr(child->text, text) == NULL) {
        fail_msg("'%s' is not in:\n%s", text, child->text);
    }
}

/* ---- crashing jobs (in the child) ----------------------------------------------------------------- */

static void install(void)
{
    struct error err = ERROR_INIT;
    if (crash_report_install(&err) < 0 || crash_report_install(&err) < 0) {
        abort();
    }
}

static void run_crashing(enum test_crash crash)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    install();
    cluster_open(&c, NULL);
    struct job job =
        job_pipeline(PARTITION(FORWARD), 1, 1, &(struct test_config){.rows = 10, .batch_rows = 10},
                     &(struct test_config){.counts = &counts, .crash = crash});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_run_to_end(&c);
}

static void crash_null(void)
{
    run_crashing(TEST_CRASH_NULL);
}
static void crash_stack(void)
{
    run_crashing(TEST_CRASH_STACK);
}
static void crash_abort(void)
{
    run_crashing(TEST_CRASH_ABORT);
}
static void crash_main(void)
{
    install();
    raise(SIGBUS);
}

static void expect_crash(void (*fn)(void), int signo, const char *what)
{
    struct child child;
    run_child(&child, fn);
    expect_text(&child, what);
    expect_text(&child, "  job:      test job (01020300000000000000000000000000)\n");
    expect_text(&child, "  task:     Sink (1/1)\n");
    expect_text(&child, "  operator: Sink (1/1)\n");
    expect_text(&child, "  attempt:  0, 02000000000000000000000000000000\n");
    expect_text(&child, "  native stack:\n");
    expect_text(&child, "taskmanager_worker_crash_report"); /* the program's own frames */
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), signo);
}

static void test_null_pointer(void **state)
{
    (void)state;
    expect_crash(crash_null, SIGSEGV,
                 "Flinc crashed: SIGSEGV (invalid memory access) at address 0x0\n");
}

static void test_stack_overflow(void **state)
{
    (void)state;
    expect_crash(crash_stack, SIGSEGV, "Flinc crashed: SIGSEGV (invalid memory access)");
}

static void test_abort(void **state)
{
    (void)state;
    expect_crash(crash_abort, SIGABRT, "Flinc crashed: SIGABRT (aborted)\n");
}

static void test_outside_of_tasks(void **state)
{
    (void)state;
    struct child child;
    run_child(&child, crash_main);
    expect_text(&child, "Flinc crashed: SIGBUS");
    expect_text(&child, "  outside of the tasks' threads and user code\n");
    assert_true(WIFSIGNALED(child.status));
    assert_int_equal(WTERMSIG(child.status), SIGBUS);
}

/* ---- a task that does not end --------------------------------------------------------------------- */

static bool is_reached(const struct test_counts *c)
{
    return c->reached;
}

/* Nobody is asked: the process ends. */
static void hang_for_ever(void)
{
    struct test_cluster c;
    struct test_counts counts = {0};
    struct clock_manual clock;
    clock_manual_init(&clock);
    install();
    cluster_open(&c, &(struct worker_options){.mode = COMPONENT_MANUAL, .clock = &clock.base});
    struct job job =
        job_pipeline(PARTITION(FORWARD), 1, 1, &(struct test_config){.rows = 10, .batch_rows = 10},
                     &(struct test_config){.counts = &counts, .hang_in = TEST_PROCESS});
    cluster_deploy(&c, &job, JOB_SOURCES_FIRST);
    cluster_step(&c);
    test_counts_wait(&counts, is_reached);
    cluster_cancel_all(&c);
    cluster_step(&c);
    for (int i = 0; i < 6; i++) {
        clock_manual_advance_ms(&clock, 30000);
        cluster_step(&c);
    }
}

static void test_stuck_task_ends_the_process(void **state)
{
    (void)state;
    struct child child;
    run_child(&child, hang_for_ever);
    expect_text(&child, "Stack of task Sink (1/1) of job 'test job', cancelled 30000 ms ago:\n");
    expect_text(&child, "  operator: Sink (1/1)\n");
    expect_text(&child, "task Sink (1/1) of job 'test job' did not end within 180000 ms of its "
                        "cancellation, in Sink (1/1): the process ends");
    assert_true(WIFEXITED(child.status));
    assert_int_equal(WEXITSTATUS(child.status), 17);
}

/* ---- threads -------------------------------------------------------------------------------------- */

struct sleeper {
    struct event_count event;
    _Atomic bool ready, done;
    struct crash_slot slot;
};

static void *sleeper_main(void *arg)
{
    struct sleeper *s = arg;
    crash_report_enter_thread(&s->slot);
    atomic_store(&s->ready, true);
    event_count_signal(&s->event);
    while (!atomic_load(&s->done)) {
        uint32_t ticket = event_count_prepare(&s->event);
        if (atomic_load(&s->done)) {
            event_count_cancel(&s->event);
        } else {
            event_count_wait(&s->event, ticket, -1);
        }
    }
    crash_report_leave_thread();
    return NULL;
}

static void test_dump_of_a_sleeping_thread(void **state)
{
    (void)state;
    struct sleeper s = {0};
    struct error err = ERROR_INIT;
    pthread_t thread;
    install();
    assert_int_equal(thread_start(&thread, "sleeper", sleeper_main, &s, &err), 0);
    while (!atomic_load(&s.ready)) {
        sched_yield();
    }
    assert_true(crash_report_dump_thread(thread, "Stack of a sleeping thread:"));
    atomic_store(&s.done, true);
    event_count_signal(&s.event);
    thread_join(thread);
    crash_report_uninstall();
    crash_report_uninstall();
    assert_false(crash_report_dump_thread(pthread_self(), "not installed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_pointer),
        cmocka_unit_test(test_stack_overflow),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_outside_of_tasks),
        cmocka_unit_test(test_stuck_task_ends_the_process),
        cmocka_unit_test(test_dump_of_a_sleeping_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
