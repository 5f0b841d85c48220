/* Schemas of C structs, as FLINC_STRUCT describes them.  Flink: TypeInformation of a POJO. */
#ifndef FLINC_ENGINE_OPERATORS_STRUCT_SCHEMA_H
#define FLINC_ENGINE_OPERATORS_STRUCT_SCHEMA_H

#include "engine/state/record.h"
#include "flinc/types.h"
#include "proto/graph.pb-c.h"

/* A field's kind, and the type of a nested one.  ERR_INVALID_ARGUMENT says what is wrong. */
int struct_field_check(const flinc_field *f, struct error *err) MUST_CHECK;
/* The fields of a description that a job brought; its texts are borrowed. */
void struct_fields_from(const Flinc__StructDesc *desc, flinc_field *ret_fields);
/* The columns of a struct whose description is sound. */
struct schema *struct_schema_new(const flinc_struct *type);
/* The layout of a struct over its own schema; checks the description.  `what` says whose struct it is. */
int struct_record_layout(struct record_layout *l, const flinc_struct *type, const char *what,
                         struct error *err) MUST_CHECK;
/* The same for what a state keeps: a struct, or a row of this type, "ROW<...>"; one of them is NULL. */
int state_record_layout(struct record_layout *l, const flinc_struct *type, const char *row,
                        const char *what, struct error *err) MUST_CHECK;
/* The layout of a row type, "ROW<...>". */
int row_record_layout(struct record_layout *l, const char *type, const char *what,
                      struct error *err) MUST_CHECK;

#endif
