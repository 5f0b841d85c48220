/* Requests to a cluster's REST interface; see rest_client.h. */
#include "client/submit/rest_client.h"
#include "client/submit/leader_finder.h"
#include "common/base/clock.h"
#include "common/net/tls/tls.h"
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

enum { REST_HEADERS_MAX = 64 };

struct rest_client {
    struct http_client *http;
    struct cancel_token *cancel;  /* Borrows; may be NULL */
    struct leader_finder *leader; /* Owns; NULL: the address is that of the configuration */
    struct str path;              /* before /v1 */
    char *address;                /* Owns; "http://host:port" and the path before /v1 */
    char *header_text;            /* Owns; of FLINK_REST_CLIENT_HEADERS */
    const char *headers[REST_HEADERS_MAX + 1];
    int32_t max_attempts;
    int64_t retry_delay_ms;
};

/* "a/b", "/a/b/" and "" as "/a/b" and "". */
static void append_path(struct str *out, const char *path)
{
    struct slice rest = slice_cstr(path);
    struct slice part;

    while (slice_next(&rest, '/', &part)) {
        if (part.len > 0) {
            str_append_char(out, '/');
            str_append_slice(out, part);
        }
    }
}

static char *address_of(const struct conf *conf)
{
    struct str text = STR_INIT;
    const char *host =
        conf_has_value(conf, "rest.address") ? conf_string(conf, "rest.address") : "localhost";

    str_append_cstr(&text, tls_is_enabled(conf, TLS_SCOPE_REST) ? "https://" : "http://");
    str_printf(&text, strchr(host, ':') != NULL && host[0] != '[' ? "[%s]:%d" : "%s:%d", host,
               conf_int(conf, "rest.port"));
    return str_take(&text);
}

static void read_path(const struct conf *conf, struct str *out)
{
    if (conf_has_value(conf, "rest.path")) {
        append_path(out, conf_string(conf, "rest.path"));
    }
    append_path(out, conf_string(conf, "rest.url-prefix"));
}

static void set_address(struct rest_client *c, const char *url)
{
    STR_AUTO text = STR_INIT;
    str_append_cstr(&text, url);
    str_append_slice(&text, str_slice(&c->path));
    mem_free(c->address);
    c->address = str_take(&text);
}

/* Who leads may have changed. */
static int find_leader(struct rest_client *c, struct error *err)
{
    const char *url;
    TRY(leader_finder_ask(c->leader, &url, err));
    set_address(c, url);
    return 0;
}

static int find_address(struct rest_client *c, const struct conf *conf, struct error *err)
{
    read_path(conf, &c->path);
    TRY(leader_finder_new(conf, &c->leader, err));
    if (c->leader != NULL) {
        return find_leader(c, err);
    }
    char *url = address_of(conf);
    set_address(c, url);
    mem_free(url);
    return 0;
}

/* One "name:value" per line, as Flink's clients read it. */
static void read_headers(struct rest_client *c)
{
    const char *text = getenv("FLINK_REST_CLIENT_HEADERS");
    uint32_t n = 0;

    if (text == NULL) {
        return;
    }
    c->header_text = mem_strdup(text);
    char *save = NULL;
    for (char *line = strtok_r(c->header_text, "\n", &save); line != NULL && n < REST_HEADERS_MAX;
         line = strtok_r(NULL, "\n", &save)) {
        if (strchr(line, ':') != NULL) {
            c->headers[n++] = line;
        }
    }
}

int rest_client_new(const struct conf *conf, struct cancel_token *cancel, struct rest_client **ret,
                    struct error *err)
{
    struct rest_client *c = MEM_NEW(struct rest_client);

    c->cancel = cancel;
    c->max_attempts = conf_int(conf, "rest.retry.max-attempts");
    c->retry_delay_ms = conf_duration_ms(conf, "rest.retry.delay");
    read_headers(c);
    struct tls_context *tls = NULL;
    if (tls_is_enabled(conf, TLS_SCOPE_REST)) {
        int bad = tls_context_new(conf, TLS_SCOPE_REST, TLS_SIDE_CLIENT, &tls, err);
        if (bad < 0) {
            (void)rest_client_free(c);
            return bad;
        }
    }
    struct http_client_options options = {
        .connect_timeout_ms = conf_duration_ms(conf, "rest.connection-timeout"),
        .timeout_ms = conf_duration_ms(conf, "rest.idleness-timeout"),
        .cancel = cancel,
        .headers = c->headers,
        .tls = tls,
    };
    int rc = find_address(c, conf, err);
    rc = rc < 0 ? rc : http_client_new(&options, &c->http, err);
    tls_context_unref(tls);
    if (rc < 0) {
        (void)rest_client_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct rest_client *rest_client_free(struct rest_client *c)
{
    if (c != NULL) {
        http_client_free(c->http);
        (void)leader_finder_free(c->leader);
        str_fini(&c->path);
        mem_free(c->address);
        mem_free(c->header_text);
        mem_free(c);
    }
    return NULL;
}

const char *rest_client_address(const struct rest_client *c)
{
    return c->address;
}

/* ---- answers -------------------------------------------------------------------------------------- */

static int code_of_status(int status)
{
    switch (status) {
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_STATE;
    case 408:
        return ERR_TIMEOUT;
    case 413:
        return ERR_TOO_LARGE;
    case 503:
        return ERR_UNAVAILABLE;
    default:
        return status < 500 ? ERR_INVALID_ARGUMENT : ERR_INTERNAL;
    }
}

/* The last of "errors" says most; Flink puts "Internal server error." before it. */
static int server_error(const struct rest_client *c, int status, const struct json_node *errors,
                        struct error *err)
{
    size_t n = errors != NULL ? json_node_count(errors) : 0;
    const char *text = "the server gave no reason";

    for (size_t i = 0; i < n; i++) {
        const struct json_node *e = json_node_at(errors, i);
        if (json_node_type(e) == JSON_TYPE_STRING) {
            text = json_node_as_string(e).data;
        }
    }
    int rc = error_set(err, code_of_status(status), "%s", text);
    error_context(err, "asking %s (HTTP status %d)", c->address, status);
    return rc;
}

/* Success is told by the body: an object with nothing but "errors" is a failure, whatever the status. */
static int read_answer(const struct rest_client *c, const struct http_exchange *x,
                       struct json_node **ret_json, struct error *err)
{
    struct json_limits limits = {.max_bytes = 256 * 1024 * 1024,
                                 .duplicates = JSON_DUPLICATES_LAST};
    struct error cause = ERROR_INIT;
    struct json_node *root = NULL;

    if (json_parse(str_slice(&x->answer), &limits, &root, &cause) < 0) {
        return error_set(err, ERR_INTERNAL,
                         "%s did not answer as a cluster does (HTTP status %d, no JSON): is "
                         "rest.address:rest.port that of a job manager?",
                         c->address, x->status);
    }
    const struct json_node *errors = json_field(root, "errors", JSON_TYPE_ARRAY);
    if (errors != NULL || x->status >= 400) {
        int rc = server_error(c, x->status, errors, err);
        json_node_free(root);
        return rc;
    }
    if (ret_json != NULL) {
        *ret_json = root;
    } else {
        json_node_free(root);
    }
    return 0;
}

/* What an answer is wanted as: JSON (of which nobody need want the text), or bytes. */
struct wanted {
    struct json_node **json;
    struct str *bytes;
};

static int run_once(struct rest_client *c, struct http_exchange *x, const struct wanted *wanted,
                    struct error *err)
{
    struct error cause = ERROR_INIT;

    str_clear(&x->answer);
    x->status = 0;
    int rc = http_client_run(c->http, x, &cause);
    if (rc == ERR_UNAVAILABLE) {
        return error_set(err, rc,
                         "%s. Is a job manager running there? Another address is given by -m "
                         "host:port, or rest.address and rest.port in conf/config.yaml",
                         cause.message);
    }
    if (rc < 0) {
        error_copy(err, &cause);
        return rc;
    }
    if (wanted->bytes != NULL && x->status < 300) {
        str_append_slice(wanted->bytes, str_slice(&x->answer));
        return 0;
    }
    return read_answer(c, x, wanted->json, err);
}

/* True: cancelled meanwhile. */
static bool wait_before_retry(struct rest_client *c)
{
    struct pollfd fd = {.fd = -1, .events = POLLIN};

    if (c->cancel != NULL) {
        fd.fd = cancel_token_fd(c->cancel, NULL);
    }
    (void)poll(&fd, 1, (int)MIN(c->retry_delay_ms, (int64_t)INT_MAX));
    return cancel_token_is_cancelled(c->cancel);
}

static int run(struct rest_client *c, const char *path, struct http_exchange *x,
               const struct wanted *wanted, struct error *err)
{
    STR_AUTO url = STR_INIT;
    int rc;

    for (int32_t attempt = 1;; attempt++) {
        struct error why = ERROR_INIT;
        str_clear(&url);
        str_printf(&url, "%s/v1%s", c->address, path);
        x->url = str_cstr(&url);
        rc = run_once(c, x, wanted, &why);
        bool is_gone = rc == ERR_UNAVAILABLE && x->status == 0 && c->leader != NULL;
        bool again = rc < 0 && (x->status == 503 || is_gone) && attempt < c->max_attempts;
        if (again) {
            again = !wait_before_retry(c) && (c->leader == NULL || find_leader(c, &why) == 0);
        }
        if (!again) {
            if (rc < 0 && err != NULL) {
                error_copy(err, &why);
            }
            break;
        }
    }
    str_fini(&x->answer);
    return rc;
}

int rest_client_request(struct rest_client *c, const char *method, const char *path,
                        struct slice body, struct json_node **ret_json, struct error *err)
{
    struct http_exchange x = {
        .method = method,
        .body = body.len > 0 ? body : SLICE_LIT("{}"),
        .content_type = "application/json; charset=UTF-8",
    };

    return run(c, path, &x, &(struct wanted){.json = ret_json}, err);
}

int rest_client_exchange(struct rest_client *c, const char *path, struct slice body,
                         struct str *ret_answer, struct error *err)
{
    struct http_exchange x = {
        .method = "POST", .body = body, .content_type = "application/octet-stream"};

    return run(c, path, &x, &(struct wanted){.bytes = ret_answer}, err);
}

int rest_client_upload(struct rest_client *c, const char *path, const struct http_part *parts,
                       uint32_t n_parts, struct json_node **ret_json, struct error *err)
{
    struct http_exchange x = {.method = "POST", .parts = parts, .n_parts = n_parts};

    return run(c, path, &x, &(struct wanted){.json = ret_json}, err);
}

/* ---- fields --------------------------------------------------------------------------------------- */

const struct json_node *json_field(const struct json_node *object, const char *key,
                                   enum json_type type)
{
    if (object == NULL || json_node_type(object) != JSON_TYPE_OBJECT) {
        return NULL;
    }
    const struct json_node *value = json_node_find(object, key);
    return value != NULL && json_node_type(value) == type ? value : NULL;
}

const char *json_field_text(const struct json_node *object, const char *key, const char *otherwise)
{
    const struct json_node *value = json_field(object, key, JSON_TYPE_STRING);
    return value != NULL ? json_node_as_string(value).data : otherwise;
}

int64_t json_field_int(const struct json_node *object, const char *key, int64_t otherwise)
{
    const struct json_node *value = json_field(object, key, JSON_TYPE_INT);
    return value != NULL ? json_node_as_int(value) : otherwise;
}
