/* What catalogs hold besides tables and views: databases, functions, models; and the description of a catalog itself, which
 * is what a catalog store keeps.  As with tables: filled in by one owner, unchanged once shared, in its own arena.
 * Flink: CatalogDatabase, CatalogFunction, CatalogModel, CatalogDescriptor.  Thread: any once shared. */
#ifndef FLINC_SQL_CATALOG_ENTITY_H
#define FLINC_SQL_CATALOG_ENTITY_H

#include "sql/catalog/table.h"

struct sql_entity {
    _Atomic uint32_t refs;
    struct arena arena;     /* Owns what the rest points to */
    enum sql_object object; /* CATALOG, DATABASE, FUNCTION, MODEL */
    const char *comment;    /* NULL: none */
    struct sql_options options;
    /* functions */
    const char *class_name;
    enum sql_language language;
    struct sql_name_list resources;
    /* models: the columns of both, as views have them; NULL: not given */
    struct sql_table *input, *output;
};

struct sql_entity *sql_entity_new(enum sql_object object); /* refs 1, to be filled in */
struct sql_entity *sql_entity_copy(const struct sql_entity *e);
struct sql_entity *sql_entity_ref(const struct sql_entity *e);
struct sql_entity *sql_entity_unref(const struct sql_entity *e);
const char *sql_language_name(enum sql_language language); /* JAVA is the default, as Flink's */

#endif
