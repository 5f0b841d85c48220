/* Sorting rows by time.  Times of a batch lie close together, so that two or three passes over digits of
 * eleven bits do; what is in order already is left alone.  Thread: one owner. */
#include "engine/state/timers/timer_sort.h"

enum {
    DIGIT_BITS = 11,
    DIGITS = 1 << DIGIT_BITS,
    INSERTION_ROWS = 48, /* below, counting digits costs more than it saves */
};

static void insertion_sort(uint64_t *keys, uint16_t *rows, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        uint16_t row = rows[i];
        uint32_t k = i;
        for (; k > 0 && keys[k - 1] > key; k--) {
            keys[k] = keys[k - 1];
            rows[k] = rows[k - 1];
        }
        keys[k] = key;
        rows[k] = row;
    }
}

static void radix_pass(struct timer_sort *s, uint32_t from, uint32_t n, uint32_t shift)
{
    uint32_t starts[DIGITS] = {0};
    const uint64_t *keys = s->keys[from];
    const uint16_t *rows = s->rows[from];
    uint64_t *to_keys = s->keys[1 - from];
    uint16_t *to_rows = s->rows[1 - from];
    for (uint32_t i = 0; i < n; i++) {
        starts[(keys[i] >> shift) % DIGITS]++;
    }
    uint32_t sum = 0;
    for (uint32_t d = 0; d < DIGITS; d++) {
        uint32_t count = starts[d];
        starts[d] = sum;
        sum += count;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t to = starts[(keys[i] >> shift) % DIGITS]++;
        to_keys[to] = keys[i];
        to_rows[to] = rows[i];
    }
}

const uint16_t *timer_sort_rows(struct timer_sort *s, const int64_t *times_ms, uint32_t n)
{
    uint64_t lowest = UINT64_MAX, highest = 0;
    bool sorted = true;
    ASSERT(n <= BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        /* In the order of unsigned numbers. */
        uint64_t key = (uint64_t)times_ms[i] ^ UINT64_C(1) << 63;
        sorted = sorted && key >= highest;
        lowest = MIN(lowest, key);
        highest = MAX(highest, key);
        s->keys[0][i] = key;
        s->rows[0][i] = (uint16_t)i;
    }
    if (sorted) {
        return s->rows[0];
    }
    if (n <= INSERTION_ROWS) {
        insertion_sort(s->keys[0], s->rows[0], n);
        return s->rows[0];
    }
    for (uint32_t i = 0; i < n; i++) {
        s->keys[0][i] -= lowest;
    }
    uint32_t from = 0;
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(highest - lowest);
    for (uint32_t shift = 0; shift < bits; shift += DIGIT_BITS) {
        radix_pass(s, from, n, shift);
        from = 1 - from;
    }
    return s->rows[from];
}
