/* Answers about metrics: plain lists ({id, value}) and aggregates over several sets.  Pure functions over
 * metric sets, by the rules that clients know:
 *   - without get= only ids are listed; a metric that is asked for and unknown is left out;
 *   - of aggregates, one metric without any value makes the whole answer [].
 * Flink: MetricsAggregationParameter, AbstractAggregatingMetricsHandler.  Thread: any. */
#ifndef FLINC_JOBMANAGER_REST_METRIC_ANSWER_H
#define FLINC_JOBMANAGER_REST_METRIC_ANSWER_H

#include "common/base/vec.h"
#include "common/text/json_writer.h"
#include "jobmanager/rest/metric_store.h"

/* Sets with a prefix for their ids each ("0." for subtask 0 in the answer of a vertex). */
struct metric_source {
    const struct metric_set *set; /* Borrows */
    char prefix[16];
};

enum metric_aggregation {
    METRIC_AGG_MIN = 1,
    METRIC_AGG_MAX = 2,
    METRIC_AGG_AVG = 4,
    METRIC_AGG_SUM = 8,
    METRIC_AGG_SKEW = 16,
    METRIC_AGG_ALL = 31,
};
/* "min", in any case; 0: none of them. */
uint32_t metric_aggregation_parse(const char *name);

/* get: ids asked for; n 0: list the ids. */
struct metric_names {
    const char *const *ids;
    size_t n;
};
void metric_answer_list(struct json_writer *w, const struct metric_source *sources, size_t n,
                        const struct metric_names *get);
void metric_answer_aggregate(struct json_writer *w, const struct metric_source *sources, size_t n,
                             const struct metric_names *get, uint32_t aggregations);
/* Subtasks of "0-3,5": sets wanted[i] for i < n; false: malformed.  Numbers beyond n are left out. */
bool metric_parse_subtasks(const char *text, bool *wanted, uint32_t n);

#endif
