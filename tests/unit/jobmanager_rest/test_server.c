/* Every route over HTTP, against a fake cluster: statuses, texts, and what must never happen. */
#include "common/net/client/http_client.h"
#include "tests/unit/jobmanager_rest/fake_cluster.h"

static struct fake_cluster cluster;
static struct http_client *client;

static int set_up(void **state)
{
    fake_cluster_start(&cluster, NULL);
    return http_client_new(&(struct http_client_options){0}, &client, NULL);
}

static int tear_down(void **state)
{
    client = http_client_free(client);
    fake_cluster_stop(&cluster);
    return 0;
}

/* One request; the caller ends x.answer. */
static void ask(struct http_exchange *x, const char *method, const char *path, const char *body)
{
    struct error err = ERROR_INIT;
    STR_AUTO url = STR_INIT;
    str_printf(&url, "http://127.0.0.1:%u%s", rest_server_port(cluster.server), path);
    x->method = method;
    x->url = str_cstr(&url);
    x->body = slice_cstr(body);
    if (http_client_run(client, x, &err) < 0) {
        fail_msg("%s %s: %s", method, path, err.message);
    }
}

/* The body as JSON with this status. */
static struct json_node *expect(const char *method, const char *path, const char *body, int status)
{
    struct http_exchange x = {0};
    struct json_node *root = NULL;
    ask(&x, method, path, body);
    if (x.status != status || json_parse(str_slice(&x.answer), NULL, &root, NULL) < 0) {
        fail_msg("%s %s: %d %s", method, path, x.status, str_cstr(&x.answer));
    }
    str_fini(&x.answer);
    return root;
}

static void expect_error(const char *method, const char *path, const char *body, int status,
                         const char *text)
{
    JSON_AUTO root = expect(method, path, body, status);
    assert_int_equal(json_node_count(root), 1);
    if (strstr(text_at(root, "errors.0"), text) == NULL) {
        fail_msg("%s %s: %s", method, path, text_at(root, "errors.0"));
    }
}

/* The answer, as it stands, has this text in it. */
static void expect_text(const char *method, const char *path, const char *body, int status,
                        const char *text)
{
    struct http_exchange x = {0};
    ask(&x, method, path, body);
    if (x.status != status || strstr(str_cstr(&x.answer), text) == NULL) {
        fail_msg("%s %s: %d %s", method, path, x.status, str_cstr(&x.answer));
    }
    str_fini(&x.answer);
}

/* ---- routes --------------------------------------------------------------------------------------- */

/* A path with its parameters filled in by things that are there. */
static void fill_path(const char *pattern, struct str *out)
{
    static const char *const parameters[][2] = {
        {"jobid", JOB_ID},       {"vertexid", SOURCE_ID},   {"subtaskindex", "0"},
        {"attempt", "0"},        {"taskmanagerid", TM_1},   {"filename", "tm.log"},
        {"triggerid", JOB_ID},   {"applicationid", JOB_ID}, {"datasetid", JOB_ID},
        {"jarid", "none.so"},    {"checkpointid", "1"},     {"rescaleuuid", JOB_ID},
        {"operatorUid", "some"},
    };
    struct slice rest = slice_cstr(pattern + 1), piece;
    while (slice_next(&rest, '/', &piece)) {
        str_append_char(out, '/');
        const char *value = NULL;
        for (size_t i = 0; i < ARRAY_LEN(parameters) && piece.data[0] == ':'; i++) {
            if (slice_eq_cstr(slice_make(piece.data + 1, piece.len - 1), parameters[i][0])) {
                value = parameters[i][1];
            }
        }
        assert_true(piece.data[0] != ':' || value != NULL);
        str_append_slice(out, value != NULL ? slice_cstr(value) : piece);
    }
}

/* Every route answers JSON (or text), never 5xx but the documented 503, and shows no secret. */
static void every_route_answers(void **state)
{
    uint32_t n;
    const struct rest_route *routes = rest_routes(&n);
    assert_true(n > 90);
    for (uint32_t i = 0; i < n; i++) {
        const struct rest_route *r = &routes[i];
        struct http_exchange x = {0};
        STR_AUTO path = STR_INIT;
        fill_path(r->route.path, &path);
        ask(&x, http_method_name(r->route.method), str_cstr(&path), "{}");
        bool documented = strstr(r->route.path, "/rescaling") != NULL;
        if (x.status >= 500 && !(documented && x.status == 503)) {
            fail_msg("%s: %d %s", r->route.path, x.status, str_cstr(&x.answer));
        }
        JSON_AUTO root = NULL;
        if (strcmp(r->response, "text") != 0 &&
            json_parse(str_slice(&x.answer), NULL, &root, NULL) < 0) {
            fail_msg("%s: %s", r->route.path, str_cstr(&x.answer));
        }
        assert_null(strstr(str_cstr(&x.answer), FAKE_SECRET));
        assert_true(r->summary != NULL && cstr_ends_with(r->summary, "."));
        assert_non_null(r->request);
        assert_non_null(r->response);
        str_fini(&x.answer);
    }
}

static void paths_are_unique(void **state)
{
    uint32_t n;
    const struct rest_route *routes = rest_routes(&n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            assert_false(routes[i].route.method == routes[k].route.method &&
                         strcmp(routes[i].route.path, routes[k].route.path) == 0);
        }
    }
}

/* ---- what clients match --------------------------------------------------------------------------- */

#define NO_JOB "/jobs/00000000000000000000000000000000"
#define JOB "/jobs/" JOB_ID
#define ENDED "/jobs/" ENDED_JOB_ID

static void errors_that_clients_match(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *text;
    } rows[] = {
        {"GET", NO_JOB, "{}", 404, "Job 00000000000000000000000000000000 not found"},
        {"GET", NO_JOB "/status", "{}", 404, "not found"},
        {"GET", NO_JOB "/execution-result", "", 404, "not found"},
        {"GET", "/jobs/xyz", "", 400, "Bad request, could not parse parameters"},
        {"GET", JOB "/vertices/" JOB_ID, "", 404, "JobVertex " JOB_ID " not found"},
        {"GET", JOB "/vertices/" SOURCE_ID "/subtasks/7", "", 404, "subtask index"},
        {"GET", JOB "/vertices/" SOURCE_ID "/subtasks/-1", "", 400, "subtaskindex"},
        {"GET", JOB "/vertices/" SOURCE_ID "/subtasks/0/attempts/9", "", 404, "Attempt 9"},
        {"GET", ENDED "/checkpoints", "", 404, "Checkpointing has not been enabled"},
        {"GET", ENDED "/checkpoints/config", "", 404, "Checkpointing has not been enabled"},
        {"GET", NO_JOB "/checkpoints", "", 404, "not found"},
        {"GET", JOB "/checkpoints/" JOB_ID, "", 404, "Operation not found"},
        {"GET", JOB "/checkpoints/details/9", "", 404, "checkpoint 9"},
        {"GET", JOB "/checkpoints/details/x", "", 400, "checkpointid"},
        {"GET", JOB "/checkpoints/details/3/subtasks/" JOB_ID, "", 404, JOB_ID},
        {"POST", JOB "/checkpoints", "{\"checkpointType\":\"X\"}", 400, "checkpointType"},
        {"POST", JOB "/checkpoints", "{\"triggerId\":\"12\"}", 400, "triggerId"},
        {"POST", JOB "/savepoints", "{\"target-directory\":null}", 400,
         "Config key [execution.checkpointing.savepoint-dir] is not set"},
        {"POST", JOB "/savepoints", "{\"target-directory\":\"/x\",\"formatType\":\"AVRO\"}", 400,
         "formatType"},
        {"POST", JOB "/stop", "{\"targetDirectory\":\"/x\",\"drain\":\"maybe\"}", 400, "drain"},
        {"POST", ENDED "/stop", "{\"targetDirectory\":\"/x\"}", 409, "FINISHED"},
        {"PATCH", NO_JOB, "{}", 404, "Job could not be found."},
        {"PATCH", ENDED "?mode=cancel", "{}", 409,
         "already reached another terminal state (FINISHED)"},
        {"PATCH", JOB "?mode=x", "{}", 400, "mode"},
        {"PATCH", JOB "/rescaling?parallelism=2", "{}", 503, "FLINK-12312"},
        {"GET", JOB "/resource-requirements", "", 409, "AdaptiveScheduler"},
        {"GET", "/taskmanagers/none", "", 404, "not registered"},
        {"GET", "/taskmanagers/none/metrics", "", 404, "not registered"},
        {"GET", "/taskmanagers/" TM_1 "/logs/..%2ftm.log", "", 404, "does not exist"},
        {"GET", "/taskmanagers/" TM_2 "/thread-dump", "", 408, "does not answer"},
        {"GET", "/jobmanager/logs/..%2f..%2fetc%2fpasswd", "", 404,
         "This file does not exist in JobManager log dir."},
        {"GET", "/jobmanager/logs/..%252f..%252fetc%252fpasswd", "", 404, "does not exist"},
        {"GET", "/jobs/metrics?agg=mean", "", 400, "agg"},
        {"GET", "/jobs/metrics?jobs=x", "", 400, "jobs"},
        {"GET", JOB "/vertices/" SOURCE_ID "/subtasks/metrics?subtasks=3-1", "", 400, "subtasks"},
        {"GET", JOB "/exceptions?maxExceptions=many", "", 400, "maxExceptions"},
        {"GET", JOB "/exceptions?failureLabelFilter=x", "", 400, "failureLabelFilter"},
        {"POST", "/jars/x.so/run", "{}", 400, "Jar file x.so does not exist"},
        {"POST", "/jars/x.so/run", "{bad", 400, "Request did not match expected format"},
        {"DELETE", "/jars/..%2fx.so", "", 400, "does not exist"},
        {"GET", "/nothing/here", "", 404, "Unable to load requested file"},
        {"POST", "/savepoint-disposal", "{}", 400, "savepoint-path"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        expect_error(rows[i].method, rows[i].path, rows[i].body, rows[i].status, rows[i].text);
    }
}

#define TRIGGER "00112233445566778899aabbccddeeff"

/* Triggers by an id of the client's own, and polls; the answer to the poll. */
static void trigger_and_poll(const char *path, const char *body, const char *poll,
                             const char *expected)
{
    STR_AUTO again = STR_INIT;
    expect_text("POST", path, body, 202, "\"request-id\":\"" TRIGGER "\"");
    str_printf(&again, "%s/%s", poll, TRIGGER);
    expect_text("GET", str_cstr(&again), "", 200, expected);
}

static void operations(void **state)
{
    trigger_and_poll(JOB "/checkpoints",
                     "{\"checkpointType\":\"FULL\",\"triggerId\":\"" TRIGGER "\"}",
                     JOB "/checkpoints",
                     "{\"status\":{\"id\":\"COMPLETED\"},\"operation\":{\"checkpointId\":7}}");
    assert_int_equal(cluster.checkpoint_type, CHECKPOINT_TYPE_FULL);
    trigger_and_poll(JOB "/savepoints",
                     "{\"target-directory\":\"/s\",\"cancel-job\":true,\"triggerId\":\"" TRIGGER
                     "\"}",
                     JOB "/savepoints", "\"operation\":{\"location\":\"/s/savepoint-1\"}");
    assert_int_equal(cluster.savepoint.flags, SAVEPOINT_CANCEL_JOB);
    /* The same id is the same operation: the other folder is not looked at. */
    trigger_and_poll(JOB "/stop",
                     "{\"targetDirectory\":\"/other\",\"drain\":\"true\",\"triggerId\":\"" TRIGGER
                     "\"}",
                     JOB "/savepoints", "/s/savepoint-1");
    expect_text("POST", JOB "/stop", "{\"targetDirectory\":\"/t\",\"drain\":\"true\"}", 202,
                "request-id");
    assert_int_equal(cluster.savepoint.stop, FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN);
    expect_text("POST", JOB "/savepoints",
                "{\"target-directory\":\"/full\",\"triggerId\":\"" JOB_ID "\"}", 202, "request-id");
    expect_text("GET", JOB "/savepoints/" JOB_ID, "", 200, "No space left on device");
    expect_text("GET", JOB "/savepoints/" JOB_ID, "", 200, "\"failure-cause\":{\"class\":");
    expect_text("POST", JOB "/checkpoints", "{\"checkpointType\":\"INCREMENTAL\"}", 400,
                "execution.checkpointing.incremental");
    cluster.checkpoint_fails = true;
    expect_text("POST", JOB "/checkpoints",
                "{\"checkpointType\":\"FULL\",\"triggerId\":\"" JOB_ID "\"}", 202, "request-id");
    expect_text("GET", JOB "/checkpoints/" JOB_ID, "", 200, "\"failureCause\":{");
    expect_text("POST", "/savepoint-disposal",
                "{\"savepoint-path\":\"/not/there\",\"triggerId\":\"" JOB_ID "\"}", 200, JOB_ID);
    expect_text("GET", "/savepoint-disposal/" JOB_ID, "", 200, "/not/there");
}

static void checkpoint_statistics(void **state)
{
    expect_text("GET", JOB "/checkpoints", "", 200,
                "{\"counts\":{\"restored\":1,\"total\":3,\"in_progress\":1,\"completed\":1,"
                "\"failed\":1}");
    expect_text("GET", JOB "/checkpoints", "", 200, "\"end_to_end_duration\":{\"min\":20");
    expect_text("GET", JOB "/checkpoints/config", "", 200, "\"mode\":\"exactly_once\"");
    expect_text("GET", JOB "/checkpoints/config", "", 200,
                "\"externalization\":{\"enabled\":true,\"delete_on_cancellation\":false}");
    expect_text("GET", JOB "/checkpoints/details/3", "", 200,
                "\"tasks\":{\"" SOURCE_ID "\":{\"id\":3,\"status\":\"COMPLETED\"");
    expect_text("GET", JOB "/checkpoints/details/2", "", 200, "expired before completing");
    expect_text("GET", JOB "/checkpoints/details/4/subtasks/" SOURCE_ID, "", 200,
                "{\"className\":\"pending\",\"index\":1,\"status\":\"pending_or_failed\"}");
}

static void cancelling(void **state)
{
    json_node_free(expect("PATCH", JOB "?mode=CANCEL", "{}", 202));
    json_node_free(expect("GET", "/v1" JOB "/yarn-cancel", "", 202));
    json_node_free(expect("POST", "/applications/" JOB_ID "/cancel", "", 202));
    assert_int_equal(cluster.n_cancelled, 3);
    expect_error("GET", JOB "/yarn-stop", "", 308, "stop");
    json_node_free(expect("DELETE", "/cluster", "", 200));
    assert_int_equal(cluster.n_shutdowns, 1);
}

static void lists(void **state)
{
    JSON_AUTO jobs = expect("GET", "/jobs/overview", "{}", 200);
    assert_int_equal(count_at(jobs, "jobs"), 2);
    assert_string_equal(text_at(jobs, "jobs.0.jid"), JOB_ID);
    assert_true(int_at(jobs, "jobs.0.duration") > 1000000); /* it began in 1970 */
    assert_int_equal(int_at(jobs, "jobs.1.duration"), 2000);
    JSON_AUTO ids = expect("GET", "/v1/jobs", "{}", 200);
    assert_string_equal(text_at(ids, "jobs.1.status"), "FINISHED");
    JSON_AUTO tms = expect("GET", "/taskmanagers", "{}", 200);
    assert_string_equal(text_at(tms, "taskmanagers.1.id"), TM_2);
    JSON_AUTO applications = expect("GET", "/applications/overview", "{}", 200);
    assert_int_equal(int_at(applications, "applications.0.jobs.RUNNING"), 1);
}

/* ---- metrics -------------------------------------------------------------------------------------- */

static void metrics_are_fetched_when_asked(void **state)
{
    JSON_AUTO own = expect("GET", "/jobmanager/metrics?get=numRunningJobs,none", "", 200);
    assert_int_equal(json_node_count(own), 1);
    assert_string_equal(text_at(own, "0.value"), "3");
    JSON_AUTO vertex = expect("GET", JOB "/vertices/" SOURCE_ID "/metrics", "", 200);
    assert_string_equal(text_at(vertex, "0.id"), "0.backPressuredTimeMsPerSecond");
    assert_false(has(vertex, "0.value"));
    JSON_AUTO aggregate = expect("GET",
                                 JOB "/vertices/" SOURCE_ID
                                     "/subtasks/metrics?get=backPressuredTimeMsPerSecond&agg=max",
                                 "", 200);
    assert_true(double_at(aggregate, "0.max") == 600);
    JSON_AUTO pressure = expect("GET", JOB "/vertices/" SOURCE_ID "/backpressure", "", 200);
    assert_string_equal(text_at(pressure, "backpressure-level"), "high");
    assert_true(double_at(pressure, "subtasks.0.ratio") == 0.6);
    assert_string_equal(text_at(pressure, "subtasks.0.busyRatio"), "NaN");
    JSON_AUTO watermarks = expect("GET", JOB "/vertices/" SOURCE_ID "/watermarks", "", 200);
    assert_int_equal(json_node_count(watermarks), 0);
    assert_in_range(cluster.n_queries, 1, 3); /* five asks, one or few fetches */
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void files(void **state)
{
    struct http_exchange x = {0};
    ask(&x, "GET", "/taskmanagers/" TM_1 "/logs/tm.log", "");
    assert_int_equal(x.status, 200);
    assert_int_equal(x.answer.len, 2621440);
    for (size_t i = 0; i < x.answer.len; i++) {
        assert_true(x.answer.data[i] == (char)('a' + i % 23));
    }
    str_fini(&x.answer);
    x = (struct http_exchange){0};
    ask(&x, "GET", "/taskmanagers/" TM_1 "/stdout", "");
    assert_int_equal(x.status, 200);
    assert_non_null(strstr(str_cstr(&x.answer), "no standard output"));
    str_fini(&x.answer);
    x = (struct http_exchange){0};
    ask(&x, "GET", "/jobmanager/log", "");
    assert_string_equal(str_cstr(&x.answer), "a line of the log\n");
    str_fini(&x.answer);
    JSON_AUTO logs = expect("GET", "/jobmanager/logs", "", 200);
    assert_string_equal(text_at(logs, "logs.0.name"), "jm.log");
    JSON_AUTO threads = expect("GET", "/jobmanager/thread-dump", "", 200);
    assert_true(count_at(threads, "threadInfos") >= 2);
    assert_non_null(strstr(text_at(threads, "threadInfos.0.stringifiedThreadInfo"), "\tat "));
    JSON_AUTO environment = expect("GET", "/jobmanager/environment", "", 200);
    assert_true(count_at(environment, "classpath") > 1);
    x = (struct http_exchange){0};
    ask(&x, "GET", "/", "");
    assert_non_null(strstr(str_cstr(&x.answer), "<h1>Flinc</h1>"));
    str_fini(&x.answer);
}

/* ---- uploads -------------------------------------------------------------------------------------- */

static void expect_post(const char *path, const struct http_part *parts, uint32_t n, int status,
                        const char *text)
{
    struct http_exchange x = {.parts = parts, .n_parts = n};
    ask(&x, "POST", path, "");
    if (x.status != status || strstr(str_cstr(&x.answer), text) == NULL) {
        fail_msg("%s: %d %s", path, x.status, str_cstr(&x.answer));
    }
    str_fini(&x.answer);
}

static void uploads(void **state)
{
    const struct http_part jar = {.name = "jarfile", .filename = "x.jar", .data = SLICE_LIT("PK")};
    const struct http_part garbage = {.name = "f", .filename = "x.so", .data = SLICE_LIT("hello")};
    expect_post("/jars/upload", &jar, 1, 400, "Java archive");
    expect_post("/jars/upload", &garbage, 1, 400, "not a shared object");
    expect_post("/jars/upload", (struct http_part[]){garbage, garbage}, 2, 400,
                "Exactly 1 file must be sent, received 2.");
    JSON_AUTO list = expect("GET", "/jars", "", 200);
    assert_int_equal(count_at(list, "files"), 0);
}

static void submissions(void **state)
{
    const struct http_part request = {
        .name = "request",
        .data = SLICE_LIT("{\"jobGraphFileName\":\"g\",\"jobJarFileNames\":[],"
                          "\"jobArtifactFileNames\":[]}")};
    const struct http_part java = {
        .name = "file_0", .filename = "g", .data = SLICE_LIT("\xac\xed\x00\x05sr")};
    const struct http_part other = {.name = "file_0", .filename = "h", .data = SLICE_LIT("x")};
    const struct http_part lists_more = {
        .name = "request",
        .data = SLICE_LIT("{\"executionPlanFileName\":\"g\",\"jobJarFileNames\":[\"a.so\"]}")};
    expect_post("/jobs", (struct http_part[]){request, java}, 2, 400, "Java-serialized");
    expect_post("/jobs", (struct http_part[]){request, other}, 2, 400, "did not come");
    expect_post("/jobs", (struct http_part[]){lists_more, java}, 2, 400, "a.so");
    expect_post("/jobs", &java, 1, 400, "no part named request");
    const struct http_part artifacts = {
        .name = "request",
        .data = SLICE_LIT("{\"jobGraphFileName\":\"g\",\"jobArtifactFileNames\":[{\"entryName\":"
                          "\"a\",\"fileName\":\"g\"}]}")};
    expect_post("/jobs", (struct http_part[]){artifacts, java}, 2, 400, "distributed cache");
    assert_int_equal(cluster.n_submitted, 0);
}

static void switched_off(void **state)
{
    fake_cluster_stop(&cluster);
    fake_cluster_start(&cluster, (const char *[]){"web.submit.enable", "false", "web.cancel.enable",
                                                  "false", NULL});
    JSON_AUTO config = expect("GET", "/config", "", 200);
    assert_false(bool_at(config, "features.web-submit"));
    assert_false(bool_at(config, "features.web-cancel"));
    expect_error("GET", "/jars", "", 404, "Not found: /jars");
    expect_error("PATCH", JOB "?mode=cancel", "", 403, "web.cancel.enable");
    const struct http_part request = {.name = "request", .data = SLICE_LIT("{}")};
    expect_post("/jobs", &request, 1, 403, "web.submit.enable");
    expect_post("/jars/upload",
                &(struct http_part){.name = "f", .filename = "a.so", .data = SLICE_LIT("x")}, 1,
                404, "Not found");
}

static void no_leader(void **state)
{
    atomic_store(&cluster.leaderless, true);
    expect_error("GET", "/overview", "", 503, "leader election");
    expect_error("GET", "/", "", 503, "leader election");
    atomic_store(&cluster.leaderless, false);
    json_node_free(expect("GET", "/overview", "", 200));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_route_answers, set_up, tear_down),
        cmocka_unit_test(paths_are_unique),
        cmocka_unit_test_setup_teardown(errors_that_clients_match, set_up, tear_down),
        cmocka_unit_test_setup_teardown(operations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checkpoint_statistics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(metrics_are_fetched_when_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(uploads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(submissions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(switched_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_leader, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
