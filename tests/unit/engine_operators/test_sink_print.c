/* The print sink and the discarding sink. */
#include "common/base/thread.h"
#include "files_fixture.h"
#include "proto/operators.pb-c.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>

static int saved_stdout = -1, saved_stderr = -1;

/* From here on standard output and error go to fd. */
static void redirect(int fd)
{
    fflush(stdout);
    fflush(stderr);
    saved_stdout = dup(STDOUT_FILENO);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stdout >= 0 && saved_stderr >= 0);
    assert_true(dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0);
}

static void restore(void)
{
    dup2(saved_stdout, STDOUT_FILENO);
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stdout);
    close(saved_stderr);
}

static struct harness *sink(const char *schema, const char *identifier, uint32_t subtask,
                            uint32_t parallelism, bool to_stderr)
{
    Flinc__PrintSinkConfig c = FLINC__PRINT_SINK_CONFIG__INIT;
    c.identifier = (char *)(uintptr_t)identifier;
    c.to_stderr = to_stderr;
    return opened(&(struct harness_options){.kind = "flinc.sink.print",
                                            .config = &c.base,
                                            .input_schemas = {schema},
                                            .subtask = subtask,
                                            .parallelism = parallelism});
}

static void check_printed(const char *schema, const char *identifier, uint32_t subtask,
                          uint32_t parallelism, const char *rows, const char *expected)
{
    for (int to_stderr = 0; to_stderr <= 1; to_stderr++) {
        STR_AUTO text = STR_INIT;
        int fd = open(in_dir("printed"), O_CREAT | O_TRUNC | O_WRONLY, 0600);
        assert_true(fd >= 0);
        redirect(fd);
        struct harness *h = sink(schema, identifier, subtask, parallelism, to_stderr == 1);
        int rc = harness_push_rows(h, 0, rows, NULL);
        harness_free(h);
        restore();
        close(fd);
        assert_int_equal(rc, 0);
        read_file(in_dir("printed"), &text);
        assert_string_equal(str_cstr(&text), expected);
    }
}

static void test_lines(void **state)
{
    check_printed("ROW<a STRING>", "", 0, 1, "to be\n'a, b'\nNULL", "to be\na, b\nnull\n");
    check_printed("ROW<a STRING, b BIGINT>", "", 0, 1, "to, 1\nNULL, NULL",
                  "(to,1)\n(null,null)\n");
    check_printed("ROW<a TINYINT, b SMALLINT, c INT, d BIGINT, e DOUBLE, f BOOLEAN>", "", 0, 1,
                  "-128, -32768, -2147483648, -9223372036854775808, 1.5, true",
                  "(-128,-32768,-2147483648,-9223372036854775808,1.5,true)\n");
}

/* Flink's prefixes: the name, and the number of the subtask when there are several. */
static void test_prefix(void **state)
{
    check_printed("ROW<a BIGINT>", "", 0, 2, "7\n8", "1> 7\n1> 8\n");
    check_printed("ROW<a BIGINT>", "", 11, 12, "7", "12> 7\n");
    check_printed("ROW<a BIGINT>", "out", 0, 1, "7", "out> 7\n");
    check_printed("ROW<a BIGINT>", "out", 1, 2, "7", "out:2> 7\n");
}

/* ---- a pipe that nobody reads ------------------------------------------------------------------ */

static void make_pipe(int fds[2])
{
    assert_int_equal(pipe(fds), 0);
}

/* A batch that no pipe takes at once. */
static int push_much(struct harness *h, struct error *err)
{
    STR_AUTO rows = STR_INIT;
    for (int i = 0; i < 2000; i++) {
        str_printf(&rows, "%s%0500d", i > 0 ? "\n" : "", i);
    }
    return harness_push_rows(h, 0, str_cstr(&rows), err);
}

static void test_cancel_full_pipe(void **state)
{
    int fds[2];
    struct error err = ERROR_INIT;
    make_pipe(fds);
    redirect(fds[1]);
    struct harness *h = sink("ROW<a STRING>", "", 0, 1, false);
    harness_cancel(h);
    int rc = push_much(h, &err);
    harness_free(h);
    restore();
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(rc, ERR_CANCELLED);
}

static void *print_much(void *arg)
{
    struct harness *h = sink("ROW<a STRING>", "", 0, 1, false);
    *(int *)arg = push_much(h, NULL);
    harness_free(h);
    return NULL;
}

/* Another sink is in the middle of its lines: who is cancelled does not wait for it; the lines that are
 * read in the end are all there, unmixed. */
static void test_cancel_while_another_prints(void **state)
{
    int fds[2], other_rc = -1;
    struct error err = ERROR_INIT;
    pthread_t other;
    STR_AUTO text = STR_INIT;
    make_pipe(fds);
    redirect(fds[1]);
    assert_int_equal(thread_start(&other, "printer", print_much, &other_rc, NULL), 0);
    struct pollfd full = {.fd = fds[1], .events = POLLOUT};
    while (poll(&full, 1, 0) != 0) {
        sched_yield();
    }
    struct harness *h = sink("ROW<a STRING>", "", 0, 1, false);
    harness_cancel(h);
    int rc = harness_push_rows(h, 0, "mine", &err);
    harness_free(h);
    while (text.len < 2000 * 501) {
        char bytes[4096];
        ssize_t n = read(fds[0], bytes, sizeof(bytes));
        assert_true(n > 0);
        str_append(&text, bytes, (size_t)n);
    }
    thread_join(other);
    restore();
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(rc, ERR_CANCELLED);
    assert_int_equal(other_rc, 0);
    struct slice rest = str_slice(&text), line;
    for (int i = 0; i < 2000; i++) {
        assert_true(slice_next(&rest, '\n', &line));
        assert_int_equal(line.len, 500);
        assert_int_equal(atoi(line.data + 480), i);
    }
}

static void test_closed_pipe(void **state)
{
    int fds[2];
    struct error err = ERROR_INIT;
    signal(SIGPIPE, SIG_IGN);
    make_pipe(fds);
    close(fds[0]);
    redirect(fds[1]);
    struct harness *h = sink("ROW<a STRING>", "", 0, 1, false);
    int rc = harness_push_rows(h, 0, "x", &err);
    harness_free(h);
    restore();
    close(fds[1]);
    assert_true(rc < 0);
    assert_non_null(strstr(err.message, "printing to standard output: Broken pipe"));
}

static void test_bad_configuration(void **state)
{
    struct harness *h;
    Flinc__PrintSinkConfig c = FLINC__PRINT_SINK_CONFIG__INIT;
    must(harness_new(&(struct harness_options){.kind = "flinc.sink.print",
                                               .config = &c.base,
                                               .input_schemas = {"ROW<a STRING>"}},
                     &h, &err));
    Flinc__Operator *spec = (Flinc__Operator *)(uintptr_t)harness_context(h)->spec;
    spec->config.data = (uint8_t *)(uintptr_t) "\xff";
    spec->config.len = 1;
    must_fail(harness_open(h, &err), ERR_PARSE, "print sink is damaged");
    harness_free(h);
}

static void test_discard(void **state)
{
    struct harness *h = opened(&(struct harness_options){.kind = "flinc.sink.discard",
                                                         .input_schemas = {"ROW<a STRING>"}});
    must(harness_push_rows(h, 0, "a\nb", &err));
    must(harness_end_of_input(h, 0, &err));
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_lines),
        FILES_TEST(test_prefix),
        cmocka_unit_test(test_cancel_full_pipe),
        cmocka_unit_test(test_cancel_while_another_prints),
        cmocka_unit_test(test_closed_pipe),
        cmocka_unit_test(test_bad_configuration),
        cmocka_unit_test(test_discard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
