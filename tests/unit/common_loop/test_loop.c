/* The event loop: descriptors, deleting inside callbacks, timers, posts and wakes across threads,
 * signals. */
#include "common/base/mem.h"
#include "common/loop/loop.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct loop *loop;
    int pair[2];
    struct loop_fd *watch, *other;
    uint32_t events;
    int calls;
    char last;
};

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    assert_int_equal(loop_new(&(struct loop_options){.name = "test"}, &f->loop, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, f->pair), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_free(f->loop);
    close(f->pair[0]);
    if (f->pair[1] >= 0) {
        close(f->pair[1]);
    }
    mem_free(f);
    return 0;
}

static void on_ready(void *arg, int fd, uint32_t events)
{
    struct fixture *f = arg;
    f->calls++;
    f->events = events;
    if (events & LOOP_READ) {
        (void)!read(fd, &f->last, 1);
    }
}

static void watch(struct fixture *f, uint32_t events)
{
    assert_int_equal(loop_add(f->loop, f->pair[0], events, on_ready, f, &f->watch, NULL), 0);
}

static void send_byte(struct fixture *f, char c)
{
    assert_int_equal(write(f->pair[1], &c, 1), 1);
}

static void test_readiness(void **state)
{
    struct fixture *f = *state;
    watch(f, LOOP_READ);
    assert_int_equal(loop_run_once(f->loop, 0, NULL), 0);
    send_byte(f, 'a');
    send_byte(f, 'b');
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1);
    assert_int_equal(f->last, 'a');
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1); /* level-triggered: b is still there */
    assert_int_equal(f->last, 'b');
    assert_int_equal(loop_mod(f->watch, LOOP_WRITE, NULL), 0);
    send_byte(f, 'c');
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1);
    assert_int_equal(f->events, LOOP_WRITE);
    assert_int_equal(loop_mod(f->watch, LOOP_READ, NULL), 0);
    assert_int_equal(loop_mod(f->watch, LOOP_READ, NULL), 0);
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1);
    assert_int_equal(f->last, 'c');
    close(f->pair[1]);
    f->pair[1] = -1;
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1);
    assert_true(f->events & LOOP_HANGUP);
    assert_null(loop_del(f->watch));
    assert_int_equal(loop_run_once(f->loop, 0, NULL), 0);
    assert_null(loop_del(NULL));
}

static void on_ready_delete_both(void *arg, int fd, uint32_t events)
{
    struct fixture *f = arg;
    f->calls++;
    f->watch = loop_del(f->watch);
    f->other = loop_del(f->other);
}

/* Both are ready in the same round; whichever comes first deletes itself and the other. */
static void test_delete_inside_a_callback(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        loop_add(f->loop, f->pair[0], LOOP_WRITE, on_ready_delete_both, f, &f->watch, NULL), 0);
    assert_int_equal(
        loop_add(f->loop, f->pair[1], LOOP_WRITE, on_ready_delete_both, f, &f->other, NULL), 0);
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 1);
    assert_int_equal(f->calls, 1);
    assert_int_equal(loop_run_once(f->loop, 0, NULL), 0);
}

static void test_bad_descriptor(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    struct loop_fd *w = NULL;
    assert_true(loop_add(f->loop, -1, LOOP_READ, on_ready, f, &w, &err) < 0);
    assert_non_null(strstr(err.message, "event loop test"));
    assert_null(w);
    int fd = open("/dev/null", O_RDONLY);
    assert_true(loop_add(f->loop, fd, LOOP_READ, on_ready, f, &w, &err) < 0); /* no epoll for it */
    close(fd);
}

static void on_timer(void *arg)
{
    struct fixture *f = arg;
    f->calls++;
    loop_stop(f->loop);
}

static void test_timers_end_the_wait(void **state)
{
    struct fixture *f = *state;
    loop_schedule(f->loop, 2, on_timer, f);
    uint64_t never = loop_schedule(f->loop, 1000000, on_timer, f);
    assert_int_equal(loop_run(f->loop, NULL), 0);
    assert_int_equal(f->calls, 1);
    assert_true(loop_cancel(f->loop, never));
    assert_false(loop_cancel(f->loop, never));
}

static void test_manual_clock(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct fixture f = {.calls = 0};
    assert_int_equal(
        loop_new(&(struct loop_options){.name = "manual", .clock = &clock.base}, &f.loop, NULL), 0);
    loop_schedule(f.loop, 5000, on_timer, &f);
    assert_int_equal(loop_run_once(f.loop, 0, NULL), 0);
    clock_manual_advance_ms(&clock, 5000);
    loop_wake(f.loop);
    assert_int_equal(loop_run_once(f.loop, -1, NULL), 1);
    loop_free(f.loop);
}

/* ---- across threads --------------------------------------------------------------------------- */

enum { POSTS = 5000 };

static void count_op(void *target, void *payload)
{
    struct fixture *f = target;
    if (++f->calls == 2 * POSTS) {
        loop_stop(f->loop);
    }
}

static void *post_main(void *arg)
{
    struct fixture *f = arg;
    struct mailbox_op op = {.run = count_op, .target = f};
    for (int i = 0; i < POSTS; i++) {
        assert_int_equal(mailbox_post(loop_mailbox(f->loop), MAILBOX_LANE_DATA, &op), 0);
        if (i % 64 == 0) {
            sched_yield(); /* let it fall asleep now and then */
        }
    }
    return NULL;
}

static void test_posts_wake_it(void **state)
{
    struct fixture *f = *state;
    pthread_t a, b;
    assert_int_equal(thread_start(&a, "a", post_main, f, NULL), 0);
    assert_int_equal(thread_start(&b, "b", post_main, f, NULL), 0);
    assert_int_equal(loop_run(f->loop, NULL), 0);
    assert_int_equal(f->calls, 2 * POSTS);
    thread_join(a);
    thread_join(b);
}

static void *stop_main(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void test_stop_from_another_thread(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 200; i++) {
        pthread_t t;
        assert_int_equal(thread_start(&t, "stopper", stop_main, f->loop, NULL), 0);
        assert_int_equal(loop_run(f->loop, NULL), 0);
        thread_join(t);
    }
}

static void test_wake_before_the_wait_counts(void **state)
{
    struct fixture *f = *state;
    loop_wake(f->loop);
    loop_wake(f->loop);
    assert_int_equal(loop_run_once(f->loop, -1, NULL), 0);
}

/* ---- signals ---------------------------------------------------------------------------------- */

static void on_signal(void *arg, int signo)
{
    struct fixture *f = arg;
    f->calls += signo == SIGUSR1;
    loop_stop(f->loop);
}

static void test_signals(void **state)
{
    struct fixture *f = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(loop_add_signal(f->loop, SIGUSR1, on_signal, f, &err), 0);
    assert_int_equal(loop_add_signal(f->loop, SIGUSR1, on_signal, f, &err), ERR_ALREADY_EXISTS);
    assert_int_equal(loop_add_signal(f->loop, 12345, on_signal, f, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    assert_int_equal(loop_run(f->loop, NULL), 0);
    assert_int_equal(f->calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_readiness, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delete_inside_a_callback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timers_end_the_wait, setup, teardown),
        cmocka_unit_test(test_manual_clock),
        cmocka_unit_test_setup_teardown(test_posts_wake_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_from_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake_before_the_wait_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
