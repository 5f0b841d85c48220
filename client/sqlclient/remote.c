/* The executor of a shell whose jobs run on a cluster: everything goes over REST.
 * Flink: RestClusterClient.  Thread: the shell's. */
#include "client/sqlclient/inside.h"
#include "client/submit/rest_client.h"
#include "client/submit/result_fetcher.h"
#include "common/text/json_writer.h"
#include "sdk/executor.h"
#include <poll.h>

enum { POLL_FIRST_MS = 5, POLL_MAX_MS = 200, SAVEPOINT_WAIT_MAX_MS = 60 * 60 * 1000 };

struct remote {
    struct sql_executor executor;
    struct conf conf;           /* Owns: what was given at the start */
    struct rest_client *client; /* Owns */
};

struct sql_rows {
    struct rest_client *client;     /* Owns */
    struct rest_results *results;   /* Owns */
    struct result_fetcher *fetcher; /* Owns */
};

static int request(struct remote *r, const char *method, struct json_node **ret, struct error *err,
                   const char *fmt, ...) PRINTF(5, 6) MUST_CHECK;
static int request(struct remote *r, const char *method, struct json_node **ret, struct error *err,
                   const char *fmt, ...)
{
    STR_AUTO path = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&path, fmt, ap);
    va_end(ap);
    return rest_client_request(r->client, method, str_cstr(&path), (struct slice){NULL, 0}, ret,
                               err);
}

/* ---- submission ----------------------------------------------------------------------------------------- */

/* Where the cluster is was said at the start; a SET changes nothing about that. */
static int submit(void *arg, Flinc__JobGraph *take_graph, const struct conf *conf,
                  struct error *err)
{
    const struct job_executor *executor = job_executor_find("remote");
    struct remote *r = arg;
    struct job_result result;
    struct conf own;
    (void)conf; /* what a job needs of it is in its graph */
    ASSERT(executor != NULL);
    conf_init(&own, NULL);
    conf_merge(&own, &r->conf);
    job_result_init(&result);
    int rc = conf_set(&own, "execution.attached", "false", err);
    rc = rc < 0 ? rc : executor->execute(take_graph, &own, NULL, &result, err);
    job_result_fini(&result);
    conf_fini(&own);
    flinc__job_graph__free_unpacked(take_graph, NULL);
    return rc;
}

/* ---- the end of a job ------------------------------------------------------------------------------------- */

static int failure_of(struct remote *r, const char *job, struct error *err)
{
    struct json_node *answer = NULL;
    const char *text = NULL;
    if (request(r, "GET", &answer, NULL, "/jobs/%s/exceptions", job) == 0) {
        const struct json_node *history = json_field(answer, "exceptionHistory", JSON_TYPE_OBJECT);
        const struct json_node *entries = json_field(history, "entries", JSON_TYPE_ARRAY);
        if (entries != NULL && json_node_count(entries) > 0) {
            text = json_field_text(json_node_at(entries, 0), "stacktrace", NULL);
        }
        text = text != NULL ? text : json_field_text(answer, "root-exception", NULL);
    }
    int rc = error_set(err, ERR_USER_CODE, "%s",
                       text != NULL ? text : "the job failed, and the cluster does not say why");
    json_node_free(answer);
    return rc;
}

static int poll_end(struct remote *r, const char *job, struct error *err)
{
    struct json_node *answer = NULL;
    TRY_CTX(err, request(r, "GET", &answer, err, "/jobs/%s/execution-result", job),
            "waiting for job %s", job);
    const struct json_node *result = json_field(answer, "job-execution-result", JSON_TYPE_OBJECT);
    const char *status = json_field_text(result, "application-status", "UNKNOWN");
    int rc = result == NULL                     ? 0
             : strcmp(status, "SUCCEEDED") == 0 ? 1
             : strcmp(status, "CANCELED") == 0  ? ERR_CANCELLED
                                                : ERR_USER_CODE;
    json_node_free(answer);
    if (rc == ERR_CANCELLED) {
        return error_set(err, rc, "job %s was cancelled", job);
    }
    return rc < 0 ? failure_of(r, job, err) : rc;
}

static int wait_for(void *arg, const char *job, int64_t timeout_ms, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + timeout_ms, pause_ms = POLL_FIRST_MS;
    for (;;) {
        int rc = poll_end(arg, job, err);
        int64_t left = deadline - clock_monotonic_ms(&clock_system);
        if (rc != 0 || left <= 0) {
            return rc;
        }
        (void)poll(NULL, 0, (int)MIN(pause_ms, left));
        pause_ms = MIN(pause_ms * 2, (int64_t)POLL_MAX_MS);
    }
}

static int cancel(void *arg, const char *job, struct error *err)
{
    return request(arg, "PATCH", NULL, err, "/jobs/%s?mode=cancel", job);
}

/* ---- rows --------------------------------------------------------------------------------------------------- */

static struct sql_rows *close_rows(struct sql_rows *rows)
{
    if (rows != NULL) {
        (void)result_fetcher_close(rows->fetcher);
        (void)rest_results_free(rows->results);
        (void)rest_client_free(rows->client);
        mem_free(rows);
    }
    return NULL;
}

static int open_rows(void *arg, const char *job, const struct sql_rows_options *options,
                     struct sql_rows **ret, struct error *err)
{
    struct remote *r = arg;
    struct sql_rows *rows = MEM_NEW(struct sql_rows);
    int rc = rest_client_new(&r->conf, NULL, &rows->client, err);
    if (rc < 0) {
        mem_free(rows);
        return rc;
    }
    rows->results = rest_results_new(rows->client, job, options->uid);
    const struct result_fetcher_options o = {.source = result_source_rest(rows->results),
                                             .schema = options->schema,
                                             .pool = options->pool};
    rows->fetcher = result_fetcher_new(&o);
    *ret = rows;
    return 0;
}

static int fetch(struct sql_rows *rows, int64_t timeout_ms, struct batch **ret_page,
                 struct error *err)
{
    return sqlclient_fetch(rows->fetcher, timeout_ms, ret_page, err);
}

int sqlclient_fetch(struct result_fetcher *f, int64_t timeout_ms, struct batch **ret_page,
                    struct error *err)
{
    int rc = result_fetcher_next(f, timeout_ms, ret_page, err);
    return rc < 0                 ? rc
           : rc == RESULT_ROWS    ? SQL_FETCHED_ROWS
           : rc == RESULT_TIMEOUT ? SQL_FETCHED_NOTHING
                                  : SQL_FETCHED_END;
}

/* ---- jobs ------------------------------------------------------------------------------------------------- */

static int list(void *arg, void (*add)(void *add_arg, const struct sql_job *job), void *add_arg,
                struct error *err)
{
    struct json_node *answer = NULL;
    TRY(request(arg, "GET", &answer, err, "/jobs/overview"));
    const struct json_node *jobs = json_field(answer, "jobs", JSON_TYPE_ARRAY);
    for (size_t i = 0; jobs != NULL && i < json_node_count(jobs); i++) {
        const struct json_node *j = json_node_at(jobs, i);
        struct sql_job job = {.name = json_field_text(j, "name", ""),
                              .status = json_field_text(j, "state", ""),
                              .start_ms = json_field_int(j, "start-time", 0)};
        (void)snprintf(job.id, sizeof(job.id), "%s", json_field_text(j, "jid", ""));
        add(add_arg, &job);
    }
    json_node_free(answer);
    return 0;
}

/* 1: it has ended; 0: not yet. */
static int poll_savepoint(struct remote *r, const char *job, const char *trigger,
                          struct str *ret_path, struct error *err)
{
    struct json_node *answer = NULL;
    TRY(request(r, "GET", &answer, err, "/jobs/%s/savepoints/%s", job, trigger));
    const struct json_node *status = json_field(answer, "status", JSON_TYPE_OBJECT);
    const struct json_node *operation = json_field(answer, "operation", JSON_TYPE_OBJECT);
    const struct json_node *cause = json_field(operation, "failure-cause", JSON_TYPE_OBJECT);
    int rc = strcmp(json_field_text(status, "id", ""), "COMPLETED") == 0;
    if (rc == 1 && cause != NULL) {
        const char *text = json_field_text(cause, "stack-trace", "the savepoint failed");
        rc = error_set(err, ERR_STATE, "%.*s", (int)strcspn(text, "\n"), text);
    } else if (rc == 1) {
        str_append_cstr(ret_path, json_field_text(operation, "location", ""));
    }
    json_node_free(answer);
    return rc;
}

static int wait_for_savepoint(struct remote *r, const char *job, const char *trigger,
                              struct str *ret_path, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + SAVEPOINT_WAIT_MAX_MS;
    for (int64_t pause_ms = POLL_FIRST_MS;; pause_ms = MIN(pause_ms * 2, (int64_t)POLL_MAX_MS)) {
        int rc = poll_savepoint(r, job, trigger, ret_path, err);
        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        if (interrupt_came() || clock_monotonic_ms(&clock_system) > deadline) {
            return error_set(err, ERR_CANCELLED, "the savepoint goes on in the cluster as %s",
                             trigger);
        }
        (void)poll(NULL, 0, (int)pause_ms);
    }
}

static int stop_with_savepoint(struct remote *r, const char *job,
                               const struct sql_stop_options *options, const struct conf *conf,
                               struct str *ret_path, struct error *err)
{
    const char *folder = conf_string(conf, "execution.checkpointing.savepoint-dir");
    struct json_node *answer = NULL;
    STR_AUTO path = STR_INIT;
    STR_AUTO body = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &body, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    if (folder != NULL) {
        json_writer_put_string(&w, "targetDirectory", folder);
    }
    json_writer_key(&w, "drain");
    json_writer_bool(&w, options->with_drain);
    json_writer_end(&w);
    json_writer_finish(&w);
    str_printf(&path, "/jobs/%s/stop", job);
    TRY(rest_client_request(r->client, "POST", str_cstr(&path), str_slice(&body), &answer, err));
    char trigger[ID_HEX_LEN + 1];
    (void)snprintf(trigger, sizeof(trigger), "%s", json_field_text(answer, "request-id", ""));
    json_node_free(answer);
    return wait_for_savepoint(r, job, trigger, ret_path, err);
}

static int stop(void *arg, const char *job, const struct sql_stop_options *options,
                const struct conf *conf, struct str *ret_path, struct error *err)
{
    struct remote *r = arg;
    struct error ended = ERROR_INIT;
    if (options->with_savepoint) {
        return stop_with_savepoint(r, job, options, conf, ret_path, err);
    }
    TRY(cancel(r, job, err));
    int rc = 0;
    while (rc == 0 && !interrupt_came()) {
        rc = wait_for(r, job, POLL_MAX_MS, &ended);
    }
    return 0; /* however it has ended, it has */
}

/* ---- life -------------------------------------------------------------------------------------------------- */

int remote_new(const struct conf *conf, struct remote **ret, struct error *err)
{
    struct remote *r = MEM_NEW(struct remote);
    conf_init(&r->conf, NULL);
    conf_merge(&r->conf, conf);
    r->executor = (struct sql_executor){.arg = r,
                                        .submit = submit,
                                        .wait = wait_for,
                                        .open_rows = open_rows,
                                        .fetch = fetch,
                                        .close_rows = close_rows,
                                        .cancel = cancel,
                                        .stop = stop,
                                        .list = list};
    int rc = rest_client_new(&r->conf, NULL, &r->client, err);
    if (rc < 0) {
        remote_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

struct remote *remote_free(struct remote *r)
{
    if (r != NULL) {
        (void)rest_client_free(r->client);
        conf_fini(&r->conf);
        mem_free(r);
    }
    return NULL;
}

const struct sql_executor *remote_executor_of(struct remote *r)
{
    return &r->executor;
}
