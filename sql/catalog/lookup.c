/* Tables, views and temporary objects of the manager, see manager.h. */
#include "sql/catalog/inside.h"

/* ---- tables -------------------------------------------------------------------------------------------- */

struct sql_table *sql_manager_temporary_table(const struct sql_manager *m,
                                              const struct sql_identifier *id)
{
    STR_AUTO key = STR_INIT;
    sql_key_of(id, &key);
    return map_find_bytes(&m->tables, key.data, key.len);
}

static uint64_t count_temporary(const struct sql_manager *m)
{
    return m->tables.len + m->functions.len + m->models.len;
}

static int check_room(const struct sql_manager *m, struct error *err)
{
    return count_temporary(m) < SQL_TEMPORARY_MAX
               ? 0
               : error_set(err, ERR_TOO_LARGE,
                           "The session has %d temporary objects, which is the limit.",
                           SQL_TEMPORARY_MAX);
}

int sql_manager_put_temporary_table(struct sql_manager *m, const struct sql_identifier *id,
                                    const struct sql_table *t, struct error *err)
{
    STR_AUTO key = STR_INIT;
    TRY(check_room(m, err));
    sql_key_of(id, &key);
    map_put_bytes(&m->tables, key.data, key.len, sql_table_ref(t));
    return 0;
}

void sql_manager_drop_temporary_table(struct sql_manager *m, const struct sql_identifier *id)
{
    STR_AUTO key = STR_INIT;
    sql_key_of(id, &key);
    map_remove_bytes(&m->tables, key.data, key.len);
}

int sql_manager_find_table(struct sql_manager *m, const struct sql_identifier *id,
                           struct sql_table **ret, bool *ret_is_temporary, struct error *err)
{
    struct error why = ERROR_INIT;
    struct sql_catalog *c = NULL;
    struct sql_table *temporary = sql_manager_temporary_table(m, id);
    if (temporary != NULL) {
        *ret = sql_table_ref(temporary);
        *ret_is_temporary = true;
        return 1;
    }
    *ret_is_temporary = false;
    int rc = sql_manager_get_catalog(m, id->catalog, &c, &why);
    rc = rc < 0 ? rc : c->ops->get_table(c, id->database, id->name, ret, &why);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc < 0 ? rc : 1;
}

/* Of a key, when it is of this catalog and database: the name. */
static const char *name_in(const struct map_entry *e, const char *catalog, const char *database)
{
    const char *of_database = e->key + strlen(e->key) + 1;
    return strcmp(e->key, catalog) == 0 && strcmp(of_database, database) == 0
               ? of_database + strlen(of_database) + 1
               : NULL;
}

/* Keeps the views of a list of a catalog's tables. */
static int keep_views(struct sql_catalog *c, const char *database, struct text_list *names,
                      struct error *err)
{
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; i < names->n; i++) {
        struct sql_table *t = NULL;
        rc = rc < 0 ? rc : c->ops->get_table(c, database, names->items[i], &t, err);
        if (t != NULL && t->kind == SQL_TABLE_KIND_VIEW) {
            names->items[kept++] = names->items[i];
        } else {
            mem_free(names->items[i]);
        }
        sql_table_unref(t);
    }
    names->n = kept;
    return rc;
}

int sql_manager_list_tables(struct sql_manager *m, const char *catalog, const char *database,
                            enum sql_listed listed, struct text_list *ret, struct error *err)
{
    struct sql_catalog *c = NULL;
    TRY(sql_manager_get_catalog(m, catalog, &c, err));
    TRY(c->ops->list_tables(c, database, ret, err));
    TRY(listed == SQL_LISTED_VIEWS ? keep_views(c, database, ret, err) : 0);
    MAP_FOREACH (&m->tables, e) {
        const struct sql_table *t = e->value;
        const char *name = name_in(e, catalog, database);
        if (name != NULL && (listed == SQL_LISTED_ALL || t->kind == SQL_TABLE_KIND_VIEW)) {
            text_list_add(ret, slice_cstr(name));
        }
    }
    sql_sort_names(ret);
    return 0;
}

void sql_manager_hint_table(struct sql_manager *m, const struct sql_identifier *id, struct str *out)
{
    struct text_list names = TEXT_LIST_INIT;
    struct sql_catalog *c = NULL;
    if (sql_manager_list_tables(m, id->catalog, id->database, SQL_LISTED_ALL, &names, NULL) == 0) {
        sql_hint(id->name, &names, out);
    } else if (sql_manager_get_catalog(m, id->catalog, &c, NULL) == 0) {
        c->ops->list_databases(c, &names);
        const char *nearest = cstr_nearest(id->database, (const char *const *)names.items, names.n);
        if (nearest != NULL) {
            str_printf(out, " Did you mean the database '%s'?", nearest);
        }
    } else if (sql_manager_list_catalogs(m, &names, NULL) == 0) {
        const char *nearest = cstr_nearest(id->catalog, (const char *const *)names.items, names.n);
        if (nearest != NULL) {
            str_printf(out, " Did you mean the catalog '%s'?", nearest);
        }
    }
    text_list_fini(&names);
}

int sql_manager_resolve_table(struct sql_manager *m, const struct sql_path *path,
                              struct arena *arena, struct sql_found_table *ret,
                              struct sql_error_place *place, struct error *err)
{
    struct sql_found_table found = {.table = NULL};
    place->span = path->span;
    TRY(sql_manager_qualify(m, path, arena, &found.id, place, err));
    int rc = sql_manager_find_table(m, &found.id, &found.table, &found.is_temporary, err);
    TRY(rc);
    if (rc == 0) {
        STR_AUTO name = STR_INIT;
        STR_AUTO hint = STR_INIT;
        sql_identifier_print(&found.id, &name);
        sql_manager_hint_table(m, &found.id, &hint);
        return error_set(err, ERR_NOT_FOUND, "Table '%s' was not found.%s", str_cstr(&name),
                         str_cstr(&hint));
    }
    *ret = found;
    return 0;
}

/* ---- other temporary objects --------------------------------------------------------------------------- */

static struct map *map_of(const struct sql_manager *m, enum sql_object object)
{
    return (struct map *)(object == SQL_OBJECT_FUNCTION ? &m->functions : &m->models);
}

/* Names of functions count without regard to case. */
static void entity_key(enum sql_object object, const struct sql_identifier *id, struct str *out)
{
    sql_key_of(id, out);
    if (object == SQL_OBJECT_FUNCTION) {
        sql_lower(out->data + out->len - strlen(id->name));
    }
}

struct sql_identifier sql_system_identifier(const char *name, struct arena *arena)
{
    return (struct sql_identifier){"", "", arena_strdup(arena, name), {0, 0}};
}

struct sql_entity *sql_manager_temporary(const struct sql_manager *m, enum sql_object object,
                                         const struct sql_identifier *id)
{
    STR_AUTO key = STR_INIT;
    entity_key(object, id, &key);
    return map_find_bytes(map_of(m, object), key.data, key.len);
}

int sql_manager_put_temporary(struct sql_manager *m, const struct sql_identifier *id,
                              const struct sql_entity *e, struct error *err)
{
    STR_AUTO key = STR_INIT;
    TRY(check_room(m, err));
    entity_key(e->object, id, &key);
    map_put_bytes(map_of(m, e->object), key.data, key.len, sql_entity_ref(e));
    return 0;
}

void sql_manager_drop_temporary(struct sql_manager *m, enum sql_object object,
                                const struct sql_identifier *id)
{
    STR_AUTO key = STR_INIT;
    entity_key(object, id, &key);
    map_remove_bytes(map_of(m, object), key.data, key.len);
}

void sql_manager_list_temporary(const struct sql_manager *m, enum sql_object object,
                                const char *catalog, const char *database, struct text_list *ret)
{
    MAP_FOREACH (map_of(m, object), e) {
        const char *name = name_in(e, catalog, database);
        if (name != NULL) {
            text_list_add(ret, slice_cstr(name));
        }
    }
}
