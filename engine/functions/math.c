/* Functions of numbers: powers, logarithms, trigonometry, rounding, signs. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/numbers.h"
#include "engine/values/decimal.h"

#include <math.h>
#include <stdlib.h>

/* ---- functions of doubles --------------------------------------------------------------------------- */

#define REAL_KERNEL(name, expression)                        \
    static int name(struct expr_frame *f, struct error *err) \
    {                                                        \
        for (EXPR_ROWS(f, row)) {                            \
            const double x = expr_real(f, 0, row);           \
            expr_put_real(f, row, expression);               \
        }                                                    \
        return 0;                                            \
    }
#define REAL_KERNEL_2(name, expression)                      \
    static int name(struct expr_frame *f, struct error *err) \
    {                                                        \
        for (EXPR_ROWS(f, row)) {                            \
            const double x = expr_real(f, 0, row);           \
            const double y = expr_real(f, 1, row);           \
            expr_put_real(f, row, expression);               \
        }                                                    \
        return 0;                                            \
    }
REAL_KERNEL(run_sqrt, sqrt(x))
REAL_KERNEL(run_ln, log(x))
REAL_KERNEL(run_log10, log10(x))
REAL_KERNEL(run_log2, log(x) / log(2))
REAL_KERNEL(run_exp, exp(x))
REAL_KERNEL(run_sin, sin(x))
REAL_KERNEL(run_sinh, sinh(x))
REAL_KERNEL(run_cos, cos(x))
REAL_KERNEL(run_cosh, cosh(x))
REAL_KERNEL(run_tan, tan(x))
REAL_KERNEL(run_tanh, tanh(x))
REAL_KERNEL(run_cot, 1 / tan(x))
REAL_KERNEL(run_asin, asin(x))
REAL_KERNEL(run_acos, acos(x))
REAL_KERNEL(run_atan, atan(x))
REAL_KERNEL(run_degrees, x *(180 / M_PI))
REAL_KERNEL(run_radians, x *(M_PI / 180))
REAL_KERNEL_2(run_atan2, atan2(x, y))

/* Java: 1 to the NaN, and 1 to an infinity, is no number. */
static double java_pow(double x, double y)
{
    return y == 0 ? 1 : isnan(y) || (fabs(x) == 1 && isinf(y)) ? NAN : pow(x, y);
}
REAL_KERNEL_2(run_power, java_pow(x, y))
REAL_KERNEL_2(run_log_of_base, log(y) / log(x))

static int run_log(struct expr_frame *f, struct error *err)
{
    return f->n_args == 1 ? run_ln(f, err) : run_log_of_base(f, err);
}

static int run_pi(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_real(f, row, M_PI);
    }
    return 0;
}
static int run_e(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_real(f, row, M_E);
    }
    return 0;
}

/* ---- ABS, SIGN -------------------------------------------------------------------------------------- */

static bool is_real(const struct data_type *t)
{
    return t->layout == LAYOUT_F32 || t->layout == LAYOUT_F64;
}

static int run_abs(struct expr_frame *f, struct error *err)
{
    const struct data_type *t = f->out->column.type;
    for (EXPR_ROWS(f, row)) {
        if (is_real(t)) {
            expr_put_real(f, row, fabs(expr_real(f, 0, row)));
            continue;
        }
        const __int128 v = expr_wide(f, 0, row), positive = v < 0 ? -v : v;
        if (t->layout == LAYOUT_I128) {
            expr_put_wide(f, row, positive);
        } else {
            expr_put_int(f, row, (int64_t)positive); /* the least one wraps to itself */
        }
    }
    return 0;
}

static int run_sign(struct expr_frame *f, struct error *err)
{
    const struct data_type *t = f->out->column.type;
    const __int128 one = t->id == TYPE_DECIMAL ? decimal_power(t->scale) : 1;
    for (EXPR_ROWS(f, row)) {
        if (is_real(t)) {
            const double x = expr_real(f, 0, row);
            expr_put_real(f, row, x > 0 ? 1 : x < 0 ? -1 : x);
            continue;
        }
        const __int128 v = expr_wide(f, 0, row);
        const __int128 sign = v > 0 ? one : v < 0 ? -one : 0;
        if (t->id == TYPE_DECIMAL && sign != 0 && t->precision == t->scale) {
            expr_set_null(f, row); /* there is no 1 among these decimals */
        } else if (t->id == TYPE_DECIMAL) {
            expr_put_wide(f, row, sign);
        } else {
            expr_put_int(f, row, (int64_t)sign);
        }
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define REAL(function, run, words, sample)                                               \
    {                                                                                    \
        .name = (function), .signatures = "DOUBLE", .result = "DOUBLE", .kernel = (run), \
        .category = "arithmetic", .text = (words), .example = (sample)                   \
    }

static const struct expr_function rows[] = {
    REAL("SQRT", run_sqrt, "The square root; NaN of negative numbers.", "SQRT(4) -- 2.0"),
    REAL("LN", run_ln, "The natural logarithm.", "LN(1) -- 0.0"),
    REAL("LOG10", run_log10, "The logarithm to base 10.", "LOG10(100) -- 2.0"),
    REAL("LOG2", run_log2, "The logarithm to base 2.", "LOG2(8) -- 3.0"),
    REAL("EXP", run_exp, "e to this power.", "EXP(0) -- 1.0"),
    REAL("SIN", run_sin, "The sine of an angle in radians.", "SIN(0) -- 0.0"),
    REAL("SINH", run_sinh, "The hyperbolic sine.", "SINH(0) -- 0.0"),
    REAL("COS", run_cos, "The cosine of an angle in radians.", "COS(0) -- 1.0"),
    REAL("COSH", run_cosh, "The hyperbolic cosine.", "COSH(0) -- 1.0"),
    REAL("TAN", run_tan, "The tangent of an angle in radians.", "TAN(0) -- 0.0"),
    REAL("TANH", run_tanh, "The hyperbolic tangent.", "TANH(0) -- 0.0"),
    REAL("COT", run_cot, "The cotangent of an angle in radians.", "COT(0) -- Infinity"),
    REAL("ASIN", run_asin, "The angle of a sine; NaN outside of -1 to 1.", "ASIN(0) -- 0.0"),
    REAL("ACOS", run_acos, "The angle of a cosine; NaN outside of -1 to 1.", "ACOS(1) -- 0.0"),
    REAL("ATAN", run_atan, "The angle of a tangent.", "ATAN(0) -- 0.0"),
    REAL("DEGREES", run_degrees, "Radians as degrees.", "DEGREES(PI()) -- 180.0"),
    REAL("RADIANS", run_radians, "Degrees as radians.", "RADIANS(180) = PI() -- TRUE"),
    {.name = "ATAN2",
     .signatures = "DOUBLE, DOUBLE",
     .result = "DOUBLE",
     .kernel = run_atan2,
     .category = "arithmetic",
     .text = "The angle of the point (x, y): ATAN2(y, x).",
     .example = "ATAN2(0, 1) -- 0.0"},
    {.name = "POWER",
     .signatures = "DOUBLE, DOUBLE",
     .result = "DOUBLE",
     .kernel = run_power,
     .category = "arithmetic",
     .text = "The first number to the power of the second.",
     .example = "POWER(2, 10) -- 1024.0"},
    {.name = "LOG",
     .signatures = "DOUBLE | DOUBLE, DOUBLE",
     .result = "DOUBLE",
     .kernel = run_log,
     .category = "arithmetic",
     .text = "The natural logarithm, or that of the second argument to the base of the first.",
     .example = "LOG(1) -- 0.0\nLOG(2, 8) -- 3.0"},
    {.name = "PI",
     .signatures = "",
     .result = "DOUBLE NOT NULL",
     .kernel = run_pi,
     .category = "arithmetic",
     .text = "The number nearest to pi.",
     .example = "PI() -- 3.141592653589793"},
    {.name = "E",
     .signatures = "",
     .result = "DOUBLE NOT NULL",
     .kernel = run_e,
     .category = "arithmetic",
     .text = "The number nearest to e.",
     .example = "E() -- 2.718281828459045"},
    {.name = "ABS",
     .signatures = "NUMERIC | INTERVAL",
     .result = "=1",
     .kernel = run_abs,
     .category = "arithmetic",
     .text = "The absolute value.",
     .example = "ABS(-5) -- 5\nABS(-1.5) -- 1.5"},
    {.name = "SIGN",
     .flags = EXPR_FN_NULLABLE,
     .signatures = "NUMERIC",
     .result = "=1",
     .kernel = run_sign,
     .category = "arithmetic",
     .text = "1, 0 or -1, as the number is positive, zero or negative.",
     .example = "SIGN(-5) -- -1\nSIGN(2.5) -- 1.0"},
    {.name = "ROUND",
     .signatures = "NUMERIC, INT?",
     .infer = functions_infer_rounded,
     .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL,
     .bind = functions_bind_rounded,
     .category = "arithmetic",
     .text = "The number rounded to so many digits behind the point (0), half away from zero; "
             "before the point when they are negative.",
     .example = "ROUND(2.345, 2) -- 2.35\nROUND(-2.5) -- -3\nROUND(1234, -2) -- 1200"},
    {.name = "TRUNCATE",
     .signatures = "NUMERIC, INT?",
     .infer = functions_infer_rounded,
     .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL,
     .bind = functions_bind_rounded,
     .category = "arithmetic",
     .text = "The number cut to so many digits behind the point (0).",
     .example = "TRUNCATE(42.345, 2) -- 42.34\nTRUNCATE(-2.9) -- -2"},
};

const struct expr_functions functions_math = FUNCTIONS_TABLE(rows);
