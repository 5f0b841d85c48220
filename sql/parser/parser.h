/* From SQL text to trees: Flink's dialect, the whole of it.
 *
 * Recursive descent with precedence climbing.  Nothing is resolved: a statement that executes only in a later version of
 * the product parses all the same.  Each statement is looked at with one token of sight, two or more where the dialect
 * needs them; going back is not needed but for `(` that may open a query or an expression.
 *
 * Errors are Flink's first sentence and more: the token, line and column, what could have stood there, and the nearest
 * keyword when the word looks like a slip.  Flink: SqlParserException.  Thread: any. */
#ifndef FLINC_SQL_PARSER_PARSER_H
#define FLINC_SQL_PARSER_PARSER_H

#include "common/base/vec.h"
#include "sql/parser/statement.h"

enum {
    SQL_STATEMENTS_MAX = 100000, /* of one script */
    SQL_LIST_MAX = 1 << 20,      /* items of one list: rows of VALUES, columns, arguments */
};

/* Where parsing failed, for people who are shown the line. */
struct sql_error_place {
    struct sql_span span;
};

/* One statement; a semicolon may follow and nothing else.  Nodes lie in `arena`, some of their slices in `text`: both
 * must outlive the tree.  ERR_PARSE, ERR_TOO_LARGE; `ret_place` may be NULL. */
int sql_parse_statement(struct slice text, struct arena *arena, struct sql_statement **ret,
                        struct sql_error_place *ret_place, struct error *err) MUST_CHECK;
/* Any number of statements with semicolons between them: pointers to them are appended to `ret` (a vec of
 * struct sql_statement *), also those before one that fails. */
int sql_parse_script(struct slice text, struct arena *arena, struct vec *ret,
                     struct sql_error_place *ret_place, struct error *err) MUST_CHECK;
/* An expression, or a type, and nothing behind it (columns of the Table API, tests, options). */
int sql_parse_expression(struct slice text, struct arena *arena, struct sql_expr **ret,
                         struct sql_error_place *ret_place, struct error *err) MUST_CHECK;
int sql_parse_type(struct slice text, struct arena *arena, struct sql_type **ret,
                   struct sql_error_place *ret_place, struct error *err) MUST_CHECK;

/* Where the first statement of `text` ends: the offset behind its semicolon, or text.len with *ret_complete false when there
 * is none yet.  Strings, comments and back-quotes may hold semicolons; a statement set ends with its END.  For shells,
 * which read line by line; needs no valid SQL. */
uint32_t sql_statement_end(struct slice text, bool *ret_complete);

#endif
