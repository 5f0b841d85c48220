/* Building the execution graph, its attempts, and the states of an execution; see
 * execution_graph.h. */
#include "jobmanager/jobmaster/execution_graph.h"

#include "engine/graph/job_graph.h"
#include <stdio.h>

/* ---- states ----------------------------------------------------------------------------------- */

#define STATE_BIT(name) (1 << FLINC__EXECUTION_STATE__EXECUTION_##name)

static const struct {
    const char *name;
    bool terminal;
    uint16_t moves; /* bit `to` */
} state_rows[] = {
    [FLINC__EXECUTION_STATE__EXECUTION_CREATED] = {"CREATED", false,
                                                   STATE_BIT(SCHEDULED) | STATE_BIT(CANCELED) |
                                                       STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_SCHEDULED] = {"SCHEDULED", false,
                                                     STATE_BIT(DEPLOYING) | STATE_BIT(CANCELED) |
                                                         STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING] = {"DEPLOYING", false,
                                                     STATE_BIT(INITIALIZING) |
                                                         STATE_BIT(CANCELING) | STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING] = {"INITIALIZING", false,
                                                        STATE_BIT(RUNNING) | STATE_BIT(CANCELING) |
                                                            STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_RUNNING] = {"RUNNING", false,
                                                   STATE_BIT(FINISHED) | STATE_BIT(CANCELING) |
                                                       STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_FINISHED] = {"FINISHED", true, 0},
    [FLINC__EXECUTION_STATE__EXECUTION_CANCELING] = {"CANCELING", false,
                                                     STATE_BIT(CANCELED) | STATE_BIT(FAILED)},
    [FLINC__EXECUTION_STATE__EXECUTION_CANCELED] = {"CANCELED", true, 0},
    [FLINC__EXECUTION_STATE__EXECUTION_FAILED] = {"FAILED", true, 0},
};
_Static_assert(ARRAY_LEN(state_rows) == EXECUTION_STATES, "one row per state");

const char *execution_state_name(Flinc__ExecutionState state)
{
    return (unsigned)state < EXECUTION_STATES ? state_rows[state].name : "UNKNOWN";
}

bool execution_state_is_terminal(Flinc__ExecutionState state)
{
    return (unsigned)state < EXECUTION_STATES && state_rows[state].terminal;
}

bool execution_state_may_move(Flinc__ExecutionState from, Flinc__ExecutionState to)
{
    return (unsigned)from < EXECUTION_STATES && (unsigned)to < EXECUTION_STATES &&
           (state_rows[from].moves & 1 << to) != 0;
}

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} region_rows[] = {
    [REGION_IDLE] = {"IDLE", 1 << REGION_WAITING | 1 << REGION_RESTARTING | 1 << REGION_ENDING},
    [REGION_WAITING] = {"WAITING",
                        1 << REGION_DEPLOYED | 1 << REGION_RESTARTING | 1 << REGION_ENDING},
    [REGION_DEPLOYED] = {"DEPLOYED", 1 << REGION_RESTARTING | 1 << REGION_ENDING},
    /* To itself: a restart of the whole job takes over. */
    [REGION_RESTARTING] = {"RESTARTING",
                           1 << REGION_IDLE | 1 << REGION_RESTARTING | 1 << REGION_ENDING},
    [REGION_ENDING] = {"ENDING", 0},
};
_Static_assert(ARRAY_LEN(region_rows) == REGION_STATES, "one row per state");

const char *region_state_name(enum region_state state)
{
    return (unsigned)state < REGION_STATES ? region_rows[state].name : "UNKNOWN";
}

bool region_state_may_move(enum region_state from, enum region_state to)
{
    return (unsigned)from < REGION_STATES && (unsigned)to < REGION_STATES &&
           (region_rows[from].moves & 1 << to) != 0;
}

void region_transition(struct region *r, enum region_state to)
{
    ASSERT(region_state_may_move(r->state, to));
    r->state = to;
}

/* ---- attempts --------------------------------------------------------------------------------- */

static void execution_init(struct execution_graph *g, struct subtask *s, uint32_t number,
                           struct rng *rng, int64_t now_ms)
{
    struct execution *e = &s->execution;
    *e = (struct execution){.subtask = s, .number = number};
    do {
        id_random(&e->id, rng);
    } while (execution_graph_find(g, e->id.bytes) != NULL);
    e->since_ms[e->state] = now_ms;
    if (s->vertex->n_coordinators > 0) {
        e->events = MEM_NEW_ARRAY(struct event_channel, s->vertex->n_coordinators);
    }
    vec_init(&e->waiting_events, sizeof(struct waiting_event));
    (void)map_put_bytes(&g->attempts, e->id.bytes, sizeof(e->id.bytes), e);
}

void execution_drop_waiting_events(struct execution *e)
{
    for (size_t i = 0; i < e->waiting_events.len; i++) {
        mem_free(VEC_AT(&e->waiting_events, struct waiting_event, i)->data);
    }
    vec_clear(&e->waiting_events);
}

static void execution_fini(struct execution *e)
{
    execution_drop_waiting_events(e);
    vec_fini(&e->waiting_events);
    mem_free(e->events);
    place_unref(e->place);
    attempt_failure_unref(e->failure);
}

void execution_graph_new_attempt(struct execution_graph *g, struct subtask *s, struct rng *rng,
                                 int64_t now_ms)
{
    struct execution *e = &s->execution;
    struct region *r = execution_region(g, e);
    ASSERT(execution_state_is_terminal(e->state));
    g->n_finished -= e->state == FLINC__EXECUTION_STATE__EXECUTION_FINISHED;
    g->n_live++;
    r->n_live++;
    map_remove_bytes(&g->attempts, e->id.bytes, sizeof(e->id.bytes));
    uint32_t number = e->number + 1;
    execution_fini(e);
    execution_init(g, s, number, rng, now_ms);
}

struct execution *execution_graph_find(const struct execution_graph *g, const uint8_t id[16])
{
    return map_find_bytes(&g->attempts, id, 16);
}

struct region *execution_region(struct execution_graph *g, const struct execution *e)
{
    return &g->regions[e->subtask->region];
}

bool execution_is_on_worker(const struct execution *e)
{
    switch (e->state) {
    case FLINC__EXECUTION_STATE__EXECUTION_DEPLOYING:
    case FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING:
    case FLINC__EXECUTION_STATE__EXECUTION_RUNNING:
    case FLINC__EXECUTION_STATE__EXECUTION_CANCELING:
        return true;
    default:
        return false;
    }
}

const char *execution_task_name(const struct execution *e, char *buf, size_t size)
{
    const struct execution_vertex *v = e->subtask->vertex;
    char suffix[32]; /* kept whole when a long chain's name is cut */
    int len = snprintf(suffix, sizeof(suffix), " (%u/%u)", e->subtask->index + 1, v->n_subtasks);
    snprintf(buf, size, "%.*s%s", MAX(0, (int)size - 1 - len), v->spec->name, suffix);
    return buf;
}

/* ---- the graph -------------------------------------------------------------------------------- */

static void vertex_init(struct execution_graph *g, uint32_t number)
{
    struct execution_vertex *v = &g->vertices[number];
    v->spec = g->spec->vertices[number];
    v->number = number;
    v->first_coordinator = g->n_coordinators;
    for (size_t i = 0; i < v->spec->n_operators; i++) {
        v->n_coordinators += v->spec->operators[i]->coordinator[0] != '\0';
    }
    g->n_coordinators += v->n_coordinators;
    v->n_subtasks = v->spec->parallelism;
}

/* Every vertex of a slot sharing group starts at the group's first slot. */
static void assign_slots(struct execution_graph *g)
{
    struct map groups; /* name -> its widest vertex */
    map_init(&groups, NULL);
    slot_kinds_init(&g->kinds, g->spec);
    g->slot_kinds = MEM_NEW_ARRAY(uint32_t, (size_t)job_graph_slots(g->spec) + 1);
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        const char *name = g->vertices[i].spec->slot_sharing_group;
        const struct execution_vertex *widest = map_find(&groups, name);
        if (widest == NULL || widest->n_subtasks < g->vertices[i].n_subtasks) {
            (void)map_put(&groups, name, &g->vertices[i]);
        }
    }
    MAP_FOREACH (&groups, entry) {
        const struct execution_vertex *widest = entry->value;
        for (uint32_t i = 0; i < g->n_vertices; i++) {
            if (strcmp(g->vertices[i].spec->slot_sharing_group, entry->key) == 0) {
                g->vertices[i].first_slot = g->n_slots;
            }
        }
        uint32_t kind = slot_kinds_find(&g->kinds, entry->key);
        for (uint32_t i = 0; i < widest->n_subtasks; i++) {
            g->slot_kinds[g->n_slots++] = kind;
        }
    }
    map_fini(&groups);
    ASSERT(g->n_slots == job_graph_slots(g->spec));
}

static void connect_edges(struct execution_graph *g)
{
    const Flinc__JobGraph *spec = g->spec;
    for (size_t i = 0; i < spec->n_edges; i++) {
        g->vertices[spec->edges[i]->source_vertex].n_out_edges++;
        g->vertices[spec->edges[i]->target_vertex].n_in_edges++;
    }
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        struct execution_vertex *v = &g->vertices[i];
        v->is_source = v->n_in_edges == 0;
        v->in_edges = MEM_NEW_ARRAY(uint32_t, v->n_in_edges + 1);
        v->out_edges = MEM_NEW_ARRAY(uint32_t, v->n_out_edges + 1);
        v->n_in_edges = v->n_out_edges = 0;
    }
    for (uint32_t i = 0; i < spec->n_edges; i++) {
        struct execution_vertex *source = &g->vertices[spec->edges[i]->source_vertex];
        struct execution_vertex *target = &g->vertices[spec->edges[i]->target_vertex];
        source->out_edges[source->n_out_edges++] = i;
        target->in_edges[target->n_in_edges++] = i;
    }
}

static void subtasks_init(struct execution_graph *g, struct rng *rng, int64_t now_ms)
{
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        g->n_subtasks += g->vertices[i].n_subtasks;
    }
    g->subtasks = MEM_NEW_ARRAY(struct subtask, g->n_subtasks);
    struct subtask *next = g->subtasks;
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        struct execution_vertex *v = &g->vertices[i];
        v->subtasks = next;
        for (uint32_t k = 0; k < v->n_subtasks; k++, next++) {
            next->vertex = v;
            next->index = k;
            vec_init(&next->accumulators, sizeof(struct task_accumulator));
            vec_init(&next->prior, sizeof(struct prior_attempt));
            execution_init(g, next, 0, rng, now_ms);
        }
    }
    g->n_live = g->n_subtasks;
}

static void regions_init(struct execution_graph *g, enum failover_strategy strategy,
                         struct jobmaster *jm)
{
    uint32_t *region = MEM_NEW_ARRAY(uint32_t, (size_t)g->n_subtasks + 1); /* by subtask */
    g->n_regions = strategy == FAILOVER_FULL ? 1 : job_graph_regions(g->spec, region);
    g->regions = MEM_NEW_ARRAY(struct region, g->n_regions);
    g->region_subtasks = MEM_NEW_ARRAY(struct subtask *, (size_t)g->n_subtasks + 1);
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        g->subtasks[i].region = region[i];
        g->regions[region[i]].n_subtasks++;
    }
    struct subtask **next = g->region_subtasks;
    for (uint32_t i = 0; i < g->n_regions; i++) {
        struct region *r = &g->regions[i];
        r->jm = jm;
        r->number = i;
        r->subtasks = next;
        next += r->n_subtasks;
        r->n_live = r->n_subtasks;
        r->n_subtasks = 0;
    }
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        struct region *r = &g->regions[region[i]];
        r->subtasks[r->n_subtasks++] = &g->subtasks[i];
    }
    mem_free(region);
}

void execution_graph_init(struct execution_graph *g, const Flinc__JobGraph *spec,
                          enum failover_strategy strategy, struct jobmaster *jm, struct rng *rng,
                          int64_t now_ms)
{
    *g = (struct execution_graph){.spec = spec, .n_vertices = (uint32_t)spec->n_vertices};
    map_init(&g->attempts, NULL);
    g->vertices = MEM_NEW_ARRAY(struct execution_vertex, spec->n_vertices);
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        vertex_init(g, i);
    }
    assign_slots(g);
    connect_edges(g);
    subtasks_init(g, rng, now_ms);
    regions_init(g, strategy, jm);
}

void task_accumulators_fini(struct vec *accumulators)
{
    for (size_t i = 0; i < accumulators->len; i++) {
        struct task_accumulator *a = VEC_AT(accumulators, struct task_accumulator, i);
        mem_free(a->name);
        mem_free(a->type);
    }
    vec_fini(accumulators);
}

void subtask_drop_accumulators(struct subtask *subtask)
{
    task_accumulators_fini(&subtask->accumulators);
    vec_init(&subtask->accumulators, sizeof(struct task_accumulator));
}

void execution_graph_fini(struct execution_graph *g)
{
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        execution_fini(&g->subtasks[i].execution);
        subtask_drop_accumulators(&g->subtasks[i]);
        attempts_forget(&g->subtasks[i]);
    }
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        mem_free(g->vertices[i].in_edges);
        mem_free(g->vertices[i].out_edges);
    }
    slot_kinds_fini(&g->kinds);
    mem_free(g->slot_kinds);
    mem_free(g->region_subtasks);
    mem_free(g->regions);
    mem_free(g->subtasks);
    mem_free(g->vertices);
    map_fini(&g->attempts);
    *g = (struct execution_graph){0};
}

/* The number of the next attempts: that of the whole graph's next run, for subtasks that come, too, so that no two
 * attempts of a subtask have the same.  An attempt that never left CREATED did not count. */
static uint32_t next_number(const struct execution_graph *g)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        const struct execution *e = &g->subtasks[i].execution;
        bool is_new = e->state == FLINC__EXECUTION_STATE__EXECUTION_CREATED;
        number = MAX(number, e->number + !is_new);
    }
    return number;
}

void execution_graph_rescale(struct execution_graph *g, struct jobmaster *jm, struct rng *rng,
                             int64_t now_ms)
{
    struct execution_graph old = *g;
    execution_graph_init(g, old.spec, FAILOVER_FULL, jm, rng, now_ms);
    for (uint32_t i = 0; i < g->n_vertices; i++) {
        struct execution_vertex *from = &old.vertices[i];
        struct execution_vertex *to = &g->vertices[i];
        for (uint32_t k = 0; k < MIN(from->n_subtasks, to->n_subtasks); k++) {
            struct vec prior = to->subtasks[k].prior;
            to->subtasks[k].prior = from->subtasks[k].prior;
            from->subtasks[k].prior = prior;
        }
    }
    uint32_t number = next_number(&old);
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        g->subtasks[i].execution.number = number;
    }
    execution_graph_fini(&old);
}
