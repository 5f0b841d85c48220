/* From triggers to snapshots that are due; what the operators are told; when a task may end
 * (task_checkpoint.h). */
#include "taskmanager/worker/task_checkpoint.h"
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"

/* ---- life ---------------------------------------------------------------------------------------- */

void task_checkpoints_init(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    barrier_aligner_init(&c->aligner, c->n_channels,
                         t->deployment->at_least_once ? ALIGN_AT_LEAST_ONCE : ALIGN_EXACTLY_ONCE);
    vec_init(&c->held, sizeof(Flinc__MasterToWorker *));
    vec_init(&c->notices, sizeof(struct checkpoint_notice));
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        const struct task_input *in = &t->inputs[i];
        if (!in->is_overtakable) {
            barrier_aligner_set_fixed(&c->aligner, in->first_channel, gate_n_channels(in->gate));
        }
    }
    c->waker = snapshot_waker_new(t->mailbox);
    c->is_made = true;
}

void task_checkpoints_drop(struct task *t)
{
    task_snapshot_forget(&t->checkpoints);
    t->checkpoints.starting = barrier_unref(t->checkpoints.starting);
    t->checkpoints.timed = barrier_unref(t->checkpoints.timed);
}

void task_checkpoints_fini(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (!c->is_made) {
        return;
    }
    for (size_t i = 0; i < c->held.len; i++) {
        rpc_message_free(vec_ptr(&c->held, i));
    }
    vec_fini(&c->held);
    vec_fini(&c->notices);
    barrier_aligner_fini(&c->aligner);
    snapshot_waker_unref(c->waker);
}

/* ---- messages of the job master -------------------------------------------------------------------- */

static bool is_trigger(const Flinc__MasterToWorker *m)
{
    return m->body_case == FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT;
}

/* A trigger also waits until what was restored is processed: it would be in no snapshot. */
bool task_hold_message(struct task *t, Flinc__MasterToWorker *message)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->starting == NULL && c->held.len == 0 && !(is_trigger(message) && t->replay != NULL)) {
        return false;
    }
    if (c->held.len >= CHECKPOINT_HELD_MAX) {
        t->async_rc = error_set(&t->error, ERR_LIMIT, "%d messages wait behind a checkpoint",
                                CHECKPOINT_HELD_MAX);
        return false;
    }
    vec_push_ptr(&c->held, message);
    return true;
}

static void task_on_trigger(struct task *t, const Flinc__TriggerCheckpoint *trigger)
{
    struct barrier *b = NULL;
    struct error err = ERROR_INIT;
    if (trigger->barrier == NULL ||
        (FAILPOINT(&err, "task.checkpoint.trigger") < 0 && err.code != 0) ||
        barrier_new(trigger->barrier, &b, &err) < 0) {
        if (trigger->barrier != NULL) {
            task_decline(t, trigger->barrier->checkpoint_id, &err);
        }
        return;
    }
    task_note_barrier(t, b);
    struct aligner_verdict v =
        barrier_aligner_on_trigger(&t->checkpoints.aligner, b, clock_monotonic_ns(t->env->clock));
    task_follow_verdict(t, &v);
    barrier_unref(b);
}

static void task_on_aborted(struct task *t, uint64_t id)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct aligner_verdict v = barrier_aligner_on_cancel(&c->aligner, id);
    task_follow_verdict(t, &v);
    if (c->starting != NULL && c->starting->checkpoint_id == id && (!c->in_chain || c->is_queued)) {
        c->starting_cancelled = true;
    }
    if (c->writing != NULL && c->writing->barrier->checkpoint_id == id) {
        task_snapshot_forget(c);
    }
    if (c->timed != NULL && c->timed->checkpoint_id == id) {
        c->timed = barrier_unref(c->timed);
    }
    if (c->stop_id == id && c->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND) {
        c->stop_id = 0;
        t->chain->sources_paused = false;
    }
}

static void task_on_notice(struct task *t, const Flinc__NotifyCheckpoint *n)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (PLANTED("lost_notify")) {
        return;
    }
    if (n->notice == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE) {
        if (n->checkpoint_id <= c->completed) {
            return; /* overtaken, or repeated */
        }
        c->completed = n->checkpoint_id;
    }
    if (n->notice == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED) {
        task_on_aborted(t, n->checkpoint_id);
    }
    *VEC_PUSH(&c->notices, struct checkpoint_notice) =
        (struct checkpoint_notice){n->notice, n->checkpoint_id};
    task_learn_completed(c, n->latest_completed);
}

static void task_op_checkpoint(void *target, void *payload)
{
    struct task *t = target;
    Flinc__MasterToWorker *message = payload;
    if (message->body_case == FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT) {
        task_on_notice(t, message->notify_checkpoint);
    } else if (task_hold_message(t, message)) {
        return;
    } else {
        task_on_trigger(t, message->trigger_checkpoint);
    }
    rpc_message_free(&message->base);
}

static void drop_message(void *payload)
{
    Flinc__MasterToWorker *message = payload;
    rpc_message_free(&message->base);
}

bool task_post_checkpoint(struct task *t, Flinc__MasterToWorker *message)
{
    const struct mailbox_op op = {.kind = TASK_OP_CHECKPOINT,
                                  .run = task_op_checkpoint,
                                  .target = t,
                                  .payload = message,
                                  .drop = drop_message};
    /* In one order with the events of coordinator halves. */
    return mailbox_post_internal(t->mailbox, MAILBOX_LANE_DATA, &op) == 0;
}

/* What was held comes in its order, up to the next trigger that takes a snapshot. */
static int task_release_held(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    size_t n = 0;
    int rc = 0;
    while (n < c->held.len && c->starting == NULL && rc == 0) {
        Flinc__MasterToWorker *message = vec_ptr(&c->held, n++);
        if (is_trigger(message)) {
            task_on_trigger(t, message->trigger_checkpoint);
        } else {
            rc = chain_on_event(t->chain, message->operator_event, err);
        }
        rpc_message_free(&message->base);
    }
    c->held.len -= n;
    if (c->held.len > 0) {
        memmove(c->held.data, (char *)c->held.data + n * c->held.item_size,
                c->held.len * c->held.item_size);
    }
    return rc;
}

/* ---- turns ----------------------------------------------------------------------------------------- */

/* A drain: the sources end first; what they feed has ended when the barrier comes. */
static bool task_must_drain(const struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    return c->starting->message->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN &&
           !c->starting_cancelled && !c->data_ended && t->n_inputs == 0 &&
           !PLANTED("drain_ends_no_source");
}

static int task_start_checkpoint(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->starting_cancelled) { /* only passed on */
        task_snapshot_queue(t);
        return 0;
    }
    if (task_must_drain(t)) {
        return chain_end_sources(t->chain, err);
    }
    const struct op_checkpoint checkpoint = task_op_checkpoint_of(c->starting);
    TRY(FAILPOINT(err, "task.checkpoint.before_prepare"));
    if (PLANTED("barrier_overtakes")) { /* what is buffered goes behind it */
        task_send_barrier(t, c->starting);
    }
    chain_begin_barrier(t->chain, &checkpoint);
    c->in_chain = true;
    return 0;
}

static int task_tell_operators(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct checkpoint_notice n = *(struct checkpoint_notice *)vec_at(&c->notices, 0);
    static const enum op_notice notices[] = {
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE] = OP_NOTICE_COMPLETE,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_ABORTED] = OP_NOTICE_ABORTED,
        [FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_SUBSUMED] = OP_NOTICE_SUBSUMED,
    };
    c->notices.len--;
    memmove(c->notices.data, (char *)c->notices.data + c->notices.item_size,
            c->notices.len * c->notices.item_size);
    task_local_on_notice(t, &n);
    TRY(FAILPOINT(err, "task.checkpoint.before_notify"));
    if ((size_t)n.notice >= ARRAY_LEN(notices)) {
        return 0;
    }
    TRY(chain_notify(t->chain, notices[n.notice], n.checkpoint_id, err));
    return FAILPOINT(err, "task.checkpoint.after_notify");
}

int task_checkpoint_turn(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->is_queued) {
        if (c->writing != NULL && !c->starting_cancelled) {
            return 0;
        }
        task_snapshot_take(t);
        return 1;
    }
    if (c->notices.len > 0 && !c->in_chain) {
        TRY(task_tell_operators(t, err));
        return 1;
    }
    if (c->starting != NULL && !c->in_chain) {
        TRY(task_start_checkpoint(t, err));
        return 1;
    }
    if (c->starting != NULL && !chain_has_barrier(t->chain)) {
        task_snapshot_queue(t);
        return 1;
    }
    if (c->starting == NULL && c->held.len > 0 && t->replay == NULL) {
        TRY(task_release_held(t, err));
        return 1;
    }
    return 0;
}

/* ---- ends ------------------------------------------------------------------------------------------ */

int task_end_data(struct task *t, struct error *err)
{
    TRY(FAILPOINT(err, "task.end.before_end_of_data"));
    struct element end = element_of_control(ELEMENT_END_OF_DATA);
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_send_control(t->results[i], &end);
    }
    t->checkpoints.data_ended = true;
    if (t->deployment->final_checkpoint) {
        Flinc__WorkerToMaster *m = task_message(FLINC__WORKER_TO_MASTER__BODY_END_OF_DATA);
        m->end_of_data = mem_alloc(sizeof(*m->end_of_data));
        flinc__end_of_data_reached__init(m->end_of_data);
        m->end_of_data->attempt_id = task_attempt_copy(t);
        task_post_message(t, m);
    }
    return 0;
}

static bool task_inputs_ended(const struct task *t)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        if (!t->inputs[i].ended) {
            return false;
        }
    }
    return t->n_inputs > 0;
}

/* A task that is suspended ends when its savepoint is complete.  When all that feeds it has ended since it took its
 * part, theirs was told so: the savepoint is complete, though the notice is on its way still, or lost.  The
 * operators must be told before the task ends: they commit with it. */
static void task_infer_completion(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND && c->completed < c->stop_id &&
        (!c->stop_after_data || PLANTED("ended_input_is_a_notice")) && task_inputs_ended(t)) {
        c->completed = c->stop_id;
        *VEC_PUSH(&c->notices, struct checkpoint_notice) = (struct checkpoint_notice){
            FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE, c->stop_id};
    }
}

bool task_may_finish(struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    if (LIKELY(!c->data_ended && c->stop_id == 0)) {
        return false;
    }
    if (c->stop_id != 0) {
        task_infer_completion(t);
    }
    if (c->starting != NULL || c->writing != NULL || c->notices.len > 0 ||
        chain_has_work(t->chain)) {
        return false;
    }
    if (c->stop_id != 0) {
        return c->completed >= c->stop_id;
    }
    if (t->deployment->final_checkpoint) {
        return c->final_id != 0 && c->completed >= c->final_id;
    }
    /* Who feeds it may still send a barrier: a drain. */
    return t->n_inputs == 0 || task_inputs_ended(t);
}
