/* Operators, CASE, CAST, IN, BETWEEN and the rest of expressions. */
#include "sql/validate/inside.h"

#include "engine/expr/type_rules.h"
#include "sql/types/resolve.h"

typedef int (*resolve_kind)(struct sql_validator *v, const struct sql_scope *scope,
                            const struct sql_expr *e, const struct expr **ret, struct error *err);

static int call(struct sql_validator *v, const char *name, const struct expr *const *args,
                uint32_t n, const struct expr **ret, struct error *err)
{
    return expr_call(v->pool, name, args, n, ret, err);
}

static int negate(struct sql_validator *v, bool is_negated, const struct expr **e,
                  struct error *err)
{
    const struct expr *arg = *e;
    return is_negated ? call(v, "NOT", &arg, 1, e, err) : 0;
}

/* The operands in order, in memory of the pool. */
static int operands(struct sql_validator *v, const struct sql_scope *scope,
                    const struct sql_expr *e, const struct expr ***ret, struct error *err)
{
    const struct expr **args =
        arena_alloc(expr_pool_arena(v->pool), (e->n_operands + 3) * sizeof(*args));
    for (uint32_t i = 0; i < e->n_operands; i++) {
        TRY(sql_resolve(v, scope, e->operands[i], &args[i], err));
    }
    *ret = args;
    return 0;
}

/* ---- operators -------------------------------------------------------------------------------------- */

static const char *const function_names[SQL_OP_COUNT] = {
    [SQL_OP_PLUS] = "+",       [SQL_OP_MINUS] = "-",
    [SQL_OP_TIMES] = "*",      [SQL_OP_DIVIDE] = "/",
    [SQL_OP_MODULO] = "%",     [SQL_OP_CONCAT] = "||",
    [SQL_OP_EQUAL] = "=",      [SQL_OP_NOT_EQUAL] = "<>",
    [SQL_OP_LESS] = "<",       [SQL_OP_LESS_EQUAL] = "<=",
    [SQL_OP_GREATER] = ">",    [SQL_OP_GREATER_EQUAL] = ">=",
    [SQL_OP_AND] = "AND",      [SQL_OP_OR] = "OR",
    [SQL_OP_LIKE] = "LIKE",    [SQL_OP_SIMILAR] = "SIMILAR TO",
    [SQL_OP_RLIKE] = "REGEXP",
};

/* A call by the name of a row, which may not be there yet. */
static int call_named(struct sql_validator *v, const char *name, const struct expr *const *args,
                      uint32_t n, const struct expr **ret, struct error *err)
{
    const struct expr_function *function =
        name != NULL ? expr_function_find(slice_cstr(name)) : NULL;
    if (function == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s",
                         name != NULL ? name : "this operator");
    }
    return expr_call_resolve(v->pool, function, args, n, ret, err);
}

static int resolve_unary(struct sql_validator *v, const struct sql_scope *scope,
                         const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args;
    TRY(operands(v, scope, e, &args, err));
    const char *name = e->op == SQL_OP_NOT ? "NOT" : e->op == SQL_OP_MINUS ? "MINUS" : "PLUS";
    return call(v, name, args, 1, ret, err);
}

/* (begin, end) or (begin, duration): begin and end in order. */
static int period(struct sql_validator *v, const struct sql_scope *scope, const struct sql_expr *e,
                  const struct expr *ret[2], struct error *err)
{
    const struct expr *parts[2];
    if (e->kind != SQL_EXPR_ROW || e->n_operands != 2) {
        return sql_at_place(v, e->span,
                            error_set(err, ERR_INVALID_ARGUMENT,
                                      "OVERLAPS has pairs: (begin, end) or (begin, interval)"));
    }
    for (uint32_t i = 0; i < 2; i++) {
        TRY(sql_resolve(v, scope, e->operands[i], &parts[i], err));
    }
    if (type_is_interval(parts[1]->type)) {
        TRY(call(v, "+", parts, 2, &parts[1], err));
    }
    TRY(call(v, "LEAST", parts, 2, &ret[0], err));
    return call(v, "GREATEST", parts, 2, &ret[1], err);
}

static int resolve_overlaps(struct sql_validator *v, const struct sql_scope *scope,
                            const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr *a[2], *b[2], *both[2];
    TRY(period(v, scope, e->operands[0], a, err));
    TRY(period(v, scope, e->operands[1], b, err));
    TRY(call(v, ">=", (const struct expr *[]){a[1], b[0]}, 2, &both[0], err));
    TRY(call(v, ">=", (const struct expr *[]){b[1], a[0]}, 2, &both[1], err));
    return call(v, "AND", both, 2, ret, err);
}

static int resolve_binary(struct sql_validator *v, const struct sql_scope *scope,
                          const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args;
    if (e->op == SQL_OP_OVERLAPS) {
        return resolve_overlaps(v, scope, e, ret, err);
    }
    TRY(operands(v, scope, e, &args, err));
    if (e->op == SQL_OP_IS_DISTINCT) {
        return call(v, e->is_negated ? "IS NOT DISTINCT FROM" : "IS DISTINCT FROM", args, 2, ret,
                    err);
    }
    if (function_names[e->op] == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s", sql_operator_name(e->op));
    }
    TRY(call_named(v, function_names[e->op], args, e->n_operands, ret, err));
    return negate(v, e->is_negated, ret, err);
}

static int resolve_logic(struct sql_validator *v, const struct sql_scope *scope,
                         const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args;
    TRY(operands(v, scope, e, &args, err));
    return call(v, function_names[e->op], args, e->n_operands, ret, err);
}

static const char *const is_names[][2] = {
    [SQL_IS_NULL] = {"IS NULL", "IS NOT NULL"},
    [SQL_IS_TRUE] = {"IS TRUE", "IS NOT TRUE"},
    [SQL_IS_FALSE] = {"IS FALSE", "IS NOT FALSE"},
    [SQL_IS_UNKNOWN] = {"IS UNKNOWN", "IS NOT UNKNOWN"},
};
static const char *const is_json_names[] = {
    [SQL_IS_JSON] = "VALUE",
    [SQL_IS_JSON_OBJECT] = "OBJECT",
    [SQL_IS_JSON_ARRAY] = "ARRAY",
    [SQL_IS_JSON_SCALAR] = "SCALAR",
};

static int resolve_is(struct sql_validator *v, const struct sql_scope *scope,
                      const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args;
    TRY(operands(v, scope, e, &args, err));
    if (e->is < ARRAY_LEN(is_names)) {
        return call(v, is_names[e->is][e->is_negated], args, 1, ret, err);
    }
    if (e->is < ARRAY_LEN(is_json_names)) {
        args[1] = expr_string(v->pool, slice_cstr(is_json_names[e->is]));
        TRY(call_named(v, "IS JSON", args, 2, ret, err));
        return negate(v, e->is_negated, ret, err);
    }
    return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s",
                     e->is == SQL_IS_A_SET ? "IS A SET" : "IS EMPTY");
}

/* value >= low AND value <= high; SYMMETRIC: or the other way round. */
static int between(struct sql_validator *v, const struct expr *value, const struct expr *low,
                   const struct expr *high, const struct expr **ret, struct error *err)
{
    const struct expr *parts[2];
    TRY(call(v, ">=", (const struct expr *[]){value, low}, 2, &parts[0], err));
    TRY(call(v, "<=", (const struct expr *[]){value, high}, 2, &parts[1], err));
    return call(v, "AND", parts, 2, ret, err);
}

static int resolve_between(struct sql_validator *v, const struct sql_scope *scope,
                           const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args, *either[2];
    TRY(operands(v, scope, e, &args, err));
    TRY(between(v, args[0], args[1], args[2], &either[0], err));
    if (e->is_symmetric) {
        TRY(between(v, args[0], args[2], args[1], &either[1], err));
        TRY(call(v, "OR", either, 2, &either[0], err));
    }
    *ret = either[0];
    return negate(v, e->is_negated, ret, err);
}

/* v IN (a, b): the function IN when all of the list is literal, else v = a OR v = b. */
static int resolve_in(struct sql_validator *v, const struct sql_scope *scope,
                      const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args;
    if (e->query != NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: IN (SELECT ...) here");
    }
    TRY(operands(v, scope, e, &args, err));
    for (uint32_t i = 1; i < e->n_operands; i++) {
        TRY(call(v, "=", (const struct expr *[]){args[0], args[i]}, 2, &args[i], err));
    }
    if (e->n_operands == 2) {
        *ret = args[1];
    } else {
        TRY(call(v, "OR", args + 1, e->n_operands - 1, ret, err));
    }
    return negate(v, e->is_negated, ret, err);
}

/* ---- CASE, CAST ------------------------------------------------------------------------------------- */

/* Values come to their common type. */
static int unify_values(struct sql_validator *v, const struct expr **args, uint32_t n,
                        struct error *err)
{
    const struct data_type **types = mem_alloc((n + 1) * sizeof(*types));
    struct data_type *common = NULL;
    uint32_t n_types = 0;
    for (uint32_t i = 1; i < n; i += 2) {
        types[n_types++] = args[i]->type;
    }
    types[n_types++] = args[n - 1]->type;
    int rc = type_of_all(types, n_types, &common, err);
    for (uint32_t i = 1; rc == 0 && i <= n; i += 2) {
        const uint32_t k = MIN(i, n - 1);
        rc = expr_cast(v->pool, args[k], common, false, &args[k], err);
    }
    mem_free(types);
    type_unref(common);
    return rc;
}

static int resolve_case(struct sql_validator *v, const struct sql_scope *scope,
                        const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr **args, *value = NULL;
    uint32_t n = e->n_operands;
    TRY(operands(v, scope, e, &args, err));
    if (n % 2 == 0) {
        args[n++] = expr_null(v->pool, type_new(TYPE_NULL, true));
    }
    if (e->case_value != NULL) {
        TRY(sql_resolve(v, scope, e->case_value, &value, err));
        for (uint32_t i = 0; i + 1 < n; i += 2) {
            TRY(call(v, "=", (const struct expr *[]){value, args[i]}, 2, &args[i], err));
        }
    }
    TRY(unify_values(v, args, n, err));
    return call(v, "CASE", args, n, ret, err);
}

static int resolve_cast(struct sql_validator *v, const struct sql_scope *scope,
                        const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    struct data_type *type;
    struct sql_span span;
    const struct expr *value;
    int rc = sql_type_resolve(e->type, &type, &span, err);
    if (rc < 0) {
        return sql_at_place(v, span, rc);
    }
    rc = sql_resolve(v, scope, e->operands[0], &value, err);
    if (rc == 0) {
        rc = expr_cast(v->pool, value, type, e->is_try, ret, err);
    }
    type_unref(type);
    return rc;
}

/* ---- constructors, access --------------------------------------------------------------------------- */

/* Every second operand, from `first` on, comes to their common type. */
static int unify_entries(struct sql_validator *v, const struct expr **args, uint32_t n,
                         uint32_t first, struct error *err)
{
    const struct data_type **types = mem_alloc((n + 1) * sizeof(*types));
    struct data_type *common = NULL;
    uint32_t n_types = 0;
    for (uint32_t i = first; i < n; i += 2) {
        types[n_types++] = args[i]->type;
    }
    int rc = type_of_all(types, n_types, &common, err);
    for (uint32_t i = first; rc == 0 && i < n; i += 2) {
        rc = expr_cast(v->pool, args[i], common, false, &args[i], err);
    }
    mem_free(types);
    type_unref(common);
    return rc;
}

/* Operands of constructors come to the types that they share; a key to that of the map. */
static int unify_operands(struct sql_validator *v, const struct sql_expr *e,
                          const struct expr **args, struct error *err)
{
    if (e->kind == SQL_EXPR_MAP && e->n_operands % 2 == 0 && e->n_operands > 0) {
        TRY(unify_entries(v, args, e->n_operands, 0, err));
        return unify_entries(v, args, e->n_operands, 1, err);
    }
    if (e->kind == SQL_EXPR_ITEM && args[0]->type->id == TYPE_MAP) {
        const struct data_type *key = args[0]->type->children[0];
        if (type_is_string(key) && type_is_string(args[1]->type)) {
            return 0; /* of any length: a cast would cut it */
        }
        struct data_type *wanted = type_with_nullable(key, args[1]->type->nullable);
        const int rc = expr_cast_implicitly(v->pool, args[1], wanted, &args[1], err);
        type_unref(wanted);
        return rc;
    }
    return 0;
}

static int resolve_constructor(struct sql_validator *v, const struct sql_scope *scope,
                               const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    static const char *const names[SQL_EXPR_KIND_COUNT] = {
        [SQL_EXPR_ROW] = "ROW",           [SQL_EXPR_ARRAY] = "ARRAY", [SQL_EXPR_MAP] = "MAP",
        [SQL_EXPR_MULTISET] = "MULTISET", [SQL_EXPR_ITEM] = "ITEM",
    };
    const struct expr **args;
    if (e->query != NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s(SELECT ...)", names[e->kind]);
    }
    TRY(operands(v, scope, e, &args, err));
    TRY(unify_operands(v, e, args, err));
    return call_named(v, names[e->kind], args, e->n_operands, ret, err);
}

static int resolve_field(struct sql_validator *v, const struct sql_scope *scope,
                         const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct expr *row;
    TRY(sql_resolve(v, scope, e->operands[0], &row, err));
    if (row->type->id != TYPE_ROW) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Only a ROW has fields");
    }
    for (uint32_t i = 0; i < row->type->n_children; i++) {
        if (slice_eq_cstr(e->field.text, row->type->names[i])) {
            *ret = expr_field(v->pool, row, i);
            return 0;
        }
    }
    return sql_at_place(v, e->field.span,
                        error_set(err, ERR_NOT_FOUND, "Field '%.*s' not found",
                                  (int)e->field.text.len, e->field.text.data));
}

/* Words of a function's syntax are literals to it; RETURNING is a NULL of its type. */
static int resolve_symbol(struct sql_validator *v, const struct sql_scope *scope,
                          const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    if (e->symbol == SQL_SYMBOL_RETURNING) {
        struct data_type *type;
        struct sql_span span;
        const int rc = sql_type_resolve(e->type, &type, &span, err);
        if (rc < 0) {
            return sql_at_place(v, span, rc);
        }
        *ret = expr_null(v->pool, type_with_nullable(type, true));
        type_unref(type);
        return 0;
    }
    const char *name =
        e->symbol == SQL_SYMBOL_UNIT ? sql_unit_name(e->unit) : sql_symbol_name(e->symbol);
    *ret = expr_string(v->pool, slice_cstr(name));
    return 0;
}

static int literal(struct sql_validator *v, const struct sql_scope *scope, const struct sql_expr *e,
                   const struct expr **ret, struct error *err)
{
    return sql_resolve_literal(v, e, ret, err);
}

static const resolve_kind kinds[SQL_EXPR_KIND_COUNT] = {
    [SQL_EXPR_LITERAL] = literal,
    [SQL_EXPR_COLUMN] = sql_resolve_column,
    [SQL_EXPR_UNARY] = resolve_unary,
    [SQL_EXPR_BINARY] = resolve_binary,
    [SQL_EXPR_LOGIC] = resolve_logic,
    [SQL_EXPR_IS] = resolve_is,
    [SQL_EXPR_BETWEEN] = resolve_between,
    [SQL_EXPR_IN] = resolve_in,
    [SQL_EXPR_CASE] = resolve_case,
    [SQL_EXPR_CAST] = resolve_cast,
    [SQL_EXPR_CALL] = sql_resolve_call,
    [SQL_EXPR_FIELD] = resolve_field,
    [SQL_EXPR_ITEM] = resolve_constructor,
    [SQL_EXPR_ROW] = resolve_constructor,
    [SQL_EXPR_ARRAY] = resolve_constructor,
    [SQL_EXPR_MAP] = resolve_constructor,
    [SQL_EXPR_MULTISET] = resolve_constructor,
    [SQL_EXPR_SYMBOL] = resolve_symbol,
};

static const char *const kind_names[SQL_EXPR_KIND_COUNT] = {
    [SQL_EXPR_STAR] = "* in an expression",
    [SQL_EXPR_QUANTIFIED] = "SOME, ANY and ALL",
    [SQL_EXPR_EXISTS] = "EXISTS here",
    [SQL_EXPR_UNIQUE] = "UNIQUE",
    [SQL_EXPR_QUERY] = "a subquery here",
    [SQL_EXPR_TABLE] = "a table as an argument",
    [SQL_EXPR_DESCRIPTOR] = "DESCRIPTOR here",
    [SQL_EXPR_MODEL] = "a model as an argument",
    [SQL_EXPR_DEFAULT] = "DEFAULT",
    [SQL_EXPR_INTERVAL] = "an interval of an expression",
};

int sql_resolve(struct sql_validator *v, const struct sql_scope *scope, const struct sql_expr *e,
                const struct expr **ret, struct error *err)
{
    int rc = v->other != NULL ? v->other(v->arg, v, scope, e, ret, err) : 0;
    if (rc > 0) {
        return 0;
    }
    if (rc == 0 && kinds[e->kind] == NULL) {
        rc = error_set(err, ERR_UNSUPPORTED, "not supported yet: %s", kind_names[e->kind]);
    } else if (rc == 0) {
        rc = kinds[e->kind](v, scope, e, ret, err);
    }
    return sql_at_place(v, e->span, rc);
}

int sql_resolve_condition(struct sql_validator *v, const struct sql_scope *scope,
                          const struct sql_expr *e, const char *clause, const struct expr **ret,
                          struct error *err)
{
    TRY(sql_resolve(v, scope, e, ret, err));
    if ((*ret)->type->id == TYPE_NULL) {
        *ret = expr_null(v->pool, type_new(TYPE_BOOLEAN, true));
    }
    if ((*ret)->type->id != TYPE_BOOLEAN) {
        STR_AUTO text = STR_INIT;
        type_print((*ret)->type, &text);
        return sql_at_place(v, e->span,
                            error_set(err, ERR_INVALID_ARGUMENT,
                                      "%s clause must be a condition, not %s", clause,
                                      str_cstr(&text)));
    }
    return 0;
}
