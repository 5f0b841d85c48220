/* Latency markers in a chain: sources send one every interval, each operator behind them measures how long
 * it was under way, and passes it on behind its records, on one way out, chosen at random.
 * Off (interval 0) they cost nothing: sources mark by the chain's timers.
 *
 * Thread: the task's; histograms any.  Flink: LatencyMarker, LatencyStats, LatencyMarkerEmitter. */
#ifndef FLINC_TASKMANAGER_WORKER_CHAIN_LATENCY_H
#define FLINC_TASKMANAGER_WORKER_CHAIN_LATENCY_H

#include "common/metrics/registry.h"
#include "taskmanager/exchange/element.h"

/* What has a histogram of its own at each subtask of an operator. */
enum latency_granularity {
    LATENCY_GRANULARITY_SINGLE,   /* all sources together */
    LATENCY_GRANULARITY_OPERATOR, /* each source */
    LATENCY_GRANULARITY_SUBTASK,  /* each subtask of each source */
    LATENCY_GRANULARITIES,
};
const char *latency_granularity_name(enum latency_granularity granularity);
/* Letters of either case; false: no such granularity. */
bool latency_granularity_parse(const char *text, enum latency_granularity *ret_granularity);

struct latency_options {
    int64_t interval_ms; /* 0: no markers */
    enum latency_granularity granularity;
};

/* Sources beyond it are not measured: markers come from other processes. */
enum { LATENCY_SERIES_MAX = 65536 };

struct latency_series {
    struct flinc_id source_id;
    uint32_t source_subtask;
    struct metric_histogram *histogram; /* Borrows: of the group */
};

/* Of one operator. */
struct chain_latency {
    int64_t next_ms;                /* a source's next marker; INT64_MAX: none */
    struct latency_marker *passing; /* Owns: goes on when the flush is done */
    struct metric_group *group;     /* Owns; NULL: nothing measured yet */
    struct latency_series *series;  /* Owns */
    uint32_t n_series, cap_series;
};

#endif
