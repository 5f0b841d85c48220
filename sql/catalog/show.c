/* SHOW of lists.  Lists are sorted; a pattern is looked for in names.  Flink: AbstractShowOperation and its kinds. */
#include "sql/catalog/inside.h"

static void list(struct sql_execution *x, const struct sql_show *show, const char *title,
                 const struct text_list *names)
{
    const struct sql_result_column column = {title, SQL_RESULT_STRING};
    x->result = sql_result_new(&column, 1);
    for (size_t i = 0; i < names->n; i++) {
        if (sql_pattern_matches(show, names->items[i])) {
            const char *cell = names->items[i];
            sql_result_add(x->result, &cell);
        }
    }
}

/* The database that FROM or IN names, or the current one; it exists. */
static int database_of(struct sql_execution *x, const struct sql_show *show,
                       struct sql_identifier *ret, struct sql_catalog **ret_catalog)
{
    struct sql_identifier id = {sql_manager_catalog(x->m), sql_manager_database(x->m), NULL,
                                x->place->span};
    struct sql_catalog *c = NULL;
    struct sql_entity *e = NULL;
    if (show->has_in) {
        TRY(sql_qualify_database(x, &show->in, &id));
    }
    TRY(sql_catalog_of(x, &id, &c));
    if (c->ops->get_database(c, id.database, &e, NULL) < 0) {
        struct text_list names = TEXT_LIST_INIT;
        STR_AUTO hint = STR_INIT;
        c->ops->list_databases(c, &names);
        sql_hint(id.database, &names, &hint);
        text_list_fini(&names);
        return sql_refuse(x, id.span, ERR_NOT_FOUND, "Database '%s'.'%s' doesn't exist.%s",
                          id.catalog, id.database, str_cstr(&hint));
    }
    sql_entity_unref(e);
    *ret = id;
    *ret_catalog = c;
    return 0;
}

/* ---- catalogs, databases, tables --------------------------------------------------------------------------- */

static int show_catalogs(struct sql_execution *x, const struct sql_show *show,
                         struct text_list *names)
{
    TRY(sql_manager_list_catalogs(x->m, names, x->err));
    list(x, show, "catalog name", names);
    return 0;
}

static int show_databases(struct sql_execution *x, const struct sql_show *show,
                          struct text_list *names)
{
    struct sql_identifier id = {sql_manager_catalog(x->m), NULL, NULL, x->place->span};
    struct sql_catalog *c = NULL;
    if (show->has_in) {
        id.span = show->in.span;
        TRY(sql_only_name(x, &show->in, &id.catalog));
    }
    TRY(sql_catalog_of(x, &id, &c));
    c->ops->list_databases(c, names);
    sql_sort_names(names);
    list(x, show, "database name", names);
    return 0;
}

static int show_tables(struct sql_execution *x, const struct sql_show *show,
                       struct text_list *names)
{
    bool is_views = show->object == SQL_OBJECT_VIEW;
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    TRY(database_of(x, show, &id, &c));
    TRY(sql_placed(x, id.span,
                   sql_manager_list_tables(x->m, id.catalog, id.database,
                                           is_views ? SQL_LISTED_VIEWS : SQL_LISTED_ALL, names,
                                           x->err)));
    list(x, show, is_views ? "view name" : "table name", names);
    return 0;
}

/* ---- functions and models ------------------------------------------------------------------------------------ */

static void builtin_functions(struct sql_execution *x, struct text_list *names)
{
    const struct sql_resolver *r = sql_manager_resolver(x->m);
    struct text_list all = TEXT_LIST_INIT;
    if (r != NULL && r->functions != NULL) {
        r->functions(r->arg, &all);
    }
    for (size_t i = 0; i < all.n; i++) {
        /* Those of modules that are not used are not there. */
        if (sql_manager_is_builtin(x->m, slice_cstr(all.items[i]))) {
            text_list_add(names, slice_cstr(all.items[i]));
        }
    }
    text_list_fini(&all);
}

static int show_functions(struct sql_execution *x, const struct sql_show *show,
                          struct text_list *names)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    TRY(database_of(x, show, &id, &c));
    if (!show->has_in) {
        sql_manager_list_temporary(x->m, SQL_OBJECT_FUNCTION, "", "", names);
        if (!show->is_user) {
            builtin_functions(x, names);
        }
    }
    sql_manager_list_temporary(x->m, SQL_OBJECT_FUNCTION, id.catalog, id.database, names);
    TRY(sql_placed(x, id.span, c->ops->list(c, SQL_OBJECT_FUNCTION, id.database, names, x->err)));
    sql_sort_names(names);
    list(x, show, "function name", names);
    return 0;
}

static int show_models(struct sql_execution *x, const struct sql_show *show,
                       struct text_list *names)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    TRY(database_of(x, show, &id, &c));
    sql_manager_list_temporary(x->m, SQL_OBJECT_MODEL, id.catalog, id.database, names);
    TRY(sql_placed(x, id.span, c->ops->list(c, SQL_OBJECT_MODEL, id.database, names, x->err)));
    sql_sort_names(names);
    list(x, show, "model name", names);
    return 0;
}

/* No catalog has any yet: the list is empty, as Flink's is of a catalog without procedures. */
static int show_procedures(struct sql_execution *x, const struct sql_show *show,
                           struct text_list *names)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    TRY(database_of(x, show, &id, &c));
    list(x, show, "procedure name", names);
    return 0;
}

/* ---- modules, jars ------------------------------------------------------------------------------------------------ */

static int show_modules(struct sql_execution *x, const struct sql_show *show,
                        struct text_list *names)
{
    static const struct sql_result_column columns[] = {{"module name", SQL_RESULT_STRING},
                                                       {"used", SQL_RESULT_BOOLEAN}};
    uint32_t n_used = 0;
    sql_manager_list_modules(x->m, names, &n_used);
    x->result = sql_result_new(columns, show->is_full ? 2 : 1);
    for (uint32_t i = 0; i < (show->is_full ? names->n : n_used); i++) {
        const char *cells[] = {names->items[i], i < n_used ? "TRUE" : "FALSE"};
        sql_result_add(x->result, cells);
    }
    return 0;
}

static int show_jars(struct sql_execution *x, const struct sql_show *show, struct text_list *names)
{
    list(x, show, "jars", sql_manager_jars(x->m));
    return 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

static int show_by_object(struct sql_execution *x, const struct sql_show *show,
                          struct text_list *names)
{
    switch (show->object) {
    case SQL_OBJECT_CATALOG:
        return show_catalogs(x, show, names);
    case SQL_OBJECT_DATABASE:
        return show_databases(x, show, names);
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_VIEW:
        return show_tables(x, show, names);
    case SQL_OBJECT_COLUMN:
        return sql_show_columns(x, &show->in, show);
    case SQL_OBJECT_FUNCTION:
        return show_functions(x, show, names);
    case SQL_OBJECT_PROCEDURE:
        return show_procedures(x, show, names);
    case SQL_OBJECT_MODEL:
        return show_models(x, show, names);
    case SQL_OBJECT_MODULE:
        return show_modules(x, show, names);
    case SQL_OBJECT_JAR:
        return show_jars(x, show, names);
    case SQL_OBJECT_PARTITION:
        return sql_show_partitions(x, show);
    case SQL_OBJECT_CONNECTION:
        return sql_not_yet(x, x->place->span, "SHOW CONNECTIONS");
    default:
        return sql_not_yet(x, x->place->span, "SHOW MATERIALIZED TABLES");
    }
}

int sql_execute_show(struct sql_execution *x, const struct sql_show *show, struct sql_span span)
{
    struct text_list names = TEXT_LIST_INIT;
    x->place->span = span;
    int rc = show_by_object(x, show, &names);
    text_list_fini(&names);
    return rc;
}
