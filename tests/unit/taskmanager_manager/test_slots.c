/* Slots: requests, offers, time-outs, what is given up, what masters know. */
#include "taskmanager/manager/slot_table.h"
#include "tests/unit/taskmanager_manager/world.h"

/* Slot 0 under allocation 1, and so on, for a job; ACTIVE. */
static void activate(struct world *w, uint32_t first_slot, uint32_t n, uint32_t job)
{
    uint32_t accepted[16] = {0};
    for (uint32_t i = 0; i < n; i++) {
        accepted[i] = first_slot + i + 1;
        master_request_slot(w, first_slot + i, first_slot + i + 1, job);
    }
    world_settle(w);
    master_answer_offer(w, job, world_last(w, BODY(OFFER))->offer->offer_id, accepted);
    world_settle(w);
}

static struct fake_job *worker(struct world *w, uint32_t job)
{
    struct flinc_id id = JOB(job);
    return fake_host_find(&w->host, &id);
}

static void a_slot_is_requested_offered_accepted(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 1, 1, 1);
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_true(answer->accepted);
    assert_int_equal(answer->slot, 1);
    assert_int_equal(worker(&w, 1)->n_slots, 1);
    assert_int_equal(worker(&w, 1)->managed_bytes, 536870920 / 2);
    Flinc__OfferSlots *offer = world_last(&w, BODY(OFFER))->offer;
    assert_int_equal(offer->n_slots, 1);
    assert_true(bytes_are(&offer->slots[0]->allocation_id, ALLOCATION(1)));
    assert_true(bytes_are(&offer->worker_incarnation, worker(&w, 1)->incarnation));
    assert_true(bytes_are(&offer->master_token, TOKEN(1)));
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[1]->state, SLOT_STATE(ALLOCATED));
    assert_false(worker(&w, 1)->link_open);
    master_answer_offer(&w, 1, 1, ACCEPTED(1));
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(1));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(report->slots[1]->state, SLOT_STATE(ACTIVE));
    assert_true(bytes_are(&report->slots[1]->job_id, JOB(1)));
    assert_true(worker(&w, 1)->link_open);
    struct flinc_id token = TOKEN(1);
    assert_true(id_eq(&worker(&w, 1)->link, &token));
    world_fini(&w);
}

static void a_request_may_be_repeated(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(SLOT_ANSWER)), 2);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    assert_int_equal(w.host.n_started, 1);
    /* The same allocation for another slot or job. */
    master_request_slot(&w, 1, 1, 1);
    world_settle(&w);
    assert_false(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    master_request_slot(&w, 0, 1, 2);
    world_settle(&w);
    assert_false(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    /* Once ACTIVE it is confirmed and not offered again. */
    master_answer_offer(&w, 1, 1, ACCEPTED(1));
    world_settle(&w);
    world_forget(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    assert_int_equal(world_count(&w, BODY(OFFER)), 0);
    world_fini(&w);
}

static void an_occupied_slot_says_by_whom(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    activate(&w, 0, 1, 1);
    master_request_slot(&w, 0, 2, 2);
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_false(answer->accepted);
    assert_true(bytes_are(&answer->occupied_by, ALLOCATION(1)));
    assert_true(bytes_are(&answer->allocation_id, ALLOCATION(2)));
    assert_non_null(strstr(answer->error->message, "ACTIVE"));
    world_fini(&w);
}

static void an_offer_is_repeated_until_it_is_answered(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(OFFER)), 1);
    world_advance(&w, 5100);
    assert_int_equal(world_count(&w, BODY(OFFER)), 3);
    assert_int_equal(world_last(&w, BODY(OFFER))->offer->offer_id, 3);
    /* The answer of the first one counts, those of the others change nothing. */
    master_answer_offer(&w, 1, 1, ACCEPTED(1));
    master_answer_offer(&w, 1, 2, ACCEPTED_NONE);
    master_answer_offer(&w, 1, 3, ACCEPTED(1));
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state, SLOT_STATE(ACTIVE));
    world_advance(&w, 20000);
    assert_int_equal(world_count(&w, BODY(OFFER)), 0);
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state, SLOT_STATE(ACTIVE));
    assert_int_equal(w.host.n_open_links, 1);
    world_fini(&w);
}

static void a_refused_slot_is_free(void **state)
{
    struct world w;
    world_init(&w, "3");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    master_request_slot(&w, 1, 2, 1);
    world_settle(&w);
    uint64_t offer_id = world_last(&w, BODY(OFFER))->offer->offer_id;
    /* Asked for after the offer: not judged by its answer. */
    master_request_slot(&w, 2, 3, 1);
    world_settle(&w);
    uint64_t later_offer_id = world_last(&w, BODY(OFFER))->offer->offer_id;
    assert_true(later_offer_id > offer_id);
    master_answer_offer(&w, 1, offer_id, ACCEPTED(2));
    world_settle(&w);
    Flinc__SlotFreed *freed = world_last(&w, BODY(SLOT_FREED))->slot_freed;
    assert_true(bytes_are(&freed->allocation_id, ALLOCATION(1)));
    assert_int_equal(freed->slot, 0);
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(2, 3));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(report->slots[1]->state, SLOT_STATE(ACTIVE));
    assert_int_equal(report->slots[2]->state, SLOT_STATE(ALLOCATED));
    assert_int_equal(worker(&w, 1)->n_slots, 2);
    /* None of the job is wanted: its worker ends. */
    master_free_slot(&w, 2);
    master_answer_offer(&w, 1, later_offer_id, ACCEPTED_NONE);
    world_settle(&w);
    assert_null(worker(&w, 1));
    world_fini(&w);
}

static void a_slot_nobody_accepts_is_freed_in_time(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    world_advance(&w, 9900);
    assert_int_equal(world_count(&w, BODY(SLOT_FREED)), 0);
    world_advance(&w, 200);
    assert_int_equal(world_count(&w, BODY(SLOT_FREED)), 1);
    assert_int_equal(world_last(&w, BODY(SLOT_FREED))->slot_freed->why->code, ERR_TIMEOUT);
    assert_int_equal(world_stats(&w).slots_timed_out, 1);
    assert_null(worker(&w, 1));
    /* A late answer finds nobody; the slot serves again. */
    master_answer_offer(&w, 1, 1, ACCEPTED(1));
    activate(&w, 0, 1, 2);
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state, SLOT_STATE(ACTIVE));
    world_fini(&w);
}

/* The first allocation's time-out must not free the second one of the slot. */
static void a_stale_timeout_frees_nothing(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    world_advance(&w, 6000);
    master_free_slot(&w, 1);
    world_settle(&w);
    master_request_slot(&w, 0, 2, 2);
    world_settle(&w);
    world_advance(&w, 6000);
    assert_int_equal(world_slots(&w, ACCEPTED(2))->slots[0]->state, SLOT_STATE(ALLOCATED));
    world_advance(&w, 5000);
    assert_int_equal(world_stats(&w).slots_timed_out, 1);
    world_fini(&w);
}

static void the_timeout_waits_for_the_worker(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    w.host.flags &= ~(unsigned)FAKE_HOST_READY;
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    world_advance(&w, 45000);
    assert_int_equal(world_stats(&w).slots_timed_out, 0);
    assert_int_equal(world_count(&w, BODY(OFFER)), 0);
    fake_job_become_ready(worker(&w, 1));
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(OFFER)), 1);
    world_slots(&w, ACCEPTED(1)); /* keeps the job manager heard */
    world_advance(&w, 9000);
    assert_int_equal(world_stats(&w).slots_timed_out, 0);
    world_advance(&w, 2000);
    assert_int_equal(world_stats(&w).slots_timed_out, 1);
    world_fini(&w);
}

static void the_last_slot_takes_the_worker_along(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    w.host.flags &= ~(unsigned)FAKE_HOST_STOPS;
    activate(&w, 0, 2, 1);
    master_free_slot(&w, 1);
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(2));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(worker(&w, 1)->n_slots, 1);
    assert_int_equal(worker(&w, 1)->n_stops, 0);
    master_free_slot(&w, 2);
    master_free_slot(&w, 2);
    report = world_slots(&w, ACCEPTED_NONE);
    assert_int_equal(report->slots[1]->state, SLOT_STATE(RELEASING));
    assert_int_equal(worker(&w, 1)->n_stops, 1);
    /* It is not to be had yet, the other one is. */
    master_request_slot(&w, 1, 5, 2);
    world_settle(&w);
    assert_false(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    fake_job_end(worker(&w, 1), ERR_CANCELLED, "stopped");
    world_settle(&w);
    assert_true(
        bytes_are(&world_last(&w, BODY(SLOT_FREED))->slot_freed->allocation_id, ALLOCATION(2)));
    assert_int_equal(world_count(&w, BODY(WORKER_CLOSED)), 1);
    assert_int_equal(world_slots(&w, ACCEPTED_NONE)->slots[1]->state, SLOT_STATE(FREE));
    world_fini(&w);
}

/* A restart of the job finds its former worker still ending. */
static void a_new_worker_waits_for_the_old_one(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    w.host.flags &= ~(unsigned)FAKE_HOST_STOPS;
    activate(&w, 0, 1, 1);
    struct flinc_id first = worker(&w, 1)->incarnation;
    master_free_slot(&w, 1);
    master_request_slot(&w, 1, 2, 1);
    world_settle(&w);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    assert_int_equal(w.host.n_started, 1);
    world_forget(&w);
    fake_job_end(worker(&w, 1), ERR_CANCELLED, "stopped");
    world_settle(&w);
    assert_int_equal(w.host.n_started, 2);
    assert_false(id_eq(&worker(&w, 1)->incarnation, &first));
    Flinc__OfferSlots *offer = world_last(&w, BODY(OFFER))->offer;
    assert_int_equal(offer->n_slots, 1);
    assert_true(bytes_are(&offer->slots[0]->allocation_id, ALLOCATION(2)));
    assert_true(bytes_are(&offer->worker_incarnation, worker(&w, 1)->incarnation));
    world_fini(&w);
}

static void a_worker_that_dies_frees_its_slots(void **state)
{
    struct world w;
    world_init(&w, "3");
    world_start(&w);
    activate(&w, 0, 2, 1);
    activate(&w, 2, 1, 2);
    struct flinc_id incarnation = worker(&w, 1)->incarnation;
    fake_job_end(worker(&w, 1), ERR_USER_CODE, "SIGSEGV in Flat Map");
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(SLOT_FREED)), 2);
    Flinc__WorkerClosed *closed = world_last(&w, BODY(WORKER_CLOSED))->worker_closed;
    assert_true(bytes_are(&closed->incarnation, incarnation));
    assert_string_equal(closed->error->message, "SIGSEGV in Flat Map");
    assert_int_equal(closed->error->code, ERR_USER_CODE);
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(3));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(report->slots[2]->state, SLOT_STATE(ACTIVE));
    assert_non_null(worker(&w, 2));
    world_fini(&w);
}

static void a_worker_that_cannot_start_is_no_allocation(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    w.host.flags |= FAKE_HOST_FAILS;
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_false(answer->accepted);
    assert_string_equal(answer->error->message, "no more processes");
    assert_int_equal(world_slots(&w, ACCEPTED_NONE)->slots[0]->state, SLOT_STATE(FREE));
    w.host.flags &= ~(unsigned)FAKE_HOST_FAILS;
    activate(&w, 0, 1, 1);
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state, SLOT_STATE(ACTIVE));
    world_fini(&w);
}

static void slots_of_one_job_have_one_master(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    activate(&w, 0, 1, 1);
    MASTER_MESSAGE(m, REQUEST_SLOT);
    Flinc__RequestSlot r = FLINC__REQUEST_SLOT__INIT;
    struct flinc_id a = ALLOCATION(2), j = JOB(1), t = TOKEN(9);
    r.slot = 1;
    r.allocation_id = bytes_of(&a);
    r.job_id = bytes_of(&j);
    r.master_token = bytes_of(&t);
    m.request_slot = &r;
    master_send(&w, &m);
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_false(answer->accepted);
    assert_int_equal(answer->error->code, ERR_FENCED);
    /* Once the former master's slots are gone, the new one starts over. */
    master_free_slot(&w, 1);
    world_settle(&w);
    m.leader = (ProtobufCBinaryData){0, NULL};
    master_send(&w, &m);
    world_settle(&w);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    assert_true(id_eq(&worker(&w, 1)->master_token, &t));
    world_fini(&w);
}

static void what_no_master_knows_is_freed(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    activate(&w, 0, 2, 1);
    /* The first request may have been made before the slots were accepted. */
    assert_int_equal(world_slots(&w, ACCEPTED_NONE)->slots[0]->state, SLOT_STATE(ACTIVE));
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(2));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(report->slots[1]->state, SLOT_STATE(ACTIVE));
    assert_int_equal(world_stats(&w).slots_reconciled, 1);
    assert_true(
        bytes_are(&world_last(&w, BODY(SLOT_FREED))->slot_freed->allocation_id, ALLOCATION(1)));
    /* A request that comes twice, or late, judges nothing. */
    uint64_t number = w.heartbeats;
    master_heartbeat(&w, number, ACCEPTED_NONE);
    master_heartbeat(&w, number - 1, ACCEPTED_NONE);
    world_settle(&w);
    assert_int_equal(world_slots(&w, ACCEPTED(2))->slots[1]->state, SLOT_STATE(ACTIVE));
    world_fini(&w);
}

static void heartbeats_say_what_runs(void **state)
{
    struct world w;
    world_init(&w, "4");
    world_start(&w);
    activate(&w, 0, 3, 1);
    activate(&w, 3, 1, 2);
    world_slots(&w, ACCEPTED(1, 2, 3, 4));
    Flinc__HeartbeatToMaster *h = world_last(&w, BODY(HEARTBEAT))->heartbeat;
    assert_int_equal(h->number, w.heartbeats);
    assert_int_equal(h->assigned_tasks, 4);
    assert_int_equal(h->n_jobs, 2);
    assert_int_equal(h->jobs[0]->n_tasks, 3);
    assert_int_equal(h->jobs[0]->rss_bytes, 3000);
    assert_true(h->free_memory > 0);
    world_fini(&w);
}

/* Half a core, 50 MiB and half of the managed memory. */
static Flinc__ResourceProfile half(void)
{
    Flinc__ResourceProfile p = FLINC__RESOURCE_PROFILE__INIT;
    p.cpu_cores = 0.5;
    p.task_heap_bytes = 50 << 20;
    p.managed_bytes = 536870920 / 2;
    p.network_bytes = 1 << 20;
    return p;
}

static void dynamic_slots_are_worth_what_was_asked_for(void **state)
{
    struct world w;
    world_init(&w, "4");
    world_start(&w);
    Flinc__ResourceProfile p = half();
    master_request_profile(&w, 9, 1, 1, &p);
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_true(answer->accepted);
    assert_int_equal(answer->slot, 9);
    assert_int_equal(worker(&w, 1)->task_bytes, 50 << 20);
    assert_int_equal(worker(&w, 1)->managed_bytes, 536870920 / 2);
    assert_int_equal(worker(&w, 1)->network_bytes, TASKMANAGER_WORKER_NETWORK_MIN);
    master_request_slot(&w, 0, 2, 1); /* a static one beside it: what they are worth together */
    world_settle(&w);
    assert_int_equal(worker(&w, 1)->n_slots, 2);
    assert_int_equal(worker(&w, 1)->managed_bytes, 536870920 / 2 + 536870920 / 4);
    master_answer_offer(&w, 1, world_last(&w, BODY(OFFER))->offer->offer_id, (uint32_t[]){1, 2, 0});
    world_settle(&w);
    Flinc__SlotReport *report = world_slots(&w, (uint32_t[]){1, 2, 0});
    assert_int_equal(report->n_slots, 5);
    assert_null(report->slots[0]->profile);
    assert_int_equal(report->slots[4]->index, 9);
    assert_int_equal(report->slots[4]->profile->managed_bytes, 536870920 / 2);
    master_free_slot(&w, 1);
    world_settle(&w);
    assert_int_equal(world_last(&w, BODY(SLOT_FREED))->slot_freed->slot, 9);
    assert_int_equal(worker(&w, 1)->managed_bytes, 536870920 / 4);
    assert_int_equal(world_slots(&w, (uint32_t[]){2, 0})->n_slots,
                     4); /* it is not there any more */
    world_fini(&w);
}

/* Static and dynamic slots take from one whole. */
static void more_than_there_is_is_refused(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    Flinc__ResourceProfile p = half();
    master_request_profile(&w, 2, 1, 1, &p);
    p.managed_bytes = 1;
    master_request_profile(&w, 3, 2, 1, &p);
    world_settle(&w);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    master_request_slot(&w, 0, 3, 2); /* a byte is missing */
    world_settle(&w);
    Flinc__SlotRequestAnswer *answer = world_last(&w, BODY(SLOT_ANSWER))->slot_answer;
    assert_false(answer->accepted);
    assert_int_equal(answer->occupied_by.len, 0);
    assert_non_null(
        strstr(answer->error->message, "has too little for a slot of ResourceProfile{"));
    assert_non_null(strstr(answer->error->message, "; free are ResourceProfile{cpuCores=1, "));
    Flinc__ExternalResource gpu = FLINC__EXTERNAL_RESOURCE__INIT;
    Flinc__ExternalResource *extended[] = {&gpu};
    gpu.name = (char *)"gpu";
    gpu.amount = 0.1;
    p.extended = extended;
    p.n_extended = 1;
    master_request_profile(&w, 4, 4, 1, &p); /* there are none */
    world_settle(&w);
    assert_false(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    master_free_slot(&w, 2);
    master_request_slot(&w, 0, 5, 2);
    world_settle(&w);
    assert_true(world_last(&w, BODY(SLOT_ANSWER))->slot_answer->accepted);
    world_fini(&w);
}

static void requests_that_make_no_sense_are_dropped(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    Flinc__ResourceProfile p = half();
    master_request_profile(&w, 1, 1, 1, &p);                   /* a static slot */
    master_request_slot(&w, 2, 2, 1);                          /* a dynamic one without a profile */
    master_request_profile(&w, SLOT_TABLE_ROWS_MAX, 3, 1, &p); /* far away */
    p.cpu_cores = -1;
    master_request_profile(&w, 2, 4, 1, &p);
    world_settle(&w);
    assert_int_equal(world_stats(&w).tm_messages_malformed, 4);
    assert_int_equal(world_count(&w, BODY(SLOT_ANSWER)), 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_requested_offered_accepted),
        cmocka_unit_test(a_request_may_be_repeated),
        cmocka_unit_test(an_occupied_slot_says_by_whom),
        cmocka_unit_test(an_offer_is_repeated_until_it_is_answered),
        cmocka_unit_test(a_refused_slot_is_free),
        cmocka_unit_test(a_slot_nobody_accepts_is_freed_in_time),
        cmocka_unit_test(a_stale_timeout_frees_nothing),
        cmocka_unit_test(the_timeout_waits_for_the_worker),
        cmocka_unit_test(the_last_slot_takes_the_worker_along),
        cmocka_unit_test(a_new_worker_waits_for_the_old_one),
        cmocka_unit_test(a_worker_that_dies_frees_its_slots),
        cmocka_unit_test(a_worker_that_cannot_start_is_no_allocation),
        cmocka_unit_test(slots_of_one_job_have_one_master),
        cmocka_unit_test(what_no_master_knows_is_freed),
        cmocka_unit_test(heartbeats_say_what_runs),
        cmocka_unit_test(dynamic_slots_are_worth_what_was_asked_for),
        cmocka_unit_test(more_than_there_is_is_refused),
        cmocka_unit_test(requests_that_make_no_sense_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
