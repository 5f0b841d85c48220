/* What an unaligned checkpoint overtook, on its way into the snapshot (task_channels.h).  Thread: the task's. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"

struct recorded_input {
    struct task_input *in;               /* Borrows */
    struct channel_state_writer *writer; /* Owns; NULL: written */
    Flinc__ChannelStateHandle handle;    /* Owns its parts; when written */
    bool begun;                          /* something is recorded */
    bool closed;                         /* all barriers have come */
};

struct task_recording {
    struct task *task;              /* Borrows */
    struct snapshot_target *target; /* Owns a ref */
    struct recorded_input *inputs;  /* Owns; one per overtakable input */
    uint32_t n_inputs, n_open;
    uint64_t bytes;
};

/* What the valve knew when the snapshot was taken; written before the first element. */
static void record_valve(struct recorded_input *ri)
{
    const struct watermark_valve *v = &ri->in->valve;
    ri->begun = true;
    for (uint32_t i = 0; i < v->n_feeds; i++) {
        int64_t ms = ri->in->data_ended[i] ? INT64_MAX : ri->in->recorded_from_ms[i];
        channel_state_writer_put_watermark(ri->writer, i, ms);
    }
}

static void on_record(void *arg, uint32_t channel, const struct element *e)
{
    struct recorded_input *ri = arg;
    if (!ri->begun) {
        record_valve(ri);
    }
    if (e->kind == ELEMENT_WATERMARK) {
        channel_state_writer_put_watermark(ri->writer, channel, e->timestamp_ms);
        return;
    }
    channel_state_writer_put_batch(ri->writer, channel, e->batch);
    if (PLANTED("channel_state_twice")) {
        channel_state_writer_put_batch(ri->writer, channel, e->batch);
    }
}

static void keep_watermarks(struct task_input *in)
{
    for (uint32_t i = 0; i < in->valve.n_feeds; i++) {
        in->recorded_from_ms[i] = in->valve.feeds[i].watermark_ms;
    }
}

/* First what was in flight in the checkpoint before and is not processed yet, then what the channels have. */
static int recorded_input_start(struct task *t, struct recorded_input *ri, uint64_t checkpoint_id,
                                struct error *err)
{
    const struct gate_recorder recorder = {on_record, ri};
    keep_watermarks(ri->in);
    if (t->replay != NULL && !PLANTED("channel_state_replay_dropped")) {
        TRY(task_replay_show(t->replay, ri->in, &recorder, err));
    }
    gate_record_start(ri->in->gate, checkpoint_id, &recorder);
    return 0;
}

int task_recording_start(struct task *t, const struct barrier *b, struct snapshot_target *target,
                         struct task_recording **ret_recording, struct error *err)
{
    struct task_recording *r = MEM_NEW(struct task_recording);
    r->task = t;
    r->target = snapshot_target_ref(target);
    r->inputs = MEM_NEW_ARRAY(struct recorded_input, t->n_inputs + 1);
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        struct task_input *in = &t->inputs[i];
        if (in->ended || !in->is_overtakable) {
            continue; /* its barriers have come: they were waited for */
        }
        struct recorded_input *ri = &r->inputs[r->n_inputs++];
        ri->in = in;
        flinc__channel_state_handle__init(&ri->handle);
        ri->writer = channel_state_writer_new(
            &(struct channel_state_options){.target = target,
                                            .pool = t->pool,
                                            .checkpoint_id = b->checkpoint_id,
                                            .n_channels = gate_n_channels(in->gate),
                                            .edge_id = &in->spec->edge_id,
                                            .partitioner = in->spec->partitioner->kind});
        r->n_open++;
        int rc = recorded_input_start(t, ri, b->checkpoint_id, err);
        if (rc < 0) {
            task_recording_free(r);
            return rc;
        }
    }
    *ret_recording = r;
    return 0;
}

bool task_recording_is_open(const struct task_recording *r)
{
    return r->n_open > 0;
}

/* 1: more is to come or to be written. */
static int recorded_input_step(struct task_recording *r, struct recorded_input *ri,
                               struct error *err)
{
    if (!ri->closed && gate_record_advance(ri->in->gate)) {
        ri->closed = true;
        r->n_open--;
        r->bytes += channel_state_writer_bytes(ri->writer);
        gate_record_stop(ri->in->gate);
        channel_state_writer_finish(ri->writer);
    }
    if (!ri->closed) {
        return 1;
    }
    if (ri->writer == NULL) {
        return 0;
    }
    int rc = channel_state_writer_poll(ri->writer, &ri->handle, err);
    if (rc <= 0) {
        return rc < 0 ? rc : 1;
    }
    ri->writer = channel_state_writer_free(ri->writer);
    return 0;
}

int task_recording_step(struct task_recording *r, struct error *err)
{
    int left = 0;
    TRY(FAILPOINT(err, "task.checkpoint.record"));
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        int rc = recorded_input_step(r, &r->inputs[i], err);
        if (rc < 0) {
            return error_context(err, "what input edge %u has in flight",
                                 r->inputs[i].in->spec->edge),
                   rc;
        }
        left |= rc;
    }
    return left;
}

uint64_t task_recording_bytes(const struct task_recording *r)
{
    return r->bytes;
}

/* ---- handing over -------------------------------------------------------------------------------- */

/* The state of an operator in the snapshot, made when there is none; there is room for all operators. */
static Flinc__OperatorSubtaskState *state_of(Flinc__TaskSnapshot *snapshot,
                                             const ProtobufCBinaryData *id)
{
    for (size_t i = 0; i < snapshot->n_operators; i++) {
        const ProtobufCBinaryData *other = &snapshot->operators[i]->operator_id;
        if (other->len == id->len && memcmp(other->data, id->data, id->len) == 0) {
            return snapshot->operators[i];
        }
    }
    Flinc__OperatorSubtaskState *state = mem_alloc(sizeof(*state));
    flinc__operator_subtask_state__init(state);
    state->operator_id = (ProtobufCBinaryData){id->len, mem_dup(id->data, id->len)};
    snapshot->operators[snapshot->n_operators++] = state;
    return state;
}

void task_recording_fill(struct task_recording *r, Flinc__TaskSnapshot *snapshot)
{
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        struct recorded_input *ri = &r->inputs[i];
        if (ri->handle.blob == NULL || PLANTED("channel_state_dropped")) {
            continue;
        }
        const struct chain_op *op = &r->task->chain->ops[ri->in->spec->target_operator];
        Flinc__OperatorSubtaskState *state = state_of(snapshot, &op->ctx.spec->id);
        state->channels =
            mem_realloc(state->channels, (state->n_channels + 1) * sizeof(state->channels[0]));
        state->channels[state->n_channels++] = mem_dup(&ri->handle, sizeof(ri->handle));
        flinc__channel_state_handle__init(&ri->handle);
    }
}

struct task_recording *task_recording_free(struct task_recording *r)
{
    if (r == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        struct recorded_input *ri = &r->inputs[i];
        if (!ri->closed) {
            gate_record_stop(ri->in->gate);
        }
        channel_state_writer_free(ri->writer);
        if (ri->handle.blob != NULL) {
            snapshot_target_discard(r->target, ri->handle.blob);
            state_blob_clear(ri->handle.blob);
            mem_free(ri->handle.blob);
            mem_free(ri->handle.edge_id.data);
        }
    }
    snapshot_target_unref(r->target);
    mem_free(r->inputs);
    mem_free(r);
    return NULL;
}
