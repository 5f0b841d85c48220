/* What tasks do at checkpoints.  A trigger is heard by sources, and everybody else takes the barrier from
 * them; the state of a task is a counter and files that grow by increments over what was confirmed.  While
 * things go wrong a task declines, is silent, says everything twice or late, builds upon files that were
 * not confirmed, and an attempt that has ended says something.  Most checkpoints overtake what is in flight.
 * See sim.h. */
#include "tests/sim/sim.h"

#include "common/rpc/message.h"
#include "engine/data/hash.h"
#include "engine/graph/partitioner.h"
#include <stdio.h>

enum { CHAIN_MAX = 3, TAKEN_MAX = 8 };

/* ---- segments -------------------------------------------------------------------------------------- */

static void chain_clear(struct sim_chain *c)
{
    for (size_t i = 0; i < c->segments.len; i++) {
        mem_free(VEC_AT(&c->segments, struct sim_segment, i)->uri);
    }
    vec_fini(&c->segments);
    *c = (struct sim_chain){.segments = VEC_INIT(struct sim_segment)};
}

static void chain_add(struct sim_chain *c, const char *uri, uint64_t checkpoint_id, bool is_base)
{
    *VEC_PUSH(&c->segments, struct sim_segment) =
        (struct sim_segment){mem_strdup(uri), checkpoint_id, is_base};
}

static void chain_copy(struct sim_chain *dst, const struct sim_chain *src)
{
    chain_clear(dst);
    dst->checkpoint_id = src->checkpoint_id;
    for (size_t i = 0; i < src->segments.len; i++) {
        const struct sim_segment *g = VEC_AT(&src->segments, struct sim_segment, i);
        chain_add(dst, g->uri, g->checkpoint_id, g->is_base);
    }
}

static void forget_taken(struct sim_task *t, size_t n)
{
    for (; n > 0 && t->taken.len > 0; n--) {
        chain_clear(VEC_AT(&t->taken, struct sim_chain, 0));
        vec_remove(&t->taken, 0);
    }
}

bool sim_state_read(const Flinc__StateBlob *b, struct sim_state *ret)
{
    if (b == NULL || b->inline_data.len != sizeof(*ret)) {
        return false;
    }
    memcpy(ret, b->inline_data.data, sizeof(*ret));
    return true;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void restore(struct sim_task *t, const Flinc__KeyedHandle *h)
{
    struct sim_state state;
    chain_clear(&t->older);
    for (size_t i = 0; i < h->n_segments; i++) {
        const Flinc__KeyedSegment *g = h->segments[i];
        if (sim_state_read(g->blob, &state)) {
            t->counter = state.counter;
        } else if (g->blob->shared) {
            chain_add(&t->older, g->blob->location, g->checkpoint_id, g->is_base);
        }
    }
    chain_copy(&t->chain, &t->older);
}

void sim_task_init(struct sim_worker *w, struct sim_task *t, const Flinc__DeployTasks *d,
                   const Flinc__SubtaskDeployment *spec)
{
    memcpy(&t->vertex, d->vertex->id.data + 1, sizeof(t->vertex)); /* see graph_id() */
    t->subtask = spec->subtask;
    t->attempt_number = spec->attempt_number;
    key_group_range(t->subtask, d->vertex->max_parallelism, d->vertex->parallelism, &t->first_group,
                    &t->last_group);
    vec_init(&t->chain.segments, sizeof(struct sim_segment));
    vec_init(&t->older.segments, sizeof(struct sim_segment));
    vec_init(&t->taken, sizeof(struct sim_chain));
    if (d->n_gates > 0) {
        memcpy(t->edge_id.bytes, d->gates[0]->edge_id.data, sizeof(t->edge_id.bytes));
        t->edge = d->gates[0]->partitioner->kind;
    }
    sim_check_restore(w->host->node->s, &w->job_id, &w->token, d->vertex, spec);
    const Flinc__TaskRestore *r = spec->restore;
    if (r == NULL || r->n_operators == 0 || r->operators[0]->n_keyed != 1) {
        return; /* of several: it starts with a base of its own */
    }
    const Flinc__KeyedHandle *h = r->operators[0]->keyed[0];
    if (h->first_group == t->first_group && h->last_group == t->last_group) {
        restore(t, h);
    }
}

void sim_task_fini(struct sim_task *t)
{
    forget_taken(t, t->taken.len);
    vec_fini(&t->taken);
    chain_clear(&t->chain);
    chain_clear(&t->older);
}

/* ---- acknowledgements ------------------------------------------------------------------------------ */

/* A message with room for what it refers to. */
struct ack {
    struct sim_state state;
    uint8_t operator_id[16];
    Flinc__CheckpointAck ack;
    Flinc__TaskSnapshot snapshot;
    Flinc__OperatorSubtaskState operator_state, *operators[1];
    Flinc__KeyedHandle handle, *handles[1];
    Flinc__KeyedSegment segments[CHAIN_MAX + 3], *pointers[CHAIN_MAX + 3];
    Flinc__StateBlob blobs[CHAIN_MAX + 3];
    char own[32]; /* name of a file beside the metadata */
    Flinc__OperatorStateHandle list, *lists[1];
    Flinc__StateBlob section;
    Flinc__ChannelStateHandle channel, *channels[1];
    Flinc__StateBlob in_flight;
};

static Flinc__StateBlob *add_segment(struct ack *a, uint64_t checkpoint_id, bool is_base)
{
    size_t n = a->handle.n_segments++;
    Flinc__KeyedSegment *g = &a->segments[n];
    flinc__keyed_segment__init(g);
    flinc__state_blob__init(&a->blobs[n]);
    g->blob = &a->blobs[n];
    g->first_group = a->handle.first_group;
    g->last_group = a->handle.last_group;
    g->checkpoint_id = checkpoint_id;
    g->is_base = is_base;
    a->pointers[n] = g;
    a->blobs[n].size = 1;
    return &a->blobs[n];
}

static void ack_init(struct ack *a, const struct sim_task *t, uint64_t checkpoint_id)
{
    *a = (struct ack){.state = {.checkpoint_id = checkpoint_id,
                                .vertex = t->vertex,
                                .subtask = t->subtask,
                                .attempt_number = t->attempt_number,
                                .counter = t->counter}};
    flinc__checkpoint_ack__init(&a->ack);
    flinc__task_snapshot__init(&a->snapshot);
    flinc__operator_subtask_state__init(&a->operator_state);
    flinc__keyed_handle__init(&a->handle);
    a->operator_id[0] = 'o';
    memcpy(a->operator_id + 1, &t->vertex, sizeof(t->vertex));
    a->ack.attempt_id =
        (ProtobufCBinaryData){sizeof(t->attempt.bytes), (uint8_t *)t->attempt.bytes};
    a->ack.checkpoint_id = checkpoint_id;
    a->ack.snapshot = &a->snapshot;
    a->snapshot.operators = a->operators;
    a->snapshot.n_operators = 1;
    a->operators[0] = &a->operator_state;
    a->operator_state.operator_id = (ProtobufCBinaryData){16, a->operator_id};
    a->operator_state.keyed = a->handles;
    a->operator_state.n_keyed = 1;
    a->handles[0] = &a->handle;
    a->handle.backend = (char *)"hashmap";
    a->handle.version = 1;
    a->handle.first_group = t->first_group;
    a->handle.last_group = t->last_group;
    a->handle.segments = a->pointers;
    Flinc__StateBlob *b = add_segment(a, checkpoint_id, true);
    b->inline_data = (ProtobufCBinaryData){sizeof(a->state), (uint8_t *)&a->state};
    b->size = sizeof(a->state);
}

static void ack_say(struct sim_worker *w, struct ack *a, enum sim_saying when)
{
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_ACK;
    m.checkpoint_ack = &a->ack;
    sim_host_say(w, &m, when);
}

/* What the next increment builds upon; sometimes what it must not. */
static const struct sim_chain *choose_chain(struct sim *s, const struct sim_task *t, bool full)
{
    bool reckless = s->reckless && sim_chance(s, 8);
    if (reckless && t->taken.len > 0 && sim_chance(s, 50)) {
        return VEC_AT(&t->taken, struct sim_chain, 0); /* nobody has said that it is complete */
    }
    if (reckless && t->older.segments.len > 0) {
        return &t->older;
    }
    return full ? NULL : &t->chain;
}

static void write_shared(struct sim_worker *w, struct sim_task *t, struct ack *a,
                         const Flinc__CheckpointBarrier *b)
{
    struct sim *s = w->host->node->s;
    const struct sim_chain *from =
        choose_chain(s, t, b->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL);
    struct sim_chain next = {b->checkpoint_id, VEC_INIT(struct sim_segment)};
    char uri[300];
    size_t max = from == &t->chain ? CHAIN_MAX - 1 : CHAIN_MAX; /* then it starts with a base */
    if (from != NULL && from->segments.len > 0 && from->segments.len <= max) {
        chain_copy(&next, from);
        next.checkpoint_id = b->checkpoint_id;
    }
    snprintf(uri, sizeof(uri), "%s/%llu", b->location->shared_directory,
             (unsigned long long)++s->n_written);
    sim_storage_put(s, uri, &w->job_id);
    chain_add(&next, uri, b->checkpoint_id, next.segments.len == 0);
    if (t->taken.len == TAKEN_MAX) {
        forget_taken(t, 1);
    }
    *VEC_PUSH(&t->taken, struct sim_chain) = next;
    for (size_t i = 0; i < next.segments.len; i++) {
        const struct sim_segment *g = VEC_AT(&next.segments, struct sim_segment, i);
        Flinc__StateBlob *blob = add_segment(a, g->checkpoint_id, g->is_base);
        blob->location = g->uri;
        blob->shared = true;
    }
}

static void write_own(struct sim_worker *w, struct ack *a, const Flinc__CheckpointBarrier *b)
{
    struct sim *s = w->host->node->s;
    char path[300];
    snprintf(a->own, sizeof(a->own), "own-%llu", (unsigned long long)++s->n_written);
    snprintf(path, sizeof(path), "%s/%s", b->location->directory, a->own);
    sim_storage_put(s, path, &w->job_id);
    add_segment(a, b->checkpoint_id, false)->location = a->own;
}

static bool is_kept(const struct sim_merged *f, uint64_t latest_completed)
{
    for (uint32_t i = 0; i < MIN(f->n, (uint32_t)SIM_MERGED_IDS); i++) {
        if (f->acknowledged[i] == latest_completed) {
            return true;
        }
    }
    return false;
}

/* A section of a file that goes on where the newest completed checkpoint keeps it; sometimes where it does not. */
static void write_section(struct sim_worker *w, struct sim_task *t, struct ack *a,
                          const Flinc__CheckpointBarrier *b)
{
    struct sim *s = w->host->node->s;
    struct sim_merged *f = &t->merged;
    bool reckless = s->reckless && sim_chance(s, 8);
    if (f->uri[0] == '\0' || !(is_kept(f, b->latest_completed) || reckless)) {
        *f = (struct sim_merged){.since = b->checkpoint_id};
        snprintf(f->uri, sizeof(f->uri), "%s/merged-%llu", b->location->shared_directory,
                 (unsigned long long)++s->n_written);
        sim_storage_put(s, f->uri, &w->job_id);
    }
    f->acknowledged[f->n++ % SIM_MERGED_IDS] = b->checkpoint_id;
    flinc__operator_state_handle__init(&a->list);
    flinc__state_blob__init(&a->section);
    a->section = (Flinc__StateBlob){.base = a->section.base,
                                    .inline_data = a->section.inline_data,
                                    .location = f->uri,
                                    .size = 1,
                                    .shared = true,
                                    .local_path = a->section.local_path,
                                    .offset = f->n,
                                    .merged_since = f->since};
    a->list.blob = &a->section;
    a->lists[0] = &a->list;
    a->operator_state.operator_state = a->lists;
    a->operator_state.n_operator_state = 1;
}

/* It says whose it was. */
static void add_in_flight(struct ack *a, struct sim_task *t)
{
    flinc__channel_state_handle__init(&a->channel);
    flinc__state_blob__init(&a->in_flight);
    a->in_flight.inline_data = (ProtobufCBinaryData){sizeof(a->state), (uint8_t *)&a->state};
    a->in_flight.size = sizeof(a->state);
    a->channel.edge_id = (ProtobufCBinaryData){sizeof(t->edge_id.bytes), t->edge_id.bytes};
    a->channel.partitioner = t->edge;
    a->channel.blob = &a->in_flight;
    a->channels[0] = &a->channel;
    a->operator_state.channels = a->channels;
    a->operator_state.n_channels = 1;
}

static bool is_savepoint(const Flinc__CheckpointBarrier *b)
{
    return b->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL ||
           b->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
}

static void acknowledge(struct sim_worker *w, struct sim_task *t, const Flinc__CheckpointBarrier *b)
{
    struct sim *s = w->host->node->s;
    struct ack a;
    ack_init(&a, t, b->checkpoint_id);
    if (!is_savepoint(b) && b->checkpoint_id % 4 > 0 && t->vertex > 0 &&
        partitioner_is_overtakable(t->edge)) {
        add_in_flight(&a, t);
    }
    if (!b->location->inline_only) {
        if (!is_savepoint(b)) {
            write_shared(w, t, &a, b);
        }
        if (!is_savepoint(b) && sim_chance(s, 50)) {
            write_section(w, t, &a, b);
        }
        if (is_savepoint(b) || sim_chance(s, 30)) {
            write_own(w, &a, b);
        }
    }
    if (s->lossy && sim_chance(s, 2)) {
        return; /* it is lost */
    }
    ack_say(w, &a, s->lossy && sim_chance(s, 6) ? SIM_SAY_LATE : SIM_SAY_SOON);
    if (s->lossy && sim_chance(s, 4)) {
        ack_say(w, &a, sim_chance(s, 50) ? SIM_SAY_LATE : SIM_SAY_SOON);
    }
}

static void decline(struct sim_worker *w, const struct sim_task *t, uint64_t checkpoint_id)
{
    struct sim *s = w->host->node->s;
    Flinc__CheckpointDecline d = FLINC__CHECKPOINT_DECLINE__INIT;
    Flinc__ErrorInfo reason = FLINC__ERROR_INFO__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    reason.code = sim_chance(s, 50) ? ERR_NO_SPACE : ERR_UNAVAILABLE;
    reason.message = (char *)"it cannot";
    d.attempt_id = (ProtobufCBinaryData){sizeof(t->attempt.bytes), (uint8_t *)t->attempt.bytes};
    d.checkpoint_id = checkpoint_id;
    d.reason = &reason;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_CHECKPOINT_DECLINE;
    m.checkpoint_decline = &d;
    sim_host_say(w, &m, sim_chance(s, 20) ? SIM_SAY_LATE : SIM_SAY_SOON);
}

/* Attempts that have ended speak of the checkpoint of the day. */
static void ghosts_speak(struct sim_worker *w, uint64_t checkpoint_id)
{
    struct sim_host *h = w->host;
    for (size_t i = 0; i < h->ghosts.len; i++) {
        const struct sim_ghost *g = VEC_AT(&h->ghosts, struct sim_ghost, i);
        if (id_eq(&g->job_id, &w->job_id) && sim_chance(h->node->s, 30)) {
            struct sim_task t = {.attempt = g->attempt,
                                 .vertex = g->vertex,
                                 .subtask = g->subtask,
                                 .attempt_number = g->attempt_number,
                                 .first_group = g->first_group,
                                 .last_group = g->last_group};
            struct ack a;
            ack_init(&a, &t, checkpoint_id);
            ack_say(w, &a, SIM_SAY_SOON);
        }
    }
}

/* ---- what tasks hear ------------------------------------------------------------------------------- */

static void take_barrier(struct sim_worker *w, struct sim_task *t,
                         const Flinc__CheckpointBarrier *b)
{
    struct sim *s = w->host->node->s;
    if (b->checkpoint_id <= t->last_barrier) {
        return; /* it comes twice, or too late */
    }
    t->last_barrier = b->checkpoint_id;
    t->counter += 1 + sim_below(s, 10);
    if (b->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE) {
        t->stop_at = b->checkpoint_id;
    }
    if (s->lossy && sim_chance(s, 3)) {
        decline(w, t, b->checkpoint_id);
    } else {
        acknowledge(w, t, b);
    }
}

static bool is_addressed(const struct sim_task *t, const ProtobufCBinaryData *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i].len == sizeof(t->attempt.bytes) &&
            memcmp(ids[i].data, t->attempt.bytes, ids[i].len) == 0) {
            return true;
        }
    }
    return false;
}

/* Who is behind the sources takes it from them, wherever it runs; whoever is left of an earlier attempt, too. */
static void pass_on(struct sim *s, const struct flinc_id *job_id, const Flinc__CheckpointBarrier *b)
{
    for (uint32_t n = 0; n < s->n_nodes; n++) {
        struct sim_host *h = &s->nodes[n].host;
        struct sim_worker *w = s->nodes[n].tm != NULL ? sim_host_find(h, job_id) : NULL;
        for (size_t i = 0; w != NULL && !w->ending && i < w->tasks.len; i++) {
            struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i);
            if (t->vertex > 0) {
                take_barrier(w, t, b);
            }
        }
    }
}

void sim_hear_trigger(struct sim_worker *w, const Flinc__TriggerCheckpoint *trigger)
{
    struct sim *s = w->host->node->s;
    bool heard = false;
    if (s->lossy && sim_chance(s, 10)) {
        ghosts_speak(w, trigger->barrier->checkpoint_id);
    }
    for (size_t i = 0; i < w->tasks.len; i++) {
        struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i);
        if (is_addressed(t, trigger->attempt_ids, trigger->n_attempt_ids)) {
            take_barrier(w, t, trigger->barrier);
            heard = true;
        }
    }
    if (heard) {
        pass_on(s, &w->job_id, trigger->barrier);
    }
}

static void confirm(struct sim_task *t, uint64_t checkpoint_id)
{
    for (size_t i = 0; i < t->taken.len; i++) {
        const struct sim_chain *c = VEC_AT(&t->taken, struct sim_chain, i);
        if (c->checkpoint_id == checkpoint_id) {
            if (t->older.segments.len == 0) {
                chain_copy(&t->older, &t->chain);
            }
            chain_copy(&t->chain, c);
            forget_taken(t, i + 1);
            return;
        }
    }
}

/* A notice of any kind names the newest completed checkpoint: the one that said so itself may be lost. */
void sim_hear_notice(struct sim_worker *w, const Flinc__NotifyCheckpoint *notice)
{
    bool complete = notice->notice == FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE;
    for (size_t i = w->tasks.len; i > 0; i--) {
        struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i - 1);
        if (!is_addressed(t, notice->attempt_ids, notice->n_attempt_ids)) {
            continue;
        }
        confirm(t, notice->latest_completed);
        if (!complete) {
            continue;
        }
        confirm(t, notice->checkpoint_id);
        if (t->stop_at != 0 && t->stop_at == notice->checkpoint_id) {
            sim_host_end_task(w, i - 1, FLINC__EXECUTION_STATE__EXECUTION_FINISHED);
        }
    }
}
