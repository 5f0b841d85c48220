/* Sums, minima and maxima of one field of records, and minBy and maxBy: what rolling aggregates and those of
 * windows share.
 *
 * Integer sums wrap around; doubles compare as Java's, strings by bytes.  NULL counts for nothing in sum, min
 * and max; minBy and maxBy prefer any value to it.
 * Thread: any; nothing is kept.  Flink: SumAggregator, ComparableAggregator. */
#ifndef FLINC_ENGINE_OPERATORS_RECORD_FOLD_H
#define FLINC_ENGINE_OPERATORS_RECORD_FOLD_H

#include "engine/state/record.h"
#include "proto/operators.pb-c.h"

struct record_fold {
    Flinc__AggregateKind kind; /* not reduce */
    struct record_field field;
    bool first; /* minBy, maxBy: the first of equals stays */
};

static inline bool record_field_is_null(const struct record_field *f, const char *record)
{
    return f->null_offset != RECORD_NEVER_NULL && record[f->null_offset] != 0;
}
/* As Java's compareTo: numbers by value, doubles by their total order; strings by bytes. */
int record_field_compare(enum type_layout layout, const char *a, const char *b);
/* Adds the field of `record` to that of `kept`; neither is NULL. */
void record_field_add(const struct record_field *f, char *kept, const char *record);
/* minBy, maxBy: whether `record` takes the place of `kept`. */
bool record_fold_is_better(const struct record_fold *fold, const char *kept, const char *record);
/* Folds a record of `size` bytes into `kept`, which borrows strings of the records folded. */
void record_fold_add(const struct record_fold *fold, uint32_t size, char *kept, const char *record);

/* Java's order of doubles: -0.0 below 0.0, NaN above all. */
static inline int64_t order_of_f64(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v == v ? bits : INT64_C(0x7ff8000000000000);
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}
static inline int64_t order_of_f32(float v)
{
    /* Widening keeps the order. */
    return order_of_f64((double)v);
}

#endif
