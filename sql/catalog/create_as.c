/* CREATE TABLE AS and REPLACE TABLE AS, up to the rows: see execute.h. */
#include "sql/catalog/inside.h"

static int check(struct sql_execution *x, const struct sql_create *c)
{
    if (c->is_temporary) {
        return sql_refuse(
            x, c->name.span, ERR_INVALID_ARGUMENT,
            "CREATE TABLE AS SELECT syntax does not support to create temporary table "
            "yet.");
    }
    if (c->partitioned.n > 0) {
        return sql_refuse(
            x, c->partitioned.items[0].span, ERR_INVALID_ARGUMENT,
            "CREATE TABLE AS SELECT syntax does not support to create partitioned table "
            "yet.");
    }
    return 0;
}

/* Is there one already?  1: yes, and IF NOT EXISTS was said; 0: no; or the error. */
static int find_old(struct sql_execution *x, const struct sql_create *c,
                    const struct sql_identifier *id)
{
    struct sql_catalog *catalog = NULL;
    struct sql_table *old = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_catalog_of(x, id, &catalog));
    int rc = catalog->ops->get_table(catalog, id->database, id->name, &old, &why);
    sql_table_unref(old);
    if (rc == ERR_NOT_FOUND || (rc == 0 && c->is_replace)) {
        return 0;
    }
    if (rc < 0) {
        return sql_refuse(x, id->span, rc, "%s", why.message);
    }
    return c->if_not_exists ? 1
                            : sql_refuse(x, id->span, ERR_ALREADY_EXISTS,
                                         "Table (or view) %s.%s already exists in Catalog %s.",
                                         id->database, id->name, id->catalog);
}

/* In place of what a REPLACE TABLE finds. */
static int put(struct sql_execution *x, const struct sql_create *c, const struct sql_identifier *id,
               const struct sql_table *t)
{
    struct sql_catalog *catalog = NULL;
    struct sql_table *old = NULL;
    TRY(sql_catalog_of(x, id, &catalog));
    bool is_there =
        c->is_replace && catalog->ops->get_table(catalog, id->database, id->name, &old, NULL) == 0;
    if (is_there && old->kind != SQL_TABLE_KIND_TABLE) {
        sql_table_unref(old);
        return sql_refuse(x, id->span, ERR_INVALID_ARGUMENT,
                          "%s is a view: REPLACE TABLE goes with tables", sql_quoted(x, id));
    }
    sql_table_unref(old);
    if (is_there) {
        TRY(sql_placed(x, id->span,
                       catalog->ops->drop_table(catalog, id->database, id->name, x->err)));
    }
    return sql_register_table(x, c, id, t);
}

static int create_as(struct sql_execution *x, const struct sql_create *c, struct sql_created *ret)
{
    struct sql_table *query = NULL, *t = NULL;
    TRY(check(x, c));
    TRY(sql_manager_qualify(x->m, &c->name, &ret->arena, &ret->id, x->place, x->err));
    int rc = find_old(x, c, &ret->id);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    TRY(sql_define_view(x, c->query, c->query_text, NULL, &query));
    rc = sql_define_table(x, c, query, &t);
    sql_table_unref(query);
    TRY(rc);
    rc = sql_check_table(x, t, c->name.span);
    rc = rc < 0 ? rc : put(x, c, &ret->id, t);
    if (rc < 0) {
        sql_table_unref(t);
        return rc;
    }
    ret->table = t;
    return 0;
}

int sql_catalog_create_as(struct sql_manager *m, struct slice text,
                          const struct sql_statement *statement, struct sql_created *ret,
                          struct sql_error_place *place, struct error *err)
{
    struct arena arena;
    struct sql_error_place unused;
    struct sql_created made = {.table = NULL};
    struct sql_execution x = {
        .m = m,
        .text = text,
        .arena = &arena,
        .place = place != NULL ? place : &unused,
        .err = err,
    };
    ASSERT(statement->kind == SQL_STATEMENT_CREATE &&
           statement->create->object == SQL_OBJECT_TABLE && statement->create->query != NULL);
    x.place->span = statement->span;
    arena_init(&arena, 0);
    arena_init(&made.arena, 0);
    int rc = create_as(&x, statement->create, &made);
    arena_fini(&arena);
    if (rc < 0) {
        sql_created_fini(&made);
        return rc;
    }
    *ret = made;
    return 0;
}

void sql_created_fini(struct sql_created *c)
{
    c->table = sql_table_unref(c->table);
    arena_fini(&c->arena);
}
