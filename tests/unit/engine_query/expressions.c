/* See expressions.h. */
#include "tests/unit/engine_query/expressions.h"

#include "engine/functions/functions.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"

void expressions_init(struct expressions *e, const char *schema)
{
    functions_register_builtin();
    *e = (struct expressions){.pool = expr_pool_new()};
    arena_init(&e->arena, 0);
    must(schema_parse(slice_cstr(schema), &e->schema, &err));
    e->writer = expr_writer_new(&e->arena);
}

void expressions_fini(struct expressions *e)
{
    expr_writer_free(e->writer);
    schema_unref(e->schema);
    expr_pool_free(e->pool);
    arena_fini(&e->arena);
}

uint32_t expressions_add(struct expressions *e, const char *sql)
{
    struct sql_scope_column columns[32];
    struct sql_validator v = {.pool = e->pool};
    const struct sql_scope scope = {columns, e->schema->n_fields, NULL};
    struct sql_expr *tree;
    const struct expr *resolved;
    for (uint32_t i = 0; i < scope.n; i++) {
        columns[i] = (struct sql_scope_column){
            .name = slice_cstr(e->schema->fields[i].name),
            .expr = expr_input(e->pool, i, type_ref(e->schema->fields[i].type)),
        };
    }
    must(sql_parse_expression(slice_cstr(sql), &e->arena, &tree, NULL, &err));
    must(sql_resolve(&v, &scope, tree, &resolved, &err));
    must(expr_writer_add(e->writer, expr_fold(e->pool, resolved, NULL), &e->indexes[e->n], &err));
    return e->indexes[e->n++];
}

Flinc__ExprList *expressions_list(struct expressions *e)
{
    return expr_writer_list(e->writer);
}
