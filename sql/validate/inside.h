/* What the files of sql/validate share. */
#ifndef FLINC_SQL_VALIDATE_INSIDE_H
#define FLINC_SQL_VALIDATE_INSIDE_H

#include "sql/validate/expression.h"

/* Notes the place of an error, if it is the first; returns rc. */
int sql_at_place(struct sql_validator *v, struct sql_span span, int rc);
int sql_resolve_literal(struct sql_validator *v, const struct sql_expr *e, const struct expr **ret,
                        struct error *err) MUST_CHECK;
int sql_resolve_column(struct sql_validator *v, const struct sql_scope *scope,
                       const struct sql_expr *e, const struct expr **ret,
                       struct error *err) MUST_CHECK;
int sql_resolve_call(struct sql_validator *v, const struct sql_scope *scope,
                     const struct sql_expr *e, const struct expr **ret,
                     struct error *err) MUST_CHECK;
/* The arguments of JSON functions, which are told more than is written; `args` has room for one more. */
int sql_json_arguments(struct sql_validator *v, const struct sql_call *c,
                       const struct expr_function *f, const struct expr **args, uint32_t *n,
                       struct error *err) MUST_CHECK;
/* INTERVAL 'text' range: milliseconds or months. */
int sql_parse_interval_text(struct slice text, const struct sql_interval_range *range, int64_t *ret,
                            struct error *err) MUST_CHECK;

#endif
