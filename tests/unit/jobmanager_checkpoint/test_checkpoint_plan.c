/* Who is triggered and who is waited for, with tasks that have finished in every combination. */
#include "jobmanager/checkpoint/checkpoint_plan.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"

enum { SUBTASKS_MAX = 8 };

static enum checkpoint_task_state states[3][SUBTASKS_MAX];

static enum checkpoint_task_state task_state(void *arg, uint32_t vertex, uint32_t subtask,
                                             struct flinc_id *ret_attempt_id)
{
    memset(ret_attempt_id->bytes, (int)(16 * vertex + subtask), sizeof(ret_attempt_id->bytes));
    return states[vertex][subtask];
}

static const struct checkpointer_host host = {.task_state = task_state};

/* Source (2) -rescale-> Map (4) -hash-> Sink (2). */
static Flinc__JobGraph *make_graph(void)
{
    static const struct vertex_spec vertices[] = {
        {"Source", 2, NULL, NULL}, {"Map", 4, NULL, NULL}, {"Sink", 2, NULL, NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 0},
                                             {1, 2, FLINC__PARTITIONER_KIND__PARTITION_HASH, 0}};
    for (size_t v = 0; v < 3; v++) {
        for (size_t i = 0; i < SUBTASKS_MAX; i++) {
            states[v][i] = CHECKPOINT_TASK_RUNNING;
        }
    }
    return graph_new(vertices, 3, edges, 2);
}

/* "0.0 0.1 " in *ret_triggers. */
static int plan(const Flinc__JobGraph *g, bool after_finish, struct str *ret_triggers,
                uint32_t *ret_running, struct error *err)
{
    struct checkpoint_plan p;
    TRY(checkpoint_plan_init(&p,
                             &(struct checkpoint_plan_options){
                                 .graph = g, .host = &host, .after_tasks_finish = after_finish},
                             err));
    str_clear(ret_triggers);
    for (uint32_t i = 0; i < p.n_triggers; i++) {
        str_printf(ret_triggers, "%u.%u ", p.triggers[i].vertex, p.triggers[i].subtask);
    }
    *ret_running = p.n_running;
    checkpoint_plan_fini(&p);
    return 0;
}

static void test_plans(void **state)
{
    Flinc__JobGraph *g = make_graph();
    STR_AUTO triggers = STR_INIT;
    struct error err = ERROR_INIT;
    uint32_t running = 0;
    assert_int_equal(plan(g, true, &triggers, &running, &err), 0);
    assert_string_equal(str_cstr(&triggers), "0.0 0.1 ");
    assert_int_equal(running, 8);

    states[0][0] = CHECKPOINT_TASK_FINISHED; /* it fed Map 0 and 1 */
    assert_int_equal(plan(g, true, &triggers, &running, &err), 0);
    assert_string_equal(str_cstr(&triggers), "0.1 1.0 1.1 ");
    assert_int_equal(running, 7);

    states[1][0] = states[1][1] = CHECKPOINT_TASK_FINISHED; /* Sink still hears of Map 2 and 3 */
    assert_int_equal(plan(g, true, &triggers, &running, &err), 0);
    assert_string_equal(str_cstr(&triggers), "0.1 ");

    for (uint32_t i = 0; i < SUBTASKS_MAX; i++) {
        states[0][i] = states[1][i] = CHECKPOINT_TASK_FINISHED;
    }
    assert_int_equal(plan(g, true, &triggers, &running, &err), 0);
    assert_string_equal(str_cstr(&triggers), "2.0 2.1 ");
    assert_int_equal(running, 2);

    states[2][0] = states[2][1] = CHECKPOINT_TASK_FINISHED;
    assert_int_equal(plan(g, true, &triggers, &running, &err), ERR_UNAVAILABLE);
    flinc__job_graph__free_unpacked(g, NULL);
}

static void test_obstacles_are_named(void **state)
{
    Flinc__JobGraph *g = make_graph();
    STR_AUTO triggers = STR_INIT;
    struct error err = ERROR_INIT;
    uint32_t running = 0;
    states[1][2] = CHECKPOINT_TASK_NOT_READY;
    assert_int_equal(plan(g, true, &triggers, &running, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "Map (3/4)"));
    states[1][2] = CHECKPOINT_TASK_FINISHED;
    assert_int_equal(plan(g, true, &triggers, &running, &err), 0);
    assert_int_equal(plan(g, false, &triggers, &running, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "checkpoints-after-tasks-finish"));
    flinc__job_graph__free_unpacked(g, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_obstacles_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
