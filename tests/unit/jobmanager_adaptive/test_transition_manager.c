/* When a change is acted on: phases by phases, on a manual clock. */
#include "jobmanager/adaptive/transition_manager.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

struct fixture {
    struct clock_manual clock;
    struct component *component;
    struct transition_manager m;
    bool desired, sufficient;
    uint32_t n_idle, n_stabilized, n_transits;
};

static bool has_desired(void *arg)
{
    return ((struct fixture *)arg)->desired;
}

static bool has_sufficient(void *arg)
{
    return ((struct fixture *)arg)->sufficient;
}

static void on_idle(void *arg)
{
    ((struct fixture *)arg)->n_idle++;
}

static void on_stabilized(void *arg)
{
    ((struct fixture *)arg)->n_stabilized++;
}

static void transit(void *arg)
{
    struct fixture *f = arg;
    assert_int_equal(f->m.phase, TRANSITION_TRANSITIONING);
    f->n_transits++;
}

static void fixture_init(struct fixture *f, struct transition_times times)
{
    struct error err = ERROR_INIT;
    *f = (struct fixture){0};
    clock_manual_init(&f->clock);
    f->component = component_new(&(struct component_options){
        .name = "test", .mode = COMPONENT_MANUAL, .clock = &f->clock.base});
    assert_int_equal(component_start(f->component, &err), 0);
    transition_manager_init(&f->m, f->component,
                            &(struct transition_owner){has_desired, has_sufficient, on_idle,
                                                       on_stabilized, transit, f});
    transition_manager_start(&f->m, &times);
}

static void advance(struct fixture *f, int64_t ms)
{
    clock_manual_advance_ms(&f->clock, ms);
    component_run_until_idle(f->component, 0);
}

static void fixture_fini(struct fixture *f)
{
    transition_manager_stop(&f->m);
    component_stop(f->component);
    component_free(f->component);
}

static void test_desired_with_a_trigger(void **state)
{
    struct fixture f;
    fixture_init(&f, (struct transition_times){100, 1000, 5000});
    f.desired = f.sufficient = true;
    transition_manager_on_trigger(&f.m);
    transition_manager_on_change(&f.m);
    advance(&f, 99);
    assert_int_equal(f.m.phase, TRANSITION_COOLDOWN);
    advance(&f, 1);
    assert_int_equal(f.m.phase, TRANSITION_STABILIZED);
    assert_int_equal(f.n_stabilized, 1);
    assert_int_equal(f.n_transits, 0);
    transition_manager_on_trigger(&f.m);
    assert_int_equal(f.n_transits, 1);
    transition_manager_on_trigger(&f.m);
    advance(&f, 10000);
    assert_int_equal(f.n_transits, 1);
    fixture_fini(&f);
}

static void test_no_trigger_comes(void **state)
{
    struct fixture f;
    fixture_init(&f, (struct transition_times){0, 1000, 5000});
    f.sufficient = true;
    transition_manager_on_change(&f.m);
    assert_int_equal(f.m.phase, TRANSITION_STABILIZING);
    advance(&f, 1000);
    assert_int_equal(f.m.phase, TRANSITION_STABILIZED);
    advance(&f, 4999);
    assert_int_equal(f.n_transits, 0);
    advance(&f, 1);
    assert_int_equal(f.n_transits, 1);
    fixture_fini(&f);
}

static void test_what_came_has_gone_again(void **state)
{
    struct fixture f;
    fixture_init(&f, (struct transition_times){0, 1000, 5000});
    transition_manager_on_change(&f.m); /* nothing to be gained */
    assert_int_equal(f.m.phase, TRANSITION_IDLING);
    f.sufficient = true;
    transition_manager_on_change(&f.m);
    f.sufficient = false;
    advance(&f, 1000);
    assert_int_equal(f.m.phase, TRANSITION_IDLING);
    assert_int_equal(f.n_idle, 1);
    f.sufficient = f.desired = true;
    transition_manager_on_change(&f.m);
    assert_int_equal(f.m.phase, TRANSITION_STABILIZED);
    f.sufficient = false;
    transition_manager_on_trigger(&f.m);
    assert_int_equal(f.m.phase, TRANSITION_IDLING);
    assert_int_equal(f.n_idle, 2);
    assert_int_equal(f.n_transits, 0);
    fixture_fini(&f);
}

static void test_more_ends_the_wait(void **state)
{
    struct fixture f;
    fixture_init(&f, (struct transition_times){0, TRANSITION_NEVER, 0});
    f.sufficient = true;
    transition_manager_on_change(&f.m);
    advance(&f, 1000000);
    assert_int_equal(f.m.phase, TRANSITION_STABILIZING);
    f.desired = true;
    transition_manager_on_change(&f.m);
    assert_int_equal(f.n_transits, 1); /* no delay: at once */
    fixture_fini(&f);
}

static void test_stopped(void **state)
{
    struct fixture f;
    fixture_init(&f, (struct transition_times){0, 1000, 0});
    f.sufficient = true;
    transition_manager_on_change(&f.m);
    transition_manager_stop(&f.m);
    advance(&f, 5000);
    transition_manager_on_change(&f.m);
    assert_int_equal(f.n_transits, 0);
    assert_string_equal(transition_phase_name(f.m.phase), "OFF");
    assert_false(transition_phase_may_move(TRANSITION_OFF, TRANSITION_TRANSITIONING));
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_desired_with_a_trigger),
        cmocka_unit_test(test_no_trigger_comes),
        cmocka_unit_test(test_what_came_has_gone_again),
        cmocka_unit_test(test_more_ends_the_wait),
        cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
