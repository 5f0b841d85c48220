/* The snapshot of a task: taken, written in slices, acknowledged or declined (task_checkpoint.h). */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/rpc/error_info.h"
#include "engine/snapshot/merging.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"
#include "taskmanager/worker/task_checkpoint.h"

static const char topic[] = "flinc.taskmanager.worker";

/* ---- waking -------------------------------------------------------------------------------------- */

struct snapshot_waker {
    _Atomic uint32_t refs;
    _Atomic bool pending;
    struct mailbox *mailbox; /* Owns a ref */
};

void snapshot_waker_unref(void *arg)
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

struct snapshot_waker *snapshot_waker_new(struct mailbox *mailbox)
{
    struct snapshot_waker *w = MEM_NEW(struct snapshot_waker);
    atomic_init(&w->refs, 1);
    w->mailbox = mailbox_ref(mailbox);
    return w;
}

/* ---- to the job master --------------------------------------------------------------------------- */

Flinc__WorkerToMaster *task_message(Flinc__WorkerToMaster__BodyCase body)
{
    Flinc__WorkerToMaster *m = mem_alloc(sizeof(*m));
    flinc__worker_to_master__init(m);
    m->body_case = body;
    return m;
}

ProtobufCBinaryData task_attempt_copy(const struct task *t)
{
    const ProtobufCBinaryData *id = &t->spec->attempt_id;
    return (ProtobufCBinaryData){id->len, mem_dup(id->data, id->len)};
}

void task_post_message(struct task *t, Flinc__WorkerToMaster *take_message)
{
    t->env->on_message(t->env->owner, t, take_message);
}

void task_decline(struct task *t, uint64_t checkpoint_id, const struct error *why)
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
    if (w->recording != NULL) {
        task_recording_fill(w->recording, ack->snapshot);
        w->stats.persisted_bytes = task_recording_bytes(w->recording);
        w->stats.state_bytes += w->stats.persisted_bytes;
        w->stats.written_bytes += w->stats.persisted_bytes;
    }
    if (t->env->merging != NULL) {
        file_merging_note(t->env->merging, ack->checkpoint_id, ack->snapshot);
    }
    if (t->local != NULL) {
        local_copies_note(t->local, ack->checkpoint_id, ack->snapshot);
    }
    w->stats.ack_ms = clock_now_ms(t->env->clock);
    ack->stats = mem_dup(&w->stats, sizeof(w->stats));
    m->checkpoint_ack = ack;
    PLANTED_LEAK("task.checkpoint.leaks");
    task_post_message(t, m);
}

/* ---- taking ---------------------------------------------------------------------------------------- */

void task_snapshot_forget(struct task_checkpoints *c)
{
    if (c->writing != NULL) {
        chain_snapshot_free(c->writing->snapshot);
        task_recording_free(c->writing->recording);
        barrier_unref(c->writing->barrier);
        mem_free(c->writing);
        c->writing = NULL;
    }
}

/* Announced at once when it overtakes already; else when its time is over. */
void task_send_barrier(struct task *t, struct barrier *b)
{
    struct element e = element_of_barrier(b);
    bool overtakes = t->checkpoints.starting_overtakes && !t->checkpoints.starting_cancelled;
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_send_control(t->results[i], &e);
        if (overtakes) {
            result_partition_announce(t->results[i], b);
        }
    }
}

void task_snapshot_give_up(struct task *t, uint64_t newer_id)
{
    struct task_checkpoints *c = &t->checkpoints;
    struct task_writing *w = c->writing;
    if (w == NULL || w->recording == NULL || w->barrier->checkpoint_id >= newer_id ||
        !task_recording_is_open(w->recording)) {
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CANCELLED, "the barrier of a newer checkpoint came first");
    task_decline(t, w->barrier->checkpoint_id, &why);
    task_snapshot_forget(c);
}

/* "<vertex hex>-<subtask>-<attempt>": in the names of the files that it writes. */
static void task_owner(const struct task *t, struct str *ret)
{
    char vertex[ID_HEX_LEN + 1] = "";
    const ProtobufCBinaryData *id = &t->deployment->tasks->vertex->id;
    if (id->len == sizeof(struct flinc_id)) {
        struct flinc_id vertex_id = id_of_bytes(id);
        id_format(&vertex_id, vertex);
    }
    str_printf(ret, "%s-%u-%u", vertex, t->spec->subtask, t->spec->attempt_number);
}

static struct snapshot_target *task_target(struct task *t, const struct barrier *b)
{
    STR_AUTO owner = STR_INIT;
    task_owner(t, &owner);
    bool is_checkpoint = b->message->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL ||
                         b->message->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL;
    bool keeps_copies = t->makes_local_copies && is_checkpoint;
    atomic_fetch_add(&t->checkpoints.waker->refs, 1);
    return snapshot_target_new(&(struct snapshot_target_options){
        .location = b->message->location,
        .checkpoint_id = b->checkpoint_id,
        .latest_completed = b->message->latest_completed,
        .owner = str_cstr(&owner),
        .executor = t->env->io_executor,
        .local = keeps_copies ? t->local : NULL,
        .merging = is_checkpoint ? t->env->merging : NULL,
        .wake = snapshot_waker_wake,
        .wake_arg = t->checkpoints.waker,
        .wake_done = snapshot_waker_unref,
    });
}

void task_leave_merging(const struct task *t)
{
    STR_AUTO owner = STR_INIT;
    if (t->env->merging != NULL) {
        task_owner(t, &owner);
        file_merging_leave(t->env->merging, str_cstr(&owner));
    }
}

struct op_checkpoint task_op_checkpoint_of(const struct barrier *b)
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
    ASSERT(t->replay == NULL || t->checkpoints.starting_overtakes);
    if (b->message->location == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a checkpoint without a location");
    }
    struct snapshot_target *target = task_target(t, b);
    int rc = chain_snapshot_take(t->chain, &checkpoint, target, &w->snapshot, err);
    if (rc == 0 && t->checkpoints.starting_overtakes && t->n_inputs > 0) {
        rc = task_recording_start(t, b, target, &w->recording, err);
    }
    if (rc < 0) {
        w->snapshot = chain_snapshot_free(w->snapshot);
    }
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
    s->unaligned = c->starting_overtakes;
    w->first_ns = c->first_ns;
    w->first_bytes = c->first_bytes;
    s->processed_bytes =
        (uint64_t)MAX(metric_counter_get(&t->in.n_bytes) - c->first_bytes, (int64_t)0);
}

/* The last barrier has come by a channel that was overtaken. */
static void task_fill_overtaken_stats(struct task *t, struct task_writing *w)
{
    int64_t since_ns = clock_monotonic_ns(t->env->clock) - w->first_ns;
    int64_t bytes = metric_counter_get(&t->in.n_bytes) - w->first_bytes;
    w->stats.alignment_ms = (uint64_t)MAX(since_ns / 1000000, (int64_t)0);
    w->stats.processed_bytes = (uint64_t)MAX(bytes, (int64_t)0);
    atomic_store(&t->checkpoints.last_alignment_ns, since_ns);
}

/* The barrier goes on; the snapshot waits for the one that is being written. */
void task_snapshot_queue(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (!PLANTED("barrier_overtakes")) {
        task_send_barrier(t, c->starting);
    }
    c->passed_ns = clock_monotonic_ns(t->env->clock);
    c->is_queued = true;
}

void task_snapshot_take(struct task *t)
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
    if ((c->data_ended || PLANTED("any_checkpoint_is_final")) && c->final_id == 0) {
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

/* ---- writing --------------------------------------------------------------------------------------- */

bool task_checkpoint_can_write(const struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    return c->writing != NULL &&
           (atomic_load(&c->waker->pending) || chain_snapshot_is_steppable(c->writing->snapshot));
}

int64_t task_checkpoint_deadline_ns(const struct task *t)
{
    const struct task_checkpoints *c = &t->checkpoints;
    int64_t wait_ms = INT64_MAX;
    if (c->writing != NULL) {
        wait_ms = CHECKPOINT_RETRY_MS;
    }
    if (c->timed != NULL) {
        int64_t left_ms = c->timed_until_ms - clock_now_ms(t->env->clock);
        left_ms = MAX(left_ms, (int64_t)1);
        wait_ms = MIN(wait_ms, left_ms);
    }
    return wait_ms == INT64_MAX ? INT64_MAX : clock_monotonic_ns(t->env->clock) + wait_ms * 1000000;
}

/* Steps until the time is over, or nothing can be done, or all is written. */
static int task_write_slice(struct task *t, struct task_writing *w, int64_t begin_ns,
                            struct error *err)
{
    int rc, recorded = 0;
    atomic_store(&t->checkpoints.waker->pending, false);
    if (w->recording != NULL) {
        bool was_open = task_recording_is_open(w->recording);
        recorded = task_recording_step(w->recording, err);
        if (was_open && !task_recording_is_open(w->recording)) {
            task_fill_overtaken_stats(t, w);
        }
        TRY(recorded < 0 ? recorded : 0);
    }
    do {
        rc = FAILPOINT(err, "task.checkpoint.write");
        rc = rc == 0 ? chain_snapshot_step(w->snapshot, err) : rc;
    } while (rc > 0 && chain_snapshot_is_steppable(w->snapshot) &&
             clock_monotonic_ns(t->env->clock) - begin_ns < (int64_t)CHECKPOINT_SLICE_US * 1000);
    rc = rc == 0 ? recorded : rc;
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
        (void)FAILPOINT(NULL, "task.checkpoint.after_ack");
    }
    task_snapshot_forget(c);
    return 1;
}
