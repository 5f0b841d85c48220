/* Catalogs and names, see manager.h. */
#include "sql/catalog/inside.h"
#include <ctype.h>
#include <stdlib.h>

#define CATALOG_DEFAULT "default_catalog"
#define DATABASE_DEFAULT "default_database"

/* ---- words --------------------------------------------------------------------------------------------- */

void sql_lower(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
}

void sql_quote_name(const char *name, struct str *out)
{
    str_append_char(out, '`');
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '`') {
            str_append_char(out, '`');
        }
        str_append_char(out, *p);
    }
    str_append_char(out, '`');
}

void sql_identifier_quote(const struct sql_identifier *id, struct str *out)
{
    sql_quote_name(id->catalog, out);
    str_append_char(out, '.');
    sql_quote_name(id->database, out);
    str_append_char(out, '.');
    sql_quote_name(id->name, out);
}

void sql_identifier_print(const struct sql_identifier *id, struct str *out)
{
    str_printf(out, "%s.%s.%s", id->catalog, id->database, id->name);
}

void sql_key_of(const struct sql_identifier *id, struct str *out)
{
    str_append(out, id->catalog, strlen(id->catalog) + 1);
    str_append(out, id->database, strlen(id->database) + 1);
    str_append_cstr(out, id->name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void sql_sort_names(struct text_list *names)
{
    size_t kept = 0;
    if (names->n > 1) {
        qsort(names->items, names->n, sizeof(*names->items), compare_names);
    }
    for (size_t i = 0; i < names->n; i++) {
        if (kept > 0 && strcmp(names->items[kept - 1], names->items[i]) == 0) {
            mem_free(names->items[i]);
        } else {
            names->items[kept++] = names->items[i];
        }
    }
    names->n = kept;
}

void sql_hint(const char *name, const struct text_list *names, struct str *out)
{
    const char *nearest = cstr_nearest(name, (const char *const *)names->items, names->n);
    if (nearest != NULL) {
        str_printf(out, " Did you mean '%s'?", nearest);
    }
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void close_catalog(void *c)
{
    sql_catalog_close(c);
}

static void free_entity(void *e)
{
    sql_entity_unref(e);
}

static void free_table(void *t)
{
    sql_table_unref(t);
}

int sql_manager_new(const struct sql_manager_options *options, struct sql_manager **ret,
                    struct error *err)
{
    struct sql_catalog_store *store = options->take_store;
    const char *catalog = options->catalog != NULL ? options->catalog : CATALOG_DEFAULT;
    const char *database = options->database != NULL ? options->database : DATABASE_DEFAULT;
    if (store == NULL) {
        TRY(sql_catalog_store_open(NULL, NULL, &store, err));
    }
    struct sql_manager *m = MEM_NEW(struct sql_manager);
    struct sql_entity *description = sql_entity_new(SQL_OBJECT_CATALOG);
    m->store = store;
    m->resolver = options->resolver;
    m->catalog = mem_strdup(catalog);
    m->database = mem_strdup(database);
    map_init(&m->catalogs, close_catalog);
    map_init(&m->described, free_entity);
    map_init(&m->tables, free_table);
    map_init(&m->functions, free_entity);
    map_init(&m->models, free_entity);
    map_init(&m->builtins, mem_free);
    map_put(&m->catalogs, catalog, sql_memory_catalog_open(catalog, database));
    map_put(&m->described, catalog, description);
    sql_options_put(&description->options, &description->arena, SLICE_LIT("type"),
                    SLICE_LIT("generic_in_memory"));
    sql_options_put(&description->options, &description->arena, SLICE_LIT("default-database"),
                    slice_cstr(database));
    text_list_add(&m->modules, SLICE_LIT("core"));
    m->n_used = 1;
    *ret = m;
    return 0;
}

struct sql_manager *sql_manager_free(struct sql_manager *m)
{
    if (m != NULL) {
        map_fini(&m->tables);
        map_fini(&m->functions);
        map_fini(&m->models);
        map_fini(&m->builtins);
        map_fini(&m->catalogs);
        map_fini(&m->described);
        text_list_fini(&m->modules);
        text_list_fini(&m->jars);
        sql_catalog_store_close(m->store);
        mem_free(m->catalog);
        mem_free(m->database);
        mem_free(m);
    }
    return NULL;
}

const struct sql_resolver *sql_manager_resolver(const struct sql_manager *m)
{
    return m->resolver;
}

/* ---- names --------------------------------------------------------------------------------------------- */

int sql_name_text(const struct sql_name *name, struct arena *arena, const char **ret,
                  struct sql_error_place *place, struct error *err)
{
    if (name->text.len > SQL_OBJECT_NAME_MAX) {
        place->span = name->span;
        return error_set(err, ERR_TOO_LARGE, "A name is longer than %d bytes", SQL_OBJECT_NAME_MAX);
    }
    if (slice_trim(name->text).len == 0) {
        place->span = name->span;
        return error_set(err, ERR_INVALID_ARGUMENT, "A name is empty");
    }
    *ret = arena_strndup(arena, name->text.data, name->text.len);
    return 0;
}

int sql_manager_qualify(const struct sql_manager *m, const struct sql_path *path,
                        struct arena *arena, struct sql_identifier *ret,
                        struct sql_error_place *place, struct error *err)
{
    struct sql_identifier id = {m->catalog, m->database, NULL, path->span};
    ASSERT(path->n >= 1 && path->n <= 3); /* the parser's rules */
    TRY(sql_name_text(&path->parts[path->n - 1], arena, &id.name, place, err));
    if (path->n >= 2) {
        TRY(sql_name_text(&path->parts[path->n - 2], arena, &id.database, place, err));
    } else {
        id.database = arena_strdup(arena, m->database);
    }
    if (path->n == 3) {
        TRY(sql_name_text(&path->parts[0], arena, &id.catalog, place, err));
    } else {
        id.catalog = arena_strdup(arena, m->catalog);
    }
    *ret = id;
    return 0;
}

const char *sql_manager_catalog(const struct sql_manager *m)
{
    return m->catalog;
}

const char *sql_manager_database(const struct sql_manager *m)
{
    return m->database;
}

static void set_current(struct sql_manager *m, const char *catalog, const char *database)
{
    char *old_catalog = m->catalog, *old_database = m->database;
    m->catalog = mem_strdup(catalog);
    m->database = mem_strdup(database);
    mem_free(old_catalog);
    mem_free(old_database);
}

int sql_manager_use_catalog(struct sql_manager *m, const char *name, struct error *err)
{
    struct sql_catalog *c = NULL;
    struct error why = ERROR_INIT;
    int rc = sql_manager_get_catalog(m, name, &c, &why);
    if (rc == ERR_NOT_FOUND) {
        struct text_list names = TEXT_LIST_INIT;
        STR_AUTO hint = STR_INIT;
        if (sql_manager_list_catalogs(m, &names, NULL) == 0) {
            sql_hint(name, &names, &hint);
        }
        text_list_fini(&names);
        return error_set(err, rc, "A catalog with name [%s] does not exist.%s", name,
                         str_cstr(&hint));
    }
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    if (strcmp(name, m->catalog) != 0) {
        set_current(m, name, c->default_database);
    }
    return 0;
}

int sql_manager_use_database(struct sql_manager *m, const char *catalog, const char *database,
                             struct error *err)
{
    struct sql_catalog *c = NULL;
    struct sql_entity *e = NULL;
    TRY(sql_manager_get_catalog(m, catalog, &c, err));
    if (c->ops->get_database(c, database, &e, NULL) < 0) {
        struct text_list names = TEXT_LIST_INIT;
        STR_AUTO hint = STR_INIT;
        c->ops->list_databases(c, &names);
        sql_hint(database, &names, &hint);
        text_list_fini(&names);
        return error_set(err, ERR_NOT_FOUND,
                         "A database with name [%s] does not exist in the catalog: [%s].%s",
                         database, catalog, str_cstr(&hint));
    }
    sql_entity_unref(e);
    set_current(m, catalog, database);
    return 0;
}

/* ---- catalogs ------------------------------------------------------------------------------------------ */

int sql_manager_list_catalogs(const struct sql_manager *m, struct text_list *ret, struct error *err)
{
    TRY(sql_catalog_store_list(m->store, ret, err));
    MAP_FOREACH (&m->catalogs, e) {
        text_list_add(ret, slice_cstr(e->key));
    }
    sql_sort_names(ret);
    return 0;
}

static int no_catalog(const struct sql_manager *m, const char *name, struct error *err)
{
    struct text_list names = TEXT_LIST_INIT;
    STR_AUTO hint = STR_INIT;
    if (sql_manager_list_catalogs(m, &names, NULL) == 0) {
        sql_hint(name, &names, &hint);
    }
    text_list_fini(&names);
    return error_set(err, ERR_NOT_FOUND, "Catalog %s does not exist.%s", name, str_cstr(&hint));
}

/* Is it in the store?  1, 0 or negative. */
static int in_store(const struct sql_manager *m, const char *name, struct sql_entity **ret,
                    struct error *err)
{
    struct error why = ERROR_INIT;
    int rc = sql_catalog_store_get(m->store, name, ret, &why);
    /* A name that no file can have is in no store. */
    if (rc == ERR_NOT_FOUND || rc == ERR_INVALID_ARGUMENT) {
        return 0;
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc < 0 ? rc : 1;
}

int sql_manager_get_catalog(struct sql_manager *m, const char *name, struct sql_catalog **ret,
                            struct error *err)
{
    struct sql_entity *description = NULL;
    struct sql_catalog *c = map_find(&m->catalogs, name);
    if (c == NULL) {
        int rc = in_store(m, name, &description, err);
        TRY(rc);
        if (rc == 0) {
            return no_catalog(m, name, err);
        }
        rc = sql_catalog_open(name, &description->options, &c, err);
        sql_entity_unref(description);
        TRY_CTX(err, rc, "opening catalog %s of the catalog store", name);
        map_put(&m->catalogs, name, c);
    }
    *ret = c;
    return 0;
}

int sql_manager_describe_catalog(struct sql_manager *m, const char *name, struct sql_entity **ret,
                                 struct error *err)
{
    struct sql_entity *kept = map_find(&m->described, name);
    if (kept != NULL) {
        *ret = sql_entity_ref(kept);
        return 0;
    }
    int rc = in_store(m, name, ret, err);
    TRY(rc);
    return rc > 0 ? 0 : no_catalog(m, name, err);
}

int sql_manager_create_catalog(struct sql_manager *m, const char *name,
                               const struct sql_entity *description, struct error *err)
{
    struct text_list names = TEXT_LIST_INIT;
    struct sql_catalog *c = NULL;
    int rc = sql_manager_list_catalogs(m, &names, err);
    if (rc == 0 && text_list_has(&names, name)) {
        rc = error_set(err, ERR_ALREADY_EXISTS, "Catalog %s already exists.", name);
    } else if (rc == 0 && names.n >= SQL_CATALOGS_MAX) {
        rc = error_set(err, ERR_TOO_LARGE, "There are %d catalogs, which is the limit.",
                       SQL_CATALOGS_MAX);
    }
    text_list_fini(&names);
    TRY(rc);
    TRY(sql_catalog_open(name, &description->options, &c, err));
    rc = sql_catalog_store_put(m->store, name, description, err);
    if (rc < 0) {
        sql_catalog_close(c);
        return rc;
    }
    map_put(&m->catalogs, name, c);
    return 0;
}

int sql_manager_alter_catalog(struct sql_manager *m, const char *name,
                              const struct sql_entity *description, struct error *err)
{
    struct sql_entity *old = NULL;
    struct sql_catalog *c = NULL;
    int rc = in_store(m, name, &old, err);
    TRY(rc);
    if (rc == 0) {
        struct sql_catalog *open = map_find(&m->catalogs, name);
        return open == NULL ? no_catalog(m, name, err)
                            : error_set(err, ERR_INVALID_ARGUMENT,
                                        "Catalog %s does not exist in the catalog store.", name);
    }
    /* A catalog that only got another comment stays as it is, with what is in it. */
    bool is_same = old->options.n == description->options.n;
    for (uint32_t i = 0; is_same && i < old->options.n; i++) {
        const char *now = sql_options_find(&description->options, old->options.items[i].key);
        is_same = now != NULL && strcmp(now, old->options.items[i].value) == 0;
    }
    sql_entity_unref(old);
    TRY(is_same ? 0 : sql_catalog_open(name, &description->options, &c, err));
    rc = sql_catalog_store_put(m->store, name, description, err);
    if (rc < 0) {
        sql_catalog_close(c);
        return rc;
    }
    if (c != NULL) {
        map_put(&m->catalogs, name, c);
    }
    return 0;
}

int sql_manager_drop_catalog(struct sql_manager *m, const char *name, struct error *err)
{
    struct sql_entity *description = NULL;
    int rc = in_store(m, name, &description, err);
    /* A damaged file is no reason to keep it. */
    bool is_stored = rc > 0 || rc == ERR_CORRUPT || rc == ERR_TOO_LARGE;
    sql_entity_unref(description);
    if (rc < 0 && !is_stored) {
        return rc;
    }
    if (!is_stored && !map_has(&m->catalogs, name)) {
        return no_catalog(m, name, err);
    }
    if (strcmp(name, m->catalog) == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot drop a catalog which is currently in use.");
    }
    TRY(is_stored ? sql_catalog_store_remove(m->store, name, err) : 0);
    map_remove(&m->catalogs, name);
    map_remove(&m->described, name);
    return 0;
}
