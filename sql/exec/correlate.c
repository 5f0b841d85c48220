/* Table functions of users: an UNNEST whose collection is a call (sql/plan/correlate.c). */
#include "engine/expr/function.h"
#include "sql/exec/inside.h"

static int write_exprs(struct exec_translation *x, const struct expr *const *exprs, uint32_t n,
                       Flinc__ExprList **ret_list, uint32_t **ret_numbers)
{
    struct expr_writer *w = expr_writer_new(x->arena);
    uint32_t *numbers = arena_alloc(x->arena, (n + 1) * sizeof(*numbers));
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        rc = expr_writer_add(w, exprs[i], &numbers[i], x->err);
    }
    if (rc == 0) {
        *ret_list = expr_writer_list(w);
        *ret_numbers = numbers;
    }
    expr_writer_free(w);
    return rc;
}

bool exec_is_table_function(const struct rel *r)
{
    const struct expr *e = r->unnest.collection;
    return e->kind == EXPR_CALL && e->function->kind == EXPR_TABLE_FUNCTION;
}

int exec_add_table_function(struct exec_translation *x, const struct rel *r,
                            struct stream_node **ret)
{
    const struct rel_unnest *u = &r->unnest;
    const struct expr *call = u->collection;
    Flinc__TableFunctionConfig c = FLINC__TABLE_FUNCTION_CONFIG__INIT;
    STR_AUTO type = STR_INIT;
    type_print(call->type, &type);
    c.context = x->context;
    c.function = (char *)(uintptr_t)expr_function_wire_name(call->function);
    c.type = arena_strdup(x->arena, str_cstr(&type));
    c.left = u->is_left;
    c.n_args = call->n_args;
    c.n_conditions = u->conditions.n;
    TRY(write_exprs(x, call->args, call->n_args, &c.exprs, &c.args));
    TRY(write_exprs(x, u->conditions.items, u->conditions.n, &c.condition_exprs, &c.conditions));
    *ret = exec_add(x, "flinc.query.table_function", r, &c.base);
    return 0;
}
