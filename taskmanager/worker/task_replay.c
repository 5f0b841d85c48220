/* What was in flight when the checkpoint was taken, before all other input (task_channels.h).
 * Thread: the task's. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"

/* One run of channel state. */
struct replay_source {
    struct channel_state_reader *reader; /* Owns */
    struct task_input *in;               /* Borrows */
    uint32_t first_channel;              /* in the valve of its input */
};

struct replay_input {
    struct watermark_valve valve; /* over the channels of all its sources */
    uint32_t n_channels;
    struct key_router router; /* HASH edges */
    bool has_valve, has_router;
};

struct task_replay {
    struct task *task;           /* Borrows */
    struct vec sources;          /* struct replay_source */
    struct replay_input *inputs; /* Owns; by input of the task */
    size_t next;
};

/* ---- opening ------------------------------------------------------------------------------------- */

static struct task_input *input_of(struct task *t, const Flinc__ChannelStateHandle *h)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        const ProtobufCBinaryData *id = &t->inputs[i].spec->edge_id;
        if (id->len == h->edge_id.len && memcmp(id->data, h->edge_id.data, id->len) == 0) {
            return &t->inputs[i];
        }
    }
    return NULL;
}

static int replay_add(struct task_replay *r, const Flinc__ChannelStateHandle *h, struct error *err)
{
    struct task *t = r->task;
    struct replay_source source = {.in = input_of(t, h)};
    if (source.in == NULL) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "the checkpoint holds records in flight on an edge that the job does not "
            "have any more: restore the job as it was, or from a savepoint or an aligned "
            "checkpoint");
    }
    TRY(channel_state_reader_open(h, t->spec->restore->directory, &source.reader, err));
    struct replay_input *in = &r->inputs[source.in - t->inputs];
    source.first_channel = in->n_channels;
    in->n_channels += channel_state_reader_n_channels(source.reader);
    *VEC_PUSH(&r->sources, struct replay_source) = source;
    return 0;
}

static void replay_make_inputs(struct task_replay *r)
{
    struct task *t = r->task;
    const Flinc__JobVertex *vertex = t->deployment->tasks->vertex;
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        struct replay_input *in = &r->inputs[i];
        if (in->n_channels == 0) {
            continue;
        }
        watermark_valve_init(&in->valve, in->n_channels, 0);
        in->has_valve = true;
        if (t->inputs[i].spec->partitioner->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH) {
            key_router_init(&in->router, vertex->max_parallelism, vertex->parallelism);
            in->has_router = true;
        }
    }
}

static int replay_add_all(struct task_replay *r, const Flinc__TaskRestore *restore,
                          struct error *err)
{
    TRY(FAILPOINT(err, "task.restore.channel_state"));
    for (size_t i = 0; i < restore->n_operators; i++) {
        const Flinc__OperatorSubtaskState *state = restore->operators[i];
        for (size_t k = 0; k < state->n_channels; k++) {
            TRY(replay_add(r, state->channels[k], err));
        }
    }
    replay_make_inputs(r);
    return 0;
}

int task_replay_open(struct task *t, struct task_replay **ret_replay, struct error *err)
{
    const Flinc__TaskRestore *restore = t->spec->restore;
    if (restore == NULL || PLANTED("channel_state_not_replayed")) {
        return 0;
    }
    struct task_replay *r = MEM_NEW(struct task_replay);
    r->task = t;
    r->inputs = MEM_NEW_ARRAY(struct replay_input, t->n_inputs + 1);
    vec_init(&r->sources, sizeof(struct replay_source));
    int rc = replay_add_all(r, restore, err);
    if (rc < 0 || r->sources.len == 0) {
        task_replay_free(r);
        return rc;
    }
    *ret_replay = r;
    return 0;
}

struct task_replay *task_replay_free(struct task_replay *r)
{
    if (r == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < r->sources.len; i++) {
        channel_state_reader_close(VEC_AT(&r->sources, struct replay_source, i)->reader);
    }
    for (uint32_t i = 0; i < r->task->n_inputs; i++) {
        if (r->inputs[i].has_valve) {
            watermark_valve_fini(&r->inputs[i].valve);
        }
        if (r->inputs[i].has_router) {
            key_router_fini(&r->inputs[i].router);
        }
    }
    vec_fini(&r->sources);
    mem_free(r->inputs);
    mem_free(r);
    return NULL;
}

/* ---- elements ------------------------------------------------------------------------------------ */

/* Only rows of the subtask's key groups; NULL: none. */
static struct batch *replay_own_rows(struct task_replay *r, const struct task_input *in,
                                     const struct replay_input *ri, struct batch *take_batch)
{
    struct task *t = r->task;
    const Flinc__Partitioner *p = in->spec->partitioner;
    struct batch *b = take_batch;
    batch_hash_keys(t->pool, b, p->key_columns, (uint32_t)p->n_key_columns);
    if (PLANTED("channel_state_unfiltered")) {
        return b;
    }
    struct buffer *sel = buffer_get(t->pool, b->n_sel * sizeof(uint16_t));
    const uint64_t *hashes = (const uint64_t *)b->hashes->data;
    uint16_t *rows = (uint16_t *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        rows[n] = (uint16_t)row;
        n += key_owner_of(&ri->router, hashes[row]) == t->spec->subtask;
    }
    if (n == b->n_sel) {
        buffer_unref(sel);
        return b;
    }
    batch_set_selection(b, sel, n);
    return n > 0 ? b : batch_unref(b);
}

static int replay_batch(struct task_replay *r, const struct replay_source *s, struct batch *b,
                        struct error *err)
{
    const struct replay_input *ri = &r->inputs[s->in - r->task->inputs];
    if (ri->has_router) {
        b = replay_own_rows(r, s->in, ri, b);
    }
    if (b == NULL) {
        return 0;
    }
    struct element e = element_of_batch(b);
    return task_on_element(r->task, s->in, &e, err);
}

/* A watermark of the greatest time is the end of what the channel says. */
static void replay_watermark(struct task_replay *r, const struct replay_source *s,
                             const struct channel_state_block *block)
{
    struct replay_input *ri = &r->inputs[s->in - r->task->inputs];
    uint32_t feed = s->first_channel + block->channel;
    uint32_t changes = block->watermark_ms == INT64_MAX
                           ? watermark_valve_end(&ri->valve, feed)
                           : watermark_valve_advance(&ri->valve, feed, block->watermark_ms);
    if (changes & VALVE_WATERMARK) {
        watermark_valve_set_floor(&s->in->valve, ri->valve.watermark_ms);
        chain_push_watermark(r->task->chain, s->in->feed, ri->valve.watermark_ms);
    }
}

int task_replay_next(struct task_replay *r, struct error *err)
{
    struct task *t = r->task;
    while (r->next < r->sources.len) {
        struct replay_source *s = VEC_AT(&r->sources, struct replay_source, r->next);
        const Flinc__GateDescriptor *spec = s->in->spec;
        struct channel_state_block block;
        TRY(FAILPOINT(err, "task.restore.replay"));
        int rc = channel_state_reader_next(s->reader, t->pool, s->in->schema, &block, err);
        if (rc < 0) {
            error_context(err, "records in flight on input edge %u", spec->edge);
            error_set_class(err, ERROR_CLASS_TRANSIENT); /* task_restore() says why */
            return rc;
        }
        if (rc == 0) {
            r->next++;
            s->reader = channel_state_reader_close(s->reader);
            continue;
        }
        if (block.kind == CHANNEL_STATE_BATCH) {
            TRY(replay_batch(r, s, block.batch, err));
        } else {
            replay_watermark(r, s, &block);
        }
        return 1;
    }
    return 0;
}
