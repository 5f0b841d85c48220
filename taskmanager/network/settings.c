/* The network's settings from the configuration. */
#include "taskmanager/network/network_internal.h"

/* Silence is noticed by these unless the configuration says otherwise. */
enum { KEEP_IDLE_S = 10, KEEP_INTERVAL_S = 5 };

static int optional_seconds(const struct conf *conf, const char *name, int otherwise)
{
    return conf_has_value(conf, name) ? conf_int(conf, name) : otherwise;
}

int network_settings_read(const struct conf *conf, struct network_settings *ret, struct error *err)
{
    static const char CODEC[] = "taskmanager.network.compression.codec";
    enum { CODEC_NONE, CODEC_LZ4 }; /* as the option lists them */
    /* Flink's codec is for the files of batch jobs; streams are compressed when somebody asks for it. */
    int codec = conf_has(conf, CODEC) ? conf_enum(conf, CODEC) : CODEC_NONE;
    if (codec > CODEC_LZ4) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s: %s is not supported between workers; set LZ4 or NONE", CODEC,
                         conf_string(conf, CODEC));
    }
    *ret = (struct network_settings){
        .connect_timeout_ms =
            (int64_t)conf_int(conf, "taskmanager.network.netty.client.connectTimeoutSec") * 1000,
        .partition_timeout_ms =
            conf_duration_ms(conf, "taskmanager.network.partition-request-timeout"),
        .backoff_initial_ms = conf_int(conf, "taskmanager.network.request-backoff.initial"),
        .backoff_max_ms = conf_int(conf, "taskmanager.network.request-backoff.max"),
        .retries = conf_int(conf, "taskmanager.network.retries"),
        .keep_idle_s =
            optional_seconds(conf, "taskmanager.network.netty.client.tcp.keepIdleSec", KEEP_IDLE_S),
        .keep_interval_s = optional_seconds(
            conf, "taskmanager.network.netty.client.tcp.keepIntervalSec", KEEP_INTERVAL_S),
        .keep_count = optional_seconds(conf, "taskmanager.network.netty.client.tcp.keepCount", 0),
        .user_timeout_ms = (int)MIN(conf_duration_ms(conf, "taskmanager.network.tcp-user-timeout"),
                                    (int64_t)INT32_MAX),
        .compress = codec == CODEC_LZ4,
    };
    return 0;
}
