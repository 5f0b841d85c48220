/* A job that failed before it was one: its graph was never made; see dispatcher_add_failed().
 * Thread: the dispatcher's. */
#include "engine/graph/job_graph.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <stdio.h>

struct failed_op {
    struct flinc_id id;
    char *name; /* Owns */
    enum dispatcher_failed kind;
    struct error why;
};

static void failed_op_free(void *payload)
{
    struct failed_op *op = payload;
    mem_free(op->name);
    mem_free(op);
}

/* The plan of no vertices, in the form that all plans have. */
static char *empty_plan(const struct failed_op *op, struct arena *arena)
{
    Flinc__JobGraph graph = FLINC__JOB_GRAPH__INIT;
    STR_AUTO plan = STR_INIT;
    graph.job_id = (ProtobufCBinaryData){sizeof(op->id.bytes), (uint8_t *)op->id.bytes};
    graph.name = op->name;
    job_graph_plan_json(&graph, &plan);
    return arena_strndup(arena, plan.data, plan.len);
}

static const struct job_details *make_details(const struct failed_op *op, int64_t now_ms)
{
    struct arena *arena = NULL;
    struct job_details *d = job_details_new(&arena);
    d->id = op->id;
    d->name = arena_strdup(arena, op->name);
    d->status = JOB_STATUS_FAILED;
    d->status_since_ms[JOB_STATUS_INITIALIZING] = now_ms;
    d->status_since_ms[JOB_STATUS_FAILED] = now_ms;
    d->taken_ms = now_ms;
    d->parallelism = 1;
    d->plan_json = empty_plan(op, arena);
    d->restart_strategy = arena_strdup(arena, "");
    d->cause = arena_zalloc(arena, sizeof(*d->cause));
    error_copy(d->cause, &op->why);
    d->failures = arena_zalloc(arena, sizeof(*d->failures));
    d->n_failures = 1;
    d->failures[0].root.timestamp_ms = now_ms;
    d->failures[0].root.number = 1;
    error_copy(&d->failures[0].root.error, &op->why);
    return d;
}

static void run_failed(void *owner, void *payload)
{
    struct dispatcher *d = owner;
    const struct failed_op *op = payload;
    struct job_fingerprint none = {{0, 0}};
    int64_t now = clock_now_ms(d->clock);
    struct job_overview overview = {
        .id = op->id,
        .status = JOB_STATUS_FAILED,
        .start_ms = now,
        .end_ms = now,
        .last_modification_ms = now,
    };
    (void)snprintf(overview.name, sizeof(overview.name), "%s", op->name);
    if (dispatcher_get_overview(d, &op->id, &overview)) {
        failed_op_free(payload);
        return;
    }
    const struct job_details *details = make_details(op, now);
    struct job_store_entry *entry = job_store_prepare(d->store, &overview, &none, details);
    pthread_mutex_lock(&d->lock);
    job_store_add(d->store, entry);
    dispatcher_touch(d);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    if (op->kind == DISPATCHER_FAILED_FOR_GOOD && dispatcher_has_history(d)) {
        dispatcher_archive(d, details, HISTORY_THEN_TELL);
    } else if (d->options.on_job_ended != NULL) {
        d->options.on_job_ended(d->options.owner, &op->id, JOB_STATUS_FAILED);
    }
    job_details_unref(details);
    failed_op_free(payload);
}

void dispatcher_add_failed(struct dispatcher *d, const struct flinc_id *id, const char *name,
                           enum dispatcher_failed kind, const struct error *why)
{
    struct failed_op *op = MEM_NEW(struct failed_op);
    op->id = *id;
    op->name = mem_strdup(name);
    op->kind = kind;
    error_copy(&op->why, why);
    if (component_post(d->component, MAILBOX_LANE_CONTROL, DISPATCHER_OP_FAILED, run_failed, op,
                       failed_op_free) < 0) {
        failed_op_free(op); /* it ends */
    }
}
