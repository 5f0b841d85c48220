/* See simplify.h. */
#include "engine/expr/simplify.h"

static bool is_literal(const struct expr *e, bool value)
{
    return e->kind == EXPR_LITERAL && !e->value.is_null && e->value.boolean == value;
}

enum { LOOKED_AT_MAX = 256 }; /* nodes of an operand; larger ones may fail */

static bool may_fail(const struct expr *e, uint32_t *looked_at)
{
    if (++*looked_at > LOOKED_AT_MAX ||
        (e->kind == EXPR_CALL && (e->function->flags & EXPR_FN_CAN_FAIL) != 0)) {
        return true;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (may_fail(e->args[i], looked_at)) {
            return true;
        }
    }
    return false;
}

static bool one_may_fail(const struct expr *const *args, uint32_t n)
{
    bool may = false;
    for (uint32_t i = 0; i < n && !may; i++) {
        uint32_t looked_at = 0;
        may = may_fail(args[i], &looked_at);
    }
    return may;
}

/* The expression with a type that may differ in nullability; NULL: only a cast could do it. */
static const struct expr *with_type(struct expr_pool *pool, const struct expr *e,
                                    const struct data_type *type)
{
    if (e->type == type) {
        return e;
    }
    if (e->kind != EXPR_LITERAL || (e->value.is_null && !type->nullable)) {
        return NULL;
    }
    struct data_type *same = type_with_nullable(e->type, type->nullable);
    const bool fits = type_equals(same, type);
    type_unref(same);
    return fits ? expr_literal(pool, type_ref(type), e->value) : NULL;
}

static const struct expr *or_itself(const struct expr *made, const struct expr *e)
{
    return made != NULL ? made : e;
}

static const struct expr *with_some_args(struct expr_pool *pool, const struct expr *e,
                                         const struct expr *const *args, uint32_t n)
{
    return n == e->n_args ? e : expr_call_of(pool, e->function, args, n, type_ref(e->type));
}

/* Condition, value, ..., otherwise. */
static const struct expr *simplify_case(struct expr_pool *pool, const struct expr *e,
                                        const struct expr **args)
{
    uint32_t n = 0;
    const struct expr *otherwise = e->args[e->n_args - 1];
    for (uint32_t i = 0; i + 1 < e->n_args; i += 2) {
        const struct expr *condition = e->args[i];
        if (is_literal(condition, true)) {
            otherwise = e->args[i + 1];
            break;
        }
        if (condition->kind != EXPR_LITERAL) {
            args[n++] = condition;
            args[n++] = e->args[i + 1];
        }
    }
    args[n++] = otherwise;
    return n == 1 ? or_itself(with_type(pool, otherwise, e->type), e)
                  : with_some_args(pool, e, args, n);
}

/* `decisive`: the value that decides all of it, FALSE for AND.  Operands before it stay when they may fail, as they do without it. */
static const struct expr *simplify_logic(struct expr_pool *pool, const struct expr *e,
                                         bool decisive, const struct expr **args)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (is_literal(e->args[i], decisive)) {
            if (!one_may_fail(args, n)) {
                return or_itself(with_type(pool, e->args[i], e->type), e);
            }
            args[n++] = e->args[i];
            break;
        }
        if (!is_literal(e->args[i], !decisive)) {
            args[n++] = e->args[i];
        }
    }
    if (n == 0) {
        return or_itself(with_type(pool, e->args[0], e->type), e);
    }
    return n == 1 ? or_itself(with_type(pool, args[0], e->type), e)
                  : with_some_args(pool, e, args, n);
}

static const struct expr *simplify_coalesce(struct expr_pool *pool, const struct expr *e,
                                            const struct expr **args)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (!expr_is_null_literal(e->args[i])) {
            args[n++] = e->args[i];
        }
        if (n > 0 && !args[n - 1]->type->nullable) {
            break;
        }
    }
    if (n == 0) {
        return e;
    }
    return n == 1 ? or_itself(with_type(pool, args[0], e->type), e)
                  : with_some_args(pool, e, args, n);
}

const struct expr *expr_simplify_call(struct expr_pool *pool, const struct expr *e)
{
    const struct expr *made = e;
    if (e->kind != EXPR_CALL || e->function->control == EXPR_CONTROL_NONE) {
        return e;
    }
    const struct expr **args = mem_alloc(e->n_args * sizeof(*args));
    switch (e->function->control) {
    case EXPR_CONTROL_CASE:
        made = simplify_case(pool, e, args);
        break;
    case EXPR_CONTROL_AND:
    case EXPR_CONTROL_OR:
        made = simplify_logic(pool, e, e->function->control == EXPR_CONTROL_OR, args);
        break;
    case EXPR_CONTROL_COALESCE:
        made = simplify_coalesce(pool, e, args);
        break;
    default:
        break;
    }
    mem_free(args);
    return made;
}
