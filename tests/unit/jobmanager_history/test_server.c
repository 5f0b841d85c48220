/* The history server over HTTP: statuses, texts, logs' addresses, what must never happen. */
#include "common/net/client/http_client.h"
#include "jobmanager/history/server.h"
#include "tests/unit/jobmanager_history/archives.h"

static char top[64], folder[128];
static struct conf conf;
static struct history *history;
static struct history_server *server;
static struct http_client *client;

static void set(const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set(&conf, key, value, &err), 0);
}

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    struct history_round round;
    log_set_level(LOG_LEVEL_OFF);
    (void)snprintf(top, sizeof(top), "/tmp/history-server-XXXXXX");
    assert_non_null(mkdtemp(top));
    (void)snprintf(folder, sizeof(folder), "%s/archives", top);
    assert_int_equal(fs_mkdirs(folder, &err), 0);
    conf_init(&conf, NULL);
    set("historyserver.archive.fs.dir", folder);
    set("historyserver.web.tmpdir", top);
    set("historyserver.web.address", "127.0.0.1");
    set("historyserver.web.port", "0");
    set("historyserver.web.refresh-interval", "3 s");
    set("historyserver.log.jobmanager.url-pattern", "http://logs/<jobid>/jm?x=<tmid>");
    set("historyserver.log.taskmanager.url-pattern", "https://logs/<jobid>/<tmid>");
    struct history_options o = {.conf = &conf};
    assert_int_equal(history_new(&o, &history, &err), 0);
    write_archive(folder, ID_A, "one");
    history_refresh(history, &round);
    struct history_server_options so = {.conf = &conf, .history = history};
    assert_int_equal(history_server_start(&so, &server, &err), 0);
    return http_client_new(&(struct http_client_options){0}, &client, NULL);
}

static int tear_down(void **state)
{
    struct error err = ERROR_INIT;
    client = http_client_free(client);
    server = history_server_stop(server);
    history = history_free(history);
    conf_fini(&conf);
    return fs_delete(top, FS_DELETE_RECURSIVE, &err);
}

static void expect(const char *method, const char *path, int status, const char *text)
{
    struct http_exchange x = {.method = method};
    struct error err = ERROR_INIT;
    STR_AUTO url = STR_INIT;
    str_printf(&url, "http://127.0.0.1:%u%s", history_server_port(server), path);
    x.url = str_cstr(&url);
    if (http_client_run(client, &x, &err) < 0) {
        fail_msg("%s %s: %s", method, path, err.message);
    }
    if (x.status != status || strstr(str_cstr(&x.answer), text) == NULL) {
        fail_msg("%s %s: %d %s", method, path, x.status, str_cstr(&x.answer));
    }
    str_fini(&x.answer);
}

static void answers(void **state)
{
    expect("GET", "/config", 200, "\"refresh-interval\":3000");
    expect("GET", "/config", 200, "\"web-history\":true");
    expect("GET", "/config", 200, "\"web-cancel\":false");
    expect("GET", "/jobs/overview", 200, "{\"jobs\":[{\"jid\":\"" ID_A "\"");
    expect("GET", "/v1/jobs/overview", 200, "\"name\":\"one\"");
    expect("GET", "/jobs/" ID_A, 200, "{\"jid\":\"" ID_A "\"}");
    expect("GET", "/jobs/" ID_A "/", 200, "{\"jid\":\"" ID_A "\"}");
    expect("GET", "/jobs/" ID_A "/vertices/v1/subtasks/0", 200, "{\"subtask\":0}");
    expect("GET", "/", 200, "Flinc history server");
}

static void knows_no_more(void **state)
{
    expect("GET", "/jobs/" ID_B, 404,
           "{\"errors\":[\"File not found: there is no archive of job " ID_B);
    expect("GET", "/jobs/" ID_A "/config", 404, "has no /config");
    expect("GET", "/jobs/" ID_A "/a/b/c/d/e/f/g/h", 404, "errors");
    expect("GET", "/jobs/%2e%2e", 404, "errors");
    expect("GET", "/jobs/overview.json", 404, "errors");
    expect("GET", "/jobs/..%2f..%2fetc%2fpasswd/x", 404, "errors");
    expect("GET", "/overview", 404, "a history server has no /overview");
    expect("GET", "/taskmanagers", 404, "errors");
    expect("GET", "/nothing", 404, "errors");
}

static void says_where_logs_are(void **state)
{
    expect("GET", "/jobs/" ID_A "/jobmanager/log-url", 200,
           "{\"url\":\"http://logs/" ID_A "/jm?x=<tmid>\"}");
    expect("GET", "/jobs/" ID_A "/taskmanagers/host:1-a%20b/log-url", 200,
           "{\"url\":\"https://logs/" ID_A "/host:1-a%20b\"}");
}

static void needs_tls_of_rest(void **state)
{
    struct history_server *other = NULL;
    struct error err = ERROR_INIT;
    struct history_server_options o = {.conf = &conf, .history = history};
    set("historyserver.web.ssl.enabled", "true");
    assert_int_equal(history_server_start(&o, &other, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "historyserver.web.ssl.enabled"));
    assert_non_null(strstr(err.message, "security.ssl.rest.enabled"));
    set("historyserver.web.ssl.enabled", "false");
    set("historyserver.web.port", "65536");
    assert_int_equal(history_server_start(&o, &other, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "historyserver.web.port"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(knows_no_more),
        cmocka_unit_test(says_where_logs_are),
        cmocka_unit_test(needs_tls_of_rest),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
