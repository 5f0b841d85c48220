/* Records: one row as a C struct, as user functions see it and as keyed state keeps it.
 *
 * A layout says where each column of a schema lies in the struct: the SDK's structs bring their own
 * (FLINC_STRUCT), record_layout_init() makes one for any other schema.  A string is a flinc_string; so is
 * an array, a map or a row: the bytes that value_encode() (codec.h) makes of it, at least one, or none for the
 * value that zeroed memory stands for.  They are position independent and equal for equal values, but for 0.0
 * and -0.0.  A column that may be NULL has a bool beside it.  Batches are read into tiles, arrays of records,
 * column by column in tight loops; strings of a tile point into the batch.  A record kept in state owns its
 * strings in the state's heap.  Below, strings are those of nested values, too.
 *
 * Layouts are immutable after init.  Thread: one owner.
 * Flink: the POJO or Row that user code gets. */
#ifndef FLINC_ENGINE_STATE_RECORD_H
#define FLINC_ENGINE_STATE_RECORD_H

#include "engine/data/builder.h"
#include "engine/state/state_heap.h"

enum {
    RECORD_TILE_ROWS = 128, /* rows that are read together: a tile fits the first-level cache */
    RECORD_SIZE_MAX = 64 * 1024,      /* bytes of one record, its strings not counted */
    RECORD_NESTED_KEPT_MAX = 1 << 20, /* bytes of a reader's nested values that outlive its tile */
};
#define RECORD_NEVER_NULL UINT32_MAX

struct record_field {
    uint32_t column;         /* of the schema */
    uint32_t offset;         /* in the struct */
    uint32_t null_offset;    /* of the bool that says NULL; RECORD_NEVER_NULL */
    uint32_t width;          /* bytes in the struct */
    enum type_layout layout; /* of the column */
};
static inline bool record_field_is_nested(const struct record_field *f)
{
    return f->layout >= LAYOUT_LIST;
}
/* Whether it is a flinc_string in the struct. */
static inline bool record_field_is_string(const struct record_field *f)
{
    return f->layout >= LAYOUT_VIEW;
}

struct record_layout {
    struct schema *schema; /* Owns a ref */
    uint32_t size;         /* bytes from one record of a tile to the next */
    uint32_t n_fields;
    uint32_t n_strings;
    uint32_t n_nested;           /* of the strings */
    struct record_field *fields; /* Owns */
    uint32_t *strings;           /* Owns: numbers of the fields that are strings */
};

/* A layout over all columns of a schema.  ERR_UNSUPPORTED for columns of type NULL. */
int record_layout_init(struct record_layout *l, const struct schema *schema,
                       struct error *err) MUST_CHECK;
/* A layout of the caller's fields (copied), whose layouts and columns fit the schema. */
void record_layout_init_fields(struct record_layout *l, const struct schema *schema, uint32_t size,
                               const struct record_field *fields, uint32_t n_fields);
/* The layout of `base` with `n` BIGINT columns of these names behind its own, and behind them `extra_bytes`
 * that belong to no column: they are zero in a new record and are in no snapshot.  The first added column is
 * at offset (base->size + 7) & ~7, the next one 8 bytes behind it. */
int record_layout_extend(struct record_layout *l, const struct record_layout *base,
                         const char *const *names, uint32_t n, uint32_t extra_bytes,
                         struct error *err) MUST_CHECK;
void record_layout_fini(struct record_layout *l);
/* The field of a column; NULL when the layout leaves it out. */
const struct record_field *record_layout_find(const struct record_layout *l, uint32_t column);

/* Reads the selected rows [from, from + n) into ret_records[0..n).  Strings point into the batch, nested
 * values into `nested`, which is cleared before.  ERR_INVALID_ARGUMENT when a column without a bool for it
 * holds a NULL. */
int record_read(const struct record_layout *l, const struct batch *b, uint32_t from, uint32_t n,
                char *ret_records, struct str *nested, struct error *err) MUST_CHECK;

/* Writing goes row by row for strings, whose bytes are copied, and column by column for the rest:
 *   builder_begin(out);
 *   for each record { record_put_strings(l, record, out); out->out.n++; }
 *   record_put_fixed(l, records, n, out, row of the first);
 * Rows must fit what builder_begin() made room for: stop when out.n reaches out.cap, write the fixed
 * part, and go on with flinc_out_flush().  Nested values that are none make out.status ERR_CORRUPT. */
void record_put_strings(const struct record_layout *l, const char *record, struct builder *out);
void record_put_fixed(const struct record_layout *l, const char *records, uint32_t n,
                      struct builder *out, uint32_t row);

/* Makes `kept`, a record in state, a copy of `record` with strings of its own in the heap.  Strings of
 * `record` may be those of `kept`.  `kept` is zeroed memory or was kept before.  ERR_LIMIT when the
 * budget has no room; `kept` is unchanged then. */
int record_keep(const struct record_layout *l, struct state_heap *heap, char *kept,
                const char *record, struct error *err) MUST_CHECK;
/* Bytes of the strings of a record. */
size_t record_string_bytes(const struct record_layout *l, const char *record);
/* Copies a record into `to`, its strings into `bytes` (which is cleared before). */
void record_copy(const struct record_layout *l, char *to, const char *record, struct str *bytes);
/* In all fields; NaN is equal to itself, and -0.0 to 0.0. */
bool record_equals(const struct record_layout *l, const char *a, const char *b);
/* Frees the strings of a kept record. */
void record_drop(const struct record_layout *l, struct state_heap *heap, char *kept);

#endif
