/* A task manager in a hostile world, from a seed: a job manager that asks, forgets, repeats, forges,
 * restarts under another leadership, freezes and comes back; a network that loses, doubles and holds
 * messages and cuts streams; workers that start late, die and do not end; failpoints.
 *
 * Checked all the time: slots and jobs fit each other, workers are of jobs with slots.  In the end the
 * network heals and the job manager frees everything: all slots are free, no worker is left, and it is
 * registered.  FLINC_TEST_SEED and FLINC_TEST_ROUNDS: see seeds.h. */
#include "common/base/failpoint.h"
#include "taskmanager/manager/taskmanager_internal.h"
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_manager/world.h"

enum { SEEDS = 300, STEPS = 2500, N_SLOTS = 4, N_JOBS = 3 };

struct chaos {
    struct world w;
    struct rng rng;
    bool healed;
    uint32_t n_leaders, n_allocations;
    uint32_t allocations[N_SLOTS * 4]; /* the newest that were asked for */
    uint64_t n_registrations, n_workers, n_activated;
};

static uint32_t below(struct chaos *c, uint32_t n)
{
    return (uint32_t)rng_below(&c->rng, n);
}

static enum rpc_verdict decide(void *arg, const char *channel, const uint8_t *bytes, size_t size)
{
    struct chaos *c = arg;
    uint32_t dice = below(c, 100);
    if (c->healed) {
        return RPC_PASS;
    }
    return dice < 3 ? RPC_DROP : dice < 8 ? RPC_DUPLICATE : dice < 11 ? RPC_HOLD : RPC_PASS;
}

static uint32_t any_allocation(struct chaos *c)
{
    return c->allocations[below(c, ARRAY_LEN(c->allocations))];
}

/* ---- checks ------------------------------------------------------------------------------------- */

static void check(struct chaos *c)
{
    struct taskmanager *tm = c->w.tm;
    uint32_t n_used = 0;
    struct resource_profile used = {0};
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        const struct tm_slot *s = tm_slot_table_row(&tm->slots, i);
        assert_int_equal(s->profile != NULL, i >= tm->slots.n && s->state != SLOT_FREE);
        if (s->state == SLOT_FREE) {
            assert_int_equal(s->timer, 0);
            continue;
        }
        resource_profile_add(&used, s->profile != NULL ? s->profile : &tm->slots.slot_profile);
        n_used++;
        const struct tm_job *job = tm_jobs_find(tm, &s->job_id);
        assert_non_null(job);
        assert_ptr_equal(tm_slot_table_find(&tm->slots, &s->allocation_id), s);
        assert_true(s->state != SLOT_RELEASING || job->state == TM_JOB_STOPPING);
        assert_true(s->state != SLOT_ACTIVE || job->state == TM_JOB_READY);
        assert_true((s->timer != 0) == (s->state == SLOT_ALLOCATED));
    }
    assert_int_equal(n_used, tm->slots.allocations.len);
    assert_int_equal(MIN(n_used, (uint32_t)N_SLOTS), atomic_load(&tm->shown.used_slots));
    assert_true(resource_profile_fits(&used, &tm->slots.total));
    MAP_FOREACH (&tm->jobs, e) {
        const struct tm_job *job = e->value;
        uint32_t n =
            tm_slot_table_count(&tm->slots, &job->id, 1 << SLOT_ALLOCATED | 1 << SLOT_ACTIVE);
        const struct fake_job *worker = fake_host_find(&c->w.host, &job->id);
        assert_true(n > 0 || job->state == TM_JOB_STOPPING);
        assert_true(job->worker_known);
        assert_non_null(worker);
        /* More when it could not be told of a slot that was given up. */
        assert_true(job->state == TM_JOB_STOPPING || worker->n_slots >= n);
    }
    assert_int_equal(c->w.host.jobs.len, tm->jobs.len); /* no worker without a job */
}

/* ---- what the job manager does ------------------------------------------------------------------ */

/* From a tenth of a static slot to more than there is. */
static void request_dynamic(struct chaos *c, uint32_t allocation)
{
    Flinc__ResourceProfile p = FLINC__RESOURCE_PROFILE__INIT;
    uint32_t tenths = 1 + below(c, 10 * (N_SLOTS + 1));
    const struct resource_profile *slot = &c->w.tm->slots.slot_profile;
    p.cpu_cores = tenths / 10.0;
    p.task_heap_bytes = slot->task_heap_bytes / 10 * tenths;
    p.managed_bytes = slot->managed_bytes / 10 * below(c, tenths);
    master_request_profile(&c->w, N_SLOTS + below(c, 4) - (below(c, 20) == 0), allocation,
                           1 + below(c, N_JOBS), &p);
}

static void request(struct chaos *c)
{
    uint32_t allocation = ++c->n_allocations;
    if (below(c, 10) == 0) {
        allocation = any_allocation(c);
    }
    c->allocations[c->n_allocations % ARRAY_LEN(c->allocations)] = allocation;
    if (below(c, 5) == 0) {
        request_dynamic(c, allocation);
        return;
    }
    master_request_slot(&c->w, below(c, N_SLOTS + (below(c, 20) == 0)), allocation,
                        1 + below(c, N_JOBS));
}

static void answer_offer(struct chaos *c)
{
    uint32_t accepted[16] = {0}, n = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(c->allocations) && n < 15; i++) {
        if (c->allocations[i] != 0 && below(c, 4) != 0) {
            accepted[n++] = c->allocations[i];
        }
    }
    uint64_t newest = c->w.tm->offers;
    uint64_t offer_id = newest > 0 && below(c, 10) != 0 ? newest : below(c, (uint32_t)newest + 3);
    master_answer_offer(&c->w, 1 + below(c, N_JOBS), offer_id, accepted);
}

static void heartbeat(struct chaos *c)
{
    uint32_t known[16] = {0}, n = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(c->allocations) && n < 15; i++) {
        if (c->allocations[i] != 0 && below(c, 8) != 0) {
            known[n++] = c->allocations[i];
        }
    }
    master_heartbeat(&c->w, ++c->w.heartbeats - (below(c, 5) == 0), known);
}

static void forge(struct chaos *c)
{
    struct flinc_id right = c->w.leader;
    c->w.leader.bytes[below(c, 16)] ^= 1;
    if (below(c, 2) == 0) {
        request(c);
    } else {
        master_free_slot(&c->w, any_allocation(c));
    }
    c->w.leader = right;
}

static void restart_job_manager(struct chaos *c)
{
    c->w.leader = LEADER(++c->n_leaders);
    world_cut_stream(&c->w);
    mailbox_run(c->w.mailbox, 100000); /* what was sent to the old one */
}

static void change_network(struct chaos *c)
{
    static const enum world_network networks[] = {NETWORK_UP, NETWORK_UP, NETWORK_DOWN,
                                                  NETWORK_SILENT, NETWORK_REFUSES};
    c->w.network = networks[below(c, ARRAY_LEN(networks))];
    if (below(c, 2) == 0) {
        world_cut_stream(&c->w);
    }
}

/* ---- what workers do ---------------------------------------------------------------------------- */

static void act_on_worker(struct chaos *c)
{
    if (c->w.host.jobs.len == 0) {
        return;
    }
    struct fake_job *job = vec_ptr(&c->w.host.jobs, below(c, (uint32_t)c->w.host.jobs.len));
    uint32_t dice = below(c, 100);
    if (job->n_kills > 0 || (job->n_stops > 0 && dice < 50)) {
        fake_job_end(job, ERR_CANCELLED, "stopped");
    } else if (!job->ready && dice < 60) {
        fake_job_become_ready(job);
    } else if (dice < 90) {
        fake_job_say(job, "words");
    } else {
        fake_job_end(job, ERR_USER_CODE, "crashed");
    }
}

static void strike(struct chaos *c)
{
    static const char *const points[] = {
        "taskmanager.connect",
        "taskmanager.register.before_send",
        "taskmanager.send",
        "taskmanager.message.before_dispatch",
        "taskmanager.slot.before_allocate",
        "taskmanager.worker.before_start",
        "taskmanager.offer.before_answer",
        "rpc.send",
    };
    STR_AUTO spec = STR_INIT;
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    str_printf(&spec, "%s=error,nth=1", points[below(c, ARRAY_LEN(points))]);
    assert_int_equal(failpoint_configure(str_cstr(&spec), &err), 0);
}

/* ---- one seed ----------------------------------------------------------------------------------- */

static void act(struct chaos *c)
{
    struct world *w = &c->w;
    uint32_t dice = below(c, 1000);
    if (dice < 120) {
        request(c);
    } else if (dice < 220) {
        answer_offer(c);
    } else if (dice < 280) {
        heartbeat(c);
    } else if (dice < 310) {
        master_free_slot(w, any_allocation(c));
    } else if (dice < 330) {
        forge(c);
    } else if (dice < 335) {
        restart_job_manager(c);
    } else if (dice < 350) {
        change_network(c);
    } else if (dice < 360) {
        strike(c);
    } else if (dice < 480) {
        act_on_worker(c);
    } else if (dice < 500 && w->channel != NULL && !w->closed) {
        rpc_memory_release(w->channel, 1 + below(c, 4));
    } else if (dice < 510 && w->tm->channel != NULL) {
        rpc_memory_release(w->tm->channel, 1 + below(c, 4));
    } else if (dice < 560) {
        clock_manual_advance_ms(&w->clock, below(c, below(c, 30) == 0 ? 60000 : 2000));
    } else if (dice < 570) {
        w->host.flags = below(c, 16);
    } else if (dice < 700 && w->network != NETWORK_SILENT) {
        mailbox_run(w->mailbox, 1 + below(c, 8));
    } else {
        component_run_until_idle(taskmanager_component(w->tm), 1 + below(c, 8));
    }
    if (below(c, 10) == 0) {
        world_forget(w);
    }
}

static void heal(struct chaos *c)
{
    struct world *w = &c->w;
    c->healed = true;
    failpoint_clear_all();
    w->network = NETWORK_UP;
    w->host.flags = FAKE_HOST_READY | FAKE_HOST_STOPS | FAKE_HOST_KILLS;
    for (size_t i = 0; i < w->host.jobs.len; i++) {
        struct fake_job *job = vec_ptr(&w->host.jobs, i);
        if (job->n_stops + job->n_kills > 0) {
            fake_job_end(job, ERR_CANCELLED, "stopped");
        } else if (!job->ready) {
            fake_job_become_ready(job);
        }
    }
    world_cut_stream(w);
    world_advance(w, 35000); /* longer than every delay between attempts */
    assert_state(w, "REGISTERED");
    for (int i = 0; i < 3; i++) { /* no master knows anything */
        w->heartbeats += 2;
        master_heartbeat(w, w->heartbeats, ACCEPTED_NONE);
        world_settle(w);
    }
    world_advance(w, 12000);
    check(c);
    assert_int_equal(tm_slot_table_n_free(&w->tm->slots), N_SLOTS);
    assert_int_equal(w->host.jobs.len, 0);
    assert_int_equal(w->host.n_started, w->host.n_gone);
    /* And it serves again. */
    master_request_slot(w, 0, ++c->n_allocations, 1);
    world_settle(w);
    master_answer_offer(w, 1, w->tm->offers, ACCEPTED(c->n_allocations));
    world_settle(w);
    assert_int_equal(w->tm->slots.slots[0].state, SLOT_ACTIVE);
}

static void run_seed(struct chaos *c, uint64_t seed)
{
    struct world *w = &c->w;
    uint64_t sums[3] = {c->n_registrations, c->n_workers, c->n_activated};
    *c = (struct chaos){.n_registrations = sums[0], .n_workers = sums[1], .n_activated = sums[2]};
    rng_init(&c->rng, seed);
    world_init(w, "4");
    world_set(w, "taskmanager.registration.timeout", "10000 h");
    w->interceptor = (struct rpc_interceptor){decide, c};
    c->n_leaders = 1;
    world_start_seeded(w, seed + 1);
    for (int i = 0; i < STEPS; i++) {
        act(c);
        check(c);
    }
    heal(c);
    c->n_registrations += world_stats(w).registrations;
    c->n_workers += w->host.n_started;
    c->n_activated += w->host.n_open_links;
    world_fini(w);
}

static uint64_t last_seed;

static void chaos_leaves_nothing_behind(void **state)
{
    struct chaos *c = MEM_NEW(struct chaos);
    struct seeds seeds = seeds_from(1, SEEDS);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        last_seed = seed;
        run_seed(c, seed);
    }
    print_message("%llu registrations, %llu workers, %llu links\n",
                  (unsigned long long)c->n_registrations, (unsigned long long)c->n_workers,
                  (unsigned long long)c->n_activated);
    assert_true(c->n_registrations > 2 * SEEDS && c->n_workers > 5 * SEEDS &&
                c->n_activated > 2 * SEEDS);
    mem_free(c);
}

static int tell_seed(void **state)
{
    print_message("last seed: %llu\n", (unsigned long long)last_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(chaos_leaves_nothing_behind, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
