/* Arguments of JSON functions brought to what their rows take: see engine/functions/json.c and json_make.c. */
#include "sql/validate/inside.h"

static bool is_constructor(const struct expr_function *f)
{
    return strcmp(f->name, "JSON_OBJECT") == 0 || strcmp(f->name, "JSON_ARRAY") == 0;
}

/* Is the value JSON already? */
static bool is_raw(const struct expr *e)
{
    return e->kind == EXPR_CALL &&
           (is_constructor(e->function) || strcmp(e->function->name, "JSON") == 0);
}

/* "N" or "A", and r or v for each value, before the other arguments; the word at the end goes. */
static void add_how(struct sql_validator *v, const struct sql_call *c,
                    const struct expr_function *f, const struct expr **args, uint32_t *n)
{
    const bool is_object = strcmp(f->name, "JSON_OBJECT") == 0;
    bool is_null = is_object;
    STR_AUTO how = STR_INIT;
    if (*n > 0 && c->args[*n - 1].expr->kind == SQL_EXPR_SYMBOL) {
        is_null = c->args[--*n].expr->symbol == SQL_SYMBOL_NULL_ON_NULL;
    }
    str_append_char(&how, is_null ? 'N' : 'A');
    for (uint32_t i = is_object ? 1 : 0; i < *n; i += is_object ? 2 : 1) {
        str_append_char(&how, is_raw(args[i]) ? 'r' : 'v');
    }
    memmove(args + 1, args, *n * sizeof(*args));
    args[0] = expr_string(v->pool, str_slice(&how));
    ++*n;
}

/* Values behind DEFAULT come to the type that is returned. */
static int cast_defaults(struct sql_validator *v, const struct sql_call *c,
                         const struct expr **args, uint32_t n, struct error *err)
{
    struct data_type *type = type_new_string(true);
    int rc = 0;
    for (uint32_t i = 2; i < n && rc == 0; i++) {
        const struct sql_expr *e = c->args[i].expr;
        if (e->kind != SQL_EXPR_SYMBOL) {
            rc = expr_cast(v->pool, args[i], type, false, &args[i], err);
        } else if (e->symbol == SQL_SYMBOL_RETURNING) {
            type_unref(type);
            type = type_ref(args[i]->type);
        }
    }
    type_unref(type);
    return rc;
}

int sql_json_arguments(struct sql_validator *v, const struct sql_call *c,
                       const struct expr_function *f, const struct expr **args, uint32_t *n,
                       struct error *err)
{
    if (is_constructor(f)) {
        add_how(v, c, f, args, n);
        return 0;
    }
    return strcmp(f->name, "JSON_VALUE") == 0 ? cast_defaults(v, c, args, *n, err) : 0;
}
