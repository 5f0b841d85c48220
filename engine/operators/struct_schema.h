/* Schemas of C structs, as FLINC_STRUCT describes them.  Flink: TypeInformation of a POJO. */
#ifndef FLINC_ENGINE_OPERATORS_STRUCT_SCHEMA_H
#define FLINC_ENGINE_OPERATORS_STRUCT_SCHEMA_H

#include "engine/state/record.h"
#include "flinc/types.h"

/* The columns of a struct whose description is sound. */
struct schema *struct_schema_new(const flinc_struct *type);
/* The layout of a struct over its own schema; checks the description.  `what` says whose struct it is. */
int struct_record_layout(struct record_layout *l, const flinc_struct *type, const char *what,
                         struct error *err) MUST_CHECK;

#endif
