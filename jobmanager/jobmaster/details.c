/* Making the details of a job, and asking for them from other threads; see details.h. */
#include "jobmanager/jobmaster/details.h"

#include "engine/graph/job_graph.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "jobmanager/jobmaster/reconcile.h"

enum { DETAILS_SHARED_NS = 1000000 };

/* ---- what never changes ------------------------------------------------------------------------- */

struct details_base {
    _Atomic uint32_t refs;
    struct arena arena;
    struct job_details fixed; /* without vertices' subtasks */
};

static void base_unref(void *arg)
{
    struct details_base *b = arg;
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        arena_fini(&b->arena);
        mem_free(b);
    }
}

static void id_from_data(const ProtobufCBinaryData *data, struct flinc_id *ret)
{
    memcpy(ret->bytes, data->data, MIN(data->len, sizeof(ret->bytes)));
}

/* Groups have names; REST shows ids as well: the same in every attempt and on every job manager. */
static void slot_sharing_group_id(const struct jobmaster *jm, const char *name,
                                  struct flinc_id *ret)
{
    for (int half = 0; half < 2; half++) {
        uint64_t seed;
        memcpy(&seed, jm->job_id.bytes + 8 * half, sizeof(seed));
        uint64_t h = hash_bytes(name, strlen(name), seed);
        memcpy(ret->bytes + 8 * half, &h, sizeof(h));
    }
}

static void fix_vertex(const struct jobmaster *jm, const struct execution_vertex *v,
                       struct arena *a, struct vertex_details *d)
{
    const Flinc__JobVertex *spec = v->spec;
    *d = (struct vertex_details){
        .name = arena_strdup(a, spec->name),
        .slot_sharing_group = arena_strdup(a, spec->slot_sharing_group),
        .parallelism = v->n_subtasks,
        .max_parallelism = spec->max_parallelism,
        .is_source = v->is_source,
        .n_subtasks = v->n_subtasks,
        .operators = arena_zalloc(a, (spec->n_operators + 1) * sizeof(struct operator_details)),
        .n_operators = (uint32_t)spec->n_operators,
    };
    id_from_data(&spec->id, &d->id);
    slot_sharing_group_id(jm, spec->slot_sharing_group, &d->slot_sharing_group_id);
    for (uint32_t i = 0; i < d->n_operators; i++) {
        d->operators[i].name = arena_strdup(a, spec->operators[i]->name);
        d->operators[i].has_coordinator = spec->operators[i]->coordinator[0] != '\0';
        id_from_data(&spec->operators[i]->id, &d->operators[i].id);
    }
}

static void fix_config(const struct jobmaster *jm, struct arena *a, struct job_details *d)
{
    const Flinc__JobGraph *spec = jm->graph.spec;
    d->n_config = (uint32_t)spec->n_config;
    d->config = arena_zalloc(a, (spec->n_config + 1) * sizeof(d->config[0]));
    for (uint32_t i = 0; i < d->n_config; i++) {
        const char *key = spec->config[i]->key;
        bool secret = conf_is_sensitive(&jm->conf, key);
        d->config[i].key = arena_strdup(a, key);
        d->config[i].value = arena_strdup(a, secret ? CONF_MASK : spec->config[i]->value);
    }
}

void details_init(struct jobmaster *jm)
{
    const Flinc__JobGraph *spec = jm->graph.spec;
    struct details_base *b = MEM_NEW(struct details_base);
    struct job_details *d = &b->fixed;
    STR_AUTO text = STR_INIT;
    atomic_init(&b->refs, 1);
    arena_init(&b->arena, 0);
    d->id = jm->job_id;
    d->name = arena_strdup(&b->arena, spec->name);
    d->parallelism = (uint32_t)conf_int(&jm->conf, "parallelism.default");
    d->max_parallelism = (uint32_t)MAX(conf_int(&jm->conf, "pipeline.max-parallelism"), 0);
    d->runtime_mode = spec->runtime_mode;
    job_graph_plan_json(spec, &text);
    d->plan_json = arena_strdup(&b->arena, str_cstr(&text));
    str_clear(&text);
    restart_strategy_describe(&jm->strategy, &text);
    d->restart_strategy = arena_strdup(&b->arena, str_cstr(&text));
    fix_config(jm, &b->arena, d);
    d->n_vertices = jm->graph.n_vertices;
    d->vertices = arena_zalloc(&b->arena, (d->n_vertices + 1) * sizeof(d->vertices[0]));
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        fix_vertex(jm, &jm->graph.vertices[i], &b->arena, &d->vertices[i]);
    }
    jm->details.base = b;
    int32_t prior_max = conf_int(&jm->conf, "jobmanager.execution.attempts-history-size");
    prior_max = MIN(prior_max, (int32_t)JOB_DETAILS_PRIOR_MAX);
    jm->details.prior_max = (uint32_t)MAX(prior_max, 0);
}

void details_fini(struct jobmaster *jm)
{
    job_details_unref(jm->details.newest);
    base_unref(jm->details.base);
    jm->details = (struct details_maker){0};
}

void details_rebuild(struct jobmaster *jm)
{
    uint64_t round = jm->details.round; /* copies remember it */
    details_fini(jm);
    details_init(jm);
    jm->details.round = round;
}

/* ---- attempts ------------------------------------------------------------------------------------- */

struct making {
    struct jobmaster *jm;
    struct arena *arena;
    struct job_details *details;
};

/* A text that many share is copied once per making. */
static char *copy_text(struct making *m, const char *text, struct copied *copied)
{
    if (text == NULL) {
        return NULL;
    }
    if (copied->round != m->jm->details.round) {
        *copied = (struct copied){m->jm->details.round, arena_strdup(m->arena, text)};
    }
    return copied->copy;
}

static struct error *copy_failure(struct making *m, struct attempt_failure *f)
{
    if (f == NULL) {
        return NULL;
    }
    if (f->copy.round != m->jm->details.round) {
        struct error *copy = arena_alloc(m->arena, sizeof(*copy));
        error_copy(copy, &f->error);
        f->copy = (struct copied){m->jm->details.round, copy};
    }
    return f->copy.copy;
}

static void copy_place(struct making *m, struct place *p, struct attempt_details *d)
{
    if (p != NULL) {
        d->on_worker = p->tm_id != NULL;
        d->tm_id = copy_text(m, p->tm_id, &p->tm_id_copy);
        d->host = copy_text(m, p->host, &p->host_copy);
        d->endpoint = copy_text(m, p->endpoint, &p->endpoint_copy);
    }
}

static struct task_accumulator *copy_accumulators(struct making *m, const struct vec *v)
{
    if (v->len == 0) {
        return NULL;
    }
    struct task_accumulator *copy = arena_alloc(m->arena, v->len * sizeof(*copy));
    for (size_t i = 0; i < v->len; i++) {
        const struct task_accumulator *a = VEC_AT(v, struct task_accumulator, i);
        copy[i] = *a;
        copy[i].name = arena_strdup(m->arena, a->name);
        copy[i].type = arena_strdup(m->arena, a->type);
    }
    return copy;
}

static void copy_current(struct making *m, const struct subtask *s, struct attempt_details *d)
{
    const struct execution *e = &s->execution;
    *d = (struct attempt_details){
        .attempt_id = e->id,
        .allocation_id = e->slot.allocation_id,
        .number = e->number,
        .state = e->state,
        .io = s->counters,
        .io_complete = e->io_complete,
        .accumulators = copy_accumulators(m, &s->accumulators),
        .n_accumulators = (uint32_t)s->accumulators.len,
        .failure = copy_failure(m, e->failure),
    };
    memcpy(d->since_ms, e->since_ms, sizeof(d->since_ms));
    copy_place(m, e->place, d);
}

static void copy_prior(struct making *m, const struct prior_attempt *p, struct attempt_details *d)
{
    *d = (struct attempt_details){
        .attempt_id = p->id,
        .allocation_id = p->allocation_id,
        .number = p->number,
        .state = p->state,
        .io = p->counters,
        .io_complete = p->io_complete,
        .accumulators = copy_accumulators(m, &p->accumulators),
        .n_accumulators = (uint32_t)p->accumulators.len,
        .failure = copy_failure(m, p->failure),
    };
    memcpy(d->since_ms, p->since_ms, sizeof(d->since_ms));
    copy_place(m, p->place, d);
}

static void copy_subtask(struct making *m, const struct subtask *s, struct subtask_details *d)
{
    copy_current(m, s, &d->current);
    d->n_prior = (uint32_t)s->prior.len;
    d->prior = NULL;
    if (d->n_prior > 0) {
        d->prior = arena_alloc(m->arena, d->n_prior * sizeof(d->prior[0]));
        for (uint32_t i = 0; i < d->n_prior; i++) {
            copy_prior(m, VEC_AT(&s->prior, struct prior_attempt, i), &d->prior[i]);
        }
    }
}

static void copy_vertices(struct making *m)
{
    const struct execution_graph *g = &m->jm->graph;
    struct job_details *d = m->details;
    struct vertex_details *fixed = d->vertices;
    d->vertices = arena_alloc(m->arena, (d->n_vertices + 1) * sizeof(d->vertices[0]));
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        struct vertex_details *v = &d->vertices[i];
        *v = fixed[i];
        v->subtasks = arena_alloc(m->arena, (v->n_subtasks + 1) * sizeof(v->subtasks[0]));
        for (uint32_t j = 0; j < v->n_subtasks; j++) {
            copy_subtask(m, &g->vertices[i].subtasks[j], &v->subtasks[j]);
        }
    }
}

/* ---- failures, accumulators ------------------------------------------------------------------------- */

static char *place_tm_id(struct making *m, struct place *p)
{
    return p != NULL ? copy_text(m, p->tm_id, &p->tm_id_copy) : NULL;
}

static char *place_endpoint(struct making *m, struct place *p)
{
    return p != NULL ? copy_text(m, p->endpoint, &p->endpoint_copy) : NULL;
}

static void copy_failure_entry(struct making *m, const struct failure_entry *e,
                               struct failure_details *d)
{
    struct arena *a = m->arena;
    *d = (struct failure_details){
        .root = e->root,
        .tm_id = place_tm_id(m, e->root_place),
        .endpoint = place_endpoint(m, e->root_place),
        .n_concurrent = MIN(e->root.n_concurrent, (uint32_t)JOBMASTER_CONCURRENT_FAILURES_MAX),
    };
    if (d->n_concurrent == 0) {
        return;
    }
    d->concurrent = arena_alloc(a, d->n_concurrent * sizeof(d->concurrent[0]));
    d->concurrent_tm_ids = arena_alloc(a, d->n_concurrent * sizeof(char *));
    d->concurrent_endpoints = arena_alloc(a, d->n_concurrent * sizeof(char *));
    for (uint32_t i = 0; i < d->n_concurrent; i++) {
        d->concurrent[i] = e->concurrent[i];
        d->concurrent_tm_ids[i] = place_tm_id(m, e->concurrent_places[i]);
        d->concurrent_endpoints[i] = place_endpoint(m, e->concurrent_places[i]);
    }
}

static void copy_failures(struct making *m)
{
    const struct snapshot *s = &m->jm->snapshot; /* this thread alone writes it */
    struct job_details *d = m->details;
    d->n_failures = s->n_failures;
    d->failures_truncated = s->failures_forgotten;
    d->failures = arena_alloc(m->arena, (s->n_failures + 1) * sizeof(d->failures[0]));
    for (uint32_t i = 0; i < s->n_failures; i++) {
        copy_failure_entry(m, snapshot_failure(s, i), &d->failures[i]);
    }
    if (m->jm->cause.code != 0) {
        d->cause = arena_alloc(m->arena, sizeof(*d->cause));
        error_copy(d->cause, &m->jm->cause);
    }
}

static void add_sum(void *arg, const Flinc__Accumulator *sum)
{
    *VEC_PUSH((struct vec *)arg, struct task_accumulator) = (struct task_accumulator){
        .name = mem_strdup(sum->name),
        .type = mem_strdup(sum->type),
        .long_value = sum->long_value,
        .double_value = sum->double_value,
    };
}

static void copy_sums(struct making *m)
{
    struct vec sums = VEC_INIT(struct task_accumulator);
    snapshot_each_accumulator(&m->jm->snapshot, &m->jm->graph, add_sum, &sums);
    m->details->accumulators = copy_accumulators(m, &sums);
    m->details->n_accumulators = (uint32_t)sums.len;
    task_accumulators_fini(&sums);
}

static void copy_results(struct making *m)
{
    const struct vec *results = &m->jm->coordinators.results;
    struct job_details *d = m->details;
    d->n_results = (uint32_t)results->len;
    d->results = arena_alloc(m->arena, (results->len + 1) * sizeof(d->results[0]));
    for (uint32_t i = 0; i < d->n_results; i++) {
        const struct coordinator_result *r = VEC_AT(results, struct coordinator_result, i);
        d->results[i] = *r;
        d->results[i].operator_uid = arena_strdup(m->arena, r->operator_uid);
        d->results[i].data = arena_alloc(m->arena, (size_t)r->size + 1);
        if (r->size > 0) {
            memcpy(d->results[i].data, r->data, r->size);
        }
    }
}

static void drop_checkpoints(void *arg)
{
    checkpoint_stats_unref(arg);
}

static void copy_checkpoints(struct making *m)
{
    const struct checkpoint_stats *s = checkpoints_stats(m->jm);
    m->details->checkpoints = s;
    if (s != NULL) {
        arena_on_fini(m->arena, drop_checkpoints, (void *)s);
    }
}

static void free_elastic(void *arg)
{
    flinc__elastic_job__free_unpacked(arg, NULL);
}

static void copy_elastic(struct making *m)
{
    Flinc__ElasticJob *e = adaptive_describe(m->jm);
    m->details->elastic = e;
    if (e != NULL) {
        arena_on_fini(m->arena, free_elastic, e);
    }
}

/* ---- making and sharing ------------------------------------------------------------------------------- */

static const struct job_details *details_make(struct jobmaster *jm)
{
    struct arena *arena = NULL;
    struct job_details *d = job_details_new(&arena);
    struct making m = {jm, arena, d};
    struct details_base *base = jm->details.base;
    jm->details.round++;
    *d = base->fixed;
    atomic_init(&d->refs, 1);
    atomic_fetch_add_explicit(&base->refs, 1, memory_order_relaxed);
    arena_on_fini(arena, base_unref, base);
    d->status = jm->status;
    memcpy(d->status_since_ms, jm->status_since_ms, sizeof(d->status_since_ms));
    d->taken_ms = jobmaster_now_ms(jm);
    d->restarts = jm->snapshot.progress.restarts;
    copy_vertices(&m);
    copy_failures(&m);
    copy_sums(&m);
    copy_results(&m);
    copy_checkpoints(&m);
    copy_elastic(&m);
    return d;
}

void details_outdate(struct jobmaster *jm)
{
    job_details_unref(jm->details.newest);
    jm->details.newest = NULL;
}

const struct job_details *details_get(struct jobmaster *jm)
{
    struct details_maker *maker = &jm->details;
    int64_t now_ns = clock_monotonic_ns(jm->clock);
    if (maker->newest == NULL || now_ns - maker->newest_ns >= DETAILS_SHARED_NS) {
        details_outdate(jm);
        maker->newest = details_make(jm);
        maker->newest_ns = now_ns;
    }
    return job_details_ref(maker->newest);
}

/* ---- asking from another thread ------------------------------------------------------------------------ */

/* Counted: by the asker, and by the operation in the mailbox. */
struct details_ask {
    struct jobmaster *jm; /* Borrows */
    _Atomic uint32_t refs;
    struct event_count done;
    _Atomic(const struct job_details *) answer; /* Owns */
    _Atomic bool over;                          /* answered, or never will be */
};

static void ask_unref(void *arg)
{
    struct details_ask *ask = arg;
    if (atomic_fetch_sub(&ask->refs, 1) == 1) {
        job_details_unref(atomic_load(&ask->answer));
        mem_free(ask);
    }
}

static void ask_drop(void *arg)
{
    struct details_ask *ask = arg;
    atomic_store(&ask->over, true);
    event_count_signal(&ask->done);
    ask_unref(ask);
}

static void run_ask(void *target, void *payload)
{
    struct details_ask *ask = payload;
    reconcile_refresh(target);
    atomic_store(&ask->answer, details_get(target));
    ask_drop(ask);
}

/* True: the job master has answered or never will. */
static bool ask_wait(struct details_ask *ask, int64_t timeout_ms)
{
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&ask->done);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (atomic_load(&ask->over) || left_ns <= 0) {
            event_count_cancel(&ask->done);
            return atomic_load(&ask->over);
        }
        (void)event_count_wait(&ask->done, ticket, left_ns);
    }
}

int jobmaster_get_details(struct jobmaster *jm, int64_t timeout_ms, const struct job_details **ret,
                          struct error *err)
{
    if (component_on_thread(jm->component)) {
        reconcile_refresh(jm);
        *ret = details_get(jm);
        return 0;
    }
    struct details_ask *ask = MEM_NEW(struct details_ask);
    ask->jm = jm;
    atomic_init(&ask->refs, 2);
    struct mailbox_op op = {.kind = JOBMASTER_OP_DETAILS,
                            .run = run_ask,
                            .target = jm,
                            .payload = ask,
                            .drop = ask_drop};
    int rc = mailbox_post(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op);
    if (rc < 0) {
        mem_free(ask);
        return error_set(err, rc, "job %s %s", jm->job_hex,
                         rc == ERR_LIMIT ? "has too much to do" : "has ended");
    }
    if (!ask_wait(ask, timeout_ms)) {
        rc = error_set(err, ERR_TIMEOUT, "job %s did not answer within %lld ms", jm->job_hex,
                       (long long)timeout_ms);
    } else if (atomic_load(&ask->answer) == NULL) {
        rc = error_set(err, ERR_CLOSED, "job %s has ended", jm->job_hex);
    } else {
        *ret = atomic_exchange(&ask->answer, NULL);
    }
    ask_unref(ask);
    return rc;
}
