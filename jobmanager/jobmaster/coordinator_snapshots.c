/* Coordinators and checkpoints: their states are taken before any task sees the barrier, and what they send
 * afterwards comes behind it.
 *
 * Those in this process give their state in the turn of the mailbox in which the trigger messages leave.
 * Those in a child process are asked first; from a child's answer on its events are held until the
 * trigger messages have left.
 * Thread: the job master's.  Flink: OperatorCoordinatorHolder.checkpointCoordinator. */
#include "jobmanager/jobmaster/coordinators.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"

static bool is_live(const struct coordinator_holder *h)
{
    return h->state == COORDINATOR_STARTED && h->coordinator != NULL;
}

void coordinator_drop_held(struct coordinator_holder *h)
{
    for (size_t i = 0; i < h->held_events.len; i++) {
        mem_free(VEC_AT(&h->held_events, struct held_event, i)->data);
    }
    vec_clear(&h->held_events);
    mem_free(h->answer);
    h->answer = NULL;
    h->has_answer = false;
    h->holding = h->awaiting = 0;
}

/* ---- asking children -------------------------------------------------------------------------------- */

static bool all_answered(const struct jobmaster *jm, uint64_t checkpoint_id)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        const struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (h->awaiting == checkpoint_id && !h->has_answer) {
            return false;
        }
    }
    return true;
}

int coordinators_prepare_snapshot(struct jobmaster *jm, uint64_t checkpoint_id, struct error *err)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (h->desc == &coordinator_proxy_desc && is_live(h)) {
            coordinator_drop_held(h);
            TRY_CTX(err, coordinator_proxy_ask_snapshot(h, checkpoint_id, err),
                    "asking the coordinator of %s for its state", h->context.spec->name);
            h->awaiting = checkpoint_id;
        }
    }
    if (all_answered(jm, checkpoint_id)) {
        checkpointer_on_coordinators_ready(jm->checkpoints.checkpointer, checkpoint_id, 0, NULL);
    }
    return 0;
}

void coordinator_on_child_snapshot(struct coordinator_holder *h, uint64_t checkpoint_id,
                                   const uint8_t *data, size_t size, const struct error *why)
{
    struct jobmaster *jm = h->jm;
    if (h->awaiting != checkpoint_id || h->has_answer) {
        return; /* of a checkpoint that was given up */
    }
    if (why != NULL) {
        checkpointer_on_coordinators_ready(jm->checkpoints.checkpointer, checkpoint_id, why->code,
                                           why);
        return;
    }
    h->has_answer = true;
    h->answer = size > 0 ? mem_dup(data, size) : NULL;
    h->answer_size = size;
    h->holding = checkpoint_id;
    if (all_answered(jm, checkpoint_id)) {
        checkpointer_on_coordinators_ready(jm->checkpoints.checkpointer, checkpoint_id, 0, NULL);
    }
}

/* ---- states ----------------------------------------------------------------------------------------- */

static void push_snapshot(const struct coordinator_holder *h, struct vec *ret, uint8_t *take_data,
                          size_t size)
{
    struct coordinator_snapshot *s = VEC_PUSH(ret, struct coordinator_snapshot);
    const ProtobufCBinaryData *id = &h->context.spec->id;
    memcpy(s->operator_id.bytes, id->data, MIN(id->len, sizeof(s->operator_id.bytes)));
    s->data = take_data;
    s->size = size;
}

static int take_snapshot(struct coordinator_holder *h, uint64_t checkpoint_id, struct vec *ret,
                         struct error *err)
{
    STR_AUTO state = STR_INIT;
    if (h->desc == &coordinator_proxy_desc) {
        push_snapshot(h, ret, STEAL(h->answer), h->answer_size);
        return 0;
    }
    if (h->desc->snapshot == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_snapshot"));
    TRY_CTX(err, h->desc->snapshot(h->coordinator, checkpoint_id, &state, err),
            "taking the state of the coordinator of %s", h->context.spec->name);
    size_t size = state.len;
    push_snapshot(h, ret, size > 0 ? mem_dup(state.data, size) : NULL, size);
    return 0;
}

int coordinators_snapshot(struct jobmaster *jm, uint64_t checkpoint_id, struct vec *ret_snapshots,
                          struct error *err)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (is_live(h)) {
            TRY(take_snapshot(h, checkpoint_id, ret_snapshots, err));
            h->holding = checkpoint_id;
        }
    }
    return 0;
}

void coordinators_release_events(struct jobmaster *jm, uint64_t checkpoint_id)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (h->holding != checkpoint_id && h->awaiting != checkpoint_id) {
            continue;
        }
        struct vec events = h->held_events;
        vec_init(&h->held_events, sizeof(struct held_event));
        coordinator_drop_held(h);
        for (size_t j = 0; j < events.len; j++) {
            const struct held_event *e = VEC_AT(&events, struct held_event, j);
            h->context.host->send_event(&h->context, e->subtask, e->data, e->size);
            mem_free(e->data);
        }
        vec_fini(&events);
    }
}

void coordinators_notify(struct jobmaster *jm, Flinc__CheckpointNotice notice,
                         uint64_t checkpoint_id)
{
    static const enum op_notice notices[] = {
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE] = OP_NOTICE_COMPLETE,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED] = OP_NOTICE_ABORTED,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED] = OP_NOTICE_SUBSUMED,
    };
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (is_live(h) && h->desc->notify != NULL) {
            h->desc->notify(h->coordinator, notices[notice], checkpoint_id);
        }
    }
}

int coordinator_restore_latest(struct coordinator_holder *h, struct error *err)
{
    struct checkpoint_restore latest = checkpoints_latest(h->jm);
    const ProtobufCBinaryData *id = &h->context.spec->id;
    const uint8_t *data = NULL;
    size_t size = 0;
    if (latest.assignment == NULL || h->desc->restore == NULL ||
        id->len != sizeof(struct flinc_id) ||
        !state_assignment_coordinator(latest.assignment, id->data, &data, &size)) {
        return 0;
    }
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_restore"));
    TRY_CTX(err, h->desc->restore(h->coordinator, latest.checkpoint_id, data, size, err),
            "restoring the coordinator of %s from checkpoint %llu", h->context.spec->name,
            (unsigned long long)latest.checkpoint_id);
    return 0;
}
