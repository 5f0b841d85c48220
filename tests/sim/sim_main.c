/* Runs seeds: some simulated minutes of everything that can go wrong, then healing, then the checks.
 *
 *   sim [--rounds N] [--seed S]      seeds S to S + N - 1, each of a cluster with one job manager and of one with more
 *   sim --cluster single|ha          only of such a cluster
 *   sim --twice                      each seed twice: the same must happen
 *   sim --planted                    the same with bugs, each of which must be found
 *
 * See sim.h. */
#include "tests/sim/sim.h"

#include "common/base/log.h"
#include "common/base/map.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROUNDS_DEFAULT = 200,
    ACTIONS = 250,
    HEAL_STEP_MS = 20,
    HEAL_STEPS_MAX = 6000, /* two minutes */
    CHECK_EVERY = 25,
    NOTICE_STEPS = 24,
    RECKLESS_STEPS = 40,
    QUIET_STEPS = 40,
    QUIET_STEP_MS =
        250, /* ten seconds: every time-out of the configuration but slot.request.timeout */
};

/* ---- what happens ------------------------------------------------------------------------------------- */

static void harm_node(struct sim *s, struct sim_node *node)
{
    switch (sim_below(s, 9)) {
    case 0:
        sim_crash_tm(node);
        break;
    case 1:
        sim_link_cut(node);
        break;
    case 2:
        node->cut_until_ms = sim_now_ms(s) + sim_below(s, 8000);
        sim_link_cut(node);
        break;
    case 3:
        node->frozen_until_ms = sim_now_ms(s) + sim_below(s, 9000);
        break;
    case 4:
        sim_host_crash_some(&node->host);
        break;
    case 5:
        sim_host_fail_some(&node->host);
        break;
    case 6:
    case 7:
        sim_link_replay(node);
        break;
    default:
        if (node->tm != NULL && sim_chance(s, 20)) {
            taskmanager_shutdown(node->tm, "it is stopped");
        }
        break;
    }
}

static void harm_jm(struct sim *s)
{
    switch (sim_below(s, 4)) {
    case 0:
        if (sim_chance(s, 60)) {
            sim_crash_jm(s);
            s->down_until_ms = sim_now_ms(s) + sim_below(s, 6000);
            s->totals->jm_restarts++;
        }
        break;
    case 1:
        s->rm_frozen_until_ms = sim_now_ms(s) + sim_below(s, 4000);
        break;
    case 2:
        s->d_frozen_until_ms = sim_now_ms(s) + sim_below(s, 2000);
        break;
    default:
        break;
    }
}

/* Who is down for long enough comes back. */
static void revive(struct sim *s)
{
    if (s->rm == NULL && sim_now_ms(s) >= s->down_until_ms) {
        sim_start_jm(s);
        sim_submit(s); /* from what those have left that are gone, perhaps */
        sim_submit(s);
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
    if (dice < 25) {
        if (node->tm != NULL) {
            harm_node(s, node);
        }
    } else if (dice < 28) {
        harm_jm(s);
    } else if (dice < 33) {
        sim_submit(s);
    } else if (dice < 35 && s->n_jobs > 0) {
        sim_cancel(s, &s->jobs[sim_below(s, s->n_jobs)]);
    } else if (dice < 40) {
        sim_ask_savepoint(s);
    } else if (dice < 44) {
        s->io_frozen_until_ms = sim_now_ms(s) + sim_below(s, 4000);
    } else if (dice < 54 && node->tm != NULL) {
        sim_host_finish_some(&node->host);
    } else if (dice < 64 && s->n_jobs > 0) {
        sim_rescale(s, &s->jobs[sim_below(s, s->n_jobs)]);
    }
    if (sim_now_ms(s) < s->io_frozen_until_ms && node->tm != NULL && sim_chance(s, 8)) {
        sim_host_fail_some(&node->host); /* while something is being written */
    }
    revive(s);
    sim_step(s, sim_below(s, 10) == 0 ? sim_below(s, 2000) : sim_below(s, 60));
    sim_check_always(s);
}

/* ---- healing -------------------------------------------------------------------------------------------- */

static void heal(struct sim *s)
{
    s->lossy = s->reckless = false;
    s->down_until_ms = s->rm_frozen_until_ms = s->d_frozen_until_ms = s->io_frozen_until_ms = 0;
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        s->jobs[i].newest_at_heal = s->jobs[i].newest;
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        s->nodes[i].frozen_until_ms = s->nodes[i].cut_until_ms = 0;
    }
}

/* Steps until the check holds; what it says when it does not in time fails the run. */
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

/* Nothing is lost any more, but what tasks give does not always fit. */
static void run_recklessly(struct sim *s)
{
    s->reckless = true;
    for (int i = 0; i < RECKLESS_STEPS; i++) {
        revive(s);
        sim_step(s, QUIET_STEP_MS);
        sim_check_always(s);
    }
    s->reckless = false;
}

/* Nothing goes wrong any more but that messages of an earlier leadership come again: what runs goes on.  Before that
 * both sides get the time to notice what was lost earlier. */
static void run_quietly(struct sim *s)
{
    for (int i = 0; i < NOTICE_STEPS; i++) {
        sim_step(s, QUIET_STEP_MS);
        sim_check_always(s);
    }
    run_until(s, sim_unsettled);
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

static void note_jobs(struct sim *s)
{
    struct job_overview o;
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        if (s->jobs[i].submitted && dispatcher_get_overview(s->d, &s->jobs[i].id, &o)) {
            const struct job_details *d = NULL;
            struct error ignored = ERROR_INIT;
            s->totals->ended += job_status_is_globally_terminal(o.status);
            if (dispatcher_get_details(s->d, &s->jobs[i].id, 0, &d, &ignored) == 0) {
                s->totals->restarts += d->restarts;
                job_details_unref(d);
            }
        }
    }
}

void sim_trace_bytes(struct sim *s, const void *data, size_t size)
{
    s->totals->hash = hash_bytes(data, size, s->totals->hash);
}

void sim_trace(struct sim *s, uint64_t what)
{
    const uint64_t words[] = {what, (uint64_t)sim_now_ms(s)};
    sim_trace_bytes(s, words, sizeof(words));
}

void sim_run_single(uint64_t seed, struct sim_totals *totals)
{
    struct sim s;
    sim_init(&s, seed, false, totals);
    for (int i = 0; i < 20; i++) {
        sim_step(&s, 20);
    }
    sim_submit(&s);
    sim_submit(&s);
    s.lossy = s.reckless = true;
    for (int i = 0; i < ACTIONS; i++) {
        act(&s);
    }
    heal(&s);
    run_until(&s, sim_unsettled);
    run_recklessly(&s);
    run_quietly(&s);
    run_until(&s, sim_unsettled);
    note_jobs(&s);
    for (int i = 0; sim_any_pending(&s) && i < HEAL_STEPS_MAX; i++) {
        sim_step(&s, HEAL_STEP_MS);
    }
    for (uint32_t i = 0; i < s.n_jobs; i++) {
        s.jobs[i].calm_end = sim_job_is_alive(&s, &s.jobs[i]);
        sim_cancel(&s, &s.jobs[i]);
    }
    run_until(&s, sim_left_over);
    sim_fini(&s);
}

/* ---- seeds ----------------------------------------------------------------------------------------------- */

struct options {
    uint64_t rounds, seed;
    bool single, ha, planted, twice;
    const char *only; /* of the planted bugs */
};

static void run_all(const struct options *o, struct sim_totals *t)
{
    for (uint64_t i = 0; i < o->rounds; i++) {
        if (o->single) {
            sim_run_single(o->seed + i, t);
        }
        if (o->ha) {
            sim_run_ha(o->seed + i, t);
        }
    }
}

/* Whether each seed does the same when it runs once more, in a process that has run other ones. */
static int run_twice(const struct options *o)
{
    int n = 0;
    for (uint64_t i = 0; i < o->rounds; i++) {
        struct options one = *o;
        struct sim_totals first = {0}, second = {0};
        one.rounds = 1;
        one.seed = o->seed + i;
        run_all(&one, &first);
        run_all(&one, &second);
        if (first.hash != second.hash) {
            printf("seed %llu: the second time something else has happened\n",
                   (unsigned long long)one.seed);
            n++;
        }
    }
    printf("%llu seeds, twice each: %d are not the same\n", (unsigned long long)o->rounds, n);
    return n > 0;
}

static void print_totals(const struct options *o, const struct sim_totals *t)
{
    const struct {
        const char *name;
        uint64_t n;
    } rows[] = {{"jobs", t->jobs},
                {"ended before healing was over", t->ended},
                {"restarts", t->restarts},
                {"task managers lost", t->losses},
                {"task managers back in time", t->reconnects},
                {"job managers started anew", t->jm_restarts},
                {"messages fenced", t->fenced},
                {"steps", t->steps},
                {"checkpoints", t->checkpoints},
                {"tasks restored", t->restored},
                {"savepoints", t->savepoints},
                {"stops with one", t->stops},
                {"jobs started from a snapshot", t->started_from},
                {"files", t->files},
                {"changes of bounds", t->rescales},
                {"jobs with slots of another size", t->sized},
                {"leaders", t->leaders},
                {"jobs recovered", t->recovered},
                {"ends written down", t->ends},
                {"sessions expired", t->expired},
                {"connections lost", t->lost},
                {"transactions", t->transactions},
                {"writes fenced", t->fenced_writes},
                {"switches", t->switches}};
    printf("%llu seeds from %llu", (unsigned long long)o->rounds, (unsigned long long)o->seed);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        printf("%s%llu %s", i == 0 ? ": " : ", ", (unsigned long long)rows[i].n, rows[i].name);
    }
    printf("; log %016llx\n", (unsigned long long)t->hash);
}

static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option options[] = {
        {"rounds", required_argument, NULL, 'n'},  {"seed", required_argument, NULL, 's'},
        {"cluster", required_argument, NULL, 'c'}, {"only", required_argument, NULL, 'o'},
        {"verbose", no_argument, NULL, 'v'},       {"planted", no_argument, NULL, 'p'},
        {"twice", no_argument, NULL, 't'},         {NULL, 0, NULL, 0},
    };
    enum log_level level = LOG_LEVEL_OFF;
    *o = (struct options){.rounds = ROUNDS_DEFAULT, .seed = 1, .single = true, .ha = true};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            o->rounds = strtoull(optarg, NULL, 10);
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 'c':
            o->single = strcmp(optarg, "single") == 0;
            o->ha = strcmp(optarg, "ha") == 0;
            break;
        case 'o':
            o->only = optarg;
            break;
        case 'v':
            level = LOG_LEVEL_DEBUG;
            break;
        case 'p':
            o->planted = true;
            break;
        case 't':
            o->twice = true;
            break;
        default:
            return -1;
        }
    }
    log_set_level(level);
    return o->single || o->ha ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct options o;
    struct sim_totals t = {0};
    if (read_options(argc, argv, &o) < 0) {
        fprintf(stderr,
                "usage: sim [--rounds N] [--seed S] [--cluster single|ha] [--verbose] [--twice] "
                "[--planted [--only NAME]]\n");
        return 2;
    }
    if (o.planted) {
        return sim_planted(o.seed, o.rounds, o.only) > 0;
    }
    if (o.twice) {
        return run_twice(&o);
    }
    run_all(&o, &t);
    print_totals(&o, &t);
    return 0;
}
