/* The job managers of a cluster with high availability: each a process with the product's leadership, high availability by ZooKeeper,
 * I/O threads, recovery, resource manager, dispatcher and job masters, wired as in jobmanager/process/services.c but without
 * servers: task managers and clients reach it through the simulation.  See sim.h.
 *
 * services_lead() and services_retire() take the place of those of jobmanager/process/services.c. */
#include "tests/sim/sim.h"

#include "common/base/log.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <stdio.h>

enum {
    IO_THREADS = 2,
    CLIENT_TIMEOUT_MS = 10 * 1000,
};

static struct sim_jm *jm_of(struct services *services)
{
    return services->options.owner;
}

/* ---- leading; in a fiber: the leadership's thread ------------------------------------------------------ */

static int start_recovery(struct sim_jm *jm, struct error *err)
{
    struct services *v = &jm->services;
    const struct executor_options io = {.name = "flinc-io", .n_threads = IO_THREADS};
    TRY(executor_new(&io, &v->io, err));
    v->recovery = recovery_new(&(struct recovery_options){
        .ha = v->ha, .token = v->token, .conf = &jm->conf, .blobs = NULL, .tmp_dir = "/tmp"});
    return 0;
}

static int start_components(struct sim_jm *jm, struct error *err)
{
    struct services *v = &jm->services;
    struct sim *s = jm->s;
    struct resourcemanager_options r = {.conf = &jm->conf,
                                        .mode = COMPONENT_THREAD,
                                        .seed = rng_next(&sim_fibers->rng) | 1,
                                        .leader = v->token,
                                        .prober = {s, sim_probe}};
    TRY(resourcemanager_new(&r, &v->resourcemanager, err));
    TRY(resourcemanager_start(v->resourcemanager, err));
    struct dispatcher_options d = {.conf = &jm->conf,
                                   .mode = COMPONENT_THREAD,
                                   .seed = rng_next(&sim_fibers->rng) | 1,
                                   .resourcemanager = v->resourcemanager,
                                   .io_executor = v->io,
                                   .recovery = v->recovery};
    TRY(dispatcher_new(&d, &v->dispatcher, err));
    return dispatcher_start(v->dispatcher, err);
}

int services_lead(struct services *v, const struct flinc_id *token, struct error *err)
{
    struct sim_jm *jm = jm_of(v);
    struct ha_leader leader = {.token = *token};
    v->token = *token;
    sim_ha_on_lead(jm);
    TRY(start_recovery(jm, err));
    TRY(start_components(jm, err));
    jm->listens = true;
    TRY_CTX(err, dispatcher_recover(v->dispatcher, err), "recovering the jobs of former leaders");
    jm->serves = true;
    (void)snprintf(leader.rpc_address, sizeof(leader.rpc_address), "jobmanager-%u:6123",
                   jm->number);
    (void)snprintf(leader.rest_url, sizeof(leader.rest_url), "http://jobmanager-%u:8081",
                   jm->number);
    return ha_announce(v->ha, &leader, err);
}

void services_retire(struct services *v)
{
    struct sim_jm *jm = jm_of(v);
    jm->serves = false;
    sim_ha_on_retire(jm);
    while (jm->n_clients > 0) { /* the REST server waits for them */
        sim_pause_ms(10);
    }
    if (v->dispatcher != NULL) {
        sim_snapshots_observe(jm->s);
    }
    struct dispatcher *d = v->dispatcher;
    jm->retires = true; /* what it frees is not looked at */
    dispatcher_free(d);
    v->dispatcher = NULL;
    v->resourcemanager = resourcemanager_free(v->resourcemanager);
    jm->listens = jm->retires = false;
    sim_ha_cut_links(jm, true);
    v->io = executor_free(v->io);
    v->recovery = recovery_free(v->recovery);
    jm->epoch = 0;
}

/* ---- the process ---------------------------------------------------------------------------------------- */

static int on_lead(void *owner, struct error *err)
{
    return 0;
}

static void on_retire(void *owner)
{
}

/* As the process would: it ends, and is started again. */
static void on_failure(void *owner, const struct error *why)
{
    ((struct sim_jm *)owner)->failed = true;
}

static void *run_start(void *arg)
{
    struct sim_jm *jm = arg;
    struct error err = ERROR_INIT;
    const struct leadership_options o = {.services = &jm->services,
                                         .on_lead = on_lead,
                                         .on_retire = on_retire,
                                         .on_failure = on_failure,
                                         .owner = jm};
    SIM_CHECK(jm->s, ha_open(&jm->conf, NULL, &jm->services.ha, &err) == 0);
    SIM_CHECK(jm->s, leadership_start(&o, &jm->leadership, &err) == 0);
    return NULL;
}

void sim_jm_start(struct sim_jm *jm)
{
    jm->process.dead = false;
    jm->process.skew_ns = 0;
    jm->up = true;
    jm->failed = jm->stops = false;
    jm->services = (struct services){.options = {.owner = jm}, .rest_fd = -1};
    sim_fiber_start(&jm->process, "main", run_start, jm);
}

static void *run_stop(void *arg)
{
    struct sim_jm *jm = arg;
    jm->leadership = leadership_stop(jm->leadership);
    jm->services.ha = ha_close(jm->services.ha);
    jm->up = false;
    return NULL;
}

void sim_jm_stop(struct sim_jm *jm)
{
    if (jm->up && !jm->stops && jm->leadership != NULL) {
        jm->stops = true;
        sim_fiber_start(&jm->process, "stop", run_stop, jm);
    }
}

void sim_jm_crash(struct sim_jm *jm)
{
    if (!jm->up) {
        return;
    }
    if (!jm->retires && jm->services.dispatcher != NULL) {
        sim_snapshots_observe(jm->s);
    }
    jm->process.dead = true;
    sim_ha_cut_links(jm, true);
    sim_ha_on_crash(jm);
    if (!jm->stops) {
        jm->stops = true;
        if (jm->leadership == NULL) { /* it has not even begun */
            SIM_CHECK(jm->s, sim_fibers_bury(sim_fibers, &jm->process) || jm->leadership != NULL);
        }
        sim_fiber_start(&jm->process, "stop", run_stop, jm);
    }
    if (!sim_fibers_bury(sim_fibers, &jm->process)) {
        sim_failed(jm->s, __FILE__, __LINE__, "a process that is killed does not come to an end");
    }
    jm->process.frozen_until_ms = 0;
    jm->up = false;
}

/* ---- clients; each in a fiber: a thread of the REST server ------------------------------------------------ */

static void free_request(struct sim_request *r)
{
    if (r->submission.graph != NULL) {
        job_submission_fini(&r->submission, NULL);
    }
    mem_free(r);
}

static void submit(struct sim_request *r)
{
    struct error err = ERROR_INIT;
    struct sim_job *job = r->job;
    int rc =
        dispatcher_submit_sync(r->jm->services.dispatcher, &r->submission, CLIENT_TIMEOUT_MS, &err);
    if (sim_is_ghost()) {
        return; /* nobody hears of it */
    }
    sim_ha_on_submitted(r->jm, job, rc, &err);
}

static void *run_request(void *arg)
{
    struct sim_request *r = arg;
    struct sim_jm *jm = r->jm;
    struct error err = ERROR_INIT;
    struct dispatcher *d = jm->services.dispatcher;
    switch (r->kind) {
    case SIM_SUBMIT:
        submit(r);
        break;
    case SIM_CANCEL:
        r->job->cancelled |= dispatcher_cancel(d, &r->job->id, &err) == 0;
        break;
    case SIM_RESCALE:
        sim_rescale_at(jm->s, d, r->job);
        break;
    case SIM_SAVEPOINT:
        sim_ask_savepoint_at(jm->s, jm, d, r->job);
        break;
    }
    jm->n_clients--;
    free_request(r);
    return NULL;
}

void sim_request(struct sim_jm *jm, struct sim_request *take)
{
    if (jm == NULL || !jm->up || !jm->serves || jm->process.dead) {
        free_request(take);
        return;
    }
    take->jm = jm;
    jm->n_clients++;
    sim_fiber_start(&jm->process, "client", run_request, take);
}
