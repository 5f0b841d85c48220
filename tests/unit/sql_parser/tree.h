/* Trees of the parser as text, for tests: (op operand ...), names as a.b, strings in quotes. */
#ifndef FLINC_TESTS_UNIT_SQL_PARSER_TREE_H
#define FLINC_TESTS_UNIT_SQL_PARSER_TREE_H

#include "sql/parser/parser.h"

void tree_of_expr(struct str *out, const struct sql_expr *e);
void tree_of_type(struct str *out, const struct sql_type *t);
void tree_of_query(struct str *out, const struct sql_query *q);
void tree_of_path(struct str *out, const struct sql_path *path);
void tree_of_properties(struct str *out, const struct sql_properties *p);

#endif
