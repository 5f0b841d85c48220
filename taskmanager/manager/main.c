/* flinc-taskmanager: the process of a task manager (Flink: TaskManagerRunner).
 *
 *     flinc-taskmanager --configDir DIR [-D key=value]...
 *     flinc-taskmanager --list-failpoints
 *
 * Order matters: the spawner is forked first (gRPC forbids fork later, and children want a small parent),
 * signals are blocked before threads start.  SIGTERM and SIGINT end it in order (exit code 0); a second one
 * ends it at once, and the spawner takes the workers along.
 * Threads: main (signals), the task manager's component, an I/O loop, an I/O executor, gRPC's. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/conf/log_setup.h"
#include "common/fs/drivers/drivers.h"
#include "common/fs/owned_dir.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/prometheus/prometheus.h"
#include "common/process/stack_dump.h"
#include "common/rpc/grpc/grpc.h"
#include "taskmanager/manager/leader_client.h"
#include "taskmanager/manager/settings.h"
#include "taskmanager/manager/taskmanager.h"
#include "taskmanager/worker/crash_report.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    IO_THREADS = 2,
    CONNECT_TIMEOUT_MS = 5000,
    BLOB_PART_TIMEOUT_MS = 10000,
    BLOB_PART_BYTES = 4 << 20, /* as GetBlobRequest allows */
    METRICS_UPDATE_MS = 5000,
};

static const char topic[] = "flinc.taskmanager";

struct process {
    struct spawner *spawner;
    struct conf conf;
    struct tm_settings settings;
    struct tm_memory memory;
    struct owned_dir work_dir;
    struct owned_dir local_dirs[LOCAL_DIRS_MAX]; /* where they are configured */
    struct local_dirs local_state_dirs; /* Owns; copies of snapshot files: in some of them */
    struct metric_registry *metrics;
    struct process_metrics *process_metrics;
    struct prometheus_reporters *reporters;
    struct prometheus_source workers_metrics;
    struct executor *executor;
    struct loop *io_loop;
    pthread_t io_thread;
    bool io_started;
    struct rpc_runtime *rpc;
    struct leader_client *leader;
    struct taskmanager *tm;
    struct worker_host *host;
    struct loop *loop; /* main's */
    uint32_t n_signals;
    struct error end; /* as on_end() told it */
};

/* ---- start -------------------------------------------------------------------------------------- */

static int read_arguments(struct process *p, int argc, char **argv, struct error *err)
{
    const char *dir = NULL;
    struct conf dynamic;
    conf_init(&dynamic, NULL);
    int rc = conf_take_dynamic_args(&dynamic, &argc, argv, err);
    for (int i = 1; rc == 0 && i < argc; i++) {
        bool is_dir = strcmp(argv[i], "--configDir") == 0 || strcmp(argv[i], "-c") == 0;
        if (is_dir && i + 1 < argc) {
            dir = argv[++i];
        } else {
            rc = error_set(err, ERR_INVALID_ARGUMENT,
                           "unknown argument '%s'; usage: flinc-taskmanager --configDir DIR "
                           "[-D key=value]...",
                           argv[i]);
        }
    }
    if (rc == 0) {
        rc = conf_load_dir(&p->conf, dir, err);
    }
    if (rc == 0) {
        conf_merge(&p->conf, &dynamic);
    }
    conf_fini(&dynamic);
    return rc;
}

static int make_metrics(struct process *p, struct error *err)
{
    struct metric_registry_options o = {.clock = NULL};
    for (int i = 0; i < METRIC_SCOPES; i++) {
        o.formats[i] = conf_string(&p->conf, metric_scope_option((enum metric_scope)i));
    }
    return metric_registry_new(&o, &p->metrics, err);
}

static void *run_io_loop(void *arg)
{
    struct process *p = arg;
    struct error err = ERROR_INIT;
    if (loop_run(p->io_loop, &err) < 0) {
        LOG_ERROR(topic, "The I/O loop ended: %s", err.message);
    }
    return NULL;
}

static int make_threads(struct process *p, struct error *err)
{
    const struct executor_options executor = {.name = "tm-io", .n_threads = IO_THREADS};
    const struct loop_options io = {.name = "tm-net"};
    TRY(executor_new(&executor, &p->executor, err));
    TRY(loop_new(&io, &p->io_loop, err));
    TRY(thread_start(&p->io_thread, "tm-net", run_io_loop, p, err));
    p->io_started = true;
    return 0;
}

static int connect_stream(void *arg, const struct rpc_end_options *end,
                          struct rpc_channel **ret_channel, struct error *err)
{
    const struct process *p = arg;
    struct rpc_client *client;
    TRY(leader_client_get(p->leader, &client, err));
    return rpc_client_open_stream(client, "/flinc.Cluster/Connect", CONNECT_TIMEOUT_MS, end,
                                  ret_channel, err);
}

/* Thread: of common/ha. */
static void on_leader(void *arg, const struct flinc_id *token)
{
    const struct process *p = arg;
    taskmanager_on_leader(p->tm, token);
}

/* After the task manager is made: it may be told at once of a leader. */
static int find_leader(struct process *p, struct error *err)
{
    const struct leader_client_options leader = {
        .conf = &p->conf,
        .runtime = p->rpc,
        .host = p->settings.jobmanager_host,
        .port = p->settings.jobmanager_port,
        .on_leader = on_leader,
        .arg = p,
    };
    return leader_client_new(&leader, &p->leader, err);
}

/* ---- blobs; on an executor thread --------------------------------------------------------------- */

static int fetch_blob(void *owner, const uint8_t hash[32], uint64_t offset, struct str *ret_data,
                      uint64_t *ret_total, struct cancel_token *cancel, struct error *err)
{
    const struct process *p = taskmanager_owner(owner);
    Flinc__GetBlobRequest request = FLINC__GET_BLOB_REQUEST__INIT;
    ProtobufCMessage *message = NULL;
    struct rpc_client *client;
    TRY(leader_client_get(p->leader, &client, err));
    request.content_hash = (ProtobufCBinaryData){32, (uint8_t *)hash};
    request.offset = offset;
    request.max_bytes = BLOB_PART_BYTES;
    TRY(rpc_client_call_sync(client, "/flinc.Cluster/GetBlob", &request.base,
                             &flinc__get_blob_answer__descriptor, BLOB_PART_TIMEOUT_MS, &message,
                             err));
    Flinc__GetBlobAnswer *answer = (Flinc__GetBlobAnswer *)message;
    int rc = 0;
    if (answer->error != NULL && answer->error->code < 0) {
        rc = error_set(err, answer->error->code, "%s", answer->error->message);
    } else {
        str_append(ret_data, (const char *)answer->data.data, answer->data.len);
        *ret_total = answer->total_size;
    }
    rpc_message_free(message);
    return rc;
}

/* ---- the task manager --------------------------------------------------------------------------- */

static void on_end(void *owner, const struct error *why)
{
    struct process *p = owner;
    error_copy(&p->end, why);
    loop_stop(p->loop);
}

static int make_task_manager(struct process *p, struct error *err)
{
    const struct taskmanager_options o = {
        .conf = &p->conf,
        .mode = COMPONENT_THREAD,
        .memory = p->memory,
        .connector = {connect_stream, p, p->settings.jobmanager_address},
        .io_executor = p->executor,
        .local_state_dirs = p->local_state_dirs,
        .metrics = p->metrics,
        .on_end = on_end,
        .owner = p,
    };
    return taskmanager_new(&o, &p->tm, err);
}

static int make_host(struct process *p, struct error *err)
{
    const struct tm_settings *s = &p->settings;
    const struct worker_host_options o = {
        .conf = &p->conf,
        .component = taskmanager_component(p->tm),
        .loop = p->io_loop,
        .io_executor = p->executor,
        .spawner = p->spawner,
        .tm_id = s->resource_id,
        .host = s->host,
        .work_dir = p->work_dir.path,
        .local_dirs = p->local_state_dirs,
        .log_dir = s->log_dir,
        .log_file = s->log_file,
        .taskworker_path = s->taskworker_path,
        .data_port_first = s->data_first,
        .data_port_last = s->data_last,
        .bind_host = s->bind_host,
        .fetch_blob = fetch_blob,
        .callbacks = taskmanager_worker_callbacks(),
        .owner = p->tm,
    };
    TRY_CTX(err, worker_host_new(&o, &p->host, err),
            "taking the data port (taskmanager.data.port, taskmanager.data.bind-port; 0 takes a "
            "free one)");
    const struct taskmanager_identity identity = {
        .resource_id = s->resource_id,
        .host = s->host,
        .rpc_address = s->rpc_address,
        .data_address =
            s->data_address != NULL ? s->data_address : worker_host_data_address(p->host),
        .data_port = s->data_advertised > 0 ? s->data_advertised : worker_host_data_port(p->host),
        .log_dir = s->log_dir,
        .log_file = s->log_file,
        .out_file = s->out_file,
    };
    taskmanager_set_workers(p->tm, &taskmanager_worker_host_ops, p->host, &identity);
    p->process_metrics =
        process_metrics_new(taskmanager_metrics(p->tm), NULL, p->memory.total_process);
    taskmanager_set_process_metrics(p->tm, p->process_metrics);
    return 0;
}

/* ---- main's loop -------------------------------------------------------------------------------- */

static void on_signal(void *arg, int signo)
{
    struct process *p = arg;
    if (++p->n_signals > 1) {
        LOG_WARN(topic, "A second %s: ending at once.", strsignal(signo));
        _exit(128 + signo); /* the spawner sees it and kills the workers */
    }
    taskmanager_shutdown(p->tm, signo == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void update_metrics(void *arg)
{
    struct process *p = arg;
    metric_registry_update(p->metrics);
    loop_schedule(p->loop, METRICS_UPDATE_MS, update_metrics, p);
}

static int make_loop(struct process *p, struct error *err)
{
    const struct loop_options o = {.name = "main"};
    TRY(loop_new(&o, &p->loop, err));
    TRY(loop_add_signal(p->loop, SIGTERM, on_signal, p, err));
    return loop_add_signal(p->loop, SIGINT, on_signal, p, err);
}

static void log_memory(const struct process *p)
{
    STR_AUTO text = STR_INIT;
    tm_memory_append_text(&p->memory, &text);
    struct slice rest = str_slice(&text), line;
    while (slice_next(&rest, '\n', &line)) {
        LOG_INFO(topic, "%.*s", (int)line.len, line.data);
    }
}

static void add_local_state_dir(struct process *p, const char *root)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/localState", root);
    local_dirs_add(&p->local_state_dirs, str_cstr(&path));
}

/* What is in them is made by the first worker that has something to keep. */
static int make_local_dirs(struct process *p, struct error *err)
{
    const struct local_dirs *parents = &p->settings.local_parents;
    for (uint32_t i = 0; i < parents->n; i++) {
        TRY_CTX(
            err,
            owned_dir_make(&p->local_dirs[i], parents->paths[i], "flinc-taskmanager-local", err),
            "making a folder of local state (execution.checkpointing.local-backup.dirs)");
        add_local_state_dir(p, p->local_dirs[i].path);
    }
    if (parents->n == 0) {
        add_local_state_dir(p, p->work_dir.path);
    }
    return 0;
}

static int start(struct process *p, struct error *err)
{
    TRY(make_loop(p, err)); /* blocks its signals before there are threads */
    TRY(crash_report_install(err));
    TRY(stack_dump_install(err));
    TRY(tm_memory_derive(&p->conf, &p->memory, err));
    TRY(tm_settings_init(&p->settings, &p->conf, err));
    TRY(tm_settings_find_taskworker(&p->settings, err));
    TRY(owned_dir_make(&p->work_dir, p->settings.work_parent, "flinc-taskmanager", err));
    TRY(make_local_dirs(p, err));
    TRY(make_metrics(p, err));
    TRY(make_threads(p, err));
    TRY(rpc_runtime_new(&(struct rpc_runtime_options){0}, &p->rpc, err));
    TRY(make_task_manager(p, err));
    TRY(make_host(p, err));
    TRY(find_leader(p, err));
    LOG_INFO(topic, "Flinc %s task manager %s, pid %d, data port %u, work folder %s", FLINC_VERSION,
             p->settings.resource_id, (int)getpid(), worker_host_data_port(p->host),
             p->work_dir.path);
    log_memory(p);
    TRY(taskmanager_start(p->tm, err));
    TRY(prometheus_reporter_start(&p->conf, p->metrics, &p->reporters, err));
    p->workers_metrics = taskmanager_metrics_source(p->tm);
    prometheus_reporter_set_source(p->reporters, &p->workers_metrics);
    update_metrics(p);
    return loop_run(p->loop, err);
}

/* ---- the end ------------------------------------------------------------------------------------ */

/* In the order of need: who uses something goes before it. */
static void release(struct process *p)
{
    p->reporters = prometheus_reporter_stop(p->reporters); /* a scrape asks the task manager */
    leader_client_stop(p->leader);
    if (p->tm != NULL) {
        taskmanager_stop(p->tm);
    }
    p->host = worker_host_free(p->host);
    p->executor = executor_free(p->executor); /* its jobs fetch blobs */
    p->process_metrics = process_metrics_free(p->process_metrics);
    p->tm = taskmanager_free(p->tm);
    p->leader = leader_client_free(p->leader);
    p->rpc = rpc_runtime_free(p->rpc);
    if (p->io_started) {
        loop_stop(p->io_loop);
        thread_join(p->io_thread);
    }
    p->io_loop = loop_free(p->io_loop);
    p->metrics = metric_registry_free(p->metrics);
    for (size_t i = 0; i < ARRAY_LEN(p->local_dirs); i++) {
        owned_dir_remove(&p->local_dirs[i]);
    }
    owned_dir_remove(&p->work_dir);
    local_dirs_fini(&p->local_state_dirs);
    p->loop = loop_free(p->loop);
    p->spawner = spawner_free(p->spawner);
    tm_settings_fini(&p->settings);
    conf_fini(&p->conf);
}

/* To the log, and to standard error when that is somewhere else. */
static void tell(const struct error *err)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    error_format(err, text, sizeof(text));
    LOG_ERROR(topic, "The task manager ends: %s", text);
    if (getenv("FLINC_LOG_FILE") != NULL) {
        fprintf(stderr, "flinc-taskmanager: %s\n", text);
    }
}

int main(int argc, char **argv)
{
    struct process p = {.settings.rpc_fd = -1,
                        .work_dir = OWNED_DIR_INIT,
                        .local_dirs = {[0 ... LOCAL_DIRS_MAX - 1] = OWNED_DIR_INIT}};
    struct error err = ERROR_INIT;
    if (argc == 2 && strcmp(argv[1], "--list-failpoints") == 0) {
        failpoint_print_rows();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (spawner_fork("flinc-tm-spawn", &p.spawner, &err) < 0) {
        fprintf(stderr, "flinc-taskmanager: %s\n", err.message);
        return 1;
    }
    conf_init(&p.conf, NULL);
    int rc = read_arguments(&p, argc, argv, &err);
    if (rc < 0) {
        fprintf(stderr, "flinc-taskmanager: %s\n", err.message);
    } else if ((rc = log_setup_daemon(&p.conf, &err)) < 0 ||
               (rc = file_systems_register(&p.conf, &err)) < 0) {
        fprintf(stderr, "flinc-taskmanager: %s\n", err.message);
    } else {
        conf_log_warnings(&p.conf);
        rc = start(&p, &err);
        if (rc == 0 && p.end.code != 0) {
            error_copy(&err, &p.end);
            rc = err.code;
        }
        if (rc < 0) {
            tell(&err);
        }
    }
    release(&p);
    LOG_INFO(topic, "The task manager has ended.");
    log_close();
    return rc < 0 ? 1 : 0;
}
