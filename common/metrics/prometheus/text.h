/* Inside the room: the text format, and the filters of what is reported.  Thread: one caller. */
#ifndef FLINC_COMMON_METRICS_PROMETHEUS_TEXT_H
#define FLINC_COMMON_METRICS_PROMETHEUS_TEXT_H

#include "common/metrics/prometheus/prometheus.h"
#include "common/text/option_text.h"

/* "<scope>[:<name>[,<name>][:<type>[,<type>]]]", each a pattern with "*".  Flink: DefaultMetricFilter. */
struct metric_filter {
    struct text_list scope, names, kinds; /* scope: one item */
};
int metric_filter_parse(const char *text, struct metric_filter *ret_filter,
                        struct error *err) MUST_CHECK;
void metric_filter_fini(struct metric_filter *f);
/* `scope` is the logical one, between dots. */
bool metric_filter_matches(const struct metric_filter *f, const char *scope, const char *name,
                           enum metric_kind kind);

struct prometheus_format {
    bool filter_values;             /* of labels, as names are */
    struct text_list excluded;      /* variables that are no labels */
    struct text_map additional;     /* labels of every metric */
    struct metric_filter *includes; /* Owns; any must match */
    size_t n_includes;
    struct metric_filter *excludes; /* Owns; none may match */
    size_t n_excludes;
};
void prometheus_format_fini(struct prometheus_format *f);
/* Appends all metrics of the registry and of the source (NULL: none). */
void prometheus_text_write(const struct prometheus_format *f, struct metric_registry *registry,
                           const struct prometheus_source *source, struct str *out);

#endif
