/* Bounds of the parallelism that a request sets: those that were acknowledged hold under the next leader, those that were not kept
 * are not applied.  Leaders come one after the other, on the file kind of high availability. */
#include "tests/unit/common_ha/ha_fixture.h"
#include "tests/unit/jobmanager_dispatcher/dispatcher_world.h"

#define JOB "016a0000000000000000000000000000" /* job_id(1) */

struct led_world {
    struct world w;
    struct ha_fixture f;
    struct contender c;
};

static void lead(struct led_world *l)
{
    struct error err = ERROR_INIT;
    contender_open(&l->c, &l->f.conf, NULL);
    contender_lead(&l->c);
    l->w.recovery = recovery_new(&(struct recovery_options){
        .ha = l->c.ha, .token = l->c.token, .conf = &l->f.conf, .tmp_dir = l->f.dir});
    world_start(&l->w);
    assert_int_equal(dispatcher_recover(l->w.d, &err), 0);
}

static void retire(struct led_world *l)
{
    world_stop(&l->w);
    l->w.recovery = recovery_free(l->w.recovery);
    contender_close(&l->c);
}

static int setup(void **state)
{
    struct led_world *l = MEM_NEW(struct led_world);
    struct error err = ERROR_INIT;
    world_init(&l->w);
    world_set(&l->w, "jobmanager.scheduler", "ADAPTIVE");
    fixture_init(&l->f, "file", "10 s");
    lead(l);
    if (world_submit(&l->w, job_graph(1, "one"), &err) < 0) {
        fail_msg("%s", err.message);
    }
    WORLD_UNTIL(&l->w, world_n_running_tasks(&l->w, 1) == 2);
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    struct led_world *l = *state;
    failpoint_clear_all();
    retire(l);
    world_fini(&l->w);
    fixture_fini(&l->f);
    mem_free(l);
    return 0;
}

/* As job_graph() makes the ids of its vertices. */
static void require_of(uint32_t upper, struct job_requirement ret[2])
{
    Flinc__JobGraph *g = job_graph(1, "one");
    for (int i = 0; i < 2; i++) {
        ret[i] = (struct job_requirement){.bounds = {1, upper}};
        memcpy(ret[i].vertex_id.bytes, g->vertices[i]->id.data, sizeof(ret[i].vertex_id.bytes));
    }
    flinc__job_graph__free_unpacked(g, NULL);
}

static int set_upper(struct led_world *l, uint32_t upper, struct error *err)
{
    struct flinc_id id = job_id(1);
    struct job_requirement r[2];
    require_of(upper, r);
    return dispatcher_set_requirements(l->w.d, &id, r, 2, err);
}

/* The upper bound of both vertices, as the job master tells; 0: it tells nothing. */
static uint32_t upper_now(struct led_world *l)
{
    struct flinc_id id = job_id(1);
    struct error err = ERROR_INIT;
    const struct job_details *details = NULL;
    uint32_t upper = 0;
    assert_int_equal(dispatcher_get_details(l->w.d, &id, 10000, &details, &err), 0);
    if (details->elastic != NULL) {
        upper = details->elastic->bounds[0]->upper;
        assert_int_equal(details->elastic->bounds[1]->upper, upper);
    }
    job_details_unref(details);
    return upper;
}

static void test_the_next_leader_knows_them(void **state)
{
    struct led_world *l = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(upper_now(l), 1);
    assert_int_equal(set_upper(l, 7, &err), 0);
    assert_int_equal(upper_now(l), 7);
    assert_int_equal(set_upper(l, 3, &err), 0);
    assert_int_equal(set_upper(l, 3, &err), 0);
    for (int i = 0; i < 2; i++) {
        retire(l);
        lead(l);
        assert_int_equal(upper_now(l), 3);
    }
    WORLD_UNTIL(&l->w, world_n_running_tasks(&l->w, 1) == 6);
}

static void test_what_is_not_kept_is_not_applied(void **state)
{
    struct led_world *l = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(set_upper(l, 2, &err), 0);
    assert_int_equal(failpoint_configure("recovery.requirements.before_write=error", &err), 0);
    assert_true(set_upper(l, 5, &err) < 0);
    assert_non_null(strstr(err.frames, "keeping the bounds of the parallelism of job " JOB));
    failpoint_clear_all();
    assert_int_equal(upper_now(l), 2);
    /* What is wrong with them is said before anything is written. */
    error_clear(&err);
    assert_int_equal(set_upper(l, 0, &err), ERR_INVALID_ARGUMENT);
    retire(l);
    lead(l);
    assert_int_equal(upper_now(l), 2);
}

static void test_a_deposed_leader_sets_nothing(void **state)
{
    struct led_world *l = *state;
    struct error err = ERROR_INIT;
    ha_resign(l->c.ha);
    assert_int_equal(set_upper(l, 5, &err), ERR_FENCED);
    assert_int_equal(upper_now(l), 1);
    retire(l);
    lead(l);
    assert_int_equal(upper_now(l), 1);
}

struct setter {
    struct led_world *l;
    uint32_t from, n;
    pthread_t thread;
};

static void *run_setter(void *arg)
{
    const struct setter *s = arg;
    for (uint32_t i = 0; i < s->n; i++) {
        struct error err = ERROR_INIT;
        assert_int_equal(set_upper(s->l, s->from + i % 7, &err), 0);
    }
    return NULL;
}

static void setter_start(struct setter *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, run_setter, s), 0);
}

static void setter_join(struct setter *s)
{
    assert_int_equal(pthread_join(s->thread, NULL), 0);
}

/* One that has written, and lingers before it applies, is not overtaken. */
static void test_nobody_overtakes(void **state)
{
    struct led_world *l = *state;
    struct error err = ERROR_INIT;
    struct setter first = {.l = l, .from = 5, .n = 1};
    struct setter second = {.l = l, .from = 6, .n = 1};
    assert_int_equal(
        failpoint_configure("dispatcher.requirements.before_apply=delay:300,nth=1", &err), 0);
    setter_start(&first);
    WORLD_UNTIL(&l->w, failpoint_hits("dispatcher.requirements.before_apply") == 1);
    setter_start(&second);
    setter_join(&second);
    setter_join(&first);
    assert_int_equal(upper_now(l), 6);
    retire(l);
    lead(l);
    assert_int_equal(upper_now(l), 6);
}

/* Whoever comes last: what is applied is what the next leader finds. */
static void test_they_are_applied_in_the_order_of_their_writes(void **state)
{
    struct led_world *l = *state;
    struct setter setters[3] = {
        {.l = l, .from = 1, .n = 20},
        {.l = l, .from = 20, .n = 20},
        {.l = l, .from = 40, .n = 20},
    };
    for (int i = 0; i < 3; i++) {
        setter_start(&setters[i]);
    }
    for (int i = 0; i < 3; i++) {
        setter_join(&setters[i]);
    }
    uint32_t upper = upper_now(l);
    retire(l);
    lead(l);
    assert_int_equal(upper_now(l), upper);
}

static bool no_job_is_kept(struct led_world *l)
{
    struct error err = ERROR_INIT;
    struct vec names = VEC_INIT(char *);
    assert_int_equal(ha_list(l->c.ha, &l->c.token, "jobs", &names, &err), 0);
    bool none = names.len == 0;
    ha_names_fini(&names);
    return none;
}

static void test_they_go_with_the_job(void **state)
{
    struct led_world *l = *state;
    struct flinc_id id = job_id(1);
    struct error err = ERROR_INIT;
    assert_int_equal(set_upper(l, 2, &err), 0);
    assert_int_equal(dispatcher_cancel(l->w.d, &id, &err), 0);
    WORLD_UNTIL(&l->w, world_ended_is(&l->w, "CANCELED "));
    assert_int_equal(set_upper(l, 5, &err), ERR_CLOSED);
    WORLD_UNTIL(&l->w, no_job_is_kept(l)); /* the files go after the end is told */
}

/* A job whose bounds cannot be read is shown, and stays for the next leader. */
static void test_damaged(void **state)
{
    struct led_world *l = *state;
    struct error err = ERROR_INIT;
    assert_int_equal(
        ha_put(l->c.ha, &l->c.token, "jobs/" JOB "/requirements", SLICE_LIT("\x08\x63"), &err),
        0); /* version 99 */
    retire(l);
    lead(l);
    WORLD_UNTIL(&l->w, world_status(&l->w, 1) == JOB_STATUS_FAILED);
    assert_int_equal(ha_remove(l->c.ha, &l->c.token, "jobs/" JOB "/requirements", &err), 0);
    retire(l);
    lead(l);
    assert_int_equal(upper_now(l), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_next_leader_knows_them, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_kept_is_not_applied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_deposed_leader_sets_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_overtakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_they_are_applied_in_the_order_of_their_writes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_they_go_with_the_job, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
