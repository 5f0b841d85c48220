/* The executor of the target "remote": posts the graph with its libraries to a cluster, and follows the job
 * until it has ended (execution.attached) or runs.
 *
 * A client that is interrupted leaves the job to the cluster, as Flink's does, unless
 * execution.shutdown-on-attached-exit asks for its cancellation.
 * Flink: RemoteExecutor, RestClusterClient.submitJob, ClusterClientJobClientAdapter.  Thread: one owner. */
#include "client/submit/rest_client.h"
#include "client/submit/upload_copy.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "common/text/json_writer.h"
#include "sdk/executor.h"
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum {
    POLL_FIRST_MS = 10,
    POLL_MAX_MS = 500,
    PROGRESS_MS = 300, /* how often the job's details are asked for, for the listener */
    LIBRARIES_MAX = 64,
};

/* One submission. */
struct submission {
    struct rest_client *client;
    const Flinc__JobGraph *graph; /* Borrows */
    const struct job_listener *listener;
    char job_hex[ID_HEX_LEN + 1];
    struct str paths[LIBRARIES_MAX]; /* of what is uploaded */
    bool is_copy[LIBRARIES_MAX];
    int64_t shown_ms;
    int64_t heartbeat_ms;          /* when the cluster was last told that this client lives */
    int64_t heartbeat_interval_ms; /* 0: it need not know */
    int64_t heartbeat_timeout_ms;
};

static struct slice path_of(const char *fmt, const struct submission *s, struct str *out)
{
    str_clear(out);
    str_printf(out, "/jobs/%s%s", s->job_hex, fmt);
    return str_slice(out);
}

static int get(struct submission *s, const char *what, struct json_node **ret, struct error *err)
{
    STR_AUTO path = STR_INIT;
    (void)path_of(what, s, &path);
    return rest_client_request(s->client, "GET", str_cstr(&path), (struct slice){NULL, 0}, ret,
                               err);
}

/* ---- submission --------------------------------------------------------------------------------- */

static void write_request(const Flinc__JobGraph *graph, struct str *out)
{
    struct json_writer w;

    json_writer_init(&w, out, JSON_STYLE_COMPACT);
    json_writer_object(&w);
    json_writer_put_string(&w, "jobGraphFileName", "job.graph");
    json_writer_put_string(&w, "executionPlanFileName", "job.graph");
    json_writer_key(&w, "jobJarFileNames");
    json_writer_array(&w);
    for (size_t i = 0; i < graph->n_libraries; i++) {
        json_writer_string(&w, graph->libraries[i]->name);
    }
    json_writer_end(&w);
    json_writer_key(&w, "jobArtifactFileNames");
    json_writer_array(&w);
    json_writer_end(&w);
    json_writer_end(&w);
    json_writer_finish(&w);
}

static int prepare_libraries(struct submission *s, struct error *err)
{
    if (s->graph->n_libraries > LIBRARIES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "a job has at most %d libraries, not %zu",
                         LIBRARIES_MAX, s->graph->n_libraries);
    }
    for (size_t i = 0; i < s->graph->n_libraries; i++) {
        const Flinc__Library *l = s->graph->libraries[i];
        const char *path = l->path[0] != '\0' ? l->path : "/proc/self/exe";
        TRY_CTX(err, upload_copy_make(path, &s->paths[i], &s->is_copy[i], err),
                "uploading library '%s' of job '%s'", l->name, s->graph->name);
    }
    return 0;
}

static int post_graph(struct submission *s, struct error *err)
{
    struct http_part parts[LIBRARIES_MAX + 2] = {0};
    STR_AUTO request = STR_INIT;
    Flinc__JobGraph graph = *s->graph;
    if (s->heartbeat_interval_ms > 0) { /* from now on, also if not even the first one is sent */
        graph.initial_client_heartbeat_timeout_ms = (uint64_t)s->heartbeat_timeout_ms;
    }
    size_t size = flinc__job_graph__get_packed_size(&graph);
    uint8_t *packed = mem_alloc(size);
    uint32_t n = 0;

    (void)flinc__job_graph__pack(&graph, packed);
    write_request(s->graph, &request);
    parts[n++] = (struct http_part){
        .name = "request", .content_type = "application/json", .data = str_slice(&request)};
    parts[n++] = (struct http_part){.name = "file_0",
                                    .filename = "job.graph",
                                    .content_type = "application/octet-stream",
                                    .data = {(const char *)packed, size}};
    static const char *const names[] = {"file_1", "file_2", "file_3", "file_n"};
    for (size_t i = 0; i < s->graph->n_libraries; i++) {
        parts[n++] = (struct http_part){.name = names[MIN(i, ARRAY_LEN(names) - 1)],
                                        .filename = s->graph->libraries[i]->name,
                                        .content_type = "application/octet-stream",
                                        .path = str_cstr(&s->paths[i])};
    }
    int rc = rest_client_upload(s->client, "/jobs", parts, n, NULL, err);
    mem_free(packed);
    return rc;
}

static int submit(struct submission *s, struct error *err)
{
    TRY(prepare_libraries(s, err));
    TRY_CTX(err, post_graph(s, err), "submitting job '%s' to %s", s->graph->name,
            rest_client_address(s->client));
    if (s->listener != NULL && s->listener->on_submitted != NULL) {
        s->listener->on_submitted(s->listener->arg, s->job_hex, s->graph->name);
    }
    return 0;
}

/* ---- following ------------------------------------------------------------------------------------ */

/* What sources have sent on, and how many tasks run. */
static bool tell(struct submission *s, const char *state)
{
    struct json_node *details = NULL;
    uint64_t records = 0, bytes = 0;
    uint32_t running = 0, total = 0;

    if (s->listener == NULL || s->listener->on_progress == NULL) {
        return true;
    }
    if (get(s, "", &details, NULL) == 0) {
        const struct json_node *vertices = json_field(details, "vertices", JSON_TYPE_ARRAY);
        for (size_t i = 0; vertices != NULL && i < json_node_count(vertices); i++) {
            const struct json_node *v = json_node_at(vertices, i);
            const struct json_node *tasks = json_field(v, "tasks", JSON_TYPE_OBJECT);
            const struct json_node *io = json_field(v, "metrics", JSON_TYPE_OBJECT);
            running += (uint32_t)json_field_int(tasks, "RUNNING", 0);
            total += (uint32_t)json_field_int(v, "parallelism", 0);
            if (cstr_starts_with(json_field_text(v, "name", ""), "Source:")) {
                records += (uint64_t)json_field_int(io, "write-records", 0);
                bytes += (uint64_t)json_field_int(io, "write-bytes", 0);
            }
        }
        json_node_free(details);
    }
    return s->listener->on_progress(s->listener->arg, state, records, bytes, running, total);
}

/* With -sae the job ends with its client, however that ends. */
static void send_heartbeat(struct submission *s, int64_t now_ms)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO body = STR_INIT;

    if (s->heartbeat_interval_ms == 0 ||
        (s->heartbeat_ms != 0 && now_ms - s->heartbeat_ms < s->heartbeat_interval_ms)) {
        return;
    }
    s->heartbeat_ms = now_ms;
    if (FAILPOINT(NULL, "client.heartbeat.before_send") < 0) {
        return;
    }
    (void)path_of("/clientHeartbeat", s, &path);
    str_printf(&body, "{\"expiredTimestamp\": %lld}",
               (long long)(clock_now_ms(&clock_system) + s->heartbeat_timeout_ms));
    /* One that is lost is made up for by the next. */
    (void)!rest_client_request(s->client, "PATCH", str_cstr(&path), str_slice(&body), NULL, NULL);
}

/* Waits a little; false when the listener wants no more of it. */
static bool pause_between_polls(struct submission *s, const char *state, int64_t *delay_ms)
{
    int64_t now = clock_monotonic_ns(&clock_system) / 1000000;

    send_heartbeat(s, now);
    if (now - s->shown_ms >= PROGRESS_MS) {
        s->shown_ms = now;
        if (!tell(s, state)) {
            return false;
        }
    }
    (void)poll(NULL, 0, (int)*delay_ms);
    *delay_ms = MIN(*delay_ms * 2, (int64_t)POLL_MAX_MS);
    return true;
}

static void cancel_job(struct submission *s)
{
    STR_AUTO path = STR_INIT;
    (void)path_of("?mode=cancel", s, &path);
    (void)!rest_client_request(s->client, "PATCH", str_cstr(&path), (struct slice){NULL, 0}, NULL,
                               NULL);
}

/* Until the job has left INITIALIZING: a graph that cannot be started is an error of the submission. */
static int wait_initialized(struct submission *s, struct error *err)
{
    int64_t delay_ms = POLL_FIRST_MS;

    for (;;) {
        struct json_node *answer = NULL;
        TRY_CTX(err, get(s, "/status", &answer, err), "asking for the state of job %s", s->job_hex);
        bool done = strcmp(json_field_text(answer, "status", ""), "INITIALIZING") != 0;
        json_node_free(answer);
        if (done) {
            return 0;
        }
        send_heartbeat(s, clock_monotonic_ns(&clock_system) / 1000000);
        (void)poll(NULL, 0, (int)delay_ms);
        delay_ms = MIN(delay_ms * 2, (int64_t)POLL_MAX_MS);
    }
}

/* Why the job failed, as the exception history says it. */
static int failure_of(struct submission *s, struct error *err)
{
    struct json_node *answer = NULL;
    const char *text = NULL;

    if (get(s, "/exceptions", &answer, NULL) == 0) {
        const struct json_node *history = json_field(answer, "exceptionHistory", JSON_TYPE_OBJECT);
        const struct json_node *entries = json_field(history, "entries", JSON_TYPE_ARRAY);
        if (entries != NULL && json_node_count(entries) > 0) {
            text = json_field_text(json_node_at(entries, 0), "stacktrace", NULL);
        }
        text = text != NULL ? text : json_field_text(answer, "root-exception", NULL);
    }
    int rc =
        error_set(err, ERR_USER_CODE, "%s", text != NULL ? text : "the cluster does not say why");
    error_context(err, "running job '%s' (JobID %s)", s->graph->name, s->job_hex);
    json_node_free(answer);
    return rc;
}

static void read_accumulators(struct submission *s, struct job_result *ret)
{
    struct json_node *answer = NULL;

    if (get(s, "/accumulators", &answer, NULL) < 0) {
        return;
    }
    const struct json_node *all = json_field(answer, "user-task-accumulators", JSON_TYPE_ARRAY);
    for (size_t i = 0; all != NULL && i < json_node_count(all); i++) {
        const struct json_node *a = json_node_at(all, i);
        long long value = 0;
        if (sscanf(json_field_text(a, "value", ""), "%lld", &value) == 1) {
            job_result_add(ret, json_field_text(a, "name", "?"), value);
        }
    }
    json_node_free(answer);
}

/* 1: ended and *ret_status says how; 0: not yet. */
static int poll_result(struct submission *s, struct str *ret_status, int64_t *ret_runtime_ms,
                       struct error *err)
{
    struct json_node *answer = NULL;

    TRY_CTX(err, get(s, "/execution-result", &answer, err), "waiting for job %s", s->job_hex);
    const struct json_node *result = json_field(answer, "job-execution-result", JSON_TYPE_OBJECT);
    if (result != NULL) {
        str_append_cstr(ret_status, json_field_text(result, "application-status", "UNKNOWN"));
        *ret_runtime_ms = json_field_int(result, "net-runtime", 0);
    }
    json_node_free(answer);
    return result != NULL;
}

static int interrupted(struct submission *s, const struct conf *conf, struct error *err)
{
    if (conf_bool(conf, "execution.shutdown-on-attached-exit")) {
        cancel_job(s);
        return error_set(err, ERR_CANCELLED, "job '%s' (%s) was cancelled", s->graph->name,
                         s->job_hex);
    }
    return error_set(
        err, ERR_CANCELLED,
        "the client was interrupted; job '%s' goes on in the cluster. To end it: flink "
        "cancel %s (with -sae an interrupted client cancels its job)",
        s->graph->name, s->job_hex);
}

static int follow(struct submission *s, const struct conf *conf, struct job_result *ret,
                  struct error *err)
{
    int64_t delay_ms = POLL_FIRST_MS;
    STR_AUTO status = STR_INIT;
    int rc;

    while ((rc = poll_result(s, &status, &ret->runtime_ms, err)) == 0) {
        if (!pause_between_polls(s, "RUNNING", &delay_ms)) {
            return interrupted(s, conf, err);
        }
    }
    if (rc < 0) {
        return rc;
    }
    (void)tell(s, "FINISHED");
    read_accumulators(s, ret);
    if (strcmp(str_cstr(&status), "SUCCEEDED") == 0) {
        return 0;
    }
    if (strcmp(str_cstr(&status), "CANCELED") == 0) {
        return error_set(err, ERR_CANCELLED, "job '%s' was cancelled", s->graph->name);
    }
    return failure_of(s, err);
}

static int remote_execute(const Flinc__JobGraph *graph, const struct conf *conf,
                          const struct job_listener *listener, struct job_result *ret,
                          struct error *err)
{
    struct submission s = {.graph = graph, .listener = listener};
    struct flinc_id id;

    memcpy(id.bytes, graph->job_id.data, sizeof(id.bytes));
    id_format(&id, s.job_hex);
    if (conf_bool(conf, "execution.attached") &&
        conf_bool(conf, "execution.shutdown-on-attached-exit")) {
        s.heartbeat_interval_ms =
            MAX(conf_duration_ms(conf, "client.heartbeat.interval"), (int64_t)1);
        s.heartbeat_timeout_ms =
            MAX(conf_duration_ms(conf, "client.heartbeat.timeout"), (int64_t)1);
    }
    TRY(rest_client_new(conf, NULL, &s.client, err));
    int rc = submit(&s, err);
    if (rc == 0) {
        rc = wait_initialized(&s, err);
    }
    if (rc == 0 && conf_bool(conf, "execution.attached")) {
        rc = follow(&s, conf, ret, err);
    }
    for (size_t i = 0; i < MIN(graph->n_libraries, (size_t)LIBRARIES_MAX); i++) {
        if (s.is_copy[i]) {
            (void)unlink(str_cstr(&s.paths[i]));
        }
        str_fini(&s.paths[i]);
    }
    (void)rest_client_free(s.client);
    return rc;
}

static const struct job_executor remote_executor = {"remote", remote_execute};

/* The SDK must not know this room; so the room makes itself known when the library is loaded. */
__attribute__((constructor)) static void register_remote_executor(void)
{
    job_executor_register(&remote_executor);
}
