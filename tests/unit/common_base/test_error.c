/* Errors: the tables are complete, messages and frames are cut cleanly, TRY stops, and a failed
 * assertion says where. */
#include "common/base/error.h"

#include <errno.h>
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

static void test_every_code_has_name_class_text(void **state)
{
    static const struct {
        int code;
        const char *name;
        enum error_class cls;
    } rows[] = {
#define ROW(name, value, cls, text) {(value), #name, ERROR_CLASS_##cls},
        ERROR_CODES(ROW)
#undef ROW
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(rows[i].code, -(int)i); /* dense: the table is indexed by it */
        assert_string_equal(error_code_name(rows[i].code), rows[i].name);
        assert_int_equal(error_code_class(rows[i].code), rows[i].cls);
        const char *text = error_code_text(rows[i].code);
        assert_true(strlen(text) > 0);
        assert_string_not_equal(text, "unknown error");
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(text, error_code_text(rows[j].code));
        }
    }
    for (int cls = ERROR_CLASS_USER; cls <= ERROR_CLASS_BUG; cls++) {
        assert_string_not_equal(error_class_name((enum error_class)cls), "unknown");
    }
}

static void test_unknown_codes(void **state)
{
    static const int codes[] = {1, -22, -1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        assert_string_equal(error_code_name(codes[i]), "UNKNOWN");
        assert_string_equal(error_code_text(codes[i]), "unknown error");
        assert_int_equal(error_code_class(codes[i]), ERROR_CLASS_BUG);
    }
}

static void test_set_and_format(void **state)
{
    struct error err = ERROR_INIT;
    char text[256];
    assert_string_equal(error_format(&err, text, sizeof(text)), "no error");
    assert_string_equal(error_format(NULL, text, sizeof(text)), "unknown error");

    assert_int_equal(error_set(&err, ERR_NOT_FOUND, "no job %d", 7), ERR_NOT_FOUND);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(err.cls, ERROR_CLASS_USER);
    assert_non_null(strstr(err.file, "test_error.c"));
    assert_true(err.line > 0);
    assert_string_equal(error_format(&err, text, sizeof(text)), "no job 7");

    error_context(&err, "restoring key group %d", 3);
    error_context(&err, "deploying\nmap (1/2)");
    assert_string_equal(error_format(&err, text, sizeof(text)),
                        "no job 7 (while restoring key group 3, deploying map (1/2))");

    error_set_class(&err, ERROR_CLASS_FATAL);
    assert_int_equal(err.cls, ERROR_CLASS_FATAL);
    struct error copy = ERROR_INIT;
    error_copy(&copy, &err);
    assert_memory_equal(&copy, &err, sizeof(err));

    /* A message may quote the error that it replaces. */
    error_set(&err, ERR_IO, "again: %s", err.message);
    assert_string_equal(error_format(&err, text, sizeof(text)), "again: no job 7");

    error_clear(&err);
    assert_int_equal(err.code, 0);
    assert_string_equal(error_format(&err, text, sizeof(text)), "no error");
}

static void test_null_error_is_fine(void **state)
{
    assert_int_equal(error_set(NULL, ERR_IO, "x"), ERR_IO);
    assert_int_equal(error_set_errno(NULL, ENOSPC, "x"), ERR_NO_SPACE);
    error_context(NULL, "x");
    error_set_class(NULL, ERROR_CLASS_BUG);
    error_clear(NULL);
    error_copy(NULL, NULL);
}

static void test_errno(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(error_set_errno(&err, ENOENT, "opening %s", "/x"), ERR_NOT_FOUND);
    assert_string_equal(err.message, "opening /x: No such file or directory");
    assert_int_equal(error_code_from_errno(EIO), ERR_IO);
    assert_int_equal(error_code_from_errno(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(error_code_from_errno(ECONNREFUSED), ERR_UNAVAILABLE);
    assert_int_equal(error_code_from_errno(EMFILE), ERR_LIMIT);
    assert_int_equal(error_code_from_errno(123456), ERR_IO);

    /* The reason survives a long name. */
    char path[3000];
    memset(path, 'p', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    error_set_errno(&err, ENOSPC, "writing %s", path);
    assert_non_null(strstr(err.message, ": No space left on device"));
    assert_true(strlen(err.message) < ERROR_MESSAGE_MAX);
}

static void test_long_text_is_cut_between_characters(void **state)
{
    struct error err = ERROR_INIT;
    char text[2 * ERROR_MESSAGE_MAX];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xE2\x82\xAC", 4); /* a euro sign, three bytes */
        }
        error_set(&err, ERR_PARSE, "%s", text);
        size_t len = strlen(err.message);
        assert_true(len < ERROR_MESSAGE_MAX && len >= ERROR_MESSAGE_MAX - 3);
        assert_int_equal((len - shift) % 3, 0);
    }
}

static void test_frames_that_do_not_fit_are_left_out(void **state)
{
    struct error err = ERROR_INIT;
    error_set(&err, ERR_IO, "m");
    for (int i = 0; i < 1000; i++) {
        error_context(&err, "frame number %04d", i);
    }
    size_t len = strlen(err.frames);
    assert_true(len < ERROR_FRAMES_MAX);
    assert_int_equal(len % strlen("frame number 0000\n"), 0);
    assert_memory_equal(err.frames, "frame number 0000\n", 18);

    char small[16];
    for (size_t size = 1; size <= sizeof(small); size++) {
        memset(small, 'x', sizeof(small));
        assert_ptr_equal(error_format(&err, small, size), small);
        assert_true(strlen(small) < size);
    }
    assert_string_equal(error_format(&err, NULL, 0), "");
}

static int fails(struct error *err)
{
    return error_set(err, ERR_TIMEOUT, "slow");
}

static int calls(struct error *err, int *steps)
{
    ++*steps;
    TRY(0);
    ++*steps;
    TRY_CTX(err, fails(err), "calling step %d", *steps);
    ++*steps;
    return 0;
}

static void test_try(void **state)
{
    struct error err = ERROR_INIT;
    int steps = 0;
    assert_int_equal(calls(&err, &steps), ERR_TIMEOUT);
    assert_int_equal(steps, 2);
    assert_string_equal(err.frames, "calling step 2\n");
}

static void test_assert_says_where_and_aborts(void **state)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's handler would report the test as failed */
        dup2(fds[1], STDERR_FILENO);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(fds[1]);
    char text[512] = "";
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0; len += (size_t)n) {
    }
    close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    const char *head = "flinc: assertion failed: 1 + 1 == 3 (";
    assert_memory_equal(text, head, strlen(head));
    assert_non_null(strstr(text, "test_error.c:"));
    assert_non_null(strstr(text, "test_assert_says_where_and_aborts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_name_class_text),
        cmocka_unit_test(test_unknown_codes),
        cmocka_unit_test(test_set_and_format),
        cmocka_unit_test(test_null_error_is_fine),
        cmocka_unit_test(test_errno),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_frames_that_do_not_fit_are_left_out),
        cmocka_unit_test(test_try),
        cmocka_unit_test(test_assert_says_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
