/* Failpoints: off costs nothing and does nothing, rules, refused specifications, the environment
 * variable, actions that end the process, and registration by many threads. */
#include "common/base/failpoint.h"

#include "common/base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int place(struct error *err)
{
    TRY(FAILPOINT(err, "test.place"));
    return 0;
}

static int other_place(struct error *err)
{
    TRY(FAILPOINT(err, "test.other"));
    return 0;
}

static int teardown(void **state)
{
    failpoint_clear_all();
    return 0;
}

static void configure(const char *spec)
{
    struct error err = ERROR_INIT;
    int rc = failpoint_configure(spec, &err);
    if (rc != 0) {
        fail_msg("%s: %s", spec, err.message);
    }
}

/* Runs first: the variable was set in main before the first use of any failpoint. */
static void test_environment(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(place(&err), ERR_IO);
    assert_string_equal(err.message, "failpoint test.place: from the environment");
    assert_int_equal(other_place(&err), 0);
    failpoint_clear_all();
    assert_int_equal(place(&err), 0);
}

static void test_error_and_off(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(place(&err), 0);
    configure("test.place=error");
    assert_int_equal(place(&err), ERR_IO);
    assert_string_equal(err.message, "failpoint test.place");
    assert_int_equal(place(NULL), ERR_IO);
    assert_int_equal(other_place(&err), 0);
    configure("test.place=error:disk is gone; test.other = error : x ;");
    assert_int_equal(place(&err), ERR_IO);
    assert_string_equal(err.message, "failpoint test.place: disk is gone");
    configure("test.place=off");
    assert_int_equal(place(&err), 0);
    configure("test.place=off"); /* again */
    configure("");
    assert_int_equal(failpoint_hits("test.place"), 0);
}

static void test_nth(void **state)
{
    struct error err = ERROR_INIT;
    configure("test.place=error,nth=3");
    for (int i = 1; i <= 5; i++) {
        assert_int_equal(place(&err), i == 3 ? ERR_IO : 0);
    }
    assert_int_equal(failpoint_hits("test.place"), 5);
    assert_int_equal(failpoint_hits("test.never"), 0);
    configure("test.place=error,nth=1"); /* counts from the start */
    assert_int_equal(failpoint_hits("test.place"), 0);
    assert_int_equal(place(&err), ERR_IO);
}

static int count_failures(uint64_t seed, uint64_t *ret_pattern)
{
    int n = 0;
    *ret_pattern = 0;
    failpoint_seed(seed);
    configure("test.place=error,one_in=4");
    for (int i = 0; i < 400; i++) {
        bool failed = place(NULL) < 0;
        n += failed;
        *ret_pattern = *ret_pattern * 31 + failed;
    }
    return n;
}

static void test_one_in(void **state)
{
    uint64_t a, b, c;
    assert_in_range(count_failures(1, &a), 60, 140); /* the seed is fixed */
    count_failures(1, &b);
    count_failures(2, &c);
    assert_true(a == b);
    assert_true(a != c);
    configure("test.place=error,one_in=1");
    assert_int_equal(place(NULL), ERR_IO);
}

static void test_faulty_specifications(void **state)
{
    static const char *const specs[] = {
        "test.place",
        "=error",
        "test.place=",
        "test.place=explode",
        "test.place=kill:1",
        "test.place=delay",
        "test.place=delay:",
        "test.place=delay:ten",
        "test.place=delay:-1",
        "test.place=delay:99999999999999999999",
        "test.place=error,nth",
        "test.place=error,nth=0",
        "test.place=error,nth=x",
        "test.place=error,one_in=0",
        "test.place=error,some=1",
        "test.place=error,",
        "test.place=error;test.other", /* nothing of it is set */
    };
    struct error err = ERROR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
        error_clear(&err);
        assert_int_equal(failpoint_configure(specs[i], &err), ERR_PARSE);
        assert_true(strlen(err.message) > 0);
        assert_int_equal(place(&err), 0);
    }
    char text[400] = "test.place=error:";
    memset(text + strlen(text), 'x', 300);
    assert_int_equal(failpoint_configure(text, &err), ERR_TOO_LARGE);
    memset(text, 'n', 200);
    memcpy(text + 200, "=off", 5);
    assert_int_equal(failpoint_configure(text, &err), ERR_PARSE);
}

static int run_child(const char *spec, int options)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        configure(spec);
        _exit(place(NULL) == 0 ? 7 : 8);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, options), pid);
    if (WIFSTOPPED(status)) {
        assert_int_equal(WSTOPSIG(status), SIGSTOP);
        kill(pid, SIGCONT);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    return status;
}

static void test_actions_on_the_process(void **state)
{
    int status = run_child("test.place=kill", 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run_child("test.place=abort", 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    status = run_child("test.place=stop", WUNTRACED);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    status = run_child("test.place=delay:1", 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

enum { N_THREADS = 4 };

static void *hit_many(void *arg)
{
    uint64_t errors = 0;
    for (int i = 0; i < 2000; i++) {
        errors += FAILPOINT(NULL, "test.shared") < 0;
    }
    *(uint64_t *)arg = errors;
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[N_THREADS];
    uint64_t errors[N_THREADS], sum = 0;
    configure("test.shared=error,nth=5000");
    for (int i = 0; i < N_THREADS; i++) {
        assert_int_equal(thread_start(&threads[i], "hitter", hit_many, &errors[i], NULL), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        thread_join(threads[i]);
        sum += errors[i];
    }
    assert_int_equal(failpoint_hits("test.shared"), N_THREADS * 2000);
    assert_int_equal(sum, 1);
}

static char report[] = "/tmp/flinc-failpoints-XXXXXX";

static int reported_place(struct error *err)
{
    TRY(FAILPOINT(err, "test.reported"));
    return 0;
}

/* What a process comes to is in its file at once, also when it is killed there. */
static void test_report(void **state)
{
    pid_t child = fork();
    if (child == 0) {
        (void)!reported_place(NULL);
        (void)!reported_place(NULL);
        (void)!failpoint_configure("test.reported=kill", NULL);
        (void)!reported_place(NULL);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    char path[128], text[65536];
    (void)snprintf(path, sizeof(path), "%s/common_base_fai-%d.hits", report, (int)getpid());
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    const char *reached = strstr(text, "reached test.reported\n");
    assert_non_null(reached);
    assert_null(strstr(reached + 1, "reached test.reported\n"));
    assert_non_null(strstr(reached, "fired test.reported\n"));
    unlink(path);
    rmdir(report);
}

static void test_rows(void **state)
{
    size_t n;
    const struct failpoint_row *rows = failpoint_rows(&n);
    assert_true(n > 60);
    for (size_t i = 0; i < n; i++) {
        assert_non_null(failpoint_role_name(rows[i].role));
        assert_true(rows[i].name[0] != '\0' && rows[i].protocol[0] != '\0' &&
                    rows[i].text[0] != '\0');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(rows[i].name, rows[k].name);
        }
    }
}

int main(void)
{
    assert_non_null(mkdtemp(report));
    setenv("FLINC_FAILPOINT_REPORT", report, 1);
    char rules[] = "/tmp/flinc-failpoints-XXXXXX", spec[64];
    int fd = mkstemp(rules);
    assert_true(fd >= 0);
    (void)snprintf(spec, sizeof(spec), "@%s", rules);
    assert_true(dprintf(fd, "test.place=error:from the environment\nwhat=follows\n") > 0);
    (void)close(fd);
    setenv("FLINC_FAILPOINTS", spec, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_environment, teardown),
        cmocka_unit_test_teardown(test_error_and_off, teardown),
        cmocka_unit_test_teardown(test_nth, teardown),
        cmocka_unit_test_teardown(test_one_in, teardown),
        cmocka_unit_test_teardown(test_faulty_specifications, teardown),
        cmocka_unit_test_teardown(test_actions_on_the_process, teardown),
        cmocka_unit_test_teardown(test_threads, teardown),
        cmocka_unit_test_teardown(test_rows, teardown),
        cmocka_unit_test_teardown(test_report, teardown), /* the last: it takes the folder away */
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(rules);
    return failed;
}
