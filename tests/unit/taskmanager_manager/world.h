/* A task manager, stepped by hand on a manual clock, between a fake worker host and a fake job manager. */
#ifndef FLINC_TESTS_UNIT_TASKMANAGER_MANAGER_WORLD_H
#define FLINC_TESTS_UNIT_TASKMANAGER_MANAGER_WORLD_H

#include "common/base/log.h"
#include "common/rpc/transport.h"
#include "tests/unit/taskmanager_manager/fake_host.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define BODY(name) FLINC__TASK_MANAGER_TO_MASTER__BODY_##name
#define SLOT_STATE(name) FLINC__SLOT_STATE__SLOT_##name

enum world_network {
    NETWORK_UP,
    NETWORK_DOWN,    /* nobody listens: the stream ends at once */
    NETWORK_SILENT,  /* a listener that never answers */
    NETWORK_REFUSES, /* connect itself fails */
};

struct world {
    struct conf conf;
    struct clock_manual clock;
    struct executor *executor;
    struct metric_registry *metrics;
    struct taskmanager *tm;
    struct fake_host host;
    enum world_network network;
    struct rpc_interceptor interceptor;
    uint32_t n_connects;
    /* The job manager. */
    struct mailbox *mailbox;
    struct rpc_channel *channel,
        *tm_end; /* its end of the newest stream; the other one, borrowed */
    struct flinc_id leader;
    bool accepts; /* answers a Register by itself */
    uint64_t heartbeats;
    struct vec received; /* of Flinc__TaskManagerToMaster *; owns */
    struct vec unknown;  /* of struct flinc_id: unknown_allocations of the next answer */
    bool closed;         /* the task manager closed the stream */
    /* The end. */
    uint32_t n_ends;
    struct error end;
};

static inline struct flinc_id world_id(uint32_t kind, uint32_t n)
{
    struct flinc_id id = {{(uint8_t)kind, (uint8_t)(n >> 8), (uint8_t)n, 77}};
    return id;
}
#define JOB(n) world_id(1, (n))
#define ALLOCATION(n) world_id(2, (n))
#define TOKEN(n) world_id(3, (n))
#define LEADER(n) world_id(4, (n))

static inline ProtobufCBinaryData bytes_of(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)id->bytes};
}

static inline bool bytes_are(const ProtobufCBinaryData *bytes, struct flinc_id id)
{
    return bytes->len == sizeof(id.bytes) && memcmp(bytes->data, id.bytes, bytes->len) == 0;
}

/* ---- the job manager ---------------------------------------------------------------------------- */

static inline void master_send(struct world *w, Flinc__MasterToTaskManager *m)
{
    struct error err = ERROR_INIT;
    m->version = m->version == 0 ? 1 : m->version;
    if (m->leader.len == 0) {
        m->leader = bytes_of(&w->leader);
    }
    if (w->channel != NULL) {
        (void)!rpc_channel_send(w->channel, &m->base, &err);
    }
}

#define MASTER_MESSAGE(var, CASE)                                         \
    Flinc__MasterToTaskManager var = FLINC__MASTER_TO_TASK_MANAGER__INIT; \
    var.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_##CASE

static inline void master_accept(struct world *w)
{
    MASTER_MESSAGE(m, REGISTERED);
    Flinc__Registered r = FLINC__REGISTERED__INIT;
    ProtobufCBinaryData unknown[16];
    for (size_t i = 0; i < w->unknown.len && i < 16; i++) {
        unknown[i] = bytes_of(VEC_AT(&w->unknown, struct flinc_id, i));
        r.n_unknown_allocations++;
    }
    r.unknown_allocations = unknown;
    r.leader = bytes_of(&w->leader);
    r.heartbeat_interval_ms = 10000;
    r.heartbeat_timeout_ms = 50000;
    m.registered = &r;
    master_send(w, &m);
    vec_clear(&w->unknown);
}

/* profile: of a dynamic slot; NULL: a static one. */
static inline void master_request_profile(struct world *w, uint32_t slot, uint32_t allocation,
                                          uint32_t job, Flinc__ResourceProfile *profile)
{
    MASTER_MESSAGE(m, REQUEST_SLOT);
    Flinc__RequestSlot r = FLINC__REQUEST_SLOT__INIT;
    struct flinc_id a = ALLOCATION(allocation), j = JOB(job), t = TOKEN(job);
    r.slot = slot;
    r.allocation_id = bytes_of(&a);
    r.job_id = bytes_of(&j);
    r.master_token = bytes_of(&t);
    r.job_name = (char *)"a job";
    r.profile = profile;
    m.request_slot = &r;
    master_send(w, &m);
}

static inline void master_request_slot(struct world *w, uint32_t slot, uint32_t allocation,
                                       uint32_t job)
{
    master_request_profile(w, slot, allocation, job, NULL);
}

static inline void master_free_slot(struct world *w, uint32_t allocation)
{
    MASTER_MESSAGE(m, FREE_SLOT);
    Flinc__FreeSlot f = FLINC__FREE_SLOT__INIT;
    struct flinc_id a = ALLOCATION(allocation);
    f.allocation_id = bytes_of(&a);
    f.reason = (char *)"not needed";
    m.free_slot = &f;
    master_send(w, &m);
}

/* accepted: allocations, ended by 0. */
static inline void master_answer_offer(struct world *w, uint32_t job, uint64_t offer_id,
                                       const uint32_t *accepted)
{
    MASTER_MESSAGE(m, OFFER_ANSWER);
    Flinc__OfferAnswer a = FLINC__OFFER_ANSWER__INIT;
    struct flinc_id j = JOB(job), ids[16];
    ProtobufCBinaryData links[16];
    for (; accepted[a.n_accepted] != 0; a.n_accepted++) {
        ids[a.n_accepted] = ALLOCATION(accepted[a.n_accepted]);
        links[a.n_accepted] = bytes_of(&ids[a.n_accepted]);
    }
    a.accepted = links;
    a.job_id = bytes_of(&j);
    a.offer_id = offer_id;
    m.offer_answer = &a;
    master_send(w, &m);
}
#define ACCEPTED(...) ((const uint32_t[]){__VA_ARGS__, 0})
#define ACCEPTED_NONE ((const uint32_t[]){0})

static inline void master_heartbeat(struct world *w, uint64_t number, const uint32_t *allocations)
{
    MASTER_MESSAGE(m, HEARTBEAT);
    Flinc__HeartbeatFromMaster h = FLINC__HEARTBEAT_FROM_MASTER__INIT;
    struct flinc_id ids[16];
    ProtobufCBinaryData links[16];
    for (; allocations[h.n_allocations] != 0; h.n_allocations++) {
        ids[h.n_allocations] = ALLOCATION(allocations[h.n_allocations]);
        links[h.n_allocations] = bytes_of(&ids[h.n_allocations]);
    }
    h.number = number;
    h.allocations = links;
    m.heartbeat = &h;
    master_send(w, &m);
}

static inline void master_to_worker(struct world *w, uint32_t job,
                                    const struct flinc_id *incarnation)
{
    MASTER_MESSAGE(m, TO_WORKER);
    Flinc__ToWorker t = FLINC__TO_WORKER__INIT;
    struct flinc_id j = JOB(job);
    t.job_id = bytes_of(&j);
    t.incarnation = bytes_of(incarnation);
    t.message = (ProtobufCBinaryData){5, (uint8_t *)"hello"};
    m.to_worker = &t;
    master_send(w, &m);
}

static inline void world_on_message(void *target, ProtobufCMessage *message)
{
    struct world *w = target;
    Flinc__TaskManagerToMaster *m = (Flinc__TaskManagerToMaster *)message;
    vec_push_ptr(&w->received, m);
    if (m->body_case == BODY(REGISTER_) && w->accepts) {
        master_accept(w);
    }
}

static inline void world_on_closed(void *target, const struct error *why)
{
    struct world *w = target;
    w->closed = true;
}

static inline int world_connect(void *arg, const struct rpc_end_options *end,
                                struct rpc_channel **ret_channel, struct error *err)
{
    struct world *w = arg;
    w->n_connects++;
    if (w->network == NETWORK_REFUSES) {
        return error_set(err, ERR_UNAVAILABLE, "connection refused");
    }
    const struct rpc_end_options master = {
        .name = "job manager -> task manager",
        .sends = &flinc__master_to_task_manager__descriptor,
        .receives = &flinc__task_manager_to_master__descriptor,
        .mailbox = w->mailbox,
        .on_message = world_on_message,
        .on_closed = world_on_closed,
        .target = w,
    };
    w->channel = rpc_channel_free(w->channel);
    w->closed = false;
    TRY(rpc_memory_pair(end, &master, w->interceptor.decide != NULL ? &w->interceptor : NULL,
                        ret_channel, &w->channel, err));
    w->tm_end = *ret_channel;
    if (w->network == NETWORK_DOWN) {
        w->channel = rpc_channel_free(w->channel);
    }
    return 0;
}

static inline void world_cut_stream(struct world *w)
{
    w->channel = rpc_channel_free(w->channel);
}

/* ---- stepping ----------------------------------------------------------------------------------- */

static inline void world_settle(struct world *w)
{
    for (bool busy = true; busy;) {
        busy = component_run_until_idle(taskmanager_component(w->tm), 10000) > 0;
        if (w->network != NETWORK_SILENT) {
            busy |= mailbox_run(w->mailbox, 10000) > 0;
        }
        while (executor_run_once(w->executor)) {
            busy = true;
        }
    }
}

static inline void world_advance(struct world *w, int64_t ms)
{
    for (int64_t left = ms; left > 0; left -= 50) {
        clock_manual_advance_ms(&w->clock, MIN(left, (int64_t)50));
        world_settle(w);
    }
}

/* ---- looking ------------------------------------------------------------------------------------ */

static inline void world_forget(struct world *w)
{
    for (size_t i = 0; i < w->received.len; i++) {
        Flinc__TaskManagerToMaster *m = vec_ptr(&w->received, i);
        rpc_message_free(&m->base);
    }
    vec_clear(&w->received);
}

static inline uint32_t world_count(const struct world *w, int body_case)
{
    uint32_t n = 0;
    for (size_t i = 0; i < w->received.len; i++) {
        n += ((Flinc__TaskManagerToMaster *)vec_ptr(&w->received, i))->body_case ==
             (Flinc__TaskManagerToMaster__BodyCase)body_case;
    }
    return n;
}

/* The newest message of that kind; it must be there. */
static inline Flinc__TaskManagerToMaster *world_last(const struct world *w, int body_case)
{
    for (size_t i = w->received.len; i > 0; i--) {
        Flinc__TaskManagerToMaster *m = vec_ptr(&w->received, i - 1);
        if (m->body_case == (Flinc__TaskManagerToMaster__BodyCase)body_case) {
            return m;
        }
    }
    fail_msg("no message %d among %zu", body_case, w->received.len);
    return NULL;
}

static inline struct taskmanager_stats world_stats(const struct world *w)
{
    struct taskmanager_stats s;
    taskmanager_get_stats(w->tm, &s);
    return s;
}

/* Asks by a heartbeat that names all of `known`. */
static inline Flinc__SlotReport *world_slots(struct world *w, const uint32_t *known)
{
    world_forget(w);
    master_heartbeat(w, ++w->heartbeats, known);
    world_settle(w);
    return world_last(w, BODY(HEARTBEAT))->heartbeat->slots;
}

#define assert_state(w, expected) \
    assert_string_equal(taskmanager_state_name(taskmanager_get_state((w)->tm)), (expected))

/* ---- life --------------------------------------------------------------------------------------- */

static inline void world_set(struct world *w, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    if (conf_set(&w->conf, key, value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static inline void world_on_end(void *owner, const struct error *why)
{
    struct world *w = owner;
    w->n_ends++;
    error_copy(&w->end, why);
}

/* Settings may follow; then world_start(). */
static inline void world_init(struct world *w, const char *n_slots)
{
    *w = (struct world){.accepts = true, .leader = LEADER(1)};
    struct error err = ERROR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    conf_init(&w->conf, NULL);
    clock_manual_init(&w->clock);
    world_set(w, "taskmanager.numberOfTaskSlots", n_slots);
    const struct mailbox_options mailbox = {.name = "job manager"};
    w->mailbox = mailbox_new(&mailbox);
    vec_init(&w->received, sizeof(void *));
    vec_init(&w->unknown, sizeof(struct flinc_id));
    const struct executor_options executor = {.name = "io"};
    assert_int_equal(executor_new(&executor, &w->executor, &err), 0);
    const struct metric_registry_options metrics = {.clock = &w->clock.base};
    assert_int_equal(metric_registry_new(&metrics, &w->metrics, &err), 0);
}

static inline void world_start_seeded(struct world *w, uint64_t seed)
{
    struct error err = ERROR_INIT;
    struct taskmanager_options o = {
        .conf = &w->conf,
        .mode = COMPONENT_MANUAL,
        .clock = &w->clock.base,
        .seed = seed,
        .connector = {world_connect, w, "jobmanager:6123"},
        .io_executor = w->executor,
        .metrics = w->metrics,
        .on_end = world_on_end,
        .owner = w,
    };
    const struct taskmanager_identity identity = {
        .resource_id = "localhost:1234-abcdef",
        .host = "localhost",
        .rpc_address = "localhost:1234",
        .data_address = "localhost:1234",
        .data_port = 1234,
    };
    assert_int_equal(tm_memory_derive(&w->conf, &o.memory, &err), 0);
    assert_int_equal(taskmanager_new(&o, &w->tm, &err), 0);
    fake_host_init(&w->host, w->tm, seed + 1);
    taskmanager_set_workers(w->tm, &fake_host_ops, &w->host, &identity);
    assert_int_equal(taskmanager_start(w->tm, &err), 0);
    world_settle(w);
}

static inline void world_start(struct world *w)
{
    world_start_seeded(w, 7);
}

static inline void world_fini(struct world *w)
{
    world_forget(w);
    taskmanager_stop(w->tm);
    fake_host_fini(&w->host);
    w->tm = taskmanager_free(w->tm);
    w->channel = rpc_channel_free(w->channel);
    w->mailbox = mailbox_unref(w->mailbox);
    world_forget(w);
    vec_fini(&w->received);
    vec_fini(&w->unknown);
    w->executor = executor_free(w->executor);
    w->metrics = metric_registry_free(w->metrics);
    conf_fini(&w->conf);
    log_set_level(LOG_LEVEL_INFO);
}

#endif
