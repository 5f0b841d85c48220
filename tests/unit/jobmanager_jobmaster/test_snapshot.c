/* What others see: the ring of failures with those that came with them, progress. */
#include "jobmanager/jobmaster/snapshot.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"

static void add(struct snapshot *s, const char *text)
{
    struct error err = test_error(ERR_IO, text);
    snapshot_add_failure(s, NULL, &err, 5);
}

static void add_concurrent(struct snapshot *s, const char *text)
{
    struct error err = test_error(ERR_IO, text);
    snapshot_add_concurrent_failure(s, NULL, &err, 6);
}

static void concurrent_failures_join_the_newest(void **state)
{
    struct snapshot s;
    struct job_failure f[4], c[16];
    snapshot_init(&s, 3);
    add_concurrent(&s, "alone"); /* there is none to join */
    add(&s, "second");
    for (int i = 0; i < 20; i++) {
        add_concurrent(&s, "with it");
    }
    assert_int_equal(snapshot_get_failures(&s, f, 4), 2);
    assert_string_equal(f[0].error.message, "alone");
    assert_int_equal(f[0].n_concurrent, 0);
    assert_int_equal(f[1].n_concurrent, 20);
    assert_int_equal(snapshot_get_concurrent(&s, f[1].number, c, 16),
                     JOBMASTER_CONCURRENT_FAILURES_MAX);
    assert_int_equal(c[7].number, f[1].number);
    assert_int_equal(c[7].timestamp_ms, 6);
    assert_int_equal(snapshot_get_concurrent(&s, f[1].number, c, 2), 2);
    assert_int_equal(snapshot_get_concurrent(&s, f[0].number, c, 16), 0);
    snapshot_fini(&s);
}

static void the_oldest_failures_are_forgotten(void **state)
{
    struct snapshot s;
    struct job_failure f[8], c[1];
    snapshot_init(&s, 3);
    for (int i = 1; i <= 5; i++) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "failure %d", i);
        add(&s, str_cstr(&text));
        add_concurrent(&s, "with it");
    }
    assert_int_equal(snapshot_get_failures(&s, f, 8), 3);
    assert_string_equal(f[0].error.message, "failure 3");
    assert_string_equal(f[2].error.message, "failure 5");
    assert_int_equal(snapshot_get_failures(&s, f, 1), 1);
    assert_string_equal(f[0].error.message, "failure 5");
    assert_int_equal(snapshot_get_concurrent(&s, 2, c, 1), 0);
    assert_int_equal(snapshot_get_concurrent(&s, 3, c, 1), 1);
    snapshot_fini(&s);
}

static void the_history_may_be_off(void **state)
{
    struct snapshot s;
    struct job_failure f;
    snapshot_init(&s, 0);
    add(&s, "unseen");
    add_concurrent(&s, "unseen");
    assert_int_equal(snapshot_get_failures(&s, &f, 1), 0);
    snapshot_fini(&s);
    snapshot_init(&s, INT32_MAX); /* cut */
    assert_int_equal(s.max_failures, SNAPSHOT_HISTORY_LIMIT);
    snapshot_fini(&s);
}

static void times_are_of_the_first_and_last_status(void **state)
{
    struct snapshot s;
    struct job_progress p;
    snapshot_init(&s, 1);
    snapshot_set_status(&s, JOB_STATUS_CREATED, 100);
    snapshot_set_status(&s, JOB_STATUS_RUNNING, 200);
    snapshot_get_progress(&s, &p);
    assert_int_equal(p.start_ms, 100);
    assert_int_equal(p.end_ms, 0);
    snapshot_set_status(&s, JOB_STATUS_CANCELED, 300);
    snapshot_get_progress(&s, &p);
    assert_int_equal(p.status, JOB_STATUS_CANCELED);
    assert_int_equal(p.end_ms, 300);
    snapshot_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(concurrent_failures_join_the_newest),
        cmocka_unit_test(the_oldest_failures_are_forgotten),
        cmocka_unit_test(the_history_may_be_off),
        cmocka_unit_test(times_are_of_the_first_and_last_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
