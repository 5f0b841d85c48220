/* From barriers to acknowledgements (task_checkpoint.h). */
#include "taskmanager/worker/task_checkpoint.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/rpc/error_info.h"
#include "taskmanager/worker/task.h"
#include <stdio.h>

static const char topic[] = "flinc.taskmanager.worker";

/* ---- waking -------------------------------------------------------------------------------------- */

struct snapshot_waker {
    _Atomic uint32_t refs;
    _Atomic bool pending;
    struct mailbox *mailbox; /* Owns a ref */
};

static void snapshot_waker_unref(void *arg)
{
    struct snapshot_waker *w = arg;
    if (w != NULL && atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1) {
        mailbox_unref(w->mailbox);
        mem_free(w);
    }
}

static void snapshot_waker_wake(void *arg)
{
    struct snapshot_waker *w = arg;
    atomic_store(&w->pending, true);
    event_count_signal(mailbox_event(w->mailbox));
}

static struct snapshot_waker *snapshot_waker_new(struct mailbox *mailbox)
{
    struct snapshot_waker *w = MEM_NEW(struct snapshot_waker);
    atomic_init(&w->refs, 1);
    w->mailbox = mailbox_ref(mailbox);
    return w;
}

/* ---- life ---------------------------------------------------------------------------------------- */

void task_checkpoints_init(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    barrier_aligner_init(&c->aligner, c->n_channels,
                         t->deployment->at_least_once ? ALIGN_AT_LEAST_ONCE : ALIGN_EXACTLY_ONCE);
    vec_init(&c->held, sizeof(Flinc__MasterToWorker *));
    vec_init(&c->notices, sizeof(struct checkpoint_notice));
    c->waker = snapshot_waker_new(t->mailbox);
    c->is_made = true;
}

static void task_forget_writing(struct task_checkpoints *c)
{
    if (c->writing != NULL) {
        chain_snapshot_free(c->writing->snapshot);
        barrier_unref(c->writing->barrier);
        mem_free(c->writing);
        c->writing = NULL;
    }
}

void task_checkpoints_drop(struct task *t)
{
    task_forget_writing(&t->checkpoints);
    t->checkpoints.starting = barrier_unref(t->checkpoints.starting);
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

/* ---- to the job master --------------------------------------------------------------------------- */

static Flinc__WorkerToMaster *task_message(Flinc__WorkerToMaster__BodyCase body)
{
    Flinc__WorkerToMaster *m = mem_alloc(sizeof(*m));
    flinc__worker_to_master__init(m);
    m->body_case = body;
    return m;
}

static ProtobufCBinaryData task_attempt_copy(const struct task *t)
{
    const ProtobufCBinaryData *id = &t->spec->attempt_id;
    return (ProtobufCBinaryData){id->len, mem_dup(id->data, id->len)};
}

static void task_post_message(struct task *t, Flinc__WorkerToMaster *take_message)
{
    t->env->on_message(t->env->owner, t, take_message);
}

static void task_decline(struct task *t, uint64_t checkpoint_id, const struct error *why)
{
    Flinc__WorkerToMaster *m = task_message(FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE);
    Flinc__CheckpointDecline *d = mem_alloc(sizeof(*d));
    Flinc__ErrorInfo *info = mem_alloc(sizeof(*info));
    LOG_INFO(topic, "task %s declines checkpoint %llu: %s", t->name,
             (unsigned long long)checkpoint_id, why->message);
    flinc__checkpoint_decline__init(d);
    error_info_fill(info, why);
    info->message = mem_strdup(info->message);
    info->frames = mem_strdup(info->frames);
    info->origin = mem_strdup("");
    d->attempt_id = task_attempt_copy(t);
    d->checkpoint_id = checkpoint_id;
    d->reason = info;
    m->checkpoint_decline = d;
    task_post_message(t, m);
}

static void task_decline_text(struct task *t, uint64_t checkpoint_id, const char *text)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CANCELLED, "%s", text);
    task_decline(t, checkpoint_id, &why);
}

static void task_acknowledge(struct task *t, struct task_writing *w)
{
    Flinc__WorkerToMaster *m = task_message(FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK);
    Flinc__CheckpointAck *ack = mem_alloc(sizeof(*ack));
    flinc__checkpoint_ack__init(ack);
    ack->attempt_id = task_attempt_copy(t);
    ack->checkpoint_id = w->barrier->checkpoint_id;
    ack->snapshot = mem_alloc(sizeof(*ack->snapshot));
    flinc__task_snapshot__init(ack->snapshot);
    ack->snapshot->finished = w->finished;
    chain_snapshot_fill(w->snapshot, ack->snapshot, &w->stats.state_bytes, &w->stats.written_bytes);
    w->stats.ack_ms = clock_now_ms(t->env->clock);
    ack->stats = mem_dup(&w->stats, sizeof(w->stats));
    m->checkpoint_ack = ack;
    PLANTED_LEAK("task.checkpoint.leaks");
    task_post_message(t, m);
}

/* ---- alignment ------------------------------------------------------------------------------------ */

static void task_unblock(struct task *t)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        gate_unblock(t->inputs[i].gate);
    }
}

/* Of a notice that was lost, or is on its way still; it stands for all before it. */
static void task_learn_completed(struct task_checkpoints *c, uint64_t id)
{
    if (id > c->completed) {
        c->completed = id;
        *VEC_PUSH(&c->notices, struct checkpoint_notice) =
            (struct checkpoint_notice){FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE, id};
    }
}

static void task_follow(struct task *t, struct aligner_verdict *v)
{
    struct task_checkpoints *c = &t->checkpoints;
    for (uint32_t i = 0; i < v->n_given_up; i++) {
        task_decline_text(t, v->given_up[i], "the barrier of a newer checkpoint came first");
    }
    if (v->unblock) {
        task_unblock(t);
    }
    if (v->complete != NULL) {
        ASSERT(c->starting == NULL);
        c->starting = v->complete;
        c->starting_cancelled = v->is_cancelled;
        c->in_chain = false;
        if (c->first_id != 0 && c->starting->message->latest_completed >= c->first_id &&
            !PLANTED("lost_notify")) {
            task_learn_completed(c, c->starting->message->latest_completed);
        }
        c->first_ns = v->first_ns;
        c->aligned_ns = clock_monotonic_ns(t->env->clock);
        atomic_store(&c->last_alignment_ns, MAX(c->aligned_ns - c->first_ns, (int64_t)0));
        atomic_store(&c->last_start_delay_ns, MAX(c->start_delay_ms, (int64_t)0) * 1000000);
    }
}

static void task_note_first_barrier(struct task *t, const struct barrier *b)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (!barrier_aligner_is_aligning(&c->aligner)) {
        c->start_delay_ms = clock_now_ms(t->env->clock) - b->timestamp_ms;
        c->first_bytes = metric_counter_get(&t->in.n_bytes);
    }
}

int task_on_barrier(struct task *t, struct task_input *in, struct element *take_element,
                    struct error *err)
{
    struct barrier *b = take_element->barrier;
    uint32_t channel = take_element->channel;
    int rc = FAILPOINT(err, "task.checkpoint.before_align");
    if (rc == 0) {
        task_note_first_barrier(t, b);
        struct aligner_verdict v =
            barrier_aligner_on_barrier(&t->checkpoints.aligner, in->first_channel + channel, b,
                                       clock_monotonic_ns(t->env->clock));
        task_follow(t, &v);
        if (v.block) { /* what was unblocked before does not concern this one */
            gate_block(in->gate, channel);
        }
    }
    barrier_unref(b);
    return rc;
}

int task_on_channel_end(struct task *t, struct task_input *in, uint32_t channel, struct error *err)
{
    struct aligner_verdict v =
        barrier_aligner_on_end(&t->checkpoints.aligner, in->first_channel + channel);
    task_follow(t, &v);
    return 0;
}

/* ---- messages of the job master -------------------------------------------------------------------- */

bool task_hold_message(struct task *t, Flinc__MasterToWorker *message)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->starting == NULL && c->held.len == 0) {
        return false;
    }
    if (c->held.len >= CHECKPOINT_HELD_MAX) {
        t->async_rc =
            error_set(&t->error, ERR_LIMIT, "%d messages wait behind checkpoint %llu",
                      CHECKPOINT_HELD_MAX, (unsigned long long)c->starting->checkpoint_id);
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
    task_note_first_barrier(t, b);
    struct aligner_verdict v =
        barrier_aligner_on_trigger(&t->checkpoints.aligner, b, clock_monotonic_ns(t->env->clock));
    task_follow(t, &v);
    barrier_unref(b);
}

static void task_on_aborted(struct task *t, uint64_t id)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct aligner_verdict v = barrier_aligner_on_cancel(&c->aligner, id);
    task_follow(t, &v);
    if (c->starting != NULL && c->starting->checkpoint_id == id && (!c->in_chain || c->is_queued)) {
        c->starting_cancelled = true;
    }
    if (c->writing != NULL && c->writing->barrier->checkpoint_id == id) {
        task_forget_writing(c);
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
        if (message->body_case == FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT) {
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

/* ---- taking ---------------------------------------------------------------------------------------- */

static void task_send_barrier(struct task *t, struct barrier *b)
{
    struct element e = element_of_barrier(b);
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_send_control(t->results[i], &e);
    }
}

static struct snapshot_target *task_target(struct task *t, const struct barrier *b)
{
    char vertex[ID_HEX_LEN + 1] = "", owner[ID_HEX_LEN + 64];
    const ProtobufCBinaryData *id = &t->deployment->tasks->vertex->id;
    if (id->len == sizeof(struct flinc_id)) {
        struct flinc_id vertex_id = id_of_bytes(id);
        id_format(&vertex_id, vertex);
    }
    snprintf(owner, sizeof(owner), "%s-%u-%u", vertex, t->spec->subtask, t->spec->attempt_number);
    atomic_fetch_add(&t->checkpoints.waker->refs, 1);
    return snapshot_target_new(&(struct snapshot_target_options){
        .location = b->message->location,
        .checkpoint_id = b->checkpoint_id,
        .owner = owner,
        .executor = t->env->io_executor,
        .wake = snapshot_waker_wake,
        .wake_arg = t->checkpoints.waker,
        .wake_done = snapshot_waker_unref,
    });
}

static struct op_checkpoint task_op_checkpoint_of(const struct barrier *b)
{
    return (struct op_checkpoint){.id = b->checkpoint_id,
                                  .timestamp_ms = b->timestamp_ms,
                                  .kind = b->message->kind,
                                  .stop = b->message->stop};
}

/* The synchronous part; a failure is for the job master to judge. */
static int task_snapshot(struct task *t, struct barrier *b, struct task_writing *w,
                         struct error *err)
{
    const struct op_checkpoint checkpoint = task_op_checkpoint_of(b);
    TRY(FAILPOINT(err, "task.checkpoint.before_snapshot"));
    if (b->message->location == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a checkpoint without a location");
    }
    struct snapshot_target *target = task_target(t, b);
    int rc = chain_snapshot_take(t->chain, &checkpoint, target, &w->snapshot, err);
    snapshot_target_unref(target);
    return rc;
}

static void task_fill_stats(struct task *t, struct task_writing *w, int64_t begin_ns)
{
    struct task_checkpoints *c = &t->checkpoints;
    Flinc__CheckpointTaskStats *s = &w->stats;
    int64_t sync_ns = w->taken_ns - begin_ns;
    s->alignment_ms = (uint64_t)MAX((c->aligned_ns - c->first_ns) / 1000000, (int64_t)0);
    s->start_delay_ms = (uint64_t)MAX(c->start_delay_ms, (int64_t)0);
    s->sync_ms = (uint64_t)(sync_ns / 1000000);
    s->pause_us = (uint64_t)(sync_ns / 1000);
    s->processed_bytes =
        (uint64_t)MAX(metric_counter_get(&t->in.n_bytes) - c->first_bytes, (int64_t)0);
}

/* The barrier goes on; the snapshot waits for the one that is being written. */
static void task_queue(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (!PLANTED("barrier_overtakes")) {
        task_send_barrier(t, c->starting);
    }
    c->passed_ns = clock_monotonic_ns(t->env->clock);
    c->is_queued = true;
}

static void task_take(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct barrier *b = STEAL(c->starting);
    struct error why = ERROR_INIT;
    uint64_t id = b->checkpoint_id;
    c->in_chain = false;
    c->is_queued = false;
    if (c->starting_cancelled) {
        chain_end_barrier(t->chain);
        barrier_unref(b);
        return;
    }
    ASSERT(c->writing == NULL);
    struct task_writing *w = MEM_NEW(struct task_writing);
    flinc__checkpoint_task_stats__init(&w->stats);
    int rc = task_snapshot(t, b, w, &why);
    chain_end_barrier(t->chain);
    if (rc < 0) {
        task_decline(t, id, &why);
        barrier_unref(b);
        mem_free(w);
        return;
    }
    c->first_id = c->first_id != 0 ? c->first_id : id;
    w->barrier = b;
    w->finished = c->data_ended;
    w->taken_ns = clock_monotonic_ns(t->env->clock);
    w->next_slice_ns = w->taken_ns;
    task_fill_stats(t, w, c->passed_ns);
    c->writing = w;
    if (c->data_ended && c->final_id == 0) {
        c->final_id = id;
    }
    if (b->message->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE) {
        c->stop_id = id;
        c->stop = b->message->stop;
        c->stop_after_data = c->data_ended;
        t->chain->sources_paused = c->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND;
    }
    if (PLANTED("early_ack")) { /* before anything is written */
        task_acknowledge(t, w);
    }
}

/* A drain: the sources end first; what they feed has ended when the barrier comes. */
static bool task_must_drain(const struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    return c->starting->message->stop == FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN &&
           !c->starting_cancelled && !c->data_ended && t->n_inputs == 0;
}

static int task_start_checkpoint(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->starting_cancelled) { /* only passed on */
        task_queue(t);
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

/* ---- notices --------------------------------------------------------------------------------------- */

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
    TRY(FAILPOINT(err, "task.checkpoint.before_notify"));
    if ((size_t)n.notice >= ARRAY_LEN(notices)) {
        return 0;
    }
    return chain_notify(t->chain, notices[n.notice], n.checkpoint_id, err);
}

int task_checkpoint_turn(struct task *t, struct error *err)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (c->is_queued) {
        if (c->writing != NULL && !c->starting_cancelled) {
            return 0;
        }
        task_take(t);
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
        task_queue(t);
        return 1;
    }
    if (c->starting == NULL && c->held.len > 0) {
        TRY(task_release_held(t, err));
        return 1;
    }
    return 0;
}

/* ---- writing --------------------------------------------------------------------------------------- */

bool task_checkpoint_can_write(const struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    return c->writing != NULL &&
           (atomic_load(&c->waker->pending) || chain_snapshot_is_steppable(c->writing->snapshot));
}

int64_t task_checkpoint_deadline_ns(const struct task *t)
{
    return t->checkpoints.writing == NULL
               ? INT64_MAX
               : clock_monotonic_ns(t->env->clock) + (int64_t)CHECKPOINT_RETRY_MS * 1000000;
}

/* Steps until the time is over, or nothing can be done, or all is written. */
static int task_write_slice(struct task *t, struct task_writing *w, int64_t begin_ns,
                            struct error *err)
{
    int rc;
    atomic_store(&t->checkpoints.waker->pending, false);
    do {
        rc = FAILPOINT(err, "task.checkpoint.write");
        rc = rc == 0 ? chain_snapshot_step(w->snapshot, err) : rc;
    } while (rc > 0 && chain_snapshot_is_steppable(w->snapshot) &&
             clock_monotonic_ns(t->env->clock) - begin_ns < (int64_t)CHECKPOINT_SLICE_US * 1000);
    if (rc == 0) {
        rc = FAILPOINT(err, "task.checkpoint.ack");
    }
    return rc;
}

int task_checkpoint_write(struct task *t, bool is_idle)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct task_writing *w = c->writing;
    struct error why = ERROR_INIT;
    if (LIKELY(w == NULL)) {
        return 0;
    }
    int64_t begin_ns = clock_monotonic_ns(t->env->clock);
    if (!is_idle && begin_ns < w->next_slice_ns) {
        return 0;
    }
    int rc = task_write_slice(t, w, begin_ns, &why);
    int64_t now_ns = clock_monotonic_ns(t->env->clock);
    /* As long for the data as for this; and no look at it per batch while it waits for the disk. */
    w->next_slice_ns = now_ns + MAX(now_ns - begin_ns, (int64_t)100000);
    w->stats.pause_us = MAX(w->stats.pause_us, (uint64_t)(now_ns - begin_ns) / 1000);
    if (rc > 0) {
        return 1;
    }
    w->stats.async_ms = (uint64_t)((now_ns - w->taken_ns) / 1000000);
    if (rc < 0) {
        task_decline(t, w->barrier->checkpoint_id, &why);
    } else {
        task_acknowledge(t, w);
    }
    task_forget_writing(c);
    return 1;
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
        !c->stop_after_data && task_inputs_ended(t)) {
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
