/* The registry: making and freeing groups, registering metrics, sampling meters.
 *
 * Thread: any; the lock covers the tree and is held while a snapshot reads (a gauge function may look
 * at atomics only), never by a metric's writer.  Groups and the metrics made by them live until the
 * group is freed; a group's own fields do not change after it was made.  Flink: MetricRegistryImpl,
 * AbstractMetricGroup. */
#include "common/metrics/registry.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/metrics/registry_state.h"
#include "common/metrics/scope.h"

int metric_registry_new(const struct metric_registry_options *options,
                        struct metric_registry **ret_registry, struct error *err)
{
    for (int i = 0; i < METRIC_SCOPES; i++) {
        if (options->formats[i] != NULL && options->formats[i][0] == '\0') {
            return error_set(err, ERR_INVALID_CONFIG, "%s is empty; the default is %s",
                             metric_scope_option((enum metric_scope)i),
                             metric_scope_default_format((enum metric_scope)i));
        }
    }
    struct metric_registry *r = MEM_NEW(struct metric_registry);
    pthread_mutex_init(&r->lock, NULL);
    for (int i = 0; i < METRIC_SCOPES; i++) {
        r->formats[i] = mem_strdup(options->formats[i] != NULL
                                       ? options->formats[i]
                                       : metric_scope_default_format((enum metric_scope)i));
    }
    r->delimiter = options->delimiter != '\0' ? options->delimiter : '.';
    r->limit = options->limit != 0 ? options->limit : METRIC_LIMIT_DEFAULT;
    r->clock = options->clock != NULL ? options->clock : &clock_system;
    r->groups_end = &r->groups;
    r->next_update_ms = clock_monotonic_ms(r->clock) + METER_UPDATE_S * 1000;
    *ret_registry = r;
    return 0;
}

struct metric_registry *metric_registry_free(struct metric_registry *r)
{
    if (r == NULL) {
        return NULL;
    }
    ASSERT(r->groups == NULL);
    for (int i = 0; i < METRIC_SCOPES; i++) {
        mem_free(r->formats[i]);
    }
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
    return NULL;
}

uint32_t metric_registry_len(struct metric_registry *r)
{
    pthread_mutex_lock(&r->lock);
    uint32_t n = r->n_visible;
    pthread_mutex_unlock(&r->lock);
    return n;
}

/* ---- groups ----------------------------------------------------------------------------------- */

const char *metric_group_variable(const struct metric_group *g, const char *name)
{
    for (; g != NULL; g = g->parent) {
        for (size_t i = 0; i < g->n_variables; i++) {
            if (strcmp(g->variables[i].name, name) == 0) {
                return g->variables[i].value;
            }
        }
    }
    return NULL;
}

void metric_group_each_variable(const struct metric_group *g,
                                void (*fn)(void *arg, const struct metric_variable *variable),
                                void *arg)
{
    for (; g != NULL; g = g->parent) {
        for (size_t i = 0; i < g->n_variables; i++) {
            struct metric_variable v = {g->variables[i].name, g->variables[i].value};
            fn(arg, &v);
        }
    }
}

void metric_group_logical_scope(const struct metric_group *g, char separator, struct str *out)
{
    if (g->scope != SCOPE_NONE) {
        for (const char *p = metric_scope_logical((enum metric_scope)g->scope); *p != '\0'; p++) {
            str_append_char(out, *p == '.' ? separator : *p);
        }
        return;
    }
    metric_group_logical_scope(g->parent, separator, out);
    str_append_char(out, separator);
    str_append_cstr(out, g->name);
}

static const char *group_lookup(const void *arg, const char *name)
{
    return metric_group_variable(arg, name);
}

static struct metric_group *group_make(struct metric_registry *r, struct metric_group *parent,
                                       const struct metric_variable *variables, size_t n_variables)
{
    struct metric_group *g = MEM_NEW(struct metric_group);
    g->registry = r;
    g->parent = parent;
    g->scope = SCOPE_NONE;
    g->children_end = &g->children;
    g->entries_end = &g->entries;
    g->variables = MEM_NEW_ARRAY(struct metric_own_variable, n_variables);
    g->n_variables = n_variables;
    for (size_t i = 0; i < n_variables; i++) {
        g->variables[i].name = mem_strdup(variables[i].name);
        g->variables[i].value = mem_strdup(variables[i].value != NULL ? variables[i].value : "");
    }
    return g;
}

static void group_link(struct metric_group *g)
{
    struct metric_registry *r = g->registry;
    pthread_mutex_lock(&r->lock);
    struct metric_group ***end = g->parent != NULL ? &g->parent->children_end : &r->groups_end;
    **end = g;
    *end = &g->next;
    pthread_mutex_unlock(&r->lock);
}

struct metric_group *metric_group_new(struct metric_registry *r, struct metric_group *parent,
                                      enum metric_scope scope,
                                      const struct metric_variable *variables, size_t n_variables)
{
    ASSERT((unsigned)scope < METRIC_SCOPES);
    struct metric_group *g = group_make(r, parent, variables, n_variables);
    g->scope = (int)scope;
    const struct metric_group *above = metric_group_scoped(parent);
    struct str prefix = STR_INIT;
    scope_format_fill(r->formats[scope],
                      &(struct scope_fill){.parent = above != NULL ? above->prefix : "",
                                           .delimiter = r->delimiter,
                                           .lookup = group_lookup,
                                           .arg = g},
                      &prefix);
    g->scope_len = prefix.len;
    g->prefix = str_take(&prefix);
    group_link(g);
    return g;
}

static struct metric_group *group_add(struct metric_group *parent, const char *name,
                                      const struct metric_variable *pair)
{
    struct metric_registry *r = parent->registry;
    struct metric_group *g = group_make(r, parent, pair, pair != NULL ? 1 : 0);
    struct str prefix = STR_INIT;
    str_append_cstr(&prefix, parent->prefix);
    str_append_char(&prefix, r->delimiter);
    scope_append_filtered(&prefix, name, r->delimiter);
    if (pair != NULL) {
        str_append_char(&prefix, r->delimiter);
        scope_append_filtered(&prefix, pair->value, r->delimiter);
    }
    g->name = mem_strdup(name);
    g->scope_len = parent->scope_len;
    g->prefix = str_take(&prefix);
    group_link(g);
    return g;
}

struct metric_group *metric_group_add(struct metric_group *parent, const char *name)
{
    return group_add(parent, name, NULL);
}

struct metric_group *metric_group_add_pair(struct metric_group *parent, const char *key,
                                           const char *value)
{
    return group_add(parent, key, &(struct metric_variable){.name = key, .value = value});
}

/* The group is not linked any more.  Returns how many visible metrics went. */
static uint32_t group_destroy(struct metric_group *g)
{
    uint32_t n = 0;
    while (g->children != NULL) {
        struct metric_group *child = g->children;
        g->children = child->next;
        n += group_destroy(child);
    }
    while (g->entries != NULL) {
        struct metric_entry *e = g->entries;
        g->entries = e->next;
        n += e->visible;
        if (e->owns_histogram) {
            metric_histogram_fini(&e->own.histogram);
        }
        mem_free(e->name);
        mem_free(e);
    }
    for (size_t i = 0; i < g->n_variables; i++) {
        mem_free(g->variables[i].name);
        mem_free(g->variables[i].value);
    }
    mem_free(g->variables);
    mem_free(g->name);
    mem_free(g->prefix);
    mem_free(g);
    return n;
}

struct metric_group *metric_group_free(struct metric_group *g)
{
    if (g == NULL) {
        return NULL;
    }
    struct metric_registry *r = g->registry;
    pthread_mutex_lock(&r->lock);
    struct metric_group **link = g->parent != NULL ? &g->parent->children : &r->groups;
    struct metric_group ***end = g->parent != NULL ? &g->parent->children_end : &r->groups_end;
    while (*link != g) {
        link = &(*link)->next;
    }
    *link = g->next;
    if (*end == &g->next) {
        *end = link;
    }
    r->n_visible -= group_destroy(g);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

struct metric_registry *metric_group_registry(const struct metric_group *g)
{
    return g->registry;
}

void metric_group_identifier(const struct metric_group *g, const char *metric_name,
                             struct str *ret_identifier)
{
    str_append_cstr(ret_identifier, g->prefix);
    str_append_char(ret_identifier, g->registry->delimiter);
    str_append_cstr(ret_identifier, metric_name);
}

/* ---- registering ------------------------------------------------------------------------------ */

static bool group_has(const struct metric_group *g, const char *name)
{
    for (const struct metric_entry *e = g->entries; e != NULL; e = e->next) {
        if (e->visible && strcmp(e->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static struct metric_entry *entry_new(const char *name, enum metric_kind kind)
{
    struct metric_entry *e = MEM_NEW(struct metric_entry);
    e->name = mem_strndup(name, METRIC_NAME_MAX);
    e->kind = kind;
    return e;
}

/* The entry is complete; from here on snapshots see it. */
static void group_register(struct metric_group *g, struct metric_entry *e)
{
    struct metric_registry *r = g->registry;
    pthread_mutex_lock(&r->lock);
    bool twice = group_has(g, e->name);
    bool full = !twice && r->n_visible >= r->limit;
    bool warn_full = full && !r->warned_limit;
    r->warned_limit |= full;
    e->visible = !twice && !full;
    r->n_visible += e->visible;
    *g->entries_end = e;
    g->entries_end = &e->next;
    pthread_mutex_unlock(&r->lock);
    if (twice) {
        LOG_WARN("flinc.metrics",
                 "metric %s%c%s is registered already; the second one is not shown", g->prefix,
                 r->delimiter, e->name);
    } else if (warn_full) {
        LOG_WARN("flinc.metrics", "%u metrics are registered, the limit; more are not shown",
                 r->limit);
    }
}

struct metric_counter *metric_group_counter(struct metric_group *g, const char *name)
{
    struct metric_entry *e = entry_new(name, METRIC_COUNTER);
    e->counter = &e->own.counter;
    group_register(g, e);
    return &e->own.counter;
}

struct metric_gauge *metric_group_gauge(struct metric_group *g, const char *name)
{
    struct metric_entry *e = entry_new(name, METRIC_GAUGE);
    e->gauge = &e->own.gauge;
    group_register(g, e);
    return &e->own.gauge;
}

void metric_group_gauge_fn(struct metric_group *g, const char *name, metric_gauge_fn fn, void *arg)
{
    struct metric_entry *e = entry_new(name, METRIC_GAUGE);
    e->gauge_fn = fn;
    e->gauge_arg = arg;
    group_register(g, e);
}

struct metric_meter *metric_group_meter(struct metric_group *g, const char *name,
                                        const struct metric_counter *counter)
{
    struct metric_entry *e = entry_new(name, METRIC_METER);
    e->meter = &e->own.meter;
    metric_meter_init(e->meter, counter);
    group_register(g, e);
    return e->meter;
}

struct metric_histogram *metric_group_histogram(struct metric_group *g, const char *name)
{
    struct metric_entry *e = entry_new(name, METRIC_HISTOGRAM);
    metric_histogram_init(&e->own.histogram);
    e->histogram = &e->own.histogram;
    e->owns_histogram = true;
    group_register(g, e);
    return &e->own.histogram;
}

void metric_group_add_counter(struct metric_group *g, const char *name,
                              const struct metric_counter *counter)
{
    struct metric_entry *e = entry_new(name, METRIC_COUNTER);
    e->counter = counter;
    group_register(g, e);
}

void metric_group_add_histogram(struct metric_group *g, const char *name,
                                const struct metric_histogram *histogram)
{
    struct metric_entry *e = entry_new(name, METRIC_HISTOGRAM);
    e->histogram = histogram;
    group_register(g, e);
}

/* ---- meters ----------------------------------------------------------------------------------- */

/* Under the lock. */
static void group_update_meters(struct metric_group *g)
{
    for (struct metric_entry *e = g->entries; e != NULL; e = e->next) {
        if (e->kind == METRIC_METER) {
            metric_meter_update(e->meter);
        }
    }
    for (struct metric_group *child = g->children; child != NULL; child = child->next) {
        group_update_meters(child);
    }
}

uint32_t metric_registry_update(struct metric_registry *r)
{
    int64_t now_ms = clock_monotonic_ms(r->clock);
    uint32_t n = 0;
    pthread_mutex_lock(&r->lock);
    while (r->next_update_ms <= now_ms && n < METER_SAMPLES) {
        r->next_update_ms += METER_UPDATE_S * 1000;
        n++;
        for (struct metric_group *g = r->groups; g != NULL; g = g->next) {
            group_update_meters(g);
        }
    }
    if (r->next_update_ms <= now_ms) { /* asleep for over a minute: start afresh */
        r->next_update_ms = now_ms + METER_UPDATE_S * 1000;
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}
