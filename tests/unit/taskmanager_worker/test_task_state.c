/* The moves of an attempt: exactly those of the table, and who comes second loses. */
#include "taskmanager/worker/task_state.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define STATE(name) FLINC__EXECUTION_STATE__EXECUTION_##name

static void test_moves(void **state)
{
    (void)state;
    static const struct {
        task_state from, to;
    } allowed[] = {
        {STATE(CREATED), STATE(SCHEDULED)},      {STATE(CREATED), STATE(CANCELED)},
        {STATE(CREATED), STATE(FAILED)},         {STATE(SCHEDULED), STATE(DEPLOYING)},
        {STATE(SCHEDULED), STATE(CANCELED)},     {STATE(SCHEDULED), STATE(FAILED)},
        {STATE(DEPLOYING), STATE(INITIALIZING)}, {STATE(DEPLOYING), STATE(CANCELING)},
        {STATE(DEPLOYING), STATE(FAILED)},       {STATE(INITIALIZING), STATE(RUNNING)},
        {STATE(INITIALIZING), STATE(CANCELING)}, {STATE(INITIALIZING), STATE(FAILED)},
        {STATE(RUNNING), STATE(FINISHED)},       {STATE(RUNNING), STATE(CANCELING)},
        {STATE(RUNNING), STATE(FAILED)},         {STATE(CANCELING), STATE(CANCELED)},
        {STATE(CANCELING), STATE(FAILED)},
    };
    for (int from = STATE(CREATED); from <= STATE(FAILED); from++) {
        for (int to = STATE(CREATED); to <= STATE(FAILED); to++) {
            bool found = false;
            for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
                found = found || ((int)allowed[i].from == from && (int)allowed[i].to == to);
            }
            assert_int_equal(task_state_may_follow((task_state)from, (task_state)to), found);
        }
    }
}

static void test_transition(void **state)
{
    (void)state;
    _Atomic int s = STATE(RUNNING);
    task_state from;
    assert_true(task_state_transition(&s, STATE(CANCELING), &from));
    assert_int_equal(from, STATE(RUNNING));
    assert_false(task_state_transition(&s, STATE(FINISHED), &from));
    assert_int_equal(from, STATE(CANCELING));
    assert_true(task_state_transition(&s, STATE(CANCELED), NULL));
    assert_false(task_state_transition(&s, STATE(FAILED), NULL));
    assert_int_equal(s, STATE(CANCELED));
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(task_state_name(STATE(INITIALIZING)), "INITIALIZING");
    assert_string_equal(task_state_name((task_state)99), "UNKNOWN");
    assert_true(task_state_is_terminal(STATE(FINISHED)));
    assert_true(task_state_is_terminal(STATE(CANCELED)));
    assert_true(task_state_is_terminal(STATE(FAILED)));
    assert_false(task_state_is_terminal(STATE(CANCELING)));
    assert_false(task_state_is_terminal((task_state)99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moves),
        cmocka_unit_test(test_transition),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
