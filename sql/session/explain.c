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

static int explain(struct sql_run *r, struct sql_planned *p, struct str *out)
{
    const struct rel **physical = NULL;
    uint32_t details = r->statement->explain_details;
    TRY(sql_planned_add(p, r->statement->statements[0], r->text, r->place, r->err));
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

int sql_run_explain(struct sql_run *r)
{
    struct sql_planned p;
    STR_AUTO out = STR_INIT;
    enum sql_statement_kind kind = r->statement->statements[0]->kind;
    if (kind != SQL_STATEMENT_QUERY && kind != SQL_STATEMENT_INSERT &&
        kind != SQL_STATEMENT_STATEMENT_SET) {
        return sql_run_not_yet(r, "EXPLAIN of this statement");
    }
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = explain(r, &p, &out);
    if (rc == 0) {
        *r->ret = sql_answer_of_text(r->s, SQL_ANSWER_TABLE, "result", str_cstr(&out));
    }
    sql_planned_close(&p);
    return rc;
}
