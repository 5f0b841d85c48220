/* Links of the simulation: the two ends of a stream are two in-memory channels, and the simulation sits in the
 * middle with a queue for each direction.  Order is kept, as in TCP; messages may be lost (which TCP does not
 * do, but a queue that overflows does), doubled, or late.  See sim.h. */
#include "tests/sim/sim.h"

#include "common/rpc/transport.h"

struct sim_old {
    uint8_t *bytes; /* Owns */
    size_t size;
};

static void remember(struct sim *s, struct vec *old, const ProtobufCMessage *m)
{
    struct sim_old o = {.size = protobuf_c_message_get_packed_size(m)};
    o.bytes = mem_alloc(o.size + 1);
    protobuf_c_message_pack(m, o.bytes);
    if (old->len < SIM_REPLAYS) {
        *VEC_PUSH(old, struct sim_old) = o;
        return;
    }
    struct sim_old *victim = VEC_AT(old, struct sim_old, sim_below(s, SIM_REPLAYS));
    mem_free(victim->bytes);
    *victim = o;
}

static void forget(struct vec *old)
{
    for (size_t i = 0; i < old->len; i++) {
        mem_free(VEC_AT(old, struct sim_old, i)->bytes);
    }
    vec_fini(old);
    vec_init(old, sizeof(struct sim_old));
}

void sim_link_forget(struct sim_node *node)
{
    forget(&node->old_up);
    forget(&node->old_down);
    forget(&node->stale_up);
    forget(&node->stale_down);
}

static void make_stale(struct vec *old, struct vec *stale)
{
    if (old->len > 0) {
        forget(stale);
        *stale = *old;
        vec_init(old, sizeof(struct sim_old));
    }
}

void sim_link_leader_gone(struct sim_node *node)
{
    make_stale(&node->old_up, &node->stale_up);
    make_stale(&node->old_down, &node->stale_down);
}

static void enqueue(struct sim *s, struct vec *queue, ProtobufCMessage *take_message)
{
    int64_t at = sim_now_ms(s);
    if (s->lossy && sim_chance(s, 10)) {
        at += sim_below(s, 300);
    }
    if (queue->len > 0) {
        at = MAX(at, VEC_AT(queue, struct sim_message, queue->len - 1)->at_ms);
    }
    *VEC_PUSH(queue, struct sim_message) = (struct sim_message){take_message, at};
}

static ProtobufCMessage *copy_of(const ProtobufCMessage *m)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = mem_alloc(size + 1);
    protobuf_c_message_pack(m, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
    mem_free(bytes);
    return copy;
}

static void pass(struct sim_link *l, struct vec *queue, ProtobufCMessage *message)
{
    struct sim *s = l->node->s;
    if (s->lossy && sim_chance(s, 2)) {
        rpc_message_free(message);
        return;
    }
    if (s->lossy && sim_chance(s, 2)) {
        enqueue(s, queue, copy_of(message));
    }
    enqueue(s, queue, message);
}

static void on_up(void *target, ProtobufCMessage *message)
{
    struct sim_link *l = target;
    const Flinc__TaskManagerToMaster *m = (const Flinc__TaskManagerToMaster *)message;
    if (m->body_case != FLINC__TASK_MANAGER_TO_MASTER__BODY_REGISTER_) {
        remember(l->node->s, &l->node->old_up, message);
    }
    pass(l, &l->up, message);
}

static void on_down(void *target, ProtobufCMessage *message)
{
    struct sim_link *l = target;
    const Flinc__MasterToTaskManager *m = (const Flinc__MasterToTaskManager *)message;
    if (m->body_case != FLINC__MASTER_TO_TASK_MANAGER__BODY_REGISTERED &&
        m->body_case != FLINC__MASTER_TO_TASK_MANAGER__BODY_DISCONNECT) {
        remember(l->node->s, &l->node->old_down, message);
    }
    pass(l, &l->down, message);
}

static void on_closed(void *target, const struct error *why)
{
    struct sim_link *l = target;
    l->over = true;
}

static void queue_fini(struct vec *queue)
{
    for (size_t i = 0; i < queue->len; i++) {
        rpc_message_free(VEC_AT(queue, struct sim_message, i)->message);
    }
    vec_fini(queue);
}

void sim_link_cut(struct sim_node *node)
{
    struct sim_link *l = node->link;
    node->link = NULL;
    if (l != NULL) {
        rpc_channel_free(l->to_tm);
        rpc_channel_free(l->to_jm);
        queue_fini(&l->up);
        queue_fini(&l->down);
        mem_free(l);
    }
}

int sim_link_open(struct sim_node *node, const struct rpc_end_options *end,
                  struct rpc_channel **ret_channel, struct error *err)
{
    struct sim *s = node->s;
    struct sim_jm *jm = s->has_ha ? sim_ha_target(node) : NULL;
    struct resourcemanager *rm = jm != NULL  ? jm->services.resourcemanager
                                 : s->has_ha ? NULL
                                             : s->rm;
    if (rm == NULL || sim_now_ms(s) < node->cut_until_ms) {
        return error_set(err, ERR_UNAVAILABLE, "connection refused");
    }
    sim_link_cut(node);
    struct sim_link *l = MEM_NEW(struct sim_link);
    l->node = node;
    l->jm = jm;
    if (jm != node->last && node->last != NULL) {
        sim_link_leader_gone(node);
    }
    node->last = jm;
    vec_init(&l->up, sizeof(struct sim_message));
    vec_init(&l->down, sizeof(struct sim_message));
    struct rpc_end_options tm_side = {.name = "sim -> task manager",
                                      .sends = &flinc__master_to_task_manager__descriptor,
                                      .receives = &flinc__task_manager_to_master__descriptor,
                                      .mailbox = s->mailbox,
                                      .on_message = on_up,
                                      .on_closed = on_closed,
                                      .target = l};
    struct rpc_end_options jm_side = {.name = "sim -> job manager",
                                      .sends = &flinc__task_manager_to_master__descriptor,
                                      .receives = &flinc__master_to_task_manager__descriptor,
                                      .mailbox = s->mailbox,
                                      .on_message = on_down,
                                      .on_closed = on_closed,
                                      .target = l};
    struct rpc_end_options rm_end;
    struct rpc_channel *rm_channel = NULL;
    resourcemanager_get_end(rm, node->id, &rm_end);
    int rc = rpc_memory_pair(end, &tm_side, NULL, ret_channel, &l->to_tm, err);
    SIM_CHECK(s, rc == 0);
    rc = rpc_memory_pair(&rm_end, &jm_side, NULL, &rm_channel, &l->to_jm, err);
    SIM_CHECK(s, rc == 0);
    resourcemanager_add_stream(rm, rm_channel);
    node->link = l;
    return 0;
}

static size_t deliver_due(struct sim *s, struct vec *queue, struct rpc_channel *to)
{
    size_t n = 0;
    while (queue->len > 0 && VEC_AT(queue, struct sim_message, 0)->at_ms <= sim_now_ms(s)) {
        ProtobufCMessage *m = VEC_AT(queue, struct sim_message, 0)->message;
        struct error ignored = ERROR_INIT; /* the end may have closed it meanwhile */
        vec_remove(queue, 0);
        (void)!rpc_channel_send(to, m, &ignored);
        rpc_message_free(m);
        n++;
    }
    return n;
}

size_t sim_link_step(struct sim_node *node)
{
    struct sim_link *l = node->link;
    if (l == NULL) {
        return 0;
    }
    if (l->over) {
        sim_link_cut(node);
        return 1;
    }
    return deliver_due(node->s, &l->up, l->to_jm) + deliver_due(node->s, &l->down, l->to_tm);
}

static void replay(struct sim *s, const struct sim_old *o, struct vec *queue,
                   const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(descriptor, NULL, o->size, o->bytes);
    SIM_CHECK(s, m != NULL);
    enqueue(s, queue, m);
}

static void replay_some(struct sim *s, const struct vec *old, struct vec *queue,
                        const ProtobufCMessageDescriptor *descriptor)
{
    if (old->len > 0) {
        replay(s, VEC_AT(old, struct sim_old, sim_below(s, (uint32_t)old->len)), queue, descriptor);
    }
}

void sim_link_replay(struct sim_node *node)
{
    struct sim *s = node->s;
    bool stale = sim_chance(s, 30);
    if (node->link == NULL) {
        return;
    }
    if (sim_chance(s, 50)) {
        replay_some(s, stale ? &node->stale_up : &node->old_up, &node->link->up,
                    &flinc__task_manager_to_master__descriptor);
    } else {
        replay_some(s, stale ? &node->stale_down : &node->old_down, &node->link->down,
                    &flinc__master_to_task_manager__descriptor);
    }
}

void sim_link_replay_stale(struct sim_node *node)
{
    struct sim *s = node->s;
    for (size_t i = 0; node->link != NULL && i < node->stale_up.len; i++) {
        replay(s, VEC_AT(&node->stale_up, struct sim_old, i), &node->link->up,
               &flinc__task_manager_to_master__descriptor);
    }
    for (size_t i = 0; node->link != NULL && i < node->stale_down.len; i++) {
        replay(s, VEC_AT(&node->stale_down, struct sim_old, i), &node->link->down,
               &flinc__master_to_task_manager__descriptor);
    }
}
