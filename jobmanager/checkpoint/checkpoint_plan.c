/* Planning a checkpoint; see checkpoint_plan.h.  Costs O(tasks + edges), and for pointwise edges of partly
 * finished vertices O(channels). */
#include "jobmanager/checkpoint/checkpoint_plan.h"

#include "engine/graph/partitioner.h"

struct planning {
    const struct checkpoint_plan_options *o;
    struct checkpoint_plan *plan;
    uint32_t *first;   /* by vertex: number of its first task */
    uint32_t *running; /* by vertex: tasks that run */
};

static int look_at_tasks(struct planning *p, struct error *err)
{
    const Flinc__JobGraph *g = p->o->graph;
    uint32_t n = 0;
    for (uint32_t v = 0; v < g->n_vertices; v++) {
        const Flinc__JobVertex *vertex = g->vertices[v];
        p->first[v] = n;
        for (uint32_t i = 0; i < vertex->parallelism; i++) {
            struct planned_task *t = &p->plan->tasks[n++];
            t->task.vertex = v;
            t->task.subtask = i;
            enum checkpoint_task_state state =
                p->o->host->task_state(p->o->host_arg, v, i, &t->task.attempt_id);
            t->finished = state == CHECKPOINT_TASK_FINISHED;
            if (state == CHECKPOINT_TASK_NOT_READY) {
                return error_set(err, ERR_UNAVAILABLE,
                                 "checkpoint triggered while task %s (%u/%u) is not running",
                                 vertex->name, i + 1, vertex->parallelism);
            }
            if (t->finished && !p->o->after_tasks_finish) {
                return error_set(err, ERR_UNAVAILABLE,
                                 "task %s (%u/%u) has finished, and "
                                 "execution.checkpointing.checkpoints-after-tasks-finish is off",
                                 vertex->name, i + 1, vertex->parallelism);
            }
            p->running[v] += !t->finished;
        }
        p->plan->n_running += p->running[v];
    }
    if (p->plan->n_running == 0) {
        return error_set(err, ERR_UNAVAILABLE, "all tasks have finished");
    }
    return 0;
}

/* Runs one of the tasks that send to this one by a pointwise edge?  As edge_producers() of the workers. */
static bool has_running_producer(const struct planning *p, const Flinc__JobEdge *e,
                                 uint32_t subtask)
{
    uint64_t producers = p->o->graph->vertices[e->source_vertex]->parallelism;
    uint64_t consumers = p->o->graph->vertices[e->target_vertex]->parallelism;
    uint64_t from = subtask * producers / consumers;
    uint64_t to =
        producers >= consumers ? (subtask + UINT64_C(1)) * producers / consumers : from + 1;
    for (uint64_t i = from; i < to; i++) {
        if (!p->plan->tasks[p->first[e->source_vertex] + i].finished) {
            return true;
        }
    }
    return false;
}

/* Will a barrier come to this task by one of its inputs? */
static bool gets_barrier(const struct planning *p, uint32_t vertex, uint32_t subtask)
{
    const Flinc__JobGraph *g = p->o->graph;
    for (size_t i = 0; i < g->n_edges; i++) {
        const Flinc__JobEdge *e = g->edges[i];
        if (e->target_vertex != vertex || p->running[e->source_vertex] == 0) {
            continue;
        }
        bool all_run = p->running[e->source_vertex] == g->vertices[e->source_vertex]->parallelism;
        if (all_run || !partitioner_is_pointwise(e->partitioner->kind) ||
            has_running_producer(p, e, subtask)) {
            return true;
        }
    }
    return false;
}

/* Does every edge into the vertex come from tasks of which all run, or none? */
static bool is_uniform(const struct planning *p, uint32_t vertex)
{
    const Flinc__JobGraph *g = p->o->graph;
    for (size_t i = 0; i < g->n_edges; i++) {
        const Flinc__JobEdge *e = g->edges[i];
        uint32_t running = p->running[e->source_vertex];
        if (e->target_vertex == vertex && running > 0 &&
            running < g->vertices[e->source_vertex]->parallelism) {
            return false;
        }
    }
    return true;
}

static void choose_triggers(struct planning *p)
{
    const Flinc__JobGraph *g = p->o->graph;
    struct checkpoint_plan *plan = p->plan;
    for (uint32_t v = 0; v < g->n_vertices; v++) {
        bool uniform = is_uniform(p, v);
        bool gets = uniform && gets_barrier(p, v, 0);
        for (uint32_t i = 0; i < g->vertices[v]->parallelism && !gets; i++) {
            const struct planned_task *t = &plan->tasks[p->first[v] + i];
            if (!t->finished && (uniform || !gets_barrier(p, v, i))) {
                plan->triggers[plan->n_triggers++] = t->task;
            }
        }
    }
}

int checkpoint_plan_init(struct checkpoint_plan *plan,
                         const struct checkpoint_plan_options *options, struct error *err)
{
    const Flinc__JobGraph *g = options->graph;
    struct planning p = {.o = options, .plan = plan};
    *plan = (struct checkpoint_plan){.tasks = NULL};
    for (size_t v = 0; v < g->n_vertices; v++) {
        plan->n_tasks += g->vertices[v]->parallelism;
    }
    plan->tasks = MEM_NEW_ARRAY(struct planned_task, (size_t)plan->n_tasks + 1);
    plan->triggers = MEM_NEW_ARRAY(struct checkpoint_task, (size_t)plan->n_tasks + 1);
    p.first = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1);
    p.running = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1);
    int rc = look_at_tasks(&p, err);
    if (rc == 0) {
        choose_triggers(&p);
    } else {
        checkpoint_plan_fini(plan);
    }
    mem_free(p.first);
    mem_free(p.running);
    return rc;
}

void checkpoint_plan_fini(struct checkpoint_plan *p)
{
    mem_free(p->tasks);
    mem_free(p->triggers);
    *p = (struct checkpoint_plan){.tasks = NULL};
}
