/* The table of the adaptive scheduler's states. */
#include "jobmanager/adaptive/scheduler_state.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

static void test_names_are_flinks(void **state)
{
    static const char *const names[SCHEDULER_STATES] = {
        "Created",   "WaitingForResources", "CreatingExecutionGraph",
        "Executing", "Restarting",          "StopWithSavepoint",
        "Failing",   "Canceling",           "Finished"};
    for (int i = 0; i < SCHEDULER_STATES; i++) {
        assert_string_equal(scheduler_state_name((enum scheduler_state)i), names[i]);
    }
    assert_string_equal(scheduler_state_name((enum scheduler_state)99), "Unknown");
}

static void test_every_state_but_the_last_can_end(void **state)
{
    for (int i = 0; i < SCHEDULER_STATES; i++) {
        assert_int_equal(scheduler_state_may_move((enum scheduler_state)i, SCHEDULER_FINISHED),
                         i != SCHEDULER_FINISHED);
        assert_false(scheduler_state_may_move(SCHEDULER_FINISHED, (enum scheduler_state)i));
    }
}

static void test_what_must_not_be(void **state)
{
    assert_false(scheduler_state_may_move(SCHEDULER_CREATED, SCHEDULER_EXECUTING));
    assert_false(scheduler_state_may_move(SCHEDULER_EXECUTING, SCHEDULER_CREATING_EXECUTION_GRAPH));
    assert_false(scheduler_state_may_move(SCHEDULER_CANCELING, SCHEDULER_RESTARTING));
    assert_false(scheduler_state_may_move(SCHEDULER_FAILING, SCHEDULER_EXECUTING));
    assert_false(scheduler_state_may_move((enum scheduler_state) - 1, SCHEDULER_FINISHED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_flinks),
        cmocka_unit_test(test_every_state_but_the_last_can_end),
        cmocka_unit_test(test_what_must_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
