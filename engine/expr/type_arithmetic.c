/* What arithmetic yields; see type_rules.h.  Thread: any. */
#include "engine/expr/type_inside.h"
#include <stdio.h>

enum {
    SCALE_KEPT = 6, /* digits behind the point that stay when a decimal is cut to 38 */
};

struct data_type *type_decimal_adjusted(int32_t precision, int32_t scale, bool nullable)
{
    if (precision > TYPE_PRECISION_MAX) {
        int32_t digits = precision - scale, kept = MIN(scale, (int32_t)SCALE_KEPT);
        scale = MAX(TYPE_PRECISION_MAX - digits, kept);
        precision = TYPE_PRECISION_MAX;
    }
    return type_new_precision(TYPE_DECIMAL, precision, scale, nullable);
}

static struct data_type *decimal_arithmetic(enum type_arithmetic op, const struct data_type *a,
                                            const struct data_type *b, bool nullable)
{
    int32_t p1, s1, p2, s2, precision, scale;
    type_decimal_of(a, &p1, &s1);
    type_decimal_of(b, &p2, &s2);
    switch (op) {
    case TYPE_PLUS:
    case TYPE_MINUS:
        scale = MAX(s1, s2);
        precision = MAX(p1 - s1, p2 - s2) + scale + 1;
        break;
    case TYPE_TIMES:
        scale = s1 + s2;
        precision = p1 + p2 + 1;
        break;
    case TYPE_DIVIDE:
        scale = MAX(6, s1 + p2 + 1);
        precision = p1 - s1 + s2 + scale;
        break;
    default:
        if (s1 == 0 && s2 == 0) {
            return type_with_nullable(b, nullable);
        }
        scale = MAX(s1, s2);
        precision = MIN(p1 - s1, p2 - s2) + scale;
        break;
    }
    return type_decimal_adjusted(precision, scale, nullable);
}

static struct data_type *number_arithmetic(enum type_arithmetic op, const struct data_type *a,
                                           const struct data_type *b, bool nullable)
{
    if (type_is_approximate(a) || type_is_approximate(b)) {
        bool is_float = a->id != TYPE_DOUBLE && b->id != TYPE_DOUBLE && a->id != TYPE_DECIMAL &&
                        b->id != TYPE_DECIMAL;
        return type_new(is_float ? TYPE_FLOAT : TYPE_DOUBLE, nullable);
    }
    if (a->id == TYPE_DECIMAL || b->id == TYPE_DECIMAL) {
        return decimal_arithmetic(op, a, b, nullable);
    }
    return op == TYPE_MODULO ? type_with_nullable(b, nullable)
                             : type_new(MAX(a->id, b->id), nullable);
}

/* Intervals with datetimes, with each other and with numbers; NULL: there is no such operation. */
static struct data_type *interval_arithmetic(enum type_arithmetic op, const struct data_type *a,
                                             const struct data_type *b, bool nullable)
{
    bool is_sum = op == TYPE_PLUS || op == TYPE_MINUS;
    if (is_sum && type_is_datetime(a) && type_is_interval(b)) {
        return type_with_nullable(a, nullable);
    }
    if (op == TYPE_PLUS && type_is_interval(a) && type_is_datetime(b)) {
        return type_with_nullable(b, nullable);
    }
    if (is_sum && type_is_interval(a) && a->id == b->id) {
        return type_merge_intervals(a, b);
    }
    if ((op == TYPE_TIMES || op == TYPE_DIVIDE) && type_is_interval(a) && type_is_numeric(b)) {
        return type_with_nullable(a, nullable);
    }
    if (op == TYPE_TIMES && type_is_numeric(a) && type_is_interval(b)) {
        return type_with_nullable(b, nullable);
    }
    return NULL;
}

int type_of_arithmetic(enum type_arithmetic op, const struct data_type *a,
                       const struct data_type *b, struct data_type **ret, struct error *err)
{
    static const char *const signs[] = {"+", "-", "*", "/", "%"};
    /* NULL takes the type of the other side. */
    const struct data_type *left = a->id == TYPE_NULL ? b : a, *right = b->id == TYPE_NULL ? a : b;
    bool nullable = a->nullable || b->nullable;
    if (type_is_numeric(left) && type_is_numeric(right)) {
        *ret = number_arithmetic(op, left, right, nullable);
        return 0;
    }
    struct data_type *found = interval_arithmetic(op, left, right, nullable);
    if (found == NULL) {
        char what[40];
        snprintf(what, sizeof(what), "There is no operation \"%s\"", signs[op]);
        return type_pair_error(what, a, b, err);
    }
    *ret = found;
    return 0;
}

int type_of_concat(const struct data_type *a, const struct data_type *b, struct data_type **ret,
                   struct error *err)
{
    bool are_strings = type_is_string(a) && type_is_string(b),
         are_bytes = type_is_binary(a) && type_is_binary(b);
    if (!are_strings && !are_bytes) {
        return type_pair_error("There is no operation \"||\"", a, b, err);
    }
    bool is_fixed = (a->id == TYPE_CHAR && b->id == TYPE_CHAR) ||
                    (a->id == TYPE_BINARY && b->id == TYPE_BINARY);
    enum type_id id = are_strings ? (is_fixed ? TYPE_CHAR : TYPE_VARCHAR)
                                  : (is_fixed ? TYPE_BINARY : TYPE_VARBINARY);
    int64_t length = (int64_t)a->length + b->length;
    *ret = type_new_sized(id, (int32_t)MIN(length, (int64_t)TYPE_LENGTH_MAX),
                          a->nullable || b->nullable);
    return 0;
}

int type_of_aggregate(enum type_aggregate agg, const struct data_type *argument,
                      struct data_type **ret, struct error *err)
{
    if (!type_is_numeric(argument)) {
        STR_AUTO text = STR_INIT;
        type_print(argument, &text);
        return error_set(err, ERR_INVALID_ARGUMENT, "%s takes a number, not %s",
                         agg == TYPE_SUM ? "SUM" : "AVG", str_cstr(&text));
    }
    if (argument->id != TYPE_DECIMAL) {
        *ret = type_with_nullable(argument, true);
    } else {
        int32_t scale =
            agg == TYPE_SUM ? argument->scale : MAX(argument->scale, (int32_t)SCALE_KEPT);
        *ret = type_new_precision(TYPE_DECIMAL, TYPE_PRECISION_MAX, scale, true);
    }
    return 0;
}
