/* Options of the adaptive scheduler; see adaptive_config.h. */
#include "jobmanager/adaptive/adaptive_config.h"

#include "common/base/macros.h"

enum { SCHEDULER_DEFAULT, SCHEDULER_ADAPTIVE }; /* in the order of the option's values */

static bool is_reactive(const struct conf *conf)
{
    return conf_has(conf, "scheduler-mode");
}

/* What is said counts; reactive mode has other defaults. */
static int64_t time_of(const struct conf *conf, const char *key, bool other_default, int64_t other)
{
    int64_t value = other_default && !conf_has(conf, key) ? other : conf_duration_ms(conf, key);
    return value < 0 ? ADAPTIVE_NEVER : value;
}

static int read_count(const struct conf *conf, const char *key, int32_t min, uint32_t *ret,
                      struct error *err)
{
    int32_t value = conf_int(conf, key);
    if (value < min) {
        return error_set(err, ERR_INVALID_CONFIG, "%s is %d; it must be at least %d", key, value,
                         min);
    }
    *ret = (uint32_t)value;
    return 0;
}

/* Flink's default: without checkpoints a change is acted on at once, else they may fail some times. */
static void read_max_delay(const struct conf *conf, struct adaptive_config *c)
{
    const char *key = "jobmanager.adaptive-scheduler.rescale-trigger.max-delay";
    const char *interval = "execution.checkpointing.interval";
    if (conf_has(conf, key)) {
        c->max_delay_ms = conf_duration_ms(conf, key);
    } else if (conf_has(conf, interval) && conf_duration_ms(conf, interval) > 0) {
        c->max_delay_ms =
            conf_duration_ms(conf, interval) * ((int64_t)c->max_checkpoint_failures + 1);
    } else {
        c->max_delay_ms = 0;
    }
}

int adaptive_config_read(const struct conf *conf, bool is_batch, struct adaptive_config *ret,
                         struct error *err)
{
    struct adaptive_config c = {.reactive = is_reactive(conf)};
    uint32_t history = 0;
    c.enabled =
        !is_batch && (c.reactive || conf_enum(conf, "jobmanager.scheduler") == SCHEDULER_ADAPTIVE);
    c.prefer_minimal_taskmanagers =
        conf_bool(conf, "jobmanager.adaptive-scheduler.prefer-minimal-taskmanagers");
    c.wait_timeout_ms =
        time_of(conf, "jobmanager.adaptive-scheduler.submission.resource-wait-timeout", c.reactive,
                ADAPTIVE_NEVER);
    c.wait_stabilization_ms =
        time_of(conf, "jobmanager.adaptive-scheduler.submission.resource-stabilization-timeout",
                c.reactive, 0);
    c.executing_stabilization_ms = conf_duration_ms(
        conf, "jobmanager.adaptive-scheduler.executing.resource-stabilization-timeout");
    c.cooldown_ms =
        conf_duration_ms(conf, "jobmanager.adaptive-scheduler.executing.cooldown-after-rescaling");
    c.slot_idle_ms = conf_duration_ms(conf, "slot.idle.timeout");
    TRY(read_count(conf, "jobmanager.adaptive-scheduler.rescale-trigger.max-checkpoint-failures", 1,
                   &c.max_checkpoint_failures, err));
    TRY(read_count(conf, "jobmanager.adaptive-scheduler.min-parallelism-increase", 1,
                   &c.min_parallelism_increase, err));
    TRY(read_count(conf, "web.adaptive-scheduler.rescale-history.size", 0, &history, err));
    c.history_size = MIN(history, (uint32_t)ADAPTIVE_HISTORY_MAX);
    read_max_delay(conf, &c);
    *ret = c;
    return 0;
}

int adaptive_check_cluster(const struct conf *conf, bool is_application, struct error *err)
{
    if (!is_reactive(conf) || is_application) {
        return 0;
    }
    return error_set(err, ERR_INVALID_CONFIG,
                     "Reactive mode is configured for an unsupported cluster type. At the moment, "
                     "reactive mode is only supported by standalone application clusters "
                     "(bin/standalone-job.sh).");
}
