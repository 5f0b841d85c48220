/* The checkpointer's life, the requests of people, the end of the job; see checkpointer.h. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

void checkpointer_count_tasks(struct checkpointer *c)
{
    const Flinc__JobGraph *g = checkpointer_graph(c);
    mem_free(c->first_task);
    mem_free(c->end_of_data);
    c->n_tasks = 0;
    c->first_task = MEM_NEW_ARRAY(uint32_t, g->n_vertices + 1);
    for (size_t v = 0; v < g->n_vertices; v++) {
        c->first_task[v] = c->n_tasks;
        c->n_tasks += g->vertices[v]->parallelism;
    }
    c->end_of_data = MEM_NEW_ARRAY(struct flinc_id, (size_t)c->n_tasks + 1);
}

struct checkpointer *checkpointer_new(const struct checkpointer_options *options)
{
    struct checkpointer *c = MEM_NEW(struct checkpointer);
    struct flinc_id job_id = {0};
    c->o = *options;
    c->o.files = options->files != NULL ? options->files : &checkpoint_files_default;
    checkpoint_config_copy(&c->config, options->config);
    c->o.config = &c->config;
    c->graph = graph_ref_new(options->graph);
    c->o.graph = NULL;
    const Flinc__JobGraph *g = checkpointer_graph(c);
    memcpy(job_id.bytes, g->job_id.data, MIN(g->job_id.len, sizeof(job_id.bytes)));
    id_format(&job_id, c->job_hex);
    rng_init(&c->rng, options->seed);
    checkpointer_count_tasks(c);
    c->next_id = options->recovered != NULL ? MAX(options->recovered->next_id, (uint64_t)1) : 1;
    c->periodic_timer = TIMER_NONE;
    c->stopping.timer = TIMER_NONE;
    c->last_completed_ms = INT64_MIN / 2;
    vec_init(&c->queue, sizeof(struct trigger_request *));
    vec_init(&c->pending, sizeof(struct pending_checkpoint *));
    vec_init(&c->garbage, sizeof(struct io_job *));
    vec_init(&c->expired, sizeof(struct expired_checkpoint));
    completed_store_init(&c->store);
    shared_registry_init(&c->shared);
    stats_tracker_init(&c->stats, g, &c->config);
    return c;
}

struct checkpointer *checkpointer_free(struct checkpointer *c)
{
    if (c == NULL) {
        return NULL;
    }
    c->ended = true;
    for (size_t i = 0; i < c->queue.len; i++) {
        trigger_request_free(vec_ptr(&c->queue, i));
    }
    for (size_t i = 0; i < c->pending.len; i++) {
        pending_free(vec_ptr(&c->pending, i));
    }
    stopping_on_end(c, CHECKPOINT_JOB_SUSPENDED, NULL);
    for (size_t i = 0; i < c->garbage.len; i++) {
        io_job_free(vec_ptr(&c->garbage, i));
    }
    for (size_t i = 0; i < c->expired.len; i++) {
        mem_free(VEC_AT(&c->expired, struct expired_checkpoint, i)->directory);
    }
    vec_fini(&c->queue);
    vec_fini(&c->pending);
    vec_fini(&c->garbage);
    vec_fini(&c->expired);
    completed_store_fini(&c->store);
    shared_registry_fini(&c->shared);
    stats_tracker_fini(&c->stats);
    mem_free(c->first_task);
    mem_free(c->end_of_data);
    graph_ref_unref(c->graph);
    checkpoint_config_fini(&c->config);
    mem_free(c);
    return NULL;
}

/* ---- the life of the job ---------------------------------------------------------------------------- */

void checkpointer_start(struct checkpointer *c)
{
    if (!c->running && !c->ended) {
        c->running = true;
        decider_start(c);
    }
}

void checkpointer_suspend(struct checkpointer *c, const struct error *why)
{
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX];
    c->running = false;
    decider_stop(c);
    error_set(&err, ERR_UNAVAILABLE, "the job does not run: %s", error_format(why, text, 700));
    pending_abort_below(c, UINT64_MAX, &err);
    decider_fail_queue(c, &err);
}

/* Do completed checkpoints go with a job that ends so? */
static bool are_deleted(const struct checkpointer *c, enum checkpoint_job_end how)
{
    switch (how) {
    case CHECKPOINT_JOB_FINISHED:
        return true;
    case CHECKPOINT_JOB_CANCELED:
        return c->config.retention != CHECKPOINT_RETENTION_RETAIN_ON_CANCELLATION;
    case CHECKPOINT_JOB_FAILED:
        return c->config.retention == CHECKPOINT_RETENTION_DELETE;
    default:
        return false;
    }
}

bool checkpointer_all_go(const struct checkpointer *c)
{
    return c->all_go;
}

void checkpointer_end(struct checkpointer *c, enum checkpoint_job_end how,
                      const struct error *cause)
{
    static const char *const ends[] = {"finished", "canceled", "failed", "suspended"};
    static const char *const statuses[] = {"FINISHED", "CANCELED", "FAILED", "SUSPENDED"};
    struct error why = ERROR_INIT;
    if (c->ended) {
        return;
    }
    error_set(&why, ERR_CANCELLED, "the job is %s", ends[how]);
    checkpointer_suspend(c, &why);
    for (size_t i = c->pending.len; i > 0; i--) { /* those that are being written */
        pending_abort(c, vec_ptr(&c->pending, i - 1), &why, 0);
    }
    stopping_on_end(c, how, cause);
    cleanup_retry(c);
    c->ended_as = how != CHECKPOINT_JOB_SUSPENDED ? statuses[how] : NULL;
    if (c->ended_as != NULL) {
        cleanup_expired_at_end(c);
    }
    c->all_go = are_deleted(c, how);
    if (c->all_go) {
        cleanup_all(c, c->ended_as);
    } else if (c->ended_as != NULL) {
        cleanup_shared_at_end(c, c->ended_as);
    }
    c->ended = true;
    c->o.host->on_changed(c->o.host_arg);
}

/* ---- requests --------------------------------------------------------------------------------------- */

void checkpointer_trigger(struct checkpointer *c, enum checkpoint_type type,
                          checkpoint_done_fn done, void *done_arg)
{
    struct trigger_request *r = MEM_NEW(struct trigger_request);
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    bool incremental = type == CHECKPOINT_TYPE_INCREMENTAL ||
                       (type == CHECKPOINT_TYPE_CONFIGURED && c->config.incremental);
    if (latest != NULL && latest->foreign) {
        incremental = false; /* the first after NO_CLAIM stands by itself */
    }
    r->kind = incremental ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL
                          : FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL;
    r->done = done;
    r->done_arg = done_arg;
    decider_add(c, r);
}

void checkpointer_trigger_now(struct checkpointer *c)
{
    decider_now(c);
}

void checkpointer_savepoint(struct checkpointer *c, const struct savepoint_request *request,
                            checkpoint_done_fn done, void *done_arg)
{
    struct trigger_request *r = MEM_NEW(struct trigger_request);
    const char *directory =
        request->directory != NULL ? request->directory : c->config.savepoint_directory;
    struct error err = ERROR_INIT;
    *r = (struct trigger_request){.forced = true,
                                  .kind = request->format,
                                  .stop = request->stop,
                                  .flags = request->flags,
                                  .done = done,
                                  .done_arg = done_arg};
    if (directory == NULL || directory[0] == '\0') {
        error_set(&err, ERR_INVALID_ARGUMENT,
                  "no folder for the savepoint was given, and "
                  "execution.checkpointing.savepoint-dir is not set");
    } else if (!checkpoint_kind_is_savepoint(request->format)) {
        error_set(&err, ERR_INVALID_ARGUMENT, "a savepoint is canonical or native");
    }
    if (err.code != 0) {
        trigger_request_answer(r, &err, 0, NULL);
        trigger_request_free(r);
        return;
    }
    r->directory = mem_strdup(directory);
    if (request->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE) {
        stopping_begin(c, r);
    } else {
        decider_add(c, r);
    }
}

/* ---- statistics ------------------------------------------------------------------------------------- */

const struct checkpoint_stats *checkpointer_stats(struct checkpointer *c)
{
    return stats_tracker_get(&c->stats);
}

const struct checkpoint_gauges *checkpointer_gauges(const struct checkpointer *c)
{
    return &c->stats.gauges;
}
