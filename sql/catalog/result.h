/* What a statement that runs no job answers: one small table of text, made once and read by the shell, the gateway and
 * tests.  DDL answers one column `result` with the row OK.
 * Flink: TableResultInternal, ResultKind.  Thread: one owner. */
#ifndef FLINC_SQL_CATALOG_RESULT_H
#define FLINC_SQL_CATALOG_RESULT_H

#include "common/base/str.h"
#include "common/base/vec.h"

enum sql_result_kind {
    SQL_RESULT_OK,   /* SUCCESS: the table says OK */
    SQL_RESULT_ROWS, /* SUCCESS_WITH_CONTENT */
};

enum sql_result_type { SQL_RESULT_STRING, SQL_RESULT_BOOLEAN };
const char *sql_result_type_name(enum sql_result_type type); /* as SQL writes it */

struct sql_result_column {
    const char *name;
    enum sql_result_type type;
};

struct sql_result {
    enum sql_result_kind kind;
    struct arena arena; /* Owns all text */
    struct sql_result_column *columns;
    uint32_t n_columns;
    struct vec cells; /* const char *, row by row; NULL: SQL's NULL.  BOOLEAN: TRUE, FALSE */
};

struct sql_result *sql_result_new(const struct sql_result_column *columns, uint32_t n_columns);
struct sql_result *sql_result_new_ok(void);
/* Copies the row's n_columns cells. */
void sql_result_add(struct sql_result *r, const char *const *cells);
uint32_t sql_result_rows(const struct sql_result *r);
const char *sql_result_cell(const struct sql_result *r, uint32_t row, uint32_t column);
struct sql_result *sql_result_free(struct sql_result *r);

#endif
