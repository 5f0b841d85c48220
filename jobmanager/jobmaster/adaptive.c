/* The adaptive scheduler's decisions; see adaptive.h. */
#include "jobmanager/jobmaster/adaptive.h"

#include "common/rpc/message.h"
#include "common/text/units.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "jobmanager/jobmaster/reconcile.h"

bool adaptive_is_on(const struct jobmaster *jm)
{
    return jm->adaptive.config.enabled;
}

/* ---- the graph ------------------------------------------------------------------------------------ */

/* All but the parallelisms is borrowed from the job's own graph. */
static void copy_graph(struct adaptive_scheduler *a, const Flinc__JobGraph *graph)
{
    a->graph = mem_dup(graph, sizeof(*graph));
    a->vertices = MEM_NEW_ARRAY(Flinc__JobVertex, graph->n_vertices + 1);
    a->graph->vertices = MEM_NEW_ARRAY(Flinc__JobVertex *, graph->n_vertices + 1);
    for (size_t i = 0; i < graph->n_vertices; i++) {
        a->vertices[i] = *graph->vertices[i];
        a->graph->vertices[i] = &a->vertices[i];
    }
}

/* Those of the graph, or the last ones that a former leader was asked for.  Reactive mode has its own. */
static int first_bounds(struct jobmaster *jm, struct error *err)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    const struct jobmaster_options *o = &jm->options;
    for (uint32_t i = 0; i < a->problem.n_vertices; i++) {
        const Flinc__JobVertex *v = &a->vertices[i];
        uint32_t upper = v->max_bound_parallelism > 0 ? v->max_bound_parallelism : v->parallelism;
        a->bounds[i].upper = a->config.reactive ? a->problem.vertices[i].limit : upper;
        a->bounds[i].lower = MAX(v->min_parallelism, 1u);
    }
    if (o->n_requirements > 0 && !a->config.reactive) {
        TRY_CTX(err,
                requirements_read(o->graph, o->requirements, o->n_requirements, a->bounds, err),
                "taking over the bounds of the parallelism that were set for job %s", jm->job_hex);
    }
    parallelism_set_bounds(&a->problem, a->bounds);
    return 0;
}

int adaptive_init(struct jobmaster *jm, struct error *err)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    const Flinc__JobGraph *graph = jm->options.graph;
    bool is_batch = graph->runtime_mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH;
    TRY_CTX(err, adaptive_config_read(&jm->conf, is_batch, &a->config, err),
            "reading the configuration of job %s", graph->name);
    if (!a->config.enabled) {
        return 0;
    }
    copy_graph(a, graph);
    parallelism_init(&a->problem, a->graph);
    a->bounds = MEM_NEW_ARRAY(struct parallelism_bounds, graph->n_vertices + 1);
    return first_bounds(jm, err);
}

void adaptive_fini(struct jobmaster *jm)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    rescale_history_fini(&a->history);
    parallelism_fini(&a->problem);
    mem_free(a->bounds);
    mem_free(a->vertices);
    if (a->graph != NULL) {
        mem_free(a->graph->vertices);
    }
    mem_free(a->graph);
    *a = (struct adaptive_scheduler){0};
}

const Flinc__JobGraph *adaptive_graph(const struct jobmaster *jm)
{
    return jm->adaptive.graph != NULL ? jm->adaptive.graph : jm->options.graph;
}

uint32_t *adaptive_slots(const struct jobmaster *jm)
{
    const struct parallelism_problem *p = &jm->adaptive.problem;
    uint32_t *n_slots = MEM_NEW_ARRAY(uint32_t, p->n_slot_kinds);
    for (uint32_t kind = 0; kind < p->n_slot_kinds; kind++) {
        n_slots[kind] = parallelism_slots_max(p, kind);
    }
    return n_slots;
}

/* ---- history -------------------------------------------------------------------------------------- */

/* As the job runs, by vertex; the caller's. */
static uint32_t *parallelism_of_now(const struct jobmaster *jm)
{
    uint32_t *p = MEM_NEW_ARRAY(uint32_t, (size_t)jm->graph.n_vertices + 1);
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        p[i] = jm->graph.vertices[i].n_subtasks;
    }
    return p;
}

static void history_begin(struct jobmaster *jm, Flinc__RescaleCause cause)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    uint32_t *now = a->has_run ? parallelism_of_now(jm) : NULL;
    rescale_history_begin(&a->history, &(struct rescale_start){cause, &a->problem, now,
                                                               scheduler_state_name(a->state),
                                                               jobmaster_now_ms(jm)});
    mem_free(now);
}

static void history_end(struct jobmaster *jm, Flinc__RescaleEnd end, Flinc__RescaleReason reason)
{
    rescale_history_end(&jm->adaptive.history, end, reason, NULL, jobmaster_now_ms(jm));
}

/* The job has ended so. */
static void history_close(struct jobmaster *jm, enum job_status status)
{
    static const Flinc__RescaleReason reasons[JOB_STATUS_COUNT] = {
        [JOB_STATUS_FINISHED] = FLINC__RESCALE_REASON__RESCALE_JOB_FINISHED,
        [JOB_STATUS_FAILING] = FLINC__RESCALE_REASON__RESCALE_JOB_FAILED,
        [JOB_STATUS_CANCELLING] = FLINC__RESCALE_REASON__RESCALE_JOB_CANCELED,
    };
    if (reasons[status] != FLINC__RESCALE_REASON__RESCALE_NO_REASON) {
        history_end(jm,
                    status == JOB_STATUS_FAILING ? FLINC__RESCALE_END__RESCALE_FAILED
                                                 : FLINC__RESCALE_END__RESCALE_IGNORED,
                    reasons[status]);
    }
}

/* ---- states --------------------------------------------------------------------------------------- */

static void adaptive_transition(struct jobmaster *jm, enum scheduler_state to)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    enum scheduler_state from = a->state;
    ASSERT(scheduler_state_may_move(from, to));
    transition_manager_stop(&a->manager);
    component_cancel(jm->component, a->wait_timer);
    a->wait_timer = TIMER_NONE;
    a->checkpoint_wanted = false;
    a->state = to;
    rescale_history_enter(&a->history, scheduler_state_name(to), a->why, jobmaster_now_ms(jm));
    LOG_INFO(JOBMASTER_TOPIC, "Transition from state %s to %s.", scheduler_state_name(from),
             scheduler_state_name(to));
    if (jm->status == JOB_STATUS_RESTARTING &&
        (to == SCHEDULER_WAITING_FOR_RESOURCES || to == SCHEDULER_CREATING_EXECUTION_GRAPH)) {
        job_transition(jm, JOB_STATUS_CREATED);
    }
    details_outdate(jm);
}

/* ---- what could be -------------------------------------------------------------------------------- */

static bool all_slots_are_there(const struct jobmaster *jm)
{
    const struct parallelism_problem *p = &jm->adaptive.problem;
    for (uint32_t kind = 0; kind < p->n_slot_kinds; kind++) {
        if (jm->slots.n_filled_of[kind] < parallelism_slots_max(p, kind)) {
            return false;
        }
    }
    return true;
}

/* Those without which the job does not run. */
static bool enough_slots_are_there(const struct jobmaster *jm)
{
    const struct parallelism_problem *p = &jm->adaptive.problem;
    for (uint32_t kind = 0; kind < p->n_slot_kinds; kind++) {
        if (jm->slots.n_filled_of[kind] < parallelism_slots_min(p, kind)) {
            return false;
        }
    }
    return true;
}

static bool determine(const struct jobmaster *jm, uint32_t *ret)
{
    return parallelism_determine(&jm->adaptive.problem, jm->slots.n_filled_of, ret, NULL);
}

/* What has finished is not made anew: a vertex of which only some subtasks have keeps its parallelism. */
static bool is_partly_finished(const struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->graph.n_vertices; i++) {
        const struct execution_vertex *v = &jm->graph.vertices[i];
        uint32_t n = 0;
        for (uint32_t k = 0; k < v->n_subtasks; k++) {
            n += v->subtasks[k].execution.state == FLINC__EXECUTION_STATE__EXECUTION_FINISHED;
        }
        if (n > 0 && n < v->n_subtasks) {
            return true;
        }
    }
    return false;
}

/* Would the job run with other parallelisms than it does?  Few more subtasks are not worth a restart. */
static bool would_change(const struct jobmaster *jm)
{
    const struct adaptive_scheduler *a = &jm->adaptive;
    uint32_t *next = MEM_NEW_ARRAY(uint32_t, (size_t)jm->graph.n_vertices + 1);
    uint32_t increase = 0;
    bool less = false;
    bool possible = determine(jm, next);
    for (uint32_t i = 0; possible && i < jm->graph.n_vertices; i++) {
        uint32_t now = jm->graph.vertices[i].n_subtasks;
        less |= next[i] < now;
        increase += next[i] > now ? next[i] - now : 0;
    }
    mem_free(next);
    if (is_partly_finished(jm)) {
        return false;
    }
    return less || (increase > 0 &&
                    (increase >= a->config.min_parallelism_increase || all_slots_are_there(jm)));
}

/* For the transition manager. */
static bool has_sufficient(void *arg)
{
    const struct jobmaster *jm = arg;
    const struct adaptive_scheduler *a = &jm->adaptive;
    return a->state == SCHEDULER_EXECUTING ? would_change(jm) : enough_slots_are_there(jm);
}

static bool has_desired(void *arg)
{
    const struct jobmaster *jm = arg;
    return all_slots_are_there(jm) && has_sufficient(arg);
}

/* ---- waiting for resources ------------------------------------------------------------------------- */

static void create_execution_graph(struct jobmaster *jm);

/* Timer: submission.resource-wait-timeout. */
static void on_wait_over(void *arg)
{
    struct jobmaster *jm = arg;
    struct adaptive_scheduler *a = &jm->adaptive;
    a->wait_timer = TIMER_NONE;
    if (has_sufficient(jm)) {
        create_execution_graph(jm);
        return;
    }
    struct error err = ERROR_INIT;
    STR_AUTO missing = STR_INIT;
    uint32_t *needed = MEM_NEW_ARRAY(uint32_t, a->problem.n_slot_kinds);
    for (uint32_t kind = 0; kind < a->problem.n_slot_kinds; kind++) {
        needed[kind] = parallelism_slots_min(&a->problem, kind);
    }
    slots_append_missing(jm, needed, &missing);
    mem_free(needed);
    error_set(&err, ERR_UNAVAILABLE,
              "NoResourceAvailableException: Could not acquire the minimum required resources. The "
              "job needs at least %s after waiting %lld ms "
              "(jobmanager.adaptive-scheduler.submission.resource-wait-timeout). %s",
              str_cstr(&missing), (long long)a->config.wait_timeout_ms, slots_remedy(jm));
    if (jm->slots_refused.code != 0) {
        error_context(&err, "the last slot that was asked for was refused: %s",
                      jm->slots_refused.message);
    }
    error_set_class(&err, ERROR_CLASS_FATAL);
    failover_global(jm, &err);
}

static void wait_for_resources(struct jobmaster *jm)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    adaptive_transition(jm, SCHEDULER_WAITING_FOR_RESOURCES);
    if (a->config.wait_timeout_ms != ADAPTIVE_NEVER) {
        a->wait_timer =
            component_schedule(jm->component, a->config.wait_timeout_ms, on_wait_over, jm);
    }
    transition_manager_start(&a->manager, &(struct transition_times){
                                              .stabilization_ms = a->config.wait_stabilization_ms});
    transition_manager_on_change(&a->manager);
}

/* ---- creating the execution graph, executing -------------------------------------------------------- */

static void execute(struct jobmaster *jm)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    adaptive_transition(jm, SCHEDULER_EXECUTING);
    if (a->rescaling) {
        job_metrics_count_rescale(&jm->metrics);
    }
    a->rescaling = false;
    uint32_t *now = parallelism_of_now(jm);
    rescale_history_end(&a->history, FLINC__RESCALE_END__RESCALE_COMPLETED,
                        FLINC__RESCALE_REASON__RESCALE_SUCCEEDED, now, jobmaster_now_ms(jm));
    mem_free(now);
    transition_manager_start(&a->manager,
                             &(struct transition_times){a->config.cooldown_ms,
                                                        a->config.executing_stabilization_ms,
                                                        a->config.max_delay_ms});
    job_transition(jm, JOB_STATUS_RUNNING);
    if (a->has_run) {
        checkpoints_count_restore(jm);
    }
    a->has_run = true;
    jobmaster_begin(jm);
    transition_manager_on_change(&a->manager); /* off when that has failed */
}

/* Everything that the job needs to run has come. */
static void create_now(struct jobmaster *jm)
{
    uint32_t *parallelism = MEM_NEW_ARRAY(uint32_t, (size_t)jm->graph.n_vertices + 1);
    struct error err = ERROR_INIT;
    int rc = FAILPOINT(&err, "jobmaster.adaptive.before_create");
    bool possible = determine(jm, parallelism);
    if (rc == 0 && possible) {
        rc = rescale_apply(jm, parallelism, &err);
    }
    mem_free(parallelism);
    if (rc < 0) {
        history_end(jm, FLINC__RESCALE_END__RESCALE_FAILED,
                    FLINC__RESCALE_REASON__RESCALE_EXCEPTION_OCCURRED);
        failover_global(jm, &err);
    } else if (possible) {
        execute(jm);
    } else { /* slots have gone meanwhile */
        wait_for_resources(jm);
    }
}

static void create_execution_graph(struct jobmaster *jm)
{
    adaptive_transition(jm, SCHEDULER_CREATING_EXECUTION_GRAPH);
    if (checkpoints_prepare(jm)) { /* else adaptive_on_restored() goes on */
        create_now(jm);
    }
}

void adaptive_on_restored(struct jobmaster *jm)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    for (uint32_t i = 0; i < a->problem.n_vertices; i++) { /* key groups may be the snapshot's */
        parallelism_set_limit(&a->problem, i, checkpoints_max_parallelism(jm, i));
    }
    parallelism_set_bounds(&a->problem, a->bounds);
    if (a->state == SCHEDULER_CREATING_EXECUTION_GRAPH) {
        create_now(jm);
    }
}

void adaptive_start(struct jobmaster *jm)
{
    slots_declare(jm);
    reconcile_start(jm);
    (void)checkpoints_prepare(jm); /* is read while slots come */
    history_begin(jm, FLINC__RESCALE_CAUSE__RESCALE_INITIAL_SCHEDULE);
    wait_for_resources(jm);
}

/* ---- rescaling -------------------------------------------------------------------------------------- */

static void rescale(struct jobmaster *jm)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.adaptive.before_rescale") < 0) {
        failover_global(jm, &err);
        return;
    }
    adaptive_transition(jm, SCHEDULER_RESTARTING);
    jm->adaptive.rescaling = true;
    failover_rescale(jm);
}

/* The manager's. */
static void transit(void *arg)
{
    struct jobmaster *jm = arg;
    if (jm->adaptive.state == SCHEDULER_EXECUTING) {
        rescale(jm);
    } else {
        create_execution_graph(jm);
    }
}

static void run_trigger(void *target, void *payload)
{
    transition_manager_on_trigger(&((struct jobmaster *)target)->adaptive.manager);
}

/* The checkpointer must not be changed below itself. */
static void post_trigger(struct jobmaster *jm)
{
    struct mailbox_op op = {.kind = JOBMASTER_OP_RESCALE_TRIGGER, .run = run_trigger, .target = jm};
    (void)!mailbox_post_internal(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op);
}

/* The manager's: the rescale comes behind the next checkpoint.  One is taken at once, so that little has to be
 * read again. */
static void on_stabilized(void *arg)
{
    struct jobmaster *jm = arg;
    struct adaptive_scheduler *a = &jm->adaptive;
    if (a->state == SCHEDULER_EXECUTING && checkpoints_are_periodic(jm)) {
        a->checkpoint_wanted = true;
        a->checkpoint_failures = 0;
        checkpoints_trigger_now(jm);
    }
}

void adaptive_on_checkpoint(struct jobmaster *jm, Flinc__CheckpointNotice what)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    if (!a->checkpoint_wanted) {
        return;
    }
    if (what == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE) {
        post_trigger(jm);
    } else if (what == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED) {
        a->checkpoint_failures++;
        if (a->checkpoint_failures >= a->config.max_checkpoint_failures) {
            post_trigger(jm);
        }
    }
}

/* ---- what else happens ------------------------------------------------------------------------------ */

/* The manager's: nothing to be gained. */
static void on_idle(void *arg)
{
    struct jobmaster *jm = arg;
    if (jm->adaptive.state == SCHEDULER_EXECUTING) {
        history_end(jm, FLINC__RESCALE_END__RESCALE_IGNORED,
                    FLINC__RESCALE_REASON__RESCALE_NO_RESOURCES_OR_PARALLELISMS_CHANGE);
        details_outdate(jm);
    }
}

void adaptive_attach(struct jobmaster *jm)
{
    static const struct transition_owner owner = {
        .has_desired = has_desired,
        .has_sufficient = has_sufficient,
        .on_idle = on_idle,
        .on_stabilized = on_stabilized,
        .transit = transit,
    };
    struct transition_owner mine = owner;
    if (!adaptive_is_on(jm)) {
        return;
    }
    rescale_history_init(&jm->adaptive.history, jm->adaptive.config.history_size, &jm->rng);
    mine.arg = jm;
    transition_manager_init(&jm->adaptive.manager, jm->component, &mine);
}

void adaptive_on_slots_offered(struct jobmaster *jm)
{
    if (!adaptive_is_on(jm)) {
        return;
    }
    if (jm->adaptive.state == SCHEDULER_EXECUTING && would_change(jm)) {
        history_begin(jm, FLINC__RESCALE_CAUSE__RESCALE_NEW_RESOURCE_AVAILABLE);
    }
    transition_manager_on_change(&jm->adaptive.manager);
}

void adaptive_on_restarting(struct jobmaster *jm, const struct error *why)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    if (adaptive_is_on(jm)) {
        history_end(jm, FLINC__RESCALE_END__RESCALE_IGNORED,
                    FLINC__RESCALE_REASON__RESCALE_JOB_FAILOVER_RESTARTING);
        history_begin(jm, FLINC__RESCALE_CAUSE__RESCALE_RECOVERABLE_FAILOVER);
        a->why = why;
        adaptive_transition(jm, SCHEDULER_RESTARTING);
        a->why = NULL;
        a->rescaling = false;
    }
}

void adaptive_on_tasks_ended(struct jobmaster *jm)
{
    const struct adaptive_scheduler *a = &jm->adaptive;
    if (a->rescaling && enough_slots_are_there(jm)) {
        create_execution_graph(jm);
    } else {
        wait_for_resources(jm);
    }
}

void adaptive_on_status(struct jobmaster *jm, enum job_status to)
{
    static const enum scheduler_state ends[JOB_STATUS_COUNT] = {
        [JOB_STATUS_FAILING] = SCHEDULER_FAILING,    [JOB_STATUS_CANCELLING] = SCHEDULER_CANCELING,
        [JOB_STATUS_FAILED] = SCHEDULER_FINISHED,    [JOB_STATUS_CANCELED] = SCHEDULER_FINISHED,
        [JOB_STATUS_SUSPENDED] = SCHEDULER_FINISHED, [JOB_STATUS_FINISHED] = SCHEDULER_FINISHED,
    };
    if (adaptive_is_on(jm) && ends[to] != SCHEDULER_CREATED) {
        adaptive_transition(jm, ends[to]);
        history_close(jm, to);
    }
}

void adaptive_on_stopping(struct jobmaster *jm)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    bool stopping = adaptive_is_on(jm) && checkpoints_are_stopping(jm);
    if (stopping && a->state == SCHEDULER_EXECUTING) {
        adaptive_transition(jm, SCHEDULER_STOP_WITH_SAVEPOINT);
    } else if (!stopping && a->state == SCHEDULER_STOP_WITH_SAVEPOINT &&
               jm->status == JOB_STATUS_RUNNING) { /* it goes on as before */
        adaptive_transition(jm, SCHEDULER_EXECUTING);
        transition_manager_start(&a->manager,
                                 &(struct transition_times){0, a->config.executing_stabilization_ms,
                                                            a->config.max_delay_ms});
        transition_manager_on_change(&a->manager);
    }
}

void adaptive_on_requirements(struct jobmaster *jm, const struct parallelism_bounds *bounds)
{
    struct adaptive_scheduler *a = &jm->adaptive;
    size_t size = a->problem.n_vertices * sizeof(a->bounds[0]);
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "jobmaster.adaptive.before_requirements") < 0) {
        failover_global(jm, &err);
        return;
    }
    if (memcmp(a->bounds, bounds, size) == 0) {
        return;
    }
    memcpy(a->bounds, bounds, size);
    parallelism_set_bounds(&a->problem, a->bounds);
    details_outdate(jm);
    rescale_history_new_requirements(&a->history, jobmaster_now_ms(jm));
    history_begin(jm, FLINC__RESCALE_CAUSE__RESCALE_UPDATE_REQUIREMENT);
    rescale_ask_for_more(jm); /* fewer: when the job runs with them */
    if (a->state == SCHEDULER_EXECUTING && all_slots_are_there(jm) && !would_change(jm)) {
        history_end(jm, FLINC__RESCALE_END__RESCALE_IGNORED,
                    FLINC__RESCALE_REASON__RESCALE_NO_RESOURCES_OR_PARALLELISMS_CHANGE);
    }
    transition_manager_on_change(&a->manager);
}

/* ---- what others may see ---------------------------------------------------------------------------- */

Flinc__ElasticJob *adaptive_describe(const struct jobmaster *jm)
{
    const struct adaptive_scheduler *a = &jm->adaptive;
    const struct adaptive_config *c = &a->config;
    if (!c->enabled) {
        return NULL;
    }
    Flinc__ElasticJob e = FLINC__ELASTIC_JOB__INIT;
    e.version = 1;
    e.reactive = c->reactive;
    e.submission_resource_wait_timeout_ms = c->wait_timeout_ms;
    e.submission_resource_stabilization_timeout_ms = c->wait_stabilization_ms;
    e.slot_idle_timeout_ms = c->slot_idle_ms;
    e.executing_cooldown_timeout_ms = c->cooldown_ms;
    e.executing_resource_stabilization_timeout_ms = c->executing_stabilization_ms;
    e.max_delay_for_trigger_ms = c->max_delay_ms;
    e.max_checkpoint_failures = c->max_checkpoint_failures;
    e.history_max = c->history_size;
    uint32_t n = a->problem.n_vertices;
    Flinc__VertexBounds *bounds = MEM_NEW_ARRAY(Flinc__VertexBounds, (size_t)n + 1);
    e.bounds = MEM_NEW_ARRAY(Flinc__VertexBounds *, (size_t)n + 1);
    e.n_bounds = n;
    for (uint32_t i = 0; i < n; i++) {
        flinc__vertex_bounds__init(&bounds[i]);
        bounds[i].lower = a->bounds[i].lower;
        bounds[i].upper = a->bounds[i].upper;
        e.bounds[i] = &bounds[i];
    }
    e.n_rescales = a->history.rescales.len;
    e.rescales = a->history.rescales.data;
    Flinc__ElasticJob *copy = message_copy(&e.base); /* what goes on changing is copied */
    mem_free(bounds);
    mem_free(e.bounds);
    return copy;
}
