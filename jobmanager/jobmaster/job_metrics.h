/* The metrics of a job at the job manager: uptime, downtime, restarts, time spent in each state
 * (metrics.job.status.enable).  Written by the job master, read by reporters and REST, so all of it is
 * atomic.  Flink: JobStatusMetrics, UpTimeGauge, DownTimeGauge.  Thread: as said. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_JOB_METRICS_H
#define FLINC_JOBMANAGER_JOBMASTER_JOB_METRICS_H

#include "common/metrics/registry.h"
#include "jobmanager/jobmaster/execution_graph.h"

enum { JOB_METRICS_STATES = 7 }; /* six states of the job that pass, and deploying */

/* A state that the job is in now and then. */
struct state_time {
    struct job_metrics *metrics;
    _Atomic int64_t since_ms; /* monotonic; 0: not in it */
    _Atomic int64_t total_ms; /* of earlier times */
};

/* Caller's memory. */
struct job_metrics {
    struct metric_group *group; /* Owns; NULL: nobody asks */
    const struct clock *clock;  /* Borrows */
    _Atomic int status;         /* enum job_status */
    _Atomic int64_t restarts, rescales;
    struct state_time states[JOB_METRICS_STATES];
    uint32_t n_deploying; /* tasks; the job master's */
};

/* Makes the job's group below that of the job manager (may be NULL). */
void job_metrics_init(struct job_metrics *m, struct metric_group *jobmanager,
                      const struct conf *conf, const struct clock *clock,
                      const Flinc__JobGraph *graph);
void job_metrics_fini(struct job_metrics *m);
void job_metrics_set_status(struct job_metrics *m, enum job_status to);
void job_metrics_move_task(struct job_metrics *m, Flinc__ExecutionState from,
                           Flinc__ExecutionState to);
void job_metrics_count_restart(struct job_metrics *m);
void job_metrics_count_rescale(
    struct job_metrics *m); /* a job that runs goes on at other parallelisms */
/* Of a job that takes checkpoints: the gauges are read until job_metrics_fini(). */
struct checkpoint_gauges;
void job_metrics_add_checkpoints(struct job_metrics *m, const struct checkpoint_gauges *gauges);
/* The group of an operator's coordinator; freed with the job's.  NULL: nobody asks. */
struct metric_group *job_metrics_operator(struct job_metrics *m, const Flinc__JobVertex *vertex,
                                          const Flinc__Operator *op);

#endif
