/* Barriers as they come by the gates and from the job master: alignment, announcements, time-outs
 * (task_checkpoint.h).  Thread: the task's.  Flink: SingleCheckpointBarrierHandler. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"
#include "taskmanager/worker/task_checkpoint.h"

#define UNTIL_TIMEOUT FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_ALIGNED_UNTIL_TIMEOUT

/* ---- alignment ------------------------------------------------------------------------------------ */

static void task_decline_text(struct task *t, uint64_t checkpoint_id, const char *text)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CANCELLED, "%s", text);
    task_decline(t, checkpoint_id, &why);
}

static void task_unblock(struct task *t)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        gate_unblock(t->inputs[i].gate);
    }
}

void task_learn_completed(struct task_checkpoints *c, uint64_t id)
{
    if (id > c->completed) {
        c->completed = id;
        *VEC_PUSH(&c->notices, struct checkpoint_notice) =
            (struct checkpoint_notice){FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE, id};
    }
}

void task_follow_verdict(struct task *t, const struct aligner_verdict *v)
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
        c->starting_overtakes = v->overtakes;
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

void task_note_barrier(struct task *t, const struct barrier *b)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (!barrier_aligner_is_aligning(&c->aligner)) {
        c->start_delay_ms = clock_now_ms(t->env->clock) - b->timestamp_ms;
        c->first_bytes = metric_counter_get(&t->in.n_bytes);
    }
    if (b->message->alignment == UNTIL_TIMEOUT &&
        (c->timed == NULL || c->timed->checkpoint_id < b->checkpoint_id) &&
        b->checkpoint_id > c->aligner.last_id) {
        barrier_unref(c->timed);
        c->timed = barrier_ref((struct barrier *)b);
        c->timed_until_ms =
            b->timestamp_ms + (int64_t)MIN(b->message->aligned_timeout_ms, (uint64_t)INT32_MAX);
    }
    task_snapshot_give_up(t, b->checkpoint_id);
}

int task_on_barrier(struct task *t, struct task_input *in, struct element *take_element,
                    struct error *err)
{
    struct barrier *b = take_element->barrier;
    uint32_t channel = take_element->channel;
    int rc = FAILPOINT(err, "task.checkpoint.before_align");
    if (rc == 0) {
        task_note_barrier(t, b);
        int64_t now_ns = clock_monotonic_ns(t->env->clock);
        struct barrier_aligner *aligner = &t->checkpoints.aligner;
        struct aligner_verdict v =
            take_element->flags & ELEMENT_FLAG_ANNOUNCEMENT
                ? barrier_aligner_on_announcement(aligner, b, now_ns)
                : barrier_aligner_on_barrier(aligner, in->first_channel + channel, b, now_ns);
        task_follow_verdict(t, &v);
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
    task_follow_verdict(t, &v);
    return 0;
}

/* ---- overtaking ----------------------------------------------------------------------------------- */

/* Not while another one starts, or what was restored could not be recorded again: they wait. */
static bool task_listens(const struct task *t)
{
    return t->checkpoints.starting == NULL &&
           (t->replay == NULL || task_replay_is_recordable(t->replay));
}

bool task_has_announcements(const struct task *t)
{
    for (uint32_t i = 0; task_listens(t) && i < t->n_inputs; i++) {
        if (!t->inputs[i].ended && gate_has_priority(t->inputs[i].gate)) {
            return true;
        }
    }
    return false;
}

int task_take_announcements(struct task *t, struct error *err)
{
    int rc = 0;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        struct element e;
        while (task_listens(t) && !t->inputs[i].ended &&
               gate_poll_priority(t->inputs[i].gate, &e)) {
            TRY(task_on_element(t, &t->inputs[i], &e, err));
            rc = 1;
        }
    }
    return rc;
}

void task_checkpoint_check_time(struct task *t)
{
    struct task_checkpoints *c = &t->checkpoints;
    if (LIKELY(c->timed == NULL) || clock_now_ms(t->env->clock) < c->timed_until_ms) {
        return;
    }
    struct barrier *b = STEAL(c->timed);
    if (c->starting != NULL && c->starting->checkpoint_id == b->checkpoint_id && !c->is_queued) {
        c->starting_overtakes = true;
    } else if (c->aligner.last_id >= b->checkpoint_id) {
        for (uint32_t i = 0; i < t->n_results; i++) {
            result_partition_announce(t->results[i], b);
        }
    } else {
        struct aligner_verdict v = barrier_aligner_on_timeout(&c->aligner, b->checkpoint_id);
        task_follow_verdict(t, &v);
    }
    barrier_unref(b);
}
