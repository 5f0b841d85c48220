/* What a source could give and has not given yet, for autoscalers: the gauges pendingRecords and pendingBytes of the
 * operator's group.  A source that cannot know it has none of them.
 *
 * Thread: setting is the task's (or of the thread that reads for it), once per batch; reading any.
 * Flink: FLIP-33, SourceReaderMetricGroup.setPendingRecordsGauge, setPendingBytesGauge. */
#ifndef FLINC_ENGINE_OPERATORS_IO_IO_PENDING_H
#define FLINC_ENGINE_OPERATORS_IO_IO_PENDING_H

#include "common/metrics/registry.h"
#include "engine/operators/operator.h"

/* Records that a source makes by itself: of those that are left, when there is a rate, the ones that are due.  They become
 * due while a task that waits for its outputs does not ask for any, so the value is of the moment at which it is read. */
struct io_pending {
    _Atomic int64_t left; /* INT64_MAX: so many, or no end */
    _Atomic int64_t
        behind_ns;      /* the time by which all that was made was due; without a rate: unused */
    double rows_per_ns; /* 0: no rate */
    double rows_max;    /* what is due beyond that is never made */
    const struct clock *clock; /* Borrows */
};

/* The fields but for the first two are set before; the struct must live as long as the operator. */
void io_pending_open(struct io_pending *p, struct op_context *ctx);
void io_pending_set(struct io_pending *p, int64_t left, int64_t behind_ns);
int64_t io_pending_get(const struct io_pending *p);

/* A gauge that is set; without a group it is the task's alone.  Lives until the operator is closed. */
struct metric_gauge *io_pending_gauge(struct op_context *ctx, const char *name);

#endif
