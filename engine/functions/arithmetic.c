/* + - * / %, unary minus: integers, floats, decimals, intervals; dates and times with intervals are in datetime.c. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/datetime.h"
#include "engine/values/decimal.h"

/* ---- results ---------------------------------------------------------------------------------------- */

static enum type_arithmetic operator_of(const struct expr_function *function)
{
    switch (function->name[0]) {
    case '+':
        return TYPE_PLUS;
    case '-':
        return TYPE_MINUS;
    case '*':
        return TYPE_TIMES;
    case '/':
        return TYPE_DIVIDE;
    default:
        return TYPE_MODULO;
    }
}

static int infer_binary(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    if (n_args != 2) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%s' has two operands", function->name);
    }
    return type_of_arithmetic(operator_of(function), args[0]->type, args[1]->type, ret, err);
}

/* ---- integers and floats: operands are of the result's type ----------------------------------------- */

#define EACH_ROW(f, statement)                         \
    do {                                               \
        if ((f)->rows == NULL) {                       \
            for (uint32_t i = 0; i < (f)->n; i++) {    \
                statement;                             \
            }                                          \
        } else {                                       \
            for (uint32_t k_ = 0; k_ < (f)->n; k_++) { \
                const uint32_t i = (f)->rows[k_];      \
                statement;                             \
            }                                          \
        }                                              \
    } while (0)

/* Integers wrap: they are added as unsigned. */
#define BINARY_KERNEL(name, ctype, wide, op)                            \
    static int name(struct expr_frame *f, struct error *err)            \
    {                                                                   \
        const ctype *restrict a = EXPR_VALUES(f->args[0], const ctype); \
        const ctype *restrict b = EXPR_VALUES(f->args[1], const ctype); \
        ctype *restrict out = EXPR_VALUES(f->out, ctype);               \
        if (f->args[0]->is_constant && f->args[1]->is_constant) {       \
            const ctype v = (ctype)((wide)a[0] op(wide) b[0]);          \
            EACH_ROW(f, out[i] = v);                                    \
        } else if (f->args[1]->is_constant) {                           \
            const wide y = (wide)b[0];                                  \
            EACH_ROW(f, out[i] = (ctype)((wide)a[i] op y));             \
        } else if (f->args[0]->is_constant) {                           \
            const wide x = (wide)a[0];                                  \
            EACH_ROW(f, out[i] = (ctype)(x op(wide) b[i]));             \
        } else {                                                        \
            EACH_ROW(f, out[i] = (ctype)((wide)a[i] op(wide) b[i]));    \
        }                                                               \
        return 0;                                                       \
    }

#define BINARY_KERNELS(suffix, ctype, wide)     \
    BINARY_KERNEL(add_##suffix, ctype, wide, +) \
    BINARY_KERNEL(sub_##suffix, ctype, wide, -) \
    BINARY_KERNEL(mul_##suffix, ctype, wide, *)

BINARY_KERNELS(i8, int8_t, uint32_t)
BINARY_KERNELS(i16, int16_t, uint32_t)
BINARY_KERNELS(i32, int32_t, uint32_t)
BINARY_KERNELS(i64, int64_t, uint64_t)
BINARY_KERNELS(f32, float, float)
BINARY_KERNELS(f64, double, double)
BINARY_KERNEL(div_f32, float, float, /)
BINARY_KERNEL(div_f64, double, double, /)

static int division_by_zero(struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT, "Division by zero");
}

/* The least integer divided by -1 wraps to itself, with the remainder 0: the processor would trap. */
#define DIVIDE_KERNEL(name, ctype, op, by_minus_one)                      \
    static int name(struct expr_frame *f, struct error *err)              \
    {                                                                     \
        const ctype *a = EXPR_VALUES(f->args[0], const ctype);            \
        const ctype *b = EXPR_VALUES(f->args[1], const ctype);            \
        ctype *out = EXPR_VALUES(f->out, ctype);                          \
        const bool a_moves = !f->args[0]->is_constant;                    \
        if (f->args[1]->is_constant && b[0] != 0 && b[0] != -1) {         \
            const ctype y = b[0];                                         \
            EACH_ROW(f, out[i] = (ctype)(a[a_moves ? i : 0] op y));       \
            return 0;                                                     \
        }                                                                 \
        for (EXPR_ROWS(f, row)) {                                         \
            const ctype x = a[expr_at(f->args[0], row)];                  \
            const ctype y = b[expr_at(f->args[1], row)];                  \
            if (UNLIKELY(y == 0)) {                                       \
                return division_by_zero(err);                             \
            }                                                             \
            out[row] = y == -1 ? (ctype)(by_minus_one) : (ctype)(x op y); \
        }                                                                 \
        return 0;                                                         \
    }
DIVIDE_KERNEL(div_i8, int8_t, /, -(uint32_t)x)
DIVIDE_KERNEL(div_i16, int16_t, /, -(uint32_t)x)
DIVIDE_KERNEL(div_i32, int32_t, /, -(uint32_t)x)
DIVIDE_KERNEL(div_i64, int64_t, /, -(uint64_t)x)

/* The remainder's type is that of the right operand: both come as BIGINT or narrower, of one type. */
DIVIDE_KERNEL(mod_i8, int8_t, %, 0)
DIVIDE_KERNEL(mod_i16, int16_t, %, 0)
DIVIDE_KERNEL(mod_i32, int32_t, %, 0)
DIVIDE_KERNEL(mod_i64, int64_t, %, 0)

/* Remainders of unlike integers. */
static int mod_mixed(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t x = expr_int(f, 0, row), y = expr_int(f, 1, row);
        if (UNLIKELY(y == 0)) {
            return division_by_zero(err);
        }
        expr_put_int(f, row, y == -1 ? 0 : x % y);
    }
    return 0;
}

static int add_mixed_operands(enum type_arithmetic op, int64_t x, int64_t y, int64_t *ret,
                              struct error *err)
{
    switch (op) {
    case TYPE_PLUS:
        *ret = (int64_t)((uint64_t)x + (uint64_t)y);
        return 0;
    case TYPE_MINUS:
        *ret = (int64_t)((uint64_t)x - (uint64_t)y);
        return 0;
    case TYPE_TIMES:
        *ret = (int64_t)((uint64_t)x * (uint64_t)y);
        return 0;
    default:
        if (y == 0) {
            return division_by_zero(err);
        }
        *ret = y == -1 ? (int64_t) - (uint64_t)x : x / y;
        return 0;
    }
}

/* Integers of unlike widths: expressions such as bigint * 2, where a cast would be another pass over the batch. */
#define MIXED_KERNEL(name, op)                                                              \
    static int name(struct expr_frame *f, struct error *err)                                \
    {                                                                                       \
        for (EXPR_ROWS(f, row)) {                                                           \
            int64_t v = 0;                                                                  \
            TRY(add_mixed_operands(op, expr_int(f, 0, row), expr_int(f, 1, row), &v, err)); \
            expr_put_int(f, row, v);                                                        \
        }                                                                                   \
        return 0;                                                                           \
    }
MIXED_KERNEL(add_mixed, TYPE_PLUS)
MIXED_KERNEL(sub_mixed, TYPE_MINUS)
MIXED_KERNEL(mul_mixed, TYPE_TIMES)
MIXED_KERNEL(div_mixed, TYPE_DIVIDE)

/* ---- numbers with floats ---------------------------------------------------------------------------- */

static double as_double(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    const struct data_type *t = f->args[k]->column.type;
    if (t->id == TYPE_DECIMAL) {
        return decimal_to_double((struct decimal){expr_wide(f, k, row), t->scale});
    }
    return type_is_approximate(t) ? expr_real(f, k, row) : (double)expr_int(f, k, row);
}

/* FLOAT with integers is computed in 32 bits, as Java does. */
static double real_result(enum type_arithmetic op, double x, double y, bool is_narrow)
{
    const float a = (float)x, b = (float)y;
    switch (op) {
    case TYPE_PLUS:
        return is_narrow ? (double)(a + b) : x + y;
    case TYPE_MINUS:
        return is_narrow ? (double)(a - b) : x - y;
    case TYPE_TIMES:
        return is_narrow ? (double)(a * b) : x * y;
    default:
        return is_narrow ? (double)(a / b) : x / y;
    }
}

static int run_real(struct expr_frame *f, struct error *err)
{
    const enum type_arithmetic op = *(const enum type_arithmetic *)f->state;
    const bool is_narrow = f->out->column.type->layout == LAYOUT_F32;
    for (EXPR_ROWS(f, row)) {
        expr_put_real(f, row,
                      real_result(op, as_double(f, 0, row), as_double(f, 1, row), is_narrow));
    }
    return 0;
}

/* ---- decimals --------------------------------------------------------------------------------------- */

static struct decimal decimal_at(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    const struct data_type *t = f->args[k]->column.type;
    return t->id == TYPE_DECIMAL ? (struct decimal){expr_wide(f, k, row), t->scale}
                                 : (struct decimal){expr_int(f, k, row), 0};
}

typedef bool (*decimal_operation)(struct decimal a, struct decimal b, struct decimal_type type,
                                  __int128 *ret);

static const decimal_operation decimal_operations[] = {
    [TYPE_PLUS] = decimal_add,       [TYPE_MINUS] = decimal_subtract,
    [TYPE_TIMES] = decimal_multiply, [TYPE_DIVIDE] = decimal_divide,
    [TYPE_MODULO] = decimal_modulo,
};

static int run_decimal(struct expr_frame *f, struct error *err)
{
    const enum type_arithmetic op = *(const enum type_arithmetic *)f->state;
    const struct data_type *t = f->out->column.type;
    const struct decimal_type type = {t->precision, t->scale};
    for (EXPR_ROWS(f, row)) {
        __int128 v;
        const struct decimal b = decimal_at(f, 1, row);
        if ((op == TYPE_DIVIDE || op == TYPE_MODULO) && UNLIKELY(b.unscaled == 0)) {
            return division_by_zero(err);
        }
        if (decimal_operations[op](decimal_at(f, 0, row), b, type, &v)) {
            expr_put_wide(f, row, v);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

/* Products of which no digit is cut, and which have room: nothing to round, nothing to check. */
static int run_exact_product(struct expr_frame *f, struct error *err)
{
    const bool is_wide = f->out->column.type->layout == LAYOUT_I128;
    for (EXPR_ROWS(f, row)) {
        const __int128 v = decimal_at(f, 0, row).unscaled * decimal_at(f, 1, row).unscaled;
        if (is_wide) {
            EXPR_VALUES(f->out, __int128)[row] = v;
        } else {
            EXPR_VALUES(f->out, int64_t)[row] = (int64_t)v;
        }
    }
    return 0;
}

static bool is_exact_product(const struct data_type *x, const struct data_type *y,
                             const struct data_type *result)
{
    int32_t px, sx, py, sy;
    type_decimal_of(x, &px, &sx);
    type_decimal_of(y, &py, &sy);
    return result->scale == sx + sy && px + py <= result->precision;
}

/* ---- choice of kernels ------------------------------------------------------------------------------ */

static const expr_kernel like_kernels[][LAYOUT_F64 + 1] = {
    [TYPE_PLUS] = {[LAYOUT_I8] = add_i8,
                   [LAYOUT_I16] = add_i16,
                   [LAYOUT_I32] = add_i32,
                   [LAYOUT_I64] = add_i64,
                   [LAYOUT_F32] = add_f32,
                   [LAYOUT_F64] = add_f64},
    [TYPE_MINUS] = {[LAYOUT_I8] = sub_i8,
                    [LAYOUT_I16] = sub_i16,
                    [LAYOUT_I32] = sub_i32,
                    [LAYOUT_I64] = sub_i64,
                    [LAYOUT_F32] = sub_f32,
                    [LAYOUT_F64] = sub_f64},
    [TYPE_TIMES] = {[LAYOUT_I8] = mul_i8,
                    [LAYOUT_I16] = mul_i16,
                    [LAYOUT_I32] = mul_i32,
                    [LAYOUT_I64] = mul_i64,
                    [LAYOUT_F32] = mul_f32,
                    [LAYOUT_F64] = mul_f64},
    [TYPE_DIVIDE] = {[LAYOUT_I8] = div_i8,
                     [LAYOUT_I16] = div_i16,
                     [LAYOUT_I32] = div_i32,
                     [LAYOUT_I64] = div_i64,
                     [LAYOUT_F32] = div_f32,
                     [LAYOUT_F64] = div_f64},
    [TYPE_MODULO] = {[LAYOUT_I8] = mod_i8,
                     [LAYOUT_I16] = mod_i16,
                     [LAYOUT_I32] = mod_i32,
                     [LAYOUT_I64] = mod_i64},
};
static const expr_kernel mixed_kernels[] = {
    [TYPE_PLUS] = add_mixed,   [TYPE_MINUS] = sub_mixed,  [TYPE_TIMES] = mul_mixed,
    [TYPE_DIVIDE] = div_mixed, [TYPE_MODULO] = mod_mixed,
};

static void bind_integers(struct expr_binding *b, enum type_arithmetic op)
{
    const struct data_type *x = b->call->args[0]->type, *y = b->call->args[1]->type;
    const bool is_division = op == TYPE_DIVIDE || op == TYPE_MODULO;
    const struct expr *divisor = b->call->args[1];
    const bool is_alike = x->layout == y->layout && x->layout == b->call->type->layout;
    b->kernel = is_alike ? like_kernels[op][x->layout] : mixed_kernels[op];
    const bool is_safe = divisor->kind == EXPR_LITERAL && divisor->value.integer != 0;
    b->flags &= ~(uint32_t)(EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE);
    if (is_division && !is_safe) {
        b->flags |= EXPR_FN_CAN_FAIL;
    } else if (!is_division || (is_alike && divisor->value.integer != -1)) {
        b->flags |= EXPR_FN_DENSE;
    }
}

static int bind_binary(struct expr_binding *b, struct error *err)
{
    const enum type_arithmetic op = operator_of(b->call->function);
    const struct data_type *x = b->call->args[0]->type, *y = b->call->args[1]->type;
    enum type_arithmetic *state = arena_alloc(b->arena, sizeof(*state));
    *state = op;
    b->state = state;
    if (type_is_integer(x) && type_is_integer(y)) {
        bind_integers(b, op);
        return 0;
    }
    if (type_is_approximate(b->call->type)) {
        const bool is_alike = x->layout == y->layout && x->layout == b->call->type->layout;
        b->flags = (b->flags & ~(uint32_t)(EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE)) |
                   (is_alike ? EXPR_FN_DENSE : 0);
        b->kernel = is_alike ? like_kernels[op][x->layout] : run_real;
        return 0;
    }
    if (b->call->type->id == TYPE_DECIMAL) {
        b->kernel = run_decimal;
        if (op == TYPE_TIMES && is_exact_product(x, y, b->call->type)) {
            b->kernel = run_exact_product;
            b->flags &= ~(uint32_t)(EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE);
        }
        return 0;
    }
    return functions_bind_datetime_arithmetic(b, op, err);
}

/* ---- unary minus ------------------------------------------------------------------------------------ */

static int run_negate(struct expr_frame *f, struct error *err)
{
    const enum type_layout layout = f->out->column.type->layout;
    for (EXPR_ROWS(f, row)) {
        if (layout == LAYOUT_F32 || layout == LAYOUT_F64) {
            expr_put_real(f, row, -expr_real(f, 0, row));
        } else if (layout == LAYOUT_I128) {
            expr_put_wide(f, row, -expr_wide(f, 0, row));
        } else {
            expr_put_int(f, row, (int64_t) - (uint64_t)expr_int(f, 0, row));
        }
    }
    return 0;
}

static int run_plus(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_arg(f, row, 0);
    }
    return 0;
}

#define FAILING (EXPR_FN_OPERATOR | EXPR_FN_CAN_FAIL | EXPR_FN_NULLABLE)
#define ARITHMETIC(op, words, sample)                                                       \
    {                                                                                       \
        .name = (op), .infer = infer_binary, .flags = FAILING | EXPR_FN_WIDENS,             \
        .bind = bind_binary, .category = "arithmetic", .text = (words), .example = (sample) \
    }

static const struct expr_function rows[] = {
    ARITHMETIC("+", "The sum. Integers wrap around, a decimal that does not fit is NULL.",
               "1 + 2 -- 3\n1.5 + 2.25 -- 3.75"),
    ARITHMETIC("-", "The difference.", "1 - 2 -- -1"),
    ARITHMETIC("*", "The product.", "1.5 * 2 -- 3.0"),
    ARITHMETIC("/",
               "The quotient: of integers cut to an integer, of decimals with at least six digits "
               "behind the point. A division of "
               "integers or decimals by zero fails.",
               "7 / 2 -- 3"),
    {.name = "%",
     .aliases = "MOD",
     .infer = infer_binary,
     .flags = FAILING,
     .bind = bind_binary,
     .category = "arithmetic",
     .text = "The remainder, with the sign of the first operand; also `MOD(a, b)`.",
     .example = "-7 % 3 -- -1\nMOD(7, 3) -- 1"},
    {.name = "MINUS",
     .signatures = "NUMERIC | INTERVAL",
     .result = "=1",
     .flags = EXPR_FN_OPERATOR,
     .kernel = run_negate,
     .category = "arithmetic",
     .text = "The negative value, written `-x`.",
     .example = "-(1 + 2) -- -3"},
    {.name = "PLUS",
     .signatures = "NUMERIC | INTERVAL",
     .result = "=1",
     .flags = EXPR_FN_OPERATOR,
     .kernel = run_plus,
     .category = "arithmetic",
     .text = "The value itself, written `+x`.",
     .example = "+(1 + 2) -- 3"},
};

const struct expr_functions functions_arithmetic = FUNCTIONS_TABLE(rows);
