/* The catalog `generic_in_memory`, see catalog.h: maps of maps, in the order things were made. */
#include "common/base/map.h"
#include "sql/catalog/catalog.h"
#include "sql/catalog/inside.h"

struct memory_table {
    struct sql_table *table; /* Owns a ref */
    struct map partitions;   /* values joined by zero bytes: struct sql_partition_values */
    struct arena arena;      /* Owns what the partitions point to */
    struct sql_table_statistics statistics;
};

struct memory_database {
    struct sql_entity *entity;    /* Owns a ref */
    struct map tables;            /* struct memory_table */
    struct map functions, models; /* struct sql_entity */
};

struct memory_catalog {
    struct sql_catalog base;
    struct map databases; /* struct memory_database */
};

static const struct memory_catalog *of(const struct sql_catalog *c)
{
    return CONTAINER_OF(c, struct memory_catalog, base);
}

static void free_entity(void *e)
{
    sql_entity_unref(e);
}

static void free_table(void *value)
{
    struct memory_table *t = value;
    sql_table_unref(t->table);
    map_fini(&t->partitions);
    arena_fini(&t->arena);
    mem_free(t);
}

static void free_database(void *value)
{
    struct memory_database *d = value;
    sql_entity_unref(d->entity);
    map_fini(&d->tables);
    map_fini(&d->functions);
    map_fini(&d->models);
    mem_free(d);
}

static void list_keys(const struct map *m, struct text_list *ret)
{
    MAP_FOREACH (m, e) {
        text_list_add(ret, slice_make(e->key, e->key_len));
    }
}

/* ---- databases ----------------------------------------------------------------------------------------- */

static void list_databases(const struct sql_catalog *c, struct text_list *ret)
{
    list_keys(&of(c)->databases, ret);
}

static int find_database(const struct sql_catalog *c, const char *name,
                         struct memory_database **ret, struct error *err)
{
    *ret = map_find(&of(c)->databases, name);
    return *ret != NULL ? 0
                        : error_set(err, ERR_NOT_FOUND, "Database %s does not exist in Catalog %s.",
                                    name, c->name);
}

static int get_database(const struct sql_catalog *c, const char *name, struct sql_entity **ret,
                        struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, name, &d, err));
    *ret = sql_entity_ref(d->entity);
    return 0;
}

static int create_database(struct sql_catalog *c, const char *name, const struct sql_entity *e,
                           struct error *err)
{
    struct map *databases = (struct map *)&of(c)->databases;
    if (map_has(databases, name)) {
        return error_set(err, ERR_ALREADY_EXISTS, "Database %s already exists in Catalog %s.", name,
                         c->name);
    }
    if (databases->len >= SQL_DATABASES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "Catalog %s has %d databases, which is the limit.",
                         c->name, SQL_DATABASES_MAX);
    }
    struct memory_database *d = MEM_NEW(struct memory_database);
    d->entity = sql_entity_ref(e);
    map_init(&d->tables, free_table);
    map_init(&d->functions, free_entity);
    map_init(&d->models, free_entity);
    map_put(databases, name, d);
    return 0;
}

static int alter_database(struct sql_catalog *c, const char *name, const struct sql_entity *e,
                          struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, name, &d, err));
    struct sql_entity *old = d->entity;
    d->entity = sql_entity_ref(e);
    sql_entity_unref(old);
    return 0;
}

static int drop_database(struct sql_catalog *c, const char *name, bool is_cascade,
                         struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, name, &d, err));
    if (!is_cascade && (d->tables.len > 0 || d->functions.len > 0 || d->models.len > 0)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Database %s in catalog %s is not empty.", name,
                         c->name);
    }
    map_remove((struct map *)&of(c)->databases, name);
    return 0;
}

/* ---- tables -------------------------------------------------------------------------------------------- */

static int find_table(const struct sql_catalog *c, const char *database, const char *name,
                      struct memory_table **ret, struct error *err)
{
    struct memory_database *d = map_find(&of(c)->databases, database);
    *ret = d != NULL ? map_find(&d->tables, name) : NULL;
    return *ret != NULL ? 0
                        : error_set(err, ERR_NOT_FOUND,
                                    "Table (or view) %s.%s does not exist in Catalog %s.", database,
                                    name, c->name);
}

static int list_tables(const struct sql_catalog *c, const char *database, struct text_list *ret,
                       struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, database, &d, err));
    list_keys(&d->tables, ret);
    return 0;
}

static int get_table(const struct sql_catalog *c, const char *database, const char *name,
                     struct sql_table **ret, struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    *ret = sql_table_ref(t->table);
    return 0;
}

static int table_exists(const struct sql_catalog *c, const char *database, const char *name,
                        struct error *err)
{
    return error_set(err, ERR_ALREADY_EXISTS, "Table (or view) %s.%s already exists in Catalog %s.",
                     database, name, c->name);
}

static int create_table(struct sql_catalog *c, const char *database, const char *name,
                        const struct sql_table *t, struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, database, &d, err));
    if (map_has(&d->tables, name)) {
        return table_exists(c, database, name, err);
    }
    if (d->tables.len >= SQL_OBJECTS_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "Database %s in catalog %s has %d tables, which is the limit.", database,
                         c->name, SQL_OBJECTS_MAX);
    }
    struct memory_table *kept = MEM_NEW(struct memory_table);
    kept->table = sql_table_ref(t);
    kept->statistics = (struct sql_table_statistics)SQL_TABLE_STATISTICS_UNKNOWN;
    map_init(&kept->partitions, NULL);
    arena_init(&kept->arena, 0);
    map_put(&d->tables, name, kept);
    return 0;
}

static int alter_table(struct sql_catalog *c, const char *database, const char *name,
                       const struct sql_table *t, struct error *err)
{
    struct memory_table *kept = NULL;
    TRY(find_table(c, database, name, &kept, err));
    ASSERT(kept->table->kind == t->kind); /* statements say which they mean */
    struct sql_table *old = kept->table;
    kept->table = sql_table_ref(t);
    sql_table_unref(old);
    return 0;
}

static int rename_table(struct sql_catalog *c, const char *database, const char *name,
                        const char *new_name, struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    struct memory_database *d = map_find(&of(c)->databases, database);
    if (map_has(&d->tables, new_name)) {
        return table_exists(c, database, new_name, err);
    }
    map_put(&d->tables, new_name, map_take(&d->tables, name));
    return 0;
}

static int drop_table(struct sql_catalog *c, const char *database, const char *name,
                      struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    struct memory_database *d = map_find(&of(c)->databases, database);
    map_remove(&d->tables, name);
    return 0;
}

/* ---- functions and models -------------------------------------------------------------------------------- */

static struct map *map_of(struct memory_database *d, enum sql_object object)
{
    return object == SQL_OBJECT_FUNCTION ? &d->functions : &d->models;
}

static const char *word_of(enum sql_object object)
{
    return object == SQL_OBJECT_FUNCTION ? "Function" : "Model";
}

/* Names of functions are kept in lower case. */
static char *key_of(enum sql_object object, const char *name)
{
    char *key = mem_strdup(name);
    if (object == SQL_OBJECT_FUNCTION) {
        sql_lower(key);
    }
    return key;
}

static int list_entities(const struct sql_catalog *c, enum sql_object object, const char *database,
                         struct text_list *ret, struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, database, &d, err));
    list_keys(map_of(d, object), ret);
    return 0;
}

static int no_entity(const struct sql_catalog *c, enum sql_object object, const char *database,
                     const char *name, struct error *err)
{
    return error_set(err, ERR_NOT_FOUND, "%s %s.%s does not exist in Catalog %s.", word_of(object),
                     database, name, c->name);
}

static int get_entity(const struct sql_catalog *c, enum sql_object object, const char *database,
                      const char *name, struct sql_entity **ret, struct error *err)
{
    struct memory_database *d = map_find(&of(c)->databases, database);
    char *key = key_of(object, name);
    struct sql_entity *e = d != NULL ? map_find(map_of(d, object), key) : NULL;
    mem_free(key);
    if (e == NULL) {
        return no_entity(c, object, database, name, err);
    }
    *ret = sql_entity_ref(e);
    return 0;
}

static int entity_exists(const struct sql_catalog *c, enum sql_object object, const char *database,
                         const char *name, struct error *err)
{
    return error_set(err, ERR_ALREADY_EXISTS, "%s %s.%s already exists in Catalog %s.",
                     word_of(object), database, name, c->name);
}

static int create_entity(struct sql_catalog *c, const char *database, const char *name,
                         const struct sql_entity *e, struct error *err)
{
    struct memory_database *d = NULL;
    TRY(find_database(c, database, &d, err));
    struct map *entities = map_of(d, e->object);
    char *key = key_of(e->object, name);
    int rc = 0;
    if (map_has(entities, key)) {
        rc = entity_exists(c, e->object, database, key, err);
    } else if (entities->len >= SQL_OBJECTS_MAX) {
        rc = error_set(err, ERR_TOO_LARGE,
                       "Database %s in catalog %s has %d of them, which is the limit.", database,
                       c->name, SQL_OBJECTS_MAX);
    } else {
        map_put(entities, key, sql_entity_ref(e));
    }
    mem_free(key);
    return rc;
}

static int alter_entity(struct sql_catalog *c, const char *database, const char *name,
                        const struct sql_entity *e, struct error *err)
{
    struct memory_database *d = map_find(&of(c)->databases, database);
    char *key = key_of(e->object, name);
    bool is_there = d != NULL && map_has(map_of(d, e->object), key);
    if (is_there) {
        map_put(map_of(d, e->object), key, sql_entity_ref(e));
    }
    mem_free(key);
    return is_there ? 0 : no_entity(c, e->object, database, name, err);
}

static int rename_entity(struct sql_catalog *c, enum sql_object object, const char *database,
                         const char *name, const char *new_name, struct error *err)
{
    struct memory_database *d = map_find(&of(c)->databases, database);
    if (d == NULL || !map_has(map_of(d, object), name)) {
        return no_entity(c, object, database, name, err);
    }
    if (map_has(map_of(d, object), new_name)) {
        return entity_exists(c, object, database, new_name, err);
    }
    map_put(map_of(d, object), new_name, map_take(map_of(d, object), name));
    return 0;
}

static int drop_entity(struct sql_catalog *c, enum sql_object object, const char *database,
                       const char *name, struct error *err)
{
    struct memory_database *d = map_find(&of(c)->databases, database);
    char *key = key_of(object, name);
    bool was_there = d != NULL && map_remove(map_of(d, object), key);
    mem_free(key);
    return was_there ? 0 : no_entity(c, object, database, name, err);
}

/* ---- partitions, statistics -------------------------------------------------------------------------------- */

static void key_of_partition(const struct sql_name_list *values, struct str *out)
{
    for (uint32_t i = 0; i < values->n; i++) {
        str_append(out, values->items[i], strlen(values->items[i]) + 1);
    }
}

/* CatalogPartitionSpec{{a=1, b=x}} */
static void print_partition(const struct sql_table *t, const struct sql_name_list *values,
                            struct str *out)
{
    str_append_cstr(out, "CatalogPartitionSpec{{");
    for (uint32_t i = 0; i < values->n; i++) {
        str_printf(out, "%s%s=%s", i > 0 ? ", " : "", t->partition_keys.items[i], values->items[i]);
    }
    str_append_cstr(out, "}}");
}

static int list_partitions(const struct sql_catalog *c, const char *database, const char *name,
                           void (*add)(void *arg, const struct sql_partition_values *p), void *arg,
                           struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    MAP_FOREACH (&t->partitions, e) {
        add(arg, e->value);
    }
    return 0;
}

static int create_partition(struct sql_catalog *c, const char *database, const char *name,
                            const struct sql_partition_values *p, struct error *err)
{
    struct memory_table *t = NULL;
    STR_AUTO key = STR_INIT;
    STR_AUTO text = STR_INIT;
    TRY(find_table(c, database, name, &t, err));
    key_of_partition(&p->values, &key);
    if (map_find_bytes(&t->partitions, key.data, key.len) != NULL) {
        print_partition(t->table, &p->values, &text);
        return error_set(err, ERR_ALREADY_EXISTS,
                         "Partition %s of table %s.%s in catalog %s already exists.",
                         str_cstr(&text), database, name, c->name);
    }
    if (t->partitions.len >= SQL_PARTITIONS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "Table %s.%s has %d partitions, which is the limit.",
                         database, name, SQL_PARTITIONS_MAX);
    }
    struct sql_partition_values *kept = arena_zalloc(&t->arena, sizeof(*kept));
    sql_name_list_copy(&p->values, &t->arena, &kept->values);
    sql_options_copy(&p->options, &t->arena, &kept->options);
    map_put_bytes(&t->partitions, key.data, key.len, kept);
    return 0;
}

static int drop_partition(struct sql_catalog *c, const char *database, const char *name,
                          const struct sql_name_list *values, struct error *err)
{
    struct memory_table *t = NULL;
    STR_AUTO key = STR_INIT;
    STR_AUTO text = STR_INIT;
    TRY(find_table(c, database, name, &t, err));
    key_of_partition(values, &key);
    if (!map_remove_bytes(&t->partitions, key.data, key.len)) {
        print_partition(t->table, values, &text);
        return error_set(err, ERR_NOT_FOUND,
                         "Partition %s of table %s.%s in catalog %s does not exist.",
                         str_cstr(&text), database, name, c->name);
    }
    return 0;
}

static int get_statistics(const struct sql_catalog *c, const char *database, const char *name,
                          struct sql_table_statistics *ret, struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    *ret = t->statistics;
    return 0;
}

static int set_statistics(struct sql_catalog *c, const char *database, const char *name,
                          const struct sql_table_statistics *s, struct error *err)
{
    struct memory_table *t = NULL;
    TRY(find_table(c, database, name, &t, err));
    t->statistics = *s;
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static void memory_close(struct sql_catalog *c)
{
    struct memory_catalog *m = (struct memory_catalog *)of(c);
    map_fini(&m->databases);
    mem_free(m);
}

static const struct sql_catalog_ops memory_ops;

struct sql_catalog *sql_memory_catalog_open(const char *name, const char *default_database)
{
    struct memory_catalog *m = MEM_NEW(struct memory_catalog);
    struct sql_entity *e = sql_entity_new(SQL_OBJECT_DATABASE);
    m->base.ops = &memory_ops;
    m->base.name = mem_strdup(name);
    m->base.default_database = mem_strdup(default_database);
    map_init(&m->databases, free_database);
    int rc = create_database(&m->base, default_database, e, NULL);
    ASSERT(rc == 0);
    sql_entity_unref(e);
    return &m->base;
}

static const struct sql_catalog_ops memory_ops = {
    .identifier = "generic_in_memory",
    .close = memory_close,
    .list_databases = list_databases,
    .get_database = get_database,
    .create_database = create_database,
    .alter_database = alter_database,
    .drop_database = drop_database,
    .list_tables = list_tables,
    .get_table = get_table,
    .create_table = create_table,
    .alter_table = alter_table,
    .rename_table = rename_table,
    .drop_table = drop_table,
    .list = list_entities,
    .get = get_entity,
    .create = create_entity,
    .alter = alter_entity,
    .rename = rename_entity,
    .drop = drop_entity,
    .list_partitions = list_partitions,
    .create_partition = create_partition,
    .drop_partition = drop_partition,
    .get_statistics = get_statistics,
    .set_statistics = set_statistics,
};
