/* Keys of [0, n) for benchmarks of keyed state: uniform, or by Zipf's law with the frequent ones spread over the
 * whole range, as they are where keys are made in the order of time.  Equal seeds give equal keys.
 *
 * Zipf by rejection-inversion (Hoermann, Derflinger: Rejection-inversion to generate variates from monotone
 * discrete distributions, 1996): no tables, so that memory is the subject's.  Thread: one owner. */
#ifndef FLINC_BENCH_KEY_STREAM_H
#define FLINC_BENCH_KEY_STREAM_H

#include "common/base/clock.h"
#include <math.h>

struct key_stream {
    struct rng rng;
    uint64_t n;
    double exponent;          /* 0: uniform */
    double first, last, sure; /* of the areas under the curve */
    uint32_t half_bits;       /* of the smallest power of four that has n keys */
};

/* The area under x^-exponent up to x, but for a constant, and back. */
static inline double key_stream_area(const struct key_stream *s, double x)
{
    return s->exponent == 1 ? log(x) : pow(x, 1 - s->exponent) / (1 - s->exponent);
}
static inline double key_stream_at_area(const struct key_stream *s, double area)
{
    return s->exponent == 1 ? exp(area) : pow((1 - s->exponent) * area, 1 / (1 - s->exponent));
}
static inline double key_stream_height(const struct key_stream *s, double x)
{
    return s->exponent == 1 ? 1 / x : pow(x, -s->exponent);
}

static inline void key_stream_init(struct key_stream *s, uint64_t n, double exponent, uint64_t seed)
{
    ASSERT(n > 1 && n < UINT64_C(1) << 52 && exponent >= 0);
    *s = (struct key_stream){.n = n, .exponent = exponent};
    rng_init(&s->rng, seed);
    for (s->half_bits = 1; UINT64_C(1) << 2 * s->half_bits < n; s->half_bits++) {
    }
    if (exponent > 0) {
        s->first = key_stream_area(s, 1.5) - 1;
        s->last = key_stream_area(s, (double)n + 0.5);
        s->sure = 2 - key_stream_at_area(s, key_stream_area(s, 2.5) - key_stream_height(s, 2));
    }
}

/* One of 1 to n, the lower the more often. */
static inline uint64_t key_stream_rank(struct key_stream *s)
{
    for (;;) {
        double area = s->last + rng_double(&s->rng) * (s->first - s->last);
        double x = key_stream_at_area(s, area);
        double k = floor(x + 0.5);
        k = k < 1 ? 1 : k > (double)s->n ? (double)s->n : k;
        if (k - x <= s->sure || area >= key_stream_area(s, k + 0.5) - key_stream_height(s, k)) {
            return (uint64_t)k;
        }
    }
}

static inline uint64_t key_stream_mix(uint64_t v)
{
    v *= UINT64_C(0x9e3779b97f4a7c15);
    v = (v ^ v >> 32) * UINT64_C(0xc2b2ae3d27d4eb4f);
    return v ^ v >> 29;
}

/* A fixed order of the keys that looks like none: rounds over two halves of the bits, again while the result is
 * none of [0, n), four times at most on average. */
static inline uint64_t key_stream_spread(const struct key_stream *s, uint64_t i)
{
    uint64_t mask = (UINT64_C(1) << s->half_bits) - 1;
    do {
        uint64_t high = i >> s->half_bits, low = i & mask;
        for (uint64_t round = 1; round <= 4; round++) {
            uint64_t next = high ^ (key_stream_mix(low + (round << 32)) & mask);
            high = low;
            low = next;
        }
        i = high << s->half_bits | low;
    } while (i >= s->n);
    return i;
}

static inline uint64_t key_stream_next(struct key_stream *s)
{
    return s->exponent == 0 ? rng_below(&s->rng, s->n)
                            : key_stream_spread(s, key_stream_rank(s) - 1);
}

#endif
