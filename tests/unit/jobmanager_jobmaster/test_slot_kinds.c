/* Slot sharing groups with profiles of their own: slots are declared by kind, and used by the groups of their kind only,
 * under both schedulers. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"

#define PREFIX "jobmanager.adaptive-scheduler."

enum { CORES = 2, HEAP = 1000 };

/* Source 2 in default slots, Count 4 in large ones. */
static Flinc__JobGraph *graph_with_kinds(void)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, NULL},
                                                  {"Count", 4, "large", NULL}};
    static const struct edge_spec edges[] = {{0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE,
                                              FLINC__EXCHANGE_MODE__EXCHANGE_PIPELINED}};
    Flinc__JobGraph *g = graph_new(vertices, 2, edges, 1);
    graph_add_group(g, "large", CORES, HEAP);
    return g;
}

/* A worker with slots of kind 0, then of kind 1. */
static void add_worker(struct world *w, uint32_t n_default, uint32_t n_large)
{
    world_add_worker(w, n_default + n_large, FAKE_ACKNOWLEDGES | FAKE_CANCELS);
    for (uint32_t i = w->n_slots - n_large; i < w->n_slots; i++) {
        w->slots[i].slot.kind = 1;
    }
}

static uint32_t with_job(const struct world *w, uint32_t kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_slots; i++) {
        n += w->slots[i].with_job && w->slots[i].slot.kind == kind;
    }
    return n;
}

static const struct fake_slot *slot_of(const struct world *w, const ProtobufCBinaryData *allocation)
{
    for (uint32_t i = 0; i < w->n_slots; i++) {
        if (memcmp(w->slots[i].slot.allocation_id.bytes, allocation->data, allocation->len) == 0) {
            return &w->slots[i];
        }
    }
    fail_msg("a task was deployed into a slot that nobody gave");
    return NULL;
}

static void assert_declared(const struct world *w, uint32_t n_default, uint32_t n_large)
{
    assert_int_equal(w->n_kinds, 2);
    assert_int_equal(w->declared_of[0], n_default);
    assert_int_equal(w->declared_of[1], n_large);
    assert_int_equal(w->profiles[1].cpu_units, CORES * RESOURCE_UNITS);
    assert_int_equal(w->profiles[1].task_heap_bytes, HEAP);
}

static void tasks_run_in_slots_of_their_kind(void **state)
{
    struct world w;
    world_init(&w, graph_with_kinds());
    w.offers = false;
    add_worker(&w, 6, 5);
    world_start(&w);
    assert_declared(&w, 2, 4);
    for (uint32_t i = 0; i < 6; i++) { /* six of the wrong kind are no help */
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(w.n_released, 4);
    assert_int_equal(world_n_tasks(&w, SCHEDULED), 6);
    for (uint32_t i = 6; i < 11; i++) {
        world_offer(&w, i);
    }
    world_settle(&w);
    assert_int_equal(w.n_released, 5);
    assert_int_equal(world_n_tasks(&w, RUNNING), 6);
    const Flinc__DeployTasks *last = w.workers[0].last_deploy; /* of Count */
    assert_int_equal(last->n_subtasks, 4);
    for (size_t i = 0; i < last->n_subtasks; i++) {
        assert_int_equal(slot_of(&w, &last->subtasks[i]->allocation_id)->slot.kind, 1);
    }
    world_all_say(&w, FINISHED);
    world_assert_ended(&w, JOB_STATUS_FINISHED);
    assert_int_equal(w.declared, 0);
    world_fini(&w);
}

static void what_is_missing_is_said(void **state)
{
    struct world w;
    world_init(&w, graph_with_kinds());
    world_set(&w, "slot.request.timeout", "30 s");
    w.offers = true;
    add_worker(&w, 2, 1);
    world_start(&w);
    world_advance(&w, 30000);
    world_assert_ended(&w, JOB_STATUS_FAILED);
    assert_string_equal(
        w.cause.message,
        "NoResourceAvailableException: Could not acquire the minimum required resources. The job "
        "needs 4 slots of ResourceProfile{cpuCores=2, taskHeapMemory=1000 bytes, "
        "taskOffHeapMemory=0 bytes, managedMemory=0 bytes, networkMemory=0 bytes} and has 1 after "
        "waiting 30 s (slot.request.timeout). Add task managers or give them more "
        "(taskmanager.memory.*, taskmanager.cpu.cores, external-resources), or lower the "
        "parallelism or the resources of the slot sharing groups");
    world_fini(&w);
}

/* ---- adaptive ------------------------------------------------------------------------------------- */

static void aw_init(struct checkpoint_world *cw)
{
    cw_init_graph(cw, graph_with_kinds());
    cw->w.offers = true;
    world_set(&cw->w, "jobmanager.scheduler", "ADAPTIVE");
    world_set(&cw->w, "execution.checkpointing.interval", "1 h");
    world_set(&cw->w, PREFIX "executing.cooldown-after-rescaling", "0 s");
}

static void assert_parallelism(struct checkpoint_world *cw, uint32_t source, uint32_t count)
{
    const struct job_details *d = cw_details(cw);
    assert_int_equal(d->vertices[0].parallelism, source);
    assert_int_equal(d->vertices[1].parallelism, count);
    job_details_unref(d);
    assert_int_equal(world_n_tasks(&cw->w, RUNNING), source + count);
}

static void require(struct checkpoint_world *cw, uint32_t source, uint32_t count)
{
    struct job_requirement r[2] = {{.bounds = {1, source}}, {.bounds = {1, count}}};
    struct error err = ERROR_INIT;
    memcpy(r[0].vertex_id.bytes, cw->w.graph->vertices[0]->id.data, 16);
    memcpy(r[1].vertex_id.bytes, cw->w.graph->vertices[1]->id.data, 16);
    assert_int_equal(jobmaster_set_requirements(cw->w.jm, r, 2, &err), 0);
    world_settle(&cw->w);
}

static void each_group_scales_by_its_kind(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    add_worker(&cw.w, 9, 1); /* more than enough of one, little of the other */
    world_start(&cw.w);
    assert_declared(&cw.w, 2, 4);
    world_advance(&cw.w, 10000);
    assert_parallelism(&cw, 2, 1);
    assert_int_equal(with_job(&cw.w, 0), 2);
    add_worker(&cw.w, 0, 5);
    world_settle(&cw.w);
    world_offer_all(&cw.w);
    world_settle(&cw.w);
    cw_ack_all(&cw, cw_last_trigger(&cw));
    assert_parallelism(&cw, 2, 4);
    assert_int_equal(with_job(&cw.w, 1), 4);
    require(&cw, 4, 2);           /* one group grows, the other one shrinks */
    assert_declared(&cw.w, 4, 4); /* what it has stays until the rescale */
    cw_ack_all(&cw, cw_last_trigger(&cw));
    assert_parallelism(&cw, 4, 2);
    assert_declared(&cw.w, 4, 2);
    assert_int_equal(with_job(&cw.w, 0), 4);
    assert_int_equal(with_job(&cw.w, 1), 2);
    const Flinc__DeployTasks *last = cw.w.workers[1].last_deploy;
    assert_string_equal(last->vertex->name, "Count");
    for (size_t i = 0; i < last->n_subtasks; i++) {
        assert_int_equal(slot_of(&cw.w, &last->subtasks[i]->allocation_id)->slot.kind, 1);
    }
    cw_fini(&cw);
}

static void too_few_of_one_kind_fail_it(void **state)
{
    struct checkpoint_world cw;
    aw_init(&cw);
    world_set(&cw.w, PREFIX "submission.resource-wait-timeout", "20 s");
    add_worker(&cw.w, 9, 0);
    world_start(&cw.w);
    world_advance(&cw.w, 20000);
    world_assert_ended(&cw.w, JOB_STATUS_FAILED);
    assert_non_null(strstr(cw.w.cause.message,
                           "The job needs at least 1 slots of ResourceProfile{cpuCores=2, "));
    assert_non_null(strstr(cw.w.cause.message, "} and has 0 after waiting 20000 ms"));
    cw_fini(&cw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_slots_of_their_kind),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(each_group_scales_by_its_kind),
        cmocka_unit_test(too_few_of_one_kind_fail_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
