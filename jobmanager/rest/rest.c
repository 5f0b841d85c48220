/* The REST server: its start and stop, and the table of all routes. */
#include "common/base/log.h"
#include "common/loop/cancel.h"
#include "common/text/number.h"
#include "jobmanager/adaptive/adaptive_config.h"
#include "jobmanager/rest/rest_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* ---- routes --------------------------------------------------------------------------------------- */

static const struct rest_family *const families[] = {
    &rest_cluster_family,      &rest_process_family,      &rest_jars_family,
    &rest_submit_family,       &rest_jobs_family,         &rest_vertices_family,
    &rest_metrics_family,      &rest_taskmanagers_family, &rest_checkpoints_family,
    &rest_applications_family, &rest_elastic_family,      &rest_coordination_family,
    &rest_absent_family,
};

const struct rest_family *const *rest_families(uint32_t *ret_n)
{
    *ret_n = ARRAY_LEN(families);
    return families;
}

/* The rows of all families in one array, made once. */
static struct rest_route *all_routes;
static uint32_t n_all_routes;
static pthread_once_t all_routes_once = PTHREAD_ONCE_INIT;

static void collect_routes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        n_all_routes += families[i]->n_routes;
    }
    all_routes = MEM_NEW_ARRAY(struct rest_route, n_all_routes);
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        memcpy(all_routes + n, families[i]->routes,
               families[i]->n_routes * sizeof(struct rest_route));
        n += families[i]->n_routes;
    }
}

const struct rest_route *rest_routes(uint32_t *ret_n)
{
    pthread_once(&all_routes_once, collect_routes);
    *ret_n = n_all_routes;
    return all_routes;
}

/* ---- server --------------------------------------------------------------------------------------- */

static int make_dir(const char *path, struct error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return error_set_errno(err, errno, "making the folder %s for uploads", path);
    }
    return 0;
}

static int make_dirs(struct rest_server *s, struct error *err)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/flink-web-upload", s->o.upload_dir);
    s->bundles_dir = mem_strdup(str_cstr(&path));
    str_append_cstr(&path, "/.incoming");
    s->incoming_dir = str_take(&path);
    TRY(make_dir(s->o.upload_dir, err));
    TRY(make_dir(s->bundles_dir, err));
    TRY(make_dir(s->incoming_dir, err));
    /* Bundles are told apart by the path that the loader sees. */
    char *real = realpath(s->bundles_dir, NULL);
    if (real != NULL) {
        mem_free(s->bundles_dir);
        s->bundles_dir = mem_strdup(real);
        free(real);
    }
    return 0;
}

/* May the dashboard offer it?  Under the adaptive scheduler, but for reactive mode, which decides by itself. */
static bool can_rescale(const struct conf *conf)
{
    struct adaptive_config adaptive;
    struct error err = ERROR_INIT;
    return conf_bool(conf, "web.rescale.enable") &&
           adaptive_config_read(conf, false, &adaptive, &err) == 0 && adaptive.enabled &&
           !adaptive.reactive;
}

static void copy_options(struct rest_server *s, const struct rest_options *o)
{
    s->o = *o;
    s->o.upload_dir = mem_strdup(o->upload_dir);
    s->o.web_root = mem_strdup(o->web_root);
    s->o.log_dir = mem_strdup(o->log_dir);
    s->o.log_file = mem_strdup(o->log_file);
    s->o.out_file = mem_strdup(o->out_file);
    s->features = (struct rest_features){
        .refresh_interval_ms = conf_duration_ms(o->conf, "web.refresh-interval"),
        .submit = conf_bool(o->conf, "web.submit.enable"),
        .cancel = conf_bool(o->conf, "web.cancel.enable"),
        .rescale = can_rescale(o->conf),
    };
    s->ask_timeout_ms = MIN(conf_duration_ms(o->conf, "web.timeout"), (int64_t)REST_ASK_TIMEOUT_MS);
}

static void start_metrics(struct rest_server *s)
{
    bool set = conf_has(s->o.conf, "metrics.fetcher.update-interval");
    int64_t interval_ms = conf_duration_ms(s->o.conf, "metrics.fetcher.update-interval");
    s->metrics = metric_store_new(&(struct metric_store_options){
        .resourcemanager = s->o.resourcemanager,
        .dispatcher = s->o.dispatcher,
        .registry = s->o.metrics,
        .interval_ms = set ? interval_ms : REST_METRICS_INTERVAL_MS,
        .timeout_ms = REST_METRICS_TIMEOUT_MS,
    });
}

/* "8081", "8081-8090", "0": the ports that may be taken. */
static int parse_ports(const char *text, uint32_t *ret_first, uint32_t *ret_last, struct error *err)
{
    struct slice rest = slice_cstr(text), piece;
    uint64_t first, last;
    if (slice_next(&rest, '-', &piece) && number_parse_uint64(slice_trim(piece), &first) == 0) {
        last = first;
        bool range = slice_next(&rest, '-', &piece);
        if ((!range || number_parse_uint64(slice_trim(piece), &last) == 0) && rest.data == NULL &&
            first <= last && last <= UINT16_MAX) {
            *ret_first = (uint32_t)first;
            *ret_last = (uint32_t)last;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "rest.bind-port is '%.100s': a port (8081) or a range (8081-8090) is expected",
                     text);
}

static bool gate(void *owner, const struct http_request *rq, struct http_response *rs)
{
    const struct rest_server *s = owner;
    if (s->o.has_leader == NULL || s->o.has_leader(s->o.owner)) {
        return true;
    }
    http_response_error(rs, 503,
                        "Service temporarily unavailable due to an ongoing leader election. Please "
                        "refresh.");
    return false;
}

static const char *address_of(const struct conf *conf)
{
    const char *address = conf_string(conf, "rest.bind-address");
    if (address == NULL) {
        address = conf_string(conf, "rest.address");
    }
    return address != NULL ? address : "0.0.0.0";
}

int rest_listen(const struct conf *conf, int *ret_fd, uint32_t *ret_port, struct error *err)
{
    uint32_t first, last;
    TRY(parse_ports(conf_string(conf, "rest.bind-port"), &first, &last, err));
    return http_listen("rest", address_of(conf), first, last, ret_fd, ret_port, err);
}

static int start_tls(struct rest_server *s, struct error *err)
{
    return tls_is_enabled(s->o.conf, TLS_SCOPE_REST)
               ? tls_context_new(s->o.conf, TLS_SCOPE_REST, TLS_SIDE_SERVER, &s->tls, err)
               : 0;
}

static int start_http(struct rest_server *s, struct error *err)
{
    uint32_t n, first, last;
    const struct rest_route *rows = rest_routes(&n);
    const struct conf *conf = s->o.conf;
    TRY(parse_ports(conf_string(conf, "rest.bind-port"), &first, &last, err));
    s->routes = MEM_NEW_ARRAY(struct http_route, n);
    for (uint32_t i = 0; i < n; i++) {
        s->routes[i] = rows[i].route;
    }
    TRY(start_tls(s, err));
    const struct http_server_options options = {
        .name = "rest",
        .tls = s->tls,
        .bind_address = address_of(conf),
        .listen_fd = s->o.listen_fd,
        .first_port = first,
        .last_port = last,
        .routes = s->routes,
        .n_routes = n,
        .owner = s,
        .fallback = rest_fallback,
        .gate = gate,
        .allow_origin = conf_string(conf, "web.access-control-allow-origin"),
        .upload_dir = s->incoming_dir,
        .max_body_bytes = (uint64_t)MAX(conf_int(conf, "rest.server.max-content-length"), 0),
        .n_handlers = (uint32_t)MAX(conf_int(conf, "rest.server.numThreads"), REST_HANDLERS),
        .idle_timeout_ms = conf_duration_ms(conf, "rest.idleness-timeout"),
    };
    return http_server_start(&options, &s->http, err);
}

static int server_init(struct rest_server *s, struct error *err)
{
    TRY(make_dirs(s, err));
    start_metrics(s);
    return start_http(s, err);
}

int rest_server_start(const struct rest_options *options, struct rest_server **ret,
                      struct error *err)
{
    struct rest_server *s = MEM_NEW(struct rest_server);
    copy_options(s, options);
    overview_cache_init(&s->overviews);
    s->stopping = cancel_token_new();
    int rc = server_init(s, err);
    if (rc < 0) {
        rest_server_stop(s);
        return rc;
    }
    LOG_INFO("flinc.rest", "Rest endpoint listening at port %u", rest_server_port(s));
    *ret = s;
    return 0;
}

uint32_t rest_server_port(const struct rest_server *s)
{
    return http_server_port(s->http);
}

struct rest_server *rest_server_stop(struct rest_server *s)
{
    if (s != NULL) {
        cancel_token_cancel(s->stopping); /* ends the builds that handlers wait for */
        if (s->http != NULL) {
            http_server_stop(s->http);
        }
        tls_context_unref(s->tls);
        metric_store_free(s->metrics);
        overview_cache_fini(&s->overviews);
        cancel_token_unref(s->stopping);
        mem_free(s->routes);
        mem_free(s->bundles_dir);
        mem_free(s->incoming_dir);
        mem_free((char *)s->o.upload_dir);
        mem_free((char *)s->o.web_root);
        mem_free((char *)s->o.log_dir);
        mem_free((char *)s->o.log_file);
        mem_free((char *)s->o.out_file);
        mem_free(s);
    }
    return NULL;
}
