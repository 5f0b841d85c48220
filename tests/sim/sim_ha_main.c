/* A seed of a cluster with high availability: some simulated minutes in which leaders die, freeze, thaw and are cut off, beside all
 * that task managers suffer (sim_main.c); then healing, then the checks.  See sim.h. */
#include "tests/sim/sim.h"

#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <stdio.h>

enum {
    ACTIONS = 220,
    HEAL_STEP_MS = 50,
    HEAL_STEPS_MAX = 3600, /* three minutes */
    CHECK_EVERY = 10,
    QUIET_STEPS = 20,
    QUIET_STEP_MS = 500,
};

/* ---- what happens to job managers ---------------------------------------------------------------------- */

static struct sim_jm *some_jm(struct sim *s)
{
    struct sim_jm *leader = sim_ha_leader(s);
    return leader != NULL && sim_chance(s, 65) ? leader : &s->jms[sim_below(s, s->n_jms)];
}

static void crash(struct sim_jm *jm, uint32_t down_ms)
{
    struct sim *s = jm->s;
    sim_jm_crash(jm);
    jm->failed = false;
    jm->starts_ms = sim_now_ms(s) + sim_below(s, down_ms);
    s->totals->jm_restarts++;
}

/* It stops for a while; longer than its session lasts, or shorter. */
static void freeze(struct sim_jm *jm)
{
    jm->process.frozen_until_ms = sim_now_ms(jm->s) + sim_below(jm->s, 9000);
}

static void cut_everything(struct sim *s)
{
    s->zk.away_until_ms = sim_now_ms(s) + sim_below(s, 6000);
}

static void crash_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jms; i++) {
        crash(&s->jms[i], 4000);
    }
}

static void harm_jm(struct sim *s)
{
    struct sim_jm *jm = some_jm(s);
    int64_t until = sim_now_ms(s) + sim_below(s, 9000);
    switch (sim_below(s, 12)) {
    case 0:
    case 1:
        crash(jm, 5000);
        break;
    case 2:
    case 3:
    case 4:
        freeze(jm);
        break;
    case 5:
    case 6:
        sim_zk_cut(&s->zk, &jm->process, until);
        break;
    case 7:
        jm->cut_until_ms = until;
        sim_ha_cut_links(jm, false);
        break;
    case 8:
        jm->storage_cut_until_ms = sim_now_ms(s) + sim_below(s, 4000);
        break;
    case 9:
        sim_zk_expire(&s->zk, &jm->process);
        break;
    case 10:
        sim_jm_stop(jm);
        break;
    default:
        if (sim_chance(s, 40)) {
            crash_all(s);
        } else {
            cut_everything(s);
        }
        break;
    }
}

static void harm_node(struct sim *s, struct sim_node *node)
{
    switch (sim_below(s, 8)) {
    case 0:
        sim_crash_tm(node);
        break;
    case 1:
        sim_link_cut(node);
        break;
    case 2:
        node->cut_until_ms = sim_now_ms(s) + sim_below(s, 6000);
        sim_link_cut(node);
        break;
    case 3:
        node->frozen_until_ms = node->process.frozen_until_ms = sim_now_ms(s) + sim_below(s, 6000);
        break;
    case 4:
        sim_host_fail_some(&node->host);
        break;
    case 5:
        sim_zk_cut(&s->zk, &node->process, sim_now_ms(s) + sim_below(s, 6000));
        break;
    default:
        sim_link_replay(node);
        break;
    }
}

/* ---- clients --------------------------------------------------------------------------------------------- */

static struct sim_request *new_request(int kind, struct sim_job *job)
{
    struct sim_request *r = MEM_NEW(struct sim_request);
    r->kind = kind;
    r->job = job;
    return r;
}

/* Who leads, or who believes so. */
static struct sim_jm *some_server(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jms; i++) {
        struct sim_jm *jm = &s->jms[(i + s->n_epochs) % s->n_jms];
        if (jm->up && jm->serves && !jm->process.dead) {
            return jm;
        }
    }
    return NULL;
}

static void submit(struct sim *s)
{
    struct job_submission submission;
    struct sim_jm *jm = some_server(s);
    struct sim_job *job = jm != NULL ? sim_make_job(s, &submission) : NULL;
    if (job != NULL) {
        struct sim_request *r = new_request(SIM_SUBMIT, job);
        r->submission = submission;
        sim_request(jm, r);
    }
}

static void ask(struct sim *s, int kind, struct sim_job *job)
{
    struct sim_jm *jm = some_server(s);
    if (jm != NULL && job != NULL) {
        sim_request(jm, new_request(kind, job));
    }
}

static struct sim_job *any_job(struct sim *s)
{
    return s->n_jobs > 0 ? &s->jobs[sim_below(s, s->n_jobs)] : NULL;
}

/* One that goes on, under the adaptive scheduler; or NULL. */
static bool is_elastic(const struct sim_job *job)
{
    return job->adaptive && job->ledger.graph && !job->ledger.ended;
}

static struct sim_job *any_elastic(struct sim *s)
{
    struct sim_job *found = NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        if (is_elastic(&s->jobs[i]) && sim_below(s, ++n) == 0) {
            found = &s->jobs[i];
        }
    }
    return found;
}

/* Three clients at a time, for each of them. */
static void rescale_all(struct sim *s)
{
    for (uint32_t i = 0; i < 3 * s->n_jobs; i++) {
        struct sim_job *job = &s->jobs[i / 3];
        ask(s, SIM_RESCALE, is_elastic(job) ? job : NULL);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static void revive(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jms; i++) {
        struct sim_jm *jm = &s->jms[i];
        if (jm->failed) {
            crash(jm, 1000);
        }
        if (!jm->up && sim_now_ms(s) >= jm->starts_ms) {
            sim_jm_start(jm);
        }
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct sim_node *node = &s->nodes[i];
        if (node->ended) {
            sim_crash_tm(node);
        }
        if (node->tm == NULL && (!s->lossy || sim_chance(s, 20))) {
            sim_start_tm(node);
        }
    }
}

static void act(struct sim *s)
{
    struct sim_node *node = &s->nodes[sim_below(s, s->n_nodes)];
    uint32_t dice = sim_below(s, 100);
    if (dice < 12) {
        if (node->tm != NULL) {
            harm_node(s, node);
        }
    } else if (dice < 24) {
        harm_jm(s);
    } else if (dice < 30) {
        submit(s);
    } else if (dice < 33) {
        ask(s, SIM_CANCEL, any_job(s));
    } else if (dice < 39) {
        ask(s, SIM_SAVEPOINT, sim_choose_job(s));
    } else if (dice < 52 && node->tm != NULL) {
        sim_host_finish_some(&node->host);
    } else if (dice < 59) {
        struct sim_job *job = any_elastic(s);
        ask(s, SIM_RESCALE, job);
        if (sim_chance(s, 40)) { /* another client, at the same time */
            ask(s, SIM_RESCALE, job);
        }
    }
    revive(s);
    sim_step(s, sim_below(s, 8) == 0 ? sim_below(s, 2500) : sim_below(s, 120));
    sim_check_always(s);
}

static void heal(struct sim *s)
{
    int64_t now = sim_now_ms(s);
    s->lossy = s->reckless = false;
    s->zk.away_until_ms = 0;
    for (uint32_t i = 0; i < s->n_jms; i++) {
        struct sim_jm *jm = &s->jms[i];
        jm->process.frozen_until_ms = MIN(jm->process.frozen_until_ms, now);
        jm->cut_until_ms = jm->storage_cut_until_ms = jm->starts_ms = 0;
        sim_zk_cut(&s->zk, &jm->process, 0);
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        struct sim_node *node = &s->nodes[i];
        node->frozen_until_ms = node->process.frozen_until_ms = node->cut_until_ms = 0;
        sim_zk_cut(&s->zk, &node->process, 0);
    }
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        s->jobs[i].newest_at_heal = s->jobs[i].newest;
    }
}

static void run_until(struct sim *s, const char *(*check)(struct sim *s))
{
    const char *what = "nothing was checked";
    for (int i = 1; i <= HEAL_STEPS_MAX && what != NULL; i++) {
        revive(s);
        for (uint32_t k = 0; k < s->n_nodes; k++) {
            sim_host_finish_some(&s->nodes[k].host);
        }
        sim_step(s, HEAL_STEP_MS);
        sim_check_always(s);
        what = i % CHECK_EVERY == 0 ? check(s) : what;
    }
    if (what != NULL) {
        sim_failed(s, __FILE__, __LINE__, what);
    }
}

/* NULL: one leads, and has seen all jobs. */
static const char *no_leader(struct sim *s)
{
    struct sim_jm *jm = sim_ha_leader(s);
    sim_ha_point(s);
    for (uint32_t i = 0; i < s->n_jms; i++) {
        if (!s->jms[i].up || s->jms[i].stops) {
            return "a job manager is down";
        }
        if (&s->jms[i] != jm && s->jms[i].epoch != 0) {
            return "two lead";
        }
    }
    return s->d == NULL ? "nobody leads" : NULL;
}

/* In good order, or not. */
static void change_leader(struct sim *s)
{
    struct sim_jm *jm = sim_ha_leader(s);
    run_until(s, no_leader);
    jm = sim_ha_leader(s);
    if (sim_chance(s, 50)) {
        sim_jm_stop(jm);
    } else {
        crash(jm, 100);
    }
    for (int i = 0; i < HEAL_STEPS_MAX && sim_ha_leader(s) == jm; i++) {
        revive(s);
        sim_step(s, HEAL_STEP_MS);
    }
    run_until(s, no_leader);
}

/* A job that could not be read when its leader began waits for the next one. */
static bool any_unrecovered(struct sim *s)
{
    sim_ha_point(s);
    for (uint32_t i = 0; s->d != NULL && i < s->n_jobs; i++) {
        struct job_overview o;
        const struct sim_ledger *l = &s->jobs[i].ledger;
        if (l->graph && !l->ended && dispatcher_get_overview(s->d, &s->jobs[i].id, &o) &&
            job_status_is_globally_terminal(o.status)) {
            return true;
        }
    }
    return false;
}

static void run_quietly(struct sim *s)
{
    sim_note_running(s);
    s->quiet_ms = sim_now_ms(s);
    for (int i = 0; i < QUIET_STEPS; i++) {
        for (uint32_t k = 0; k < s->n_nodes && i % 8 == 0; k++) {
            sim_link_replay_stale(&s->nodes[k]);
        }
        sim_step(s, QUIET_STEP_MS);
        sim_check_always(s);
    }
    const char *what = sim_disturbed(s);
    if (what != NULL) {
        sim_failed(s, __FILE__, __LINE__, what);
    }
}

static void cancel_all(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        s->jobs[i].calm_end = sim_job_is_alive(s, &s->jobs[i]);
        ask(s, SIM_CANCEL, &s->jobs[i]);
    }
}

void sim_run_ha(uint64_t seed, struct sim_totals *totals)
{
    struct sim s;
    sim_init(&s, seed, true, totals);
    run_until(&s, no_leader);
    submit(&s);
    submit(&s);
    s.lossy = s.reckless = true;
    for (int i = 0; i < ACTIONS; i++) {
        act(&s);
    }
    heal(&s);
    run_until(&s, no_leader);
    if (any_unrecovered(&s)) {
        change_leader(&s);
    }
    rescale_all(&s);
    run_until(&s, sim_ha_unsettled);
    for (int i = 0; i < QUIET_STEPS; i++) { /* to notice what was lost */
        sim_step(&s, QUIET_STEP_MS);
    }
    run_until(&s, sim_ha_unsettled);
    run_quietly(&s);
    change_leader(&s);
    run_until(&s, sim_ha_unsettled);
    cancel_all(&s);
    run_until(&s, sim_ha_left_over);
    change_leader(&s);
    run_until(&s, sim_ha_kept);
    sim_fini(&s);
}
