/* Catalogs by their `type`, see catalog.h. */
#include "sql/catalog/catalog.h"

static int open_memory(const char *name, const struct sql_options *options,
                       struct sql_catalog **ret, struct error *err)
{
    const char *database = sql_options_find(options, "default-database");
    if (database != NULL && slice_trim(slice_cstr(database)).len == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "The default database of catalog %s has no name: 'default-database' is "
                         "empty.",
                         name);
    }
    if (database != NULL && strlen(database) > SQL_OBJECT_NAME_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "The name in 'default-database' is longer than %d bytes.",
                         SQL_OBJECT_NAME_MAX);
    }
    *ret = sql_memory_catalog_open(name, database != NULL ? database : "default");
    return 0;
}

static const struct kind {
    const char *type;
    const char *options[4]; /* NULL behind the last */
    int (*open)(const char *name, const struct sql_options *options, struct sql_catalog **ret,
                struct error *err);
} kinds[] = {
    {"generic_in_memory", {"default-database", "property-version", "type"}, open_memory},
};

static const struct kind *find_kind(const char *type)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].type, type) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool has_option(const struct kind *k, const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(k->options) && k->options[i] != NULL; i++) {
        if (strcmp(k->options[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static int unknown_option(const struct kind *k, const char *key, struct error *err)
{
    STR_AUTO known = STR_INIT;
    size_t n = 0;
    for (; n < ARRAY_LEN(k->options) && k->options[n] != NULL; n++) {
        str_printf(&known, "%s%s", n > 0 ? ", " : "", k->options[n]);
    }
    const char *nearest = cstr_nearest(key, k->options, n);
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Unsupported options found for '%s'. Unsupported options: %s. Supported "
                     "options: %s.%s%s%s",
                     k->type, key, str_cstr(&known), nearest != NULL ? " Did you mean '" : "",
                     nearest != NULL ? nearest : "", nearest != NULL ? "'?" : "");
}

int sql_catalog_open(const char *name, const struct sql_options *options, struct sql_catalog **ret,
                     struct error *err)
{
    const char *type = sql_options_find(options, "type");
    if (type == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Catalog options do not contain an option key 'type' for discovering a "
                         "catalog: WITH ('type' = 'generic_in_memory').");
    }
    const struct kind *k = find_kind(type);
    if (k == NULL) {
        STR_AUTO known = STR_INIT;
        for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
            str_printf(&known, "%s%s", i > 0 ? ", " : "", kinds[i].type);
        }
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Could not find any catalog factory for identifier '%s'. Available "
                         "identifiers are: %s.",
                         type, str_cstr(&known));
    }
    for (uint32_t i = 0; i < options->n; i++) {
        if (!has_option(k, options->items[i].key)) {
            return unknown_option(k, options->items[i].key, err);
        }
    }
    return k->open(name, options, ret, err);
}

struct sql_catalog *sql_catalog_close(struct sql_catalog *c)
{
    if (c != NULL) {
        char *name = c->name, *database = c->default_database;
        c->ops->close(c);
        mem_free(name);
        mem_free(database);
    }
    return NULL;
}
