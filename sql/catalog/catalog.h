/* A catalog: databases, and in them tables, views, functions and models, behind one table of functions.
 *
 * `generic_in_memory` keeps all of it in memory, for the life of the catalog.  Names are compared byte by byte; those of
 * functions are kept in lower case, as Flink's in-memory catalog does.  Every get gives a reference.  Messages are those of
 * Flink's catalog exceptions: they name the object with its database and catalog.
 *
 * Codes: ERR_NOT_FOUND, ERR_ALREADY_EXISTS, ERR_TOO_LARGE (a limit below), ERR_INVALID_ARGUMENT, ERR_STATE never;
 * ERR_UNSUPPORTED for what a kind of catalog does not have (a NULL in its table).
 * Flink: Catalog, GenericInMemoryCatalog, CatalogFactory.  Thread: one owner at a time, the session. */
#ifndef FLINC_SQL_CATALOG_CATALOG_H
#define FLINC_SQL_CATALOG_CATALOG_H

#include "common/text/option_text.h"
#include "sql/catalog/entity.h"

enum {
    SQL_OBJECT_NAME_MAX = 1024,   /* bytes of a name */
    SQL_DATABASES_MAX = 10000,    /* of a catalog */
    SQL_OBJECTS_MAX = 100000,     /* tables and views, or functions, or models, of a database */
    SQL_PARTITIONS_MAX = 1000000, /* of a table */
    SQL_PARTITION_KEYS_MAX = 64,
};

struct sql_catalog;

/* One partition: a value for each partition key, in their order. */
struct sql_partition_values {
    struct sql_name_list values;
    struct sql_options options;
};

/* What is known of a table's size; -1: not known. */
struct sql_table_statistics {
    int64_t rows, files, bytes, raw_bytes;
};
#define SQL_TABLE_STATISTICS_UNKNOWN \
    {                                \
        -1, -1, -1, -1               \
    }

/* Creating adds a reference; names were checked. */
struct sql_catalog_ops {
    const char *identifier; /* of the option `type` */
    void (*close)(struct sql_catalog *c);

    void (*list_databases)(const struct sql_catalog *c, struct text_list *ret);
    int (*get_database)(const struct sql_catalog *c, const char *name, struct sql_entity **ret,
                        struct error *err);
    int (*create_database)(struct sql_catalog *c, const char *name, const struct sql_entity *e,
                           struct error *err);
    int (*alter_database)(struct sql_catalog *c, const char *name, const struct sql_entity *e,
                          struct error *err);
    int (*drop_database)(struct sql_catalog *c, const char *name, bool is_cascade,
                         struct error *err);

    int (*list_tables)(const struct sql_catalog *c, const char *database, struct text_list *ret,
                       struct error *err); /* and views */
    int (*get_table)(const struct sql_catalog *c, const char *database, const char *name,
                     struct sql_table **ret, struct error *err);
    int (*create_table)(struct sql_catalog *c, const char *database, const char *name,
                        const struct sql_table *t, struct error *err);
    int (*alter_table)(struct sql_catalog *c, const char *database, const char *name,
                       const struct sql_table *t, struct error *err);
    int (*rename_table)(struct sql_catalog *c, const char *database, const char *name,
                        const char *new_name, struct error *err);
    int (*drop_table)(struct sql_catalog *c, const char *database, const char *name,
                      struct error *err);

    /* Functions and models, by sql_object. */
    int (*list)(const struct sql_catalog *c, enum sql_object object, const char *database,
                struct text_list *ret, struct error *err);
    int (*get)(const struct sql_catalog *c, enum sql_object object, const char *database,
               const char *name, struct sql_entity **ret, struct error *err);
    int (*create)(struct sql_catalog *c, const char *database, const char *name,
                  const struct sql_entity *e, struct error *err);
    int (*alter)(struct sql_catalog *c, const char *database, const char *name,
                 const struct sql_entity *e, struct error *err);
    int (*rename)(struct sql_catalog *c, enum sql_object object, const char *database,
                  const char *name, const char *new_name, struct error *err);
    int (*drop)(struct sql_catalog *c, enum sql_object object, const char *database,
                const char *name, struct error *err);

    /* Partitions of a table that has partition keys.  Listing calls `add` for each, in the order they were made. */
    int (*list_partitions)(const struct sql_catalog *c, const char *database, const char *name,
                           void (*add)(void *arg, const struct sql_partition_values *p), void *arg,
                           struct error *err);
    int (*create_partition)(struct sql_catalog *c, const char *database, const char *name,
                            const struct sql_partition_values *p, struct error *err);
    int (*drop_partition)(struct sql_catalog *c, const char *database, const char *name,
                          const struct sql_name_list *values, struct error *err);

    int (*get_statistics)(const struct sql_catalog *c, const char *database, const char *name,
                          struct sql_table_statistics *ret, struct error *err);
    int (*set_statistics)(struct sql_catalog *c, const char *database, const char *name,
                          const struct sql_table_statistics *s, struct error *err);
};

/* What every kind of catalog begins with. */
struct sql_catalog {
    const struct sql_catalog_ops *ops;
    char *name;             /* Owns */
    char *default_database; /* Owns */
};

/* A catalog as CREATE CATALOG describes it: `type` says which, other keys are checked against what the kind has.
 * ERR_INVALID_ARGUMENT names the key and what there is. */
int sql_catalog_open(const char *name, const struct sql_options *options, struct sql_catalog **ret,
                     struct error *err) MUST_CHECK;
struct sql_catalog *sql_catalog_close(struct sql_catalog *c);

/* type generic_in_memory, with `default-database` ("default"). */
struct sql_catalog *sql_memory_catalog_open(const char *name, const char *default_database);

#endif
