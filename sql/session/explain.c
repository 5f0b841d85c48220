/* EXPLAIN: the plans of a statement as text; with JSON_EXECUTION_PLAN also the job's. */
#include "sql/session/inside.h"

static int append_job_plan(struct sql_planned *p, struct str *out, struct error *err)
{
    struct sql_job_graph g;
    TRY(sql_planned_translate(p, &g, err));
    str_printf(out, "\n== Physical Execution Plan ==\n%s\n", g.graph->plan_json);
    sql_job_graph_fini(&g);
    return 0;
}

/* What was added to `p`. */
static int print(struct sql_run *r, struct sql_planned *p, struct str *out)
{
    const struct rel **physical = NULL;
    uint32_t details = r->statement->explain_details;
    TRY(sql_planned_optimize(p, &physical, r->err));
    int rc = sql_plan_explain(p->plan, (const struct rel *const *)p->logical.data, physical,
                              (uint32_t)p->logical.len,
                              details & ~(uint32_t)SQL_EXPLAIN_JSON_EXECUTION_PLAN, out, r->err);
    mem_free(physical);
    if (rc == 0 && (details & SQL_EXPLAIN_JSON_EXECUTION_PLAN) != 0) {
        rc = append_job_plan(p, out, r->err);
    }
    return rc;
}

static int explain(struct sql_run *r, struct str *out)
{
    struct sql_planned p;
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_planned_add(&p, r->statement->statements[0], r->text, r->place, r->err);
    rc = rc < 0 ? rc : print(r, &p, out);
    sql_planned_close(&p);
    return rc;
}

/* ---- CREATE TABLE AS, REPLACE TABLE AS: the table is there while its plan is made --------------------------- */

/* What REPLACE TABLE finds; NULL: there is nothing. */
static struct sql_table *old_table(struct sql_run *r, const struct sql_create *c,
                                   struct sql_catalog **ret_catalog)
{
    struct sql_identifier id;
    struct sql_table *old = NULL;
    struct sql_error_place place;
    struct arena arena;
    arena_init(&arena, 0);
    if (c->is_replace &&
        sql_manager_qualify(r->s->manager, &c->name, &arena, &id, &place, NULL) == 0 &&
        sql_manager_get_catalog(r->s->manager, id.catalog, ret_catalog, NULL) == 0 &&
        (*ret_catalog)->ops->get_table(*ret_catalog, id.database, id.name, &old, NULL) < 0) {
        old = NULL;
    }
    arena_fini(&arena);
    return old;
}

static int explain_created(struct sql_run *r, const struct sql_created *created, struct str *out)
{
    struct sql_run inner = *r;
    struct sql_planned p;
    inner.statement = r->statement->statements[0];
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_run_add_created(&inner, created, &p);
    rc = rc < 0 ? rc : print(r, &p, out);
    sql_planned_close(&p);
    return rc;
}

static int explain_create_as(struct sql_run *r, struct str *out)
{
    const struct sql_statement *t = r->statement->statements[0];
    struct sql_catalog *catalog = NULL;
    struct sql_created created;
    struct sql_table *old = old_table(r, t->create, &catalog);
    int rc = sql_catalog_create_as(r->s->manager, r->text, t, &created, r->place, r->err);
    if (rc < 0) {
        sql_table_unref(old);
        return rc;
    }
    if (created.table == NULL) { /* IF NOT EXISTS found one */
        str_append_cstr(out, "The table exists: the statement does nothing.\n");
    } else {
        rc = explain_created(r, &created, out);
        sql_run_drop_created(r, &created);
    }
    if (old != NULL) {
        int back = catalog->ops->create_table(catalog, created.id.database, created.id.name, old,
                                              rc < 0 ? NULL : r->err);
        rc = rc < 0 ? rc : back;
    }
    sql_table_unref(old);
    sql_created_fini(&created);
    return rc;
}

int sql_run_explain(struct sql_run *r)
{
    STR_AUTO out = STR_INIT;
    struct sql_run inner = *r;
    inner.statement = r->statement->statements[0];
    switch (inner.statement->kind) {
    case SQL_STATEMENT_QUERY:
    case SQL_STATEMENT_INSERT:
    case SQL_STATEMENT_STATEMENT_SET:
        TRY(explain(r, &out));
        break;
    case SQL_STATEMENT_CREATE:
        TRY(explain_create_as(r, &out));
        break;
    case SQL_STATEMENT_UPDATE:
    case SQL_STATEMENT_DELETE:
        return sql_run_update(&inner); /* which says why it cannot be */
    default:
        return sql_run_not_yet(r, "EXPLAIN of this statement");
    }
    *r->ret = sql_answer_of_text(r->s, SQL_ANSWER_TABLE, "result", str_cstr(&out));
    return 0;
}
