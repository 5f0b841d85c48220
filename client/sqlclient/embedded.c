/* The executor of an embedded shell: each job has a mini cluster of its own in this process, kept until the job has ended
 * and its rows were read.  What is left of ended jobs is their line in SHOW JOBS.
 * Flink: MiniClusterClient.  Thread: the shell's. */
#include "client/sqlclient/inside.h"
#include "client/submit/result_fetcher.h"
#include "minicluster/minicluster.h"

enum {
    EMBEDDED_ENDED_MAX = 1000, /* ended jobs that are remembered */
};

struct embedded_job {
    char id[ID_HEX_LEN + 1];
    Flinc__JobGraph *graph; /* Owns; NULL: it has ended */
    struct minicluster *m;  /* Owns; NULL: it has ended */
    char *name;             /* Owns */
    int64_t start_ms;
    uint32_t n_readers;
    bool ended;
    enum job_status status;
    struct error cause;
};

struct embedded {
    struct sql_executor executor;
    struct vec jobs; /* struct embedded_job *, Owns; in the order they came */
};

struct sql_rows {
    struct embedded *e;
    struct embedded_job *job;
    char *uid; /* Owns */
    struct result_fetcher *fetcher;
};

static struct embedded_job *find(struct embedded *e, const char *id)
{
    for (size_t i = 0; i < e->jobs.len; i++) {
        struct embedded_job *j = vec_ptr(&e->jobs, i);
        if (strcmp(j->id, id) == 0) {
            return j;
        }
    }
    return NULL;
}

static int require(struct embedded *e, const char *id, struct embedded_job **ret, struct error *err)
{
    *ret = find(e, id);
    return *ret != NULL ? 0
                        : error_set(err, ERR_NOT_FOUND, "there is no job %s in this process", id);
}

/* ---- the life of a job ------------------------------------------------------------------------------- */

static struct embedded_job *job_free(struct embedded_job *j)
{
    if (j != NULL) {
        (void)minicluster_free(j->m);
        if (j->graph != NULL) {
            flinc__job_graph__free_unpacked(j->graph, NULL);
        }
        mem_free(j->name);
        mem_free(j);
    }
    return NULL;
}

/* Looks whether it has ended; the cluster goes when nobody reads its rows any more. */
static bool settle(struct embedded_job *j, int64_t timeout_ms)
{
    if (!j->ended) {
        if (!minicluster_wait(j->m, timeout_ms)) {
            return false;
        }
        j->ended = true;
        j->status = minicluster_result(j->m, &j->cause);
    }
    if (j->n_readers == 0 && j->m != NULL) {
        j->m = minicluster_free(j->m);
        flinc__job_graph__free_unpacked(j->graph, NULL);
        j->graph = NULL;
    }
    return true;
}

/* Old ones are forgotten. */
static void forget(struct embedded *e)
{
    for (size_t i = 0; i < e->jobs.len && e->jobs.len >= EMBEDDED_ENDED_MAX;) {
        struct embedded_job *j = vec_ptr(&e->jobs, i);
        if (j->n_readers == 0 && settle(j, 0)) {
            job_free(j);
            vec_remove(&e->jobs, i);
        } else {
            i++;
        }
    }
}

static int submit(void *arg, Flinc__JobGraph *take_graph, const struct conf *conf,
                  struct error *err)
{
    struct embedded *e = arg;
    struct minicluster_options o = {.conf = conf};
    struct embedded_job *j = MEM_NEW(struct embedded_job);
    struct flinc_id id;
    memcpy(id.bytes, take_graph->job_id.data, sizeof(id.bytes));
    id_format(&id, j->id);
    j->graph = take_graph;
    j->name = mem_strdup(take_graph->name);
    j->start_ms = clock_now_ms(&clock_system);
    int rc = minicluster_start(&o, j->graph, &j->m, err);
    if (rc < 0) {
        job_free(j);
        return rc;
    }
    forget(e);
    vec_push_ptr(&e->jobs, j);
    return 0;
}

static int wait_for(void *arg, const char *job, int64_t timeout_ms, struct error *err)
{
    struct embedded_job *j;
    TRY(require(arg, job, &j, err));
    if (!settle(j, timeout_ms)) {
        return 0;
    }
    if (j->status == JOB_STATUS_FINISHED) {
        return 1;
    }
    if (j->status == JOB_STATUS_CANCELED) {
        return error_set(err, ERR_CANCELLED, "job '%s' was cancelled", j->name);
    }
    if (err != NULL) {
        error_copy(err, &j->cause);
        error_context(err, "running job '%s'", j->name);
    }
    return j->cause.code < 0 ? j->cause.code
                             : error_set(err, ERR_INTERNAL, "job '%s' failed", j->name);
}

static int cancel(void *arg, const char *job, struct error *err)
{
    struct embedded_job *j;
    TRY(require(arg, job, &j, err));
    if (!settle(j, 0)) {
        minicluster_cancel(j->m);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------ */

static int ask(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
               struct error *err)
{
    struct sql_rows *r = arg;
    return minicluster_ask(r->job->m, r->uid, request, timeout_ms, ret_answer, err);
}

static int cancel_rows(void *arg, struct error *err)
{
    struct sql_rows *r = arg;
    return cancel(r->e, r->job->id, err);
}

static int open_rows(void *arg, const char *job, const struct sql_rows_options *options,
                     struct sql_rows **ret, struct error *err)
{
    struct embedded_job *j;
    TRY(require(arg, job, &j, err));
    struct sql_rows *r = MEM_NEW(struct sql_rows);
    const struct result_fetcher_options o = {
        .source = {r, ask, cancel_rows}, .schema = options->schema, .pool = options->pool};
    r->e = arg;
    r->job = j;
    r->uid = mem_strdup(options->uid);
    r->fetcher = result_fetcher_new(&o);
    j->n_readers++;
    *ret = r;
    return 0;
}

static int fetch(struct sql_rows *r, int64_t timeout_ms, struct batch **ret_page, struct error *err)
{
    return sqlclient_fetch(r->fetcher, timeout_ms, ret_page, err);
}

static struct sql_rows *close_rows(struct sql_rows *r)
{
    if (r != NULL) {
        (void)result_fetcher_close(r->fetcher);
        r->job->n_readers--;
        (void)settle(r->job, 0);
        mem_free(r->uid);
        mem_free(r);
    }
    return NULL;
}

/* ---- jobs --------------------------------------------------------------------------------------------- */

struct stopping {
    struct event_count changed;
    _Atomic bool done;
    int rc;
    struct error err;
    struct str path;
};

/* Thread: the job master's. */
static void on_stopped(void *arg, const struct checkpoint_result *result)
{
    struct stopping *s = arg;
    s->rc = result->rc;
    error_copy(&s->err, &result->error);
    str_append_cstr(&s->path, result->path != NULL ? result->path : "");
    atomic_store(&s->done, true);
    event_count_signal(&s->changed);
}

/* Its end is sure: the checkpoint has a time-out, and a job that ends answers, too. */
static void wait_stopped(struct stopping *s)
{
    while (!atomic_load(&s->done)) {
        uint32_t ticket = event_count_prepare(&s->changed);
        if (atomic_load(&s->done)) {
            event_count_cancel(&s->changed);
            break;
        }
        (void)event_count_wait(&s->changed, ticket, -1);
    }
}

static int stop_with_savepoint(struct embedded_job *j, const struct sql_stop_options *options,
                               struct str *ret_path, struct error *err)
{
    struct stopping s = {.done = false};
    const struct savepoint_request request = {
        .format = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL,
        .stop = options->with_drain ? FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN
                                    : FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND,
    };
    TRY(jobmaster_trigger_savepoint(minicluster_jobmaster(j->m), &request, on_stopped, &s, err));
    wait_stopped(&s);
    if (s.rc < 0 && err != NULL) {
        error_copy(err, &s.err);
    } else {
        str_append_slice(ret_path, str_slice(&s.path));
    }
    str_fini(&s.path);
    return s.rc;
}

static int stop(void *arg, const char *job, const struct sql_stop_options *options,
                const struct conf *conf, struct str *ret_path, struct error *err)
{
    struct embedded_job *j;
    (void)conf;
    TRY(require(arg, job, &j, err));
    if (settle(j, 0)) {
        return error_set(err, ERR_STATE, "job %s has ended: %s", job, job_status_name(j->status));
    }
    if (options->with_savepoint) {
        return stop_with_savepoint(j, options, ret_path, err);
    }
    minicluster_cancel(j->m);
    (void)settle(j, -1);
    return 0;
}

static const char *status_of(struct embedded_job *j)
{
    struct job_progress p;
    if (settle(j, 0)) {
        return job_status_name(j->status);
    }
    jobmaster_get_progress(minicluster_jobmaster(j->m), &p);
    return job_status_name(p.status);
}

static int list(void *arg, void (*add)(void *add_arg, const struct sql_job *job), void *add_arg,
                struct error *err)
{
    struct embedded *e = arg;
    (void)err;
    for (size_t i = e->jobs.len; i > 0; i--) {
        struct embedded_job *j = vec_ptr(&e->jobs, i - 1);
        struct sql_job job = {.name = j->name, .status = status_of(j), .start_ms = j->start_ms};
        memcpy(job.id, j->id, sizeof(job.id));
        add(add_arg, &job);
    }
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------- */

struct embedded *embedded_new(void)
{
    struct embedded *e = MEM_NEW(struct embedded);
    vec_init(&e->jobs, sizeof(void *));
    e->executor = (struct sql_executor){.arg = e,
                                        .submit = submit,
                                        .wait = wait_for,
                                        .open_rows = open_rows,
                                        .fetch = fetch,
                                        .close_rows = close_rows,
                                        .cancel = cancel,
                                        .stop = stop,
                                        .list = list};
    return e;
}

struct embedded *embedded_free(struct embedded *e)
{
    if (e != NULL) {
        for (size_t i = 0; i < e->jobs.len; i++) {
            job_free(vec_ptr(&e->jobs, i));
        }
        vec_fini(&e->jobs);
        mem_free(e);
    }
    return NULL;
}

const struct sql_executor *embedded_executor(struct embedded *e)
{
    return &e->executor;
}

const char *embedded_running(struct embedded *e)
{
    for (size_t i = 0; i < e->jobs.len; i++) {
        struct embedded_job *j = vec_ptr(&e->jobs, i);
        if (!settle(j, 0)) {
            return j->id;
        }
    }
    return NULL;
}
