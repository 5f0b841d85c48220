/* A job master in a hostile world, from a seed: messages are lost, doubled and held back, tasks say
 * anything in any state, workers die and come back, slots get lost, failpoints strike, somebody
 * cancels.  In the end the network heals, and the job must end.
 *
 * Checked all the time: the status only moves along the table, nothing is told after the end, slots
 * are given back once, no message with a wrong token has an effect.  FLINC_TEST_SEED replays one,
 * FLINC_TEST_SEEDS runs more of them. */
#include "common/base/failpoint.h"
#include "jobmanager/jobmaster/job_status.h"
#include "tests/unit/jobmanager_jobmaster/world.h"

enum { SEEDS = 100, STEPS = 3000, HEAL_INTERVALS_MAX = 50 };

static const char FORGED[] = "said with a wrong token";

struct chaos {
    struct world w;
    struct rng rng;
    bool healed;
    enum job_status last; /* as on_status told it */
    uint32_t n_ended[JOB_STATUS_COUNT];
    uint64_t n_restarts, n_attempts; /* of all seeds */
};

static uint32_t below(struct chaos *c, uint32_t n)
{
    return (uint32_t)rng_below(&c->rng, n);
}

/* ---- the network ------------------------------------------------------------------------------ */

static enum rpc_verdict decide(void *arg, const char *channel, const uint8_t *bytes, size_t size)
{
    struct chaos *c = arg;
    uint32_t dice = below(c, 100);
    if (c->healed) {
        return RPC_PASS;
    }
    return dice < 4 ? RPC_DROP : dice < 10 ? RPC_DUPLICATE : dice < 14 ? RPC_HOLD : RPC_PASS;
}

/* Up to `max` messages of each direction; 0: all. */
static void release_held(struct fake_worker *fw, size_t max)
{
    if (fw->channel != NULL) {
        rpc_memory_release(fw->channel, max);
        rpc_memory_release(fw->master, max);
    }
}

/* ---- what the owner sees ---------------------------------------------------------------------- */

static void on_status(void *owner, enum job_status from, enum job_status to)
{
    struct chaos *c = CONTAINER_OF((struct world *)owner, struct chaos, w);
    assert_int_equal(from, c->last);
    assert_true(job_status_may_move(from, to));
    assert_int_equal(c->w.n_terminals, 0);
    c->last = to;
}

static void check_snapshots(struct chaos *c)
{
    struct job_progress p;
    struct job_failure failures[16];
    jobmaster_get_progress(c->w.jm, &p);
    assert_int_equal(p.status, c->last);
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(p.tasks_by_state); i++) {
        n += p.tasks_by_state[i];
    }
    assert_int_equal(n, p.tasks_total);
    if (p.status == JOB_STATUS_FINISHED) {
        assert_int_equal(p.tasks_by_state[FINISHED], p.tasks_total);
    }
    uint32_t n_failures = jobmaster_get_failures(c->w.jm, failures, 16);
    for (uint32_t i = 0; i < n_failures; i++) {
        assert_null(strstr(failures[i].error.message, FORGED));
    }
}

/* ---- what tasks say --------------------------------------------------------------------------- */

static struct fake_task *any_task(struct chaos *c)
{
    struct fake_worker *fw = &c->w.workers[below(c, c->w.n_workers)];
    return fw->tasks.len == 0 ? NULL : vec_ptr(&fw->tasks, below(c, (uint32_t)fw->tasks.len));
}

/* A task of the newest deployments, which matter most. */
static struct fake_task *new_task(struct chaos *c)
{
    struct fake_worker *fw = &c->w.workers[below(c, c->w.n_workers)];
    uint32_t n = (uint32_t)fw->tasks.len;
    return n == 0 ? NULL : vec_ptr(&fw->tasks, n - 1 - below(c, MIN(n, 6u)));
}

/* What a well-behaved task would say next. */
static void go_on(struct chaos *c, struct fake_task *t)
{
    static const int codes[] = {ERR_USER_CODE, ERR_IO, ERR_TIMEOUT, ERR_UNAVAILABLE};
    uint32_t dice = below(c, 100);
    if (!fake_task_is_live(t)) {
        return;
    }
    if (t->state == CANCELING) {
        task_say(t, dice < 80 ? CANCELED : dice < 90 ? FINISHED : FAILED);
    } else if (dice < 5 && !c->healed) {
        struct error err = test_error(codes[below(c, ARRAY_LEN(codes))], "at random");
        task_say_error(t, FAILED, &err);
    } else if (t->state == DEPLOYING || t->state == INITIALIZING) {
        task_say(t, t->state + 1);
    } else if (dice < 40) {
        task_say(t, FINISHED);
    }
}

static void say_anything(struct chaos *c, struct fake_task *t)
{
    struct fake_task forged = *t;
    forged.worker = &c->w.workers[below(c, c->w.n_workers)];
    if (below(c, 2) == 0) {
        forged.worker = t->worker;
    }
    if (below(c, 4) == 0) {
        id_random(&forged.id, &c->rng);
    }
    struct error err = test_error(ERR_IO, "anything");
    task_say_error(&forged, (Flinc__ExecutionState)below(c, 12), &err);
}

static void say_with_wrong_token(struct chaos *c, struct fake_task *t)
{
    struct fake_worker *fw = t->worker;
    struct flinc_id right = fw->token;
    struct error err = test_error(ERR_CORRUPT, FORGED);
    Flinc__ExecutionState was = t->state;
    fw->token.bytes[below(c, 16)] ^= 1;
    task_say_error(t, FAILED, &err);
    t->state = was;
    fw->token = right;
}

static void send_event(struct chaos *c, struct fake_task *t)
{
    static const char *const texts[] = {"hello", "send 0 x", "send 1 y", "async",
                                        "async", "schedule", "send 0 z"};
    static const char *const bad[] = {"fail", "error"};
    const char *text =
        below(c, 20) == 0 ? bad[below(c, ARRAY_LEN(bad))] : texts[below(c, ARRAY_LEN(texts))];
    if (strcmp(t->vertex, "Count") == 0 && below(c, 200) > 0) {
        return; /* has no coordinator: a bug that fails the job */
    }
    uint64_t sequence = ++t->events_sent;
    if (below(c, 10) == 0) {
        sequence = below(c, 5); /* anything */
    }
    task_send_event(t, sequence, text);
}

/* ---- what befalls workers and slots ----------------------------------------------------------- */

static void kill_or_revive(struct chaos *c, struct fake_worker *fw)
{
    if (fw->channel != NULL) {
        worker_die(fw);
    } else {
        fw->closed = false;
        world_connect(&c->w, fw);
    }
}

static void lose_slot(struct chaos *c)
{
    struct world *w = &c->w;
    uint32_t i = below(c, w->n_slots);
    struct error why = test_error(ERR_UNAVAILABLE, "taken away");
    if (w->slots[i].with_job && w->n_slots < WORLD_SLOTS_MAX) {
        world_lose_slot(w, i, &why);
    }
}

static void strike(struct chaos *c)
{
    static const char *const points[] = {
        "jobmaster.deploy.before_send",        "jobmaster.deploy.after_send",
        "jobmaster.state_update.before_apply", "jobmaster.failover.before_restart",
        "jobmaster.coordinator.before_start",  "jobmaster.coordinator.before_reset",
        "jobmaster.coordinator.before_event",  "jobmaster.coordinator.before_send",
        "jobmaster.cancel.before_send",        "jobmaster.slots.before_declare",
        "jobmaster.slots.before_take",         "jobmaster.report.before_apply",
        "jobmaster.reconcile.before_send",     "jobmaster.failover.before_cancel",
        "jobmaster.end.before_release",        "rpc.send",
    };
    STR_AUTO spec = STR_INIT;
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    str_printf(&spec, "%s=error,nth=1", points[below(c, ARRAY_LEN(points))]);
    assert_int_equal(failpoint_configure(str_cstr(&spec), &err), 0);
}

/* ---- one seed --------------------------------------------------------------------------------- */

static void step_somebody(struct chaos *c)
{
    struct fake_worker *fw = &c->w.workers[below(c, c->w.n_workers)];
    switch (below(c, 4)) {
    case 0:
        mailbox_run(fw->mailbox, 1 + below(c, 8));
        break;
    case 1:
        (void)executor_run_once(c->w.executor);
        break;
    default:
        component_run_until_idle(jobmaster_component(c->w.jm), 1 + below(c, 8));
        break;
    }
}

static void act(struct chaos *c)
{
    struct world *w = &c->w;
    struct fake_task *t = below(c, 4) == 0 ? any_task(c) : new_task(c);
    uint32_t dice = below(c, 1000);
    if (dice < 300 && t != NULL) {
        go_on(c, t);
    } else if (dice < 330 && t != NULL) {
        say_anything(c, t);
    } else if (dice < 350 && t != NULL) {
        say_with_wrong_token(c, t);
    } else if (dice < 420 && t != NULL) {
        send_event(c, t);
    } else if (dice < 440) {
        world_offer_all(w);
    } else if (dice < 443) {
        lose_slot(c);
    } else if (dice < 448) {
        kill_or_revive(c, &w->workers[below(c, w->n_workers)]);
    } else if (dice < 460) {
        strike(c);
    } else if (dice < 500) {
        release_held(&w->workers[below(c, w->n_workers)], 1 + below(c, 5));
    } else if (dice < 540) {
        clock_manual_advance_ms(&w->clock, below(c, 3000));
    } else if (dice < 541) {
        if (below(c, 10) == 0) {
            jobmaster_cancel(w->jm);
        }
    } else {
        step_somebody(c);
    }
}

/* Tasks behave, messages arrive, slots are there: the job ends by itself or by a cancellation. */
static void heal(struct chaos *c)
{
    struct world *w = &c->w;
    c->healed = true;
    failpoint_clear_all();
    if (below(c, 2) == 0) {
        jobmaster_cancel(w->jm);
    }
    for (int i = 0; i < HEAL_INTERVALS_MAX && w->n_terminals == 0; i++) {
        for (uint32_t j = 0; j < w->n_workers; j++) {
            struct fake_worker *fw = &w->workers[j];
            if (fw->channel == NULL) {
                kill_or_revive(c, fw);
            }
            release_held(fw, 0);
            fw->flags = FAKE_ACKNOWLEDGES | FAKE_CANCELS;
        }
        world_offer_all(w);
        world_settle(w);
        for (uint32_t j = 0; j < w->n_workers; j++) {
            for (size_t k = 0; k < w->workers[j].tasks.len; k++) {
                go_on(c, vec_ptr(&w->workers[j].tasks, k));
            }
        }
        world_advance(w, 10000);
    }
}

static void run_seed(struct chaos *c, uint64_t seed, const char *strategy)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, "test.coordinator"},
                                                  {"Count", 3, NULL, NULL},
                                                  {"Other", 2, "other", "test.coordinator"}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0}};
    struct world *w = &c->w;
    rng_init(&c->rng, seed);
    c->healed = false;
    c->last = JOB_STATUS_INITIALIZING;
    world_init(w, graph_new(vertices, 3, edges, 1));
    w->interceptor = (struct rpc_interceptor){decide, c};
    world_set(w, "restart-strategy.type", strategy);
    world_set(w, "restart-strategy.fixed-delay.attempts", "1000");
    world_set(w, "restart-strategy.fixed-delay.delay", "500 ms");
    world_set(w, "slot.request.timeout", "20 s");
    struct jobmaster_options o = world_options(w);
    struct error err = ERROR_INIT;
    o.on_status = on_status;
    o.seed = seed + 1;
    assert_int_equal(jobmaster_new(&o, &w->jm, &err), 0);
    for (int i = 0; i < 3; i++) {
        world_add_worker(w, 3, below(c, 4));
    }
    assert_int_equal(jobmaster_start(w->jm, &err), 0);
    for (int i = 0; i < STEPS; i++) {
        act(c);
        if (i % 50 == 0) {
            check_snapshots(c);
            str_clear(&w->coordination.log);
        }
    }
    heal(c);
    check_snapshots(c);
    assert_int_equal(w->n_terminals, 1);
    assert_int_equal(w->terminal, c->last);
    assert_null(strstr(w->cause.message, FORGED));
    world_settle(w);
    world_assert_ended(w, w->terminal);
    struct job_progress p;
    jobmaster_get_progress(w->jm, &p);
    c->n_ended[w->terminal]++;
    c->n_restarts += p.restarts;
    for (uint32_t i = 0; i < w->n_workers; i++) {
        c->n_attempts += w->workers[i].tasks.len;
    }
    world_fini(w);
}

static void chaos_ends_well(void **state)
{
    static const char *const strategies[] = {"fixed-delay", "exponential-delay", "none"};
    const char *only = getenv("FLINC_TEST_SEED");
    struct chaos *c = MEM_NEW(struct chaos);
    uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
    const char *more = getenv("FLINC_TEST_SEEDS");
    uint64_t n = only != NULL ? 1 : more != NULL ? strtoull(more, NULL, 10) : SEEDS;
    for (uint64_t seed = first; seed < first + n; seed++) {
        setenv("FLINC_TEST_LAST_SEED", "", 1);
        char text[32];
        snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
        setenv("FLINC_TEST_LAST_SEED", text, 1);
        run_seed(c, seed, seed % 10 == 0 ? strategies[2] : strategies[seed % 2]);
    }
    print_message("ended: %u FINISHED, %u CANCELED, %u FAILED; %llu restarts, %llu attempts ran\n",
                  c->n_ended[JOB_STATUS_FINISHED], c->n_ended[JOB_STATUS_CANCELED],
                  c->n_ended[JOB_STATUS_FAILED], (unsigned long long)c->n_restarts,
                  (unsigned long long)c->n_attempts);
    mem_free(c);
}

/* After a failure: which seed it was. */
static int tell_seed(void **state)
{
    print_message("last seed: FLINC_TEST_SEED=%s\n", getenv("FLINC_TEST_LAST_SEED"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(chaos_ends_well, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
