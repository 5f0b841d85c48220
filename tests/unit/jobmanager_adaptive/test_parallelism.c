/* Parallelism from bounds and slots. */
#include "jobmanager/adaptive/parallelism.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
/* clang-format on */

enum { VERTICES_MAX = 6 };

struct fixture {
    Flinc__JobGraph *graph;
    struct parallelism_problem p;
    uint32_t parallelism[VERTICES_MAX], slots[VERTICES_MAX];
};

static void fixture_init(struct fixture *f, const struct vertex_spec *vertices, uint32_t n,
                         const struct edge_spec *edges, uint32_t n_edges)
{
    f->graph = graph_new(vertices, n, edges, n_edges);
    parallelism_init(&f->p, f->graph);
}

static void fixture_fini(struct fixture *f)
{
    parallelism_fini(&f->p);
    flinc__job_graph__free_unpacked(f->graph, NULL);
}

static bool determine(struct fixture *f, uint32_t n_slots)
{
    return parallelism_determine(&f->p, &n_slots, f->parallelism, f->slots);
}

static const struct edge_spec hash_edge = {0, 1, FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                           FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED};

static void test_one_group_shares_its_slots(void **state)
{
    const struct vertex_spec vertices[] = {{"A", 2, NULL, NULL}, {"B", 4, NULL, NULL}};
    struct fixture f;
    fixture_init(&f, vertices, 2, &hash_edge, 1);
    parallelism_set_bounds(&f.p, (struct parallelism_bounds[]){{1, 2}, {1, 4}});
    assert_int_equal(parallelism_slots_min(&f.p, 0), 1);
    assert_int_equal(parallelism_slots_max(&f.p, 0), 4);
    assert_false(determine(&f, 0));
    const uint32_t wanted[][3] = {{1, 1, 1}, {2, 2, 2}, {3, 2, 3}, {4, 2, 4}, {9, 2, 4}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_true(determine(&f, wanted[i][0]));
        assert_int_equal(f.parallelism[0], wanted[i][1]);
        assert_int_equal(f.parallelism[1], wanted[i][2]);
        assert_int_equal(f.slots[0], wanted[i][2]);
    }
    fixture_fini(&f);
}

/* Lower bounds first, then equal shares; what a small group leaves goes to the others. */
static void test_groups_share_what_there_is(void **state)
{
    const struct vertex_spec vertices[] = {
        {"A", 8, "a", NULL}, {"B", 8, "b", NULL}, {"C", 1, "c", NULL}};
    struct fixture f;
    fixture_init(&f, vertices, 3, &hash_edge, 1);
    parallelism_set_bounds(&f.p, (struct parallelism_bounds[]){{3, 8}, {1, 8}, {1, 1}});
    assert_int_equal(parallelism_slots_min(&f.p, 0), 5);
    assert_int_equal(parallelism_slots_max(&f.p, 0), 17);
    assert_false(determine(&f, 4));
    assert_true(determine(&f, 5));
    assert_int_equal(f.slots[0], 3);
    assert_int_equal(f.slots[1], 1);
    assert_int_equal(f.slots[2], 1);
    assert_true(determine(&f, 9)); /* 4 beyond the least: 2 each */
    assert_int_equal(f.slots[0], 5);
    assert_int_equal(f.slots[1], 3);
    assert_true(determine(&f, 16));
    assert_int_equal(f.slots[0] + f.slots[1], 15);
    fixture_fini(&f);
}

static void test_forward_edges_make_equal(void **state)
{
    const struct vertex_spec vertices[] = {
        {"A", 4, NULL, NULL}, {"B", 4, NULL, NULL}, {"C", 4, "own", NULL}};
    const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_FORWARD,
                                       FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED},
                                      {1, 2, FLINC__PARTITIONER_KIND__PARTITION_FORWARD,
                                       FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    struct error err = ERROR_INIT;
    struct fixture f;
    fixture_init(&f, vertices, 3, edges, 2);
    parallelism_set_bounds(&f.p, (struct parallelism_bounds[]){{1, 4}, {2, 8}, {1, 6}});
    assert_int_equal(parallelism_slots_min(&f.p, 0), 4);
    assert_int_equal(parallelism_slots_max(&f.p, 0), 8);
    assert_true(determine(&f, 7));
    assert_int_equal(f.parallelism[0], 3);
    assert_int_equal(f.parallelism[1], 3);
    assert_int_equal(f.parallelism[2], 3);
    struct parallelism_bounds apart[] = {{1, 2}, {3, 4}, {1, 4}};
    assert_int_equal(parallelism_check_bounds(&f.p, apart, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "forward edges"));
    fixture_fini(&f);
}

/* What an operator cannot run with is cut off; what the key groups do not allow is a mistake. */
static void test_limits(void **state)
{
    const struct vertex_spec vertices[] = {{"A", 1, NULL, NULL}, {"B", 4, NULL, NULL}};
    struct parallelism_bounds bounds[] = {{1, 5}, {1, 5}};
    struct error err = ERROR_INIT;
    struct fixture f;
    fixture_init(&f, vertices, 2, &hash_edge, 1);
    parallelism_fini(&f.p);
    f.graph->vertices[0]->parallelism_limit = 1;
    parallelism_init(&f.p, f.graph);
    assert_int_equal(parallelism_check_bounds(&f.p, bounds, &err), 0);
    parallelism_set_bounds(&f.p, bounds);
    assert_true(determine(&f, 5));
    assert_int_equal(f.parallelism[0], 1);
    assert_int_equal(f.parallelism[1], 5);
    bounds[1].upper = 129;
    assert_int_equal(parallelism_check_bounds(&f.p, bounds, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "The newly requested parallelism [129] for the job vertex [B] "
                                     "exceeds its maximum parallelism [128]");
    parallelism_set_limit(&f.p, 1, 3); /* the key groups of a snapshot */
    bounds[1].upper = 5;
    parallelism_set_bounds(&f.p, bounds);
    assert_true(determine(&f, 5));
    assert_int_equal(f.parallelism[1], 3);
    fixture_fini(&f);
}

static void test_bad_bounds(void **state)
{
    const struct vertex_spec vertices[] = {{"A", 1, NULL, NULL}, {"B", 4, NULL, NULL}};
    struct parallelism_bounds bounds[] = {{0, 1}, {3, 2}};
    struct error err = ERROR_INIT;
    struct fixture f;
    fixture_init(&f, vertices, 2, &hash_edge, 1);
    assert_int_equal(parallelism_check_bounds(&f.p, bounds, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "The requested bounds [0, 1] for job vertex [A] must be greater than zero, "
                        "The requested lower bound [3] for job vertex [B] is higher than the upper "
                        "bound [2]");
    fixture_fini(&f);
}

/* Slots of one kind serve its groups only. */
static void test_kinds_of_slots(void **state)
{
    const struct vertex_spec vertices[] = {{"A", 4, "a", NULL}, {"B", 4, "b", NULL}};
    struct fixture f;
    fixture_init(&f, vertices, 2, &hash_edge, 1);
    f.p.groups[1].slot_kind = 1;
    f.p.n_slot_kinds = 2;
    parallelism_set_bounds(&f.p, (struct parallelism_bounds[]){{1, 4}, {1, 4}});
    const uint32_t few[] = {4, 0}, some[] = {4, 2};
    assert_false(parallelism_determine(&f.p, few, f.parallelism, NULL));
    assert_true(parallelism_determine(&f.p, some, f.parallelism, NULL));
    assert_int_equal(f.parallelism[0], 4);
    assert_int_equal(f.parallelism[1], 2);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_group_shares_its_slots),
        cmocka_unit_test(test_groups_share_what_there_is),
        cmocka_unit_test(test_forward_edges_make_equal),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bad_bounds),
        cmocka_unit_test(test_kinds_of_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
