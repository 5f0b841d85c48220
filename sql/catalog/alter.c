/* ALTER of everything but tables (alter_table.c). */
#include "sql/catalog/inside.h"

/* ---- tables and views: which one is meant ----------------------------------------------------------------- */

int sql_table_to_change(struct sql_execution *x, const struct sql_path *path,
                        enum sql_table_kind kind, bool may_be_missing,
                        struct sql_identifier *ret_id, struct sql_table **ret)
{
    struct sql_identifier id;
    struct sql_table *t = NULL;
    bool is_temporary = false;
    bool is_view = kind == SQL_TABLE_KIND_VIEW;
    TRY(sql_qualify(x, path, &id));
    int rc = sql_placed(x, id.span, sql_manager_find_table(x->m, &id, &t, &is_temporary, x->err));
    TRY(rc);
    if (rc == 0 || is_temporary) {
        STR_AUTO hint = STR_INIT;
        sql_table_unref(t);
        if (may_be_missing) {
            return 0;
        }
        if (!is_temporary) {
            sql_manager_hint_table(x->m, &id, &hint);
        }
        return sql_refuse(x, id.span, ERR_NOT_FOUND, "%s %s doesn't exist or is a temporary %s.%s",
                          is_view ? "View" : "Table", sql_quoted(x, &id),
                          is_view ? "view" : "table", str_cstr(&hint));
    }
    if (t->kind != kind) {
        sql_table_unref(t);
        return sql_refuse(x, id.span, ERR_INVALID_ARGUMENT, "ALTER %s for a %s is not allowed",
                          is_view ? "VIEW" : "TABLE", is_view ? "table" : "view");
    }
    *ret_id = id;
    *ret = t;
    return 1;
}

static int alter_view(struct sql_execution *x, const struct sql_alter *a)
{
    struct sql_identifier id, new_id;
    struct sql_table *old = NULL, *t = NULL;
    struct sql_catalog *c = NULL;
    const struct sql_names no_names = {NULL, 0};
    int rc = sql_table_to_change(x, &a->name, SQL_TABLE_KIND_VIEW, false, &id, &old);
    TRY(rc);
    if (a->kind == SQL_ALTER_RENAME) {
        sql_table_unref(old);
        TRY(sql_qualify(x, &a->new_name, &new_id));
        TRY(sql_catalog_of(x, &id, &c));
        return sql_placed(x, new_id.span,
                          c->ops->rename_table(c, id.database, id.name, new_id.name, x->err));
    }
    rc = sql_define_view(x, a->query, a->query_text, &no_names, &t);
    if (rc == 0) {
        t->comment = old->comment != NULL ? arena_strdup(&t->arena, old->comment) : NULL;
        sql_options_copy(&old->options, &t->arena, &t->options);
        rc = sql_catalog_of(x, &id, &c);
        rc = rc < 0
                 ? rc
                 : sql_placed(x, id.span, c->ops->alter_table(c, id.database, id.name, t, x->err));
        sql_table_unref(t);
    }
    sql_table_unref(old);
    return rc;
}

/* ---- options -------------------------------------------------------------------------------------------------- */

/* SET and RESET; `fixed` is the key that stays as it is. */
static int change_options(struct sql_execution *x, const struct sql_alter *a, const char *fixed,
                          struct sql_entity *e)
{
    const char *word = sql_object_name(a->object);
    for (uint32_t i = 0; i < a->properties.n; i++) {
        if (fixed != NULL && slice_eq_cstr(a->properties.items[i].key, fixed)) {
            return sql_refuse(x, a->properties.items[i].span, ERR_INVALID_ARGUMENT,
                              "ALTER %s SET does not support changing '%s'", word, fixed);
        }
    }
    if (a->kind == SQL_ALTER_RESET && a->n_keys == 0) {
        return sql_refuse(x, a->name.span, ERR_INVALID_ARGUMENT,
                          "ALTER %s RESET does not support empty key", word);
    }
    for (uint32_t i = 0; i < a->n_keys; i++) {
        if (fixed != NULL && slice_eq_cstr(a->keys[i], fixed)) {
            return sql_refuse(x, a->name.span, ERR_INVALID_ARGUMENT,
                              "ALTER %s RESET does not support changing '%s'", word, fixed);
        }
        sql_options_remove(&e->options, sql_text(x, a->keys[i]));
    }
    sql_put_properties(&a->properties, &e->arena, &e->options);
    return 0;
}

static int alter_catalog(struct sql_execution *x, const struct sql_alter *a)
{
    const char *name = NULL;
    struct sql_entity *old = NULL;
    TRY(sql_only_name(x, &a->name, &name));
    TRY(sql_placed(x, a->name.span, sql_manager_describe_catalog(x->m, name, &old, x->err)));
    struct sql_entity *e = sql_entity_copy(old);
    int rc = 0;
    sql_entity_unref(old);
    if (a->kind == SQL_ALTER_COMMENT) {
        e->comment = arena_strndup(&e->arena, a->text.data, a->text.len);
    } else {
        rc = change_options(x, a, "type", e);
    }
    rc =
        rc < 0 ? rc : sql_placed(x, a->name.span, sql_manager_alter_catalog(x->m, name, e, x->err));
    sql_entity_unref(e);
    return rc;
}

static int alter_database(struct sql_execution *x, const struct sql_alter *a)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    struct sql_entity *old = NULL;
    TRY(sql_qualify_database(x, &a->name, &id));
    TRY(sql_catalog_of(x, &id, &c));
    TRY(sql_placed(x, a->name.span, c->ops->get_database(c, id.database, &old, x->err)));
    struct sql_entity *e = sql_entity_copy(old);
    sql_entity_unref(old);
    int rc = change_options(x, a, NULL, e);
    rc = rc < 0 ? rc
                : sql_placed(x, a->name.span, c->ops->alter_database(c, id.database, e, x->err));
    sql_entity_unref(e);
    return rc;
}

/* ---- functions and models ----------------------------------------------------------------------------------------- */

static int alter_function(struct sql_execution *x, const struct sql_alter *a)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    struct error why = ERROR_INIT;
    struct sql_entity *old = NULL;
    if (a->is_temporary) {
        return sql_refuse(x, a->name.span, ERR_INVALID_ARGUMENT,
                          "Alter temporary %s function is not supported",
                          a->is_system ? "system" : "catalog");
    }
    if (slice_trim(a->text).len == 0) {
        return sql_refuse(x, a->name.span, ERR_INVALID_ARGUMENT,
                          "A function needs the name of what is behind it: AS 'name'");
    }
    TRY(sql_qualify(x, &a->name, &id));
    TRY(sql_catalog_of(x, &id, &c));
    int rc = c->ops->get(c, SQL_OBJECT_FUNCTION, id.database, id.name, &old, &why);
    if (rc == ERR_NOT_FOUND && a->object_if_exists) {
        return 0;
    }
    if (rc < 0) {
        return sql_refuse(x, a->name.span, rc, "%s", why.message);
    }
    struct sql_entity *e = sql_entity_copy(old);
    e->class_name = arena_strndup(&e->arena, a->text.data, a->text.len);
    e->language = a->language;
    rc = sql_placed(x, a->name.span, c->ops->alter(c, id.database, id.name, e, x->err));
    sql_entity_unref(e);
    sql_entity_unref(old);
    return rc;
}

static int change_model(struct sql_execution *x, const struct sql_alter *a, struct sql_catalog *c,
                        const struct sql_identifier *id, const struct sql_entity *old)
{
    struct sql_identifier new_id;
    if (a->kind == SQL_ALTER_RENAME) {
        TRY(sql_qualify(x, &a->new_name, &new_id));
        return sql_placed(
            x, new_id.span,
            c->ops->rename(c, SQL_OBJECT_MODEL, id->database, id->name, new_id.name, x->err));
    }
    struct sql_entity *e = sql_entity_copy(old);
    int rc = change_options(x, a, NULL, e);
    rc = rc < 0 ? rc : sql_placed(x, id->span, c->ops->alter(c, id->database, id->name, e, x->err));
    sql_entity_unref(e);
    return rc;
}

static int alter_model(struct sql_execution *x, const struct sql_alter *a)
{
    struct sql_identifier id;
    struct sql_catalog *c = NULL;
    struct sql_entity *old = NULL;
    TRY(sql_qualify(x, &a->name, &id));
    TRY(sql_catalog_of(x, &id, &c));
    bool is_temporary = sql_manager_temporary(x->m, SQL_OBJECT_MODEL, &id) != NULL;
    if (is_temporary || c->ops->get(c, SQL_OBJECT_MODEL, id.database, id.name, &old, NULL) < 0) {
        return a->object_if_exists ? 0
                                   : sql_refuse(x, id.span, ERR_NOT_FOUND,
                                                "Model %s doesn't exist or is a temporary model.",
                                                sql_quoted(x, &id));
    }
    int rc = change_model(x, a, c, &id, old);
    sql_entity_unref(old);
    return rc;
}

int sql_execute_alter(struct sql_execution *x, const struct sql_alter *a)
{
    switch (a->object) {
    case SQL_OBJECT_TABLE:
        return sql_execute_alter_table(x, a);
    case SQL_OBJECT_VIEW:
        return alter_view(x, a);
    case SQL_OBJECT_CATALOG:
        return alter_catalog(x, a);
    case SQL_OBJECT_DATABASE:
        return alter_database(x, a);
    case SQL_OBJECT_FUNCTION:
        return alter_function(x, a);
    case SQL_OBJECT_MODEL:
        return alter_model(x, a);
    case SQL_OBJECT_CONNECTION:
        return sql_not_yet(x, a->name.span, "ALTER CONNECTION");
    default:
        return sql_not_yet(x, a->name.span, "ALTER MATERIALIZED TABLE");
    }
}
