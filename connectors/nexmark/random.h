/* Random numbers of the events: the 64-bit generator that the public suite draws from, one per event, so that an event is
 * a function of its number.  Draw i of seed s is a hash of s + i * RANDOM_STEP; the state is that sum.
 * Thread: any.  Java: SplittableRandom. */
#ifndef FLINC_CONNECTORS_NEXMARK_RANDOM_H
#define FLINC_CONNECTORS_NEXMARK_RANDOM_H

#include "common/base/macros.h"
#include <stdbool.h>

#define RANDOM_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline int32_t random_int(uint64_t *state)
{
    uint64_t z = *state += RANDOM_STEP;

    z = (z ^ z >> 33) * UINT64_C(0x62a9d9ed799705f5);
    return (int32_t)((z ^ z >> 28) * UINT64_C(0xcb24d0a5c88c35b3) >> 32);
}

static inline uint64_t random_long(uint64_t *state)
{
    uint64_t z = *state += RANDOM_STEP;

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline double random_double(uint64_t *state)
{
    return (double)(random_long(state) >> 11) * 0x1.0p-53;
}

/* A bound, and its reciprocal, by which a remainder costs two multiplications. */
struct random_bound {
    uint32_t n; /* > 0 */
    bool is_power_of_two;
    uint64_t reciprocal; /* 2^64 / n, rounded up */
};

static inline struct random_bound random_bound_of(uint32_t n)
{
    return (struct random_bound){n, (n & (n - 1)) == 0, UINT64_MAX / n + 1};
}

/* Exact for all 32-bit numbers. */
static inline uint32_t random_remainder(uint32_t u, const struct random_bound *b)
{
    return (uint32_t)((unsigned __int128)(b->reciprocal * u) * b->n >> 64);
}

/* In [0, n).  Draws again where the last numbers of the range would be uneven, once in 2^31 / n times. */
static inline uint32_t random_below(uint64_t *state, const struct random_bound *b)
{
    uint32_t r = (uint32_t)random_int(state);

    if (b->is_power_of_two) {
        return r & (b->n - 1);
    }
    for (;;) {
        uint32_t u = r >> 1;
        r = random_remainder(u, b);
        if (LIKELY((int32_t)(u + (b->n - 1) - r) >= 0)) {
            return r;
        }
        r = (uint32_t)random_int(state);
    }
}

#endif
