/* The four kinds of metrics, as Flink has them.  A counter and a histogram have one writing thread,
 * which pays a plain add (per batch, not per record, on the data path); readers are any thread.
 * Rates come from counters by their readers, so that writers never look at a clock. */
#ifndef FLINC_COMMON_METRICS_METRIC_H
#define FLINC_COMMON_METRICS_METRIC_H

#include "common/base/clock.h"
#include <stdatomic.h>

enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_METER,
    METRIC_HISTOGRAM,
};
const char *metric_kind_name(enum metric_kind kind); /* "counter", ... */

/* ---- counter ------------------------------------------------------------------------------------ */

/* Thread: one writer, any readers.  Counters that several threads write use metric_counter_add_shared. */
struct metric_counter {
    _Atomic int64_t value;
};
static inline void metric_counter_add(struct metric_counter *c, int64_t n)
{
    int64_t v = atomic_load_explicit(&c->value, memory_order_relaxed);
    atomic_store_explicit(&c->value, v + n, memory_order_relaxed);
}
static inline void metric_counter_add_shared(struct metric_counter *c, int64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}
static inline int64_t metric_counter_get(const struct metric_counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

/* ---- gauge -------------------------------------------------------------------------------------- */

enum metric_value_type {
    METRIC_VALUE_INT64,
    METRIC_VALUE_DOUBLE,
    METRIC_VALUE_TEXT,
};
enum { METRIC_TEXT_MAX = 256 }; /* bytes with the NUL; longer text is cut */
struct metric_value {
    enum metric_value_type type;
    int64_t i64;
    double f64;
    char text[METRIC_TEXT_MAX];
};
void metric_value_set_i64(struct metric_value *v, int64_t x);
void metric_value_set_f64(struct metric_value *v, double x);
void metric_value_set_text(struct metric_value *v, const char *text);

/* Computes a value when somebody reads it, on the reader's thread: only atomics and constants may be
 * looked at. */
typedef void (*metric_gauge_fn)(void *arg, struct metric_value *ret_value);

/* A gauge that is set; thread: one or several writers, any readers. */
struct metric_gauge {
    _Atomic int64_t value;
};
static inline void metric_gauge_set(struct metric_gauge *g, int64_t value)
{
    atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

/* ---- meter -------------------------------------------------------------------------------------- */

/* Events per second of a counter over the last 60 s, sampled every 5 s (Flink: MeterView).  Thread:
 * metric_meter_update by the registry's updater; metric_meter_get_rate any. */
enum {
    METER_WINDOW_S = 60,
    METER_UPDATE_S = 5,
    METER_SAMPLES = METER_WINDOW_S / METER_UPDATE_S + 1
};
struct metric_meter {
    const struct metric_counter *counter; /* Borrows */
    int64_t samples[METER_SAMPLES];
    uint32_t next;
    _Atomic uint64_t rate_bits; /* a double */
};
void metric_meter_init(struct metric_meter *m, const struct metric_counter *counter);
/* Called every METER_UPDATE_S. */
void metric_meter_update(struct metric_meter *m);
double metric_meter_get_rate(const struct metric_meter *m);

/* ---- histogram ---------------------------------------------------------------------------------- */

/* Statistics of the values since the start or the last reset, in fixed memory (7.6 KB from the first
 * value on): exact count, min, max, mean and deviation, and quantiles within 1/64 of the value, from
 * buckets that grow with it.  Values are >= 0;
 * negative ones count as 0.  Thread: one writer, any readers (who may see a value half counted). */
enum {
    HISTOGRAM_SUB_BITS = 5,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS
};
struct metric_histogram {
    _Atomic int64_t count, min, max;
    _Atomic uint64_t mean_bits, deviation_bits; /* doubles: mean, sum of squared deviations */
    _Atomic uint32_t *_Atomic buckets; /* Owns; HISTOGRAM_BUCKETS, made at the first value */
};
void metric_histogram_init(struct metric_histogram *h);
void metric_histogram_fini(struct metric_histogram *h);
void metric_histogram_add(struct metric_histogram *h, int64_t value);
void metric_histogram_reset(struct metric_histogram *h); /* the writer */

struct metric_histogram_stats {
    int64_t count, min, max;
    double mean, stddev, p50, p75, p95, p98, p99, p999;
};
void metric_histogram_get(const struct metric_histogram *h,
                          struct metric_histogram_stats *ret_stats);
double metric_histogram_quantile(const struct metric_histogram *h, double q);

#endif
