/* Starts the process of a worker and opens the channel to it. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "taskmanager/host/host_internal.h"
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int host_worker_read_config(struct host_worker *w, const struct worker_job *job, struct error *err)
{
    conf_merge(&w->conf, w->host->options.conf);
    for (size_t i = 0; i < job->n_config; i++) {
        TRY_CTX(err, conf_set(&w->conf, job->config[i]->key, job->config[i]->value, err),
                "reading the configuration of job '%s'", job->name);
    }
    return 0;
}

/* ---- the channel, opened on the loop ------------------------------------------------------------- */

/* From the component to the loop and back. */
struct opening {
    struct host_handle *handle; /* counted */
    uint64_t number;
    int fd; /* Owns until the channel is open */
    struct rpc_socket_options options;
    struct rpc_channel *channel; /* Owns */
    struct mailbox *component;   /* counted */
    struct error error;
};

static void opening_free(void *payload)
{
    struct opening *o = payload;
    if (o->fd >= 0) {
        close(o->fd);
    }
    rpc_channel_free(o->channel);
    host_handle_unref(o->handle);
    mailbox_unref(o->component);
    mem_free((char *)(uintptr_t)o->options.end.name);
    mem_free(o);
}

/* On the component. */
static void op_opened(void *target, void *payload)
{
    struct opening *o = payload;
    struct worker_host *h = o->handle->host;
    struct host_worker *w = h != NULL ? host_find_number(h, o->number) : NULL;
    if (w != NULL && o->channel == NULL) {
        host_worker_fail(w, &o->error);
    } else if (w != NULL && w->state <= HOST_FAILED) {
        w->channel = STEAL(o->channel);
        if (w->state == HOST_STARTING) {
            host_worker_send_hello(w);
            host_worker_send_budget(w);
        }
    }
    opening_free(o);
}

/* On the loop. */
static void op_open(void *target, void *payload)
{
    struct opening *o = payload;
    if (rpc_socket_open(&o->options, &o->channel, &o->error) == 0) {
        o->fd = -1;
    }
    const struct mailbox_op op = {.run = op_opened, .payload = o, .drop = opening_free};
    if (mailbox_post_internal(o->component, MAILBOX_LANE_DATA, &op) < 0) {
        opening_free(o);
    }
}

static int open_channel(struct host_worker *w, int take_fd, struct error *err)
{
    struct worker_host *h = w->host;
    struct opening *o = MEM_NEW(struct opening);
    struct str name = STR_INIT;
    str_printf(&name, "task manager -> worker %d", (int)w->pid);
    o->handle = host_handle_ref(h->handle);
    o->number = w->number;
    o->fd = take_fd;
    o->component = mailbox_ref(component_mailbox(h->options.component));
    o->options = (struct rpc_socket_options){
        .end = {.name = str_take(&name),
                .sends = &flinc__task_manager_to_worker__descriptor,
                .receives = &flinc__worker_to_task_manager__descriptor,
                .mailbox = o->component,
                .lane = MAILBOX_LANE_DATA,
                .on_message = host_worker_on_message,
                .on_closed = host_worker_on_closed,
                .target = w},
        .loop = h->options.loop,
        .fd = take_fd,
    };
    const struct mailbox_op op = {.run = op_open, .payload = o, .drop = opening_free};
    if (mailbox_post_internal(loop_mailbox(h->options.loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        opening_free(o);
        return error_set(err, ERR_CLOSED, "the I/O loop of the task manager has ended");
    }
    return 0;
}

/* ---- the process --------------------------------------------------------------------------------- */

/* What finds the worker when the process has ended. */
struct exit_target {
    struct host_handle *handle; /* counted */
    uint64_t number;
};

static void exit_target_free(void *arg)
{
    struct exit_target *t = arg;
    host_handle_unref(t->handle);
    mem_free(t);
}

static void on_exit_seen(void *target, void *arg, const struct child_exit *exit)
{
    struct exit_target *t = arg;
    struct worker_host *h = t->handle->host;
    struct host_worker *w = h != NULL ? host_find_number(h, t->number) : NULL;
    if (w != NULL) {
        host_worker_on_exit(w, NULL, exit);
    }
    exit_target_free(t);
}

static int spawn_worker(struct host_worker *w, int take_fd, struct error *err)
{
    struct worker_host *h = w->host;
    char job[ID_HEX_LEN + 1];
    id_format(&w->job_id, job);
    const char *const argv[] = {"flinc-taskworker", job, w->name, NULL};
    struct str log_path = STR_INIT;
    struct exit_target *t = MEM_NEW(struct exit_target);
    t->handle = host_handle_ref(h->handle);
    t->number = w->number;
    if (h->log_dir != NULL) {
        worker_log_path(h->log_dir, h->log_stem, &w->job_id, &log_path);
    }
    const struct spawn_request request = {
        .path = h->taskworker_path,
        .argv = argv,
        .fds = {{.fd = take_fd, .target = 3}},
        .n_fds = 1,
        .log_path = h->log_dir != NULL ? str_cstr(&log_path) : NULL,
        .log_max_bytes = h->log_rolling.max_bytes,
        .log_max_files = h->log_rolling.max_files,
        .stdout_to = SPAWN_STDOUT_OWNER, /* where Flink's users look for what a job prints */
        .oom_score_adj = HOST_OOM_SCORE_ADJ,
        .mailbox = component_mailbox(h->options.component),
        .on_exit = on_exit_seen,
        .arg = t,
        .drop = exit_target_free,
    };
    int rc = spawner_spawn(h->options.spawner, &request, &w->pid, err);
    str_fini(&log_path);
    return rc;
}

int host_worker_start(struct host_worker *w, struct error *err)
{
    int fds[2];
    TRY(FAILPOINT(err, "host.worker.start"));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
        return error_set_errno(err, errno, "making the socket pair of the worker");
    }
    int rc = spawn_worker(w, fds[1], err);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    return open_channel(w, fds[0], err);
}

/* ---- hello --------------------------------------------------------------------------------------- */

static ProtobufCBinaryData id_bytes(struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), id->bytes};
}

void host_worker_send_hello(struct host_worker *w)
{
    const struct worker_host *h = w->host;
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__WorkerHello hello = FLINC__WORKER_HELLO__INIT;
    size_t n = w->conf.entries.len, i = 0;
    Flinc__KeyValue *entries = MEM_NEW_ARRAY(Flinc__KeyValue, n + 1);
    Flinc__KeyValue **list = MEM_NEW_ARRAY(Flinc__KeyValue *, n + 1);
    MAP_FOREACH (&w->conf.entries, e) {
        const struct conf_entry *entry = e->value;
        flinc__key_value__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)entry->key;
        entries[i].value = (char *)(uintptr_t)entry->value;
        list[i] = &entries[i];
        i++;
    }
    hello.job_id = id_bytes(&w->job_id);
    hello.job_name = w->name;
    hello.incarnation = id_bytes(&w->incarnation);
    hello.master_token = id_bytes(&w->master_token);
    hello.n_config = i;
    hello.config = list;
    hello.tm_id = h->tm_id;
    hello.host = h->host_name;
    hello.data_address = h->data_address;
    hello.blob_dir = (char *)(uintptr_t)blob_cache_dir(h->blobs);
    STR_AUTO state_dir = STR_INIT;
    host_worker_state_dir(w, &state_dir);
    hello.state_dir = (char *)(uintptr_t)str_cstr(&state_dir);
    hello.log_dir = h->log_dir != NULL ? h->log_dir : (char *)(uintptr_t) "";
    struct local_dirs local_dirs;
    char folder[sizeof(LOCAL_STATE_JOB_PREFIX) + ID_HEX_LEN] = LOCAL_STATE_JOB_PREFIX;
    id_format(&w->job_id, folder + strlen(LOCAL_STATE_JOB_PREFIX));
    local_dirs_copy(&h->local_dirs, folder, &local_dirs);
    hello.local_state_dirs = local_dirs.paths;
    hello.n_local_state_dirs = local_dirs.n;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_HELLO;
    m.hello = &hello;
    host_worker_send_now(w, &m);
    local_dirs_fini(&local_dirs);
    mem_free(entries);
    mem_free(list);
}
