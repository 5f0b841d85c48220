/* The rules of types in expressions: what arithmetic yields, what types have in common, what may be compared and cast.
 *
 * Functions that make a type return a new reference in *ret, and leave it alone on errors; a result is nullable when an
 * argument is, unless said otherwise.  Errors are Flink's sentences where it has one.
 * Flink: LogicalTypeMerging, LogicalTypeCasts, FlinkTypeSystem, the cast rules of the code generator.  Thread: any. */
#ifndef FLINC_ENGINE_EXPR_TYPE_RULES_H
#define FLINC_ENGINE_EXPR_TYPE_RULES_H

#include "engine/data/type.h"

/* ---- families ------------------------------------------------------------------------------------- */

bool type_is_integer(const struct data_type *t);     /* TINYINT to BIGINT */
bool type_is_exact(const struct data_type *t);       /* integers and DECIMAL */
bool type_is_approximate(const struct data_type *t); /* FLOAT, DOUBLE */
bool type_is_numeric(const struct data_type *t);
bool type_is_string(const struct data_type *t);    /* CHAR, VARCHAR */
bool type_is_binary(const struct data_type *t);    /* BINARY, VARBINARY */
bool type_is_timestamp(const struct data_type *t); /* both kinds */
bool type_is_datetime(const struct data_type *t);  /* DATE, TIME, timestamps */
bool type_is_interval(const struct data_type *t);
/* ARRAY, MAP, MULTISET, ROW. */
bool type_is_constructed(const struct data_type *t);
/* Precision and scale of an exact number as a decimal: TINYINT (3, 0) to BIGINT (19, 0). */
void type_decimal_of(const struct data_type *t, int32_t *ret_precision, int32_t *ret_scale);

/* ---- arithmetic ----------------------------------------------------------------------------------- */

enum type_arithmetic { TYPE_PLUS, TYPE_MINUS, TYPE_TIMES, TYPE_DIVIDE, TYPE_MODULO };

/* Numbers, datetimes with intervals, intervals with each other and with numbers.  ERR_INVALID_ARGUMENT names the operator
 * and both types.  (TIMESTAMP minus TIMESTAMP has no type without a unit: it is no case of this function.) */
int type_of_arithmetic(enum type_arithmetic op, const struct data_type *a,
                       const struct data_type *b, struct data_type **ret,
                       struct error *err) MUST_CHECK;
/* DECIMAL of precision and scale cut to 38 digits the way Flink does: digits before the point win over those behind it,
 * of which six stay. */
struct data_type *type_decimal_adjusted(int32_t precision, int32_t scale, bool nullable);
/* a || b, OVERLAY: the sum of the lengths, capped. */
int type_of_concat(const struct data_type *a, const struct data_type *b, struct data_type **ret,
                   struct error *err) MUST_CHECK;

enum type_aggregate { TYPE_SUM, TYPE_AVG };

/* SUM and AVG (and with it STDDEV, VAR): the argument's type but for decimals.  The result is nullable. */
int type_of_aggregate(enum type_aggregate agg, const struct data_type *argument,
                      struct data_type **ret, struct error *err) MUST_CHECK;

/* ---- several types -------------------------------------------------------------------------------- */

/* The least restrictive type: CASE, COALESCE, UNION, VALUES, ARRAY[], IN.  ERR_INVALID_ARGUMENT when there is none, or all
 * are untyped NULLs. */
int type_of_all(const struct data_type *const *types, size_t n, struct data_type **ret,
                struct error *err) MUST_CHECK;

/* The type in which a and b are compared; `is_order`: < and the like, which constructed types do not have. */
int type_of_comparison(const struct data_type *a, const struct data_type *b, bool is_order,
                       struct data_type **ret, struct error *err) MUST_CHECK;

/* ---- casts ---------------------------------------------------------------------------------------- */

enum type_cast { TYPE_CAST_NEVER, TYPE_CAST_MAY_FAIL, TYPE_CAST_ALWAYS };

/* What CAST can do.  Nullability is left aside: CAST keeps that of the value. */
enum type_cast type_cast_rule(const struct data_type *from, const struct data_type *to);
/* Is the cast made without being written: assignments, arguments of functions, INSERT?  Nullable to NOT NULL is not. */
bool type_casts_implicitly(const struct data_type *from, const struct data_type *to);

#endif
