/* From the type that was written to the type of the engine: defaults, ranges, names of fields.
 * Flink: DataTypeSpec and the parser's types to LogicalType.  Thread: any. */
#ifndef FLINC_SQL_TYPES_RESOLVE_H
#define FLINC_SQL_TYPES_RESOLVE_H

#include "engine/data/type.h"
#include "sql/parser/expr.h"

/* A new reference in *ret.  Parameters that were not written get Flink's defaults: CHAR and VARCHAR 1, DECIMAL (10, 0), TIME 0,
 * TIMESTAMP 6, intervals 2 and 6.  ERR_INVALID_ARGUMENT for parameters out of range and double names of fields,
 * ERR_UNSUPPORTED for types that the engine does not have; *ret_span is the part of the type that is meant. */
int sql_type_resolve(const struct sql_type *type, struct data_type **ret, struct sql_span *ret_span,
                     struct error *err) MUST_CHECK;
/* The type of INTERVAL with these units, of literals as well: a new reference; NULL when there is no such interval. */
struct data_type *sql_interval_resolve(const struct sql_interval_range *range, bool nullable);

#endif
