/* CREATE of everything that catalogs hold, and of catalogs. */
#include "sql/catalog/inside.h"

/* ---- tables and views ------------------------------------------------------------------------------------ */

int sql_register_table(struct sql_execution *x, const struct sql_create *c,
                       const struct sql_identifier *id, const struct sql_table *t)
{
    struct sql_catalog *catalog = NULL;
    if (c->is_temporary) {
        if (sql_manager_temporary_table(x->m, id) != NULL) {
            return c->if_not_exists
                       ? 0
                       : sql_refuse(x, id->span, ERR_ALREADY_EXISTS,
                                    "Temporary table '%s' already exists", sql_quoted(x, id));
        }
        return sql_placed(x, id->span, sql_manager_put_temporary_table(x->m, id, t, x->err));
    }
    TRY(sql_catalog_of(x, id, &catalog));
    struct error why = ERROR_INIT;
    int rc = catalog->ops->create_table(catalog, id->database, id->name, t, &why);
    if (rc == ERR_ALREADY_EXISTS && c->if_not_exists) {
        return 0;
    }
    return rc < 0 ? sql_refuse(x, id->span, rc, "%s", why.message) : 0;
}

static int create_table(struct sql_execution *x, const struct sql_create *c)
{
    struct sql_identifier id;
    struct sql_table *t = NULL;
    TRY(sql_qualify(x, &c->name, &id));
    if (c->object == SQL_OBJECT_TABLE) {
        TRY(sql_define_table(x, c, NULL, &t));
    } else {
        TRY(sql_define_view(x, c->query, c->query_text, &c->columns, &t));
        t->comment =
            c->comment.len > 0 ? arena_strndup(&t->arena, c->comment.data, c->comment.len) : NULL;
    }
    int rc = t->kind == SQL_TABLE_KIND_TABLE ? sql_check_table(x, t, id.span) : 0;
    rc = rc < 0 ? rc : sql_register_table(x, c, &id, t);
    sql_table_unref(t);
    return rc;
}

/* ---- catalogs and databases --------------------------------------------------------------------------------- */

static struct sql_entity *entity_of(const struct sql_create *c)
{
    struct sql_entity *e = sql_entity_new(c->object);
    if (c->comment.data != NULL) {
        e->comment = arena_strndup(&e->arena, c->comment.data, c->comment.len);
    }
    sql_put_properties(&c->properties, &e->arena, &e->options);
    return e;
}

static int create_catalog(struct sql_execution *x, const struct sql_create *c)
{
    const char *name = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_only_name(x, &c->name, &name));
    struct sql_entity *e = entity_of(c);
    int rc = sql_manager_create_catalog(x->m, name, e, &why);
    sql_entity_unref(e);
    if (rc == ERR_ALREADY_EXISTS && c->if_not_exists) {
        return 0;
    }
    if (rc < 0 && x->err != NULL) {
        error_copy(x->err, &why);
    }
    return sql_placed(x, c->name.span, rc);
}

static int create_database(struct sql_execution *x, const struct sql_create *c)
{
    struct sql_identifier id;
    struct sql_catalog *catalog = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_qualify_database(x, &c->name, &id));
    TRY(sql_catalog_of(x, &id, &catalog));
    struct sql_entity *e = entity_of(c);
    int rc = catalog->ops->create_database(catalog, id.database, e, &why);
    sql_entity_unref(e);
    if (rc == ERR_ALREADY_EXISTS && c->if_not_exists) {
        return 0;
    }
    return rc < 0 ? sql_refuse(x, c->name.span, rc, "%s", why.message) : 0;
}

/* ---- functions ---------------------------------------------------------------------------------------------- */

static int check_function(struct sql_execution *x, const struct sql_create *c)
{
    bool needs_no_file = c->language == SQL_LANGUAGE_PYTHON || c->language == SQL_LANGUAGE_SQL;
    if (slice_trim(c->function_class).len == 0) {
        return sql_refuse(x, c->name.span, ERR_INVALID_ARGUMENT,
                          "A function needs the name of what is behind it: AS 'name'");
    }
    if (needs_no_file && c->n_resources > 0) {
        return sql_refuse(x, c->name.span, ERR_INVALID_ARGUMENT,
                          "CREATE FUNCTION USING JAR syntax is not applicable to %s language.",
                          sql_language_name(c->language));
    }
    if (c->is_system && c->name.n > 1) {
        return sql_refuse(
            x, c->name.span, ERR_INVALID_ARGUMENT,
            "A system function is in no catalog and no database: its name has one part");
    }
    return 0;
}

static struct sql_entity *function_of(const struct sql_create *c)
{
    struct sql_entity *e = entity_of(c);
    e->class_name = arena_strndup(&e->arena, c->function_class.data, c->function_class.len);
    e->language = c->language;
    for (uint32_t i = 0; i < c->n_resources; i++) {
        sql_name_list_add(&e->resources, &e->arena, c->resources[i]);
    }
    return e;
}

static int register_temporary_function(struct sql_execution *x, const struct sql_create *c,
                                       const struct sql_identifier *id, const struct sql_entity *e)
{
    if (sql_manager_temporary(x->m, SQL_OBJECT_FUNCTION, id) == NULL) {
        return sql_placed(x, c->name.span, sql_manager_put_temporary(x->m, id, e, x->err));
    }
    if (c->if_not_exists) {
        return 0;
    }
    return c->is_system
               ? sql_refuse(
                     x, c->name.span, ERR_ALREADY_EXISTS,
                     "Could not register temporary system function. A function named '%s' does "
                     "already exist.",
                     id->name)
               : sql_refuse(x, c->name.span, ERR_ALREADY_EXISTS,
                            "Could not register temporary catalog function. A function '%s' does "
                            "already exist.",
                            sql_printed(x, id));
}

/* Adds an entity to its catalog. */
static int register_entity(struct sql_execution *x, const struct sql_create *c,
                           const struct sql_identifier *id, const struct sql_entity *e)
{
    struct sql_catalog *catalog = NULL;
    struct error why = ERROR_INIT;
    TRY(sql_catalog_of(x, id, &catalog));
    int rc = catalog->ops->create(catalog, id->database, id->name, e, &why);
    if (rc == ERR_ALREADY_EXISTS && c->if_not_exists) {
        return 0;
    }
    return rc < 0 ? sql_refuse(x, id->span, rc, "%s", why.message) : 0;
}

static int create_function(struct sql_execution *x, const struct sql_create *c)
{
    struct sql_identifier id;
    TRY(check_function(x, c));
    TRY(sql_qualify(x, &c->name, &id));
    struct sql_entity *e = function_of(c);
    int rc;
    if (c->is_system) {
        struct sql_identifier system = sql_system_identifier(id.name, x->arena);
        rc = register_temporary_function(x, c, &system, e);
    } else if (c->is_temporary) {
        rc = register_temporary_function(x, c, &id, e);
    } else {
        rc = register_entity(x, c, &id, e);
    }
    sql_entity_unref(e);
    return rc;
}

/* ---- models --------------------------------------------------------------------------------------------------- */

static int model_columns(struct sql_execution *x, const struct sql_table_elements *elements,
                         struct sql_table **ret)
{
    struct sql_create columns = {.object = SQL_OBJECT_TABLE, .elements = *elements};
    if (elements->n_columns + elements->n_constraints + elements->n_watermarks == 0) {
        return 0;
    }
    if (elements->n_constraints + elements->n_watermarks > 0) {
        return sql_refuse(x,
                          elements->n_constraints > 0 ? elements->constraints[0].span
                                                      : elements->watermarks[0].span,
                          ERR_INVALID_ARGUMENT,
                          "The columns of a model have names and types alone");
    }
    for (uint32_t i = 0; i < elements->n_columns; i++) {
        if (elements->columns[i].kind != SQL_COLUMN_PHYSICAL ||
            elements->columns[i].constraint != NULL) {
            return sql_refuse(x, elements->columns[i].span, ERR_INVALID_ARGUMENT,
                              "The columns of a model have names and types alone");
        }
    }
    return sql_define_table(x, &columns, NULL, ret);
}

static int check_model(struct sql_execution *x, const struct sql_create *c)
{
    if (c->query != NULL) {
        return sql_not_yet(x, c->query_text, "CREATE MODEL AS");
    }
    if (c->elements.n_columns == 0 && c->output.n_columns > 0) {
        return sql_refuse(x, c->name.span, ERR_INVALID_ARGUMENT,
                          "Input column list can not be empty with non-empty output column list.");
    }
    if (c->elements.n_columns > 0 && c->output.n_columns == 0) {
        return sql_refuse(x, c->name.span, ERR_INVALID_ARGUMENT,
                          "Output column list can not be empty with non-empty input column list.");
    }
    if (c->properties.n == 0) {
        return sql_refuse(x, c->name.span, ERR_INVALID_ARGUMENT,
                          "Model property list can not be empty.");
    }
    return 0;
}

static int create_model(struct sql_execution *x, const struct sql_create *c)
{
    struct sql_identifier id;
    TRY(check_model(x, c));
    TRY(sql_qualify(x, &c->name, &id));
    struct sql_entity *e = entity_of(c);
    int rc = model_columns(x, &c->elements, &e->input);
    rc = rc < 0 ? rc : model_columns(x, &c->output, &e->output);
    if (rc == 0 && c->is_temporary && sql_manager_temporary(x->m, e->object, &id) != NULL) {
        rc = c->if_not_exists
                 ? 0
                 : sql_refuse(x, id.span, ERR_ALREADY_EXISTS, "Temporary model '%s' already exists",
                              sql_quoted(x, &id));
    } else if (rc == 0 && c->is_temporary) {
        rc = sql_placed(x, id.span, sql_manager_put_temporary(x->m, &id, e, x->err));
    } else if (rc == 0) {
        rc = register_entity(x, c, &id, e);
    }
    sql_entity_unref(e);
    return rc;
}

/* ---- all ------------------------------------------------------------------------------------------------------ */

int sql_execute_create(struct sql_execution *x, const struct sql_create *c)
{
    switch (c->object) {
    case SQL_OBJECT_TABLE:
    case SQL_OBJECT_VIEW:
        return create_table(x, c);
    case SQL_OBJECT_CATALOG:
        return create_catalog(x, c);
    case SQL_OBJECT_DATABASE:
        return create_database(x, c);
    case SQL_OBJECT_FUNCTION:
        return create_function(x, c);
    case SQL_OBJECT_MODEL:
        return create_model(x, c);
    case SQL_OBJECT_CONNECTION:
        return sql_not_yet(x, c->name.span, "CREATE CONNECTION");
    default:
        return sql_not_yet(x, c->name.span, "CREATE MATERIALIZED TABLE");
    }
}
