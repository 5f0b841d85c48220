/* The host with programs that stand in for the worker: they end early, say nothing, say garbage. */
#include "common/base/log.h"
#include "tests/unit/taskmanager_host/host_fixture.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct flinc_id job_id = {{1, 2, 3}};

static void assert_text(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, text);
    }
}

/* A script in the folder of the logs. */
static void start_with_script(struct fixture *f, const char *script)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/worker.sh", f->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(dprintf(fd, "#!/bin/sh\n%s\n", script) > 0);
    close(fd);
    fixture_start_host(f, path);
}

static void start_job(struct fixture *f)
{
    const struct worker_job job = {.job_id = job_id, .name = "stand-in"};
    struct error err = ERROR_INIT;
    if (worker_host_start_job(f->host, &job, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(worker_host_n_jobs(f->host), 1);
}

static void test_ends_at_once(void **state)
{
    struct fixture *f = *state;
    start_with_script(f, "echo last words >&2; exit 4");
    start_job(f);
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->n_ready, 0);
    assert_text(f->why.message, "job 'stand-in'");
    assert_text(f->why.message, "ended with exit status 4");
    assert_text(f->why.frames, "it had said: last words");
    assert_int_equal(worker_host_n_jobs(f->host), 0);
}

static void test_cannot_be_started(void **state)
{
    struct fixture *f = *state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its vfork is a fork: the child cannot tell why exec failed */
#endif
    fixture_start_host(f, "/nonexistent/flinc-taskworker");
    start_job(f);
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->why.code, ERR_NOT_FOUND);
    assert_text(f->why.message, "/nonexistent/flinc-taskworker");
}

static void test_says_garbage(void **state)
{
    struct fixture *f = *state;
    start_with_script(f, "printf 'garbage that is no frame of a worker' >&3; exec sleep 1000");
    start_job(f);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "lost its connection to the task manager");
}

static void test_closes_its_socket(void **state)
{
    struct fixture *f = *state;
    start_with_script(f, "exec 3>&- 3<&-; exec sleep 1000");
    start_job(f);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "lost its connection to the task manager");
}

static bool has_started(void *arg)
{
    struct worker_host_counters c;
    worker_host_get_counters(arg, &c);
    return c.n_started > 0;
}

static void test_does_not_stop(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(conf_set(&f->conf, "task.cancellation.timeout", "1 ms", NULL), 0);
    start_with_script(f, "trap '' TERM; while :; do sleep 1000; done");
    start_job(f);
    fixture_until(f, has_started, f->host);
    worker_host_stop_job(f->host, &job_id, "test");
    worker_host_stop_job(f->host, &job_id, "again");
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->why.code, ERR_CLOSED);
    assert_text(f->why.message, "was stopped: test");
}

/* The next incarnation does not wait for the end of the one that is being stopped. */
static bool two_have_started(void *arg)
{
    struct worker_host_counters c;
    worker_host_get_counters(arg, &c);
    return c.n_started == 2;
}

static bool one_is_gone(void *arg)
{
    return ((struct fixture *)arg)->n_gone == 1;
}

static void test_started_again_while_it_stops(void **state)
{
    struct fixture *f = *state;
    start_with_script(f, "exec sleep 1000");
    start_job(f);
    fixture_until(f, has_started, f->host);
    worker_host_kill_job(f->host, &job_id, "test");
    start_job(f);
    fixture_until(f, two_have_started, f->host);
    fixture_until(f, one_is_gone, f);
    assert_int_equal(worker_host_n_jobs(f->host), 1); /* freed with its process running */
}

static void test_too_many_messages_wait(void **state)
{
    struct fixture *f = *state;
    const struct flinc_id token = {{9}};
    start_with_script(f, "exec sleep 1000");
    start_job(f);
    for (int i = 0; i < 17000; i++) {
        worker_host_open_link(f->host, &job_id, &token);
    }
    fixture_until(f, fixture_is_gone, f);
    assert_int_equal(f->why.code, ERR_LIMIT);
    assert_text(f->why.message, "wait for the worker process");
}

static void test_stopped_before_it_starts(void **state)
{
    struct fixture *f = *state;
    start_with_script(f, "exec sleep 1000");
    start_job(f);
    worker_host_stop_job(f->host, &job_id, "test");
    fixture_until(f, fixture_is_gone, f);
    struct worker_host_counters c;
    worker_host_get_counters(f->host, &c);
    assert_int_equal(c.n_started, 0);
}

static void test_spawner_is_lost(void **state)
{
    struct fixture *f = *state;
    char path[64], line[256] = "";
    start_with_script(f, "echo $PPID >&2; exec sleep 1000");
    start_job(f);
    fixture_until(f, has_started, f->host);
    /* The spawner is the only child of this process. */
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(path, "re");
    assert_non_null(fgets(line, sizeof(line), children));
    (void)fclose(children);
    assert_int_equal(kill((pid_t)atoi(line), SIGKILL), 0);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "ended with the spawner process");
    f->n_gone = 0;
    start_job(f);
    fixture_until(f, fixture_is_gone, f);
    assert_text(f->why.message, "the spawner process");
}

#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_ends_at_once),           HOST_TEST(test_cannot_be_started),
        HOST_TEST(test_says_garbage),           HOST_TEST(test_closes_its_socket),
        HOST_TEST(test_does_not_stop),          HOST_TEST(test_started_again_while_it_stops),
        HOST_TEST(test_too_many_messages_wait), HOST_TEST(test_stopped_before_it_starts),
        HOST_TEST(test_spawner_is_lost),
    };
    log_set_level(LOG_LEVEL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
