/* A task manager as the resource manager sees it: slots with allocations, workers whose tasks say RUNNING
 * when they are deployed and CANCELED when they are cancelled, all in the test's thread.  It keeps the rules
 * of proto/cluster.proto and asserts those of its peer. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_H
#define FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_H

#include "tests/unit/jobmanager_resourcemanager/fake_tm_workers.h"

static inline void fake_tm_on_registered(struct fake_tm *t, const Flinc__Registered *r)
{
    t->registered = true;
    fake_copy(&t->leader, &r->leader);
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE &&
            fake_has(r->unknown_allocations, r->n_unknown_allocations, &t->slots[i].allocation)) {
            fake_tm_free_slot(t, i, "the job manager does not know it");
        }
    }
}

static inline void fake_tm_on_message(void *target, ProtobufCMessage *message)
{
    struct fake_tm *t = target;
    Flinc__MasterToTaskManager *m = (Flinc__MasterToTaskManager *)message;
    switch (m->body_case) {
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REGISTERED:
        fake_tm_on_registered(t, m->registered);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REFUSED:
        t->refused = true;
        t->refused_for_good = !m->refused->retry;
        snprintf(t->refusal, sizeof(t->refusal), "%s", m->refused->reason);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT:
        fake_tm_on_heartbeat(t, m->heartbeat);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REQUEST_SLOT:
        fake_tm_on_request(t, m->request_slot);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_OFFER_ANSWER:
        fake_tm_on_offer_answer(t, m->offer_answer);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_FREE_SLOT:
        fake_tm_on_free(t, m->free_slot);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_TO_WORKER:
        fake_tm_on_to_worker(t, m->to_worker);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_QUERY: {
        Flinc__QueryAnswer answer = FLINC__QUERY_ANSWER__INIT;
        Flinc__ThreadDump dump = FLINC__THREAD_DUMP__INIT;
        Flinc__TaskManagerToMaster say = TM_INIT;
        answer.query_id = m->query->query_id;
        answer.body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
        answer.thread_dump = &dump;
        say.body_case = TM_BODY(ANSWER);
        say.answer = &answer;
        fake_tm_say(t, &say);
        break;
    }
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_DISCONNECT:
        t->n_disconnects++;
        break;
    default:
        break;
    }
    rpc_message_free(message);
}

static inline void fake_tm_on_closed(void *target, const struct error *why)
{
    struct fake_tm *t = target;
    t->closed = true;
}

static inline void fake_tm_register(struct fake_tm *t)
{
    Flinc__SlotReport report;
    Flinc__SlotStatus rows[FAKE_TM_SLOTS_MAX];
    Flinc__SlotStatus *pointers[FAKE_TM_SLOTS_MAX];
    Flinc__Register r = FLINC__REGISTER__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    fake_tm_report(t, &report, rows, pointers);
    r.resource_id = t->id;
    r.instance_id = fake_data(&t->instance);
    r.product_version = (char *)(t->version != NULL ? t->version : FLINC_VERSION);
    r.protocol_version = CLUSTER_PROTOCOL_VERSION;
    r.host = (char *)"host";
    r.rpc_address = (char *)"host:1";
    r.data_port = 2;
    r.data_address = (char *)"host:2";
    struct resource_profile_message slot, total;
    struct resource_profile slot_profile = t->total;
    resource_profile_divide(&slot_profile, t->n_static);
    resource_profile_fill(&slot_profile, &slot);
    resource_profile_fill(&t->total, &total);
    r.slot_profile = &slot.profile;
    r.total_profile = &total.profile;
    r.n_slots = t->n_static;
    r.slots = &report;
    r.known_leader = fake_data(&t->leader);
    m.body_case = TM_BODY(REGISTER_);
    m.register_ = &r;
    fake_tm_say(t, &m);
}

/* A new stream, and a registration on it. */
static inline void fake_tm_connect(struct fake_tm *t, const struct rpc_interceptor *interceptor)
{
    struct rpc_end_options theirs;
    struct rpc_channel *master = NULL;
    struct error err = ERROR_INIT;
    struct rpc_end_options mine = {.name = t->id,
                                   .sends = &flinc__task_manager_to_master__descriptor,
                                   .receives = &flinc__master_to_task_manager__descriptor,
                                   .mailbox = t->mailbox,
                                   .on_message = fake_tm_on_message,
                                   .on_closed = fake_tm_on_closed,
                                   .target = t};
    rpc_channel_free(t->channel);
    t->channel = NULL;
    t->closed = t->registered = t->refused = false;
    resourcemanager_get_end(t->rm, "fake", &theirs);
    assert_int_equal(rpc_memory_pair(&theirs, &mine, interceptor, &master, &t->channel, &err), 0);
    resourcemanager_add_stream(t->rm, master);
    fake_tm_register(t);
}

static inline void fake_tm_init(struct fake_tm *t, struct resourcemanager *rm, const char *id,
                                uint32_t n_slots, uint64_t seed)
{
    /* As many dynamic slots as there is room for.  Each static one is worth a core and 100 bytes of everything. */
    *t = (struct fake_tm){.rm = rm, .n_slots = FAKE_TM_SLOTS_MAX, .n_static = n_slots};
    t->total = (struct resource_profile){(uint64_t)n_slots * RESOURCE_UNITS,
                                         n_slots * 100,
                                         n_slots * 100,
                                         n_slots * 100,
                                         n_slots * 100,
                                         0,
                                         {{{0}, 0}}};
    snprintf(t->id, sizeof(t->id), "%s", id);
    rng_init(&t->rng, seed);
    id_random(&t->instance, &t->rng);
    t->mailbox = mailbox_new(&(struct mailbox_options){.name = "task manager"});
}

/* The process dies; a new one may come under the same name. */
static inline void fake_tm_die(struct fake_tm *t)
{
    t->channel = rpc_channel_free(t->channel);
    for (int i = 0; i < FAKE_TM_WORKERS_MAX; i++) {
        if (t->workers[i].alive) {
            fake_tm_end_worker(&t->workers[i]);
        }
    }
    memset(t->slots, 0, sizeof(t->slots));
    t->leader = (struct flinc_id){0};
    id_random(&t->instance, &t->rng);
}

static inline void fake_tm_fini(struct fake_tm *t)
{
    fake_tm_die(t);
    mailbox_close(t->mailbox);
    mailbox_unref(t->mailbox);
}

#endif
