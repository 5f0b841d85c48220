/* Types as text, for tables of tests. */
#ifndef FLINC_TESTS_UNIT_ENGINE_EXPR_TYPES_H
#define FLINC_TESTS_UNIT_ENGINE_EXPR_TYPES_H

#include "engine/expr/type_rules.h"

struct data_type *
type_of_text(const char *text); /* must parse; "NULL" is the type of an untyped NULL */
/* Fails unless `t`, which is taken, prints as `text`. */
void check_type(struct data_type *t, const char *text, const char *what);

#endif
