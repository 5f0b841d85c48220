/* Sorting rows by time: a radix sort of up to a batch of rows.  Inside timers/. */
#ifndef FLINC_ENGINE_STATE_TIMERS_TIMER_SORT_H
#define FLINC_ENGINE_STATE_TIMERS_TIMER_SORT_H

#include "engine/data/batch.h"

/* Two pairs of arrays of BATCH_ROWS_MAX; the sorted pairs end up in one of them. */
struct timer_sort {
    uint64_t keys[2][BATCH_ROWS_MAX];
    uint16_t rows[2][BATCH_ROWS_MAX];
};

/* The numbers 0..n-1 in order of `times_ms` of them, equals as they came.  Good until the next call. */
const uint16_t *timer_sort_rows(struct timer_sort *s, const int64_t *times_ms, uint32_t n);

#endif
