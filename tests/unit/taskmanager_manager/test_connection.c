/* Registration, reconnecting, leaderships, silence, the end. */
#include "tests/unit/taskmanager_manager/world.h"

static void with_active_slot(struct world *w, const char *n_slots)
{
    world_init(w, n_slots);
    world_start(w);
    master_request_slot(w, 0, 1, 1);
    world_settle(w);
    master_answer_offer(w, 1, 1, ACCEPTED(1));
    world_settle(w);
    world_forget(w);
}

static void it_registers(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    assert_state(&w, "REGISTERED");
    Flinc__TaskManagerToMaster *m = world_last(&w, BODY(REGISTER_));
    Flinc__Register *r = m->register_;
    assert_int_equal(m->version, 1);
    assert_int_equal(m->leader.len, 0);
    assert_int_equal(r->known_leader.len, 0);
    assert_int_equal(r->instance_id.len, 16);
    assert_string_equal(r->resource_id, "localhost:1234-abcdef");
    assert_string_equal(r->product_version, FLINC_VERSION);
    assert_string_equal(r->data_address, "localhost:1234");
    assert_int_equal(r->n_slots, 2);
    assert_int_equal(r->slots->n_slots, 2);
    assert_int_equal(r->slots->slots[1]->state, SLOT_STATE(FREE));
    assert_int_equal(r->slot_profile->managed_bytes, 536870920 / 2);
    assert_true(r->slot_profile->cpu_cores == 1.0 && r->total_profile->cpu_cores == 2.0);
    assert_int_equal(r->memory->total_process, UINT64_C(1728) << 20);
    assert_true(r->hardware->cpu_cores > 0 && r->hardware->physical_memory > 0);
    assert_int_equal(world_stats(&w).registrations, 1);
    world_fini(&w);
}

static void a_job_manager_that_is_not_there_is_tried_again(void **state)
{
    static const enum world_network networks[] = {NETWORK_DOWN, NETWORK_REFUSES};
    for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
        struct world w;
        world_init(&w, "1");
        w.network = networks[i];
        world_start(&w);
        assert_state(&w, "DISCONNECTED");
        world_advance(&w, 3000); /* after 0.1, 0.3, 0.7, 1.5, 2.5 s */
        assert_int_equal(w.n_connects, 6);
        world_advance(&w, 30000);
        assert_in_range(w.n_connects, 35, 37);
        w.network = NETWORK_UP;
        world_advance(&w, 1100);
        assert_state(&w, "REGISTERED");
        world_fini(&w);
    }
}

static void no_answer_is_tried_again(void **state)
{
    struct world w;
    world_init(&w, "1");
    w.network = NETWORK_SILENT;
    world_start(&w);
    assert_state(&w, "REGISTERING");
    world_advance(&w, 1900);
    assert_int_equal(w.n_connects, 1);
    world_advance(&w, 300);
    assert_int_equal(w.n_connects, 2);
    world_advance(&w, 60000);
    assert_in_range(w.n_connects, 6, 12); /* waits longer each time */
    w.network = NETWORK_UP;
    world_settle(&w);
    world_advance(&w, 1000);
    assert_state(&w, "REGISTERED");
    world_fini(&w);
}

static void nobody_for_too_long_is_the_end(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_set(&w, "taskmanager.registration.timeout", "20 s");
    w.network = NETWORK_DOWN;
    world_start(&w);
    world_advance(&w, 19000);
    assert_int_equal(w.n_ends, 0);
    world_advance(&w, 1100);
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.end.code, ERR_TIMEOUT);
    assert_non_null(strstr(w.end.message, "jobmanager:6123 within 20000 ms"));
    assert_non_null(strstr(w.end.message, "jobmanager.rpc.address"));
    assert_state(&w, "STOPPED");
    uint32_t n_connects = w.n_connects;
    world_advance(&w, 60000);
    assert_int_equal(w.n_connects, n_connects);
    world_fini(&w);
}

static void send_refusal(struct world *w, const char *reason, bool retry)
{
    MASTER_MESSAGE(m, REFUSED);
    Flinc__RegistrationRefused r = FLINC__REGISTRATION_REFUSED__INIT;
    r.reason = (char *)reason;
    r.retry = retry;
    m.refused = &r;
    m.version = 9; /* of a job manager of another version */
    master_send(w, &m);
}

static void a_refusal_for_good_is_the_end(void **state)
{
    struct world w;
    world_init(&w, "1");
    w.accepts = false;
    world_start(&w);
    send_refusal(&w, "The job manager is version 2, the task manager version 1.", false);
    world_settle(&w);
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.end.code, ERR_PERMISSION);
    assert_non_null(strstr(w.end.message, "is version 2, the task manager version 1."));
    world_fini(&w);
}

static void a_refusal_for_now_is_tried_again(void **state)
{
    struct world w;
    world_init(&w, "1");
    w.accepts = false;
    world_start(&w);
    send_refusal(&w, "too many task managers", true);
    world_settle(&w);
    assert_state(&w, "DISCONNECTED");
    w.accepts = true;
    world_advance(&w, 29900);
    assert_int_equal(w.n_connects, 1);
    world_advance(&w, 200);
    assert_state(&w, "REGISTERED");
    world_fini(&w);
}

static void nonsense_waits_for_the_error_delay(void **state)
{
    struct world w;
    world_init(&w, "1");
    w.accepts = false;
    world_start(&w);
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CORRUPT, "these bytes are no message");
    rpc_channel_peer_closed(w.tm_end, &why);
    world_settle(&w);
    w.accepts = true;
    world_advance(&w, 9900);
    assert_int_equal(w.n_connects, 1);
    world_advance(&w, 200);
    assert_state(&w, "REGISTERED");
    world_fini(&w);
}

static void a_stream_that_ends_is_replaced_at_once(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    world_cut_stream(&w);
    world_settle(&w);
    assert_state(&w, "REGISTERED");
    assert_int_equal(w.n_connects, 2);
    Flinc__Register *r = world_last(&w, BODY(REGISTER_))->register_;
    assert_true(bytes_are(&r->known_leader, w.leader));
    assert_int_equal(r->slots->slots[0]->state, SLOT_STATE(ACTIVE));
    assert_true(bytes_are(&r->slots->slots[0]->allocation_id, ALLOCATION(1)));
    assert_int_equal(w.host.n_gone, 0);
    assert_int_equal(world_stats(&w).streams_lost, 1);
    /* The link between master and worker still stands. */
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    master_to_worker(&w, 1, &job->incarnation);
    world_settle(&w);
    assert_int_equal(job->n_sent, 1);
    world_fini(&w);
}

static void what_the_leader_forgot_is_freed(void **state)
{
    struct world w;
    with_active_slot(&w, "3");
    master_request_slot(&w, 1, 2, 1);
    master_request_slot(&w, 2, 3, 1);
    world_settle(&w);
    world_forget(&w);
    world_cut_stream(&w);
    struct flinc_id forgotten = ALLOCATION(2), never = ALLOCATION(77);
    *VEC_PUSH(&w.unknown, struct flinc_id) = forgotten;
    *VEC_PUSH(&w.unknown, struct flinc_id) = never;
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(SLOT_FREED)), 1);
    assert_true(bytes_are(&world_last(&w, BODY(SLOT_FREED))->slot_freed->allocation_id, forgotten));
    /* The one that waits for its acceptance is offered again. */
    Flinc__OfferSlots *offer = world_last(&w, BODY(OFFER))->offer;
    assert_int_equal(offer->n_slots, 1);
    assert_true(bytes_are(&offer->slots[0]->allocation_id, ALLOCATION(3)));
    world_fini(&w);
}

static void another_leader_gets_empty_slots(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    w.host.flags &= ~(unsigned)FAKE_HOST_KILLS;
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    w.leader = LEADER(2);
    world_cut_stream(&w);
    world_settle(&w);
    assert_state(&w, "CLEARING");
    assert_int_equal(job->n_kills, 1);
    assert_int_equal(world_count(&w, BODY(REGISTER_)), 1);
    world_advance(&w, 500);
    assert_int_equal(w.n_connects, 2);
    fake_job_say(job, "late words"); /* for a master that is gone */
    fake_job_end(job, ERR_CANCELLED, "killed");
    world_settle(&w);
    assert_state(&w, "REGISTERED");
    assert_int_equal(w.n_connects, 3);
    Flinc__Register *r = world_last(&w, BODY(REGISTER_))->register_;
    assert_true(bytes_are(&r->known_leader, LEADER(2)));
    assert_int_equal(r->slots->slots[0]->state, SLOT_STATE(FREE));
    assert_int_equal(world_count(&w, BODY(FROM_WORKER)), 0);
    assert_int_equal(world_count(&w, BODY(WORKER_CLOSED)), 0);
    world_fini(&w);
}

static void a_restarted_job_manager_has_it_back_within_two_seconds(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    w.network = NETWORK_DOWN;
    w.leader = LEADER(2);
    world_cut_stream(&w);
    world_settle(&w);
    world_advance(&w, 7300); /* while it restarts */
    assert_int_equal(w.host.n_gone, 0);
    w.network = NETWORK_UP;
    world_advance(&w, 1100);
    assert_state(&w, "REGISTERED");
    assert_int_equal(w.host.n_gone, 1);
    assert_int_equal(world_slots(&w, ACCEPTED_NONE)->slots[0]->state, SLOT_STATE(FREE));
    world_fini(&w);
}

static void nobody_heard_ends_the_workers(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    world_slots(&w, ACCEPTED(1));
    w.network = NETWORK_DOWN;
    world_cut_stream(&w);
    world_advance(&w, 49000);
    assert_int_equal(w.host.jobs.len, 1);
    world_advance(&w, 1500);
    assert_int_equal(w.host.jobs.len, 0);
    w.network = NETWORK_UP;
    world_advance(&w, 1100);
    Flinc__Register *r = world_last(&w, BODY(REGISTER_))->register_;
    assert_int_equal(r->slots->slots[0]->state, SLOT_STATE(FREE));
    world_fini(&w);
}

static void a_frozen_job_manager_is_left(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    world_advance(&w, 30000);
    world_slots(&w, ACCEPTED(1));
    world_advance(&w, 49900);
    assert_int_equal(w.host.jobs.len, 1); /* 50 s since it was heard, not since it registered */
    world_advance(&w, 300);
    assert_int_equal(w.host.jobs.len, 0);
    assert_int_equal(world_stats(&w).silences, 1);
    assert_int_equal(w.n_connects, 2);
    assert_state(&w, "REGISTERED");
    assert_int_equal(world_slots(&w, ACCEPTED_NONE)->slots[0]->state, SLOT_STATE(FREE));
    world_fini(&w);
}

static void messages_of_workers_wait_for_the_stream(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    fake_job_say(job, "first");
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(FROM_WORKER)), 1);
    world_forget(&w);
    w.network = NETWORK_DOWN;
    world_cut_stream(&w);
    world_settle(&w);
    fake_job_say(job, "second");
    fake_job_say(job, "third");
    fake_job_end(job, ERR_USER_CODE, "crashed");
    world_settle(&w);
    w.network = NETWORK_UP;
    world_advance(&w, 1100);
    assert_int_equal(world_count(&w, BODY(FROM_WORKER)), 2);
    Flinc__FromWorker *from = world_last(&w, BODY(FROM_WORKER))->from_worker;
    assert_memory_equal(from->message.data, "third", 5);
    assert_int_equal(world_count(&w, BODY(WORKER_CLOSED)), 1);
    assert_string_equal(world_last(&w, BODY(WORKER_CLOSED))->worker_closed->error->message,
                        "crashed");
    assert_true(bytes_are(&world_last(&w, BODY(WORKER_CLOSED))->leader, w.leader));
    world_fini(&w);
}

static void a_worker_whose_messages_find_no_room_is_ended(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    w.network = NETWORK_DOWN;
    world_cut_stream(&w);
    world_settle(&w);
    for (int i = 0; i < TASKMANAGER_HELD_MESSAGES_MAX; i++) {
        fake_job_say(job, "words");
    }
    world_settle(&w);
    assert_int_equal(w.host.jobs.len, 1);
    fake_job_say(job, "one too many");
    world_settle(&w);
    assert_int_equal(w.host.jobs.len, 0);
    w.network = NETWORK_UP;
    world_advance(&w, 1100);
    assert_int_equal(world_count(&w, BODY(FROM_WORKER)), TASKMANAGER_HELD_MESSAGES_MAX);
    assert_non_null(
        strstr(world_last(&w, BODY(WORKER_CLOSED))->worker_closed->error->message, "no room"));
    world_fini(&w);
}

static void a_shutdown_ends_the_workers_first(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    w.host.flags &= ~(unsigned)FAKE_HOST_STOPS;
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    taskmanager_shutdown(w.tm, "SIGTERM");
    world_settle(&w);
    assert_state(&w, "STOPPING");
    assert_int_equal(world_count(&w, BODY(GOODBYE)), 1);
    assert_int_equal(job->n_stops, 1);
    assert_int_equal(w.n_ends, 0);
    taskmanager_shutdown(w.tm, "again");
    world_advance(&w, 2500);
    assert_int_equal(job->n_kills, 0);
    world_advance(&w, 1000); /* it does not end by itself */
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.end.code, 0);
    assert_int_equal(w.host.jobs.len, 0);
    assert_state(&w, "STOPPED");
    assert_true(w.closed);
    world_fini(&w);
}

static void a_shutdown_while_nobody_is_there(void **state)
{
    struct world w;
    world_init(&w, "1");
    w.network = NETWORK_SILENT;
    world_start(&w);
    taskmanager_shutdown(w.tm, "SIGTERM");
    world_settle(&w);
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.end.code, 0);
    world_advance(&w, 400000);
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.n_connects, 1);
    world_fini(&w);
}

static void send_disconnect(struct world *w, bool end)
{
    MASTER_MESSAGE(m, DISCONNECT);
    Flinc__Disconnect d = FLINC__DISCONNECT__INIT;
    d.reason = (char *)"shutting down";
    d.exit = end;
    m.disconnect = &d;
    master_send(w, &m);
}

static void a_goodbye_of_the_job_manager(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    w.leader = LEADER(1);
    send_disconnect(&w, false);
    w.network = NETWORK_DOWN;
    world_settle(&w);
    assert_int_equal(w.host.jobs.len, 0);
    assert_state(&w, "DISCONNECTED");
    w.leader = LEADER(2);
    w.network = NETWORK_UP;
    world_advance(&w, 1500);
    assert_state(&w, "REGISTERED");
    send_disconnect(&w, true);
    world_settle(&w);
    assert_int_equal(w.n_ends, 1);
    assert_int_equal(w.end.code, 0);
    world_fini(&w);
}

static void other_leaders_messages_change_nothing(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    struct flinc_id right = w.leader;
    w.leader = LEADER(9);
    master_free_slot(&w, 1);
    master_request_slot(&w, 1, 2, 2);
    master_heartbeat(&w, 1000, ACCEPTED_NONE);
    master_heartbeat(&w, 1001, ACCEPTED_NONE);
    send_disconnect(&w, true);
    world_settle(&w);
    assert_int_equal(world_stats(&w).messages_fenced, 5);
    assert_int_equal(w.received.len, 0);
    w.leader = right;
    Flinc__SlotReport *report = world_slots(&w, ACCEPTED(1));
    assert_int_equal(report->slots[0]->state, SLOT_STATE(ACTIVE));
    assert_int_equal(report->slots[1]->state, SLOT_STATE(FREE));
    world_fini(&w);
}

static void malformed_messages_change_nothing(void **state)
{
    struct world w;
    with_active_slot(&w, "2");
    struct flinc_id id = ALLOCATION(1);
    MASTER_MESSAGE(a, REQUEST_SLOT);
    Flinc__RequestSlot request = FLINC__REQUEST_SLOT__INIT;
    a.request_slot = &request;
    master_send(&w, &a); /* no ids */
    request.allocation_id = request.job_id = request.master_token = bytes_of(&id);
    request.slot = 2;
    master_send(&w, &a); /* no such slot */
    MASTER_MESSAGE(b, FREE_SLOT);
    Flinc__FreeSlot free_slot = FLINC__FREE_SLOT__INIT;
    free_slot.allocation_id = (ProtobufCBinaryData){3, id.bytes};
    b.free_slot = &free_slot;
    master_send(&w, &b);
    MASTER_MESSAGE(c, TO_WORKER);
    Flinc__ToWorker to_worker = FLINC__TO_WORKER__INIT;
    c.to_worker = &to_worker;
    master_send(&w, &c);
    MASTER_MESSAGE(d, CLOSE_WORKER_LINK);
    Flinc__CloseWorkerLink close_link = FLINC__CLOSE_WORKER_LINK__INIT;
    d.close_worker_link = &close_link;
    master_send(&w, &d);
    master_answer_offer(&w, 1, 1000, ACCEPTED_NONE); /* never offered */
    MASTER_MESSAGE(e, FREE_SLOT);
    e.version = 2;
    e.free_slot = &free_slot;
    master_send(&w, &e);
    world_settle(&w);
    assert_int_equal(world_stats(&w).tm_messages_malformed, 7);
    master_accept(&w); /* a second answer */
    Flinc__MasterToTaskManager empty = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    master_send(&w, &empty);
    world_settle(&w);
    assert_int_equal(world_stats(&w).messages_unexpected, 2);
    assert_int_equal(w.received.len, 0);
    assert_int_equal(world_slots(&w, ACCEPTED(1))->slots[0]->state, SLOT_STATE(ACTIVE));
    world_fini(&w);
}

static void links_fit_workers(void **state)
{
    struct world w;
    with_active_slot(&w, "1");
    struct fake_job *job = vec_ptr(&w.host.jobs, 0);
    struct flinc_id other = ALLOCATION(5);
    master_to_worker(&w, 1, &other);
    master_to_worker(&w, 2, &job->incarnation);
    world_settle(&w);
    assert_int_equal(job->n_sent, 0);
    master_to_worker(&w, 1, &job->incarnation);
    world_settle(&w);
    assert_int_equal(job->n_sent, 1);
    MASTER_MESSAGE(m, CLOSE_WORKER_LINK);
    Flinc__CloseWorkerLink close_link = FLINC__CLOSE_WORKER_LINK__INIT;
    struct flinc_id j = JOB(1);
    close_link.job_id = bytes_of(&j);
    close_link.incarnation = bytes_of(&job->incarnation);
    m.close_worker_link = &close_link;
    master_send(&w, &m);
    master_to_worker(&w, 1, &job->incarnation);
    world_settle(&w);
    assert_int_equal(w.host.n_closed_links, 1);
    assert_int_equal(job->n_sent, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_registers),
        cmocka_unit_test(a_job_manager_that_is_not_there_is_tried_again),
        cmocka_unit_test(no_answer_is_tried_again),
        cmocka_unit_test(nobody_for_too_long_is_the_end),
        cmocka_unit_test(a_refusal_for_good_is_the_end),
        cmocka_unit_test(a_refusal_for_now_is_tried_again),
        cmocka_unit_test(nonsense_waits_for_the_error_delay),
        cmocka_unit_test(a_stream_that_ends_is_replaced_at_once),
        cmocka_unit_test(what_the_leader_forgot_is_freed),
        cmocka_unit_test(another_leader_gets_empty_slots),
        cmocka_unit_test(a_restarted_job_manager_has_it_back_within_two_seconds),
        cmocka_unit_test(nobody_heard_ends_the_workers),
        cmocka_unit_test(a_frozen_job_manager_is_left),
        cmocka_unit_test(messages_of_workers_wait_for_the_stream),
        cmocka_unit_test(a_worker_whose_messages_find_no_room_is_ended),
        cmocka_unit_test(a_shutdown_ends_the_workers_first),
        cmocka_unit_test(a_shutdown_while_nobody_is_there),
        cmocka_unit_test(a_goodbye_of_the_job_manager),
        cmocka_unit_test(other_leaders_messages_change_nothing),
        cmocka_unit_test(malformed_messages_change_nothing),
        cmocka_unit_test(links_fit_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
