/* Sums, minima and maxima of one field of records. */
#include "engine/operators/record_fold.h"

#include "common/base/str.h"

#define COMPARE_AS(ctype)         \
    do {                          \
        ctype x, y;               \
        memcpy(&x, a, sizeof(x)); \
        memcpy(&y, b, sizeof(y)); \
        return (x > y) - (x < y); \
    } while (0)

int record_field_compare(enum type_layout layout, const char *a, const char *b)
{
    switch (layout) {
    case LAYOUT_BIT:
        COMPARE_AS(uint8_t);
    case LAYOUT_I8:
        COMPARE_AS(int8_t);
    case LAYOUT_I16:
        COMPARE_AS(int16_t);
    case LAYOUT_I32:
        COMPARE_AS(int32_t);
    case LAYOUT_I64:
        COMPARE_AS(int64_t);
    case LAYOUT_I128:
        COMPARE_AS(__int128);
    case LAYOUT_F32: {
        float x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return (order_of_f32(x) > order_of_f32(y)) - (order_of_f32(x) < order_of_f32(y));
    }
    case LAYOUT_F64: {
        double x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return (order_of_f64(x) > order_of_f64(y)) - (order_of_f64(x) < order_of_f64(y));
    }
    case LAYOUT_TS_NANO: {
        struct ts_nano x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        int c = (x.millis > y.millis) - (x.millis < y.millis);
        return c != 0 ? c : (x.nanos > y.nanos) - (x.nanos < y.nanos);
    }
    default: {
        flinc_string x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return slice_compare(slice_make(x.data, x.len), slice_make(y.data, y.len));
    }
    }
}

void record_field_add(const struct record_field *f, char *kept, const char *record)
{
    char *to = kept + f->offset;
    const char *from = record + f->offset;
    if (f->layout == LAYOUT_F32 || f->layout == LAYOUT_F64) {
        if (f->layout == LAYOUT_F32) {
            float x, y;
            memcpy(&x, to, sizeof(x));
            memcpy(&y, from, sizeof(y));
            x += y;
            memcpy(to, &x, sizeof(x));
        } else {
            double x, y;
            memcpy(&x, to, sizeof(x));
            memcpy(&y, from, sizeof(y));
            x += y;
            memcpy(to, &x, sizeof(x));
        }
        return;
    }
    /* The low bytes of a sum do not depend on the high ones: little-endian words of the width. */
    uint64_t x = 0, y = 0;
    memcpy(&x, to, f->width);
    memcpy(&y, from, f->width);
    x += y;
    memcpy(to, &x, f->width);
}

bool record_fold_is_better(const struct record_fold *fold, const char *kept, const char *record)
{
    const struct record_field *f = &fold->field;
    bool record_null = record_field_is_null(f, record), kept_null = record_field_is_null(f, kept);
    int c;
    if (record_null || kept_null) {
        c = kept_null - record_null;
    } else {
        c = record_field_compare(f->layout, record + f->offset, kept + f->offset);
        c = fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY ? -c : c;
    }
    return c > 0 || (c == 0 && !fold->first);
}

/* sum, min, max: the field alone. */
static void fold_field(const struct record_fold *fold, char *kept, const char *record)
{
    const struct record_field *f = &fold->field;
    if (record_field_is_null(f, record)) {
        return;
    }
    bool take = record_field_is_null(f, kept);
    if (!take && fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_SUM) {
        record_field_add(f, kept, record);
        return;
    }
    if (!take) {
        int c = record_field_compare(f->layout, record + f->offset, kept + f->offset);
        take = fold->kind == FLINC__AGGREGATE_KIND__AGGREGATE_MIN ? c < 0 : c > 0;
    }
    if (take) {
        memcpy(kept + f->offset, record + f->offset, f->width);
        if (f->null_offset != RECORD_NEVER_NULL) {
            kept[f->null_offset] = 0;
        }
    }
}

void record_fold_add(const struct record_fold *fold, uint32_t size, char *kept, const char *record)
{
    switch (fold->kind) {
    case FLINC__AGGREGATE_KIND__AGGREGATE_MIN_BY:
    case FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY:
        if (record_fold_is_better(fold, kept, record)) {
            memcpy(kept, record, size);
        }
        return;
    default:
        fold_field(fold, kept, record);
    }
}
