/* Tables and views as they are defined: columns with types, watermark, key, partitions, distribution, options, queries.
 *
 * A definition is filled in by one owner and not changed once it is shared; changing a table makes a new one.  All of it lies
 * in its own arena.  What expressions and queries mean was found out before (resolver.h): a definition has their text, with
 * names in back-quotes, and their types.
 * Flink: ResolvedCatalogTable, ResolvedCatalogView, ResolvedSchema.  Thread: any once shared. */
#ifndef FLINC_SQL_CATALOG_TABLE_H
#define FLINC_SQL_CATALOG_TABLE_H

#include "engine/data/schema.h"
#include "sql/catalog/options.h"
#include "sql/parser/statement.h"

enum sql_table_kind { SQL_TABLE_KIND_TABLE, SQL_TABLE_KIND_VIEW, SQL_TABLE_KIND_COUNT };
const char *sql_table_kind_name(enum sql_table_kind kind); /* "table" */

enum sql_time_kind {
    SQL_TIME_NONE,
    SQL_TIME_ROWTIME,  /* the column that the watermark is about */
    SQL_TIME_PROCTIME, /* PROCTIME() */
};

/* Names in an arena. */
struct sql_name_list {
    const char **items;
    uint32_t n;
};
bool sql_name_list_has(const struct sql_name_list *list, const char *name);

struct sql_table_column {
    const char *name;
    enum sql_column_kind kind; /* PHYSICAL, COMPUTED, METADATA */
    struct data_type *type;    /* Owns a ref, by the arena */
    enum sql_time_kind time;
    const char *expr;          /* COMPUTED */
    struct sql_name_list refs; /* COMPUTED: the columns that it reads */
    const char *metadata_key;  /* METADATA; NULL: the column's name */
    bool is_virtual;
    const char *comment; /* NULL: none */
};

struct sql_table_watermark {
    const char *column; /* NULL: none */
    const char *expr;
    struct data_type *type;    /* Owns a ref, by the arena */
    struct sql_name_list refs; /* of expr, and the column */
};

struct sql_table_key {
    const char *name; /* NULL: none */
    struct sql_name_list columns;
};

enum { SQL_BUCKETS_NONE = -1 };

struct sql_table_distribution {
    enum sql_distribution_kind kind;
    struct sql_name_list columns;
    int32_t buckets; /* SQL_BUCKETS_NONE: not given */
};

struct sql_table {
    _Atomic uint32_t refs;
    struct arena arena; /* Owns what the rest points to */
    enum sql_table_kind kind;
    struct sql_table_column *columns;
    uint32_t n_columns;
    struct sql_table_watermark watermark;
    struct sql_table_key key;
    struct sql_name_list partition_keys;
    struct sql_table_distribution distribution;
    const char *comment; /* NULL: none */
    struct sql_options options;
    const char *original_query, *expanded_query; /* VIEW: as written, and with full names */
};

struct sql_table *sql_table_new(enum sql_table_kind kind); /* refs 1, to be filled in */
struct sql_table *sql_table_copy(const struct sql_table *t);
struct sql_table *sql_table_ref(const struct sql_table *t);
struct sql_table *sql_table_unref(const struct sql_table *t);
/* NULL: no such column. */
struct sql_table_column *sql_table_find(const struct sql_table *t, const char *name);

/* ---- for those who fill one in ----------------------------------------------------------------------- */

/* A ref that lives as long as the table. */
struct data_type *sql_table_keep_type(struct sql_table *t, const struct data_type *type);
/* A zeroed column at `at`, which is n_columns at the end; columns behind it move. */
struct sql_table_column *sql_table_insert(struct sql_table *t, uint32_t at);
void sql_table_remove(struct sql_table *t, uint32_t at);
/* Copies with all it points to. */
void sql_table_put(struct sql_table *t, struct sql_table_column *to,
                   const struct sql_table_column *from);
void sql_name_list_add(struct sql_name_list *list, struct arena *arena, struct slice name);
void sql_name_list_copy(const struct sql_name_list *from, struct arena *arena,
                        struct sql_name_list *ret);

/* ---- for those who read one ---------------------------------------------------------------------------- */

enum sql_table_part {
    SQL_TABLE_ALL,      /* what a query sees */
    SQL_TABLE_PHYSICAL, /* what formats read and write */
    SQL_TABLE_SINK,     /* what INSERT writes: physical and metadata columns that are not VIRTUAL */
};
/* A new schema; ERR_TOO_LARGE. */
int sql_table_schema(const struct sql_table *t, enum sql_table_part part, struct schema **ret,
                     struct error *err) MUST_CHECK;

#endif
