/* The dispatcher's life and its mailbox; see dispatcher.h. */
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include <time.h>

/* ---- making one ------------------------------------------------------------------------------------ */

static int open_store(struct dispatcher *d, struct error *err)
{
    enum { TYPE_FILE, TYPE_MEMORY };
    const struct conf *conf = d->options.conf;
    int type = conf_enum(conf, "jobstore.type");
    struct job_store_options o = {
        .dir = type == TYPE_MEMORY ? NULL : d->options.store_dir,
        .cache_bytes = (uint64_t)MAX(conf_long(conf, "jobstore.cache-size"), (int64_t)0),
        .max_jobs = (uint32_t)MAX(conf_int(conf, "jobstore.max-capacity"), 0),
        .expiration_ms = MIN(conf_long(conf, "jobstore.expiration-time"), INT64_MAX / 1000) * 1000,
        .clock = d->clock,
    };
    return job_store_open(&o, &d->store, err);
}

static void sweep(void *arg)
{
    struct dispatcher *d = arg;
    uint32_t before = job_store_n(d->store);
    job_store_sweep(d->store);
    if (job_store_n(d->store) != before) {
        pthread_mutex_lock(&d->lock);
        dispatcher_touch(d);
        pthread_mutex_unlock(&d->lock);
    }
    (void)component_schedule(d->component, DISPATCHER_SWEEP_MS, sweep, d);
}

static void on_start(void *owner)
{
    struct dispatcher *d = owner;
    (void)component_schedule(d->component, DISPATCHER_SWEEP_MS, sweep, d);
}

static void init_locks(struct dispatcher *d)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->changed, &attr);
    pthread_condattr_destroy(&attr);
}

int dispatcher_new(const struct dispatcher_options *options, struct dispatcher **ret,
                   struct error *err)
{
    ASSERT(options->conf != NULL && options->resourcemanager != NULL &&
           options->io_executor != NULL);
    struct dispatcher *d = MEM_NEW(struct dispatcher);
    d->options = *options;
    d->clock = options->clock != NULL ? options->clock : &clock_system;
    int rc = open_store(d, err);
    if (rc < 0) {
        mem_free(d);
        return rc;
    }
    init_locks(d);
    map_init(&d->jobs, NULL);
    vec_init(&d->live, sizeof(struct dispatched_job *));
    if (options->seed != 0) {
        rng_init(&d->rng, options->seed);
    } else {
        rng_init_system(&d->rng);
    }
    if (options->jobmanager_metrics != NULL) {
        d->n_running_gauge = metric_group_gauge(options->jobmanager_metrics, "numRunningJobs");
    }
    d->component = component_new(&(struct component_options){
        .name = "dispatcher",
        .mode = options->mode,
        .clock = options->clock,
        .on_start = on_start,
        .owner = d,
    });
    *ret = d;
    return 0;
}

int dispatcher_start(struct dispatcher *d, struct error *err)
{
    return component_start(d->component, err);
}

struct component *dispatcher_component(struct dispatcher *d)
{
    return d->component;
}

/* ---- the end --------------------------------------------------------------------------------------- */

static void run_shut_down(void *owner, void *payload)
{
    struct dispatcher *d = owner;
    struct error why = ERROR_INIT;
    (void)error_set(&why, ERR_UNAVAILABLE, "the job manager shuts down");
    d->shutting_down = true;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->live.len; i++) {
        const struct dispatched_job *j = vec_ptr(&d->live, i);
        if (j->state == DISPATCHED_RUNNING) {
            jobmaster_suspend(j->jm, &why); /* a post */
        }
    }
    pthread_mutex_unlock(&d->lock);
}

static size_t n_live(struct dispatcher *d)
{
    pthread_mutex_lock(&d->lock);
    size_t n = d->live.len;
    pthread_mutex_unlock(&d->lock);
    return n;
}

/* Manual mode: everybody is stepped here until no job is left. */
static void step_to_the_end(struct dispatcher *d)
{
    size_t ran;
    do {
        ran = component_run_until_idle(d->component, 0);
        for (size_t i = 0; i < d->live.len; i++) {
            const struct dispatched_job *j = vec_ptr(&d->live, i);
            ran += component_run_until_idle(jobmaster_component(j->jm), 0);
        }
        while (executor_run_once(d->options.io_executor)) {
            ran++;
        }
    } while (n_live(d) > 0 && ran > 0);
}

static void end_jobs(struct dispatcher *d)
{
    struct mailbox_op op = {.kind = DISPATCHER_OP_SHUT_DOWN, .run = run_shut_down, .target = d};
    int rc = mailbox_post_internal(component_mailbox(d->component), MAILBOX_LANE_CONTROL, &op);
    ASSERT(rc == 0);
    if (d->options.mode == COMPONENT_MANUAL) {
        step_to_the_end(d);
        return;
    }
    pthread_mutex_lock(&d->lock);
    while (d->live.len > 0 || d->n_history > 0) {
        pthread_cond_wait(&d->changed, &d->lock);
    }
    pthread_mutex_unlock(&d->lock);
}

struct dispatcher *dispatcher_free(struct dispatcher *d)
{
    if (d == NULL) {
        return NULL;
    }
    if (component_get_state(d->component) == COMPONENT_RUNNING) {
        end_jobs(d);
    }
    component_free(d->component);
    ASSERT(d->live.len == 0);
    job_store_close(d->store);
    vec_fini(&d->live);
    map_fini(&d->jobs);
    pthread_cond_destroy(&d->changed);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    return NULL;
}

/* ---- submissions ------------------------------------------------------------------------------------ */

struct submit_op {
    struct dispatcher *d;
    struct job_submission submission; /* Owns */
    struct job_fingerprint fingerprint;
    void (*done)(void *arg, int rc, const struct error *err);
    void *arg;
};

static void submit_end(struct submit_op *op, int rc, const struct error *err)
{
    job_submission_fini(&op->submission, op->d->options.blobs);
    op->done(op->arg, rc, err);
    mem_free(op);
}

static void run_submit(void *owner, void *payload)
{
    struct submit_op *op = payload;
    struct error err = ERROR_INIT;
    int rc = dispatcher_accept(owner, &op->submission, &op->fingerprint, &err);
    submit_end(op, rc, rc < 0 ? &err : NULL);
}

static void refuse(struct submit_op *op, int why)
{
    struct error err = ERROR_INIT;
    int rc = why == ERR_LIMIT
                 ? error_set(&err, ERR_LIMIT, "Too many submissions wait.")
                 : error_set(&err, ERR_UNAVAILABLE, "The job manager is shutting down.");
    submit_end(op, rc, &err);
}

static void drop_submit(void *payload)
{
    refuse(payload, ERR_CLOSED);
}

void dispatcher_submit(struct dispatcher *d, struct job_submission *take,
                       void (*done)(void *arg, int rc, const struct error *err), void *arg)
{
    struct submit_op *op = MEM_NEW(struct submit_op);
    *op = (struct submit_op){.d = d, .submission = *take, .done = done, .arg = arg};
    *take = (struct job_submission){.graph = NULL};
    job_fingerprint_of(op->submission.graph, &op->fingerprint);
    int rc = component_post(d->component, MAILBOX_LANE_DATA, DISPATCHER_OP_SUBMIT, run_submit, op,
                            drop_submit);
    if (rc < 0) {
        refuse(op, rc);
    }
}

/* Who waits may give up before the answer comes. */
struct waiter {
    _Atomic uint32_t refs;
    _Atomic bool answered;
    struct event_count event;
    int rc;
    struct error err;
};

static void waiter_unref(struct waiter *w)
{
    if (atomic_fetch_sub(&w->refs, 1) == 1) {
        mem_free(w);
    }
}

static void waiter_answer(void *arg, int rc, const struct error *err)
{
    struct waiter *w = arg;
    w->rc = rc;
    if (err != NULL) {
        error_copy(&w->err, err);
    }
    atomic_store(&w->answered, true);
    event_count_signal(&w->event);
    waiter_unref(w);
}

static bool waiter_wait(struct waiter *w, int64_t timeout_ms)
{
    int64_t deadline = clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&w->event);
        int64_t left = deadline - clock_monotonic_ns(&clock_system);
        if (atomic_load(&w->answered) || left <= 0) {
            event_count_cancel(&w->event);
            return atomic_load(&w->answered);
        }
        (void)event_count_wait(&w->event, ticket, left);
    }
}

int dispatcher_submit_and_wait(struct dispatcher *d, struct job_submission *take,
                               int64_t timeout_ms, struct error *err)
{
    struct waiter *w = MEM_NEW(struct waiter);
    atomic_init(&w->refs, 2);
    dispatcher_submit(d, take, waiter_answer, w);
    int rc;
    if (waiter_wait(w, timeout_ms)) {
        rc = w->rc;
        if (rc < 0 && err != NULL) {
            error_copy(err, &w->err);
        }
    } else {
        rc = error_set(err, ERR_TIMEOUT,
                       "The job manager did not answer within %lld ms; whether the job runs is "
                       "seen in the list of jobs.",
                       (long long)timeout_ms);
    }
    waiter_unref(w);
    return rc;
}
