/* A schema: the named, typed columns of a stream.  Immutable, reference-counted, interned by nobody:
 * compare by pointer first, then schema_equals().  Thread: any. */
#ifndef FLINC_ENGINE_DATA_SCHEMA_H
#define FLINC_ENGINE_DATA_SCHEMA_H

#include "engine/data/type.h"

struct field {
    char *name;             /* Owns */
    struct data_type *type; /* Owns a ref */
};

struct schema {
    _Atomic uint32_t refs;
    uint32_t n_fields;
    uint32_t n_nested;    /* columns below the fields (elements, keys, row fields), all levels */
    uint32_t row_bytes;   /* of the values buffers of the fields, per row; bits not counted */
    uint64_t fingerprint; /* of names and types; equal schemas have equal ones */
    struct field fields[];
};

enum { SCHEMA_FIELDS_MAX = 4096 };

struct schema *schema_new(const char *const *names, struct data_type *const *take_types,
                          uint32_t n_fields);
struct schema *schema_ref(const struct schema *s);
struct schema *schema_unref(struct schema *s);
bool schema_equals(const struct schema *a, const struct schema *b);
int schema_find(const struct schema *s, const char *name);  /* index or -1 */
void schema_print(const struct schema *s, struct str *out); /* as the ROW type of its fields */
/* Names and types in order, and no name twice: for schemas that come from outside. */
int schema_validate(const struct schema *s, struct error *err) MUST_CHECK;
int schema_parse(struct slice text, struct schema **ret, struct error *err) MUST_CHECK;

#endif
