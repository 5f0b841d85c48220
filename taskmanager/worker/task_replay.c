/* What was in flight when the checkpoint was taken, before all other input (task_channels.h).
 * Thread: the task's. */
#include "common/base/failpoint.h"
#include "taskmanager/exchange/element_parts.h"
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
    struct element_parts rest; /* of a batch that comes in parts */
    struct task_input *rest_of;
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
    element_parts_fini(&r->rest);
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

static int replay_part(struct task_replay *r, struct error *err)
{
    struct element e = element_parts_take(&r->rest, r->task->pool, r->task->pace.rows);
    return task_on_element(r->task, r->rest_of, &e, err);
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
    if (b->n_sel <= r->task->pace.rows) {
        return task_on_element(r->task, s->in, &e, err);
    }
    element_parts_begin(&r->rest, &e);
    r->rest_of = s->in;
    return replay_part(r, err);
}

/* A watermark of the greatest time is the end of what the channel says. */
static uint32_t valve_take(struct watermark_valve *valve, const struct replay_source *s,
                           const struct channel_state_block *block)
{
    uint32_t feed = s->first_channel + block->channel;
    return block->watermark_ms == INT64_MAX
               ? watermark_valve_end(valve, feed)
               : watermark_valve_advance(valve, feed, block->watermark_ms);
}

static void replay_watermark(struct task_replay *r, const struct replay_source *s,
                             const struct channel_state_block *block)
{
    struct replay_input *ri = &r->inputs[s->in - r->task->inputs];
    if (valve_take(&ri->valve, s, block) & VALVE_WATERMARK) {
        watermark_valve_set_floor(&s->in->valve, ri->valve.watermark_ms);
        chain_push_watermark(r->task->chain, s->in->feed, ri->valve.watermark_ms);
    }
}

int task_replay_next(struct task_replay *r, struct error *err)
{
    struct task *t = r->task;
    if (element_parts_has(&r->rest)) {
        TRY(replay_part(r, err));
        return 1;
    }
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

/* ---- for the next checkpoint --------------------------------------------------------------------- */

bool task_replay_is_recordable(const struct task_replay *r)
{
    for (size_t i = r->next; i < r->sources.len; i++) {
        if (!VEC_AT(&r->sources, struct replay_source, i)->in->is_overtakable) {
            return false;
        }
    }
    return !element_parts_has(&r->rest) || r->rest_of->is_overtakable;
}

/* What the replay would do from here on. */
struct replay_shadow {
    struct task_replay *replay;
    struct task_input *in;
    const struct gate_recorder *to;
    struct watermark_valve valve;
};

/* It held for all channels of the replay, so that it holds for all that there are now. */
static void shadow_watermark(const struct replay_shadow *s)
{
    struct element e = element_of_control(ELEMENT_WATERMARK);
    e.timestamp_ms = s->valve.watermark_ms;
    for (uint32_t i = 0; i < gate_n_channels(s->in->gate); i++) {
        s->to->record(s->to->arg, i, &e);
    }
}

static void shadow_begin(struct replay_shadow *s)
{
    const struct replay_input *ri = &s->replay->inputs[s->in - s->replay->task->inputs];
    watermark_valve_copy(&ri->valve, &s->valve);
    if (s->valve.watermark_ms != INT64_MIN) {
        shadow_watermark(s);
    }
}

static void shadow_block(struct replay_shadow *s, const struct replay_source *source,
                         const struct channel_state_block *block)
{
    const struct replay_input *ri = &s->replay->inputs[s->in - s->replay->task->inputs];
    if (block->kind == CHANNEL_STATE_WATERMARK) {
        if (valve_take(&s->valve, source, block) & VALVE_WATERMARK) {
            shadow_watermark(s);
        }
        return;
    }
    struct batch *b = block->batch;
    b = ri->has_router ? replay_own_rows(s->replay, s->in, ri, b) : b;
    if (b != NULL) {
        struct element e = element_of_batch(b);
        s->to->record(s->to->arg, GATE_CHANNEL_GATHERED, &e);
        element_drop(&e);
    }
}

/* Reads a source to its end, and goes back to where it was. */
static int shadow_source(struct replay_shadow *s, struct replay_source *source, struct error *err)
{
    struct channel_state_position position = channel_state_reader_tell(source->reader);
    struct channel_state_block block;
    int rc;
    while ((rc = channel_state_reader_next(source->reader, s->replay->task->pool, s->in->schema,
                                           &block, err)) > 0) {
        shadow_block(s, source, &block);
    }
    channel_state_reader_seek(source->reader, &position);
    return rc;
}

int task_replay_show(struct task_replay *r, struct task_input *in,
                     const struct gate_recorder *recorder, struct error *err)
{
    struct replay_shadow s = {.replay = r, .in = in, .to = recorder};
    if (!r->inputs[in - r->task->inputs].has_valve) {
        return 0; /* nothing of this input was in flight */
    }
    shadow_begin(&s);
    if (element_parts_has(&r->rest) && r->rest_of == in) {
        struct element e = element_parts_left(&r->rest, r->task->pool);
        recorder->record(recorder->arg, GATE_CHANNEL_GATHERED, &e);
        element_drop(&e);
    }
    int rc = 0;
    for (size_t i = r->next; i < r->sources.len && rc == 0; i++) {
        struct replay_source *source = VEC_AT(&r->sources, struct replay_source, i);
        rc = source->in == in ? shadow_source(&s, source, err) : 0;
    }
    watermark_valve_fini(&s.valve);
    return rc;
}
