/* Statements over catalogs: DDL, SHOW, DESCRIBE, USE, modules, jars.
 *
 * A statement is executed whole or not at all.  Errors have Flink's sentences, a hint where a name looks like a slip, and the
 * place in the text.  Features of the dialect that are parsed and not executed yet are ERR_UNSUPPORTED,
 * `not supported yet: <feature>`.
 * Flink: the operations of flink-table-api-java and their converters.  Thread: the session's. */
#ifndef FLINC_SQL_CATALOG_EXECUTE_H
#define FLINC_SQL_CATALOG_EXECUTE_H

#include "sql/catalog/manager.h"
#include "sql/catalog/result.h"

/* Is it a statement of this room?  Queries, INSERT, EXPLAIN, SET, jobs and CREATE TABLE AS are others'. */
bool sql_catalog_takes(const struct sql_statement *statement);
/* `text` is what the statement was parsed from.  ERR_STATE: it is none of this room's.  On failure *ret is untouched,
 * and `place` (may be NULL) is what is meant: the whole statement where it is no single part. */
int sql_catalog_execute(struct sql_manager *m, struct slice text,
                        const struct sql_statement *statement, struct sql_result **ret,
                        struct sql_error_place *place, struct error *err) MUST_CHECK;

/* CREATE TABLE AS and REPLACE TABLE AS: defines the table from its columns and those of its query, and registers it.  The
 * caller inserts the query's rows, and drops the table again when that cannot begin. */
struct sql_created {
    struct arena arena; /* Owns the identifier */
    struct sql_identifier id;
    struct sql_table *table; /* Owns a ref; NULL: IF NOT EXISTS found one */
};
int sql_catalog_create_as(struct sql_manager *m, struct slice text,
                          const struct sql_statement *statement, struct sql_created *ret,
                          struct sql_error_place *place, struct error *err) MUST_CHECK;
void sql_created_fini(struct sql_created *c);

#endif
