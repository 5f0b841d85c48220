/* Casts between numbers and booleans.  Integers wrap, floats saturate as Java's do, decimals that do not fit are NULL. */
#include "engine/functions/cast.h"

#include "engine/expr/type_rules.h"
#include "engine/values/decimal.h"

#include <math.h>

/* ---- integers and floats, pair by pair -------------------------------------------------------------- */

/* Java: to 64 or 32 bits with saturation, NaN is 0; then the low bits. */
static int64_t saturate(double v, double low, double high, int64_t least, int64_t most)
{
    if (isnan(v)) {
        return 0;
    }
    return v <= low ? least : v >= high ? most : (int64_t)v;
}
static int64_t double_to_long(double v)
{
    return saturate(v, -9223372036854775808.0, 9223372036854775808.0, INT64_MIN, INT64_MAX);
}
static int32_t double_to_int(double v)
{
    return (int32_t)saturate(v, -2147483648.0, 2147483647.0, INT32_MIN, INT32_MAX);
}

#define CAST_ROWS(f, from, to, convert)                                  \
    do {                                                                 \
        const from *restrict in = EXPR_VALUES((f)->args[0], const from); \
        to *restrict out = EXPR_VALUES((f)->out, to);                    \
        const bool moves = !(f)->args[0]->is_constant;                   \
        if ((f)->rows == NULL && moves) {                                \
            for (uint32_t i = 0; i < (f)->n; i++) {                      \
                out[i] = (to)convert(in[i]);                             \
            }                                                            \
        } else {                                                         \
            for (EXPR_ROWS(f, row)) {                                    \
                out[row] = (to)convert(in[moves ? row : 0]);             \
            }                                                            \
        }                                                                \
    } while (0)

#define CAST_KERNEL(name, from, to, convert)                 \
    static int name(struct expr_frame *f, struct error *err) \
    {                                                        \
        CAST_ROWS(f, from, to, convert);                     \
        return 0;                                            \
    }
#define CASTS_FROM_INTEGER(suffix, from)          \
    CAST_KERNEL(suffix##_to_i8, from, int8_t, )   \
    CAST_KERNEL(suffix##_to_i16, from, int16_t, ) \
    CAST_KERNEL(suffix##_to_i32, from, int32_t, ) \
    CAST_KERNEL(suffix##_to_i64, from, int64_t, ) \
    CAST_KERNEL(suffix##_to_f32, from, float, )   \
    CAST_KERNEL(suffix##_to_f64, from, double, )
#define CASTS_FROM_REAL(suffix, from)                           \
    CAST_KERNEL(suffix##_to_i8, from, int8_t, double_to_int)    \
    CAST_KERNEL(suffix##_to_i16, from, int16_t, double_to_int)  \
    CAST_KERNEL(suffix##_to_i32, from, int32_t, double_to_int)  \
    CAST_KERNEL(suffix##_to_i64, from, int64_t, double_to_long) \
    CAST_KERNEL(suffix##_to_f32, from, float, )                 \
    CAST_KERNEL(suffix##_to_f64, from, double, )
CASTS_FROM_INTEGER(i8, int8_t)
CASTS_FROM_INTEGER(i16, int16_t)
CASTS_FROM_INTEGER(i32, int32_t)
CASTS_FROM_INTEGER(i64, int64_t)
CASTS_FROM_REAL(f32, float)
CASTS_FROM_REAL(f64, double)

#define CASTS_OF(suffix)                                                \
    {                                                                   \
        [LAYOUT_I8] = suffix##_to_i8, [LAYOUT_I16] = suffix##_to_i16,   \
        [LAYOUT_I32] = suffix##_to_i32, [LAYOUT_I64] = suffix##_to_i64, \
        [LAYOUT_F32] = suffix##_to_f32, [LAYOUT_F64] = suffix##_to_f64  \
    }
static const expr_kernel kernels[][LAYOUT_F64 + 1] = {
    [LAYOUT_I8] = CASTS_OF(i8),   [LAYOUT_I16] = CASTS_OF(i16), [LAYOUT_I32] = CASTS_OF(i32),
    [LAYOUT_I64] = CASTS_OF(i64), [LAYOUT_F32] = CASTS_OF(f32), [LAYOUT_F64] = CASTS_OF(f64),
};

/* ---- decimals --------------------------------------------------------------------------------------- */

static int run_to_decimal(struct expr_frame *f, struct error *err)
{
    const struct cast_state *s = f->state;
    const struct decimal_type type = {s->to->precision, s->to->scale};
    for (EXPR_ROWS(f, row)) {
        __int128 v;
        bool fits;
        if (type_is_approximate(s->from)) {
            fits = decimal_from_double(expr_real(f, 0, row), type, &v);
        } else {
            const int32_t scale = s->from->id == TYPE_DECIMAL ? s->from->scale : 0;
            fits = decimal_rescale((struct decimal){expr_wide(f, 0, row), scale}, type, &v);
        }
        if (fits) {
            expr_put_wide(f, row, v);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int run_from_decimal(struct expr_frame *f, struct error *err)
{
    const struct cast_state *s = f->state;
    const bool is_real = type_is_approximate(s->to);
    for (EXPR_ROWS(f, row)) {
        const struct decimal v = {expr_wide(f, 0, row), s->from->scale};
        if (is_real) {
            expr_put_real(f, row, decimal_to_double(v));
        } else {
            expr_put_int(f, row, decimal_to_int64(v));
        }
    }
    return 0;
}

/* ---- booleans --------------------------------------------------------------------------------------- */

static int run_to_boolean(struct expr_frame *f, struct error *err)
{
    const struct data_type *from = f->args[0]->column.type;
    for (EXPR_ROWS(f, row)) {
        expr_put_bool(f, row,
                      type_is_approximate(from) ? expr_real(f, 0, row) != 0
                                                : expr_wide(f, 0, row) != 0);
    }
    return 0;
}

static int run_from_boolean(struct expr_frame *f, struct error *err)
{
    const struct cast_state *s = f->state;
    const bool is_decimal = s->to->id == TYPE_DECIMAL;
    const __int128 one = is_decimal ? decimal_power(s->to->scale) : 1;
    for (EXPR_ROWS(f, row)) {
        const __int128 v = expr_bool(f, 0, row) ? one : 0;
        if (is_decimal && v != 0 && s->to->precision == s->to->scale) {
            expr_set_null(f, row); /* there is no 1 among these decimals */
        } else if (type_is_approximate(s->to)) {
            expr_put_real(f, row, (double)v);
        } else if (is_decimal) {
            expr_put_wide(f, row, v);
        } else {
            expr_put_int(f, row, (int64_t)v);
        }
    }
    return 0;
}

/* Types that differ in parameters alone, with one layout and one meaning: the cell as it is. */
static int run_same(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_arg(f, row, 0);
    }
    return 0;
}

void functions_bind_cast_numbers(struct expr_binding *b, const struct cast_state *s)
{
    const struct data_type *from = s->from, *to = s->to;
    const uint32_t cannot_fail = b->flags & ~(uint32_t)EXPR_FN_CAN_FAIL;
    const bool from_number = type_is_numeric(from), to_number = type_is_numeric(to);
    if (from_number && to->id == TYPE_DECIMAL) {
        b->kernel = run_to_decimal;
    } else if (from->id == TYPE_DECIMAL && to_number) {
        b->kernel = run_from_decimal;
    } else if (from_number && to_number) {
        b->kernel = kernels[from->layout][to->layout];
    } else if (from_number && to->id == TYPE_BOOLEAN) {
        b->kernel = run_to_boolean;
    } else if (from->id == TYPE_BOOLEAN && to_number) {
        b->kernel = run_from_boolean;
    } else if (from->id == TYPE_BOOLEAN && to->id == TYPE_BOOLEAN) {
        b->kernel = run_same;
    } else {
        return;
    }
    b->flags = cannot_fail;
    if (to->id != TYPE_DECIMAL) {
        b->flags &= ~(uint32_t)EXPR_FN_NULLABLE;
    }
    if (from_number && to_number && from->id != TYPE_DECIMAL && to->id != TYPE_DECIMAL) {
        b->flags |= EXPR_FN_DENSE;
    }
}
