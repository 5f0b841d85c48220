/* The execution graph: moves of an execution, slots of sharing groups, regions, attempts. */
#include "jobmanager/jobmaster/execution_graph.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"

static void moves_are_flinks(void **state)
{
    static const char *const moves[EXECUTION_STATES] = {
        [CREATED] = "SCHEDULED CANCELED FAILED ",
        [SCHEDULED] = "DEPLOYING CANCELED FAILED ",
        [DEPLOYING] = "INITIALIZING CANCELING FAILED ",
        [INITIALIZING] = "RUNNING CANCELING FAILED ",
        [RUNNING] = "FINISHED CANCELING FAILED ",
        [CANCELING] = "CANCELED FAILED ",
        [FINISHED] = "",
        [CANCELED] = "",
        [FAILED] = "",
    };
    const Flinc__ExecutionState unknown = (Flinc__ExecutionState)EXECUTION_STATES;
    for (Flinc__ExecutionState from = 0; from <= FAILED; from++) {
        char found[256] = "";
        for (Flinc__ExecutionState to = 0; to <= FAILED; to++) {
            if (execution_state_may_move(from, to)) {
                strcat(strcat(found, execution_state_name(to)), " ");
            }
        }
        assert_string_equal(found, moves[from]);
        assert_int_equal(execution_state_is_terminal(from), moves[from][0] == '\0');
    }
    assert_false(execution_state_may_move(unknown, RUNNING));
    assert_false(execution_state_may_move(RUNNING, unknown));
    assert_string_equal(execution_state_name(unknown), "UNKNOWN");
}

static void regions_move_along_their_table(void **state)
{
    static const char *const moves[REGION_STATES] = {
        [REGION_IDLE] = "WAITING RESTARTING ENDING ",
        [REGION_WAITING] = "DEPLOYED RESTARTING ENDING ",
        [REGION_DEPLOYED] = "RESTARTING ENDING ",
        [REGION_RESTARTING] = "IDLE RESTARTING ENDING ",
        [REGION_ENDING] = "",
    };
    for (enum region_state from = 0; from < REGION_STATES; from++) {
        char found[256] = "";
        for (enum region_state to = 0; to < REGION_STATES; to++) {
            if (region_state_may_move(from, to)) {
                strcat(strcat(found, region_state_name(to)), " ");
            }
        }
        assert_string_equal(found, moves[from]);
    }
    assert_false(region_state_may_move(REGION_STATES, REGION_IDLE));
    assert_string_equal(region_state_name(REGION_STATES), "UNKNOWN");
}

static void sharing_groups_share_slots(void **state)
{
    static const struct vertex_spec vertices[] = {
        {"A", 2, NULL, NULL},
        {"B", 4, "b", NULL},
        {"C", 3, NULL, "test.coordinator"},
        {"D", 1, "b", NULL},
    };
    Flinc__JobGraph *spec = graph_new(vertices, 4, NULL, 0);
    struct execution_graph g;
    struct rng rng;
    rng_init(&rng, 1);
    execution_graph_init(&g, spec, FAILOVER_REGION, NULL, &rng, 5);
    assert_int_equal(g.n_slots, 7); /* three of the default group, four of b */
    assert_int_equal(g.n_subtasks, 10);
    assert_int_equal(g.n_coordinators, 1);
    assert_int_equal(g.vertices[2].n_coordinators, 1);
    assert_int_equal(g.vertices[0].first_slot, 0);
    assert_int_equal(g.vertices[1].first_slot, 3);
    assert_int_equal(g.vertices[2].first_slot, 0);
    assert_int_equal(g.vertices[3].first_slot, 3);
    assert_int_equal(g.n_regions, 10); /* nothing ties them */
    execution_graph_fini(&g);
    flinc__job_graph__free_unpacked(spec, NULL);
}

/* Two pipelines: 0 -> 2 and 1 -> 3. */
static Flinc__JobGraph *two_pipelines(void)
{
    static const struct vertex_spec vertices[] = {
        {"A", 1, NULL, NULL}, {"B", 2, NULL, NULL}, {"C", 2, NULL, NULL}, {"D", 2, NULL, NULL}};
    static const struct edge_spec edges[] = {
        {0, 2, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0},
        {1, 3, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 0}};
    return graph_new(vertices, 4, edges, 2);
}

static void regions_hold_their_subtasks_together(void **state)
{
    Flinc__JobGraph *spec = two_pipelines();
    struct execution_graph g;
    struct rng rng;
    rng_init(&rng, 1);
    execution_graph_init(&g, spec, FAILOVER_REGION, NULL, &rng, 5);
    assert_int_equal(g.n_regions, 3);
    assert_int_equal(g.regions[0].n_subtasks, 3); /* A rebalances to both of C */
    assert_int_equal(g.regions[1].n_subtasks, 2); /* B feeds D one to one */
    assert_int_equal(g.regions[2].n_subtasks, 2);
    assert_ptr_equal(g.regions[2].subtasks[0], &g.vertices[1].subtasks[1]);
    assert_ptr_equal(g.regions[2].subtasks[1], &g.vertices[3].subtasks[1]);
    for (uint32_t r = 0; r < g.n_regions; r++) {
        for (uint32_t i = 0; i < g.regions[r].n_subtasks; i++) {
            struct subtask *s = g.regions[r].subtasks[i];
            assert_int_equal(s->region, r);
            assert_ptr_equal(execution_graph_find(&g, s->execution.id.bytes), &s->execution);
            assert_ptr_equal(execution_region(&g, &s->execution), &g.regions[r]);
            assert_int_equal(s->execution.since_ms[CREATED], 5);
        }
    }
    assert_true(g.vertices[0].is_source && g.vertices[1].is_source);
    assert_false(g.vertices[2].is_source || g.vertices[3].is_source);
    assert_int_equal(g.vertices[3].in_edges[0], 1);
    assert_int_equal(g.vertices[1].out_edges[0], 1);
    execution_graph_fini(&g);
    flinc__job_graph__free_unpacked(spec, NULL);
}

static uint32_t count_regions(const struct vertex_spec *vertices, uint32_t n_vertices,
                              const struct edge_spec *edges, uint32_t n_edges,
                              enum failover_strategy strategy)
{
    Flinc__JobGraph *spec = graph_new(vertices, n_vertices, edges, n_edges);
    struct execution_graph g;
    struct rng rng;
    rng_init(&rng, 1);
    execution_graph_init(&g, spec, strategy, NULL, &rng, 5);
    uint32_t n_regions = g.n_regions;
    uint32_t n_subtasks = 0;
    for (uint32_t i = 0; i < n_regions; i++) {
        n_subtasks += g.regions[i].n_subtasks;
        assert_int_equal(g.regions[i].n_live, g.regions[i].n_subtasks);
    }
    assert_int_equal(n_subtasks, g.n_subtasks);
    execution_graph_fini(&g);
    flinc__job_graph__free_unpacked(spec, NULL);
    return n_regions;
}

static void regions_follow_the_channels(void **state)
{
    static const struct vertex_spec vertices[] = {
        {"A", 6, NULL, NULL}, {"B", 3, NULL, NULL}, {"C", 3, NULL, NULL}, {"D", 1, NULL, NULL}};
    static const struct edge_spec rescale[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 0},
        {1, 2, FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 0}};
    static const struct edge_spec hash[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 0},
                                            {1, 2, FLINC__PARTITIONER_KIND__PARTITION_HASH, 0}};
    static const struct edge_spec gather[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 0},
        {1, 3, FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 0}};
    static const struct edge_spec blocking[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_HASH, 0},
        {1, 2, FLINC__PARTITIONER_KIND__PARTITION_HASH, FLINC__EXCHANGE_MODE__EXCHANGE_BLOCKING}};
    assert_int_equal(count_regions(vertices, 3, NULL, 0, FAILOVER_REGION), 12);
    assert_int_equal(count_regions(vertices, 3, rescale, 2, FAILOVER_REGION), 3);
    assert_int_equal(count_regions(vertices, 3, hash, 2, FAILOVER_REGION), 1);
    assert_int_equal(count_regions(vertices, 4, gather, 2, FAILOVER_REGION), 1 + 3);
    assert_int_equal(count_regions(vertices, 3, blocking, 2, FAILOVER_REGION), 1 + 3);
    assert_int_equal(count_regions(vertices, 3, NULL, 0, FAILOVER_FULL), 1);
}

static void new_attempts_replace_old_ones(void **state)
{
    Flinc__JobGraph *spec = two_pipelines();
    struct execution_graph g;
    struct rng rng;
    rng_init(&rng, 1);
    execution_graph_init(&g, spec, FAILOVER_REGION, NULL, &rng, 5);
    struct subtask *s = &g.subtasks[0];
    struct flinc_id old = s->execution.id;
    s->execution.state = FINISHED;
    g.n_live--;
    g.regions[0].n_live--;
    g.n_finished++;
    execution_graph_new_attempt(&g, s, &rng, 9);
    assert_int_equal(s->execution.number, 1);
    assert_int_equal(s->execution.state, CREATED);
    assert_false(id_eq(&old, &s->execution.id));
    assert_null(execution_graph_find(&g, old.bytes));
    assert_ptr_equal(execution_graph_find(&g, s->execution.id.bytes), &s->execution);
    assert_int_equal(g.n_finished, 0);
    assert_int_equal(g.n_live, g.n_subtasks);
    assert_int_equal(g.regions[0].n_live, g.regions[0].n_subtasks);
    execution_graph_fini(&g);
    flinc__job_graph__free_unpacked(spec, NULL);
}

static void long_names_keep_their_number(void **state)
{
    static const struct vertex_spec vertices[] = {
        {"Source: Text -> Flat Map -> Filter -> Sink: Print", 12, NULL, NULL}};
    Flinc__JobGraph *spec = graph_new(vertices, 1, NULL, 0);
    struct execution_graph g;
    struct rng rng;
    char name[24];
    rng_init(&rng, 1);
    execution_graph_init(&g, spec, FAILOVER_REGION, NULL, &rng, 5);
    assert_string_equal(execution_task_name(&g.subtasks[11].execution, name, sizeof(name)),
                        "Source: Text -> (12/12)");
    execution_graph_fini(&g);
    flinc__job_graph__free_unpacked(spec, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_are_flinks),
        cmocka_unit_test(regions_move_along_their_table),
        cmocka_unit_test(sharing_groups_share_slots),
        cmocka_unit_test(regions_hold_their_subtasks_together),
        cmocka_unit_test(regions_follow_the_channels),
        cmocka_unit_test(new_attempts_replace_old_ones),
        cmocka_unit_test(long_names_keep_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
