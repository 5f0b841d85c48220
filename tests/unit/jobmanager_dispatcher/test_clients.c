/* Clients that wait for their jobs: a job ends with its client, also with one that never was heard of. */
#include "tests/unit/jobmanager_dispatcher/dispatcher_world.h"

enum { HOUR_MS = 3600 * 1000 };

static int setup(void **state)
{
    struct world *w = MEM_NEW(struct world);
    world_init(w);
    world_start(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    world_fini(w);
    mem_free(w);
    return 0;
}

static int submit(struct world *w, uint64_t timeout_ms)
{
    struct error err = ERROR_INIT;
    Flinc__JobGraph *g = job_graph(1, "one");
    g->initial_client_heartbeat_timeout_ms = timeout_ms;
    return world_submit(w, g, &err);
}

static int say(struct world *w, int64_t expires_ms)
{
    struct error err = ERROR_INIT;
    struct flinc_id id = job_id(1);
    return dispatcher_client_heartbeat(w->d, &id, expires_ms, &err);
}

/* It was killed after its submission, before its first heartbeat. */
static void a_client_that_is_never_heard_of_ends_its_job(void **state)
{
    struct world *w = *state;
    assert_int_equal(submit(w, 1), 0);
    WORLD_UNTIL(w, world_status(w, 1) == JOB_STATUS_CANCELED);
}

static void a_client_that_falls_silent_ends_its_job(void **state)
{
    struct world *w = *state;
    assert_int_equal(submit(w, HOUR_MS), 0);
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    assert_int_equal(say(w, clock_now_ms(&clock_system) + HOUR_MS), 0);
    assert_int_equal(world_status(w, 1), JOB_STATUS_RUNNING);
    assert_int_equal(say(w, 1), 0);
    WORLD_UNTIL(w, world_status(w, 1) == JOB_STATUS_CANCELED);
}

/* Heartbeats count also for a job that was submitted without one. */
static void a_client_may_come_later(void **state)
{
    struct world *w = *state;
    assert_int_equal(submit(w, 0), 0);
    WORLD_UNTIL(w, world_n_running_tasks(w, 1) == 2);
    assert_int_equal(say(w, 1), 0);
    WORLD_UNTIL(w, world_status(w, 1) == JOB_STATUS_CANCELED);
}

/* Whether a client waits does not make it another job. */
static void a_client_is_no_part_of_the_job(void **state)
{
    struct world *w = *state;
    assert_int_equal(submit(w, 0), 0);
    assert_int_equal(submit(w, UINT64_MAX), 0);
    assert_int_equal(w->rm.n_added, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_client_that_is_never_heard_of_ends_its_job),
        TEST(a_client_that_falls_silent_ends_its_job),
        TEST(a_client_may_come_later),
        TEST(a_client_is_no_part_of_the_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
