/* ROUND and TRUNCATE: by decimals of 38 digits, as Java's BigDecimal does it. */
#include "engine/functions/numbers.h"

#include "engine/expr/type_rules.h"
#include "engine/values/decimal.h"

#include <math.h>
#include <stdlib.h>

struct data_type *functions_rounded_decimal(const struct data_type *t, int64_t digits,
                                            bool nullable)
{
    const int32_t p = t->precision, s = t->scale;
    if (digits >= s) {
        return type_with_nullable(t, nullable);
    }
    if (digits < 0) {
        return type_new_precision(TYPE_DECIMAL, MIN(38, 1 + p - s), 0, nullable);
    }
    return type_new_precision(TYPE_DECIMAL, MIN(38, 1 + p - s + (int32_t)digits), (int32_t)digits,
                              nullable);
}

/* The digits of a literal, which may have a minus in front; false for anything else. */
static bool literal_digits(const struct expr *e, int64_t *ret)
{
    const bool is_minus = e->kind == EXPR_CALL && strcmp(e->function->name, "MINUS") == 0;
    const struct expr *number = is_minus ? e->args[0] : e;
    if (number->kind != EXPR_LITERAL || number->value.is_null) {
        return false;
    }
    *ret = is_minus ? -number->value.integer : number->value.integer;
    return true;
}

int functions_infer_rounded(const struct expr_function *function, struct expr_pool *pool,
                            const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                            struct error *err)
{
    const bool nullable = args[0]->type->nullable || (n_args > 1 && args[1]->type->nullable);
    const struct data_type *t = args[0]->type;
    int64_t digits = 0;
    if (t->id != TYPE_DECIMAL || (n_args > 1 && !literal_digits(args[1], &digits))) {
        *ret = type_with_nullable(t, nullable);
    } else {
        *ret = functions_rounded_decimal(t, digits, nullable);
    }
    return 0;
}

/* To `digits` behind the point; half away from zero, or toward zero. */
static __int128 rounded(struct decimal v, int64_t digits, bool truncates)
{
    const int64_t drop = v.scale - digits;
    if (drop <= 0) {
        return v.unscaled;
    }
    if (drop > DECIMAL_DIGITS_MAX) {
        return 0;
    }
    const __int128 power = decimal_power((int32_t)drop), rest = v.unscaled % power;
    __int128 kept = v.unscaled - rest;
    const __int128 magnitude = rest < 0 ? -rest : rest;
    if (!truncates && magnitude >= power - magnitude) {
        kept += v.unscaled < 0 ? -power : power;
    }
    return kept; /* with the scale that it had */
}

static int64_t digits_at(const struct expr_frame *f, uint32_t row)
{
    return f->n_args > 1 ? expr_int(f, 1, row) : 0;
}

static int run_decimal(struct expr_frame *f, struct error *err)
{
    const bool truncates = *(const bool *)f->state;
    const struct data_type *from = f->args[0]->column.type, *to = f->out->column.type;
    for (EXPR_ROWS(f, row)) {
        const struct decimal v = {expr_wide(f, 0, row), from->scale};
        const struct decimal r = {rounded(v, digits_at(f, row), truncates), from->scale};
        __int128 result;
        if (decimal_rescale(r, (struct decimal_type){to->precision, to->scale}, &result)) {
            expr_put_wide(f, row, result);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int run_integer(struct expr_frame *f, struct error *err)
{
    const bool truncates = *(const bool *)f->state;
    for (EXPR_ROWS(f, row)) {
        const struct decimal v = {expr_int(f, 0, row), 0};
        expr_put_int(f, row, (int64_t)rounded(v, digits_at(f, row), truncates));
    }
    return 0;
}

/* The shortest decimal that is this double, rounded; what has no room in 38 digits has nothing behind the point. */
static double rounded_real(double x, int64_t digits, bool truncates)
{
    __int128 unscaled;
    if (!isfinite(x) || digits > 300) {
        return x;
    }
    for (int32_t scale = truncates ? 18 : 20; scale >= 0; scale -= 2) {
        if (decimal_from_double(x, (struct decimal_type){DECIMAL_DIGITS_MAX, scale}, &unscaled)) {
            const struct decimal v = {unscaled, scale};
            return decimal_to_double((struct decimal){rounded(v, digits, truncates), scale});
        }
    }
    return x;
}

static int run_real(struct expr_frame *f, struct error *err)
{
    const bool truncates = *(const bool *)f->state;
    for (EXPR_ROWS(f, row)) {
        expr_put_real(f, row, rounded_real(expr_real(f, 0, row), digits_at(f, row), truncates));
    }
    return 0;
}

int functions_bind_rounded(struct expr_binding *b, struct error *err)
{
    const struct data_type *t = b->call->args[0]->type;
    bool *state = arena_alloc(b->arena, sizeof(*state));
    *state = strcmp(b->call->function->name, "TRUNCATE") == 0;
    b->state = state;
    b->kernel = t->id == TYPE_DECIMAL ? run_decimal : type_is_integer(t) ? run_integer : run_real;
    b->flags &= ~(uint32_t)EXPR_FN_CAN_FAIL;
    return 0;
}
