/* Checkpoints between the ends of a vertex' tasks: with state that needs all of them they are not taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "jobmanager/checkpoint/pending.h"

enum { TASKS = 3 };

/* One vertex of three tasks with one operator, whose state has one part. */
struct fixture {
    Flinc__JobVertex vertex, *vertices[1];
    Flinc__JobGraph graph;
    struct {
        Flinc__OperatorStatePart part, *parts[1];
        Flinc__OperatorStateHandle handle, *handles[1];
        Flinc__OperatorSubtaskState state, *states[1];
        Flinc__TaskSnapshot snapshot;
    } tasks[TASKS];
    struct pending_task pending[TASKS];
    struct pending_checkpoint checkpoint;
};

static void make(struct fixture *f, bool needs_all)
{
    flinc__job_graph__init(&f->graph);
    flinc__job_vertex__init(&f->vertex);
    f->vertex.name = (char *)"counter";
    f->vertex.parallelism = TASKS;
    f->vertices[0] = &f->vertex;
    f->graph.vertices = f->vertices;
    f->graph.n_vertices = 1;
    f->checkpoint = (struct pending_checkpoint){.tasks = f->pending, .n_tasks = TASKS};
    for (int i = 0; i < TASKS; i++) {
        flinc__operator_state_part__init(&f->tasks[i].part);
        flinc__operator_state_handle__init(&f->tasks[i].handle);
        flinc__operator_subtask_state__init(&f->tasks[i].state);
        flinc__task_snapshot__init(&f->tasks[i].snapshot);
        f->tasks[i].part.name = (char *)"shares";
        f->tasks[i].part.needs_all = needs_all;
        f->tasks[i].parts[0] = &f->tasks[i].part;
        f->tasks[i].handle.parts = f->tasks[i].parts;
        f->tasks[i].handle.n_parts = 1;
        f->tasks[i].handles[0] = &f->tasks[i].handle;
        f->tasks[i].state.operator_state = f->tasks[i].handles;
        f->tasks[i].state.n_operator_state = 1;
        f->tasks[i].states[0] = &f->tasks[i].state;
        f->tasks[i].snapshot.operators = f->tasks[i].states;
        f->tasks[i].snapshot.n_operators = 1;
        f->pending[i] = (struct pending_task){.state = PENDING_TASK_ACKNOWLEDGED,
                                              .snapshot = &f->tasks[i].snapshot};
    }
}

static void test_some_have_ended(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    make(&f, true);
    assert_int_equal(pending_check_ends(&f.checkpoint, &f.graph, &err), 0);
    f.tasks[1].snapshot.finished = true;
    assert_int_equal(pending_check_ends(&f.checkpoint, &f.graph, &err), ERR_UNAVAILABLE);
    assert_string_equal(err.message,
                        "1 of 3 tasks of counter have come to the end of their input, and its "
                        "union list state 'shares' needs all or none: the next checkpoint may do");
    /* One that is gone counts as well, though it has no state any more. */
    f.tasks[1].snapshot.finished = false;
    f.pending[2] = (struct pending_task){.state = PENDING_TASK_FINISHED};
    assert_int_equal(pending_check_ends(&f.checkpoint, &f.graph, &err), ERR_UNAVAILABLE);
}

static void test_all_have_ended(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    make(&f, true);
    for (int i = 0; i < TASKS; i++) {
        f.tasks[i].snapshot.finished = true;
    }
    assert_int_equal(pending_check_ends(&f.checkpoint, &f.graph, &err), 0);
}

static void test_other_state(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    make(&f, false);
    f.tasks[0].snapshot.finished = true;
    assert_int_equal(pending_check_ends(&f.checkpoint, &f.graph, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_some_have_ended),
        cmocka_unit_test(test_all_have_ended),
        cmocka_unit_test(test_other_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
