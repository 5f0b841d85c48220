/* The text format.  Metrics of one name stand together behind their HELP and TYPE lines, so they are
 * collected by name first.  Thread: one caller; the registry's lock is held while it is visited. */
#include "common/metrics/prometheus/text.h"

#include "common/base/map.h"
#include "common/text/number.h"
#include <math.h>

enum { LABELS_MAX = 64 }; /* of one metric; more are left out */

struct family {
    struct str lines; /* with HELP and TYPE */
};

struct label {
    struct str name, value;
};

struct writing {
    const struct prometheus_format *format;
    struct map families; /* name -> struct family, in the order of their first metric */
    struct label labels[LABELS_MAX];
    size_t n_labels;
    bool quantiles;         /* of the present histogram are known */
    struct str scope, name; /* scratch */
};

static void family_free(void *p)
{
    struct family *f = p;
    str_fini(&f->lines);
    mem_free(f);
}

/* What names may have; the rest becomes '_'. */
static void append_filtered(struct str *out, const char *text, bool colon)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool kept = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || *p == '_' || (colon && *p == ':');
        str_append_char(out, kept ? *p : '_');
    }
}

static void append_escaped(struct str *out, const char *text, bool quotes)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\n') {
            str_append_cstr(out, "\\n");
        } else {
            if (*p == '\\' || (quotes && *p == '"')) {
                str_append_char(out, '\\');
            }
            str_append_char(out, *p);
        }
    }
}

/* ---- labels ------------------------------------------------------------------------------------- */

static void add_label(struct writing *w, const char *name, const char *value)
{
    if (w->n_labels == LABELS_MAX || text_list_has(&w->format->excluded, name)) {
        return;
    }
    struct label *l = &w->labels[w->n_labels];
    str_clear(&l->name);
    str_clear(&l->value);
    if (name[0] >= '0' && name[0] <= '9') {
        str_append_char(&l->name, '_');
    }
    append_filtered(&l->name, name, false);
    for (size_t i = 0; i < w->n_labels; i++) {
        if (slice_eq(str_slice(&w->labels[i].name), str_slice(&l->name))) {
            return; /* the nearer one counts */
        }
    }
    if (w->format->filter_values) {
        append_filtered(&l->value, value, true);
    } else {
        append_escaped(&l->value, value, true);
    }
    w->n_labels++;
}

static void on_variable(void *arg, const struct metric_variable *v)
{
    add_label(arg, v->name, v->value);
}

static void append_labels(struct writing *w, struct str *out, const char *quantile)
{
    if (w->n_labels == 0 && quantile == NULL) {
        return;
    }
    str_append_char(out, '{');
    for (size_t i = 0; i < w->n_labels; i++) {
        str_append_slice(out, str_slice(&w->labels[i].name));
        str_append_cstr(out, "=\"");
        str_append_slice(out, str_slice(&w->labels[i].value));
        str_append_cstr(out, "\",");
    }
    if (quantile != NULL) {
        str_printf(out, "quantile=\"%s\",", quantile);
    }
    str_append_char(out, '}');
}

/* ---- values ------------------------------------------------------------------------------------- */

static void append_sample(struct writing *w, struct str *out, const char *suffix,
                          const char *quantile, double value)
{
    char text[NUMBER_TEXT_MAX];
    str_append_slice(out, str_slice(&w->name));
    str_append_cstr(out, suffix);
    append_labels(w, out, quantile);
    if (isinf(value)) {
        str_append_cstr(out, value > 0 ? " +Inf\n" : " -Inf\n");
        return;
    }
    number_format_double(value, text);
    str_append_char(out, ' ');
    str_append_cstr(out, text);
    str_append_char(out, '\n');
}

static double gauge_value(const struct metric_value *v)
{
    switch (v->type) {
    case METRIC_VALUE_INT64:
        return (double)v->i64;
    case METRIC_VALUE_DOUBLE:
        return v->f64;
    case METRIC_VALUE_TEXT:
        break;
    }
    return strcmp(v->text, "true") == 0 ? 1 : 0;
}

static void append_value(struct writing *w, struct str *out, const struct metric_sample *s)
{
    if (s->kind != METRIC_HISTOGRAM) {
        append_sample(w, out, "", NULL, gauge_value(&s->value));
        return;
    }
    const struct metric_histogram_stats *h = &s->histogram;
    const struct {
        const char *quantile;
        double value;
    } rows[] = {
        {"0.5", h->p50},  {"0.75", h->p75}, {"0.95", h->p95},
        {"0.98", h->p98}, {"0.99", h->p99}, {"0.999", h->p999},
    };
    append_sample(w, out, "_count", NULL, gauge_value(&s->value));
    for (size_t i = 0; i < ARRAY_LEN(rows) && w->quantiles; i++) {
        append_sample(w, out, "", rows[i].quantile, rows[i].value);
    }
}

/* ---- metrics ------------------------------------------------------------------------------------ */

static bool is_wanted(const struct writing *w, const struct metric_sample *s)
{
    const struct prometheus_format *f = w->format;
    bool included = f->n_includes == 0;
    for (size_t i = 0; i < f->n_includes && !included; i++) {
        included = metric_filter_matches(&f->includes[i], str_cstr(&w->scope), s->metric, s->kind);
    }
    for (size_t i = 0; i < f->n_excludes && included; i++) {
        included = !metric_filter_matches(&f->excludes[i], str_cstr(&w->scope), s->metric, s->kind);
    }
    return included;
}

static struct family *family_of(struct writing *w, const struct metric_sample *s)
{
    str_clear(&w->name);
    str_append_cstr(&w->name, "flink_");
    append_filtered(&w->name, str_cstr(&w->scope), true);
    str_append_char(&w->name, '_');
    append_filtered(&w->name, s->metric, true);
    struct family *f = map_find_bytes(&w->families, w->name.data, w->name.len);
    if (f == NULL) {
        f = MEM_NEW(struct family);
        map_put_bytes(&w->families, w->name.data, w->name.len, f);
        str_printf(&f->lines, "# HELP %s ", str_cstr(&w->name));
        append_escaped(&f->lines, s->metric, false);
        str_append_cstr(&f->lines, " (scope: ");
        append_filtered(&f->lines, str_cstr(&w->scope), true);
        str_printf(&f->lines, ")\n# TYPE %s %s\n", str_cstr(&w->name),
                   s->kind == METRIC_HISTOGRAM ? "summary" : "gauge");
    }
    return f;
}

/* The scope and the labels are set. */
static void put_sample(struct writing *w, const struct metric_sample *s)
{
    struct family *f = family_of(w, s);
    for (size_t i = 0; i < w->format->additional.keys.n; i++) {
        add_label(w, w->format->additional.keys.items[i], w->format->additional.values.items[i]);
    }
    append_value(w, &f->lines, s);
}

static void on_sample(void *arg, const struct metric_sample *s)
{
    struct writing *w = arg;
    str_clear(&w->scope);
    metric_group_logical_scope(s->group, '.', &w->scope);
    if (is_wanted(w, s)) {
        w->n_labels = 0;
        w->quantiles = true;
        metric_group_each_variable(s->group, on_variable, w);
        put_sample(w, s);
    }
}

static void on_foreign_sample(void *arg, const struct prometheus_sample *s)
{
    struct writing *w = arg;
    struct metric_sample m = {.metric = s->metric, .kind = s->kind, .value = s->value};
    str_clear(&w->scope);
    str_append_cstr(&w->scope, s->scope);
    if (is_wanted(w, &m)) {
        w->n_labels = 0;
        w->quantiles = s->histogram != NULL;
        if (s->histogram != NULL) {
            m.histogram = *s->histogram;
        }
        for (size_t i = 0; i < s->n_variables; i++) {
            on_variable(w, &s->variables[i]);
        }
        put_sample(w, &m);
    }
}

void prometheus_text_write(const struct prometheus_format *f, struct metric_registry *registry,
                           const struct prometheus_source *source, struct str *out)
{
    struct writing *w = MEM_NEW(struct writing);
    w->format = f;
    map_init(&w->families, family_free);
    if (source != NULL) { /* first: gauges of the registry may count what it learns */
        source->visit(source->arg, on_foreign_sample, w);
    }
    metric_registry_visit(registry, NULL, on_sample, w);
    MAP_FOREACH (&w->families, e) {
        str_append_slice(out, str_slice(&((const struct family *)e->value)->lines));
    }
    map_fini(&w->families);
    for (size_t i = 0; i < LABELS_MAX; i++) {
        str_fini(&w->labels[i].name);
        str_fini(&w->labels[i].value);
    }
    str_fini(&w->scope);
    str_fini(&w->name);
    mem_free(w);
}

void prometheus_format_fini(struct prometheus_format *f)
{
    for (size_t i = 0; i < f->n_includes; i++) {
        metric_filter_fini(&f->includes[i]);
    }
    for (size_t i = 0; i < f->n_excludes; i++) {
        metric_filter_fini(&f->excludes[i]);
    }
    mem_free(f->includes);
    mem_free(f->excludes);
    text_list_fini(&f->excluded);
    text_map_fini(&f->additional);
    *f = (struct prometheus_format){0};
}
