/* jobmanager.scheduler, scheduler-mode and jobmanager.adaptive-scheduler.*, read and checked.
 * Flink: AdaptiveScheduler.Settings.  Thread: any. */
#ifndef FLINC_JOBMANAGER_ADAPTIVE_ADAPTIVE_CONFIG_H
#define FLINC_JOBMANAGER_ADAPTIVE_ADAPTIVE_CONFIG_H

#include "common/conf/conf.h"

/* Milliseconds; a time that is never over is ADAPTIVE_NEVER. */
enum { ADAPTIVE_NEVER = -1, ADAPTIVE_HISTORY_MAX = 256 };

struct adaptive_config {
    bool enabled;  /* the job runs under the adaptive scheduler */
    bool reactive; /* scheduler-mode: reactive */
    bool prefer_minimal_taskmanagers;
    int64_t wait_timeout_ms;            /* submission.resource-wait-timeout */
    int64_t wait_stabilization_ms;      /* submission.resource-stabilization-timeout */
    int64_t executing_stabilization_ms; /* executing.resource-stabilization-timeout */
    int64_t cooldown_ms;                /* executing.cooldown-after-rescaling */
    int64_t max_delay_ms;               /* rescale-trigger.max-delay */
    uint32_t max_checkpoint_failures;   /* rescale-trigger.max-checkpoint-failures */
    uint32_t min_parallelism_increase;
    uint32_t history_size; /* web.adaptive-scheduler.rescale-history.size; at most the limit */
    int64_t slot_idle_ms;  /* slot.idle.timeout; shown only: slots go back at once */
};

/* Of a job, from the cluster's configuration with the job's over it.  A batch job does not run under the
 * adaptive scheduler, whatever is configured.  ERR_INVALID_CONFIG. */
int adaptive_config_read(const struct conf *conf, bool is_batch, struct adaptive_config *ret,
                         struct error *err) MUST_CHECK;
/* ERR_INVALID_CONFIG: scheduler-mode: reactive in a cluster that is no standalone application cluster. */
int adaptive_check_cluster(const struct conf *conf, bool is_application,
                           struct error *err) MUST_CHECK;

#endif
