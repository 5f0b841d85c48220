/* The workers of a task manager: what its owner asks; see worker_host.h and host_internal.h. */
#include "common/base/log.h"
#include "common/conf/log_setup.h"
#include "taskmanager/host/host_internal.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.host";

struct host_handle *host_handle_ref(struct host_handle *h)
{
    atomic_fetch_add(&h->refs, 1);
    return h;
}

void host_handle_unref(struct host_handle *h)
{
    if (atomic_fetch_sub(&h->refs, 1) == 1) {
        mem_free(h);
    }
}

struct host_worker *host_find_number(struct worker_host *h, uint64_t number)
{
    for (size_t i = 0; i < h->workers.len; i++) {
        struct host_worker *w = vec_ptr(&h->workers, i);
        if (w->number == number) {
            return w;
        }
    }
    return NULL;
}

static struct host_worker *host_find(const struct worker_host *h, const struct flinc_id *job_id)
{
    return map_find_bytes(&h->jobs, job_id->bytes, sizeof(job_id->bytes));
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void host_on_blobs(void *owner)
{
    struct worker_host *h = owner;
    /* A worker that cannot start is taken out of the list: by number, not by place. */
    uint64_t last = h->last_number;
    for (uint64_t number = 1; number <= last; number++) {
        struct host_worker *w = host_find_number(h, number);
        if (w != NULL && w->state == HOST_FETCHING) {
            host_worker_check_blobs(w);
        }
    }
}

static int host_open_blobs(struct worker_host *h, struct error *err)
{
    struct str dir = STR_INIT;
    str_printf(&dir, "%s/blobs", h->work_dir);
    const struct blob_cache_options options = {
        .dir = str_cstr(&dir),
        .executor = h->options.io_executor,
        .mailbox = component_mailbox(h->options.component),
        .fetch = h->options.fetch_blob,
        .fetch_owner = h->options.owner,
        .on_changed = host_on_blobs,
        .owner = h,
    };
    int rc = blob_cache_new(&options, &h->blobs, err);
    str_fini(&dir);
    return rc;
}

static int host_open_data_port(struct worker_host *h, struct error *err)
{
    const struct worker_host_options *o = &h->options;
    const struct data_port_options options = {
        .loop = o->loop,
        .bind_host = o->bind_host != NULL ? o->bind_host : "0.0.0.0",
        .port_first = o->data_port_first,
        .port_last = o->data_port_last,
        .on_connection = host_on_connection,
        .owner = h,
    };
    TRY(data_port_open(&options, &h->data_port, err));
    struct str address = STR_INIT;
    bool v6 = strchr(h->host_name, ':') != NULL;
    str_printf(&address, v6 ? "[%s]:%u" : "%s:%u", h->host_name, data_port_number(h->data_port));
    h->data_address = str_take(&address);
    return 0;
}

static void host_open_logs(struct worker_host *h)
{
    if (h->log_dir != NULL) {
        struct str stem = STR_INIT;
        worker_log_stem(h->options.log_file, h->host_name, &stem);
        h->log_stem = str_take(&stem);
        log_setup_rolling(h->options.conf, &h->log_rolling);
    }
}

int worker_host_new(const struct worker_host_options *options, struct worker_host **ret,
                    struct error *err)
{
    struct worker_host *h = MEM_NEW(struct worker_host);
    h->options = *options;
    h->tm_id = mem_strdup(options->tm_id);
    h->host_name = mem_strdup(options->host);
    h->work_dir = mem_strdup(options->work_dir);
    h->log_dir = mem_strdup(options->log_dir);
    local_dirs_copy(&options->local_dirs, NULL, &h->local_dirs);
    host_open_logs(h);
    h->taskworker_path = mem_strdup(options->taskworker_path);
    h->handle = MEM_NEW(struct host_handle);
    atomic_init(&h->handle->refs, 1);
    h->handle->host = h;
    map_init(&h->jobs, NULL);
    vec_init(&h->workers, sizeof(struct host_worker *));
    vec_init(&h->queries, sizeof(struct host_query *));
    rng_init_system(&h->rng);
    int rc = host_open_blobs(h, err);
    if (rc == 0) {
        rc = host_open_data_port(h, err);
    }
    if (rc < 0) {
        worker_host_free(h);
        return rc;
    }
    *ret = h;
    return 0;
}

static void host_kill_all(struct worker_host *h)
{
    for (size_t i = 0; i < h->workers.len; i++) {
        const struct host_worker *w = vec_ptr(&h->workers, i);
        if (w->pid != 0 && !w->exited) {
            spawner_signal(h->options.spawner, w->pid, SIGKILL);
        }
    }
    for (size_t i = 0; i < h->workers.len; i++) {
        const struct host_worker *w = vec_ptr(&h->workers, i);
        if (w->pid != 0 && !w->exited && !spawner_wait(h->options.spawner, w->pid, HOST_FREE_MS)) {
            LOG_WARN(topic, "worker process %d does not end though it was killed", (int)w->pid);
        }
    }
}

struct worker_host *worker_host_free(struct worker_host *h)
{
    if (h == NULL) {
        return NULL;
    }
    h->handle->host = NULL; /* what still comes finds nobody */
    data_port_close(h->data_port);
    host_kill_all(h);
    while (h->queries.len > 0) {
        struct host_query *q = vec_ptr(&h->queries, 0);
        vec_remove(&h->queries, 0);
        (void)component_cancel(h->options.component, q->timer);
        rpc_message_free(&q->merged->base);
        vec_fini(&q->waiting);
        mem_free(q);
    }
    while (h->workers.len > 0) {
        host_worker_free(vec_ptr(&h->workers, 0));
    }
    (void)component_cancel(h->options.component, h->sweep_timer);
    blob_cache_free(h->blobs);
    map_fini(&h->jobs);
    vec_fini(&h->workers);
    vec_fini(&h->queries);
    host_handle_unref(h->handle);
    mem_free(h->tm_id);
    mem_free(h->host_name);
    mem_free(h->work_dir);
    mem_free(h->log_dir);
    local_dirs_fini(&h->local_dirs);
    mem_free(h->log_stem);
    mem_free(h->taskworker_path);
    mem_free(h->data_address);
    mem_free(h);
    return NULL;
}

uint32_t worker_host_data_port(const struct worker_host *h)
{
    return data_port_number(h->data_port);
}

const char *worker_host_data_address(const struct worker_host *h)
{
    return h->data_address;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

int worker_host_start_job(struct worker_host *h, const struct worker_job *job, struct error *err)
{
    struct host_worker *w = host_find(h, &job->job_id);
    if (w != NULL && w->state < HOST_STOPPING) {
        w->budget = job->budget;
        if (w->state == HOST_READY || w->channel != NULL) {
            host_worker_send_budget(w);
        }
        return 0;
    }
    if (w != NULL) {
        w->leaving = true;
        map_remove_bytes(&h->jobs, job->job_id.bytes, sizeof(job->job_id.bytes));
    }
    w = host_worker_new(h, job, err);
    if (w == NULL) {
        return err != NULL ? err->code : ERR_INVALID_ARGUMENT;
    }
    vec_push_ptr(&h->workers, w);
    map_put_bytes(&h->jobs, w->job_id.bytes, sizeof(w->job_id.bytes), w);
    host_worker_check_blobs(w);
    return 0;
}

void worker_host_open_link(struct worker_host *h, const struct flinc_id *job_id,
                           const struct flinc_id *master_token)
{
    struct host_worker *w = host_find(h, job_id);
    if (w == NULL) {
        return;
    }
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__MasterLink link = FLINC__MASTER_LINK__INIT;
    w->master_token = *master_token;
    w->link++;
    w->link_open = true;
    link.link = w->link;
    link.master_token = (ProtobufCBinaryData){sizeof(w->master_token.bytes), w->master_token.bytes};
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_LINK;
    m.link = &link;
    host_worker_send(w, &m);
}

void worker_host_send(struct worker_host *h, const struct flinc_id *job_id,
                      const struct flinc_id *incarnation, const uint8_t *bytes, size_t size)
{
    struct host_worker *w = host_find(h, job_id);
    if (w == NULL || !w->link_open || !id_eq(incarnation, &w->incarnation)) {
        LOG_DEBUG(topic, "a message of a job master to a worker that is not there is dropped");
        return;
    }
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__LinkMessage message = FLINC__LINK_MESSAGE__INIT;
    message.link = w->link;
    message.message = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes};
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_MESSAGE;
    m.message = &message;
    host_worker_send(w, &m);
}

void worker_host_close_link(struct worker_host *h, const struct flinc_id *job_id,
                            const char *reason)
{
    struct host_worker *w = host_find(h, job_id);
    if (w == NULL || !w->link_open) {
        return;
    }
    Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
    Flinc__MasterLinkClosed closed = FLINC__MASTER_LINK_CLOSED__INIT;
    closed.link = w->link;
    closed.reason = (char *)(uintptr_t)reason;
    m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_LINK_CLOSED;
    m.link_closed = &closed;
    w->link_open = false;
    host_worker_send(w, &m);
}

void worker_host_stop_job(struct worker_host *h, const struct flinc_id *job_id, const char *reason)
{
    struct host_worker *w = host_find(h, job_id);
    if (w != NULL) {
        host_worker_stop(w, reason, false);
    }
}

void worker_host_kill_job(struct worker_host *h, const struct flinc_id *job_id, const char *reason)
{
    struct host_worker *w = host_find(h, job_id);
    if (w != NULL) {
        host_worker_stop(w, reason, true);
    }
}

/* ---- what others read ---------------------------------------------------------------------------- */

void worker_host_get_counters(const struct worker_host *h,
                              struct worker_host_counters *ret_counters)
{
    struct worker_host_counters c = {
        .n_started = atomic_load(&h->counters.n_started),
        .n_crashed = atomic_load(&h->counters.n_crashed),
        .n_data_connections = atomic_load(&h->counters.n_data_connections),
        .n_data_refused =
            atomic_load(&h->counters.n_data_refused) + data_port_refused(h->data_port),
        .n_data_waiting = atomic_load(&h->n_waiting),
    };
    blob_cache_get_counters(h->blobs, &c.n_blobs_fetched, &c.n_blobs_failed);
    *ret_counters = c;
}

uint32_t worker_host_n_jobs(const struct worker_host *h)
{
    return (uint32_t)h->jobs.len;
}

static uint64_t rss_of(pid_t pid)
{
    char path[64];
    unsigned long long size = 0, resident = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return 0;
    }
    if (fscanf(f, "%llu %llu", &size, &resident) != 2) {
        resident = 0;
    }
    (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void worker_host_each(const struct worker_host *h,
                      void (*fn)(void *arg, const Flinc__JobOnTaskManager *job), void *arg)
{
    MAP_FOREACH (&h->jobs, e) {
        struct host_worker *w = e->value;
        Flinc__JobOnTaskManager job = FLINC__JOB_ON_TASK_MANAGER__INIT;
        job.job_id = (ProtobufCBinaryData){sizeof(w->job_id.bytes), w->job_id.bytes};
        job.n_tasks = w->n_tasks;
        job.rss_bytes = w->pid != 0 && !w->exited ? rss_of(w->pid) : 0;
        fn(arg, &job);
    }
}
