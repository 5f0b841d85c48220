/* Counters of sources and sinks: bytes in and out, by Flink's names.  Thread: the task's. */
#ifndef FLINC_ENGINE_OPERATORS_IO_IO_COUNTER_H
#define FLINC_ENGINE_OPERATORS_IO_IO_COUNTER_H

#include "common/metrics/registry.h"
#include "engine/operators/operator.h"

/* A counter of the operator's group with its rate; without a group it is the task's alone. */
static inline struct metric_counter *io_counter(struct op_context *ctx, const char *name,
                                                const char *rate_name)
{
    if (ctx->metrics == NULL) {
        return arena_zalloc(ctx->arena, sizeof(struct metric_counter));
    }
    struct metric_counter *c = metric_group_counter(ctx->metrics, name);
    (void)metric_group_meter(ctx->metrics, rate_name, c);
    return c;
}

/* Flink: SourceReaderMetricGroup, SinkWriterMetricGroup. */
static inline struct metric_counter *io_bytes_in(struct op_context *ctx)
{
    return io_counter(ctx, "numBytesIn", "numBytesInPerSecond");
}
static inline struct metric_counter *io_bytes_send(struct op_context *ctx)
{
    return io_counter(ctx, "numBytesSend", "numBytesSendPerSecond");
}

#endif
