/* What was in flight arrives at those that may process it, from any parallelism at any other. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "engine/snapshot/assign_deal.h"

enum { MAX_PARALLELISM = 128, SUBTASKS_MAX = 9 };
#define KIND(name) FLINC__PARTITIONER_KIND__PARTITION_##name

static void add_channel(Flinc__SubtaskSnapshot *s, uint8_t edge, Flinc__PartitionerKind kind)
{
    Flinc__ChannelStateHandle *h =
        ADD_MESSAGE(s->state->n_channels, s->state->channels, Flinc__ChannelStateHandle,
                    flinc__channel_state_handle__init);
    h->edge_id = make_id(edge);
    h->partitioner = kind;
    h->n_rows = s->subtask; /* says whose it was */
    h->blob = make_blob("", 4);
}

/* A graph with one edge. */
struct edge_graph {
    Flinc__JobGraph graph;
    Flinc__JobEdge edge, *edges[1];
    Flinc__Partitioner partitioner;
    ProtobufCBinaryData id;
};

static void graph_init(struct edge_graph *g, uint8_t id, Flinc__PartitionerKind kind)
{
    flinc__job_graph__init(&g->graph);
    flinc__job_edge__init(&g->edge);
    flinc__partitioner__init(&g->partitioner);
    g->id = make_id(id);
    g->partitioner.kind = kind;
    g->edge.id = g->id;
    g->edge.partitioner = &g->partitioner;
    g->edges[0] = &g->edge;
    g->graph.edges = g->edges;
    g->graph.n_edges = 1;
}

static bool ranges_meet(uint32_t a, uint32_t of_a, uint32_t b, uint32_t of_b)
{
    uint32_t first, last, from, to;
    key_group_range(a, MAX_PARALLELISM, of_a, &first, &last);
    key_group_range(b, MAX_PARALLELISM, of_b, &from, &to);
    return first <= to && last >= from;
}

struct case_of {
    Flinc__PartitionerKind was, is;
};

static bool is_expected(const struct case_of *c, uint32_t old, uint32_t from, uint32_t subtask,
                        uint32_t to)
{
    if (c->is == KIND(HASH)) {
        return c->was != KIND(HASH) || ranges_meet(old, from, subtask, to);
    }
    return c->is == KIND(GLOBAL) ? subtask == 0 : subtask == old % to;
}

/* How many of the old subtasks' go to who should not have them, or do not go to who should. */
static uint32_t n_misplaced(const struct case_of *c, uint32_t from, uint32_t to)
{
    uint32_t n = 0;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", from, MAX_PARALLELISM);
    for (uint32_t i = 0; i < from; i++) {
        add_channel(add_subtask(o, i), 5, c->was);
    }
    struct edge_graph g;
    struct arena arena;
    struct deal d;
    graph_init(&g, 5, c->is);
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, to, MAX_PARALLELISM, &ok_err));
    assert_ok(deal_add_channels(&d, &g.graph, &ok_err));
    for (uint32_t k = 0; k < to; k++) {
        const Flinc__OperatorSubtaskState *s = deal_to(&d, k);
        bool got[SUBTASKS_MAX] = {false};
        for (size_t i = 0; s != NULL && i < s->n_channels; i++) {
            assert_false(got[s->channels[i]->n_rows]);
            got[s->channels[i]->n_rows] = true;
        }
        for (uint32_t old = 0; old < from; old++) {
            n += got[old] != is_expected(c, old, from, k, to);
        }
    }
    deal_fini(&d);
    arena_fini(&arena);
    mem_free(g.id.data);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    return n;
}

static uint32_t n_misplaced_in_all(void)
{
    static const struct case_of cases[] = {
        {KIND(HASH), KIND(HASH)},           {KIND(REBALANCE), KIND(HASH)},
        {KIND(REBALANCE), KIND(REBALANCE)}, {KIND(HASH), KIND(SHUFFLE)},
        {KIND(GLOBAL), KIND(GLOBAL)},       {KIND(REBALANCE), KIND(FORWARD)}};
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (uint32_t from = 1; from < SUBTASKS_MAX; from++) {
            for (uint32_t to = 1; to < SUBTASKS_MAX; to++) {
                n += n_misplaced(&cases[i], from, to);
            }
        }
    }
    return n;
}

static void all_parallelisms(void **state)
{
    (void)state;
    assert_int_equal(n_misplaced_in_all(), 0);
}

static void planted_bugs_show(void **state)
{
    (void)state;
    static const char *const bugs[] = {"planted.snapshot.channels_by_number=error",
                                       "planted.snapshot.hash_channels_by_number=error",
                                       "planted.snapshot.channels_to_two=error"};
    for (size_t i = 0; i < ARRAY_LEN(bugs); i++) {
        assert_ok(failpoint_configure(bugs[i], &ok_err));
        assert_true(n_misplaced_in_all() > 0);
        failpoint_clear_all();
    }
}

static void an_edge_that_is_gone(void **state)
{
    (void)state;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 1, MAX_PARALLELISM);
    add_channel(add_subtask(o, 0), 5, KIND(HASH));
    struct edge_graph g;
    struct arena arena;
    struct deal d;
    struct error err = ERROR_INIT;
    graph_init(&g, 6, KIND(HASH));
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, 1, MAX_PARALLELISM, &ok_err));
    check_error(deal_add_channels(&d, &g.graph, &err), ERR_INVALID_ARGUMENT, &err, "in flight");
    deal_fini(&d);
    arena_fini(&arena);
    mem_free(g.id.data);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(all_parallelisms),
        SNAPSHOT_TEST(planted_bugs_show),
        SNAPSHOT_TEST(an_edge_that_is_gone),
    };
    return cmocka_run_group_tests_name("assign_channels", tests, NULL, NULL);
}
