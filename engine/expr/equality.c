/* Cells compared by layout. */
#include "engine/expr/equality.h"

#include <math.h>

static int compare_doubles(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return isnan(a) - isnan(b);
    }
    return (a > b) - (a < b);
}

static double real_at(const struct column *c, uint32_t row)
{
    return c->type->layout == LAYOUT_F32 ? COLUMN_VALUES(c, const float)[row]
                                         : COLUMN_VALUES(c, const double)[row];
}

int expr_cells_compare(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b)
{
    switch (a->type->layout) {
    case LAYOUT_BIT:
        return column_get_bool(a, row_a) - column_get_bool(b, row_b);
    case LAYOUT_F32:
    case LAYOUT_F64:
        return compare_doubles(real_at(a, row_a), real_at(b, row_b));
    case LAYOUT_VIEW:
        return slice_compare(column_get_bytes(a, row_a), column_get_bytes(b, row_b));
    case LAYOUT_I128: {
        const __int128 x = COLUMN_VALUES(a, const __int128)[row_a];
        const __int128 y = COLUMN_VALUES(b, const __int128)[row_b];
        return (x > y) - (x < y);
    }
    case LAYOUT_TS_NANO: {
        const struct ts_nano x = COLUMN_VALUES(a, const struct ts_nano)[row_a];
        const struct ts_nano y = COLUMN_VALUES(b, const struct ts_nano)[row_b];
        return x.millis != y.millis ? (x.millis < y.millis ? -1 : 1)
                                    : (x.nanos > y.nanos) - (x.nanos < y.nanos);
    }
    case LAYOUT_NULL:
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return expr_cells_equal(a, row_a, b, row_b) ? 0 : 1;
    default: {
        const int64_t x = column_get_int(a, row_a), y = column_get_int(b, row_b);
        return (x > y) - (x < y);
    }
    }
}

struct range {
    uint32_t from, n;
};

static struct range range_at(const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    return (struct range){(uint32_t)offsets[row], (uint32_t)(offsets[row + 1] - offsets[row])};
}

static bool lists_equal(const struct column *a, uint32_t row_a, const struct column *b,
                        uint32_t row_b)
{
    const struct range x = range_at(a, row_a), y = range_at(b, row_b);
    if (x.n != y.n) {
        return false;
    }
    for (uint32_t i = 0; i < x.n; i++) {
        if (!expr_cells_equal(&a->children[0], x.from + i, &b->children[0], y.from + i)) {
            return false;
        }
    }
    return true;
}

/* Keys are all different, so that it is enough to find each of one among the other's. */
static bool maps_equal(const struct column *a, uint32_t row_a, const struct column *b,
                       uint32_t row_b)
{
    const struct range x = range_at(a, row_a), y = range_at(b, row_b);
    if (x.n != y.n) {
        return false;
    }
    for (uint32_t i = 0; i < x.n; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < y.n && !is_there; k++) {
            const uint32_t j = (i + k) % y.n; /* mostly they are in one order */
            is_there = expr_cells_equal(&a->children[0], x.from + i, &b->children[0], y.from + j) &&
                       expr_cells_equal(&a->children[1], x.from + i, &b->children[1], y.from + j);
        }
        if (!is_there) {
            return false;
        }
    }
    return true;
}

bool expr_cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                      uint32_t row_b)
{
    const bool is_null = column_is_null(a, row_a);
    if (is_null || column_is_null(b, row_b)) {
        return is_null && column_is_null(b, row_b);
    }
    switch (a->type->layout) {
    case LAYOUT_NULL:
        return true;
    case LAYOUT_F32:
    case LAYOUT_F64:
        return real_at(a, row_a) == real_at(b, row_b);
    case LAYOUT_VIEW:
        return slice_eq(column_get_bytes(a, row_a), column_get_bytes(b, row_b));
    case LAYOUT_LIST:
        return lists_equal(a, row_a, b, row_b);
    case LAYOUT_MAP:
        return maps_equal(a, row_a, b, row_b);
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < a->n_children; i++) {
            if (!expr_cells_equal(&a->children[i], row_a, &b->children[i], row_b)) {
                return false;
            }
        }
        return true;
    default:
        return expr_cells_compare(a, row_a, b, row_b) == 0;
    }
}
