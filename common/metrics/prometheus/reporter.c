/* Reporters by configuration: their options, their HTTP servers.  Thread: any for start and stop. */
#include "common/metrics/prometheus/prometheus.h"

#include "common/base/log.h"
#include "common/metrics/prometheus/text.h"
#include "common/net/http/http.h"
#include "common/text/number.h"
#include <strings.h>

static const char topic[] = "flinc.metrics";

enum { REPORTERS_MAX = 16, CONNECTIONS_MAX = 64 };

struct prometheus_reporter {
    struct prometheus_reporters *all; /* Borrows */
    struct metric_registry *registry; /* Borrows */
    struct prometheus_format format;
    struct http_server *server;
};

struct prometheus_reporters {
    struct prometheus_reporter reporters[REPORTERS_MAX];
    uint32_t n;
    _Atomic(const struct prometheus_source *) source; /* Borrows; may be NULL */
};

/* ---- options ------------------------------------------------------------------------------------ */

/* The value of an option of one reporter: `pattern` with its name in place of "<name>".  NULL: not set. */
static const char *reporter_option(const struct conf *conf, const char *pattern, const char *name)
{
    STR_AUTO key = STR_INIT;
    const char *at = strstr(pattern, "<name>");
    str_append(&key, pattern, (size_t)(at - pattern));
    str_append_cstr(&key, name);
    str_append_cstr(&key, at + strlen("<name>"));
    return conf_raw(conf, str_cstr(&key));
}

static int parse_filters(const char *name, const char *text, struct metric_filter **ret_filters,
                         size_t *ret_n, struct error *err)
{
    struct text_list items = TEXT_LIST_INIT;
    int rc = text != NULL ? option_text_parse_list(slice_cstr(text), &items, err) : 0;
    struct metric_filter *filters = MEM_NEW_ARRAY(struct metric_filter, items.n);
    size_t n = 0;
    while (rc == 0 && n < items.n) {
        rc = metric_filter_parse(items.items[n], &filters[n], err);
        n += rc == 0;
    }
    text_list_fini(&items);
    if (rc < 0) {
        for (size_t i = 0; i < n; i++) {
            metric_filter_fini(&filters[i]);
        }
        mem_free(filters);
        error_context(err, "reading the filters of metrics.reporter.%s", name);
        return rc;
    }
    *ret_filters = filters;
    *ret_n = n;
    return 0;
}

static int read_format(const struct conf *conf, const char *name, struct prometheus_format *f,
                       struct error *err)
{
    const char *filter_values =
        reporter_option(conf, "metrics.reporter.<name>.filterLabelValueCharacters", name);
    const char *excluded =
        reporter_option(conf, "metrics.reporter.<name>.scope.variables.excludes", name);
    const char *additional =
        reporter_option(conf, "metrics.reporter.<name>.scope.variables.additional", name);
    f->filter_values = filter_values == NULL || strcasecmp(filter_values, "false") != 0;
    struct slice rest = slice_cstr(excluded), item;
    while (rest.data != NULL && slice_next(&rest, ';', &item)) {
        item = slice_trim(item);
        if (item.len > 2 && item.data[0] == '<' && item.data[item.len - 1] == '>') {
            item = slice_make(item.data + 1, item.len - 2);
        }
        text_list_add(&f->excluded, item);
    }
    if (additional != NULL) {
        TRY_CTX(err, option_text_parse_map(slice_cstr(additional), &f->additional, err),
                "reading metrics.reporter.%s.scope.variables.additional", name);
    }
    TRY(parse_filters(name, reporter_option(conf, "metrics.reporter.<name>.filter.includes", name),
                      &f->includes, &f->n_includes, err));
    return parse_filters(name,
                         reporter_option(conf, "metrics.reporter.<name>.filter.excludes", name),
                         &f->excludes, &f->n_excludes, err);
}

/* One piece of "9249" or "9250-9260". */
static bool parse_ports(struct slice text, uint64_t *ret_first, uint64_t *ret_last)
{
    struct slice rest = slice_trim(text), first, last;
    if (!slice_next(&rest, '-', &first) || number_parse_uint64(slice_trim(first), ret_first) < 0) {
        return false;
    }
    *ret_last = *ret_first;
    if (rest.data != NULL &&
        (!slice_next(&rest, '\0', &last) || number_parse_uint64(slice_trim(last), ret_last) < 0)) {
        return false;
    }
    return *ret_first <= *ret_last && *ret_last <= 65535;
}

/* ---- serving ------------------------------------------------------------------------------------ */

static int handle_scrape(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    const struct prometheus_reporter *r = owner;
    http_response_content_type(rs, "text/plain; version=0.0.4; charset=utf-8");
    prometheus_text_write(&r->format, r->registry, atomic_load(&r->all->source),
                          http_response_body(rs));
    return 0;
}

/* At the first free port of "9249,9250-9260". */
static int serve(struct prometheus_reporter *r, const char *name, const char *ports,
                 struct error *err)
{
    struct slice rest = slice_cstr(ports), piece;
    int rc = 0;
    while (rest.data != NULL && slice_next(&rest, ',', &piece)) {
        uint64_t first, last;
        if (!parse_ports(piece, &first, &last)) {
            return error_set(err, ERR_INVALID_CONFIG,
                             "metrics.reporter.%s.port: \"%s\" is no port, range or list of them "
                             "(9249, 9250-9260)",
                             name, ports);
        }
        const struct http_server_options options = {
            .name = "the Prometheus reporter",
            .first_port = (uint32_t)first,
            .last_port = (uint32_t)last,
            .owner = r,
            .fallback = handle_scrape,
            .max_connections = CONNECTIONS_MAX,
            .max_body_bytes = 4096,
        };
        rc = http_server_start(&options, &r->server, err);
        if (rc == 0) {
            LOG_INFO(topic, "Prometheus reporter %s answers on port %u", name,
                     http_server_port(r->server));
            return 0;
        }
    }
    LOG_ERROR(topic, "Prometheus reporter %s could not start: %s; its metrics are not reported",
              name, err->message);
    return 0;
}

static int start_one(struct prometheus_reporters *p, const struct conf *conf, const char *name,
                     struct metric_registry *registry, struct error *err)
{
    static const char *const classes[] = {
        "org.apache.flink.metrics.prometheus.PrometheusReporterFactory", "prometheus"};
    const char *class = reporter_option(conf, "metrics.reporter.<name>.factory.class", name);
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(classes) && class != NULL; i++) {
        known = known || strcmp(class, classes[i]) == 0;
    }
    if (!known) {
        LOG_WARN(topic,
                 "metrics.reporter.%s.factory.class: %s is not available here; this reporter is "
                 "left out (there is: %s)",
                 name, class != NULL ? class : "(not set)", classes[0]);
        return 0;
    }
    if (p->n == REPORTERS_MAX) {
        LOG_WARN(topic, "metrics.reporters: more than %d reporters; %s is left out", REPORTERS_MAX,
                 name);
        return 0;
    }
    struct prometheus_reporter *r = &p->reporters[p->n];
    const char *ports = reporter_option(conf, "metrics.reporter.<name>.port", name);
    struct error why = ERROR_INIT;
    r->all = p;
    r->registry = registry;
    p->n++; /* from here on stop() frees it */
    TRY(read_format(conf, name, &r->format, err));
    int rc = serve(r, name, ports != NULL ? ports : "9249", &why);
    if (rc < 0) {
        error_copy(err, &why);
        return rc;
    }
    if (r->server == NULL) {
        prometheus_format_fini(&r->format);
        p->n--;
    }
    return 0;
}

/* The names that have a factory class, in the order of the configuration. */
static void find_names(const struct conf *conf, struct text_list *ret_names)
{
    struct text_map all = TEXT_MAP_INIT;
    static const char suffix[] = ".factory.class";
    conf_prefix(conf, "metrics.reporter.", &all);
    for (size_t i = 0; i < all.keys.n; i++) {
        struct slice key = slice_cstr(all.keys.items[i]);
        if (slice_ends_with(key, suffix) && key.len > sizeof(suffix) - 1) {
            text_list_add(ret_names, slice_make(key.data, key.len - (sizeof(suffix) - 1)));
        }
    }
    text_map_fini(&all);
}

int prometheus_reporter_start(const struct conf *conf, struct metric_registry *registry,
                              struct prometheus_reporters **ret_reporters, struct error *err)
{
    struct prometheus_reporters *p = MEM_NEW(struct prometheus_reporters);
    struct text_list names = TEXT_LIST_INIT;
    const char *chosen = conf_raw(conf, "metrics.reporters");
    struct slice rest = slice_cstr(chosen), item;
    while (rest.data != NULL && slice_next(&rest, ',', &item)) {
        item = slice_trim(item);
        if (item.len > 0) {
            text_list_add(&names, item);
        }
    }
    if (names.n == 0) {
        find_names(conf, &names);
    }
    int rc = 0;
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        rc = start_one(p, conf, names.items[i], registry, err);
    }
    text_list_fini(&names);
    if (rc < 0) {
        prometheus_reporter_stop(p);
        return rc;
    }
    *ret_reporters = p;
    return 0;
}

struct prometheus_reporters *prometheus_reporter_stop(struct prometheus_reporters *p)
{
    if (p != NULL) {
        for (uint32_t i = 0; i < p->n; i++) {
            http_server_stop(p->reporters[i].server);
            prometheus_format_fini(&p->reporters[i].format);
        }
        mem_free(p);
    }
    return NULL;
}

void prometheus_reporter_set_source(struct prometheus_reporters *p,
                                    const struct prometheus_source *source)
{
    atomic_store(&p->source, source);
}

uint32_t prometheus_reporter_count(const struct prometheus_reporters *p)
{
    return p->n;
}

uint32_t prometheus_reporter_port(const struct prometheus_reporters *p, uint32_t i)
{
    ASSERT(i < p->n);
    return http_server_port(p->reporters[i].server);
}
