/* Random runs: messages are lost, doubled and held back, task managers die, come back, freeze and thaw,
 * workers crash, slots are freed, jobs come and go.  Then everything heals: every job runs or waits for slots
 * that are not there, no slot is used twice, both sides agree; and after the jobs all slots are free.
 * Thread: the test's. */
#include "tests/unit/jobmanager_resourcemanager/world.h"
#include "tests/unit/seeds.h"

enum { STEPS = 150, SEEDS = 60 };

static struct totals { /* of all seeds: that something happened at all */
    uint64_t jobs, sized, running, waiting, ended, restarts, reconnects, lost, fenced;
} totals;

struct chaos {
    struct world w;
    struct rng rng;
    bool lossy;
};

static bool chance(struct chaos *c, uint32_t percent)
{
    return rng_below(&c->rng, 100) < percent;
}

static enum rpc_verdict decide(void *arg, const char *channel, const uint8_t *bytes, size_t size)
{
    struct chaos *c = arg;
    uint64_t dice = c->lossy ? rng_below(&c->rng, 100) : 100;
    return dice < 3 ? RPC_DROP : dice < 6 ? RPC_DUPLICATE : dice < 9 ? RPC_HOLD : RPC_PASS;
}

static void connect_tm(struct chaos *c, struct fake_tm *t)
{
    fake_tm_connect(t, &c->w.interceptor);
}

/* Some have sinks in slots of another size: less than a static slot, more, or more than there is. */
static void start_job(struct chaos *c, uint32_t parallelism)
{
    static const double cpus[] = {0.25, 0.5, 1.5, 3, 5};
    double cpu = chance(c, 40) ? cpus[rng_below(&c->rng, ARRAY_LEN(cpus))] : 0;
    (void)world_start_sized_job(&c->w, parallelism, cpu, 10 + rng_below(&c->rng, 190));
    totals.sized += cpu > 0;
}

static void one_step(struct chaos *c)
{
    struct world *w = &c->w;
    struct fake_tm *t = &w->tms[rng_below(&c->rng, w->n_tms)];
    struct world_job *j = &w->jobs[rng_below(&c->rng, w->n_jobs)];
    uint64_t dice = rng_below(&c->rng, 100);
    if (dice < 6) {
        fake_tm_die(t);
    } else if (dice < 12 && t->channel != NULL) {
        rpc_channel_close(t->channel);
        t->closed = true;
    } else if (dice < 30) {
        if (t->channel == NULL || t->closed) {
            connect_tm(c, t);
        } else if (!t->registered) {
            fake_tm_register(t);
        }
    } else if (dice < 36) {
        t->flags = (unsigned)rng_below(&c->rng, 16);
    } else if (dice < 50) {
        t->flags = 0;
    } else if (dice < 56) {
        if (fake_tm_worker(t, &j->id) != NULL) {
            fake_tm_kill_worker(t, &j->id, "it crashed");
        }
    } else if (dice < 60) {
        uint32_t slot = (uint32_t)rng_below(&c->rng, t->n_slots);
        if (t->slots[slot].state != FLINC__SLOT_STATE__SLOT_FREE) {
            fake_tm_free_slot(t, slot, "it was in the mood");
        }
    } else if (dice < 63 && w->n_jobs < WORLD_JOBS_MAX) {
        start_job(c, 1 + (uint32_t)rng_below(&c->rng, 3));
    } else if (dice < 66) {
        jobmaster_cancel(j->jm);
    } else if (dice < 75 && t->channel != NULL) {
        rpc_memory_release(t->channel, 0);
    } else {
        clock_manual_advance_ms(&w->clock, (int64_t)rng_below(&c->rng, 600));
    }
    world_settle(w);
}

static void heal(struct chaos *c)
{
    struct world *w = &c->w;
    c->lossy = false;
    for (int i = 0; i < 3000; i++) {
        for (uint32_t k = 0; k < w->n_tms; k++) {
            struct fake_tm *t = &w->tms[k];
            t->flags = 0;
            if (t->channel == NULL || t->closed) {
                connect_tm(c, t);
            } else if (!t->registered) {
                fake_tm_register(t);
            }
        }
        /* What is held on the way down shows as a stream of its own kind: made anew. */
        if (i == 0) {
            for (uint32_t k = 0; k < w->n_tms; k++) {
                connect_tm(c, &w->tms[k]);
            }
        }
        world_settle(w);
        clock_manual_advance_ms(&w->clock, 20);
    }
}

static bool job_has_ended(const struct world_job *j)
{
    return j->n_terminals > 0;
}

static void check_slots(struct chaos *c)
{
    struct world *w = &c->w;
    uint32_t n_free = 0;
    struct map seen;
    map_init(&seen, NULL);
    for (uint32_t k = 0; k < w->n_tms; k++) {
        struct fake_tm *t = &w->tms[k];
        n_free += fake_tm_shown_free(t);
        for (uint32_t i = 0; i < t->n_slots; i++) {
            if (t->slots[i].state != FLINC__SLOT_STATE__SLOT_FREE) {
                assert_true(map_put_bytes(&seen, &t->slots[i].allocation, 16, t));
            }
        }
    }
    map_fini(&seen);
    assert_int_equal(world_overview(w).n_free, n_free);
    assert_int_equal(world_overview(w).n_task_managers, w->n_tms);
}

/* The job waits for slots: not all that it may lack can be had. */
static void check_waits(const struct world *w, const struct world_job *j)
{
    bool has_static = false;
    bool has_dynamic = j->graph->n_slot_sharing_groups == 0;
    for (uint32_t k = 0; k < w->n_tms; k++) {
        const struct fake_tm *t = &w->tms[k];
        struct resource_profile left = fake_tm_left(t), need = t->total;
        resource_profile_divide(&need, t->n_static);
        bool has_row = fake_tm_slots_in(t, FLINC__SLOT_STATE__SLOT_FREE) > 0;
        has_static = has_static || (has_row && resource_profile_fits(&need, &left));
        if (j->graph->n_slot_sharing_groups > 0) {
            assert_int_equal(
                resource_profile_read(j->graph->slot_sharing_groups[0]->profile, &need, NULL), 0);
            has_dynamic = has_dynamic || resource_profile_fits(&need, &left);
        }
    }
    assert_false(has_static && has_dynamic);
}

static void check_jobs(struct chaos *c)
{
    struct world *w = &c->w;
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        struct world_job *j = &w->jobs[i];
        struct job_progress p = world_progress(j);
        totals.jobs++;
        totals.restarts += p.restarts;
        if (job_has_ended(j)) {
            totals.ended++;
            continue;
        }
        uint32_t on_tms = 0;
        for (uint32_t k = 0; k < w->n_tms; k++) {
            on_tms += fake_tm_tasks(&w->tms[k], &j->id);
        }
        if (world_running(j) == p.tasks_total) {
            assert_int_equal(on_tms, p.tasks_total); /* no zombie, none missing */
            totals.running++;
        } else {
            assert_int_equal(world_running(j), 0);
            assert_int_equal(on_tms, 0);
            check_waits(w, j);
            totals.waiting++;
        }
    }
}

static void run(uint64_t seed)
{
    struct chaos c = {.lossy = false};
    struct world *w = &c.w;
    rng_init(&c.rng, seed);
    world_init(w);
    w->seed = seed;
    w->interceptor = (struct rpc_interceptor){decide, &c};
    if (chance(&c, 50)) {
        world_set(w, "cluster.evenly-spread-out-slots", "true");
    }
    for (int i = 0; i < 3; i++) {
        world_add_tm(w, 1 + (uint32_t)rng_below(&c.rng, 4));
    }
    start_job(&c, 2);
    start_job(&c, 1);
    c.lossy = true;
    for (int i = 0; i < STEPS; i++) {
        one_step(&c);
    }
    heal(&c);
    check_slots(&c);
    check_jobs(&c);
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        jobmaster_cancel(w->jobs[i].jm);
    }
    world_advance(w, 3000);
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        assert_int_equal(w->jobs[i].n_terminals, 1);
        world_end_job(w, &w->jobs[i]);
    }
    world_advance(w, 3000);
    struct resource_overview o = world_overview(w);
    assert_int_equal(o.n_free, o.n_slots);
    check_slots(&c);
    struct resourcemanager_stats stats = world_stats(w);
    totals.reconnects += stats.reconnects;
    totals.lost += stats.lost_by_stream + stats.lost_by_heartbeat;
    totals.fenced += stats.messages_fenced;
    world_fini(w);
}

static uint64_t running; /* seed */

static void random_runs(void **state)
{
    struct seeds seeds = seeds_from(1, SEEDS);
    for (running = seeds.first; running < seeds.end; running++) {
        run(running);
    }
    running = 0;
    print_message(
        "%llu jobs: %llu ran, %llu waited, %llu had ended; %llu restarts; task managers: %llu "
        "reconnects, %llu lost; %llu messages fenced\n",
        (unsigned long long)totals.jobs, (unsigned long long)totals.running,
        (unsigned long long)totals.waiting, (unsigned long long)totals.ended,
        (unsigned long long)totals.restarts, (unsigned long long)totals.reconnects,
        (unsigned long long)totals.lost, (unsigned long long)totals.fenced);
}

static int say_seed(void **state)
{
    if (running != 0) {
        print_error("seed %llu failed\n", (unsigned long long)running);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(random_runs, say_seed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
