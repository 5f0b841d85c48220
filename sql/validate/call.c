/* Calls of functions by name. */
#include "sql/validate/inside.h"

#include "engine/functions/functions.h"

#include <strings.h>

static bool slice_is_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

static int no_function(struct sql_validator *v, const struct sql_path *name, struct error *err)
{
    const struct slice last = name->parts[name->n - 1].text;
    char *text = mem_strndup(last.data, last.len);
    const char *near = expr_function_nearest(text), *feature = functions_absent(last);
    if (feature != NULL) {
        int rc = error_set(err, ERR_UNSUPPORTED, "not supported yet: %s (%s)", text, feature);
        mem_free(text);
        return sql_at_place(v, name->span, rc);
    }
    int rc = error_set(err, ERR_NOT_FOUND, "No match found for function signature %s%s%s%s", text,
                       near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                       near != NULL ? "?" : "");
    mem_free(text);
    return sql_at_place(v, name->span, rc);
}

static int refuse_clauses(const struct sql_call *c, const struct expr_function *f,
                          struct error *err)
{
    static const char *const needs[] = {
        [EXPR_AGGREGATE] = "is an aggregate function: it stands in SELECT, HAVING or ORDER BY",
        [EXPR_WINDOW_FUNCTION] = "needs an OVER clause",
        [EXPR_TABLE_FUNCTION] = "is a table function: it stands in FROM",
    };
    if (f->kind != EXPR_SCALAR) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s %s", f->name, needs[f->kind]);
    }
    if (c->over != NULL || c->filter != NULL || c->n_within > 0 ||
        (c->flags & SQL_CALL_DISTINCT) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is not an aggregate function: %s", f->name,
                         c->over != NULL     ? "OVER does not apply to it"
                         : c->filter != NULL ? "FILTER does not apply to it"
                         : c->n_within > 0   ? "WITHIN GROUP does not apply to it"
                                             : "DISTINCT does not apply to it");
    }
    return 0;
}

/* NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END. */
static int resolve_nullif(struct sql_validator *v, const struct sql_scope *scope,
                          const struct sql_call *c, const struct expr **ret, struct error *err)
{
    const struct expr *args[2], *parts[3];
    if (c->n_args != 2) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Invalid number of arguments to function 'NULLIF': it has two");
    }
    for (uint32_t i = 0; i < 2; i++) {
        TRY(sql_resolve(v, scope, c->args[i].expr, &args[i], err));
    }
    TRY(expr_call(v->pool, "=", args, 2, &parts[0], err));
    parts[1] = expr_null(v->pool, type_with_nullable(args[0]->type, true));
    parts[2] = args[0];
    return expr_call(v->pool, "CASE", parts, 3, ret, err);
}

int sql_resolve_call(struct sql_validator *v, const struct sql_scope *scope,
                     const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    const struct sql_call *c = e->call;
    const struct expr_function *f = NULL;
    if (v->function != NULL) {
        int rc = v->function(v->arg, &c->name, &f, err);
        TRY(sql_at_place(v, c->name.span, MIN(rc, 0)));
    }
    if (f == NULL && c->name.n == 1) {
        f = expr_function_find(c->name.parts[0].text);
        f = f != NULL && (f->flags & EXPR_FN_HIDDEN) == 0 ? f : NULL;
    }
    if (f == NULL && c->name.n == 1 && slice_is_word(c->name.parts[0].text, "NULLIF")) {
        return resolve_nullif(v, scope, c, ret, err);
    }
    if (f == NULL) {
        return no_function(v, &c->name, err);
    }
    TRY(refuse_clauses(c, f, err));
    const struct expr **args =
        arena_alloc(expr_pool_arena(v->pool), (c->n_args + 1) * sizeof(*args));
    for (uint32_t i = 0; i < c->n_args; i++) {
        if (c->args[i].name.text.data != NULL) {
            return sql_at_place(v, c->args[i].name.span,
                                error_set(err, ERR_UNSUPPORTED,
                                          "not supported yet: %s with named arguments", f->name));
        }
        TRY(sql_resolve(v, scope, c->args[i].expr, &args[i], err));
    }
    uint32_t n = c->n_args;
    TRY(sql_json_arguments(v, c, f, args, &n, err));
    return expr_call_resolve(v->pool, f, args, n, ret, err);
}
