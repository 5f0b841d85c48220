/* What is written down of rescales. */
#include "jobmanager/adaptive/rescale_history.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

struct fixture {
    Flinc__JobGraph *graph;
    struct parallelism_problem p;
    struct rng rng;
    struct rescale_history h;
};

static void fixture_init(struct fixture *f, uint32_t max)
{
    const struct vertex_spec vertices[] = {{"A", 2, NULL, NULL}, {"B", 4, NULL, NULL}};
    const struct edge_spec edge = {0, 1, FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                   FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED};
    f->graph = graph_new(vertices, 2, &edge, 1);
    parallelism_init(&f->p, f->graph);
    parallelism_set_bounds(&f->p, (struct parallelism_bounds[]){{1, 2}, {1, 4}});
    rng_init(&f->rng, 1);
    rescale_history_init(&f->h, max, &f->rng);
}

static void fixture_fini(struct fixture *f)
{
    rescale_history_fini(&f->h);
    parallelism_fini(&f->p);
    flinc__job_graph__free_unpacked(f->graph, NULL);
}

static void begin(struct fixture *f, Flinc__RescaleCause cause, const uint32_t *now, int64_t ms)
{
    rescale_history_begin(&f->h, &(struct rescale_start){cause, &f->p, now, "Executing", ms});
}

static const Flinc__Rescale *rescale(const struct fixture *f, size_t i)
{
    return vec_ptr(&f->h.rescales, i);
}

static void test_a_rescale_from_begin_to_end(void **state)
{
    const uint32_t before[] = {1, 2}, after[] = {2, 3};
    struct fixture f;
    fixture_init(&f, 3);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_NEW_RESOURCE_AVAILABLE, before, 100);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_NEW_RESOURCE_AVAILABLE, before, 110); /* goes on */
    assert_int_equal(f.h.rescales.len, 1);
    rescale_history_enter(&f.h, "Restarting", NULL, 150);
    rescale_history_enter(&f.h, "Executing", NULL, 180);
    rescale_history_end(&f.h, FLINC__RESCALE_END__RESCALE_COMPLETED,
                        FLINC__RESCALE_REASON__RESCALE_SUCCEEDED, after, 180);
    const Flinc__Rescale *r = rescale(&f, 0);
    assert_int_equal(r->attempt, 1);
    assert_int_equal(r->start_ms, 100);
    assert_int_equal(r->end_ms, 180);
    assert_int_equal(r->n_states, 3);
    assert_int_equal(r->states[0]->leave_ms, 150);
    assert_int_equal(r->states[2]->leave_ms, 180);
    assert_int_equal(r->vertices[1]->before, 2);
    assert_int_equal(r->vertices[1]->after, 3);
    assert_int_equal(r->vertices[1]->desired, 4);
    assert_int_equal(r->n_slots, 1);
    assert_int_equal(r->slots[0]->before, 2);
    assert_int_equal(r->slots[0]->after, 3);
    assert_int_equal(r->slots[0]->desired, 4);
    fixture_fini(&f);
}

/* Groups that ask for slots of their own are shown with what they ask for. */
static void test_profiles_of_groups(void **state)
{
    struct fixture f;
    fixture_init(&f, 3);
    parallelism_fini(&f.p);
    graph_add_group(f.graph, "default", 0.5, 100);
    parallelism_init(&f.p, f.graph);
    parallelism_set_bounds(&f.p, (struct parallelism_bounds[]){{1, 2}, {1, 4}});
    assert_int_equal(parallelism_slots_max(&f.p, 0), 0);
    assert_int_equal(parallelism_slots_max(&f.p, 1), 4);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_INITIAL_SCHEDULE, NULL, 100);
    const Flinc__ResourceProfile *p = rescale(&f, 0)->slots[0]->profile;
    assert_non_null(p);
    assert_true(p->cpu_cores == 0.5);
    assert_int_equal(p->task_heap_bytes, 100);
    fixture_fini(&f);
}

static void test_new_requirements_end_it(void **state)
{
    struct fixture f;
    fixture_init(&f, 3);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_INITIAL_SCHEDULE, NULL, 100);
    rescale_history_new_requirements(&f.h, 120);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_UPDATE_REQUIREMENT, NULL, 120);
    const Flinc__Rescale *first = rescale(&f, 0), *second = rescale(&f, 1);
    assert_int_equal(first->end, FLINC__RESCALE_END__RESCALE_IGNORED);
    assert_int_equal(first->reason, FLINC__RESCALE_REASON__RESCALE_RESOURCE_REQUIREMENTS_UPDATED);
    assert_int_equal(second->end, FLINC__RESCALE_END__RESCALE_IN_PROGRESS);
    assert_int_equal(second->attempt, 1);
    assert_memory_not_equal(first->requirements_uuid.data, second->requirements_uuid.data, 16);
    fixture_fini(&f);
}

static void test_the_oldest_is_forgotten(void **state)
{
    struct fixture f;
    fixture_init(&f, 2);
    for (int64_t i = 1; i <= 5; i++) {
        begin(&f, FLINC__RESCALE_CAUSE__RESCALE_RECOVERABLE_FAILOVER, NULL, i);
        rescale_history_end(&f.h, FLINC__RESCALE_END__RESCALE_IGNORED,
                            FLINC__RESCALE_REASON__RESCALE_JOB_FAILOVER_RESTARTING, NULL, i);
    }
    assert_int_equal(f.h.rescales.len, 2);
    assert_int_equal(rescale(&f, 0)->start_ms, 4);
    assert_int_equal(rescale(&f, 1)->attempt, 5);
    fixture_fini(&f);
}

static void test_states_are_bounded_and_causes_kept(void **state)
{
    struct error why = ERROR_INIT;
    struct fixture f;
    fixture_init(&f, 1);
    error_set(&why, ERR_IO, "the disk hiccuped");
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_RECOVERABLE_FAILOVER, NULL, 1);
    for (int i = 0; i < 200; i++) {
        rescale_history_enter(&f.h, i % 2 == 0 ? "Restarting" : "Executing", &why, 2);
    }
    assert_true(rescale(&f, 0)->n_states <= 64);
    assert_non_null(strstr(rescale(&f, 0)->states[0]->exception, "the disk hiccuped"));
    fixture_fini(&f);
}

static void test_none_are_kept(void **state)
{
    struct fixture f;
    fixture_init(&f, 0);
    begin(&f, FLINC__RESCALE_CAUSE__RESCALE_INITIAL_SCHEDULE, NULL, 1);
    rescale_history_enter(&f.h, "Executing", NULL, 2);
    rescale_history_end(&f.h, FLINC__RESCALE_END__RESCALE_COMPLETED,
                        FLINC__RESCALE_REASON__RESCALE_SUCCEEDED, NULL, 2);
    assert_int_equal(f.h.rescales.len, 0);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rescale_from_begin_to_end),
        cmocka_unit_test(test_profiles_of_groups),
        cmocka_unit_test(test_new_requirements_end_it),
        cmocka_unit_test(test_the_oldest_is_forgotten),
        cmocka_unit_test(test_states_are_bounded_and_causes_kept),
        cmocka_unit_test(test_none_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
