/* Assignment: operators found by id whatever the chains, and what does not fit said with its remedy. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/graph_maker.h"

struct pair {
    Flinc__CheckpointMetadata *m;
    Flinc__JobGraph *g;
};

/* Source (1) -> Count (2, keyed, 4 subtasks) -> Sink (3), the last two chained. */
static struct pair make_pair(uint32_t parallelism, uint32_t max_parallelism)
{
    struct pair p = {make_metadata(), make_graph()};
    Flinc__OperatorSnapshot *source = add_operator(p.m, 1, "Source", 2, 128);
    Flinc__OperatorSnapshot *count = add_operator(p.m, 2, "Count", 4, 128);
    Flinc__OperatorSnapshot *sink = add_operator(p.m, 3, "Sink", 4, 128);
    source->has_coordinator_state = true;
    source->coordinator_state = (ProtobufCBinaryData){5, mem_dup("hello", 5)};
    for (uint32_t i = 0; i < 2; i++) {
        add_list(add_subtask(source, i), "splits", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                 1);
    }
    for (uint32_t i = 0; i < 4; i++) {
        add_keyed(count, add_subtask(count, i), "k");
        add_list(add_subtask(sink, i), "pending", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                 1);
    }
    add_chained(add_vertex(p.g, "Source", 2, 128), 1, "Source");
    Flinc__JobVertex *v = add_vertex(p.g, "Count -> Sink", parallelism, max_parallelism);
    add_chained(v, 2, "Count");
    add_chained(v, 3, "Sink");
    add_edge(p.g, 0, 1);
    return p;
}

static void free_pair(struct pair p)
{
    flinc__checkpoint_metadata__free_unpacked(p.m, NULL);
    flinc__job_graph__free_unpacked(p.g, NULL);
}

/* A thousand tasks with union lists of a thousand: what the job manager holds and sends is a reference to the
 * _metadata for each, not the handles of all for all (1,000 * 1,000 * 150 bytes). */
static void unions_of_a_thousand_tasks(void **state)
{
    enum { TASKS = 1000 };
    (void)state;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__JobGraph *g = make_graph();
    Flinc__OperatorSnapshot *source = add_operator(m, 1, "Source", TASKS, TASKS);
    for (uint32_t i = 0; i < TASKS; i++) {
        Flinc__SubtaskSnapshot *s = add_subtask(source, i);
        add_list(s, "offsets", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 60);
        add_list(s, "own", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 1);
    }
    add_chained(add_vertex(g, "Source", TASKS, TASKS), 1, "Source");
    struct state_assignment *a = NULL;
    assert_ok(state_assignment_new(m, "file:/chk-1", g, 0, &a, &ok_err));
    uint64_t sent = 0;
    for (uint32_t i = 0; i < TASKS; i++) {
        const Flinc__TaskRestore *r = state_assignment_get(a, 0, i);
        assert_int_equal(r->n_operators, 1);
        assert_true(r->operators[0]->union_in_metadata);
        assert_int_equal(r->operators[0]->n_operator_state, 1); /* its own */
        assert_string_equal(r->directory, "file:/chk-1");
        sent += flinc__task_restore__get_packed_size(r);
    }
    assert_in_range(sent, TASKS, TASKS * 200);
    assert_in_range(state_assignment_bytes(a), TASKS, TASKS * 1024);
    state_assignment_free(a);
    /* Nobody could read a _metadata that is nowhere. */
    assert_ok(state_assignment_new(m, NULL, g, 0, &a, &ok_err));
    assert_false(state_assignment_get(a, 0, 0)->operators[0]->union_in_metadata);
    assert_int_equal(state_assignment_get(a, 0, 7)->operators[0]->n_operator_state, TASKS + 1);
    state_assignment_free(a);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    flinc__job_graph__free_unpacked(g, NULL);
}

static void refused(struct pair p, uint32_t flags, const char *part)
{
    struct state_assignment *a = NULL;
    struct error err = ERROR_INIT;
    check_error(state_assignment_new(p.m, "file:/chk-1", p.g, flags, &a, &err),
                ERR_INVALID_ARGUMENT, &err, part);
    assert_null(a);
    free_pair(p);
}

static void what_subtasks_get(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct pair p = make_pair(2, 128);
    const uint8_t *data = NULL;
    size_t size = 0;
    assert_ok(state_assignment_new(p.m, "file:/chk-1", p.g, 0, &a, &ok_err));
    for (uint32_t i = 0; i < 2; i++) {
        const Flinc__TaskRestore *t = state_assignment_get(a, 1, i);
        assert_int_equal(t->checkpoint_id, 42);
        assert_string_equal(t->directory, "file:/chk-1");
        assert_int_equal(t->n_operators, 2);
        assert_int_equal(t->operators[0]->operator_id.data[0], 2);
        assert_int_equal(t->operators[0]->n_keyed, 2);
        assert_int_equal(t->operators[1]->n_operator_state, 2);
        assert_int_equal(state_assignment_get(a, 0, i)->n_operators, 1);
        /* It travels. */
        size_t bytes = flinc__task_restore__get_packed_size(t);
        uint8_t *packed = mem_alloc(bytes);
        flinc__task_restore__pack(t, packed);
        Flinc__TaskRestore *got = flinc__task_restore__unpack(NULL, bytes, packed);
        assert_int_equal(got->operators[0]->keyed[1]->first_group, i * 64 + 32);
        flinc__task_restore__free_unpacked(got, NULL);
        mem_free(packed);
    }
    uint8_t id[16] = {1};
    id[15] = 0xee;
    assert_true(state_assignment_coordinator(a, id, &data, &size));
    assert_memory_equal(data, "hello", 5);
    id[0] = 2;
    assert_false(state_assignment_coordinator(a, id, &data, &size));
    state_assignment_free(a);
    free_pair(p);
}

static void chains_do_not_matter(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct pair p = make_pair(4, 128);
    Flinc__JobVertex *v = p.g->vertices[1];
    Flinc__JobVertex *w = add_vertex(p.g, "Sink", 1, 16);
    add_chained(w, 3, "Sink");
    flinc__operator__free_unpacked(v->operators[--v->n_operators], NULL);
    add_chained(v, 9, "a new one");
    assert_ok(state_assignment_new(p.m, "file:/chk-1", p.g, 0, &a, &ok_err));
    assert_int_equal(state_assignment_get(a, 1, 3)->n_operators, 1);
    assert_int_equal(state_assignment_get(a, 2, 0)->operators[0]->n_operator_state, 4);
    state_assignment_free(a);
    free_pair(p);
}

static void operators_without_state_get_nothing(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct pair p = make_pair(4, 128);
    add_chained(add_vertex(p.g, "New", 3, 128), 9, "New");
    assert_ok(state_assignment_new(p.m, "file:/chk-1", p.g, 0, &a, &ok_err));
    assert_null(state_assignment_get(a, 2, 2));
    state_assignment_free(a);
    free_pair(p);
}

static void operators_that_are_gone(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct pair p = make_pair(4, 128);
    p.g->vertices[1]->operators[0]->id.data[0] = 77;
    assert_ok(state_assignment_new(p.m, "d", p.g, ASSIGN_ALLOW_NON_RESTORED, &a, &ok_err));
    assert_int_equal(state_assignment_get(a, 1, 0)->n_operators, 1);
    state_assignment_free(a);
    refused(p, 0, "operator 020000000000000000000000000000ee ('Count') to the new program");
    p = make_pair(4, 128);
    p.g->vertices[0]->operators[0]->id.data[0] = 77;
    refused(p, 0, "--allowNonRestoredState (-n)");
}

static void the_number_of_key_groups(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    refused(make_pair(4, 256), 0, "maximum parallelism of operator 'Count'");
    refused(make_pair(4, 64), 0, "to 128");
    refused(make_pair(200, 256), 0, "cannot be restored with parallelism 200");
    struct pair p = make_pair(128, 256);
    p.g->vertices[1]->max_parallelism_derived = true;
    assert_ok(state_assignment_new(p.m, "d", p.g, 0, &a, &ok_err));
    assert_int_equal(state_assignment_max_parallelism(a, 1), 128);
    assert_int_equal(state_assignment_get(a, 1, 127)->operators[0]->keyed[0]->last_group, 127);
    state_assignment_free(a);
    free_pair(p);
    p = make_pair(129, 256);
    p.g->vertices[1]->max_parallelism_derived = true;
    refused(p, 0, "lower its parallelism to 128 or less");
    /* Without keyed state nothing depends on it. */
    p = make_pair(4, 128);
    p.g->vertices[0]->max_parallelism = 77;
    assert_ok(state_assignment_new(p.m, "d", p.g, 0, &a, &ok_err));
    state_assignment_free(a);
    free_pair(p);
}

static void finished_vertices(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct pair p = make_pair(4, 128);
    p.m->operators[0]->fully_finished = true;
    assert_ok(state_assignment_new(p.m, "d", p.g, 0, &a, &ok_err));
    assert_true(state_assignment_is_finished(a, 0));
    assert_true(state_assignment_get(a, 0, 1)->finished);
    assert_false(state_assignment_get(a, 1, 0)->finished);
    state_assignment_free(a);
    p.m->operators[1]->fully_finished = true;
    refused(p, 0, "disableChaining");
    p = make_pair(4, 128);
    p.m->operators[1]->fully_finished = true;
    p.m->operators[2]->fully_finished = true;
    refused(p, 0, "nothing can be sent to a finished operator");
}

static void duplicates(void **state)
{
    (void)state;
    struct state_assignment *a = NULL;
    struct error err = ERROR_INIT;
    struct pair p = make_pair(4, 128);
    add_operator(p.m, 2, "Count again", 4, 128);
    check_error(state_assignment_new(p.m, "d", p.g, 0, &a, &err), ERR_CORRUPT, &err, "twice");
    free_pair(p);
    assert_null(state_assignment_free(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(unions_of_a_thousand_tasks),
        SNAPSHOT_TEST(what_subtasks_get),
        SNAPSHOT_TEST(chains_do_not_matter),
        SNAPSHOT_TEST(operators_without_state_get_nothing),
        SNAPSHOT_TEST(operators_that_are_gone),
        SNAPSHOT_TEST(the_number_of_key_groups),
        SNAPSHOT_TEST(finished_vertices),
        SNAPSHOT_TEST(duplicates),
    };
    return cmocka_run_group_tests_name("assign", tests, NULL, NULL);
}
