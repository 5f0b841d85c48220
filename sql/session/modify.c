/* Statements that change rows in place, empty tables, gather statistics or call procedures: what can be wrong with them is said
 * as Flink says it.  No connector of this release takes them, and no catalog has procedures, so that this is how all of them
 * end; one that does is asked here.
 * Flink: SqlUpdate and SqlDelete by DynamicSinkUtils, TruncateTableOperation, SqlAnalyzeTableConverter, PlannerCallProcedureOperation. */
#include "sql/session/inside.h"

/* A table being looked at. */
struct target {
    struct arena arena;
    struct sql_found_table found;
};

static void target_fini(struct target *t)
{
    sql_table_unref(t->found.table);
    arena_fini(&t->arena);
}

static int target_open(struct sql_run *r, const struct sql_path *path, struct target *ret)
{
    *ret = (struct target){.found = {.table = NULL}};
    arena_init(&ret->arena, 0);
    int rc =
        sql_manager_resolve_table(r->s->manager, path, &ret->arena, &ret->found, r->place, r->err);
    if (rc < 0) {
        target_fini(ret);
    }
    return rc;
}

static const struct sql_table_column *find_column(const struct sql_table *t, struct slice name)
{
    for (uint32_t i = 0; i < t->n_columns; i++) {
        if (slice_eq_cstr(name, t->columns[i].name)) {
            return &t->columns[i];
        }
    }
    return NULL;
}

static int refuse_streaming(struct sql_run *r, const char *fmt, const char *statement)
{
    bool is_batch;
    STR_AUTO message = STR_INIT;
    TRY(sql_session_is_batch(r->s, &is_batch, r->err));
    if (is_batch) {
        return 0;
    }
    str_printf(&message, fmt, statement);
    return sql_run_refuse(r, r->statement->span, ERR_UNSUPPORTED,
                          "%s SET 'execution.runtime-mode' = 'batch' comes before it.",
                          str_cstr(&message));
}

/* ---- UPDATE, DELETE ------------------------------------------------------------------------------------- */

static int check_expression(struct sql_run *r, struct sql_planned *p, const struct sql_table *t,
                            const struct sql_expr *e)
{
    const struct expr *made = NULL;
    return e == NULL ? 0
                     : sql_plan_table_expression(p->plan, e, t->columns, t->n_columns, &made,
                                                 r->place, r->err);
}

static int check_assignments(struct sql_run *r, struct sql_planned *p, const struct sql_table *t,
                             const struct sql_update *u)
{
    for (uint32_t i = 0; i < u->n_assignments; i++) {
        const struct sql_name *name = &u->assignments[i].column;
        if (find_column(t, name->text) == NULL) {
            return sql_run_refuse(r, name->span, ERR_NOT_FOUND, "Unknown target column '%.*s'",
                                  (int)name->text.len, name->text.data);
        }
        TRY(check_expression(r, p, t, u->assignments[i].value));
    }
    return check_expression(r, p, t, u->where);
}

static int refuse_change(struct sql_run *r, const struct target *t, const struct sql_update *u)
{
    bool is_update = r->statement->kind == SQL_STATEMENT_UPDATE;
    const struct sql_identifier *id = &t->found.id;
    struct sql_planned p;
    if (t->found.table->kind == SQL_TABLE_KIND_VIEW) {
        return sql_run_refuse(r, u->table.span, ERR_INVALID_ARGUMENT, "A view cannot be written");
    }
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = check_assignments(r, &p, t->found.table, u);
    sql_planned_close(&p);
    TRY(rc);
    return sql_run_refuse(r, u->table.span, ERR_UNSUPPORTED,
                          "Can't perform %s operation of the table %s.%s.%s because the "
                          "corresponding dynamic table sink has not yet implemented %s.",
                          is_update ? "update" : "delete", id->catalog, id->database, id->name,
                          is_update ? "SupportsRowLevelUpdate" : "SupportsRowLevelDelete");
}

int sql_run_update(struct sql_run *r)
{
    const struct sql_update *u = r->statement->update;
    struct target t;
    TRY(refuse_streaming(r, "%s statement is not supported for streaming mode now.",
                         r->statement->kind == SQL_STATEMENT_UPDATE ? "UPDATE" : "DELETE"));
    TRY(target_open(r, &u->table, &t));
    int rc = refuse_change(r, &t, u);
    target_fini(&t);
    return rc;
}

/* ---- TRUNCATE --------------------------------------------------------------------------------------------- */

int sql_run_truncate(struct sql_run *r)
{
    const struct sql_path *path = &r->statement->name;
    struct target t;
    TRY(refuse_streaming(r, "%s statement is not supported in streaming mode.", "TRUNCATE TABLE"));
    TRY(target_open(r, path, &t));
    const struct sql_identifier *id = &t.found.id;
    int rc = t.found.table->kind == SQL_TABLE_KIND_VIEW
                 ? sql_run_refuse(r, path->span, ERR_INVALID_ARGUMENT,
                                  "TRUNCATE TABLE statement is not supported for view.")
                 : sql_run_refuse(r, path->span, ERR_UNSUPPORTED,
                                  "TRUNCATE TABLE statement is not supported for the table "
                                  "%s.%s.%s since the table hasn't implemented the interface "
                                  "SupportsTruncate.",
                                  id->catalog, id->database, id->name);
    target_fini(&t);
    return rc;
}

/* ---- ANALYZE TABLE ---------------------------------------------------------------------------------------- */

static void append_keys(struct str *out, const struct sql_partition *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        str_append_cstr(out, i > 0 ? "," : "");
        str_append_slice(out, p->items[i].column.text);
    }
}

static int check_partition(struct sql_run *r, const struct target *t, const struct sql_analyze *a)
{
    const struct sql_name_list *keys = &t->found.table->partition_keys;
    const struct sql_identifier *id = &t->found.id;
    STR_AUTO given = STR_INIT;
    STR_AUTO wanted = STR_INIT;
    if (keys->n == 0) {
        return a->partition.n == 0
                   ? 0
                   : sql_run_refuse(r, a->partition.span, ERR_INVALID_ARGUMENT,
                                    "Invalid ANALYZE TABLE statement. Table: "
                                    "`%s`.`%s`.`%s` is not a partition table, while "
                                    "partition values are given.",
                                    id->catalog, id->database, id->name);
    }
    bool same = a->partition.n == keys->n;
    for (uint32_t i = 0; i < keys->n; i++) {
        bool is_given = false;
        for (uint32_t k = 0; k < a->partition.n; k++) {
            is_given |= slice_eq_cstr(a->partition.items[k].column.text, keys->items[i]);
        }
        same &= is_given;
        str_printf(&wanted, "%s%s", i > 0 ? "," : "", keys->items[i]);
    }
    append_keys(&given, &a->partition);
    return same ? 0
                : sql_run_refuse(r, a->partition.n > 0 ? a->partition.span : a->table.span,
                                 ERR_INVALID_ARGUMENT,
                                 "Invalid ANALYZE TABLE statement. For partition table, all "
                                 "partition keys should be specified explicitly. The given "
                                 "partition keys: [%s] are not match the target partition "
                                 "keys: [%s].",
                                 str_cstr(&given), str_cstr(&wanted));
}

static int check_columns(struct sql_run *r, const struct target *t, const struct sql_analyze *a)
{
    const struct sql_identifier *id = &t->found.id;
    for (uint32_t i = 0; i < a->columns.n; i++) {
        const struct sql_name *name = &a->columns.items[i];
        const struct sql_table_column *c = find_column(t->found.table, name->text);
        if (c == NULL) {
            return sql_run_refuse(r, name->span, ERR_NOT_FOUND,
                                  "Column: %.*s does not exist in the table: `%s`.`%s`.`%s`.",
                                  (int)name->text.len, name->text.data, id->catalog, id->database,
                                  id->name);
        }
        if (c->kind != SQL_COLUMN_PHYSICAL) {
            const char *kind = c->kind == SQL_COLUMN_COMPUTED ? "computed" : "metadata";
            return sql_run_refuse(r, name->span, ERR_INVALID_ARGUMENT,
                                  "Column: %s is a %s column, ANALYZE TABLE does not support %s "
                                  "column.",
                                  c->name, kind, kind);
        }
    }
    return 0;
}

static int check_analyzed(struct sql_run *r, const struct target *t, const struct sql_analyze *a)
{
    const struct sql_identifier *id = &t->found.id;
    if (t->found.is_temporary) {
        return sql_run_refuse(r, a->table.span, ERR_NOT_FOUND,
                              "Table `%s`.`%s`.`%s` doesn't exist or is a temporary table.",
                              id->catalog, id->database, id->name);
    }
    if (t->found.table->kind == SQL_TABLE_KIND_VIEW) {
        return sql_run_refuse(r, a->table.span, ERR_INVALID_ARGUMENT,
                              "ANALYZE TABLE for a view is not allowed.");
    }
    TRY(check_partition(r, t, a));
    return check_columns(r, t, a);
}

int sql_run_analyze(struct sql_run *r)
{
    const struct sql_analyze *a = r->statement->analyze;
    struct target t;
    TRY(refuse_streaming(r, "%s is not supported for streaming mode now.", "ANALYZE TABLE"));
    TRY(target_open(r, &a->table, &t));
    int rc = check_analyzed(r, &t, a);
    target_fini(&t);
    TRY(rc);
    return sql_run_not_yet(
        r, "ANALYZE TABLE. The planner takes the number of rows from the connector");
}

/* ---- CALL -------------------------------------------------------------------------------------------------- */

int sql_run_call(struct sql_run *r)
{
    const struct sql_path *name = &r->statement->expr->call->name;
    STR_AUTO text = STR_INIT;
    for (uint32_t i = 0; i < name->n; i++) {
        str_append_cstr(&text, i > 0 ? "." : "");
        str_append_slice(&text, name->parts[i].text);
    }
    return sql_run_refuse(r, name->span, ERR_NOT_FOUND,
                          "No match found for function signature %s; SHOW PROCEDURES lists those "
                          "that there are",
                          str_cstr(&text));
}
