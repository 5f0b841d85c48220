/* Threads, and the event count: no lost wake-up in ping-pong, many waiters, time-outs. */
#include "common/base/thread.h"

#include <signal.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct facts {
    char name[32];
    bool blocks_term, blocks_segv;
};

static void *look_around(void *arg)
{
    struct facts *f = arg;
    pthread_getname_np(pthread_self(), f->name, sizeof(f->name));
    assert_string_equal(thread_name(), "a name that is far too long");
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    f->blocks_term = sigismember(&set, SIGTERM);
    f->blocks_segv = sigismember(&set, SIGSEGV);
    return NULL;
}

static void test_start_and_join(void **state)
{
    struct facts f;
    pthread_t thread;
    int before = thread_count();
    assert_int_equal(thread_start(&thread, "a name that is far too long", look_around, &f, NULL),
                     0);
    assert_int_equal(thread_count(), before + 1);
    thread_join(thread);
    assert_int_equal(thread_count(), before);
    assert_string_equal(f.name, "a name that is ");
    assert_true(f.blocks_term);
    assert_false(f.blocks_segv); /* a crash must reach the crash handler */

    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    assert_false(sigismember(&set, SIGTERM)); /* the starter's own mask is as before */
}

static void test_tickets(void **state)
{
    struct event_count e = {0};
    /* Nobody waits: the epoch stays. */
    event_count_signal(&e);
    assert_int_equal(e.epoch, 0);

    uint32_t ticket = event_count_prepare(&e);
    assert_int_equal(e.waiters, 1);
    assert_false(event_count_wait(&e, ticket, 0));
    assert_int_equal(e.waiters, 0);
    ticket = event_count_prepare(&e);
    assert_false(event_count_wait(&e, ticket, 1000));

    /* A signal between ticket and wait is not lost. */
    ticket = event_count_prepare(&e);
    event_count_signal(&e);
    assert_true(event_count_wait(&e, ticket, -1));
    ticket = event_count_prepare(&e);
    event_count_signal(&e);
    assert_true(event_count_wait(&e, ticket, INT64_MAX));

    ticket = event_count_prepare(&e);
    event_count_cancel(&e);
    assert_int_equal(e.waiters, 0);
}

/* ---- ping-pong ----------------------------------------------------------------------------- */

enum { N_ROUNDS = 100000 };

struct ping_pong {
    _Alignas(64) struct event_count to_pong;
    _Alignas(64) struct event_count to_ping;
    _Alignas(64) _Atomic uint32_t ball; /* even: ping's turn */
    uint64_t payload;                   /* plain: handed over with the ball */
};

/* Looks for a varying while before it lies down, so that over the rounds prepare() meets signal() at
 * every distance: asleep, just before, in the middle, just after.  (An event count whose signal()
 * only loads `waiters` hangs here nearly every time.) */
static void await_ball(struct ping_pong *p, struct event_count *e, uint32_t turn)
{
    for (uint32_t looks = turn % 300; looks > 0; looks--) {
        if (atomic_load_explicit(&p->ball, memory_order_relaxed) == turn) {
            break;
        }
        thread_relax();
    }
    for (;;) {
        uint32_t ticket = event_count_prepare(e);
        if (atomic_load_explicit(&p->ball, memory_order_acquire) == turn) {
            event_count_cancel(e);
            return;
        }
        assert_true(event_count_wait(e, ticket, -1));
    }
}

static void *play_pong(void *arg)
{
    struct ping_pong *p = arg;
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        await_ball(p, &p->to_pong, 2 * round + 1);
        p->payload++;
        atomic_store_explicit(&p->ball, 2 * round + 2, memory_order_release);
        event_count_signal(&p->to_ping);
    }
    return NULL;
}

static void test_ping_pong(void **state)
{
    struct ping_pong p = {0};
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "pong", play_pong, &p, NULL), 0);
    for (uint32_t round = 0; round < N_ROUNDS; round++) {
        p.payload++;
        atomic_store_explicit(&p.ball, 2 * round + 1, memory_order_release);
        event_count_signal(&p.to_pong);
        await_ball(&p, &p.to_ping, 2 * round + 2);
    }
    thread_join(thread);
    assert_int_equal(p.payload, 2 * N_ROUNDS);
    assert_int_equal(p.to_ping.waiters, 0);
    assert_int_equal(p.to_pong.waiters, 0);
}

/* ---- relaxed flags: the event count alone must order them ---------------------------------- */

enum { N_ITEMS = 100000, N_WAITERS = 3 };

struct feed {
    struct event_count e;
    _Atomic uint32_t produced, consumed;
};

static void *eat(void *arg)
{
    struct feed *f = arg;
    for (;;) {
        uint32_t ticket = event_count_prepare(&f->e);
        uint32_t consumed = atomic_load_explicit(&f->consumed, memory_order_relaxed);
        uint32_t produced = atomic_load_explicit(&f->produced, memory_order_relaxed);
        if (consumed == N_ITEMS) {
            event_count_cancel(&f->e);
            return NULL;
        }
        if (consumed >= produced) {
            assert_true(event_count_wait(&f->e, ticket, -1));
            continue;
        }
        event_count_cancel(&f->e);
        if (atomic_compare_exchange_strong_explicit(&f->consumed, &consumed, consumed + 1,
                                                    memory_order_relaxed, memory_order_relaxed) &&
            consumed + 1 == N_ITEMS) {
            event_count_signal(&f->e); /* the others may go home */
        }
    }
}

static void test_many_waiters(void **state)
{
    struct feed f = {0};
    pthread_t threads[N_WAITERS];
    for (int i = 0; i < N_WAITERS; i++) {
        assert_int_equal(thread_start(&threads[i], "eater", eat, &f, NULL), 0);
    }
    for (uint32_t i = 1; i <= N_ITEMS; i++) {
        atomic_store_explicit(&f.produced, i, memory_order_relaxed);
        event_count_signal(&f.e);
    }
    for (int i = 0; i < N_WAITERS; i++) {
        thread_join(threads[i]);
    }
    assert_int_equal(f.consumed, N_ITEMS);
    assert_int_equal(f.e.waiters, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_and_join),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_ping_pong),
        cmocka_unit_test(test_many_waiters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
