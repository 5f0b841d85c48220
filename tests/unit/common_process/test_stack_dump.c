/* Stacks of all threads: those that wait, those that run, those that take no signals. */
#include "common/process/stack_dump.h"

#include "common/base/thread.h"
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

static _Atomic bool stop;
static _Atomic int n_ready;
static struct event_count never;

static void *wait_thread(void *arg)
{
    atomic_fetch_add(&n_ready, 1);
    while (!atomic_load(&stop)) {
        uint32_t ticket = event_count_prepare(&never);
        if (atomic_load(&stop)) {
            event_count_cancel(&never);
        } else {
            event_count_wait(&never, ticket, -1);
        }
    }
    return NULL;
}

static void *run_thread(void *arg)
{
    atomic_fetch_add(&n_ready, 1);
    while (!atomic_load(&stop)) {
        thread_relax();
    }
    return NULL;
}

static void *deaf_thread(void *arg)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return wait_thread(arg);
}

struct seen {
    uint32_t n, n_stacks, n_deaf;
    bool waiter, runner, self;
};

static void look(void *arg, const struct stack_dump_thread *t)
{
    struct seen *s = arg;
    bool has_stack = strstr(t->text, "\tat ") != NULL;
    s->n++;
    s->n_stacks += has_stack;
    s->n_deaf += strstr(t->text, "no answer") != NULL;
    s->waiter |= has_stack && strcmp(t->name, "test-wait") == 0;
    s->runner |= has_stack && strcmp(t->name, "test-run") == 0;
    s->self |= has_stack && t->tid == getpid();
}

static void all_threads_say_where_they_are(void **state)
{
    struct error err = ERROR_INIT;
    pthread_t threads[3];
    assert_int_equal(stack_dump_install(&err), 0);
    assert_int_equal(thread_start(&threads[0], "test-wait", wait_thread, NULL, &err), 0);
    assert_int_equal(thread_start(&threads[1], "test-run", run_thread, NULL, &err), 0);
    assert_int_equal(thread_start(&threads[2], "test-deaf", deaf_thread, NULL, &err), 0);
    while (atomic_load(&n_ready) < 3) {
        thread_relax();
    }
    for (int i = 0; i < 3; i++) {
        struct seen s = {0};
        assert_int_equal(stack_dump_all(look, &s, &err), 0);
        assert_true(s.n >= 4);
        assert_true(s.waiter && s.runner && s.self);
        assert_true(s.n_deaf >= 1 && s.n_deaf + s.n_stacks == s.n);
    }
    atomic_store(&stop, true);
    event_count_signal(&never);
    for (int i = 0; i < 3; i++) {
        thread_join(threads[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_threads_say_where_they_are)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
