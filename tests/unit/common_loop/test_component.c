/* Components: order of the mailbox, timers, start and stop; with a thread and stepped by hand. */
#include "common/base/mem.h"
#include "common/loop/component.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { TRACE_MAX = 256 };

struct actor {
    struct component *component;
    int trace[TRACE_MAX];
    int n;
    int started, stopped;
    struct event_count progress;
    _Atomic int n_done;
    bool posts_at_stop;
    uint64_t timer;
};

enum { AT_START = 1000, AT_STOP = 2000, AT_TIMER = 3000 };

static void actor_note(struct actor *a, int what)
{
    component_assert_on_thread(a->component);
    assert_in_range(a->n, 0, TRACE_MAX - 1);
    a->trace[a->n++] = what;
    atomic_fetch_add(&a->n_done, 1);
    event_count_signal(&a->progress);
}

static void actor_op(void *owner, void *payload)
{
    actor_note(owner, (int)(intptr_t)payload);
}

static void actor_on_start(void *owner)
{
    struct actor *a = owner;
    a->started++;
    actor_note(a, AT_START);
}

static void actor_on_stop(void *owner)
{
    struct actor *a = owner;
    a->stopped++;
    actor_note(a, AT_STOP);
    if (a->posts_at_stop) {
        assert_int_equal(component_post(a->component, MAILBOX_LANE_DATA, 0, actor_op,
                                        (void *)(intptr_t)99, NULL),
                         0);
    }
}

static void actor_on_timer(void *arg)
{
    actor_note(arg, AT_TIMER);
}

static void actor_post(struct actor *a, int what)
{
    assert_int_equal(
        component_post(a->component, MAILBOX_LANE_DATA, 0, actor_op, (void *)(intptr_t)what, NULL),
        0);
}

static void actor_init(struct actor *a, enum component_mode mode, const struct clock *clock)
{
    *a = (struct actor){.started = 0};
    a->component = component_new(&(struct component_options){.name = "actor",
                                                             .mode = mode,
                                                             .clock = clock,
                                                             .on_start = actor_on_start,
                                                             .on_stop = actor_on_stop,
                                                             .owner = a});
}

static void actor_wait(struct actor *a, int n)
{
    while (atomic_load(&a->n_done) < n) {
        uint32_t ticket = event_count_prepare(&a->progress);
        if (atomic_load(&a->n_done) >= n) {
            event_count_cancel(&a->progress);
            break;
        }
        event_count_wait(&a->progress, ticket, -1);
    }
}

static void expect(struct actor *a, const int *want, int n)
{
    assert_int_equal(a->n, n);
    assert_memory_equal(a->trace, want, sizeof(int) * (size_t)n);
}

static void test_stopped_before_it_started(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    actor_post(&a, 1);
    component_stop(a.component);
    assert_int_equal(component_get_state(a.component), COMPONENT_STOPPED);
    component_stop(a.component); /* again: nothing */
    component_free(a.component);
    assert_int_equal(a.started, 0);
}

static void test_thread_runs_in_order_and_drains(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    actor_post(&a, 1); /* waits for the start */
    assert_int_equal(component_get_state(a.component), COMPONENT_NEW);
    assert_int_equal(component_start(a.component, NULL), 0);
    for (int i = 2; i < 20; i++) {
        actor_post(&a, i);
    }
    component_stop(a.component);
    assert_int_equal(component_get_state(a.component), COMPONENT_STOPPED);
    int want[21] = {AT_START};
    for (int i = 1; i < 20; i++) {
        want[i] = i;
    }
    want[20] = AT_STOP;
    expect(&a, want, 21);
    assert_int_equal(component_post(a.component, MAILBOX_LANE_DATA, 0, actor_op, NULL, NULL),
                     ERR_CLOSED);
    component_stop(a.component); /* again: nothing */
    component_free(a.component);
    assert_int_equal(a.started, 1);
    assert_int_equal(a.stopped, 1);
}

static void schedule_op(void *owner, void *payload)
{
    struct actor *a = owner;
    component_schedule(a->component, 1, actor_on_timer, a);
    uint64_t cancelled = component_schedule(a->component, 1, actor_on_timer, a);
    assert_true(component_cancel(a->component, cancelled));
    component_schedule(a->component, 1000000, actor_on_timer, a); /* dropped by the stop */
}

static void test_thread_wakes_for_its_timers(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    assert_int_equal(component_start(a.component, NULL), 0);
    assert_int_equal(component_post(a.component, MAILBOX_LANE_DATA, 0, schedule_op, NULL, NULL), 0);
    actor_wait(&a, 2);
    component_stop(a.component);
    expect(&a, (int[]){AT_START, AT_TIMER, AT_STOP}, 3);
    component_free(a.component);
}

static void stop_self(void *owner, void *payload)
{
    struct actor *a = owner;
    component_request_stop(a->component);
    component_request_stop(a->component);
    actor_post(a, 5); /* behind the stop: runs neither before nor after on_stop ... */
}

static void test_component_stops_itself(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    a.posts_at_stop = true;
    assert_int_equal(component_start(a.component, NULL), 0);
    assert_int_equal(component_post(a.component, MAILBOX_LANE_DATA, 0, stop_self, NULL, NULL), 0);
    component_free(a.component);
    /* ... but with what is left when on_stop has run, in order. */
    expect(&a, (int[]){AT_START, AT_STOP, 5, 99}, 4);
}

static void test_never_started(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    actor_post(&a, 1);
    component_free(a.component);
    assert_int_equal(a.n, 0);
    assert_null(component_free(NULL));
}

static void test_manual_steps(void **state)
{
    struct clock_manual clock;
    clock_manual_init(&clock);
    struct actor a;
    actor_init(&a, COMPONENT_MANUAL, &clock.base);
    a.posts_at_stop = true;
    assert_int_equal(component_start(a.component, NULL), 0);
    assert_int_equal(component_run_once(a.component), 0);
    assert_int_equal(component_next_deadline_ns(a.component), TIMER_NEVER_NS);
    actor_post(&a, 1);
    actor_post(&a, 2);
    assert_int_equal(
        component_post(a.component, MAILBOX_LANE_CONTROL, 0, actor_op, (void *)(intptr_t)3, NULL),
        0);
    assert_int_equal(component_run_once(a.component), 1);
    component_schedule(a.component, 10, actor_on_timer, &a);
    assert_int_equal(component_next_deadline_ns(a.component),
                     clock_monotonic_ns(&clock.base) + 10000000);
    clock_manual_advance_ms(&clock, 10);
    assert_int_equal(component_run_once(a.component), 2); /* the timer and one operation */
    assert_int_equal(component_run_until_idle(a.component, 0), 1);
    component_stop(a.component);
    expect(&a, (int[]){AT_START, 3, AT_TIMER, 1, 2, AT_STOP, 99}, 7);
    component_free(a.component);
}

static void test_start_twice_is_an_error(void **state)
{
    struct actor a;
    struct error err = ERROR_INIT;
    actor_init(&a, COMPONENT_MANUAL, NULL);
    assert_int_equal(component_start(a.component, &err), 0);
    assert_int_equal(component_start(a.component, &err), ERR_STATE);
    assert_non_null(strstr(err.message, "actor"));
    component_free(a.component);
}

static void *on_thread_elsewhere(void *arg)
{
    struct actor *a = arg;
    assert_false(component_on_thread(a->component));
    return NULL;
}

static void test_on_thread(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    assert_true(component_on_thread(a.component));
    pthread_t other;
    assert_int_equal(thread_start(&other, "other", on_thread_elsewhere, &a, NULL), 0);
    thread_join(other);
    assert_int_equal(component_start(a.component, NULL), 0);
    assert_false(component_on_thread(a.component));
    component_stop(a.component);
    assert_true(component_on_thread(a.component));
    component_free(a.component);
}

static void test_mailbox_outlives_the_component(void **state)
{
    struct actor a;
    actor_init(&a, COMPONENT_THREAD, NULL);
    struct mailbox *m = mailbox_ref(component_mailbox(a.component));
    component_free(a.component);
    struct mailbox_op op = {.run = actor_op, .target = &a};
    assert_int_equal(mailbox_post(m, MAILBOX_LANE_DATA, &op), ERR_CLOSED);
    assert_string_equal(mailbox_name(m), "actor");
    mailbox_unref(m);
}

/* Two components that send each other a ball until a count is reached. */
struct player {
    struct component *component;
    struct player *peer;
    struct actor *referee;
    int hits;
};

static void player_hit(void *owner, void *payload)
{
    struct player *p = owner;
    intptr_t left = (intptr_t)payload;
    p->hits++;
    if (left > 0) {
        assert_int_equal(component_post(p->peer->component, MAILBOX_LANE_DATA, 0, player_hit,
                                        (void *)(left - 1), NULL),
                         0);
    } else {
        atomic_fetch_add(&p->referee->n_done, 1);
        event_count_signal(&p->referee->progress);
    }
}

static void test_ping_pong(void **state)
{
    struct actor referee = {.n = 0};
    struct player p[2] = {{.peer = &p[1], .referee = &referee},
                          {.peer = &p[0], .referee = &referee}};
    for (int i = 0; i < 2; i++) {
        p[i].component =
            component_new(&(struct component_options){.name = "player", .owner = &p[i]});
        assert_int_equal(component_start(p[i].component, NULL), 0);
    }
    assert_int_equal(component_post(p[0].component, MAILBOX_LANE_DATA, 0, player_hit,
                                    (void *)(intptr_t)2001, NULL),
                     0);
    actor_wait(&referee, 1);
    component_free(p[0].component);
    component_free(p[1].component);
    assert_int_equal(p[0].hits, 1001);
    assert_int_equal(p[1].hits, 1001);
    assert_int_equal(thread_count(), 0);
}

static void test_state_names(void **state)
{
    assert_string_equal(component_state_name(COMPONENT_DRAINING), "DRAINING");
    assert_string_equal(component_state_name((enum component_state)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_before_it_started),
        cmocka_unit_test(test_thread_runs_in_order_and_drains),
        cmocka_unit_test(test_thread_wakes_for_its_timers),
        cmocka_unit_test(test_component_stops_itself),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_manual_steps),
        cmocka_unit_test(test_start_twice_is_an_error),
        cmocka_unit_test(test_on_thread),
        cmocka_unit_test(test_mailbox_outlives_the_component),
        cmocka_unit_test(test_ping_pong),
        cmocka_unit_test(test_state_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
