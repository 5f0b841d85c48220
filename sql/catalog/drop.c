/* DROP and USE. */
#include "sql/catalog/inside.h"

/* ---- tables and views ------------------------------------------------------------------------------------ */

static int drop_temporary_table(struct sql_execution *x, const struct sql_drop *d,
                                const struct sql_identifier *id, enum sql_table_kind kind)
{
    const struct sql_table *t = sql_manager_temporary_table(x->m, id);
    if (t != NULL && t->kind == kind) {
        sql_manager_drop_temporary_table(x->m, id);
        return 0;
    }
    return d->if_exists ? 0
                        : sql_refuse(x, id->span, ERR_NOT_FOUND,
                                     "Temporary table or view with identifier '%s' does not exist.",
                                     sql_printed(x, id));
}

static int drop_table(struct sql_execution *x, const struct sql_drop *d)
{
    enum sql_table_kind kind =
        d->object == SQL_OBJECT_VIEW ? SQL_TABLE_KIND_VIEW : SQL_TABLE_KIND_TABLE;
    struct sql_identifier id;
    struct sql_catalog *catalog = NULL;
    struct sql_table *t = NULL;
    TRY(sql_qualify(x, &d->name, &id));
    if (d->is_temporary) {
        return drop_temporary_table(x, d, &id, kind);
    }
    const struct sql_table *hiding = sql_manager_temporary_table(x->m, &id);
    if (hiding != NULL && hiding->kind == kind) {
        const char *word = sql_table_kind_name(kind);
        return sql_refuse(x, id.span, ERR_INVALID_ARGUMENT,
                          "Temporary %s with identifier '%s' exists. Drop it first before removing "
                          "the permanent %s.",
                          word, sql_quoted(x, &id), word);
    }
    int rc = sql_manager_get_catalog(x->m, id.catalog, &catalog, x->err);
    rc = rc < 0 ? rc : catalog->ops->get_table(catalog, id.database, id.name, &t, x->err);
    bool is_it = rc == 0 && t->kind == kind;
    const char *is_a = rc == 0 && !is_it ? sql_table_kind_name(t->kind) : NULL;
    sql_table_unref(t);
    if (is_it) {
        return sql_placed(x, id.span,
                          catalog->ops->drop_table(catalog, id.database, id.name, x->err));
    }
    if (d->if_exists && (rc == 0 || rc == ERR_NOT_FOUND)) {
        return 0;
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return sql_placed(x, id.span, rc);
    }
    STR_AUTO hint = STR_INIT;
    if (is_a != NULL) {
        str_printf(&hint, " It is a %s: DROP %s.", is_a,
                   kind == SQL_TABLE_KIND_VIEW ? "TABLE" : "VIEW");
    } else {
        sql_manager_hint_table(x->m, &id, &hint);
    }
    return sql_refuse(x, id.span, ERR_NOT_FOUND, "%s with identifier '%s' does not exist.%s",
                      kind == SQL_TABLE_KIND_VIEW ? "View" : "Table", sql_printed(x, &id),
                      str_cstr(&hint));
}

/* ---- catalogs and databases ---------------------------------------------------------------------------------- */

static int drop_catalog(struct sql_execution *x, const struct sql_drop *d)
{
    const char *name = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_only_name(x, &d->name, &name));
    int rc = sql_manager_drop_catalog(x->m, name, &why);
    if (rc == ERR_NOT_FOUND && d->if_exists) {
        return 0;
    }
    if (rc < 0 && x->err != NULL) {
        error_copy(x->err, &why);
    }
    return sql_placed(x, d->name.span, rc);
}

static int no_database(struct sql_execution *x, struct sql_catalog *c, const char *name,
                       struct sql_span span, const char *message)
{
    struct text_list names = TEXT_LIST_INIT;
    STR_AUTO hint = STR_INIT;
    c->ops->list_databases(c, &names);
    sql_hint(name, &names, &hint);
    text_list_fini(&names);
    return sql_refuse(x, span, ERR_NOT_FOUND, "%s%s", message, str_cstr(&hint));
}

static int drop_database(struct sql_execution *x, const struct sql_drop *d)
{
    struct sql_identifier id;
    struct sql_catalog *catalog = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_qualify_database(x, &d->name, &id));
    TRY(sql_catalog_of(x, &id, &catalog));
    if (strcmp(id.catalog, sql_manager_catalog(x->m)) == 0 &&
        strcmp(id.database, sql_manager_database(x->m)) == 0) {
        return sql_refuse(x, d->name.span, ERR_INVALID_ARGUMENT,
                          "Cannot drop a database which is currently in use.");
    }
    int rc = catalog->ops->drop_database(catalog, id.database, d->is_cascade, &why);
    if (rc == 0 || (rc == ERR_NOT_FOUND && d->if_exists)) {
        return 0;
    }
    return rc == ERR_NOT_FOUND ? no_database(x, catalog, id.database, d->name.span, why.message)
                               : sql_refuse(x, d->name.span, rc, "%s", why.message);
}

/* ---- functions and models ------------------------------------------------------------------------------------- */

static int drop_temporary_function(struct sql_execution *x, const struct sql_drop *d,
                                   const struct sql_identifier *qualified)
{
    struct sql_identifier id =
        d->is_system ? sql_system_identifier(qualified->name, x->arena) : *qualified;
    if (sql_manager_temporary(x->m, SQL_OBJECT_FUNCTION, &id) != NULL) {
        sql_manager_drop_temporary(x->m, SQL_OBJECT_FUNCTION, &id);
        return 0;
    }
    if (d->if_exists) {
        return 0;
    }
    return d->is_system
               ? sql_refuse(
                     x, d->name.span, ERR_NOT_FOUND,
                     "Could not drop temporary system function. A function named '%s' doesn't "
                     "exist.",
                     id.name)
               : sql_refuse(x, d->name.span, ERR_NOT_FOUND,
                            "Temporary catalog function %s doesn't exist",
                            sql_quoted(x, qualified));
}

static int drop_from_catalog(struct sql_execution *x, const struct sql_drop *d,
                             const struct sql_identifier *id)
{
    struct sql_catalog *catalog = NULL;
    struct error why = ERROR_INIT;
    struct text_list names = TEXT_LIST_INIT;
    STR_AUTO hint = STR_INIT;
    TRY(sql_catalog_of(x, id, &catalog));
    int rc = catalog->ops->drop(catalog, d->object, id->database, id->name, &why);
    if (rc == 0 || (rc == ERR_NOT_FOUND && d->if_exists)) {
        return 0;
    }
    if (rc == ERR_NOT_FOUND &&
        catalog->ops->list(catalog, d->object, id->database, &names, NULL) == 0) {
        sql_hint(id->name, &names, &hint);
    }
    text_list_fini(&names);
    return sql_refuse(x, id->span, rc, "%s%s", why.message, str_cstr(&hint));
}

static int drop_model(struct sql_execution *x, const struct sql_drop *d,
                      const struct sql_identifier *id)
{
    bool is_hidden = sql_manager_temporary(x->m, d->object, id) != NULL;
    if (!d->is_temporary && is_hidden) {
        return sql_refuse(
            x, id->span, ERR_INVALID_ARGUMENT,
            "Temporary model with identifier '%s' exists. Drop it first before removing "
            "the permanent model.",
            sql_printed(x, id));
    }
    if (!d->is_temporary) {
        return drop_from_catalog(x, d, id);
    }
    if (!is_hidden && !d->if_exists) {
        return sql_refuse(x, id->span, ERR_NOT_FOUND,
                          "Temporary model with identifier '%s' does not exist.",
                          sql_printed(x, id));
    }
    sql_manager_drop_temporary(x->m, d->object, id);
    return 0;
}

int sql_execute_drop(struct sql_execution *x, const struct sql_drop *d)
{
    struct sql_identifier id;
    switch (d->object) {
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_VIEW:
        return drop_table(x, d);
    case SQL_OBJECT_CATALOG:
        return drop_catalog(x, d);
    case SQL_OBJECT_DATABASE:
        return drop_database(x, d);
    case SQL_OBJECT_FUNCTION:
        TRY(sql_qualify(x, &d->name, &id));
        return d->is_temporary || d->is_system ? drop_temporary_function(x, d, &id)
                                               : drop_from_catalog(x, d, &id);
    case SQL_OBJECT_MODEL:
        TRY(sql_qualify(x, &d->name, &id));
        return drop_model(x, d, &id);
    case SQL_OBJECT_CONNECTION:
        return sql_not_yet(x, d->name.span, "DROP CONNECTION");
    default:
        return sql_not_yet(x, d->name.span, "DROP MATERIALIZED TABLE");
    }
}

/* ---- USE ------------------------------------------------------------------------------------------------------- */

static int use_modules(struct sql_execution *x, const struct sql_names *names)
{
    struct text_list list = TEXT_LIST_INIT;
    uint32_t at = 0;
    for (uint32_t i = 0; i < names->n && i <= SQL_MODULES_MAX; i++) {
        text_list_add(&list, names->items[i].text);
    }
    int rc = sql_manager_use_modules(x->m, &list, &at, x->err);
    text_list_fini(&list);
    return sql_placed(x, names->items[at].span, rc);
}

int sql_execute_use(struct sql_execution *x, const struct sql_statement *s)
{
    struct sql_identifier id;
    const char *name = NULL;
    if (s->object == SQL_OBJECT_MODULE) {
        return use_modules(x, &s->names);
    }
    if (s->object == SQL_OBJECT_CATALOG) {
        TRY(sql_only_name(x, &s->name, &name));
        return sql_placed(x, s->name.span, sql_manager_use_catalog(x->m, name, x->err));
    }
    TRY(sql_qualify_database(x, &s->name, &id));
    return sql_placed(x, s->name.span,
                      sql_manager_use_database(x->m, id.catalog, id.database, x->err));
}
