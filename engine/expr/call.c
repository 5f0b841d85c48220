/* Calls resolved: which signature fits, which arguments are cast, what the result is. */
#include "engine/expr/signature.h"

#include "engine/expr/type_rules.h"

#include <inttypes.h>

/* How well arguments fit. */
enum fit { FIT_NEVER, FIT_BY_CASTS, FIT_AS_IS };

static bool is_untyped_null(const struct expr *e)
{
    return e->type->id == TYPE_NULL;
}

static bool same_but_nullable(const struct data_type *a, const struct data_type *b)
{
    if (a->nullable == b->nullable) {
        return type_equals(a, b);
    }
    struct data_type *c = type_with_nullable(a, b->nullable);
    bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

static enum fit fit_argument(const struct signature_argument *a, const struct expr *e)
{
    if (a->is_literal && e->kind != EXPR_LITERAL) {
        return FIT_NEVER;
    }
    if (a->matches != NULL) {
        return a->matches(e->type) || is_untyped_null(e) ? FIT_AS_IS : FIT_NEVER;
    }
    if (same_but_nullable(a->type, e->type)) {
        return FIT_AS_IS;
    }
    return is_untyped_null(e) || type_casts_implicitly(e->type, a->type) ? FIT_BY_CASTS : FIT_NEVER;
}

static enum fit fit_signature(const struct signature *s, const struct expr *const *args,
                              uint32_t n_args)
{
    enum fit fit = FIT_AS_IS;
    if (n_args < s->least || (n_args > s->n && !s->is_varying)) {
        return FIT_NEVER;
    }
    for (uint32_t i = 0; i < n_args && fit != FIT_NEVER; i++) {
        fit = MIN(fit, fit_argument(signature_at(s, i), args[i]));
    }
    return fit;
}

/* ---- messages --------------------------------------------------------------------------------------- */

/* "UPPER(<INTEGER>)", "<INTEGER> + <BOOLEAN>" */
static void print_applied(const struct expr_function *f, const struct expr *const *args,
                          uint32_t n_args, struct str *out)
{
    const bool is_infix = (f->flags & EXPR_FN_OPERATOR) != 0 && n_args == 2;
    if (!is_infix) {
        str_printf(out, "%s(", f->name);
    }
    for (uint32_t i = 0; i < n_args; i++) {
        if (i > 0) {
            str_printf(out, is_infix ? " %s " : ", ", f->name);
        }
        str_append_char(out, '<');
        type_print(args[i]->type, out);
        str_append_char(out, '>');
    }
    if (!is_infix) {
        str_append_char(out, ')');
    }
}

static void print_signature(const struct expr_function *f, const struct signature *s,
                            struct str *out)
{
    str_printf(out, "'%s(", f->name);
    for (uint32_t i = 0; i < s->n; i++) {
        const bool is_optional = i >= s->least;
        str_append_cstr(out, is_optional ? "[" : "");
        str_append_cstr(out, i > 0 ? ", " : "");
        str_append_char(out, '<');
        str_append_slice(out, s->args[i].shown);
        str_append_cstr(out, is_optional ? ">]" : ">");
    }
    str_append_cstr(out, s->is_varying ? "...)'" : ")'");
}

static int refuse(const struct expr_function *f, const struct expr *const *args, uint32_t n_args,
                  struct error *err)
{
    STR_AUTO text = STR_INIT;
    struct slice rest = slice_cstr(f->signatures);
    struct signature s;
    bool is_number_right = false, is_first = true;
    STR_AUTO forms = STR_INIT;
    while (f->signatures != NULL && signature_next(&rest, &s)) {
        is_number_right |= n_args >= s.least && (n_args <= s.n || s.is_varying);
        str_append_cstr(&forms, is_first ? " Supported form(s): " : ", ");
        print_signature(f, &s, &forms);
        signature_fini(&s);
        is_first = false;
    }
    if (!is_number_right && f->signatures != NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Invalid number of arguments to function '%s': %" PRIu32 ".%s", f->name,
                         n_args, str_cstr(&forms));
    }
    print_applied(f, args, n_args, &text);
    return error_set(err, ERR_INVALID_ARGUMENT, "Cannot apply '%s' to arguments of type '%s'.%s",
                     f->name, str_cstr(&text), str_cstr(&forms));
}

/* ---- groups ----------------------------------------------------------------------------------------- */

/* The type that all arguments of a comparison are brought to. */
static int common_of_comparison(const struct data_type *const *types, uint32_t n, bool is_order,
                                struct data_type **ret, struct error *err)
{
    struct data_type *common = type_ref(types[0]);
    for (uint32_t i = 1; i < n; i++) {
        struct data_type *next;
        int rc = type_of_comparison(common, types[i], is_order, &next, err);
        type_unref(common);
        if (rc < 0) {
            return rc;
        }
        common = next;
    }
    *ret = common;
    return 0;
}

static int common_type(enum signature_group group, const struct data_type *const *types, uint32_t n,
                       struct data_type **ret, struct error *err)
{
    if (group == SIGNATURE_COMPARABLE || group == SIGNATURE_ORDERED) {
        return common_of_comparison(types, n, group == SIGNATURE_ORDERED, ret, err);
    }
    return type_of_all(types, n, ret, err);
}

/* Casts to what a signature wants, nullability aside. */
static int bring_to(struct expr_pool *pool, const struct data_type *type, const struct expr **e,
                    struct error *err)
{
    if (is_untyped_null(*e)) {
        *e = expr_null(pool, type_with_nullable(type, true));
        return 0;
    }
    if (same_but_nullable(type, (*e)->type)) {
        return 0;
    }
    return expr_cast(pool, *e, type, false, e, err);
}

static int unify_group(struct expr_pool *pool, const struct signature *s,
                       enum signature_group group, const struct expr **args, uint32_t n_args,
                       struct data_type **ret_type, struct error *err)
{
    const struct data_type **types = mem_alloc((n_args + 1) * sizeof(*types));
    struct data_type *common = NULL;
    uint32_t n = 0;
    int rc = 0;
    for (uint32_t i = 0; i < n_args; i++) {
        const struct signature_argument *a = signature_at(s, i);
        if (a->group == group) {
            const bool has_element = a->is_array && args[i]->type->id == TYPE_ARRAY;
            types[n++] = has_element ? args[i]->type->children[0] : args[i]->type;
        }
    }
    if (n > 0) {
        rc = common_type(group, types, n, &common, err);
    }
    mem_free(types);
    for (uint32_t i = 0; rc == 0 && i < n_args && n > 0; i++) {
        const struct signature_argument *a = signature_at(s, i);
        if (a->group == group && a->is_array) {
            struct data_type *array = type_new_array(type_ref(common), args[i]->type->nullable);
            rc = bring_to(pool, array, &args[i], err);
            type_unref(array);
        } else if (a->group == group) {
            rc = bring_to(pool, common, &args[i], err);
        }
    }
    if (rc < 0 || n == 0) {
        type_unref(common);
        return rc;
    }
    type_unref(*ret_type);
    *ret_type = common;
    return 0;
}

/* Arguments as the signature wants them; *ret_common: of the last group, or NULL. */
static int cast_arguments(struct expr_pool *pool, const struct signature *s,
                          const struct expr **args, uint32_t n_args, struct data_type **ret_common,
                          struct error *err)
{
    for (uint32_t i = 0; i < n_args; i++) {
        const struct signature_argument *a = signature_at(s, i);
        if (a->type != NULL) {
            TRY(bring_to(pool, a->type, &args[i], err));
        }
    }
    for (enum signature_group g = SIGNATURE_T; g < SIGNATURE_GROUP_COUNT; g++) {
        TRY(unify_group(pool, s, g, args, n_args, ret_common, err));
    }
    return 0;
}

/* ---- results ---------------------------------------------------------------------------------------- */

static bool any_nullable(const struct expr *const *args, uint32_t n_args)
{
    for (uint32_t i = 0; i < n_args; i++) {
        if (args[i]->type->nullable) {
            return true;
        }
    }
    return false;
}

static struct data_type *result_type(const struct expr_function *f, const struct expr *const *args,
                                     uint32_t n_args, const struct data_type *common)
{
    struct slice text = slice_cstr(f->result);
    struct data_type *type = NULL, *result;
    const bool is_never_null = slice_ends_with(text, " NOT NULL");
    bool nullable = (f->flags & EXPR_FN_NULLABLE) != 0 || any_nullable(args, n_args);
    if (is_never_null) {
        text.len -= strlen(" NOT NULL");
    }
    if (text.data[0] == '=' && text.data[1] == 'T') {
        ASSERT(common != NULL);
        type = type_ref(common);
    } else if (text.data[0] == '=' || text.data[0] == '[') {
        const uint32_t k = (uint32_t)(text.data[1] - '1');
        ASSERT(k < n_args);
        type = type_ref(text.data[0] == '=' ? args[k]->type : args[k]->type->children[0]);
    } else {
        struct error err = ERROR_INIT;
        int rc = type_parse(text, &type, &err);
        ASSERT(rc == 0);
    }
    nullable = !is_never_null && (nullable || text.data[0] == '[');
    result = type_with_nullable(type, nullable);
    type_unref(type);
    return result;
}

static int make_call(struct expr_pool *pool, const struct expr_function *f,
                     const struct expr *const *args, uint32_t n_args,
                     const struct data_type *common, const struct expr **ret, struct error *err)
{
    struct data_type *type;
    if (f->infer != NULL) {
        TRY(f->infer(f, pool, args, n_args, &type, err));
    } else {
        type = result_type(f, args, n_args, common);
    }
    *ret = expr_call_of(pool, f, args, n_args, type);
    return 0;
}

/* The alternative that fits best: as it is before by casts, the first of equal ones. */
static enum fit best_signature(const struct expr_function *f, const struct expr *const *args,
                               uint32_t n_args, struct signature *ret)
{
    struct slice rest = slice_cstr(f->signatures);
    enum fit best = FIT_NEVER;
    struct signature s;
    while (best != FIT_AS_IS && signature_next(&rest, &s)) {
        const enum fit fit = fit_signature(&s, args, n_args);
        if (fit > best) {
            if (best != FIT_NEVER) {
                signature_fini(ret);
            }
            best = fit;
            *ret = s;
        } else {
            signature_fini(&s);
        }
    }
    return best;
}

int expr_call_resolve(struct expr_pool *pool, const struct expr_function *function,
                      const struct expr *const *args, uint32_t n_args, const struct expr **ret,
                      struct error *err)
{
    struct signature s;
    struct data_type *common = NULL;
    int rc;
    if (n_args > EXPR_ARGS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "%s has %" PRIu32 " arguments; there may be %d",
                         function->name, n_args, EXPR_ARGS_MAX);
    }
    if (function->signatures == NULL) {
        return make_call(pool, function, args, n_args, NULL, ret, err);
    }
    if (best_signature(function, args, n_args, &s) == FIT_NEVER) {
        return refuse(function, args, n_args, err);
    }
    const struct expr **cast = mem_alloc((n_args + 1) * sizeof(*cast));
    for (uint32_t i = 0; i < n_args; i++) {
        cast[i] = args[i];
    }
    rc = cast_arguments(pool, &s, cast, n_args, &common, err);
    if (rc == 0) {
        rc = make_call(pool, function, cast, n_args, common, ret, err);
    }
    mem_free(cast);
    signature_fini(&s);
    type_unref(common);
    return rc;
}

int expr_call(struct expr_pool *pool, const char *name, const struct expr *const *args,
              uint32_t n_args, const struct expr **ret, struct error *err)
{
    return expr_call_resolve(pool, expr_function_get(name), args, n_args, ret, err);
}

/* ---- casts ------------------------------------------------------------------------------------------ */

int expr_cast(struct expr_pool *pool, const struct expr *value, const struct data_type *to,
              bool is_try, const struct expr **ret, struct error *err)
{
    const bool nullable = is_try || value->type->nullable;
    if (is_untyped_null(value)) {
        *ret = expr_null(pool, type_with_nullable(to, true));
        return 0;
    }
    if (same_but_nullable(value->type, to) && !is_try) {
        *ret = value;
        return 0;
    }
    if (type_cast_rule(value->type, to) == TYPE_CAST_NEVER) {
        STR_AUTO from_text = STR_INIT;
        STR_AUTO to_text = STR_INIT;
        type_print(value->type, &from_text);
        type_print(to, &to_text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cast function cannot convert value of type %s to type %s",
                         str_cstr(&from_text), str_cstr(&to_text));
    }
    *ret = expr_call_of(pool, expr_function_get(is_try ? "TRY_CAST" : "CAST"), &value, 1,
                        type_with_nullable(to, nullable));
    return 0;
}

int expr_cast_implicitly(struct expr_pool *pool, const struct expr *value,
                         const struct data_type *to, const struct expr **ret, struct error *err)
{
    if (!is_untyped_null(value) && !same_but_nullable(value->type, to) &&
        !type_casts_implicitly(value->type, to)) {
        STR_AUTO from_text = STR_INIT;
        STR_AUTO to_text = STR_INIT;
        type_print(value->type, &from_text);
        type_print(to, &to_text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s is not converted to %s by itself; write CAST(... AS %s)",
                         str_cstr(&from_text), str_cstr(&to_text), str_cstr(&to_text));
    }
    return expr_cast(pool, value, to, false, ret, err);
}
