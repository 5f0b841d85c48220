/* The slots of a fake task manager; see fake_tm.h. */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_SLOTS_H
#define FLINC_TESTS_UNIT_JOBMANAGER_RESOURCEMANAGER_FAKE_TM_SLOTS_H

#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "common/rpc/transport.h"
#include "jobmanager/resourcemanager/resourcemanager.h"
#include "proto/cluster.pb-c.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

enum { FAKE_TM_SLOTS_MAX = 32, FAKE_TM_WORKERS_MAX = 8 };

#define TM_INIT FLINC__TASK_MANAGER_TO_MASTER__INIT
#define TM_BODY(name) FLINC__TASK_MANAGER_TO_MASTER__BODY_##name

enum fake_tm_flags {
    FAKE_TM_IGNORES_REQUESTS = 1 << 0, /* it is frozen but for heartbeats */
    FAKE_TM_REFUSES = 1 << 1,          /* slots, with an error */
    FAKE_TM_NO_HEARTBEATS = 1 << 2,
    FAKE_TM_NO_OFFERS = 1 << 3,
    FAKE_TM_IGNORES_CANCELS = 1 << 4, /* of tasks */
};

struct fake_tm_slot {
    Flinc__SlotState state;
    struct flinc_id allocation, job_id, token;
    struct resource_profile profile; /* of a dynamic one */
};

struct fake_tm_task {
    struct flinc_id attempt;
    bool running;
};

struct fake_tm_worker {
    bool alive;
    struct flinc_id job_id, incarnation, token; /* token: of the master's messages */
    struct vec tasks;                           /* of struct fake_tm_task */
};

struct fake_tm {
    struct resourcemanager *rm;
    char id[64];
    struct flinc_id instance, leader;
    struct rng rng;
    unsigned flags;
    uint32_t n_slots;
    uint32_t n_static; /* slots behind them are dynamic */
    struct resource_profile total;
    struct resource_profile_message messages[FAKE_TM_SLOTS_MAX];
    struct fake_tm_slot slots[FAKE_TM_SLOTS_MAX];
    struct fake_tm_worker workers[FAKE_TM_WORKERS_MAX];
    struct mailbox *mailbox;
    struct rpc_channel *channel;
    bool registered, closed, refused, refused_for_good;
    char refusal[512];
    uint64_t next_offer, n_requests, n_frees, n_deploys, n_heartbeats, n_disconnects;
    uint64_t n_early_deploys; /* for jobs without an ACTIVE slot */
    const char *version;      /* NULL: the right one */
};

static inline ProtobufCBinaryData fake_data(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)id->bytes};
}

static inline bool fake_is(const struct flinc_id *id, const ProtobufCBinaryData *data)
{
    return data->len == sizeof(id->bytes) && memcmp(id->bytes, data->data, data->len) == 0;
}

static inline void fake_copy(struct flinc_id *ret, const ProtobufCBinaryData *data)
{
    assert_int_equal(data->len, sizeof(ret->bytes));
    memcpy(ret->bytes, data->data, data->len);
}

static inline void fake_tm_say(struct fake_tm *t, Flinc__TaskManagerToMaster *m)
{
    struct error err = ERROR_INIT;
    m->version = CLUSTER_PROTOCOL_VERSION;
    if (m->leader.len == 0) {
        m->leader = fake_data(&t->leader);
    }
    if (t->channel != NULL) {
        (void)!rpc_channel_send(t->channel, &m->base, &err);
    }
}

/* ---- slots ------------------------------------------------------------------------------------------- */

static inline void fake_tm_report(struct fake_tm *t, Flinc__SlotReport *report,
                                  Flinc__SlotStatus *rows, Flinc__SlotStatus **pointers)
{
    flinc__slot_report__init(report);
    for (uint32_t i = 0; i < t->n_slots; i++) {
        bool is_free = t->slots[i].state == FLINC__SLOT_STATE__SLOT_FREE;
        if (is_free && i >= t->n_static) {
            continue;
        }
        flinc__slot_status__init(&rows[i]);
        rows[i].index = i;
        rows[i].state = t->slots[i].state;
        if (!is_free) {
            rows[i].allocation_id = fake_data(&t->slots[i].allocation);
            rows[i].job_id = fake_data(&t->slots[i].job_id);
        }
        if (i >= t->n_static) {
            resource_profile_fill(&t->slots[i].profile, &t->messages[i]);
            rows[i].profile = &t->messages[i].profile;
        }
        pointers[report->n_slots++] = &rows[i];
    }
    report->slots = pointers;
}

static inline uint32_t fake_tm_slots_in(const struct fake_tm *t, Flinc__SlotState state)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_slots; i++) {
        bool is_row = i < t->n_static || t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE;
        n += is_row && t->slots[i].state == state;
    }
    return n;
}

/* As others count them: dynamic ones count as static ones. */
static inline uint32_t fake_tm_shown_free(const struct fake_tm *t)
{
    uint32_t n_used = 0;
    for (uint32_t i = 0; i < t->n_slots; i++) {
        n_used += t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE;
    }
    return t->n_static - MIN(t->n_static, n_used);
}

static inline bool fake_tm_has_active(const struct fake_tm *t, const struct flinc_id *job_id)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].state == FLINC__SLOT_STATE__SLOT_ACTIVE &&
            id_eq(&t->slots[i].job_id, job_id)) {
            return true;
        }
    }
    return false;
}

static inline struct fake_tm_worker *fake_tm_worker(struct fake_tm *t,
                                                    const struct flinc_id *job_id)
{
    for (int i = 0; i < FAKE_TM_WORKERS_MAX; i++) {
        if (t->workers[i].alive && id_eq(&t->workers[i].job_id, job_id)) {
            return &t->workers[i];
        }
    }
    return NULL;
}

static inline void fake_tm_end_worker(struct fake_tm_worker *w)
{
    w->alive = false;
    vec_fini(&w->tasks);
    vec_init(&w->tasks, sizeof(struct fake_tm_task));
}

static inline struct fake_tm_worker *fake_tm_start_worker(struct fake_tm *t,
                                                          const struct flinc_id *job_id)
{
    struct fake_tm_worker *w = fake_tm_worker(t, job_id);
    for (int i = 0; i < FAKE_TM_WORKERS_MAX && w == NULL; i++) {
        if (!t->workers[i].alive) {
            w = &t->workers[i];
            *w = (struct fake_tm_worker){.alive = true, .job_id = *job_id};
            vec_init(&w->tasks, sizeof(struct fake_tm_task));
            id_random(&w->incarnation, &t->rng);
        }
    }
    assert_non_null(w);
    return w;
}

static inline uint32_t fake_tm_tasks(struct fake_tm *t, const struct flinc_id *job_id)
{
    struct fake_tm_worker *w = fake_tm_worker(t, job_id);
    return w != NULL ? (uint32_t)w->tasks.len : 0;
}

static inline void fake_tm_free_slot(struct fake_tm *t, uint32_t index, const char *why)
{
    struct fake_tm_slot *s = &t->slots[index];
    struct fake_tm_slot was = *s;
    assert_int_not_equal(s->state, FLINC__SLOT_STATE__SLOT_FREE);
    *s = (struct fake_tm_slot){0};
    bool last = true;
    for (uint32_t i = 0; i < t->n_slots; i++) {
        last = last && !(t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE &&
                         id_eq(&t->slots[i].job_id, &was.job_id));
    }
    struct fake_tm_worker *w = fake_tm_worker(t, &was.job_id);
    if (last && w != NULL) {
        fake_tm_end_worker(w);
    }
    Flinc__SlotFreed freed = FLINC__SLOT_FREED__INIT;
    Flinc__ErrorInfo error = FLINC__ERROR_INFO__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    freed.allocation_id = fake_data(&was.allocation);
    freed.slot = index;
    freed.job_id = fake_data(&was.job_id);
    error.code = ERR_UNAVAILABLE;
    error.error_class = ERROR_CLASS_TRANSIENT;
    error.message = (char *)why;
    error.frames = (char *)"";
    error.origin = (char *)"";
    freed.why = &error;
    m.body_case = TM_BODY(SLOT_FREED);
    m.slot_freed = &freed;
    fake_tm_say(t, &m);
}

static inline void fake_tm_offer(struct fake_tm *t, uint32_t index)
{
    struct fake_tm_slot *s = &t->slots[index];
    struct fake_tm_worker *w = fake_tm_start_worker(t, &s->job_id);
    Flinc__SlotOffer offer = FLINC__SLOT_OFFER__INIT;
    Flinc__SlotOffer *offers[] = {&offer};
    Flinc__OfferSlots slots = FLINC__OFFER_SLOTS__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    offer.allocation_id = fake_data(&s->allocation);
    offer.slot = index;
    slots.job_id = fake_data(&s->job_id);
    slots.master_token = fake_data(&s->token);
    slots.offer_id = ++t->next_offer;
    slots.worker_incarnation = fake_data(&w->incarnation);
    slots.slots = offers;
    slots.n_slots = 1;
    m.body_case = TM_BODY(OFFER);
    m.offer = &slots;
    fake_tm_say(t, &m);
}

/* What is left of the whole. */
static inline struct resource_profile fake_tm_left(const struct fake_tm *t)
{
    struct resource_profile left = t->total, slot = t->total;
    resource_profile_divide(&slot, t->n_static);
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE) {
            resource_profile_subtract(&left, i < t->n_static ? &slot : &t->slots[i].profile);
        }
    }
    return left;
}

/* Has it so much left?  Static slots are never too many without dynamic ones. */
static inline bool fake_tm_has_room(const struct fake_tm *t, const Flinc__RequestSlot *r,
                                    struct resource_profile *ret_profile)
{
    struct resource_profile left = fake_tm_left(t);
    assert_int_equal(r->profile != NULL, r->slot >= t->n_static);
    *ret_profile = t->total;
    resource_profile_divide(ret_profile, t->n_static);
    if (r->profile != NULL) {
        assert_int_equal(resource_profile_read(r->profile, ret_profile, NULL), 0);
        assert_true(ret_profile->network_bytes > 0);
    }
    return resource_profile_fits(ret_profile, &left);
}

static inline void fake_tm_on_request(struct fake_tm *t, const Flinc__RequestSlot *r)
{
    t->n_requests++;
    if (t->flags & FAKE_TM_IGNORES_REQUESTS) {
        return;
    }
    Flinc__SlotRequestAnswer answer = FLINC__SLOT_REQUEST_ANSWER__INIT;
    Flinc__ErrorInfo error = FLINC__ERROR_INFO__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    assert_true(r->slot < t->n_slots);
    struct fake_tm_slot *s = &t->slots[r->slot];
    bool is_free = s->state == FLINC__SLOT_STATE__SLOT_FREE;
    bool same = !is_free && fake_is(&s->allocation, &r->allocation_id);
    answer.allocation_id = r->allocation_id;
    answer.slot = r->slot;
    struct resource_profile profile;
    bool has_room = fake_tm_has_room(t, r, &profile);
    answer.accepted = ((is_free && has_room) || same) && !(t->flags & FAKE_TM_REFUSES);
    if (!answer.accepted) {
        error.code = ERR_UNAVAILABLE;
        error.error_class = ERROR_CLASS_TRANSIENT;
        error.message = (char *)"no";
        error.frames = error.origin = (char *)"";
        answer.error = &error;
        if (!is_free && !same) {
            answer.occupied_by = fake_data(&s->allocation);
        }
    } else if (is_free) {
        s->state = FLINC__SLOT_STATE__SLOT_ALLOCATED;
        s->profile = profile;
        fake_copy(&s->allocation, &r->allocation_id);
        fake_copy(&s->job_id, &r->job_id);
        fake_copy(&s->token, &r->master_token);
    }
    m.body_case = TM_BODY(SLOT_ANSWER);
    m.slot_answer = &answer;
    fake_tm_say(t, &m);
    if (answer.accepted && s->state == FLINC__SLOT_STATE__SLOT_ALLOCATED &&
        !(t->flags & FAKE_TM_NO_OFFERS)) {
        fake_tm_offer(t, r->slot);
    }
}

static inline bool fake_has(ProtobufCBinaryData *ids, size_t n, const struct flinc_id *id)
{
    for (size_t i = 0; i < n; i++) {
        if (fake_is(id, &ids[i])) {
            return true;
        }
    }
    return false;
}

static inline void fake_tm_on_offer_answer(struct fake_tm *t, const Flinc__OfferAnswer *a)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        struct fake_tm_slot *s = &t->slots[i];
        if (s->state == FLINC__SLOT_STATE__SLOT_ALLOCATED && fake_is(&s->job_id, &a->job_id) &&
            fake_has(a->accepted, a->n_accepted, &s->allocation)) {
            s->state = FLINC__SLOT_STATE__SLOT_ACTIVE;
        }
    }
}

static inline void fake_tm_on_free(struct fake_tm *t, const Flinc__FreeSlot *f)
{
    t->n_frees++;
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE &&
            fake_is(&t->slots[i].allocation, &f->allocation_id)) {
            fake_tm_free_slot(t, i, "it was asked to");
        }
    }
}

static inline void fake_tm_on_heartbeat(struct fake_tm *t, const Flinc__HeartbeatFromMaster *h)
{
    t->n_heartbeats++;
    if (t->flags & FAKE_TM_NO_HEARTBEATS) {
        return;
    }
    for (uint32_t i = 0; i < t->n_slots; i++) {
        struct fake_tm_slot *s = &t->slots[i];
        if (s->state == FLINC__SLOT_STATE__SLOT_ACTIVE &&
            !fake_has(h->allocations, h->n_allocations, &s->allocation)) {
            fake_tm_free_slot(t, i, "the job manager does not know it");
        } else if (s->state == FLINC__SLOT_STATE__SLOT_ALLOCATED &&
                   !(t->flags & FAKE_TM_NO_OFFERS)) {
            fake_tm_offer(t, i);
        }
    }
    Flinc__SlotReport report;
    Flinc__SlotStatus rows[FAKE_TM_SLOTS_MAX];
    Flinc__SlotStatus *pointers[FAKE_TM_SLOTS_MAX];
    Flinc__HeartbeatToMaster answer = FLINC__HEARTBEAT_TO_MASTER__INIT;
    Flinc__TaskManagerToMaster m = TM_INIT;
    fake_tm_report(t, &report, rows, pointers);
    answer.number = h->number;
    answer.slots = &report;
    answer.assigned_tasks = 7;
    m.body_case = TM_BODY(HEARTBEAT);
    m.heartbeat = &answer;
    fake_tm_say(t, &m);
}

#endif
