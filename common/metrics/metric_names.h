/* The names of all metrics that Flinc registers, with their scopes and meaning: the source of
 * docs/reference/metrics.md.  Rooms register by these names; tests look them up.  Thread: any. */
#ifndef FLINC_COMMON_METRICS_METRIC_NAMES_H
#define FLINC_COMMON_METRICS_METRIC_NAMES_H

#include "common/metrics/registry.h"

enum metric_scope_bits {
    METRIC_IN_JM = 1 << METRIC_SCOPE_JM,
    METRIC_IN_JM_JOB = 1 << METRIC_SCOPE_JM_JOB,
    METRIC_IN_JM_OPERATOR = 1 << METRIC_SCOPE_JM_OPERATOR,
    METRIC_IN_TM = 1 << METRIC_SCOPE_TM,
    METRIC_IN_TM_JOB = 1 << METRIC_SCOPE_TM_JOB,
    METRIC_IN_TASK = 1 << METRIC_SCOPE_TASK,
    METRIC_IN_OPERATOR = 1 << METRIC_SCOPE_OPERATOR,
};

struct metric_name {
    unsigned scopes;  /* enum metric_scope_bits */
    const char *name; /* with its groups: "buffers.inputQueueLength"; "<state>" stands for a name */
    enum metric_kind kind;
    const char *description;
};

const struct metric_name *metric_names(size_t *ret_n);
/* The row of a metric (metric_sample.name); NULL: the table has none. */
const struct metric_name *metric_name_find(enum metric_scope scope, const char *name);
/* The reference page in Markdown. */
void metric_names_write_reference(struct str *out);

#endif
