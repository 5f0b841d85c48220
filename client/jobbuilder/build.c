/* One bundle, one environment, one graph; see jobbuilder.h. */
#include "client/jobbuilder/jobbuilder.h"
#include "common/conf/conf.h"
#include "sdk/bundle.h"
#include "sdk/environment.h"
#include "taskmanager/worker/crash_report.h"
#include <stdio.h>
#include <stdlib.h>

/* Whose code the main thread runs: reports of crashes look here. */
static struct crash_slot main_slot;

static int read_conf(const Flinc__BuildRequest *rq, struct conf *conf, struct error *err)
{
    char parallelism[16];
    for (size_t i = 0; i < rq->n_config; i++) {
        TRY(conf_set(conf, rq->config[i]->key, rq->config[i]->value, err));
    }
    if (rq->parallelism > 0) {
        (void)snprintf(parallelism, sizeof(parallelism), "%d", (int)rq->parallelism);
        TRY(conf_set(conf, "parallelism.default", parallelism, err));
    }
    return 0;
}

/* What the request sets is the job's own, as if main began with it; what main sets lies over it. */
static int set_job_conf(const Flinc__BuildRequest *rq, flinc_env *env, struct error *err)
{
    for (size_t i = 0; i < rq->n_job_config; i++) {
        flinc_env_set(env, rq->job_config[i]->key, rq->job_config[i]->value);
    }
    return env_get_error(env, err);
}

static int check_entry(const Flinc__BuildRequest *rq, const struct bundle *b, struct error *err)
{
    if (rq->entry[0] == '\0' || strcmp(rq->entry, b->job->name) == 0) {
        return 0;
    }
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "%s has the entry '%s', not '%s': a bundle has one entry, the function named "
                     "by FLINC_JOB; leave the entry away, or name it so.",
                     rq->bundle_name, b->job->name, rq->entry);
}

static int run_main(const Flinc__BuildRequest *rq, struct bundle *b, flinc_env *env,
                    struct error *err)
{
    struct crash_site site = {.job_name = rq->bundle_name,
                              .job_id = "",
                              .task_name = "main",
                              .operator_name = b->job->name,
                              .attempt = ""};
    crash_report_enter_thread(&main_slot);
    crash_slot_set(&main_slot, &site);
    int rc = bundle_run_main(b, env, (int)rq->n_args, rq->args, err);
    crash_slot_set(&main_slot, NULL);
    crash_report_leave_thread();
    (void)fflush(stdout);
    return rc;
}

static int pack_graph(const Flinc__BuildRequest *rq, const flinc_env *env,
                      ProtobufCBinaryData *ret_graph, struct error *err)
{
    const Flinc__JobGraph *captured = env_captured_graph(env);
    if (captured == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "the main of %s did not execute a job",
                         rq->bundle_name);
    }
    Flinc__JobGraph graph = *captured; /* shallow: only the id is another one */
    if (rq->job_id.len == captured->job_id.len) {
        graph.job_id = rq->job_id;
    }
    ret_graph->len = flinc__job_graph__get_packed_size(&graph);
    ret_graph->data = mem_alloc(ret_graph->len + 1);
    (void)flinc__job_graph__pack(&graph, ret_graph->data);
    return 0;
}

static int with_bundle(const Flinc__BuildRequest *rq, const struct conf *conf,
                       ProtobufCBinaryData *ret_graph, struct error *err)
{
    struct env_options options = {.mode = ENV_MODE_CAPTURE,
                                  .conf = conf,
                                  .one_job = true,
                                  .bundle_path = rq->bundle_path,
                                  .bundle_name = rq->bundle_name};
    struct bundle bundle;
    TRY(bundle_open(&bundle, rq->bundle_path, err));
    int rc = check_entry(rq, &bundle, err);
    flinc_env *env = env_new(&options);
    if (rc == 0) {
        rc = set_job_conf(rq, env, err);
    }
    if (rc == 0) {
        rc = run_main(rq, &bundle, env, err);
    }
    if (rc == 0) {
        rc = pack_graph(rq, env, ret_graph, err);
    }
    flinc_env_free(env);
    bundle_close(&bundle);
    return rc;
}

int jobbuilder_build(const Flinc__BuildRequest *request, ProtobufCBinaryData *ret_graph,
                     struct error *err)
{
    struct conf conf;
    conf_init(&conf, NULL);
    int rc = read_conf(request, &conf, err);
    if (rc == 0) {
        rc = with_bundle(request, &conf, ret_graph, err);
    }
    conf_fini(&conf);
    return rc;
}
