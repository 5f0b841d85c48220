/* A job with checkpoints in a world that loses, doubles and delays what tasks say of them, fails tasks and
 * strikes failpoints, from a seed.  What must hold, whatever happens:
 *
 *   - a restart restores the newest completed checkpoint, and nothing else;
 *   - numbers grow, and the metadata of what is completed is there;
 *   - what a subtask gets back is what it gave that checkpoint, and no older attempt gave it;
 *   - every request is answered once.
 *
 * The last test switches on planted bugs, each of which the same run must find.
 * FLINC_TEST_ROUNDS=100 runs more of them. */
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"
#include "tests/unit/seeds.h"

enum { STEPS = 300, PENDING_ACKS = 64, SOURCES = 2, COUNTERS = 3 };

/* An acknowledgement that is still on its way. */
struct late_ack {
    struct fake_task *task;
    uint64_t id;
    char text[48];
};

struct random_run {
    struct checkpoint_world cw;
    struct rng rng;
    struct late_ack acks[PENDING_ACKS];
    uint32_t n_acks;
    uint64_t newest;       /* completed, as the statistics say */
    uint64_t last_trigger; /* seen */
    struct answer answers[16];
    uint32_t n_asked;
    const char *violation; /* NULL: none */
};

static void violate(struct random_run *r, const char *what)
{
    if (r->violation == NULL) {
        r->violation = what;
    }
}

/* ---- what must hold --------------------------------------------------------------------------------- */

static void check_restored(struct random_run *r, const struct fake_task *t)
{
    char want[48];
    if (!t->has_restore) {
        if (r->newest != 0) {
            violate(r, "a restart began afresh although there is a checkpoint");
        }
        return;
    }
    if (t->restored_id != r->newest) {
        violate(r, "a restart restored another checkpoint than the newest completed one");
    }
    snprintf(want, sizeof(want), "%c%u@%llu#", t->vertex[0], t->subtask,
             (unsigned long long)t->restored_id);
    if (strncmp(t->restored, want, strlen(want)) != 0) {
        violate(r, "a subtask got back what it did not give");
    }
}

static void check_world(struct random_run *r)
{
    const struct job_details *d = cw_details(&r->cw);
    const struct checkpoint_details *latest = d->checkpoints->latest_completed;
    uint64_t newest = latest != NULL ? latest->id : 0;
    if (newest < r->newest) {
        violate(r, "the newest completed checkpoint became older");
    }
    if (newest != 0 && !latest->discarded && !cw_exists(&r->cw, METADATA, newest)) {
        violate(r, "a completed checkpoint has no metadata");
    }
    if (newest != r->newest) {
        for (uint32_t i = 0; i < latest->n_vertices; i++) {
            if (latest->vertices[i].n_acknowledged != latest->vertices[i].n_subtasks) {
                violate(r, "a checkpoint completed without all of its tasks");
            }
        }
    }
    r->newest = newest;
    job_details_unref(d);
    uint64_t trigger = cw_last_trigger(&r->cw);
    if (trigger < r->last_trigger) {
        violate(r, "a number was used twice");
    }
    r->last_trigger = trigger;
}

/* ---- what happens ----------------------------------------------------------------------------------- */

static struct fake_task *any_task(struct random_run *r)
{
    bool source = rng_below(&r->rng, SOURCES + COUNTERS) < SOURCES;
    return world_task(&r->cw.w, source ? "Source" : "Count",
                      (uint32_t)rng_below(&r->rng, source ? SOURCES : COUNTERS));
}

static void send_ack(struct random_run *r, const struct late_ack *a)
{
    task_acknowledge(a->task, a->id, a->text);
    world_settle(&r->cw.w);
}

/* The text says who gave it, for which checkpoint, in which attempt. */
static void make_ack(struct random_run *r, struct fake_task *t, uint64_t id)
{
    struct late_ack a = {t, id, ""};
    snprintf(a.text, sizeof(a.text), "%c%u@%llu#%u", t->vertex[0], t->subtask,
             (unsigned long long)id, t->attempt_number);
    uint64_t fate = rng_below(&r->rng, 20);
    if (fate == 0) {
        return; /* lost */
    }
    if (fate < 4 && r->n_acks < PENDING_ACKS) {
        r->acks[r->n_acks++] = a;
        return;
    }
    send_ack(r, &a);
    if (fate < 6) {
        send_ack(r, &a); /* doubled */
    }
}

static void ack_everybody(struct random_run *r)
{
    uint64_t id = cw_last_trigger(&r->cw);
    for (uint32_t i = 0; i < SOURCES + COUNTERS && id != 0; i++) {
        struct fake_task *t =
            world_task(&r->cw.w, i < SOURCES ? "Source" : "Count", i < SOURCES ? i : i - SOURCES);
        if (t != NULL && t->state == RUNNING) {
            make_ack(r, t, id);
        }
    }
}

static void deliver_late_ack(struct random_run *r)
{
    if (r->n_acks > 0) {
        uint32_t i = (uint32_t)rng_below(&r->rng, r->n_acks);
        struct late_ack a = r->acks[i];
        r->acks[i] = r->acks[--r->n_acks];
        if (rng_below(&r->rng, 2) ==
            0) { /* or of the checkpoint of the day, by whoever it was then */
            a.id = cw_last_trigger(&r->cw);
            snprintf(a.text, sizeof(a.text), "forged by attempt %u", a.task->attempt_number);
            if (a.task->state == RUNNING) {
                return;
            }
        }
        send_ack(r, &a);
    }
}

static void fail_task(struct random_run *r)
{
    struct fake_task *t = any_task(r);
    struct error why = test_error(ERR_IO, "a task failed");
    if (t != NULL && t->state == RUNNING) {
        task_say_error(t, FAILED, &why);
        world_settle(&r->cw.w);
    }
}

static void decline(struct random_run *r)
{
    struct fake_task *t = any_task(r);
    struct error why = test_error(ERR_NO_SPACE, "the disk is full");
    if (t != NULL && t->state == RUNNING) {
        task_decline(t, cw_last_trigger(&r->cw), &why);
        world_settle(&r->cw.w);
    }
}

static void ask_savepoint(struct random_run *r)
{
    char dir[300];
    struct error err = ERROR_INIT;
    snprintf(dir, sizeof(dir), "%s/savepoints", r->cw.dir);
    struct savepoint_request rq = {
        .directory = dir, .format = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL};
    if (r->n_asked < ARRAY_LEN(r->answers)) {
        assert_int_equal(jobmaster_trigger_savepoint(r->cw.w.jm, &rq, on_answer,
                                                     &r->answers[r->n_asked++], &err),
                         0);
    }
}

static void strike(struct random_run *r)
{
    static const char *const places[] = {"checkpoint.complete.before_write",
                                         "checkpoint.complete.after_write",
                                         "checkpoint.locate.before",
                                         "checkpoint.trigger.before_send",
                                         "checkpoint.files.before_delete",
                                         "checkpoint.trigger.before_coordinators",
                                         "checkpoint.complete.before",
                                         "checkpoint.trigger.before_plan",
                                         "jobmaster.coordinator.before_snapshot"};
    char spec[128];
    struct error err = ERROR_INIT;
    snprintf(spec, sizeof(spec), "%s=error,nth=1", places[rng_below(&r->rng, ARRAY_LEN(places))]);
    assert_int_equal(failpoint_configure(spec, &err), 0);
}

/* Every task that is deployed anew has restored what was the newest then. */
static void step(struct random_run *r)
{
    struct fake_task *before = world_task(&r->cw.w, "Count", 0);
    switch (rng_below(&r->rng, 12)) {
    case 0:
        fail_task(r);
        break;
    case 1:
        decline(r);
        break;
    case 2:
        ask_savepoint(r);
        break;
    case 3:
        strike(r);
        break;
    case 4:
        deliver_late_ack(r);
        break;
    case 5:
    case 6:
    case 7:
        ack_everybody(r);
        break;
    default:
        world_advance(&r->cw.w, (int64_t)rng_below(&r->rng, 400));
        break;
    }
    world_settle(&r->cw.w);
    check_world(r);
    for (uint32_t i = 0; before != world_task(&r->cw.w, "Count", 0) && i < COUNTERS; i++) {
        check_restored(r, world_task(&r->cw.w, "Count", i));
    }
}

/* Nothing goes wrong any more: the next checkpoint that is triggered completes. */
static void heal(struct random_run *r)
{
    world_advance(&r->cw.w, 3000); /* what is pending expires, restarts are over */
    uint64_t before = r->newest;
    for (int i = 0; i < 100 && r->newest == before; i++) {
        world_advance(&r->cw.w, 50);
        if (cw_last_trigger(&r->cw) > r->last_trigger) {
            for (uint32_t k = 0; k < SOURCES + COUNTERS; k++) {
                struct fake_task *t = world_task(&r->cw.w, k < SOURCES ? "Source" : "Count",
                                                 k < SOURCES ? k : k - SOURCES);
                task_acknowledge(t, cw_last_trigger(&r->cw), "healed");
            }
            world_settle(&r->cw.w);
        }
        check_world(r);
    }
    if (r->newest == before) {
        violate(r, "no checkpoint completes although nothing goes wrong any more");
    }
}

/* NULL: nothing was violated. */
static const char *run_seed(uint64_t seed, const char *planted)
{
    struct random_run *r = MEM_NEW(struct random_run);
    struct error err = ERROR_INIT;
    rng_init(&r->rng, seed);
    cw_init(&r->cw);
    world_set(&r->cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "1000");
    world_set(&r->cw.w, "execution.checkpointing.timeout", "2 s");
    world_set(&r->cw.w, "execution.checkpointing.num-retained",
              rng_below(&r->rng, 2) == 0 ? "1" : "3");
    world_set(&r->cw.w, "execution.checkpointing.max-concurrent-checkpoints",
              rng_below(&r->rng, 2) == 0 ? "1" : "2");
    cw_start(&r->cw);
    if (planted != NULL) {
        assert_int_equal(failpoint_configure(planted, &err), 0);
    }
    for (int i = 0; i < STEPS && r->violation == NULL; i++) {
        step(r);
    }
    failpoint_clear_all();
    if (planted == NULL && r->violation == NULL) {
        heal(r);
    }
    jobmaster_cancel(r->cw.w.jm);
    world_settle(&r->cw.w);
    for (uint32_t i = 0; i < r->n_asked; i++) {
        if (r->answers[i].n != 1) {
            violate(r, "a request was not answered once");
        }
    }
    const char *violation = r->violation;
    cw_fini(&r->cw);
    mem_free(r);
    return violation;
}

static void test_random(void **state)
{
    struct seeds seeds = seeds_from(1, 30);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        const char *violation = run_seed(seed, NULL);
        if (violation != NULL) {
            fail_msg("seed %llu: %s", (unsigned long long)seed, violation);
        }
    }
}

static void test_planted_bugs_are_found(void **state)
{
    static const char *const bugs[] = {"planted.checkpoint.restores_older=error",
                                       "planted.checkpoint.complete_without_metadata=error",
                                       "planted.checkpoint.older_attempt=error"};
    for (size_t i = 0; i < ARRAY_LEN(bugs); i++) {
        const char *violation = NULL;
        for (uint64_t seed = 1; seed <= 60 && violation == NULL; seed++) {
            violation = run_seed(seed, bugs[i]);
        }
        if (violation == NULL) {
            fail_msg("%s was not found", bugs[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_planted_bugs_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
