/* See plan_session.h. */
#include "tests/sql/plan_session.h"

#include "connectors/registry/registry.h"
#include "engine/functions/functions.h"
#include "engine/query/query.h"

/* ---- the resolver ------------------------------------------------------------------------------------- */

struct sql_plan *plan_session_new_plan(struct plan_session *s)
{
    const struct sql_plan_options options = {
        .manager = s->m,
        .conf = &s->conf,
        .is_batch = conf_enum(&s->conf, "execution.runtime-mode") == 1,
    };
    return sql_plan_new(&options);
}

static bool is_call_of(const struct sql_expr *e, const char *name)
{
    return e->kind == SQL_EXPR_CALL && slice_eq_cstr(e->call->name.parts[0].text, name);
}

static int resolve_expression(void *arg, const struct sql_expr *e,
                              const struct sql_column_scope *scope, struct sql_expr_info *ret,
                              struct sql_error_place *place, struct error *err)
{
    struct sql_plan *p = plan_session_new_plan(arg);
    const struct expr *made;
    int rc = sql_plan_table_expression(p, e, scope->columns, scope->n_columns, &made, place, err);
    if (rc == 0) {
        ret->type = type_ref(made->type);
        ret->is_proctime = is_call_of(e, "PROCTIME");
    }
    sql_plan_free(p);
    return rc;
}

static int resolve_query(void *arg, const struct sql_query *q, struct slice text,
                         struct sql_table *view, struct sql_error_place *place, struct error *err)
{
    struct sql_plan *p = plan_session_new_plan(arg);
    const struct rel *r;
    int rc = sql_plan_query(p, q, text, &r, place, err);
    for (uint32_t i = 0; rc == 0 && i < r->schema->n_fields; i++) {
        const struct sql_table_column from = {
            .name = r->schema->fields[i].name,
            .kind = SQL_COLUMN_PHYSICAL,
            .type = r->schema->fields[i].type,
        };
        sql_table_put(view, sql_table_insert(view, view->n_columns), &from);
    }
    sql_plan_free(p);
    return rc;
}

void plan_session_init(struct plan_session *s)
{
    struct error err = ERROR_INIT;
    connectors_register();
    functions_register_builtin();
    s->resolver =
        (struct sql_resolver){.arg = s, .expression = resolve_expression, .query = resolve_query};
    conf_init(&s->conf, NULL);
    int rc = conf_set(&s->conf, "execution.runtime-mode", "BATCH", &err);
    const struct sql_manager_options options = {.resolver = &s->resolver};
    rc = rc == 0 ? sql_manager_new(&options, &s->m, &err) : rc;
    ASSERT(rc == 0);
}

void plan_session_fini(struct plan_session *s)
{
    sql_manager_free(s->m);
    conf_fini(&s->conf);
}

/* ---- statements --------------------------------------------------------------------------------------- */

static int plan_logical(struct sql_plan *p, struct slice text,
                        const struct sql_statement *statement, const struct rel **ret,
                        struct sql_error_place *place, struct error *err)
{
    if (statement->kind == SQL_STATEMENT_INSERT) {
        return sql_plan_insert(p, statement, text, ret, place, err);
    }
    if (statement->kind != SQL_STATEMENT_QUERY) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: this statement");
    }
    TRY(sql_plan_query(p, statement->query, text, ret, place, err));
    *ret = sql_plan_collect(p, *ret);
    return 0;
}

/* The statement, or those of a set. */
static int plan_text(struct sql_plan *p, struct slice text, const struct sql_statement *statement,
                     uint32_t details, struct str *out, struct sql_error_place *place,
                     struct error *err)
{
    const bool is_set = statement->kind == SQL_STATEMENT_STATEMENT_SET;
    const uint32_t n = is_set ? statement->n_statements : 1;
    const struct rel **logical = arena_alloc(sql_plan_arena(p), (n + 1) * sizeof(*logical));
    const struct rel **physical = arena_alloc(sql_plan_arena(p), (n + 1) * sizeof(*physical));
    for (uint32_t i = 0; i < n; i++) {
        TRY(plan_logical(p, text, is_set ? statement->statements[i] : statement, &logical[i], place,
                         err));
    }
    place->span = statement->span;
    TRY(sql_plan_optimize(p, logical, n, physical, err));
    return sql_plan_explain(p, logical, physical, n, details, out, err);
}

static const char last_section[] = "== Optimized Execution Plan ==\n";

/* EXPLAIN has all of the text, other statements the last section. */
static int explain(struct plan_session *s, struct slice text, const struct sql_statement *statement,
                   struct str *out, struct sql_error_place *place, struct error *err)
{
    struct sql_plan *p = plan_session_new_plan(s);
    const bool is_explain = statement->kind == SQL_STATEMENT_EXPLAIN;
    STR_AUTO all = STR_INIT;
    int rc = plan_text(p, text, is_explain ? statement->statements[0] : statement,
                       is_explain ? statement->explain_details : 0, &all, place, err);
    if (rc == 0 && out != NULL) {
        const char *from = str_cstr(&all);
        str_append_cstr(out,
                        is_explain ? from : strstr(from, last_section) + sizeof(last_section) - 1);
    }
    sql_plan_free(p);
    return rc;
}

int plan_session_plan(struct plan_session *s, const char *text, struct str *out,
                      struct sql_error_place *place, struct error *err)
{
    struct arena arena;
    struct sql_statement *statement;
    struct sql_error_place nowhere;
    struct sql_error_place *at = place != NULL ? place : &nowhere;
    arena_init(&arena, 0);
    int rc = sql_parse_statement(slice_cstr(text), &arena, &statement, at, err);
    if (rc == 0) {
        rc = explain(s, slice_cstr(text), statement, out, at, err);
    }
    arena_fini(&arena);
    return rc;
}

int plan_session_execute(struct plan_session *s, struct slice text,
                         const struct sql_statement *statement, struct sql_result **ret,
                         struct sql_error_place *place, struct error *err)
{
    static const struct sql_result_column column = {"plan", SQL_RESULT_STRING};
    STR_AUTO out = STR_INIT;
    if (sql_catalog_takes(statement)) {
        return sql_catalog_execute(s->m, text, statement, ret, place, err);
    }
    if (statement->kind == SQL_STATEMENT_SET && statement->text.data != NULL) {
        CLEANUP(str_fini) struct str key = STR_INIT;
        str_append_slice(&key, statement->text);
        str_append_slice(&out, statement->value);
        TRY(conf_set(&s->conf, str_cstr(&key), str_cstr(&out), err));
        *ret = sql_result_new_ok();
        return 0;
    }
    TRY(explain(s, text, statement, &out, place, err));
    if (out.len > 0) {
        out.data[--out.len] = '\0';
    }
    *ret = sql_result_new(&column, 1);
    const char *cell = str_cstr(&out);
    sql_result_add(*ret, &cell);
    return 0;
}
