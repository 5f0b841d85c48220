/* What this room has to ask the rooms above it: types of expressions, columns of queries, options of connectors, names of
 * built-in functions.  The session fills it in; what is NULL is not checked, or is empty.
 * Flink: SchemaResolver, the validator, FactoryUtil.  Thread: called on the session's own. */
#ifndef FLINC_SQL_CATALOG_RESOLVER_H
#define FLINC_SQL_CATALOG_RESOLVER_H

#include "common/text/option_text.h"
#include "sql/catalog/table.h"
#include "sql/parser/parser.h"

/* What an expression is. */
struct sql_expr_info {
    struct data_type *type; /* Owns a ref */
    bool is_proctime;       /* PROCTIME() itself */
    bool is_source_watermark;
    char *
        text; /* Owns; with names in full, for the definition; NULL: as sql_unparse_expr() writes it */
};

/* What an expression sees. */
struct sql_column_scope {
    struct slice text; /* that its places are in */
    const struct sql_table_column *columns;
    uint32_t n_columns;
};

struct sql_resolver {
    void *arg;
    int (*expression)(void *arg, const struct sql_expr *expr, const struct sql_column_scope *scope,
                      struct sql_expr_info *ret, struct sql_error_place *place, struct error *err);
    /* The columns of a query, put into `view`, and its text with names in full (`expanded_query`; left NULL: as written). */
    int (*query)(void *arg, const struct sql_query *query, struct slice text,
                 struct sql_table *view, struct sql_error_place *place, struct error *err);
    /* Are the options those of a connector, and are its columns what it takes? */
    int (*check_table)(void *arg, const struct sql_table *table, struct error *err);
    /* The file of ADD JAR: is it there, and is it a library that can be loaded? */
    int (*check_jar)(void *arg, const char *address, struct error *err);
    /* Names of built-in functions, as SHOW FUNCTIONS lists them. */
    void (*functions)(void *arg, struct text_list *ret);
    /* An option of a session that DDL looks at (table.*); NULL: not set. */
    const char *(*option)(void *arg, const char *key);
};

#endif
