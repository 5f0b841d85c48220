/* Expressions and types as SQL text again: names in back-quotes, built-in functions in capitals, parentheses where they are
 * needed.  What has a syntax of its own (JSON functions, OVER, subqueries) is given as it was written.  The text parses to the
 * same tree.  Flink: SqlNode.toSqlString.  Thread: any. */
#ifndef FLINC_SQL_CATALOG_UNPARSE_H
#define FLINC_SQL_CATALOG_UNPARSE_H

#include "sql/catalog/table.h"

struct sql_unparse {
    struct slice text; /* that the tree was parsed from */
    /* Is this a built-in function?  NULL: keywords are. */
    bool (*is_builtin)(void *arg, struct slice name);
    void *arg;
};
void sql_unparse_expr(const struct sql_unparse *u, const struct sql_expr *e, struct str *out);
/* Types as Flink's asSerializableString: STRING is VARCHAR(2147483647). */
void sql_unparse_type(const struct data_type *t, struct str *out);
/* Between quotes, those inside doubled. */
void sql_unparse_string(const char *text, struct str *out);

/* The columns of `columns` that an expression names, each once, in the order it names them. */
void sql_expr_columns(const struct sql_expr *e, const struct sql_table_column *columns,
                      uint32_t n_columns, struct arena *arena, struct sql_name_list *ret);

#endif
