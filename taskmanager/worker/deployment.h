/* What the subtasks of one DeployTasks message share: the message itself and the job's settings.
 * Counted; immutable.  Thread: any. */
#ifndef FLINC_TASKMANAGER_WORKER_DEPLOYMENT_H
#define FLINC_TASKMANAGER_WORKER_DEPLOYMENT_H

#include "common/base/clock.h"
#include "common/conf/conf.h"
#include "proto/control.pb-c.h"
#include "taskmanager/worker/chain_latency.h"

struct deployment {
    _Atomic uint32_t refs;
    Flinc__MasterToWorker *message;  /* Owns */
    const Flinc__DeployTasks *tasks; /* in the message */
    char job_id[ID_HEX_LEN + 1];
    int64_t buffer_timeout_ns;    /* 0: flush after each input; < 0: only when full,
                                          as always in BATCH mode */
    int64_t partition_timeout_ms; /* how long an input waits for its producers */
    int64_t cancellation_interval_ms;
    int64_t cancellation_timeout_ms; /* 0: the watchdog waits for ever */
    struct conf conf;                /* the job's over the cluster's */
    bool has_checkpoints;            /* periodic ones are on */
    bool final_checkpoint;           /* a task that has ended its input waits for one */
    bool at_least_once;              /* execution.checkpointing.mode */
    int64_t standstill_ms;           /* task.standstill.timeout; 0: nobody looks */
    int64_t batch_time_ns;           /* task.batch.processing-time; 0: batches are taken whole */
    uint64_t segment_bytes;          /* taskmanager.memory.segment-size */
    /* taskmanager.network.memory.buffers-per-channel (0: no value), .floating-buffers-per-gate: segments */
    uint32_t exclusive_segments, floating_segments;
    struct debloat_settings { /* taskmanager.network.memory.buffer-debloat.* */
        bool enabled;
        int64_t period_ns, target_ms;
        uint32_t n_samples, threshold_percent;
    } debloat;
    struct latency_options latency;
};

/* Takes the message when it succeeds.  Checks ids and sizes, and reads the configuration (the job's over
 * the cluster's; `conf` may be NULL). */
int deployment_new(Flinc__MasterToWorker *take_message, const struct conf *conf,
                   struct deployment **ret_deployment, struct error *err) MUST_CHECK;
struct deployment *deployment_ref(struct deployment *d);
struct deployment *deployment_unref(struct deployment *d); /* NULL is fine; returns NULL */

/* 16 bytes, checked by deployment_new. */
struct flinc_id id_of_bytes(const ProtobufCBinaryData *bytes);

#endif
