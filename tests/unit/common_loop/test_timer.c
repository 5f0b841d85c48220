/* Timers on a manual clock: order, cancelling from callbacks, handles of the past, and a random run
 * against a sorted oracle. */
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct clock_manual clock;
    struct timers timers;
    int fired[4096];
    int n;
};

struct shot {
    struct fixture *f;
    int number;
    uint64_t cancels; /* a timer that it cancels */
    bool re_adds;
};

static void shot_fire(void *arg)
{
    struct shot *s = arg;
    s->f->fired[s->f->n++] = s->number;
    if (s->cancels != TIMER_NONE) {
        assert_true(timers_cancel(&s->f->timers, s->cancels));
    }
    if (s->re_adds) {
        timers_add_after_ms(&s->f->timers, 0, shot_fire, s);
    }
}

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    clock_manual_init(&f->clock);
    timers_init(&f->timers, &f->clock.base);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    timers_fini(&f->timers);
    mem_free(f);
    return 0;
}

static void expect(struct fixture *f, const int *want, int n)
{
    assert_int_equal(f->n, n);
    assert_memory_equal(f->fired, want, sizeof(int) * (size_t)n);
    f->n = 0;
}

static void test_order_and_deadlines(void **state)
{
    struct fixture *f = *state;
    struct shot s[4];
    const int delays_ms[4] = {30, 10, 20, 10};
    assert_int_equal(timers_next_deadline_ns(&f->timers), TIMER_NEVER_NS);
    assert_int_equal(timers_wait_ns(&f->timers), -1);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct shot){.f = f, .number = i};
        assert_true(timers_add_after_ms(&f->timers, delays_ms[i], shot_fire, &s[i]) != TIMER_NONE);
    }
    assert_int_equal(timers_wait_ns(&f->timers), 10 * 1000000);
    assert_int_equal(timers_run_due(&f->timers), 0);
    clock_manual_advance_ms(&f->clock, 10);
    assert_int_equal(timers_wait_ns(&f->timers), 0);
    assert_int_equal(timers_run_due(&f->timers), 2);
    expect(f, (int[]){1, 3}, 2);
    assert_int_equal(timers_len(&f->timers), 2);
    clock_manual_advance_ms(&f->clock, 100);
    assert_int_equal(timers_run_due(&f->timers), 2);
    expect(f, (int[]){2, 0}, 2);
    assert_int_equal(timers_len(&f->timers), 0);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    struct shot a = {.f = f, .number = 1}, b = {.f = f, .number = 2};
    uint64_t ha = timers_add_after_ms(&f->timers, 5, shot_fire, &a);
    uint64_t hb = timers_add_after_ms(&f->timers, 5, shot_fire, &b);
    assert_true(ha != hb);
    assert_true(timers_cancel(&f->timers, ha));
    assert_false(timers_cancel(&f->timers, ha));
    assert_false(timers_cancel(&f->timers, TIMER_NONE));
    assert_false(timers_cancel(&f->timers, 12345));
    clock_manual_advance_ms(&f->clock, 5);
    assert_int_equal(timers_run_due(&f->timers), 1);
    expect(f, (int[]){2}, 1);
    assert_false(timers_cancel(&f->timers, hb));
    /* The slot is used again; the old handle does not name the new timer. */
    uint64_t hc = timers_add_after_ms(&f->timers, 5, shot_fire, &a);
    assert_false(timers_cancel(&f->timers, ha));
    assert_false(timers_cancel(&f->timers, hb));
    assert_true(timers_cancel(&f->timers, hc));
}

static void test_cancel_of_a_due_timer(void **state)
{
    struct fixture *f = *state;
    struct shot b = {.f = f, .number = 2}, a = {.f = f, .number = 1}, c = {.f = f, .number = 3};
    timers_add_after_ms(&f->timers, 1, shot_fire, &a);
    a.cancels = timers_add_after_ms(&f->timers, 2, shot_fire, &b);
    timers_add_after_ms(&f->timers, 3, shot_fire, &c);
    clock_manual_advance_ms(&f->clock, 10);
    assert_int_equal(timers_run_due(&f->timers), 2);
    expect(f, (int[]){1, 3}, 2);
}

static void test_a_run_always_ends(void **state)
{
    struct fixture *f = *state;
    struct shot again = {.f = f, .number = 1, .re_adds = true};
    timers_add_after_ms(&f->timers, 0, shot_fire, &again);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(timers_run_due(&f->timers), 1);
    }
    assert_int_equal(timers_len(&f->timers), 1);
}

static void test_far_delays_do_not_overflow(void **state)
{
    struct fixture *f = *state;
    struct shot s = {.f = f, .number = 1};
    uint64_t h = timers_add_after_ms(&f->timers, INT64_MAX, shot_fire, &s);
    assert_true(timers_next_deadline_ns(&f->timers) < TIMER_NEVER_NS);
    assert_int_equal(timers_run_due(&f->timers), 0);
    assert_true(timers_cancel(&f->timers, h));
    timers_add_after_ms(&f->timers, -5, shot_fire, &s);
    assert_int_equal(timers_run_due(&f->timers), 1);
}

static int n_dropped;
static void count_drop(void *arg)
{
    n_dropped++;
}

static void test_owned_arguments_are_dropped(void **state)
{
    struct fixture *f = *state;
    n_dropped = 0;
    struct shot s = {.f = f, .number = 1};
    int64_t now_ns = clock_monotonic_ns(&f->clock.base);
    uint64_t h = timers_add_owned(&f->timers, now_ns + 1000000, shot_fire, &s, count_drop);
    timers_add_owned(&f->timers, now_ns + 2000000, shot_fire, &s, count_drop);
    timers_add_owned(&f->timers, now_ns, shot_fire, &s, count_drop);
    assert_int_equal(timers_run_due(&f->timers), 1);
    assert_int_equal(n_dropped, 0);
    assert_true(timers_cancel(&f->timers, h));
    assert_int_equal(n_dropped, 1);
    timers_clear(&f->timers);
    assert_int_equal(n_dropped, 2);
    assert_int_equal(timers_len(&f->timers), 0);
}

enum { RANDOM_TIMERS = 300, RANDOM_STEPS = 4000 };

/* Adds, cancels and advances at random; what fires must be what a plain table says. */
static void test_random_against_a_table(void **state)
{
    struct fixture *f = *state;
    struct rng r;
    rng_init(&r, 42);
    struct {
        struct shot shot;
        uint64_t handle;
        int64_t deadline_ns;
        uint64_t sequence;
        bool waiting;
    } t[RANDOM_TIMERS] = {0};
    uint64_t sequence = 0;
    for (int step = 0; step < RANDOM_STEPS; step++) {
        size_t i = rng_below(&r, RANDOM_TIMERS);
        if (rng_below(&r, 10) == 0) {
            clock_manual_advance_ms(&f->clock, (int64_t)rng_below(&r, 20));
            int64_t now_ns = clock_monotonic_ns(&f->clock.base);
            timers_run_due(&f->timers);
            for (int k = 0; k < f->n; k++) {
                int x = f->fired[k];
                assert_true(t[x].waiting && t[x].deadline_ns <= now_ns);
                t[x].waiting = false;
                int y = k + 1 < f->n ? f->fired[k + 1] : -1;
                assert_true(
                    y < 0 || t[x].deadline_ns < t[y].deadline_ns ||
                    (t[x].deadline_ns == t[y].deadline_ns && t[x].sequence < t[y].sequence));
            }
            f->n = 0;
            for (size_t k = 0; k < RANDOM_TIMERS; k++) {
                assert_false(t[k].waiting && t[k].deadline_ns <= now_ns);
            }
        } else if (t[i].waiting) {
            assert_true(timers_cancel(&f->timers, t[i].handle));
            t[i].waiting = false;
        } else {
            int64_t delay_ms = (int64_t)rng_below(&r, 100);
            t[i].shot = (struct shot){.f = f, .number = (int)i};
            t[i].deadline_ns = clock_monotonic_ns(&f->clock.base) + delay_ms * 1000000;
            t[i].handle = timers_add(&f->timers, t[i].deadline_ns, shot_fire, &t[i].shot);
            t[i].sequence = sequence++;
            t[i].waiting = true;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_deadlines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cancel_of_a_due_timer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_run_always_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_far_delays_do_not_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_owned_arguments_are_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_random_against_a_table, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
