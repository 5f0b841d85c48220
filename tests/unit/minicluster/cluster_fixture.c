/* See cluster_fixture.h. */
#include "tests/unit/minicluster/cluster_fixture.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { HUNG_AFTER_MS = 60 * 1000 }; /* a job of these tests takes milliseconds */

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

struct holdings holdings_now(void)
{
    return (struct holdings){.threads = thread_count(), .descriptors = count_descriptors()};
}

flinc_env *capturing_env(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE};
    return env_new(&o);
}

int run_start(struct run *r, flinc_env *env, const char *const *settings, struct error *err)
{
    r->before = holdings_now();
    conf_init(&r->conf, NULL);
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i += 2) {
        assert_int_equal(conf_set(&r->conf, settings[i], settings[i + 1], err), 0);
        flinc_env_set(env, settings[i], settings[i + 1]);
    }
    if (flinc_env_execute(env, "test job") < 0) {
        fail_msg("%s", flinc_env_error(env));
    }
    r->options.conf = &r->conf;
    int rc = minicluster_start(&r->options, env_captured_graph(env), &r->cluster, err);
    if (rc < 0) {
        run_end(r);
    }
    return rc;
}

enum job_status run_wait(struct run *r)
{
    if (!minicluster_wait(r->cluster, HUNG_AFTER_MS)) {
        struct job_progress p;
        jobmaster_get_progress(minicluster_jobmaster(r->cluster), &p);
        fprintf(stderr, "the job hangs: %s, %u tasks live\n", job_status_name(p.status),
                worker_n_tasks(minicluster_worker(r->cluster)));
        abort(); /* with everybody's stack in the core */
    }
    r->status = minicluster_result(r->cluster, &r->cause);
    return r->status;
}

void run_end(struct run *r)
{
    r->cluster = minicluster_free(r->cluster);
    conf_fini(&r->conf);
    struct holdings now = holdings_now();
    assert_int_equal(now.threads, r->before.threads);
    assert_int_equal(now.descriptors, r->before.descriptors);
}

static void add_named(void *arg, const Flinc__Accumulator *sum)
{
    struct job_result *result = arg;
    job_result_add(result, sum->name, sum->long_value);
}

int64_t run_accumulator(struct run *r, const char *name)
{
    struct job_result result;

    job_result_init(&result);
    jobmaster_each_accumulator(minicluster_jobmaster(r->cluster), add_named, &result);
    const int64_t *sum = map_find(&result.accumulators, name);
    int64_t value = sum != NULL ? *sum : 0;
    job_result_fini(&result);
    return value;
}

struct checkpoint_counts run_checkpoints(struct run *r)
{
    const struct job_details *d = NULL;
    struct error err = ERROR_INIT;
    struct checkpoint_counts c = {0};
    if (jobmaster_get_details(minicluster_jobmaster(r->cluster), 10000, &d, &err) == 0) {
        c = d->checkpoints->counts;
        job_details_unref(d);
    }
    return c;
}

void run_wait_for_checkpoints(struct run *r, uint64_t n)
{
    while (run_checkpoints(r).completed < n) {
        assert_false(minicluster_wait(r->cluster, 5));
    }
}

struct answer {
    _Atomic bool there;
    int rc;
    char path[512], message[ERROR_MESSAGE_MAX];
};

static void on_answer(void *arg, const struct checkpoint_result *result)
{
    struct answer *a = arg;
    a->rc = result->rc;
    snprintf(a->path, sizeof(a->path), "%s", result->path != NULL ? result->path : "");
    snprintf(a->message, sizeof(a->message), "%s", result->error.message);
    atomic_store(&a->there, true);
}

void run_stop(struct run *r, struct run_savepoint *s)
{
    struct error err = ERROR_INIT;
    struct answer a = {.rc = 0};
    struct savepoint_request rq = {.directory = s->folder, .format = s->format, .stop = s->stop};
    assert_int_equal(
        jobmaster_trigger_savepoint(minicluster_jobmaster(r->cluster), &rq, on_answer, &a, &err),
        0);
    assert_int_equal(run_wait(r), JOB_STATUS_FINISHED);
    assert_true(atomic_load(&a.there));
    if (a.rc < 0) {
        fail_msg("%s", a.message);
    }
    memcpy(s->path, a.path, sizeof(s->path));
}

enum job_status run_job(struct run *r, flinc_env *env, const char *const *settings)
{
    struct error err = ERROR_INIT;

    if (run_start(r, env, settings, &err) < 0) {
        fail_msg("%s", err.message);
    }
    enum job_status status = run_wait(r);
    run_end(r);
    return status;
}
