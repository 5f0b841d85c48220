/* Meters and histograms, and the values of gauges.
 *
 * Histogram buckets are as wide as 1/32 of the values in them: a value below 32 has a bucket of its
 * own, and each power of two above is cut into 32.  Mean and deviation are kept by Welford's method,
 * which does not lose digits when the values are large and close together.  Thread: see metric.h. */
#include "common/metrics/metric.h"

#include "common/base/mem.h"
#include <math.h>
#include <string.h>

static const char *const kind_names[] = {
    [METRIC_COUNTER] = "counter",
    [METRIC_GAUGE] = "gauge",
    [METRIC_METER] = "meter",
    [METRIC_HISTOGRAM] = "histogram",
};

const char *metric_kind_name(enum metric_kind kind)
{
    return (unsigned)kind < ARRAY_LEN(kind_names) ? kind_names[kind] : "unknown";
}

/* ---- values ----------------------------------------------------------------------------------- */

void metric_value_set_i64(struct metric_value *v, int64_t x)
{
    v->type = METRIC_VALUE_INT64;
    v->i64 = x;
}

void metric_value_set_f64(struct metric_value *v, double x)
{
    v->type = METRIC_VALUE_DOUBLE;
    v->f64 = x;
}

void metric_value_set_text(struct metric_value *v, const char *text)
{
    v->type = METRIC_VALUE_TEXT;
    size_t n = strnlen(text, sizeof(v->text) - 1);
    memcpy(v->text, text, n);
    v->text[n] = '\0';
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static double load_double(const _Atomic uint64_t *p)
{
    uint64_t bits = atomic_load_explicit(p, memory_order_relaxed);
    double x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

static void store_double(_Atomic uint64_t *p, double x)
{
    atomic_store_explicit(p, bits_of(x), memory_order_relaxed);
}

/* ---- meter ------------------------------------------------------------------------------------ */

void metric_meter_init(struct metric_meter *m, const struct metric_counter *counter)
{
    memset(m, 0, sizeof(*m));
    m->counter = counter;
    /* What was counted before is no rate of now. */
    for (size_t i = 0; i < METER_SAMPLES; i++) {
        m->samples[i] = metric_counter_get(counter);
    }
}

void metric_meter_update(struct metric_meter *m)
{
    m->next = (m->next + 1) % METER_SAMPLES;
    m->samples[m->next] = metric_counter_get(m->counter);
    int64_t oldest = m->samples[(m->next + 1) % METER_SAMPLES];
    store_double(&m->rate_bits, (double)(m->samples[m->next] - oldest) / METER_WINDOW_S);
}

double metric_meter_get_rate(const struct metric_meter *m)
{
    return load_double(&m->rate_bits);
}

/* ---- histogram -------------------------------------------------------------------------------- */

enum { SUB_BUCKETS = 1 << HISTOGRAM_SUB_BITS };

static uint32_t bucket_of(uint64_t value)
{
    if (value < SUB_BUCKETS) {
        return (uint32_t)value;
    }
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (shift + 1) * SUB_BUCKETS + (uint32_t)((value >> shift) - SUB_BUCKETS);
}

static double bucket_middle(uint32_t bucket)
{
    if (bucket < SUB_BUCKETS) {
        return bucket;
    }
    uint32_t shift = bucket / SUB_BUCKETS - 1;
    uint64_t low = (uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS) << shift;
    uint64_t width = UINT64_C(1) << shift;
    return (double)low + (double)(width - 1) / 2;
}

void metric_histogram_init(struct metric_histogram *h)
{
    memset(h, 0, sizeof(*h));
}

void metric_histogram_fini(struct metric_histogram *h)
{
    mem_free(atomic_load_explicit(&h->buckets, memory_order_relaxed));
    memset(h, 0, sizeof(*h));
}

static int64_t load(const _Atomic int64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static void store(_Atomic int64_t *p, int64_t x)
{
    atomic_store_explicit(p, x, memory_order_relaxed);
}

void metric_histogram_add(struct metric_histogram *h, int64_t value)
{
    value = MAX(value, INT64_C(0));
    _Atomic uint32_t *buckets = atomic_load_explicit(&h->buckets, memory_order_relaxed);
    if (UNLIKELY(buckets == NULL)) {
        buckets = MEM_NEW_ARRAY(_Atomic uint32_t, HISTOGRAM_BUCKETS);
        atomic_store_explicit(&h->buckets, buckets, memory_order_release);
    }
    _Atomic uint32_t *bucket = &buckets[bucket_of((uint64_t)value)];
    uint32_t in_bucket = atomic_load_explicit(bucket, memory_order_relaxed);
    if (in_bucket < UINT32_MAX) { /* a full bucket stays full */
        atomic_store_explicit(bucket, in_bucket + 1, memory_order_relaxed);
    }
    int64_t count = load(&h->count) + 1;
    if (count == 1 || value < load(&h->min)) {
        store(&h->min, value);
    }
    if (count == 1 || value > load(&h->max)) {
        store(&h->max, value);
    }
    double mean = load_double(&h->mean_bits);
    double step = (double)value - mean;
    mean += step / (double)count;
    store_double(&h->mean_bits, mean);
    store_double(&h->deviation_bits,
                 load_double(&h->deviation_bits) + step * ((double)value - mean));
    store(&h->count, count);
}

void metric_histogram_reset(struct metric_histogram *h)
{
    _Atomic uint32_t *buckets = atomic_load_explicit(&h->buckets, memory_order_relaxed);
    for (size_t i = 0; buckets != NULL && i < HISTOGRAM_BUCKETS; i++) {
        atomic_store_explicit(&buckets[i], 0, memory_order_relaxed);
    }
    store(&h->count, 0);
    store(&h->min, 0);
    store(&h->max, 0);
    store_double(&h->mean_bits, 0);
    store_double(&h->deviation_bits, 0);
}

/* Fills the values of `n` ascending quantiles in one pass over the buckets. */
static void histogram_quantiles(const struct metric_histogram *h, const double *q, double *ret,
                                size_t n)
{
    const _Atomic uint32_t *buckets = atomic_load_explicit(&h->buckets, memory_order_acquire);
    uint64_t total = 0;
    for (size_t i = 0; buckets != NULL && i < HISTOGRAM_BUCKETS; i++) {
        total += atomic_load_explicit(&buckets[i], memory_order_relaxed);
    }
    double min = (double)load(&h->min), max = (double)load(&h->max);
    uint64_t seen = 0;
    size_t k = 0;
    for (uint32_t i = 0; total > 0 && i < HISTOGRAM_BUCKETS && k < n; i++) {
        seen += atomic_load_explicit(&buckets[i], memory_order_relaxed);
        while (k < n && (double)seen >= MAX(q[k] * (double)total, 1.0)) {
            double middle = bucket_middle(i);
            ret[k++] = middle < min ? min : MIN(middle, max);
        }
    }
    while (k < n) { /* no values, or the writer reset meanwhile */
        ret[k++] = max;
    }
}

double metric_histogram_quantile(const struct metric_histogram *h, double q)
{
    double value;
    histogram_quantiles(h, &q, &value, 1);
    return value;
}

void metric_histogram_get(const struct metric_histogram *h,
                          struct metric_histogram_stats *ret_stats)
{
    static const double q[] = {0.5, 0.75, 0.95, 0.98, 0.99, 0.999};
    double v[ARRAY_LEN(q)];
    histogram_quantiles(h, q, v, ARRAY_LEN(q));
    int64_t count = load(&h->count);
    double deviation = load_double(&h->deviation_bits);
    *ret_stats = (struct metric_histogram_stats){
        .count = count,
        .min = load(&h->min),
        .max = load(&h->max),
        .mean = load_double(&h->mean_bits),
        .stddev = count > 1 ? sqrt(MAX(deviation, 0.0) / (double)(count - 1)) : 0,
        .p50 = v[0],
        .p75 = v[1],
        .p95 = v[2],
        .p98 = v[3],
        .p99 = v[4],
        .p999 = v[5],
    };
}
