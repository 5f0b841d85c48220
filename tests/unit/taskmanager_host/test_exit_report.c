/* Words for ends of workers. */
#include "taskmanager/host/exit_report.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

static const char crash[] =
    "2026-01-01 00:00:00,000 INFO  flinc.x  [] - first\n"
    "2026-01-01 00:00:00,001 WARN  flinc.x  [] - second\n"
    "\nFlinc crashed: SIGSEGV (invalid memory access) at address 0x0\n"
    "  job:      Words (00ff)\n"
    "2026-01-01 00:00:00,002 INFO  flinc.x  [] - another thread\n"
    "  task:     Map (1/2)\n"
    "  operator: Map (1/2)\n"
    "  attempt:  0, aa\n"
    "  native stack:\n"
    "/usr/lib/libflinc.so.0(+0x1234)[0x7f0000001234]\n"
    "2026-01-01 00:00:00,003 INFO  flinc.x  [] - another thread\n"
    "/tmp/blobs/ab.so(split+0x12)[0x7f0000005678]\n"
    "  Functions of a bundle in this stack are the job's own code; built with -g,\n";

static struct error report(const struct exit_facts *facts)
{
    struct error err = ERROR_INIT;
    exit_report_make(facts, &err);
    return err;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, text);
    }
}

static void test_crash(void **state)
{
    char name[] = "words.so";
    const struct exit_library library = {"ab", name};
    const struct exit_facts f = {.job_name = "Words",
                                 .pid = 7,
                                 .signal = SIGSEGV,
                                 .stderr_tail = SLICE_LIT(crash),
                                 .libraries = &library,
                                 .n_libraries = 1};
    struct error e = report(&f);
    assert_int_equal(e.code, ERR_USER_CODE);
    assert_string_equal(
        e.message, "The worker process of job 'Words' (pid 7) ended by signal SIGSEGV (invalid "
                   "memory access)\n"
                   "  Flinc crashed: SIGSEGV (invalid memory access) at address 0x0\n"
                   "  job:      Words (00ff)\n"
                   "  task:     Map (1/2)\n"
                   "  operator: Map (1/2)\n"
                   "  attempt:  0, aa\n"
                   "  native stack:\n"
                   "    libflinc.so.0(+0x1234)\n"
                   "    words.so(split+0x12)");
    assert_has(e.frames, "it had said: 2026-01-01 00:00:00,000 INFO  flinc.x  [] - first\n"
                         "it had said: 2026-01-01 00:00:00,001 WARN  flinc.x  [] - second\n");
}

static void test_killed(void **state)
{
    const struct exit_facts f = {.job_name = "Words", .pid = 7, .signal = SIGKILL};
    struct error e = report(&f);
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_has(e.message, "out of memory");
    assert_has(e.message, "taskmanager.memory.process.size");
    assert_string_equal(e.frames, "");
}

static void test_reasons_come_first(void **state)
{
    struct error ended = ERROR_INIT, dying = ERROR_INIT;
    error_set(&ended, ERR_CLOSED, "stopped");
    error_set(&dying, ERR_OUT_OF_MEMORY, "too much");
    struct exit_facts f = {.job_name = "Words",
                           .pid = 7,
                           .exit_code = 18,
                           .stderr_tail = SLICE_LIT("a line\n\nFlinc ends: too much\n"),
                           .dying = &dying};
    struct error e = report(&f);
    assert_int_equal(e.code, ERR_OUT_OF_MEMORY);
    assert_string_equal(e.message, "too much");
    assert_string_equal(e.frames, "it had said: a line\n");
    f.stderr_tail = SLICE_LIT("a line\nStack of task Map (1/1), earlier:\n/x/a.so(+0x1)[0x1]\n"
                              "Stack of task Map (1/1), last:\n  job:      Words\n"
                              "/x/b.so(+0x2)[0x2]\nno frame\n/x/c.so(+0x3)[0x3]\n"
                              "\nFlinc ends: too much\n");
    e = report(&f);
    assert_string_equal(e.message, "too much\n  Stack of task Map (1/1), last:\n"
                                   "    b.so(+0x2)\n    c.so(+0x3)");
    f.ended = &ended;
    assert_string_equal(report(&f).message, "stopped");
}

static void test_exit_and_spawner(void **state)
{
    struct exit_facts f = {.job_name = "Words", .pid = 7, .exit_code = 3};
    assert_has(report(&f).message, "ended with exit status 3");
    f.spawner_lost = true;
    f.signal = SIGKILL;
    assert_has(report(&f).message, "ended with the spawner process");
    f = (struct exit_facts){.job_name = "Words", .pid = 7, .signal = 63};
    assert_has(report(&f).message, "ended by signal 63");
}

static void test_hostile_output(void **state)
{
    struct str tail = STR_INIT;
    for (int i = 0; i < 5000; i++) {
        str_append_char(&tail, i % 3 == 0 ? '\x1b' : 'x');
    }
    str_append_cstr(&tail, "\nFlinc crashed: \nnative stack:\n][0x");
    const struct exit_facts f = {
        .job_name = "Words", .pid = 7, .signal = SIGBUS, .stderr_tail = str_slice(&tail)};
    struct error e = report(&f);
    assert_null(strchr(e.message, '\x1b'));
    assert_null(strchr(e.frames, '\x1b'));
    str_fini(&tail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_reasons_come_first),
        cmocka_unit_test(test_exit_and_spawner),
        cmocka_unit_test(test_hostile_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
