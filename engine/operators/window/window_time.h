/* Arithmetic of time windows, as Flink's TimeWindow has it: [start, end), maxTimestamp = end - 1.
 *
 * Thread: any. */
#ifndef FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_TIME_H
#define FLINC_ENGINE_OPERATORS_WINDOW_WINDOW_TIME_H

#include <stdint.h>

/* Sums that stay inside int64, so that the end of time is never passed. */
static inline int64_t time_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) {
        return b > 0 ? INT64_MAX : INT64_MIN;
    }
    return sum;
}

/* Start of the window of `size` that holds `ts`.  Flink: TimeWindow.getWindowStartWithOffset, right for
 * times before 1970 too. */
static inline int64_t window_start(int64_t ts, int64_t offset, int64_t size)
{
    int64_t rest = time_add(ts, -offset) % size;
    return time_add(ts, -(rest < 0 ? rest + size : rest));
}

static inline int64_t gcd64(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
