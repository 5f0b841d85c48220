/* Table functions of users in FROM: LATERAL TABLE(f(x)).  In the tree they are an UNNEST whose collection is a call of the function:
 * the rules for both are the same.  Flink: LogicalTableFunctionScan under a Correlate. */
#include "sql/plan/calls.h"

#include <strings.h>

static bool is_built_in(struct slice name)
{
    static const char *const words[] = {"TUMBLE",        "HOP",         "CUMULATE",
                                        "SESSION",       "ML_PREDICT",  "ML_EVALUATE",
                                        "VECTOR_SEARCH", "TO_CHANGELOG"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (name.len == strlen(words[i]) && strncasecmp(name.data, words[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static int find(struct convert *c, const struct sql_call *call, const struct expr_function **ret,
                struct error *err)
{
    const struct slice name = call->name.parts[call->name.n - 1].text;
    int rc = plan_user_function(c->p, &call->name, ret, err);
    TRY(rc);
    if (rc == 0 && call->name.n == 1 && is_built_in(name)) {
        return plan_unsupported(err, "table functions in FROM");
    }
    if (rc == 0 && call->name.n == 1 && expr_function_find(name) == NULL) {
        return error_set(err, ERR_NOT_FOUND, "No match found for function signature %.*s",
                         (int)name.len, name.data);
    }
    if (rc == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%.*s is a built-in function and no table function: it does not stand in "
                         "FROM; a function of a catalog with its name is found by its full name",
                         (int)name.len, name.data);
    }
    if ((*ret)->kind != EXPR_TABLE_FUNCTION) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%.*s is no table function: it does not stand in FROM", (int)name.len,
                         name.data);
    }
    if (call->over != NULL || call->filter != NULL || call->n_within > 0 ||
        (call->flags & SQL_CALL_DISTINCT) != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is not an aggregate function",
                         (*ret)->name);
    }
    return 0;
}

static int convert_args(struct convert *c, const struct sql_call *call, struct block *left,
                        const struct expr **args, struct error *err)
{
    left->clause = "FROM";
    for (uint32_t i = 0; i < call->n_args; i++) {
        if (call->args[i].name.text.data != NULL) {
            return convert_at(c, call->args[i].name.span,
                              plan_unsupported(err, "table functions with named arguments"));
        }
        TRY(convert_expr(c, left, call->args[i].expr, &args[i], err));
        if (plan_has_external(args[i], PLAN_SUBQUERY) ||
            plan_has_external(args[i], PLAN_CORRELATED)) {
            return convert_at(c, call->args[i].expr->span,
                              plan_unsupported(err, "a table function of a subquery"));
        }
    }
    return 0;
}

/* The input's columns, then those of the ROW that the function makes, or its only one. */
static int make(struct convert *c, const struct rel *input, const struct expr *call, bool is_left,
                const struct rel **ret, struct error *err)
{
    const struct data_type *t = call->type;
    const struct schema *s = input->schema;
    const uint32_t n_made = t->id == TYPE_ROW ? t->n_children : 1, n = s->n_fields + n_made;
    TRY(plan_check_width(c->p, n, err));
    const char **names = arena_alloc(&c->p->arena, (n + 1) * sizeof(*names));
    struct data_type **types = arena_alloc(&c->p->arena, (n + 1) * sizeof(struct data_type *));
    for (uint32_t i = 0; i < s->n_fields; i++) {
        names[i] = s->fields[i].name;
        types[i] = type_ref(s->fields[i].type);
    }
    for (uint32_t i = 0; i < n_made; i++) {
        const struct data_type *made = t->id == TYPE_ROW ? t->children[i] : t;
        names[s->n_fields + i] = t->id == TYPE_ROW ? t->names[i] : "EXPR$0";
        types[s->n_fields + i] = type_with_nullable(made, made->nullable || is_left);
    }
    struct rel *made = plan_node(c->p, REL_UNNEST, &input, 1);
    made->unnest = (struct rel_unnest){.collection = call, .is_left = is_left};
    plan_set_schema(c->p, made, names, types, n);
    *ret = made;
    return 0;
}

int convert_table_function(struct convert *c, const struct sql_relation *r, struct block *left,
                           bool is_left, const struct rel **ret, struct error *err)
{
    const struct sql_call *s = r->call->call;
    const struct expr_function *f = NULL;
    const struct expr *call;
    const struct expr **args = arena_alloc(&c->p->arena, (s->n_args + 1) * sizeof(*args));
    TRY(convert_at(c, s->name.span, find(c, s, &f, err)));
    TRY(convert_args(c, s, left, args, err));
    TRY(convert_at(c, r->call->span,
                   expr_call_resolve(c->p->pool, f, args, s->n_args, &call, err)));
    return convert_at(c, r->call->span, make(c, left->rel, call, is_left, ret, err));
}
