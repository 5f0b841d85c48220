/* Families, and what types have in common; see type_rules.h.  Arithmetic is in type_arithmetic.c, casts in type_cast.c.
 * Thread: any. */
#include "engine/expr/type_inside.h"

/* ---- families ------------------------------------------------------------------------------------- */

bool type_is_integer(const struct data_type *t)
{
    return t->id >= TYPE_TINYINT && t->id <= TYPE_BIGINT;
}

bool type_is_exact(const struct data_type *t)
{
    return t->id == TYPE_DECIMAL || type_is_integer(t);
}

bool type_is_approximate(const struct data_type *t)
{
    return t->id == TYPE_FLOAT || t->id == TYPE_DOUBLE;
}

bool type_is_numeric(const struct data_type *t)
{
    return type_is_exact(t) || type_is_approximate(t);
}

bool type_is_string(const struct data_type *t)
{
    return t->id == TYPE_CHAR || t->id == TYPE_VARCHAR;
}

bool type_is_binary(const struct data_type *t)
{
    return t->id == TYPE_BINARY || t->id == TYPE_VARBINARY;
}

bool type_is_timestamp(const struct data_type *t)
{
    return t->id == TYPE_TIMESTAMP || t->id == TYPE_TIMESTAMP_LTZ;
}

bool type_is_datetime(const struct data_type *t)
{
    return t->id == TYPE_DATE || t->id == TYPE_TIME || type_is_timestamp(t);
}

bool type_is_interval(const struct data_type *t)
{
    return t->id == TYPE_INTERVAL_YEAR_MONTH || t->id == TYPE_INTERVAL_DAY_TIME;
}

bool type_is_constructed(const struct data_type *t)
{
    return t->id == TYPE_ARRAY || t->id == TYPE_MAP || t->id == TYPE_MULTISET || t->id == TYPE_ROW;
}

void type_decimal_of(const struct data_type *t, int32_t *ret_precision, int32_t *ret_scale)
{
    static const int32_t digits[] = {
        [TYPE_TINYINT] = 3, [TYPE_SMALLINT] = 5, [TYPE_INTEGER] = 10, [TYPE_BIGINT] = 19};
    ASSERT(type_is_exact(t));
    *ret_precision = t->id == TYPE_DECIMAL ? t->precision : digits[t->id];
    *ret_scale = t->id == TYPE_DECIMAL ? t->scale : 0;
}

int type_pair_error(const char *what, const struct data_type *a, const struct data_type *b,
                    struct error *err)
{
    STR_AUTO left = STR_INIT, right = STR_INIT;
    type_print(a, &left);
    type_print(b, &right);
    return error_set(err, ERR_INVALID_ARGUMENT, "%s of %s and %s", what, str_cstr(&left),
                     str_cstr(&right));
}

/* ---- least restrictive types ------------------------------------------------------------------------ */

/* Any of them nullable. */
static bool either_nullable(const struct data_type *a, const struct data_type *b)
{
    return a->nullable || b->nullable;
}

/* CHAR of one length stays CHAR; else the longest VARCHAR.  Bytes likewise. */
static struct data_type *merge_sized(const struct data_type *a, const struct data_type *b,
                                     enum type_id fixed, enum type_id varying)
{
    bool stays_fixed = a->id == fixed && b->id == fixed && a->length == b->length;
    return type_new_sized(stays_fixed ? fixed : varying, MAX(a->length, b->length),
                          either_nullable(a, b));
}

static struct data_type *merge_numeric(const struct data_type *a, const struct data_type *b)
{
    bool nullable = either_nullable(a, b);
    if (type_is_integer(a) && type_is_integer(b)) {
        return type_new(MAX(a->id, b->id), nullable);
    }
    if (type_is_exact(a) && type_is_exact(b)) {
        int32_t p1, s1, p2, s2;
        type_decimal_of(a, &p1, &s1);
        type_decimal_of(b, &p2, &s2);
        int32_t digits = MAX(p1 - s1, p2 - s2);
        digits = MIN(digits, (int32_t)TYPE_PRECISION_MAX);
        int32_t room = TYPE_PRECISION_MAX - digits, scale = MAX(s1, s2);
        scale = MIN(scale, room);
        return type_new_precision(TYPE_DECIMAL, digits + scale, scale, nullable);
    }
    bool is_float = a->id != TYPE_DOUBLE && b->id != TYPE_DOUBLE && a->id != TYPE_DECIMAL &&
                    b->id != TYPE_DECIMAL;
    return type_new(is_float ? TYPE_FLOAT : TYPE_DOUBLE, nullable);
}

/* TIME, timestamps: the higher precision; a zone wins. */
static struct data_type *merge_times(const struct data_type *a, const struct data_type *b)
{
    enum type_id id =
        a->id == TYPE_TIMESTAMP_LTZ || b->id == TYPE_TIMESTAMP_LTZ ? TYPE_TIMESTAMP_LTZ : a->id;
    return type_new_precision(id, MAX(a->precision, b->precision), 0, either_nullable(a, b));
}

static const struct {
    uint8_t first, last; /* 0 years and months; days 0 to seconds 3 */
} fields_of[] = {
    [INTERVAL_YEAR] = {0, 0},           [INTERVAL_YEAR_TO_MONTH] = {0, 1},
    [INTERVAL_MONTH] = {1, 1},          [INTERVAL_DAY] = {0, 0},
    [INTERVAL_DAY_TO_HOUR] = {0, 1},    [INTERVAL_DAY_TO_MINUTE] = {0, 2},
    [INTERVAL_DAY_TO_SECOND] = {0, 3},  [INTERVAL_HOUR] = {1, 1},
    [INTERVAL_HOUR_TO_MINUTE] = {1, 2}, [INTERVAL_HOUR_TO_SECOND] = {1, 3},
    [INTERVAL_MINUTE] = {2, 2},         [INTERVAL_MINUTE_TO_SECOND] = {2, 3},
    [INTERVAL_SECOND] = {3, 3},
};
_Static_assert(ARRAY_LEN(fields_of) == INTERVAL_RESOLUTION_COUNT, "fields for each resolution");

struct data_type *type_merge_intervals(const struct data_type *a, const struct data_type *b)
{
    int first = MIN(fields_of[a->resolution].first, fields_of[b->resolution].first);
    int last = MAX(fields_of[a->resolution].last, fields_of[b->resolution].last);
    int from = a->id == TYPE_INTERVAL_YEAR_MONTH ? INTERVAL_YEAR : INTERVAL_DAY;
    int to = a->id == TYPE_INTERVAL_YEAR_MONTH ? INTERVAL_MONTH : INTERVAL_SECOND;
    enum interval_resolution resolution = a->resolution;
    for (int r = from; r <= to; r++) {
        if (fields_of[r].first == first && fields_of[r].last == last) {
            resolution = (enum interval_resolution)r;
        }
    }
    return type_new_interval(resolution, MAX(a->precision, b->precision), MAX(a->scale, b->scale),
                             either_nullable(a, b));
}

/* The array alone: its items have gone into a type, or back. */
static void free_children(struct data_type ***children)
{
    mem_free(*children);
}

static int merge_children(const struct data_type *a, const struct data_type *b,
                          struct data_type **ret)
{
    if (a->n_children != b->n_children) {
        return ERR_INVALID_ARGUMENT;
    }
    CLEANUP(free_children)
    struct data_type **children = MEM_NEW_ARRAY(struct data_type *, a->n_children + 1);
    uint32_t n = 0;
    for (; n < a->n_children; n++) {
        if (type_merge(a->children[n], b->children[n], &children[n]) < 0) {
            while (n > 0) {
                type_unref(children[--n]);
            }
            return ERR_INVALID_ARGUMENT;
        }
    }
    bool nullable = either_nullable(a, b);
    switch (a->id) {
    case TYPE_ARRAY:
        *ret = type_new_array(children[0], nullable);
        break;
    case TYPE_MULTISET:
        *ret = type_new_multiset(children[0], nullable);
        break;
    case TYPE_MAP:
        *ret = type_new_map(children[0], children[1], nullable);
        break;
    default:
        *ret = type_new_row(children, (const char *const *)a->names, n, nullable);
        break;
    }
    return 0;
}

int type_merge(const struct data_type *a, const struct data_type *b, struct data_type **ret)
{
    if (a->id == TYPE_NULL || b->id == TYPE_NULL) {
        *ret = type_with_nullable(a->id == TYPE_NULL ? b : a, true);
    } else if (type_is_string(a) && type_is_string(b)) {
        *ret = merge_sized(a, b, TYPE_CHAR, TYPE_VARCHAR);
    } else if (type_is_binary(a) && type_is_binary(b)) {
        *ret = merge_sized(a, b, TYPE_BINARY, TYPE_VARBINARY);
    } else if (type_is_numeric(a) && type_is_numeric(b)) {
        *ret = merge_numeric(a, b);
    } else if ((type_is_timestamp(a) && type_is_timestamp(b)) ||
               (a->id == TYPE_TIME && b->id == TYPE_TIME)) {
        *ret = merge_times(a, b);
    } else if (type_is_interval(a) && a->id == b->id) {
        *ret = type_merge_intervals(a, b);
    } else if (type_is_constructed(a) && a->id == b->id) {
        return merge_children(a, b, ret);
    } else {
        struct data_type *same = type_with_nullable(a, b->nullable);
        bool is_same = type_equals(same, b);
        type_unref(same);
        if (!is_same) {
            return ERR_INVALID_ARGUMENT;
        }
        *ret = type_with_nullable(a, either_nullable(a, b));
    }
    return 0;
}

int type_of_all(const struct data_type *const *types, size_t n, struct data_type **ret,
                struct error *err)
{
    struct data_type *merged = NULL;
    for (size_t i = 0; i < n; i++) {
        struct data_type *next = NULL;
        if (merged == NULL) {
            merged = type_with_nullable(types[i], types[i]->nullable);
            continue;
        }
        if (type_merge(merged, types[i], &next) < 0) {
            int rc = type_pair_error("Could not find a common type", merged, types[i], err);
            type_unref(merged);
            return rc;
        }
        type_unref(merged);
        merged = next;
    }
    if (merged == NULL || merged->id == TYPE_NULL) {
        type_unref(merged);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "All values are NULL without a type: CAST(NULL AS type) gives one");
    }
    *ret = merged;
    return 0;
}

/* ---- comparisons -------------------------------------------------------------------------------------- */

int type_of_comparison(const struct data_type *a, const struct data_type *b, bool is_order,
                       struct data_type **ret, struct error *err)
{
    if (is_order && (type_is_constructed(a) || type_is_constructed(b) || a->id == TYPE_RAW ||
                     b->id == TYPE_RAW)) {
        return type_pair_error("There is no order", a, b, err);
    }
    /* Text is read as what it is compared with. */
    bool a_is_text = type_is_string(a) && (type_is_datetime(b) || b->id == TYPE_BOOLEAN);
    bool b_is_text = type_is_string(b) && (type_is_datetime(a) || a->id == TYPE_BOOLEAN);
    if (a_is_text || b_is_text) {
        *ret = type_with_nullable(a_is_text ? b : a, either_nullable(a, b));
        return 0;
    }
    if ((a->id == TYPE_DATE && type_is_timestamp(b)) ||
        (b->id == TYPE_DATE && type_is_timestamp(a))) {
        *ret = type_with_nullable(a->id == TYPE_DATE ? b : a, either_nullable(a, b));
        return 0;
    }
    if (type_is_timestamp(a) && type_is_timestamp(b) && a->id != b->id) {
        /* The kind of the side with more digits; the zoned one when they have as many. */
        const struct data_type *kind = a->precision > b->precision   ? a
                                       : b->precision > a->precision ? b
                                       : a->id == TYPE_TIMESTAMP_LTZ ? a
                                                                     : b;
        *ret = type_with_nullable(kind, either_nullable(a, b));
        return 0;
    }
    if ((type_is_string(a) && type_is_numeric(b)) || (type_is_string(b) && type_is_numeric(a))) {
        STR_AUTO left = STR_INIT, right = STR_INIT;
        type_print(a, &left);
        type_print(b, &right);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "implicit type conversion between %s and %s is not supported now",
                         str_cstr(&left), str_cstr(&right));
    }
    return type_merge(a, b, ret) == 0 ? 0 : type_pair_error("There is no comparison", a, b, err);
}
