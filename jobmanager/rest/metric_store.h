/* The newest values of all metrics, as REST shows them: of this process's registry and of all task
 * managers.  Values are fetched when somebody asks and the last ones are older than the interval, never
 * in the background; one asker fetches, others that come meanwhile wait for it, bounded.
 *
 * What a task last said stays until its job is gone from the dispatcher's list, so that the numbers of a
 * source that has finished remain while the rest of the job runs.  Values are texts, as in answers.
 * Flink: MetricFetcherImpl, MetricStore.  Thread: any (lock: metric_store, a leaf; no I/O under it). */
#ifndef FLINC_JOBMANAGER_REST_METRIC_STORE_H
#define FLINC_JOBMANAGER_REST_METRIC_STORE_H

#include "common/base/map.h"
#include "common/metrics/registry.h"
#include "proto/cluster.pb-c.h"
#include <pthread.h>

enum {
    METRIC_STORE_MAX = 1000000,       /* values kept; more are left out and a warning says so */
    METRIC_STORE_WITH_ENDED = 200000, /* with more, those of jobs that have ended go first */
    METRIC_STORE_NAME_MAX = 80,       /* of operator names in ids, as Flink cuts them */
    METRIC_STORE_SUBTASKS = 32768,
};

/* Values by metric id. */
struct metric_set {
    struct map values; /* id -> text */
};
/* Every set is valid under the lock only. */
struct subtask_metrics {
    uint32_t index, attempt;
    struct metric_set set; /* "numRecordsIn", "Flat_Map.numRecordsIn" */
};
struct vertex_metrics {
    struct map subtasks;         /* decimal index -> struct subtask_metrics */
    struct metric_set operators; /* of coordinators, in this process */
};
struct job_metrics {
    struct metric_set set;
    struct map vertices; /* 16 bytes -> struct vertex_metrics */
};

struct dispatcher;
struct resourcemanager;
struct metric_store_options {
    struct resourcemanager *resourcemanager; /* Borrows; NULL: no task managers (tests) */
    struct dispatcher *dispatcher;           /* Borrows; NULL: jobs are kept for ever (tests) */
    struct metric_registry *registry;        /* Borrows; NULL: none */
    int64_t interval_ms;                     /* values older than that are fetched again */
    int64_t timeout_ms;                      /* of a task manager's answer */
};
struct metric_store {
    struct metric_store_options o;
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    bool fetching;
    int64_t fetched_ms; /* monotonic; 0: never */
    struct metric_set jobmanager;
    struct map taskmanagers; /* id -> struct metric_set */
    struct map jobs;         /* 16 bytes -> struct job_metrics */
    uint32_t n_values;
    bool full; /* the warning was given */
};

struct metric_store *metric_store_new(const struct metric_store_options *options);
struct metric_store *metric_store_free(struct metric_store *s);
/* Fetches when it is time; waits. */
void metric_store_refresh(struct metric_store *s);

/* Between these two the sets may be looked at. */
void metric_store_lock(struct metric_store *s);
void metric_store_unlock(struct metric_store *s);
const struct metric_set *metric_store_taskmanager(const struct metric_store *s, const char *id);
const struct job_metrics *metric_store_job(const struct metric_store *s, const struct flinc_id *id);
const struct vertex_metrics *metric_store_vertex(const struct metric_store *s,
                                                 const struct flinc_id *job_id,
                                                 const struct flinc_id *vertex_id);
const struct metric_set *vertex_metrics_subtask(const struct vertex_metrics *v, uint32_t index);
const char *metric_set_get(const struct metric_set *set, const char *id); /* NULL: not there */

/* Takes in what a task manager said.  For the fetch, and tests. */
void metric_store_add_dump(struct metric_store *s, const char *tm_id, const Flinc__MetricDump *d);
/* One part of an id with the characters replaced that ids cannot have, cut to 80. */
void metric_id_append_part(struct str *out, const char *name);

#endif
