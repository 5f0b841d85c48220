/* From a snapshot and a graph to what each subtask restores from: operators are found by their ids, what
 * does not fit is an error that says what to do, and the state of each is dealt out.
 *
 * Thread: any, one at a time; touches no files.  Flink: StateAssignmentOperation, Checkpoints.
 * loadAndValidateCheckpoint, VertexFinishedStateChecker. */
#include "engine/snapshot/assign_deal.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/map.h"

struct vertex_assignment {
    uint32_t parallelism, max_parallelism;
    bool finished;
    Flinc__TaskRestore **tasks; /* of the arena; NULL entries: nothing */
};

struct state_assignment {
    struct arena arena;
    const Flinc__CheckpointMetadata *m; /* Borrows */
    char *directory;                    /* of the arena */
    struct map operators;               /* id -> const Flinc__OperatorSnapshot *, Borrows */
    uint32_t n_vertices;
    struct vertex_assignment *vertices; /* Owns */
};

/* ---- operators -------------------------------------------------------------------------------- */

static const char *id_hex(ProtobufCBinaryData id, char ret_hex[ID_HEX_LEN + 1])
{
    struct flinc_id x = {{0}};
    memcpy(x.bytes, id.data, MIN(id.len, sizeof(x.bytes)));
    id_format(&x, ret_hex);
    return ret_hex;
}

static const Flinc__OperatorSnapshot *find_operator(const struct state_assignment *a,
                                                    ProtobufCBinaryData id)
{
    return map_find_bytes(&a->operators, id.data, id.len);
}

static int index_operators(struct state_assignment *a, struct error *err)
{
    char hex[ID_HEX_LEN + 1];
    for (size_t i = 0; i < a->m->n_operators; i++) {
        Flinc__OperatorSnapshot *o = a->m->operators[i];
        if (!map_put_bytes(&a->operators, o->operator_id.data, o->operator_id.len, o)) {
            return error_set(err, ERR_CORRUPT, "the snapshot has operator %s ('%s') twice",
                             id_hex(o->operator_id, hex), o->name);
        }
    }
    return 0;
}

static bool has_keyed_state(const Flinc__OperatorSnapshot *o)
{
    for (size_t i = 0; i < o->n_subtasks; i++) {
        if (o->subtasks[i]->state != NULL && o->subtasks[i]->state->n_keyed > 0) {
            return true;
        }
    }
    return false;
}

static bool has_state(const Flinc__OperatorSnapshot *o)
{
    for (size_t i = 0; i < o->n_subtasks; i++) {
        const Flinc__OperatorSubtaskState *s = o->subtasks[i]->state;
        if (s != NULL && s->n_keyed + s->n_operator_state + s->n_channels > 0) {
            return true;
        }
    }
    return o->has_coordinator_state;
}

/* State whose operator is not in the graph. */
static int check_leftovers(const struct state_assignment *a, const Flinc__JobGraph *graph,
                           uint32_t flags, struct error *err)
{
    struct map known;
    int rc = 0;
    char hex[ID_HEX_LEN + 1];
    map_init(&known, NULL);
    for (size_t i = 0; i < graph->n_vertices; i++) {
        for (size_t k = 0; k < graph->vertices[i]->n_operators; k++) {
            const Flinc__Operator *o = graph->vertices[i]->operators[k];
            map_put_bytes(&known, o->id.data, o->id.len, (void *)(uintptr_t)o);
        }
    }
    for (size_t i = 0; i < a->m->n_operators && (flags & ASSIGN_ALLOW_NON_RESTORED) == 0; i++) {
        const Flinc__OperatorSnapshot *o = a->m->operators[i];
        if (has_state(o) &&
            map_find_bytes(&known, o->operator_id.data, o->operator_id.len) == NULL) {
            rc = error_set(
                err, ERR_INVALID_ARGUMENT,
                "cannot map the state of operator %s ('%s') to the new program: it has no operator "
                "of this id. Give the operator the uid that it had when the snapshot was taken, or "
                "leave its state out with --allowNonRestoredState (-n)",
                id_hex(o->operator_id, hex), o->name);
            break;
        }
    }
    map_fini(&known);
    return rc;
}

/* ---- vertices --------------------------------------------------------------------------------- */

/* The number of key groups must stay as it was wherever there is keyed state.  One that was only derived
 * from the parallelism gives way to the snapshot's. */
static int settle_max_parallelism(struct state_assignment *a, const Flinc__JobVertex *v,
                                  struct vertex_assignment *va, struct error *err)
{
    const Flinc__OperatorSnapshot *decided = NULL;
    char hex[ID_HEX_LEN + 1];
    va->parallelism = v->parallelism;
    va->max_parallelism = v->max_parallelism;
    for (size_t i = 0; i < v->n_operators; i++) {
        const Flinc__OperatorSnapshot *o = find_operator(a, v->operators[i]->id);
        if (o == NULL || !has_keyed_state(o)) {
            continue;
        }
        id_hex(o->operator_id, hex);
        if (o->max_parallelism < v->parallelism) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "operator '%s' (%s) cannot be restored with parallelism %u: its state "
                             "was taken with a maximum parallelism of %u; lower its parallelism to "
                             "%u or less",
                             v->operators[i]->name, hex, v->parallelism, o->max_parallelism,
                             o->max_parallelism);
        }
        bool may_change = v->max_parallelism_derived && decided == NULL;
        if (o->max_parallelism != va->max_parallelism && !may_change) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "the maximum parallelism of operator '%s' (%s) has changed: its state "
                "was taken with %u, the job has %u. State cannot be moved to another "
                "number of key groups; set the maximum parallelism (setMaxParallelism, "
                "pipeline.max-parallelism) to %u",
                v->operators[i]->name, hex, o->max_parallelism, va->max_parallelism,
                o->max_parallelism);
        }
        va->max_parallelism = o->max_parallelism;
        decided = o;
    }
    return 0;
}

/* A vertex is finished when all of its operators were. */
static int settle_finished(struct state_assignment *a, const Flinc__JobVertex *v,
                           struct vertex_assignment *va, struct error *err)
{
    size_t n_finished = 0;
    for (size_t i = 0; i < v->n_operators; i++) {
        const Flinc__OperatorSnapshot *o = find_operator(a, v->operators[i]->id);
        n_finished += o != NULL && o->fully_finished;
    }
    if (n_finished > 0 && n_finished < v->n_operators) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "'%s' chains operators that had finished when the snapshot was taken with "
                         "others that had not: keep them apart (disableChaining) as they were",
                         v->name);
    }
    va->finished = n_finished > 0;
    return 0;
}

static int check_finished_inputs(const struct state_assignment *a, const Flinc__JobGraph *graph,
                                 struct error *err)
{
    for (size_t i = 0; i < graph->n_edges; i++) {
        const Flinc__JobEdge *e = graph->edges[i];
        if (a->vertices[e->target_vertex].finished && !a->vertices[e->source_vertex].finished) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "'%s' had finished when the snapshot was taken, but its input '%s' had "
                "not: nothing can be sent to a finished operator; give the new "
                "operators behind it ids (uid) of their own",
                graph->vertices[e->target_vertex]->name, graph->vertices[e->source_vertex]->name);
        }
    }
    return 0;
}

/* ---- dealing ---------------------------------------------------------------------------------- */

static Flinc__TaskRestore *task_of(struct state_assignment *a, const Flinc__JobVertex *v,
                                   struct vertex_assignment *va, uint32_t subtask)
{
    Flinc__TaskRestore *t = va->tasks[subtask];
    if (t == NULL) {
        t = arena_alloc(&a->arena, sizeof(*t));
        flinc__task_restore__init(t);
        t->checkpoint_id = a->m->checkpoint_id;
        t->directory = a->directory;
        t->finished = va->finished;
        t->operators =
            arena_alloc(&a->arena, (v->n_operators + 1) * sizeof(Flinc__OperatorSubtaskState *));
        va->tasks[subtask] = t;
    }
    return t;
}

static int deal_vertex(struct state_assignment *a, const Flinc__JobGraph *graph, uint32_t number,
                       struct error *err)
{
    const Flinc__JobVertex *v = graph->vertices[number];
    struct vertex_assignment *va = &a->vertices[number];
    va->tasks = arena_zalloc(&a->arena, va->parallelism * sizeof(Flinc__TaskRestore *));
    for (uint32_t k = 0; va->finished && k < va->parallelism; k++) {
        task_of(a, v, va, k);
    }
    for (size_t i = 0; i < v->n_operators; i++) {
        const Flinc__OperatorSnapshot *o = find_operator(a, v->operators[i]->id);
        struct deal d;
        if (o == NULL) {
            continue;
        }
        TRY(deal_init(&d, &a->arena, o, va->parallelism, va->max_parallelism, err));
        int rc = deal_add_channels(&d, graph, err);
        if (rc < 0) {
            deal_fini(&d);
            return rc;
        }
        if (a->directory[0] != '\0') {
            deal_refer_to_unions(&d, ASSIGN_UNION_BYTES_MAX);
        }
        for (uint32_t k = 0; k < va->parallelism; k++) {
            Flinc__OperatorSubtaskState *state = deal_to(&d, k);
            if (state != NULL) {
                Flinc__TaskRestore *t = task_of(a, v, va, k);
                t->operators[t->n_operators++] = state;
            }
        }
        deal_fini(&d);
    }
    return 0;
}

static int assign_all(struct state_assignment *a, const Flinc__JobGraph *graph, uint32_t flags,
                      struct error *err)
{
    TRY(FAILPOINT(err, "snapshot.assign"));
    TRY(index_operators(a, err));
    TRY(check_leftovers(a, graph, flags, err));
    for (uint32_t i = 0; i < a->n_vertices; i++) {
        TRY(settle_max_parallelism(a, graph->vertices[i], &a->vertices[i], err));
        TRY(settle_finished(a, graph->vertices[i], &a->vertices[i], err));
    }
    TRY(check_finished_inputs(a, graph, err));
    for (uint32_t i = 0; i < a->n_vertices; i++) {
        TRY(deal_vertex(a, graph, i, err));
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------- */

int state_assignment_new(const Flinc__CheckpointMetadata *m, const char *directory,
                         const Flinc__JobGraph *graph, uint32_t flags,
                         struct state_assignment **ret, struct error *err)
{
    struct state_assignment *a = MEM_NEW(struct state_assignment);
    arena_init(&a->arena, 0);
    map_init(&a->operators, NULL);
    a->m = m;
    a->directory = arena_strdup(&a->arena, directory != NULL ? directory : "");
    a->n_vertices = (uint32_t)graph->n_vertices;
    a->vertices = MEM_NEW_ARRAY(struct vertex_assignment, graph->n_vertices + 1);
    int rc = assign_all(a, graph, flags, err);
    if (rc < 0) {
        error_context(err, "restoring from %s", a->directory);
        state_assignment_free(a);
        return rc;
    }
    *ret = a;
    return 0;
}

struct state_assignment *state_assignment_free(struct state_assignment *a)
{
    if (a != NULL) {
        map_fini(&a->operators);
        arena_fini(&a->arena);
        mem_free(a->vertices);
        mem_free(a);
    }
    return NULL;
}

uint64_t state_assignment_bytes(const struct state_assignment *a)
{
    return a->arena.used_bytes;
}

const Flinc__TaskRestore *state_assignment_get(const struct state_assignment *a, uint32_t vertex,
                                               uint32_t subtask)
{
    ASSERT(vertex < a->n_vertices && subtask < a->vertices[vertex].parallelism);
    return a->vertices[vertex].tasks[subtask];
}

uint32_t state_assignment_max_parallelism(const struct state_assignment *a, uint32_t vertex)
{
    ASSERT(vertex < a->n_vertices);
    return a->vertices[vertex].max_parallelism;
}

bool state_assignment_is_finished(const struct state_assignment *a, uint32_t vertex)
{
    ASSERT(vertex < a->n_vertices);
    return a->vertices[vertex].finished;
}

bool state_assignment_coordinator(const struct state_assignment *a, const uint8_t operator_id[16],
                                  const uint8_t **ret_data, size_t *ret_size)
{
    const Flinc__OperatorSnapshot *o = map_find_bytes(&a->operators, operator_id, 16);
    if (o == NULL || !o->has_coordinator_state) {
        return false;
    }
    *ret_data = o->coordinator_state.data;
    *ret_size = o->coordinator_state.len;
    return true;
}
