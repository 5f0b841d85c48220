/* Cancel tokens: the flag, the check, the descriptor in both orders. */
#include "common/base/thread.h"
#include "common/loop/cancel.h"
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void test_flag_and_check(void **state)
{
    struct error err = ERROR_INIT;
    struct cancel_token *t = cancel_token_new();
    assert_false(cancel_token_is_cancelled(t));
    assert_false(cancel_token_is_cancelled(NULL));
    assert_int_equal(cancel_token_check(t, "listing /x", &err), 0);
    assert_int_equal(cancel_token_check(NULL, "listing /x", &err), 0);
    cancel_token_cancel(t);
    cancel_token_cancel(t);
    assert_true(cancel_token_is_cancelled(t));
    assert_int_equal(cancel_token_check(t, "listing /x", &err), ERR_CANCELLED);
    assert_non_null(strstr(err.message, "listing /x"));
    assert_null(cancel_token_unref(t));
    assert_null(cancel_token_unref(NULL));
}

static void test_descriptor_then_cancel(void **state)
{
    struct cancel_token *t = cancel_token_ref(cancel_token_new());
    int fd = cancel_token_fd(t, NULL);
    assert_true(fd >= 0);
    assert_int_equal(cancel_token_fd(t, NULL), fd);
    assert_false(is_readable(fd));
    cancel_token_cancel(t);
    assert_true(is_readable(fd));
    assert_true(is_readable(fd));
    cancel_token_unref(t);
    cancel_token_unref(t);
}

static void test_cancel_then_descriptor(void **state)
{
    struct cancel_token *t = cancel_token_new();
    cancel_token_cancel(t);
    assert_true(is_readable(cancel_token_fd(t, NULL)));
    cancel_token_unref(t);
}

static void *wait_main(void *arg)
{
    struct cancel_token *t = arg;
    struct pollfd p = {.fd = cancel_token_fd(t, NULL), .events = POLLIN};
    assert_int_equal(poll(&p, 1, -1), 1);
    cancel_token_unref(t);
    return NULL;
}

static void test_ends_a_wait(void **state)
{
    for (int i = 0; i < 50; i++) {
        struct cancel_token *t = cancel_token_new();
        pthread_t thread;
        assert_int_equal(thread_start(&thread, "waiter", wait_main, cancel_token_ref(t), NULL), 0);
        cancel_token_cancel(t);
        cancel_token_unref(t);
        thread_join(thread);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flag_and_check),
        cmocka_unit_test(test_descriptor_then_cancel),
        cmocka_unit_test(test_cancel_then_descriptor),
        cmocka_unit_test(test_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
