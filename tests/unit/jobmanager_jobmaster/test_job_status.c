/* The moves of JobStatus are Flink's (those of the adaptive scheduler, too), and no others. */
#include "jobmanager/jobmaster/job_status.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

/* From each status, in words. */
static const char *const moves[JOB_STATUS_COUNT] = {
    [JOB_STATUS_INITIALIZING] = "CREATED FAILED SUSPENDED ",
    [JOB_STATUS_CREATED] = "RUNNING FAILING CANCELLING RESTARTING SUSPENDED ",
    [JOB_STATUS_RUNNING] = "FAILING CANCELLING FINISHED RESTARTING SUSPENDED ",
    [JOB_STATUS_FAILING] = "FAILED CANCELLING SUSPENDED ",
    [JOB_STATUS_CANCELLING] = "CANCELED SUSPENDED ",
    [JOB_STATUS_RESTARTING] = "CREATED RUNNING FAILING CANCELLING SUSPENDED ",
    [JOB_STATUS_FAILED] = "",
    [JOB_STATUS_CANCELED] = "",
    [JOB_STATUS_FINISHED] = "",
    [JOB_STATUS_SUSPENDED] = "",
    [JOB_STATUS_RECONCILING] = "",
};

static void moves_are_flinks(void **state)
{
    for (enum job_status from = 0; from < JOB_STATUS_COUNT; from++) {
        char found[256] = "";
        for (enum job_status to = 0; to < JOB_STATUS_COUNT; to++) {
            if (job_status_may_move(from, to)) {
                strcat(strcat(found, job_status_name(to)), " ");
            }
        }
        assert_string_equal(found, moves[from]);
    }
    assert_false(job_status_may_move(JOB_STATUS_COUNT, JOB_STATUS_RUNNING));
    assert_false(job_status_may_move(JOB_STATUS_RUNNING, JOB_STATUS_COUNT));
}

static void terminal_states_have_no_moves(void **state)
{
    unsigned terminal = 0;
    for (enum job_status s = 0; s < JOB_STATUS_COUNT; s++) {
        if (job_status_is_globally_terminal(s)) {
            assert_string_equal(moves[s], "");
            terminal |= 1u << s;
        }
    }
    assert_int_equal(terminal, 1u << JOB_STATUS_FAILED | 1u << JOB_STATUS_CANCELED |
                                   1u << JOB_STATUS_FINISHED);
    assert_string_equal(job_status_name(JOB_STATUS_COUNT), "UNKNOWN");
    assert_false(job_status_is_globally_terminal(JOB_STATUS_COUNT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_are_flinks),
        cmocka_unit_test(terminal_states_have_no_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
