/* Inside the metric store: filling it. */
#ifndef FLINC_JOBMANAGER_REST_METRIC_FETCH_H
#define FLINC_JOBMANAGER_REST_METRIC_FETCH_H

#include "jobmanager/rest/metric_store.h"

/* All under the lock. */
struct metric_set *metric_store_add_taskmanager(struct metric_store *s, const char *id);
struct job_metrics *metric_store_add_job(struct metric_store *s, const uint8_t id[16]);
struct vertex_metrics *job_metrics_add_vertex(struct job_metrics *j, const uint8_t id[16]);
void metric_store_put(struct metric_store *s, struct metric_set *set, const char *id,
                      const char *text);
void job_metrics_free(void *value);

#endif
