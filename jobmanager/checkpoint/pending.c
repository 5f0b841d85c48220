/* Acknowledgements and metadata of one checkpoint; see pending.h. */
#include "jobmanager/checkpoint/pending.h"

#include "jobmanager/checkpoint/checkpointer_internal.h"

static const char *const state_names[] = {
    [PENDING_LOCATING] = "LOCATING",
    [PENDING_COORDINATORS] = "COORDINATORS",
    [PENDING_GATHERING] = "GATHERING",
    [PENDING_COMPLETING] = "COMPLETING",
};
_Static_assert(ARRAY_LEN(state_names) == PENDING_STATES, "one name per state");

const char *pending_state_name(enum pending_state state)
{
    return (unsigned)state < PENDING_STATES ? state_names[state] : "unknown";
}

/* ---- life ----------------------------------------------------------------------------------------- */

struct pending_checkpoint *pending_new(struct checkpointer *c, uint64_t id)
{
    struct pending_checkpoint *p = MEM_NEW(struct pending_checkpoint);
    p->c = c;
    p->id = id;
    p->timer = TIMER_NONE;
    vec_init(&p->coordinators, sizeof(struct coordinator_snapshot));
    return p;
}

static void free_snapshot(Flinc__TaskSnapshot *s)
{
    if (s != NULL) {
        flinc__task_snapshot__free_unpacked(s, NULL);
    }
}

void pending_free(struct pending_checkpoint *p)
{
    if (p == NULL) {
        return;
    }
    for (uint32_t i = 0; i < p->n_tasks; i++) {
        free_snapshot(p->tasks[i].snapshot);
    }
    for (size_t i = 0; i < p->coordinators.len; i++) {
        mem_free(VEC_AT(&p->coordinators, struct coordinator_snapshot, i)->data);
    }
    vec_fini(&p->coordinators);
    if (p->metadata != NULL) {
        flinc__checkpoint_metadata__free_unpacked(p->metadata, NULL);
    }
    trigger_request_free(p->request);
    mem_free(p->tasks);
    mem_free(p->directory);
    mem_free(p->shared_directory);
    mem_free(p);
}

void pending_transition(struct pending_checkpoint *p, enum pending_state to)
{
    ASSERT(to == p->state + 1 && to < PENDING_STATES);
    p->state = to;
}

void pending_set_tasks(struct pending_checkpoint *p, const struct checkpoint_plan *plan)
{
    p->n_tasks = plan->n_tasks;
    p->n_waited_for = plan->n_running;
    p->tasks = MEM_NEW_ARRAY(struct pending_task, (size_t)plan->n_tasks + 1);
    for (uint32_t i = 0; i < plan->n_tasks; i++) {
        p->tasks[i].attempt_id = plan->tasks[i].task.attempt_id;
        p->tasks[i].state =
            plan->tasks[i].finished ? PENDING_TASK_FINISHED : PENDING_TASK_WAITED_FOR;
    }
}

enum pending_ack pending_acknowledge(struct pending_checkpoint *p, uint32_t task,
                                     const struct flinc_id *attempt_id,
                                     Flinc__TaskSnapshot *take_snapshot)
{
    if (p->state < PENDING_GATHERING || task >= p->n_tasks) {
        return PENDING_ACK_UNKNOWN;
    }
    struct pending_task *t = &p->tasks[task];
    if (!id_eq(&t->attempt_id, attempt_id) && !PLANTED("checkpoint.older_attempt")) {
        return PENDING_ACK_UNKNOWN;
    }
    if (t->state != PENDING_TASK_WAITED_FOR) {
        return t->state == PENDING_TASK_ACKNOWLEDGED ? PENDING_ACK_DUPLICATE : PENDING_ACK_UNKNOWN;
    }
    t->state = PENDING_TASK_ACKNOWLEDGED;
    t->snapshot = take_snapshot;
    p->n_waited_for--;
    return PENDING_ACK_TAKEN;
}

/* ---- metadata: memory of protobuf-c's allocator, which is the heap's ------------------------------- */

static void set_bytes(ProtobufCBinaryData *dst, const void *data, size_t size)
{
    dst->len = size;
    dst->data = size > 0 ? mem_dup(data, size) : NULL;
}

/* Texts of the empty string are protobuf-c's own and not freed by it. */
static void set_text(char **dst, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        *dst = mem_strdup(text);
    }
}

static Flinc__OperatorSnapshot *make_operator(const Flinc__JobVertex *v, const Flinc__Operator *op)
{
    Flinc__OperatorSnapshot *o = MEM_NEW(Flinc__OperatorSnapshot);
    flinc__operator_snapshot__init(o);
    set_bytes(&o->operator_id, op->id.data, op->id.len);
    set_bytes(&o->vertex_id, v->id.data, v->id.len);
    set_text(&o->uid, op->uid);
    set_text(&o->name, op->name);
    set_text(&o->kind, op->kind);
    o->parallelism = v->parallelism;
    o->max_parallelism = v->max_parallelism;
    o->subtasks = MEM_NEW_ARRAY(Flinc__SubtaskSnapshot *, (size_t)v->parallelism + 1);
    return o;
}

static void add_subtask(Flinc__OperatorSnapshot *o, uint32_t subtask, bool finished,
                        Flinc__OperatorSubtaskState *take_state)
{
    Flinc__SubtaskSnapshot *s = MEM_NEW(Flinc__SubtaskSnapshot);
    flinc__subtask_snapshot__init(s);
    s->subtask = subtask;
    s->finished = finished;
    s->state = take_state;
    o->subtasks[o->n_subtasks++] = s;
}

/* The operator's state in what a task sent: taken out of it.  NULL: none. */
static Flinc__OperatorSubtaskState *take_state(Flinc__TaskSnapshot *s, const Flinc__Operator *op)
{
    for (size_t i = 0; s != NULL && i < s->n_operators; i++) {
        Flinc__OperatorSubtaskState *state = s->operators[i];
        if (state != NULL && state->operator_id.len == op->id.len &&
            memcmp(state->operator_id.data, op->id.data, op->id.len) == 0) {
            s->operators[i] = s->operators[--s->n_operators];
            return state;
        }
    }
    return NULL;
}

static void add_coordinator(struct pending_checkpoint *p, Flinc__OperatorSnapshot *o)
{
    for (size_t i = 0; i < p->coordinators.len; i++) {
        struct coordinator_snapshot *s = VEC_AT(&p->coordinators, struct coordinator_snapshot, i);
        if (o->operator_id.len == sizeof(s->operator_id.bytes) &&
            memcmp(o->operator_id.data, s->operator_id.bytes, o->operator_id.len) == 0) {
            o->has_coordinator_state = true;
            o->coordinator_state.len = s->size;
            o->coordinator_state.data = STEAL(s->data);
        }
    }
}

static bool has_ended(const struct pending_task *t)
{
    return t->state == PENDING_TASK_FINISHED || (t->snapshot != NULL && t->snapshot->finished);
}

/* The name of a state of the task that needs all subtasks; NULL: there is none. */
static const char *state_of_all(const Flinc__TaskSnapshot *s)
{
    for (size_t i = 0; s != NULL && i < s->n_operators; i++) {
        const Flinc__OperatorSubtaskState *o = s->operators[i];
        for (size_t k = 0; o != NULL && k < o->n_operator_state; k++) {
            for (size_t n = 0; n < o->operator_state[k]->n_parts; n++) {
                if (o->operator_state[k]->parts[n]->needs_all) {
                    return o->operator_state[k]->parts[n]->name;
                }
            }
        }
    }
    return NULL;
}

static int check_vertex_ends(const Flinc__JobVertex *v, const struct pending_task *tasks,
                             struct error *err)
{
    uint32_t n_ended = 0;
    const char *state = NULL;
    for (uint32_t i = 0; i < v->parallelism; i++) {
        n_ended += has_ended(&tasks[i]);
        state = state != NULL ? state : state_of_all(tasks[i].snapshot);
    }
    if (state == NULL || n_ended == 0 || n_ended == v->parallelism) {
        return 0;
    }
    return error_set(err, ERR_UNAVAILABLE,
                     "%u of %u tasks of %s have come to the end of their input, and its union list "
                     "state '%s' needs all or none: the next checkpoint may do",
                     n_ended, v->parallelism, v->name, state);
}

int pending_check_ends(const struct pending_checkpoint *p, const Flinc__JobGraph *graph,
                       struct error *err)
{
    const struct pending_task *tasks = p->tasks;
    for (size_t v = 0; v < graph->n_vertices; v++) {
        TRY(check_vertex_ends(graph->vertices[v], tasks, err));
        tasks += graph->vertices[v]->parallelism;
    }
    return 0;
}

static void fill_operator(struct pending_checkpoint *p, const Flinc__JobVertex *v,
                          const Flinc__Operator *op, struct pending_task *tasks,
                          Flinc__OperatorSnapshot *o)
{
    uint32_t n_finished = 0;
    for (uint32_t i = 0; i < v->parallelism; i++) {
        struct pending_task *t = &tasks[i];
        bool finished = has_ended(t);
        Flinc__OperatorSubtaskState *state = take_state(t->snapshot, op);
        n_finished += finished;
        if (state != NULL || finished) {
            add_subtask(o, i, finished, state);
        }
    }
    o->fully_finished = n_finished == v->parallelism;
    add_coordinator(p, o);
}

/* Is there state left that belongs to no operator of the vertex? */
static int check_taken(const Flinc__JobVertex *v, const struct pending_task *tasks,
                       struct error *err)
{
    for (uint32_t i = 0; i < v->parallelism; i++) {
        if (tasks[i].snapshot != NULL && tasks[i].snapshot->n_operators > 0) {
            return error_set(err, ERR_INTERNAL,
                             "task %s (%u/%u) sent state of an operator that it does not have",
                             v->name, i + 1, v->parallelism);
        }
    }
    return 0;
}

static Flinc__CheckpointMetadata *make_empty(const struct pending_checkpoint *p,
                                             const Flinc__JobGraph *graph)
{
    Flinc__CheckpointMetadata *m = MEM_NEW(Flinc__CheckpointMetadata);
    size_t n_operators = 0;
    flinc__checkpoint_metadata__init(m);
    m->version = CHECKPOINT_METADATA_VERSION;
    m->checkpoint_id = p->id;
    m->timestamp_ms = p->trigger_ms;
    m->kind = p->kind;
    m->stop = p->stop;
    set_bytes(&m->job_id, graph->job_id.data, graph->job_id.len);
    set_text(&m->job_name, graph->name);
    set_text(&m->written_by, "flinc " FLINC_VERSION);
    for (size_t v = 0; v < graph->n_vertices; v++) {
        n_operators += graph->vertices[v]->n_operators;
    }
    m->operators = MEM_NEW_ARRAY(Flinc__OperatorSnapshot *, n_operators + 1);
    return m;
}

int pending_make_metadata(struct pending_checkpoint *p, const Flinc__JobGraph *graph,
                          Flinc__CheckpointMetadata **ret, struct error *err)
{
    Flinc__CheckpointMetadata *m = make_empty(p, graph);
    struct pending_task *tasks = p->tasks;
    int rc = 0;
    for (size_t v = 0; v < graph->n_vertices && rc == 0; v++) {
        const Flinc__JobVertex *vertex = graph->vertices[v];
        for (size_t i = 0; i < vertex->n_operators; i++) {
            Flinc__OperatorSnapshot *o = make_operator(vertex, vertex->operators[i]);
            m->operators[m->n_operators++] = o;
            fill_operator(p, vertex, vertex->operators[i], tasks, o);
        }
        rc = check_taken(vertex, tasks, err);
        tasks += vertex->parallelism;
    }
    if (rc < 0) {
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
        return rc;
    }
    *ret = m;
    return 0;
}
