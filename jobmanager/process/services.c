/* The wiring of the job manager process; see services.h. */
#include "jobmanager/process/services.h"

#include "common/base/log.h"
#include "common/net/tls/tls.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char topic[] = "flinc.process";

/* ---- places --------------------------------------------------------------------------------------- */

/* The first folder of a list that is given with ',' or ':'. */
static void first_folder(const char *list, struct str *ret)
{
    str_append(ret, list, strcspn(list, ",:"));
}

static int make_folders(struct services *s, struct error *err)
{
    const struct conf *conf = s->options.conf;
    STR_AUTO tmp = STR_INIT;
    first_folder(conf_string(conf, "io.tmp.dirs"), &tmp);
    TRY_CTX(err, owned_dir_make(&s->work, str_cstr(&tmp), "flinc-jobmanager", err),
            "making the folder of temporary files (io.tmp.dirs)");
    if (conf_has_value(conf, "web.upload.dir")) {
        return 0;
    }
    const char *web =
        conf_has_value(conf, "web.tmpdir") ? conf_string(conf, "web.tmpdir") : str_cstr(&tmp);
    TRY_CTX(err, owned_dir_make(&s->web, web, "flink-web", err),
            "making the folder of uploaded bundles (web.tmpdir)");
    return 0;
}

/* ---- metrics, threads ----------------------------------------------------------------------------- */

static uint32_t io_threads(const struct conf *conf)
{
    int n = SERVICES_IO_THREADS_DEFAULT;
    if (conf_has_value(conf, "cluster.io-pool.size")) {
        n = conf_int(conf, "cluster.io-pool.size");
    }
    n = MIN(n, (int)EXECUTOR_THREADS_MAX);
    return (uint32_t)MAX(n, 1);
}

static int start_base(struct services *s, struct error *err)
{
    const struct conf *conf = s->options.conf;
    struct metric_registry_options metrics = {.delimiter =
                                                  conf_string(conf, "metrics.scope.delimiter")[0]};
    for (int i = 0; i < METRIC_SCOPES; i++) {
        metrics.formats[i] = conf_string(conf, metric_scope_option((enum metric_scope)i));
    }
    const char *host = conf_has_value(conf, "jobmanager.rpc.address")
                           ? conf_string(conf, "jobmanager.rpc.address")
                           : "localhost";
    struct metric_variable variables[] = {{"host", host}};
    TRY(metric_registry_new(&metrics, &s->metrics, err));
    s->group = metric_group_new(s->metrics, NULL, METRIC_SCOPE_JM, variables, ARRAY_LEN(variables));
    s->process_metrics = process_metrics_new(s->group, NULL, 0);
    return prometheus_reporter_start(conf, s->metrics, &s->reporters, err);
}

/* ---- blobs, builder ------------------------------------------------------------------------------- */

static int start_storage(struct services *s, struct error *err)
{
    const struct conf *conf = s->options.conf;
    STR_AUTO builder = STR_INIT;
    struct blob_store_options blobs = {
        .dir = conf_has_value(conf, "blob.storage.directory")
                   ? conf_string(conf, "blob.storage.directory")
                   : s->work.path,
        .max_bytes = conf_memory(conf, "blob.storage.max-size"),
    };
    TRY(blob_store_open(&blobs, &s->blobs, err));
    services_home_path("libexec/flinc-jobbuilder", &builder);
    struct job_builder_options o = {
        .spawner = s->options.spawner,
        .path = str_cstr(&builder),
        .timeout_ms = conf_duration_ms(conf, "web.job-builder.timeout"),
    };
    TRY(job_builder_new(&o, &s->builder, err));
    return rpc_runtime_new(&(struct rpc_runtime_options){.n_threads = 0}, &s->runtime, err);
}

/* ---- high availability ------------------------------------------------------------------------------ */

static int start_ha(struct services *s, struct error *err)
{
    uint32_t port;
    TRY(ha_open(s->options.conf, NULL, &s->ha, err));
    if (!ha_is_durable(s->ha)) {
        return 0;
    }
    TRY_CTX(err, rest_listen(s->options.conf, &s->rest_fd, &port, err),
            "taking the port of the REST server");
    return forwarder_start(s->rest_fd, s->ha, s->options.conf, &s->forwarder, err);
}

static const char *own_host(const struct conf *conf)
{
    return conf_has_value(conf, "jobmanager.rpc.address")
               ? conf_string(conf, "jobmanager.rpc.address")
               : "localhost";
}

static const char *rest_host(const struct conf *conf)
{
    return conf_has_value(conf, "rest.address") ? conf_string(conf, "rest.address")
                                                : own_host(conf);
}

static const char *rest_scheme(const struct conf *conf)
{
    return tls_is_enabled(conf, TLS_SCOPE_REST) ? "https" : "http";
}

static int announce(struct services *s, struct error *err)
{
    const struct conf *conf = s->options.conf;
    struct ha_leader leader = {.token = s->token};
    (void)snprintf(leader.rpc_address, sizeof(leader.rpc_address), "%s:%u", own_host(conf),
                   calls_port(s->calls));
    (void)snprintf(leader.rest_url, sizeof(leader.rest_url), "%s://%s:%u", rest_scheme(conf),
                   rest_host(conf), rest_server_port(s->rest));
    TRY_CTX(err, ha_announce(s->ha, &leader, err), "publishing the leader's address");
    if (ha_is_durable(s->ha)) {
        LOG_INFO(topic, "This job manager leads: task managers reach it at %s, clients at %s.",
                 leader.rpc_address, leader.rest_url);
    }
    return 0;
}

/* ---- components ----------------------------------------------------------------------------------- */

static int start_io(struct services *s, struct error *err)
{
    const struct executor_options io = {
        .name = "flinc-io",
        .n_threads = io_threads(s->options.conf),
    };
    const struct executor_options history = {
        .name = "flinc-history",
        .n_threads = SERVICES_HISTORY_THREADS,
        .queue_limit = DISPATCHER_JOBS_MAX,
    };
    TRY(executor_new(&io, &s->io, err));
    if (s->archivist != NULL) {
        TRY(executor_new(&history, &s->history, err));
    }
    if (ha_is_durable(s->ha)) {
        s->recovery = recovery_new(&(struct recovery_options){
            .ha = s->ha,
            .token = s->token,
            .conf = s->options.conf,
            .blobs = s->blobs,
            .tmp_dir = s->work.path,
            .keeps_results = s->options.application,
        });
    }
    return 0;
}

static int archive_job(void *arg, const struct job_details *details, struct error *err)
{
    return archivist_archive(arg, details, err);
}

static int start_components(struct services *s, struct error *err)
{
    STR_AUTO store_dir = STR_INIT;
    TRY(prober_new(&s->prober, err));
    struct resourcemanager_options rm = {.conf = s->options.conf,
                                         .mode = COMPONENT_THREAD,
                                         .metrics = s->group,
                                         .prober = prober_ops(s->prober)};
    rm.leader = s->token;
    TRY(resourcemanager_new(&rm, &s->resourcemanager, err));
    TRY(resourcemanager_start(s->resourcemanager, err));
    STR_AUTO coordinator = STR_INIT;
    services_home_path("libexec/flinc-jobcoordinator", &coordinator);
    s->coordinators = coordinator_children_new(s->options.spawner, str_cstr(&coordinator));
    str_printf(&store_dir, "%s/executionGraphStore", s->work.path);
    s->operations = checkpoint_operations_new(
        &clock_system, conf_duration_ms(s->options.conf, "rest.async.store-duration"));
    struct dispatcher_options d = {
        .conf = s->options.conf,
        .mode = COMPONENT_THREAD,
        .resourcemanager = s->resourcemanager,
        .blobs = s->blobs,
        .io_executor = s->io,
        .metrics = s->metrics,
        .jobmanager_metrics = s->group,
        .launcher = coordinator_children_launcher(s->coordinators),
        .recovery = s->recovery,
        .store_dir = str_cstr(&store_dir),
        .on_job_ended = s->options.on_job_ended,
        .owner = s->options.owner,
    };
    if (s->archivist != NULL) {
        d.history = (struct dispatcher_history){
            .archive = archive_job, .arg = s->archivist, .executor = s->history};
    }
    TRY(dispatcher_new(&d, &s->dispatcher, err));
    return dispatcher_start(s->dispatcher, err);
}

/* ---- servers -------------------------------------------------------------------------------------- */

static int start_calls(struct services *s, struct error *err)
{
    char port[16];
    struct calls_options o = {
        .runtime = s->runtime,
        .resourcemanager = s->resourcemanager,
        .blobs = s->blobs,
        .conf = s->options.conf,
        .port_option = ha_is_durable(s->ha) ? "high-availability.jobmanager.port" : NULL,
    };
    TRY(calls_start(&o, &s->calls, err));
    (void)snprintf(port, sizeof(port), "%u", calls_port(s->calls));
    if (!ha_is_durable(s->ha) && conf_int(s->options.conf, "jobmanager.rpc.port") == 0) {
        TRY(conf_set(s->options.conf, "jobmanager.rpc.port", port, err));
    }
    LOG_INFO(topic, "The job manager listens for task managers on port %s.", port);
    return 0;
}

static int start_rest(struct services *s, struct error *err)
{
    const struct conf *conf = s->options.conf;
    STR_AUTO web_root = STR_INIT;
    STR_AUTO log_dir = STR_INIT;
    const char *log_file = getenv("FLINC_LOG_FILE");
    services_home_path("web", &web_root);
    if (log_file != NULL && strrchr(log_file, '/') != NULL) {
        str_append(&log_dir, log_file, (size_t)(strrchr(log_file, '/') - log_file));
    }
    struct rest_options o = {
        .conf = conf,
        .dispatcher = s->dispatcher,
        .resourcemanager = s->resourcemanager,
        .blobs = s->blobs,
        .builder = s->builder,
        .operations = s->operations,
        .metrics = s->metrics,
        .upload_dir = s->web.path != NULL ? s->web.path : conf_string(conf, "web.upload.dir"),
        .web_root = access(str_cstr(&web_root), R_OK) == 0 ? str_cstr(&web_root) : NULL,
        .log_dir = log_dir.len > 0 ? str_cstr(&log_dir) : NULL,
        .log_file = log_file,
        .out_file = getenv("FLINC_OUT_FILE"),
        .application_mode = s->options.application,
        .listen_fd = s->rest_fd,
        .on_shutdown = s->options.on_shutdown,
        .owner = s->options.owner,
    };
    TRY_CTX(err, rest_server_start(&o, &s->rest, err),
            "starting the REST server at rest.port, or one of the range rest.bind-port, of "
            "rest.bind-address");
    LOG_INFO(topic, "Web frontend listening at %s://%s:%u.", rest_scheme(conf),
             conf_has_value(conf, "rest.address") ? conf_string(conf, "rest.address") : "localhost",
             rest_server_port(s->rest));
    return 0;
}

/* ---- all ------------------------------------------------------------------------------------------ */

static int start_all(struct services *s, struct error *err)
{
    TRY(make_folders(s, err));
    TRY(start_base(s, err));
    TRY(start_storage(s, err));
    TRY(archivist_new(s->options.conf, &s->archivist, err));
    return start_ha(s, err);
}

int services_lead(struct services *s, const struct flinc_id *token, struct error *err)
{
    s->token = *token;
    if (s->archivist != NULL) {
        archivist_set_hurry(s->archivist, false);
    }
    TRY(start_io(s, err));
    TRY(start_components(s, err));
    TRY(start_calls(s, err));
    TRY_CTX(err, dispatcher_recover(s->dispatcher, err), "recovering the jobs of former leaders");
    s->forwarder = forwarder_stop(s->forwarder);
    TRY(start_rest(s, err));
    return announce(s, err);
}

void services_retire(struct services *s)
{
    struct error err = ERROR_INIT;
    bool led = s->io != NULL;
    s->rest = rest_server_stop(s->rest);
    if (s->archivist != NULL) {
        archivist_set_hurry(s->archivist, true);
    }
    s->dispatcher = dispatcher_free(s->dispatcher);
    s->operations = checkpoint_operations_free(s->operations);
    s->coordinators = coordinator_children_free(s->coordinators);
    s->resourcemanager = resourcemanager_free(s->resourcemanager);
    s->prober = prober_free(s->prober);
    s->calls = calls_stop(s->calls);
    s->history = executor_free(s->history);
    s->io = executor_free(s->io);
    s->recovery = recovery_free(s->recovery);
    if (led && s->rest_fd >= 0 && s->forwarder == NULL &&
        forwarder_start(s->rest_fd, s->ha, s->options.conf, &s->forwarder, &err) < 0) {
        LOG_ERROR(topic, "Nobody serves the REST port of this standby: %s", err.message);
    }
}

int services_start(struct services *s, const struct services_options *options, struct error *err)
{
    *s = (struct services){
        .options = *options, .work = OWNED_DIR_INIT, .web = OWNED_DIR_INIT, .rest_fd = -1};
    int rc = start_all(s, err);
    if (rc < 0) {
        services_stop(s);
    }
    return rc;
}

void services_stop(struct services *s)
{
    services_retire(s);
    s->forwarder = forwarder_stop(s->forwarder);
    if (s->rest_fd >= 0) {
        (void)close(s->rest_fd);
    }
    s->ha = ha_close(s->ha);
    s->runtime = rpc_runtime_free(s->runtime);
    s->builder = job_builder_free(s->builder);
    s->archivist = archivist_free(s->archivist);
    s->blobs = blob_store_close(s->blobs);
    s->reporters = prometheus_reporter_stop(s->reporters);
    s->process_metrics = process_metrics_free(s->process_metrics);
    s->group = metric_group_free(s->group);
    s->metrics = metric_registry_free(s->metrics);
    owned_dir_remove(&s->web);
    owned_dir_remove(&s->work);
}
