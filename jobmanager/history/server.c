/* The routes of the history server; see server.h. */
#include "jobmanager/history/server.h"

#include "common/base/log.h"
#include "common/net/tls/tls.h"
#include "jobmanager/rest/shape/shape.h"
#include <stdio.h>
#include <strings.h>

enum { SERVER_HANDLERS = 16, SERVER_LOG_PATTERN_MAX = 4096 };

struct history_server {
    struct history *history; /* Borrows */
    struct tls_context *tls; /* a reference; NULL: without TLS */
    struct http_server *http;
    char *web_root;                         /* Owns */
    char *jobmanager_log, *taskmanager_log; /* Own; patterns; NULL: none */
    struct rest_features features;
};

/* ---- answers -------------------------------------------------------------------------------------- */

static int config(void *owner, const struct http_request *rq, struct http_response *rs,
                  struct error *err)
{
    struct history_server *s = owner;
    rest_write_config(http_response_json(rs), &s->features, clock_now_ms(&clock_system));
    return 0;
}

static int overview(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct history_server *s = owner;
    uint64_t size;
    int fd;
    TRY(history_open_overview(s->history, &fd, &size, err));
    http_response_file(rs, fd, size);
    return 0;
}

/* All that lies below /jobs/:jobid is an answer of its archive. */
static int page(void *owner, const struct http_request *rq, struct http_response *rs,
                struct error *err)
{
    struct history_server *s = owner;
    const char *id = http_request_param(rq, "jobid");
    const char *below = strchr(http_request_path(rq) + 1, '/'); /* behind /jobs */
    uint64_t offset, size;
    int fd;
    below = below != NULL ? strchr(below + 1, '/') : NULL;
    STR_AUTO name = STR_INIT;
    str_append_cstr(&name, below != NULL ? below : "");
    while (name.len > 0 && name.data[name.len - 1] == '/') {
        name.data[--name.len] = '\0';
    }
    TRY(history_open_page(s->history, id, str_cstr(&name), &fd, &offset, &size, err));
    http_response_file_part(rs, fd, offset, size);
    return 0;
}

/* ---- logs ----------------------------------------------------------------------------------------- */

/* Letters that need no quoting in an address. */
static void append_quoted(struct str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~:", c) != NULL;
        if (plain) {
            str_append_char(out, (char)c);
        } else {
            str_printf(out, "%%%02X", c);
        }
    }
}

static void fill_in(const char *pattern, const char *job, const char *taskmanager, struct str *out)
{
    while (*pattern != '\0') {
        if (cstr_starts_with(pattern, "<jobid>")) {
            append_quoted(out, job);
            pattern += 7;
        } else if (taskmanager != NULL && cstr_starts_with(pattern, "<tmid>")) {
            append_quoted(out, taskmanager);
            pattern += 6;
        } else {
            str_append_char(out, *pattern++);
        }
    }
}

static int answer_log(struct http_response *rs, const char *pattern, const char *key,
                      const char *job, const char *taskmanager, struct error *err)
{
    STR_AUTO url = STR_INIT;
    if (pattern == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "File not found: there is no pattern of log addresses (%s).", key);
    }
    fill_in(pattern, job, taskmanager, &url);
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_put_string(w, "url", str_cstr(&url));
    json_writer_end(w);
    return 0;
}

static int jobmanager_log(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    const struct history_server *s = owner;
    return answer_log(rs, s->jobmanager_log, "historyserver.log.jobmanager.url-pattern",
                      http_request_param(rq, "jobid"), NULL, err);
}

static int taskmanager_log(void *owner, const struct http_request *rq, struct http_response *rs,
                           struct error *err)
{
    const struct history_server *s = owner;
    return answer_log(rs, s->taskmanager_log, "historyserver.log.taskmanager.url-pattern",
                      http_request_param(rq, "jobid"), http_request_param(rq, "taskmanagerid"),
                      err);
}

/* NULL when it is not given, or is no address: then it is as if it were not given, as in Flink. */
static char *read_pattern(const struct conf *conf, const char *key)
{
    const char *pattern = conf_string(conf, key);
    if (pattern == NULL || pattern[0] == '\0') {
        return NULL;
    }
    if ((strncasecmp(pattern, "http://", 7) == 0 || strncasecmp(pattern, "https://", 8) == 0) &&
        strlen(pattern) <= SERVER_LOG_PATTERN_MAX) {
        return mem_strdup(pattern);
    }
    LOG_WARN(HISTORY_TOPIC, "%s is '%.200s', which is no address of http or https; it is not used.",
             key, pattern);
    return NULL;
}

/* ---- pages ---------------------------------------------------------------------------------------- */

static const char index_page[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Flinc "
    "history</title>\n"
    "<style>body{font:16px/1.5 sans-serif;max-width:42em;margin:3em auto;padding:0 1em}"
    "code{background:#eee;padding:0 .3em}</style></head><body>\n"
    "<h1>Flinc history server</h1>\n"
    "<p>Jobs that have ended, as their clusters archived them:</p>\n"
    "<ul>\n"
    "<li><a href=\"./jobs/overview\"><code>GET /jobs/overview</code></a> all jobs</li>\n"
    "<li><code>GET /jobs/ID</code>, <code>/jobs/ID/exceptions</code>, "
    "<code>/jobs/ID/checkpoints</code>, "
    "<code>/jobs/ID/config</code>, <code>/jobs/ID/plan</code>, ... one of them</li>\n"
    "<li><a href=\"./config\"><code>GET /config</code></a> this server</li>\n"
    "</ul>\n</body></html>\n";

static int fallback(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    const struct history_server *s = owner;
    const char *path = http_request_path(rq);
    if (s->web_root != NULL) {
        return http_serve_static(s->web_root, rq, rs, err);
    }
    if (strcmp(path, "/") == 0 || strcmp(path, "/index.html") == 0) {
        http_response_content_type(rs, "text/html; charset=UTF-8");
        str_append(http_response_body(rs), index_page, sizeof(index_page) - 1);
        return 0;
    }
    return error_set(err, ERR_NOT_FOUND, "File not found: a history server has no %.200s.", path);
}

/* ---- routes --------------------------------------------------------------------------------------- */

#define JOB "/jobs/:jobid"
static const struct http_route routes[] = {
    {HTTP_GET, "/config", 0, config},
    {HTTP_GET, "/jobs/overview", HTTP_BLOCKING, overview},
    {HTTP_GET, JOB "/jobmanager/log-url", 0, jobmanager_log},
    {HTTP_GET, JOB "/taskmanagers/:taskmanagerid/log-url", 0, taskmanager_log},
    {HTTP_GET, JOB, HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c/:d", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c/:d/:e", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c/:d/:e/:f", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c/:d/:e/:f/:g", HTTP_BLOCKING, page},
    {HTTP_GET, JOB "/:b/:c/:d/:e/:f/:g/:h", HTTP_BLOCKING, page},
};

/* ---- life ----------------------------------------------------------------------------------------- */

static int start_tls(struct history_server *s, const struct conf *conf, struct error *err)
{
    if (!conf_bool(conf, "historyserver.web.ssl.enabled")) {
        return 0;
    }
    if (!tls_is_enabled(conf, TLS_SCOPE_REST)) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "historyserver.web.ssl.enabled is true, and %s is not: the history server "
                         "shows the certificate of security.ssl.rest.*",
                         tls_scope_key(TLS_SCOPE_REST));
    }
    return tls_context_new(conf, TLS_SCOPE_REST, TLS_SIDE_SERVER, &s->tls, err);
}

static int start_http(struct history_server *s, const struct conf *conf, struct error *err)
{
    int port = conf_int(conf, "historyserver.web.port");
    if (port < 0 || port > UINT16_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "historyserver.web.port is %d: a port, or 0 for any, is expected", port);
    }
    TRY(start_tls(s, conf, err));
    const struct http_server_options options = {
        .name = "history",
        .tls = s->tls,
        .bind_address = conf_string(conf, "historyserver.web.address"),
        .first_port = (uint32_t)port,
        .last_port = (uint32_t)port,
        .routes = routes,
        .n_routes = ARRAY_LEN(routes),
        .owner = s,
        .fallback = fallback,
        .allow_origin = conf_string(conf, "web.access-control-allow-origin"),
        .n_handlers = SERVER_HANDLERS,
    };
    TRY_CTX(err, http_server_start(&options, &s->http, err),
            "starting the history server at historyserver.web.port of historyserver.web.address");
    return 0;
}

int history_server_start(const struct history_server_options *options, struct history_server **ret,
                         struct error *err)
{
    struct history_server *s = MEM_NEW(struct history_server);
    s->history = options->history;
    s->web_root = mem_strdup(options->web_root);
    s->jobmanager_log = read_pattern(options->conf, "historyserver.log.jobmanager.url-pattern");
    s->taskmanager_log = read_pattern(options->conf, "historyserver.log.taskmanager.url-pattern");
    s->features = (struct rest_features){
        .refresh_interval_ms =
            conf_duration_ms(options->conf, "historyserver.web.refresh-interval"),
        .history = true,
    };
    int rc = start_http(s, options->conf, err);
    if (rc < 0) {
        history_server_stop(s);
        return rc;
    }
    *ret = s;
    return 0;
}

uint32_t history_server_port(const struct history_server *s)
{
    return http_server_port(s->http);
}

struct history_server *history_server_stop(struct history_server *s)
{
    if (s != NULL) {
        http_server_stop(s->http);
        tls_context_unref(s->tls);
        mem_free(s->web_root);
        mem_free(s->jobmanager_log);
        mem_free(s->taskmanager_log);
        mem_free(s);
    }
    return NULL;
}
