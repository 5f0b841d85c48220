/* The ranges of types, as Flink's constructors check them: for types that come from outside. */
#include "engine/data/type.h"
#include <stdlib.h>

/* Inclusive ranges of Flink's logical types. */
enum {
    TIME_PRECISION_MAX = 9,
    YEAR_DIGITS_MAX = 4,
    DAY_DIGITS_MAX = 6,
    INTERVAL_FRACTION_MAX = 9,
};

static int check_range(const struct data_type *t, const char *what, int32_t value, int32_t min,
                       int32_t max, struct error *err)
{
    if (value < min || value > max) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s of %s must be between %d and %d, not %d",
                         what, type_id_name(t->id), min, max, value);
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_row_names(const struct data_type *t, struct error *err)
{
    char **sorted = MEM_NEW_ARRAY(char *, t->n_children + 1);
    int rc = 0;
    for (uint32_t i = 0; i < t->n_children; i++) {
        sorted[i] = t->names[i];
        if (sorted[i][0] == '\0') {
            rc = error_set(err, ERR_INVALID_ARGUMENT, "field %u of ROW has an empty name", i + 1);
            goto out;
        }
    }
    qsort(sorted, t->n_children, sizeof(*sorted), compare_names);
    for (uint32_t i = 1; i < t->n_children; i++) {
        if (strcmp(sorted[i - 1], sorted[i]) == 0) {
            rc = error_set(err, ERR_INVALID_ARGUMENT, "field '%s' is twice in ROW", sorted[i]);
            goto out;
        }
    }
out:
    mem_free(sorted);
    return rc;
}

static int validate_at(const struct data_type *t, uint32_t depth, struct error *err)
{
    if (depth > TYPE_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE, "types nest deeper than %d levels", TYPE_DEPTH_MAX);
    }
    switch (t->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return check_range(t, "length", t->length, 1, TYPE_LENGTH_MAX, err);
    case TYPE_DECIMAL:
        TRY(check_range(t, "precision", t->precision, 1, TYPE_PRECISION_MAX, err));
        return check_range(t, "scale", t->scale, 0, t->precision, err);
    case TYPE_TIME:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return check_range(t, "precision", t->precision, 0, TIME_PRECISION_MAX, err);
    case TYPE_INTERVAL_YEAR_MONTH:
        return check_range(t, "year precision", t->precision, 1, YEAR_DIGITS_MAX, err);
    case TYPE_INTERVAL_DAY_TIME:
        TRY(check_range(t, "day precision", t->precision, 1, DAY_DIGITS_MAX, err));
        return check_range(t, "fractional precision", t->scale, 0, INTERVAL_FRACTION_MAX, err);
    case TYPE_ROW:
        if (t->n_children > TYPE_CHILDREN_MAX) {
            return error_set(err, ERR_TOO_LARGE, "ROW has %u fields, at most %d are possible",
                             t->n_children, TYPE_CHILDREN_MAX);
        }
        TRY(check_row_names(t, err));
        break;
    default:
        break;
    }
    for (uint32_t i = 0; i < t->n_children; i++) {
        TRY(validate_at(t->children[i], depth + 1, err));
    }
    return 0;
}

int type_validate(const struct data_type *t, struct error *err)
{
    return validate_at(t, 1, err);
}
