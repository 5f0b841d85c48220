/* Comparison of batches by value: tests, and checks of round trips.  Floating-point cells are compared
 * by their bits, cells under NULL not at all. */
#include "engine/data/batch.h"

static bool cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                        uint32_t row_b);

static bool ranges_equal(const struct column *a, uint32_t row_a, const struct column *b,
                         uint32_t row_b)
{
    const int32_t *oa = COLUMN_VALUES(a, const int32_t) + row_a;
    const int32_t *ob = COLUMN_VALUES(b, const int32_t) + row_b;
    int32_t n = oa[1] - oa[0];
    if (n != ob[1] - ob[0]) {
        return false;
    }
    for (uint32_t k = 0; k < a->n_children; k++) {
        for (int32_t i = 0; i < n; i++) {
            if (!cells_equal(&a->children[k], (uint32_t)(oa[0] + i), &b->children[k],
                             (uint32_t)(ob[0] + i))) {
                return false;
            }
        }
    }
    return true;
}

static bool cells_equal(const struct column *a, uint32_t row_a, const struct column *b,
                        uint32_t row_b)
{
    bool null = column_is_null(a, row_a);
    if (null || column_is_null(b, row_b)) {
        return null && column_is_null(b, row_b);
    }
    uint32_t width = a->type->width;
    switch (a->type->layout) {
    case LAYOUT_NULL:
        return true;
    case LAYOUT_BIT:
        return column_get_bool(a, row_a) == column_get_bool(b, row_b);
    case LAYOUT_VIEW:
        return slice_eq(column_get_bytes(a, row_a), column_get_bytes(b, row_b));
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        return ranges_equal(a, row_a, b, row_b);
    case LAYOUT_STRUCT:
        for (uint32_t i = 0; i < a->n_children; i++) {
            if (!cells_equal(&a->children[i], row_a, &b->children[i], row_b)) {
                return false;
            }
        }
        return true;
    default:
        return memcmp(a->values->data + (size_t)row_a * width,
                      b->values->data + (size_t)row_b * width, width) == 0;
    }
}

static uint8_t kind_of(const struct batch *b, uint32_t row)
{
    return b->row_kinds != NULL ? b->row_kinds->data[row] : (uint8_t)ROW_KIND_INSERT;
}

static int64_t timestamp_of(const struct batch *b, uint32_t row)
{
    return b->timestamps != NULL ? ((const int64_t *)(const void *)b->timestamps->data)[row]
                                 : BATCH_NO_TIMESTAMP;
}

bool batch_equals(const struct batch *a, const struct batch *b)
{
    if (!schema_equals(a->schema, b->schema) || a->n_sel != b->n_sel) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_sel; i++) {
        uint32_t row_a = batch_row(a, i);
        uint32_t row_b = batch_row(b, i);
        if (kind_of(a, row_a) != kind_of(b, row_b) ||
            timestamp_of(a, row_a) != timestamp_of(b, row_b)) {
            return false;
        }
        for (uint32_t c = 0; c < a->n_columns; c++) {
            if (!cells_equal(&a->columns[c], row_a, &b->columns[c], row_b)) {
                return false;
            }
        }
    }
    return true;
}
