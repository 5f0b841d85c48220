/* What tasks say of checkpoints: acknowledgements, declines, ends; see checkpointer.h.
 *
 * An acknowledgement that is not waited for changes nothing but the registry of shared files.
 * Thread: the checkpointer's.  Flink: CheckpointCoordinator.receiveAcknowledgeMessage. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

#include "engine/snapshot/output.h"

static const char *const ack_names[] = {
    [PENDING_ACK_TAKEN] = "taken",
    [PENDING_ACK_DUPLICATE] = "a duplicate",
    [PENDING_ACK_UNKNOWN] = "of an attempt that takes no part",
};

/* ---- shared files ----------------------------------------------------------------------------------- */

struct registering {
    struct checkpointer *c;
    uint64_t checkpoint_id;
    struct error *err;
    int rc;
};

/* A file that an earlier checkpoint wrote, or began (engine/snapshot/merging.h), must still be there, and ours: a
 * task that refers to one that was deleted, or to one of the snapshot that the job only borrowed, would make a
 * checkpoint that nobody can restore (FLINK-24611, FLINK-25395, FLINK-26985). */
static void register_blob(void *arg, const Flinc__StateBlob *b, uint64_t checkpoint_id)
{
    struct registering *r = arg;
    if (!b->shared || b->location[0] == '\0') {
        return;
    }
    bool is_merged = b->merged_since != 0 && !PLANTED("checkpoint.sections_are_new");
    uint64_t made_by = is_merged ? b->merged_since : checkpoint_id;
    enum shared_state state = shared_registry_find(&r->c->shared, b->location);
    if (state == SHARED_KNOWN_FOREIGN && !PLANTED("checkpoint.refers_to_foreign")) {
        r->rc = error_set(r->err, ERR_INTERNAL,
                          "checkpoint %llu refers to %s, which belongs to the restored snapshot",
                          (unsigned long long)r->checkpoint_id, b->location);
    } else if (state == SHARED_UNKNOWN && made_by < r->checkpoint_id &&
               !PLANTED("checkpoint.refers_to_deleted")) {
        r->rc = error_set(r->err, ERR_INTERNAL,
                          "checkpoint %llu refers to %s of checkpoint %llu, which is not kept any "
                          "more",
                          (unsigned long long)r->checkpoint_id, b->location,
                          (unsigned long long)made_by);
    } else {
        shared_registry_use(&r->c->shared, b->location, r->checkpoint_id, SHARED_OF_JOB);
    }
}

static int register_shared(struct checkpointer *c, uint64_t checkpoint_id,
                           const Flinc__TaskSnapshot *s, struct error *err)
{
    struct registering r = {c, checkpoint_id, err, 0};
    for (size_t i = 0; s != NULL && i < s->n_operators; i++) {
        subtask_state_each_blob(s->operators[i], checkpoint_id, register_blob, &r);
    }
    return r.rc;
}

/* ---- acknowledgements ------------------------------------------------------------------------------- */

/* Of a checkpoint that is not pending. */
static void on_late_ack(struct checkpointer *c, const Flinc__CheckpointAck *ack)
{
    struct error ignored = ERROR_INIT;
    const struct expired_checkpoint *e = cleanup_find_expired(c, ack->checkpoint_id);
    LOG_DEBUG(CHECKPOINT_TOPIC, "An acknowledgement of checkpoint %llu came, which is %s.",
              (unsigned long long)ack->checkpoint_id, e != NULL ? "given up" : "not pending");
    if (e == NULL) {
        return;
    }
    if (!e->savepoint) {
        (void)!register_shared(c, ack->checkpoint_id, ack->snapshot, &ignored);
    }
    cleanup_late(c, ack->checkpoint_id);
    if (c->ended_as != NULL) {
        cleanup_shared_at_end(c, c->ended_as);
    }
}

static void take_ack(struct checkpointer *c, struct pending_checkpoint *p, uint32_t vertex,
                     uint32_t subtask, Flinc__CheckpointAck *ack)
{
    struct flinc_id attempt_id;
    struct error err = ERROR_INIT;
    memcpy(attempt_id.bytes, ack->attempt_id.data, sizeof(attempt_id.bytes));
    enum pending_ack answer =
        pending_acknowledge(p, c->first_task[vertex] + subtask, &attempt_id, ack->snapshot);
    if (answer != PENDING_ACK_TAKEN) {
        LOG_DEBUG(CHECKPOINT_TOPIC, "An acknowledgement of checkpoint %llu is ignored: it is %s.",
                  (unsigned long long)p->id, ack_names[answer]);
        return;
    }
    const Flinc__TaskSnapshot *snapshot = STEAL(ack->snapshot);
    static const Flinc__CheckpointTaskStats none = FLINC__CHECKPOINT_TASK_STATS__INIT;
    stats_tracker_ack(&c->stats, p->id, vertex, subtask, ack->stats != NULL ? ack->stats : &none,
                      clock_now_ms(c->o.clock));
    c->o.host->on_changed(c->o.host_arg);
    if (!checkpoint_kind_is_savepoint(p->kind) && register_shared(c, p->id, snapshot, &err) < 0) {
        pending_abort(c, p, &err, ABORT_COUNTS);
    } else if (p->n_waited_for == 0) {
        pending_complete(c, p);
    }
}

void checkpointer_on_ack(struct checkpointer *c, uint32_t vertex, uint32_t subtask,
                         Flinc__CheckpointAck *ack)
{
    struct error err = ERROR_INIT;
    struct pending_checkpoint *p = checkpointer_find_pending(c, ack->checkpoint_id);
    ASSERT(ack->attempt_id.len == sizeof(struct flinc_id));
    if (FAILPOINT(&err, "checkpoint.ack.before_take") < 0) {
        return; /* as if it had been lost */
    }
    if (p == NULL || p->state != PENDING_GATHERING) {
        on_late_ack(c, ack);
    } else {
        take_ack(c, p, vertex, subtask, ack);
    }
}

void checkpointer_on_foreign_ack(struct checkpointer *c, Flinc__CheckpointAck *ack)
{
    if (checkpointer_find_pending(c, ack->checkpoint_id) == NULL) {
        on_late_ack(c, ack);
    }
}

/* ---- declines, ends --------------------------------------------------------------------------------- */

static bool is_waited_for(const struct checkpointer *c, const struct pending_checkpoint *p,
                          uint32_t vertex, uint32_t subtask)
{
    return p->state == PENDING_GATHERING &&
           p->tasks[c->first_task[vertex] + subtask].state == PENDING_TASK_WAITED_FOR;
}

void checkpointer_on_decline(struct checkpointer *c, uint32_t vertex, uint32_t subtask,
                             uint64_t checkpoint_id, const struct error *reason)
{
    struct pending_checkpoint *p = checkpointer_find_pending(c, checkpoint_id);
    const Flinc__JobVertex *v = checkpointer_graph(c)->vertices[vertex];
    if (p == NULL || !is_waited_for(c, p, vertex, subtask)) {
        return;
    }
    struct error why = *reason;
    error_context(&why, "taking checkpoint %llu in %s (%u/%u)", (unsigned long long)checkpoint_id,
                  v->name, subtask + 1, v->parallelism);
    /* A task that cannot just now, for it starts or ends, is no failure of the checkpoint. */
    bool not_ready = reason->code == ERR_UNAVAILABLE || reason->code == ERR_CANCELLED;
    pending_abort(c, p, &why, not_ready ? 0 : ABORT_COUNTS);
}

/* Will no task produce anything more?  Looked for from the end of the graph, which is the last to end. */
static bool all_at_end(struct checkpointer *c)
{
    const Flinc__JobGraph *g = checkpointer_graph(c);
    for (size_t v = g->n_vertices; v > 0; v--) {
        for (uint32_t i = 0; i < g->vertices[v - 1]->parallelism; i++) {
            struct flinc_id attempt_id;
            enum checkpoint_task_state state =
                c->o.host->task_state(c->o.host_arg, (uint32_t)v - 1, i, &attempt_id);
            const struct flinc_id *at_end = &c->end_of_data[c->first_task[v - 1] + i];
            if (state == CHECKPOINT_TASK_NOT_READY ||
                (state == CHECKPOINT_TASK_RUNNING && !id_eq(&attempt_id, at_end))) {
                return false;
            }
        }
    }
    return true;
}

void checkpointer_on_end_of_data(struct checkpointer *c, uint32_t vertex, uint32_t subtask)
{
    struct flinc_id attempt_id;
    if (c->o.host->task_state(c->o.host_arg, vertex, subtask, &attempt_id) !=
        CHECKPOINT_TASK_RUNNING) {
        return;
    }
    c->end_of_data[c->first_task[vertex] + subtask] = attempt_id;
    if (c->running && !c->stopping.active && c->config.after_tasks_finish && all_at_end(c)) {
        LOG_INFO(CHECKPOINT_TOPIC, "All tasks of job %s have processed their input.", c->job_hex);
        decider_final(c);
    }
}

void checkpointer_on_task_changed(struct checkpointer *c, uint32_t vertex, uint32_t subtask)
{
    struct flinc_id attempt_id;
    if (c->pending.len == 0 || c->o.host->task_state(c->o.host_arg, vertex, subtask, &attempt_id) !=
                                   CHECKPOINT_TASK_FINISHED) {
        return;
    }
    const Flinc__JobVertex *v = checkpointer_graph(c)->vertices[vertex];
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "task %s (%u/%u) finished before it took the checkpoint",
              v->name, subtask + 1, v->parallelism);
    for (size_t i = c->pending.len; i > 0; i--) {
        struct pending_checkpoint *p = i <= c->pending.len ? vec_ptr(&c->pending, i - 1) : NULL;
        if (p != NULL && is_waited_for(c, p, vertex, subtask)) {
            pending_abort(c, p, &why, 0);
        }
    }
}
