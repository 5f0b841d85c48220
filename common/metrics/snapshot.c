/* Reading a registry: visiting the tree under the lock, and the dump as text.  Thread: any. */
#include "common/metrics/registry_state.h"

struct visit {
    void (*fn)(void *arg, const struct metric_sample *sample);
    void *arg;
    struct str identifier; /* of the present metric */
};

static void entry_read(const struct metric_entry *e, struct metric_sample *s)
{
    switch (e->kind) {
    case METRIC_COUNTER:
        metric_value_set_i64(&s->value, metric_counter_get(e->counter));
        return;
    case METRIC_GAUGE:
        if (e->gauge_fn != NULL) {
            e->gauge_fn(e->gauge_arg, &s->value);
        } else {
            metric_value_set_i64(&s->value,
                                 atomic_load_explicit(&e->gauge->value, memory_order_relaxed));
        }
        return;
    case METRIC_METER:
        metric_value_set_f64(&s->value, metric_meter_get_rate(e->meter));
        return;
    case METRIC_HISTOGRAM:
        metric_histogram_get(e->histogram, &s->histogram);
        metric_value_set_i64(&s->value, s->histogram.count);
        return;
    }
}

/* Under the lock. */
static void group_visit(const struct metric_group *g, struct visit *v)
{
    const struct metric_group *scoped = metric_group_scoped(g);
    for (const struct metric_entry *e = g->entries; e != NULL; e = e->next) {
        if (!e->visible) {
            continue;
        }
        str_clear(&v->identifier);
        metric_group_identifier(g, e->name, &v->identifier);
        struct metric_sample s = {
            .group = g,
            .scope = (enum metric_scope)scoped->scope,
            .name = str_cstr(&v->identifier) + g->scope_len + 1,
            .metric = e->name,
            .identifier = str_cstr(&v->identifier),
            .kind = e->kind,
        };
        entry_read(e, &s);
        v->fn(v->arg, &s);
    }
    for (const struct metric_group *child = g->children; child != NULL; child = child->next) {
        group_visit(child, v);
    }
}

void metric_registry_visit(struct metric_registry *r, const struct metric_group *group,
                           void (*fn)(void *arg, const struct metric_sample *sample), void *arg)
{
    struct visit v = {.fn = fn, .arg = arg, .identifier = STR_INIT};
    pthread_mutex_lock(&r->lock);
    if (group != NULL) {
        group_visit(group, &v);
    } else {
        for (const struct metric_group *g = r->groups; g != NULL; g = g->next) {
            group_visit(g, &v);
        }
    }
    pthread_mutex_unlock(&r->lock);
    str_fini(&v.identifier);
}

static void dump_line(struct str *out, const struct metric_sample *s, const char *suffix, double x)
{
    str_printf(out, "%s%s\t%s\t%.15g\n", s->identifier, suffix, metric_kind_name(s->kind), x);
}

static void dump_sample(void *arg, const struct metric_sample *s)
{
    struct str *out = arg;
    if (s->kind == METRIC_HISTOGRAM) {
        const struct metric_histogram_stats *h = &s->histogram;
        dump_line(out, s, "_count", (double)h->count);
        dump_line(out, s, "_min", (double)h->min);
        dump_line(out, s, "_max", (double)h->max);
        dump_line(out, s, "_mean", h->mean);
        dump_line(out, s, "_stddev", h->stddev);
        dump_line(out, s, "_median", h->p50);
        dump_line(out, s, "_p75", h->p75);
        dump_line(out, s, "_p95", h->p95);
        dump_line(out, s, "_p98", h->p98);
        dump_line(out, s, "_p99", h->p99);
        dump_line(out, s, "_p999", h->p999);
        return;
    }
    str_printf(out, "%s\t%s\t", s->identifier, metric_kind_name(s->kind));
    switch (s->value.type) {
    case METRIC_VALUE_INT64:
        str_printf(out, "%lld\n", (long long)s->value.i64);
        return;
    case METRIC_VALUE_DOUBLE:
        str_printf(out, "%.15g\n", s->value.f64);
        return;
    case METRIC_VALUE_TEXT:
        str_printf(out, "%s\n", s->value.text);
        return;
    }
}

void metric_registry_dump(struct metric_registry *r, struct str *ret_text)
{
    metric_registry_visit(r, NULL, dump_sample, ret_text);
}
