/* The world around a job master under test: fake workers that speak the control messages over
 * in-memory channels, a fake slot provider, a coordinator that does as it is told, and a manual clock.
 * Everything is stepped in the test's thread.
 *
 * world_init, world_add_worker..., world_start, then drive the fake tasks by task_say(). */
#ifndef FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_WORLD_H
#define FLINC_TESTS_UNIT_JOBMANAGER_JOBMASTER_WORLD_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "jobmanager/jobmaster/jobmaster.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"
#include "tests/unit/jobmanager_jobmaster/test_coordinator.h"

enum { WORLD_WORKERS_MAX = 4, WORLD_SLOTS_MAX = 4096, WORLD_KINDS_MAX = 4 };

/* Slots of the fake provider. */
struct fake_slot {
    struct slot slot;
    bool with_job;
    bool lost; /* the job master was told so; what it says about it crossed that */
};

struct world {
    struct clock_manual clock;
    struct executor *executor;
    Flinc__JobGraph *graph;
    struct conf conf;
    struct jobmaster *jm;
    struct fake_worker workers[WORLD_WORKERS_MAX];
    uint32_t n_workers;
    const struct worker_place *places[WORLD_WORKERS_MAX]; /* set before the worker is added */
    struct rpc_interceptor interceptor;                   /* of channels made from now on */
    struct slot_provider provider;
    struct fake_slot slots[WORLD_SLOTS_MAX];
    uint32_t n_slots;
    uint32_t declared; /* in all */
    uint32_t declared_of[WORLD_KINDS_MAX];
    struct resource_profile profiles[WORLD_KINDS_MAX]; /* as they were declared */
    uint32_t n_kinds, n_declares, n_released;
    bool offers;         /* the provider offers what it has when slots are declared */
    struct str statuses; /* "CREATED RUNNING " */
    uint32_t n_terminals;
    enum job_status terminal;
    struct error cause;
    struct coordination coordination;
    const struct checkpoint_pointers *pointers; /* set before the first worker; so is the next */
    const struct checkpoint_recovery *recovered;
};

/* ---- the owner -------------------------------------------------------------------------------- */

static inline void world_on_status(void *owner, enum job_status from, enum job_status to)
{
    struct world *w = owner;
    assert_int_equal(w->n_terminals, 0);
    str_printf(&w->statuses, "%s ", job_status_name(to));
}

static inline void world_on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct world *w = owner;
    w->n_terminals++;
    w->terminal = status;
    assert_true(job_status_is_globally_terminal(status) || status == JOB_STATUS_SUSPENDED);
    assert_int_equal(cause != NULL, status == JOB_STATUS_FAILED || status == JOB_STATUS_SUSPENDED);
    if (cause != NULL) {
        error_copy(&w->cause, cause);
    }
}

/* ---- the slot provider ------------------------------------------------------------------------ */

static inline void world_offer(struct world *w, uint32_t slot)
{
    w->slots[slot].with_job = true;
    jobmaster_offer_slots(w->jm, &w->slots[slot].slot, 1);
}

static inline void world_offer_all(struct world *w)
{
    uint32_t with_job[WORLD_KINDS_MAX] = {0};
    for (uint32_t i = 0; i < w->n_slots; i++) {
        with_job[w->slots[i].slot.kind] += w->slots[i].with_job;
    }
    for (uint32_t i = 0; i < w->n_slots; i++) {
        uint32_t kind = w->slots[i].slot.kind;
        if (with_job[kind] < w->declared_of[kind] && !w->slots[i].with_job && !w->slots[i].lost &&
            !w->workers[w->slots[i].slot.worker].closed) {
            world_offer(w, i);
            with_job[kind]++;
        }
    }
}

static inline void world_declare(void *arg, struct jobmaster *jm,
                                 const struct slot_requirement *requirements, uint32_t n_kinds)
{
    struct world *w = arg;
    assert_true(n_kinds <= WORLD_KINDS_MAX && (w->n_kinds == 0 || w->n_kinds == n_kinds));
    w->declared = 0;
    w->n_kinds = n_kinds;
    for (uint32_t kind = 0; kind < n_kinds; kind++) {
        assert_int_equal(requirements[kind].profile == NULL, kind == 0);
        w->declared_of[kind] = requirements[kind].n_slots;
        w->declared += requirements[kind].n_slots;
        if (kind > 0) {
            w->profiles[kind] = *requirements[kind].profile;
        }
    }
    w->n_declares++;
    if (w->offers) {
        world_offer_all(w);
    }
}

static inline void world_release(void *arg, struct jobmaster *jm, const struct slot *slot)
{
    struct world *w = arg;
    w->n_released++;
    for (uint32_t i = 0; i < w->n_slots; i++) {
        if (id_eq(&w->slots[i].slot.allocation_id, &slot->allocation_id)) {
            assert_true(w->slots[i].with_job || w->slots[i].lost); /* given back once */
            w->slots[i].with_job = false;
            return;
        }
    }
    fail_msg("a slot was given back that nobody gave");
}

static inline uint32_t world_slots_with_job(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n_slots; i++) {
        n += w->slots[i].with_job;
    }
    return n;
}

static inline void world_add_slots(struct world *w, uint32_t worker, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        assert_true(w->n_slots < WORLD_SLOTS_MAX);
        struct fake_slot *s = &w->slots[w->n_slots++];
        *s = (struct fake_slot){.slot.worker = worker};
        memset(s->slot.allocation_id.bytes, 0xa1, sizeof(s->slot.allocation_id.bytes));
        memcpy(s->slot.allocation_id.bytes, &w->n_slots, sizeof(w->n_slots));
    }
}

/* The provider loses a slot and gets another one for it. */
static inline void world_lose_slot(struct world *w, uint32_t slot, const struct error *why)
{
    struct fake_slot *s = &w->slots[slot];
    uint32_t worker = s->slot.worker;
    s->with_job = false;
    s->lost = true;
    jobmaster_slot_lost(w->jm, &s->slot, why);
    world_add_slots(w, worker, 1);
}

/* ---- workers ----------------------------------------------------------------------------------- */

static inline void world_connect(struct world *w, struct fake_worker *fw)
{
    struct rpc_channel *master = NULL;
    struct error err = ERROR_INIT;
    struct rpc_end_options mine = {.name = "worker -> jobmaster",
                                   .sends = &flinc__worker_to_master__descriptor,
                                   .receives = &flinc__master_to_worker__descriptor,
                                   .mailbox = fw->mailbox,
                                   .on_message = fake_on_message,
                                   .on_closed = fake_on_closed,
                                   .target = fw};
    struct rpc_end_options theirs;
    jobmaster_get_end(w->jm, fw->number, &theirs);
    assert_int_equal(rpc_memory_pair(&theirs, &mine,
                                     w->interceptor.decide != NULL ? &w->interceptor : NULL,
                                     &master, &fw->channel, &err),
                     0);
    fw->master = master;
    jobmaster_add_worker(w->jm, fw->number, w->places[fw->number], master);
}

/* ---- the world -------------------------------------------------------------------------------- */

/* Takes the graph. */
static inline void world_init(struct world *w, Flinc__JobGraph *take_graph)
{
    *w = (struct world){.graph = take_graph, .offers = true};
    struct error err = ERROR_INIT;
    log_set_level(LOG_LEVEL_ERROR);
    clock_manual_init(&w->clock);
    conf_init(&w->conf, NULL);
    assert_int_equal(executor_new(&(struct executor_options){.name = "io"}, &w->executor, &err), 0);
    w->provider = (struct slot_provider){w, world_declare, world_release};
    coordination = &w->coordination;
}

static inline struct jobmaster_options world_options(struct world *w)
{
    struct jobmaster_options o = {
        .graph = w->graph,
        .conf = &w->conf,
        .mode = COMPONENT_MANUAL,
        .clock = &w->clock.base,
        .io_executor = w->executor,
        .seed = 42,
        .slots = &w->provider,
        .find_coordinator = find_test_coordinator,
        .on_terminal = world_on_terminal,
        .on_status = world_on_status,
        .owner = w,
        .checkpoint_pointers = w->pointers,
        .recovered = w->recovered,
    };
    memset(o.fencing_token.bytes, 0x5a, sizeof(o.fencing_token.bytes));
    return o;
}

static inline void world_make(struct world *w)
{
    struct jobmaster_options o = world_options(w);
    struct error err = ERROR_INIT;
    if (jobmaster_new(&o, &w->jm, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static inline struct fake_worker *world_add_worker(struct world *w, uint32_t n_slots,
                                                   unsigned flags)
{
    if (w->jm == NULL) {
        world_make(w);
    }
    assert_true(w->n_workers < WORLD_WORKERS_MAX);
    struct fake_worker *fw = &w->workers[w->n_workers];
    *fw = (struct fake_worker){.number = w->n_workers++, .flags = flags};
    fw->mailbox = mailbox_new(&(struct mailbox_options){.name = "worker"});
    vec_init(&fw->tasks, sizeof(struct fake_task *));
    world_connect(w, fw);
    world_add_slots(w, fw->number, n_slots);
    return fw;
}

/* Runs everybody until nothing is left to do now. */
static inline void world_settle(struct world *w)
{
    size_t ran;
    do {
        ran = component_run_until_idle(jobmaster_component(w->jm), 0);
        while (executor_run_once(w->executor)) {
            ran++;
        }
        for (uint32_t i = 0; i < w->n_workers; i++) {
            ran += mailbox_run(w->workers[i].mailbox, 1000000);
        }
    } while (ran > 0);
}

static inline void world_start(struct world *w)
{
    struct error err = ERROR_INIT;
    assert_int_equal(jobmaster_start(w->jm, &err), 0);
    world_settle(w);
}

static inline void world_advance(struct world *w, int64_t ms)
{
    clock_manual_advance_ms(&w->clock, ms);
    world_settle(w);
}

/* The newest attempt of a subtask that was deployed, or NULL. */
static inline struct fake_task *world_task(struct world *w, const char *vertex, uint32_t subtask)
{
    struct fake_task *newest = NULL;
    for (uint32_t i = 0; i < w->n_workers; i++) {
        for (size_t j = 0; j < w->workers[i].tasks.len; j++) {
            struct fake_task *t = vec_ptr(&w->workers[i].tasks, j);
            if (strcmp(t->vertex, vertex) == 0 && t->subtask == subtask &&
                (newest == NULL || newest->attempt_number < t->attempt_number)) {
                newest = t;
            }
        }
    }
    return newest;
}

/* All live tasks of all workers say this. */
static inline void world_all_say(struct world *w, Flinc__ExecutionState state)
{
    for (uint32_t i = 0; i < w->n_workers; i++) {
        for (size_t j = 0; j < w->workers[i].tasks.len; j++) {
            struct fake_task *t = vec_ptr(&w->workers[i].tasks, j);
            if (fake_task_is_live(t)) {
                task_say(t, state);
            }
        }
    }
    world_settle(w);
}

static inline uint32_t world_n_tasks(struct world *w, Flinc__ExecutionState state)
{
    struct job_progress p;
    jobmaster_get_progress(w->jm, &p);
    return p.tasks_by_state[state];
}

static inline enum job_status world_status(struct world *w)
{
    struct job_progress p;
    jobmaster_get_progress(w->jm, &p);
    return p.status;
}

/* What holds at the end of every job. */
static inline void world_assert_ended(struct world *w, enum job_status status)
{
    assert_int_equal(w->n_terminals, 1);
    assert_string_equal(job_status_name(w->terminal), job_status_name(status));
    assert_int_equal(world_slots_with_job(w), 0);
    assert_int_equal(w->declared, 0);
}

static inline void world_fini(struct world *w)
{
    failpoint_clear_all();
    jobmaster_free(w->jm);
    assert_true(w->n_terminals <= 1);
    for (uint32_t i = 0; i < w->n_workers; i++) {
        worker_clear(&w->workers[i]);
    }
    executor_free(w->executor);
    conf_fini(&w->conf);
    flinc__job_graph__free_unpacked(w->graph, NULL);
    str_fini(&w->statuses);
    str_fini(&w->coordination.log);
    coordination = NULL;
}

static inline void world_set(struct world *w, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    if (conf_set(&w->conf, key, value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

#endif
