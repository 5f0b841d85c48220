/* Checking a DeployTasks message and reading the settings that tasks need. */
#include "taskmanager/worker/deployment.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/channel.h"
#include <string.h>

struct flinc_id id_of_bytes(const ProtobufCBinaryData *bytes)
{
    struct flinc_id id;
    ASSERT(bytes->len == sizeof(id.bytes));
    memcpy(id.bytes, bytes->data, sizeof(id.bytes));
    return id;
}

static int check_id(const ProtobufCBinaryData *bytes, const char *what, struct error *err)
{
    if (bytes->len != sizeof(struct flinc_id)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s has %zu bytes instead of %zu", what,
                         bytes->len, sizeof(struct flinc_id));
    }
    return 0;
}

static int deployment_check(const Flinc__DeployTasks *d, struct error *err)
{
    TRY(check_id(&d->job_id, "the job id", err));
    if (d->vertex == NULL || d->vertex->parallelism == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a deployment without a vertex");
    }
    for (size_t i = 0; i < d->n_subtasks; i++) {
        TRY(check_id(&d->subtasks[i]->attempt_id, "an attempt id", err));
        if (d->subtasks[i]->subtask >= d->vertex->parallelism) {
            return error_set(err, ERR_INVALID_ARGUMENT, "subtask %u of %u", d->subtasks[i]->subtask,
                             d->vertex->parallelism);
        }
    }
    for (size_t i = 0; i < d->n_gates; i++) {
        const Flinc__GateDescriptor *g = d->gates[i];
        if (g->partitioner == NULL || g->producer_parallelism == 0 ||
            g->n_producer_attempts != g->producer_parallelism) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "edge %u names %zu attempts of %u producing subtasks", g->edge,
                             g->n_producer_attempts, g->producer_parallelism);
        }
        for (size_t j = 0; j < g->n_producer_attempts; j++) {
            TRY(check_id(&g->producer_attempts[j], "a producer's attempt id", err));
        }
        if (g->n_producer_locations != 0 && g->n_producer_locations != g->producer_parallelism) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "edge %u names %zu locations of %u producing subtasks", g->edge,
                             g->n_producer_locations, g->producer_parallelism);
        }
    }
    for (size_t i = 0; i < d->n_results; i++) {
        if (d->results[i]->consumer_parallelism == 0 || d->results[i]->partitioner == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT, "edge %u leads to nobody",
                             d->results[i]->edge);
        }
    }
    return 0;
}

/* A granularity that there is not is no reason to fail a job, as in Flink. */
static void deployment_read_latency(struct deployment *d, bool batch)
{
    const char *granularity = conf_string(&d->conf, "metrics.latency.granularity");
    d->latency.interval_ms = batch ? 0 : conf_duration_ms(&d->conf, "metrics.latency.interval");
    if (!latency_granularity_parse(granularity, &d->latency.granularity)) {
        d->latency.granularity = LATENCY_GRANULARITY_OPERATOR;
        LOG_WARN("flinc.taskmanager.worker",
                 "metrics.latency.granularity is '%s', which is none of single, operator and "
                 "subtask: operator is used",
                 granularity);
    }
}

static void deployment_read_debloat(struct deployment *d)
{
    const struct conf *conf = &d->conf;
    d->debloat = (struct debloat_settings){
        .enabled = conf_bool(conf, "taskmanager.network.memory.buffer-debloat.enabled"),
        .period_ns =
            conf_duration_ms(conf, "taskmanager.network.memory.buffer-debloat.period") * 1000000,
        .target_ms = conf_duration_ms(conf, "taskmanager.network.memory.buffer-debloat.target"),
        .n_samples = (uint32_t)conf_int(conf, "taskmanager.network.memory.buffer-debloat.samples"),
        .threshold_percent = (uint32_t)conf_int(
            conf, "taskmanager.network.memory.buffer-debloat.threshold-percentages"),
    };
}

static int deployment_read_conf(struct deployment *d, const struct conf *cluster, struct error *err)
{
    struct conf *conf = &d->conf;
    bool batch = d->tasks->runtime_mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH;
    if (cluster != NULL) {
        conf_merge(conf, cluster);
    }
    for (size_t i = 0; i < d->tasks->n_config; i++) {
        TRY(conf_set(conf, d->tasks->config[i]->key, d->tasks->config[i]->value, err));
    }
    bool flush = conf_bool(conf, "execution.buffer-timeout.enabled") && !batch;
    d->buffer_timeout_ns =
        flush ? duration_to_ns(conf_duration(conf, "execution.buffer-timeout.interval")) : -1;
    d->partition_timeout_ms =
        conf_duration_ms(conf, "taskmanager.network.partition-request-timeout");
    d->cancellation_interval_ms = conf_duration_ms(conf, "task.cancellation.interval");
    d->cancellation_timeout_ms = conf_duration_ms(conf, "task.cancellation.timeout");
    d->has_checkpoints = !batch && conf_has_value(conf, "execution.checkpointing.interval");
    d->final_checkpoint = d->has_checkpoints &&
                          conf_bool(conf, "execution.checkpointing.checkpoints-after-tasks-finish");
    d->at_least_once = conf_enum(conf, "execution.checkpointing.mode") != 0;
    d->standstill_ms = conf_duration_ms(conf, "task.standstill.timeout");
    d->batch_time_ns = duration_to_ns(conf_duration(conf, "task.batch.processing-time"));
    d->segment_bytes = conf_memory(conf, "taskmanager.memory.segment-size");
    if (conf_has_value(conf, "taskmanager.network.memory.buffers-per-channel")) {
        d->exclusive_segments =
            (uint32_t)conf_int(conf, "taskmanager.network.memory.buffers-per-channel");
    }
    d->floating_segments =
        (uint32_t)conf_int(conf, "taskmanager.network.memory.floating-buffers-per-gate");
    deployment_read_debloat(d);
    deployment_read_latency(d, batch);
    return 0;
}

int deployment_new(Flinc__MasterToWorker *take_message, const struct conf *conf,
                   struct deployment **ret_deployment, struct error *err)
{
    TRY(deployment_check(take_message->deploy, err));
    struct deployment *d = MEM_NEW(struct deployment);
    atomic_init(&d->refs, 1);
    d->tasks = take_message->deploy;
    struct flinc_id job_id = id_of_bytes(&d->tasks->job_id);
    id_format(&job_id, d->job_id);
    conf_init(&d->conf, NULL);
    int rc = deployment_read_conf(d, conf, err);
    if (rc < 0) {
        conf_fini(&d->conf);
        mem_free(d);
        return rc;
    }
    d->message = take_message;
    *ret_deployment = d;
    return 0;
}

struct deployment *deployment_ref(struct deployment *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

struct deployment *deployment_unref(struct deployment *d)
{
    if (d != NULL && atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
        if (d->message != NULL) {
            rpc_message_free(&d->message->base);
        }
        conf_fini(&d->conf);
        mem_free(d);
    }
    return NULL;
}
